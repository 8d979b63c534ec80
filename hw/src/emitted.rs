//! Flow records sent to each member in its session: what a DIGEST says of them.
//!
//! Enters: a record that went to the pool, and one that the pool refused, each clock. Leaves: how many of a
//! member's were pushed and not refused, a cycle after it was asked for. The two are counted apart, so that
//! each memory has one who writes.
//!
//! Timing: a look-up and an addition of 32 bits; members are registers.

use crate::prim::LutMemory;
use rust_hdl::prelude::*;

/// Counts of 64 members, modulo 2^32.
#[derive(LogicBlock, Default)]
pub struct Emitted {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Clears all, in the 64 clocks behind it.
    pub reset: Signal<In, Bit>,
    /// A flow record goes to the pool.
    pub sent_valid: Signal<In, Bit>,
    /// Whom it is for; without a record, who is asked about.
    pub sent_member: Signal<In, Bits<6>>,
    /// The pool refused one.
    pub lost_valid: Signal<In, Bit>,
    /// Whom it was for; without one, who is asked about.
    pub lost_member: Signal<In, Bits<6>>,
    /// A session of the member begins: from 0 on. Not while one of its records is on its way.
    pub clear_valid: Signal<In, Bit>,
    /// The member.
    pub clear_member: Signal<In, Bits<6>>,
    /// What the member asked about has, a cycle later.
    pub count: Signal<Out, Bits<32>>,
    sent: LutMemory<32, 6>,
    lost: LutMemory<32, 6>,
    /// The next to clear; the top bit says that there is none.
    next_clear: DFF<Bits<7>>,
    clears: Signal<Local, Bit>,
    cleared: Signal<Local, Bits<6>>,
    sent_held: DFF<Bits<32>>,
    lost_held: DFF<Bits<32>>,
}

impl Logic for Emitted {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, next_clear, sent_held, lost_held);
        clock!(self, clock, sent, lost);
        self.clears.next = self.clear_valid.val();
        self.cleared.next = self.clear_member.val();
        if !self.next_clear.q.val().get_bit(6) {
            self.next_clear.d.next = self.next_clear.q.val() + 1;
            self.clears.next = true;
            self.cleared.next = self.next_clear.q.val().get_bits::<6>(0);
        }
        self.sent.address.next = self.sent_member.val();
        self.sent.write.next = self.sent_valid.val() | self.clears.val();
        self.sent.write_address.next = self.sent_member.val();
        self.sent.write_data.next = self.sent.data.val() + 1;
        self.lost.address.next = self.lost_member.val();
        self.lost.write.next = self.lost_valid.val() | self.clears.val();
        self.lost.write_address.next = self.lost_member.val();
        self.lost.write_data.next = self.lost.data.val() + 1;
        if self.clears.val() {
            self.sent.write_address.next = self.cleared.val();
            self.sent.write_data.next = 0.into();
            self.lost.write_address.next = self.cleared.val();
            self.lost.write_data.next = 0.into();
        }
        self.sent_held.d.next = self.sent.data.val();
        self.lost_held.d.next = self.lost.data.val();
        self.count.next = self.sent_held.q.val() - self.lost_held.q.val();
        if self.reset.val() {
            self.next_clear.d.next = 0.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("emitted", &crate::export("emitted", &mut Emitted::default()));
    }
}
