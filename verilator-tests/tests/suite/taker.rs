//! The taker against the engine as a backup: both get the same records, and what the engine reports, counts
//! and holds is what the block must have told, counted and left behind.

mod draw;
mod host;
mod side;
pub(crate) mod told;

use super::engine::{any_key, any_record};
use super::{top, Block, Test};
use formats::descriptor::{BucketState, Command, Event, Roles};
use formats::flow::{FlowKey, FlowRecord, Stamp, Term};
use formats::frame::{encode_header, Envelope, FrameHeader};
use formats::hash::{ClusterSecret, FlowHasher};
use formats::limits::*;
use formats::register::Counter;
use formats::unit::{kind, Compact, SnapshotBegin, SnapshotEnd, TermUnit, PULL, RELEASED};
use formats::{FlowId, Groups, Record};
use host::{all_is_told, nothing_is_lost, reset_forgets};
use hw::layout::{flag, Entry};
use hw::map::{copy, flag as bucket_flag};
use hw::taker::TERM_BUCKETS;
use side::*;
use softnic::{Config, Now, Softnic};
use std::collections::{BTreeMap, BTreeSet};
use verilator_tests::{expect_same, Bench, Error, Result};

/// Peers, and what they own buckets by turns.
const PEERS: [u8; 2] = [1, 100];
const CLUSTER: u32 = 1;
const TAG: u16 = 1;
/// Records of a run.
const RECORDS: usize = 1_200;
/// Where terms of buckets without flows change.
const PLAYGROUND: std::ops::Range<u16> = 600..664;
/// Neighbouring buckets with flows.
const FLOW_BUCKETS: u16 = 4;
/// Clocks within which a malformed record is dropped.
const MALFORMED_CYCLES: u64 = 6;
/// Of a copy that is not clean.
const UNCLEAN: u8 = copy::DIRTY | copy::WAITING;

macro_rules! blocks {
    ($($NAME:ident $name:literal $set_bits:literal;)*) => {$(
        pub(crate) const $NAME: Block = Block {
            name: $name,
            design: || top($name),
            latency_cycles: None,
            tests: &[
                Test { name: "records of peers", seeds: 0..20, body: |bench| engine_agrees(bench, $set_bits) },
                Test { name: "a deaf host", seeds: 0..4, body: |bench| nothing_is_lost(bench, $set_bits) },
                Test { name: "a slow host", seeds: 0..3, body: |bench| all_is_told(bench, $set_bits) },
                Test { name: "a reset forgets", seeds: 0..8, body: |bench| reset_forgets(bench, $set_bits) },
            ],
        };
    )*};
}
blocks! {
    TAKER "taker" 10;
    TAKER_9 "taker_9" 9;
    TAKER_14 "taker_14" 14;
}

fn session_of(member: u8) -> u64 {
    if member == MEMBER {
        SESSION
    } else {
        u64::from(member) << 40 | 7
    }
}

fn config(set_bits: u32, secret: ClusterSecret) -> Config {
    Config {
        member: MEMBER,
        cluster: CLUSTER,
        secret,
        session: SESSION,
        peers: PEERS.to_vec(),
        ports: 1,
        macs: Default::default(),
        s_tag: TAG,
        c_tag: TAG,
        frame_size: 1500,
        set_bits,
        ways: 4,
        overflow_max: 0,
        beat_us: 1_000_000,
        late_us: 2_000_000,
        silent_us: 3_000_000,
        host_alive_us: 1_000_000,
        digest_us: 1_000_000_000,
        replicate: Groups::ALL,
        events_max: 8192,
        queue_frames_max: 64,
        omissions: Default::default(),
    }
}

/// The engine and the block's side.
struct Scene {
    side: Side,
    engine: Softnic,
    now: Now,
    random: fastrand::Rng,
    sequences: BTreeMap<u8, u64>,
    epochs: BTreeMap<u8, u32>,
    flows: Vec<(FlowId, FlowKey)>,
    first: u16,
    version: u64,
    audit: u8,
    is_auditing: bool,
    expected: Vec<Said>,
    strobes: Strobes,
    windows: u64,
    /// What came at least once.
    seen: BTreeSet<String>,
}

