//! What a host states: each kind of command by itself, and the mix of TCP lives.
//!
//! The mix is what a kernel tells of a connection with all events on, and once by an audit: new (FULL);
//! SYN-ACK, with the scales (UPDATE); established, FIN, second FIN, time-wait (COMPACT each); unchanged;
//! end (DELETE). So an eighth each makes, updates, restates and deletes, and half are changes of state.
//! Every command is of a flow drawn at random, whose next life has another port.
//!
//! An operation includes its share of the turn: timers, background passes, its record in the frame of
//! one copy, the frame's checksum, the acknowledgement.

use super::table::{shuffled, Pair, Random, BATCH};
use super::{print, timed, RUNS};
use formats::descriptor::{upsert, Command};
use formats::flow::{lifetime_class, status, tcp_state};
use formats::register::Counter;
use formats::{FlowKey, FlowRecord, Groups};

/// States of a life that the kernel tells, in order.
const LIFE: [u8; 6] = [
    tcp_state::SYN_SENT,
    tcp_state::SYN_RECV,
    tcp_state::ESTABLISHED,
    tcp_state::FIN_WAIT,
    tcp_state::LAST_ACK,
    tcp_state::TIME_WAIT,
];
/// Steps of a life: its states, one restated, its end.
const STEPS: u8 = LIFE.len() as u8 + 2;
/// The step that restates the one before.
const RESTATED: u8 = 3;

fn key(n: u32, life: u32) -> FlowKey {
    FlowKey {
        // Addresses without a pattern, each of one client.
        src: u128::from(n.wrapping_mul(0x9e37_79b1)),
        dst: 0x0a02_000a,
        src_port: 1024 + life as u16,
        dst_port: 443,
        protocol: 6,
        ..FlowKey::default()
    }
}

fn record(n: u32, life: u32, state: u8) -> FlowRecord {
    let (reply, assured) = (state > tcp_state::SYN_SENT, state >= tcp_state::ESTABLISHED);
    let bits = if reply { status::SEEN_REPLY } else { 0 } | if assured { status::ASSURED } else { 0 };
    FlowRecord {
        key: key(n, life),
        groups: Groups::STATUS.with(Groups::LIFETIME).with(Groups::SCALES),
        tcp_state: state,
        status: bits,
        class: lifetime_class::of(bits, state),
        scales: if reply { [7, 7] } else { [7, 0] },
        tcp_flags: if reply { [3, 3] } else { [3, 0] },
        lifetime_s: 120 + u32::from(state),
        ..FlowRecord::default()
    }
}

fn upsert_of(flags: u8, record: FlowRecord) -> Command {
    Command::Upsert { flags, cookie: 1, record }
}

/// ns per command at the owner and per record at the copy, over a number of commands.
fn run(pair: &mut Pair, count: usize, mut command: impl FnMut(usize) -> Command) -> [f64; 2] {
    let mut owner_ns = 0;
    pair.receive_ns = 0;
    let mut batch = Vec::with_capacity(BATCH);
    for from in (0..count).step_by(BATCH) {
        batch.clear();
        batch.extend((from..(from + BATCH).min(count)).map(&mut command));
        let now = pair.now();
        timed(&mut owner_ns, || pair.owner.commands(now, &batch));
        pair.turn(&mut owner_ns);
    }
    [owner_ns, pair.receive_ns].map(|ns| ns as f64 / count as f64)
}

/// Each kind of command by itself.
fn kinds(flows: u32, size: &str) {
    let mut pair = Pair::together(flows, None);
    let order = shuffled(flows);
    let count = order.len();
    let mut rows = [(); 5].map(|()| [Vec::new(), Vec::new()]);
    for pass in 0..RUNS as u32 {
        let mut note = |row: usize, figures: [f64; 2]| {
            (0..2).for_each(|side| rows[row][side].push(figures[side]));
        };
        let state = |n: usize, state: u8| record(order[n], pass, state);
        note(0, run(&mut pair, count, |n| upsert_of(upsert::NEW, state(n, tcp_state::SYN_SENT))));
        note(1, run(&mut pair, count, |n| upsert_of(0, state(n, tcp_state::SYN_RECV))));
        note(2, run(&mut pair, count, |n| upsert_of(0, state(n, tcp_state::ESTABLISHED))));
        note(3, run(&mut pair, count, |n| upsert_of(0, state(n, tcp_state::ESTABLISHED))));
        note(4, run(&mut pair, count, |n| Command::Delete { cookie: 0, key: key(order[n], pass) }));
        pair.settle();
    }
    pair.check();
    let names = ["make", "change, UPDATE", "change, COMPACT", "unchanged", "delete"];
    for (name, [owner, copy]) in names.iter().zip(&rows) {
        print(&format!("{name}, {size} flows"), "ns", owner);
        if *name != "unchanged" {
            print(&format!("apply: {name}, {size} flows"), "ns", copy);
        }
    }
}

/// The next step of each flow.
struct Lives {
    random: Random,
    lives: Vec<(u32, u8)>,
}

impl Lives {
    fn step(&mut self) -> Command {
        let n = self.random.below(self.lives.len() as u32);
        let (life, step) = &mut self.lives[n as usize];
        let (of, at) = (*life, *step);
        *step = (*step + 1) % STEPS;
        if *step == 0 {
            *life += 1;
        }
        match at {
            0 => upsert_of(upsert::NEW, record(n, of, LIFE[0])),
            RESTATED => upsert_of(0, record(n, of, LIFE[RESTATED as usize - 1])),
            at if at + 1 == STEPS => Command::Delete { cookie: 1, key: key(n, of) },
            at if at < RESTATED => upsert_of(0, record(n, of, LIFE[at as usize])),
            at => upsert_of(0, record(n, of, LIFE[at as usize - 1])),
        }
    }
}

fn mix(flows: u32, size: &str) {
    let mut pair = Pair::together(flows, None);
    let mut random = Random(3);
    // Lives of all ages run beside each other; until each has begun anew, some begin late.
    let ages = (0..flows).map(|_| (0, random.below(STEPS.into()) as u8)).collect();
    let mut lives = Lives { random, lives: ages };
    run(&mut pair, 2 * usize::from(STEPS) * flows as usize, |_| lives.step());
    let counters = [Counter::FlowsMade, Counter::FlowsChanged, Counter::FlowsUnchanged, Counter::FlowsEnded];
    let before = counters.map(|counter| pair.owner.counter(counter));
    let count = 4 * flows as usize;
    let runs: Vec<f64> = (0..RUNS).map(|_| 1e3 / run(&mut pair, count, |_| lives.step())[0]).collect();
    let done = counters.map(|counter| pair.owner.counter(counter));
    let eighths = [1.0, 5.0, 1.0, 1.0];
    for n in 0..counters.len() {
        let share = (done[n] - before[n]) as f64 / (count * RUNS) as f64;
        assert!((share * 8.0 - eighths[n]).abs() < 0.1, "{:?}: {share}", counters[n]);
    }
    pair.check();
    print(&format!("upserts, {size} flows"), "M/s", &runs);
}

pub(super) fn measure(flows: u32, size: &str) {
    kinds(flows, size);
    mix(flows, size);
}
