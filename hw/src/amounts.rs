//! Amounts for counters: what may come more than once a clock, gathered and added one counter at a time.
//!
//! Enters: in any clock up to three of each of three kinds, and a number of missing frames. Leaves: an amount
//! for one counter, held until it is taken. Nothing is lost: each is offered every few clocks, and gathers
//! meanwhile.
//!
//! Timing: outputs are registers; an addition of 64 bits, in halves, is the longest way.

use crate::prim::constant;
use formats::register::Counter;
use rust_hdl::prelude::*;

/// Kinds that come by up to three, in the order of the ports.
const COUNTED: [Counter; 3] = [Counter::RecordsMalformed, Counter::RecordsDeferred, Counter::QueueFull];

/// Amounts of four counters.
#[derive(LogicBlock)]
pub struct Amounts {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Forgets what was gathered.
    pub reset: Signal<In, Bit>,
    /// Malformed records.
    pub malformed: Signal<In, Bits<2>>,
    /// Changes that a copy was not told.
    pub deferred: Signal<In, Bits<2>>,
    /// Buckets marked dirty.
    pub queue_full: Signal<In, Bits<2>>,
    /// Missing frames, 0 for none; not in two clocks that follow each other.
    pub missing: Signal<In, Bits<64>>,
    /// An amount is there.
    pub add_valid: Signal<Out, Bit>,
    /// It is taken at this clock.
    pub add_ready: Signal<In, Bit>,
    /// Its counter.
    pub add_counter: Signal<Out, Bits<7>>,
    /// The amount.
    pub add_amount: Signal<Out, Bits<64>>,
    more: [Signal<Local, Bits<16>>; 3],
    came: [DFF<Bits<2>>; 3],
    gathered: [DFF<Bits<16>>; 3],
    missing_held: DFF<Bits<64>>,
    /// A carry that the high half still lacks.
    low: DFF<Bits<32>>,
    high: DFF<Bits<32>>,
    carry: DFF<Bit>,
    low_sum: Signal<Local, Bits<33>>,
    turn: DFF<Bits<2>>,
    offers: DFF<Bit>,
    counter: DFF<Bits<7>>,
    amount: DFF<Bits<64>>,
    is_free: Signal<Local, Bit>,
    takes: Signal<Local, Bits<4>>,
    chosen: Signal<Local, Bits<16>>,
    number: [Constant<Bits<7>>; 3],
    missing_number: Constant<Bits<7>>,
}

impl Default for Amounts {
    fn default() -> Self {
        block! {
            number: COUNTED.map(|counter| constant(counter as u128)),
            missing_number: constant(Counter::FramesMissing as u128),
            ..clock reset malformed deferred queue_full missing add_valid add_ready add_counter add_amount
            came more gathered missing_held low high carry low_sum turn offers counter amount is_free takes
            chosen
        }
    }
}

impl Logic for Amounts {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, missing_held, low, high, carry, turn, offers, counter, amount);
        for k in 0..3 {
            self.came[k].clock.next = self.clock.val();
            self.gathered[k].clock.next = self.clock.val();
        }
        self.came[0].d.next = self.malformed.val();
        self.came[1].d.next = self.deferred.val();
        self.came[2].d.next = self.queue_full.val();
        self.more[0].next = bit_cast::<16, 2>(self.came[0].q.val());
        self.more[1].next = bit_cast::<16, 2>(self.came[1].q.val());
        self.more[2].next = bit_cast::<16, 2>(self.came[2].q.val());

        // One after the other is offered, once the last was taken.
        self.is_free.next = !self.offers.q.val() | self.add_ready.val();
        self.takes.next = 0.into();
        if self.is_free.val() {
            self.turn.d.next = self.turn.q.val() + 1;
            self.offers.d.next = false;
            self.takes.next = bit_cast::<4, 1>(true.into()) << self.turn.q.val();
            // The halves of the number of missing frames agree unless a carry is under way.
            if (self.turn.q.val() == 3) & self.carry.q.val() {
                self.takes.next = 0.into();
            }
        }
        self.chosen.next = 0.into();
        for k in 0..3 {
            self.gathered[k].d.next = self.gathered[k].q.val() + self.more[k].val();
            if self.takes.val().get_bit(k) {
                self.gathered[k].d.next = self.more[k].val();
                self.offers.d.next = self.gathered[k].q.val().any();
                self.counter.d.next = self.number[k].val();
                self.chosen.next = self.gathered[k].q.val();
                self.amount.d.next = bit_cast::<64, 16>(self.chosen.val());
            }
        }

        // Missing frames: low half, then the high one with the carry.
        self.missing_held.d.next = self.missing.val();
        self.low_sum.next = bit_cast::<33, 32>(self.low.q.val())
            + bit_cast::<33, 32>(self.missing_held.q.val().get_bits::<32>(0));
        self.low.d.next = self.low_sum.val().get_bits::<32>(0);
        self.carry.d.next = self.low_sum.val().get_bit(32);
        self.high.d.next = self.high.q.val()
            + self.missing_held.q.val().get_bits::<32>(32)
            + bit_cast::<32, 1>(self.carry.q.val().into());
        if self.takes.val().get_bit(3) {
            self.offers.d.next = self.low.q.val().any() | self.high.q.val().any();
            self.counter.d.next = self.missing_number.val();
            self.amount.d.next =
                (bit_cast::<64, 32>(self.high.q.val()) << 32) | bit_cast::<64, 32>(self.low.q.val());
            self.low.d.next = self.missing_held.q.val().get_bits::<32>(0);
            self.carry.d.next = false;
            self.high.d.next = self.missing_held.q.val().get_bits::<32>(32);
        }
        self.add_valid.next = self.offers.q.val();
        self.add_counter.next = self.counter.q.val();
        self.add_amount.next = self.amount.q.val();
        if self.reset.val() {
            for k in 0..3 {
                self.came[k].d.next = 0.into();
                self.gathered[k].d.next = 0.into();
            }
            self.missing_held.d.next = 0.into();
            self.low.d.next = 0.into();
            self.high.d.next = 0.into();
            self.carry.d.next = false;
            self.offers.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("amounts", &crate::export("amounts", &mut Amounts::default()));
    }
}
