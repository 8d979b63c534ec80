//! Upserts and deletes of the host: what changes in the table, and what is emitted for it.

use crate::emit::Delta;
use crate::{Entry, Softnic};
use formats::descriptor::{upsert, Event};
use formats::flow::BEGUN;
use formats::hash::first_version;
use formats::limits::MEMBER_NONE;
use formats::register::Counter;
use formats::{Family, FlowId, FlowKey, FlowRecord, Groups, Stamp, Term};

/// An IPv4 address sits in the low 32 bits; anything above could not be sent.
pub(crate) fn key_is_sound(key: &FlowKey) -> bool {
    match key.family {
        Family::V4 => key.src >> 32 == 0 && key.dst >> 32 == 0,
        Family::V6 => true,
    }
}

impl Softnic {
    pub(crate) fn upsert(
        &mut self,
        id: FlowId,
        guess: Option<u32>,
        flags: u8,
        cookie: u32,
        record: &FlowRecord,
    ) {
        self.books.upserts += 1;
        if flags == 0 && self.owns(id.bucket()) {
            if let Some(at) = guess.filter(|at| self.restates(*at, cookie, &record.key)) {
                let audit = self.audit;
                self.table[at].note_host(cookie, audit);
                return self.change_flow(at, record, self.host_groups(at, record.groups));
            }
        }
        self.upsert_any(id, flags, cookie, record);
    }

    /// Whether the host states the life of this entry once more: most upserts do.
    #[inline]
    fn restates(&self, at: u32, cookie: u32, key: &FlowKey) -> bool {
        let entry = &self.table[at];
        entry.is_known() && entry.record.key == *key && (cookie == 0 || entry.cookie == cookie)
    }

    /// Any upsert.
    fn upsert_any(&mut self, id: FlowId, flags: u8, cookie: u32, record: &FlowRecord) {
        if !key_is_sound(&record.key) {
            self.books.malformed += 1;
            return self.count(Counter::CommandsMalformed);
        }
        if !self.owns(id.bucket()) {
            self.count(Counter::CommandsNotOwner);
            return self.audit_copy(flags, cookie, record, id);
        }
        let found = self.table.find(id, &record.key);
        if let (Some(at), true) = (found, flags & upsert::AUDIT != 0) {
            if self.table[at].audit == self.audit && self.audit_running {
                return self.add_absent(at, record);
            }
        }
        if flags & upsert::REMADE != 0 {
            return self.rename_life(found, cookie, &record.key);
        }
        if let Some(at) = found.filter(|at| self.names_life(*at, &record.key)) {
            return self.state_life(at, cookie, record);
        }
        let at = match found {
            Some(at) => at,
            None => match self.table.make(id, &record.key) {
                Ok(at) => at,
                Err(crate::table::Full) => {
                    self.count(Counter::FlowsFull);
                    return self.report_control(Event::Full { key: record.key });
                }
            },
        };
        let renews = flags & (upsert::NEW | upsert::JOIN) != 0 || self.is_reborn(at, cookie);
        let audit = self.audit;
        let entry = &mut self.table[at];
        if renews || !entry.is_live() || entry.record.key != record.key {
            (entry.cookie, entry.audit) = (cookie, audit);
            self.make_flow(at, flags, record);
        } else {
            entry.note_host(cookie, audit);
            self.change_flow(at, record, self.host_groups(at, record.groups));
        }
    }

    /// Whether the kernel's entry is another than the one this life was named after: events that told of its
    /// end and of the next begin were lost. Names from before this term count for nothing, because a host
    /// that does not serve makes its entries anew.
    fn is_reborn(&self, at: u32, cookie: u32) -> bool {
        let entry = &self.table[at];
        let named = cookie != 0 && entry.cookie != 0 && cookie != entry.cookie;
        named && entry.stamp.term == self.buckets[id_bucket(entry.id)].term
    }

    /// The host made the kernel's entry of a life anew.
    fn rename_life(&mut self, found: Option<u32>, cookie: u32, key: &FlowKey) {
        let audit = self.audit;
        if let Some(at) = found {
            let entry = &mut self.table[at];
            if entry.is_live() && entry.record.key == *key {
                // A row of the running audit may be older than the new entry.
                (entry.cookie, entry.audit) = (cookie, audit);
            }
        }
        self.count(Counter::FlowsUnchanged);
    }

    /// A row of the audit where this member serves nothing: what no copy here accounts for the host may
    /// remove from its kernel, unless the owner has yet to hear of it.
    fn audit_copy(&mut self, flags: u8, cookie: u32, record: &FlowRecord, id: FlowId) {
        let found = self.table.find(id, &record.key).map(|at| &self.table[at]);
        let held = found.is_some_and(Entry::is_live);
        let ended = found.is_some_and(Entry::is_tombstone);
        let mapped = self.buckets[id_bucket(id)].owner != MEMBER_NONE;
        if flags & upsert::AUDIT == 0 || !mapped || held {
            return;
        }
        if flags & upsert::PROPOSE != 0 && !ended {
            return self.propose_extra(id, record);
        }
        // What does not fit now, the next audit finds again.
        if self.report.has_flow_room() {
            self.report_control(Event::AuditExtra { cookie, key: record.key });
        }
    }

