//! Records out of beats: each starts at a unit of 16 bytes and says itself how many units it has.
//!
//! Enters: the beats of frames behind their headers, the last of each marked, and a verdict for each frame in
//! the same order. Leaves: records of accepted frames, a record of up to a beat a clock, longer ones in as
//! many clocks as they fill beats, the last clock of a frame's longest way being one more: what is left
//! of its last beat is dropped. Refused frames are dropped at a beat a clock.
//!
//! A record of no units, of more than 16 or of more than the frame has left ends the frame: it leaves as
//! `out_malformed`, and the rest is dropped. So each accepted frame with units ends with `out_last`, once.
//!
//! Timing: outputs are registers, but `beat_take` and `out_done`; two cycles from the later of beat and
//! verdict to the record. One record may wait at the output; behind it everything waits.

use super::record::RecordOut;
use super::store::FRAMES_MAX;
use crate::prim::LutMemory;
use formats::limits::{FRAME_UNITS_MAX, RECORD_UNITS_MAX, UNIT_SIZE};
use rust_hdl::prelude::*;

// Widths in a kernel are plain numbers.
const _: () = assert!(FRAMES_MAX == 128 && FRAME_UNITS_MAX < 1 << 10 && RECORD_UNITS_MAX == 16);

/// Beats of W bits and U units; what starts in one reaches over D bits; the longest record fills C of them.
#[derive(LogicBlock)]
pub struct Aligner<const W: usize, const D: usize, const U: usize, const C: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Empties it.
    pub reset: Signal<In, Bit>,
    /// A beat is there.
    pub beat_valid: Signal<In, Bit>,
    /// The last of its frame.
    pub beat_last: Signal<In, Bit>,
    /// Its bytes.
    pub beat_data: Signal<In, Bits<W>>,
    /// It is taken at this clock.
    pub beat_take: Signal<Out, Bit>,
    /// A verdict is there; no more than 128 frames are without their end.
    pub in_valid: Signal<In, Bit>,
    /// The frame is accepted.
    pub in_accepted: Signal<In, Bit>,
    /// Units of records in it.
    pub in_units: Signal<In, Bits<10>>,
    /// Who sent it.
    pub in_sender: Signal<In, Bits<7>>,
    /// The port it came from.
    pub in_port: Signal<In, Bits<3>>,
    /// Its sequence.
    pub in_sequence: Signal<In, Bits<64>>,
    /// Frames are missing before it.
    pub in_gap: Signal<In, Bit>,
    /// A frame is over at this clock.
    pub out_done: Signal<Out, Bit>,
    /// Records of accepted frames.
    pub out: RecordOut,
    verdicts: LutMemory<86, 7>,
    write_index: DFF<Bits<8>>,
    read_index: DFF<Bits<8>>,
    has_verdict: Signal<Local, Bit>,
    entering: Signal<Local, Bits<86>>,
    next_frame: Signal<Local, Bits<86>>,
    next_units: Signal<Local, Bits<10>>,
    loads: Signal<Local, Bit>,
    /// The frame at hand: sender, port, sequence, gap.
    frame: DFF<Bits<75>>,
    frame_valid: DFF<Bit>,
    /// Records are still to come; else what is left of it is dropped.
    is_open: DFF<Bit>,
    is_first: DFF<Bit>,
    /// Units of the frame from the place at hand on.
    frame_left: DFF<Bits<10>>,
    /// The beat at hand, the unit in it, and how much of the record came before it.
    beat: DFF<Bits<W>>,
    has_beat: DFF<Bit>,
    is_last_beat: DFF<Bit>,
    offset: DFF<Bits<5>>,
    part: DFF<Bits<5>>,
    record_left: DFF<Bits<5>>,
    is_head: DFF<Bit>,
    /// The record at hand ends the frame, if this is not its head.
    closes: DFF<Bit>,
    /// What a record that starts in this unit would do, told when the beat comes: its length is no length; it
    /// ends here, needs the next beat, leaves this one; the unit behind it.
    lane_odd: [DFF<Bit>; U],
    lane_ends: [DFF<Bit>; U],
    lane_crosses: [DFF<Bit>; U],
    lane_fills: [DFF<Bit>; U],
    lane_next: [DFF<Bits<5>>; U],
    /// The same of the part at hand, told with the part before it.
    part_ends: DFF<Bit>,
    part_crosses: DFF<Bit>,
    part_fills: DFF<Bit>,
    part_next: DFF<Bits<5>>,
    lane_length: Signal<Local, Bits<8>>,
    lane_taken: Signal<Local, Bits<5>>,
    lane_sum: Signal<Local, Bits<5>>,
    next_taken: Signal<Local, Bits<5>>,
    next_sum: Signal<Local, Bits<5>>,
    both: Signal<Local, Bits<D>>,
    window: Signal<Local, Bits<W>>,
    left_low: Signal<Local, Bits<5>>,
    left_high: Signal<Local, Bits<5>>,
    length_low: Signal<Local, Bits<5>>,
    is_odd: Signal<Local, Bit>,
    is_bad: Signal<Local, Bit>,
    is_whole: Signal<Local, Bit>,
    units: Signal<Local, Bits<5>>,
    ends_record: Signal<Local, Bit>,
    crosses: Signal<Local, Bit>,
    fills: Signal<Local, Bit>,
    next_offset: Signal<Local, Bits<5>>,
    ends_frame: Signal<Local, Bit>,
    may_step: Signal<Local, Bit>,
    steps: Signal<Local, Bit>,
    gives_up: Signal<Local, Bit>,
    drops: Signal<Local, Bit>,
    leaves_beat: Signal<Local, Bit>,
    takes_beat: Signal<Local, Bit>,
    ends: Signal<Local, Bit>,
    chunk: [DFF<Bits<W>>; C],
    piece: Signal<Local, Bits<W>>,
    valid: DFF<Bit>,
    count: DFF<Bits<5>>,
    record_frame: DFF<Bits<75>>,
    record_first: DFF<Bit>,
    record_last: DFF<Bit>,
    malformed: DFF<Bit>,
    number: [Constant<Bits<5>>; C],
    chunk_at: [Constant<Bits<16>>; C],
    lane: [Constant<Bits<5>>; U],
    lane_at: [Constant<Bits<16>>; U],
    length_at: [Constant<Bits<16>>; U],
    /// Units of a beat from here on; what takes more than these needs the next one.
    room: [Constant<Bits<8>>; U],
    next_room: [Constant<Bits<5>>; U],
    lane_mask: Constant<Bits<5>>,
    two_beats: Constant<Bits<5>>,
    beat_bits: Constant<Bits<16>>,
    beat_units: Constant<Bits<5>>,
}

