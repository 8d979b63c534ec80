//! The card's table with its commands and records against the engine without overflow, one by one.

use super::engine::*;
use super::late::Late;
use super::records::RECORDS;
use super::{top, Block, Test};
use formats::flow::{FlowKey, FlowRecord, Stamp, Term};
use formats::register::Counter;
use formats::Groups;
use hw::layout::{self, Entry};
use hw::table::{outcome, FLOWS_LATENCY, LATE};
use std::collections::VecDeque;
use verilator_tests::{expect_same, Bench, Error, Input, Port, Result, Stalls};

const CYCLES: u64 = 50_000;
/// Outcomes are numbered from 0.
const OUTCOMES: usize = 15;
/// Cycles that a table takes to clear its sets, and a few more.
const READY_CYCLES: u64 = 1_100;

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
    tests: &[
        Test { name: "the engine's commands", seeds: 0..6, body: |bench| engine_agrees(bench, false) },
        Test { name: "records of a peer", seeds: 0..8, body: |bench| engine_agrees(bench, true) },
    ],
};

/// The ports of the block.
struct Ports {
    ready: Port<bool>,
    valid: Input<bool>,
    command: Late<u8>,
    flags: Late<u8>,
    term: Late<u32>,
    id: Input<u64>,
    word: Input<Words>,
    keyed: Input<bool>,
    named: Input<bool>,
    way: Input<u8>,
    watches: Input<bool>,
    frees: Input<bool>,
    out_valid: Port<bool>,
    out_outcome: Port<u8>,
    out_created: Port<bool>,
    out_found: Port<bool>,
    out_freed: Port<bool>,
    out_place: Port<u16>,
    out_id: Port<u64>,
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
            command: Late::new(bench.input("late_command")?, LATE),
            flags: Late::new(bench.input("late_flags")?, LATE),
            term: Late::new(bench.input("late_term")?, LATE),
            id: bench.input("in_id")?,
            word: bench.input("in_word")?,
            keyed: bench.input("in_keyed")?,
            named: bench.input("in_named")?,
            way: bench.input("in_way")?,
            watches: bench.input("in_watches")?,
            frees: bench.input("in_frees")?,
            out_valid: bench.port("out_valid")?,
            out_outcome: bench.port("out_outcome")?,
            out_created: bench.port("out_created")?,
            out_found: bench.port("out_found")?,
            out_freed: bench.port("out_freed")?,
            out_place: bench.port("out_place")?,
            out_id: bench.port("out_id")?,
            out_changed: bench.port("out_changed")?,
            out_first: bench.port("out_first")?,
            out_before: bench.port("out_before")?,
            out_after: bench.port("out_after")?,
        })
    }

    fn show(&mut self, asked: &Asked) {
        self.show_late(asked.command, asked.flags, asked.term.0);
        self.id.set(asked.id.0);
        self.word.set(asked.word);
        self.keyed.set(asked.is_keyed);
    }

    fn show_late(&mut self, command: u8, flags: u8, term: u32) {
        self.command.set(command);
        self.flags.set(flags);
        self.term.set(term);
    }

    /// The outcome, the entry before and the one after.
    fn check(&self, due: &Due) -> Result<()> {
        expect_same("the outcome", self.out_outcome.get(), due.outcome)?;
        expect_same("whether it was found", self.out_found.get(), due.found)?;
        expect_same("the id", self.out_id.get(), due.id.0)?;
        let flow = |words: &Words| {
            let entry = layout::unpack(words);
            let live = entry.flags & layout::flag::LIVE != 0;
            live.then_some((entry.record, entry.stamp, entry.cookie))
        };
        if due.found {
            expect_same("the flow before", flow(&self.out_before.get()), due.before)?;
        }
        if due.found || due.outcome == outcome::MADE || due.outcome == outcome::APPLIED {
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
        if let Some(created) = due.created {
            expect_same("whether it is new here", self.out_created.get(), created)?;
        }
        let Some(stamp) = due.end else { return Ok(()) };
        let end = layout::unpack(&self.out_after.get());
        let flags = end.flags & (layout::flag::LIVE | layout::flag::TOMBSTONE);
        expect_same("flags of a tombstone", flags, layout::flag::TOMBSTONE)?;
        expect_same("its stamp", end.stamp, stamp)?;
        match due.before {
            Some((record, last, _)) => {
                expect_same("what ended", (end.record, end.ended_version), (record, last.version))
            }
            None if due.found => Ok(()),
            None => {
                let nothing = FlowRecord { key: due.key, ..FlowRecord::default() };
                expect_same("what ended elsewhere", (end.record, end.ended_version), (nothing, 0))
            }
        }
    }
}

