//! Commands of the host: the card's table against the engine without overflow, command by command.

use super::{top, Block, Test};
use formats::descriptor::{upsert, Command, Roles};
use formats::flow::{Edges, Family, FlowKey, FlowRecord, Nat, Stamp, Term};
use formats::hash::{first_version, ClusterSecret, FlowHasher};
use formats::limits::{BUCKETS_COUNT, MEMBER_NONE};
use formats::register::Counter;
use formats::{FlowId, Groups};
use hw::layout::{self, Entry, ENTRY_WORDS};
use hw::table::{commands, flag, outcome, FLOWS_LATENCY};
use softnic::{Config, Now, Softnic};
use std::collections::{BTreeMap, VecDeque};
use verilator_tests::{expect_same, Bench, Error, Input, Port, Result, Stalls};

const CYCLES: u64 = 50_000;
const SET_BITS: u32 = 10;
/// Cycles that a table takes to clear its sets, and a few more.
const READY_CYCLES: u64 = 1_100;
const MEMBER: u8 = 0;
const OTHER: u8 = 1;
/// Longer than any pause of the engine.
const AGE_US: u64 = 1_000_000_000;

type Words = [u32; ENTRY_WORDS];

pub(crate) const DIFFERENCE: Block = Block {
    name: "difference",
    design: || top("difference").without_reset(),
    latency_cycles: Some(1),
    tests: &[Test { name: "words that almost agree", seeds: 0..4, body: words_differ }],
};

pub(crate) const FLOWS: Block = Block {
    name: "flows",
    design: || top("flows"),
    latency_cycles: Some(FLOWS_LATENCY as u64),
    tests: &[Test { name: "the engine's commands", seeds: 0..6, body: commands_agree }],
};

/// The counter of each outcome that has one.
const COUNTERS: [(Counter, u8); 8] = [
    (Counter::FlowsMade, outcome::MADE),
    (Counter::FlowsChanged, outcome::CHANGED),
    (Counter::FlowsUnchanged, outcome::UNCHANGED),
    (Counter::FlowsFull, outcome::FULL),
    (Counter::FlowsAuditLost, outcome::AUDIT_LOST),
    (Counter::FlowsEnded, outcome::ENDED),
    (Counter::DeletesRefused, outcome::REFUSED),
    (Counter::CommandsNotOwner, outcome::NOT_OWNER),
];

type Flow = (FlowRecord, Stamp, u32);

/// What is due for one command.
#[derive(Clone, Copy)]
struct Due {
    key: FlowKey,
    outcome: u8,
    found: bool,
    term: Term,
    before: Option<Flow>,
    after: Option<Flow>,
    /// Stamp of the tombstone that it leaves.
    end: Option<Stamp>,
    replicate: Groups,
}

/// What an ended flow leaves.
#[derive(Clone, Copy)]
struct End {
    stamp: Stamp,
    mark: u16,
    /// Where it lies, once the card has said so.
    place: Option<u16>,
}

/// The engine, and what its interface does not tell.
struct Model {
    engine: Softnic,
    now: Now,
    audit: u16,
    is_auditing: bool,
    replicate: Groups,
    flows: Vec<(FlowId, FlowKey)>,
    ends: BTreeMap<FlowKey, End>,
    last: usize,
}