impl Scene {
    fn new(bench: &mut Bench, set_bits: u32) -> Result<Scene> {
        let mut random = bench.fork_random();
        let mut secret = [0; 32];
        random.fill(&mut secret);
        let secret = ClusterSecret(secret);
        let hasher = FlowHasher::new(&secret);
        let first = 2 * random.u16(0..200);
        let mut flows: Vec<(FlowId, FlowKey)> = Vec::new();
        // With two buckets in a set all flows have room, as in the engine, which has no such sets.
        let many = match set_bits {
            9 => 2,
            10 => 6,
            _ => 50,
        };
        while flows.len() < usize::from(FLOW_BUCKETS) * many {
            let key = any_key(&mut random);
            let id = hasher.flow_id(&key);
            let here = flows.iter().filter(|(other, _)| other.bucket() == id.bucket()).count();
            if (first..first + FLOW_BUCKETS).contains(&id.bucket()) && here < many {
                flows.push((id, key));
            }
        }
        let now = Now { local_us: 0, cluster_us: 1_000 };
        let mut side = Side::new(bench, set_bits)?;
        side.await_ready(bench)?;
        let mut scene = Scene {
            side,
            engine: Softnic::new(config(set_bits.max(BUCKET_BITS), secret), now),
            now,
            random,
            sequences: PEERS.map(|peer| (peer, 0)).into(),
            epochs: PEERS.map(|peer| (peer, 0)).into(),
            flows,
            first,
            version: 1 << 20,
            audit: 0,
            is_auditing: false,
            expected: Vec::new(),
            strobes: Strobes::default(),
            windows: 0,
            seen: BTreeSet::new(),
        };
        for peer in PEERS {
            scene.engine.command(now, &Command::Peer { peer, session: session_of(peer) });
        }
        for bucket in first..first + FLOW_BUCKETS {
            scene.raise(bucket);
        }
        Ok(scene)
    }

    fn term(&self, bucket: u16) -> u32 {
        (self.side.buckets[usize::from(bucket)].roles >> 32) as u32
    }

    fn owner(&self, bucket: u16) -> u8 {
        self.side.buckets[usize::from(bucket)].roles as u8
    }

    fn flow_bucket(&mut self) -> u16 {
        self.first + self.random.u16(..FLOW_BUCKETS)
    }

    /// The host gives a bucket to a peer under a higher term.
    fn raise(&mut self, bucket: u16) {
        let owner = PEERS[self.random.usize(..2)];
        let term = Term(self.term(bucket) + self.random.u32(1..300));
        let (backup, none) = (MEMBER, MEMBER_NONE);
        let roles = Roles { bucket, count: 1, term, owner, backup, remote: none, successor: none };
        self.engine.command(self.now, &Command::Map(roles));
        let b = &mut self.side.buckets[usize::from(bucket)];
        b.roles = roles_word(&roles);
        b.flags &= !(bucket_flag::OWN | bucket_flag::VERIFIED | bucket_flag::SUSPECT);
    }

    /// Lets the engine take a record in the next frame; what it reports, and whether frames are missing.
    fn receive(&mut self, peer: u8, record: &Record) -> (Vec<Event>, bool) {
        let gap = self.random.u8(..) < 12;
        let sequence = self.sequences.entry(peer).or_default();
        *sequence += 1 + if gap { self.random.u64(1..5) } else { 0 };
        let sequence = *sequence;
        *self.epochs.entry(peer).or_default() += u32::from(gap);
        let mut units = [0; RECORD_UNITS_MAX * UNIT_SIZE];
        let count = record.encode(&mut units);
        let header = FrameHeader {
            version: PROTOCOL_VERSION,
            cluster: CLUSTER,
            sender: peer,
            receiver: MEMBER,
            sequence,
            session: session_of(peer),
            peer_session: SESSION as u32,
            units: count as u16,
            records: 1,
            ..FrameHeader::default()
        };
        let envelope = Envelope { s_tag: TAG, c_tag: TAG, ..Envelope::default() };
        let mut head = [0; FRAME_HEADER_SIZE];
        encode_header(&envelope, &header, &mut head);
        let mut frame = [&head[..], &units[..count * UNIT_SIZE]].concat();
        let crc = crc32fast::hash(&frame[FRAME_CRC_FROM..]);
        frame.extend(crc.to_le_bytes());
        self.engine.receive(self.now, 0, &frame);
        if sequence % 16 == 0 {
            self.engine.transmit(self.now, &mut |_, _| ());
        }
        (std::iter::from_fn(|| self.engine.next_event()).collect(), gap)
    }

