//! The decoder of records against `Record::decode`: records of every kind, damaged ones, and any bytes.

use super::{record, sample, top, Block, Test};
use formats::flow::{Direction, FlowId, FlowRecord, Groups, Stamp, Term};
use formats::limits::{BUCKETS_COUNT, FLOW_ID_BITS, RECORD_UNITS_MAX, UNIT_SIZE};
use formats::record::{Record, RecordError, Update};
use formats::unit::*;
use hw::decode::error;
use hw::layout::{pack, Entry, ENTRY_WORDS};
use hw::unit::FLOW_UNITS_MAX;
use std::collections::VecDeque;
use verilator_tests::{expect_same, Bench, Error, Initial, Input, Port, Result};

const LATENCY_CYCLES: u64 = hw::decode::LATENCY as u64;
const CYCLES: u64 = 100_000;

pub(crate) const BLOCK: Block = Block {
    name: "decode",
    design: || top("decode"),
    latency_cycles: Some(LATENCY_CYCLES),
    tests: &[
        Test { name: "records, damaged records, any bytes", seeds: 0..8, body: requests_match },
        Test { name: "what the builder built", seeds: 0..2, body: built_records_come_back },
    ],
};

pub(crate) const VERDICT: Block = Block {
    name: "verdict",
    design: || top("verdict").without_reset(),
    latency_cycles: Some(LATENCY_CYCLES),
    tests: &[Test { name: "records, damaged records, any bytes", seeds: 0..6, body: verdicts_match }],
};

/// Bytes of a frame from a record on: as many as the largest has.
type Frame = [u8; RECORD_UNITS_MAX * UNIT_SIZE];
const SHOWN: usize = FLOW_UNITS_MAX * UNIT_SIZE;
/// First units of a record without a flow.
const RAW: usize = 3 * UNIT_SIZE;

/// What a frame holds from here, and how many units of it.
#[derive(Clone, Copy)]
pub(super) struct Rest {
    pub(super) bytes: Frame,
    pub(super) available: u8,
}

impl Rest {
    pub(super) fn decoded(&self) -> std::result::Result<(Record, usize), RecordError> {
        Record::decode(&self.bytes[..usize::from(self.available) * UNIT_SIZE])
    }

    /// The verdict: an error, and how many units the record has.
    fn verdict(&self) -> (u8, Option<u8>) {
        match self.decoded() {
            Ok((_, count)) => (error::NONE, Some(count as u8)),
            Err(RecordError::Length) => (error::LENGTH, None),
            Err(RecordError::Unknown(count)) => (error::UNKNOWN, Some(count as u8)),
            Err(RecordError::Value) => (error::VALUE, Some(self.bytes[1])),
        }
    }

    fn shown(&self) -> [u8; SHOWN] {
        self.bytes[..SHOWN].try_into().expect("sliced to length")
    }
}

/// Any record of a flow.
fn flow_record(bench: &mut Bench) -> Record {
    let (flow, stamp, groups) = (sample::record(bench), sample::stamp(bench), sample::groups(bench));
    let random = bench.random();
    let (term_low, flow_id) = (random.u8(..), random.u64(..1 << FLOW_ID_BITS));
    let (version, version_low) = (stamp.version, random.u16(..));
    match random.u8(..6) {
        0 => Record::Compact(Compact {
            term_low,
            flow_id,
            version_low,
            class: flow.class,
            tcp_state: flow.tcp_state,
            status: flow.status,
            ..Compact::default()
        }),
        1 => {
            let sender = if random.bool() { Direction::Original } else { Direction::Reply };
            let [end, max_end] = [(); 2].map(|()| random.u32(..1 << 24));
            Record::Window(
                sender,
                Window { term_low, flow_id, version_low, end, max_end, ..Window::default() },
            )
        }
        2 => Record::Full(FlowRecord { groups, ..flow }, stamp),
        3 => Record::Delete(DeleteUnit { term_low, flow_id, version, ..DeleteUnit::default() }),
        4 => Record::DeleteKeyed(flow.key, stamp),
        _ => Record::Update(Update {
            flow_id: FlowId(flow_id),
            term_low,
            version,
            base_distance: random.u8(..),
            changed: FlowRecord { groups, ..flow },
        }),
    }
}

