//! Who may send: known peers, their sessions, and the last sequence accepted of each on each port.
//!
//! Enters: sender, port, session and sequence of a frame behind its last beat; three cycles later whether it
//! passed every other check. Leaves: whether the sender is known and its session welcome, then whether the
//! sequence rises, and how many frames are missing before it. An accepted sequence is in force for the next
//! frame, two cycles later at the soonest: what is on its way into the memory is forwarded.
//!
//! Written by a port. After a reset nobody is known; sequences are written before a peer is, and again for a
//! new session. A sequence is in force [`WRITE_LATENCY`] cycles later, writes of them come at most every
//! second clock, and a peer that is written while its frames arrive is judged by either.
//!
//! Timing: all outputs are registers; inputs reach memories and should come from registers. At most 4 LUT
//! levels beside a carry of 64 bits.

use crate::prim::{LutMemory, Memory};
use formats::limits::{MEMBERS_MAX, PORTS_MAX};
use rust_hdl::prelude::*;

// Widths in a kernel are plain numbers.
const _: () = assert!(MEMBERS_MAX == 128 && PORTS_MAX == 8);

/// Cycles from a write of a sequence to the frames judged by it.
pub const WRITE_LATENCY: usize = 6;

/// What is written of peers. For a new session the sequences of all ports come first, at most one every second
/// clock.
#[derive(LogicInterface, Clone, Debug, Default)]
pub struct PeersIn {
    /// Writes whether the peer is known, and its session; 0 is never welcome.
    pub session_valid: Signal<In, Bit>,
    /// Writes the last sequence of the peer on the port.
    pub sequence_valid: Signal<In, Bit>,
    /// Which peer.
    pub member: Signal<In, Bits<7>>,
    /// Which port.
    pub port: Signal<In, Bits<3>>,
    /// It is known.
    pub known: Signal<In, Bit>,
    /// The session or the sequence.
    pub number: Signal<In, Bits<64>>,
}

/// 128 peers with 8 ports.
#[derive(LogicBlock, Default)]
pub struct PeerTable {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Forgets who is known.
    pub reset: Signal<In, Bit>,
    /// What is known of peers.
    pub peer: PeersIn,
    /// The frame's sender.
    pub in_sender: Signal<In, Bits<7>>,
    /// The port it came from.
    pub in_port: Signal<In, Bits<3>>,
    /// Its session.
    pub in_session: Signal<In, Bits<64>>,
    /// Its sequence.
    pub in_sequence: Signal<In, Bits<64>>,
    /// Two cycles later: the sender is known.
    pub out_known: Signal<Out, Bit>,
    /// Two cycles later: the session is welcome.
    pub out_welcome: Signal<Out, Bit>,
    /// Three cycles later: it is a frame that passed every other check.
    pub in_passes: Signal<In, Bit>,
    /// Three cycles later: it is stored whole.
    pub in_room: Signal<In, Bit>,
    /// Four cycles later: accepted.
    pub out_accepted: Signal<Out, Bit>,
    /// Refused: the sequence does not rise.
    pub out_stale: Signal<Out, Bit>,
    /// Refused: no room.
    pub out_full: Signal<Out, Bit>,
    /// Frames missing between the last one and this one.
    pub out_missing: Signal<Out, Bits<64>>,
    known: DFF<Bits<128>>,
    sessions: LutMemory<64, 7>,
    sequences: Memory<64, 10>,
    in_path: Signal<Local, Bits<10>>,
    /// Of the frame of 1 to 4 cycles ago.
    path: [DFF<Bits<10>>; 4],
    session: DFF<Bits<64>>,
    sequence: [DFF<Bits<64>>; 4],
    sender: Signal<Local, Bits<7>>,
    is_known: DFF<Bit>,
    session_read: DFF<Bits<64>>,
    is_welcome: DFF<Bit>,
    /// The path is that of a frame accepted 0 to 3 cycles before.
    is_same: [DFF<Bit>; 4],
    past_accepted: [DFF<Bit>; 3],
    past_path: [DFF<Bits<10>>; 2],
    past_sequence: [DFF<Bits<64>>; 3],
    last: DFF<Bits<64>>,
    not_last: Signal<Local, Bits<64>>,
    rises: Signal<Local, Bit>,
    accepted: DFF<Bit>,
    stale: DFF<Bit>,
    full: DFF<Bit>,
    missing: DFF<Bits<64>>,
    /// A sequence that waits for a clock without an accepted frame.
    waits: DFF<Bit>,
    waiting_path: DFF<Bits<10>>,
    waiting_sequence: DFF<Bits<64>>,
}

