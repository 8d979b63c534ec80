//! The digest of each bucket: the sum of its flows' contributions, and how many there are.
//!
//! Enters: one change a clock, or a read in a clock without one. Leaves: the bucket's sum and count as they
//! are behind it, [`LATENCY`] cycles later. Changes and reads keep their order: a read sees every change of
//! an earlier clock and none of a later one, whatever the buckets. Nothing stalls. Who owns a slot of the
//! engine's pipe and changes nothing in it has that clock for a read; others wait for `read_ready`.
//!
//! After a reset each bucket is cleared, one a clock; until `ready` nothing may enter.
//!
//! Stages: read RAM, low half of the difference | high half | add the low half and the count | add the high
//! half. The RAM shows a write to reads that come four cycles after the one it answers, so the last three
//! results are forwarded, each half by itself: back-to-back changes of one bucket are exact. Inputs should
//! come from registers. 2 LUT levels beside a carry of 32 bits.

use crate::prim::{Memory, MEMORY_LATENCY};
use rust_hdl::prelude::*;

/// Cycles from a change or read to the bucket's sum and count behind it.
pub const LATENCY: usize = 4;

// Widths and loops in a kernel are plain numbers.
const _: () = assert!(MEMORY_LATENCY == 2 && LATENCY == 4);

/// Sum and count of 2^A buckets; P is A + 1.
#[derive(LogicBlock)]
pub struct BucketSums<const A: usize, const P: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Clears every bucket.
    pub reset: Signal<In, Bit>,
    /// Every bucket is cleared.
    pub ready: Signal<Out, Bit>,
    /// A change is there.
    pub in_valid: Signal<In, Bit>,
    /// The bucket.
    pub in_bucket: Signal<In, Bits<A>>,
    /// What the flow contributed; 0 if it was not live.
    pub in_old: Signal<In, Bits<64>>,
    /// What it contributes; 0 if it is not live.
    pub in_new: Signal<In, Bits<64>>,
    /// The flow was live.
    pub in_was_live: Signal<In, Bit>,
    /// The flow is live.
    pub in_is_live: Signal<In, Bit>,
    /// A read is there; it holds until it is taken.
    pub read_valid: Signal<In, Bit>,
    /// The bucket to read.
    pub read_bucket: Signal<In, Bits<A>>,
    /// The read is taken at this clock, which has no change.
    pub read_ready: Signal<Out, Bit>,
    /// A change or read leaves.
    pub out_valid: Signal<Out, Bit>,
    /// It is a read.
    pub out_is_read: Signal<Out, Bit>,
    /// Its bucket.
    pub out_bucket: Signal<Out, Bits<A>>,
    /// Sum behind it.
    pub out_sum: Signal<Out, Bits<64>>,
    /// Live flows behind it.
    pub out_count: Signal<Out, Bits<32>>,
    /// Count, then the low half of the sum.
    low_memory: Memory<64, A>,
    /// The high half, a cycle later.
    high_memory: Memory<32, A>,
    enters: Signal<Local, Bit>,
    bucket: Signal<Local, Bits<A>>,
    /// By stage: what comes with an operation.
    is_valid: [DFF<Bit>; LATENCY],
    is_read: [DFF<Bit>; LATENCY],
    at: [DFF<Bits<A>>; LATENCY],
    /// The last results that are of the same bucket, for the low half and a cycle later for the high one.
    same_1: [DFF<Bit>; 2],
    same_2: [DFF<Bit>; 2],
    same_3: [DFF<Bit>; 2],
    begins: [DFF<Bit>; 2],
    ends: [DFF<Bit>; 2],
    old_low: Signal<Local, Bits<32>>,
    new_low: Signal<Local, Bits<32>>,
    /// With its borrow.
    low_difference: DFF<Bits<33>>,
    borrow: Signal<Local, Bit>,
    low_step: DFF<Bits<32>>,
    old_high: DFF<Bits<32>>,
    new_high: DFF<Bits<32>>,
    high_difference: DFF<Bits<32>>,
    high_step: DFF<Bits<32>>,
    low_before: Signal<Local, Bits<32>>,
    count_before: Signal<Local, Bits<32>>,
    count_step: Signal<Local, Bits<32>>,
    /// With its carry.
    low_after: Signal<Local, Bits<33>>,
    low_kept: Signal<Local, Bits<32>>,
    count_after: Signal<Local, Bits<32>>,
    carry: DFF<Bit>,
    high_before: Signal<Local, Bits<32>>,
    high_after: Signal<Local, Bits<32>>,
    low_result: [DFF<Bits<32>>; 3],
    count_result: [DFF<Bits<32>>; 3],
    high_result: [DFF<Bits<32>>; 3],
    /// The bucket to clear; the top bit says that there is none.
    next_clear: DFF<Bits<P>>,
    clears: Signal<Local, Bit>,
    is_ready: DFF<Bit>,
    top_bit: Constant<Bits<16>>,
}

