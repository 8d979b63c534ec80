//! A card as the backup of a software engine that sees packets: captures in, equal tables out.
//!
//! Enters: the captures of a folder, and packets of our own, given to an owner in software. Each frame that it
//! sends goes to the card and to a copy in software. Leaves: card and copy have counted the same, and every
//! bucket's digest was equal to the owner's when all was over.

use super::card::Rig;
use super::engine::{MEMBER, OTHER, SESSION, SESSIONS};
use formats::descriptor::{Command, Event, Roles};
use formats::frame::split;
use formats::limits::*;
use formats::register::{self as reg, Counter};
use formats::{Record, Term};
use softnic::{Config, Now, Softnic, Tracking};
use std::path::{Path, PathBuf};
use verilator_tests::{capture, expect_same, Bench, Error, Result, Stalls};

/// Time from one packet to the next; captures are played at this pace, whatever their own.
const PACKET_US: u64 = 100;
/// Packets between two turns, which close the frames under construction.
const PACKETS_PER_TURN: usize = 16;
/// Time of a turn without packets.
const TURN_US: u64 = 1_000;
/// Time in which each copy is swept at the beginning, and in which every digest is sent at the end.
const BEGIN_US: u64 = 300_000;
const END_US: u64 = 1_200_000;
/// Cycles in which the card takes the records of a frame: the longest is a TERM of every bucket.
const FRAME_CYCLES_MAX: u64 = 100_000;
/// Connections of our own.
const CONNECTIONS: u8 = 40;
/// What card and copy must have counted alike.
const COUNTED: [Counter; 11] = [
    Counter::RecordsReceived,
    Counter::RecordsApplied,
    Counter::RecordsUnchanged,
    Counter::RecordsStale,
    Counter::RecordsGapped,
    Counter::RecordsFull,
    Counter::RecordsMalformed,
    Counter::FramesMissing,
    Counter::DigestsDifferent,
    Counter::FlowsHeld,
    Counter::DigestsEqual,
];

/// Each capture on its own.
pub(super) fn captures_arrive(bench: &mut Bench) -> Result<()> {
    let own = connections(bench);
    play(bench, "packets of our own", &own)?;
    for path in captures()? {
        bench.upset(0)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        play(bench, &name, &capture::read(&path)?)?;
    }
    Ok(())
}

/// The folder in `TRINE_TRACES`, by default `shared/traces` beside the repository.
fn captures() -> Result<Vec<PathBuf>> {
    let folder = std::env::var_os("TRINE_TRACES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces"), PathBuf::from);
    let is_capture = |path: &PathBuf| {
        path.extension().is_some_and(|end| ["pcap", "pcapng", "cap"].contains(&&*end.to_string_lossy()))
    };
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_capture).collect();
    paths.sort();
    if paths.is_empty() {
        eprintln!("NOT TESTED: no captures in {} (set TRINE_TRACES)", folder.display());
    }
    Ok(paths)
}

/// TCP connections that begin, speak and end, in turns; of some no end is seen.
fn connections(bench: &mut Bench) -> Vec<Vec<u8>> {
    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const ACK: u8 = 16;
    let mut packets = Vec::new();
    for step in 0..7 {
        for n in 0..CONNECTIONS {
            if bench.random().u8(..8) == 0 {
                continue;
            }
            let (theirs, flags, sequence, acknowledgement) = match step {
                0 => (false, SYN, 1_000, 0),
                1 => (true, SYN | ACK, 5_000, 1_001),
                2 => (false, ACK, 1_001, 5_001),
                3 => (true, ACK, 5_001, 1_001),
                4 => (false, FIN | ACK, 1_001, 5_021),
                5 => (true, FIN | ACK, 5_021, 1_002),
                _ => (false, ACK, 1_002, 5_022),
            };
            let payload = if step == 3 { 20 } else { 0 };
            packets.push(tcp(n, theirs, flags, sequence, acknowledgement, payload));
        }
    }
    packets
}

/// A packet of connection `n`, with bytes of zero behind its head.
fn tcp(n: u8, theirs: bool, flags: u8, sequence: u32, acknowledgement: u32, payload: u8) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    bytes.extend([0x45, 0, 0, 40 + payload, 0, 0, 0x40, 0, 64, 6, 0, 0]);
    let ends = [([10, 0, 0, n], 1024 + u16::from(n)), ([10, 1, 0, 1], 443)];
    let [from, to] = if theirs { [ends[1], ends[0]] } else { ends };
    bytes.extend(from.0.into_iter().chain(to.0));
    bytes.extend(from.1.to_be_bytes().into_iter().chain(to.1.to_be_bytes()));
    bytes.extend(sequence.to_be_bytes().into_iter().chain(acknowledgement.to_be_bytes()));
    bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.resize(bytes.len() + usize::from(payload), 0);
    bytes
}

/// An owner, and its two copies: a card and an engine.
struct World {
    rig: Rig,
    owner: Softnic,
    copy: Softnic,
    now: Now,
    records_sent: u64,
}

