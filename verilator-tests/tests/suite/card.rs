//! The card whole: registers, frames in, frames out, commands; and how many cycles it takes.

use super::captures::captures_arrive;
use super::engine::*;
use super::host::{Host, Outcome, Roles};
use super::joined::{acknowledge, settle_copies, told};
use super::records::frame_at;
use super::{top, Block, Test};
use formats::descriptor::Command;
use formats::flow::{FlowKey, FlowRecord, Groups, Stamp};
use formats::frame::split;
use formats::limits::*;
use formats::register::{self as reg, Counter};
use formats::unit::{kind, AckUnit, Compact, DigestUnit};
use formats::{FlowId, Record};
use hw::intake::source;
use hw::layout;
use hw::map::copy;
use hw::table::outcome;
use std::collections::{BTreeMap, VecDeque};
use verilator_tests::{
    expect_same, Bench, Error, Histogram, LiteMaster, Received, Response, Result, Rules, Sink, Source, Stalls,
};

/// Cycles that clearing everything and expanding the secret take, and some more.
const READY_CYCLES: u64 = 120_000;
/// Cycles of a run between two changes of clock, term or audit.
const STRETCH_CYCLES: u64 = 150;
/// Such stretches.
const STRETCHES: u32 = 60;
/// Cycles after which nothing of what entered is on its way.
const DRAIN_CYCLES: u64 = 400;
/// Cycles in which all that was sent leaves, whatever the stalls.
const LEAVE_CYCLES_MAX: u64 = 100_000;
/// Records of a copy on their way, less than a destination of the pool may have frames: none is refused here.
const WAITING_MAX: usize = 7;
/// From a command to the first beat of its frame, on an idle link.
const COMMAND_CYCLES_MAX: u64 = 25;
/// From the last beat of a frame to its first record in the table, less one.
const RECORD_CYCLES_MAX: u64 = 20;
/// Cycles from the write of an entry to its outcome.
const OUTCOME_CYCLES: u64 = 1;
/// Tags of our frames, which the receiver does not look at.
const S_TAG: u16 = 0x123;
const C_TAG: u16 = 0x456;
/// Changes whose time is taken.
const TIMED: usize = 100;

pub(crate) const CARD_512: Block =
    Block { name: "card_512", design: || top("card_512"), latency_cycles: None, tests: TESTS };

pub(crate) const CARD_128: Block =
    Block { name: "card_128", design: || top("card_128"), latency_cycles: None, tests: TESTS };

const TESTS: &[Test] = &[
    Test { name: "commands out, records in", seeds: 0..2, body: card_agrees },
    Test { name: "cycles on an idle link", seeds: 0..1, body: cycles_on_an_idle_link },
    Test { name: "interrupts", seeds: 0..1, body: interrupts_wait_for_the_driver },
    Test { name: "captures", seeds: 0..1, body: captures_arrive },
];

/// A card and its driver.
pub(super) struct Rig {
    pub(super) host: Host,
    lite: LiteMaster,
    pub(super) source: Source,
    pub(super) sink: Sink,
    pub(super) model: Model,
    sequences: [u64; 3],
    /// Frames of the peer that went to the card: the model counts its own.
    frames_sent: u64,
    random: fastrand::Rng,
}

impl Rig {
    /// With the roles and the clock of the model.
    fn new(bench: &mut Bench, taking: Stalls) -> Result<Rig> {
        let mut rig = Rig::bare(bench, taking)?;
        rig.follow(bench, (copy::DIRTY | copy::RENEWED) * 0x11)?;
        Ok(rig)
    }

    /// Nobody has a role.
    pub(super) fn bare(bench: &mut Bench, taking: Stalls) -> Result<Rig> {
        let mut random = bench.fork_random();
        let mut model = Model::with(&mut random, &[OTHER, THIRD]);
        let mut sequences = [0; 3];
        settle_copies(&mut model, &mut sequences);
        let host = Host::new(bench)?;
        let lite = LiteMaster::new(bench, "s_axil", |_| Stalls::never())?;
        let source = Source::new(bench, "s_axis", Stalls::never(), Rules::default())?;
        let sink = Sink::new(bench, "m_axis", taking, Rules { gapless: true, packed: true })?;
        let mut rig = Rig { host, lite, source, sink, model, sequences, frames_sent: 0, random };
        rig.set_up(bench)?;
        Ok(rig)
    }

