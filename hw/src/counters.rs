//! Counters and gauges of an engine: 64 bits each, fed by a strobe each, and by amounts one at a time.
//!
//! Enters: in any clock any number of counters go up or down by one; an amount for one counter, when it is
//! taken; a read. Leaves: the counter as all clocks left it up to the one in which the read was taken.
//!
//! Each counter has a small register that takes the strobes, and is visited in turn at least every second
//! clock: what the register holds moves into the RAM of all. A read visits its counter, so that it is exact.
//! Not more than 128 counters: a register holds 511 strobes, and waits 128 clocks behind a reset and 256
//! between visits at most. Strobes under reset count for nothing.
//!
//! Of four clocks two are for visits, one first for an amount and one first for a read: an amount waits 3
//! clocks at most, a read 3 for its turn. Strobes should come from registers. 6 LUT levels.

use crate::sums::{self, BucketSums};
use formats::register::Counter;
use rust_hdl::prelude::*;

/// Cycles from a read that is taken to its value.
pub const READ_LATENCY: usize = 2 + sums::LATENCY;

// Numbers of counters are 7 bits, loops in a kernel plain numbers.
const _: () = assert!(Counter::COUNT <= 128 && READ_LATENCY == 6);

/// C counters.
#[derive(LogicBlock)]
pub struct Counters<const C: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Takes every counter to 0.
    pub reset: Signal<In, Bit>,
    /// Counters that go up by one.
    pub up: Signal<In, Bits<C>>,
    /// Counters that go down by one.
    pub down: Signal<In, Bits<C>>,
    /// An amount is there; it holds until it is taken.
    pub add_valid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub add_ready: Signal<Out, Bit>,
    /// The counter.
    pub add_counter: Signal<In, Bits<7>>,
    /// What to add to it, modulo 2^64.
    pub add_amount: Signal<In, Bits<64>>,
    /// A read is there; it holds until it is taken.
    pub read_valid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub read_ready: Signal<Out, Bit>,
    /// The counter.
    pub read_counter: Signal<In, Bits<7>>,
    /// A value is there, [`READ_LATENCY`] cycles after its read was taken.
    pub read_done: Signal<Out, Bit>,
    /// The value.
    pub read_value: Signal<Out, Bits<64>>,
    sums: BucketSums<7, 8>,
    phase: DFF<Bits<2>>,
    /// The counter to visit next.
    turn: DFF<Bits<7>>,
    adds: Signal<Local, Bit>,
    reads: Signal<Local, Bit>,
    chosen: Signal<Local, Bits<7>>,
    last: Constant<Bits<7>>,
    number: [Constant<Bits<7>>; C],
    /// What was taken: the counter to visit, one bit, or an amount.
    is_visited: [DFF<Bit>; C],
    taken_valid: DFF<Bit>,
    taken_counter: DFF<Bits<7>>,
    taken_amount: DFF<Bits<64>>,
    taken_add: DFF<Bit>,
    /// Strobes that the RAM does not hold yet, with a sign.
    pending: [DFF<Bits<10>>; C],
    kept: [Signal<Local, Bits<10>>; C],
    moved: [Signal<Local, Bits<10>>; C],
    rising: [Signal<Local, Bits<10>>; C],
    collected: Signal<Local, Bits<10>>,
    sign: Signal<Local, Bit>,
    step: DFF<Bits<64>>,
    step_valid: DFF<Bit>,
    step_counter: DFF<Bits<7>>,
    is_read: [DFF<Bit>; READ_LATENCY],
    /// The RAM keeps a count beside each sum, and takes reads of its own.
    unused: Signal<Local, Bit>,
}

impl<const C: usize> Default for Counters<C> {
    fn default() -> Self {
        const { assert!(C > 0 && C <= 128, "a counter's number has 7 bits") };
        block! {
            last: Constant::new((C - 1).to_bits()),
            number: std::array::from_fn(|k| Constant::new(k.to_bits())),
            is_visited: std::array::from_fn(|_| Default::default()),
            pending: std::array::from_fn(|_| Default::default()),
            kept: std::array::from_fn(|_| Default::default()),
            moved: std::array::from_fn(|_| Default::default()),
            rising: std::array::from_fn(|_| Default::default()),
            ..clock reset up down add_valid add_ready add_counter add_amount read_valid read_ready
              read_counter read_done read_value sums phase turn adds reads chosen taken_valid
              taken_counter taken_amount taken_add collected sign step step_valid step_counter is_read
              unused
        }
    }
}