impl<const A: usize, const P: usize> Default for BucketSums<A, P> {
    fn default() -> Self {
        const { assert!(P == A + 1, "the count of buckets takes one bit more than their number") };
        Self {
            clock: Default::default(),
            reset: Default::default(),
            ready: Default::default(),
            in_valid: Default::default(),
            in_bucket: Default::default(),
            in_old: Default::default(),
            in_new: Default::default(),
            in_was_live: Default::default(),
            in_is_live: Default::default(),
            read_valid: Default::default(),
            read_bucket: Default::default(),
            read_ready: Default::default(),
            out_valid: Default::default(),
            out_is_read: Default::default(),
            out_bucket: Default::default(),
            out_sum: Default::default(),
            out_count: Default::default(),
            low_memory: Default::default(),
            high_memory: Default::default(),
            enters: Default::default(),
            bucket: Default::default(),
            is_valid: Default::default(),
            is_read: Default::default(),
            at: Default::default(),
            same_1: Default::default(),
            same_2: Default::default(),
            same_3: Default::default(),
            begins: Default::default(),
            ends: Default::default(),
            old_low: Default::default(),
            new_low: Default::default(),
            low_difference: Default::default(),
            borrow: Default::default(),
            low_step: Default::default(),
            old_high: Default::default(),
            new_high: Default::default(),
            high_difference: Default::default(),
            high_step: Default::default(),
            low_before: Default::default(),
            count_before: Default::default(),
            count_step: Default::default(),
            low_after: Default::default(),
            low_kept: Default::default(),
            count_after: Default::default(),
            carry: Default::default(),
            high_before: Default::default(),
            high_after: Default::default(),
            low_result: Default::default(),
            count_result: Default::default(),
            high_result: Default::default(),
            next_clear: Default::default(),
            clears: Default::default(),
            is_ready: Default::default(),
            top_bit: Constant::new(A.to_bits()),
        }
    }
}

