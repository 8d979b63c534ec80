//! The replicated image of a flow, and the only ways an entry changes: written whole, amended or buried.
//!
//! All keep the bucket's count and sum, and the gauges. Groups outside [`crate::Config::replicate`]
//! are stored, but are no part of the image.

use crate::track::round_edges;
use crate::Softnic;
use formats::flow::Image;
use formats::register::Counter;
use formats::{FlowDigester, FlowRecord, Groups, Stamp};

/// How records replicate.
#[derive(Clone, Copy)]
pub(crate) struct Replicating {
    groups: Groups,
    edge_bits: u32,
}

impl Replicating {
    /// What of a record replicates.
    #[inline]
    pub(crate) fn image(self, record: &FlowRecord) -> Image<'_> {
        let (groups, edges) = (record.groups.both(self.groups), round_edges(record.edges, self.edge_bits));
        Image { record, groups, edges }
    }

    /// As a record of its own.
    pub(crate) fn record(self, record: &FlowRecord) -> FlowRecord {
        let Image { groups, edges, .. } = self.image(record);
        FlowRecord { groups, edges, ..*record }
    }
}

impl Softnic {
    #[inline]
    pub(crate) fn replicating(&self) -> Replicating {
        Replicating { groups: self.config.replicate, edge_bits: self.tracking.edge_bits }
    }

    /// The flow's contribution to its bucket's sum.
    #[inline]
    pub(crate) fn contribution(&self, record: &FlowRecord) -> u64 {
        if self.config.linear_digest() {
            // Words added without the key: equal changes of two flows cancel.
            return u64::from(record.tcp_state)
                .wrapping_add(u64::from(record.status) << 8)
                .wrapping_add(u64::from(record.mark) << 24)
                .wrapping_add(record.key.src as u64)
                .wrapping_add(record.key.dst as u64);
        }
        self.digester.flow_digest(self.replicating().image(record))
    }

    /// Makes the entry live with this record.
    pub(crate) fn write(&mut self, at: u32, record: &FlowRecord, stamp: Stamp) {
        let digest = self.contribution(record);
        let translates = self.translates_anew(at, record);
        if translates {
            self.unlink_alias(at);
        }
        let entry = &mut self.table[at];
        let (was_live, was_tombstone) = (entry.is_live(), entry.is_tombstone());
        let was_waiting = entry.is_waiting();
        let delta = digest.wrapping_sub(entry.digest);
        entry.record = *record;
        entry.stamp = stamp;
        entry.digest = digest;
        entry.set_live();
        let bucket = &mut self.buckets[entry.id.bucket() as usize];
        bucket.sum = bucket.sum.wrapping_add(delta);
        if !was_live {
            bucket.count += 1;
            self.gauge(Counter::FlowsHeld, 1);
            self.counters[Counter::FlowsOverflow as usize] = self.table.overflow_count() as u64;
        }
        if was_tombstone {
            self.gauge(Counter::TombstonesHeld, -1);
        }
        if was_waiting {
            self.table[at].set_waiting(false);
            self.gauge(Counter::FlowsWaiting, -1);
            self.count(Counter::FlowsReplicated);
        }
        if translates {
            self.link_alias(at);
        }
    }

    /// Changes these groups of a live entry in place; its digest follows by their share alone.
    #[inline(always)]
    pub(crate) fn amend(
        &mut self,
        at: u32,
        stamp: Stamp,
        changed: Groups,
        change: impl FnOnce(&mut FlowRecord),
    ) {
        let translates = changed.has(Groups::NAT) && self.tracking.is_on();
        if translates {
            self.unlink_alias(at);
        }
        let replicating = self.replicating();
        let entry = &mut self.table[at];
        assert!(entry.is_live(), "only live flows are amended");
        let before = self.digester.part(replicating.image(&entry.record), changed);
        change(&mut entry.record);
        let now = self.digester.part(replicating.image(&entry.record), changed);
        let digest = match self.config.linear_digest() {
            true => self.contribution(&self.table[at].record),
            false => FlowDigester::changed(entry.digest, before, now),
        };
        let entry = &mut self.table[at];
        let bucket = &mut self.buckets[entry.id.bucket() as usize];
        bucket.sum = bucket.sum.wrapping_add(digest.wrapping_sub(entry.digest));
        (entry.stamp, entry.digest) = (stamp, digest);
        if translates {
            self.link_alias(at);
        }
    }

    /// Turns the entry into a tombstone with this stamp.
    pub(crate) fn bury(&mut self, at: u32, stamp: Stamp) {
        self.unlink_alias(at);
        let audit = self.audit_mark();
        let entry = &mut self.table[at];
        let (was_live, was_tombstone) = (entry.is_live(), entry.is_tombstone());
        entry.audit = audit;
        let id = entry.id;
        let digest = std::mem::take(&mut entry.digest);
        if was_live {
            entry.ended_version = entry.stamp.version;
        }
        entry.stamp = stamp;
        entry.set_tombstone();
        entry.forget_installed();
        let list = !entry.is_listed();
        entry.set_listed(true);
        let bucket = &mut self.buckets[id.bucket() as usize];
        bucket.sum = bucket.sum.wrapping_sub(digest);
        if list {
            bucket.tombstones.push(at);
        }
        if was_live {
            bucket.count -= 1;
            self.gauge(Counter::FlowsHeld, -1);
        }
        if !was_tombstone {
            self.gauge(Counter::TombstonesHeld, 1);
            // An end of a flow that was not here makes its entry as a tombstone.
            self.counters[Counter::FlowsOverflow as usize] = self.table.overflow_count() as u64;
        }
    }

    /// Frees a tombstone.
    pub(crate) fn free_tombstone(&mut self, at: u32) {
        assert!(self.table[at].is_tombstone(), "only tombstones are freed");
        if self.table[at].is_waiting() {
            // A packet began the next life in it.
            self.table[at].clear_tombstone();
        } else {
            self.table.remove(at);
        }
        self.gauge(Counter::TombstonesHeld, -1);
        self.counters[Counter::FlowsOverflow as usize] = self.table.overflow_count() as u64;
        self.count(Counter::TombstonesFreed);
    }

    /// Frees the tombstones of a bucket that `done` agrees to; forgets listed entries that live again.
    pub(crate) fn free_tombstones(&mut self, bucket: u16, done: impl Fn(&Self, u32) -> bool) {
        let mut list = std::mem::take(&mut self.buckets[bucket as usize].tombstones);
        // An entry says which set it is taken out of.
        list.iter().for_each(|at| self.table.prefetch_entry(*at));
        list.iter().for_each(|at| self.table.prefetch_set(self.table[*at].id));
        list.retain(|at| {
            let entry = &mut self.table[*at];
            if !entry.is_tombstone() {
                entry.set_listed(false);
                return false;
            }
            let free = done(self, *at);
            if free {
                self.free_tombstone(*at);
            }
            !free
        });
        self.buckets[bucket as usize].tombstones = list;
    }
}
