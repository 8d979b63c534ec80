//! What the host says of flows that packets made: confirmed, stated in full, or refused.

use crate::Softnic;
use formats::register::Counter;
use formats::{FlowId, FlowKey, FlowRecord, Groups};

impl Softnic {
    /// The host admits a flow that a packet made.
    pub(crate) fn confirm(&mut self, id: FlowId, cookie: u32, key: &FlowKey) {
        self.books.confirms += 1;
        if !crate::change::key_is_sound(key) {
            self.books.malformed += 1;
            return self.count(Counter::CommandsMalformed);
        }
        if !self.owns(id.bucket()) {
            return self.count(Counter::CommandsNotOwner);
        }
        let found = self.table.find(id, key).filter(|at| {
            let entry = &self.table[*at];
            entry.is_live() || entry.is_waiting()
        });
        let Some(at) = found else { return self.count(Counter::ConfirmsRefused) };
        self.name_life(at, cookie);
        self.count(Counter::FlowsConfirmed);
        if self.table[at].is_waiting() {
            self.replicate_if_due(at);
        }
    }

    fn name_life(&mut self, at: u32, cookie: u32) {
        let audit = self.audit;
        let entry = &mut self.table[at];
        entry.set_unnamed(false);
        entry.note_host(cookie, audit);
    }

    /// The groups of an upsert that are the host's to write: not those that packets have written.
    #[inline]
    pub(crate) fn host_groups(&self, at: u32, groups: Groups) -> Groups {
        if !self.tracking.is_on() {
            return groups;
        }
        groups.without(self.tracking.groups.both(self.table[at].record.groups))
    }

    /// Whether an upsert names a life that a packet began, instead of beginning one.
    pub(crate) fn names_life(&self, at: u32, key: &FlowKey) -> bool {
        let entry = &self.table[at];
        let tracked = entry.is_waiting() || (entry.is_live() && entry.is_unnamed());
        tracked && entry.record.key == *key
    }

    /// The host states a flow that a packet made.
    pub(crate) fn state_life(&mut self, at: u32, cookie: u32, record: &FlowRecord) {
        self.name_life(at, cookie);
        let groups = self.host_groups(at, record.groups);
        if !self.table[at].is_waiting() {
            return self.change_flow(at, record, groups);
        }
        self.unlink_alias(at);
        self.table[at].record.merge_some(record, groups);
        self.link_alias(at);
        let made = self.replicate_if_due(at);
        self.count(if made { Counter::FlowsMade } else { Counter::FlowsConfirmed });
    }
}
