//! The sweeper: what this member sends of whole buckets, each at one place in the stream.
//!
//! Enters: what the map says of a bucket in a window (`window.rs`), who has a session, hints of copies that
//! were marked dirty, jobs of the host. Leaves: snapshots of dirty copies (TERM, SNAPSHOT_BEGIN, every flow
//! and tombstone, SNAPSHOT_END), digests of clean ones, requests that free tombstones everyone knows of.
//!
//! One bucket a window, and in it one of: the snapshot of one copy; digests of its clean copies, then its
//! tombstones; one of these two alone. Three ask: the host's jobs, the walk over dirty copies, the pace of
//! digests. They take turns, so that each waits for a window of both others at the most; the next window
//! opens [`Sweeper::window_gap`] clocks behind the last, so that packets catch up.
//!
//! Invariants. Only a bucket that this member serves is touched, only a copy whose member has a session is
//! told. What is done follows from the map in the window; hints only say where to look. A copy that is dirty
//! and has a session is looked at until its snapshot is sent: a hint is taken back before the look, and set
//! again for what is left behind it. Where sessions change, and after a reset, every bucket is looked at,
//! because a hint of a copy without a session is forgotten. A copy is marked before its first record, so
//! that what is refused makes it dirty again. No END follows a record that was refused: it would delete the
//! flow at the copy. The floor is told, and tombstones are freed up to it, where no other copy may still
//! miss a delete: one that is not clean has not been told of all of them. The copy that gets the END does
//! not count there: it uses the floor only if it is equal then.
//!
//! What this does not do: note the acknowledgement of an END (the host clears WAITING and RENEWED), judge
//! whether a snapshot is wanted (whoever asks for one marks the copy dirty), answer a PULL.
//!
//! Cycles: a window of p places takes 3 p for a snapshot or tombstones, the way of its last request through
//! table and pool and of a free behind it, and 30 more at the most. The walk looks at a copy a clock.
//! Answers come within 60 clocks, at the distances of their requests. Inputs should come from registers; what leaves are registers, but for the strobe of a job that is taken.

use crate::layout::{field, flag, unit_field};
use crate::map;
use crate::prim::{constant, LutMemory};
use crate::window::WindowOut;
use formats::layout::Layout;
use formats::limits::{BUCKETS_COUNT, BUCKET_BITS};
use formats::unit::{kind, DigestUnit, SnapshotBegin, SnapshotEnd, TermUnit};
use rust_hdl::prelude::*;

mod work;

/// Jobs of the host.
pub mod job {
    /// Look at a copy now and send its snapshot, if it is dirty.
    pub const SNAPSHOT: u8 = 0;
    /// Send the digest of each clean copy.
    pub const DIGEST: u8 = 1;
    /// Free tombstones.
    pub const SETTLE: u8 = 2;
}

/// Bits of a flow id that are its bucket.
const AT_BUCKET: usize = BUCKET_BITS as usize;
/// Bits of the number of requests whose answers are awaited.
const FLIGHT_BITS: usize = 6;

// Widths, bits and numbers in the kernel are plain.
const _: () = assert!(AT_BUCKET == 10 && BUCKETS_COUNT == 1024 && FLIGHT_BITS == 6);
const _: () = assert!(job::SNAPSHOT == 0 && job::DIGEST == 1 && job::SETTLE == 2);
const _: () = assert!(map::flag::OWN == 1 && map::copy::DIRTY == 1);
const _: () = assert!(map::copy::WAITING == 2);
const _: () = assert!(TermUnit::SIZE == 32 && SnapshotBegin::SIZE == 16);
const _: () = assert!(SnapshotEnd::SIZE == 32 && DigestUnit::SIZE == 48);
// BEGIN, END and DIGEST name their bucket and term at the same places.
const _: () = {
    let (begin, end, digest) = (&SnapshotBegin::LAYOUT, &SnapshotEnd::LAYOUT, &DigestUnit::LAYOUT);
    assert!(unit_field(begin, "bucket").at == unit_field(end, "bucket").at);
    assert!(unit_field(begin, "bucket").at == unit_field(digest, "bucket").at);
    assert!(unit_field(begin, "term").at == unit_field(end, "term").at);
    assert!(unit_field(begin, "term").at == unit_field(digest, "term").at);
};

