//! Snapshots sent: a bucket read from the table in its own order, under inline records.
//!
//! A sweep is TERM, SNAPSHOT_BEGIN, each flow and tombstone as it is when its turn comes, SNAPSHOT_END.
//! The bucket is clean when the last frame is acknowledged and no frame of the sweep was lost; a lost
//! one makes it dirty again. A sweep pulled by a new owner has no TERM and keeps each flow's own stamp.
//!
//! Limits: [`SWEEPS_MAX`] buckets per peer at once, [`BUDGET_RECORDS`] a tick less what went inline,
//! half the peer's queue and half its frames in flight.

use crate::bucket::CopyState;
use crate::frame::{Item, IN_FLIGHT_MAX};
use crate::table::Cursor;
use crate::Softnic;
use formats::register::Counter;
use formats::unit::{kind, SnapshotBegin, SnapshotEnd, PULL};
use formats::Record;

/// Buckets of a peer that are swept or wait for the acknowledgement of their end.
const SWEEPS_MAX: usize = 32;
/// Records a tick; inline records since the last tick count, but at least an eighth is left.
const BUDGET_RECORDS: u64 = 4096;
/// Each bucket's tombstones are looked through once in this time.
const SETTLE_PASS_US: u64 = 10_000;

/// A bucket on its way to a peer.
#[derive(Debug)]
pub(crate) struct Sweep {
    pub(crate) bucket: u16,
    pub(crate) pull: bool,
    cursor: Cursor,
    begin_sequence: Option<u64>,
    pub(crate) end_sequence: Option<u64>,
    /// The bucket as it was at the begin, and when that was: what the rules forbid.
    #[cfg(feature = "omissions")]
    copied: (Vec<formats::FlowRecord>, u64),
}

impl Sweep {
    fn new(bucket: u16, pull: bool) -> Self {
        Self {
            bucket,
            pull,
            cursor: Cursor::START,
            begin_sequence: None,
            end_sequence: None,
            #[cfg(feature = "omissions")]
            copied: (Vec::new(), 0),
        }
    }
}

impl Softnic {
    pub(crate) fn run_sweeps(&mut self) {
        let mut budget = BUDGET_RECORDS.saturating_sub(self.emitted_since_work).max(BUDGET_RECORDS / 8);
        self.emitted_since_work = 0;
        let peers_count = self.config.peers.len().max(1);
        self.sweep_turn = (self.sweep_turn + 1) % peers_count;
        for n in 0..self.config.peers.len() {
            let peer = self.config.peers[(self.sweep_turn + n) % peers_count];
            if self.peers[peer as usize].session != 0 && self.peers[peer as usize].has_sweeps() {
                self.run_sweeps_of(peer, &mut budget);
            }
        }
    }

    fn sweep_may_go(&self, peer: u8) -> bool {
        let p = &self.peers[peer as usize];
        p.frames_waiting < self.config.queue_frames_max.div_ceil(2) && p.in_flight.len() < IN_FLIGHT_MAX / 2
    }

    fn run_sweeps_of(&mut self, peer: u8, budget: &mut u64) {
        let (p, pulls) = (&mut self.peers[peer as usize], &self.pulls);
        while p.sweeps.len() < SWEEPS_MAX {
            // A push ahead of the pull from the same peer would overwrite the newer records asked for.
            let free = |(pull, bucket): &&(bool, u16)| *pull || !pulls.contains_key(&(*bucket, peer));
            let Some(next) = p.dirty.iter().find(free).copied() else { break };
            p.dirty.remove(&next);
            p.sweeps.push(Sweep::new(next.1, next.0));
        }
        let mut n = 0;
        while n < self.peers[peer as usize].sweeps.len() && *budget > 0 && self.sweep_may_go(peer) {
            if self.peers[peer as usize].sweeps[n].end_sequence.is_some() {
                n += 1;
                continue;
            }
            // Taken out while it runs, so that it can borrow the engine.
            let mut sweep = std::mem::replace(&mut self.peers[peer as usize].sweeps[n], Sweep::new(0, false));
            self.run_sweep(peer, &mut sweep, budget);
            let ended = sweep.end_sequence.is_some();
            self.peers[peer as usize].sweeps[n] = sweep;
            if !ended {
                break;
            }
        }
    }

