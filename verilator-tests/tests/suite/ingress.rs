//! Frames into the card's ingress against the software engine: each frame counted once under its name, the
//! records of accepted ones in order, none of another.

use super::traffic::{Traffic, MEMBER, PORTS};
use super::{top, Block, Test};
use formats::limits::*;
use formats::register::Counter;
use hw::ingress::store::FRAMES_MAX;
use softnic::{Now, Softnic};
use std::collections::VecDeque;
use verilator_tests::{
    expect_same, Agent, Bench, Error, Histogram, Input, Port, Result, Rules, Source, Stalls,
};

/// Frames of a run.
const FRAMES: usize = 1_200;
/// Frames and bytes that may be inside when another frame is sent, so that the store has room for it and
/// for as much that is still being dropped.
const FRAMES_INSIDE_MAX: usize = 15;
const BYTES_INSIDE_MAX: usize = 11_000;
/// Frames offered while nobody takes records: more than there are places.
const FRAMES_OFFERED: usize = FRAMES_MAX + 40;
/// Cycles within which everything inside must come out.
const DRAIN_CYCLES: u64 = 40_000;
/// Cycles after which a write of the peer table counts.
const WRITE_CYCLES: usize = hw::ingress::peers::WRITE_LATENCY;

const LATENCY_CYCLES: u64 = hw::ingress::LATENCY as u64;
const COUNT_CYCLES: u64 = hw::ingress::COUNT_LATENCY as u64;

pub(crate) const INGRESS: Block = Block {
    name: "ingress",
    design: || top("ingress"),
    latency_cycles: Some(LATENCY_CYCLES),
    tests: &[
        Test { name: "speed", seeds: 0..2, body: |bench| records_keep_pace(bench, 64) },
        Test { name: "valid and corrupted frames", seeds: 0..24, body: frames_are_judged },
        Test { name: "no room", seeds: 0..4, body: |bench| what_has_no_room_is_refused(bench, 64) },
    ],
};

pub(crate) const INGRESS_256: Block = Block {
    name: "ingress_256",
    design: || top("ingress_256"),
    latency_cycles: Some(LATENCY_CYCLES),
    tests: &[
        Test { name: "speed", seeds: 0..2, body: |bench| records_keep_pace(bench, 32) },
        Test { name: "valid and corrupted frames", seeds: 0..24, body: frames_are_judged },
        Test { name: "no room", seeds: 0..4, body: |bench| what_has_no_room_is_refused(bench, 32) },
    ],
};

pub(crate) const INGRESS_128: Block = Block {
    name: "ingress_128",
    design: || top("ingress_128"),
    latency_cycles: Some(LATENCY_CYCLES),
    tests: &[
        Test { name: "speed", seeds: 0..2, body: |bench| records_keep_pace(bench, 16) },
        Test { name: "valid and corrupted frames", seeds: 0..24, body: frames_are_judged },
        Test { name: "no room", seeds: 0..4, body: |bench| what_has_no_room_is_refused(bench, 16) },
    ],
};

/// Every counter of a refused frame, and the port of its strobe.
const REFUSALS: [(Counter, &str); 12] = [
    (Counter::FrameShort, "frame_short"),
    (Counter::FrameLong, "frame_long"),
    (Counter::FrameForeign, "frame_foreign"),
    (Counter::FrameVersion, "frame_version"),
    (Counter::FrameLength, "frame_length"),
    (Counter::FrameCrc, "frame_crc"),
    (Counter::FrameCluster, "frame_cluster"),
    (Counter::FrameSender, "frame_sender"),
    (Counter::FrameReceiver, "frame_receiver"),
    (Counter::FrameSession, "frame_session"),
    (Counter::FrameSequence, "frame_sequence"),
    (Counter::FrameFull, "frame_full"),
];

/// What the card said of a frame.
#[derive(Debug, PartialEq)]
struct Verdict {
    cycle: u64,
    outcome: Counter,
    missing: u64,
    header: [u8; FRAME_HEADER_SIZE],
}

/// A record as it left, or as it should.
#[derive(Debug, PartialEq)]
struct Out {
    units: Vec<u8>,
    sender: u8,
    port: u8,
    sequence: u64,
    /// Frames are missing before its frame.
    has_gap: bool,
    is_first: bool,
    is_last: bool,
    is_malformed: bool,
}

