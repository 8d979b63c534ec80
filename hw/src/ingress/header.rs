//! What frames say of themselves: length, type, version, who sent them to whom.
//!
//! Enters: the beats of frames, and in its cycle what the peer table and the checksum say. Leaves: the beats
//! behind the header, the header, and the first fault of each frame in the order of `softnic::ingress`.
//!
//! Cycles behind the last beat (0): 1 beat in a register, header in another; 2 each check by itself; 3 first
//! that fails before the checksum, peer and session; 4 first that fails behind it, checksum; 5 the fault.
//!
//! Timing: `out_first` is a compare of 3 bits; the beats, `out_header` and `out_port` are registers and a level;
//! `out_passes` is two levels; the others are registers. At most 4 LUT levels.

use crate::layout::unit_field;
use formats::frame::{FrameHeader, ETHERTYPE, ETHERTYPE_C_TAG, ETHERTYPE_S_TAG};
use formats::limits::*;
use formats::register::Counter;
use rust_hdl::prelude::*;

// Numbers in the kernel.
const _: () = assert!(PROTOCOL_VERSION == 0 && MEMBER_NONE == 0xff && MEMBERS_MAX == 128);

/// What can be wrong with a frame, in the order of the checks; `out_fault` counts them from 1.
pub const FAULTS: [Counter; 10] = [
    Counter::FrameShort,
    Counter::FrameLong,
    Counter::FrameForeign,
    Counter::FrameVersion,
    Counter::FrameLength,
    Counter::FrameCrc,
    Counter::FrameCluster,
    Counter::FrameSender,
    Counter::FrameReceiver,
    Counter::FrameSession,
];

fn number_of(counter: Counter) -> usize {
    1 + FAULTS.iter().position(|other| *other == counter).expect("one of them")
}

/// Bytes of the longest frame behind its header.
pub(crate) const BODY_SIZE_MAX: usize = FRAME_SIZE_MAX - FRAME_HEADER_SIZE;

/// The lowest bit of a field of the header in a frame.
pub(crate) fn header_at(name: &str) -> usize {
    8 * FRAME_CRC_FROM + unit_field(&FrameHeader::LAYOUT, name).at
}