impl Logic for PeerTable {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, known, is_known, session, session_read, is_welcome, last);
        dff_setup!(self, clock, accepted, stale, full, missing, waits, waiting_path, waiting_sequence);
        for k in 0..4 {
            self.path[k].clock.next = self.clock.val();
            self.sequence[k].clock.next = self.clock.val();
            self.is_same[k].clock.next = self.clock.val();
        }
        self.in_path.next =
            (bit_cast::<10, 7>(self.in_sender.val()) << 3) | bit_cast::<10, 3>(self.in_port.val());
        self.path[0].d.next = self.in_path.val();
        self.session.d.next = self.in_session.val();
        self.sequence[0].d.next = self.in_sequence.val();
        for k in 1..4 {
            self.path[k].d.next = self.path[k - 1].q.val();
            self.sequence[k].d.next = self.sequence[k - 1].q.val();
        }

        // Peer and session.
        self.sessions.clock.next = self.clock.val();
        self.sessions.write.next = self.peer.session_valid.val();
        self.sessions.write_address.next = self.peer.member.val();
        self.sessions.write_data.next = self.peer.number.val();
        self.sessions.address.next = self.in_sender.val();
        self.session_read.d.next = self.sessions.data.val();
        self.is_welcome.d.next =
            (self.session_read.q.val() == self.session.q.val()) & (self.session_read.q.val() != 0);
        self.out_welcome.next = self.is_welcome.q.val();
        if self.peer.session_valid.val() {
            self.known.d.next =
                self.known.q.val().replace_bit(self.peer.member.val().index(), self.peer.known.val());
        }
        // A choice of 128 begins at a register.
        self.sender.next = bit_cast::<7, 10>(self.path[0].q.val() >> 3);
        self.is_known.d.next = self.known.q.val().get_bit(self.sender.val().index());
        self.out_known.next = self.is_known.q.val();

        // The last sequence: of the memory, or of a frame accepted while it was read, the newest.
        self.sequences.clock.next = self.clock.val();
        self.sequences.read_address.next = self.in_path.val();
        for k in 0..3 {
            self.past_accepted[k].clock.next = self.clock.val();
            self.past_sequence[k].clock.next = self.clock.val();
        }
        for k in 0..2 {
            self.past_path[k].clock.next = self.clock.val();
        }
        self.past_accepted[0].d.next = self.accepted.q.val();
        self.past_path[0].d.next = self.path[3].q.val();
        self.past_sequence[0].d.next = self.sequence[3].q.val();
        self.past_path[1].d.next = self.past_path[0].q.val();
        for k in 1..3 {
            self.past_accepted[k].d.next = self.past_accepted[k - 1].q.val();
            self.past_sequence[k].d.next = self.past_sequence[k - 1].q.val();
        }
        // Compared one cycle ahead, when each frame is one stage behind.
        self.is_same[0].d.next = self.path[0].q.val() == self.path[2].q.val();
        self.is_same[1].d.next = self.path[0].q.val() == self.path[3].q.val();
        for k in 0..2 {
            self.is_same[k + 2].d.next = self.path[0].q.val() == self.past_path[k].q.val();
        }
        self.last.d.next = self.sequences.read_data.val();
        if self.is_same[0].q.val() & self.accepted.q.val() {
            self.last.d.next = self.sequence[3].q.val();
        } else if self.is_same[1].q.val() & self.past_accepted[0].q.val() {
            self.last.d.next = self.past_sequence[0].q.val();
        } else if self.is_same[2].q.val() & self.past_accepted[1].q.val() {
            self.last.d.next = self.past_sequence[1].q.val();
        } else if self.is_same[3].q.val() & self.past_accepted[2].q.val() {
            self.last.d.next = self.past_sequence[2].q.val();
        }

        // The rule.
        self.rises.next = self.sequence[2].q.val() > self.last.q.val();
        self.accepted.d.next = self.in_passes.val() & self.rises.val() & self.in_room.val();
        self.stale.d.next = self.in_passes.val() & !self.rises.val();
        self.full.d.next = self.in_passes.val() & self.rises.val() & !self.in_room.val();
        // The difference less one.
        self.not_last.next = !self.last.q.val();
        self.missing.d.next = self.sequence[2].q.val() + self.not_last.val();
        self.out_accepted.next = self.accepted.q.val();
        self.out_stale.next = self.stale.q.val();
        self.out_full.next = self.full.q.val();
        self.out_missing.next = self.missing.q.val();

        // What is accepted is written at once.
        self.sequences.write.next = self.accepted.q.val() | self.waits.q.val();
        self.sequences.write_address.next = self.waiting_path.q.val();
        self.sequences.write_data.next = self.waiting_sequence.q.val();
        if self.accepted.q.val() {
            self.sequences.write_address.next = self.path[3].q.val();
            self.sequences.write_data.next = self.sequence[3].q.val();
        } else {
            self.waits.d.next = false;
        }
        if self.peer.sequence_valid.val() {
            self.waits.d.next = true;
            self.waiting_path.d.next =
                (bit_cast::<10, 7>(self.peer.member.val()) << 3) | bit_cast::<10, 3>(self.peer.port.val());
            self.waiting_sequence.d.next = self.peer.number.val();
        }
        if self.reset.val() {
            self.known.d.next = 0.into();
            self.accepted.d.next = false;
            self.waits.d.next = false;
            for k in 0..3 {
                self.past_accepted[k].d.next = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("peers", &crate::export("peers", &mut *Box::<PeerTable>::default()));
    }
}