/// Any record without a flow of its own; buckets are mostly ones that exist.
fn other_record(bench: &mut Bench, bytes: &mut Frame) {
    let sizes = [
        (kind::SNAPSHOT_BEGIN, SnapshotBegin::SIZE),
        (kind::SNAPSHOT_END, SnapshotEnd::SIZE),
        (kind::TERM, TermUnit::SIZE),
        (kind::ACK, AckUnit::SIZE),
        (kind::DIGEST, DigestUnit::SIZE),
        (kind::HEARTBEAT, HeartbeatUnit::SIZE),
        (kind::CAPABILITIES, CapabilitiesUnit::SIZE),
        (kind::REPAIR, RepairUnit::SIZE),
        (kind::MERGE, 0),
    ];
    let bucket = |bench: &mut Bench| match bench.random().u8(..4) {
        0 => bench.random().u16(BUCKETS_COUNT as u16 - 2..BUCKETS_COUNT as u16 + 2),
        1 => bench.random().u16(..),
        _ => bench.random().u16(..BUCKETS_COUNT as u16),
    };
    let first = bucket(bench);
    let at = bench.random().usize(..sizes.len());
    let (number, size) = sizes[at];
    if number == kind::MERGE {
        let (flow, stamp) = (sample::record(bench), sample::stamp(bench));
        Record::Merge(first, stamp.term, flow, stamp).encode(bytes);
        return;
    }
    bytes[..2].copy_from_slice(&[number, (size / UNIT_SIZE) as u8]);
    bytes[2..4].copy_from_slice(&first.to_le_bytes());
    if number == kind::TERM && bench.random().bool() {
        // A run that ends where the buckets do, or near.
        let run = (BUCKETS_COUNT as u16).wrapping_sub(first).wrapping_add(bench.random().u16(..3));
        bytes[4..6].copy_from_slice(&run.wrapping_sub(1).to_le_bytes());
    }
}

/// A record of any kind, often with a byte that is wrong, or nothing that was meant as one.
pub(super) fn rest(bench: &mut Bench) -> Rest {
    let mut bytes = [0; RECORD_UNITS_MAX * UNIT_SIZE];
    bench.random().fill(&mut bytes);
    match bench.random().u8(..8) {
        0 => {}
        1 => {
            // Any kind that there might be, any length that it might have.
            bytes[0] = bench.random().u8(..24) | (bench.random().u8(..) & 0x80);
            bytes[1] = bench.random().u8(..20);
            bytes[UNIT_SIZE] = bench.random().u8(..8);
            bytes[UNIT_SIZE + 1] = bench.random().u8(..20);
        }
        2 => other_record(bench, &mut bytes),
        _ => {
            flow_record(bench).encode(&mut bytes);
        }
    }
    let random = bench.random();
    if random.u8(..4) == 0 {
        // Kind, length, groups and the like; of the record or of the one within.
        let at = [0, 1, 2, 3, 5, 15, UNIT_SIZE, UNIT_SIZE + 1, UNIT_SIZE + 2][random.usize(..9)];
        bytes[at] = match random.u8(..3) {
            0 => 0,
            1 => bytes[at] ^ 1 << random.u32(..8),
            _ => bytes[at].wrapping_add(1),
        };
    }
    let available = match random.u8(..4) {
        0 => random.u8(..=16),
        1 => bytes[1].min(16),
        _ => 16,
    };
    Rest { bytes, available }
}

/// What the decoder leaves of a record that has no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    Flow { is_keyed: bool, id: u64, base_distance: u8, entry: [u32; ENTRY_WORDS] },
    Other { units: [u8; RAW], count: usize },
}

impl Decoded {
    /// A flow record as a request.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let by_id = |id: u64, term_low: u8, version: u64, base_distance: u8, record: FlowRecord| {
            let stamp = Stamp { term: Term(term_low.into()), version };
            let entry = pack(&Entry { record, stamp, ..Entry::default() });
            Self::Flow { is_keyed: false, id, base_distance, entry }
        };
        let keyed = |record: FlowRecord, stamp: Stamp| {
            let entry = pack(&Entry { record, stamp, ..Entry::default() });
            Self::Flow { is_keyed: true, id: 0, base_distance: 0, entry }
        };
        Some(match record {
            Record::Compact(unit) => {
                let Compact { class, tcp_state, status, .. } = *unit;
                let groups = Groups::STATUS.with(Groups::LIFETIME);
                let flow = FlowRecord { groups, class, tcp_state, status, ..FlowRecord::default() };
                by_id(unit.flow_id, unit.term_low, unit.version_low.into(), 1, flow)
            }
            Record::Window(sender, unit) => {
                let edges = unit.moved(*sender, Default::default());
                let flow = FlowRecord { groups: Groups::EDGES, edges, ..FlowRecord::default() };
                by_id(unit.flow_id, unit.term_low, unit.version_low.into(), 1, flow)
            }
            Record::Update(update) => {
                let Update { flow_id, term_low, version, base_distance, changed } = *update;
                by_id(flow_id.0, term_low, version, base_distance, changed)
            }
            Record::Delete(unit) => {
                by_id(unit.flow_id, unit.term_low, unit.version, 0, FlowRecord::default())
            }
            Record::Full(flow, stamp) => keyed(*flow, *stamp),
            Record::DeleteKeyed(key, stamp) => {
                keyed(FlowRecord { key: *key, ..FlowRecord::default() }, *stamp)
            }
            _ => return None,
        })
    }
}

