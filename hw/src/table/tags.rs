//! Tags: which way of its set a flow has, and which one it gets.
//!
//! Enters: one request a clock, by flow id (set and tag) or by place (set and way). Leaves, [`TAGS_LATENCY`]
//! cycles later: its way, and whether the tag was there, was made or was freed. A tag lies in at most one
//! way of its set. The first free way is the lowest. Nothing is evicted: where no way is free, nothing is
//! made.
//!
//! A place is freed in two steps, because only what lies there says whether it may be: a request with
//! `in_watches` reads it, one with `in_frees` frees it if no request between them touched the place.
//!
//! Whether a flow is made is said [`TAGS_LATE`] cycles after the request: what decides it needs a look-up of
//! its own.
//!
//! Timing: set and tag go straight to the RAM's address and into comparisons, and should come from
//! registers; all outputs are registers. Stages: read; register; compare, with what the second to fourth
//! request before wrote; resolve, with what the last one wrote. At most 6 LUT levels.
//!
//! After a reset every set is cleared: not ready for 2^S cycles and a few more.

use crate::prim::Memory;
use rust_hdl::prelude::*;

/// Cycles from request to answer.
pub const TAGS_LATENCY: usize = 4;
/// Cycles from request to `late_makes`.
pub const TAGS_LATE: usize = 3;

/// 2^S sets of four tags of T bits; V is T + 1.
#[derive(LogicBlock)]
pub struct Tags<const S: usize, const T: usize, const V: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Empties all sets.
    pub reset: Signal<In, Bit>,
    /// Requests are taken.
    pub in_ready: Signal<Out, Bit>,
    /// A request is there.
    pub in_valid: Signal<In, Bit>,
    /// Its set.
    pub in_set: Signal<In, Bits<S>>,
    /// Its tag, unless it names a place.
    pub in_tag: Signal<In, Bits<T>>,
    /// It names a place.
    pub in_named: Signal<In, Bit>,
    /// The way of that place.
    pub in_way: Signal<In, Bits<2>>,
    /// Watches the named place.
    pub in_watches: Signal<In, Bit>,
    /// Frees the named place if it is watched and nothing touched it.
    pub in_frees: Signal<In, Bit>,
    /// Takes a free way if the tag is not there: of the request of [`TAGS_LATE`] cycles ago, which names no
    /// place.
    pub late_makes: Signal<In, Bit>,
    /// An answer is there.
    pub out_valid: Signal<Out, Bit>,
    /// The tag was there, or the named place was taken.
    pub out_found: Signal<Out, Bit>,
    /// The tag was put into a free way.
    pub out_made: Signal<Out, Bit>,
    /// The place is free now.
    pub out_freed: Signal<Out, Bit>,
    /// The set.
    pub out_set: Signal<Out, Bits<S>>,
    /// The way of the tag, or of the named place.
    pub out_way: Signal<Out, Bits<2>>,
    /// Its tag; of a named place that it holds, unless one of the four requests before put it there.
    pub out_tag: Signal<Out, Bits<T>>,
    memory: [Memory<V, S>; 4],
    tag_offset: Constant<Bits<8>>,
    clearing: DFF<Bit>,
    clear_set: DFF<Bits<S>>,
    last_set: Constant<Bits<S>>,
    /// The last words are in the memory.
    cleared: DFF<Bit>,
    ready: DFF<Bit>,
    valid: [DFF<Bit>; 4],
    set: [DFF<Bits<S>>; 4],
    tag: [DFF<Bits<T>>; 4],
    named: [DFF<Bit>; 3],
    way: [DFF<Bits<4>>; 3],
    watches: [DFF<Bit>; 3],
    frees: [DFF<Bit>; 3],
    /// Whether set and tag are those of the request one to four before; one row a stage.
    same_set1: [DFF<Bit>; 4],
    same_tag1: [DFF<Bit>; 4],
    same_set2: [DFF<Bit>; 4],
    same_tag2: [DFF<Bit>; 4],
    same_set3: DFF<Bit>,
    same_tag3: DFF<Bit>,
    /// Ways that the last three resolved requests wrote, and whether they put a tag there.
    wrote: [DFF<Bits<4>>; 3],
    wrote_tag: [DFF<Bit>; 3],
    is_equal: [Signal<Local, Bit>; 4],
    named_tag: Signal<Local, Bits<T>>,
    equal2: Signal<Local, Bits<4>>,
    taken2: Signal<Local, Bits<4>>,
    equal3: DFF<Bits<4>>,
    taken3: DFF<Bits<4>>,
    last: Signal<Local, Bits<4>>,
    equal: Signal<Local, Bits<4>>,
    taken: Signal<Local, Bits<4>>,
    hit: Signal<Local, Bits<4>>,
    is_hit: Signal<Local, Bit>,
    free: Signal<Local, Bits<4>>,
    made: Signal<Local, Bit>,
    freed: Signal<Local, Bit>,
    chosen: Signal<Local, Bits<4>>,
    writes: Signal<Local, Bits<4>>,
    is_watched: Signal<Local, Bit>,
    watched: DFF<Bit>,
    watched_set: DFF<Bits<S>>,
    watched_way: DFF<Bits<4>>,
    found4: DFF<Bit>,
    made4: DFF<Bit>,
    freed4: DFF<Bit>,
    way4: DFF<Bits<2>>,
}

