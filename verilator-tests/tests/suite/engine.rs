//! The engine without overflow, as the model of a card's table, and what its interface does not tell.

use formats::descriptor::{upsert, Command, Event, Roles};
use formats::flow::{Edges, Family, FlowKey, FlowRecord, Nat, Stamp, Term};
use formats::hash::{first_version, ClusterSecret, FlowHasher};
use formats::limits::{BUCKETS_COUNT, MEMBER_NONE};
use formats::register::Counter;
use formats::{FlowId, Groups, Record};
use hw::layout::{self, Entry, ENTRY_WORDS};
use hw::table::{commands, flag, outcome};
use softnic::{Config, Now, Softnic};
use std::collections::{BTreeMap, BTreeSet};
use verilator_tests::{expect_same, Result};

pub(super) const SET_BITS: u32 = 10;
pub(super) const MEMBER: u8 = 0;
pub(super) const OTHER: u8 = 1;
pub(super) const SESSION: u64 = 1;
/// Holds copies of what we own, and sends nothing but acknowledgements.
pub(super) const THIRD: u8 = 2;
/// Of the others, by number.
pub(super) const SESSIONS: [u64; 3] = [SESSION, 2, 3];
pub(super) const CLUSTER: u32 = 1;
pub(super) const TAG: u16 = 1;
/// Longer than any pause of the engine.
const AGE_US: u64 = 1_000_000_000;

/// The counter of each outcome of a command.
pub(super) const COMMANDS: [(Counter, u8); 8] = [
    (Counter::FlowsMade, outcome::MADE),
    (Counter::FlowsChanged, outcome::CHANGED),
    (Counter::FlowsUnchanged, outcome::UNCHANGED),
    (Counter::FlowsFull, outcome::FULL),
    (Counter::FlowsAuditLost, outcome::AUDIT_LOST),
    (Counter::FlowsEnded, outcome::ENDED),
    (Counter::DeletesRefused, outcome::REFUSED),
    (Counter::CommandsNotOwner, outcome::NOT_OWNER),
];

pub(super) type Words = [u32; ENTRY_WORDS];
pub(super) type Flow = (FlowRecord, Stamp, u32);

/// What the engine gets.
#[allow(clippy::large_enum_variant)]
pub(super) enum Drawn {
    Command(Command),
    Record(Record, FlowKey),
}

/// One command or record as the card gets it.
pub(super) struct Asked {
    pub(super) command: u8,
    pub(super) flags: u8,
    pub(super) id: FlowId,
    pub(super) is_keyed: bool,
    pub(super) word: Words,
    /// Of the bucket; what a record has of its own is in the word.
    pub(super) term: Term,
}

/// What is due for it.
#[derive(Clone, Copy)]
pub(super) struct Due {
    pub(super) id: FlowId,
    pub(super) key: FlowKey,
    pub(super) outcome: u8,
    pub(super) found: bool,
    pub(super) term: Term,
    pub(super) before: Option<Flow>,
    pub(super) after: Option<Flow>,
    /// Stamp of the tombstone that it leaves.
    pub(super) end: Option<Stamp>,
    /// Of what was applied to a live flow: whether it is new here.
    pub(super) created: Option<bool>,
    pub(super) replicate: Groups,
}

/// What an ended flow leaves.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) id: FlowId,
    pub(super) stamp: Stamp,
    pub(super) mark: u16,
    /// Where it lies, once the card has said so.
    pub(super) place: Option<u16>,
}

/// The engine, and what its interface does not tell.
pub(super) struct Model {
    pub(super) engine: Softnic,
    pub(super) now: Now,
    pub(super) audit: u16,
    pub(super) is_auditing: bool,
    pub(super) replicate: Groups,
    pub(super) flows: Vec<(FlowId, FlowKey)>,
    pub(super) ends: BTreeMap<FlowKey, End>,
    last: usize,
    pub(super) secret: ClusterSecret,
    config: Config,
    /// Of each member: frames of its that came so far.
    pub(super) sequences: [u64; 3],
    has_peer: bool,
    /// Half of the buckets are ours and have copies; no owner changes.
    pub(super) has_copies: bool,
    /// Buckets that lack the base of a record.
    pub(super) gapped: BTreeSet<u16>,
    /// What the last event said of a change.
    pub(super) created: Option<bool>,
}

fn config(random: &mut fastrand::Rng, peers: Vec<u8>) -> Config {
    let mut secret = [0; 32];
    random.fill(&mut secret);
    Config {
        member: MEMBER,
        cluster: CLUSTER,
        secret: ClusterSecret(secret),
        session: SESSION,
        peers,
        ports: 1,
        macs: Default::default(),
        s_tag: TAG,
        c_tag: TAG,
        frame_size: 1500,
        set_bits: SET_BITS,
        ways: 4,
        overflow_max: 0,
        beat_us: 1_000,
        late_us: 2_000,
        silent_us: 3_000,
        host_alive_us: 1_000,
        digest_us: 1_000_000,
        replicate: if random.bool() { Groups::ALL } else { Groups(random.u8(..)) },
        events_max: 4096,
        queue_frames_max: 64,
        omissions: Default::default(),
    }
}

