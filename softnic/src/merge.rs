//! After a split and after a takeover: proposals of a former owner, and pulls of a new one.
//!
//! A member that loses a bucket to a higher term proposes (MERGE) every live flow that the new owner did
//! not acknowledge. Until the last proposal is acknowledged, the new owner's records are refused, because
//! they could overwrite what is being proposed; then the bucket is an ordinary gapped copy.
//!
//! A member that lost it before every row of its kernel was stated proposes those too (`PROPOSE`), each as
//! old as can be: it served them, and saw none of them change.
//!
//! A new owner pulls: survivors send snapshots with their own stamps, the newer stamp wins, nothing is
//! deleted at the end. A survivor that is not heard yet is asked as soon as it is; until then, but not for
//! ever, the ends of flows are remembered.
//!
//! Limit: [`BUDGET_RECORDS`] proposals a tick, and the peer's queue.

use crate::bucket::CopyState;
use crate::change::incarnation;
use crate::frame::{InFlight, Item};
use crate::table::{Cursor, Table};
use crate::Softnic;
use formats::descriptor::{Event, PathState};
use formats::limits::*;
use formats::register::Counter;
use formats::{FlowId, FlowRecord, Record, Stamp, Term};

/// Entries looked at per tick.
const BUDGET_RECORDS: u64 = 4096;

/// How long ends of flows are remembered for a former owner that is not heard, in µs.
pub(crate) const FORMER_KEPT_US: u64 = 10_000_000;

/// A bucket's proposals on their way to its new owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proposing {
    pub(crate) target: u8,
    /// Our term before.
    term: Term,
    /// Which copy the new owner held, and what it had acknowledged when it became owner.
    copy: Option<(usize, u64)>,
    cursor: Cursor,
    scanned: bool,
    /// What the scan is for: everything, or only what the kernel alone knew.
    extras_only: bool,
    /// Such an entry came since the scan began.
    again: bool,
    /// Proposals whose fate is unknown.
    outstanding: u32,
}

impl Proposing {
    /// Of nothing yet.
    fn to(target: u8, term: Term) -> Self {
        Self {
            target,
            term,
            copy: None,
            cursor: Cursor::START,
            scanned: false,
            extras_only: false,
            again: false,
            outstanding: 0,
        }
    }
}

/// A snapshot asked of a survivor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pull {
    /// Until when it is waited for: as long as the ends of flows are remembered that it may still hold.
    pub(crate) until_us: u64,
    /// The survivor's gap epoch at its begin.
    pub(crate) begun: Option<u64>,
    /// A record changed the table.
    pub(crate) changed: bool,
}

impl Softnic {
    /// This member does not serve the bucket any more, or the bucket passed on to yet another owner.
    pub(crate) fn lose(&mut self, bucket: u16, owned: bool, old_term: Term, old_members: [u8; 2]) {
        self.end_pulls(bucket);
        let owner = self.buckets[bucket as usize].owner;
        let new_owner = self.peers.get(owner as usize).filter(|peer| peer.known);
        let b = &mut self.buckets[bucket as usize];
        let Some(peer) = new_owner else {
            b.proposing = None;
            return;
        };
        // Only of a clean copy is it known what an acknowledged frame left there.
        let copy = old_members.iter().position(|member| *member == owner);
        let copy = copy.filter(|copy| owned && b.copies[*copy].state == CopyState::Clean);
        let term = match b.proposing {
            Some(proposing) if proposing.target == owner => return,
            Some(proposing) => proposing.term,
            None if owned => old_term,
            None => return,
        };
        self.any_proposing = true;
        let copy = copy.map(|copy| (copy, peer.acked));
        b.proposing = Some(Proposing { copy, ..Proposing::to(owner, term) });
    }