impl<const W: usize, const D: usize, const U: usize, const C: usize> Default for Aligner<W, D, U, C> {
    fn default() -> Self {
        const { assert!(W == 8 * UNIT_SIZE * U && D == 2 * W - 8 * UNIT_SIZE, "widths that agree") };
        const { assert!(U * C == RECORD_UNITS_MAX, "room for the longest record") };
        Self {
            clock: Default::default(),
            reset: Default::default(),
            beat_valid: Default::default(),
            beat_last: Default::default(),
            beat_data: Default::default(),
            beat_take: Default::default(),
            in_valid: Default::default(),
            in_accepted: Default::default(),
            in_units: Default::default(),
            in_sender: Default::default(),
            in_port: Default::default(),
            in_sequence: Default::default(),
            in_gap: Default::default(),
            out_done: Default::default(),
            out: Default::default(),
            verdicts: Default::default(),
            write_index: Default::default(),
            read_index: Default::default(),
            has_verdict: Default::default(),
            entering: Default::default(),
            next_frame: Default::default(),
            next_units: Default::default(),
            loads: Default::default(),
            frame: Default::default(),
            frame_valid: Default::default(),
            is_open: Default::default(),
            is_first: Default::default(),
            frame_left: Default::default(),
            beat: Default::default(),
            has_beat: Default::default(),
            is_last_beat: Default::default(),
            offset: Default::default(),
            part: Default::default(),
            record_left: Default::default(),
            is_head: Default::default(),
            closes: Default::default(),
            lane_odd: std::array::from_fn(|_| Default::default()),
            lane_ends: std::array::from_fn(|_| Default::default()),
            lane_crosses: std::array::from_fn(|_| Default::default()),
            lane_fills: std::array::from_fn(|_| Default::default()),
            lane_next: std::array::from_fn(|_| Default::default()),
            part_ends: Default::default(),
            part_crosses: Default::default(),
            part_fills: Default::default(),
            part_next: Default::default(),
            lane_length: Default::default(),
            lane_taken: Default::default(),
            lane_sum: Default::default(),
            next_taken: Default::default(),
            next_sum: Default::default(),
            both: Default::default(),
            window: Default::default(),
            left_low: Default::default(),
            left_high: Default::default(),
            length_low: Default::default(),
            is_odd: Default::default(),
            is_bad: Default::default(),
            is_whole: Default::default(),
            units: Default::default(),
            ends_record: Default::default(),
            crosses: Default::default(),
            fills: Default::default(),
            next_offset: Default::default(),
            ends_frame: Default::default(),
            may_step: Default::default(),
            steps: Default::default(),
            gives_up: Default::default(),
            drops: Default::default(),
            leaves_beat: Default::default(),
            takes_beat: Default::default(),
            ends: Default::default(),
            chunk: std::array::from_fn(|_| Default::default()),
            piece: Default::default(),
            valid: Default::default(),
            count: Default::default(),
            record_frame: Default::default(),
            record_first: Default::default(),
            record_last: Default::default(),
            malformed: Default::default(),
            number: std::array::from_fn(|k| Constant::new(k.to_bits())),
            chunk_at: std::array::from_fn(|k| Constant::new((W * k).to_bits())),
            lane: std::array::from_fn(|k| Constant::new(k.to_bits())),
            lane_at: std::array::from_fn(|k| Constant::new((8 * UNIT_SIZE * k).to_bits())),
            length_at: std::array::from_fn(|k| Constant::new((8 * UNIT_SIZE * k + 8).to_bits())),
            room: std::array::from_fn(|k| Constant::new((U - k).to_bits())),
            next_room: std::array::from_fn(|k| Constant::new((2 * U - k).to_bits())),
            lane_mask: Constant::new((U - 1).to_bits()),
            two_beats: Constant::new((2 * U).to_bits()),
            beat_bits: Constant::new(W.to_bits()),
            beat_units: Constant::new(U.to_bits()),
        }
    }
}