impl Model {
    pub(super) fn drawn(random: &mut fastrand::Rng, has_peer: bool) -> Model {
        Self::with(random, if has_peer { &[OTHER] } else { &[] })
    }

    /// With these peers; with two, they hold copies.
    pub(super) fn with(random: &mut fastrand::Rng, peers: &[u8]) -> Model {
        let config = config(random, peers.to_vec());
        let (secret, has_peer, has_copies) = (config.secret, !peers.is_empty(), peers.len() > 1);
        let hasher = FlowHasher::new(&config.secret);
        let mut bucket = || random.u16(..BUCKETS_COUNT as u16);
        let sets: Vec<u16> = match has_copies {
            true => [bucket() & !1, bucket() | 1, bucket() & !1, bucket() | 1].into(),
            false => (0..bucket() % 3 + 1).map(|_| bucket()).collect(),
        };
        let mut flows = Vec::new();
        while flows.len() < 6 * sets.len() {
            let key = any_key(random);
            let id = hasher.flow_id(&key);
            if sets.contains(&id.bucket()) {
                flows.push((id, key));
            }
        }
        // Versions cross the middle of their adder.
        let now = Now { local_us: 0, cluster_us: (random.u64(1..1 << 20) << 24) - random.u64(1..200) };
        let replicate = config.replicate;
        let engine = Softnic::new(config.clone(), now);
        let mut model = Model {
            engine,
            now,
            audit: 0,
            is_auditing: false,
            replicate,
            flows,
            ends: BTreeMap::new(),
            last: 0,
            secret,
            config,
            sequences: [0; 3],
            has_peer,
            has_copies,
            gapped: BTreeSet::new(),
            created: None,
        };
        for peer in peers {
            model.command(&Command::Peer { peer: *peer, session: SESSIONS[usize::from(*peer)] });
        }
        for flow in 0..model.flows.len() {
            let is_ours = has_copies && model.flows[flow].0.bucket() % 2 == 0;
            let owner = if has_peer && !is_ours { OTHER } else { MEMBER };
            model.raise(flow, owner);
        }
        model
    }

    /// The engine of another member, which holds copies of ours.
    pub(super) fn engine_of(&self, member: u8) -> Softnic {
        let session = SESSIONS[usize::from(member)];
        let config = Config { member, session, peers: vec![MEMBER], ..self.config.clone() };
        let mut engine = Softnic::new(config, self.now);
        engine.command(self.now, &Command::Peer { peer: MEMBER, session: SESSION });
        engine
    }

