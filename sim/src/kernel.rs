//! A model of one member's connection tracking table.
//!
//! Enters: packets that were forwarded here, and operations of the agent. Leaves: events for what packets
//! and timers changed (never for operations: their echoes are filtered), rows of a dump.
//!
//! As in Linux: an entry has an id and two tuples, a tuple names one entry, only an opening packet makes
//! an entry, an update leaves translation alone, events are lost when nobody reads them in time. It
//! outlives the agent. Windows are not modelled.

use crate::clock::Micros;
use formats::flow::{lifetime_class, status, tcp_state};
use formats::{FlowKey, FlowRecord, Groups};
use std::collections::{BTreeMap, VecDeque};
use trine_core::{Change, KernelError, KernelFlow, KernelOp};

/// Groups a kernel states for an untranslated flow.
pub const KERNEL_GROUPS: Groups =
    Groups::STATUS.with(Groups::SCALES).with(Groups::LIFETIME).with(Groups::MARK).with(Groups::LABELS);
/// Seconds an entry on its way out lives; short, so that flows end within a run.
const CLOSING_S: u32 = 1;
/// Seconds any other entry lives; longer than a run.
const LASTING_S: u32 = 300;

/// One entry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// State; its incarnation is 0, kernels know none.
    pub record: FlowRecord,
    /// Id.
    pub ct_id: u32,
    /// When it is removed.
    pub expires_us: Micros,
}

/// What a packet met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// There is no entry for it: dropped.
    Invalid,
    /// The table is full, or the translated port taken: dropped.
    Refused,
}

/// The table of one member.
#[derive(Debug)]
pub struct Kernel {
    entries: BTreeMap<FlowKey, Entry>,
    /// Original and reply tuple of each entry, to its key.
    tuples: BTreeMap<FlowKey, FlowKey>,
    next_id: u32,
    entries_max: usize,
    events: VecDeque<(Change, KernelFlow)>,
    /// Events that wait before the next is lost.
    pub events_max: usize,
    overrun: bool,
    listening: bool,
    hears_all: bool,
    /// Packets pass until then, if the addresses are here.
    pub lease_until: Micros,
    /// The group's addresses are here.
    pub addresses: bool,
    /// Events lost.
    pub events_lost: u64,
}

fn reply_tuple(record: &FlowRecord) -> FlowKey {
    record.alias().unwrap_or_else(|| record.key.reversed())
}

/// Lifetime in seconds and its class that packets give a flow in this state.
pub fn lifetime(record: &FlowRecord) -> (u32, u8) {
    match record.tcp_state {
        tcp_state::TIME_WAIT | tcp_state::CLOSE => (CLOSING_S, lifetime_class::CLOSING),
        _ if record.status & status::ASSURED != 0 => (LASTING_S, lifetime_class::ASSURED),
        _ if record.status & status::SEEN_REPLY != 0 => (LASTING_S, lifetime_class::REPLIED),
        _ => (LASTING_S, lifetime_class::NEW),
    }
}

