//! The connection engine whole, without the streams of frames: commands and records in, records out.

use super::copies::copies_follow;
use super::engine::*;
use super::engine_parts::command_of;
use super::flow_digest::{Keys, Setting};
use super::flow_hash::Numbers;
use super::host::{Host, Roles};
use super::mixed::{all_in_one_stream, Windows};
use super::{top, Block, Test};
use formats::descriptor::Command;
use formats::frame::split;
use formats::hash::{FlowDigester, FlowHasher};
use formats::limits::{RECORD_UNITS_MAX, UNIT_SIZE};
use formats::register::Counter;
use formats::unit::{kind, AckUnit};
use formats::Record;
use hw::engine::{refusal, COUNTERS, LATENCY, PUSH_LATENCY};
use hw::intake::source;
use hw::layout;
use hw::map::copy;
use hw::receive::LATENCY as RECEIVE_LATENCY;
use hw::table::outcome;
use std::collections::VecDeque;
use verilator_tests::{expect_same, Agent, Bench, Error, Histogram, Input, Port, Result, Stalls};

/// Cycles of a run between two changes of clock, term or audit.
const STRETCH_CYCLES: u64 = 150;
/// Such stretches.
const STRETCHES: u32 = 150;
/// Cycles that clearing everything takes, and a few more.
const READY_CYCLES: u64 = 1_200;
/// Cycles after which nothing of what entered is on its way.
const DRAIN_CYCLES: u64 = 120;
/// Cycles for which no record follows one that leaves a gap: the bucket is gapped only when that is through.
const GAP_CYCLES: u64 = 32;
/// Records of copies that may be due when a command is offered beside windows.
const RECORDS_DUE_MAX: usize = 24;
/// Bytes of the longest flow record.
const PUSH_BYTES: usize = hw::pool::RECORD_UNITS * UNIT_SIZE;

pub(crate) const ENGINE: Block = Block {
    name: "engine",
    design: || top("engine"),
    latency_cycles: Some(PUSH_LATENCY as u64),
    tests: &[
        Test { name: "commands of the host, records of a peer", seeds: 0..4, body: engine_agrees },
        Test { name: "copies that are refused what they need", seeds: 0..3, body: copies_follow },
        Test { name: "all of it in one stream", seeds: 0..2, body: all_in_one_stream },
    ],
};

/// The block between its host and its peers: the ports, and what was seen of them before the last edge.
pub(super) struct Card {
    pub(super) host: Host,
    record_valid: Input<bool>,
    record_ready: Port<bool>,
    record_units: Input<[u8; RECORD_UNITS_MAX * UNIT_SIZE]>,
    record_count: Input<u8>,
    record_sender: Input<u8>,
    record_sequence: Input<u64>,
    record_last: Input<bool>,
    push_valid: Port<bool>,
    push_member: Port<u8>,
    push_units: Port<u8>,
    push_data: Port<[u8; PUSH_BYTES]>,
    up: Port<[u8; COUNTERS / 8]>,
    down: Port<[u8; COUNTERS / 8]>,
    took_record: bool,
    pub(super) push: Option<(u8, Vec<u8>)>,
    pub(super) counts: [i64; COUNTERS],
}

impl Agent for Card {
    fn drive(&mut self) {}

    fn sample(&mut self, cycle: u64) -> Result<()> {
        self.host.sample(cycle)?;
        self.took_record = self.record_valid.get() && self.record_ready.get();
        self.push = self.push_valid.get().then(|| {
            let bytes = usize::from(self.push_units.get()) * UNIT_SIZE;
            (self.push_member.get(), self.push_data.get()[..bytes].to_vec())
        });
        let (up, down) = (self.up.get(), self.down.get());
        for (n, count) in self.counts.iter_mut().enumerate() {
            let bit = |bits: &[u8]| i64::from(bits[n / 8] >> (n % 8) & 1);
            *count += bit(&up) - bit(&down);
        }
        Ok(())
    }
}