/// Beats of W bits, K bytes, U units; H hold the header.
#[derive(LogicBlock)]
pub struct HeaderCheck<const W: usize, const K: usize, const U: usize, const H: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Forgets the frame at hand.
    pub reset: Signal<In, Bit>,
    /// A beat is there.
    pub in_valid: Signal<In, Bit>,
    /// Its bytes.
    pub in_data: Signal<In, Bits<W>>,
    /// Which of them are there.
    pub in_keep: Signal<In, Bits<K>>,
    /// It is the last of its frame.
    pub in_last: Signal<In, Bit>,
    /// The port it came from.
    pub in_port: Signal<In, Bits<3>>,
    /// Our member number.
    pub member: Signal<In, Bits<8>>,
    /// Our cluster.
    pub cluster: Signal<In, Bits<32>>,
    /// How many ports are in use.
    pub ports: Signal<In, Bits<4>>,
    /// At once: the beat that is there, or the next one, is the first of a frame.
    pub out_first: Signal<Out, Bit>,
    /// A cycle later: a beat behind the header.
    pub beat_valid: Signal<Out, Bit>,
    /// It is the first of these.
    pub beat_first: Signal<Out, Bit>,
    /// It is the last.
    pub beat_last: Signal<Out, Bit>,
    /// No frame is that long.
    pub beat_beyond: Signal<Out, Bit>,
    /// Its bytes.
    pub beat_data: Signal<Out, Bits<W>>,
    /// A cycle after the last beat: the first bytes of the frame, if it has them.
    pub out_header: Signal<Out, Bits<512>>,
    /// And its port.
    pub out_port: Signal<Out, Bits<3>>,
    /// Two cycles: the frame has beats behind the header.
    pub out_payload: Signal<Out, Bit>,
    /// Three cycles: its sender is known.
    pub in_known: Signal<In, Bit>,
    /// Its session is welcome.
    pub in_welcome: Signal<In, Bit>,
    /// Four cycles: its checksum is right.
    pub in_right: Signal<In, Bit>,
    /// Four cycles: it is a frame, and nothing is wrong with it.
    pub out_passes: Signal<Out, Bit>,
    /// Five cycles: it is a frame.
    pub out_valid: Signal<Out, Bit>,
    /// What is wrong with it: the number of one of [`FAULTS`], or 0.
    pub out_fault: Signal<Out, Bits<4>>,
    /// What of the header's beats came; behind the header it stays.
    place: DFF<Bits<3>>,
    beat: DFF<Bits<W>>,
    is_beat: DFF<Bit>,
    is_last: DFF<Bit>,
    beat_place: DFF<Bits<3>>,
    beat_port: DFF<Bits<3>>,
    /// The beat ends 4 bytes into this unit.
    tail: [DFF<Bit>; U],
    tail_short: DFF<Bit>,
    tail_long: DFF<Bit>,
    head: [DFF<Bits<W>>; H],
    piece: Signal<Local, Bits<W>>,
    header: Signal<Local, Bits<512>>,
    /// Beats of the frame behind the header so far, and no more than the longest frame has; whether there
    /// are any, and more than these.
    beats: DFF<Bits<10>>,
    is_begun: DFF<Bit>,
    is_beyond: DFF<Bit>,
    is_payload: Signal<Local, Bit>,
    units: Signal<Local, Bits<16>>,
    tail_units: Signal<Local, Bits<16>>,
    whole_beats: Signal<Local, Bits<16>>,
    tail_right: Signal<Local, Bit>,
    sender: Signal<Local, Bits<8>>,
    receiver: Signal<Local, Bits<8>>,
    /// A last beat was here 1 to 4 cycles ago.
    token: [DFF<Bit>; 4],
    has_payload: DFF<Bit>,
    is_short: DFF<Bit>,
    is_long: DFF<Bit>,
    is_foreign: DFF<Bit>,
    is_version: DFF<Bit>,
    is_length: DFF<Bit>,
    is_port: [DFF<Bit>; 2],
    is_cluster: [DFF<Bit>; 2],
    is_sender: [DFF<Bit>; 2],
    is_receiver: [DFF<Bit>; 2],
    /// The first fault before the checksum, and behind it.
    early: [DFF<Bits<4>>; 2],
    late: DFF<Bits<4>>,
    fault: DFF<Bits<4>>,
    place_number: [Constant<Bits<3>>; H],
    head_at: [Constant<Bits<16>>; H],
    header_beats: Constant<Bits<3>>,
    /// Bytes that tell the lengths of a last beat.
    in_tail: [Constant<Bits<8>>; U],
    behind_tail: [Constant<Bits<8>>; U],
    unit_number: [Constant<Bits<16>>; U],
    long_byte: Constant<Bits<8>>,
    last_beat: Constant<Bits<10>>,
    tail_mask: Constant<Bits<16>>,
    tail_bits: Constant<Bits<16>>,
    fault_short: Constant<Bits<4>>,
    fault_long: Constant<Bits<4>>,
    fault_foreign: Constant<Bits<4>>,
    fault_version: Constant<Bits<4>>,
    fault_length: Constant<Bits<4>>,
    fault_crc: Constant<Bits<4>>,
    fault_cluster: Constant<Bits<4>>,
    fault_sender: Constant<Bits<4>>,
    fault_receiver: Constant<Bits<4>>,
    fault_session: Constant<Bits<4>>,
    s_tag: Constant<Bits<16>>,
    c_tag: Constant<Bits<16>>,
    ethertype: Constant<Bits<16>>,
    at_version: Constant<Bits<16>>,
    at_cluster: Constant<Bits<16>>,
    at_sender: Constant<Bits<16>>,
    at_receiver: Constant<Bits<16>>,
    at_port: Constant<Bits<16>>,
    at_units: Constant<Bits<16>>,
}

