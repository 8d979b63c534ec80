//! Pages that nobody has: given out one a clock, taken back one a clock.
//!
//! Enters: pages that are free again. Leaves: a page, never one that somebody has. After a reset all 2^P
//! are free: a counter gives each out once, from then on those come again that were taken back, the
//! longest free first.
//!
//! Timing: outputs are registers; a page taken back can be given out two cycles later.

use crate::prim::LutMemory;
use rust_hdl::prelude::*;

/// 2^P pages; N is P + 1.
#[derive(LogicBlock)]
pub struct Pages<const P: usize, const N: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Takes all of them back.
    pub reset: Signal<In, Bit>,
    /// There is one.
    pub valid: Signal<Out, Bit>,
    /// It.
    pub page: Signal<Out, Bits<P>>,
    /// It is taken at this clock.
    pub take: Signal<In, Bit>,
    /// One is free again.
    pub free: Signal<In, Bit>,
    /// Which.
    pub free_page: Signal<In, Bits<P>>,
    memory: LutMemory<P, P>,
    write_index: DFF<Bits<P>>,
    read_index: DFF<Bits<P>>,
    level: DFF<Bits<N>>,
    has_any: DFF<Bit>,
    /// Pages that were never given out begin here; the top bit says that there are none left.
    fresh: DFF<Bits<N>>,
    spare: DFF<Bits<P>>,
    spare_valid: DFF<Bit>,
    none_fresh: Signal<Local, Bit>,
    moves: Signal<Local, Bit>,
    leaves: Signal<Local, Bit>,
    top_bit: Constant<Bits<16>>,
}

impl<const P: usize, const N: usize> Default for Pages<P, N> {
    fn default() -> Self {
        const { assert!(N == P + 1, "the count takes one bit more than the page") };
        Self {
            clock: Default::default(),
            reset: Default::default(),
            valid: Default::default(),
            page: Default::default(),
            take: Default::default(),
            free: Default::default(),
            free_page: Default::default(),
            memory: Default::default(),
            write_index: Default::default(),
            read_index: Default::default(),
            level: Default::default(),
            has_any: Default::default(),
            fresh: Default::default(),
            spare: Default::default(),
            spare_valid: Default::default(),
            none_fresh: Default::default(),
            moves: Default::default(),
            leaves: Default::default(),
            top_bit: Constant::new(P.to_bits()),
        }
    }
}

impl<const P: usize, const N: usize> Logic for Pages<P, N> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, write_index, read_index, level, has_any, fresh, spare, spare_valid);
        clock!(self, clock, memory);
        self.valid.next = self.spare_valid.q.val();
        self.page.next = self.spare.q.val();
        self.none_fresh.next = self.fresh.q.val().get_bit(self.top_bit.val().index());
        self.moves.next = self.take.val() | !self.spare_valid.q.val();
        self.leaves.next = self.moves.val() & self.none_fresh.val() & self.has_any.q.val();

        self.memory.write.next = self.free.val();
        self.memory.write_address.next = self.write_index.q.val();
        self.memory.write_data.next = self.free_page.val();
        self.memory.address.next = self.read_index.q.val();
        if self.free.val() {
            self.write_index.d.next = self.write_index.q.val() + 1;
        }
        if self.leaves.val() {
            self.read_index.d.next = self.read_index.q.val() + 1;
        }
        // Whether one leaves is known last.
        if self.free.val() ^ self.leaves.val() {
            self.level.d.next = self.level.q.val() - 1;
            self.has_any.d.next = self.level.q.val() != 1;
            if self.free.val() {
                self.level.d.next = self.level.q.val() + 1;
                self.has_any.d.next = true;
            }
        }
        if self.moves.val() {
            self.spare_valid.d.next = !self.none_fresh.val() | self.has_any.q.val();
            self.spare.d.next = bit_cast::<P, N>(self.fresh.q.val());
            if self.none_fresh.val() {
                self.spare.d.next = self.memory.data.val();
            } else {
                self.fresh.d.next = self.fresh.q.val() + 1;
            }
        }
        if self.reset.val() {
            self.write_index.d.next = 0.into();
            self.read_index.d.next = 0.into();
            self.level.d.next = 0.into();
            self.has_any.d.next = false;
            self.fresh.d.next = 0.into();
            self.spare_valid.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("pages", &crate::export("pages", &mut Pages::<8, 9>::default()));
    }
}
