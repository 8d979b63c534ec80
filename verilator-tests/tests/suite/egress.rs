//! Records in, frames out: the pool and the framer together, judged by what a receiver would read.

use super::framer::{same_bytes, About, Path, Settings};
use super::pool::parameter;
use super::{top, Block, Test};
use formats::flow::{Family, FlowKey, FlowRecord, Groups, Stamp, Term};
use formats::frame::split;
use formats::limits::*;
use formats::Record;
use hw::egress::LATENCY;
use std::collections::{BTreeMap, BTreeSet};
use verilator_tests::{
    expect_same, Agent, Bench, Error, Histogram, Input, Port, Received, Result, Rules, Sink, Stalls,
};

/// Records of each run.
const RECORDS: usize = 2_000;
/// Bytes of the largest record that is pushed.
const RECORD_BYTES: usize = hw::pool::RECORD_UNITS * UNIT_SIZE;
/// Cycles in which what waits must leave.
const DRAIN_CYCLES: u64 = 100_000;
/// Tags of 13 bits.
const TAGS: usize = 1 << 13;
/// Cycles for which a record may wait in front of the pool.
const QUEUE_CYCLES_MAX: u64 = 70;
/// Cycles without a beat after which nothing waits any more.
const QUIET_CYCLES: u64 = 2_000;

macro_rules! egress {
    ($name:ident, $top:literal) => {
        pub(crate) const $name: Block = Block {
            name: $top,
            design: || top($top),
            latency_cycles: Some(LATENCY as u64),
            tests: &[
                Test {
                    name: "drawn records and stalls",
                    seeds: 0..20,
                    body: |bench| records_arrive(bench, $top),
                },
                Test { name: "first beat", seeds: 0..1, body: |bench| first_beat_comes_in_time(bench, $top) },
                Test { name: "full speed", seeds: 0..1, body: |bench| link_is_filled(bench, $top) },
                Test {
                    name: "sessions end",
                    seeds: 0..4,
                    body: |bench| nothing_outlives_its_session(bench, $top),
                },
            ],
        };
    };
}
egress!(EGRESS_512, "egress_512");
egress!(EGRESS_128, "egress_128");

/// Pushes records, and notes which were refused.
struct Push {
    valid: Input<bool>,
    destination: Input<u8>,
    units: Input<u8>,
    data: Input<[u8; RECORD_BYTES]>,
    tag: Input<u16>,
    refused: Port<bool>,
    refused_destination: Port<u8>,
    refused_tag: Port<u16>,
    time: Input<u64>,
    pushed: BTreeMap<u8, Vec<(usize, Vec<u8>)>>,
    count: usize,
    refusals: BTreeSet<usize>,
    /// The session under which each record was pushed.
    sessions: BTreeMap<Vec<u8>, u32>,
    dropped: Port<bool>,
    dropped_count: u64,
}

impl Agent for Push {
    fn drive(&mut self) {
        self.time.set(self.time.get() + 1);
    }

    fn sample(&mut self, _cycle: u64) -> Result<()> {
        self.dropped_count += u64::from(self.dropped.get());
        if self.refused.get() {
            let tag = usize::from(self.refused_tag.get());
            let pushed = self.pushed.get(&self.refused_destination.get());
            let record = pushed.and_then(|all| all.iter().rev().find(|(id, _)| id % TAGS == tag));
            let (id, _) = record.ok_or(Error::Found("a refusal of nothing".into()))?;
            if !self.refusals.insert(*id) {
                return Err(Error::Found(format!("record {id} is refused twice")));
            }
        }
        Ok(())
    }
}

struct Rig {
    settings: Settings,
    paths: Vec<Path>,
    limit: Input<u16>,
    push: Push,
    sink: Sink,
    sequences: BTreeMap<u8, u64>,
    /// How many of each destination's records came that were not refused.
    arrived: BTreeMap<u8, Vec<Vec<u8>>>,
    frames_count: usize,
    /// Sequences that no frame had.
    missing: u64,
}

