//! Acknowledgements: sent for what arrived, and what follows from those received.
//!
//! An ACK decides the fate of every frame up to its `applied` mark, because a receiver drops what comes
//! late. A lost frame's flows are sent again in their current state, but only if that frame was the last
//! to carry them. A receiver leaves the bit of a frame clear that it got but had to refuse in part, for
//! want of the term or of room: the sender repeats it when both agree.

use crate::frame::{InFlight, Item};
use crate::Softnic;
use formats::register::Counter;
use formats::unit::{kind, AckUnit};
use formats::Record;

/// Frames that may arrive before an acknowledgement leaves; the bitmap names 128.
const FRAMES_PER_ACK_MAX: u32 = 64;

impl Softnic {
    /// Notes a frame of the sync link whose records were read.
    pub(crate) fn note_arrival(&mut self, peer: u8, jump: u64, worth_ack: bool) {
        let p = &mut self.peers[peer as usize];
        p.received = if jump < 128 { p.received << jump } else { 0 };
        p.received |= u128::from(!self.frame_refused);
        p.frames_since_ack += 1;
        p.ack_due |= worth_ack;
        if p.ack_due && p.frames_since_ack >= FRAMES_PER_ACK_MAX {
            self.send_acknowledgement(peer);
        }
    }

    pub(crate) fn send_acknowledgements(&mut self) {
        for n in 0..self.config.peers.len() {
            let peer = self.config.peers[n];
            if self.peers[peer as usize].ack_due {
                self.send_acknowledgement(peer);
            }
        }
    }

    pub(crate) fn send_acknowledgement(&mut self, peer: u8) {
        let p = &mut self.peers[peer as usize];
        (p.ack_due, p.frames_since_ack) = (false, 0);
        let unit = AckUnit {
            kind: kind::ACK,
            units: 0,
            spare: 0,
            refused: p.refused_here,
            session: p.session,
            applied: p.paths[0].sequence,
            installed: p.installed_here,
            received: p.received,
        };
        self.append_record(peer, &Record::Ack(unit), None);
    }

    /// Settles the fate of our frames.
    pub(crate) fn acknowledged(&mut self, peer: u8, ack: &AckUnit) {
        let p = &mut self.peers[peer as usize];
        let ours = ack.session == self.config.session;
        if !ours || ack.applied > p.sent_sequence[0] || ack.applied < p.acked {
            return;
        }
        (p.acked, p.refused) = (ack.applied, ack.refused);
        let mut lost = Vec::new();
        while p.in_flight.front().is_some_and(|frame| frame.sequence <= ack.applied) {
            let frame = p.in_flight.pop_front().expect("there is a front");
            let back = ack.applied - frame.sequence;
            if back < 128 && ack.received >> back & 1 == 1 {
                Self::settle_proposals(&mut self.buckets, &self.table, peer, &frame);
                self.outbox.recycle_items(frame.items);
            } else {
                lost.push(frame);
            }
        }
        lost.into_iter().for_each(|frame| self.repeat(peer, frame));
        let p = &mut self.peers[peer as usize];
        p.installed = p.installed.max(ack.installed.min(ack.applied));
        self.settle_sweeps(peer);
    }

    /// Sends again what a lost frame carried, as it is now.
    pub(crate) fn repeat(&mut self, peer: u8, frame: InFlight) {
        self.count(Counter::FramesLost);
        for item in &frame.items {
            match *item {
                Item::Flow(at) => self.repeat_flow(peer, at, frame.sequence),
                Item::Digest(bucket) => self.send_digest(bucket, peer),
                Item::Terms { bucket, count, released } => {
                    // Served again under a higher term: released no more.
                    let released = released == Some(self.buckets[bucket as usize].term);
                    self.send_terms(peer, bucket, count, released);
                }
                Item::Sweep(bucket) => self.repeat_sweep(peer, bucket, frame.sequence),
                Item::Proposal(at) => self.repeat_proposal(peer, at, frame.sequence),
                Item::Repair { bucket, pull } => self.repeat_repair(peer, bucket, pull),
            }
        }
        self.outbox.recycle_items(frame.items);
    }

    fn repeat_flow(&mut self, peer: u8, at: u32, sequence: u64) {
        let entry = &self.table[at];
        let bucket = entry.id.bucket();
        if !(entry.is_live() || entry.is_tombstone()) || !self.owns(bucket) {
            return;
        }
        match self.buckets[bucket as usize].copy_of(peer) {
            Some(copy) if entry.sent[copy] == sequence => self.send_or_defer(at, copy),
            Some(_) | None => {}
        }
    }

    fn repeat_repair(&mut self, peer: u8, bucket: u16, pull: bool) {
        let wanted = match self.pulls.get(&(bucket, peer)) {
            Some(state) if pull => state.begun.is_none(),
            Some(_) | None => {
                let b = &self.buckets[bucket as usize];
                !pull && b.owner == peer && b.receiving.is_none() && (b.gapped || !b.verified)
            }
        };
        if wanted {
            self.ask(peer, bucket, pull);
        }
    }
}
