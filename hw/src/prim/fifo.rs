//! A queue in look-up tables with a register behind it.
//!
//! Timing: `m_axis` and `count` are registers, `s_axis.tready` is a register's bit and the reset; a word takes two
//! cycles; one word a clock. Holds 2^A words and the one on the output. Nothing is ever dropped: who must
//! not wait looks at `tready`.

use super::memory::LutMemory;
use super::stream::{StreamIn, StreamOut};
use rust_hdl::prelude::*;

/// 2^A words of W bits; P is A + 1.
#[derive(LogicBlock)]
pub struct Fifo<const W: usize, const A: usize, const P: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Empties it.
    pub reset: Signal<In, Bit>,
    /// What enters.
    pub s_axis: StreamIn<W>,
    /// What leaves.
    pub m_axis: StreamOut<W>,
    /// Words in the memory.
    pub count: Signal<Out, Bits<P>>,
    memory: LutMemory<W, A>,
    write_index: DFF<Bits<A>>,
    read_index: DFF<Bits<A>>,
    /// Words in the memory; its top bit says full.
    level: DFF<Bits<P>>,
    has_any: DFF<Bit>,
    out: DFF<Bits<W>>,
    out_valid: DFF<Bit>,
    is_full: Signal<Local, Bit>,
    not_full: Signal<Local, Bit>,
    enters: Signal<Local, Bit>,
    leaves: Signal<Local, Bit>,
    top_bit: Constant<Bits<16>>,
}

impl<const W: usize, const A: usize, const P: usize> Default for Fifo<W, A, P> {
    fn default() -> Self {
        const { assert!(P == A + 1, "the count takes one bit more than the address") };
        Self {
            clock: Default::default(),
            reset: Default::default(),
            s_axis: Default::default(),
            m_axis: Default::default(),
            count: Default::default(),
            memory: Default::default(),
            write_index: Default::default(),
            read_index: Default::default(),
            level: Default::default(),
            has_any: Default::default(),
            out: Default::default(),
            out_valid: Default::default(),
            is_full: Default::default(),
            not_full: Default::default(),
            enters: Default::default(),
            leaves: Default::default(),
            top_bit: Constant::new(A.to_bits()),
        }
    }
}

impl<const W: usize, const A: usize, const P: usize> Logic for Fifo<W, A, P> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, write_index, read_index, level, has_any, out, out_valid);
        self.is_full.next = self.level.q.val().get_bit(self.top_bit.val().index());
        self.not_full.next = !self.is_full.val() & !self.reset.val();
        self.enters.next = self.s_axis.tvalid.val() & self.not_full.val();
        self.leaves.next = self.has_any.q.val() & (self.m_axis.tready.val() | !self.out_valid.q.val());
        // Not by `not_full`, which decides what enters: a simulator would see a loop with who reads it.
        self.s_axis.tready.next = !self.level.q.val().get_bit(self.top_bit.val().index()) & !self.reset.val();
        self.m_axis.tdata.next = self.out.q.val();
        self.m_axis.tvalid.next = self.out_valid.q.val();
        self.count.next = self.level.q.val();

        self.memory.clock.next = self.clock.val();
        self.memory.write.next = self.enters.val();
        self.memory.write_address.next = self.write_index.q.val();
        self.memory.write_data.next = self.s_axis.tdata.val();
        self.memory.address.next = self.read_index.q.val();

        if self.m_axis.tready.val() {
            self.out_valid.d.next = false;
        }
        if self.enters.val() {
            self.write_index.d.next = self.write_index.q.val() + 1;
        }
        if self.leaves.val() {
            self.read_index.d.next = self.read_index.q.val() + 1;
            self.out.d.next = self.memory.data.val();
            self.out_valid.d.next = true;
        }
        if self.enters.val() & !self.leaves.val() {
            self.level.d.next = self.level.q.val() + 1;
            self.has_any.d.next = true;
        }
        if self.leaves.val() & !self.enters.val() {
            self.level.d.next = self.level.q.val() - 1;
            self.has_any.d.next = self.level.q.val() != 1;
        }
        if self.reset.val() {
            self.write_index.d.next = 0.into();
            self.read_index.d.next = 0.into();
            self.level.d.next = 0.into();
            self.has_any.d.next = false;
            self.out_valid.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("fifo", &crate::export("fifo", &mut Fifo::<64, 4, 5>::default()));
    }
}