impl Kernel {
    /// An empty table. `first_id` differs from boot to boot.
    pub fn new(first_id: u32, events_max: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            tuples: BTreeMap::new(),
            next_id: first_id.max(1),
            entries_max: 4_096,
            events: VecDeque::new(),
            events_max,
            overrun: false,
            listening: false,
            hears_all: false,
            lease_until: 0,
            addresses: false,
            events_lost: 0,
        }
    }

    /// Whether packets of the group are forwarded.
    pub fn forwards(&self, now: Micros) -> bool {
        self.addresses && now < self.lease_until
    }

    /// An agent opens or loses its event socket, at first for ends only; what waited in it is gone.
    pub fn listen(&mut self, on: bool) {
        (self.listening, self.hears_all) = (on, false);
        self.events.clear();
        self.overrun = false;
    }

    /// The agent hears every event, or only ends.
    pub fn hear_all(&mut self, all: bool) {
        self.hears_all = all;
    }

    /// The entries by key.
    pub fn entries(&self) -> &BTreeMap<FlowKey, Entry> {
        &self.entries
    }

    /// Whether events, or the news that some were lost, wait.
    pub fn has_events(&self) -> bool {
        self.overrun || !self.events.is_empty()
    }

    /// Whether events were lost since this was last asked.
    pub fn take_overrun(&mut self) -> bool {
        std::mem::take(&mut self.overrun)
    }

    /// The oldest event.
    pub fn next_event(&mut self) -> Option<(Change, KernelFlow)> {
        self.events.pop_front()
    }

    fn report(&mut self, change: Change, record: FlowRecord, ct_id: u32) {
        if !self.listening || !self.hears_all && change != Change::Destroy {
            return;
        }
        if self.events.len() >= self.events_max {
            self.overrun = true;
            self.events_lost += 1;
            return;
        }
        self.events.push_back((change, KernelFlow { record, ct_id, unprotected: None }));
    }

    fn insert(&mut self, record: &FlowRecord, expires_us: Micros) -> Result<u32, KernelError> {
        let reply = reply_tuple(record);
        if self.tuples.contains_key(&record.key) || self.tuples.contains_key(&reply) {
            return Err(KernelError::Exists);
        }
        if self.entries.len() >= self.entries_max {
            return Err(KernelError::TableFull);
        }
        let mut own = FlowRecord { key: record.key, groups: KERNEL_GROUPS, ..FlowRecord::default() };
        own.merge_groups(record);
        let ct_id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1).max(1);
        self.tuples.insert(record.key, record.key);
        self.tuples.insert(reply, record.key);
        self.entries.insert(record.key, Entry { record: own, ct_id, expires_us });
        Ok(ct_id)
    }

    fn remove(&mut self, key: &FlowKey) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.tuples.remove(key);
        self.tuples.remove(&reply_tuple(&entry.record));
        Some(entry)
    }

    /// An opening packet: makes the entry; one of an earlier life with this key ends.
    pub fn open(&mut self, now: Micros, record: &FlowRecord) -> Outcome {
        if let Some(old) = self.remove(&record.key) {
            self.report(Change::Destroy, old.record, old.ct_id);
        }
        let (lifetime_s, class) = lifetime(record);
        let mut made = *record;
        (made.lifetime_s, made.class) = (lifetime_s, class);
        match self.insert(&made, now + Micros::from(lifetime_s) * 1_000_000) {
            Ok(ct_id) => {
                let record = self.entries[&record.key].record;
                self.report(Change::New, record, ct_id);
                Outcome::Passed
            }
            Err(_) => Outcome::Refused,
        }
    }

    /// A packet of a flow that `is_same` recognises: `change` edits the entry; what it changed is told.
    pub fn packet(
        &mut self,
        now: Micros,
        key: &FlowKey,
        is_same: impl Fn(&FlowRecord) -> bool,
        change: impl Fn(&mut FlowRecord),
    ) -> Outcome {
        let Some(entry) = self.entries.get_mut(key).filter(|entry| is_same(&entry.record)) else {
            return Outcome::Invalid;
        };
        let before = entry.record;
        change(&mut entry.record);
        let (lifetime_s, class) = lifetime(&entry.record);
        (entry.record.lifetime_s, entry.record.class) = (lifetime_s, class);
        entry.expires_us = now + Micros::from(lifetime_s) * 1_000_000;
        let changed = before.difference(&entry.record);
        if !changed.is_empty() {
            // Tuples, status, timeout and a mark are in every event; labels only when they changed.
            let always = Groups::STATUS.with(Groups::LIFETIME).with(Groups::MARK).with(Groups::NAT);
            let groups = changed.with(Groups(entry.record.groups.0 & always.0));
            let (record, ct_id) = (FlowRecord { groups, ..entry.record }, entry.ct_id);
            self.report(Change::Update, record, ct_id);
        }
        Outcome::Passed
    }

    /// An operator or a rule ends the entry, if `is_same` recognises it.
    pub fn end(&mut self, key: &FlowKey, is_same: impl Fn(&FlowRecord) -> bool) -> bool {
        if !self.entries.get(key).is_some_and(|entry| is_same(&entry.record)) {
            return false;
        }
        let entry = self.remove(key).expect("seen above");
        self.report(Change::Destroy, entry.record, entry.ct_id);
        true
    }

    /// Ends what has lived its time; returns what ended.
    pub fn expire(&mut self, now: Micros) -> Vec<FlowRecord> {
        let over: Vec<FlowKey> =
            self.entries.iter().filter(|(_, entry)| entry.expires_us <= now).map(|(key, _)| *key).collect();
        let mut ended = Vec::new();
        for key in over {
            let entry = self.remove(&key).expect("listed above");
            self.report(Change::Destroy, entry.record, entry.ct_id);
            ended.push(entry.record);
        }
        ended
    }

    /// Performs an operation of the agent; `Verify` fails with `Missing` when the entry is not there.
    pub fn perform(&mut self, now: Micros, op: &KernelOp) -> Result<(), KernelError> {
        let until = |timeout_s: u32| now + Micros::from(timeout_s) * 1_000_000;
        match op {
            KernelOp::Create { record, timeout_s } => self.insert(record, until(*timeout_s)).map(|_| ()),
            KernelOp::Recreate { record, timeout_s } => {
                self.remove(&record.key);
                self.insert(record, until(*timeout_s)).map(|_| ())
            }
            KernelOp::Update { record, timeout_s } => {
                let entry = self.entries.get_mut(&record.key).ok_or(KernelError::Missing)?;
                let groups = record.groups.without(Groups::NAT);
                entry.record.merge_groups(&FlowRecord { groups, ..*record });
                entry.expires_us = until(*timeout_s);
                Ok(())
            }
            KernelOp::Remove { key, ct_id } => {
                let entry = self.entries.get(key).ok_or(KernelError::Missing)?;
                if *ct_id != 0 && *ct_id != entry.ct_id {
                    return Err(KernelError::Missing);
                }
                self.remove(key);
                Ok(())
            }
            KernelOp::Verify { key, ct_id } => match self.entries.get(key) {
                Some(entry) if *ct_id == 0 || *ct_id == entry.ct_id => Ok(()),
                Some(_) | None => Err(KernelError::Missing),
            },
        }
    }

    /// Up to `count` rows of a dump behind `after`, as they are now, and whether more follow.
    pub fn dump(&self, after: Option<FlowKey>, count: usize) -> (Vec<KernelFlow>, bool) {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let mut rows = self.entries.range((from, Unbounded));
        let taken = rows.by_ref().take(count).map(|(_, entry)| KernelFlow {
            record: entry.record,
            ct_id: entry.ct_id,
            unprotected: None,
        });
        let taken: Vec<KernelFlow> = taken.collect();
        (taken, rows.next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(port: u16) -> FlowRecord {
        FlowRecord {
            key: FlowKey { src: 1, dst: 2, src_port: port, dst_port: 80, protocol: 6, ..FlowKey::default() },
            groups: KERNEL_GROUPS,
            tcp_state: tcp_state::SYN_SENT,
            ..FlowRecord::default()
        }
    }

    fn kernel() -> Kernel {
        let mut kernel = Kernel::new(1, 3);
        kernel.listen(true);
        kernel.hear_all(true);
        kernel
    }

    #[test]
    fn operations_refuse_as_the_kernel_does() {
        let mut kernel = kernel();
        let record = record(1);
        let create = KernelOp::Create { record, timeout_s: 9 };
        let update = KernelOp::Update { record, timeout_s: 9 };
        assert_eq!(kernel.perform(0, &update), Err(KernelError::Missing));
        assert_eq!(kernel.perform(0, &create), Ok(()));
        assert_eq!(kernel.perform(0, &create), Err(KernelError::Exists));
        let id = kernel.entries()[&record.key].ct_id;
        assert_eq!(kernel.perform(0, &KernelOp::Recreate { record, timeout_s: 9 }), Ok(()));
        let remove = KernelOp::Remove { key: record.key, ct_id: id };
        assert_eq!(kernel.perform(0, &remove), Err(KernelError::Missing), "another id");
        assert_eq!(kernel.perform(0, &KernelOp::Remove { key: record.key, ct_id: 0 }), Ok(()));
        assert!(kernel.entries().is_empty() && !kernel.has_events(), "our own echoes are filtered");
    }

    #[test]
    fn a_translated_tuple_is_taken_once() {
        let mut kernel = kernel();
        let nat = formats::Nat { reply_src: 2, reply_dst: 9, reply_src_port: 80, reply_dst_port: 4000 };
        let translated = |port| FlowRecord { groups: KERNEL_GROUPS.with(Groups::NAT), nat, ..record(port) };
        assert_eq!(kernel.open(0, &translated(1)), Outcome::Passed);
        assert_eq!(kernel.open(0, &translated(2)), Outcome::Refused);
        let create = KernelOp::Create { record: translated(3), timeout_s: 9 };
        assert_eq!(kernel.perform(0, &create), Err(KernelError::Exists));
    }

    #[test]
    fn packets_tell_and_lost_events_are_told_of() {
        let mut kernel = kernel();
        assert_eq!(kernel.packet(0, &record(1).key, |_| true, |_| {}), Outcome::Invalid);
        for port in 1..=4 {
            assert_eq!(kernel.open(0, &record(port)), Outcome::Passed);
        }
        assert!(kernel.take_overrun() && !kernel.take_overrun());
        assert_eq!(std::iter::from_fn(|| kernel.next_event()).count(), 3);
        let close = |record: &mut FlowRecord| record.tcp_state = tcp_state::TIME_WAIT;
        assert_eq!(kernel.packet(0, &record(1).key, |_| true, close), Outcome::Passed);
        assert_eq!(kernel.next_event().map(|(change, _)| change), Some(Change::Update));
        assert_eq!(kernel.expire(1_000_000).len(), 1);
        assert_eq!(kernel.next_event().map(|(change, _)| change), Some(Change::Destroy));
        let (rows, more) = kernel.dump(Some(record(2).key), 1);
        assert_eq!((rows[0].record.key.src_port, more), (3, true));
    }

    #[test]
    fn a_reborn_key_ends_the_earlier_life() {
        let mut kernel = kernel();
        kernel.open(0, &record(1));
        kernel.open(0, &record(1));
        let changes: Vec<Change> = std::iter::from_fn(|| kernel.next_event()).map(|(c, _)| c).collect();
        assert_eq!(changes, [Change::New, Change::Destroy, Change::New]);
    }
}