    /// Registers, secret, paths, senders: what a driver does.
    fn set_up(&mut self, bench: &mut Bench) -> Result<()> {
        let mut registers = vec![
            (reg::MEMBER, u32::from(MEMBER)),
            (reg::CLUSTER, CLUSTER),
            (reg::SESSION_LOW, SESSION as u32),
            (reg::SESSION_HIGH, (SESSION >> 32) as u32),
            (reg::REPLICATE_GROUPS, self.model.replicate.0.into()),
            (reg::FRAME_SIZE, FRAME_SIZE_MAX as u32),
            (reg::TAGS, u32::from(S_TAG) << 16 | u32::from(C_TAG)),
        ];
        for (n, word) in self.model.secret.0.chunks_exact(4).enumerate() {
            registers.push((reg::SECRET + 4 * n as u32, u32::from_le_bytes(word.try_into().expect("four"))));
        }
        for (offset, value) in registers {
            self.write(bench, offset, value)?;
        }
        let mut others = (&mut self.host, &mut self.source, &mut self.sink);
        bench.run_until(&mut others, READY_CYCLES, |(host, ..)| host.ready.get())?;
        let (index, valid) = (bench.input::<u8>("path_index")?, bench.input::<bool>("path_entry_valid")?);
        let (entry, session) = (bench.input::<[u8; 14]>("path_entry")?, bench.input::<u32>("path_session")?);
        let session_valid = bench.input::<bool>("path_session_valid")?;
        let (peer, port) = (bench.input::<u8>("peer_member")?, bench.input::<u8>("peer_port")?);
        let (known, number) = (bench.input::<bool>("peer_known")?, bench.input::<u64>("peer_number")?);
        let sequence_valid = bench.input::<bool>("peer_sequence_valid")?;
        let peer_valid = bench.input::<bool>("peer_session_valid")?;
        for member in [OTHER, THIRD] {
            index.set(member);
            // MACs, port 0, receiver.
            let mut bytes = [2; 14];
            (bytes[12], bytes[13]) = (0, member);
            entry.set(bytes);
            session.set(SESSIONS[usize::from(member)] as u32);
            valid.set(true);
            session_valid.set(true);
            self.cycle(bench)?;
            valid.set(false);
            session_valid.set(false);
            for number_of_port in 0..PORTS_MAX as u8 {
                peer.set(member);
                port.set(number_of_port);
                known.set(true);
                number.set(0);
                sequence_valid.set(true);
                self.cycle(bench)?;
                sequence_valid.set(false);
                self.cycle(bench)?;
            }
            number.set(SESSIONS[usize::from(member)]);
            peer_valid.set(true);
            self.cycle(bench)?;
            peer_valid.set(false);
            self.cycle(bench)?;
        }
        Ok(())
    }

    /// Gives the card clock, audit and roles as the model has them.
    fn follow(&mut self, bench: &mut Bench, copy_clear: u8) -> Result<()> {
        self.host.show_clock(&self.model);
        for roles in Roles::of_all(&self.model, copy_clear) {
            self.host.show_roles(&roles);
            while !self.host.took_roles {
                self.cycle(bench)?;
            }
            self.host.roles_valid.set(false);
        }
        Ok(())
    }

    /// Queues a frame of the owner.
    fn send(&mut self, records: &[Record]) {
        self.frames_sent += 1;
        self.source.push_with_user(frame_at(OTHER, self.frames_sent, records), 0);
    }

    fn cycle(&mut self, bench: &mut Bench) -> Result<()> {
        bench.cycle(&mut (&mut self.host, &mut self.lite, &mut self.source, &mut self.sink))
    }