/// Takes records with stalls, and writes down what the card says.
struct Watch {
    ready: Input<bool>,
    stalls: Stalls,
    /// Takes nothing at all.
    holds: bool,
    valid: Port<bool>,
    units: Port<[u8; RECORD_UNITS_MAX * UNIT_SIZE]>,
    count: Port<u8>,
    sender: Port<u8>,
    port: Port<u8>,
    sequence: Port<u64>,
    /// Gap, first, last, malformed.
    marks: [Port<bool>; 4],
    received: Port<bool>,
    accepted: Port<bool>,
    missing: Port<u64>,
    refusals: Vec<(Counter, Port<bool>)>,
    header: Port<[u8; FRAME_HEADER_SIZE]>,
    /// A record that was there and not taken.
    waiting: Option<Out>,
    verdicts: VecDeque<Verdict>,
    records: VecDeque<(u64, Out)>,
}

impl Watch {
    fn new(bench: &mut Bench, stalls: Stalls) -> Result<Watch> {
        let port = |name: &str| bench.port::<bool>(name);
        let refusals = REFUSALS.iter().map(|(counter, name)| Ok((*counter, port(name)?)));
        Ok(Watch {
            ready: bench.input("record_ready")?,
            stalls,
            holds: false,
            valid: port("record_valid")?,
            units: bench.port("record_units")?,
            count: bench.port("record_count")?,
            sender: bench.port("record_sender")?,
            port: bench.port("record_port")?,
            sequence: bench.port("record_sequence")?,
            marks: [
                port("record_gap")?,
                port("record_first")?,
                port("record_last")?,
                port("record_malformed")?,
            ],
            received: port("frames_received")?,
            accepted: port("frames_accepted")?,
            missing: bench.port("frames_missing")?,
            refusals: refusals.collect::<Result<_>>()?,
            header: bench.port("heard_header")?,
            waiting: None,
            verdicts: VecDeque::new(),
            records: VecDeque::new(),
        })
    }

    fn record(&self) -> Out {
        let [has_gap, is_first, is_last, is_malformed] = self.marks.each_ref().map(Port::get);
        let count = if is_malformed { 0 } else { self.count.get() as usize };
        Out {
            units: self.units.get()[..(count * UNIT_SIZE).min(RECORD_UNITS_MAX * UNIT_SIZE)].to_vec(),
            sender: self.sender.get(),
            port: self.port.get(),
            sequence: self.sequence.get(),
            has_gap,
            is_first,
            is_last,
            is_malformed,
        }
    }

    /// The one outcome of a frame, and nothing without a frame.
    fn verdict(&self, cycle: u64) -> Result<Option<Verdict>> {
        let refused = self.refusals.iter().filter(|(_, port)| port.get()).map(|(counter, _)| *counter);
        let accepted = self.accepted.get().then_some(Counter::FramesAccepted);
        let outcomes: Vec<Counter> = refused.chain(accepted).collect();
        let missing = self.missing.get();
        match (self.received.get(), &outcomes[..]) {
            (false, []) if missing == 0 => Ok(None),
            (true, [outcome]) => {
                Ok(Some(Verdict { cycle, outcome: *outcome, missing, header: self.header.get() }))
            }
            (is_frame, _) => Err(Error::Found(format!("frame {is_frame}: {outcomes:?}, {missing} missing"))),
        }
    }
}

impl Agent for Watch {
    fn drive(&mut self) {
        let is_stalled = self.stalls.is_stalled(self.waiting.is_some());
        self.ready.set(!is_stalled && !self.holds);
    }

    fn sample(&mut self, cycle: u64) -> Result<()> {
        self.verdicts.extend(self.verdict(cycle)?);
        let record = self.valid.get().then(|| self.record());
        if let Some(waiting) = self.waiting.take() {
            expect_same("the record that waits", record.as_ref(), Some(&waiting))?;
        }
        match record {
            Some(record) if self.ready.get() => self.records.push_back((cycle, record)),
            other => self.waiting = other,
        }
        Ok(())
    }
}

