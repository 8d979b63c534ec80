//! The last stage of the framer: beats that come without asking wait here for whoever takes them.
//!
//! Enters: a strobe when a beat is sent on its way, and the beat [`FLIGHT`] cycles later. Leaves: an
//! AXI-Stream. A beat may set out only while `may_send` is up, so there is always a place for it; as there
//! are more places than cycles on the way, beats that set out one a clock leave without a gap, wherever
//! the taker stood still before.
//!
//! Timing: all outputs are registers; a beat leaves one cycle after it came if nothing waits.

use crate::prim::{FrameOut, LutMemory};
use formats::limits::FRAME_CRC_SIZE;
use rust_hdl::prelude::*;

/// Cycles from the strobe to the beat, at most.
pub const FLIGHT: usize = 4;
/// Beats in the memory; one more is on the output.
const PLACES_BITS: usize = 4;
const PLACES: usize = 1 << PLACES_BITS;
// `may_send` is late by two cycles and rises three after a beat was taken: a full buffer lasts longer than
// the next beat needs.
const _: () = assert!(PLACES > FLIGHT + 6);
const LEVEL_BITS: usize = PLACES_BITS + 1;

/// Beats of W bits, K bytes and U units.
#[derive(LogicBlock)]
pub struct OutBuffer<const W: usize, const K: usize, const U: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Empties it; nothing may be on its way then.
    pub reset: Signal<In, Bit>,
    /// A beat sets out.
    pub send: Signal<In, Bit>,
    /// One may set out in this cycle.
    pub may_send: Signal<Out, Bit>,
    /// A beat is here.
    pub in_valid: Signal<In, Bit>,
    /// Its bytes.
    pub in_data: Signal<In, Bits<W>>,
    /// It is the last of its frame: its units and the checksum; every other beat is full.
    pub in_last: Signal<In, Bit>,
    /// Units before the checksum in a last beat.
    pub in_units: Signal<In, Bits<3>>,
    /// The frames.
    pub m_axis: FrameOut<W, K>,
    memory: LutMemory<W, PLACES_BITS>,
    /// The units, and above them the mark of the last beat.
    code_memory: LutMemory<4, PLACES_BITS>,
    write_index: DFF<Bits<PLACES_BITS>>,
    read_index: DFF<Bits<PLACES_BITS>>,
    level: DFF<Bits<LEVEL_BITS>>,
    has_any: DFF<Bit>,
    sent: DFF<Bit>,
    /// Beats that set out, but for the last cycle, and were not taken yet.
    owed: DFF<Bits<LEVEL_BITS>>,
    may: DFF<Bit>,
    data: DFF<Bits<W>>,
    keep: DFF<Bits<K>>,
    last: DFF<Bit>,
    valid: DFF<Bit>,
    moves: Signal<Local, Bit>,
    taken: Signal<Local, Bit>,
    enters: Signal<Local, Bit>,
    leaves: Signal<Local, Bit>,
    in_code: Signal<Local, Bits<4>>,
    code: Signal<Local, Bits<4>>,
    many: Signal<Local, Bit>,
    full_keep: Constant<Bits<K>>,
    last_keep: [Constant<Bits<K>>; U],
    last_code: [Constant<Bits<4>>; U],
}

impl<const W: usize, const K: usize, const U: usize> Default for OutBuffer<W, K, U> {
    fn default() -> Self {
        let keep = |units: usize| Bits::<K>::mask() >> (K - units * (K / U) - FRAME_CRC_SIZE).to_bits::<16>();
        Self {
            clock: Default::default(),
            reset: Default::default(),
            send: Default::default(),
            may_send: Default::default(),
            in_valid: Default::default(),
            in_data: Default::default(),
            in_last: Default::default(),
            in_units: Default::default(),
            m_axis: Default::default(),
            memory: Default::default(),
            code_memory: Default::default(),
            write_index: Default::default(),
            read_index: Default::default(),
            level: Default::default(),
            has_any: Default::default(),
            sent: Default::default(),
            owed: Default::default(),
            may: Default::default(),
            data: Default::default(),
            keep: Default::default(),
            last: Default::default(),
            valid: Default::default(),
            moves: Default::default(),
            taken: Default::default(),
            enters: Default::default(),
            leaves: Default::default(),
            in_code: Default::default(),
            code: Default::default(),
            many: Default::default(),
            full_keep: Constant::new(Bits::<K>::mask()),
            last_keep: std::array::from_fn(|units| Constant::new(keep(units))),
            last_code: std::array::from_fn(|units| Constant::new((8 + units).to_bits())),
        }
    }
}

