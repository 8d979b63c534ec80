//! A memory in block RAM whose words are changed as they come out: read, change and write back, one a clock.
//!
//! Timing: `word` leaves [`LOOP_LATENCY`] cycles after its address, one LUT level behind registers; what
//! becomes of it is written in that same cycle, and every later access sees it, the next one too. Inputs
//! reach the RAM's address directly and should come from a register.
//!
//! The RAM is five accesses behind. Each of them may have written the word of an access that is on its
//! way: what is written passes by all stages, and who waits there for that place takes it along.

use super::memory::Memory;
use rust_hdl::prelude::*;

/// Cycles from address to word of a [`LoopMemory`].
pub const LOOP_LATENCY: usize = 4;
/// Cycles from address to `early_word`.
pub const LOOP_EARLY: usize = 2;
/// Accesses whose writes `early_word` may lack.
pub const LOOP_BEHIND: usize = 5;

/// 2^A words of W bits; E of them come out early, too.
#[derive(LogicBlock, Default)]
pub struct LoopMemory<const W: usize, const A: usize, const E: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// The place of the next access.
    pub address: Signal<In, Bits<A>>,
    /// The low end of its word as the RAM held it, [`LOOP_EARLY`] cycles later: without what the [`LOOP_BEHIND`]
    /// accesses before wrote.
    pub early_word: Signal<Out, Bits<E>>,
    /// Its word, one cycle before `word`: without what the access before makes of it.
    pub late_word: Signal<Out, Bits<W>>,
    /// Its word, [`LOOP_LATENCY`] cycles later.
    pub word: Signal<Out, Bits<W>>,
    /// With `late_word`: whether the access before is to the same place.
    pub follows: Signal<Out, Bit>,
    /// The place that `word` belongs to gets a new word at this clock.
    pub write: Signal<In, Bit>,
    /// The new word.
    pub write_word: Signal<In, Bits<W>>,
    memory: Memory<W, A>,
    /// Places of the last five accesses; that of `word` is the fourth.
    place: [DFF<Bits<A>>; 5],
    /// Whether the access one, two, ... before this one was to the same place; one row a stage.
    near1: [DFF<Bit>; 4],
    near2: [DFF<Bit>; 3],
    near3: DFF<Bit>,
    /// Whether what is written is for the access whose word comes out, or the one behind it.
    is_for_word: DFF<Bit>,
    is_for_late: DFF<Bit>,
    written: DFF<Bit>,
    written_word: DFF<Bits<W>>,
    /// Taken along before the RAM has answered.
    caught1: DFF<Bit>,
    caught1_word: DFF<Bits<W>>,
    caught2: DFF<Bit>,
    caught2_word: DFF<Bits<W>>,
    word3: DFF<Bits<W>>,
    late: Signal<Local, Bits<W>>,
    word4: DFF<Bits<W>>,
}

impl<const W: usize, const A: usize, const E: usize> Logic for LoopMemory<W, A, E> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            near3,
            is_for_word,
            is_for_late,
            written,
            written_word,
            caught1,
            caught1_word
        );
        dff_setup!(self, clock, caught2, caught2_word, word3, word4);
        for k in 0..5 {
            self.place[k].clock.next = self.clock.val();
        }
        for k in 0..4 {
            self.near1[k].clock.next = self.clock.val();
        }
        for k in 0..3 {
            self.near2[k].clock.next = self.clock.val();
        }
        self.place[0].d.next = self.address.val();
        for k in 1..5 {
            self.place[k].d.next = self.place[k - 1].q.val();
        }
        for k in 0..4 {
            self.near1[k].d.next = self.address.val() == self.place[k].q.val();
        }
        for k in 0..3 {
            self.near2[k].d.next = self.near1[k].q.val();
        }
        self.near3.d.next = self.near2[0].q.val();
        self.follows.next = self.near3.q.val();
        self.is_for_word.d.next = self.write.val() & self.near3.q.val();
        self.is_for_late.d.next = self.write.val() & self.near2[1].q.val();

        self.memory.clock.next = self.clock.val();
        self.memory.read_address.next = self.address.val();
        self.memory.write.next = self.write.val();
        self.memory.write_address.next = self.place[3].q.val();
        self.memory.write_data.next = self.write_word.val();
        self.written.d.next = self.write.val();
        self.written_word.d.next = self.write_word.val();
        self.early_word.next = self.memory.read_data.val().get_bits::<E>(0);

        // Five accesses apart down to one.
        self.caught1.d.next = self.written.q.val() & (self.address.val() == self.place[4].q.val());
        self.caught1_word.d.next = self.written_word.q.val();
        self.caught2.d.next = self.caught1.q.val();
        self.caught2_word.d.next = self.caught1_word.q.val();
        if self.written.q.val() & self.near1[3].q.val() {
            self.caught2.d.next = true;
            self.caught2_word.d.next = self.written_word.q.val();
        }
        self.word3.d.next = self.memory.read_data.val();
        if self.caught2.q.val() {
            self.word3.d.next = self.caught2_word.q.val();
        }
        if self.written.q.val() & self.near2[2].q.val() {
            self.word3.d.next = self.written_word.q.val();
        }
        self.late.next = self.word3.q.val();
        if self.is_for_late.q.val() {
            self.late.next = self.written_word.q.val();
        }
        self.late_word.next = self.late.val();
        self.word4.d.next = self.late.val();
        self.word.next = self.word4.q.val();
        if self.is_for_word.q.val() {
            self.word.next = self.written_word.q.val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        let mut block = Box::<LoopMemory<1296, 12, 313>>::default();
        crate::yosys::check("loop_memory", &crate::export("loop_memory", &mut *block));
    }
}
