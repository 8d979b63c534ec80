//! The flow table: a request finds, makes or frees the place of a flow, and what lies there comes out.
//!
//! Enters: one request a clock, by key and id, by id alone, or by place. Leaves, [`LATENCY`] cycles later:
//! whether the flow is there, was made, was freed, or has no room, and its entry as all requests before
//! left it. Enters in that same cycle: what becomes of the entry. Whatever the distance between two requests
//! for one flow or one set, the later one sees what the earlier one did. Nothing stalls.
//!
//! At most one flow of an id lies here: a request by key that finds the id held by another key finds
//! nothing, and has no room if it would make the flow. An entry just made holds what an earlier flow left:
//! it must be written whole, in the cycle in which it comes out.
//!
//! What a request is for is said by three inputs of which one comes later: whether it makes the flow, as its
//! bucket decides that, and the look-up of the bucket runs beside that of the tag.
//!
//! Timing: inputs go straight to RAM addresses and comparisons, and should come from registers. Tags take 4
//! cycles; the entry leaves 4 later, one LUT level behind registers, the verdict as registers.

use super::same_flow::{SameFlow, SAME_FLOW_LATENCY};
use super::tags::{Tags, TAGS_LATE, TAGS_LATENCY};
use crate::layout::{ENTRY_BITS, KEY_BITS};
use crate::prim::{LoopMemory, LOOP_BEHIND, LOOP_EARLY, LOOP_LATENCY};
use rust_hdl::prelude::*;

/// Cycles from request to entry.
pub const LATENCY: usize = TAGS_LATENCY + LOOP_LATENCY;
/// Cycles from request to `late_makes`.
pub const LATE: usize = TAGS_LATE;

// Widths and cycles in a kernel are plain numbers.
const _: () = assert!(KEY_BITS == 313 && ENTRY_BITS == 1296 && LATENCY == 8 && LATE == 3);
const _: () = assert!(LOOP_BEHIND == 5 && LOOP_EARLY + SAME_FLOW_LATENCY + 1 == LOOP_LATENCY);

/// 2^S sets of four entries; T is the rest of a flow id, V is T + 1, A is S + 2.
#[derive(LogicBlock)]
pub struct Table<const S: usize, const T: usize, const V: usize, const A: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Empties the table.
    pub reset: Signal<In, Bit>,
    /// Requests are taken: always, but for 2^S cycles after a reset.
    pub in_ready: Signal<Out, Bit>,
    /// A request is there.
    pub in_valid: Signal<In, Bit>,
    /// Flow id; its top bits alone count for a request by place.
    pub in_id: Signal<In, Bits<40>>,
    /// The key counts: what lies there under another key is not the flow.
    pub in_keyed: Signal<In, Bit>,
    /// Flow key as in an entry.
    pub in_key: Signal<In, Bits<313>>,
    /// The request names a place: the set of the id, and `in_way`.
    pub in_named: Signal<In, Bit>,
    /// The way.
    pub in_way: Signal<In, Bits<2>>,
    /// Watches the named place.
    pub in_watches: Signal<In, Bit>,
    /// Frees the named place if it is watched and no request touched it since.
    pub in_frees: Signal<In, Bit>,
    /// Gives the flow a place if it has none: of the request of [`LATE`] cycles ago, which names no place.
    pub late_makes: Signal<In, Bit>,
    /// An answer is there.
    pub out_valid: Signal<Out, Bit>,
    /// The flow is there, or the named place is taken.
    pub out_found: Signal<Out, Bit>,
    /// It was given a place; the entry holds what an earlier flow left.
    pub out_made: Signal<Out, Bit>,
    /// It should have been made, but its set is full or its id held by another key.
    pub out_full: Signal<Out, Bit>,
    /// The place is free now; the entry is what lay there.
    pub out_freed: Signal<Out, Bit>,
    /// Where it lies: set, then way.
    pub out_place: Signal<Out, Bits<A>>,
    /// The flow id asked for; of a named place that is taken, the id of the flow there.
    pub out_id: Signal<Out, Bits<40>>,
    /// What lies there.
    pub out_entry: Signal<Out, Bits<1296>>,
    /// The same a cycle earlier, without what the request before makes of it.
    pub late_entry: Signal<Out, Bits<1296>>,
    /// With that: whether the request before is about the same place.
    pub late_follows: Signal<Out, Bit>,
    /// The answer's entry changes at this clock; only if it was found or made.
    pub write: Signal<In, Bit>,
    /// To this.
    pub write_entry: Signal<In, Bits<1296>>,
    tags: Tags<S, T, V>,
    entries: LoopMemory<1296, A, 313>,
    tag_bits: Constant<Bits<8>>,
    /// Keys of the last requests; the sixth compares with what the RAM holds.
    key: [DFF<Bits<313>>; 6],
    compare: SameFlow,
    /// A request against the five before it: they may have made what it finds.
    compare_made: [SameFlow; 5],
    keyed: [DFF<Bit>; 7],
    /// From `late_makes` on.
    makes: [DFF<Bit>; 4],
    named: [DFF<Bit>; 5],
    /// Tags asked for, or held by the named place as the RAM has it; from the tags on.
    tag: [DFF<Bits<T>>; 6],
    /// That of the flow, where one of the five before made what the request names.
    own_tag: [DFF<Bits<T>>; 3],
    /// From the tags on, first the request that they answer now.
    place: Signal<Local, Bits<A>>,
    place_before: [DFF<Bits<A>>; 5],
    /// Made and its place.
    made_before: [DFF<Bit>; 5],
    valid: [DFF<Bit>; 4],
    found: [DFF<Bit>; 3],
    freed: [DFF<Bit>; 4],
    same_as3: [DFF<Bit>; 5],
    same_as4: [DFF<Bit>; 5],
    same_as5: [DFF<Bit>; 5],
    made_by5: [DFF<Bit>; 5],
    /// Made by one of the five before, and whether that one has our key.
    is_fresh: [DFF<Bit>; 2],
    is_fresh_same: [DFF<Bit>; 2],
    same: Signal<Local, Bit>,
    is_found: Signal<Local, Bit>,
    found8: DFF<Bit>,
    full8: DFF<Bit>,
}

