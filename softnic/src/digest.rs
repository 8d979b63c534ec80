//! Digests: sent for each clean copy of an owned bucket, compared at their place in the stream.
//!
//! Equal sums prove the copy. Different sums prove nothing on a stream that had a gap since the last
//! equal one (unproven, repair is asked); without a gap the bucket is suspect, and different the second
//! time.

use crate::bucket::CopyState;
use crate::frame::Item;
use crate::Softnic;
use formats::descriptor::BucketState;
use formats::limits::BUCKETS_COUNT;
use formats::register::Counter;
use formats::unit::{kind, DigestUnit};
use formats::Record;

/// Buckets whose digests leave together: a frame for each would wake both hosts a thousand times more.
const RUN_BUCKETS: u64 = 16;

impl Softnic {
    /// Local time at which the next run of digests is due.
    pub(crate) fn next_digest_us(&self) -> u64 {
        let step = u128::from(self.digest_steps + RUN_BUCKETS) * u128::from(self.config.digest_us);
        self.start_us.saturating_add((step / BUCKETS_COUNT as u128) as u64)
    }

    /// Sends the digests that are due, spread evenly over the interval.
    pub(crate) fn send_due_digests(&mut self) {
        let elapsed = u128::from(self.local_us - self.start_us) * BUCKETS_COUNT as u128;
        let due = (elapsed / u128::from(self.config.digest_us)) as u64;
        // After a pause each bucket is sent once, not once for every interval missed.
        self.digest_steps = self.digest_steps.max(due.saturating_sub(BUCKETS_COUNT as u64));
        while self.digest_steps + RUN_BUCKETS <= due {
            self.send_digest_run();
        }
    }

    fn send_digest_run(&mut self) {
        for _ in 0..RUN_BUCKETS {
            self.digest_steps += 1;
            let bucket = (self.digest_steps % BUCKETS_COUNT as u64) as u16;
            if self.owns(bucket) {
                for member in self.buckets[bucket as usize].members {
                    self.send_digest(bucket, member);
                }
            }
        }
    }

    /// Sends a digest, if the copy's stream holds every change.
    pub(crate) fn send_digest(&mut self, bucket: u16, member: u8) {
        let b = &self.buckets[bucket as usize];
        let Some(copy) = b.copy_of(member).filter(|_| self.owns(bucket)) else { return };
        let session = self.peers[member as usize].session;
        if b.copies[copy].state != CopyState::Clean || session == 0 || self.queue_is_full(member) {
            return;
        }
        let floor = self.floor(bucket);
        let b = &self.buckets[bucket as usize];
        let unit = DigestUnit {
            kind: kind::DIGEST,
            bucket,
            term: b.term.0,
            count: b.count,
            sum: b.sum,
            floor,
            emitted: self.peers[member as usize].emitted,
            ..DigestUnit::default()
        };
        self.append_record(member, &Record::Digest(unit), Some(Item::Digest(bucket)));
    }

    /// The version up to which every delete of the bucket is known to all sessions.
    pub(crate) fn floor(&mut self, bucket: u16) -> u64 {
        let b = &mut self.buckets[bucket as usize];
        if b.tombstones.is_empty() {
            // The next delete takes the clock itself at the earliest.
            b.floor = self.version_clock_us.saturating_sub(1);
        }
        b.floor
    }

    pub(crate) fn take_digest(&mut self, peer: u8, unit: &DigestUnit) {
        let bucket = unit.bucket;
        if !self.may_tell(peer, bucket, unit.term) {
            return;
        }
        let epoch = self.peers[peer as usize].gap_epoch;
        let b = &mut self.buckets[bucket as usize];
        if b.receiving.is_some_and(|receiving| receiving.gap_epoch == epoch) {
            return;
        }
        b.receiving = None;
        if (b.count, b.sum) == (unit.count, unit.sum) {
            return self.note_equal(peer, bucket, unit.floor, false);
        }
        b.verified = false;
        let state = if b.gapped || b.gap_mark != Some(epoch) {
            BucketState::Unproven
        } else if b.suspect {
            BucketState::Different
        } else {
            BucketState::Suspect
        };
        b.suspect = state != BucketState::Unproven;
        match state {
            BucketState::Unproven => self.count(Counter::DigestsUnproven),
            BucketState::Suspect | BucketState::Different => self.count(Counter::DigestsDifferent),
            BucketState::Equal => unreachable!("the sums differ"),
        }
        self.tell_compared(peer, bucket, state, false);
        if state != BucketState::Suspect {
            self.ask_repair(peer, bucket);
        }
    }
}