/// The ports of the decoder.
struct Decoder {
    in_valid: Input<bool>,
    units: Input<[u8; SHOWN]>,
    available: Input<u8>,
    out_valid: Port<bool>,
    error: Port<u8>,
    count: Port<u8>,
    kind: Port<u8>,
    is_flow: Port<bool>,
    is_keyed: Port<bool>,
    id: Port<u64>,
    base_distance: Port<u8>,
    entry: Port<[u32; ENTRY_WORDS]>,
    raw: Port<[u8; RAW]>,
}

impl Decoder {
    fn new(bench: &Bench) -> Result<Self> {
        Ok(Self {
            in_valid: bench.input("in_valid")?,
            units: bench.input("in_units")?,
            available: bench.input("in_available")?,
            out_valid: bench.port("out_valid")?,
            error: bench.port("out_error")?,
            count: bench.port("out_count")?,
            kind: bench.port("out_kind")?,
            is_flow: bench.port("out_is_flow")?,
            is_keyed: bench.port("out_is_keyed")?,
            id: bench.port("out_id")?,
            base_distance: bench.port("out_base_distance")?,
            entry: bench.port("out_entry")?,
            raw: bench.port("out_units")?,
        })
    }

    fn show(&self, rest: Option<&Rest>) {
        self.in_valid.set(rest.is_some());
        if let Some(rest) = rest {
            self.units.set(rest.shown());
            self.available.set(rest.available);
        }
    }

    /// What it says of a record of so many units.
    fn decoded(&self, count: usize) -> Decoded {
        if !self.is_flow.get() {
            return Decoded::Other { units: self.raw.get(), count };
        }
        Decoded::Flow {
            is_keyed: self.is_keyed.get(),
            // A key says which flow.
            id: if self.is_keyed.get() { 0 } else { self.id.get() },
            base_distance: self.base_distance.get(),
            entry: self.entry.get(),
        }
    }

    /// The verdict and the request, if these units were due now.
    fn compare(&self, rest: Option<&Rest>) -> Result<()> {
        expect_same("whether a verdict is there", self.out_valid.get(), rest.is_some())?;
        let Some(rest) = rest else { return Ok(()) };
        let (wrong, count) = rest.verdict();
        let found = (self.error.get(), count.map(|_| self.count.get()));
        if found != (wrong, count) {
            let [first, second] = [0, UNIT_SIZE].map(|at| &rest.bytes[at..at + UNIT_SIZE]);
            let what = format!("{found:?} of {first:x?} {second:x?}, {} available", rest.available);
            return Err(Error::Found(format!("{what}: {:?}", rest.decoded())));
        }
        let Ok((record, count)) = rest.decoded() else {
            return expect_same("a flow record with an error", self.is_flow.get(), false);
        };
        expect_same("the kind", self.kind.get(), record.kind())?;
        let raw = rest.bytes[..RAW].try_into().expect("sliced to length");
        let expected = Decoded::of(&record).unwrap_or(Decoded::Other { units: raw, count });
        let found = self.decoded(count);
        if found != expected {
            return Err(Error::Found(format!("{found:x?} instead of {expected:x?}: {record:?}")));
        }
        Ok(())
    }
}

/// Units in most cycles; each verdict comes when it is due.
fn requests_match(bench: &mut Bench) -> Result<()> {
    let decoder = Decoder::new(bench)?;
    expect_same("a verdict after reset", decoder.out_valid.get(), false)?;
    let mut due = VecDeque::new();
    let mut met = [0u64; 256];
    let mut errors = [0u64; 4];
    for _ in 0..CYCLES {
        let rest = (bench.random().u8(..) < 230).then(|| rest(bench));
        decoder.show(rest.as_ref());
        due.push_back(rest);
        bench.cycle(&mut ())?;
        if due.len() as u64 == LATENCY_CYCLES {
            let rest = due.pop_front().flatten();
            decoder.compare(rest.as_ref())?;
            if let Some(rest) = rest {
                errors[usize::from(rest.verdict().0)] += 1;
                if let Ok((record, _)) = rest.decoded() {
                    met[usize::from(record.kind())] += 1;
                }
            }
        }
    }
    expect_same("kinds met", met.iter().filter(|count| **count > 100).count(), 18)?;
    expect_same("errors met", errors.iter().filter(|count| **count > 1_000).count(), 4)
}

