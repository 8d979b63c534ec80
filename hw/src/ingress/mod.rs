//! Frames in, records out: every check of `softnic::ingress` in its order, each failing frame counted once.
//!
//! Enters: frames as AXI-Stream, never stalled, gaps allowed; who we are; the peer table through a write port.
//! Leaves: records of accepted frames, one a clock; for each frame one strobe named as its counter; what the
//! engine learns from a frame's header. Invariants: no record leaves before its frame is accepted; a frame that
//! finds no room is refused whole, counted, and its sequence is not taken.
//!
//! Cycles behind the last beat (0): 1 beat in a register, header in another; 2 each check by itself; 3 first
//! that fails before the checksum, peer and session; 4 checksum, last sequence; 5 verdict. The beats reach the
//! far end of the [`store::FrameStore`] at 5, so that the first record leaves at 7 and the n-th at 6 + n.
//!
//! Not here: what a kind of record must look like, and which kinds a port carries; that needs its decoder.

pub mod align;
pub mod crc;
pub mod header;
pub mod peers;
#[allow(missing_docs)] // The derived join has none, and one side says it for both.
pub mod record;
pub mod store;

use crate::prim::FrameIn;
use align::Aligner;
use crc::FrameCrc;
use header::{header_at, HeaderCheck, BODY_SIZE_MAX};
use peers::{PeerTable, PeersIn};
use record::RecordOut;
use rust_hdl::prelude::*;
use store::FrameStore;

/// Cycles from the last beat of a frame to its first record.
pub const LATENCY: usize = 7;
/// Cycles from the last beat of a frame to its counters.
pub const COUNT_LATENCY: usize = 6;

// The last beat meets the verdicts of both parts at 4.
const _: () = assert!(crc::LATENCY == 4);

/// Beats of W bits, K bytes, U units; what starts in one reaches over D bits; M is W + 1; H hold the header, C the longest
/// record; fewer than 2^A are stored.
#[derive(LogicBlock)]
pub struct Ingress<
    const W: usize,
    const K: usize,
    const U: usize,
    const D: usize,
    const M: usize,
    const H: usize,
    const C: usize,
    const A: usize,
> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Forgets peers and frames; between frames.
    pub reset: Signal<In, Bit>,
    /// Frames: always taken, a MAC cannot wait.
    pub s_axis: FrameIn<W, K>,
    /// The port a beat came from.
    pub s_axis_tuser: Signal<In, Bits<3>>,
    /// Our member number.
    pub member: Signal<In, Bits<8>>,
    /// Our cluster.
    pub cluster: Signal<In, Bits<32>>,
    /// How many ports are in use.
    pub ports: Signal<In, Bits<4>>,
    /// What is known of peers.
    pub peer: PeersIn,
    /// Records of accepted frames.
    pub record: RecordOut,
    /// Counters: a frame came.
    pub frames_received: Signal<Out, Bit>,
    /// It is accepted.
    pub frames_accepted: Signal<Out, Bit>,
    /// Of an accepted frame: how many are missing before it; else 0.
    pub frames_missing: Signal<Out, Bits<64>>,
    /// Shorter than header and checksum.
    pub frame_short: Signal<Out, Bit>,
    /// Longer than the largest frame.
    pub frame_long: Signal<Out, Bit>,
    /// No sync frame, or through the wrong port.
    pub frame_foreign: Signal<Out, Bit>,
    /// Another version.
    pub frame_version: Signal<Out, Bit>,
    /// Length and units disagree.
    pub frame_length: Signal<Out, Bit>,
    /// The checksum.
    pub frame_crc: Signal<Out, Bit>,
    /// Another cluster.
    pub frame_cluster: Signal<Out, Bit>,
    /// Unknown sender, or our own number.
    pub frame_sender: Signal<Out, Bit>,
    /// For another member.
    pub frame_receiver: Signal<Out, Bit>,
    /// A session that was not welcomed.
    pub frame_session: Signal<Out, Bit>,
    /// A sequence that does not rise.
    pub frame_sequence: Signal<Out, Bit>,
    /// No room.
    pub frame_full: Signal<Out, Bit>,
    /// Beside the counter of an accepted frame or of a session: the first 64 bytes of the frame.
    pub heard_header: Signal<Out, Bits<512>>,
    checks: HeaderCheck<W, K, U, H>,
    checksum: FrameCrc<W, K, U>,
    peers: PeerTable,
    store: FrameStore<W, M, A>,
    aligner: Aligner<W, D, U, C>,
    /// The header, 2 to 6 cycles behind the last beat.
    held: [DFF<Bits<512>>; 5],
    /// Whether it has beats in the store, 3 to 5, and all of them, 3 and 4.
    stored: [DFF<Bit>; 3],
    whole: [DFF<Bit>; 2],
    received: DFF<Bit>,
    accepted: DFF<Bit>,
    stale: DFF<Bit>,
    full: DFF<Bit>,
    missing: DFF<Bits<64>>,
    /// Of [`header::FAULTS`], one each.
    strobes: [DFF<Bit>; 10],
    fault_number: [Constant<Bits<4>>; 10],
    at_sender: Constant<Bits<16>>,
    at_port: Constant<Bits<16>>,
    at_sequence: Constant<Bits<16>>,
    at_session: Constant<Bits<16>>,
    at_units: Constant<Bits<16>>,
}