    /// A record of the owner about one flow, which needs no window.
    fn tell_flow(&mut self, bench: &mut Bench) -> Result<()> {
        let (id, key) = self.flows[self.random.usize(..self.flows.len())];
        let peer = self.owner(id.bucket());
        if !PEERS.contains(&peer) {
            return Ok(());
        }
        self.version += self.random.u64(1..3);
        let stamp = Stamp { term: Term(self.term(id.bucket())), version: self.version };
        let before = self.engine.bucket_digest(id.bucket());
        let counters = [
            Counter::RecordsApplied,
            Counter::RecordsUnchanged,
            Counter::RecordsFull,
            Counter::RecordsGapped,
        ];
        let counted = counters.map(|counter| self.engine.counter(counter));
        let (record, ends) = match self.random.u8(..12) {
            0 => (
                Record::Compact(Compact {
                    kind: kind::COMPACT,
                    units: 1,
                    term_low: stamp.term.0 as u8,
                    flow_id: id.0,
                    ..Default::default()
                }),
                false,
            ),
            1..4 => (Record::DeleteKeyed(key, stamp), true),
            _ => {
                let flow = any_record(&mut self.random, key);
                (Record::Full(FlowRecord { incarnation: 1, ..flow }, stamp), false)
            }
        };
        if self.receive(peer, &record).1 {
            self.side.gap(bench, peer)?;
        }
        let risen = counters.iter().zip(counted).position(|(counter, of)| self.engine.counter(*counter) > of);
        let audit = if self.is_auditing { self.audit } else { self.audit.wrapping_sub(1) };
        let colour = self.side.buckets[usize::from(id.bucket())].flags & bucket_flag::COLOUR;
        let painted = if colour == 0 { 0 } else { flag::COLOUR };
        let held =
            self.side.places.iter().find(|(_, (_, entry))| entry.record.key == key).map(|(place, _)| *place);
        let place = held.or_else(|| self.side.free_place(id));
        match (risen, place) {
            (Some(0 | 1), Some(place)) => {
                let (_, mut entry) = self.side.places.get(&place).copied().unwrap_or((0, Entry::default()));
                let (count, sum) = self.engine.bucket_digest(id.bucket());
                let cookie = self.random.u32(..);
                let was_tombstone = entry.flags & flag::TOMBSTONE != 0;
                if held.is_none() || entry.flags & flag::LIVE == 0 {
                    entry = Entry { cookie, audit: entry.audit, ..Entry::default() };
                }
                entry.record.key = key;
                entry.digest = entry.digest.wrapping_add(sum.wrapping_sub(before.1));
                entry.stamp = stamp;
                // What is equal is painted by no audit.
                if risen == Some(0) {
                    entry.audit = audit;
                }
                entry.flags = painted | if ends { flag::TOMBSTONE } else { flag::LIVE };
                if let Some((record, ..)) = self.engine.flow(&key) {
                    entry.record = record;
                }
                expect_same("an equal end", risen == Some(1) && ends, was_tombstone && ends)?;
                self.side.places.insert(place, (id.0, entry));
                let b = &mut self.side.buckets[usize::from(id.bucket())];
                (b.count, b.sum) = (count, sum);
            }
            (Some(2), None) => {}
            (Some(3), _) => self.side.buckets[usize::from(id.bucket())].flags |= bucket_flag::GAPPED,
            other => return Err(Error::Found(format!("{record:?} became {other:?}"))),
        }
        Ok(())
    }

    /// A record about buckets: what the engine makes of it is due from the block.
    fn tell(&mut self, bench: &mut Bench, peer: u8, record: &Record) -> Result<()> {
        const COUNTERS: [Counter; 6] = [
            Counter::RecordsControl,
            Counter::RecordsMalformed,
            Counter::DigestsEqual,
            Counter::DigestsUnproven,
            Counter::DigestsDifferent,
            Counter::TombstonesFreed,
        ];
        let counted = COUNTERS.map(|counter| self.engine.counter(counter));
        let (events, gap) = self.receive(peer, record);
        let mut risen = COUNTERS.iter().zip(counted).map(|(counter, of)| self.engine.counter(*counter) - of);
        let mut next = || risen.next().unwrap_or_default();
        let (control, malformed) = (next(), next());
        self.strobes.control += control;
        self.strobes.malformed += malformed;
        self.strobes.equal += next();
        self.strobes.unproven += next();
        self.strobes.different += next();
        self.strobes.freed += next();
        let sequence = self.sequences[&peer];
        let told = Told { units: units(&mut self.random, record), peer, sequence, gap };
        let mut buckets = self.side.buckets.clone();
        if malformed == 0 {
            self.expect_events(&told, record, &events, &mut buckets);
        }
        let took = self.side.take(bench, &told)?;
        expect_same("a malformed record waits", malformed == 1 && took > MALFORMED_CYCLES, false)?;
        for (bucket, (b, due)) in self.side.buckets.iter().zip(&buckets).enumerate() {
            let of = |b: &Bucket| (bucket, *record, b.roles, b.flags, b.copies);
            expect_same("the bucket", of(b), of(due))?;
        }
        expect_same("windows", self.side.windows, self.windows)
    }

