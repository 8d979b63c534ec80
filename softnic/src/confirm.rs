//! What the host says of flows that packets made: confirmed, stated in full, or refused.

use crate::Softnic;
use formats::register::Counter;
use formats::{FlowKey, FlowRecord, Groups};

impl Softnic {
    /// The host admits a flow that a packet made.
    pub(crate) fn confirm(&mut self, cookie: u32, key: &FlowKey) {
        self.books.confirms += 1;
        if !crate::change::key_is_sound(key) {
            self.books.malformed += 1;
            return self.count(Counter::CommandsMalformed);
        }
        let id = self.hasher.flow_id(key);
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
        entry.cookie = if cookie == 0 { entry.cookie } else { cookie };
        entry.audit = audit;
    }

    /// What of an upsert is the host's to write: not what packets have written.
    pub(crate) fn host_groups(&self, at: u32, record: &FlowRecord) -> FlowRecord {
        if !self.tracking.is_on() {
            return *record;
        }
        let packets = Groups(self.tracking.groups.0 & self.table[at].record.groups.0);
        FlowRecord { groups: record.groups.without(packets), ..*record }
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
        let stated = self.host_groups(at, record);
        if !self.table[at].is_waiting() {
            return self.change_flow(at, &stated);
        }
        self.unlink_alias(at);
        self.table[at].record.merge_groups(&stated);
        self.link_alias(at);
        let made = self.replicate_if_due(at);
        self.count(if made { Counter::FlowsMade } else { Counter::FlowsConfirmed });
    }
}
