//! What the engine knows of one peer: its session, both sequences, frames in flight, sweeps.

use crate::frame::{Frame, InFlight};
use crate::sweep::Sweep;
use formats::descriptor::PathState;
use formats::limits::*;
use std::collections::{BTreeSet, VecDeque};

/// One path to a peer: a port of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) state: PathState,
    pub(crate) heard_us: u64,
    pub(crate) beat_flags: u16,
    pub(crate) lease_us: u32,
    /// Highest sequence accepted.
    pub(crate) sequence: u64,
    pub(crate) mac: [u8; 6],
}

impl Default for Path {
    fn default() -> Self {
        Self {
            state: PathState::Silent,
            heard_us: 0,
            beat_flags: 0,
            lease_us: 0,
            sequence: 0,
            mac: [0xff; 6],
        }
    }
}

/// One peer.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// Named in the configuration.
    pub(crate) known: bool,
    /// Session whose frames are welcome; 0 for none.
    pub(crate) session: u64,
    pub(crate) paths: [Path; PORTS_MAX],

    /// Bit n: the frame (highest accepted - n) of the sync link needs no repetition.
    pub(crate) received: u128,
    pub(crate) frames_since_ack: u32,
    pub(crate) ack_due: bool,
    /// Its flow events up to this sequence are in our kernel.
    pub(crate) installed_here: u64,
    pub(crate) refused_here: u32,
    /// Flows of ours that it says it could not install.
    pub(crate) refused: u32,
    /// Raised by each hole in its sequence on the sync link, and by each new session.
    pub(crate) gap_epoch: u64,
    /// Flow records received in its session.
    pub(crate) flow_records: u64,
    /// Buckets whose unasked snapshot is being skipped.
    pub(crate) skipped: BTreeSet<u16>,

    /// Last sequence given out, per port; rises for the whole of our session.
    pub(crate) sent_sequence: [u64; PORTS_MAX],
    /// The frame under construction on the sync link.
    pub(crate) frame: Frame,
    pub(crate) frames_waiting: usize,
    pub(crate) in_flight: VecDeque<InFlight>,
    /// The fate of every frame up to here is known.
    pub(crate) acked: u64,
    /// It has installed everything up to here.
    pub(crate) installed: u64,
    /// Flow records emitted in its session.
    pub(crate) emitted: u64,
    /// Buckets a snapshot is due for; the flag says it was pulled.
    pub(crate) dirty: BTreeSet<(bool, u16)>,
    pub(crate) sweeps: Vec<Sweep>,

    /// Buckets whose term it does not know, one bit each.
    pub(crate) answers: [u64; BUCKETS_COUNT / 64],
    pub(crate) answer_us: u64,
    /// Not before this local time: the next report of a session that was not welcomed.
    pub(crate) session_event_us: u64,
}

impl Peer {
    pub(crate) fn has_sweeps(&self) -> bool {
        !self.dirty.is_empty() || self.sweeps.iter().any(|sweep| sweep.end_sequence.is_none())
    }

    pub(crate) fn answers_wait(&self) -> bool {
        self.session != 0 && self.answers.iter().any(|word| *word != 0)
    }

    pub(crate) fn ask_answer(&mut self, bucket: u16) {
        self.answers[bucket as usize / 64] |= 1 << (bucket % 64);
    }
}