impl<
        const W: usize,
        const K: usize,
        const U: usize,
        const D: usize,
        const M: usize,
        const H: usize,
        const C: usize,
        const A: usize,
    > Default for Ingress<W, K, U, D, M, H, C, A>
{
    fn default() -> Self {
        // What comes while the longest is judged and the engine pauses for a window.
        const { assert!(1 << A > (BODY_SIZE_MAX / K + 2) * 3 / 2, "room for a frame and a half") };
        Self {
            clock: Default::default(),
            reset: Default::default(),
            s_axis: Default::default(),
            s_axis_tuser: Default::default(),
            member: Default::default(),
            cluster: Default::default(),
            ports: Default::default(),
            peer: Default::default(),
            record: Default::default(),
            frames_received: Default::default(),
            frames_accepted: Default::default(),
            frames_missing: Default::default(),
            frame_short: Default::default(),
            frame_long: Default::default(),
            frame_foreign: Default::default(),
            frame_version: Default::default(),
            frame_length: Default::default(),
            frame_crc: Default::default(),
            frame_cluster: Default::default(),
            frame_sender: Default::default(),
            frame_receiver: Default::default(),
            frame_session: Default::default(),
            frame_sequence: Default::default(),
            frame_full: Default::default(),
            heard_header: Default::default(),
            checks: Default::default(),
            checksum: Default::default(),
            peers: Default::default(),
            store: Default::default(),
            aligner: Default::default(),
            held: std::array::from_fn(|_| Default::default()),
            stored: std::array::from_fn(|_| Default::default()),
            whole: std::array::from_fn(|_| Default::default()),
            received: Default::default(),
            accepted: Default::default(),
            stale: Default::default(),
            full: Default::default(),
            missing: Default::default(),
            strobes: std::array::from_fn(|_| Default::default()),
            fault_number: std::array::from_fn(|k| Constant::new((k + 1).to_bits())),
            at_sender: Constant::new(header_at("sender").to_bits()),
            at_port: Constant::new(header_at("port").to_bits()),
            at_sequence: Constant::new(header_at("sequence").to_bits()),
            at_session: Constant::new(header_at("session").to_bits()),
            at_units: Constant::new(header_at("units").to_bits()),
        }
    }
}