    /// A flow that only this member's kernel knows, from when it served: whether it lives on is the owner's
    /// to say, whose snapshot follows. The host hears of it as of any flow of a copy: its entry there may
    /// hold windows of that time.
    pub(crate) fn propose_extra(&mut self, id: FlowId, record: &FlowRecord) {
        let bucket = id.bucket();
        let owner = self.buckets[bucket as usize].owner;
        if !self.peers.get(owner as usize).is_some_and(|peer| peer.known) {
            return;
        }
        let at = match self.table.find(id, &record.key).map_or_else(|| self.table.make(id, &record.key), Ok) {
            Ok(at) => at,
            Err(crate::table::Full) => return self.report_control(Event::Full { key: record.key }),
        };
        self.any_proposing = true;
        let b = &mut self.buckets[bucket as usize];
        let proposing = b
            .proposing
            .get_or_insert(Proposing { extras_only: true, ..Proposing::to(owner, Term::default()) });
        (proposing.again, proposing.scanned) = (true, false);
        let term = proposing.term;
        let mut made = FlowRecord { incarnation: incarnation(term, 0, false), ..FlowRecord::default() };
        made.key = record.key;
        made.merge_groups(record);
        self.write(at, &made, Stamp { term, version: 0 });
        let entry = &mut self.table[at];
        (entry.cookie, entry.audit) = (0, self.audit);
        entry.set_extra(true);
        let (record, stamp) = (entry.record, entry.stamp);
        let event = Event::Applied { peer: owner, sequence: 0, cookie: 0, created: true, record, stamp };
        self.report_flow(bucket, event);
    }

    /// Who does not serve has nothing to pull: what still comes of a snapshot is refused, and skipped
    /// when the survivor begins it again.
    fn end_pulls(&mut self, bucket: u16) {
        let peers: Vec<u8> =
            self.pulls.range((bucket, 0)..=(bucket, u8::MAX)).map(|((_, peer), _)| *peer).collect();
        for peer in peers {
            self.pulls.remove(&(bucket, peer));
        }
    }

    /// Whether a survivor may still tell of flows of the bucket that ended here; forgets one that was waited
    /// for too long, whose snapshot is then skipped.
    pub(crate) fn pulls_wait(&mut self, bucket: u16) -> bool {
        let (now_us, peers) = (self.local_us, &self.peers);
        let run = (bucket, 0)..=(bucket, u8::MAX);
        let silent = |peer: u8| peers[peer as usize].paths[0].state == PathState::Silent;
        let late = |((_, peer), pull): &(&(u16, u8), &Pull)| pull.until_us <= now_us && silent(*peer);
        while let Some(key) = self.pulls.range(run.clone()).find(late).map(|(key, _)| *key) {
            self.pulls.remove(&key);
        }
        self.pulls.range(run).next().is_some()
    }

    /// The new owner starts again: everything is proposed anew.
    pub(crate) fn restart_proposal(&mut self, bucket: u16, peer: u8) {
        if let Some(proposing) = &mut self.buckets[bucket as usize].proposing {
            if proposing.target == peer {
                *proposing = Proposing::to(peer, proposing.term);
            }
        }
    }

    pub(crate) fn run_proposals(&mut self) {
        if !std::mem::take(&mut self.any_proposing) {
            return;
        }
        let mut budget = BUDGET_RECORDS;
        for bucket in 0..BUCKETS_COUNT as u16 {
            if let Some(mut proposing) = self.buckets[bucket as usize].proposing {
                self.propose(bucket, &mut proposing, &mut budget);
                let done = proposing.scanned && proposing.outstanding == 0;
                self.buckets[bucket as usize].proposing = (!done).then_some(proposing);
                self.any_proposing |= !done;
                if done {
                    self.buckets[bucket as usize].gapped = true;
                    self.ask(proposing.target, bucket, false);
                }
            }
        }
    }

    fn propose(&mut self, bucket: u16, proposing: &mut Proposing, budget: &mut u64) {
        let target = proposing.target;
        while !proposing.scanned
            && *budget > 0
            && self.peers[target as usize].session != 0
            && !self.queue_is_full(target)
        {
            let Some(at) = self.table.next(bucket, &mut proposing.cursor) else {
                proposing.scanned = !std::mem::take(&mut proposing.again);
                (proposing.extras_only, proposing.cursor) = (true, Cursor::START);
                continue;
            };
            *budget -= 1;
            // The host makes its kernel's entries anew when it stops serving: its marks are void.
            self.table[at].cookie = 0;
            let entry = &self.table[at];
            let known = proposing.copy.is_some_and(|(copy, acked)| entry.sent[copy] <= acked);
            let wanted = if proposing.extras_only { entry.is_extra() } else { !known };
            if entry.is_live() && wanted {
                self.table[at].set_extra(false);
                self.send_proposal(target, at, proposing.term);
                proposing.outstanding += 1;
            }
        }
    }

