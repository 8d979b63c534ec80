//! Taker: records of peers about whole buckets, at their place in the stream.
//!
//! Enters: a record of TERM, SNAPSHOT_BEGIN, SNAPSHOT_END or DIGEST, one at a time; the stream waits until it
//! is done. Leaves, in windows: marks and roles of buckets, the ends of flows that a snapshot did not mention,
//! freed tombstones; and events for the host. The Rust engine (`take_snapshot_begin`, `take_snapshot_end`,
//! `take_digest`, `take_term`) is the model, without pulls and proposals, which are the host's.
//!
//! A flow is ended only by a snapshot of the bucket's owner, under its term, on a stream without a gap since
//! the snapshot began. A copy is verified only by an equal comparison.
//!
//! What is remembered of a bucket (whose snapshot is being received, and when digests were equal last) counts
//! under the owner and the term under which it was written, and no other: so whoever changes roles, the host
//! too, makes it forgotten. Gaps are numbered by peer; a number that moved on says that there was one.
//!
//! Events wait in a queue of 64. When it is nearly full the record waits for the host, and with it the
//! stream, but not for ever: if there was no room for 4,096 clocks, the record is given up. What it would have
//! told is not done, its frame is `refused`, which the sender repeats, and `events_deferred` counts; the next
//! record tries at once. A snapshot given up at its end stays unproven, and what it ended was told.
//!
//! Not here: to ask for repair, to answer a peer that is behind, to judge sessions. The map's owner is taken
//! for its present session: the host takes the roles of a session away when it ends.
//!
//! Timing: all outputs are registers; inputs should come from registers. A record without a walk takes about
//! 15 clocks and what the window takes to open and to answer. A walk reads 32 places at a clock each and waits
//! for their answers, then ends a flow a clock, or frees a tombstone in two.

pub mod event;
#[rustfmt::skip] // Its head must be one line.
mod work;
mod told;

pub use told::{Told, TOLD_LATENCY};

use crate::layout::{self, field, Field, ENTRY_BITS, KEY_BITS};
use crate::map::{copy, flag};
use crate::prim::{constant, Fifo, LutMemory, Memory, StreamOut, TwinMemory, Wire, Wires};
use crate::table::commands;
use crate::window::WindowOut;
use event::EVENT_BITS;
use formats::descriptor::BucketState;
use formats::limits::{BUCKETS_COUNT, MEMBERS_MAX};
use rust_hdl::prelude::*;

/// Buckets of a TERM that one window takes.
pub const TERM_BUCKETS: usize = 16;
/// Places that are read before any of them is acted on.
pub const BATCH_PLACES: usize = 32;
/// Events that wait when the block begins to wait for the host; the rest of the queue is for what is under
/// way then.
pub const EVENTS_HIGH: usize = 56;
/// Clocks without room after which records are given up.
pub const PATIENCE_CLOCKS: usize = 4_096;

/// What is kept of a place that is read: key, version, cookie.
const HELD_BITS: usize = HELD_COOKIE.at + HELD_COOKIE.bits;
const HELD_VERSION: Field = Field { name: "VERSION", at: KEY_BITS, bits: field::VERSION.bits };
const HELD_COOKIE: Field =
    Field { name: "COOKIE", at: HELD_VERSION.at + HELD_VERSION.bits, bits: field::COOKIE.bits };

// Widths, flags and numbers in the kernel are plain.
const _: () = assert!(EVENT_BITS == 442 && ENTRY_BITS == 1296 && KEY_BITS == 313 && HELD_BITS == 393);
const _: () = assert!(HELD_VERSION.at == 313 && HELD_COOKIE.at == 361);
const _: () = assert!(field::VERSION.bits == 48 && field::TERM.bits == 32 && field::AUDIT.bits == 8);
const _: () = assert!(layout::flag::LIVE == 1 && layout::flag::TOMBSTONE == 2 && layout::flag::COLOUR == 4);
const _: () = assert!(flag::OWN == 1 && flag::GAPPED == 2 && flag::COLOUR == 4);
const _: () = assert!(flag::SUSPECT == 8 && flag::VERIFIED == 16);
const _: () = assert!(copy::DIRTY == 1 && copy::WAITING == 2 && copy::RENEWED == 4);
const _: () = assert!(BUCKETS_COUNT == 1024 && MEMBERS_MAX == 128 && commands::END == 8);
const _: () =
    assert!(TERM_BUCKETS == 16 && BATCH_PLACES == 32 && EVENTS_HIGH == 56 && PATIENCE_CLOCKS == 4_096);
