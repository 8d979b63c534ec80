//! Tally: what each entry contributes, and the sum of its bucket, one entry a clock.
//!
//! Enters: an entry as it is after a command, record or read, with its place and bucket. Leaves: sum and
//! count of a bucket, read through a port of its own. The digest of the entry is [`FlowDigest`]'s, what it
//! contributed before lies in a RAM by its place, and [`BucketSums`] adds the difference. So a sum is at
//! each time that of what the RAM says of live flows, whatever the entries were digested with.
//!
//! An entry in which nothing changed that the digest covers must digest to what the RAM says. If it does
//! not, a bit of the entry or of the RAM fell over, and `repaired` says so once; RAM and sum are right
//! again [`ENTRY_CYCLES`] after the entry, if the RAM was wrong, and differ from the peer's if the entry was.
//!
//! After a reset what the RAM says counts for nothing, because no flow was live. Nothing stalls; until
//! `ready` nothing may enter. When `replicate`, `edge_bits` or a key changes, contributions stay as they
//! were, and entries on their way digest to anything: whoever changes them reads every live entry
//! afterwards, none of them as unchanged, and until then trusts no sum.
//!
//! Stages: digest, and beside its last 4 the RAM | old and new side by side | bucket sums. Inputs should
//! come from registers. 6 LUT levels.

use crate::digest::{self, FlowDigest, KeysIn};
use crate::prim::{Delay, LoopMemory, LOOP_LATENCY};
use crate::sums::{self, BucketSums};
use rust_hdl::prelude::*;

/// Cycles from an entry to the first clock in which a read of its bucket may be taken that sees it.
pub const ENTRY_CYCLES: usize = 21;
/// Cycles from a read to its sum and count.
pub const READ_LATENCY: usize = sums::LATENCY;

// Widths in a kernel are plain numbers.
const _: () = assert!(digest::LATENCY == 19 && LOOP_LATENCY == 4 && ENTRY_CYCLES == digest::LATENCY + 2);

/// Contributions of 2^A places to the sums of 1,024 buckets.
#[derive(LogicBlock, Default)]
pub struct Tally<const A: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Clears every bucket; the keys stay.
    pub reset: Signal<In, Bit>,
    /// Every bucket is cleared.
    pub ready: Signal<Out, Bit>,
    /// Groups that replicate.
    pub replicate: Signal<In, Bits<8>>,
    /// Edges replicate in steps of 2 to this power; 0 leaves them as they are.
    pub edge_bits: Signal<In, Bits<5>>,
    /// Keys of the digest.
    pub write: KeysIn,
    /// An entry is there.
    pub in_valid: Signal<In, Bit>,
    /// The entry as it is now, as `layout` says.
    pub in_entry: Signal<In, Bits<1296>>,
    /// Where it lies.
    pub in_place: Signal<In, Bits<A>>,
    /// Its bucket.
    pub in_bucket: Signal<In, Bits<10>>,
    /// What lay there before was live.
    pub in_was_live: Signal<In, Bit>,
    /// Nothing changed that the digest covers.
    pub in_unchanged: Signal<In, Bit>,
    /// A contribution was not what it should be; the sum has been corrected.
    pub repaired: Signal<Out, Bit>,
    /// A read is there; it holds until it is taken.
    pub read_valid: Signal<In, Bit>,
    /// The bucket to read.
    pub read_bucket: Signal<In, Bits<10>>,
    /// The read is taken at this clock.
    pub read_ready: Signal<Out, Bit>,
    /// What was read leaves.
    pub out_valid: Signal<Out, Bit>,
    /// Its bucket.
    pub out_bucket: Signal<Out, Bits<10>>,
    /// Sum of the contributions.
    pub out_sum: Signal<Out, Bits<64>>,
    /// Live flows.
    pub out_count: Signal<Out, Bits<32>>,
    digest: FlowDigest,
    contributions: LoopMemory<64, A, 1>,
    sums: BucketSums<10, 11>,
    place: Delay<A, 15>,
    /// Bucket, was live, unchanged.
    beside: Delay<12, 19>,
    old_part: DFF<Bits<64>>,
    new_part: DFF<Bits<64>>,
    bucket: DFF<Bits<10>>,
    was_live: DFF<Bit>,
    is_live: DFF<Bit>,
    is_unchanged: DFF<Bit>,
    is_valid: DFF<Bit>,
    repairs: DFF<Bit>,
    /// What the RAM says early.
    unused: Signal<Local, Bit>,
}