impl<const A: usize, const P: usize> Logic for BucketSums<A, P> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, low_difference, low_step, old_high, new_high, high_difference, high_step);
        dff_setup!(self, clock, carry, next_clear, is_ready);
        for k in 0..4 {
            self.is_valid[k].clock.next = self.clock.val();
            self.is_read[k].clock.next = self.clock.val();
            self.at[k].clock.next = self.clock.val();
        }
        for k in 0..3 {
            self.low_result[k].clock.next = self.clock.val();
            self.count_result[k].clock.next = self.clock.val();
            self.high_result[k].clock.next = self.clock.val();
        }
        for k in 0..2 {
            self.same_1[k].clock.next = self.clock.val();
            self.same_2[k].clock.next = self.clock.val();
            self.same_3[k].clock.next = self.clock.val();
            self.begins[k].clock.next = self.clock.val();
            self.ends[k].clock.next = self.clock.val();
        }
        self.low_memory.clock.next = self.clock.val();
        self.high_memory.clock.next = self.clock.val();

        // Enter; read the low half's RAM, and subtract its low half.
        self.read_ready.next = self.is_ready.q.val() & !self.in_valid.val();
        self.enters.next = self.is_ready.q.val() & (self.in_valid.val() | self.read_valid.val());
        self.bucket.next = self.read_bucket.val();
        if self.in_valid.val() {
            self.bucket.next = self.in_bucket.val();
        }
        self.low_memory.read_address.next = self.bucket.val();
        self.is_valid[0].d.next = self.enters.val();
        self.is_read[0].d.next = !self.in_valid.val();
        self.at[0].d.next = self.bucket.val();
        for k in 1..4 {
            self.is_valid[k].d.next = self.is_valid[k - 1].q.val();
            self.is_read[k].d.next = self.is_read[k - 1].q.val();
            self.at[k].d.next = self.at[k - 1].q.val();
        }
        self.old_low.next = self.in_old.val().get_bits::<32>(0);
        self.new_low.next = self.in_new.val().get_bits::<32>(0);
        self.low_difference.d.next =
            bit_cast::<33, 32>(self.new_low.val()) - bit_cast::<33, 32>(self.old_low.val());
        self.old_high.d.next = self.in_old.val().get_bits::<32>(32);
        self.new_high.d.next = self.in_new.val().get_bits::<32>(32);
        self.begins[0].d.next = self.in_valid.val() & self.in_is_live.val() & !self.in_was_live.val();
        self.ends[0].d.next = self.in_valid.val() & self.in_was_live.val() & !self.in_is_live.val();
        self.begins[1].d.next = self.begins[0].q.val();
        self.ends[1].d.next = self.ends[0].q.val();

        // Read the high half's RAM, subtract the high half; look for the bucket among those before.
        self.high_memory.read_address.next = self.at[0].q.val();
        self.borrow.next = self.low_difference.q.val().get_bit(32);
        self.low_step.d.next = self.low_difference.q.val().get_bits::<32>(0);
        self.high_difference.d.next =
            self.new_high.q.val() - self.old_high.q.val() - bit_cast::<32, 1>(self.borrow.val().into());
        if self.is_read[0].q.val() {
            self.low_step.d.next = 0.into();
            self.high_difference.d.next = 0.into();
        }
        self.same_1[0].d.next = self.is_valid[1].q.val() & (self.at[0].q.val() == self.at[1].q.val());
        self.same_2[0].d.next = self.is_valid[2].q.val() & (self.at[0].q.val() == self.at[2].q.val());
        self.same_3[0].d.next = self.is_valid[3].q.val() & (self.at[0].q.val() == self.at[3].q.val());
        self.same_1[1].d.next = self.same_1[0].q.val();
        self.same_2[1].d.next = self.same_2[0].q.val();
        self.same_3[1].d.next = self.same_3[0].q.val();

        // The low half and the count.
        self.low_before.next = self.low_memory.read_data.val().get_bits::<32>(0);
        self.count_before.next = self.low_memory.read_data.val().get_bits::<32>(32);
        if self.same_1[0].q.val() {
            self.low_before.next = self.low_result[0].q.val();
            self.count_before.next = self.count_result[0].q.val();
        } else if self.same_2[0].q.val() {
            self.low_before.next = self.low_result[1].q.val();
            self.count_before.next = self.count_result[1].q.val();
        } else if self.same_3[0].q.val() {
            self.low_before.next = self.low_result[2].q.val();
            self.count_before.next = self.count_result[2].q.val();
        }
        self.low_after.next =
            bit_cast::<33, 32>(self.low_before.val()) + bit_cast::<33, 32>(self.low_step.q.val());
        self.carry.d.next = self.low_after.val().get_bit(32);
        self.count_step.next = bit_cast::<32, 1>(self.begins[1].q.val().into());
        if self.ends[1].q.val() {
            self.count_step.next = 0xffff_ffff_u64.into();
        }
        self.count_after.next = self.count_before.val() + self.count_step.val();
        self.low_kept.next = self.low_after.val().get_bits::<32>(0);
        self.low_result[0].d.next = self.low_kept.val();
        self.count_result[0].d.next = self.count_after.val();

        // The high half.
        self.high_step.d.next = self.high_difference.q.val();
        self.high_before.next = self.high_memory.read_data.val();
        if self.same_1[1].q.val() {
            self.high_before.next = self.high_result[0].q.val();
        } else if self.same_2[1].q.val() {
            self.high_before.next = self.high_result[1].q.val();
        } else if self.same_3[1].q.val() {
            self.high_before.next = self.high_result[2].q.val();
        }
        self.high_after.next =
            self.high_before.val() + self.high_step.q.val() + bit_cast::<32, 1>(self.carry.q.val().into());
        self.high_result[0].d.next = self.high_after.val();
        for k in 1..3 {
            self.low_result[k].d.next = self.low_result[k - 1].q.val();
            self.count_result[k].d.next = self.count_result[k - 1].q.val();
            self.high_result[k].d.next = self.high_result[k - 1].q.val();
        }

        // Write back, or clear.
        self.clears.next = !self.next_clear.q.val().get_bit(self.top_bit.val().index());
        self.low_memory.write.next = self.is_valid[1].q.val();
        self.low_memory.write_address.next = self.at[1].q.val();
        self.low_memory.write_data.next =
            (bit_cast::<64, 32>(self.count_after.val()) << 32) | bit_cast::<64, 32>(self.low_kept.val());
        self.high_memory.write.next = self.is_valid[2].q.val();
        self.high_memory.write_address.next = self.at[2].q.val();
        self.high_memory.write_data.next = self.high_after.val();
        // The last bucket's clear is seen by reads two cycles behind it.
        self.is_ready.d.next = !self.clears.val();
        if self.clears.val() {
            self.next_clear.d.next = self.next_clear.q.val() + 1;
            self.low_memory.write.next = true;
            self.low_memory.write_address.next = self.next_clear.q.val().get_bits::<A>(0);
            self.low_memory.write_data.next = 0.into();
            self.high_memory.write.next = true;
            self.high_memory.write_address.next = self.next_clear.q.val().get_bits::<A>(0);
            self.high_memory.write_data.next = 0.into();
        }

        self.ready.next = self.is_ready.q.val();
        self.out_valid.next = self.is_valid[3].q.val();
        self.out_is_read.next = self.is_read[3].q.val();
        self.out_bucket.next = self.at[3].q.val();
        self.out_sum.next = (bit_cast::<64, 32>(self.high_result[0].q.val()) << 32)
            | bit_cast::<64, 32>(self.low_result[1].q.val());
        self.out_count.next = self.count_result[1].q.val();
        if self.reset.val() {
            for k in 0..4 {
                self.is_valid[k].d.next = false;
            }
            self.next_clear.d.next = 0.into();
            self.is_ready.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check(
            "bucket_sums",
            &crate::export("bucket_sums", &mut BucketSums::<10, 11>::default()),
        );
    }
}