/// A card with its surroundings, and the engine that knows what is right.
struct Rig {
    watch: Watch,
    source: Source,
    engine: Softnic,
    traffic: Traffic,
    /// Frames without their verdict.
    sent: VecDeque<(u8, Vec<u8>)>,
    /// Records that are to come, each with the cycle of its frame's last beat and its place in the frame.
    expected: VecDeque<(u64, u64, Out)>,
    /// Judged frames that may not have left: records up to the end of each, and its bytes.
    judged: VecDeque<(u64, usize)>,
    records_expected: u64,
    records_count: u64,
    malformed_count: u64,
    refused_full: u64,
    accepted: u64,
    /// Cycles that the records so far need.
    clocks: u64,
    beat_units: usize,
    latency: Histogram,
    /// Cycle of the last record.
    last_cycle: u64,
}

impl Rig {
    /// A card that knows its peers; frames come with the one kind of stall, records leave with the other.
    fn new(bench: &mut Bench, sending: Stalls, taking: Stalls) -> Result<Rig> {
        let traffic = Traffic::new(bench.fork_random());
        bench.input::<u8>("member")?.set(MEMBER);
        bench.input::<u32>("cluster")?.set(traffic.cluster);
        bench.input::<u8>("ports")?.set(PORTS);
        let mut rig = Rig {
            watch: Watch::new(bench, taking)?,
            source: Source::new(bench, "s_axis", sending, Rules::default())?,
            engine: traffic.engine(),
            traffic,
            sent: VecDeque::new(),
            expected: VecDeque::new(),
            judged: VecDeque::new(),
            records_expected: 0,
            records_count: 0,
            malformed_count: 0,
            refused_full: 0,
            accepted: 0,
            clocks: 0,
            beat_units: bench.input::<[u8; 64]>("s_axis_tdata")?.width() as usize / (8 * UNIT_SIZE),
            latency: Histogram::new(),
            last_cycle: 0,
        };
        for (peer, session) in rig.traffic.peers.clone() {
            rig.welcome(bench, peer, session)?;
        }
        Ok(rig)
    }

    /// Tells card and engine of a peer's session.
    fn welcome(&mut self, bench: &mut Bench, peer: u8, session: u64) -> Result<()> {
        let [write_session, write_sequence, write_known] =
            ["peer_session_valid", "peer_sequence_valid", "peer_known"].map(|name| bench.input::<bool>(name));
        let (write_session, write_sequence) = (write_session?, write_sequence?);
        bench.input::<u8>("peer_member")?.set(peer);
        bench.input::<u64>("peer_number")?.set(0);
        for port in 0..PORTS_MAX as u8 {
            bench.input::<u8>("peer_port")?.set(port);
            write_sequence.set(true);
            self.cycle(bench)?;
            write_sequence.set(false);
            self.cycle(bench)?;
        }
        bench.input::<u64>("peer_number")?.set(session);
        write_known?.set(true);
        write_session.set(true);
        self.cycle(bench)?;
        write_session.set(false);
        for _ in 0..WRITE_CYCLES {
            self.cycle(bench)?;
        }
        self.traffic.welcome(&mut self.engine, peer, session);
        Ok(())
    }

    fn send(&mut self, port: u8, frame: Vec<u8>) {
        self.source.push_with_user(frame.clone(), u64::from(port));
        self.sent.push_back((port, frame));
    }

    fn cycle(&mut self, bench: &mut Bench) -> Result<()> {
        bench.cycle(&mut (&mut self.source, &mut self.watch))?;
        while let Some(verdict) = self.watch.verdicts.pop_front() {
            self.judge(&verdict)?;
        }
        while let Some((cycle, record)) = self.watch.records.pop_front() {
            self.compare(cycle, &record)?;
        }
        Ok(())
    }

    /// Holds a verdict to the engine's.
    fn judge(&mut self, verdict: &Verdict) -> Result<()> {
        let none = || Error::Found(format!("{verdict:?} without a frame"));
        let (port, frame) = self.sent.pop_front().ok_or_else(none)?;
        let times = self.source.next_sent().ok_or_else(none)?;
        expect_same("cycles to the verdict", verdict.cycle - times.last_cycle, COUNT_CYCLES)?;
        if verdict.outcome == Counter::FrameFull {
            self.refused_full += 1;
            return Ok(());
        }
        self.judge_with_room(verdict, port, times.last_cycle, &frame)?;
        self.judged.push_back((self.records_expected, frame.len()));
        Ok(())
    }

