//! Applying flow records: authority, term, base, stamp, in that order.
//!
//! Enters: one flow record of a welcome peer. Leaves: the counter it belongs to; table, digest and event
//! queue have changed. Applying never emits.

use crate::merge::Pull;
use crate::Softnic;
use formats::descriptor::Event;
use formats::flow::Direction;
use formats::record::Update;
use formats::register::Counter;
use formats::unit::{Compact, DeleteUnit, Window};
use formats::{FlowId, FlowKey, FlowRecord, Groups, Record, Stamp, Term};

/// Pause between reports of a wrong sender, per bucket.
pub(crate) const NOT_OWNER_PAUSE_US: u64 = 10_000;

/// Where a flow record comes from.
#[derive(Clone, Copy)]
struct Source {
    peer: u8,
    sequence: u64,
    bucket: u16,
    /// A survivor's snapshot: stamps are its own, and only newer ones win.
    pulled: bool,
}

impl Softnic {
    pub(crate) fn apply(&mut self, peer: u8, sequence: u64, record: &Record) -> Counter {
        let (id, term) = match record {
            Record::Compact(unit) => (FlowId(unit.flow_id), Err(unit.term_low)),
            Record::Window(_, unit) => (FlowId(unit.flow_id), Err(unit.term_low)),
            Record::Update(update) => (update.flow_id, Err(update.term_low)),
            Record::Delete(unit) => (FlowId(unit.flow_id), Err(unit.term_low)),
            Record::Full(flow, stamp) => (self.hasher.flow_id(&flow.key), Ok(stamp.term)),
            Record::DeleteKeyed(key, stamp) => (self.hasher.flow_id(key), Ok(stamp.term)),
            Record::SnapshotBegin(_)
            | Record::SnapshotEnd(_)
            | Record::Term(_)
            | Record::Ack(_)
            | Record::Digest(_)
            | Record::Heartbeat(_)
            | Record::Capabilities(_)
            | Record::Merge(..)
            | Record::Repair(_) => unreachable!("only flow records are applied"),
        };
        let bucket = id.bucket();
        let asked = self.pulls.get(&(bucket, peer)).is_some_and(|pull| pull.begun.is_some());
        let pulled = asked && !self.is_owner(peer, bucket);
        let source = Source { peer, sequence, bucket, pulled };
        if !pulled {
            if let Some(refusal) = self.refusal(peer, bucket, term) {
                return refusal;
            }
        }
        let outcome = match record {
            Record::Full(flow, stamp) => self.apply_full(source, id, flow, *stamp),
            Record::DeleteKeyed(key, stamp) => self.apply_delete_keyed(source, id, key, *stamp),
            // Partial records belong to the live stream alone.
            _ if pulled => Counter::RecordsStale,
            Record::Compact(unit) => self.apply_compact(source, unit),
            Record::Window(sender, unit) => self.apply_window(source, *sender, unit),
            Record::Update(update) => self.apply_update(source, update),
            Record::Delete(unit) => self.apply_delete(source, unit),
            _ => unreachable!("only flow records are applied"),
        };
        if let (true, Some(pull)) = (pulled, self.pulls.get_mut(&(bucket, peer))) {
            *pull = Pull { changed: pull.changed || outcome == Counter::RecordsApplied, ..*pull };
        }
        outcome
    }

    /// Authority and term: why a live record may not apply.
    fn refusal(&mut self, peer: u8, bucket: u16, term: Result<Term, u8>) -> Option<Counter> {
        if self.config.no_authority() {
            return None;
        }
        if !self.is_owner(peer, bucket) {
            if self.peers[peer as usize].skipped.contains(&bucket) {
                return Some(Counter::RecordsNotOwner);
            }
            self.frame_refused = true;
            self.tell_not_owner(peer, bucket);
            return Some(Counter::RecordsNotOwner);
        }
        let b = &mut self.buckets[bucket as usize];
        if b.proposing.is_some() {
            return Some(Counter::RecordsGapped);
        }
        let same = match term {
            Ok(term) => term == b.term,
            Err(term_low) => term_low == b.term.0 as u8,
        };
        if !same {
            // Ours may be behind or ahead: repeated until the terms agree, and proven by digest after.
            b.gapped = true;
            self.frame_refused = true;
            self.peers[peer as usize].ask_answer(bucket);
            return Some(Counter::RecordsTerm);
        }
        None
    }