    fn run_sweep(&mut self, peer: u8, sweep: &mut Sweep, budget: &mut u64) {
        let (bucket, pull) = (sweep.bucket, sweep.pull);
        let copy = self.buckets[bucket as usize].copy_of(peer);
        assert!(pull || copy.is_some(), "only copies are swept to");
        if sweep.begin_sequence.is_none() {
            sweep.begin_sequence = Some(self.begin_sweep(peer, bucket, pull));
            #[cfg(feature = "omissions")]
            if self.config.host_copy_snapshot() && !pull {
                sweep.copied = (self.copy_bucket(bucket), self.local_us);
            }
        }
        #[cfg(feature = "omissions")]
        if self.config.host_copy_snapshot() && !pull {
            if !sweep.copied.0.is_empty() && self.local_us < sweep.copied.1 + HOST_COPY_US {
                return;
            }
            self.sweep_copied(peer, sweep, budget);
            if !sweep.copied.0.is_empty() {
                return;
            }
        }
        while *budget > 0 && self.sweep_may_go(peer) {
            let Some(at) = self.table.next(bucket, &mut sweep.cursor) else {
                sweep.end_sequence = Some(self.end_sweep(peer, bucket, pull));
                return;
            };
            *budget -= 1;
            if self.table[at].is_waiting() && !self.table[at].is_tombstone() {
                continue;
            }
            #[cfg(feature = "omissions")]
            if self.config.host_copy_snapshot() && !pull && self.table[at].is_live() {
                continue;
            }
            let sequence = self.append_whole(peer, at, !pull, Item::Sweep(bucket));
            self.peers[peer as usize].emitted += 1;
            self.count(Counter::RecordsSwept);
            if let (false, Some(copy)) = (pull, copy) {
                let renewed = self.buckets[bucket as usize].copies[copy].renewed;
                let entry = &mut self.table[at];
                entry.sent[copy] = sequence;
                if renewed {
                    entry.set_installed(copy, false);
                }
            }
        }
    }

    fn begin_sweep(&mut self, peer: u8, bucket: u16, pull: bool) -> u64 {
        let b = &mut self.buckets[bucket as usize];
        let unit = SnapshotBegin {
            kind: kind::SNAPSHOT_BEGIN,
            bucket,
            term: b.term.0,
            flags: if pull { PULL } else { 0 },
            ..SnapshotBegin::default()
        };
        if let (false, Some(copy)) = (pull, b.copy_of(peer)) {
            let early = self.config.early_in_sync();
            b.copies[copy].state = if early { CopyState::Clean } else { CopyState::Sweeping };
            self.send_terms(peer, bucket, 1, false);
        }
        self.append_record(peer, &Record::SnapshotBegin(unit), Some(Item::Sweep(bucket)))
    }

    fn end_sweep(&mut self, peer: u8, bucket: u16, pull: bool) -> u64 {
        let floor = self.floor(bucket);
        let b = &mut self.buckets[bucket as usize];
        let unit = SnapshotEnd {
            kind: kind::SNAPSHOT_END,
            bucket,
            term: b.term.0,
            flags: if pull { PULL } else { 0 },
            count: b.count,
            digest: b.sum,
            floor,
            ..SnapshotEnd::default()
        };
        if let (false, Some(copy)) = (pull, b.copy_of(peer)) {
            b.copies[copy].state = CopyState::Waiting;
        }
        self.count(Counter::SnapshotsSent);
        self.append_record(peer, &Record::SnapshotEnd(unit), Some(Item::Sweep(bucket)))
    }

    /// A part of a sweep was lost: the bucket is dirty again, if that sweep still counts.
    pub(crate) fn repeat_sweep(&mut self, peer: u8, bucket: u16, sequence: u64) {
        let sweeps = &self.peers[peer as usize].sweeps;
        let hit = |sweep: &&Sweep| {
            sweep.bucket == bucket && sweep.begin_sequence.is_some_and(|begin| begin <= sequence)
        };
        let lost: Vec<bool> = sweeps.iter().filter(hit).map(|sweep| sweep.pull).collect();
        for pull in lost {
            match self.buckets[bucket as usize].copy_of(peer) {
                Some(copy) if !pull => self.mark_dirty(bucket, copy),
                Some(_) | None => self.mark_pulled(bucket, peer),
            }
        }
    }

    /// A new owner asks for what is here.
    pub(crate) fn mark_pulled(&mut self, bucket: u16, peer: u8) {
        let p = &mut self.peers[peer as usize];
        p.sweeps.retain(|sweep| sweep.bucket != bucket || !sweep.pull);
        p.dirty.insert((true, bucket));
    }

