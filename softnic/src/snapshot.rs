//! Snapshots received, and requests for them.
//!
//! BEGIN flips the bucket's colour, every record of the bucket paints its flow, END deletes what kept the
//! old colour, but only on a stream without a gap since BEGIN: a lost record is no missing flow.

use crate::bucket::{CopyState, Receiving};
use crate::merge::Pull;
use crate::table::Cursor;
use crate::Softnic;
use formats::descriptor::{BucketState, Event};
use formats::limits::BUCKETS_COUNT;
use formats::register::Counter;
use formats::unit::{RepairUnit, SnapshotBegin, SnapshotEnd, PULL};
use formats::{Stamp, Term};

/// Pause between requests for one bucket.
const REPAIR_PAUSE_US: u64 = 20_000;

impl Softnic {
    /// Whether a record about a whole bucket comes from its owner, under its term; counts it.
    pub(crate) fn may_tell(&mut self, peer: u8, bucket: u16, term: u32) -> bool {
        if bucket as usize >= BUCKETS_COUNT {
            self.count(Counter::RecordsMalformed);
            return false;
        }
        self.count(Counter::RecordsControl);
        if self.config.no_authority() && !self.owns(bucket) {
            return true;
        }
        if !self.is_owner(peer, bucket) || self.buckets[bucket as usize].term != Term(term) {
            self.frame_refused = true;
            self.peers[peer as usize].ask_answer(bucket);
            return false;
        }
        self.buckets[bucket as usize].proposing.is_none()
    }

    pub(crate) fn take_snapshot_begin(&mut self, peer: u8, unit: &SnapshotBegin) {
        if !self.may_tell(peer, unit.bucket, unit.term) {
            return;
        }
        let gap_epoch = self.peers[peer as usize].gap_epoch;
        let b = &mut self.buckets[unit.bucket as usize];
        b.colour = !b.colour;
        b.receiving = Some(Receiving { peer, gap_epoch });
        if self.config.early_in_sync() {
            (b.verified, b.gapped) = (true, false);
            self.tell_compared(peer, unit.bucket, BucketState::Equal, true);
        }
    }

    pub(crate) fn take_snapshot_end(&mut self, peer: u8, sequence: u64, unit: &SnapshotEnd) {
        if !self.may_tell(peer, unit.bucket, unit.term) {
            return;
        }
        let bucket = unit.bucket;
        let epoch = self.peers[peer as usize].gap_epoch;
        let receiving = self.buckets[bucket as usize].receiving.take();
        let whole = receiving.is_some_and(|r| r.peer == peer && r.gap_epoch == epoch);
        if whole {
            self.delete_unpainted(peer, sequence, bucket, Term(unit.term));
        }
        let b = &mut self.buckets[bucket as usize];
        let equal = (b.count, b.sum) == (unit.count, unit.digest);
        if equal {
            self.note_equal(peer, bucket, unit.floor, true);
        } else if self.config.early_in_sync() {
        } else {
            b.verified = false;
            let state = if whole { BucketState::Different } else { BucketState::Unproven };
            self.count(if whole { Counter::DigestsDifferent } else { Counter::DigestsUnproven });
            self.tell_compared(peer, bucket, state, true);
            self.ask_repair(peer, bucket);
        }
    }

    fn delete_unpainted(&mut self, peer: u8, sequence: u64, bucket: u16, term: Term) {
        let mut cursor = Cursor::START;
        while let Some(at) = self.table.next(bucket, &mut cursor) {
            let entry = &self.table[at];
            if entry.is_live() && entry.colour() != self.buckets[bucket as usize].colour {
                let event = crate::apply::deleted(peer, sequence, entry);
                let stamp = Stamp { term, version: entry.stamp.version };
                self.bury(at, stamp);
                self.report_flow(bucket, event);
            }
        }
        self.after_bury(bucket);
    }