    /// Starts a life of the flow.
    fn make_flow(&mut self, at: u32, flags: u8, record: &FlowRecord) {
        let entry = &self.table[at];
        let bucket = id_bucket(entry.id);
        let known = entry.is_live() || entry.is_tombstone();
        let version = first_version(self.version_clock_us, known.then_some(entry.stamp));
        let join = flags & upsert::JOIN != 0;
        let (begun, term) = (flags & upsert::NEW != 0, self.buckets[bucket].term);
        let incarnation = if join { record.incarnation } else { incarnation(term, version, begun) };
        let mut made = FlowRecord { key: record.key, incarnation, ..FlowRecord::default() };
        made.merge_groups(record);
        let stamp = Stamp { term, version };
        self.write(at, &made, stamp);
        self.table[at].set_unnamed(false);
        self.table[at].forget_installed();
        self.count(Counter::FlowsMade);
        self.emit(at, None);
    }

    /// A row of an audit lost to a newer change; groups that no change has stated are taken from it.
    fn add_absent(&mut self, at: u32, record: &FlowRecord) {
        let entry = &self.table[at];
        let groups = record.groups.without(entry.record.groups);
        if groups.is_empty() || !entry.is_live() || entry.record.key != record.key {
            return self.count(Counter::FlowsAuditLost);
        }
        self.change_flow(at, record, groups);
    }

    /// Merges these groups of a record; emits what differs of the replicated ones.
    #[inline(always)]
    pub(crate) fn change_flow(&mut self, at: u32, record: &FlowRecord, groups: Groups) {
        let entry = &mut self.table[at];
        let differs = entry.record.difference(record).both(groups);
        if differs.is_empty() {
            // Only the remaining lifetime may be another.
            if groups.has(Groups::LIFETIME) {
                entry.record.lifetime_s = record.lifetime_s;
            }
            return self.count(Counter::FlowsUnchanged);
        }
        self.change_groups(at, record, groups, differs);
    }

    /// Merges these groups of a record, some of which differ. Apart, so that restating costs no more than
    /// comparing.
    #[inline(never)]
    fn change_groups(&mut self, at: u32, record: &FlowRecord, groups: Groups, differs: Groups) {
        if differs.both(self.config.replicate).is_empty() {
            let stamp = self.table[at].stamp;
            self.amend(at, stamp, differs, |own| own.merge_some(record, groups));
            return self.count(Counter::FlowsUnchanged);
        }
        self.count(Counter::FlowsChanged);
        self.write_change(at, differs, |own| own.merge_some(record, groups));
    }

    /// Writes a new version of a flow and emits what changed.
    #[inline(always)]
    pub(crate) fn write_change(&mut self, at: u32, differs: Groups, change: impl FnOnce(&mut FlowRecord)) {
        let entry = &self.table[at];
        let term = self.buckets[id_bucket(entry.id)].term;
        let first_of_term = entry.stamp.term != term;
        let stamp = Stamp { term, version: entry.stamp.version + 1 };
        let changed = differs.both(self.config.replicate);
        let delta = Delta { changed, groups: entry.record.groups, edges: entry.record.edges };
        self.amend(at, stamp, differs, change);
        self.emit(at, (!first_of_term).then_some(delta));
    }

    pub(crate) fn delete(&mut self, id: FlowId, guess: Option<u32>, cookie: u32, key: &FlowKey) {
        self.books.deletes += 1;
        if !key_is_sound(key) {
            self.books.malformed += 1;
            return self.count(Counter::CommandsMalformed);
        }
        if !self.owns(id.bucket()) {
            return self.count(Counter::CommandsNotOwner);
        }
        let found = self.table.find_at(guess, id, key);
        if let Some(at) = found.filter(|at| self.table[*at].is_waiting()) {
            self.count(Counter::FlowsEnded);
            return self.drop_waiting(at);
        }
        let Some(at) = found.filter(|at| self.table[*at].is_live()) else {
            return self.count(Counter::DeletesRefused);
        };
        let entry = &self.table[at];
        if cookie != 0 && entry.cookie != 0 && cookie != entry.cookie {
            return self.count(Counter::DeletesRefused);
        }
        self.count(Counter::FlowsEnded);
        self.end_flow(at);
    }

    /// Ends a live flow, here and at its copies.
    pub(crate) fn end_flow(&mut self, at: u32) {
        let entry = &self.table[at];
        let bucket = entry.id.bucket();
        // Not merely version + 1: a delete must lie above every floor announced before it.
        let version = first_version(self.version_clock_us, Some(entry.stamp));
        let term = self.buckets[bucket as usize].term;
        let first_of_term = entry.stamp.term != term;
        self.bury(at, Stamp { term, version });
        self.emit(at, (!first_of_term).then_some(Delta::default()));
        if self.config.no_tombstone() {
            self.free_tombstones(bucket, |_, _| true);
        }
    }
}

/// Tells a life from others of its key, and their age: the younger one is higher. A life whose beginning
/// nobody saw (a row of an audit, an event that waited while this member was stopped) has no known age and
/// lies below all others, because what made its entry may be long over; among these the higher term counts.
pub(crate) fn incarnation(term: Term, version: u64, begun: bool) -> u32 {
    match begun {
        true => BEGUN | version as u32 & !BEGUN,
        false => (term.counter() & 0xffff) << 15 | version as u32 & 0x7fff,
    }
}

fn id_bucket(id: FlowId) -> usize {
    id.bucket() as usize
}
