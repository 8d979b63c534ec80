//! Mending: kernel entries that are not what the NIC holds are made anew from its present state.
//!
//! Enters: keys of operations that the kernel refused, and of copies that something else than this agent
//! touched. Leaves: walks over their buckets, whose rows become operations. A refused operation is never
//! repeated as it was: those issued after it may be performed by then, and it would bring an older state
//! of the flow back.
//!
//! Limit: [`KEYS_MAX`] keys wait one by one; beyond that their buckets are made anew whole.

use crate::io::{Action, KernelOp};
use crate::scan::Purpose;
use crate::Core;
use formats::descriptor::{upsert, Command};
use formats::limits::MEMBER_NONE;
use formats::{FlowKey, FlowRecord, Groups};
use std::collections::BTreeMap;

/// Keys that wait one by one.
const KEYS_MAX: usize = 65_536;

/// Why an entry is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// Packets reached a copy: its windows can no longer be trusted. Serving settles it by itself.
    Touched,
    /// On an owner: an operation was performed behind newer packets.
    Overtaken,
    /// The kernel refused an operation.
    Refused,
}

/// What is to be mended in one bucket.
#[derive(Debug, Default)]
struct Bucket {
    keys: BTreeMap<FlowKey, Cause>,
    /// Why all of it is, if there were too many keys.
    whole: Option<Cause>,
}

impl Bucket {
    fn refused_count(&self) -> usize {
        let keys = self.keys.values().filter(|cause| **cause == Cause::Refused).count();
        keys + usize::from(self.whole == Some(Cause::Refused))
    }
}

/// The buckets that wait, and the one whose walk runs.
#[derive(Debug, Default)]
pub(crate) struct Mend {
    waiting: BTreeMap<u16, Bucket>,
    running: Bucket,
    keys_count: usize,
}

impl Mend {
    /// Notes a key; returns whether a walk over its bucket must be queued.
    fn add(&mut self, bucket: u16, key: FlowKey, cause: Cause) -> bool {
        let queued = self.waiting.contains_key(&bucket);
        let full = self.keys_count >= KEYS_MAX;
        let bucket = self.waiting.entry(bucket).or_default();
        if let Some(known) = bucket.keys.get_mut(&key) {
            *known = cause.max(*known);
        } else if full {
            bucket.whole = bucket.whole.max(Some(cause));
        } else {
            bucket.keys.insert(key, cause);
            self.keys_count += 1;
        }
        !queued
    }

    /// The walk over `bucket` begins: what is noted from now on needs another.
    pub(crate) fn begin(&mut self, bucket: u16) {
        self.running = self.waiting.remove(&bucket).unwrap_or_default();
        self.keys_count -= self.running.keys.len();
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.keys.is_empty() && self.running.whole.is_none()
    }

    fn take(&mut self, key: &FlowKey) -> Option<Cause> {
        self.running.keys.remove(key).max(self.running.whole)
    }

    /// Entries, or whole buckets, that wait after a refusal.
    pub(crate) fn refused_count(&self) -> usize {
        self.waiting.values().map(Bucket::refused_count).sum::<usize>() + self.running.refused_count()
    }
}

impl Core {
    /// Has the kernel's entry of `key` made anew.
    pub(crate) fn mend(&mut self, key: FlowKey, cause: Cause) {
        let bucket = self.hasher.flow_id(&key).bucket();
        if self.group.owner != MEMBER_NONE && self.mend.add(bucket, key, cause) {
            self.scans.start(Purpose::Mend, bucket, 1);
        }
    }

    /// A flow of the bucket whose walk runs.
    pub(crate) fn mend_row(&mut self, record: &FlowRecord, out: &mut Vec<Action>) {
        let serving = self.group.owner == self.config.member;
        match self.mend.take(&record.key) {
            Some(Cause::Touched) if serving => {}
            Some(Cause::Overtaken) if serving => {
                let timeout_s = self.timeout_s(record);
                self.issue(KernelOp::Update { record: *record, timeout_s }, out);
            }
            Some(Cause::Touched | Cause::Overtaken | Cause::Refused) => {
                if serving {
                    // The new entry has an id of its own, the life goes on.
                    let unnamed = FlowRecord { groups: Groups::NONE, ..*record };
                    let renamed = Command::Upsert { flags: upsert::REMADE, cookie: 0, record: unnamed };
                    out.push(Action::Nic(renamed));
                }
                let timeout_s = self.timeout_s(record);
                self.issue(KernelOp::Recreate { record: *record, timeout_s }, out);
            }
            None => {}
        }
    }

    /// The walk ended: what it did not meet, the NIC does not hold, or was not told yet.
    pub(crate) fn mend_end(&mut self, out: &mut Vec<Action>) {
        let gone = std::mem::take(&mut self.mend.running).keys;
        if self.group.owner != self.config.member && self.audit.whole {
            for key in gone.into_keys() {
                self.issue(KernelOp::Remove { key, ct_id: 0 }, out);
            }
        }
    }
}
