//! NIC events become kernel operations, and what was performed becomes acknowledgements.
//!
//! Operations are performed in the order they are issued; a frame is *installed* when the last operation
//! issued for it was performed; what the kernel refused is mended ([`crate::mend`]) and counted until then.
//! Limits: [`OUTSTANDING_MAX`] operations before walks pause, [`REFUSED_MAX`] flows tried again.

use crate::io::{Action, KernelError, KernelOp, Log, State, Unprotected};
use crate::join::{join, Side};
use crate::mend::Cause;
use crate::scan::Purpose;
use crate::Core;
use formats::descriptor::{upsert, Command};
use formats::{FlowKey, FlowRecord, Groups};
use std::collections::{BTreeMap, VecDeque};

/// Operations under way above which walks wait.
pub(crate) const OUTSTANDING_MAX: u64 = 8_192;
/// Refused flows remembered one by one.
const REFUSED_MAX: usize = 65_536;
/// Interval in which refused flows are tried again, in µs.
const RETRY_US: u64 = 1_000_000;

/// Error numbers of the kernel, equal on every Linux architecture.
const EPERM: i32 = 1;
const EBUSY: i32 = 16;

/// A frame whose operations are under way.
#[derive(Debug)]
struct Mark {
    session: u64,
    sequence: u64,
    issued: u64,
}

/// A frame whose operations are performed, and the copies that were refused then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    session: u64,
    sequence: u64,
    refused: u32,
}

/// What the sink side remembers.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    issued: u64,
    performed: u64,
    /// The last operation of a walk that makes entries anew.
    anew: u64,
    marks: BTreeMap<u8, VecDeque<Mark>>,
    /// Copies that the kernel refused, and why: counted to the owner as not installed.
    refused: BTreeMap<FlowKey, Unprotected>,
    /// The same when they were last tried again: they count until that has shown whether there is room now.
    refused_before: BTreeMap<Unprotected, u64>,
    /// What each owner was told last.
    told: BTreeMap<u8, Told>,
    refreshed_us: u64,
    retried_us: u64,
    pub(crate) conflicts_count: u64,
}

impl Sink {
    pub(crate) fn has_room(&self) -> bool {
        self.issued - self.performed < OUTSTANDING_MAX
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.issued == self.performed
    }

    pub(crate) fn forget(&mut self, peer: u8) {
        self.marks.remove(&peer);
        self.told.remove(&peer);
    }

    fn refused_now(&self) -> BTreeMap<Unprotected, u64> {
        let mut counts = BTreeMap::new();
        for reason in self.refused.values() {
            *counts.entry(*reason).or_insert(0) += 1;
        }
        counts
    }

    /// Copies that the kernel refuses, by reason.
    pub(crate) fn refused_by_reason(&self) -> Vec<(Unprotected, u64)> {
        let mut counts = self.refused_before.clone();
        for (reason, count) in self.refused_now() {
            let known = counts.entry(reason).or_insert(0);
            *known = count.max(*known);
        }
        counts.into_iter().collect()
    }

    /// Whether copies want their lease renewed.
    pub(crate) fn refresh_due(&mut self, now_us: u64, timeout_s: u32) -> bool {
        let due = now_us >= self.refreshed_us + u64::from(timeout_s) * 500_000;
        if due {
            self.refreshed_us = now_us;
        }
        due
    }
}

impl Core {
    pub(crate) fn issue(&mut self, op: KernelOp, out: &mut Vec<Action>) {
        self.sink.issued += 1;
        self.races.issued(&op);
        out.push(Action::Kernel(op));
    }

    /// Only the owner ages: a copy's timeout in the kernel is a lease.
    pub(crate) fn timeout_s(&self, record: &FlowRecord) -> u32 {
        if self.group.owner == self.config.member {
            record.lifetime_s.max(1)
        } else {
            self.config.copy_timeout_s
        }
    }

    pub(crate) fn applied(&mut self, _peer: u8, created: bool, record: &FlowRecord, out: &mut Vec<Action>) {
        let (record, timeout_s) = (*record, self.timeout_s(record));
        let op = if created {
            KernelOp::Create { record, timeout_s }
        } else {
            KernelOp::Update { record, timeout_s }
        };
        self.issue(op, out);
    }