impl Card {
    /// With the keys and registers of the model.
    pub(super) fn new(bench: &mut Bench, model: &Model) -> Result<Card> {
        let mut card = Card {
            host: Host::new(bench)?,
            record_valid: bench.input("record_valid")?,
            record_ready: bench.port("record_ready")?,
            record_units: bench.input("record_units")?,
            record_count: bench.input("record_count")?,
            record_sender: bench.input("record_sender")?,
            record_sequence: bench.input("record_sequence")?,
            record_last: bench.input("record_last")?,
            push_valid: bench.port("push_valid")?,
            push_member: bench.port("push_member")?,
            push_units: bench.port("push_units")?,
            push_data: bench.port("push_data")?,
            up: bench.port("up")?,
            down: bench.port("down")?,
            took_record: false,
            push: None,
            counts: [0; COUNTERS],
        };
        bench.run_until(&mut card, READY_CYCLES, |card| card.host.ready.get())?;
        bench.input::<u8>("member")?.set(MEMBER);
        bench.input::<u64>("session")?.set(SESSION);
        bench.input::<u64>("welcome")?.set(1 << OTHER | 1 << THIRD);
        Numbers::new(bench, "hash_write")?.load(bench, &FlowHasher::new(&model.secret))?;
        let setting = Setting { replicate: model.replicate.0, edge_bits: 0 };
        Keys::new(bench, "digest_write")?.load(bench, &FlowDigester::new(&model.secret), setting)?;
        Ok(card)
    }

    /// Gives the card clock, audit and the roles of every bucket as the engine has them.
    pub(super) fn follow(&mut self, bench: &mut Bench, model: &Model, copy_clear: u8) -> Result<()> {
        self.host.show_clock(model);
        Roles::of_all(model, copy_clear).iter().try_for_each(|roles| self.take_roles(bench, roles))
    }

    /// Gives the card the host's word on a bucket.
    pub(super) fn take_roles(&mut self, bench: &mut Bench, roles: &Roles) -> Result<()> {
        self.host.show_roles(roles);
        bench.run_until(self, READY_CYCLES, |card| card.host.took_roles)?;
        self.host.roles_valid.set(false);
        Ok(())
    }

    fn show_record(&self, record: &Record, sender: u8) {
        let mut units = [0; RECORD_UNITS_MAX * UNIT_SIZE];
        let count = record.encode(&mut units);
        self.record_units.set(units);
        self.record_count.set(count as u8);
        self.record_sender.set(sender);
        self.record_last.set(true);
    }
}

/// What the engine gives its copies since it was asked last: flow records, and the last sequence of each.
pub(super) fn told(model: &mut Model, sequences: &mut [u64; 3]) -> Vec<(u8, Vec<u8>)> {
    let mut told = Vec::new();
    model.engine.transmit(model.now, &mut |_, frame| {
        let (_, header, mut units, _) = split(frame).expect("a frame of the engine");
        sequences[usize::from(header.receiver)] = header.sequence;
        while !units.is_empty() {
            let (record, count) = Record::decode(units).expect("a record of the engine");
            let (bytes, rest) = units.split_at(count * UNIT_SIZE);
            units = rest;
            if command_of(&record).is_some() {
                told.push((header.receiver, bytes.to_vec()));
            }
        }
    });
    told
}

/// Lets the copies acknowledge all that was sent to them.
pub(super) fn acknowledge(model: &mut Model, sequences: &[u64; 3]) {
    for member in [OTHER, THIRD] {
        let ack = AckUnit {
            kind: kind::ACK,
            session: SESSION,
            applied: sequences[usize::from(member)],
            received: u128::MAX,
            ..AckUnit::default()
        };
        let frame = model.frame_of(member, &Record::Ack(ack));
        model.receive(&frame);
    }
}

/// Lets the copies of the engine become clean.
pub(super) fn settle_copies(model: &mut Model, sequences: &mut [u64; 3]) {
    for _ in 0..8 {
        model.now.local_us += 1_000;
        model.engine.poll(model.now);
        while model.engine.next_event().is_some() {}
        told(model, sequences);
        acknowledge(model, sequences);
    }
}

