//! Where the records of frames wait: beats in block RAM, each with a mark at the last of its frame.
//!
//! Enters: the beats behind the header, as they come; nothing stalls them. Leaves: the same beats in order
//! before anything is known of their frame, so that they wait for the verdict at the far end and not here. A
//! frame for which there is no room loses its rest, and `out_lost` says so; what was stored of it still ends
//! with a marked beat, for which a place is kept. At most [`FRAMES_MAX`] frames are in here and behind.
//!
//! Timing: `out_stored`, `out_lost` and the outgoing beat are registers; `out_take` reaches the enables of the
//! RAM's registers. 4 cycles from beat to beat; one beat a clock. What leaves frees its place a cycle later.

use crate::prim::PacedMemory;
use rust_hdl::prelude::*;

/// Frames that may wait. While the longest is dropped, which takes as long as it took to come, at most 94 of
/// the shortest come behind it.
pub const FRAMES_MAX: usize = 128;

/// Fewer than 2^A beats of W bits; M is W + 1.
#[derive(LogicBlock)]
pub struct FrameStore<const W: usize, const M: usize, const A: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Empties it.
    pub reset: Signal<In, Bit>,
    /// A beat is there.
    pub in_valid: Signal<In, Bit>,
    /// It is the first of its frame behind the header.
    pub in_first: Signal<In, Bit>,
    /// It is the last.
    pub in_last: Signal<In, Bit>,
    /// No frame is that long; its rest is not stored.
    pub in_beyond: Signal<In, Bit>,
    /// Its bytes.
    pub in_data: Signal<In, Bits<W>>,
    /// Something of the frame is stored, its last beat included.
    pub out_stored: Signal<Out, Bit>,
    /// A beat of it is not.
    pub out_lost: Signal<Out, Bit>,
    /// A beat leaves.
    pub out_valid: Signal<Out, Bit>,
    /// The last stored of its frame.
    pub out_last: Signal<Out, Bit>,
    /// Its bytes.
    pub out_data: Signal<Out, Bits<W>>,
    /// It is taken at this clock.
    pub out_take: Signal<In, Bit>,
    /// A frame was read to its end.
    pub in_done: Signal<In, Bit>,
    memory: PacedMemory<M, A>,
    write_index: DFF<Bits<A>>,
    /// Up to where reads see what was written.
    seen_index: DFF<Bits<A>>,
    read_index: DFF<Bits<A>>,
    level: DFF<Bits<A>>,
    /// Frames in here and behind; its top bit says full.
    frames: DFF<Bits<8>>,
    stored: DFF<Bit>,
    lost: DFF<Bit>,
    word_valid: DFF<Bit>,
    data_valid: DFF<Bit>,
    left: DFF<Bit>,
    done: DFF<Bit>,
    was_stored: Signal<Local, Bit>,
    was_lost: Signal<Local, Bit>,
    has_place: Signal<Local, Bit>,
    fits: Signal<Local, Bit>,
    goes_on: Signal<Local, Bit>,
    writes: Signal<Local, Bit>,
    opens: Signal<Local, Bit>,
    has_word: Signal<Local, Bit>,
    step_word: Signal<Local, Bit>,
    step_data: Signal<Local, Bit>,
    reads: Signal<Local, Bit>,
    out_word: Signal<Local, Bits<M>>,
    last_bit: Constant<Bits<16>>,
    /// Equal indexes mean empty, so that one place is never used; one more is kept for a last beat.
    full: Constant<Bits<A>>,
    one_left: Constant<Bits<A>>,
}

impl<const W: usize, const M: usize, const A: usize> Default for FrameStore<W, M, A> {
    fn default() -> Self {
        const { assert!(M == W + 1, "a mark more") };
        const { assert!(FRAMES_MAX == 128, "the kernel looks at bit 7") };
        Self {
            clock: Default::default(),
            reset: Default::default(),
            in_valid: Default::default(),
            in_first: Default::default(),
            in_last: Default::default(),
            in_beyond: Default::default(),
            in_data: Default::default(),
            out_stored: Default::default(),
            out_lost: Default::default(),
            out_valid: Default::default(),
            out_last: Default::default(),
            out_data: Default::default(),
            out_take: Default::default(),
            in_done: Default::default(),
            memory: Default::default(),
            write_index: Default::default(),
            seen_index: Default::default(),
            read_index: Default::default(),
            level: Default::default(),
            frames: Default::default(),
            stored: Default::default(),
            lost: Default::default(),
            word_valid: Default::default(),
            data_valid: Default::default(),
            left: Default::default(),
            done: Default::default(),
            was_stored: Default::default(),
            was_lost: Default::default(),
            has_place: Default::default(),
            fits: Default::default(),
            goes_on: Default::default(),
            writes: Default::default(),
            opens: Default::default(),
            has_word: Default::default(),
            step_word: Default::default(),
            step_data: Default::default(),
            reads: Default::default(),
            out_word: Default::default(),
            last_bit: Constant::new(W.to_bits()),
            full: Constant::new(((1usize << A) - 1).to_bits()),
            one_left: Constant::new(((1usize << A) - 2).to_bits()),
        }
    }
}