    /// Whether the peer's welcomed session serves the bucket.
    pub(crate) fn is_owner(&self, peer: u8, bucket: u16) -> bool {
        let b = &self.buckets[bucket as usize];
        b.owner == peer && (b.owner_session == 0 || b.owner_session == self.peers[peer as usize].session)
    }

    fn apply_full(&mut self, source: Source, id: FlowId, flow: &FlowRecord, stamp: Stamp) -> Counter {
        let found = self.table.find(id, &flow.key);
        let b = &self.buckets[source.bucket as usize];
        let (gapped, colour) = (b.gapped && !source.pulled, b.colour);
        let was_here = stamp.version <= b.proven && stamp.term <= b.proven_term;
        if source.pulled && found.is_none() && was_here {
            // It ended since: the survivor was cut off when it did.
            return Counter::RecordsStale;
        }
        let mut created = true;
        if let Some(at) = found {
            let entry = &mut self.table[at];
            entry.paint(colour);
            if stamp < entry.stamp {
                return Counter::RecordsStale;
            }
            if entry.is_live() {
                created = entry.record.incarnation != flow.incarnation || entry.record.key != flow.key;
                if self.contribution(flow) == self.table[at].digest {
                    let entry = &mut self.table[at];
                    entry.stamp = stamp;
                    entry.record.lifetime_s = flow.lifetime_s;
                    return Counter::RecordsUnchanged;
                }
            }
            // A tombstone of the same stamp is the newer truth, unless this copy is known to be wrong.
            let entry = &self.table[at];
            if stamp == entry.stamp && !gapped && (entry.is_tombstone() || source.pulled) {
                return Counter::RecordsStale;
            }
        }
        let at = match found.map_or_else(|| self.table.make(id, &flow.key), Ok) {
            Ok(at) => at,
            Err(crate::table::Full) => {
                self.report_control(Event::Full { key: flow.key });
                return Counter::RecordsFull;
            }
        };
        if created {
            self.table[at].cookie = 0;
        }
        self.write(at, flow, stamp);
        self.applied(source, at, created);
        Counter::RecordsApplied
    }

    /// What every record that changed a live flow does after.
    fn applied(&mut self, source: Source, at: u32, created: bool) {
        let (colour, audit) = (self.buckets[source.bucket as usize].colour, self.audit_mark());
        let entry = &mut self.table[at];
        entry.paint(colour);
        entry.audit = audit;
        let event = Event::Applied {
            peer: source.peer,
            sequence: source.sequence,
            cookie: entry.cookie,
            created,
            record: entry.record,
            stamp: entry.stamp,
        };
        self.report_flow(source.bucket, event);
    }

    /// The entry that holds the base of a partial record; marks the bucket gapped when there is none.
    fn base(&mut self, source: Source, id: FlowId, version: impl Fn(u64) -> bool) -> Option<u32> {
        let term = self.buckets[source.bucket as usize].term;
        let fits = |at: &u32| {
            let entry = &self.table[*at];
            entry.is_live() && entry.stamp.term == term && version(entry.stamp.version)
        };
        let found = self.table.with_id(id).find(fits);
        if found.is_none() {
            self.gap(source.peer, source.bucket);
        }
        found
    }

    /// A base is missing: only a repair can tell what else is.
    fn gap(&mut self, peer: u8, bucket: u16) {
        self.buckets[bucket as usize].gapped = true;
        self.ask_repair(peer, bucket);
    }

    fn apply_compact(&mut self, source: Source, unit: &Compact) -> Counter {
        let id = FlowId(unit.flow_id);
        let Some(at) = self.base(source, id, |version| (version + 1) as u16 == unit.version_low) else {
            return Counter::RecordsGapped;
        };
        let entry = &self.table[at];
        let groups = entry.record.groups.both(Groups::STATUS.with(Groups::LIFETIME));
        let stamp = Stamp { version: entry.stamp.version + 1, ..entry.stamp };
        self.amend(at, stamp, groups, |flow| {
            if groups.has(Groups::STATUS) {
                (flow.tcp_state, flow.status) = (unit.tcp_state, unit.status);
            }
            if groups.has(Groups::LIFETIME) {
                flow.class = unit.class;
            }
        });
        self.applied(source, at, false);
        Counter::RecordsApplied
    }

