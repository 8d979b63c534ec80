//! Everything the engine does in one stream: commands, records of a peer, snapshots and digests of what is ours,
//! digests of what is the peer's.

use super::engine::*;
use super::host::Roles;
use super::joined::{Joined, COUNTED};
use super::records::units_of;
use formats::register::Counter;
use formats::unit::{kind, DigestUnit};
use formats::{Record, Stamp};
use hw::map::copy;
use hw::sweeper::job;
use std::collections::BTreeSet;
use verilator_tests::{expect_same, Bench, Error, Input, Port, Result, Stalls};

/// Stretches of a run, if [`STRETCHES_NAME`] does not say.
const STRETCHES: u32 = 12;
/// Of the variable of the environment.
const STRETCHES_NAME: &str = "TRINE_STRETCHES";
/// Cycles between two changes of clock, term, audit and copies.
const STRETCH_CYCLES: u64 = 3_000;
/// Cycles at the most from one window of the sweeper to the next.
const GAP_MAX: u16 = 300;
/// Cycles after which no window is wanted any more: one is open, one job is held, one is shown.
const WINDOWS_CYCLES: u64 = 2_000;
/// Requests of 1,000 cycles at which the host wants a job, the peer compares.
const JOBS_OF_1000: u16 = 8;
const DIGESTS_OF_1000: u16 = 4;
/// Below every version that is drawn: no tombstone goes.
const FLOOR: u64 = 5;
/// The owner's copies.
const COPIES: [u8; 2] = [OTHER, THIRD];

/// What goes on beside requests, and what is due of it.
pub(super) struct Windows {
    /// Copies of buckets that need a snapshot, or wait for the host since one.
    dirty: BTreeSet<(u16, u8)>,
    waiting: BTreeSet<(u16, u8)>,
    /// The snapshot that is being sent: of what, to whom, and what is still to come.
    open: Option<(u16, u8, BTreeSet<Vec<u8>>)>,
    /// Flow records that each member was sent.
    told: [u64; 3],
    snapshots: u64,
    digests: u64,
    digests_due: u64,
    compared: i64,
    job_valid: Input<bool>,
    job_ready: Port<bool>,
    job_kind: Input<u8>,
    job_bucket: Input<u16>,
    job_copy: Input<bool>,
    job: Option<(u8, u16, bool)>,
    took_job: bool,
    /// Copies whose snapshot the host asked for.
    looked: Vec<(u16, u8)>,
    /// The bucket that the peer compares.
    comparison: Option<u16>,
}

impl Windows {
    fn new(bench: &Bench) -> Result<Self> {
        Ok(Self {
            dirty: BTreeSet::new(),
            waiting: BTreeSet::new(),
            open: None,
            told: [0; 3],
            snapshots: 0,
            digests: 0,
            digests_due: 0,
            compared: 0,
            job_valid: bench.input("job_valid")?,
            job_ready: bench.port("job_ready")?,
            job_kind: bench.input("job_kind")?,
            job_bucket: bench.input("job_bucket")?,
            job_copy: bench.input("job_copy")?,
            job: None,
            took_job: false,
            looked: Vec::new(),
            comparison: None,
        })
    }

    /// Whether the member is told of changes of the bucket.
    pub(super) fn hears(&self, bucket: u16, member: u8) -> bool {
        !self.dirty.contains(&(bucket, member))
    }

    fn is_clean(&self, bucket: u16, member: u8) -> bool {
        self.hears(bucket, member) && !self.waiting.contains(&(bucket, member))
    }

    /// The floor that a member may be told of: that of the model, if no other copy may miss a delete.
    fn floor(&self, bucket: u16, others: &[u8]) -> u64 {
        match others.iter().all(|member| self.is_clean(bucket, *member)) {
            true => FLOOR,
            false => 0,
        }
    }