    /// What engines of this cluster have in common.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn command(&mut self, command: &Command) {
        self.engine.command(self.now, command);
        self.drain();
    }

    /// Lets the engine take a frame of the peer.
    pub(super) fn receive(&mut self, frame: &[u8]) {
        self.engine.receive(self.now, 0, frame);
        self.drain();
        if !self.has_copies && self.sequences[usize::from(OTHER)] % 32 == 0 {
            self.engine.transmit(self.now, &mut |_, _| ());
        }
    }

    fn drain(&mut self) {
        self.created = None;
        while let Some(event) = self.engine.next_event() {
            if let Event::Applied { created, .. } = event {
                self.created = Some(created);
            }
        }
    }

    /// Gives the bucket of a flow a new term.
    pub(super) fn raise(&mut self, flow: usize, owner: u8) {
        let bucket = self.flows[flow].0.bucket();
        let term = Term(self.engine.roles(bucket).term.0 + 0x101);
        let none = MEMBER_NONE;
        let [backup, remote] = if self.has_copies && owner == MEMBER { [OTHER, THIRD] } else { [none; 2] };
        let roles = Roles { bucket, count: 1, term, owner, backup, remote, successor: none };
        self.command(&Command::Map(roles));
        if owner == MEMBER {
            self.gapped.remove(&bucket);
        }
        if owner == MEMBER && self.has_peer && !self.has_copies {
            self.pull(bucket);
        }
    }

    /// What happens besides commands for flows: clocks, terms, audits.
    pub(super) fn live_on(&mut self, random: &mut fastrand::Rng) {
        match random.u32(..4_000) {
            0..100 => self.now.cluster_us += random.u64(1..30),
            100 => self.now.cluster_us += 1 << random.u32(8..24),
            101..110 => {
                let flow = random.usize(..self.flows.len());
                let was_owner = self.owns(self.flows[flow].0);
                // Who had a bucket and hears of a new owner proposes to it first, and takes no records.
                let owner = match (self.has_peer, random.u8(..)) {
                    _ if self.has_copies => self.engine.roles(self.flows[flow].0.bucket()).owner,
                    (true, _) if was_owner => MEMBER,
                    (true, 0..8) | (false, 50..) => MEMBER,
                    _ => OTHER,
                };
                self.raise(flow, owner);
            }
            110..115 => {
                self.audit += 1;
                self.is_auditing = true;
                self.command(&Command::AuditBegin);
            }
            115..118 => {
                self.is_auditing = false;
                self.command(&Command::AuditEnd);
            }
            _ => {}
        }
    }

    pub(super) fn owns(&self, id: FlowId) -> bool {
        self.engine.roles(id.bucket()).owner == MEMBER
    }

    /// A flow, often the last one, in either direction; a record of it or a command.
    pub(super) fn draw(&mut self, random: &mut fastrand::Rng) -> (Asked, Drawn) {
        if random.u8(..) > 120 {
            self.last = random.usize(..self.flows.len());
        }
        let (id, key) = self.flows[self.last];
        let key = if random.u8(..) < 40 { key.reversed() } else { key };
        // A new owner pulls: records and commands meet.
        let records = match self.owns(id) {
            true if self.has_copies => 0,
            true => 128,
            false => 240,
        };
        if self.has_peer && random.u8(..) < records {
            let (record, asked) = self.draw_record(random, id, key);
            return (asked, Drawn::Record(record, key));
        }
        let command = self.draw_command(random, key);
        let asked = Asked {
            command: if matches!(command, Command::Upsert { .. }) {
                commands::UPSERT
            } else {
                commands::DELETE
            },
            flags: self.flags(&command, id),
            id,
            is_keyed: true,
            word: self.word(&command, random.u32(..)),
            term: self.engine.roles(id.bucket()).term,
        };
        (asked, Drawn::Command(command))
    }

    fn draw_command(&mut self, random: &mut fastrand::Rng, key: FlowKey) -> Command {
        let cookie = random.u32(..3);
        if random.u8(..) < 30 {
            return Command::Delete { cookie, key };
        }
        let flags = match random.u8(..10) {
            0 => upsert::NEW,
            1 => upsert::JOIN,
            2..4 => upsert::AUDIT,
            4 => upsert::REMADE,
            5 => random.u8(..16),
            _ => 0,
        };
        Command::Upsert { flags, cookie, record: any_record(random, key) }
    }

    /// What the card must make of a request that asks for nothing.
    pub(super) fn look(&self, drawn: &Drawn, id: FlowId) -> Due {
        let key = match drawn {
            Drawn::Command(command) => key_of(command),
            Drawn::Record(_, key) => *key,
        };
        let (flow, term) = (self.engine.flow(&key), self.engine.roles(id.bucket()).term);
        let found = flow.is_some() || self.ends.contains_key(&key.canonical().0);
        let (outcome, replicate) = (outcome::NONE, self.replicate);
        Due { id, key, outcome, found, term, before: flow, after: flow, end: None, created: None, replicate }
    }

    /// Lets the engine take a command; what the card must make of it.
    pub(super) fn take(&mut self, command: &Command, id: FlowId) -> Due {
        let key = key_of(command);
        let (name, term) = (key.canonical().0, self.engine.roles(id.bucket()).term);
        let before = self.engine.flow(&key);
        let found = before.is_some() || self.ends.contains_key(&name);
        let outcome = self.counted(&COMMANDS, |model| model.command(command));
        let mut end = None;
        if let (outcome::ENDED, Some((_, stamp, _))) = (outcome, before) {
            let version = first_version(self.engine.version_clock(), Some(stamp));
            let stamp = Stamp { term, version };
            end = Some(stamp);
            self.ends.insert(name, End { id, stamp, mark: self.mark(), place: None });
        }
        if outcome == outcome::MADE {
            self.ends.remove(&name);
        }
        let after = self.engine.flow(&key);
        Due { id, key, outcome, found, term, before, after, end, created: None, replicate: self.replicate }
    }

    /// The outcome whose counter rises when the engine does this.
    pub(super) fn counted(&mut self, counters: &[(Counter, u8)], act: impl FnOnce(&mut Model)) -> u8 {
        let before: Vec<u64> = counters.iter().map(|(counter, _)| self.engine.counter(*counter)).collect();
        act(self);
        let mut risen =
            counters.iter().zip(before).filter(|((counter, _), of)| self.engine.counter(*counter) > *of);
        risen.next().map_or(outcome::NONE, |((_, outcome), _)| *outcome)
    }

    /// What a delete paints its entry with.
    pub(super) fn mark(&self) -> u16 {
        if self.is_auditing {
            self.audit
        } else {
            self.audit.wrapping_sub(1)
        }
    }

    /// The clock as the engine has it when it takes the next command.
    pub(super) fn clock(&self) -> u64 {
        self.engine.version_clock().max(self.now.cluster_us)
    }

    /// The command as the card gets it; its term does not count.
    fn word(&self, command: &Command, term: u32) -> Words {
        let stamp = Stamp { term: Term(term), version: self.clock() };
        let (record, cookie, audit) = match command {
            Command::Upsert { record, cookie, .. } => (*record, *cookie, self.audit),
            Command::Delete { key, cookie } => {
                (FlowRecord { key: *key, ..FlowRecord::default() }, *cookie, self.mark())
            }
            _ => unreachable!("no other is drawn"),
        };
        layout::pack(&Entry { record, stamp, cookie, audit: audit as u8, ..Entry::default() })
    }

    fn flags(&self, command: &Command, id: FlowId) -> u8 {
        let owned = self.owns(id);
        let flags = match command {
            Command::Upsert { flags, .. } => *flags,
            _ => 0,
        };
        flags | if owned { flag::OWNED } else { 0 } | if self.is_auditing { flag::AUDITING } else { 0 }
    }

    /// The tombstones that the engine frees now.
    pub(super) fn settle(&mut self) -> Result<Vec<End>> {
        self.now.local_us += AGE_US;
        let freed = self.engine.counter(Counter::TombstonesFreed);
        self.engine.poll(self.now);
        while self.engine.next_event().is_some() {}
        let freed = self.engine.counter(Counter::TombstonesFreed) - freed;
        let names: Vec<FlowKey> = self.ends.keys().copied().collect();
        let mut settled = Vec::new();
        for name in names {
            let end = self.ends[&name];
            let id = self.flows.iter().find(|(_, key)| key.same_flow(&name)).map(|(id, _)| id.bucket());
            let owned = id.is_some_and(|bucket| self.engine.roles(bucket).owner == MEMBER);
            if owned && !(self.is_auditing && end.mark == self.audit) {
                self.ends.remove(&name);
                settled.push(end);
            }
        }
        expect_same("tombstones freed", freed, settled.len() as u64)?;
        // A survivor that was silent for so long is no longer waited for: it is asked again.
        let buckets: BTreeSet<u16> = self.flows.iter().map(|(id, _)| id.bucket()).collect();
        for bucket in buckets {
            if self.has_peer && self.engine.roles(bucket).owner == MEMBER {
                self.pull(bucket);
            }
        }
        Ok(settled)
    }
}