    fn send_proposal(&mut self, target: u8, at: u32, term: Term) {
        let entry = &self.table[at];
        let merge =
            Record::Merge(entry.id.bucket(), term, self.replicating().record(&entry.record), entry.stamp);
        let sequence = self.append_record(target, &merge, Some(Item::Proposal(at)));
        // While a bucket is proposed nothing else is sent of it: the mark is free for this.
        self.table[at].sent = [sequence; 2];
    }

    /// Proposals of an acknowledged frame are settled.
    pub(crate) fn settle_proposals(
        buckets: &mut [crate::bucket::Bucket],
        table: &Table,
        peer: u8,
        frame: &InFlight,
    ) {
        for item in &frame.items {
            let Item::Proposal(at) = *item else { continue };
            let entry = &table[at];
            if let Some(proposing) = &mut buckets[entry.id.bucket() as usize].proposing {
                if proposing.target == peer && entry.sent == [frame.sequence; 2] {
                    proposing.outstanding = proposing.outstanding.saturating_sub(1);
                }
            }
        }
    }

    pub(crate) fn repeat_proposal(&mut self, peer: u8, at: u32, sequence: u64) {
        let entry = &self.table[at];
        match self.buckets[entry.id.bucket() as usize].proposing {
            Some(proposing) if proposing.target == peer && entry.sent == [sequence; 2] => {
                self.send_proposal(peer, at, proposing.term);
            }
            Some(_) | None => {}
        }
    }

    /// The version that a flow which ended had last: ends under our term are not the former owner's.
    fn last_version(&self, at: u32) -> u64 {
        let entry = &self.table[at];
        let ours = entry.stamp.term == self.buckets[entry.id.bucket() as usize].term;
        if ours {
            entry.ended_version
        } else {
            entry.stamp.version
        }
    }

    /// A proposal of a former owner: the host joins.
    pub(crate) fn take_merge(
        &mut self,
        peer: u8,
        bucket: u16,
        served: Term,
        theirs: &FlowRecord,
        stamp: Stamp,
    ) {
        let id = self.hasher.flow_id(&theirs.key);
        if id.bucket() != bucket {
            return self.count(Counter::RecordsMalformed);
        }
        self.count(Counter::RecordsControl);
        if !self.owns(bucket) {
            // Not acknowledged: the proposer is to find the owner, not to believe the flow delivered.
            self.frame_refused = true;
            return self.peers[peer as usize].ask_answer(bucket);
        }
        if !self.frame_has_room {
            self.frame_refused = true;
            return;
        }
        let found = self.table.find(id, &theirs.key);
        if found.is_some_and(|at| self.table[at].is_tombstone() && stamp.version <= self.last_version(at)) {
            // It ended here, and the former owner saw nothing that we did not: the snapshot ends it there.
            return;
        }
        let (record, term) = (theirs, stamp.term);
        let ended = found.map(|at| &self.table[at]).filter(|entry| {
            let same = entry.record.incarnation == record.incarnation && entry.record.key == record.key;
            entry.is_tombstone() && same && !entry.record.groups.is_empty()
        });
        if let Some(entry) = ended {
            // The former owner saw its packets, too: the host tells whether it saw more than we did.
            let (ours, ours_term) = (Some(entry.record), entry.stamp.term);
            let (theirs, ended) = (*theirs, true);
            return self.report.push(Event::Merge { peer, bucket, term, theirs, ours, ours_term, ended });
        }
        let found = found.filter(|at| self.table[*at].is_live());
        if found.is_none() && stamp.term != served && stamp.version <= self.buckets[bucket as usize].proven {
            // It was here, nothing moved it while the other side served, and its end is forgotten by now.
            return;
        }
        let ours = found.map(|at| self.table[at].record);
        // The terms under which each side last changed it: serving alone makes no side right.
        let ours_term = found.map_or(Term::default(), |at| self.table[at].stamp.term);
        let (theirs, ended) = (*theirs, false);
        // Beyond the limit by a frame's records at most.
        self.report.push(Event::Merge { peer, bucket, term, theirs, ours, ours_term, ended });
    }
}