    /// Writes a register as the driver does.
    pub(super) fn write(&mut self, bench: &mut Bench, offset: u32, value: u32) -> Result<()> {
        let mut others = (&mut self.host, &mut self.source, &mut self.sink);
        let answer = self.lite.write(bench, &mut others, offset.into(), value.into())?;
        expect_same("the answer to a write", answer, Response::Okay)
    }

    /// Reads a register as the driver does.
    pub(super) fn read(&mut self, bench: &mut Bench, offset: u32) -> Result<u64> {
        let mut others = (&mut self.host, &mut self.source, &mut self.sink);
        let (word, answer) = self.lite.read(bench, &mut others, offset.into())?;
        expect_same("the answer to a read", answer, Response::Okay)?;
        Ok(word)
    }

    /// The value of a counter.
    pub(super) fn counter(&mut self, bench: &mut Bench, counter: Counter) -> Result<u64> {
        let low = self.read(bench, counter.offset())?;
        Ok(low | self.read(bench, counter.offset() + 4)? << 32)
    }

    /// Runs until nothing is on its way.
    fn drain(&mut self, bench: &mut Bench) -> Result<()> {
        (0..DRAIN_CYCLES).try_for_each(|_| self.cycle(bench))
    }
}

/// The records of a frame of ours, and whom it is for.
fn records_of(frame: &Received) -> Result<(u8, Vec<Vec<u8>>)> {
    let (envelope, header, mut units, crc) =
        split(&frame.bytes).map_err(|problem| Error::Found(format!("a frame: {problem:?}")))?;
    let body = &frame.bytes[FRAME_CRC_FROM..frame.bytes.len() - FRAME_CRC_SIZE];
    expect_same("a checksum", crc, crc32fast::hash(body))?;
    expect_same("a sender", (header.sender, header.session), (MEMBER, SESSION))?;
    expect_same("tags", (envelope.s_tag, envelope.c_tag), (S_TAG, C_TAG))?;
    let mut records = Vec::new();
    while !units.is_empty() {
        let (record, rest) = units.split_at(usize::from(units[1]).max(1) * UNIT_SIZE);
        records.push(record.to_vec());
        units = rest;
    }
    expect_same("records of a frame", usize::from(header.records), records.len())?;
    Ok((header.receiver, records))
}

