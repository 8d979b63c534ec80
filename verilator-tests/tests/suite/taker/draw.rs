//! What happens to a taker: records of peers near to what is there, some of them wrong.

use super::side::*;
use super::*;
use formats::descriptor::Command;
use formats::limits::*;
use formats::unit::{kind, SnapshotEnd, TermUnit};
use formats::Record;
use hw::layout::flag;
use hw::map::flag as bucket_flag;
use verilator_tests::{Bench, Result};

impl Scene {
    /// Something happens.
    pub(super) fn step(&mut self, bench: &mut Bench) -> Result<()> {
        let bucket = self.flow_bucket();
        let (mut peer, mut term) = (self.owner(bucket), self.term(bucket));
        if !PEERS.contains(&peer) || self.random.u8(..) < 8 {
            peer = PEERS[self.random.usize(..2)];
        }
        if self.random.u8(..) < 8 {
            term = term.wrapping_add(1 << self.random.u32(..32));
        }
        let mut bucket_told = bucket;
        if self.random.u8(..) < 6 {
            bucket_told |= 1 << self.random.u32(10..16);
        }
        let flags = if self.random.u8(..) < 8 { self.random.u8(..) } else { 0 };
        let mut state = self.engine.bucket_digest(bucket);
        let whole = self.unpainted_gone(bucket);
        let bit = self.random.u32(..96);
        let wrong = self.random.u8(..) < 60;
        let spoil = |(count, sum): (u32, u64)| match (wrong, bit) {
            (false, _) => (count, sum),
            (true, ..64) => (count, sum ^ 1 << bit),
            (true, _) => (count ^ 1 << (bit - 64), sum),
        };
        let ended: Vec<u64> = self.tombstone_versions();
        let floor = match self.random.u8(..4) {
            0 => 0,
            1 => self.version,
            // Exactly one of them, or just below.
            _ if !ended.is_empty() => ended[self.random.usize(..ended.len())] - self.random.u64(..2),
            _ => 1 << 47,
        };
        match self.random.u8(..100) {
            0..45 => self.tell_flow(bench),
            45..57 => self.tell(bench, peer, &begin(bucket_told, term, flags)),
            57..70 => {
                if self.random.bool() {
                    state = whole;
                }
                let Record::SnapshotEnd(unit) = end(bucket_told, term, spoil(state), floor) else {
                    unreachable!("it ends")
                };
                self.tell(bench, peer, &Record::SnapshotEnd(SnapshotEnd { flags, ..unit }))
            }
            70..86 => {
                let high = if self.random.u8(..) < 30 { self.random.u64(..) << 48 } else { 0 };
                // Again: what differs a second time is another matter.
                for _ in 0..self.random.u8(1..4) {
                    self.tell(bench, peer, &digest(bucket_told, term, spoil(state), floor | high))?;
                }
                Ok(())
            }
            86..96 => self.tell_term(bench),
            96 => {
                self.raise(bucket);
                Ok(())
            }
            _ => {
                self.is_auditing = self.random.bool();
                if self.is_auditing {
                    self.audit = self.audit.wrapping_add(1);
                }
                let command = if self.is_auditing { Command::AuditBegin } else { Command::AuditEnd };
                self.engine.command(self.now, &command);
                while self.engine.next_event().is_some() {}
                self.engine.poll(self.now);
                while self.engine.next_event().is_some() {}
                bench.input::<bool>("is_auditing")?.set(self.is_auditing);
                let mark = if self.is_auditing { self.audit } else { self.audit.wrapping_sub(1) };
                bench.input::<u8>("audit")?.set(mark);
                Ok(())
            }
        }
    }

    /// Count and sum of a bucket if what its last snapshot did not mention were gone.
    fn unpainted_gone(&self, bucket: u16) -> (u32, u64) {
        let colour = self.side.buckets[usize::from(bucket)].flags & bucket_flag::COLOUR != 0;
        let entries = self.side.places.values().filter(|(id, entry)| {
            (id >> 30) as u16 == bucket
                && entry.flags & flag::LIVE != 0
                && (entry.flags & flag::COLOUR != 0) == colour
        });
        entries.fold((0, 0), |(count, sum), (_, entry)| (count + 1, sum.wrapping_add(entry.digest)))
    }

    fn tombstone_versions(&self) -> Vec<u64> {
        let ends = self.side.places.values().filter(|(_, entry)| entry.flags & flag::TOMBSTONE != 0);
        ends.map(|(_, entry)| entry.stamp.version).collect()
    }

    /// A TERM, of buckets with flows or of others.
    fn tell_term(&mut self, bench: &mut Bench) -> Result<()> {
        let with_flows = self.random.u8(..) < 40;
        let random = &mut self.random;
        let peer = PEERS[random.usize(..2)];
        let (bucket, count) = match (with_flows, random.u8(..16)) {
            (true, _) => (self.first + random.u16(..FLOW_BUCKETS), random.u16(1..4)),
            (false, 0) => (random.u16(BUCKETS_COUNT as u16 - 4..), random.u16(..8)),
            (false, 1) => (PLAYGROUND.start, random.u16(..)),
            (false, _) => {
                let bucket = random.u16(PLAYGROUND);
                (bucket, random.u16(..=PLAYGROUND.end - bucket))
            }
        };
        let at = usize::from(bucket) % BUCKETS_COUNT;
        let [owner, backup, remote, successor, ..] = self.side.buckets[at].roles.to_le_bytes();
        let held = (self.side.buckets[at].roles >> 32) as u32;
        let random = &mut self.random;
        let mut member = |usual: u8, always: bool| match random.u8(..8) {
            0 if !always => MEMBER,
            1 => PEERS[0],
            2 => PEERS[1],
            3 => MEMBER_NONE,
            4 if !always => 127 + random.u8(..3),
            _ => usual,
        };
        // Who serves a bucket with flows proposes what it had to the next owner, which is not the block's.
        let owner = member(owner, with_flows);
        let (backup, remote, successor) =
            (member(backup, false), member(remote, false), member(successor, false));
        let random = &mut self.random;
        let term = match random.u8(..8) {
            0 => held.wrapping_sub(1),
            1..4 => held,
            _ => held.saturating_add(random.u32(..=1)),
        };
        let session = if random.u8(..) < 80 && owner == MEMBER {
            SESSION ^ 1 << random.u32(..64)
        } else {
            session_of(owner)
        };
        let unit = TermUnit {
            kind: kind::TERM,
            units: 2,
            bucket,
            count,
            owner,
            backup,
            remote,
            term,
            successor,
            flags: if random.u8(..) < 40 { random.u8(..) } else { 0 },
            session,
            ..TermUnit::default()
        };
        self.tell(bench, peer, &Record::Term(unit))
    }
}