/// What is being done. A number for the kernel: a register of rust-hdl's states is Verilog that the readers refuse.
#[derive(Clone, Copy)]
enum Phase {
    /// No window, until the gap is over and somebody asks.
    Rest,
    /// A window is wanted.
    Ask,
    /// The map is asked.
    Look,
    /// Who of the copies has a session.
    Judge,
    /// What follows from it.
    Weigh,
    /// Which way to go.
    Decide,
    /// The copy is marked.
    Mark,
    /// TERM goes.
    Term,
    /// SNAPSHOT_BEGIN goes.
    Begin,
    /// Places are requested, tombstones freed.
    Walk,
    /// The last request is let come to its end.
    Drain,
    /// The sums are asked.
    Sum,
    /// They come.
    Count,
    /// SNAPSHOT_END goes.
    End,
    /// The next copy that gets a digest is chosen.
    Aim,
    /// What its member was sent is looked up.
    Hold,
    /// DIGEST goes.
    Tell,
    /// The window ends.
    Leave,
}

/// Jobs of the host.
#[derive(LogicInterface, Clone, Debug, Default)]
pub struct JobIn {
    /// A job is there; it holds until it is taken.
    pub valid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub ready: Signal<Out, Bit>,
    /// One of [`job`].
    pub kind: Signal<In, Bits<2>>,
    /// The bucket.
    pub bucket: Signal<In, Bits<10>>,
    /// Of a snapshot: the copy is the remote one.
    pub copy: Signal<In, Bit>,
}