/// The record under another term.
fn under_another_term(record: Record) -> Record {
    match record {
        Record::Full(flow, mut stamp) => {
            stamp.term.0 ^= 0x100;
            Record::Full(flow, stamp)
        }
        Record::DeleteKeyed(key, mut stamp) => {
            stamp.term.0 ^= 0x8000_0000;
            Record::DeleteKeyed(key, stamp)
        }
        Record::Compact(unit) => {
            Record::Compact(formats::unit::Compact { term_low: unit.term_low ^ 1, ..unit })
        }
        other => other,
    }
}

/// What is due for a request, and from which cycle on.
struct Expected {
    since: u64,
    due: Due,
    refusal: u8,
}

pub(super) struct Joined {
    pub(super) card: Card,
    pub(super) model: Model,
    pub(super) random: fastrand::Rng,
    pub(super) commands: Stalls,
    pub(super) records: Stalls,
    /// What goes on beside requests, if anything does.
    pub(super) windows: Option<Windows>,
    command: Option<(Command, formats::FlowId)>,
    record: Option<(u8, Record, Asked, formats::FlowKey)>,
    /// Records that were taken, by cycle, on their way to the table.
    coming: VecDeque<Option<(u8, Record, Asked, formats::FlowKey)>>,
    due: VecDeque<Expected>,
    /// For each member: records, and the cycle of their command.
    pushes: [VecDeque<(Vec<u8>, u64)>; 3],
    sequences: [u64; 3],
    /// Buckets that lack the base of a record, and until when no record of theirs is drawn.
    gaps: std::collections::BTreeMap<u16, u64>,
    latency: Histogram,
    commands_taken: i64,
    pub(super) outcomes: [u32; 16],
    refusals: [u32; 3],
    cycle: u64,
}

impl Joined {
    pub(super) fn new(bench: &mut Bench) -> Result<Self> {
        let mut random = bench.fork_random();
        let mut model = Model::with(&mut random, &[OTHER, THIRD]);
        let mut sequences = [0; 3];
        settle_copies(&mut model, &mut sequences);
        let mut card = Card::new(bench, &model)?;
        card.follow(bench, &model, (copy::DIRTY | copy::RENEWED) * 0x11)?;
        card.counts = [0; COUNTERS];
        Ok(Self {
            card,
            model,
            random,
            windows: None,
            commands: Stalls::drawn(bench.fork_random()),
            records: Stalls::drawn(bench.fork_random()),
            command: None,
            record: None,
            coming: VecDeque::from_iter((0..RECEIVE_LATENCY).map(|_| None)),
            due: VecDeque::new(),
            pushes: Default::default(),
            sequences,
            gaps: Default::default(),
            latency: Histogram::default(),
            commands_taken: 0,
            outcomes: [0; 16],
            refusals: [0; 3],
            cycle: 0,
        })
    }

    /// One cycle, with new commands and records or without.
    pub(super) fn cycle(&mut self, bench: &mut Bench, offers: bool) -> Result<()> {
        if offers {
            self.draw();
        }
        let mut windows = self.windows.take();
        let comparison = windows.as_mut().and_then(|windows| windows.offer(self, offers));
        self.card.host.show_command(self.command.as_ref().map(|(command, _)| command));
        self.card.record_valid.set(self.record.is_some() || comparison.is_some());
        if let Some((sender, record, ..)) = &self.record {
            self.card.show_record(record, *sender);
        } else if let Some(record) = &comparison {
            self.card.show_record(record, OTHER);
        }
        self.card.host.time.set(self.model.clock());
        bench.cycle(&mut self.card)?;
        if let (Some(windows), Some(digest)) = (&mut windows, &comparison) {
            if self.card.took_record && self.record.is_none() {
                windows.compared(&mut self.model, digest)?;
            }
        }
        self.windows = windows;
        self.coming.push_back(if self.card.took_record { self.record.take() } else { None });
        let arrived = self.coming.pop_front().flatten();
        if let Some((sender, record, asked, key)) = arrived {
            expect_same("a slot that was promised", self.card.host.took_command, None)?;
            self.take_record(sender, &record, &asked, key);
        }
        if self.card.host.took_command.is_some() {
            self.commands_taken += 1;
            let (command, id) = self.command.take().ok_or(Error::Found("a command of nobody".into()))?;
            let due = self.model.take(&command, id);
            self.due.push_back(Expected { since: self.cycle, due, refusal: refusal::NONE });
            for (member, record) in told(&mut self.model, &mut self.sequences) {
                if self.windows.as_ref().is_none_or(|windows| windows.hears(id.bucket(), member)) {
                    self.pushes[usize::from(member)].push_back((record, self.cycle));
                }
            }
            acknowledge(&mut self.model, &self.sequences);
        }
        self.check()?;
        self.cycle += 1;
        Ok(())
    }