impl<const S: usize, const T: usize, const V: usize, const A: usize> Default for Table<S, T, V, A> {
    fn default() -> Self {
        const { assert!(S + T == 40 && A == S + 2, "set and tag are the flow id; set and way are the place") };
        fn many<M: Default, const N: usize>() -> [M; N] {
            std::array::from_fn(|_| M::default())
        }
        Self {
            clock: Default::default(),
            reset: Default::default(),
            in_ready: Default::default(),
            in_valid: Default::default(),
            in_id: Default::default(),
            in_keyed: Default::default(),
            in_key: Default::default(),
            in_named: Default::default(),
            in_way: Default::default(),
            in_watches: Default::default(),
            in_frees: Default::default(),
            late_makes: Default::default(),
            out_valid: Default::default(),
            out_found: Default::default(),
            out_made: Default::default(),
            out_full: Default::default(),
            out_freed: Default::default(),
            out_place: Default::default(),
            out_id: Default::default(),
            out_entry: Default::default(),
            late_entry: Default::default(),
            late_follows: Default::default(),
            write: Default::default(),
            write_entry: Default::default(),
            tags: Default::default(),
            entries: Default::default(),
            tag_bits: Constant::new(T.to_bits()),
            key: many(),
            compare: Default::default(),
            compare_made: many(),
            keyed: many(),
            makes: many(),
            named: many(),
            tag: many(),
            own_tag: many(),
            place: Default::default(),
            place_before: many(),
            made_before: many(),
            valid: many(),
            found: many(),
            freed: many(),
            same_as3: many(),
            same_as4: many(),
            same_as5: many(),
            made_by5: many(),
            is_fresh: many(),
            is_fresh_same: many(),
            same: Default::default(),
            is_found: Default::default(),
            found8: Default::default(),
            full8: Default::default(),
        }
    }
}