    pub(crate) fn deleted(&mut self, key: FlowKey, out: &mut Vec<Action>) {
        self.sink.refused.remove(&key);
        self.issue(KernelOp::Remove { key, ct_id: 0 }, out);
    }

    pub(crate) fn frame_end(&mut self, peer: u8, session: u64, sequence: u64, out: &mut Vec<Action>) {
        let mark = Mark { session, sequence, issued: self.sink.issued };
        self.sink.marks.entry(peer).or_default().push_back(mark);
        self.acknowledge(out);
    }

    pub(crate) fn kernel_done(
        &mut self,
        performed: u64,
        failed: Vec<(KernelOp, KernelError)>,
        out: &mut Vec<Action>,
    ) {
        self.sink.performed += performed;
        assert!(self.sink.performed <= self.sink.issued, "more operations performed than issued");
        for (op, error) in failed {
            self.kernel_failed(op, error);
        }
        self.races.performed(performed, out);
        self.acknowledge(out);
    }

    fn kernel_failed(&mut self, op: KernelOp, error: KernelError) {
        match (op, error) {
            (KernelOp::Remove { .. } | KernelOp::Verify { .. }, _) => {}
            // A lifetime alone names no state to make an entry from.
            (KernelOp::Update { record, .. }, _) if !record.groups.has(Groups::STATUS) => {}
            // What is there carries windows of another time, or nothing is there; or the kernel takes no
            // status bit back and moves no fixed timeout.
            (KernelOp::Create { record, .. }, KernelError::Exists)
            | (KernelOp::Update { record, .. }, KernelError::Missing)
            | (KernelOp::Update { record, .. }, KernelError::Refused(EBUSY | EPERM)) => {
                // Where packets run the entry may have ended, and its event not be read yet.
                if !self.races.refused(&record.key) {
                    self.mend(record.key, Cause::Refused);
                }
            }
            (
                KernelOp::Create { record, .. }
                | KernelOp::Update { record, .. }
                | KernelOp::Recreate { record, .. },
                error,
            ) => {
                // Exists after a re-creation: another flow holds the translated port.
                self.sink.conflicts_count += u64::from(error == KernelError::Exists);
                if self.sink.refused.len() < REFUSED_MAX {
                    let full = error == KernelError::TableFull;
                    let reason = if full { Unprotected::KernelFull } else { Unprotected::KernelRefused };
                    self.sink.refused.insert(record.key, reason);
                }
            }
        }
    }

    /// Tries again what the kernel refused for a reason that may pass.
    pub(crate) fn step_sink(&mut self, out: &mut Vec<Action>) {
        let any = !(self.sink.refused.is_empty() && self.sink.refused_before.is_empty());
        if any && self.now_us >= self.sink.retried_us + RETRY_US {
            self.sink.retried_us = self.now_us;
            // What the last attempt made of them is not known before its walks are over.
            if !self.sink.refused.is_empty() || self.mend.refused_count() == 0 {
                self.sink.refused_before = self.sink.refused_now();
            }
            for (key, _) in std::mem::take(&mut self.sink.refused) {
                self.mend(key, Cause::Refused);
            }
            self.acknowledge(out);
        }
    }

    /// Whether windows of another time are left in the kernel's entries: until they are made anew the gate stays
    /// closed.
    pub(crate) fn windows_are_old(&self) -> bool {
        self.scans.pending(Purpose::Reset) || self.sink.performed < self.sink.anew
    }

    /// Copies that the kernel does not hold as they are.
    pub(crate) fn refused_count(&self) -> u32 {
        let before: u64 = self.sink.refused_before.values().sum();
        (self.sink.refused.len() + self.mend.refused_count()).max(before as usize) as u32
    }

    fn acknowledge(&mut self, out: &mut Vec<Action>) {
        let refused = self.refused_count();
        let performed = self.sink.performed;
        for (peer, marks) in &mut self.sink.marks {
            let told = self.sink.told.get(peer).copied();
            let mut next = told.map(|told| Told { refused, ..told });
            while marks.front().is_some_and(|mark| mark.issued <= performed) {
                next = marks.pop_front().map(|Mark { session, sequence, .. }| Told {
                    session,
                    sequence,
                    refused,
                });
            }
            if let Some(now) = next.filter(|_| next != told) {
                self.sink.told.insert(*peer, now);
                let Told { session, sequence, refused } = now;
                out.push(Action::Nic(Command::Installed { peer: *peer, session, sequence, refused }));
            }
        }
    }

