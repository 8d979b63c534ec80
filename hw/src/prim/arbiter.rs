//! Who may use a pipeline's next slot: packets first, and nobody waits for ever.
//!
//! In seven slots of eight the lowest number that asks wins. The eighth goes round the others, and to
//! number 0 only if none of them asks: under any load each of the others gets a slot in 24, and whoever
//! asks alone beside number 0 gets one in eight.
//!
//! Timing: requests to grant without a register, 2 LUT levels.

use rust_hdl::prelude::*;

/// Four that ask.
#[derive(LogicBlock, Default)]
pub struct Arbiter {
    /// The clock; each is a slot.
    pub clock: Signal<In, Clock>,
    /// Begins the count of slots anew.
    pub reset: Signal<In, Bit>,
    /// Who asks.
    pub request: Signal<In, Bits<4>>,
    /// Who gets this slot: one bit, or none if nobody asks.
    pub grant: Signal<Out, Bits<4>>,
    slot: DFF<Bits<3>>,
    /// Which of numbers 1 to 3 comes first in the next eighth slot, less one.
    turn: DFF<Bits<2>>,
    is_eighth: Signal<Local, Bit>,
    packets: Signal<Local, Bit>,
    first: Signal<Local, Bit>,
    second: Signal<Local, Bit>,
    third: Signal<Local, Bit>,
    chosen: Signal<Local, Bits<4>>,
}

impl Logic for Arbiter {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, slot, turn);
        self.slot.d.next = self.slot.q.val() + 1;
        self.is_eighth.next = self.slot.q.val() == 7;
        self.packets.next = self.request.val().get_bit(0);
        self.first.next = self.request.val().get_bit(1);
        self.second.next = self.request.val().get_bit(2);
        self.third.next = self.request.val().get_bit(3);

        // Each of the three hides those behind it in the order of the turn.
        self.chosen.next = 0.into();
        if self.turn.q.val() == 0 {
            if self.first.val() {
                self.chosen.next = 2.into();
            } else if self.second.val() {
                self.chosen.next = 4.into();
            } else if self.third.val() {
                self.chosen.next = 8.into();
            }
        } else if self.turn.q.val() == 1 {
            if self.second.val() {
                self.chosen.next = 4.into();
            } else if self.third.val() {
                self.chosen.next = 8.into();
            } else if self.first.val() {
                self.chosen.next = 2.into();
            }
        } else {
            if self.third.val() {
                self.chosen.next = 8.into();
            } else if self.first.val() {
                self.chosen.next = 2.into();
            } else if self.second.val() {
                self.chosen.next = 4.into();
            }
        }

        self.grant.next = 0.into();
        if self.packets.val() {
            self.grant.next = 1.into();
        } else if self.first.val() {
            self.grant.next = 2.into();
        } else if self.second.val() {
            self.grant.next = 4.into();
        } else if self.third.val() {
            self.grant.next = 8.into();
        }
        if self.is_eighth.val() {
            if self.chosen.val() != 0 {
                self.grant.next = self.chosen.val();
            }
            if self.chosen.val() == 2 {
                self.turn.d.next = 1.into();
            }
            if self.chosen.val() == 4 {
                self.turn.d.next = 2.into();
            }
            if self.chosen.val() == 8 {
                self.turn.d.next = 0.into();
            }
        }
        if self.reset.val() {
            self.slot.d.next = 0.into();
            self.turn.d.next = 0.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("arbiter", &crate::export("arbiter", &mut Arbiter::default()));
    }
}