impl<const S: usize, const T: usize, const V: usize, const A: usize> Logic for Table<S, T, V, A> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, found8, full8);
        for k in 0..7 {
            self.keyed[k].clock.next = self.clock.val();
        }
        for k in 0..6 {
            self.key[k].clock.next = self.clock.val();
            self.tag[k].clock.next = self.clock.val();
        }
        for k in 0..5 {
            self.named[k].clock.next = self.clock.val();
            self.compare_made[k].clock.next = self.clock.val();
            self.place_before[k].clock.next = self.clock.val();
            self.made_before[k].clock.next = self.clock.val();
            self.same_as3[k].clock.next = self.clock.val();
            self.same_as4[k].clock.next = self.clock.val();
            self.same_as5[k].clock.next = self.clock.val();
            self.made_by5[k].clock.next = self.clock.val();
        }
        for k in 0..4 {
            self.valid[k].clock.next = self.clock.val();
            self.makes[k].clock.next = self.clock.val();
            self.freed[k].clock.next = self.clock.val();
        }
        for k in 0..2 {
            self.is_fresh[k].clock.next = self.clock.val();
            self.is_fresh_same[k].clock.next = self.clock.val();
        }
        for k in 0..3 {
            self.found[k].clock.next = self.clock.val();
            self.own_tag[k].clock.next = self.clock.val();
        }
        self.compare.clock.next = self.clock.val();

        // The place.
        self.tags.clock.next = self.clock.val();
        self.tags.reset.next = self.reset.val();
        self.in_ready.next = self.tags.in_ready.val();
        self.tags.in_valid.next = self.in_valid.val();
        self.tags.in_set.next = self.in_id.val().get_bits::<S>(self.tag_bits.val().index());
        self.tags.in_tag.next = self.in_id.val().get_bits::<T>(0);
        self.tags.in_named.next = self.in_named.val();
        self.tags.in_way.next = self.in_way.val();
        self.tags.late_makes.next = self.late_makes.val();
        self.tags.in_watches.next = self.in_watches.val();
        self.tags.in_frees.next = self.in_frees.val();
        self.place.next =
            (bit_cast::<A, S>(self.tags.out_set.val()) << 2) | bit_cast::<A, 2>(self.tags.out_way.val());
        self.place_before[0].d.next = self.place.val();
        self.made_before[0].d.next = self.tags.out_made.val();
        for k in 1..5 {
            self.place_before[k].d.next = self.place_before[k - 1].q.val();
            self.made_before[k].d.next = self.made_before[k - 1].q.val();
        }
        self.valid[0].d.next = self.tags.out_valid.val();
        self.found[0].d.next = self.tags.out_found.val();
        self.freed[0].d.next = self.tags.out_freed.val();
        for k in 1..4 {
            self.valid[k].d.next = self.valid[k - 1].q.val();
            self.freed[k].d.next = self.freed[k - 1].q.val();
        }
        for k in 1..3 {
            self.found[k].d.next = self.found[k - 1].q.val();
        }

        // What lies there.
        self.entries.clock.next = self.clock.val();
        self.entries.address.next = self.place.val();
        self.entries.write.next = self.write.val();
        self.entries.write_word.next = self.write_entry.val();
        self.out_entry.next = self.entries.word.val();
        self.late_entry.next = self.entries.late_word.val();
        self.late_follows.next = self.entries.follows.val();

        // Whose it is: by the key in the RAM, unless one of the five requests before made it.
        self.key[0].d.next = self.in_key.val();
        for k in 1..6 {
            self.key[k].d.next = self.key[k - 1].q.val();
        }
        self.keyed[0].d.next = self.in_keyed.val();
        self.makes[0].d.next = self.late_makes.val();
        self.named[0].d.next = self.in_named.val();
        for k in 1..7 {
            self.keyed[k].d.next = self.keyed[k - 1].q.val();
        }
        for k in 1..4 {
            self.makes[k].d.next = self.makes[k - 1].q.val();
        }
        for k in 1..5 {
            self.named[k].d.next = self.named[k - 1].q.val();
        }
        self.tag[0].d.next = self.tags.out_tag.val();
        for k in 1..6 {
            self.tag[k].d.next = self.tag[k - 1].q.val();
        }
        self.compare.a.next = self.key[5].q.val();
        self.compare.b.next = self.entries.early_word.val();
        for k in 0..5 {
            self.compare_made[k].a.next = self.key[0].q.val();
            self.compare_made[k].b.next = self.key[k + 1].q.val();
            self.same_as3[k].d.next = self.compare_made[k].same.val();
            self.same_as4[k].d.next = self.same_as3[k].q.val();
            self.same_as5[k].d.next = self.same_as4[k].q.val();
            self.made_by5[k].d.next =
                (self.place.val() == self.place_before[k].q.val()) & self.made_before[k].q.val();
        }
        self.is_fresh[0].d.next = false;
        self.is_fresh_same[0].d.next = false;
        self.own_tag[0].d.next = self.tag[0].q.val();
        for k in 0..5 {
            if self.made_by5[4 - k].q.val() {
                self.is_fresh[0].d.next = true;
                self.is_fresh_same[0].d.next = self.same_as5[4 - k].q.val();
                if self.named[4].q.val() {
                    self.own_tag[0].d.next = self.tag[5 - k].q.val();
                }
            }
        }
        self.is_fresh[1].d.next = self.is_fresh[0].q.val();
        self.is_fresh_same[1].d.next = self.is_fresh_same[0].q.val();
        for k in 1..3 {
            self.own_tag[k].d.next = self.own_tag[k - 1].q.val();
        }
        self.same.next = self.compare.same.val();
        if self.is_fresh[1].q.val() {
            self.same.next = self.is_fresh_same[1].q.val();
        }
        self.is_found.next = self.found[2].q.val() & (self.same.val() | !self.keyed[6].q.val());
        self.found8.d.next = self.is_found.val();
        self.full8.d.next = self.makes[3].q.val() & !self.made_before[2].q.val() & !self.is_found.val();
        self.out_valid.next = self.valid[3].q.val();
        self.out_found.next = self.found8.q.val();
        self.out_made.next = self.made_before[3].q.val();
        self.out_full.next = self.full8.q.val();
        self.out_freed.next = self.freed[3].q.val();
        self.out_place.next = self.place_before[3].q.val();
        self.out_id.next = (bit_cast::<40, A>(self.place_before[3].q.val() >> 2) << self.tag_bits.val())
            | bit_cast::<40, T>(self.own_tag[2].q.val());
        if self.reset.val() {
            for k in 0..4 {
                self.valid[k].d.next = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        let mut block = Box::<Table<10, 30, 31, 12>>::default();
        crate::yosys::check("flow_table", &crate::export("flow_table", &mut *block));
    }
}