impl<const A: usize> Logic for Tally<A> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            old_part,
            new_part,
            bucket,
            was_live,
            is_live,
            is_unchanged,
            is_valid,
            repairs
        );
        self.digest.clock.next = self.clock.val();
        self.digest.reset.next = self.reset.val();
        self.contributions.clock.next = self.clock.val();
        self.sums.clock.next = self.clock.val();
        self.sums.reset.next = self.reset.val();
        self.place.clock.next = self.clock.val();
        self.beside.clock.next = self.clock.val();

        // The digest; what was stored meets it as it leaves.
        self.digest.replicate.next = self.replicate.val();
        self.digest.edge_bits.next = self.edge_bits.val();
        KeysIn::link(&mut self.write, &mut self.digest.write);
        self.digest.in_valid.next = self.in_valid.val();
        self.digest.in_entry.next = self.in_entry.val();
        self.place.in_data.next = self.in_place.val();
        self.contributions.address.next = self.place.out_data.val();
        self.contributions.write.next = self.digest.out_valid.val();
        self.contributions.write_word.next = self.digest.out_digest.val();
        self.beside.in_data.next = (bit_cast::<12, 1>(self.in_unchanged.val().into()) << 11)
            | (bit_cast::<12, 1>(self.in_was_live.val().into()) << 10)
            | bit_cast::<12, 10>(self.in_bucket.val());
        self.unused.next = self.contributions.early_word.val().xor()
            ^ self.contributions.late_word.val().xor()
            ^ self.contributions.follows.val();

        // Both, side by side.
        self.is_valid.d.next = self.digest.out_valid.val();
        self.bucket.d.next = self.beside.out_data.val().get_bits::<10>(0);
        self.was_live.d.next = self.beside.out_data.val().get_bit(10);
        self.is_unchanged.d.next = self.beside.out_data.val().get_bit(11);
        self.is_live.d.next = self.digest.out_live.val();
        self.new_part.d.next = self.digest.out_digest.val();
        self.old_part.d.next = 0.into();
        if self.beside.out_data.val().get_bit(10) {
            self.old_part.d.next = self.contributions.word.val();
        }

        // The difference goes into the sum.
        self.sums.in_valid.next = self.is_valid.q.val();
        self.sums.in_bucket.next = self.bucket.q.val();
        self.sums.in_old.next = self.old_part.q.val();
        self.sums.in_new.next = self.new_part.q.val();
        self.sums.in_was_live.next = self.was_live.q.val();
        self.sums.in_is_live.next = self.is_live.q.val();
        self.repairs.d.next = self.is_valid.q.val()
            & self.is_unchanged.q.val()
            & (self.old_part.q.val() != self.new_part.q.val());
        self.repaired.next = self.repairs.q.val();
        self.ready.next = self.sums.ready.val();

        // Reads.
        self.sums.read_valid.next = self.read_valid.val();
        self.sums.read_bucket.next = self.read_bucket.val();
        self.read_ready.next = self.sums.read_ready.val();
        self.out_valid.next = self.sums.out_valid.val() & self.sums.out_is_read.val();
        self.out_bucket.next = self.sums.out_bucket.val();
        self.out_sum.next = self.sums.out_sum.val();
        self.out_count.next = self.sums.out_count.val();
        if self.reset.val() {
            self.is_valid.d.next = false;
            self.repairs.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        let text = crate::export("tally", &mut *Box::<Tally<12>>::default());
        crate::yosys::check("tally", &text);
    }
}
