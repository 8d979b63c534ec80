//! An owner and its copy, wired back to back, and flows in random order.

use super::timed;
use formats::descriptor::{Command, Roles};
use formats::limits::*;
use formats::register::Counter;
use formats::{ClusterSecret, Groups, Term};
use softnic::{Config, Now, Softnic, Tracking};

pub(super) const SECRET: ClusterSecret = ClusterSecret([7; 32]);
/// Packets or commands between two turns of the loop that runs an engine.
pub(super) const BATCH: usize = 1024;
/// Turns after which every tombstone is gone.
const SETTLE_TURNS_MAX: usize = 20_000;

fn config(member: u8, flows: u32) -> Config {
    Config {
        member,
        cluster: 1,
        secret: SECRET,
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
        // A copy forgets ends with the next equal digest: often enough for a table renewed at this rate.
        digest_us: if flows < 1 << 18 { 20_000 } else { 100_000 },
        replicate: Groups::ALL,
        events_max: 1 << 16,
        queue_frames_max: 4096,
        omissions: Default::default(),
    }
}

pub(super) struct Pair {
    pub(super) owner: Softnic,
    pub(super) copy: Softnic,
    now_us: u64,
    /// Time of a turn, which the background passes follow: 8 M operations a second, but 1 M in a small
    /// table, which would else be renewed faster than ends are acknowledged.
    turn_us: u64,
    frames: Vec<Vec<u8>>,
    spare: Vec<Vec<u8>>,
    /// CPU time of the copy's receiving.
    pub(super) receive_ns: u64,
}

impl Pair {
    /// Both without flows; the owner serves every bucket, and does not know its copy yet.
    pub(super) fn apart(flows: u32, tracking: Option<&Tracking>) -> Self {
        let now = Now { local_us: 0, cluster_us: 1_000_000 };
        let [mut owner, copy] = [0, 1].map(|member| {
            let mut engine = Softnic::new(config(member, flows), now);
            tracking.iter().for_each(|tracking| engine.track(**tracking));
            engine
        });
        let term = Term::new(1, 0).expect("small");
        let (count, remote) = (BUCKETS_COUNT as u16, MEMBER_NONE);
        let roles = Roles { bucket: 0, count, term, owner: 0, backup: 1, remote, successor: 1 };
        owner.command(now, &Command::Map(roles));
        let turn_us = if flows < 1 << 18 { 1024 } else { 128 };
        Self { owner, copy, now_us: 0, turn_us, frames: Vec::new(), spare: Vec::new(), receive_ns: 0 }
    }

    /// Introduces them to each other.
    pub(super) fn introduce(&mut self) {
        let now = self.now();
        self.owner.command(now, &Command::Peer { peer: 1, session: 1001 });
        self.copy.command(now, &Command::Peer { peer: 0, session: 1000 });
    }

    /// Both, with every bucket of the copy in sync.
    pub(super) fn together(flows: u32, tracking: Option<&Tracking>) -> Self {
        let mut pair = Self::apart(flows, tracking);
        pair.introduce();
        (0..1000).for_each(|_| pair.turn(&mut 0));
        assert_eq!(pair.owner.counter(Counter::SnapshotsSent), BUCKETS_COUNT as u64);
        pair
    }

    pub(super) fn now(&self) -> Now {
        Now { local_us: self.now_us, cluster_us: 1_000_000 + self.now_us }
    }

    /// The end of a turn: timers, frames out, acknowledgements in. Adds the CPU time of the owner.
    pub(super) fn turn(&mut self, owner_ns: &mut u64) {
        self.now_us += self.turn_us;
        let now = self.now();
        let (owner, frames, spare) = (&mut self.owner, &mut self.frames, &mut self.spare);
        timed(owner_ns, || {
            owner.poll(now);
            owner.transmit(now, &mut |_, bytes| {
                let mut frame = spare.pop().unwrap_or_default();
                frame.clear();
                frame.extend_from_slice(bytes);
                frames.push(frame);
            });
        });
        let copy = &mut self.copy;
        timed(&mut self.receive_ns, || frames.iter().for_each(|frame| copy.receive(now, 0, frame)));
        self.spare.append(frames);
        copy.poll(now);
        while copy.next_event().is_some() {}
        copy.transmit(now, &mut |_, bytes| frames.push(bytes.to_vec()));
        timed(owner_ns, || {
            frames.iter().for_each(|frame| owner.receive(now, 0, frame));
            while owner.next_event().is_some() {}
        });
        self.spare.append(frames);
    }

    /// Runs until no tombstone is left, as in the time between two bursts.
    pub(super) fn settle(&mut self) {
        let held = |engine: &Softnic| engine.counter(Counter::TombstonesHeld);
        for _ in 0..SETTLE_TURNS_MAX {
            if held(&self.owner) + held(&self.copy) == 0 {
                return;
            }
            self.turn(&mut 0);
        }
        panic!("tombstones stay");
    }

    /// Asserts that the books close and the copy equals the owner, without a repair.
    pub(super) fn check(&mut self) {
        self.settle();
        assert_eq!(self.copy.counter(Counter::RepairsAsked), 0);
        assert_eq!(self.owner.balance(), Ok(()));
        assert_eq!(self.copy.balance(), Ok(()));
        for bucket in 0..BUCKETS_COUNT as u16 {
            assert_eq!(self.owner.bucket_digest(bucket), self.copy.bucket_digest(bucket));
        }
    }
}

/// Numbers without a pattern, from a seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((self.0 >> 32) * u64::from(limit)) >> 32) as u32
    }
}

/// The numbers up to `count`, shuffled.
pub(super) fn shuffled(count: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    let mut random = Random(1);
    for at in (1..order.len()).rev() {
        order.swap(at, random.below(at as u32 + 1) as usize);
    }
    order
}
