//! Coverage: a background pass once a second over every entry, spread over the polls.
//!
//! It counts owned flows, those that every copy has installed at some version and those at their newest,
//! and recomputes each digest from the entry: memory that changed by itself is found, counted, corrected.

use crate::bucket::CopyState;
use crate::Softnic;
use formats::descriptor::Event;
use formats::limits::*;
use formats::register::Counter;

/// Length of a pass.
const PASS_US: u64 = 1_000_000;
/// Steps of a pass.
const STEP_US: u64 = 10_000;

#[derive(Debug)]
pub(crate) struct Coverage {
    start_us: u64,
    next_us: u64,
    cursor: usize,
    flows: u64,
    protected: u64,
    current: u64,
}

impl Coverage {
    pub(crate) fn new(now_us: u64) -> Self {
        Self { start_us: now_us, next_us: now_us + STEP_US, cursor: 0, flows: 0, protected: 0, current: 0 }
    }

    pub(crate) fn next_us(&self) -> u64 {
        self.next_us
    }
}

impl Softnic {
    pub(crate) fn run_coverage(&mut self) {
        if self.local_us < self.coverage.next_us {
            return;
        }
        let elapsed = (self.local_us - self.coverage.start_us).min(PASS_US);
        let entries = self.table.entries_count();
        let target = (entries as u128 * u128::from(elapsed) / u128::from(PASS_US)) as usize;
        while self.coverage.cursor < target {
            let at = self.coverage.cursor as u32;
            self.coverage.cursor += 1;
            if self.table[at].is_live() {
                self.cover(at);
            }
        }
        self.coverage.next_us = self.local_us + STEP_US;
        if elapsed == PASS_US {
            let Coverage { flows, protected, current, .. } = self.coverage;
            self.coverage = Coverage::new(self.local_us);
            let dirty_buckets = self.dirty_buckets();
            self.report_control(Event::Coverage { flows, protected, current, dirty_buckets });
        }
    }

    fn dirty_buckets(&self) -> u16 {
        let dirty = |bucket: &u16| {
            let b = &self.buckets[*bucket as usize];
            let served = |copy: usize| b.members[copy] != MEMBER_NONE;
            (0..2).any(|copy| served(copy) && b.copies[copy].state != CopyState::Clean)
        };
        (0..BUCKETS_COUNT as u16).filter(|bucket| self.owns(*bucket)).filter(dirty).count() as u16
    }

    fn cover(&mut self, at: u32) {
        let bucket = self.table[at].id.bucket();
        let digest = self.contribution(&self.table[at].record);
        if digest != self.table[at].digest {
            self.count(Counter::DigestsRepaired);
            let delta = digest.wrapping_sub(self.table[at].digest);
            self.table[at].digest = digest;
            let b = &mut self.buckets[bucket as usize];
            b.sum = b.sum.wrapping_add(delta);
        }
        if !self.owns(bucket) {
            return;
        }
        let b = &self.buckets[bucket as usize];
        let entry = &mut self.table[at];
        let (mut copies, mut protected, mut current) = (0, true, true);
        for copy in 0..2 {
            let Some(peer) = self.peers.get(b.members[copy] as usize) else { continue };
            copies += 1;
            let clean = b.copies[copy].state == CopyState::Clean && peer.session != 0;
            let newest = clean && entry.sent[copy] <= peer.installed;
            if newest && !b.copies[copy].renewed {
                entry.set_installed(copy, true);
            }
            protected &= entry.was_installed(copy) && !b.copies[copy].renewed;
            current &= newest;
        }
        self.coverage.flows += 1;
        // A flow without any copy is not protected, whatever the map asks for.
        self.coverage.protected += u64::from(copies > 0 && protected);
        self.coverage.current += u64::from(copies > 0 && current);
    }
}