/// Commands and frames at once, each outcome against the software engine in the order of the outcomes.
fn card_agrees(bench: &mut Bench) -> Result<()> {
    let taking = Stalls::drawn(bench.fork_random());
    let mut rig = Rig::new(bench, taking)?;
    let mut offers = Stalls::percent(bench.fork_random(), 20);
    let mut command: Option<(Command, FlowId)> = None;
    let mut commands_due: VecDeque<(Command, FlowId)> = VecDeque::new();
    let mut records_due: VecDeque<(Record, Asked, FlowKey)> = VecDeque::new();
    let mut told_due: BTreeMap<u8, VecDeque<Vec<u8>>> = BTreeMap::new();
    let mut outcomes = [0u32; 16];
    let before = *rig.model.engine.counters();
    let (mut frames, mut records) = (0u64, 0u64);
    for _ in 0..STRETCHES {
        let mut cycle = 0;
        while cycle < STRETCH_CYCLES + DRAIN_CYCLES || told_due.values().any(|due| !due.is_empty()) {
            if cycle > LEAVE_CYCLES_MAX {
                return Err(Error::Found("records that stay".into()));
            }
            // New ones, as long as the stretch lasts.
            let waiting = told_due.values().map(VecDeque::len).max().unwrap_or_default() + commands_due.len();
            if cycle < STRETCH_CYCLES && !offers.is_stalled(true) && waiting < WAITING_MAX {
                let (asked, drawn) = rig.model.draw(&mut rig.random);
                let waits =
                    |id: FlowId| records_due.iter().any(|(_, asked, _)| asked.id.bucket() == id.bucket());
                match drawn {
                    Drawn::Command(drawn) if command.is_none() => command = Some((drawn, asked.id)),
                    // A gap is known when its record is through: one record of a bucket at a time.
                    Drawn::Record(record, key) if !waits(asked.id) && rig.source.frames_count() < 4 => {
                        rig.send(std::slice::from_ref(&record));
                        records_due.push_back((record, asked, key));
                    }
                    _ => {}
                }
            }
            rig.host.show_command(command.as_ref().map(|(command, _)| command));
            rig.cycle(bench)?;
            if rig.host.took_command.is_some() {
                commands_due.extend(command.take());
            }
            while let Some(Outcome { source: from, outcome: found, id, entry, .. }) =
                rig.host.outcomes.pop_front()
            {
                let due = match from {
                    source::COMMAND => {
                        let (command, id) =
                            commands_due.pop_front().ok_or(Error::Found("an outcome of nothing".into()))?;
                        rig.model.take(&command, id)
                    }
                    _ => {
                        let (record, asked, key) =
                            records_due.pop_front().ok_or(Error::Found("an outcome of nothing".into()))?;
                        rig.model.take_record(&record, &asked, key)
                    }
                };
                expect_same("the outcome", (found, id), (due.outcome, due.id.0))?;
                outcomes[usize::from(found)] += 1;
                let entry = layout::unpack(&entry);
                if let Some(after) = due.after {
                    expect_same("the flow after", (entry.record, entry.stamp, entry.cookie), after)?;
                }
                for (member, record) in told(&mut rig.model, &mut rig.sequences) {
                    if from == source::COMMAND {
                        told_due.entry(member).or_default().push_back(record);
                    }
                }
            }
            while let Some(frame) = rig.sink.next_frame() {
                let (member, found) = records_of(&frame)?;
                frames += 1;
                for record in found {
                    records += 1;
                    let due = told_due.get_mut(&member).and_then(VecDeque::pop_front);
                    expect_same("a record of a frame", Some(record), due)?;
                }
            }
            cycle += 1;
        }
        expect_same("commands and records that are due", (commands_due.len(), records_due.len()), (0, 0))?;
        for _ in 0..STRETCH_CYCLES {
            rig.model.live_on(&mut rig.random);
        }
        told(&mut rig.model, &mut rig.sequences);
        acknowledge(&mut rig.model, &rig.sequences);
        rig.follow(bench, 0)?;
    }
    println!("outcomes: {outcomes:?}; {records} records in {frames} frames");
    for (counter, name, _) in Counter::ALL.iter().filter(|(counter, ..)| COUNTED.contains(counter)) {
        let due = rig.model.engine.counter(*counter) - before[*counter as usize];
        expect_same(name, rig.counter(bench, *counter)?, due)?;
    }
    expect_same("frames sent", rig.counter(bench, Counter::FramesSent)?, frames)
}

/// Counters that both keep.
const COUNTED: [Counter; 12] = [
    Counter::FlowsMade,
    Counter::FlowsChanged,
    Counter::FlowsUnchanged,
    Counter::FlowsFull,
    Counter::FlowsEnded,
    Counter::RecordsApplied,
    Counter::RecordsUnchanged,
    Counter::RecordsStale,
    Counter::RecordsGapped,
    Counter::RecordsFull,
    Counter::RecordsEmitted,
    Counter::FlowsHeld,
];