const _: () = assert!(BucketState::Unproven as u8 == 0 && BucketState::Equal as u8 == 1);
const _: () = assert!(BucketState::Suspect as u8 == 2 && BucketState::Different as u8 == 3);
/// What is done about the record.
#[derive(Clone, Copy)]
enum Step {
    /// A record is awaited.
    Idle,
    /// Is it well formed?
    Judge,
    /// A place for an event is awaited.
    Room,
    /// The window is awaited.
    Open,
    /// What the map has of the bucket is awaited.
    Looked,
    /// Roles and record are compared.
    Compare,
    /// What follows from them.
    Decide,
    /// Places are read.
    Walk,
    /// What they say is awaited.
    Gather,
    /// Flows are ended, or tombstones freed.
    Act,
    /// That is awaited.
    Settle,
    /// The sums of all this are awaited.
    Quiet,
    /// They are read.
    Summed,
    /// They are compared with the record's.
    Match,
    /// What follows from them.
    Verdict,
    /// There is no room for the rest of a snapshot's ends.
    GiveUp,
    /// A bucket of a TERM belongs to a run, or begins one.
    Run,
    /// The next bucket.
    Next,
    /// The window closes.
    Close,
    /// The record is taken, and leaves.
    Done,
}

/// For a table of 2^S sets; P is 2 or, if S is more than 10, S - 8.
#[derive(LogicBlock)]
pub struct Taker<const S: usize, const P: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Forgets everything.
    pub reset: Signal<In, Bit>,
    /// Nothing is remembered of any bucket, or what records left since; until then none is taken.
    pub ready: Signal<Out, Bit>,
    /// This member.
    pub member: Signal<In, Bits<8>>,
    /// Its session.
    pub session: Signal<In, Bits<64>>,
    /// What entries are painted with now.
    pub audit: Signal<In, Bits<8>>,
    /// An audit runs: what is painted so stays.
    pub is_auditing: Signal<In, Bit>,
    /// A record is there; it holds until it is taken.
    pub in_valid: Signal<In, Bit>,
    /// It is done.
    pub in_ready: Signal<Out, Bit>,
    /// TERM, SNAPSHOT_BEGIN, SNAPSHOT_END or DIGEST.
    pub in_kind: Signal<In, Bits<8>>,
    /// Its first two units.
    pub in_units: Signal<In, Bits<256>>,
    /// Who sent it.
    pub in_peer: Signal<In, Bits<7>>,
    /// Sequence of its frame.
    pub in_sequence: Signal<In, Bits<64>>,
    /// Frames of a peer are missing, or its session began: behind the last record before, and at the latest
    /// in the first clock of the next.
    pub gap_valid: Signal<In, Bit>,
    /// The peer.
    pub gap_peer: Signal<In, Bits<7>>,
    /// The record's frame must not be acknowledged.
    pub refused: Signal<Out, Bit>,
    /// A record is well formed.
    pub records_control: Signal<Out, Bit>,
    /// A record is not.
    pub records_malformed: Signal<Out, Bit>,
    /// Digests were equal.
    pub digests_equal: Signal<Out, Bit>,
    /// They differed, on a stream with a gap.
    pub digests_unproven: Signal<Out, Bit>,
    /// They differed.
    pub digests_different: Signal<Out, Bit>,
    /// A tombstone was freed.
    pub tombstones_freed: Signal<Out, Bit>,
    /// A record was given up for want of room for an event.
    pub events_deferred: Signal<Out, Bit>,
    /// Events for the host: see [`event`].
    pub event: StreamOut<442>,
    /// The window.
    pub window: WindowOut,
    unused: Signal<Local, Bit>,

    told: Told,

    // What is done, and what the bucket is.
    step: DFF<Bits<5>>,
    bucket: DFF<Bits<10>>,
    roles: DFF<Bits<64>>,
    flags: DFF<Bits<8>>,
    copies: DFF<Bits<8>>,
    owner_is_peer: DFF<Bit>,
    same_term: DFF<Bit>,
    is_lower: DFF<Bit>,
    same_roles: DFF<Bit>,
    same_owner: DFF<Bit>,
    same_copy: [DFF<Bit>; 2],
    may_tell: Signal<Local, Bit>,

    // Gaps by peer, and what is remembered of buckets.
    epochs: TwinMemory<32, 7>,
    epoch: DFF<Bits<32>>,
    remembered: Memory<105, 10>,
    /// The bucket to clear; the top bit says that there is none.
    next_clear: DFF<Bits<11>>,
    clears: Signal<Local, Bit>,
    is_ready: DFF<Bit>,
    memory: Signal<Local, Bits<105>>,
    is_current: DFF<Bit>,
    same_received: DFF<Bit>,
    same_marked: DFF<Bit>,
    receives: Signal<Local, Bit>,
    is_marked: Signal<Local, Bit>,
    remembers: Signal<Local, Bit>,
    now_receives: Signal<Local, Bit>,
    now_marked: Signal<Local, Bit>,
    keeps_mark: Signal<Local, Bit>,
    mark_epoch: Signal<Local, Bits<32>>,

    // The walk.
    place: DFF<Bits<P>>,
    next_place: Signal<Local, Bits<P>>,
    in_batch: DFF<Bits<5>>,
    next_in_batch: Signal<Local, Bits<5>>,
    /// The place is the last of its bucket or batch.
    batch_ends: DFF<Bit>,
    walked: DFF<Bit>,
    frees: DFF<Bit>,
    frees_now: DFF<Bit>,
    gave_up: DFF<Bit>,
    on_way: DFF<Bits<7>>,
    way_is_clear: DFF<Bit>,
    asks: Signal<Local, Bit>,
    request_place: Signal<Local, Bits<P>>,
    answer_wires: Wires<1296, 393>,
    answer: DFF<Bits<393>>,
    answered: DFF<Bit>,
    answer_found: DFF<Bit>,
    answer_freed: DFF<Bit>,
    answer_flags: DFF<Bits<3>>,
    answer_bucket: DFF<Bits<10>>,
    answer_audit: DFF<Bits<8>>,
    answer_place: DFF<Bits<P>>,
    gathers: Signal<Local, Bit>,
    is_ours: Signal<Local, Bit>,
    is_unpainted: Signal<Local, Bit>,
    is_done_with: Signal<Local, Bit>,
    holds: Signal<Local, Bit>,
    found: LutMemory<393, 5>,
    found_places: LutMemory<P, 5>,
    held_in: DFF<Bits<6>>,
    held_out: DFF<Bits<6>>,
    /// The last one of the batch, a cycle late: known when the first is acted on.
    held_last: DFF<Bits<6>>,
    acted: Signal<Local, Bit>,
    is_last_held: Signal<Local, Bit>,

    // The comparison.
    sum: DFF<Bits<64>>,
    count: DFF<Bits<32>>,
    same_sum: DFF<Bit>,
    same_count: DFF<Bit>,
    is_whole: DFF<Bit>,
    is_equal: Signal<Local, Bit>,
    verdict: Signal<Local, Bits<2>>,

    // A run of buckets.
    tells: Signal<Local, Bit>,
    tells_what: Signal<Local, Bits<3>>,
    adopts: Signal<Local, Bit>,
    outcome: DFF<Bits<3>>,
    left: DFF<Bits<11>>,
    in_window: DFF<Bits<4>>,
    goes_on: DFF<Bit>,
    run: DFF<Bits<3>>,
    run_first: DFF<Bits<10>>,
    run_count: DFF<Bits<11>>,
    is_new_copy: [Signal<Local, Bit>; 2],
    is_clean: [Signal<Local, Bit>; 2],
    copies_set: Signal<Local, Bits<8>>,
    copies_clear: Signal<Local, Bits<8>>,
    flags_set: Signal<Local, Bits<8>>,
    flags_clear: Signal<Local, Bits<8>>,

    // Events.
    events: Fifo<442, 6, 7>,
    event_pushed: DFF<Bit>,
    event_kind: DFF<Bits<3>>,
    event_state: DFF<Bits<2>>,
    event_bucket: DFF<Bits<10>>,
    event_count: DFF<Bits<11>>,
    event_epoch: Signal<Local, Bits<32>>,
    event_units: Signal<Local, Bits<313>>,
    has_room: DFF<Bit>,
    patience: DFF<Bits<12>>,
    gives_up: DFF<Bit>,

    // Outputs.
    wants: DFF<Bit>,
    map_valid: DFF<Bit>,
    mark_valid: DFF<Bit>,
    mark_set: DFF<Bits<8>>,
    mark_clear: DFF<Bits<8>>,
    copy_set: DFF<Bits<8>>,
    copy_clear: DFF<Bits<8>>,
    write_valid: DFF<Bit>,
    sums_valid: DFF<Bit>,
    request_valid: DFF<Bit>,
    request_named: DFF<Bit>,
    request_ends: DFF<Bit>,
    request_watches: DFF<Bit>,
    request_frees: DFF<Bit>,
    request_way: DFF<Bits<2>>,
    request_id: DFF<Bits<40>>,
    request_held: DFF<Bits<393>>,
    is_done: DFF<Bit>,
    refused_now: DFF<Bit>,
    control_now: DFF<Bit>,
    malformed_now: DFF<Bit>,
    equal_now: DFF<Bit>,
    unproven_now: DFF<Bit>,
    different_now: DFF<Bit>,
    deferred_now: DFF<Bit>,
    freed_now: DFF<Bit>,

    // Numbers.
    step_idle: Constant<Bits<5>>,
    step_judge: Constant<Bits<5>>,
    step_room: Constant<Bits<5>>,
    step_open: Constant<Bits<5>>,
    step_looked: Constant<Bits<5>>,
    step_compare: Constant<Bits<5>>,
    step_decide: Constant<Bits<5>>,
    step_walk: Constant<Bits<5>>,
    step_gather: Constant<Bits<5>>,
    step_act: Constant<Bits<5>>,
    step_settle: Constant<Bits<5>>,
    step_quiet: Constant<Bits<5>>,
    step_summed: Constant<Bits<5>>,
    step_match: Constant<Bits<5>>,
    step_verdict: Constant<Bits<5>>,
    step_give_up: Constant<Bits<5>>,
    step_run: Constant<Bits<5>>,
    step_next: Constant<Bits<5>>,
    step_close: Constant<Bits<5>>,
    step_done: Constant<Bits<5>>,
    entry_flags_at: Constant<Bits<16>>,
    entry_audit_at: Constant<Bits<16>>,
    entry_term_at: Constant<Bits<16>>,
    entry_version_at: Constant<Bits<16>>,
    set_shift: Constant<Bits<16>>,
    deleted: Constant<Bits<3>>,
    compared: Constant<Bits<3>>,
    termed: Constant<Bits<3>>,
    answers: Constant<Bits<3>>,
    pulled: Constant<Bits<3>>,
    state_at: Constant<Bits<16>>,
    peer_at: Constant<Bits<16>>,
    event_bucket_at: Constant<Bits<16>>,
    event_count_at: Constant<Bits<16>>,
    sequence_at: Constant<Bits<16>>,
    epoch_at: Constant<Bits<16>>,
    units_at: Constant<Bits<16>>,
}

