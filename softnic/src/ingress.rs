//! Frame checks: what enters is any byte string, what leaves is the records of a welcome peer, in order.
//!
//! Each check has its counter; the first that fails refuses the frame. A sequence only rises: what comes
//! late or twice is dropped, a jump says how many frames are missing and ends every proof by digest.

use crate::Softnic;
use formats::descriptor::Event;
use formats::frame::{split, FrameError};
use formats::limits::*;
use formats::register::Counter;

/// Pause between reports of a session that was not welcomed, per peer.
const SESSION_PAUSE_US: u64 = 5_000;

impl Softnic {
    pub(crate) fn take_frame(&mut self, port: u8, frame: &[u8]) {
        self.count(Counter::FramesReceived);
        let (envelope, header, units, crc) = match split(frame) {
            Ok(parts) => parts,
            Err(FrameError::Short) => return self.count(Counter::FrameShort),
            Err(FrameError::Long) => return self.count(Counter::FrameLong),
            Err(FrameError::Foreign) => return self.count(Counter::FrameForeign),
            Err(FrameError::Version) => return self.count(Counter::FrameVersion),
            Err(FrameError::Length) => return self.count(Counter::FrameLength),
        };
        if crc32fast::hash(&frame[FRAME_CRC_FROM..frame.len() - FRAME_CRC_SIZE]) != crc {
            return self.count(Counter::FrameCrc);
        }
        // A cable in the wrong port would mix two sequences.
        if header.port != port || port >= self.config.ports {
            return self.count(Counter::FrameForeign);
        }
        if header.cluster != self.config.cluster {
            return self.count(Counter::FrameCluster);
        }
        let from = header.sender;
        if from == self.config.member || !self.peers.get(from as usize).is_some_and(|peer| peer.known) {
            return self.count(Counter::FrameSender);
        }
        if header.receiver != self.config.member && header.receiver != MEMBER_NONE {
            return self.count(Counter::FrameReceiver);
        }
        let peer = &mut self.peers[from as usize];
        if header.session != peer.session || peer.session == 0 {
            self.refuse_session(from, port, header.session);
            return self.count(Counter::FrameSession);
        }
        let path = &mut peer.paths[port as usize];
        if header.sequence <= path.sequence {
            return self.count(Counter::FrameSequence);
        }
        let jump = header.sequence - path.sequence;
        path.sequence = header.sequence;
        path.mac = envelope.src;
        if jump > 1 && port == 0 {
            peer.gap_epoch += 1;
        }
        // Modulo 2^64, as any counter: two peers may leap to the end of their sequences.
        let missing = &mut self.counters[Counter::FramesMissing as usize];
        *missing = missing.wrapping_add(jump - 1);
        self.count(Counter::FramesAccepted);
        self.see_cluster_time(header.time_us);
        self.frame_refused = false;
        let worth_ack = self.take_records(from, port, header.sequence, units);
        if port == 0 {
            self.note_arrival(from, jump, worth_ack);
        }
    }

    fn refuse_session(&mut self, from: u8, port: u8, session: u64) {
        let peer = &mut self.peers[from as usize];
        if session > peer.session && self.local_us >= peer.session_event_us {
            peer.session_event_us = self.local_us + SESSION_PAUSE_US;
            self.report_control(Event::Session { peer: from, port, session });
        }
    }
}
