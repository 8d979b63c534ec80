//! Scans and audits: background passes that report flows as rows, as fast as the host reads them.
//!
//! Limit: [`JOBS_MAX`] passes wait; another is refused and counted.

use crate::table::Cursor;
use crate::Softnic;
use formats::descriptor::Event;
use formats::limits::BUCKETS_COUNT;
use formats::register::Counter;

/// Passes that may wait.
const JOBS_MAX: usize = 64;
/// Entries looked at per call.
pub(crate) const BUDGET_EVENTS: usize = 4096;

#[derive(Clone, Copy, Debug)]
enum Purpose {
    Scan { token: u64 },
    Audit { number: u16 },
}

/// A pass over a run of buckets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    purpose: Purpose,
    bucket: u16,
    end: u16,
    cursor: Cursor,
}

impl Job {
    pub(crate) fn scan(token: u64, bucket: u16, count: u16) -> Self {
        Self { purpose: Purpose::Scan { token }, bucket, end: bucket + count, cursor: Cursor::START }
    }

    pub(crate) fn audit(number: u16) -> Self {
        let end = BUCKETS_COUNT as u16;
        Self { purpose: Purpose::Audit { number }, bucket: 0, end, cursor: Cursor::START }
    }
}

impl Softnic {
    /// The mark of a change that the kernel has yet to follow: a row of the running audit may be older.
    pub(crate) fn audit_mark(&self) -> u16 {
        if self.audit_running {
            self.audit
        } else {
            self.audit.wrapping_sub(1)
        }
    }

    /// Whether it changed since the running audit began, whose rows then say nothing of it.
    pub(crate) fn is_audited(&self, at: u32) -> bool {
        self.audit_running && self.table[at].audit == self.audit
    }

    pub(crate) fn add_job(&mut self, job: Job) {
        if self.jobs.len() < JOBS_MAX {
            self.jobs.push_back(job);
        } else {
            self.count(Counter::CommandsFull);
        }
    }

    /// Takes one step of the first pass; returns whether there was one to take.
    pub(crate) fn run_job(&mut self) -> bool {
        let Some(mut job) = self.jobs.pop_front() else { return false };
        if job.bucket >= job.end {
            match job.purpose {
                Purpose::Scan { token } => self.report.push(Event::ScanEnd { token }),
                Purpose::Audit { number } => {
                    self.audit_running &= number != self.audit;
                    self.report.push(Event::AuditEnd);
                }
            }
            return true;
        }
        match self.table.next(job.bucket, &mut job.cursor) {
            Some(at) => self.report_row(&job, at),
            None => {
                job.bucket += 1;
                job.cursor = Cursor::START;
            }
        }
        self.jobs.push_front(job);
        true
    }

    fn report_row(&mut self, job: &Job, at: u32) {
        let entry = &self.table[at];
        let (cookie, record, stamp) = (entry.cookie, entry.record, entry.stamp);
        match job.purpose {
            Purpose::Scan { token } if entry.is_live() => {
                self.report.push(Event::Row { token, cookie, record, stamp });
            }
            Purpose::Audit { number } if entry.is_live() && entry.audit != number => {
                if self.owns(job.bucket) {
                    self.report.push(Event::AuditMissing { cookie, record });
                }
            }
            Purpose::Scan { .. } | Purpose::Audit { .. } => {}
        }
    }
}