    pub(crate) fn row(&mut self, token: u64, _cookie: u32, record: &FlowRecord, out: &mut Vec<Action>) {
        let Some(purpose) = self.scans.purpose(token) else { return };
        let serving = self.group.owner == self.config.member;
        let (record, timeout_s) = (*record, self.timeout_s(record));
        match purpose {
            Purpose::Lifetime if serving => {
                let record = FlowRecord { groups: Groups::NONE, ..record };
                self.issue(KernelOp::Update { record, timeout_s }, out);
            }
            Purpose::Reset if !serving => {
                self.issue(KernelOp::Recreate { record, timeout_s }, out);
                self.sink.anew = self.sink.issued;
            }
            Purpose::Refresh if !serving => {
                self.issue(KernelOp::Update { record, timeout_s }, out);
            }
            Purpose::Mend => self.mend_row(&record, out),
            Purpose::List => out.push(Action::Row(record)),
            Purpose::Lifetime | Purpose::Reset | Purpose::Refresh => {}
        }
    }

    pub(crate) fn scan_end(&mut self, token: u64, out: &mut Vec<Action>) {
        match self.scans.ended(token) {
            Some(Purpose::List) => out.push(Action::RowsEnd),
            Some(Purpose::Mend) => self.mend_end(out),
            Some(Purpose::Reset) if self.state != State::Serving => self.audit.due_us = self.now_us,
            Some(Purpose::Reset | Purpose::Lifetime | Purpose::Refresh) | None => {}
        }
    }

    /// A flow that the other side of a split changed: what both did is kept, under our term. One that ended
    /// here lives on only if they saw more of it.
    pub(crate) fn merge(&mut self, theirs: Side, ours: Option<Side>, ended: bool, out: &mut Vec<Action>) {
        // An isolated owner names nobody, but its NIC still owns the term, and took the proposal.
        if self.group.term.member() != self.config.member {
            return;
        }
        let record = ours.map_or(theirs, |ours| join(theirs, ours)).record;
        let ours = ours.map(|side| side.record);
        if ours.is_some_and(|ours| ours.incarnation != theirs.record.incarnation) {
            out.push(Action::Log(Log::JoinLost(record.key)));
        }
        let adds = ours.is_none_or(|ours| match ended {
            // The lifetime it had left is no sign of a packet.
            true => !ours.difference(&record).without(Groups::LIFETIME).is_empty(),
            false => ours != record,
        });
        if !adds {
            // The kernel may be ahead of us by now: writing would take it back.
            return;
        }
        out.push(Action::Nic(Command::Upsert { flags: upsert::JOIN, cookie: 0, record }));
        let timeout_s = self.timeout_s(&record);
        let op = match ours.filter(|_| !ended) {
            None => KernelOp::Create { record, timeout_s },
            Some(ours) if ours.incarnation != record.incarnation => KernelOp::Recreate { record, timeout_s },
            // Only what the other side adds, for the same reason.
            Some(ours) => {
                let groups = ours.difference(&record);
                KernelOp::Update { record: FlowRecord { groups, ..record }, timeout_s }
            }
        };
        self.issue(op, out);
    }

    /// The kernel lacks a flow of the table: an event was lost, or a copy is gone.
    pub(crate) fn audit_missing(&mut self, cookie: u32, record: &FlowRecord, out: &mut Vec<Action>) {
        self.audit.missing += 1;
        if self.group.owner == self.config.member {
            self.issue(KernelOp::Verify { key: record.key, ct_id: cookie }, out);
        } else {
            let timeout_s = self.timeout_s(record);
            self.issue(KernelOp::Create { record: *record, timeout_s }, out);
        }
    }

    /// The kernel holds a flow that this copy does not.
    pub(crate) fn audit_extra(&mut self, cookie: u32, key: FlowKey, out: &mut Vec<Action>) {
        self.audit.extra += 1;
        if self.group.owner != self.config.member {
            self.issue(KernelOp::Remove { key, ct_id: cookie }, out);
        }
    }
}
