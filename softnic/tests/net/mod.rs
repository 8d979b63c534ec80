//! Engines wired back to back, with a host on each and faults on the wire.
//!
//! The host welcomes sessions, installs what it is told, and joins proposals (theirs wins). All chance
//! comes from one printed seed.
#![allow(dead_code, unreachable_pub)]

use formats::descriptor::{upsert, Command, Event, Roles};
use formats::frame::split;
use formats::limits::*;
use formats::register::Counter;
use formats::{ClusterSecret, FlowKey, FlowRecord, Groups, Term};
use softnic::{Config, Now, Softnic};
use std::collections::{BTreeMap, VecDeque};

pub const SECRET: ClusterSecret = ClusterSecret([7; 32]);
pub const CLUSTER: u32 = 9;
/// Cluster time at local time 0.
pub const EPOCH_US: u64 = 1_000_000_000;

pub fn config(member: u8, members: u8, session: u64) -> Config {
    Config {
        member,
        cluster: CLUSTER,
        secret: SECRET,
        session,
        peers: (0..members).filter(|m| *m != member).collect(),
        ports: 2,
        macs: core::array::from_fn(|port| [2, 0, 0, 0, member, port as u8]),
        s_tag: 100,
        c_tag: 10,
        frame_size: 1500,
        set_bits: 10,
        ways: 4,
        overflow_max: 1000,
        beat_us: 5_000,
        late_us: 12_000,
        silent_us: 50_000,
        host_alive_us: 100_000,
        digest_us: 100_000,
        replicate: Groups::ALL,
        events_max: 4096,
        queue_frames_max: 64,
        omissions: Default::default(),
    }
}

pub fn key(n: u32) -> FlowKey {
    FlowKey {
        src: u128::from(0x0a01_0000 + n),
        dst: 0x0a02_000a,
        src_port: 1000,
        dst_port: 443,
        protocol: 6,
        ..Default::default()
    }
}

pub fn record(n: u32, tcp_state: u8) -> FlowRecord {
    FlowRecord {
        key: key(n),
        groups: Groups::STATUS.with(Groups::LIFETIME),
        tcp_state,
        class: 3,
        lifetime_s: 100,
        ..Default::default()
    }
}

pub fn term(counter: u32, member: u8) -> Term {
    Term::new(counter, member).unwrap()
}

pub fn roles(term: Term, owner: u8, backup: u8, remote: u8) -> Roles {
    Roles { bucket: 0, count: BUCKETS_COUNT as u16, term, owner, backup, remote, successor: backup }
}

pub fn upsert_new(record: FlowRecord) -> Command {
    Command::Upsert { flags: upsert::NEW, cookie: 0, record }
}

pub fn upsert(record: FlowRecord) -> Command {
    Command::Upsert { flags: 0, cookie: 0, record }
}

/// Deterministic chance (SplitMix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What goes wrong on the wire, in percent of frames.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    pub loss: u64,
    pub duplicate: u64,
    pub reorder: u64,
    pub corrupt: u64,
}

pub struct Member {
    pub engine: Softnic,
    pub config: Config,
    /// What the host's kernel holds of flows it was told about.
    pub kernel: BTreeMap<FlowKey, FlowRecord>,
    pub events: Vec<Event>,
    /// Reads its events only every so many steps.
    pub slow: u64,
}

pub struct Net {
    pub members: Vec<Member>,
    pub now_us: u64,
    pub chance: Chance,
    pub faults: Faults,
    /// Pairs that do not hear each other.
    pub cut: Vec<(u8, u8)>,
    wire: VecDeque<(u8, u8, Vec<u8>)>,
    pub frames: u64,
    step: u64,
}

impl Net {
    pub fn new(members: u8, seed: u64, adjust: impl Fn(&mut Config)) -> Self {
        let now = Now { local_us: 0, cluster_us: EPOCH_US };
        let make = |member: u8| {
            let mut config = config(member, members, 1000 + u64::from(member));
            adjust(&mut config);
            let engine = Softnic::new(config.clone(), now);
            Member { engine, config, kernel: BTreeMap::new(), events: Vec::new(), slow: 1 }
        };
        Self {
            members: (0..members).map(make).collect(),
            now_us: 0,
            chance: Chance(seed),
            faults: Faults::default(),
            cut: Vec::new(),
            wire: VecDeque::new(),
            frames: 0,
            step: 0,
        }
    }

    pub fn now(&self) -> Now {
        Now { local_us: self.now_us, cluster_us: EPOCH_US + self.now_us }
    }

    pub fn command(&mut self, member: u8, command: Command) {
        let now = self.now();
        self.members[member as usize].engine.command(now, &command);
    }

    pub fn engine(&self, member: u8) -> &Softnic {
        &self.members[member as usize].engine
    }

    pub fn counter(&self, member: u8, counter: Counter) -> u64 {
        self.engine(member).counter(counter)
    }

    /// Starts a member anew, with nothing in its table.
    pub fn restart(&mut self, member: u8) {
        let now = self.now();
        let m = &mut self.members[member as usize];
        m.config.session = now.cluster_us;
        m.engine = Softnic::new(m.config.clone(), now);
        m.kernel.clear();
        m.events.clear();
    }