impl<const S: usize, const T: usize, const V: usize> Default for Tags<S, T, V> {
    fn default() -> Self {
        const { assert!(V == T + 1, "a way holds its tag and whether it is taken") };
        fn many<M: Default, const N: usize>() -> [M; N] {
            std::array::from_fn(|_| M::default())
        }
        Self {
            clock: Default::default(),
            reset: Default::default(),
            in_ready: Default::default(),
            in_valid: Default::default(),
            in_set: Default::default(),
            in_tag: Default::default(),
            in_named: Default::default(),
            in_way: Default::default(),
            in_watches: Default::default(),
            in_frees: Default::default(),
            late_makes: Default::default(),
            out_valid: Default::default(),
            out_found: Default::default(),
            out_made: Default::default(),
            out_freed: Default::default(),
            out_set: Default::default(),
            out_way: Default::default(),
            out_tag: Default::default(),
            memory: many(),
            tag_offset: Constant::new(T.to_bits()),
            clearing: Default::default(),
            clear_set: Default::default(),
            last_set: Constant::new(((1usize << S) - 1).to_bits()),
            cleared: Default::default(),
            ready: Default::default(),
            valid: many(),
            set: many(),
            tag: many(),
            named: many(),
            way: many(),
            watches: many(),
            frees: many(),
            same_set1: many(),
            same_tag1: many(),
            same_set2: many(),
            same_tag2: many(),
            same_set3: Default::default(),
            same_tag3: Default::default(),
            wrote: many(),
            wrote_tag: many(),
            is_equal: many(),
            named_tag: Default::default(),
            equal2: Default::default(),
            taken2: Default::default(),
            equal3: Default::default(),
            taken3: Default::default(),
            last: Default::default(),
            equal: Default::default(),
            taken: Default::default(),
            hit: Default::default(),
            is_hit: Default::default(),
            free: Default::default(),
            made: Default::default(),
            freed: Default::default(),
            chosen: Default::default(),
            writes: Default::default(),
            is_watched: Default::default(),
            watched: Default::default(),
            watched_set: Default::default(),
            watched_way: Default::default(),
            found4: Default::default(),
            made4: Default::default(),
            freed4: Default::default(),
            way4: Default::default(),
        }
    }
}