    fn apply_window(&mut self, source: Source, sender: Direction, unit: &Window) -> Counter {
        let id = FlowId(unit.flow_id);
        let Some(at) = self.base(source, id, |version| (version + 1) as u16 == unit.version_low) else {
            return Counter::RecordsGapped;
        };
        let entry = &self.table[at];
        if !entry.record.groups.has(Groups::EDGES) {
            return Counter::RecordsMalformed;
        }
        let stamp = Stamp { version: entry.stamp.version + 1, ..entry.stamp };
        self.amend(at, stamp, Groups::EDGES, |flow| flow.edges = unit.moved(sender, flow.edges));
        self.applied(source, at, false);
        Counter::RecordsApplied
    }

    fn apply_update(&mut self, source: Source, update: &Update) -> Counter {
        let base = update.version.checked_sub(u64::from(update.base_distance));
        let newer_wins = self.config.newer_wins_partial();
        let fits = |version| Some(version) == base || newer_wins;
        let Some(at) = self.base(source, update.flow_id, fits) else {
            return Counter::RecordsGapped;
        };
        let entry = &self.table[at];
        if entry.record.key.family != update.changed.key.family {
            return Counter::RecordsMalformed;
        }
        let stamp = Stamp { version: update.version, ..entry.stamp };
        if stamp.version <= entry.stamp.version {
            return Counter::RecordsStale;
        }
        self.amend(at, stamp, update.changed.groups, |flow| flow.merge_groups(&update.changed));
        self.applied(source, at, false);
        Counter::RecordsApplied
    }

    fn apply_delete(&mut self, source: Source, unit: &DeleteUnit) -> Counter {
        let mut live = self.table.with_id(FlowId(unit.flow_id)).filter(|at| self.table[*at].is_live());
        let (Some(at), second) = (live.next(), live.next()) else { return Counter::RecordsUnchanged };
        if second.is_some() {
            drop(live);
            self.gap(source.peer, source.bucket);
            return Counter::RecordsGapped;
        }
        drop(live);
        let stamp = Stamp { term: self.buckets[source.bucket as usize].term, version: unit.version };
        self.bury_received(source, at, stamp)
    }

    fn apply_delete_keyed(&mut self, source: Source, id: FlowId, key: &FlowKey, stamp: Stamp) -> Counter {
        match self.table.find(id, key) {
            Some(at) => self.bury_received(source, at, stamp),
            None => match self.table.make(id, key) {
                Ok(at) => {
                    self.bury(at, stamp);
                    self.after_bury(source.bucket);
                    Counter::RecordsApplied
                }
                Err(crate::table::Full) => Counter::RecordsFull,
            },
        }
    }

    fn bury_received(&mut self, source: Source, at: u32, stamp: Stamp) -> Counter {
        let colour = self.buckets[source.bucket as usize].colour;
        let entry = &mut self.table[at];
        entry.paint(colour);
        if stamp < entry.stamp {
            return Counter::RecordsStale;
        }
        if entry.is_tombstone() {
            entry.stamp = stamp;
            return Counter::RecordsUnchanged;
        }
        let event = deleted(source.peer, source.sequence, entry);
        self.bury(at, stamp);
        self.report_flow(source.bucket, event);
        self.after_bury(source.bucket);
        Counter::RecordsApplied
    }

    /// With the rule left out, a delete leaves nothing behind.
    pub(crate) fn after_bury(&mut self, bucket: u16) {
        if self.config.no_tombstone() {
            self.free_tombstones(bucket, |_, _| true);
        }
    }
}

/// The event for an entry that ends.
pub(crate) fn deleted(peer: u8, sequence: u64, entry: &crate::Entry) -> Event {
    Event::Deleted { peer, sequence, cookie: entry.cookie, key: entry.record.key }
}
