//! Terms and roles: set by the host, announced, adopted from peers.
//!
//! A higher term is adopted at once, whoever brings it; a lower one is answered with ours. A term set
//! here goes to the bucket's copies ahead of any record under it.

use crate::frame::Item;
use crate::merge::FORMER_KEPT_US;
use crate::Softnic;
use formats::descriptor::{Event, Roles};
use formats::limits::*;
use formats::register::Counter;
use formats::unit::{kind, TermUnit, RELEASED};
use formats::{Record, Term};

/// Pause between answers to one peer; each answers everything asked since.
const ANSWER_PAUSE_US: u64 = 10_000;

/// Members exist, and nobody has two roles of a bucket.
fn roles_are_sound(roles: &Roles) -> bool {
    let exists = |member: u8| (member as usize) < MEMBERS_MAX || member == MEMBER_NONE;
    let apart = |a: u8, b: u8| a != b || a == MEMBER_NONE;
    [roles.owner, roles.backup, roles.remote, roles.successor].into_iter().all(exists)
        && apart(roles.owner, roles.backup)
        && apart(roles.owner, roles.remote)
        && apart(roles.backup, roles.remote)
}

impl Softnic {
    /// The host's word on a run of buckets.
    pub(crate) fn take_map(&mut self, roles: &Roles) {
        if !roles_are_sound(roles) {
            return self.count(Counter::CommandsMalformed);
        }
        let session = match self.peers.get(roles.owner as usize) {
            _ if roles.owner == self.config.member => self.config.session,
            Some(peer) => peer.session,
            None => 0,
        };
        let run = roles.bucket..roles.bucket + roles.count;
        let mut changed = false;
        for bucket in run {
            if roles.term < self.buckets[bucket as usize].term {
                self.count(Counter::CommandsTerm);
                continue;
            }
            changed |= self.set_roles(bucket, roles, session);
        }
        if changed && roles.owner == self.config.member {
            for member in [roles.backup, roles.remote] {
                if self.peers.get(member as usize).is_some_and(|peer| peer.known) {
                    self.send_terms(member, roles.bucket, roles.count, false);
                }
            }
        }
    }

    /// Sets term and roles of one bucket; returns whether anything changed.
    fn set_roles(&mut self, bucket: u16, roles: &Roles, session: u64) -> bool {
        let owned = self.owns(bucket);
        let b = &mut self.buckets[bucket as usize];
        let (old_term, old_members, old_owner) = (b.term, b.members, b.owner);
        if b.says(roles, session) {
            return false;
        }
        let members = [roles.backup, roles.remote];
        (b.term, b.owner, b.owner_session) = (roles.term, roles.owner, session);
        (b.members, b.successor) = (members, roles.successor);
        if roles.term != old_term || roles.owner != old_owner {
            b.forget_proof();
        }
        let owns = self.owns(bucket);
        if owned && (!owns || members != old_members) {
            for member in old_members {
                if let Some(peer) = self.peers.get_mut(member as usize) {
                    peer.sweeps.retain(|sweep| sweep.bucket != bucket || sweep.pull);
                    peer.dirty.remove(&(false, bucket));
                }
            }
        }
        if owns {
            let b = &mut self.buckets[bucket as usize];
            (b.proposing, b.gapped) = (None, false);
            if !owned {
                let until_us = self.local_us.saturating_add(FORMER_KEPT_US);
                b.former = (old_owner != MEMBER_NONE).then_some((old_owner, until_us));
            }
            for copy in 0..2 {
                if !owned || members[copy] != old_members[copy] {
                    self.buckets[bucket as usize].copies[copy].renewed = true;
                    self.mark_dirty(bucket, copy);
                } else if self.buckets[bucket as usize].copies[copy].state != crate::bucket::CopyState::Clean
                {
                    // What was under way was dropped above, or carries the old term.
                    self.mark_dirty(bucket, copy);
                }
            }
        } else {
            self.buckets[bucket as usize].former = None;
            self.lose(bucket, owned, old_term, old_members);
        }
        true
    }