impl<const S: usize, const T: usize, const V: usize> Logic for Tags<S, T, V> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, clearing, clear_set, cleared, ready, same_set3, same_tag3, equal3, taken3);
        dff_setup!(self, clock, watched, watched_set, watched_way, found4, made4, freed4, way4);
        for k in 0..4 {
            self.memory[k].clock.next = self.clock.val();
            self.valid[k].clock.next = self.clock.val();
            self.set[k].clock.next = self.clock.val();
            self.tag[k].clock.next = self.clock.val();
            self.same_set1[k].clock.next = self.clock.val();
            self.same_tag1[k].clock.next = self.clock.val();
            self.same_set2[k].clock.next = self.clock.val();
            self.same_tag2[k].clock.next = self.clock.val();
        }
        for k in 0..3 {
            self.named[k].clock.next = self.clock.val();
            self.way[k].clock.next = self.clock.val();
            self.watches[k].clock.next = self.clock.val();
            self.frees[k].clock.next = self.clock.val();
            self.wrote[k].clock.next = self.clock.val();
            self.wrote_tag[k].clock.next = self.clock.val();
        }

        // Read.
        self.in_ready.next = self.ready.q.val();
        self.valid[0].d.next = self.in_valid.val() & self.ready.q.val();
        self.set[0].d.next = self.in_set.val();
        self.tag[0].d.next = self.in_tag.val();
        self.named[0].d.next = self.in_named.val();
        self.way[0].d.next = 1.into();
        if self.in_way.val() == 1 {
            self.way[0].d.next = 2.into();
        }
        if self.in_way.val() == 2 {
            self.way[0].d.next = 4.into();
        }
        if self.in_way.val() == 3 {
            self.way[0].d.next = 8.into();
        }
        self.watches[0].d.next = self.in_watches.val();
        self.frees[0].d.next = self.in_frees.val();
        for k in 1..4 {
            self.valid[k].d.next = self.valid[k - 1].q.val();
            self.set[k].d.next = self.set[k - 1].q.val();
            self.tag[k].d.next = self.tag[k - 1].q.val();
        }
        for k in 1..3 {
            self.named[k].d.next = self.named[k - 1].q.val();
            self.way[k].d.next = self.way[k - 1].q.val();
            self.watches[k].d.next = self.watches[k - 1].q.val();
            self.frees[k].d.next = self.frees[k - 1].q.val();
        }
        for k in 0..4 {
            self.memory[k].read_address.next = self.in_set.val();
            self.same_set1[k].d.next = self.in_set.val() == self.set[k].q.val();
            self.same_tag1[k].d.next = self.in_tag.val() == self.tag[k].q.val();
            self.same_set2[k].d.next = self.same_set1[k].q.val();
            self.same_tag2[k].d.next = self.same_tag1[k].q.val();
        }

        // Compare. The memory lacks what four requests before wrote; three of them are resolved.
        self.equal2.next = 0.into();
        self.taken2.next = 0.into();
        for k in 0..4 {
            self.is_equal[k].next = (self.memory[k].read_data.val().get_bits::<T>(0) == self.tag[1].q.val())
                & self.memory[k].read_data.val().get_bit(self.tag_offset.val().index());
            self.equal2.next = self.equal2.val().replace_bit(k, self.is_equal[k].val());
            self.taken2.next = self
                .taken2
                .val()
                .replace_bit(k, self.memory[k].read_data.val().get_bit(self.tag_offset.val().index()));
        }
        for k in 0..3 {
            if self.same_set2[3 - k].q.val() {
                self.equal2.next = self.equal2.val() & !self.wrote[2 - k].q.val();
                self.taken2.next = self.taken2.val() & !self.wrote[2 - k].q.val();
                if self.wrote_tag[2 - k].q.val() {
                    self.taken2.next = self.taken2.val() | self.wrote[2 - k].q.val();
                    if self.same_tag2[3 - k].q.val() {
                        self.equal2.next = self.equal2.val() | self.wrote[2 - k].q.val();
                    }
                }
            }
        }
        // Nothing is made under a name, so that no tag but the memory's is needed there.
        self.named_tag.next = 0.into();
        for k in 0..4 {
            if self.way[1].q.val().get_bit(k) {
                self.named_tag.next = self.memory[k].read_data.val().get_bits::<T>(0);
            }
        }
        if self.named[1].q.val() {
            self.tag[2].d.next = self.named_tag.val();
        }
        self.equal3.d.next = self.equal2.val();
        self.taken3.d.next = self.taken2.val();
        self.same_set3.d.next = self.same_set2[0].q.val();
        self.same_tag3.d.next = self.same_tag2[0].q.val();

        // Resolve.
        self.last.next = 0.into();
        if self.same_set3.q.val() {
            self.last.next = self.wrote[0].q.val();
        }
        self.equal.next = self.equal3.q.val() & !self.last.val();
        self.taken.next = self.taken3.q.val() & !self.last.val();
        if self.wrote_tag[0].q.val() {
            self.taken.next = self.taken3.q.val() | self.last.val();
            if self.same_tag3.q.val() {
                self.equal.next = self.equal3.q.val() | self.last.val();
            }
        }
        self.hit.next = self.equal.val();
        if self.named[2].q.val() {
            self.hit.next = self.taken.val() & self.way[2].q.val();
        }
        self.is_hit.next = self.hit.val().any();
        // The lowest zero.
        self.free.next = bit_cast::<4, 4>(self.taken.val() + 1) & !self.taken.val();
        self.made.next =
            self.valid[2].q.val() & self.late_makes.val() & !self.is_hit.val() & self.free.val().any();
        self.is_watched.next = self.watched.q.val()
            & (self.watched_set.q.val() == self.set[2].q.val())
            & (self.watched_way.q.val() & self.hit.val()).any();
        self.freed.next = self.valid[2].q.val() & self.frees[2].q.val() & self.is_watched.val();
        self.chosen.next = self.free.val();
        if self.is_hit.val() {
            self.chosen.next = self.hit.val();
        }
        self.writes.next = 0.into();
        if self.made.val() | self.freed.val() {
            self.writes.next = self.chosen.val();
        }
        self.wrote[0].d.next = self.writes.val();
        self.wrote_tag[0].d.next = self.made.val();
        for k in 1..3 {
            self.wrote[k].d.next = self.wrote[k - 1].q.val();
            self.wrote_tag[k].d.next = self.wrote_tag[k - 1].q.val();
        }
        if self.valid[2].q.val() & self.is_watched.val() {
            self.watched.d.next = false;
        }
        if self.valid[2].q.val() & self.watches[2].q.val() {
            self.watched.d.next = self.is_hit.val();
            self.watched_set.d.next = self.set[2].q.val();
            self.watched_way.d.next = self.hit.val();
        }
        self.found4.d.next = self.valid[2].q.val() & self.is_hit.val();
        self.made4.d.next = self.made.val();
        self.freed4.d.next = self.freed.val();
        self.way4.d.next = 0.into();
        if self.chosen.val().get_bit(1) {
            self.way4.d.next = 1.into();
        }
        if self.chosen.val().get_bit(2) {
            self.way4.d.next = 2.into();
        }
        if self.chosen.val().get_bit(3) {
            self.way4.d.next = 3.into();
        }
        self.out_valid.next = self.valid[3].q.val();
        self.out_found.next = self.found4.q.val();
        self.out_made.next = self.made4.q.val();
        self.out_freed.next = self.freed4.q.val();
        self.out_set.next = self.set[3].q.val();
        self.out_way.next = self.way4.q.val();
        self.out_tag.next = self.tag[3].q.val();

        // Write, or clear after a reset.
        for k in 0..4 {
            self.memory[k].write.next = self.writes.val().get_bit(k) | self.clearing.q.val();
            self.memory[k].write_address.next = self.set[2].q.val();
            self.memory[k].write_data.next = 0.into();
            if self.made.val() {
                self.memory[k].write_data.next = (bit_cast::<V, 1>(1.into()) << self.tag_offset.val())
                    | bit_cast::<V, T>(self.tag[2].q.val());
            }
            if self.clearing.q.val() {
                self.memory[k].write_address.next = self.clear_set.q.val();
            }
        }
        self.clear_set.d.next = self.clear_set.q.val() + 1;
        if self.clear_set.q.val() == self.last_set.val() {
            self.clearing.d.next = false;
        }
        self.cleared.d.next = !self.clearing.q.val();
        self.ready.d.next = self.cleared.q.val();
        if self.reset.val() {
            self.clearing.d.next = true;
            self.clear_set.d.next = 0.into();
            self.cleared.d.next = false;
            self.ready.d.next = false;
            self.watched.d.next = false;
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
        let mut block = Box::<Tags<10, 30, 31>>::default();
        crate::yosys::check("tags", &crate::export("tags", &mut *block));
    }
}
