//! The builder of records against the engine's rules and `Record::encode`.

use super::{sample, top, Block, Test};
use formats::flow::{Edges, FlowId, FlowRecord, Groups, Stamp, Term};
use formats::limits::{FLOW_ID_BITS, UNIT_SIZE};
use formats::record::{Record, Update};
use formats::unit::{Compact, DeleteUnit, Window};
use hw::layout::{flag, pack, Entry, ENTRY_WORDS};
use hw::unit::FLOW_UNITS_MAX;
use std::collections::VecDeque;
use verilator_tests::{expect_same, Bench, Error, Input, Port, Result};

const LATENCY_CYCLES: u64 = hw::record::LATENCY as u64;
const CYCLES: u64 = 100_000;
/// Cycles for which groups and steps that replicate stay.
const PHASE_CYCLES: u64 = 100;

pub(crate) const BLOCK: Block = Block {
    name: "record",
    design: || top("record"),
    latency_cycles: Some(LATENCY_CYCLES),
    tests: &[Test { name: "random changes", seeds: 0..8, body: records_match }],
};

pub(crate) const ROOM: usize = FLOW_UNITS_MAX * UNIT_SIZE;

/// What the builder is told.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    pub(crate) entry: Entry,
    pub(crate) id: FlowId,
    pub(crate) term: Term,
    pub(crate) delta: bool,
    pub(crate) changed: Groups,
    pub(crate) was_groups: Groups,
    pub(crate) was_edges: [Edges; 2],
}

/// What replicates.
#[derive(Clone, Copy)]
pub(crate) struct Replication {
    pub(crate) groups: Groups,
    pub(crate) edge_bits: u32,
}

impl Replication {
    pub(crate) fn drawn(bench: &mut Bench) -> Self {
        let groups = match bench.random().bool() {
            true => Groups::ALL,
            false => sample::groups(bench),
        };
        let edge_bits = match bench.random().u8(..3) {
            0 => 0,
            1 => 8,
            _ => bench.random().u32(..32),
        };
        Self { groups, edge_bits }
    }

    fn rounded(&self, edges: [Edges; 2]) -> [Edges; 2] {
        let step = 1 << self.edge_bits;
        let up = |edge: u32| (u64::from(edge).next_multiple_of(step)) as u32;
        edges.map(|edges| Edges { end: up(edges.end), max_end: up(edges.max_end) })
    }

    /// The record that tells a copy of this change, as the engine's `emit` has it.
    pub(crate) fn record(&self, change: &Change) -> Record {
        let Change { entry, id, term, .. } = *change;
        let Entry { record, stamp: Stamp { version, .. }, .. } = entry;
        let changed = change.changed.both(self.groups);
        let edges = self.rounded(record.edges);
        let image = FlowRecord { groups: record.groups.both(self.groups), edges, ..record };
        let (term_low, flow_id, version_low) = (term.0 as u8, id.0, version as u16);
        let stamp = Stamp { term, version };
        let is_tombstone = entry.flags & flag::TOMBSTONE != 0;
        if !change.delta {
            return if is_tombstone {
                Record::DeleteKeyed(record.key, stamp)
            } else {
                Record::Full(image, stamp)
            };
        }
        if is_tombstone {
            return Record::Delete(DeleteUnit { term_low, flow_id, version, ..DeleteUnit::default() });
        }
        let was_there = change.was_groups.has(changed);
        if Groups::STATUS.with(Groups::LIFETIME).has(changed) && was_there {
            let FlowRecord { class, tcp_state, status, .. } = record;
            return Record::Compact(Compact {
                term_low,
                flow_id,
                version_low,
                class,
                tcp_state,
                status,
                ..Compact::default()
            });
        }
        if changed == Groups::EDGES && was_there {
            if let Some((sender, unit)) = Window::between(&self.rounded(change.was_edges), &edges) {
                return Record::Window(sender, Window { term_low, flow_id, version_low, ..unit });
            }
        }
        let changed = FlowRecord { groups: changed, ..image };
        Record::Update(Update { flow_id: id, term_low, version, base_distance: 1, changed })
    }
}