/// The sweeper of a table of 2^S sets of four places; the top S bits of a flow id are its set.
#[derive(LogicBlock)]
pub struct Sweeper<const S: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Forgets what is under way; every bucket is looked at.
    pub reset: Signal<In, Bit>,
    /// The engine.
    pub window: WindowOut,
    /// This member; what it serves goes out under its name.
    pub member: Signal<In, Bits<8>>,
    /// Its session.
    pub session: Signal<In, Bits<64>>,
    /// Bit n: member n has a session. Who is 64 or above has none. One that comes back has dirty copies
    /// before its bit is set.
    pub welcome: Signal<In, Bits<64>>,
    /// Every delete up to this version that was sent is acknowledged by all live sessions.
    pub floor: Signal<In, Bits<48>>,
    /// The walk over dirty copies may open windows.
    pub enable: Signal<In, Bit>,
    /// Clocks from one bucket's digest to the next bucket's; 0 for none but the host's.
    pub digest_interval: Signal<In, Bits<32>>,
    /// Clocks between two windows.
    pub window_gap: Signal<In, Bits<16>>,
    /// Jobs of the host.
    pub job: JobIn,
    /// Copies were marked dirty, or roles were written; not in every clock.
    pub dirty_valid: Signal<In, Bit>,
    /// The bucket whose backup it was.
    pub dirty_backup: Signal<In, Bits<10>>,
    /// The bucket whose remote it was.
    pub dirty_remote: Signal<In, Bits<10>>,
    /// Which of the two: backup (bit 0), remote (bit 1).
    pub dirty_copy: Signal<In, Bits<2>>,
    /// A SNAPSHOT_END goes in this clock: bucket and copy are those of the window's record.
    pub snapshots_sent: Signal<Out, Bit>,
    /// A tombstone is gone.
    pub tombstones_freed: Signal<Out, Bit>,

    /// Hints, by copy.
    pending: [LutMemory<1, 10>; 2],
    walk_bucket: DFF<Bits<10>>,
    walk_remote: DFF<Bit>,
    walk_found: DFF<Bit>,
    walk_moves: Signal<Local, Bit>,
    walk_pending: Signal<Local, Bit>,
    /// Buckets to look at without a hint.
    all_left: DFF<Bits<11>>,
    welcome_held: DFF<Bits<64>>,
    welcome_moved: DFF<Bit>,
    hints: Signal<Local, Bits<2>>,
    clears: Signal<Local, Bits<2>>,
    leaves: Signal<Local, Bits<2>>,
    dirty_hints: DFF<Bits<2>>,
    dirty_at: [DFF<Bits<10>>; 2],
    hint_bucket: Signal<Local, Bits<10>>,
    digest_clock: DFF<Bits<32>>,
    digest_due: DFF<Bit>,
    digest_bucket: DFF<Bits<10>>,
    has_job: DFF<Bit>,
    held_kind: DFF<Bits<2>>,
    held_bucket: DFF<Bits<10>>,
    held_remote: DFF<Bit>,
    // Who asks next: the walk, jobs and digests in a ring, the one after the last first.
    gap: DFF<Bits<16>>,
    gap_over: DFF<Bit>,
    last_job: DFF<Bit>,
    last_digest: DFF<Bit>,
    walk_asks: Signal<Local, Bit>,
    picks: Signal<Local, Bit>,
    pick_walk: Signal<Local, Bit>,
    pick_job: Signal<Local, Bit>,
    pick_digest: Signal<Local, Bit>,
    // The window.
    phase: DFF<Bits<5>>,
    at_rest: Constant<Bits<5>>,
    at_ask: Constant<Bits<5>>,
    at_look: Constant<Bits<5>>,
    at_judge: Constant<Bits<5>>,
    at_weigh: Constant<Bits<5>>,
    at_decide: Constant<Bits<5>>,
    at_mark: Constant<Bits<5>>,
    at_term: Constant<Bits<5>>,
    at_begin: Constant<Bits<5>>,
    at_walk: Constant<Bits<5>>,
    at_drain: Constant<Bits<5>>,
    at_sum: Constant<Bits<5>>,
    at_count: Constant<Bits<5>>,
    at_end: Constant<Bits<5>>,
    at_aim: Constant<Bits<5>>,
    at_hold: Constant<Bits<5>>,
    at_tell: Constant<Bits<5>>,
    at_leave: Constant<Bits<5>>,
    wants: DFF<Bit>,
    bucket: DFF<Bits<10>>,
    is_remote: DFF<Bit>,
    does_snapshot: DFF<Bit>,
    does_digest: DFF<Bit>,
    does_settle: DFF<Bit>,
    map_valid: DFF<Bit>,
    roles: DFF<Bits<64>>,
    is_own: DFF<Bit>,
    copies: DFF<Bits<8>>,
    copy_member: [Signal<Local, Bits<8>>; 2],
    member_index: [Signal<Local, Bits<6>>; 2],
    member_at: [Constant<Bits<8>>; 2],
    copy_flags: [Signal<Local, Bits<4>>; 2],
    is_welcome: [DFF<Bit>; 2],
    /// Gets digests.
    is_clean: [DFF<Bit>; 2],
    /// Knows every delete up to the floor, or has no session.
    is_settled: [DFF<Bit>; 2],
    /// Dirty, and may be sent its snapshot.
    is_wanted: [DFF<Bit>; 2],
    /// And was not.
    is_left: [DFF<Bit>; 2],
    sends: Signal<Local, Bit>,
    all_settled: Signal<Local, Bit>,
    floor_held: DFF<Bits<48>>,
    may_settle: DFF<Bit>,
    copy_valid: DFF<Bit>,
    copy_set: DFF<Bits<8>>,
    copy_clear: DFF<Bits<8>>,
    waiting_mark: Signal<Local, Bits<8>>,
    dirty_mark: Signal<Local, Bits<8>>,
    // Requests: one read, one watch and one free in three clocks.
    slot: DFF<Bits<2>>,
    reads: DFF<Bit>,
    place: DFF<Bits<16>>,
    last_place: Constant<Bits<16>>,
    index_at: Constant<Bits<16>>,
    request_valid: DFF<Bit>,
    request_place: DFF<Bits<16>>,
    request_tells: DFF<Bits<2>>,
    request_watches: DFF<Bit>,
    request_frees: DFF<Bit>,
    requests: Signal<Local, Bit>,
    requests_read: Signal<Local, Bit>,
    requested: Signal<Local, Bits<16>>,
    in_flight: DFF<Bits<6>>,
    /// What is awaited: the place, and above it whether it is being read.
    awaited: LutMemory<17, 6>,
    flight_in: DFF<Bits<6>>,
    flight_out: DFF<Bits<6>>,
    first_awaited: Signal<Local, Bits<17>>,
    // The answer of a read, a clock later.
    answers: Signal<Local, Bit>,
    answer_bucket: Signal<Local, Bits<10>>,
    answer_version: Signal<Local, Bits<48>>,
    tombstone_at: Constant<Bits<16>>,
    version_at: Constant<Bits<16>>,
    seen: DFF<Bit>,
    seen_place: DFF<Bits<16>>,
    seen_here: DFF<Bit>,
    seen_ended: DFF<Bit>,
    seen_old: DFF<Bit>,
    seen_done: Signal<Local, Bit>,
    candidate: DFF<Bit>,
    candidate_place: DFF<Bits<16>>,
    frees: DFF<Bit>,
    frees_place: DFF<Bits<16>>,
    is_idle: Signal<Local, Bit>,
    sums_valid: DFF<Bit>,
    sum: DFF<Bits<64>>,
    count: DFF<Bits<32>>,
    // Records.
    push_valid: DFF<Bit>,
    push_member: DFF<Bits<8>>,
    push_remote: DFF<Bit>,
    push_units: DFF<Bits<3>>,
    push_data: DFF<Bits<512>>,
    term: Signal<Local, Bits<32>>,
    successor: Signal<Local, Bits<8>>,
    bucket_wide: Signal<Local, Bits<512>>,
    about: Signal<Local, Bits<512>>,
    term_head: Constant<Bits<512>>,
    begin_head: Constant<Bits<512>>,
    end_head: Constant<Bits<512>>,
    digest_head: Constant<Bits<512>>,
    about_bucket_at: Constant<Bits<16>>,
    about_term_at: Constant<Bits<16>>,
    term_bucket_at: Constant<Bits<16>>,
    term_owner_at: Constant<Bits<16>>,
    term_backup_at: Constant<Bits<16>>,
    term_remote_at: Constant<Bits<16>>,
    term_successor_at: Constant<Bits<16>>,
    term_term_at: Constant<Bits<16>>,
    term_session_at: Constant<Bits<16>>,
    end_count_at: Constant<Bits<16>>,
    end_digest_at: Constant<Bits<16>>,
    end_floor_at: Constant<Bits<16>>,
    digest_count_at: Constant<Bits<16>>,
    digest_sum_at: Constant<Bits<16>>,
    digest_floor_at: Constant<Bits<16>>,
    digest_emitted_at: Constant<Bits<16>>,
    did_snapshot: DFF<Bit>,
    did_free: DFF<Bit>,
    /// Of the window: what other blocks look at.
    unused: Signal<Local, Bit>,
}