impl<const W: usize, const K: usize, const U: usize, const H: usize> Default for HeaderCheck<W, K, U, H> {
    fn default() -> Self {
        const { assert!(H * K == FRAME_HEADER_SIZE && U.is_power_of_two(), "whole beats of header") };
        const { assert!(BODY_SIZE_MAX / K + 2 < 1 << 10, "beats are counted") };
        Self {
            clock: Default::default(),
            reset: Default::default(),
            in_valid: Default::default(),
            in_data: Default::default(),
            in_keep: Default::default(),
            in_last: Default::default(),
            in_port: Default::default(),
            member: Default::default(),
            cluster: Default::default(),
            ports: Default::default(),
            out_first: Default::default(),
            beat_valid: Default::default(),
            beat_first: Default::default(),
            beat_last: Default::default(),
            beat_beyond: Default::default(),
            beat_data: Default::default(),
            out_header: Default::default(),
            out_port: Default::default(),
            out_payload: Default::default(),
            in_known: Default::default(),
            in_welcome: Default::default(),
            in_right: Default::default(),
            out_passes: Default::default(),
            out_valid: Default::default(),
            out_fault: Default::default(),
            place: Default::default(),
            beat: Default::default(),
            is_beat: Default::default(),
            is_last: Default::default(),
            beat_place: Default::default(),
            beat_port: Default::default(),
            tail: std::array::from_fn(|_| Default::default()),
            tail_short: Default::default(),
            tail_long: Default::default(),
            head: std::array::from_fn(|_| Default::default()),
            piece: Default::default(),
            header: Default::default(),
            beats: Default::default(),
            is_begun: Default::default(),
            is_payload: Default::default(),
            is_beyond: Default::default(),
            units: Default::default(),
            tail_units: Default::default(),
            whole_beats: Default::default(),
            tail_right: Default::default(),
            sender: Default::default(),
            receiver: Default::default(),
            token: std::array::from_fn(|_| Default::default()),
            has_payload: Default::default(),
            is_short: Default::default(),
            is_long: Default::default(),
            is_foreign: Default::default(),
            is_version: Default::default(),
            is_length: Default::default(),
            is_port: std::array::from_fn(|_| Default::default()),
            is_cluster: std::array::from_fn(|_| Default::default()),
            is_sender: std::array::from_fn(|_| Default::default()),
            is_receiver: std::array::from_fn(|_| Default::default()),
            early: std::array::from_fn(|_| Default::default()),
            late: Default::default(),
            fault: Default::default(),
            place_number: std::array::from_fn(|k| Constant::new(k.to_bits())),
            head_at: std::array::from_fn(|k| Constant::new((W * k).to_bits())),
            header_beats: Constant::new(H.to_bits()),
            in_tail: std::array::from_fn(|k| Constant::new((UNIT_SIZE * k + FRAME_CRC_SIZE - 1).to_bits())),
            behind_tail: std::array::from_fn(|k| Constant::new((UNIT_SIZE * k + FRAME_CRC_SIZE).to_bits())),
            unit_number: std::array::from_fn(|k| Constant::new(k.to_bits())),
            long_byte: Constant::new((BODY_SIZE_MAX % K).to_bits()),
            last_beat: Constant::new((BODY_SIZE_MAX / K).to_bits()),
            tail_mask: Constant::new((U - 1).to_bits()),
            tail_bits: Constant::new(U.ilog2().to_bits()),
            fault_short: Constant::new(number_of(Counter::FrameShort).to_bits()),
            fault_long: Constant::new(number_of(Counter::FrameLong).to_bits()),
            fault_foreign: Constant::new(number_of(Counter::FrameForeign).to_bits()),
            fault_version: Constant::new(number_of(Counter::FrameVersion).to_bits()),
            fault_length: Constant::new(number_of(Counter::FrameLength).to_bits()),
            fault_crc: Constant::new(number_of(Counter::FrameCrc).to_bits()),
            fault_cluster: Constant::new(number_of(Counter::FrameCluster).to_bits()),
            fault_sender: Constant::new(number_of(Counter::FrameSender).to_bits()),
            fault_receiver: Constant::new(number_of(Counter::FrameReceiver).to_bits()),
            fault_session: Constant::new(number_of(Counter::FrameSession).to_bits()),
            s_tag: Constant::new(ETHERTYPE_S_TAG.swap_bytes().to_bits()),
            c_tag: Constant::new(ETHERTYPE_C_TAG.swap_bytes().to_bits()),
            ethertype: Constant::new(ETHERTYPE.swap_bytes().to_bits()),
            at_version: Constant::new(header_at("version").to_bits()),
            at_cluster: Constant::new(header_at("cluster").to_bits()),
            at_sender: Constant::new(header_at("sender").to_bits()),
            at_receiver: Constant::new(header_at("receiver").to_bits()),
            at_port: Constant::new(header_at("port").to_bits()),
            at_units: Constant::new(header_at("units").to_bits()),
        }
    }
}

