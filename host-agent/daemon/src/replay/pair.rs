//! An owner and a backup, wired back to back, fed with the packets of a capture.
//!
//! Enters: Ethernet frames with their times. Leaves: two engines and a [`Tally`] of what went between
//! them. The wire loses nothing; the backup's host installs at once.

use formats::descriptor::{Command, Event, Roles};
use formats::frame::split;
use formats::limits::*;
use formats::unit::kind;
use formats::{ClusterSecret, Groups, Record, Term};
use softnic::{Config, Now, Omissions, Softnic, Tracking};
use std::collections::BTreeMap;

use super::Options;

const OWNER: u8 = 0;
const BACKUP: u8 = 1;
/// Packets between two turns; a turn closes the frames under construction.
const PACKETS_PER_TURN: u32 = 32;
/// Time between two turns at most.
const TURN_US: u64 = 1_000;
/// Flows of the tables: sets times ways, and the overflow.
const SET_BITS: u32 = 14;
const WAYS: usize = 8;
const OVERFLOW_MAX: usize = 100_000;
/// Time the engines get to agree after the last packet.
const SETTLE_US: u64 = 3_000_000;
/// Cluster time at the first packet.
const EPOCH_US: u64 = 1_000_000_000;
/// Longer pauses of a capture are cut: no timer of the engine is longer.
const PAUSE_MAX_US: u64 = 600_000_000_000;

/// What the owner sent.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Frames with flow records in them.
    pub frames: u64,
    /// Flow records.
    pub updates: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records and bytes of each kind.
    pub records: BTreeMap<&'static str, (u64, u64)>,
}

/// Both engines.
pub struct Pair {
    engines: [Softnic; 2],
    tally: Tally,
    now_us: u64,
    /// Time of the first packet in the capture's clock.
    start_us: Option<u64>,
    skipped_us: u64,
    turn_us: u64,
    packets_since_turn: u32,
}

fn config(member: u8, frame_size: usize) -> Config {
    Config {
        member,
        cluster: 1,
        secret: ClusterSecret(*b"replayed captures have no secret"),
        session: 1 + u64::from(member),
        peers: vec![1 - member],
        ports: 1,
        macs: [[2, 0, 0, 0, 0, member]; PORTS_MAX],
        s_tag: 100,
        c_tag: 10,
        frame_size,
        set_bits: SET_BITS,
        ways: WAYS,
        overflow_max: OVERFLOW_MAX,
        beat_us: 100_000,
        late_us: 300_000,
        silent_us: 1_000_000,
        host_alive_us: 1_000_000,
        digest_us: 1_000_000,
        replicate: Groups::ALL,
        events_max: 1 << 16,
        queue_frames_max: 4096,
        omissions: Omissions::default(),
    }
}

fn kind_name(record: &Record) -> &'static str {
    match record {
        Record::Compact(_) => "COMPACT",
        Record::Window(..) => "WINDOW",
        Record::Update(_) => "UPDATE",
        Record::Full(..) => "FULL",
        Record::Delete(_) | Record::DeleteKeyed(..) => "DELETE",
        Record::SnapshotBegin(_) | Record::SnapshotEnd(_) => "SNAPSHOT",
        Record::Term(_) => "TERM",
        Record::Ack(_) => "ACK",
        Record::Digest(_) => "DIGEST",
        Record::Heartbeat(_) => "HEARTBEAT",
        Record::Capabilities(_) => "CAPABILITIES",
        Record::Merge(..) => "MERGE",
        Record::Repair(_) => "REPAIR",
    }
}

const FLOW_KINDS: [u8; 9] = [
    kind::COMPACT,
    kind::WINDOW_ORIGINAL,
    kind::WINDOW_REPLY,
    kind::UPDATE,
    kind::FULL_V4,
    kind::FULL_V6,
    kind::DELETE,
    kind::DELETE_V4,
    kind::DELETE_V6,
];

impl Tally {
    fn take(&mut self, frame: &[u8]) {
        let (_, _, mut units, _) = split(frame).expect("an engine sends sound frames");
        let updates = self.updates;
        while let [first, ..] = units {
            let (record, count) = Record::decode(units).expect("an engine sends sound records");
            let entry = self.records.entry(kind_name(&record)).or_default();
            entry.0 += 1;
            entry.1 += (count * UNIT_SIZE) as u64;
            // The top bit of an UPDATE is its family's.
            if FLOW_KINDS.contains(&(first & 0x7f)) {
                self.updates += 1;
                self.bytes += (count * UNIT_SIZE) as u64;
            }
            units = &units[count * UNIT_SIZE..];
        }
        self.frames += u64::from(self.updates != updates);
    }
}

