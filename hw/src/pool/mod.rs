//! Pool: records wait, by destination, in one memory that all destinations share.
//!
//! Enters: a record a clock and whom it is for. Leaves: frames, oldest begun first, and their units as they
//! are fetched; and each record that found no room, by destination and tag. A record is either told as
//! refused or leaves whole in a frame of its destination, in the order in which it came; only `drop` takes
//! more away.
//!
//! Units lie packed in blocks of 64 B over four lane memories; blocks belong to pages of four, a frame's
//! pages are linked, and a frame begins with a page. Each destination has at most one frame that takes
//! records. It takes them until it is full or offered to the framer: a link that is idle sends frames of one
//! record at once, a busy one frames of all that came while they waited. Frames leave in the order in which
//! they were begun, so destinations take turns and none waits for ever.
//!
//! Limits, and a record is refused at each: 16 records behind one that takes several clocks (more than four
//! units), 2^P pages, 2^F frames, 2^(C-1) frames of a destination. Records come one a clock, those of n > 4
//! units every n / 4 clocks, rounded up. All are refused in the 2^D cycles after a reset.
//!
//! Counters instead of flags: of the frames of a destination, numbered as they were begun, `granted` were
//! offered to the framer, those below `closed` are closed or dropped, `opened` were begun. Each is written in
//! one place only, and a frame takes records if `opened` and `closed` differ.
//!
//! Of the frames that were begun the oldest is offered, and takes no more records from then on: so what the
//! framer says reaches no decision in the same clock.
//!
//! Timing: inputs should come from registers; all outputs are registers, but for the word that a drop was
//! taken. A record that comes at an idle pool is offered as a frame 3 cycles later, and may be fetched in the
//! next.

mod pages;
#[rustfmt::skip] // Its head must be one line.
mod work;

pub use pages::Pages;

use crate::prim::{LutMemory, Memory, TwinMemory};
use formats::limits::*;
use rust_hdl::prelude::*;

/// Cycles from a record to its frame when nothing waits.
pub const LATENCY: usize = 3;
/// Units of the largest record that is taken.
pub const RECORD_UNITS: usize = 11;
/// Units of a block, and lanes.
const LANES: usize = 4;
/// Units of a page.
pub const PAGE_UNITS: usize = 16;
/// Records that wait behind one that takes several clocks.
const QUEUE_BITS: usize = 4;
const QUEUE_LEVEL_BITS: usize = QUEUE_BITS + 1;
// Widths in a kernel are plain numbers. No record needs two new pages.
const _: () = assert!(RECORD_UNITS * UNIT_SIZE * 8 == 1408 && RECORD_UNITS < PAGE_UNITS);
const _: () = assert!(FRAME_UNITS_MAX < 1 << 10);

/// Records for 2^D destinations, one a clock, and each that found no room.
#[derive(LogicInterface, Clone, Debug, Default)]
pub struct PushIn<const D: usize> {
    /// A record is there.
    pub valid: Signal<In, Bit>,
    /// Whom it is for.
    pub destination: Signal<In, Bits<D>>,
    /// Its units, 1 to [`RECORD_UNITS`].
    pub units: Signal<In, Bits<4>>,
    /// They.
    pub data: Signal<In, Bits<1408>>,
    /// What is told if it is refused.
    pub tag: Signal<In, Bits<13>>,
    /// A record was refused.
    pub refused: Signal<Out, Bit>,
    /// Whom it was for.
    pub refused_destination: Signal<Out, Bits<D>>,
    /// What came with it.
    pub refused_tag: Signal<Out, Bits<13>>,
}

/// Destinations whose session is over.
#[derive(LogicInterface, Clone, Debug, Default)]
pub struct DropIn<const D: usize> {
    /// What waits for a destination shall not be sent.
    pub valid: Signal<In, Bit>,
    /// That is so from this clock on.
    pub ready: Signal<Out, Bit>,
    /// The destination.
    pub destination: Signal<In, Bits<D>>,
}

/// 2^D destinations, 2^P pages (N is P + 1, B is P + 2), 2^F frames, 2^(C-1) of each destination, read
/// with W bits, U units, a clock.
#[derive(LogicBlock)]
pub struct Pool<
    const W: usize,
    const U: usize,
    const D: usize,
    const P: usize,
    const N: usize,
    const B: usize,
    const F: usize,
    const C: usize,
> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Forgets all that waits.
    pub reset: Signal<In, Bit>,
    /// Records.
    pub push: PushIn<D>,
    /// Units that a frame may have; not less than [`RECORD_UNITS`].
    pub frame_limit: Signal<In, Bits<10>>,
    /// Ends of sessions.
    pub drop: DropIn<D>,
    /// A frame is there.
    pub frame_valid: Signal<Out, Bit>,
    /// It is taken at this clock.
    pub frame_ready: Signal<In, Bit>,
    /// Whom it is for.
    pub frame_destination: Signal<Out, Bits<D>>,
    /// Its units.
    pub frame_units: Signal<Out, Bits<10>>,
    /// Records in them.
    pub frame_records: Signal<Out, Bits<10>>,
    /// It was dropped: its units must be fetched, but not sent.
    pub frame_dropped: Signal<Out, Bit>,
    /// The next units of the frame taken last are wanted.
    pub fetch: Signal<In, Bit>,
    /// They are its last.
    pub fetch_last: Signal<In, Bit>,
    /// The units, two cycles later; behind the end of a frame anything.
    pub payload: Signal<Out, Bits<W>>,

    // Records wait.
    queue_data: LutMemory<1408, QUEUE_BITS>,
    queue_units: LutMemory<4, QUEUE_BITS>,
    queue_destination: LutMemory<D, QUEUE_BITS>,
    queue_tag: LutMemory<13, QUEUE_BITS>,
    queue_write: DFF<Bits<QUEUE_BITS>>,
    queue_read: DFF<Bits<QUEUE_BITS>>,
    queue_level: DFF<Bits<QUEUE_LEVEL_BITS>>,
    queue_any: DFF<Bit>,
    queue_full: Signal<Local, Bit>,
    job_ends: Signal<Local, Bit>,
    from_queue: Signal<Local, Bit>,
    from_input: Signal<Local, Bit>,
    to_queue: Signal<Local, Bit>,
    next_units: Signal<Local, Bits<4>>,
    // The record that is written.
    job: DFF<Bit>,
    job_first: DFF<Bit>,
    job_short: DFF<Bit>,
    job_units: DFF<Bits<4>>,
    /// The last place in a page at which it fits; each page has 16.
    job_room: DFF<Bits<4>>,
    job_limit: DFF<Bits<10>>,
    job_data: DFF<Bits<1408>>,
    job_destination: DFF<Bits<D>>,
    job_tag: DFF<Bits<13>>,
    // The frames of its destination.
    clears: DFF<Bit>,
    clear_index: DFF<Bits<D>>,
    opened: TwinMemory<C, D>,
    granted: TwinMemory<C, D>,
    closed: TwinMemory<C, D>,
    tail_page: LutMemory<P, D>,
    tail_slot: LutMemory<F, D>,
    /// Units, records, and the place behind the last unit in its page: 0 if the page is full.
    tail_count: LutMemory<24, D>,
    tail: Signal<Local, Bits<24>>,
    tail_units: Signal<Local, Bits<10>>,
    tail_records: Signal<Local, Bits<10>>,
    tail_next: Signal<Local, Bits<4>>,
    tail_full: Signal<Local, Bit>,
    frames: Signal<Local, Bits<C>>,
    over_limit: Signal<Local, Bit>,
    closes: Signal<Local, Bit>,
    fits: Signal<Local, Bit>,
    crosses: Signal<Local, Bit>,
    needs_page: Signal<Local, Bit>,
    may_go_on: Signal<Local, Bit>,
    may_open: Signal<Local, Bit>,
    decides: Signal<Local, Bit>,
    accepts: Signal<Local, Bit>,
    opens: Signal<Local, Bit>,
    goes_on: Signal<Local, Bit>,
    new_count: Signal<Local, Bits<24>>,
    new_slot: Signal<Local, Bits<F>>,
    pages: Pages<P, N>,
    links: LutMemory<P, P>,
    // Where its units go.
    more_place: DFF<Bits<4>>,
    more_page: DFF<Bits<P>>,
    more_next: DFF<Bits<P>>,
    more_goes: DFF<Bit>,
    place: Signal<Local, Bits<4>>,
    turn: Signal<Local, Bits<2>>,
    first_page: Signal<Local, Bits<P>>,
    second_page: Signal<Local, Bits<P>>,
    begins: Signal<Local, Bit>,
    new_address: Signal<Local, Bits<B>>,
    block: Signal<Local, Bits<2>>,
    wanted: Signal<Local, Bits<4>>,
    turned_wanted: Signal<Local, Bits<8>>,
    lane_mask: Signal<Local, Bits<4>>,
    first_ok: Signal<Local, Bit>,
    second_ok: Signal<Local, Bit>,
    address: Signal<Local, Bits<B>>,
    address_behind: Signal<Local, Bits<B>>,
    behind_ok: Signal<Local, Bit>,
    unit: [Signal<Local, Bits<128>>; LANES],
    turned: [Signal<Local, Bits<128>>; LANES],
    lane_ok: [Signal<Local, Bit>; LANES],
    lane_address: [Signal<Local, Bits<B>>; LANES],
    lane: [Memory<128, B>; LANES],
    // Frames in the order in which they were begun.
    order_destination: LutMemory<D, F>,
    order_page: LutMemory<P, F>,
    /// Units and records of each.
    frame_count: LutMemory<20, F>,
    write_slot: DFF<Bits<F>>,
    read_slot: DFF<Bits<F>>,
    level: DFF<Bits<F>>,
    any: DFF<Bit>,
    next_level: Signal<Local, Bits<F>>,
    slots_full: DFF<Bit>,
    head: DFF<Bit>,
    head_destination: DFF<Bits<D>>,
    head_page: DFF<Bits<P>>,
    head_slot: DFF<Bits<F>>,
    head_moves: Signal<Local, Bit>,
    head_skips: Signal<Local, Bit>,
    from_order: Signal<Local, Bit>,
    grants: Signal<Local, Bit>,
    // The frame that is offered.
    offered: DFF<Bit>,
    offer_destination: DFF<Bits<D>>,
    offer_page: DFF<Bits<P>>,
    offer_count: DFF<Bits<20>>,
    offer_dropped: DFF<Bit>,
    leaves: Signal<Local, Bit>,
    drops: Signal<Local, Bit>,
    next_granted: Signal<Local, Bits<C>>,
    // The frame that is fetched.
    read_page: DFF<Bits<P>>,
    read_place: DFF<Bits<4>>,
    next_page: DFF<Bits<P>>,
    read_sum: Signal<Local, Bits<5>>,
    read_address: Signal<Local, Bits<B>>,
    offset_1: DFF<Bits<2>>,
    offset_2: DFF<Bits<2>>,
    fetched: Signal<Local, Bits<512>>,
    frees: DFF<Bit>,
    freed_page: DFF<Bits<P>>,
    // Refusals: those of records that found the queue full wait for the others.
    refusals: LutMemory<24, 5>,
    refusal_in: DFF<Bits<5>>,
    refusal_out: DFF<Bits<5>>,
    refusal_waits: Signal<Local, Bit>,
    misses: Signal<Local, Bit>,
    told: Signal<Local, Bit>,
    /// Of the decision of the clock before.
    decided: DFF<Bit>,
    fitted: DFF<Bit>,
    could_go_on: DFF<Bit>,
    could_open: DFF<Bit>,
    told_whom: DFF<Bits<D>>,
    told_tag: DFF<Bits<13>>,
    refused_now: DFF<Bit>,
    refused_whom: DFF<Bits<D>>,
    refused_what: DFF<Bits<13>>,
    refusal: Signal<Local, Bits<24>>,

    fetch_units: Constant<Bits<5>>,
    offset_mask: Constant<Bits<2>>,
    count_top: Constant<Bits<16>>,
    number: [Constant<Bits<3>>; LANES],
    unit_place: [Constant<Bits<16>>; LANES],
}

