//! Which copies are told of a change: each that should be, in order, and none twice.

use super::record::{change, encoded, Change, Replication, ROOM};
use super::{top, Block, Test};
use formats::Groups;
use hw::layout::{pack, ENTRY_WORDS};
use hw::outbound::{gate, PLACES};
use std::collections::VecDeque;
use verilator_tests::{expect_same, Bench, Error, Input, Port, Result, Stalls};

const LATENCY_CYCLES: u64 = hw::outbound::LATENCY as u64;
const CYCLES: u64 = 50_000;
/// Cycles for which what replicates, and how busy the changes are, stays.
const PHASE_CYCLES: u64 = 200;
/// Cycles without a change before a new step is in force and nothing waits.
const PAUSE_CYCLES: u64 = 60;
/// What a change may lose when it has to wait: the queue takes two cycles and a register.
const WAIT_CYCLES: u64 = 3;

pub(crate) const BLOCK: Block = Block {
    name: "outbound",
    design: || top("outbound"),
    latency_cycles: Some(LATENCY_CYCLES),
    tests: &[Test { name: "random changes and copies", seeds: 0..8, body: copies_are_told }],
};

/// What a record says besides its units.
type Told = (([u8; ROOM], u8), u8, u16, bool);

struct Due {
    told: Told,
    /// Number of its change.
    change: u64,
    /// Cycle of its change.
    since: u64,
}

struct Outbound {
    in_valid: Input<bool>,
    entry: Input<[u32; ENTRY_WORDS]>,
    id: Input<u64>,
    term: Input<u32>,
    first: Input<bool>,
    changed: Input<u8>,
    was_groups: Input<u8>,
    was_edges: Input<[u32; 4]>,
    gates: Input<u8>,
    paths: [Input<u8>; 2],
    replicate: Input<u8>,
    edge_bits: Input<u8>,
    out_valid: Port<bool>,
    units: Port<[u8; ROOM]>,
    count: Port<u8>,
    path: Port<u8>,
    bucket: Port<u16>,
    remote: Port<bool>,
    deferred: Port<u8>,
    full: Port<u8>,
    full_bucket: Port<u16>,
}

impl Outbound {
    fn new(bench: &Bench) -> Result<Self> {
        Ok(Self {
            in_valid: bench.input("in_valid")?,
            entry: bench.input("in_entry")?,
            id: bench.input("in_id")?,
            term: bench.input("in_term")?,
            first: bench.input("in_first")?,
            changed: bench.input("in_changed")?,
            was_groups: bench.input("in_was_groups")?,
            was_edges: bench.input("in_was_edges")?,
            gates: bench.input("in_gates")?,
            paths: [bench.input("in_backup_path")?, bench.input("in_remote_path")?],
            replicate: bench.input("replicate")?,
            edge_bits: bench.input("edge_bits")?,
            out_valid: bench.port("out_valid")?,
            units: bench.port("out_units")?,
            count: bench.port("out_count")?,
            path: bench.port("out_path")?,
            bucket: bench.port("out_bucket")?,
            remote: bench.port("out_remote")?,
            deferred: bench.port("deferred")?,
            full: bench.port("full")?,
            full_bucket: bench.port("full_bucket")?,
        })
    }

    fn show(&self, change: &Change, is_first: bool, gates: [u8; 2], paths: [u8; 2]) {
        self.entry.set(pack(&change.entry));
        self.id.set(change.id.0);
        self.term.set(change.term.0);
        self.first.set(is_first);
        self.changed.set(change.changed.0);
        self.was_groups.set(change.was_groups.0);
        let [original, reply] = change.was_edges;
        self.was_edges.set([original.end, original.max_end, reply.end, reply.max_end]);
        self.gates.set(gates[0] | gates[1] << 2);
        self.paths[0].set(paths[0]);
        self.paths[1].set(paths[1]);
    }

    fn told(&self) -> Option<Told> {
        let record = (self.units.get(), self.count.get());
        self.out_valid.get().then(|| (record, self.path.get(), self.bucket.get(), self.remote.get()))
    }
}

