//! The checksum of a frame, at a beat a clock, whatever its length.
//!
//! Enters: the beats of a frame. Leaves: [`LATENCY`] cycles after the last of them, whether the checksum is
//! right. What it does not cover counts as zero: the bytes before it starts are undone by where the state
//! starts, and each length of the last beat has its own state that is right. So there is one matrix and no
//! shorter step. Only lengths that a frame can have are told apart: a last beat ends 4 bytes into a unit.
//!
//! Timing: inputs should come from registers; the output is one. Stages: mask, sum of the bytes, step of the
//! state, compare. At most 4 LUT levels.

use crate::crc;
use crate::prim::XorMatrix;
use formats::limits::{FRAME_CRC_FROM, FRAME_CRC_SIZE, UNIT_SIZE};
use rust_hdl::prelude::*;

/// Cycles from the last beat to the verdict.
pub const LATENCY: usize = 4;

/// Beats of W bits, K bytes, U units.
#[derive(LogicBlock)]
pub struct FrameCrc<const W: usize, const K: usize, const U: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// A beat is there.
    pub in_valid: Signal<In, Bit>,
    /// It is the first of a frame.
    pub in_first: Signal<In, Bit>,
    /// It is the last of a frame.
    pub in_last: Signal<In, Bit>,
    /// Its bytes.
    pub in_data: Signal<In, Bits<W>>,
    /// Of the last beat: which bytes are there.
    pub in_keep: Signal<In, Bits<K>>,
    /// The checksum of the frame whose last beat came [`LATENCY`] cycles ago is right.
    pub out_right: Signal<Out, Bit>,
    is_second: DFF<Bit>,
    mask: Signal<Local, Bits<W>>,
    tail: Signal<Local, Bits<3>>,
    beat: DFF<Bits<W>>,
    beat_valid: DFF<Bit>,
    beat_first: DFF<Bit>,
    beat_tail: DFF<Bits<3>>,
    of_bytes: XorMatrix<W, 32>,
    sum: DFF<Bits<32>>,
    sum_valid: DFF<Bit>,
    sum_first: DFF<Bit>,
    sum_tail: DFF<Bits<3>>,
    of_state: XorMatrix<32, 32>,
    state: DFF<Bits<32>>,
    state_tail: DFF<Bits<3>>,
    right: DFF<Bit>,
    /// Bytes that the checksum covers, in the first and second beat and behind them.
    covered: [Constant<Bits<W>>; 3],
    /// What belongs to the frame in a last beat of so many whole units.
    inside: [Constant<Bits<W>>; U],
    unit_at: [Constant<Bits<8>>; U],
    number: [Constant<Bits<3>>; U],
    expected: [Constant<Bits<32>>; U],
    start: Constant<Bits<32>>,
}

/// All bytes of a beat from one to before another.
fn bytes<const W: usize>(from: usize, to: usize) -> Bits<W> {
    let ones = |count: usize| match count {
        0 => Bits::<W>::default(),
        count => !Bits::<W>::default() >> (W - 8 * count).to_bits::<16>(),
    };
    ones(to.min(W / 8)) ^ ones(from.min(W / 8))
}

impl<const W: usize, const K: usize, const U: usize> Default for FrameCrc<W, K, U> {
    fn default() -> Self {
        const { assert!(W == 8 * K && K == UNIT_SIZE * U && 2 * K > FRAME_CRC_FROM, "widths that agree") };
        let end = |units: usize| UNIT_SIZE * units + FRAME_CRC_SIZE;
        Self {
            clock: Default::default(),
            in_valid: Default::default(),
            in_first: Default::default(),
            in_last: Default::default(),
            in_data: Default::default(),
            in_keep: Default::default(),
            out_right: Default::default(),
            is_second: Default::default(),
            mask: Default::default(),
            tail: Default::default(),
            beat: Default::default(),
            beat_valid: Default::default(),
            beat_first: Default::default(),
            beat_tail: Default::default(),
            of_bytes: XorMatrix::new(crc::data_rows(K)),
            sum: Default::default(),
            sum_valid: Default::default(),
            sum_first: Default::default(),
            sum_tail: Default::default(),
            of_state: XorMatrix::new(crc::state_rows(K)),
            state: Default::default(),
            state_tail: Default::default(),
            right: Default::default(),
            covered: std::array::from_fn(|k| Constant::new(bytes(FRAME_CRC_FROM.saturating_sub(k * K), K))),
            inside: std::array::from_fn(|units| Constant::new(bytes(0, end(units)))),
            unit_at: std::array::from_fn(|units| Constant::new((UNIT_SIZE * units).to_bits())),
            number: std::array::from_fn(|units| Constant::new(units.to_bits())),
            expected: std::array::from_fn(|units| {
                Constant::new(u64::from(crc::right_behind(K - end(units))).to_bits())
            }),
            // A step over a first beat of zeros is done.
            start: Constant::new(
                u64::from(crc::state_behind(crc::start_before(FRAME_CRC_FROM), K)).to_bits(),
            ),
        }
    }
}

impl<const W: usize, const K: usize, const U: usize> Logic for FrameCrc<W, K, U> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, is_second, beat, beat_valid, beat_first, beat_tail);
        dff_setup!(self, clock, sum, sum_valid, sum_first, sum_tail, state, state_tail, right);

        // What is not covered becomes zero.
        if self.in_valid.val() {
            self.is_second.d.next = self.in_first.val();
        }
        self.tail.next = 0.into();
        for k in 0..U {
            if self.in_keep.val().get_bit(self.unit_at[k].val().index()) {
                self.tail.next = self.number[k].val();
            }
        }
        self.mask.next = self.covered[2].val();
        if self.in_first.val() {
            self.mask.next = self.covered[0].val();
        } else if self.is_second.q.val() {
            self.mask.next = self.covered[1].val();
        }
        if self.in_last.val() {
            for k in 0..U {
                if self.tail.val() == self.number[k].val() {
                    self.mask.next = self.mask.val() & self.inside[k].val();
                }
            }
        }
        self.beat.d.next = self.in_data.val() & self.mask.val();
        self.beat_valid.d.next = self.in_valid.val();
        self.beat_first.d.next = self.in_first.val();
        self.beat_tail.d.next = self.tail.val();

        // What the bytes add.
        self.of_bytes.x.next = self.beat.q.val();
        self.sum.d.next = self.of_bytes.y.val();
        self.sum_valid.d.next = self.beat_valid.q.val();
        self.sum_first.d.next = self.beat_first.q.val();
        self.sum_tail.d.next = self.beat_tail.q.val();

        // The step.
        self.of_state.x.next = self.state.q.val();
        if self.sum_valid.q.val() {
            self.state.d.next = self.of_state.y.val() ^ self.sum.q.val();
            if self.sum_first.q.val() {
                self.state.d.next = self.start.val() ^ self.sum.q.val();
            }
        }
        self.state_tail.d.next = self.sum_tail.q.val();

        self.right.d.next = false;
        for k in 0..U {
            if (self.state_tail.q.val() == self.number[k].val())
                & (self.state.q.val() == self.expected[k].val())
            {
                self.right.d.next = true;
            }
        }
        self.out_right.next = self.right.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("crc", &crate::export("crc", &mut *Box::<FrameCrc<512, 64, 4>>::default()));
        crate::yosys::check("crc", &crate::export("crc", &mut *Box::<FrameCrc<128, 16, 1>>::default()));
    }
}