/// Kind and length of a record of that layout.
fn head(kind: u8, layout: &Layout) -> u128 {
    let units = (layout.size / formats::limits::UNIT_SIZE) as u128;
    u128::from(kind) | units << unit_field(layout, "units").at
}

impl<const S: usize> Default for Sweeper<S> {
    fn default() -> Self {
        const { assert!(S + 1 >= AT_BUCKET && S <= AT_BUCKET + 14, "places have 16 bits") };
        let set_bits = S.saturating_sub(AT_BUCKET);
        let phase = |phase: Phase| Constant::new((phase as usize).to_bits());
        let at = |layout: &Layout, name| Constant::new(unit_field(layout, name).at.to_bits());
        let (term, begin) = (&TermUnit::LAYOUT, &SnapshotBegin::LAYOUT);
        let (end, digest) = (&SnapshotEnd::LAYOUT, &DigestUnit::LAYOUT);
        block! {
            pending: Default::default(),
            at_rest: phase(Phase::Rest),
            at_ask: phase(Phase::Ask),
            at_look: phase(Phase::Look),
            at_judge: phase(Phase::Judge),
            at_weigh: phase(Phase::Weigh),
            at_decide: phase(Phase::Decide),
            at_mark: phase(Phase::Mark),
            at_term: phase(Phase::Term),
            at_begin: phase(Phase::Begin),
            at_walk: phase(Phase::Walk),
            at_drain: phase(Phase::Drain),
            at_sum: phase(Phase::Sum),
            at_count: phase(Phase::Count),
            at_end: phase(Phase::End),
            at_aim: phase(Phase::Aim),
            at_hold: phase(Phase::Hold),
            at_tell: phase(Phase::Tell),
            at_leave: phase(Phase::Leave),
            member_at: [8usize, 16].map(|at| Constant::new(at.to_bits())),
            last_place: Constant::new(((4usize << set_bits) - 1).to_bits()),
            index_at: Constant::new((40 - AT_BUCKET - set_bits).to_bits()),
            tombstone_at: Constant::new((field::FLAGS.at + flag::TOMBSTONE.trailing_zeros() as usize).to_bits()),
            version_at: Constant::new(field::VERSION.at.to_bits()),
            term_head: constant(head(kind::TERM, term) | 1 << unit_field(term, "count").at),
            begin_head: constant(head(kind::SNAPSHOT_BEGIN, begin)),
            end_head: constant(head(kind::SNAPSHOT_END, end)),
            digest_head: constant(head(kind::DIGEST, digest)),
            about_bucket_at: at(begin, "bucket"),
            about_term_at: at(begin, "term"),
            term_bucket_at: at(term, "bucket"),
            term_owner_at: at(term, "owner"),
            term_backup_at: at(term, "backup"),
            term_remote_at: at(term, "remote"),
            term_successor_at: at(term, "successor"),
            term_term_at: at(term, "term"),
            term_session_at: at(term, "session"),
            end_count_at: at(end, "count"),
            end_digest_at: at(end, "digest"),
            end_floor_at: at(end, "floor"),
            digest_count_at: at(digest, "count"),
            digest_sum_at: at(digest, "sum"),
            digest_floor_at: at(digest, "floor"),
            digest_emitted_at: at(digest, "emitted"),
            ..clock reset window member session welcome floor enable digest_interval window_gap job dirty_valid dirty_backup dirty_remote dirty_copy
            snapshots_sent tombstones_freed walk_bucket walk_remote walk_found
            walk_moves walk_pending all_left welcome_held welcome_moved hints clears leaves dirty_hints dirty_at
            hint_bucket digest_clock digest_due digest_bucket has_job held_kind held_bucket held_remote gap
            gap_over last_job last_digest walk_asks picks pick_walk pick_job pick_digest phase wants bucket
            is_remote does_snapshot does_digest does_settle map_valid roles is_own copies copy_member
            member_index copy_flags is_welcome is_clean is_settled is_wanted is_left sends all_settled
            floor_held may_settle copy_valid copy_set copy_clear waiting_mark dirty_mark slot reads place
            request_valid request_place request_tells request_watches request_frees requests requests_read
            requested in_flight awaited flight_in flight_out first_awaited answers answer_bucket
            answer_version seen seen_place seen_here seen_ended seen_old seen_done
            candidate candidate_place frees frees_place is_idle sums_valid sum count push_valid push_member
            push_remote push_units push_data term successor bucket_wide about did_snapshot did_free unused
        }
    }
}
