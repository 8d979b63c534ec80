//! Commands of the host, told apart. Anything that cannot be meant is counted and dropped.
//!
//! A batch is hashed before the first of it is looked up, so that what it needs of the table is asked
//! for together. What was found then is a guess when a command is performed: those before it may have
//! moved it.

use crate::bucket::CopyState;
use crate::frame::Item;
use crate::merge::{Pull, FORMER_KEPT_US};
use crate::prefetch::prefetch_line;
use crate::scan::Job;
use crate::Softnic;
use formats::descriptor::Command;
use formats::limits::*;
use formats::register::Counter;
use formats::FlowId;

/// Commands that are hashed before the first of them is performed.
const BATCH_COMMANDS: usize = 32;

impl Softnic {
    /// The id of the flow a command is about; any id for a command that is about none.
    #[inline]
    pub(crate) fn id_of(&self, command: &Command) -> FlowId {
        match command {
            Command::Upsert { record, .. } => self.hasher.flow_id(&record.key),
            Command::Delete { key, .. } | Command::Confirm { key, .. } => self.hasher.flow_id(key),
            Command::Peer { .. }
            | Command::Map(_)
            | Command::Announce { .. }
            | Command::Resync { .. }
            | Command::AskRepair { .. }
            | Command::Installed { .. }
            | Command::Alive { .. }
            | Command::Scan { .. }
            | Command::AuditBegin
            | Command::AuditEnd
            | Command::Digest { .. } => FlowId::default(),
        }
    }

    pub(crate) fn take_commands(&mut self, commands: &[Command]) {
        for batch in commands.chunks(BATCH_COMMANDS) {
            let mut ids = [FlowId::default(); BATCH_COMMANDS];
            for (id, command) in ids.iter_mut().zip(batch) {
                *id = self.id_of(command);
                self.table.prefetch_set(*id);
                prefetch_line(&self.buckets[id.bucket() as usize]);
            }
            let mut guesses = [None; BATCH_COMMANDS];
            let mut absent_count = 0;
            for (guess, id) in guesses.iter_mut().zip(&ids[..batch.len()]) {
                *guess = self.table.holder(*id);
                match *guess {
                    Some(at) => self.table.prefetch_entry(at),
                    None => {
                        self.table.prefetch_free(absent_count);
                        absent_count += 1;
                    }
                }
            }
            for ((id, guess), command) in ids.iter().zip(guesses).zip(batch) {
                self.take_command(command, *id, guess);
            }
        }
    }

    /// Takes a command about the flow of this id, or about none; `guess` is where its entry may be.
    #[inline]
    pub(crate) fn take_command(&mut self, command: &Command, id: FlowId, guess: Option<u32>) {
        self.count(Counter::Commands);
        match *command {
            Command::Upsert { flags, cookie, ref record } => self.upsert(id, guess, flags, cookie, record),
            Command::Delete { cookie, ref key } => self.delete(id, guess, cookie, key),
            _ => self.take_rare(command, id),
        }
    }

    fn take_rare(&mut self, command: &Command, id: FlowId) {
        match *command {
            Command::Upsert { .. } | Command::Delete { .. } => unreachable!("taken"),
            Command::Confirm { cookie, ref key } => self.confirm(id, cookie, key),
            Command::Peer { peer, session } => {
                if self.known(peer) {
                    self.welcome(peer, session);
                }
            }
            Command::Map(roles) => {
                if self.run_is_sound(roles.bucket, roles.count) {
                    self.take_map(&roles);
                }
            }
            Command::Announce { peer, bucket, count, released } => {
                if self.known(peer) && self.run_is_sound(bucket, count) {
                    self.send_terms(peer, bucket, count, released);
                }
            }
            Command::Resync { peer, bucket, count } => {
                if self.known(peer) && self.run_is_sound(bucket, count) {
                    self.resync(peer, bucket, count);
                }
            }
            Command::AskRepair { peer, bucket, count, pull } => {
                if self.known(peer) && self.run_is_sound(bucket, count) {
                    (bucket..bucket + count).for_each(|b| self.ask(peer, b, pull));
                }
            }
            Command::Installed { peer, session, sequence, refused } => {
                if self.known(peer) && self.peers[peer as usize].session == session {
                    let p = &mut self.peers[peer as usize];
                    p.installed_here = p.installed_here.max(sequence);
                    p.refused_here = refused;
                }
            }
            Command::Alive { beat_flags, data_links, lease_us } => {
                self.renew_host(beat_flags, data_links, lease_us)
            }
            Command::Scan { token, bucket, count } => {
                if self.run_is_sound(bucket, count) {
                    self.add_job(Job::scan(token, bucket, count));
                }
            }
            Command::AuditBegin => {
                self.audit = self.audit.wrapping_add(1);
                self.audit_running = true;
            }
            Command::AuditEnd => {
                let audit = self.audit;
                self.add_job(Job::audit(audit));
            }
            Command::Digest { peer, bucket, count } => {
                if self.known(peer) && self.run_is_sound(bucket, count) {
                    (bucket..bucket + count).for_each(|b| self.send_digest(b, peer));
                }
            }
        }
    }