    fn draw(&mut self) {
        // With windows a record may wait for long, and the queue before the pool holds so many.
        let has_room = self.windows.is_none() || self.records_due() < RECORDS_DUE_MAX;
        let wants_command = self.command.is_none() && !self.commands.is_stalled(true) && has_room;
        let compares = self.windows.as_ref().is_some_and(Windows::compares);
        let wants_record = self.record.is_none() && !compares && !self.records.is_stalled(true);
        if !wants_command && !wants_record {
            return;
        }
        let (asked, drawn) = self.model.draw(&mut self.random);
        let bucket = asked.id.bucket();
        match drawn {
            Drawn::Command(command) if wants_command => self.command = Some((command, asked.id)),
            Drawn::Record(record, key) if wants_record => {
                // Whether the bucket is gapped decides about a FULL alone; a record before the table may make it so.
                let mut coming = self.coming.iter().flatten();
                let is_late = coming.any(|(_, _, asked, _)| asked.id.bucket() == bucket);
                if self.is_becoming_gapped(bucket) || matches!(record, Record::Full(..)) && is_late {
                    return;
                }
                let (sender, record) = match self.random.u8(..40) {
                    0 => (THIRD, record),
                    1 => (OTHER, under_another_term(record)),
                    _ => (OTHER, record),
                };
                self.record = Some((sender, record, asked, key));
            }
            _ => {}
        }
    }

    fn take_record(&mut self, sender: u8, record: &Record, asked: &Asked, key: formats::FlowKey) {
        let refused = |model: &Model| {
            [Counter::RecordsNotOwner, Counter::RecordsTerm].map(|counter| model.engine.counter(counter))
        };
        let before = refused(&self.model);
        let due = self.model.take_record_of(sender, record, asked, key);
        let after = refused(&self.model);
        let refusal = match (after[0] > before[0], after[1] > before[1]) {
            (true, _) => refusal::NOT_OWNER,
            (_, true) => refusal::TERM,
            _ => refusal::NONE,
        };
        if refusal == refusal::TERM || due.outcome == outcome::GAPPED {
            self.gaps.insert(asked.id.bucket(), self.cycle + GAP_CYCLES);
        }
        told(&mut self.model, &mut self.sequences);
        self.due.push_back(Expected { since: self.cycle, due, refusal });
    }

    /// What came out.
    fn check(&mut self) -> Result<()> {
        let is_due = self.due.front().is_some_and(|front| front.since + LATENCY as u64 == self.cycle);
        self.card.host.outcomes.retain(|outcome| outcome.source != source::WINDOW);
        expect_same("an outcome is there", !self.card.host.outcomes.is_empty(), is_due)?;
        if let (Some(found), true) = (self.card.host.outcomes.pop_front(), is_due) {
            let Expected { due, refusal, .. } = self.due.pop_front().expect("it is due");
            expect_same("the id", found.id, due.id.0)?;
            expect_same("the refusal", found.refusal, refusal)?;
            expect_same("the outcome", found.outcome, due.outcome)?;
            self.outcomes[usize::from(found.outcome)] += 1;
            self.refusals[usize::from(refusal)] += 1;
            let entry = layout::unpack(&found.entry);
            if let (Some(after), true) = (due.after, refusal == refusal::NONE) {
                expect_same("the flow after", (entry.record, entry.stamp, entry.cookie), after)?;
            }
            if let Some(created) = due.created {
                expect_same("whether it is new here", found.created, created)?;
            }
        }
        if let Some((member, record)) = self.card.push.take() {
            if let Some(windows) = &mut self.windows {
                if windows.take(&self.model, member, &record)? {
                    return Ok(());
                }
            }
            let due = self.pushes.get_mut(usize::from(member)).and_then(VecDeque::pop_front);
            let (expected, since) = due.ok_or(Error::Found(format!("a record that {member} is not due")))?;
            expect_same("a record of a copy", record, expected)?;
            self.latency.add(self.cycle - since);
        }
        Ok(())
    }