/// The packets through an owner whose flows the card and an engine keep.
fn play(bench: &mut Bench, name: &str, packets: &[Vec<u8>]) -> Result<()> {
    let mut world = World::new(bench)?;
    world.run(bench, BEGIN_US)?;
    for some in packets.chunks(PACKETS_PER_TURN) {
        for packet in some {
            world.now.local_us += PACKET_US;
            world.now.cluster_us += PACKET_US;
            // Counted by the engine under its reason.
            let _ = world.owner.packet(world.now, 0, packet);
        }
        world.turn(bench)?;
    }
    let before = world.rig.counter(bench, Counter::DigestsEqual)?;
    world.run(bench, END_US)?;
    for counter in COUNTED {
        let found = world.rig.counter(bench, counter)?;
        expect_same(&format!("{name}: {counter:?}"), found, world.copy.counter(counter))?;
    }
    let held = world.owner.counter(Counter::FlowsHeld);
    expect_same(&format!("{name}: flows of owner and copy"), world.copy.counter(Counter::FlowsHeld), held)?;
    let equal = world.rig.counter(bench, Counter::DigestsEqual)? - before;
    let applied = world.copy.counter(Counter::RecordsApplied);
    println!("{name}: {} packets, {held} flows, {applied} records, {equal} digests equal", packets.len());
    match equal >= BUCKETS_COUNT as u64 {
        true => Ok(()),
        false => Err(Error::Found(format!("{name}: {equal} digests were equal"))),
    }
}

impl World {
    fn new(bench: &mut Bench) -> Result<World> {
        let mut rig = Rig::bare(bench, Stalls::never())?;
        for name in ["event_tready", "host_tready"] {
            bench.input::<bool>(name)?.set(true);
        }
        let edge_bits = if bench.random().bool() { 0 } else { bench.random().u32(8..17) };
        rig.write(bench, reg::TRACK_EDGE_BITS, edge_bits)?;
        // A set of a small card has two of the engine's.
        let ways = rig.read(bench, reg::FLOWS_MAX)? as usize >> BUCKET_BITS;
        let mut now = rig.model.now;
        now.local_us = 0;
        let engine = |member: u8, peer: u8, session_of_peer: u64| {
            let session = SESSIONS[usize::from(member)];
            let config = Config { member, session, peers: vec![peer], ways, ..rig.model.config().clone() };
            let mut engine = Softnic::new(config, now);
            engine.track(Tracking { ports: 1, trust: true, edge_bits, ..Tracking::default() });
            engine.command(now, &Command::Peer { peer, session: session_of_peer });
            engine
        };
        let mut owner = engine(OTHER, MEMBER, SESSION);
        let copy = engine(MEMBER, OTHER, SESSIONS[usize::from(OTHER)]);
        let roles = Roles {
            bucket: 0,
            count: BUCKETS_COUNT as u16,
            term: Term::new(1, OTHER).ok_or(Error::Found("no term".into()))?,
            owner: OTHER,
            backup: MEMBER,
            remote: MEMBER_NONE,
            successor: MEMBER,
        };
        owner.command(now, &Command::Map(roles));
        Ok(World { rig, owner, copy, now, records_sent: 0 })
    }

    fn run(&mut self, bench: &mut Bench, us: u64) -> Result<()> {
        for _ in 0..us / TURN_US {
            self.now.local_us += TURN_US;
            self.now.cluster_us += TURN_US;
            self.turn(bench)?;
        }
        Ok(())
    }

    /// What the owner has to say reaches both copies; the engine's answers go back, the card has none.
    fn turn(&mut self, bench: &mut Bench) -> Result<()> {
        let now = self.now;
        for engine in [&mut self.owner, &mut self.copy] {
            engine.command(now, &Command::Alive { beat_flags: 0, data_links: 1, lease_us: 0 });
            engine.poll(now);
        }
        let mut frames = Vec::new();
        self.owner.transmit(now, &mut |port, frame| frames.push((port, frame.to_vec())));
        for (port, frame) in frames {
            self.copy.receive(now, port, &frame);
            self.send(bench, port, frame)?;
        }
        let owner = &mut self.owner;
        self.copy.transmit(now, &mut |port, frame| owner.receive(now, port, frame));
        for engine in [&mut self.owner, &mut self.copy] {
            while let Some(event) = engine.next_event() {
                if let Event::FrameEnd { peer, session, sequence } = event {
                    engine.command(now, &Command::Installed { peer, session, sequence, refused: 0 });
                }
            }
        }
        Ok(())
    }

    /// A frame to the card, until it has taken every record: a capture is faster than a card that walks.
    fn send(&mut self, bench: &mut Bench, port: u8, frame: Vec<u8>) -> Result<()> {
        let (.., mut units, _) =
            split(&frame).map_err(|problem| Error::Found(format!("a frame: {problem:?}")))?;
        while !units.is_empty() {
            let (_, count) =
                Record::decode(units).map_err(|problem| Error::Found(format!("a record: {problem:?}")))?;
            units = &units[count * UNIT_SIZE..];
            self.records_sent += 1;
        }
        self.rig.host.time.set(self.owner.version_clock());
        self.rig.source.push_with_user(frame, port.into());
        let end = bench.cycles() + FRAME_CYCLES_MAX;
        while self.rig.counter(bench, Counter::RecordsReceived)? != self.records_sent {
            if bench.cycles() > end {
                return Err(Error::Timeout {
                    what: "the records of a frame".into(),
                    cycles: FRAME_CYCLES_MAX,
                });
            }
        }
        // Nobody asks what became of them one by one.
        self.rig.host.outcomes.clear();
        while self.rig.source.next_sent().is_some() {}
        while self.rig.sink.next_frame().is_some() {}
        Ok(())
    }
}