    fn known(&mut self, peer: u8) -> bool {
        let known = self.peers.get(peer as usize).is_some_and(|p| p.known);
        if !known {
            self.count(Counter::CommandsMalformed);
        }
        known
    }

    fn run_is_sound(&mut self, bucket: u16, count: u16) -> bool {
        let sound = bucket as usize + count as usize <= BUCKETS_COUNT;
        if !sound {
            self.count(Counter::CommandsMalformed);
        }
        sound
    }

    /// Welcomes a session of a peer, or forgets the peer (0): nothing of the old session counts any more.
    fn welcome(&mut self, peer: u8, session: u64) {
        let p = &mut self.peers[peer as usize];
        p.session = session;
        p.paths.iter_mut().for_each(|path| path.sequence = 0);
        (p.received, p.frames_since_ack, p.ack_due) = (0, 0, false);
        (p.installed_here, p.refused_here, p.flow_records, p.emitted) = (0, 0, 0, 0);
        p.gap_epoch += 1;
        p.skipped.clear();
        // What it acknowledged of our frames it held in the old session.
        (p.acked, p.installed, p.refused) = (p.sent_sequence[0], 0, 0);
        p.dirty.clear();
        p.sweeps.clear();
        p.answers = Default::default();
        let lost: Vec<_> = p.in_flight.drain(..).collect();
        lost.into_iter().for_each(|frame| self.outbox.recycle_items(frame.items));
        self.drop_frame(peer);
        if session == 0 {
            self.silence(peer);
        }
        self.pulls.retain(|(_, from), _| *from != peer);
        for bucket in 0..BUCKETS_COUNT as u16 {
            if self.buckets[bucket as usize].receiving.is_some_and(|receiving| receiving.peer == peer) {
                self.buckets[bucket as usize].receiving = None;
            }
            self.restart_proposal(bucket, peer);
            let former = &mut self.buckets[bucket as usize].former;
            *former = former.filter(|(former, _)| *former != peer);
            if let (true, Some(copy)) = (self.owns(bucket), self.buckets[bucket as usize].copy_of(peer)) {
                self.buckets[bucket as usize].copies[copy].renewed = true;
                self.mark_dirty(bucket, copy);
            }
        }
    }

    /// Snapshots for a copy that the host asks for.
    fn resync(&mut self, peer: u8, bucket: u16, count: u16) {
        for bucket in bucket..bucket + count {
            if let (true, Some(copy)) = (self.owns(bucket), self.buckets[bucket as usize].copy_of(peer)) {
                self.mark_dirty(bucket, copy);
            }
        }
    }

    /// A copy needs a snapshot: until it begins, changes wait for it.
    pub(crate) fn mark_dirty(&mut self, bucket: u16, copy: usize) {
        let b = &mut self.buckets[bucket as usize];
        b.copies[copy].state = CopyState::Dirty;
        let member = b.members[copy];
        if member == MEMBER_NONE || !self.peers.get(member as usize).is_some_and(|p| p.known) {
            return;
        }
        let peer = &mut self.peers[member as usize];
        peer.sweeps.retain(|sweep| sweep.bucket != bucket || sweep.pull);
        peer.dirty.insert((false, bucket));
    }

    /// Asks a peer for a snapshot of a bucket.
    pub(crate) fn ask(&mut self, peer: u8, bucket: u16, pull: bool) {
        if pull {
            let until_us = self.local_us.saturating_add(FORMER_KEPT_US);
            let new = Pull { until_us, begun: None, changed: false };
            self.pulls.entry((bucket, peer)).or_insert(new).begun = None;
        }
        if self.peers[peer as usize].session == 0 {
            return;
        }
        let term = self.buckets[bucket as usize].term;
        let unit = formats::unit::RepairUnit {
            kind: formats::unit::kind::REPAIR,
            bucket,
            term: term.0,
            flags: if pull { formats::unit::PULL } else { 0 },
            ..Default::default()
        };
        let item = Item::Repair { bucket, pull };
        self.append_record(peer, &formats::Record::Repair(unit), Some(item));
        self.count(Counter::RepairsAsked);
    }
}