impl<const W: usize, const K: usize, const U: usize, const H: usize> Logic for HeaderCheck<W, K, U, H> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, place, beat, is_beat, is_last, beat_place, beat_port);
        dff_setup!(self, clock, tail_short, tail_long, beats, is_begun, is_beyond, has_payload);
        dff_setup!(self, clock, is_short, is_long, is_foreign, is_version, is_length, late, fault);
        for k in 0..2 {
            self.is_port[k].clock.next = self.clock.val();
            self.is_cluster[k].clock.next = self.clock.val();
            self.is_sender[k].clock.next = self.clock.val();
            self.is_receiver[k].clock.next = self.clock.val();
            self.early[k].clock.next = self.clock.val();
        }
        for k in 0..4 {
            self.token[k].clock.next = self.clock.val();
        }

        // 0: the beat.
        if self.in_valid.val() {
            if self.in_last.val() {
                self.place.d.next = 0.into();
            } else if self.place.q.val() != self.header_beats.val() {
                self.place.d.next = self.place.q.val() + 1;
            }
        }
        for k in 0..U {
            self.tail[k].clock.next = self.clock.val();
            self.tail[k].d.next = self.in_keep.val().get_bit(self.in_tail[k].val().index())
                & !self.in_keep.val().get_bit(self.behind_tail[k].val().index());
        }
        self.out_first.next = self.place.q.val() == 0;
        self.beat.d.next = self.in_data.val();
        self.is_beat.d.next = self.in_valid.val();
        self.is_last.d.next = self.in_last.val();
        self.beat_place.d.next = self.place.q.val();
        self.beat_port.d.next = self.in_port.val();
        self.tail_short.d.next = !self.in_keep.val().get_bit(self.in_tail[0].val().index());
        self.tail_long.d.next = self.in_keep.val().get_bit(self.long_byte.val().index());

        // 1: the header is whole when the last beat is here, unless the frame is short.
        self.is_payload.next = self.beat_place.q.val() == self.header_beats.val();
        self.header.next = 0.into();
        for k in 0..H {
            self.head[k].clock.next = self.clock.val();
            self.head[k].d.next = self.head[k].q.val();
            if self.is_beat.q.val() & (self.beat_place.q.val() == self.place_number[k].val()) {
                self.head[k].d.next = self.beat.q.val();
            }
            self.piece.next = self.head[k].q.val();
            self.header.next =
                self.header.val() | (bit_cast::<512, W>(self.piece.val()) << self.head_at[k].val());
        }
        if self.is_beat.q.val() {
            if self.is_last.q.val() {
                self.beats.d.next = 0.into();
                self.is_begun.d.next = false;
                self.is_beyond.d.next = false;
            } else if self.is_payload.val() {
                self.is_begun.d.next = true;
                if self.beats.q.val() == self.last_beat.val() {
                    self.is_beyond.d.next = true;
                } else {
                    self.beats.d.next = self.beats.q.val() + 1;
                }
            }
        }

        self.beat_valid.next = self.is_beat.q.val() & self.is_payload.val();
        self.beat_first.next = !self.is_begun.q.val();
        self.beat_last.next = self.is_last.q.val();
        self.beat_beyond.next = self.is_beyond.q.val();
        self.beat_data.next = self.beat.q.val();
        self.out_header.next = self.header.val();
        self.out_port.next = self.beat_port.q.val();

        self.sender.next = self.header.val().get_bits::<8>(self.at_sender.val().index());
        self.receiver.next = self.header.val().get_bits::<8>(self.at_receiver.val().index());
        self.units.next = self.header.val().get_bits::<16>(self.at_units.val().index());
        self.tail_units.next = self.units.val() & self.tail_mask.val();
        self.whole_beats.next = self.units.val() >> self.tail_bits.val();
        self.tail_right.next = false;
        for k in 0..U {
            if self.tail[k].q.val() & (self.tail_units.val() == self.unit_number[k].val()) {
                self.tail_right.next = true;
            }
        }
        self.has_payload.d.next = self.is_payload.val();
        self.is_short.d.next = !self.is_payload.val() | (!self.is_begun.q.val() & self.tail_short.q.val());
        self.is_long.d.next =
            self.is_beyond.q.val() | ((self.beats.q.val() == self.last_beat.val()) & self.tail_long.q.val());
        // Types lie in network order at bytes 12, 16 and 20.
        self.is_foreign.d.next = (self.header.val().get_bits::<16>(96) != self.s_tag.val())
            | (self.header.val().get_bits::<16>(128) != self.c_tag.val())
            | (self.header.val().get_bits::<16>(160) != self.ethertype.val());
        self.is_version.d.next = self.header.val().get_bits::<8>(self.at_version.val().index()) != 0;
        self.is_length.d.next =
            !self.tail_right.val() | (bit_cast::<16, 10>(self.beats.q.val()) != self.whole_beats.val());
        self.is_port[0].d.next = (self.header.val().get_bits::<8>(self.at_port.val().index())
            != bit_cast::<8, 3>(self.beat_port.q.val()))
            | (bit_cast::<4, 3>(self.beat_port.q.val()) >= self.ports.val());
        self.is_cluster[0].d.next =
            self.header.val().get_bits::<32>(self.at_cluster.val().index()) != self.cluster.val();
        self.is_sender[0].d.next = (self.sender.val() == self.member.val()) | self.sender.val().get_bit(7);
        self.is_receiver[0].d.next =
            (self.receiver.val() != self.member.val()) & (self.receiver.val() != 255);
        self.token[0].d.next = self.is_beat.q.val() & self.is_last.q.val();
        for k in 1..4 {
            self.token[k].d.next = self.token[k - 1].q.val();
        }

        // 2: the first fault before the checksum.
        self.early[0].d.next = 0.into();
        if self.is_short.q.val() {
            self.early[0].d.next = self.fault_short.val();
        } else if self.is_long.q.val() {
            self.early[0].d.next = self.fault_long.val();
        } else if self.is_foreign.q.val() {
            self.early[0].d.next = self.fault_foreign.val();
        } else if self.is_version.q.val() {
            self.early[0].d.next = self.fault_version.val();
        } else if self.is_length.q.val() {
            self.early[0].d.next = self.fault_length.val();
        }
        self.out_payload.next = self.has_payload.q.val();
        self.is_port[1].d.next = self.is_port[0].q.val();
        self.is_cluster[1].d.next = self.is_cluster[0].q.val();
        self.is_sender[1].d.next = self.is_sender[0].q.val();
        self.is_receiver[1].d.next = self.is_receiver[0].q.val();

        // 3: the first fault behind it.
        self.early[1].d.next = self.early[0].q.val();
        self.late.d.next = 0.into();
        if self.is_port[1].q.val() {
            self.late.d.next = self.fault_foreign.val();
        } else if self.is_cluster[1].q.val() {
            self.late.d.next = self.fault_cluster.val();
        } else if self.is_sender[1].q.val() | !self.in_known.val() {
            self.late.d.next = self.fault_sender.val();
        } else if self.is_receiver[1].q.val() {
            self.late.d.next = self.fault_receiver.val();
        } else if !self.in_welcome.val() {
            self.late.d.next = self.fault_session.val();
        }

        // 4: what there is against the frame.
        self.fault.d.next = self.late.q.val();
        if self.early[1].q.val() != 0 {
            self.fault.d.next = self.early[1].q.val();
        } else if !self.in_right.val() {
            self.fault.d.next = self.fault_crc.val();
        }
        self.out_passes.next = self.token[2].q.val()
            & (self.early[1].q.val() == 0)
            & self.in_right.val()
            & (self.late.q.val() == 0);
        self.out_fault.next = self.fault.q.val();
        self.out_valid.next = self.token[3].q.val();
        if self.reset.val() {
            self.place.d.next = 0.into();
            self.beats.d.next = 0.into();
            self.is_begun.d.next = false;
            self.is_beyond.d.next = false;
            self.is_beat.d.next = false;
            for k in 0..4 {
                self.token[k].d.next = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        let mut check = Box::<HeaderCheck<512, 64, 4, 1>>::default();
        crate::yosys::check("header_check", &crate::export("header_check", &mut *check));
    }
}