impl<const S: usize, const P: usize> Default for Taker<S, P> {
    fn default() -> Self {
        const { assert!(S >= 9 && S <= 29, "a set belongs to two buckets at most") };
        const { assert!(P == 2 || P + 8 == S, "places of a bucket: its sets, then the way") };
        const { assert!(P > 2 || S <= 10, "places of a bucket: its sets, then the way") };
        let step = |step: Step| constant(step as u128);
        let event = |kind: u8| constant(kind.into());
        let at = |field: Field| constant::<16>(field.at as u128);
        let held = |from: Field, to: Field| Wire::low(from, to);
        let key = Field { name: "KEY", at: 0, bits: KEY_BITS };
        block! {
            answer_wires: Wires::new([
                held(key, key),
                held(field::VERSION, HELD_VERSION),
                held(field::COOKIE, HELD_COOKIE),
            ]),
            step_idle: step(Step::Idle),
            step_judge: step(Step::Judge),
            step_room: step(Step::Room),
            step_open: step(Step::Open),
            step_looked: step(Step::Looked),
            step_compare: step(Step::Compare),
            step_decide: step(Step::Decide),
            step_walk: step(Step::Walk),
            step_gather: step(Step::Gather),
            step_act: step(Step::Act),
            step_settle: step(Step::Settle),
            step_quiet: step(Step::Quiet),
            step_summed: step(Step::Summed),
            step_match: step(Step::Match),
            step_verdict: step(Step::Verdict),
            step_give_up: step(Step::GiveUp),
            step_run: step(Step::Run),
            step_next: step(Step::Next),
            step_close: step(Step::Close),
            step_done: step(Step::Done),
            entry_flags_at: at(field::FLAGS),
            entry_audit_at: at(field::AUDIT),
            entry_term_at: at(field::TERM),
            entry_version_at: at(field::VERSION),
            set_shift: constant(40 - S as u128),
            deleted: event(event::kind::DELETED),
            compared: event(event::kind::COMPARED),
            termed: event(event::kind::TERM),
            answers: event(event::kind::ANSWER),
            pulled: event(event::kind::PULL),
            state_at: at(event::STATE),
            peer_at: at(event::PEER),
            event_bucket_at: at(event::BUCKET),
            event_count_at: at(event::COUNT),
            sequence_at: at(event::SEQUENCE),
            epoch_at: at(event::EPOCH),
            units_at: at(event::UNITS),
            ..clock reset ready member session audit is_auditing in_valid in_ready in_kind in_units in_peer
            in_sequence gap_valid gap_peer refused records_control records_malformed digests_equal
            digests_unproven digests_different tombstones_freed events_deferred event window unused told step bucket roles flags copies owner_is_peer same_term is_lower
            same_roles same_owner same_copy may_tell epochs epoch remembered next_clear clears is_ready
            memory is_current same_received same_marked receives is_marked remembers now_receives now_marked
            keeps_mark mark_epoch place next_place in_batch next_in_batch batch_ends walked frees frees_now gave_up on_way way_is_clear asks request_place
            answer answered answer_found answer_freed answer_flags answer_bucket answer_audit answer_place
            gathers is_ours is_unpainted is_done_with holds found found_places held_in held_out held_last acted
            is_last_held sum count same_sum same_count is_whole is_equal verdict tells tells_what adopts
            outcome left in_window goes_on run run_first run_count is_new_copy is_clean copies_set
            copies_clear flags_set flags_clear events event_pushed event_kind event_state event_bucket
            event_count event_epoch event_units has_room patience gives_up wants map_valid mark_valid
            mark_set mark_clear copy_set copy_clear write_valid sums_valid request_valid request_named
            request_ends request_watches request_frees request_way request_id request_held is_done
            refused_now control_now malformed_now equal_now unproven_now different_now deferred_now
            freed_now
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        for (name, text) in [
            ("taker_small", crate::export("taker_small", &mut *Box::<Taker<9, 2>>::default())),
            ("taker_large", crate::export("taker_large", &mut *Box::<Taker<14, 6>>::default())),
        ] {
            crate::yosys::check(name, &text);
        }
    }
}