impl<const W: usize, const D: usize, const U: usize, const C: usize> Logic for Aligner<W, D, U, C> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, write_index, read_index, frame, frame_valid, is_open, is_first, frame_left);
        dff_setup!(self, clock, beat, has_beat, is_last_beat, offset, part, record_left, is_head, closes);
        dff_setup!(self, clock, part_ends, part_crosses, part_fills, part_next);
        dff_setup!(self, clock, valid, count, record_frame, record_first, record_last, malformed);

        // What stands at the place at hand.
        self.both.next = bit_cast::<D, W>(self.beat.q.val())
            | (bit_cast::<D, W>(self.beat_data.val()) << self.beat_bits.val());
        self.window.next = self.beat.q.val();
        for k in 0..U {
            if self.offset.q.val() == self.lane[k].val() {
                self.window.next = self.both.val().get_bits::<W>(self.lane_at[k].val().index());
            }
        }
        self.length_low.next = self.window.val().get_bits::<5>(8);
        self.left_low.next = self.frame_left.q.val().get_bits::<5>(0);
        self.left_high.next = self.frame_left.q.val().get_bits::<5>(5);
        self.is_odd.next = false;
        self.ends_record.next = self.part_ends.q.val();
        self.crosses.next = self.part_crosses.q.val();
        self.fills.next = self.part_fills.q.val();
        self.next_offset.next = self.part_next.q.val();
        self.units.next = self.record_left.q.val();
        if self.is_head.q.val() {
            self.units.next = self.length_low.val();
            for k in 0..U {
                if self.offset.q.val() == self.lane[k].val() {
                    self.is_odd.next = self.lane_odd[k].q.val();
                    self.ends_record.next = self.lane_ends[k].q.val();
                    self.crosses.next = self.lane_crosses[k].q.val();
                    self.fills.next = self.lane_fills[k].q.val();
                    self.next_offset.next = self.lane_next[k].q.val();
                }
            }
        }
        self.is_bad.next = self.is_odd.val()
            | (self.is_head.q.val()
                & (self.left_high.val() == 0)
                & (self.length_low.val() > self.left_low.val()));
        self.is_whole.next = self.closes.q.val();
        if self.is_head.q.val() {
            self.is_whole.next = (self.left_high.val() == 0) & (self.length_low.val() == self.left_low.val());
        }
        self.ends_frame.next = self.ends_record.val() & self.is_whole.val();

        // What becomes of it.
        self.may_step.next = self.frame_valid.q.val()
            & self.is_open.q.val()
            & self.has_beat.q.val()
            & (!self.valid.q.val() | self.out.ready.val());
        self.gives_up.next = self.may_step.val() & self.is_bad.val();
        self.steps.next =
            self.may_step.val() & !self.is_bad.val() & (!self.crosses.val() | self.beat_valid.val());
        self.drops.next = self.frame_valid.q.val() & !self.is_open.q.val() & self.has_beat.q.val();
        self.leaves_beat.next = self.drops.val()
            | self.gives_up.val()
            | (self.steps.val() & (self.fills.val() | self.ends_frame.val()));
        self.takes_beat.next = !self.has_beat.q.val() | self.leaves_beat.val();
        self.beat_take.next = self.takes_beat.val();
        self.ends.next = self.leaves_beat.val() & self.is_last_beat.q.val();
        self.out_done.next = self.ends.val();

        // The place.
        if self.takes_beat.val() {
            self.has_beat.d.next = self.beat_valid.val();
            self.beat.d.next = self.beat_data.val();
            self.is_last_beat.d.next = self.beat_last.val();
        }
        for k in 0..U {
            self.lane_odd[k].clock.next = self.clock.val();
            self.lane_ends[k].clock.next = self.clock.val();
            self.lane_crosses[k].clock.next = self.clock.val();
            self.lane_fills[k].clock.next = self.clock.val();
            self.lane_next[k].clock.next = self.clock.val();
            self.lane_odd[k].d.next = self.lane_odd[k].q.val();
            self.lane_ends[k].d.next = self.lane_ends[k].q.val();
            self.lane_crosses[k].d.next = self.lane_crosses[k].q.val();
            self.lane_fills[k].d.next = self.lane_fills[k].q.val();
            self.lane_next[k].d.next = self.lane_next[k].q.val();
            self.lane_length.next = self.beat_data.val().get_bits::<8>(self.length_at[k].val().index());
            self.lane_taken.next = self.lane_length.val().get_bits::<5>(0);
            if self.lane_length.val() > bit_cast::<8, 5>(self.beat_units.val()) {
                self.lane_taken.next = self.beat_units.val();
            }
            self.lane_sum.next = self.lane_taken.val() + self.lane[k].val();
            if self.takes_beat.val() {
                self.lane_odd[k].d.next = (self.lane_length.val() == 0) | (self.lane_length.val() > 16);
                self.lane_ends[k].d.next = self.lane_length.val() <= bit_cast::<8, 5>(self.beat_units.val());
                self.lane_crosses[k].d.next = self.lane_length.val() > self.room[k].val();
                self.lane_fills[k].d.next = self.lane_length.val() >= self.room[k].val();
                self.lane_next[k].d.next = self.lane_sum.val() & self.lane_mask.val();
            }
        }
        // No more than a beat is taken: from its first unit on nothing crosses.
        self.lane_crosses[0].d.next = false;
        self.next_taken.next = self.units.val() - self.beat_units.val();
        if self.units.val() > self.two_beats.val() {
            self.next_taken.next = self.beat_units.val();
        }
        self.next_sum.next = self.next_taken.val() + self.offset.q.val();
        if self.steps.val() {
            self.offset.d.next = self.next_offset.val();
            self.record_left.d.next = self.units.val() - self.beat_units.val();
            self.part.d.next = self.part.q.val() + 1;
            self.is_head.d.next = false;
            self.part_ends.d.next = self.units.val() <= self.two_beats.val();
            self.part_next.d.next = self.next_sum.val() & self.lane_mask.val();
            for k in 0..U {
                if self.offset.q.val() == self.lane[k].val() {
                    self.part_crosses.d.next = self.units.val() > self.next_room[k].val();
                    self.part_fills.d.next = self.units.val() >= self.next_room[k].val();
                }
            }
            if self.offset.q.val() == self.lane[0].val() {
                self.part_crosses.d.next = false;
            }
            if self.is_head.q.val() {
                self.frame_left.d.next = self.frame_left.q.val() - bit_cast::<10, 5>(self.units.val());
                self.closes.d.next = self.is_whole.val();
            }
            if self.ends_record.val() {
                self.part.d.next = 0.into();
                self.is_head.d.next = true;
                self.is_first.d.next = false;
            }
        }
        if self.gives_up.val() | (self.steps.val() & self.ends_frame.val()) {
            self.offset.d.next = 0.into();
            self.is_open.d.next = false;
        }

        // The frame at hand; a verdict that nobody waits for goes past the queue.
        self.entering.next = (bit_cast::<86, 1>(self.in_gap.val().into()) << 85)
            | (bit_cast::<86, 64>(self.in_sequence.val()) << 21)
            | (bit_cast::<86, 3>(self.in_port.val()) << 18)
            | (bit_cast::<86, 7>(self.in_sender.val()) << 11)
            | (bit_cast::<86, 10>(self.in_units.val()) << 1)
            | bit_cast::<86, 1>(self.in_accepted.val().into());
        self.verdicts.clock.next = self.clock.val();
        self.verdicts.write.next = self.in_valid.val();
        self.verdicts.write_address.next = self.write_index.q.val().get_bits::<7>(0);
        self.verdicts.write_data.next = self.entering.val();
        self.verdicts.address.next = self.read_index.q.val().get_bits::<7>(0);
        self.has_verdict.next = self.write_index.q.val() != self.read_index.q.val();
        self.next_frame.next = self.entering.val();
        if self.has_verdict.val() {
            self.next_frame.next = self.verdicts.data.val();
        }
        self.next_units.next = self.next_frame.val().get_bits::<10>(1);
        self.loads.next = !self.frame_valid.q.val() | self.ends.val();
        if self.in_valid.val() {
            self.write_index.d.next = self.write_index.q.val() + 1;
        }
        if self.loads.val() {
            self.frame_valid.d.next = self.has_verdict.val() | self.in_valid.val();
            self.is_open.d.next = self.next_frame.val().get_bit(0) & (self.next_units.val() != 0);
            self.frame_left.d.next = self.next_units.val();
            self.frame.d.next = self.next_frame.val().get_bits::<75>(11);
            self.is_first.d.next = true;
            if self.has_verdict.val() | self.in_valid.val() {
                self.read_index.d.next = self.read_index.q.val() + 1;
            }
        }

        // The record.
        for k in 0..C {
            self.chunk[k].clock.next = self.clock.val();
            self.chunk[k].d.next = self.chunk[k].q.val();
            if self.may_step.val() & (self.part.q.val() == self.number[k].val()) {
                self.chunk[k].d.next = self.window.val();
            }
        }
        if self.out.ready.val() {
            self.valid.d.next = false;
        }
        if self.may_step.val() {
            self.valid.d.next = self.gives_up.val() | (self.steps.val() & self.ends_record.val());
            self.malformed.d.next = self.gives_up.val();
            self.record_first.d.next = self.is_first.q.val();
            self.record_last.d.next = self.gives_up.val() | self.ends_frame.val();
            self.record_frame.d.next = self.frame.q.val();
            if self.is_head.q.val() {
                self.count.d.next = self.units.val();
            }
        }
        self.out.valid.next = self.valid.q.val();
        self.out.units.next = 0.into();
        for k in 0..C {
            self.piece.next = self.chunk[k].q.val();
            self.out.units.next =
                self.out.units.val() | (bit_cast::<2048, W>(self.piece.val()) << self.chunk_at[k].val());
        }
        self.out.count.next = self.count.q.val();
        self.out.sender.next = self.record_frame.q.val().get_bits::<7>(0);
        self.out.port.next = self.record_frame.q.val().get_bits::<3>(7);
        self.out.sequence.next = self.record_frame.q.val().get_bits::<64>(10);
        self.out.gap.next = self.record_frame.q.val().get_bit(74);
        self.out.first.next = self.record_first.q.val();
        self.out.last.next = self.record_last.q.val();
        self.out.malformed.next = self.malformed.q.val();
        if self.reset.val() {
            self.write_index.d.next = 0.into();
            self.read_index.d.next = 0.into();
            self.frame_valid.d.next = false;
            self.has_beat.d.next = false;
            self.offset.d.next = 0.into();
            self.part.d.next = 0.into();
            self.is_head.d.next = true;
            self.valid.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        let mut aligner = Box::<Aligner<512, 896, 4, 4>>::default();
        crate::yosys::check("aligner", &crate::export("aligner", &mut *aligner));
    }
}