/// The verdict alone.
fn verdicts_match(bench: &mut Bench) -> Result<()> {
    let (head, distance) = (bench.input::<[u8; 6]>("in_head")?, bench.input::<u8>("in_base_distance")?);
    let inner = bench.input::<[u8; 3]>("in_inner")?;
    let available = bench.input::<u8>("in_available")?;
    let (error, count) = (bench.port::<u8>("out_error")?, bench.port::<u8>("out_count")?);
    let is_flow = bench.port::<bool>("out_is_flow")?;
    let mut due = VecDeque::new();
    for _ in 0..CYCLES {
        let rest = rest(bench);
        head.set(rest.bytes[..6].try_into().expect("sliced to length"));
        distance.set(rest.bytes[UNIT_SIZE - 1]);
        inner.set(rest.bytes[UNIT_SIZE..UNIT_SIZE + 3].try_into().expect("sliced to length"));
        available.set(rest.available);
        due.push_back((
            rest.verdict(),
            rest.decoded().is_ok_and(|(record, _)| Decoded::of(&record).is_some()),
        ));
        bench.cycle(&mut ())?;
        if due.len() as u64 == LATENCY_CYCLES {
            let (verdict, flow) = due.pop_front().expect("pushed before");
            expect_same("the verdict", (error.get(), verdict.1.map(|_| count.get())), verdict)?;
            expect_same("whether it is of a flow", is_flow.get(), flow)?;
        }
    }
    Ok(())
}

/// Builder and decoder behind each other: what a change says arrives.
fn built_records_come_back(bench: &mut Bench) -> Result<()> {
    let design = top("record").initial(Initial::Random);
    let mut building = Bench::new(&design, &design.build()?, bench.random().u64(..))?;
    let builder = record::Builder::new(&building)?;
    let decoder = Decoder::new(bench)?;
    let replication = record::Replication { groups: Groups::ALL, edge_bits: bench.random().u32(..16) };
    builder.replicate(&replication);
    building.cycle(&mut ())?;
    let mut due = VecDeque::new();
    for _ in 0..CYCLES / 4 {
        let change = (building.random().u8(..) < 230).then(|| record::change(&mut building));
        if let Some(change) = &change {
            builder.show(change);
        }
        builder.in_valid.set(change.is_some());
        due.push_back(change.map(|change| replication.record(&change)));
        // The decoder takes what the builder's registers held before the edge.
        let built = builder.out_valid.get().then(|| {
            let (units, count) = builder.record();
            let mut bytes = [0xff; RECORD_UNITS_MAX * UNIT_SIZE];
            bytes[..SHOWN].copy_from_slice(&units);
            Rest { bytes, available: count }
        });
        decoder.show(built.as_ref());
        building.cycle(&mut ())?;
        bench.cycle(&mut ())?;
        if due.len() as u64 == hw::record::LATENCY as u64 + LATENCY_CYCLES {
            let record = due.pop_front().flatten();
            expect_same("whether a request is there", decoder.out_valid.get(), record.is_some())?;
            if let Some(record) = record {
                let expected = Decoded::of(&as_received(&record));
                expect_same("the request", Some(decoder.decoded(0)), expected)?;
            }
        }
    }
    Ok(())
}

/// The record without the values of groups that it does not have.
fn as_received(record: &Record) -> Record {
    let kept = |flow: &FlowRecord, key| {
        let mut kept = FlowRecord { key, incarnation: flow.incarnation, ..FlowRecord::default() };
        kept.merge_groups(flow);
        kept
    };
    match record {
        Record::Full(flow, stamp) => Record::Full(kept(flow, flow.key), *stamp),
        Record::Update(update) => {
            let family = update.changed.key.family;
            let key = formats::flow::FlowKey { family, ..Default::default() };
            let mut changed = kept(&update.changed, key);
            if update.changed.groups.0 & formats::record::TRACK_GROUPS.0 == 0 {
                changed.incarnation = 0;
            }
            Record::Update(Update { changed, ..*update })
        }
        _ => *record,
    }
}