impl Rig {
    fn new(bench: &mut Bench, taking: Stalls) -> Result<Rig> {
        let settings = Settings::drawn(bench)?;
        let mut sink = Sink::new(bench, "m_axis", taking, Rules { gapless: true, packed: true })?;
        let paths = settings.write_paths(bench, &mut sink)?;
        let limit = bench.input::<u16>("frame_limit")?;
        limit.set(FRAME_UNITS_MAX as u16);
        let push = Push {
            valid: bench.input("push_valid")?,
            destination: bench.input("push_destination")?,
            units: bench.input("push_units")?,
            data: bench.input("push_data")?,
            tag: bench.input("push_tag")?,
            refused: bench.port("push_refused")?,
            refused_destination: bench.port("push_refused_destination")?,
            refused_tag: bench.port("push_refused_tag")?,
            time: bench.input("head_time_us")?,
            pushed: BTreeMap::new(),
            count: 0,
            refusals: BTreeSet::new(),
            sessions: BTreeMap::new(),
            dropped: bench.port("dropped")?,
            dropped_count: 0,
        };
        for _ in 0..paths.len() {
            bench.cycle(&mut sink)?;
        }
        let (sequences, arrived) = (BTreeMap::new(), BTreeMap::new());
        Ok(Rig { settings, paths, limit, push, sink, sequences, arrived, frames_count: 0, missing: 0 })
    }

    /// One cycle, with a record or without.
    fn cycle(&mut self, bench: &mut Bench, record: Option<(u8, &Record)>) -> Result<()> {
        let mut data = [0; RECORD_BYTES];
        bench.random().fill(&mut data);
        let push = &mut self.push;
        push.valid.set(record.is_some());
        if let Some((destination, record)) = record {
            let mut scratch = [0; RECORD_UNITS_MAX * UNIT_SIZE];
            let units = record.encode(&mut scratch);
            let bytes = &scratch[..units * UNIT_SIZE];
            data[..bytes.len()].copy_from_slice(bytes);
            push.units.set(units as u8);
            push.destination.set(destination);
            push.tag.set((push.count % TAGS) as u16);
            push.pushed.entry(destination).or_default().push((push.count, bytes.to_vec()));
            push.sessions.insert(bytes.to_vec(), self.paths[usize::from(destination)].peer_session);
            push.count += 1;
        }
        push.data.set(data);
        bench.cycle(&mut (push, &mut self.sink))?;
        while let Some(frame) = self.sink.next_frame() {
            self.read(&frame)?;
        }
        Ok(())
    }

    /// Reads a frame as a receiver does.
    fn read(&mut self, frame: &Received) -> Result<()> {
        let (_, header, units, _) =
            split(&frame.bytes).map_err(|problem| Error::Found(format!("a frame: {problem:?}")))?;
        let path = self.paths.iter().position(|path| path.receiver == header.receiver);
        let destination = path.ok_or(Error::Found("a frame for nobody".into()))? as u8;
        let path = &self.paths[usize::from(destination)];
        let sequence = self.sequences.entry(destination).or_default();
        self.missing += header.sequence.wrapping_sub(*sequence + 1);
        *sequence = header.sequence;
        let about = About { sequence: *sequence, time_us: header.time_us, records: header.records };
        let mut path = *path;
        path.peer_session = header.peer_session;
        same_bytes(&frame.bytes, &self.settings.frame(&path, &about, units))?;
        if units.len() > usize::from(self.limit.get()) * UNIT_SIZE {
            return Err(Error::Found("a frame is too long".into()));
        }
        let mut rest = units;
        for _ in 0..header.records {
            let (_, count) =
                Record::decode(rest).map_err(|problem| Error::Found(format!("a record: {problem:?}")))?;
            let (record, behind) = rest.split_at(count * UNIT_SIZE);
            let session = self.push.sessions.get(record).copied();
            expect_same("the session of a record", session, Some(header.peer_session))?;
            self.arrived.entry(destination).or_default().push(record.to_vec());
            rest = behind;
        }
        self.frames_count += 1;
        expect_same("bytes behind the records", rest.len(), 0)
    }