fn key_of(command: &Command) -> FlowKey {
    match command {
        Command::Upsert { record, .. } => record.key,
        Command::Delete { key, .. } => *key,
        _ => unreachable!("no other is drawn"),
    }
}

pub(super) fn any_key(random: &mut fastrand::Rng) -> FlowKey {
    let family = if random.bool() { Family::V6 } else { Family::V4 };
    let mut address = || match family {
        Family::V4 => u128::from(random.u32(..)),
        Family::V6 => random.u128(..),
    };
    let (src, dst) = (address(), address());
    FlowKey {
        src,
        dst,
        src_port: random.u16(..),
        dst_port: random.u16(..),
        zone: random.u16(..),
        protocol: random.u8(..),
        family,
    }
}

/// Mostly what was there before: a few values, now and then one bit away.
pub(super) fn any_record(random: &mut fastrand::Rng, key: FlowKey) -> FlowRecord {
    let mut value = |bits: u32| {
        let usual = if random.u8(..) < 40 { u128::MAX / 3 } else { 0 };
        let bit = if random.u8(..) < 25 { 1 << random.u32(..bits) } else { 0 };
        (usual ^ bit) & (u128::MAX >> (128 - bits))
    };
    let nat = Nat {
        reply_src: value(128),
        reply_dst: value(128),
        reply_src_port: value(16) as u16,
        reply_dst_port: value(16) as u16,
    };
    let mut record = FlowRecord {
        key,
        groups: Groups::NONE,
        tcp_state: value(8) as u8,
        status: value(16) as u16,
        scales: [value(8) as u8, value(8) as u8],
        tcp_flags: [value(8) as u8, value(8) as u8],
        edges: [(); 2].map(|()| Edges { end: value(32) as u32, max_end: value(32) as u32 }),
        lifetime_s: value(32) as u32,
        class: value(8) as u8,
        incarnation: value(32) as u32,
        mark: value(32) as u32,
        policy: value(32) as u32,
        nat,
        labels: value(128),
    };
    // What is absent may hold anything, and must not matter.
    record.groups = Groups(random.u8(..) & random.u8(..));
    record
}