impl<const W: usize, const M: usize, const A: usize> Logic for FrameStore<W, M, A> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, write_index, seen_index, read_index, level, frames, stored, lost);
        dff_setup!(self, clock, word_valid, data_valid, left, done);

        // In: the last place is kept for a last beat, so that every frame that begins can end.
        self.was_stored.next = self.stored.q.val() & !self.in_first.val();
        self.was_lost.next = self.lost.q.val() & !self.in_first.val();
        self.has_place.next = !self.in_first.val() | !self.frames.q.val().get_bit(7);
        self.fits.next = (self.level.q.val() < self.one_left.val()) & !self.in_beyond.val();
        if self.in_last.val() {
            self.fits.next = self.level.q.val() != self.full.val();
        }
        self.goes_on.next = !self.was_lost.val() | (self.in_last.val() & self.was_stored.val());
        self.writes.next = self.in_valid.val() & self.has_place.val() & self.fits.val() & self.goes_on.val();
        self.opens.next = self.writes.val() & !self.was_stored.val();
        if self.in_valid.val() {
            self.stored.d.next = self.was_stored.val() | self.writes.val();
            self.lost.d.next = self.was_lost.val() | !self.writes.val();
        }
        self.out_stored.next = self.stored.q.val();
        self.out_lost.next = self.lost.q.val();
        self.memory.clock.next = self.clock.val();
        self.memory.write.next = self.writes.val();
        self.memory.write_address.next = self.write_index.q.val();
        self.memory.write_data.next = bit_cast::<M, W>(self.in_data.val())
            | (bit_cast::<M, 1>(self.in_last.val().into()) << self.last_bit.val());
        if self.writes.val() {
            self.write_index.d.next = self.write_index.q.val() + 1;
        }
        self.seen_index.d.next = self.write_index.q.val();

        // Out: each register moves on when the one before the reader is free or taken.
        self.has_word.next = self.seen_index.q.val() != self.read_index.q.val();
        self.step_data.next = !self.data_valid.q.val() | self.out_take.val();
        self.step_word.next = !self.word_valid.q.val() | self.step_data.val();
        self.reads.next = self.has_word.val() & self.step_word.val();
        self.memory.read_address.next = self.read_index.q.val();
        self.memory.step_word.next = self.step_word.val();
        self.memory.step_data.next = self.step_data.val();
        if self.step_word.val() {
            self.word_valid.d.next = self.has_word.val();
        }
        if self.step_data.val() {
            self.data_valid.d.next = self.word_valid.q.val();
        }
        if self.reads.val() {
            self.read_index.d.next = self.read_index.q.val() + 1;
        }
        self.out_word.next = self.memory.read_data.val();
        self.out_valid.next = self.data_valid.q.val();
        self.out_data.next = self.out_word.val().get_bits::<W>(0);
        self.out_last.next = self.out_word.val().get_bit(self.last_bit.val().index());

        // What leaves is counted a cycle later: both are known last of all.
        self.left.d.next = self.reads.val();
        self.done.d.next = self.in_done.val();
        if self.writes.val() ^ self.left.q.val() {
            self.level.d.next = self.level.q.val() + 1;
            if self.left.q.val() {
                self.level.d.next = self.level.q.val() - 1;
            }
        }
        if self.opens.val() ^ self.done.q.val() {
            self.frames.d.next = self.frames.q.val() + 1;
            if self.done.q.val() {
                self.frames.d.next = self.frames.q.val() - 1;
            }
        }
        if self.reset.val() {
            self.write_index.d.next = 0.into();
            self.seen_index.d.next = 0.into();
            self.read_index.d.next = 0.into();
            self.level.d.next = 0.into();
            self.frames.d.next = 0.into();
            self.stored.d.next = false;
            self.word_valid.d.next = false;
            self.data_valid.d.next = false;
            self.left.d.next = false;
            self.done.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        let mut store = Box::<FrameStore<512, 513, 9>>::default();
        crate::yosys::check("store", &crate::export("store", &mut *store));
    }
}