    /// A digest or snapshot agreed: the copy is proven, and deletes below the floor are done with.
    pub(crate) fn note_equal(&mut self, peer: u8, bucket: u16, floor: u64, snapshot: bool) {
        let epoch = self.peers[peer as usize].gap_epoch;
        let b = &mut self.buckets[bucket as usize];
        (b.gapped, b.suspect, b.verified, b.gap_mark) = (false, false, true, Some(epoch));
        (b.proven, b.proven_term) = (b.proven.max(floor), b.term);
        self.count(Counter::DigestsEqual);
        if !self.report.owes(bucket) && !self.buckets[bucket as usize].tombstones.is_empty() {
            let done =
                |engine: &Self, at: u32| engine.table[at].stamp.version <= floor && !engine.is_audited(at);
            self.free_tombstones(bucket, done);
        }
        self.tell_compared(peer, bucket, BucketState::Equal, snapshot);
    }

    pub(crate) fn tell_compared(&mut self, peer: u8, bucket: u16, state: BucketState, snapshot: bool) {
        self.report_control(Event::Compared { peer, bucket, state, snapshot });
    }

    /// Asks the owner for a snapshot, unless one is under way or was asked just now.
    pub(crate) fn ask_repair(&mut self, peer: u8, bucket: u16) {
        let b = &mut self.buckets[bucket as usize];
        if self.local_us >= b.repair_us && b.receiving.is_none() {
            b.repair_us = self.local_us + REPAIR_PAUSE_US;
            self.ask(peer, bucket, false);
        }
    }

    /// A copy, or a new owner, asks for a snapshot.
    pub(crate) fn note_repair(&mut self, unit: &RepairUnit) {
        if unit.bucket as usize >= BUCKETS_COUNT {
            return self.count(Counter::RecordsMalformed);
        }
        self.count(Counter::RecordsControl);
        self.repairs.push(*unit);
    }

    pub(crate) fn take_repair(&mut self, peer: u8, unit: &RepairUnit) {
        let bucket = unit.bucket;
        if unit.flags & PULL != 0 {
            return self.mark_pulled(bucket, peer);
        }
        if !self.owns(bucket) {
            return self.peers[peer as usize].ask_answer(bucket);
        }
        let b = &mut self.buckets[bucket as usize];
        if b.former.is_some_and(|(former, _)| former == peer) && Term(unit.term) == b.term {
            // It asks when its last proposal is settled.
            b.former = None;
        }
        if let Some(copy) = self.buckets[bucket as usize].copy_of(peer) {
            // A snapshot under way answers it; starting anew at each request would never end.
            if self.buckets[bucket as usize].copies[copy].state == CopyState::Clean {
                self.mark_dirty(bucket, copy);
            }
        }
    }

    pub(crate) fn take_pull_begin(&mut self, peer: u8, unit: &SnapshotBegin) {
        if unit.bucket as usize >= BUCKETS_COUNT {
            return self.count(Counter::RecordsMalformed);
        }
        self.count(Counter::RecordsControl);
        let epoch = self.peers[peer as usize].gap_epoch;
        match self.pulls.get_mut(&(unit.bucket, peer)) {
            Some(pull) => pull.begun = Some(epoch),
            None => {
                self.peers[peer as usize].skipped.insert(unit.bucket);
            }
        }
    }

    pub(crate) fn take_pull_end(&mut self, peer: u8, unit: &SnapshotEnd) {
        let bucket = unit.bucket;
        if bucket as usize >= BUCKETS_COUNT {
            return self.count(Counter::RecordsMalformed);
        }
        self.count(Counter::RecordsControl);
        self.peers[peer as usize].skipped.remove(&bucket);
        let epoch = self.peers[peer as usize].gap_epoch;
        let Some(pull) = self.pulls.get_mut(&(bucket, peer)) else { return };
        let Pull { begun, changed, .. } = *pull;
        if begun == Some(epoch) {
            self.pulls.remove(&(bucket, peer));
        } else {
            // A part was lost. Was it the snapshot's, the survivor learns it from our acknowledgement and sends
            // all again; was it another's, only we know.
            pull.begun = None;
            if begun.is_some() {
                self.ask(peer, bucket, true);
            }
        }
        if changed && self.owns(bucket) {
            for copy in 0..2 {
                self.mark_dirty(bucket, copy);
            }
        }
    }
}
