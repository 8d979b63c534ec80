//! The rolling audit: a dump of the kernel's table against the NIC's, beside the load.
//!
//! On the owner a row that the NIC lacks is a flow whose event was lost, and a flow that the dump lacks is
//! verified before it is ended. On a copy the NIC is right: extra entries go, missing ones are made. Only
//! one that served and lost the group before its first audit was over knows of flows that nobody was told
//! of: its extra entries are proposed to the owner.

use crate::io::{Action, Log, State};
use crate::Core;
use formats::descriptor::Command;

/// Wait before a dump that broke off is tried again, in µs.
const RETRY_US: u64 = 1_000_000;

/// One audit and when the next is due.
#[derive(Debug)]
pub(crate) struct Audit {
    /// Local time of the next audit.
    pub(crate) due_us: u64,
    phase: Phase,
    /// Local time at which the last one began.
    begun_us: u64,
    /// The NIC was told every flow of the kernel: false for one that serves, or served, from a table nobody
    /// told it of, until its first audit. Its copies equal the NIC, not the kernel.
    pub(crate) whole: bool,
    pub(crate) rows: u64,
    pub(crate) missing: u64,
    pub(crate) extra: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Rows,
    Comparing,
}

impl Audit {
    pub(crate) fn new(now_us: u64) -> Self {
        Self {
            due_us: now_us,
            phase: Phase::Idle,
            begun_us: now_us,
            whole: true,
            rows: 0,
            missing: 0,
            extra: 0,
        }
    }

    pub(crate) fn running(&self) -> bool {
        self.phase == Phase::Rows
    }
}

impl Core {
    /// Only a member that knows what its table should hold can judge the kernel's. Where rows count none may
    /// be older than what the NIC told and the kernel's writer has yet to do.
    fn can_audit(&self) -> bool {
        match self.state {
            State::Serving => self.sink.is_idle() && self.races.are_settled() && self.mend.is_idle(),
            State::Standby => self.audit.whole || self.sink.is_idle(),
            State::Reloading | State::Releasing | State::Isolated | State::Lapsed => false,
        }
    }

    pub(crate) fn step_audit(&mut self, out: &mut Vec<Action>) {
        if self.audit.phase == Phase::Idle && self.now_us >= self.audit.due_us && self.can_audit() {
            let whole = self.audit.whole;
            let due_us = self.now_us + self.config.audit_us;
            self.audit = Audit { due_us, phase: Phase::Rows, whole, ..Audit::new(self.now_us) };
            out.push(Action::Nic(Command::AuditBegin));
            out.push(Action::Dump);
        }
    }

    pub(crate) fn audit_done(&mut self, complete: bool, out: &mut Vec<Action>) {
        if self.audit.phase != Phase::Rows {
            return;
        }
        if complete {
            self.audit.phase = Phase::Comparing;
            out.push(Action::Nic(Command::AuditEnd));
        } else {
            self.audit.phase = Phase::Idle;
            self.audit.due_us = self.now_us + RETRY_US;
        }
    }

    pub(crate) fn audit_end(&mut self, out: &mut Vec<Action>) {
        if self.audit.phase == Phase::Comparing {
            self.audit.phase = Phase::Idle;
            self.audit.whole = true;
            let (rows, missing, extra) = (self.audit.rows, self.audit.missing, self.audit.extra);
            let took_us = self.now_us - self.audit.begun_us;
            out.push(Action::Log(Log::Audit { rows, missing, extra, took_us }));
        }
    }
}
