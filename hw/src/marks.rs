//! Flags of each bucket: set and cleared from the pipe, looked up beside it, both at one a clock.
//!
//! Enters: a mark (bits to set, bits to clear) and a look-up, of any buckets. Leaves: the bucket's flags,
//! [`LATENCY`] cycles after the look-up, as all marks of earlier clocks left them; a mark of the same clock
//! is not seen. Where a bit is both set and cleared it is set. Nothing stalls. Flags hold anything until
//! they are marked whole; `map` does that after a reset.
//!
//! The RAM is there twice, so that marks and look-ups read at once. It shows a write to reads that come four
//! cycles after the mark it answers: the last three results are forwarded to both. Inputs should come from
//! registers. 4 LUT levels.

use crate::prim::{Memory, MEMORY_LATENCY};
use formats::limits::BUCKET_BITS;
use rust_hdl::prelude::*;

/// Cycles from a look-up to its flags.
pub const LATENCY: usize = 3;

// Widths and loops in a kernel are plain numbers.
const _: () = assert!(BUCKET_BITS == 10 && MEMORY_LATENCY == 2);

/// W flags of 1,024 buckets.
#[derive(LogicBlock, Default)]
pub struct Marks<const W: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Forgets what is under way; the flags stay.
    pub reset: Signal<In, Bit>,
    /// A mark is there.
    pub mark_valid: Signal<In, Bit>,
    /// Its bucket.
    pub mark_bucket: Signal<In, Bits<10>>,
    /// Flags to set.
    pub mark_set: Signal<In, Bits<W>>,
    /// Flags to clear.
    pub mark_clear: Signal<In, Bits<W>>,
    /// The bucket to look up.
    pub in_bucket: Signal<In, Bits<10>>,
    /// Its flags.
    pub out_flags: Signal<Out, Bits<W>>,
    /// For marks.
    mark_memory: Memory<W, 10>,
    /// For look-ups.
    look_memory: Memory<W, 10>,
    is_valid: [DFF<Bit>; 4],
    at: [DFF<Bits<10>>; 4],
    set: [DFF<Bits<W>>; 2],
    clear: [DFF<Bits<W>>; 2],
    look_at: DFF<Bits<10>>,
    /// The last results that are of the mark's bucket, and of the look-up's.
    same: [DFF<Bit>; 3],
    near: [DFF<Bit>; 3],
    flags_before: Signal<Local, Bits<W>>,
    flags_after: Signal<Local, Bits<W>>,
    result: [DFF<Bits<W>>; 3],
    out: DFF<Bits<W>>,
}

impl<const W: usize> Logic for Marks<W> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, look_at, out);
        for k in 0..4 {
            self.is_valid[k].clock.next = self.clock.val();
            self.at[k].clock.next = self.clock.val();
        }
        for k in 0..3 {
            self.same[k].clock.next = self.clock.val();
            self.near[k].clock.next = self.clock.val();
            self.result[k].clock.next = self.clock.val();
        }
        for k in 0..2 {
            self.set[k].clock.next = self.clock.val();
            self.clear[k].clock.next = self.clock.val();
        }
        self.mark_memory.clock.next = self.clock.val();
        self.look_memory.clock.next = self.clock.val();

        // Read for both.
        self.mark_memory.read_address.next = self.mark_bucket.val();
        self.look_memory.read_address.next = self.in_bucket.val();
        self.is_valid[0].d.next = self.mark_valid.val();
        self.at[0].d.next = self.mark_bucket.val();
        self.set[0].d.next = self.mark_set.val();
        self.clear[0].d.next = self.mark_clear.val();
        self.look_at.d.next = self.in_bucket.val();
        for k in 1..4 {
            self.is_valid[k].d.next = self.is_valid[k - 1].q.val();
            self.at[k].d.next = self.at[k - 1].q.val();
        }
        self.set[1].d.next = self.set[0].q.val();
        self.clear[1].d.next = self.clear[0].q.val();

        // Look for the bucket among the three marks before.
        for k in 0..3 {
            self.same[k].d.next =
                self.is_valid[k + 1].q.val() & (self.at[0].q.val() == self.at[k + 1].q.val());
            self.near[k].d.next =
                self.is_valid[k + 1].q.val() & (self.look_at.q.val() == self.at[k + 1].q.val());
        }

        // Mark and write back.
        self.flags_before.next = self.mark_memory.read_data.val();
        if self.same[0].q.val() {
            self.flags_before.next = self.result[0].q.val();
        } else if self.same[1].q.val() {
            self.flags_before.next = self.result[1].q.val();
        } else if self.same[2].q.val() {
            self.flags_before.next = self.result[2].q.val();
        }
        self.flags_after.next = (self.flags_before.val() & !self.clear[1].q.val()) | self.set[1].q.val();
        self.result[0].d.next = self.flags_after.val();
        for k in 1..3 {
            self.result[k].d.next = self.result[k - 1].q.val();
        }
        self.mark_memory.write.next = self.is_valid[1].q.val();
        self.mark_memory.write_address.next = self.at[1].q.val();
        self.mark_memory.write_data.next = self.flags_after.val();
        self.look_memory.write.next = self.is_valid[1].q.val();
        self.look_memory.write_address.next = self.at[1].q.val();
        self.look_memory.write_data.next = self.flags_after.val();

        // What was looked up.
        self.out.d.next = self.look_memory.read_data.val();
        if self.near[0].q.val() {
            self.out.d.next = self.result[0].q.val();
        } else if self.near[1].q.val() {
            self.out.d.next = self.result[1].q.val();
        } else if self.near[2].q.val() {
            self.out.d.next = self.result[2].q.val();
        }
        self.out_flags.next = self.out.q.val();
        if self.reset.val() {
            for k in 0..4 {
                self.is_valid[k].d.next = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("marks", &crate::export("marks", &mut Marks::<8>::default()));
    }
}
