//! Coverage: a background pass twice a second over every entry, spread over the polls.
//!
//! It counts owned flows, those that every copy has installed at some version and those at their newest:
//! a second after the last change the count is true. Every other pass recomputes each digest from the
//! entry: memory that changed by itself is found, counted, corrected.

use crate::bucket::CopyState;
use crate::Softnic;
use formats::descriptor::Event;
use formats::limits::*;
use formats::register::Counter;

/// Length of a pass.
const PASS_US: u64 = 500_000;
/// Steps of a pass.
const STEP_US: u64 = 10_000;

#[derive(Debug)]
pub(crate) struct Coverage {
    start_us: u64,
    next_us: u64,
    cursor: usize,
    /// Whether this pass recomputes digests.
    scrubs: bool,
    flows: u64,
    protected: u64,
    current: u64,
}

impl Coverage {
    pub(crate) fn new(now_us: u64) -> Self {
        let (next_us, scrubs) = (now_us + STEP_US, false);
        Self { start_us: now_us, next_us, cursor: 0, scrubs, flows: 0, protected: 0, current: 0 }
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
            self.age(at);
            if self.table[at].is_live() {
                self.cover(at);
            }
        }
        self.coverage.next_us = self.local_us + STEP_US;
        if elapsed == PASS_US {
            let Coverage { flows, protected, current, scrubs, .. } = self.coverage;
            self.coverage = Coverage { scrubs: !scrubs, ..Coverage::new(self.local_us) };
            let dirty_buckets = self.dirty_buckets();
            let refused = self.refused_by_copies();
            self.report_control(Event::Coverage { flows, protected, current, dirty_buckets, refused });
        }
    }

    /// Flows that copies could not install; one that two copies refuse counts twice.
    fn refused_by_copies(&self) -> u32 {
        let holds = |peer: u8| {
            self.buckets.iter().any(|b| {
                b.owner == self.config.member
                    && b.owner_session == self.config.session
                    && b.members.contains(&peer)
            })
        };
        let refusing = self.config.peers.iter().filter(|peer| self.peers[**peer as usize].refused > 0);
        let copies = refusing.filter(|peer| holds(**peer));
        copies.fold(0, |sum, peer| sum.saturating_add(self.peers[*peer as usize].refused))
    }

    fn dirty_buckets(&self) -> u16 {
        let dirty = |bucket: &u16| {
            let b = &self.buckets[*bucket as usize];
            let served = |copy: usize| b.members[copy] != MEMBER_NONE;
            (0..2).any(|copy| served(copy) && b.copies[copy].state != CopyState::Clean)
        };
        (0..BUCKETS_COUNT as u16).filter(|bucket| self.owns(*bucket)).filter(dirty).count() as u16
    }

    /// Puts the digest of an entry right.
    fn scrub(&mut self, at: u32, bucket: u16) {
        let digest = self.contribution(&self.table[at].record);
        if digest != self.table[at].digest {
            self.count(Counter::DigestsRepaired);
            let delta = digest.wrapping_sub(self.table[at].digest);
            self.table[at].digest = digest;
            let b = &mut self.buckets[bucket as usize];
            b.sum = b.sum.wrapping_add(delta);
        }
    }

    fn cover(&mut self, at: u32) {
        let bucket = self.table[at].id.bucket();
        if self.coverage.scrubs {
            self.scrub(at, bucket);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Now, Softnic};
    use formats::descriptor::{Command, Roles};
    use formats::{ClusterSecret, FlowRecord, Groups, Term};

    #[test]
    fn a_digest_that_memory_lost_is_found_and_corrected_within_two_passes() {
        let config = Config {
            member: 0,
            cluster: 1,
            secret: ClusterSecret([1; 32]),
            session: 1,
            peers: vec![1],
            ports: 1,
            macs: [[0; 6]; PORTS_MAX],
            s_tag: 0,
            c_tag: 0,
            frame_size: 1500,
            set_bits: 10,
            ways: 2,
            overflow_max: 0,
            beat_us: 1000,
            late_us: 3000,
            silent_us: 9000,
            host_alive_us: 9000,
            digest_us: 1_000_000,
            replicate: Groups::ALL,
            events_max: 64,
            queue_frames_max: 4,
            omissions: Default::default(),
        };
        let now = |local_us| Now { local_us, cluster_us: local_us };
        let mut engine = Softnic::new(config, now(0));
        let roles = Roles {
            bucket: 0,
            count: BUCKETS_COUNT as u16,
            term: Term(256),
            owner: 0,
            backup: MEMBER_NONE,
            remote: MEMBER_NONE,
            successor: MEMBER_NONE,
        };
        engine.command(now(0), &Command::Map(roles));
        let record = FlowRecord { groups: Groups::STATUS, tcp_state: 3, ..FlowRecord::default() };
        engine.command(now(0), &Command::Upsert { flags: 0, cookie: 0, record });
        let at = engine.table.find(engine.hasher.flow_id(&record.key), &record.key).expect("made");
        engine.table[at].record.tcp_state ^= 4;
        assert!(engine.balance().is_err());
        (1..=2 * PASS_US / STEP_US).for_each(|step| engine.poll(now(step * STEP_US)));
        assert_eq!(engine.counter(Counter::DigestsRepaired), 1);
        assert_eq!(engine.balance(), Ok(()));
    }
}