    fn judge_with_room(&mut self, verdict: &Verdict, port: u8, last_cycle: u64, frame: &[u8]) -> Result<()> {
        let before = *self.engine.counters();
        self.engine.receive(Now::default(), port, frame);
        while self.engine.next_event().is_some() {}
        let rise = |counter: Counter| self.engine.counter(counter) - before[counter as usize];
        let outcomes = REFUSALS.iter().map(|(counter, _)| *counter).chain([Counter::FramesAccepted]);
        let expected = outcomes.into_iter().find(|counter| rise(*counter) == 1);
        expect_same("the outcome", Some(verdict.outcome), expected)?;
        expect_same("frames missing", verdict.missing, rise(Counter::FramesMissing))?;
        if verdict.outcome == Counter::FrameSession || verdict.outcome == Counter::FramesAccepted {
            expect_same("the header", &verdict.header[..], &frame[..FRAME_HEADER_SIZE])?;
        }
        if verdict.outcome == Counter::FramesAccepted {
            self.accepted += 1;
            self.expect_records(port, last_cycle, frame, verdict.missing > 0);
        }
        Ok(())
    }

    /// Walks the units of an accepted frame.
    fn expect_records(&mut self, port: u8, last_cycle: u64, frame: &[u8], has_gap: bool) {
        let mut units = &frame[FRAME_HEADER_SIZE..frame.len() - FRAME_CRC_SIZE];
        let sequence = u64::from_le_bytes(frame[32..40].try_into().expect("8 bytes"));
        let mut number = 0;
        while !units.is_empty() {
            let size = units[1] as usize * UNIT_SIZE;
            let is_malformed = size == 0 || units[1] as usize > RECORD_UNITS_MAX || size > units.len();
            let (record, rest) = units.split_at(if is_malformed { 0 } else { size });
            units = if is_malformed { &[] } else { rest };
            let out = Out {
                units: record.to_vec(),
                sender: frame[28],
                port,
                sequence,
                has_gap,
                is_first: number == 0,
                is_last: units.is_empty(),
                is_malformed,
            };
            self.expected.push_back((last_cycle, number, out));
            number += 1;
        }
        self.records_expected += number;
    }

    fn compare(&mut self, cycle: u64, record: &Out) -> Result<()> {
        let (last_cycle, number, expected) =
            self.expected.pop_front().ok_or_else(|| Error::Found(format!("{record:?} of no frame")))?;
        expect_same("the record", record, &expected)?;
        self.records_count += 1;
        self.clocks += (record.units.len() / UNIT_SIZE).div_ceil(self.beat_units).max(1) as u64;
        self.malformed_count += u64::from(record.is_malformed);
        // The frame found nothing before it that still had to leave.
        if number == 0 && self.last_cycle < last_cycle {
            self.latency.add(cycle - last_cycle);
        }
        self.last_cycle = cycle;
        Ok(())
    }

    /// Waits until there is room for another frame, whatever it is.
    fn wait_for_room(&mut self, bench: &mut Bench) -> Result<()> {
        loop {
            while self.judged.front().is_some_and(|(records, _)| *records <= self.records_count) {
                self.judged.pop_front();
            }
            let frames = self.sent.len() + self.judged.len();
            let sent: usize = self.sent.iter().map(|(_, frame)| frame.len()).sum();
            let judged: usize = self.judged.iter().map(|(_, size)| size).sum();
            if frames <= FRAMES_INSIDE_MAX && sent + judged <= BYTES_INSIDE_MAX {
                return Ok(());
            }
            self.cycle(bench)?;
        }
    }

    /// Waits until everything that was sent has left.
    fn drain(&mut self, bench: &mut Bench) -> Result<()> {
        let end = bench.cycles() + DRAIN_CYCLES;
        while !self.sent.is_empty() || !self.expected.is_empty() {
            if bench.cycles() == end {
                let (frames, records) = (self.sent.len(), self.expected.len());
                return Err(Error::Found(format!("{frames} frames and {records} records are stuck")));
            }
            self.cycle(bench)?;
        }
        // Nothing comes that was not asked for.
        for _ in 0..4 * LATENCY_CYCLES {
            self.cycle(bench)?;
        }
        Ok(())
    }

    /// What the engine counted over the whole run.
    fn balance(&self) -> Result<()> {
        let records = self.engine.counter(Counter::RecordsReceived);
        expect_same("records", self.records_count, records)?;
        let malformed = self.engine.counter(Counter::RecordsMalformed);
        expect_same("malformed records", self.malformed_count, malformed)?;
        self.engine.balance().map_err(Error::Found)
    }
}