    /// Takes a record that is of a window; whether it is.
    pub(super) fn take(&mut self, model: &Model, member: u8, bytes: &[u8]) -> Result<bool> {
        let (record, _) = Record::decode(bytes).map_err(|problem| Error::Found(format!("{problem:?}")))?;
        let other = COPIES.into_iter().find(|copy| *copy != member).expect("two copies");
        match (record, &mut self.open) {
            (Record::Term(unit), None) => {
                let term = model.engine.roles(unit.bucket).term;
                expect_same("the term", (unit.owner, unit.term), (MEMBER, term.0))?;
            }
            (Record::SnapshotBegin(unit), None) => {
                expect_same("a copy that is dirty", self.dirty.remove(&(unit.bucket, member)), true)?;
                self.waiting.insert((unit.bucket, member));
                self.open = Some((unit.bucket, member, whole(model, unit.bucket)));
            }
            (Record::SnapshotEnd(unit), Some((bucket, whom, left))) => {
                let due = (*bucket, *whom, 0, model.engine.bucket_digest(*bucket));
                expect_same("the end", (unit.bucket, member, left.len(), (unit.count, unit.digest)), due)?;
                expect_same("its floor", unit.floor, self.floor(unit.bucket, &[other]))?;
                self.open = None;
                self.snapshots += 1;
            }
            (Record::Digest(unit), None) => {
                expect_same("a copy that is clean", self.is_clean(unit.bucket, member), true)?;
                let due = model.engine.bucket_digest(unit.bucket);
                expect_same("count and sum", (unit.count, unit.sum), due)?;
                let due = (self.floor(unit.bucket, &COPIES), self.told[usize::from(member)]);
                expect_same("floor, records that were sent", (unit.floor, unit.emitted), due)?;
                self.digests += 1;
            }
            (record, Some((_, whom, left))) => {
                self.told[usize::from(member)] += 1;
                expect_same("the copy of the snapshot", member, *whom)?;
                if !left.remove(&units_of(&named(record))) {
                    let left: Vec<_> = left.iter().map(|units| Record::decode(units)).collect();
                    return Err(Error::Found(format!("{record:?} in a snapshot that lacks {left:?}")));
                }
            }
            _ => {
                self.told[usize::from(member)] += 1;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Offers a job now and then, and a digest of the peer's: what it must compare.
    pub(super) fn offer(&mut self, joined: &mut Joined, offers: bool) -> Option<Record> {
        // What was shown before the last edge.
        if let Some((kind, bucket, is_remote)) = self.job.take_if(|_| self.took_job) {
            let is_ours = joined.model.engine.roles(bucket).owner == MEMBER;
            let clean = COPIES.iter().filter(|member| is_ours && self.is_clean(bucket, **member)).count();
            match kind {
                job::DIGEST => self.digests_due += clean as u64,
                _ if is_ours => self.looked.push((bucket, COPIES[usize::from(is_remote)])),
                _ => {}
            }
        }
        if offers && self.job.is_none() && joined.random.u16(..1_000) < JOBS_OF_1000 {
            let kind = if joined.random.bool() { job::SNAPSHOT } else { job::DIGEST };
            self.job = Some((kind, drawn_bucket(joined), joined.random.bool()));
        }
        self.job_valid.set(self.job.is_some());
        if let Some((kind, bucket, is_remote)) = self.job {
            self.job_kind.set(kind);
            self.job_bucket.set(bucket);
            self.job_copy.set(is_remote);
        }
        // Ready is a register's word.
        self.took_job = self.job.is_some() && self.job_ready.get();
        if offers && self.comparison.is_none() && joined.random.u16(..1_000) < DIGESTS_OF_1000 {
            self.comparison = Some(drawn_bucket(joined));
        }
        let bucket = self.comparison.filter(|_| joined.has_no_records())?;
        let roles = joined.model.engine.roles(bucket);
        if roles.owner != OTHER || joined.is_becoming_gapped(bucket) {
            self.comparison = None;
            return None;
        }
        let (count, sum) = joined.model.engine.bucket_digest(bucket);
        let unit = DigestUnit {
            kind: kind::DIGEST,
            units: 3,
            bucket,
            term: roles.term.0,
            count,
            sum,
            ..DigestUnit::default()
        };
        Some(Record::Digest(unit))
    }

    /// Whether the peer's digest waits for its records.
    pub(super) fn compares(&self) -> bool {
        self.comparison.is_some()
    }

    /// The engine took the digest: the model does.
    pub(super) fn compared(&mut self, model: &mut Model, digest: &Record) -> Result<()> {
        let bucket = self.comparison.take().ok_or(Error::Found("a digest of nobody".into()))?;
        let before = model.engine.counter(Counter::DigestsEqual);
        let frame = model.frame_of(OTHER, digest);
        model.receive(&frame);
        expect_same("an equal digest", model.engine.counter(Counter::DigestsEqual), before + 1)?;
        // Whatever the bucket lacked is there.
        model.gapped.remove(&bucket);
        self.compared += 1;
        Ok(())
    }

    /// Nothing is left to do of what was asked.
    fn expect_done(&mut self) -> Result<()> {
        expect_same("digests", self.digests, self.digests_due)?;
        expect_same("an open snapshot", self.open.is_some(), false)?;
        for looked in self.looked.drain(..) {
            expect_same("a copy that is left dirty", self.dirty.contains(&looked), false)?;
        }
        Ok(())
    }
}

/// The bucket of any flow.
fn drawn_bucket(joined: &mut Joined) -> u16 {
    joined.model.flows[joined.random.usize(..joined.model.flows.len())].0.bucket()
}

/// What a snapshot of the bucket must hold.
fn whole(model: &Model, bucket: u16) -> BTreeSet<Vec<u8>> {
    let mut records = Vec::new();
    let term = model.engine.roles(bucket).term;
    for (_, key) in model.flows.iter().filter(|(id, _)| id.bucket() == bucket) {
        if let Some((mut record, stamp, _)) = model.engine.flow(key) {
            record.groups = record.groups.both(model.replicate);
            records.push(Record::Full(record, Stamp { term, ..stamp }));
        } else if let Some(end) = model.ends.get(&key.canonical().0) {
            records.push(Record::DeleteKeyed(*key, Stamp { term, ..end.stamp }));
        }
    }
    // What a group would hold that is not there may be anything.
    let received = |record| Record::decode(&units_of(&named(record))).expect("what was just built").0;
    records.into_iter().map(|record| units_of(&received(record))).collect()
}

/// An end names its flow by either direction: here by one.
fn named(record: Record) -> Record {
    match record {
        Record::DeleteKeyed(key, stamp) => Record::DeleteKeyed(key.canonical().0, stamp),
        other => other,
    }
}

/// Copies become dirty, and the host hears of what was acknowledged.
fn host_speaks(joined: &mut Joined, bench: &mut Bench) -> Result<()> {
    let mut windows = joined.windows.take().expect("windows");
    let flows = joined.model.flows.iter();
    let ours = flows.filter(|(id, _)| joined.model.owns(*id)).map(|(id, _)| id.bucket());
    for bucket in ours.collect::<BTreeSet<u16>>() {
        let (mut set, mut clear) = (0, 0);
        for (n, member) in COPIES.into_iter().enumerate() {
            if joined.random.u8(..3) == 0 && windows.dirty.insert((bucket, member)) {
                set |= copy::DIRTY << (4 * n);
            }
            if joined.random.bool() && windows.waiting.remove(&(bucket, member)) {
                clear |= copy::WAITING << (4 * n);
            }
        }
        let roles = Roles { copy_set: set, copy_clear: clear, ..Roles::of(&joined.model, bucket) };
        joined.card.take_roles(bench, &roles)?;
    }
    joined.windows = Some(windows);
    Ok(())
}

/// Stretches of requests, each with a pace of its own.
pub(super) fn all_in_one_stream(bench: &mut Bench) -> Result<()> {
    let stretches = std::env::var(STRETCHES_NAME).map_or(Ok(STRETCHES), |number| number.parse());
    let stretches = stretches.map_err(|_| Error::Found(format!("{STRETCHES_NAME} is no number")))?;
    let mut joined = Joined::new(bench)?;
    let before = *joined.model.engine.counters();
    joined.windows = Some(Windows::new(bench)?);
    bench.input::<u64>("floor")?.set(FLOOR);
    bench.input::<bool>("event_tready")?.set(true);
    bench.input::<bool>("host_tready")?.set(true);
    let (sweeps, gap) = (bench.input::<bool>("sweeps")?, bench.input::<u16>("window_gap")?);
    for _ in 0..stretches {
        host_speaks(&mut joined, bench)?;
        joined.commands = Stalls::drawn(bench.fork_random());
        joined.records = Stalls::drawn(bench.fork_random());
        // Whether the walk looks, too, and how soon again.
        sweeps.set(joined.random.bool());
        gap.set(joined.random.u16(..GAP_MAX));
        (0..STRETCH_CYCLES).try_for_each(|_| joined.cycle(bench, true))?;
        sweeps.set(false);
        (0..WINDOWS_CYCLES).try_for_each(|_| joined.cycle(bench, false))?;
        joined.drain(bench)?;
        joined.windows.as_mut().expect("windows").expect_done()?;
        joined.live_on(bench)?;
    }
    let windows = joined.windows.as_ref().expect("windows");
    let requests: u32 = joined.outcomes.iter().sum();
    let (snapshots, digests, compared) = (windows.snapshots, windows.digests, windows.compared);
    println!("{requests} requests, {snapshots} snapshots, {digests} digests sent, {compared} compared");
    // A copy that is dirty is told of no change; the model's copies never are.
    let counted: Vec<Counter> =
        COUNTED.into_iter().filter(|counter| *counter != Counter::RecordsEmitted).collect();
    joined.expect_counters(&before, &counted)?;
    let counts = |counter: Counter| joined.card.counts[counter as usize];
    let found = [Counter::SnapshotsSent, Counter::DigestsEqual, Counter::DigestsDifferent].map(counts);
    expect_same("snapshots, digests that are equal, that differ", found, [snapshots as i64, compared, 0])?;
    match snapshots > 0 && digests > 0 && compared > 0 {
        true => Ok(()),
        false => Err(Error::Found("something never happened".into())),
    }
}