    /// These counters rose by as much as the engine's.
    pub(super) fn expect_counters(&self, before: &[u64; COUNTERS], counted: &[Counter]) -> Result<()> {
        for (counter, name, _) in Counter::ALL.iter().filter(|(counter, ..)| counted.contains(counter)) {
            let due = self.model.engine.counter(*counter) - before[*counter as usize];
            expect_same(name, self.card.counts[*counter as usize], due as i64)?;
        }
        expect_same("commands", self.card.counts[Counter::Commands as usize], self.commands_taken)
    }

    /// Whether the bucket may become gapped by a record that is on its way.
    pub(super) fn is_becoming_gapped(&self, bucket: u16) -> bool {
        self.gaps.get(&bucket).is_some_and(|until| self.cycle < *until)
    }

    /// Whether nothing is on its way to the table but commands.
    pub(super) fn has_no_records(&self) -> bool {
        self.record.is_none() && self.coming.iter().all(Option::is_none)
    }

    /// Records of copies that are due.
    fn records_due(&self) -> usize {
        self.pushes.iter().map(VecDeque::len).sum()
    }

    /// What happens between two stretches: clocks, terms, audits.
    pub(super) fn live_on(&mut self, bench: &mut Bench) -> Result<()> {
        for _ in 0..STRETCH_CYCLES {
            self.model.live_on(&mut self.random);
        }
        told(&mut self.model, &mut self.sequences);
        acknowledge(&mut self.model, &self.sequences);
        self.card.follow(bench, &self.model, 0)
    }

    pub(super) fn drain(&mut self, bench: &mut Bench) -> Result<()> {
        while self.command.is_some() || self.record.is_some() {
            self.cycle(bench, false)?;
        }
        (0..DRAIN_CYCLES).try_for_each(|_| self.cycle(bench, false))?;
        expect_same("outcomes that are due", self.due.len(), 0)?;
        for pushes in &self.pushes {
            expect_same("records that are due", pushes.len(), 0)?;
        }
        Ok(())
    }
}

fn engine_agrees(bench: &mut Bench) -> Result<()> {
    let mut joined = Joined::new(bench)?;
    let before = *joined.model.engine.counters();
    for _ in 0..STRETCHES {
        (0..STRETCH_CYCLES).try_for_each(|_| joined.cycle(bench, true))?;
        joined.drain(bench)?;
        joined.live_on(bench)?;
    }
    println!("outcomes: {:?}, refusals: {:?}", joined.outcomes, joined.refusals);
    println!("cycles from command to record: {}", joined.latency);
    expect_same("cycles with nothing in the way", joined.latency.min(), Some(PUSH_LATENCY as u64))?;
    joined.expect_counters(&before, &COUNTED)
}

/// Counters that both keep; the frames of acknowledgements are the engine's alone.
pub(super) const COUNTED: [Counter; 19] = [
    Counter::CommandsNotOwner,
    Counter::FlowsMade,
    Counter::FlowsChanged,
    Counter::FlowsUnchanged,
    Counter::FlowsFull,
    Counter::FlowsAuditLost,
    Counter::FlowsEnded,
    Counter::DeletesRefused,
    Counter::RecordsApplied,
    Counter::RecordsUnchanged,
    Counter::RecordsStale,
    Counter::RecordsGapped,
    Counter::RecordsFull,
    Counter::RecordsNotOwner,
    Counter::RecordsTerm,
    Counter::RecordsEmitted,
    Counter::RecordsUnknown,
    Counter::FlowsHeld,
    Counter::TombstonesHeld,
];