/// Frames of every kind, valid ones among those with each fault.
fn frames_are_judged(bench: &mut Bench) -> Result<()> {
    let [sending, taking] = [(); 2].map(|()| Stalls::drawn(bench.fork_random()));
    let mut rig = Rig::new(bench, sending, taking)?;
    for number in 0..FRAMES {
        rig.wait_for_room(bench)?;
        if number % 400 == 399 {
            rig.drain(bench)?;
            let (peer, session) = rig.traffic.restart();
            rig.welcome(bench, peer, session)?;
        }
        let (port, frame) = rig.traffic.frame();
        rig.send(port, frame);
    }
    rig.drain(bench)?;
    expect_same("frames without room", rig.refused_full, 0)?;
    rig.balance()
}

/// Without stalls: the n-th record of a frame that finds nothing before it leaves n - 1 cycles behind the
/// first, if none needs more than a beat; longer ones take as many cycles as they fill beats.
fn records_keep_pace(bench: &mut Bench, beat_bytes: usize) -> Result<()> {
    let mut rig = Rig::new(bench, Stalls::never(), Stalls::never())?;
    // One frame at a time.
    for units in (1..60).chain([FRAME_UNITS_MAX]) {
        let frame = rig.traffic.compact_frame(units);
        rig.send(0, frame);
        rig.drain(bench)?;
    }
    println!("{beat_bytes} B a clock, first record behind the last beat: {}", rig.latency);
    expect_same("cycles to the first record", rig.latency.min(), Some(LATENCY_CYCLES))?;
    expect_same("cycles to the first record", rig.latency.max(), Some(LATENCY_CYCLES))?;
    // Then full frames without pause, each as soon as there is room for it.
    for units_max in [1, 4, RECORD_UNITS_MAX] {
        let (first_cycle, records, clocks) = (bench.cycles(), rig.records_count, rig.clocks);
        for _ in 0..40 {
            rig.wait_for_room(bench)?;
            let frame = rig.traffic.full_frame(units_max);
            rig.send(0, frame);
        }
        rig.drain(bench)?;
        let cycles = rig.last_cycle - first_cycle;
        let (records, clocks) = (rig.records_count - records, rig.clocks - clocks);
        println!(
            "{beat_bytes} B a clock, records of 1 to {units_max} units: {:.3} records a clock, {:.3} of the clocks they need",
            records as f64 / cycles as f64,
            clocks as f64 / cycles as f64,
        );
        // A frame costs two clocks more at most, or those of its header; the first one has to come.
        let costs = 40 * (2 + FRAME_HEADER_SIZE / beat_bytes);
        let rest = (FRAME_SIZE_MAX / beat_bytes + costs) as u64 + LATENCY_CYCLES;
        if cycles > clocks + rest {
            return Err(Error::Found(format!("{cycles} cycles for {clocks} clocks of records")));
        }
    }
    rig.balance()
}

/// Nobody takes records: frames are refused for lack of room, whole, and those that are not come out whole.
fn what_has_no_room_is_refused(bench: &mut Bench, beat_bytes: usize) -> Result<()> {
    let mut rig = Rig::new(bench, Stalls::never(), Stalls::never())?;
    for round in 0..6 {
        rig.watch.holds = true;
        let (accepted, full) = (rig.accepted, rig.refused_full);
        // By turns many small frames and few large ones, behind which small ones still find room.
        for number in 0..FRAMES_OFFERED {
            let frame = match (round % 2, number % 8) {
                (0, _) | (1, 7) => rig.traffic.compact_frame(1 + number % 3),
                _ => rig.traffic.full_frame(4),
            };
            rig.send(0, frame);
        }
        while !rig.sent.is_empty() {
            rig.cycle(bench)?;
        }
        let accepted = rig.accepted - accepted;
        expect_same("frames", accepted + rig.refused_full - full, FRAMES_OFFERED as u64)?;
        // All places for frames and the record at the output, or the beats of three of the largest.
        let places = FRAMES_MAX as u64;
        let is_right = if round % 2 == 0 { (places..=places + 1).contains(&accepted) } else { accepted >= 3 };
        if !is_right {
            return Err(Error::Found(format!("{accepted} frames at {beat_bytes} B a clock found room")));
        }
        rig.watch.holds = false;
        rig.watch.stalls = Stalls::drawn(bench.fork_random());
        rig.drain(bench)?;
    }
    rig.balance()
}