    /// Sweeps whose every frame arrived are done.
    pub(crate) fn settle_sweeps(&mut self, peer: u8) {
        let p = &mut self.peers[peer as usize];
        let acked = p.acked;
        p.sweeps.retain(|sweep| {
            let done = sweep.end_sequence.is_some_and(|end| end <= acked);
            if done && !sweep.pull {
                let bucket = &mut self.buckets[sweep.bucket as usize];
                let copy = bucket.copy_of(peer).expect("only copies are swept to");
                bucket.copies[copy] = crate::bucket::Copy { state: CopyState::Clean, renewed: false };
            }
            !done
        });
    }

    /// Frees the tombstones of owned buckets that every copy acknowledged; each bucket in its turn.
    pub(crate) fn settle_tombstones(&mut self) {
        let buckets_count = self.buckets.len() as u64;
        let due = self.local_us.saturating_sub(self.settle_us).saturating_mul(buckets_count) / SETTLE_PASS_US;
        if due == 0 {
            return;
        }
        self.settle_us = self.local_us;
        for _ in 0..due.min(buckets_count) {
            let bucket = self.settle_turn;
            self.settle_turn = (bucket + 1) % buckets_count as u16;
            let next = &self.buckets[self.settle_turn as usize].tombstones;
            next.iter().for_each(|at| self.table.prefetch_entry(*at));
            let waits = !self.pulls.is_empty() && self.pulls_wait(bucket);
            if !self.buckets[bucket as usize].tombstones.is_empty() && self.owns(bucket) && !waits {
                self.free_tombstones(bucket, Self::tombstone_is_settled);
                self.raise_floor(bucket);
            }
        }
    }

    /// Every delete below the oldest that is not settled is known; the next one takes the clock at least.
    fn raise_floor(&mut self, bucket: u16) {
        let clock = self.version_clock_us;
        let versions =
            self.buckets[bucket as usize].tombstones.iter().map(|at| self.table[*at].stamp.version);
        let floor = versions.fold(clock, u64::min).saturating_sub(1);
        let b = &mut self.buckets[bucket as usize];
        b.floor = b.floor.max(floor);
    }

    fn tombstone_is_settled(&self, at: u32) -> bool {
        let entry = &self.table[at];
        let bucket = entry.id.bucket();
        let b = &self.buckets[bucket as usize];
        let proposes = b.former.is_some_and(|(_, until_us)| self.local_us < until_us);
        let known = !proposes
            && (0..2).all(|copy| match self.peers.get(b.members[copy] as usize) {
                Some(peer) if peer.session != 0 => {
                    b.copies[copy].state == CopyState::Clean && entry.sent[copy] <= peer.acked
                }
                Some(_) | None => true,
            });
        // A row of the running audit's dump must not bring the flow back.
        known && !self.is_audited(at) && !self.report.owes(bucket)
    }
}

/// A copy's way through the host and back.
#[cfg(feature = "omissions")]
const HOST_COPY_US: u64 = 500;

#[cfg(feature = "omissions")]
impl Softnic {
    fn copy_bucket(&self, bucket: u16) -> Vec<formats::FlowRecord> {
        let mut cursor = Cursor::START;
        let entries = std::iter::from_fn(|| self.table.next(bucket, &mut cursor));
        let live = entries.map(|at| &self.table[at]).filter(|entry| entry.is_live());
        live.map(|entry| entry.record).collect()
    }

    /// Sends records of the copy. A host keeps no stamps: each is stamped as it leaves, a flow that has ended
    /// meanwhile like one that begins.
    fn sweep_copied(&mut self, peer: u8, sweep: &mut Sweep, budget: &mut u64) {
        let copy = self.buckets[sweep.bucket as usize].copy_of(peer).expect("only copies are swept to");
        let term = self.buckets[sweep.bucket as usize].term;
        while *budget > 0 && self.sweep_may_go(peer) {
            let Some(record) = sweep.copied.0.pop() else { return };
            *budget -= 1;
            let found = self.table.find(self.hasher.flow_id(&record.key), &record.key);
            let known = found.map(|at| self.table[at].stamp);
            let version = match found.filter(|at| self.table[*at].is_live()) {
                Some(at) => self.table[at].stamp.version,
                None => formats::hash::first_version(self.version_clock_us, known),
            };
            let full = Record::Full(self.replicating().record(&record), formats::Stamp { term, version });
            let sequence = self.append_record(peer, &full, Some(Item::Sweep(sweep.bucket)));
            self.count(Counter::RecordsSwept);
            if let Some(at) = found {
                self.table[at].sent[copy] = sequence;
            }
        }
    }
}