impl<const W: usize, const K: usize, const U: usize> Logic for OutBuffer<W, K, U> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, write_index, read_index, level, has_any, sent, owed, may);
        dff_setup!(self, clock, data, keep, last, valid);
        self.may_send.next = self.may.q.val();
        self.m_axis.tdata.next = self.data.q.val();
        self.m_axis.tkeep.next = self.keep.q.val();
        self.m_axis.tlast.next = self.last.q.val();
        self.m_axis.tvalid.next = self.valid.q.val();
        self.taken.next = self.valid.q.val() & self.m_axis.tready.val();
        self.moves.next = self.m_axis.tready.val() | !self.valid.q.val();
        self.enters.next = self.in_valid.val() & (self.has_any.q.val() | !self.moves.val());
        self.leaves.next = self.has_any.q.val() & self.moves.val();

        // Who may set out: nobody once all places but two are owed. These two, one of them on the output, are
        // for what sets out before it shows.
        self.many.next = self.owed.q.val().get_bit(4) | self.owed.q.val().get_bits::<4>(0).all();
        self.may.d.next = !self.many.val();
        self.sent.d.next = self.send.val();
        if self.sent.q.val() & !self.taken.val() {
            self.owed.d.next = self.owed.q.val() + 1;
        }
        if self.taken.val() & !self.sent.q.val() {
            self.owed.d.next = self.owed.q.val() - 1;
        }

        self.in_code.next = bit_cast::<4, 3>(self.in_units.val());
        if self.in_last.val() {
            self.in_code.next = bit_cast::<4, 3>(self.in_units.val()) | 8;
        }
        self.memory.clock.next = self.clock.val();
        self.memory.write.next = self.enters.val();
        self.memory.write_address.next = self.write_index.q.val();
        self.memory.write_data.next = self.in_data.val();
        self.memory.address.next = self.read_index.q.val();
        self.code_memory.clock.next = self.clock.val();
        self.code_memory.write.next = self.enters.val();
        self.code_memory.write_address.next = self.write_index.q.val();
        self.code_memory.write_data.next = self.in_code.val();
        self.code_memory.address.next = self.read_index.q.val();
        if self.enters.val() {
            self.write_index.d.next = self.write_index.q.val() + 1;
        }
        if self.leaves.val() {
            self.read_index.d.next = self.read_index.q.val() + 1;
        }
        if self.enters.val() & !self.leaves.val() {
            self.level.d.next = self.level.q.val() + 1;
            self.has_any.d.next = true;
        }
        if self.leaves.val() & !self.enters.val() {
            self.level.d.next = self.level.q.val() - 1;
            self.has_any.d.next = self.level.q.val() != 1;
        }

        self.code.next = self.in_code.val();
        if self.has_any.q.val() {
            self.code.next = self.code_memory.data.val();
        }
        if self.moves.val() {
            self.valid.d.next = self.in_valid.val() | self.has_any.q.val();
            self.data.d.next = self.in_data.val();
            if self.has_any.q.val() {
                self.data.d.next = self.memory.data.val();
            }
            self.last.d.next = self.code.val().get_bit(3);
            self.keep.d.next = self.full_keep.val();
            for units in 0..U {
                if self.code.val() == self.last_code[units].val() {
                    self.keep.d.next = self.last_keep[units].val();
                }
            }
        }
        if self.reset.val() {
            self.write_index.d.next = 0.into();
            self.read_index.d.next = 0.into();
            self.level.d.next = 0.into();
            self.has_any.d.next = false;
            self.sent.d.next = false;
            self.owed.d.next = 0.into();
            self.may.d.next = false;
            self.valid.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("out", &crate::export("out", &mut OutBuffer::<512, 64, 4>::default()));
    }
}