    /// Lets time pass in steps.
    pub fn run(&mut self, duration_us: u64, step_us: u64) {
        let end = self.now_us + duration_us;
        while self.now_us < end {
            self.now_us += step_us;
            self.turn();
        }
    }

    pub fn turn(&mut self) {
        let now = self.now();
        self.step += 1;
        for member in &mut self.members {
            let alive = Command::Alive { beat_flags: 0, data_links: 3, lease_us: 0 };
            member.engine.command(now, &alive);
            member.engine.poll(now);
        }
        for from in 0..self.members.len() as u8 {
            let mut sent = Vec::new();
            self.members[from as usize]
                .engine
                .transmit(now, &mut |port, bytes| sent.push((port, bytes.to_vec())));
            for (port, bytes) in sent {
                self.send(from, port, bytes);
            }
        }
        self.deliver();
        for member in 0..self.members.len() as u8 {
            if self.step % self.members[member as usize].slow == 0 {
                self.host(member);
            }
        }
    }

    fn send(&mut self, from: u8, port: u8, bytes: Vec<u8>) {
        let (_, header, ..) = split(&bytes).expect("engines send sound frames");
        let to = header.receiver;
        self.frames += 1;
        assert!(bytes.len() <= self.members[from as usize].config.frame_size, "frame size");
        if self.cut.contains(&(from, to)) || self.chance.percent(self.faults.loss) {
            return;
        }
        let mut bytes = bytes;
        if self.chance.percent(self.faults.corrupt) {
            let at = self.chance.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << self.chance.below(8);
        }
        if self.chance.percent(self.faults.duplicate) {
            self.wire.push_back((to, port, bytes.clone()));
        }
        if self.chance.percent(self.faults.reorder) && !self.wire.is_empty() {
            let at = self.chance.below(self.wire.len() as u64) as usize;
            self.wire.insert(at, (to, port, bytes));
        } else {
            self.wire.push_back((to, port, bytes));
        }
    }

    fn deliver(&mut self) {
        let now = self.now();
        while let Some((to, port, bytes)) = self.wire.pop_front() {
            self.members[to as usize].engine.receive(now, port, &bytes);
        }
    }

    fn host(&mut self, member: u8) {
        let now = self.now();
        let m = &mut self.members[member as usize];
        while let Some(event) = m.engine.next_event() {
            match &event {
                Event::Session { peer, session, .. } => {
                    m.engine.command(now, &Command::Peer { peer: *peer, session: *session });
                }
                Event::FrameEnd { peer, session, sequence } => {
                    let (peer, session, sequence) = (*peer, *session, *sequence);
                    m.engine.command(now, &Command::Installed { peer, session, sequence, refused: 0 });
                }
                Event::Applied { record, .. } => {
                    m.kernel.insert(record.key.canonical().0, *record);
                }
                Event::Deleted { key, .. } => {
                    m.kernel.remove(&key.canonical().0);
                }
                Event::Merge { theirs, .. } => {
                    let join = Command::Upsert { flags: upsert::JOIN, cookie: 0, record: *theirs };
                    m.engine.command(now, &join);
                }
                _ => {}
            }
            m.events.push(event);
        }
    }

    /// Welcomes everybody, and gives every bucket to member 0 with the next two as copies.
    pub fn start(&mut self) {
        self.run(20_000, 1_000);
        let count = self.members.len() as u8;
        let remote = if count > 2 { 2 } else { MEMBER_NONE };
        self.command(0, Command::Map(roles(term(1, 0), 0, 1, remote)));
        self.run(10_000, 1_000);
    }

    /// Asserts that both engines hold the same flows, and that their books close.
    pub fn assert_equal(&self, a: u8, b: u8) {
        for bucket in 0..BUCKETS_COUNT as u16 {
            let (x, y) = (self.engine(a).bucket_digest(bucket), self.engine(b).bucket_digest(bucket));
            assert_eq!(x, y, "bucket {bucket} of members {a} and {b} at {} us", self.now_us);
        }
        for (record, ..) in self.engine(a).flows() {
            let other = self.engine(b).flow(&record.key).expect("equal digests, equal flows").0;
            assert_eq!(FlowRecord { lifetime_s: 0, ..*record }, FlowRecord { lifetime_s: 0, ..other });
        }
        self.engine(a).balance().unwrap();
        self.engine(b).balance().unwrap();
    }

    /// Asserts that a copy's host was told exactly what its engine holds.
    pub fn assert_installed(&self, member: u8) {
        let m = &self.members[member as usize];
        let held: BTreeMap<_, _> =
            m.engine.flows().map(|(record, ..)| (record.key.canonical().0, *record)).collect();
        assert_eq!(held.len(), m.kernel.len());
        for (key, record) in &held {
            let kernel = FlowRecord { lifetime_s: 0, ..m.kernel[key] };
            assert_eq!(kernel, FlowRecord { lifetime_s: 0, ..*record });
        }
    }
}