/// Gates of a copy, the open one most of all.
fn drawn_gate(random: &mut fastrand::Rng) -> u8 {
    match random.u8(..8) {
        0 => gate::NONE,
        1 => gate::DEFERRED,
        2 => gate::WHOLE,
        _ => gate::OPEN,
    }
}

/// Changes at a rate that differs from phase to phase, up to one a clock.
fn copies_are_told(bench: &mut Bench) -> Result<()> {
    let outbound = Outbound::new(bench)?;
    let mut replication = Replication { groups: Groups::NONE, edge_bits: 0 };
    let mut offers = Stalls::never();
    let mut due: VecDeque<Due> = VecDeque::new();
    let (mut free_from, mut most_late, mut lost) = (0, 0, 0u64);
    for cycle in 0..CYCLES {
        let in_phase = cycle % PHASE_CYCLES;
        if in_phase == 0 {
            replication = Replication::drawn(bench);
            offers = Stalls::drawn(bench.random().fork());
            outbound.replicate.set(replication.groups.0);
            outbound.edge_bits.set(replication.edge_bits as u8);
        }
        let change = change(bench);
        let pauses = in_phase == 0 || in_phase >= PHASE_CYCLES - PAUSE_CYCLES;
        let is_valid = !offers.is_stalled(true) && !pauses;
        let random = bench.random();
        let is_first = random.u8(..4) == 0;
        let gates = [drawn_gate(random), drawn_gate(random)];
        let paths = [random.u8(..1 << 6), random.u8(..1 << 6)];
        outbound.show(&change, is_first, gates, paths);
        outbound.in_valid.set(is_valid);
        bench.cycle(&mut ())?;

        let (full, deferred) = (outbound.full.get(), outbound.deferred.get());
        let sent = |copy: usize| is_valid && gates[copy] >= gate::WHOLE;
        for copy in 0..2 {
            let is_full = full >> copy & 1 != 0;
            let is_deferred = is_valid && gates[copy] == gate::DEFERRED;
            expect_same("deferred", deferred >> copy & 1 != 0, is_deferred)?;
            if is_full {
                expect_same("a copy that was to be told", sent(copy), true)?;
                expect_same("bucket to be marked", outbound.full_bucket.get(), change.id.bucket())?;
                lost += 1;
            } else if sent(copy) {
                let delta = !is_first && gates[copy] == gate::OPEN;
                let record = encoded(&replication.record(&Change { delta, ..change }));
                let told = (record, paths[copy], change.id.bucket(), copy == 1);
                due.push_back(Due { told, change: cycle, since: cycle });
            }
        }
        if full != 0 {
            expect_same("copies lost together", full, u8::from(sent(0)) | u8::from(sent(1)) << 1)?;
            let mut waiting: Vec<u64> = due.iter().map(|due| due.change).collect();
            waiting.dedup();
            if waiting.len() < PLACES {
                return Err(Error::Found(format!("full, but only {} changes wait", waiting.len())));
            }
        }

        // A record that is out now entered the builder this long ago.
        let Some(found) = outbound.told() else {
            if due.front().is_some_and(|due| cycle > due.since.max(free_from) + LATENCY_CYCLES + WAIT_CYCLES)
            {
                return Err(Error::Found("a record is late".into()));
            }
            continue;
        };
        let Some(front) = due.pop_front() else {
            return Err(Error::Found("a record that nobody waits for".into()));
        };
        expect_same("record, path, bucket, copy", found, front.told)?;
        let began = cycle + 1 - LATENCY_CYCLES;
        most_late = most_late.max(began - front.since.max(free_from));
        free_from = began + 1;
    }
    expect_same("records left at the end", due.len(), 0)?;
    if lost == 0 || most_late > WAIT_CYCLES {
        return Err(Error::Found(format!("{lost} records found no room, {most_late} cycles late at most")));
    }
    Ok(())
}