    /// What the block must say and leave in the map, by the engine's events and, where it says nothing, by
    /// the rules.
    fn expect_events(&mut self, told: &Told, record: &Record, events: &[Event], buckets: &mut [Bucket]) {
        let Told { peer, units, .. } = *told;
        let (bucket, term) = match record {
            Record::Term(unit) => return self.expect_terms(told, unit, events, buckets),
            Record::SnapshotBegin(SnapshotBegin { bucket, flags, .. })
            | Record::SnapshotEnd(SnapshotEnd { bucket, flags, .. })
                if flags & PULL != 0 =>
            {
                self.see("pull");
                let epoch = self.epochs[&peer];
                return self.expected.push(Said::Pull { peer, bucket: *bucket, epoch, units });
            }
            Record::SnapshotBegin(unit) => (unit.bucket, unit.term),
            Record::SnapshotEnd(unit) => (unit.bucket, unit.term),
            Record::Digest(unit) => (unit.bucket, unit.term),
            _ => unreachable!("no other is told"),
        };
        self.windows += 1;
        let b = &mut buckets[usize::from(bucket)];
        if b.roles as u8 != peer || (b.roles >> 32) as u32 != term {
            self.see("answer");
            self.strobes.refused += 1;
            return self.expected.push(Said::Answer { peer, bucket, count: 1 });
        }
        if matches!(record, Record::SnapshotBegin(_)) {
            b.flags ^= bucket_flag::COLOUR;
        }
        for event in events {
            match *event {
                Event::Deleted { peer, sequence, key, .. } => {
                    let mut entries = self.side.places.values();
                    let cookie =
                        entries.find(|(_, entry)| entry.record.key == key).map(|(_, entry)| entry.cookie);
                    let cookie = cookie.unwrap_or_default();
                    self.expected.push(Said::Deleted { peer, bucket, sequence, cookie, key });
                    self.see("deleted");
                }
                Event::Compared { peer, bucket, state, snapshot } => {
                    self.expected.push(Said::Compared { peer, bucket, state: state as u8, snapshot });
                    self.see(&format!("{state:?} {snapshot}"));
                    b.flags &= !bucket_flag::VERIFIED;
                    match state {
                        BucketState::Equal => {
                            b.flags &= !(bucket_flag::GAPPED | bucket_flag::SUSPECT);
                            b.flags |= bucket_flag::VERIFIED;
                        }
                        BucketState::Unproven if !snapshot => b.flags &= !bucket_flag::SUSPECT,
                        BucketState::Suspect | BucketState::Different if !snapshot => {
                            b.flags |= bucket_flag::SUSPECT;
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }

    fn expect_terms(&mut self, told: &Told, unit: &TermUnit, events: &[Event], buckets: &mut [Bucket]) {
        let Told { peer, units, .. } = *told;
        self.windows += u64::from(unit.count).div_ceil(TERM_BUCKETS as u64);
        let roles = Roles {
            bucket: 0,
            count: 1,
            term: Term(unit.term),
            owner: unit.owner,
            backup: unit.backup,
            remote: unit.remote,
            successor: unit.successor,
        };
        let word = roles_word(&roles);
        let is_released = unit.flags & RELEASED != 0;
        let mut runs: Vec<(bool, u16, u16)> = Vec::new();
        for bucket in unit.bucket..unit.bucket + unit.count {
            let b = &mut buckets[usize::from(bucket)];
            let term = (b.roles >> 32) as u32;
            let is_answer = unit.term < term;
            if unit.term == term && (b.roles as u8 != peer || b.roles == word && !is_released) {
                continue;
            }
            match runs.last_mut() {
                Some((was_answer, first, count)) if *was_answer == is_answer && *first + *count == bucket => {
                    *count += 1;
                }
                _ => runs.push((is_answer, bucket, 1)),
            }
            if !is_answer && b.roles != word {
                adopt(b, word, unit.owner == MEMBER && unit.session == SESSION);
            }
        }
        let mut terms = events.iter().filter_map(|event| match event {
            Event::Term { roles, .. } => Some((roles.bucket, roles.count)),
            _ => None,
        });
        for (is_answer, bucket, count) in runs {
            self.see(if is_answer { "stale term" } else { "term" });
            let said = Said::Term { peer, bucket, count, units };
            let is_due = is_answer || terms.next() == Some((bucket, count));
            assert!(is_due, "the engine tells of other terms: {unit:?}");
            self.expected.push(if is_answer { Said::Answer { peer, bucket, count } } else { said });
        }
        assert_eq!(terms.next(), None, "the engine tells of a term more");
    }

    fn see(&mut self, what: &str) {
        self.seen.insert(what.to_owned());
    }

    /// All that was due was told and counted, and the engine holds what the block left.
    fn compare(&mut self, bench: &mut Bench) -> Result<()> {
        self.side.drain(bench)?;
        let sorted = |mut said: Vec<Said>| {
            // Places are walked in their order, the engine's differ.
            for run in
                said.chunk_by_mut(|a, b| matches!((a, b), (Said::Deleted { .. }, Said::Deleted { .. })))
            {
                run.sort_by_key(|said| match said {
                    Said::Deleted { key, .. } => *key,
                    _ => FlowKey::default(),
                });
            }
            said
        };
        let said = sorted(std::mem::take(&mut self.side.said));
        expect_same("what the host is told", said, sorted(std::mem::take(&mut self.expected)))?;
        expect_same("strobes", self.side.strobes, self.strobes)?;
        for (id, key) in &self.flows {
            let held = self.side.places.values().find(|(_, entry)| entry.record.key == *key);
            let live = held.filter(|(_, entry)| entry.flags & flag::LIVE != 0);
            let live = live.map(|(_, entry)| (entry.record, entry.stamp));
            let due = self.engine.flow(key).map(|(record, stamp, _)| (record, stamp));
            expect_same("a flow", (id, live), (id, due))?;
        }
        let ends = self.side.places.values().filter(|(_, entry)| entry.flags & flag::TOMBSTONE != 0).count();
        expect_same("tombstones", ends as u64, self.engine.counter(Counter::TombstonesHeld))?;
        for bucket in (self.first..self.first + FLOW_BUCKETS).chain(PLAYGROUND) {
            let b = &self.side.buckets[usize::from(bucket)];
            expect_same("sum and count", (b.count, b.sum), self.engine.bucket_digest(bucket))?;
            expect_same("roles", b.roles, roles_word(&self.engine.roles(bucket)))?;
        }
        Ok(())
    }
}

/// A bucket gets roles: what was known of it counts no more.
fn adopt(b: &mut Bucket, word: u64, is_ours: bool) {
    let was_ours = b.flags & bucket_flag::OWN != 0;
    if b.roles >> 32 != word >> 32 || b.roles as u8 != word as u8 {
        b.flags &= !(bucket_flag::VERIFIED | bucket_flag::SUSPECT);
    }
    b.flags &= !bucket_flag::OWN;
    if is_ours {
        b.flags = b.flags & !bucket_flag::GAPPED | bucket_flag::OWN;
        for (half, member) in [(0, 8), (4, 16)] {
            let is_new = !was_ours || (b.roles >> member) as u8 != (word >> member) as u8;
            let state = b.copies >> half & UNCLEAN;
            if is_new || state != 0 {
                b.copies = b.copies & !(UNCLEAN << half) | copy::DIRTY << half;
            }
            if is_new {
                b.copies |= copy::RENEWED << half;
            }
        }
    }
    b.roles = word;
}

fn engine_agrees(bench: &mut Bench, set_bits: u32) -> Result<()> {
    let mut scene = Scene::new(bench, set_bits)?;
    for _ in 0..RECORDS / 4 {
        // Some follow each other at once.
        for _ in 0..scene.random.usize(1..8) {
            scene.step(bench)?;
        }
        // The copies' flags are the sweeper's too.
        let bucket = usize::from(scene.random.u16(PLAYGROUND));
        scene.side.buckets[bucket].copies = scene.random.u8(..);
        scene.compare(bench)?;
    }
    let due = [
        "Different false",
        "Different true",
        "Equal false",
        "Equal true",
        "Suspect false",
        "Unproven false",
        "Unproven true",
        "answer",
        "deleted",
        "pull",
        "stale term",
        "term",
    ];
    expect_same(
        "what never came",
        due.iter().filter(|what| !scene.seen.contains(**what)).collect::<Vec<_>>(),
        vec![],
    )
}