    /// Takes what is left; then every record came whole and in order, or was refused.
    fn finish(&mut self, bench: &mut Bench) -> Result<()> {
        self.drain(bench)?;
        expect_same("sequences without a frame", self.missing, 0)?;
        for (destination, pushed) in &self.push.pushed {
            let sent = pushed.iter().filter(|(id, _)| !self.push.refusals.contains(id));
            let sent: Vec<&Vec<u8>> = sent.map(|(_, bytes)| bytes).collect();
            let arrived: Vec<&Vec<u8>> = self.arrived.get(destination).into_iter().flatten().collect();
            expect_same("how many records came", arrived.len(), sent.len())?;
            expect_same("they came as they were sent", arrived == sent, true)?;
        }
        Ok(())
    }

    fn drain(&mut self, bench: &mut Bench) -> Result<()> {
        let end = bench.cycles() + DRAIN_CYCLES;
        let (mut quiet, mut beats) = (0, self.sink.monitor().beats_count());
        while quiet < QUIET_CYCLES {
            if bench.cycles() == end {
                return Err(Error::Timeout { what: "the last frame".into(), cycles: DRAIN_CYCLES });
            }
            self.cycle(bench, None)?;
            let now = self.sink.monitor().beats_count();
            quiet = if now == beats { quiet + 1 } else { 0 };
            beats = now;
        }
        Ok(())
    }
}

/// A record as the engine sends them: 1 unit to all groups of an IPv6 flow.
fn drawn_record(bench: &mut Bench) -> Record {
    let random = bench.random();
    let family = if random.bool() { Family::V6 } else { Family::V4 };
    let address = |value: u128| if family == Family::V6 { value } else { value & 0xffff_ffff };
    let key = FlowKey {
        src: address(random.u128(..)),
        dst: address(random.u128(..)),
        src_port: random.u16(..),
        dst_port: random.u16(..),
        zone: random.u16(..),
        protocol: 6,
        family,
    };
    let stamp = Stamp { term: Term(random.u32(..)), version: random.u64(..1 << VERSION_BITS) };
    match random.u8(..4) {
        0 => Record::DeleteKeyed(key, stamp),
        1 => Record::Full(FlowRecord { key, groups: Groups(random.u8(..)), ..FlowRecord::default() }, stamp),
        _ => Record::Delete(formats::unit::DeleteUnit {
            term_low: random.u8(..),
            flow_id: random.u64(..1 << FLOW_ID_BITS),
            version: random.u64(..1 << VERSION_BITS),
            ..formats::unit::DeleteUnit::default()
        }),
    }
}

fn records_arrive(bench: &mut Bench, name: &str) -> Result<()> {
    let [mut pushing, taking] = [(); 2].map(|()| Stalls::drawn(bench.fork_random()));
    let mut rig = Rig::new(bench, taking)?;
    let limit = bench.random().u16(hw::pool::RECORD_UNITS as u16..=FRAME_UNITS_MAX as u16);
    rig.limit.set(limit);
    let spread = bench.random().u8(1..=1 << parameter(name, "D"));
    while rig.push.count < RECORDS {
        if pushing.is_stalled(true) {
            rig.cycle(bench, None)?;
        } else {
            let (destination, record) = (bench.random().u8(..spread), drawn_record(bench));
            rig.cycle(bench, Some((destination, &record)))?;
        }
    }
    rig.finish(bench)
}

