//! Descriptors through the rings in this process, codec on both sides counted: `cargo xtask bench rings`
//! reads the lines. A median is that of all rounds, the best is the best round's. Latency is one
//! descriptor alone: submitted, rung, and in the engine's hands; offered, and in the host's.

use driver::{Device, InProcess, Nic, RingOptions, Settings};
use formats::descriptor::{Command, Event};
use formats::register::Counter;
use formats::{ClusterSecret, FlowKey, FlowRecord, Groups, Stamp, Tracking};
use std::hint::black_box;
use std::time::Instant;

/// Descriptors per doorbell.
const BATCH: u32 = 64;
const BATCHES: u32 = 1_000;
const ROUNDS: usize = 31;
/// Single descriptors whose way is timed.
const SINGLES: usize = 200_000;

/// Takes every command, and gives as many events as it is told.
struct Sink {
    taken: u64,
    pending: u32,
    event: Event,
}

impl Device for Sink {
    fn command(&mut self, command: &Command) {
        black_box(command);
        self.taken += 1;
    }
    fn command_malformed(&mut self) {
        unreachable!("the bench writes commands only");
    }
    fn next_event(&mut self) -> Option<Event> {
        self.pending = self.pending.checked_sub(1)?;
        Some(self.event)
    }
    fn counter(&self, _counter: Counter) -> u64 {
        self.taken
    }
    fn flows_max(&self) -> u32 {
        1
    }
    fn ports_count(&self) -> u32 {
        1
    }
    fn start(&mut self, _settings: &Settings) {}
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

fn line(name: &str, unit: &str, median: f64, best: f64) {
    println!(r#"{{"name":"{name}","unit":"{unit}","median":{median:.3},"best":{best:.3}}}"#);
}

/// ns per descriptor of each round.
fn rounds(mut batch: impl FnMut()) -> Vec<f64> {
    let round = |_| {
        let start = Instant::now();
        (0..BATCHES).for_each(|_| batch());
        start.elapsed().as_nanos() as f64 / f64::from(BATCH * BATCHES)
    };
    sorted((0..ROUNDS).map(round).collect())
}

fn throughput(name: &str, batch: impl FnMut()) {
    let rounds = rounds(batch);
    line(name, "M/s", 1e3 / rounds[ROUNDS / 2], 1e3 / rounds[0]);
}

fn cost(name: &str, batch: impl FnMut()) {
    let rounds = rounds(batch);
    line(name, "ns", rounds[ROUNDS / 2], rounds[0]);
}

/// Percentiles of one descriptor's way.
fn latency(name: &str, mut one: impl FnMut()) {
    let single = |_| {
        let start = Instant::now();
        one();
        start.elapsed().as_nanos() as f64
    };
    let ways = sorted((0..SINGLES).map(single).collect());
    for (label, at) in [("p50", SINGLES / 2), ("p99", SINGLES * 99 / 100), ("max", SINGLES - 1)] {
        line(&format!("one {name}, {label}"), "ns", ways[at], ways[0]);
    }
}

fn main() {
    let key = FlowKey {
        src: 0x0a00_0001,
        dst: 0x0a00_0002,
        src_port: 4_000,
        dst_port: 443,
        zone: 0,
        protocol: 6,
        ..Default::default()
    };
    let groups = Groups::STATUS.with(Groups::EDGES).with(Groups::SCALES).with(Groups::LIFETIME);
    let record = FlowRecord { key, groups, tcp_state: 3, status: 6, ..Default::default() };
    let command = Command::Upsert { flags: 0, cookie: 1, record };
    let event =
        Event::Applied { peer: 1, sequence: 1, cookie: 1, created: true, record, stamp: Stamp::default() };
    let settings = Settings {
        member: 1,
        cluster: 1,
        session: 1,
        secret: ClusterSecret([1; 32]),
        beat_us: 1_000,
        late_us: 3_000,
        silent_us: 9_000,
        host_alive_us: 50_000,
        replicate_groups: Groups::ALL,
        frame_size: 9_022,
        digest_us: 100_000,
        s_tag: 1,
        c_tag: 1,
        tracking: Tracking::default(),
    };
    let device = InProcess::new(Sink { taken: 0, pending: 0, event });
    let mut nic =
        Nic::open(device, &settings, RingOptions::default()).expect("an engine in this process opens");

    throughput("commands", || {
        for _ in 0..BATCH {
            nic.try_submit(black_box(&command)).expect("the device takes all");
        }
        nic.ring().expect("no transport to fail");
    });
    throughput("events", || {
        nic.device_mut().pending = BATCH;
        nic.service();
        while let Some(event) = nic.next_event() {
            black_box(event.expect("an event"));
        }
    });
    let mut slot = [0; formats::limits::COMMAND_SIZE];
    cost("command codec alone", || {
        for _ in 0..BATCH {
            slot.fill(0);
            black_box(&command).encode(&mut slot);
            black_box(Command::decode(black_box(&slot)).expect("a command"));
        }
    });
    cost("event codec alone", || {
        for _ in 0..BATCH {
            slot.fill(0);
            black_box(&event).encode(&mut slot);
            black_box(Event::decode(black_box(&slot)).expect("an event"));
        }
    });
    let before = nic.device_mut().taken;
    latency("command", || {
        nic.try_submit(black_box(&command)).expect("the device takes all");
        nic.ring().expect("no transport to fail");
    });
    assert_eq!(nic.device_mut().taken - before, SINGLES as u64);
    latency("event", || {
        nic.device_mut().pending = 1;
        nic.service();
        black_box(nic.next_event().expect("offered").expect("an event"));
    });
}