impl Pair {
    /// Two engines that know each other; the first owns every bucket, and the second holds a copy.
    pub fn new(options: &Options) -> Self {
        let now = Now { local_us: 0, cluster_us: EPOCH_US };
        let tracking = Tracking {
            ports: 1,
            trust: true,
            edge_bits: options.edge_bits,
            delay_ms: options.delay_ms,
            waiting_max: 1 << 20,
            ..Tracking::default()
        };
        let engines = [OWNER, BACKUP].map(|member| {
            let mut engine = Softnic::new(config(member, options.frame_size), now);
            engine.track(tracking);
            engine
        });
        let mut pair = Self {
            engines,
            tally: Tally::default(),
            now_us: 0,
            start_us: None,
            skipped_us: 0,
            turn_us: 0,
            packets_since_turn: 0,
        };
        pair.introduce();
        pair
    }

    fn introduce(&mut self) {
        let now = self.now();
        for member in [OWNER, BACKUP] {
            let session = config(1 - member, FRAME_SIZE_MAX).session;
            self.engines[member as usize].command(now, &Command::Peer { peer: 1 - member, session });
        }
        let roles = Roles {
            bucket: 0,
            count: BUCKETS_COUNT as u16,
            term: Term::new(1, OWNER).expect("a small counter"),
            owner: OWNER,
            backup: BACKUP,
            remote: MEMBER_NONE,
            successor: BACKUP,
        };
        self.engines[OWNER as usize].command(now, &Command::Map(roles));
        // Until every bucket was swept: from then on each change travels as itself.
        self.run(300_000);
        self.tally = Tally::default();
    }

    fn now(&self) -> Now {
        Now { local_us: self.now_us, cluster_us: EPOCH_US + self.now_us }
    }

    fn run(&mut self, duration_us: u64) {
        let end = self.now_us + duration_us;
        while self.now_us < end {
            self.now_us += TURN_US;
            self.turn();
        }
    }

    /// Gives a packet to the owner at the time of the capture; time never runs backwards.
    pub fn packet(&mut self, time_us: u64, frame: &[u8]) {
        let begin_us = self.now_us;
        let start_us = *self.start_us.get_or_insert(time_us.saturating_sub(begin_us));
        let at_us = time_us.saturating_sub(start_us).saturating_sub(self.skipped_us);
        if at_us > self.now_us + PAUSE_MAX_US {
            self.skipped_us += at_us - self.now_us - PAUSE_MAX_US;
        }
        let at_us = at_us.min(self.now_us + PAUSE_MAX_US);
        if at_us > self.now_us {
            self.now_us = at_us;
        }
        if self.now_us >= self.turn_us + TURN_US || self.packets_since_turn >= PACKETS_PER_TURN {
            self.turn();
        }
        self.packets_since_turn += 1;
        let now = self.now();
        // Counted by the engine under its reason.
        let _ = self.engines[OWNER as usize].packet(now, 0, frame);
    }

    fn turn(&mut self) {
        let now = self.now();
        (self.turn_us, self.packets_since_turn) = (self.now_us, 0);
        for engine in &mut self.engines {
            engine.command(now, &Command::Alive { beat_flags: 0, data_links: 1, lease_us: 0 });
            engine.poll(now);
        }
        let (tally, [owner, backup]) = (&mut self.tally, &mut self.engines);
        owner.transmit(now, &mut |port, frame| {
            tally.take(frame);
            backup.receive(now, port, frame);
        });
        backup.transmit(now, &mut |port, frame| owner.receive(now, port, frame));
        for engine in &mut self.engines {
            while let Some(event) = engine.next_event() {
                if let Event::FrameEnd { peer, session, sequence } = event {
                    engine.command(now, &Command::Installed { peer, session, sequence, refused: 0 });
                }
            }
        }
    }

    /// Lets both engines agree.
    pub fn settle(&mut self) {
        self.run(SETTLE_US);
    }

    /// The engine that saw the packets.
    pub fn owner(&self) -> &Softnic {
        &self.engines[OWNER as usize]
    }

    /// The engine that holds the copy.
    pub fn backup(&self) -> &Softnic {
        &self.engines[BACKUP as usize]
    }

    /// What went from one to the other.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Flows and digest sum of all buckets of an engine.
    pub fn digest(engine: &Softnic) -> (u64, u64) {
        (0..BUCKETS_COUNT as u16)
            .map(|bucket| engine.bucket_digest(bucket))
            .fold((0, 0), |total, of| (total.0 + u64::from(of.0), total.1.wrapping_add(of.1)))
    }

    /// Whether each bucket has the same digest at both.
    pub fn agree(&self) -> bool {
        (0..BUCKETS_COUNT as u16)
            .all(|bucket| self.owner().bucket_digest(bucket) == self.backup().bucket_digest(bucket))
    }
}
