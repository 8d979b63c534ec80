//! Time per operation and bytes per flow: `cargo run --release -p trine-softnic --example engine_bench`.
//!
//! Each figure is the best of five passes over all flows, on one core. "make" includes the record in the
//! frame of one copy, its encoding and its share of the checksum; "apply" includes the frame's checks and
//! the event.

use formats::descriptor::{upsert, Command, Event, Roles};
use formats::limits::*;
use formats::{ClusterSecret, FlowKey, FlowRecord, Groups, Term};
use softnic::{Config, Now, Softnic};
use std::time::Instant;

const PASSES: usize = 5;

fn config(member: u8, flows: u32) -> Config {
    Config {
        member,
        cluster: 1,
        secret: ClusterSecret([7; 32]),
        session: 1000 + u64::from(member),
        peers: vec![1 - member],
        ports: 1,
        macs: [[2; 6]; PORTS_MAX],
        s_tag: 100,
        c_tag: 10,
        frame_size: 9000,
        // Eight ways, half full.
        set_bits: (flows / 4).ilog2().max(BUCKET_BITS),
        ways: 8,
        overflow_max: flows as usize / 8,
        beat_us: 1_000_000,
        late_us: 10_000_000,
        silent_us: 50_000_000,
        host_alive_us: 1_000_000_000,
        digest_us: u64::MAX,
        replicate: Groups::ALL,
        events_max: 1 << 16,
        queue_frames_max: 4096,
        omissions: Default::default(),
    }
}

fn record(n: u32, tcp_state: u8) -> FlowRecord {
    FlowRecord {
        key: FlowKey {
            src: u128::from(0x0a00_0000 + (n >> 4)),
            dst: 0x0a02_000a,
            src_port: 1024 + (n & 15) as u16,
            dst_port: 443,
            protocol: 6,
            ..FlowKey::default()
        },
        groups: Groups::STATUS.with(Groups::LIFETIME).with(Groups::SCALES).with(Groups::EDGES),
        tcp_state,
        class: 3,
        lifetime_s: 432_000,
        ..FlowRecord::default()
    }
}

/// Owner and copy, and the frames on their way.
struct Pair {
    owner: Softnic,
    copy: Softnic,
    frames: Vec<Vec<u8>>,
    now_us: u64,
}

impl Pair {
    fn now(&self) -> Now {
        Now { local_us: self.now_us, cluster_us: 1_000_000 + self.now_us }
    }

    fn new(flows: u32) -> Self {
        let now = Now { local_us: 0, cluster_us: 1_000_000 };
        let (owner, copy) = (Softnic::new(config(0, flows), now), Softnic::new(config(1, flows), now));
        let mut pair = Self { owner, copy, frames: Vec::new(), now_us: 0 };
        pair.owner.command(now, &Command::Peer { peer: 1, session: 1001 });
        pair.copy.command(now, &Command::Peer { peer: 0, session: 1000 });
        let roles = Roles {
            bucket: 0,
            count: BUCKETS_COUNT as u16,
            term: Term::new(1, 0).expect("small"),
            owner: 0,
            backup: 1,
            remote: MEMBER_NONE,
            successor: 1,
        };
        pair.owner.command(now, &Command::Map(roles));
        (0..100).for_each(|_| pair.turn());
        pair
    }

    /// Carries everything both ways, untimed.
    fn turn(&mut self) {
        self.now_us += 200;
        let now = self.now();
        self.owner.poll(now);
        self.copy.poll(now);
        self.owner.transmit(now, &mut |_, bytes| self.frames.push(bytes.to_vec()));
        self.apply(&mut Vec::new());
    }

    /// Gives the waiting frames to the copy and its answers to the owner; returns the time of the former.
    fn apply(&mut self, events: &mut Vec<Event>) -> f64 {
        let now = self.now();
        let mut elapsed = 0.0;
        for frame in self.frames.drain(..) {
            let start = Instant::now();
            self.copy.receive(now, 0, &frame);
            elapsed += start.elapsed().as_secs_f64();
            events.extend(std::iter::from_fn(|| self.copy.next_event()));
            events.clear();
        }
        let mut answers = Vec::new();
        self.copy.transmit(now, &mut |_, bytes| answers.push(bytes.to_vec()));
        answers.iter().for_each(|bytes| self.owner.receive(now, 0, bytes));
        elapsed
    }

    /// Runs a command for each flow in batches of a turn; returns ns per command, transmit and apply.
    fn measure(&mut self, flows: u32, command: impl Fn(u32) -> Command) -> [f64; 3] {
        let (mut commands_s, mut transmit_s, mut apply_s) = (0.0, 0.0, 0.0);
        let mut events = Vec::new();
        let mut from = 0;
        while from < flows {
            let to = (from + 2048).min(flows);
            let batch: Vec<_> = (from..to).map(&command).collect();
            self.now_us += 200;
            let now = self.now();
            let start = Instant::now();
            batch.iter().for_each(|command| self.owner.command(now, command));
            commands_s += start.elapsed().as_secs_f64();
            let mut frames = std::mem::take(&mut self.frames);
            let start = Instant::now();
            self.owner.transmit(now, &mut |_, bytes| frames.push(bytes.to_vec()));
            transmit_s += start.elapsed().as_secs_f64();
            self.frames = frames;
            apply_s += self.apply(&mut events);
            from = to;
        }
        [commands_s, transmit_s, apply_s].map(|seconds| seconds * 1e9 / f64::from(flows))
    }
}

fn upsert_of(flags: u8, record: FlowRecord) -> Command {
    Command::Upsert { flags, cookie: 1, record }
}

fn bench(flows: u32) {
    let mut pair = Pair::new(flows);
    let mut best = [[f64::MAX; 3]; 5];
    let mut note = |row: usize, figures: [f64; 3]| {
        (0..3).for_each(|column| best[row][column] = best[row][column].min(figures[column]));
    };
    for pass in 0..PASSES {
        let state = 3 + (pass % 2) as u8;
        note(0, pair.measure(flows, |n| upsert_of(upsert::NEW, record(n, state))));
        note(1, pair.measure(flows, |n| upsert_of(0, record(n, state + 1))));
        let edges = |n| {
            let mut row = record(n, state + 1);
            row.edges[0].end = 7 + state as u32;
            row
        };
        note(2, pair.measure(flows, |n| upsert_of(0, edges(n))));
        note(3, pair.measure(flows, |n| upsert_of(0, edges(n))));
        if pass == PASSES - 1 {
            let bytes = pair.owner.memory_bytes() as f64 / f64::from(flows);
            println!("{flows} flows: {bytes:.0} B of table per flow");
        }
        note(4, pair.measure(flows, |n| Command::Delete { cookie: 0, key: record(n, 0).key }));
        (0..20).for_each(|_| pair.turn());
    }
    assert_eq!(pair.owner.balance(), Ok(()));
    assert_eq!(pair.copy.balance(), Ok(()));
    println!("  {:<22}{:>9}{:>11}{:>9}", "ns per flow", "command", "transmit", "apply");
    for (name, [command, transmit, apply]) in
        ["make (FULL)", "change (COMPACT)", "change (UPDATE)", "unchanged", "delete"].iter().zip(best)
    {
        println!("  {name:<22}{command:>9.0}{transmit:>11.1}{apply:>9.0}");
    }
}

fn main() {
    bench(16 << 10);
    bench(1 << 20);
}