/// One command at a time, one frame at a time: how many cycles each takes.
fn cycles_on_an_idle_link(bench: &mut Bench) -> Result<()> {
    let mut rig = Rig::new(bench, Stalls::never())?;
    let (mut to_first, mut to_second) = (Histogram::new(), Histogram::new());
    let ours = rig.model.flows.iter().copied().find(|(id, _)| rig.model.owns(*id));
    let (_, key) = ours.ok_or(Error::Found("no flow of ours".into()))?;
    for n in 0..TIMED {
        let record = FlowRecord { key, groups: Groups::STATUS, status: n as u16, ..FlowRecord::default() };
        // New lives: told whatever replicates.
        let flags = formats::descriptor::upsert::NEW;
        rig.host.show_command(Some(&Command::Upsert { flags, cookie: 1, record }));
        rig.host.took_command = None;
        while rig.host.took_command.is_none() {
            rig.cycle(bench)?;
        }
        let since = rig.host.took_command.unwrap_or_default();
        rig.host.show_command(None);
        rig.drain(bench)?;
        let frames: Vec<Received> = std::iter::from_fn(|| rig.sink.next_frame()).collect();
        expect_same("frames of a command", frames.len(), 2)?;
        to_first.add(frames[0].first_cycle - since);
        to_second.add(frames[1].first_cycle - since);
    }
    println!("cycles from command to first beat: backup {to_first}; remote {to_second}");
    rig.host.outcomes.clear();

    // Frames of n records, each in the table 20 + n cycles behind the last beat.
    let theirs = rig.model.flows.iter().copied().find(|(id, _)| !rig.model.owns(*id));
    let (id, key) = theirs.ok_or(Error::Found("no flow of the peer".into()))?;
    let term = rig.model.engine.roles(id.bucket()).term;
    let stamp = Stamp { term, version: rig.model.clock() };
    let flow = FlowRecord { key, groups: Groups::STATUS, ..FlowRecord::default() };
    rig.send(&[Record::Full(flow, stamp)]);
    rig.drain(bench)?;
    let first = rig.host.outcomes.pop_front().map(|outcome| outcome.outcome);
    expect_same("a flow of the peer", first, Some(outcome::APPLIED))?;
    while rig.source.next_sent().is_some() {}
    let (mut over, mut version, mut sustained) = (Histogram::new(), stamp.version, 0.0f64);
    for n in 0..TIMED / 2 {
        let records: Vec<Record> = (0..1 + 11 * n)
            .map(|_| {
                version += 1;
                Record::Compact(Compact {
                    kind: kind::COMPACT,
                    units: 1,
                    term_low: term.0 as u8,
                    flow_id: id.0,
                    version_low: version as u16,
                    ..Compact::default()
                })
            })
            .collect();
        rig.send(&records);
        for _ in 0..LEAVE_CYCLES_MAX {
            if rig.host.outcomes.len() < records.len() {
                rig.cycle(bench)?;
            }
        }
        rig.drain(bench)?;
        let sent = rig.source.next_sent().ok_or(Error::Found("a frame that did not go in".into()))?;
        let found: Vec<(u64, u8)> =
            rig.host.outcomes.drain(..).map(|outcome| (outcome.cycle, outcome.outcome)).collect();
        expect_same("records of a frame", found.len(), records.len())?;
        for (m, (cycle, found)) in found.iter().enumerate() {
            expect_same("a record", *found, outcome::APPLIED)?;
            over.add(cycle - OUTCOME_CYCLES - sent.last_cycle - m as u64);
        }
        let span = found[found.len() - 1].0 - found[0].0 + 1;
        sustained = found.len() as f64 / span as f64;
    }
    println!("cycles from last beat to the n-th record in the table, less n - 1: {over}");
    println!("records a clock in the longest frame: {sustained:.3}");
    if to_first.max() > Some(COMMAND_CYCLES_MAX) {
        return Err(Error::Found(format!("a command takes too long to its first beat: {to_first}")));
    }
    if over.max() > Some(RECORD_CYCLES_MAX + 1) {
        return Err(Error::Found(format!("the n-th record takes too long: {over}")));
    }
    Ok(())
}

