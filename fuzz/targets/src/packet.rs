//! Frames of a data port into the connection engine, and the commands a host answers them with.
//!
//! The input is a list of frames, each behind a byte of length and a byte that says what the host does
//! after it and how much time passes. Every packet must be counted once, and the books must close.

use formats::descriptor::{Command, Roles};
use formats::flow::Nat;
use formats::limits::*;
use formats::register::Counter;
use formats::{FlowRecord, Groups, Term};
use softnic::{Config, Now, Softnic, Tracking};

const FRAMES_MAX: usize = 64;
const WAITING_MAX: u32 = 8;
const ALIASES_MAX: u32 = 4;

fn engine(now: Now, trust: bool) -> Softnic {
    // Rare timers: what packets do is looked at.
    let config = Config {
        overflow_max: 2,
        beat_us: 1_000_000,
        late_us: 3_000_000,
        silent_us: 9_000_000,
        digest_us: 1_000_000,
        ..crate::engine::config()
    };
    let mut engine = Softnic::new(config, now);
    engine.track(Tracking {
        ports: 1,
        trust,
        edge_bits: 8,
        waiting_max: WAITING_MAX,
        aliases_max: ALIASES_MAX,
        ..Tracking::default()
    });
    engine.command(now, &Command::Peer { peer: 2, session: 9 });
    let term = Term::new(1, 1).expect("a small counter");
    let count = BUCKETS_COUNT as u16;
    let (owner, backup, remote) = (1, 2, MEMBER_NONE);
    engine.command(
        now,
        &Command::Map(Roles { bucket: 0, count, term, owner, backup, remote, successor: backup }),
    );
    engine
}

/// What the host does after a packet whose key it knows.
fn answer(choice: u8, frame: &[u8]) -> Option<Command> {
    let key = softnic::parse::parse(frame).ok()?.key;
    let nat = Nat { reply_src: key.dst, reply_dst: 9, reply_src_port: key.dst_port, reply_dst_port: 7 };
    let record = FlowRecord {
        key,
        nat,
        mark: choice.into(),
        groups: Groups::NAT.with(Groups::MARK),
        ..FlowRecord::default()
    };
    match choice % 6 {
        0 => Some(Command::Confirm { cookie: 3, key }),
        1 => Some(Command::Delete { cookie: 0, key }),
        2 => Some(Command::Upsert { flags: 0, cookie: 3, record }),
        3 => Some(Command::Upsert {
            flags: 1,
            cookie: 4,
            record: FlowRecord { key: key.reversed(), ..record },
        }),
        _ => None,
    }
}

/// Runs the frames of one input through a new engine.
pub fn run(bytes: &[u8]) {
    let mut now = Now { local_us: 1_000, cluster_us: 2_000 };
    let mut engine = engine(now, bytes.first().is_some_and(|byte| byte & 1 == 1));
    let mut rest = bytes.get(1..).unwrap_or_default();
    let mut packets = 0;
    while let ([length, choice, behind @ ..], true) = (rest, packets < FRAMES_MAX as u64) {
        let (frame, others) = behind.split_at(usize::from(*length).min(behind.len()));
        // Every frame is tried; what a port or a reason refuses is counted, too.
        let _ = engine.packet(now, choice >> 7, frame);
        packets += 1;
        if let Some(command) = answer(*choice, frame) {
            engine.command(now, &command);
        }
        now.local_us += u64::from(*choice) << (choice & 15);
        engine.poll(now);
        engine.transmit(now, &mut |_, _| {});
        while engine.next_event().is_some() {}
        rest = others;
    }
    assert_eq!(engine.balance(), Ok(()));
    assert_eq!(engine.counter(Counter::PacketsReceived), packets);
    assert!(engine.counter(Counter::FlowsWaiting) <= u64::from(WAITING_MAX));
    assert!(engine.counter(Counter::AliasesHeld) <= u64::from(ALIASES_MAX));
}