fn config(random: &mut fastrand::Rng) -> Config {
    let mut secret = [0; 32];
    random.fill(&mut secret);
    Config {
        member: MEMBER,
        cluster: 1,
        secret: ClusterSecret(secret),
        session: 1,
        peers: Vec::new(),
        ports: 1,
        macs: Default::default(),
        s_tag: 1,
        c_tag: 1,
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
    fn drawn(random: &mut fastrand::Rng) -> Model {
        let config = config(random);
        let hasher = FlowHasher::new(&config.secret);
        let sets: Vec<u16> = (0..random.usize(1..4)).map(|_| random.u16(..BUCKETS_COUNT as u16)).collect();
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
        let engine = Softnic::new(config, now);
        let mut model = Model {
            engine,
            now,
            audit: 0,
            is_auditing: false,
            replicate,
            flows,
            ends: BTreeMap::new(),
            last: 0,
        };
        for flow in 0..model.flows.len() {
            model.raise(flow, MEMBER);
        }
        model
    }

    fn command(&mut self, command: &Command) {
        self.engine.command(self.now, command);
        while self.engine.next_event().is_some() {}
    }

    /// Gives the bucket of a flow a new term.
    fn raise(&mut self, flow: usize, owner: u8) {
        let bucket = self.flows[flow].0.bucket();
        let term = Term(self.engine.roles(bucket).term.0 + 0x101);
        let none = MEMBER_NONE;
        let roles = Roles { bucket, count: 1, term, owner, backup: none, remote: none, successor: none };
        self.command(&Command::Map(roles));
    }

    /// What happens besides commands for flows: clocks, terms, audits.
    fn live_on(&mut self, random: &mut fastrand::Rng) {
        match random.u32(..4_000) {
            0..100 => self.now.cluster_us += random.u64(1..30),
            100 => self.now.cluster_us += 1 << random.u32(8..24),
            101..110 => {
                let owner = if random.u8(..) < 50 { OTHER } else { MEMBER };
                self.raise(random.usize(..self.flows.len()), owner);
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

    /// A command, its flags for the card, and its word.
    fn draw(&mut self, random: &mut fastrand::Rng) -> (Command, FlowId) {
        if random.u8(..) > 120 {
            self.last = random.usize(..self.flows.len());
        }
        let (id, key) = self.flows[self.last];
        let key = if random.u8(..) < 40 { key.reversed() } else { key };
        let cookie = random.u32(..3);
        if random.u8(..) < 30 {
            return (Command::Delete { cookie, key }, id);
        }
        let flags = match random.u8(..10) {
            0 => upsert::NEW,
            1 => upsert::JOIN,
            2..4 => upsert::AUDIT,
            4 => upsert::REMADE,
            5 => random.u8(..16),
            _ => 0,
        };
        (Command::Upsert { flags, cookie, record: any_record(random, key) }, id)
    }

    /// Lets the engine take a command; what the card must make of it.
    fn take(&mut self, command: &Command, id: FlowId) -> Due {
        let key = match command {
            Command::Upsert { record, .. } => record.key,
            Command::Delete { key, .. } => *key,
            _ => unreachable!("no other is drawn"),
        };
        let (name, term) = (key.canonical().0, self.engine.roles(id.bucket()).term);
        let before = self.engine.flow(&key);
        let found = before.is_some() || self.ends.contains_key(&name);
        let counts = COUNTERS.map(|(counter, _)| self.engine.counter(counter));
        self.command(command);
        let risen =
            COUNTERS.iter().zip(counts).find(|((counter, _), of)| self.engine.counter(*counter) > *of);
        let outcome = risen.map_or(outcome::NONE, |((_, outcome), _)| *outcome);
        let mut end = None;
        if let (outcome::ENDED, Some((_, stamp, _))) = (outcome, before) {
            let version = first_version(self.engine.version_clock(), Some(stamp));
            let stamp = Stamp { term, version };
            end = Some(stamp);
            self.ends.insert(name, End { stamp, mark: self.mark(), place: None });
        }
        if outcome == outcome::MADE {
            self.ends.remove(&name);
        }
        let after = self.engine.flow(&key);
        Due { key, outcome, found, term, before, after, end, replicate: self.replicate }
    }

    /// What a delete paints its entry with.
    fn mark(&self) -> u16 {
        if self.is_auditing {
            self.audit
        } else {
            self.audit.wrapping_sub(1)
        }
    }

    /// The command as the card gets it.
    fn word(&self, command: &Command, id: FlowId) -> Words {
        let stamp = Stamp { term: self.engine.roles(id.bucket()).term, version: self.engine.version_clock() };
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
        let owned = self.engine.roles(id.bucket()).owner == MEMBER;
        let flags = match command {
            Command::Upsert { flags, .. } => *flags,
            _ => 0,
        };
        flags | if owned { flag::OWNED } else { 0 } | if self.is_auditing { flag::AUDITING } else { 0 }
    }

    /// The tombstones that the engine frees now.
    fn settle(&mut self) -> Result<Vec<End>> {
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
        Ok(settled)
    }
}

fn any_key(random: &mut fastrand::Rng) -> FlowKey {
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
fn any_record(random: &mut fastrand::Rng, key: FlowKey) -> FlowRecord {
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

/// The ports of the block.
struct Ports {
    ready: Port<bool>,
    valid: Input<bool>,
    command: Input<u8>,
    flags: Input<u8>,
    id: Input<u64>,
    word: Input<Words>,
    keyed: Input<bool>,
    named: Input<bool>,
    way: Input<u8>,
    watches: Input<bool>,
    frees: Input<bool>,
    out_valid: Port<bool>,
    out_outcome: Port<u8>,
    out_found: Port<bool>,
    out_freed: Port<bool>,
    out_place: Port<u16>,
    out_changed: Port<u8>,
    out_first: Port<bool>,
    out_before: Port<Words>,
    out_after: Port<Words>,
}

impl Ports {
    fn new(bench: &Bench) -> Result<Ports> {
        Ok(Ports {
            ready: bench.port("in_ready")?,
            valid: bench.input("in_valid")?,
            command: bench.input("in_command")?,
            flags: bench.input("in_flags")?,
            id: bench.input("in_id")?,
            word: bench.input("in_word")?,
            keyed: bench.input("in_keyed")?,
            named: bench.input("in_named")?,
            way: bench.input("in_way")?,
            watches: bench.input("in_watches")?,
            frees: bench.input("in_frees")?,
            out_valid: bench.port("out_valid")?,
            out_outcome: bench.port("out_outcome")?,
            out_found: bench.port("out_found")?,
            out_freed: bench.port("out_freed")?,
            out_place: bench.port("out_place")?,
            out_changed: bench.port("out_changed")?,
            out_first: bench.port("out_first")?,
            out_before: bench.port("out_before")?,
            out_after: bench.port("out_after")?,
        })
    }

    fn show(&self, model: &Model, drawn: &Command, id: FlowId) {
        let is_upsert = matches!(drawn, Command::Upsert { .. });
        self.command.set(if is_upsert { commands::UPSERT } else { commands::DELETE });
        self.flags.set(model.flags(drawn, id));
        self.id.set(id.0);
        self.word.set(model.word(drawn, id));
        self.keyed.set(true);
    }

    /// The outcome, the entry before and the one after.
    fn check(&self, due: &Due) -> Result<()> {
        expect_same("the outcome", self.out_outcome.get(), due.outcome)?;
        expect_same("whether it was found", self.out_found.get(), due.found)?;
        let flow = |words: &Words| {
            let entry = layout::unpack(words);
            let live = entry.flags & layout::flag::LIVE != 0;
            live.then_some((entry.record, entry.stamp, entry.cookie))
        };
        if due.found {
            expect_same("the flow before", flow(&self.out_before.get()), due.before)?;
        }
        if due.found || due.outcome == outcome::MADE {
            expect_same("the flow after", flow(&self.out_after.get()), due.after)?;
        }
        let changed = match (due.outcome, due.before, due.after) {
            (outcome::CHANGED, Some((before, ..)), Some((after, ..))) => before.difference(&after),
            _ => Groups::NONE,
        };
        expect_same("changed groups", Groups(self.out_changed.get()), changed.both(due.replicate))?;
        let first = match (due.outcome, due.before) {
            (outcome::MADE, _) => Some(true),
            (outcome::CHANGED | outcome::ENDED, Some((_, stamp, _))) => Some(stamp.term != due.term),
            _ => None,
        };
        if let Some(first) = first {
            expect_same("whether it is the first", self.out_first.get(), first)?;
        }
        let Some(stamp) = due.end else { return Ok(()) };
        let end = layout::unpack(&self.out_after.get());
        let flags = end.flags & (layout::flag::LIVE | layout::flag::TOMBSTONE);
        expect_same("flags of a tombstone", flags, layout::flag::TOMBSTONE)?;
        expect_same("its stamp", end.stamp, stamp)?;
        let (record, last, _) = due.before.ok_or(Error::Found("what was not there ended".into()))?;
        expect_same("what ended", (end.record, end.ended_version), (record, last.version))
    }
}

/// The block, what it is compared with, and what is on its way.
struct Comparison {
    ports: Ports,
    model: Model,
    random: fastrand::Rng,
    due: VecDeque<Option<Due>>,
    /// How often each outcome came.
    outcomes: [u32; COUNTERS.len() + 1],
}

impl Comparison {
    fn cycle(&mut self, bench: &mut Bench, due: Option<Due>) -> Result<()> {
        self.ports.valid.set(due.is_some());
        self.due.push_back(due);
        bench.cycle(&mut ())?;
        let now = self.due.pop_front().flatten();
        expect_same("an outcome is there", self.ports.out_valid.get(), now.is_some())?;
        let Some(now) = now else { return Ok(()) };
        self.ports.check(&now)?;
        self.outcomes[usize::from(now.outcome)] += 1;
        if let Some(end) = self.model.ends.get_mut(&now.key.canonical().0).filter(|_| now.end.is_some()) {
            end.place = Some(self.ports.out_place.get());
        }
        Ok(())
    }

    fn drain(&mut self, bench: &mut Bench) -> Result<()> {
        (0..FLOWS_LATENCY).try_for_each(|_| self.cycle(bench, None))
    }

    /// Frees in the card what the engine frees.
    fn settle(&mut self, bench: &mut Bench) -> Result<()> {
        self.drain(bench)?;
        for end in self.model.settle()? {
            let place = end.place.ok_or(Error::Found("nobody said where it ended".into()))?;
            let ports = &self.ports;
            ports.command.set(0);
            ports.keyed.set(false);
            ports.id.set(u64::from(place >> 2) << (40 - SET_BITS));
            ports.way.set((place & 3) as u8);
            ports.named.set(true);
            for (watches, frees) in [(true, false), (false, true)] {
                ports.watches.set(watches);
                ports.frees.set(frees);
                ports.valid.set(true);
                bench.cycle(&mut ())?;
            }
            for port in [&ports.valid, &ports.named, &ports.watches, &ports.frees] {
                port.set(false);
            }
            (1..FLOWS_LATENCY).try_for_each(|_| bench.cycle(&mut ()))?;
            expect_same("freed", ports.out_freed.get(), true)?;
            let lay = layout::unpack(&ports.out_before.get());
            expect_same("what lay there", (lay.flags & 3, lay.stamp), (layout::flag::TOMBSTONE, end.stamp))?;
            bench.cycle(&mut ())?;
        }
        Ok(())
    }
}

fn commands_agree(bench: &mut Bench) -> Result<()> {
    let ports = Ports::new(bench)?;
    bench.run_until(&mut (), READY_CYCLES, |()| ports.ready.get())?;
    let mut random = bench.fork_random();
    let model = Model::drawn(&mut random);
    bench.input::<u8>("replicate")?.set(model.replicate.0);
    let mut pauses = Stalls::drawn(bench.fork_random());
    let due = VecDeque::from([None; FLOWS_LATENCY - 1]);
    let mut comparison = Comparison { ports, model, random, due, outcomes: Default::default() };
    for _ in 0..CYCLES {
        comparison.model.live_on(&mut comparison.random);
        if comparison.random.u32(..1_000) == 0 {
            comparison.settle(bench)?;
        }
        let (command, id) = comparison.model.draw(&mut comparison.random);
        let due = (!pauses.is_stalled(true)).then(|| comparison.model.take(&command, id));
        comparison.ports.show(&comparison.model, &command, id);
        comparison.cycle(bench, due)?;
    }
    comparison.drain(bench)?;
    println!("outcomes: {:?}", comparison.outcomes);
    // Where nothing replicates nothing counts as changed.
    let missing = |(_, outcome): &&(Counter, u8)| comparison.outcomes[usize::from(*outcome)] == 0;
    let missing: Vec<u8> = COUNTERS.iter().filter(missing).map(|(_, outcome)| *outcome).collect();
    let none_replicates = comparison.model.replicate.is_empty();
    expect_same(
        "outcomes that never came",
        missing,
        if none_replicates { vec![outcome::CHANGED] } else { vec![] },
    )
}

/// What differs, group by group, and what decides about a life.
fn words_differ(bench: &mut Bench) -> Result<()> {
    let (a, b) = (bench.input::<Words>("a")?, bench.input::<Words>("b")?);
    let differs = bench.port::<u16>("differs")?;
    for _ in 0..CYCLES {
        let random = bench.random();
        let entries = [(); 2].map(|()| {
            let key = FlowKey { src: u128::from(random.u8(..) / 255), ..FlowKey::default() };
            let record = FlowRecord { groups: Groups::ALL, ..any_record(random, key) };
            let stamp = Stamp { term: Term(random.u32(..2)), version: random.u64(..4) };
            let (cookie, audit) = (random.u32(..3), random.u8(..2));
            Entry { record, stamp, cookie, audit, ..Entry::default() }
        });
        let [one, other] = entries;
        a.set(layout::pack(&one));
        b.set(layout::pack(&other));
        bench.cycle(&mut ())?;
        let lives = one.cookie != 0 && other.cookie != 0 && one.cookie != other.cookie;
        let deciding = [
            one.record.key != other.record.key,
            lives,
            one.stamp.term != other.stamp.term,
            one.audit != other.audit,
        ];
        let deciding =
            deciding.iter().enumerate().fold(0, |sum, (n, differs)| sum | u16::from(*differs) << n);
        let expected = u16::from(one.record.difference(&other.record).0) | deciding << 8;
        expect_same("what differs", differs.get(), expected)?;
    }
    Ok(())
}