impl<const C: usize> Logic for Counters<C> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, phase, turn, taken_valid, taken_counter, taken_amount, taken_add);
        dff_setup!(self, clock, step, step_valid, step_counter);
        self.sums.clock.next = self.clock.val();
        self.sums.reset.next = self.reset.val();

        // Whose clock it is.
        self.phase.d.next = self.phase.q.val() + 1;
        self.adds.next = self.sums.ready.val()
            & self.add_valid.val()
            & ((self.phase.q.val() == 1) | ((self.phase.q.val() == 3) & !self.read_valid.val()));
        self.reads.next = self.sums.ready.val()
            & self.read_valid.val()
            & ((self.phase.q.val() == 3) | ((self.phase.q.val() == 1) & !self.add_valid.val()));
        self.add_ready.next = self.adds.val();
        self.read_ready.next = self.reads.val();
        self.chosen.next = self.turn.q.val();
        if self.adds.val() {
            self.chosen.next = self.add_counter.val();
        } else if self.reads.val() {
            self.chosen.next = self.read_counter.val();
        } else if self.sums.ready.val() {
            self.turn.d.next = self.turn.q.val() + 1;
            if self.turn.q.val() == self.last.val() {
                self.turn.d.next = 0.into();
            }
        }
        self.taken_valid.d.next = self.sums.ready.val();
        self.taken_counter.d.next = self.chosen.val();
        self.taken_amount.d.next = self.add_amount.val();
        self.taken_add.d.next = self.adds.val();
        for k in 0..C {
            self.is_visited[k].clock.next = self.clock.val();
            self.is_visited[k].d.next =
                self.sums.ready.val() & !self.adds.val() & (self.chosen.val() == self.number[k].val());
        }

        // Strobes gather, and move on when their counter is visited.
        self.collected.next = 0.into();
        for k in 0..C {
            self.kept[k].next = self.pending[k].q.val();
            self.moved[k].next = 0.into();
            if self.is_visited[k].q.val() {
                self.kept[k].next = 0.into();
                self.moved[k].next = self.pending[k].q.val();
            }
            self.collected.next = self.collected.val() | self.moved[k].val();
            self.rising[k].next = 0.into();
            if self.up.val().get_bit(k) & !self.down.val().get_bit(k) {
                self.rising[k].next = 1.into();
            }
            if self.down.val().get_bit(k) & !self.up.val().get_bit(k) {
                self.rising[k].next = 0x3ff.into();
            }
            self.pending[k].clock.next = self.clock.val();
            self.pending[k].d.next = self.kept[k].val() + self.rising[k].val();
        }
        self.sign.next = self.collected.val().get_bit(9);
        self.step.d.next = bit_cast::<64, 10>(self.collected.val());
        if self.sign.val() {
            self.step.d.next = 0xffff_ffff_ffff_fc00_u64 | bit_cast::<64, 10>(self.collected.val());
        }
        if self.taken_add.q.val() {
            self.step.d.next = self.taken_amount.q.val();
        }
        self.step_valid.d.next = self.taken_valid.q.val();
        self.step_counter.d.next = self.taken_counter.q.val();

        self.sums.in_valid.next = self.step_valid.q.val();
        self.sums.in_bucket.next = self.step_counter.q.val();
        self.sums.in_old.next = 0.into();
        self.sums.in_new.next = self.step.q.val();
        self.sums.in_was_live.next = false;
        self.sums.in_is_live.next = false;
        self.sums.read_valid.next = false;
        self.sums.read_bucket.next = 0.into();
        self.unused.next = self.sums.read_ready.val()
            | self.sums.out_valid.val()
            | self.sums.out_is_read.val()
            | self.sums.out_bucket.val().any()
            | self.sums.out_count.val().any();
        for k in 0..6 {
            self.is_read[k].clock.next = self.clock.val();
        }
        self.is_read[0].d.next = self.reads.val();
        for k in 1..6 {
            self.is_read[k].d.next = self.is_read[k - 1].q.val();
        }
        self.read_done.next = self.is_read[5].q.val();
        self.read_value.next = self.sums.out_sum.val();
        if self.reset.val() {
            self.phase.d.next = 0.into();
            self.turn.d.next = 0.into();
            self.taken_valid.d.next = false;
            self.step_valid.d.next = false;
            for k in 0..C {
                self.pending[k].d.next = 0.into();
                self.is_visited[k].d.next = false;
            }
            for k in 0..6 {
                self.is_read[k].d.next = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("counters", &crate::export("counters", &mut *Box::<Counters<5>>::default()));
    }
}
