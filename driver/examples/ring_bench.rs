//! Nanoseconds per command and per event through the rings, codec on both sides counted, and what the
//! codec alone takes of it.

use driver::{Device, InProcess, Nic, RingOptions, Settings};
use formats::descriptor::{Command, Event};
use formats::register::Counter;
use formats::{ClusterSecret, FlowKey, FlowRecord, Groups, Stamp};
use std::hint::black_box;
use std::time::Instant;

const BATCH: u32 = 64;
const BATCHES: u32 = 2_000;
/// The best of these counts: the others were disturbed.
const ROUNDS: u32 = 30;

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

fn time(name: &str, mut batch: impl FnMut()) {
    let round = |_| {
        let start = Instant::now();
        for _ in 0..BATCHES {
            batch();
        }
        start.elapsed().as_nanos()
    };
    let best = (0..ROUNDS).map(round).min().expect("more than one round");
    println!("{name:<28} {:>6.1} ns", best as f64 / f64::from(BATCH * BATCHES));
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
    };
    let device = InProcess::new(Sink { taken: 0, pending: 0, event });
    let mut nic =
        Nic::open(device, &settings, RingOptions::default()).expect("an engine in this process opens");

    println!("IPv4 TCP flow without NAT, batches of {BATCH}");
    time("command through the ring", || {
        for _ in 0..BATCH {
            nic.try_submit(black_box(&command)).expect("the device takes all");
        }
        nic.ring().expect("no transport to fail");
    });
    time("event through the ring", || {
        nic.device_mut().pending = BATCH;
        nic.service();
        while let Some(event) = nic.next_event() {
            black_box(event.expect("an event"));
        }
    });
    let mut slot = [0; formats::limits::COMMAND_SIZE];
    time("command codec alone", || {
        for _ in 0..BATCH {
            slot.fill(0);
            black_box(&command).encode(&mut slot);
            black_box(Command::decode(black_box(&slot)).expect("a command"));
        }
    });
    time("event codec alone", || {
        for _ in 0..BATCH {
            slot.fill(0);
            black_box(&event).encode(&mut slot);
            black_box(Event::decode(black_box(&slot)).expect("an event"));
        }
    });
    println!("{:?}\n{:?}", nic.ring_counters(), nic.transport().device_ring_counters());
}