impl<
        const W: usize,
        const K: usize,
        const U: usize,
        const D: usize,
        const M: usize,
        const H: usize,
        const C: usize,
        const A: usize,
    > Logic for Ingress<W, K, U, D, M, H, C, A>
{
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, received, accepted, stale, full, missing);
        self.checks.clock.next = self.clock.val();
        self.checks.reset.next = self.reset.val();
        self.checksum.clock.next = self.clock.val();
        self.peers.clock.next = self.clock.val();
        self.peers.reset.next = self.reset.val();
        self.store.clock.next = self.clock.val();
        self.store.reset.next = self.reset.val();
        self.aligner.clock.next = self.clock.val();
        self.aligner.reset.next = self.reset.val();

        // 0: the beat.
        self.s_axis.tready.next = true;
        self.checks.in_valid.next = self.s_axis.tvalid.val();
        self.checks.in_data.next = self.s_axis.tdata.val();
        self.checks.in_keep.next = self.s_axis.tkeep.val();
        self.checks.in_last.next = self.s_axis.tlast.val();
        self.checks.in_port.next = self.s_axis_tuser.val();
        self.checks.member.next = self.member.val();
        self.checks.cluster.next = self.cluster.val();
        self.checks.ports.next = self.ports.val();
        self.checksum.in_valid.next = self.s_axis.tvalid.val();
        self.checksum.in_first.next = self.checks.out_first.val();
        self.checksum.in_last.next = self.s_axis.tlast.val();
        self.checksum.in_data.next = self.s_axis.tdata.val();
        self.checksum.in_keep.next = self.s_axis.tkeep.val();

        // 1: what is behind the header, and who sent it.
        self.store.in_valid.next = self.checks.beat_valid.val();
        self.store.in_first.next = self.checks.beat_first.val();
        self.store.in_last.next = self.checks.beat_last.val();
        self.store.in_beyond.next = self.checks.beat_beyond.val();
        self.store.in_data.next = self.checks.beat_data.val();
        self.peers.in_sender.next = self.checks.out_header.val().get_bits::<7>(self.at_sender.val().index());
        self.peers.in_port.next = self.checks.out_port.val();
        self.peers.in_session.next =
            self.checks.out_header.val().get_bits::<64>(self.at_session.val().index());
        self.peers.in_sequence.next =
            self.checks.out_header.val().get_bits::<64>(self.at_sequence.val().index());
        PeersIn::link(&mut self.peer, &mut self.peers.peer);
        for k in 0..5 {
            self.held[k].clock.next = self.clock.val();
        }
        self.held[0].d.next = self.checks.out_header.val();
        for k in 1..5 {
            self.held[k].d.next = self.held[k - 1].q.val();
        }

        // 2 to 4: each part's word about it.
        for k in 0..3 {
            self.stored[k].clock.next = self.clock.val();
        }
        for k in 0..2 {
            self.whole[k].clock.next = self.clock.val();
        }
        self.stored[0].d.next = self.checks.out_payload.val() & self.store.out_stored.val();
        for k in 1..3 {
            self.stored[k].d.next = self.stored[k - 1].q.val();
        }
        self.whole[0].d.next = !self.store.out_lost.val();
        self.whole[1].d.next = self.whole[0].q.val();
        self.checks.in_known.next = self.peers.out_known.val();
        self.checks.in_welcome.next = self.peers.out_welcome.val();
        self.checks.in_right.next = self.checksum.out_right.val();
        self.peers.in_passes.next = self.checks.out_passes.val();
        self.peers.in_room.next = self.whole[1].q.val();

        // 5: the verdict, to whom the beats wait for.
        self.aligner.in_valid.next = self.checks.out_valid.val() & self.stored[2].q.val();
        self.aligner.in_accepted.next = self.peers.out_accepted.val();
        self.aligner.in_units.next = self.held[3].q.val().get_bits::<10>(self.at_units.val().index());
        self.aligner.in_sender.next = self.held[3].q.val().get_bits::<7>(self.at_sender.val().index());
        self.aligner.in_port.next = self.held[3].q.val().get_bits::<3>(self.at_port.val().index());
        self.aligner.in_sequence.next = self.held[3].q.val().get_bits::<64>(self.at_sequence.val().index());
        self.aligner.in_gap.next = self.peers.out_missing.val().any();
        self.aligner.beat_valid.next = self.store.out_valid.val();
        self.aligner.beat_last.next = self.store.out_last.val();
        self.aligner.beat_data.next = self.store.out_data.val();
        self.store.out_take.next = self.aligner.beat_take.val();
        self.store.in_done.next = self.aligner.out_done.val();
        RecordOut::link(&mut self.record, &mut self.aligner.out);

        // 6: the counters, and what the header said.
        self.received.d.next = self.checks.out_valid.val();
        self.accepted.d.next = self.peers.out_accepted.val();
        self.stale.d.next = self.peers.out_stale.val();
        self.full.d.next = self.peers.out_full.val();
        for k in 0..10 {
            self.strobes[k].clock.next = self.clock.val();
            self.strobes[k].d.next =
                self.checks.out_valid.val() & (self.checks.out_fault.val() == self.fault_number[k].val());
        }
        self.missing.d.next = 0.into();
        if self.peers.out_accepted.val() {
            self.missing.d.next = self.peers.out_missing.val();
        }
        self.frames_received.next = self.received.q.val();
        self.frames_accepted.next = self.accepted.q.val();
        self.frames_missing.next = self.missing.q.val();
        self.frame_short.next = self.strobes[0].q.val();
        self.frame_long.next = self.strobes[1].q.val();
        self.frame_foreign.next = self.strobes[2].q.val();
        self.frame_version.next = self.strobes[3].q.val();
        self.frame_length.next = self.strobes[4].q.val();
        self.frame_crc.next = self.strobes[5].q.val();
        self.frame_cluster.next = self.strobes[6].q.val();
        self.frame_sender.next = self.strobes[7].q.val();
        self.frame_receiver.next = self.strobes[8].q.val();
        self.frame_session.next = self.strobes[9].q.val();
        self.frame_sequence.next = self.stale.q.val();
        self.frame_full.next = self.full.q.val();
        self.heard_header.next = self.held[4].q.val();
        if self.reset.val() {
            self.received.d.next = false;
            self.accepted.d.next = false;
            self.stale.d.next = false;
            self.full.d.next = false;
            self.missing.d.next = 0.into();
            for k in 0..10 {
                self.strobes[k].d.next = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use header::FAULTS;

    #[test]
    fn yosys_accepts_it() {
        let mut ingress = Box::<Ingress<512, 64, 4, 896, 513, 1, 4, 9>>::default();
        crate::yosys::check("ingress", &crate::export("ingress", &mut *ingress));
    }

    #[test]
    fn strobes_stand_in_the_order_of_the_faults() {
        let names: Vec<String> = FAULTS.iter().map(|fault| format!("{fault:?}")).collect();
        let source = include_str!("mod.rs");
        for (number, name) in names.iter().enumerate() {
            let port = name.replacen("Frame", "frame_", 1).to_lowercase();
            assert!(
                source.contains(&format!("self.{port}.next = self.strobes[{number}].q.val();")),
                "{port}"
            );
        }
    }
}