#[rustfmt::skip]
impl<const W: usize, const U: usize, const D: usize, const P: usize, const N: usize, const B: usize, const F: usize, const C: usize> Default for Pool<W, U, D, P, N, B, F, C> {
    fn default() -> Self {
        const { assert!(N == P + 1 && B == P + 2 && D <= 10 && U <= 4, "sizes that follow from others") };
        const { assert!(W == 8 * UNIT_SIZE * U, "whole units are read") };
        block! {
            fetch_units: Constant::new(U.to_bits()),
            offset_mask: Constant::new((LANES - U).to_bits()),
            count_top: Constant::new((C - 1).to_bits()),
            number: std::array::from_fn(|k| Constant::new(k.to_bits())),
            unit_place: std::array::from_fn(|k| Constant::new((8 * UNIT_SIZE * k).to_bits())),
            ..clock reset push frame_limit drop frame_valid frame_ready
            frame_destination frame_units frame_records frame_dropped fetch fetch_last payload queue_data
            queue_units queue_destination queue_tag queue_write queue_read queue_level queue_any
            queue_full job_ends from_queue from_input to_queue next_units job job_first job_short job_units
            job_room job_limit job_data job_destination job_tag clears clear_index opened granted
            closed tail_page tail_slot tail_count tail tail_units tail_records
            tail_next tail_full frames over_limit closes fits crosses needs_page may_go_on may_open decides accepts
            opens goes_on new_count new_slot pages links more_place more_page more_next more_goes
            place turn first_page second_page begins new_address block wanted turned_wanted lane_mask first_ok
            second_ok address address_behind behind_ok unit turned lane_ok lane_address lane order_destination order_page
            frame_count write_slot read_slot level next_level slots_full any head head_destination head_page head_slot
            head_moves head_skips from_order grants offered offer_destination offer_page offer_count offer_dropped leaves
            drops next_granted read_page read_place next_page read_sum read_address offset_1 offset_2 fetched frees freed_page refusals refusal_in refusal_out
            refusal_waits misses told decided fitted could_go_on could_open
            told_whom told_tag refused_now
            refused_whom refused_what refusal
        }
    }
}

#[cfg(test)]
mod tests;
