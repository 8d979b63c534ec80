//! Paced walks over the NIC's table: a few buckets at a time, so that neither the event ring nor the
//! kernel's writer backs up behind a table of any size.

use formats::descriptor::Command;
use formats::limits::BUCKETS_COUNT;
use std::collections::VecDeque;

/// Buckets asked for at a time.
const RUN_BUCKETS: u16 = 8;

/// What a walk is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Give owned flows their true lifetime after a takeover.
    Lifetime,
    /// Make copies anew after this member stopped serving, so that their windows are empty.
    Reset,
    /// Renew the lease of copies in the kernel.
    Refresh,
    /// Make entries of one bucket anew that are not as they should be.
    Mend,
    /// List flows for an operator.
    List,
}

#[derive(Debug)]
struct Walk {
    purpose: Purpose,
    next: u16,
    end: u16,
}

/// The walks that wait and the one that runs.
#[derive(Debug, Default)]
pub(crate) struct Scans {
    walks: VecDeque<Walk>,
    token: u64,
    running: bool,
}

impl Scans {
    /// Queues a walk over a run of buckets; a walk for the same purpose over all buckets starts over.
    pub(crate) fn start(&mut self, purpose: Purpose, bucket: u16, count: u16) {
        if count as usize == BUCKETS_COUNT {
            let running = self.running;
            let mut index = 0;
            self.walks.retain(|walk| {
                index += 1;
                walk.purpose != purpose || (running && index == 1)
            });
        }
        self.walks.push_back(Walk { purpose, next: bucket, end: bucket + count });
    }

    /// Drops waiting and running walks for a purpose that no longer holds.
    pub(crate) fn stop(&mut self, purpose: Purpose) {
        if let Some(front) = self.walks.front_mut() {
            if front.purpose == purpose {
                front.next = front.end;
            }
        }
        let running = self.running;
        let mut index = 0;
        self.walks.retain(|walk| {
            index += 1;
            walk.purpose != purpose || (running && index == 1)
        });
    }

    /// Whether a walk for this purpose waits or runs.
    pub(crate) fn pending(&self, purpose: Purpose) -> bool {
        self.walks.iter().any(|walk| walk.purpose == purpose)
    }

    /// The next run of buckets to ask for, if none is under way.
    pub(crate) fn next(&mut self) -> Option<Command> {
        if self.running {
            return None;
        }
        let walk = self.walks.front_mut()?;
        let count = RUN_BUCKETS.min(walk.end - walk.next);
        self.token += 1;
        self.running = true;
        let command = Command::Scan { token: self.token, bucket: walk.next, count };
        walk.next += count;
        Some(command)
    }

    /// What a row with this token is for; `None` for a walk that was dropped.
    pub(crate) fn purpose(&self, token: u64) -> Option<Purpose> {
        (self.running && token == self.token).then(|| self.walks.front().map(|walk| walk.purpose)).flatten()
    }

    /// A run is complete; returns the purpose whose whole walk ended with it.
    pub(crate) fn ended(&mut self, token: u64) -> Option<Purpose> {
        if !self.running || token != self.token {
            return None;
        }
        self.running = false;
        let walk = self.walks.front()?;
        if walk.next < walk.end {
            return None;
        }
        self.walks.pop_front().map(|walk| walk.purpose)
    }
}