/// Records far apart on an idle link: the first beat of each, and a frame for each.
fn first_beat_comes_in_time(bench: &mut Bench, name: &str) -> Result<()> {
    let mut rig = Rig::new(bench, Stalls::never())?;
    let out = bench.port::<bool>("m_axis_tvalid")?;
    let mut latencies = Histogram::new();
    for n in 0..200 {
        let record = drawn_record(bench);
        let pushed = bench.cycles();
        rig.cycle(bench, Some((n % (1 << parameter(name, "D")), &record)))?;
        while !out.get() && bench.cycles() < pushed + 100 {
            rig.cycle(bench, None)?;
        }
        // Behind its clock an output is that of the next cycle.
        latencies.add(bench.cycles() - pushed);
        for _ in 0..40 {
            rig.cycle(bench, None)?;
        }
    }
    println!("{name}, record to first beat: {latencies}");
    expect_same("cycles to the first beat", latencies.max(), Some(LATENCY as u64))?;
    expect_same("frames", rig.frames_count, 200)?;
    rig.finish(bench)
}

/// Records of one unit for four destinations, as many as the link carries: it is filled.
fn link_is_filled(bench: &mut Bench, name: &str) -> Result<()> {
    let mut rig = Rig::new(bench, Stalls::never())?;
    let units = parameter(name, "W") / 128;
    let cycles = 4_000;
    for n in 0..cycles {
        let record = drawn_record(bench);
        // A push every cycle is more than the widest link carries.
        rig.cycle(bench, Some((n as u8 % 4, &record)))?;
    }
    let beats = rig.sink.monitor().beats_count();
    rig.finish(bench)?;
    let pushed: usize = rig.push.pushed.values().flatten().map(|(_, bytes)| bytes.len() / UNIT_SIZE).sum();
    println!(
        "{name}, {cycles} cycles of a record each ({pushed} units, {} a beat): {beats} beats, {} frames, {} refused",
        units,
        rig.frames_count,
        rig.push.refusals.len()
    );
    // All but what passes before the first beat.
    match cycles - beats {
        0..=20 => Ok(()),
        idle => Err(Error::Found(format!("{idle} cycles without a beat"))),
    }
}

/// What came before a drop leaves under the old session or not at all; a sequence is missing for each frame
/// that was dropped, and for no other.
fn nothing_outlives_its_session(bench: &mut Bench, name: &str) -> Result<()> {
    let taking = Stalls::bursts(bench.fork_random(), 100, 50);
    let mut rig = Rig::new(bench, taking)?;
    let (valid, ready) = (bench.input::<bool>("drop_valid")?, bench.port::<bool>("drop_ready")?);
    let which = bench.input::<u8>("drop_destination")?;
    let destinations = 1 << parameter(name, "D");
    for _ in 0..20 {
        for _ in 0..200 {
            let (destination, record) = (bench.random().u8(..destinations), drawn_record(bench));
            rig.cycle(bench, Some((destination, &record)))?;
        }
        for _ in 0..QUEUE_CYCLES_MAX {
            rig.cycle(bench, None)?;
        }
        let destination = bench.random().u8(..destinations);
        which.set(destination);
        valid.set(true);
        let mut is_done = false;
        while !is_done {
            bench.top().eval()?;
            is_done = ready.get();
            rig.cycle(bench, None)?;
        }
        valid.set(false);
        let session = bench.random().u32(..);
        rig.paths[usize::from(destination)].peer_session = session;
        let Rig { settings, push, sink, .. } = &mut rig;
        settings.write(bench, &mut (push, sink), destination, session)?;
    }
    rig.drain(bench)?;
    // The sequence of each shows what is missing, so none may be refused.
    for destination in 0..destinations {
        let record = drawn_record(bench);
        rig.cycle(bench, Some((destination, &record)))?;
        rig.drain(bench)?;
    }
    println!("{name}, sessions that end: {} frames dropped", rig.push.dropped_count);
    expect_same("sequences without a frame", rig.missing, rig.push.dropped_count)
}