/// Something for the host interrupts it if that is enabled, and until the driver says that it saw it.
fn interrupts_wait_for_the_driver(bench: &mut Bench) -> Result<()> {
    let mut rig = Rig::new(bench, Stalls::never())?;
    let irq = bench.port::<bool>("irq")?;
    let theirs = rig.model.flows.iter().map(|(id, _)| *id).find(|id| !rig.model.owns(*id));
    let bucket = theirs.ok_or(Error::Found("no flow of the peer".into()))?.bucket();
    let term = rig.model.engine.roles(bucket).term;
    let digest = DigestUnit { bucket, term: term.0, ..DigestUnit::default() };
    for (name, record) in [("host", Record::Ack(AckUnit::default())), ("event", Record::Digest(digest))] {
        let waits = bench.port::<bool>(&format!("{name}_tvalid"))?;
        let take = bench.input::<bool>(&format!("{name}_tready"))?;
        expect_same("something for the host", waits.get(), false)?;
        rig.send(&[record]);
        rig.drain(bench)?;
        expect_same("something for the host", waits.get(), true)?;
        expect_same("an interrupt that is not enabled", irq.get(), false)?;
        rig.write(bench, reg::INTERRUPT_ENABLE, 1)?;
        rig.drain(bench)?;
        expect_same("an interrupt", irq.get(), true)?;
        rig.write(bench, reg::INTERRUPT_STATUS, 1)?;
        rig.drain(bench)?;
        expect_same("the interrupt while something waits", irq.get(), true)?;
        take.set(true);
        rig.drain(bench)?;
        take.set(false);
        expect_same("something for the host", waits.get(), false)?;
        expect_same("the interrupt until it is seen", irq.get(), true)?;
        expect_same("the status", rig.read(bench, reg::INTERRUPT_STATUS)?, 1)?;
        rig.write(bench, reg::INTERRUPT_STATUS, 1)?;
        rig.drain(bench)?;
        expect_same("the interrupt behind all", irq.get(), false)?;
        rig.write(bench, reg::INTERRUPT_ENABLE, 0)?;
    }
    Ok(())
}

/// A card that is as busy as it gets: a record of the peer nearly every cycle, a command now and then.
pub(crate) struct Load {
    rig: Rig,
    records: Vec<Record>,
    commands: Vec<Command>,
    cycle: usize,
}

/// Records of a frame, which 1,500 bytes hold.
const LOAD_RECORDS: usize = 90;
/// Cycles from one command to the next.
const LOAD_COMMAND_CYCLES: usize = 8;

impl Load {
    pub(crate) fn new(bench: &mut Bench) -> Result<Load> {
        let mut rig = Rig::new(bench, Stalls::never())?;
        let (mut records, mut commands) = (Vec::new(), Vec::new());
        for (n, (id, key)) in rig.model.flows.iter().enumerate() {
            let flow =
                FlowRecord { key: *key, groups: Groups::STATUS, status: n as u16, ..FlowRecord::default() };
            let term = rig.model.engine.roles(id.bucket()).term;
            match rig.model.owns(*id) {
                true => commands.push(Command::Upsert { flags: 0, cookie: 1, record: flow }),
                false => records.push(Record::Full(flow, Stamp { term, version: rig.model.clock() })),
            }
        }
        rig.send(&records);
        let theirs = rig.model.flows.iter().find(|(id, _)| !rig.model.owns(*id));
        let (id, _) = *theirs.ok_or(Error::Found("no flow of the peer".into()))?;
        let unit = Compact { kind: kind::COMPACT, units: 1, flow_id: id.0, ..Compact::default() };
        let unit = Compact { term_low: rig.model.engine.roles(id.bucket()).term.0 as u8, ..unit };
        Ok(Load { rig, records: vec![Record::Compact(unit); LOAD_RECORDS], commands, cycle: 0 })
    }

    /// One cycle; what comes out is not looked at.
    pub(crate) fn cycle(&mut self, bench: &mut Bench) -> Result<()> {
        if self.rig.source.frames_count() < 2 {
            self.rig.send(&self.records);
        }
        let turn = self.cycle % LOAD_COMMAND_CYCLES;
        let command = &self.commands[self.cycle / LOAD_COMMAND_CYCLES % self.commands.len()];
        if turn < 2 {
            self.rig.host.show_command(Some(command).filter(|_| turn == 0));
        }
        bench.cycle(&mut (&mut self.rig.source, &mut self.rig.sink))?;
        while self.rig.sink.next_frame().is_some() {}
        self.cycle += 1;
        Ok(())
    }

    /// Records and commands that the card took so far.
    pub(crate) fn done(&mut self, bench: &mut Bench) -> Result<[u64; 2]> {
        let records = self.rig.counter(bench, Counter::RecordsReceived)?;
        Ok([records, self.rig.counter(bench, Counter::Commands)?])
    }
}