/// Any change, the short forms often; edges move by a little, a lot, or along their steps.
pub(crate) fn change(bench: &mut Bench) -> Change {
    let mut entry = sample::entry(bench);
    let mut changed = sample::groups(bench);
    let mut was_groups = sample::groups(bench);
    match bench.random().u8(..4) {
        0 => changed = Groups::EDGES,
        1 => changed = Groups(bench.random().u8(..) & Groups::STATUS.with(Groups::LIFETIME).0),
        _ => {}
    }
    if bench.random().u8(..4) != 0 {
        was_groups = was_groups.with(changed);
    }
    let random = bench.random();
    let mut was_edges = entry.record.edges;
    let mut edges = was_edges;
    for n in 0..4 {
        let edges = &mut edges[n / 2];
        let edge = if n % 2 == 0 { &mut edges.end } else { &mut edges.max_end };
        *edge = match random.u8(..8) {
            0 => edge.wrapping_add(random.u32(..1 << 9)),
            1 => edge.wrapping_add(random.u32(..)),
            2 => random.u32(..) & !0xff,
            3 => 0,
            4 => edge.wrapping_add(1 << random.u32(..32)),
            _ => *edge,
        };
    }
    if random.u8(..4) == 0 {
        // Of a packet of either direction, in the steps of WINDOW.
        edges = was_edges;
        let sender = random.usize(..2);
        edges[sender].end = random.u32(..) & !0xff;
        edges[1 - sender].max_end = random.u32(..) & !0xff;
        if random.bool() {
            std::mem::swap(&mut edges, &mut was_edges);
        }
    }
    entry.record.edges = edges;
    Change {
        entry,
        id: FlowId(random.u64(..1 << FLOW_ID_BITS)),
        term: Term(random.u32(..)),
        delta: random.u8(..4) != 0,
        changed,
        was_groups,
        was_edges,
    }
}

/// The ports of the block.
pub(crate) struct Builder {
    pub(crate) in_valid: Input<bool>,
    entry: Input<[u32; ENTRY_WORDS]>,
    id: Input<u64>,
    term: Input<u32>,
    delta: Input<bool>,
    changed: Input<u8>,
    was_groups: Input<u8>,
    was_edges: Input<[u32; 4]>,
    replicate: Input<u8>,
    edge_bits: Input<u8>,
    pub(crate) out_valid: Port<bool>,
    units: Port<[u8; ROOM]>,
    count: Port<u8>,
}

impl Builder {
    pub(crate) fn new(bench: &Bench) -> Result<Self> {
        Ok(Self {
            in_valid: bench.input("in_valid")?,
            entry: bench.input("in_entry")?,
            id: bench.input("in_id")?,
            term: bench.input("in_term")?,
            delta: bench.input("in_delta")?,
            changed: bench.input("in_changed")?,
            was_groups: bench.input("in_was_groups")?,
            was_edges: bench.input("in_was_edges")?,
            replicate: bench.input("in_replicate")?,
            edge_bits: bench.input("in_edge_bits")?,
            out_valid: bench.port("out_valid")?,
            units: bench.port("out_units")?,
            count: bench.port("out_count")?,
        })
    }

    /// What replicates, from the next cycle but one on.
    pub(crate) fn replicate(&self, replication: &Replication) {
        self.replicate.set(replication.groups.0);
        self.edge_bits.set(replication.edge_bits as u8);
    }

    /// The units on its output, and how many they are.
    pub(crate) fn record(&self) -> ([u8; ROOM], u8) {
        (self.units.get(), self.count.get())
    }

    pub(crate) fn show(&self, change: &Change) {
        self.entry.set(pack(&change.entry));
        self.id.set(change.id.0);
        self.term.set(change.term.0);
        self.delta.set(change.delta);
        self.changed.set(change.changed.0);
        self.was_groups.set(change.was_groups.0);
        let [original, reply] = change.was_edges;
        self.was_edges.set([original.end, original.max_end, reply.end, reply.max_end]);
    }
}

/// The units of a record in the room of the largest, and how many they are.
pub(crate) fn encoded(record: &Record) -> ([u8; ROOM], u8) {
    let mut units = [0; ROOM];
    let count = record.encode(&mut units);
    (units, count as u8)
}

/// A change in most cycles; each record comes when it is due and never without a change.
fn records_match(bench: &mut Bench) -> Result<()> {
    let builder = Builder::new(bench)?;
    expect_same("a record after reset", builder.out_valid.get(), false)?;
    let mut replication = Replication { groups: Groups::NONE, edge_bits: 0 };
    let mut due = VecDeque::new();
    let mut told = [0u64; 256];
    for cycle in 0..CYCLES {
        let is_new = cycle % PHASE_CYCLES == 0;
        if is_new {
            replication = Replication::drawn(bench);
            builder.replicate(&replication);
        }
        let change = change(bench);
        // A new step is in force a cycle later.
        let is_valid = !is_new && bench.random().u8(..) < 230;
        builder.show(&change);
        builder.in_valid.set(is_valid);
        due.push_back(is_valid.then(|| replication.record(&change)));
        bench.cycle(&mut ())?;
        if due.len() as u64 == LATENCY_CYCLES {
            let record = due.pop_front().flatten();
            let found = builder.out_valid.get().then(|| builder.record());
            if found != record.as_ref().map(encoded) {
                let found = found.map(|(units, count)| (count, Record::decode(&units)));
                return Err(Error::Found(format!("{found:?} instead of {record:?}")));
            }
            if let Some(record) = record {
                told[usize::from(record.kind())] += 1;
            }
        }
    }
    expect_same("kinds that were built", told.iter().filter(|count| **count > 100).count(), 9)
}