    /// A record of TERM.
    pub(crate) fn take_term(&mut self, peer: u8, unit: &TermUnit) {
        let roles = |bucket, count| Roles {
            bucket,
            count,
            term: Term(unit.term),
            owner: unit.owner,
            backup: unit.backup,
            remote: unit.remote,
            successor: unit.successor,
        };
        let sound = roles_are_sound(&roles(unit.bucket, unit.count));
        if !sound || unit.bucket as usize + unit.count as usize > BUCKETS_COUNT {
            return self.count(Counter::RecordsMalformed);
        }
        self.count(Counter::RecordsControl);
        let has_room = self.report.has_room();
        let released = unit.flags & RELEASED != 0;
        // Changed buckets that follow each other make one event.
        let mut first = None;
        for bucket in unit.bucket..unit.bucket + unit.count {
            let b = &self.buckets[bucket as usize];
            let tells = match Term(unit.term).cmp(&b.term) {
                std::cmp::Ordering::Less => {
                    self.peers[peer as usize].ask_answer(bucket);
                    false
                }
                std::cmp::Ordering::Equal if b.owner != peer => false,
                std::cmp::Ordering::Equal if !released && b.says(&roles(bucket, 1), unit.session) => false,
                // Not adopted and not acknowledged: the host must hear of each term.
                std::cmp::Ordering::Equal | std::cmp::Ordering::Greater if !has_room => {
                    self.frame_refused = true;
                    false
                }
                std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => {
                    self.set_roles(bucket, &roles(bucket, 1), unit.session) || released
                }
            };
            match (first, tells) {
                (None, true) => first = Some(bucket),
                (Some(from), false) => {
                    self.tell_term(peer, roles(from, bucket - from), unit.session, released);
                    first = None;
                }
                (None, false) | (Some(_), true) => {}
            }
        }
        if let Some(from) = first {
            self.tell_term(peer, roles(from, unit.bucket + unit.count - from), unit.session, released);
        }
    }

    fn tell_term(&mut self, peer: u8, roles: Roles, session: u64, released: bool) {
        self.report_control(Event::Term { peer, roles, session, released });
    }

    /// Announces a run of buckets to a peer; neighbours with equal roles share a record.
    pub(crate) fn send_terms(&mut self, peer: u8, bucket: u16, count: u16, released: bool) {
        if self.peers[peer as usize].session == 0 {
            return;
        }
        let mut from = bucket;
        let end = bucket + count;
        while from < end {
            let same = |b: u16| {
                let (x, y) = (&self.buckets[from as usize], &self.buckets[b as usize]);
                (x.term, x.owner, x.owner_session, x.members, x.successor)
                    == (y.term, y.owner, y.owner_session, y.members, y.successor)
            };
            let to = (from + 1..end).find(|b| !same(*b)).unwrap_or(end);
            let b = &self.buckets[from as usize];
            let unit = TermUnit {
                kind: kind::TERM,
                bucket: from,
                count: to - from,
                owner: b.owner,
                backup: b.members[0],
                remote: b.members[1],
                term: b.term.0,
                successor: b.successor,
                flags: if released && self.owns(from) { RELEASED } else { 0 },
                session: b.owner_session,
                ..TermUnit::default()
            };
            let item = Item::Terms { bucket: from, count: to - from, released: released.then_some(b.term) };
            self.append_record(peer, &Record::Term(unit), Some(item));
            from = to;
        }
    }

    /// Sends the answers that are due: the terms of buckets a peer got wrong.
    pub(crate) fn send_answers(&mut self) {
        for n in 0..self.config.peers.len() {
            let peer = self.config.peers[n];
            let p = &mut self.peers[peer as usize];
            if !p.answers_wait() || self.local_us < p.answer_us {
                continue;
            }
            p.answer_us = self.local_us + ANSWER_PAUSE_US;
            let answers = std::mem::replace(&mut p.answers, [0; BUCKETS_COUNT / 64]);
            let asked =
                |b: u16| (b as usize) < BUCKETS_COUNT && answers[b as usize / 64] >> (b % 64) & 1 == 1;
            let mut from = 0;
            while (from as usize) < BUCKETS_COUNT {
                let count = (from..).take_while(|b| asked(*b)).count() as u16;
                if count > 0 {
                    self.send_terms(peer, from, count, false);
                }
                from += count.max(1);
            }
        }
    }
}