/// The block, what it is compared with, and what is on its way.
struct Comparison {
    ports: Ports,
    model: Model,
    random: fastrand::Rng,
    due: VecDeque<Option<Due>>,
    /// How often each outcome came.
    outcomes: [u32; OUTCOMES],
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
        (0..FLOWS_LATENCY).try_for_each(|_| {
            self.ports.show_late(0, 0, 0);
            self.cycle(bench, None)
        })
    }

    /// Frees in the card what the engine frees.
    fn settle(&mut self, bench: &mut Bench) -> Result<()> {
        self.drain(bench)?;
        for end in self.model.settle()? {
            let place = end.place.ok_or(Error::Found("nobody said where it ended".into()))?;
            let ports = &self.ports;
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
            expect_same("whose place it was", ports.out_id.get(), end.id.0)?;
            let lay = layout::unpack(&ports.out_before.get());
            expect_same("what lay there", (lay.flags & 3, lay.stamp), (layout::flag::TOMBSTONE, end.stamp))?;
            bench.cycle(&mut ())?;
        }
        Ok(())
    }
}

fn engine_agrees(bench: &mut Bench, has_peer: bool) -> Result<()> {
    let ports = Ports::new(bench)?;
    bench.run_until(&mut (), READY_CYCLES, |()| ports.ready.get())?;
    let mut random = bench.fork_random();
    let model = Model::drawn(&mut random, has_peer);
    bench.input::<u8>("replicate")?.set(model.replicate.0);
    let mut pauses = Stalls::drawn(bench.fork_random());
    let due = VecDeque::from([None; FLOWS_LATENCY - 1]);
    let mut comparison = Comparison { ports, model, random, due, outcomes: Default::default() };
    for _ in 0..CYCLES {
        comparison.model.live_on(&mut comparison.random);
        if comparison.random.u32(..1_000) == 0 {
            comparison.settle(bench)?;
        }
        let (mut asked, drawn) = comparison.model.draw(&mut comparison.random);
        // What the bucket forbids is no command, and changes nothing.
        let is_refused = comparison.random.u8(..) < 10;
        asked.command = if is_refused { 0 } else { asked.command };
        let due = (!pauses.is_stalled(true)).then(|| match drawn {
            _ if is_refused => comparison.model.look(&drawn, asked.id),
            Drawn::Command(command) => comparison.model.take(&command, asked.id),
            Drawn::Record(record, key) => comparison.model.take_record(&record, &asked, key),
        });
        comparison.ports.show(&asked);
        comparison.cycle(bench, due)?;
    }
    comparison.drain(bench)?;
    println!("outcomes: {:?}", comparison.outcomes);
    let wanted: &[(Counter, u8)] = if has_peer { &RECORDS } else { &COMMANDS };
    // Where nothing replicates nothing counts as changed.
    let exempt = if comparison.model.replicate.is_empty() { outcome::CHANGED } else { outcome::NONE };
    let missing = |outcome: &u8| comparison.outcomes[usize::from(*outcome)] == 0 && *outcome != exempt;
    let missing: Vec<u8> = wanted.iter().map(|(_, outcome)| *outcome).filter(missing).collect();
    expect_same("outcomes that never came", missing, vec![])
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
        // A packet of the original direction moves its end and what it allows the other.
        let [[a0, a1], [b0, b1]] = [one, other].map(|entry| entry.record.edges);
        let original = a0.end != b0.end || a1.max_end != b1.max_end;
        let reply = a1.end != b1.end || a0.max_end != b0.max_end;
        let others = one.record.difference(&other.record).without(Groups::EDGES);
        let expected =
            u16::from(others.0) | u16::from(original) << 1 | deciding << 8 | u16::from(reply) << 12;
        expect_same("what differs", differs.get(), expected)?;
    }
    Ok(())
}
