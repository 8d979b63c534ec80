//! The connection engine: flows, their copies and their digests; all but the streams of frames.
//!
//! Enters: records of accepted frames, commands of the host, one of either a clock; the host's word on
//! buckets; what the pool refused. Leaves: records for the pool, each for one copy; what became of each
//! request; records and events for the host; strobes for counters. The Rust engine without overflow,
//! tracking and what the host decides is the model.
//!
//! ```text
//! records -> receive 2 -+-> intake 4 -> flows 9 -+-> outbound 4 -> pool
//! commands -------------+      |                 +-> tally: digest 19, sums
//! window's requests ----+     map 3 (beside the flows' look-up)
//! ```
//!
//! Invariants: nothing stalls a request that is under way. Each change is told to each copy of its bucket,
//! or that copy of the bucket is marked dirty. What concerns a whole bucket happens in a window
//! ([`crate::window`]): the engine takes nothing new, and [`QUIET_CLOCKS`] after the last stir of anything it
//! is the window's alone.
//!
//! What differs from the Rust engine: a bucket becomes gapped when the record that lacked its base leaves the
//! pipe, [`LATENCY`] clocks after it entered; the records between are judged without that.

use crate::digest::KeysIn;
use crate::dirty::Dirty;
use crate::emitted::Emitted;
use crate::hash::NumbersIn;
use crate::ingress::record::RecordIn;
use crate::intake::{self, CommandIn, Intake};
use crate::layout::{self, field};
use crate::map::{self, Map, RolesIn};
use crate::outbound::{self, Outbound};
use crate::prim::{constant, Delay, StreamOut, Wire, Wires};
use crate::receive::Receive;
use crate::sweeper::{JobIn, Sweeper};
use crate::table::{flag, outcome, Flows, FLOWS_LATENCY};
use crate::taker::Taker;
use crate::tally::Tally;
use formats::limits::MEMBER_NONE;
use formats::register::Counter;
use rust_hdl::prelude::*;

mod kernel;

/// Counters of an engine.
pub const COUNTERS: usize = Counter::COUNT;
/// Clocks from a command to what became of it.
pub const LATENCY: usize = intake::LATENCY + FLOWS_LATENCY;
/// Clocks from a command to its first record for the pool.
pub const PUSH_LATENCY: usize = LATENCY + outbound::LATENCY;
/// Clocks without a stir after which nothing is on its way: more than the digest takes, and more than a
/// refusal of the pool.
pub const QUIET_CLOCKS: usize = 72;

/// Why a record was not looked at.
pub mod refusal {
    /// It was.
    pub const NONE: u8 = 0;
    /// Its sender does not own the bucket.
    pub const NOT_OWNER: u8 = 1;
    /// Its term is not the bucket's.
    pub const TERM: u8 = 2;
}

/// What a tag says of a record, beside bucket and copy.
pub mod sent {
    /// No flow record.
    pub const CONTROL: u8 = 0;
    /// A change.
    pub const INLINE: u8 = 1;
    /// Of a snapshot.
    pub const SWEPT: u8 = 2;
}

// Widths, cycles and numbers in a kernel are plain.
const _: () = assert!(COUNTERS == 96 && FLOWS_LATENCY == 9 && map::LATENCY == 3 && QUIET_CLOCKS == 72);
const _: () = assert!(map::flag::OWN == 1 && map::flag::GAPPED == 2 && map::flag::COLOUR == 4);
const _: () = assert!(map::copy::DIRTY == 1 && MEMBER_NONE == 255);
const _: () = assert!(flag::OWNED == 16 && flag::AUDITING == 32 && flag::COLOUR == 1 && flag::GAPPED == 2);
const _: () = assert!(outcome::MADE == 1 && outcome::CHANGED == 2 && outcome::ENDED == 6);
const _: () = assert!(outcome::NOT_OWNER == 8 && outcome::APPLIED == 9 && outcome::GAPPED == 12);
const _: () = assert!(outcome::NO_ROOM == 13 && outcome::MALFORMED == 14);
const _: () = assert!(layout::flag::LIVE == 1 && layout::flag::TOMBSTONE == 2 && layout::flag::WAITING == 32);

/// The counter of each strobe that counts up, in the order of `ups`.
const UPS: [Counter; 30] = [
    Counter::RecordsReceived,
    Counter::RecordsUnknown,
    Counter::RecordsControl,
    Counter::Commands,
    // Of commands, by outcome from 1 on.
    Counter::FlowsMade,
    Counter::FlowsChanged,
    Counter::FlowsUnchanged,
    Counter::FlowsFull,
    Counter::FlowsAuditLost,
    Counter::FlowsEnded,
    Counter::DeletesRefused,
    Counter::CommandsNotOwner,
    // Of records, by outcome from 9 on.
    Counter::RecordsApplied,
    Counter::RecordsUnchanged,
    Counter::RecordsStale,
    Counter::RecordsGapped,
    Counter::RecordsFull,
    // By refusal from 1 on.
    Counter::RecordsNotOwner,
    Counter::RecordsTerm,
    Counter::RecordsEmitted,
    Counter::RecordsSwept,
    Counter::SnapshotsSent,
    Counter::DigestsEqual,
    Counter::DigestsUnproven,
    Counter::DigestsDifferent,
    Counter::DigestsRepaired,
    Counter::EventsDeferred,
    Counter::TombstonesFreed,
    Counter::FlowsHeld,
    Counter::TombstonesHeld,
];
/// The same of those that count down.
const DOWNS: [Counter; 4] =
    [Counter::RecordsEmitted, Counter::RecordsSwept, Counter::FlowsHeld, Counter::TombstonesHeld];

fn wires<const H: usize>(counters: [Counter; H]) -> Wires<H, COUNTERS> {
    let wire = |(from, counter): (usize, &Counter)| Wire { from, to: *counter as usize, bits: 1 };
    Wires::new(counters.iter().enumerate().map(wire))
}

/// What became of each request, in their order.
#[derive(LogicInterface, Clone, Debug, Default)]
pub struct OutcomeOut {
    /// An outcome is there.
    pub valid: Signal<Out, Bit>,
    /// Who made the request, of `intake::source`.
    pub source: Signal<Out, Bits<2>>,
    /// Of `table::outcome`.
    pub outcome: Signal<Out, Bits<4>>,
    /// Of [`refusal`].
    pub refusal: Signal<Out, Bits<2>>,
    /// Of an applied record: the life is new here.
    pub created: Signal<Out, Bit>,
    /// The flow id.
    pub id: Signal<Out, Bits<40>>,
    /// Of a record: its sender.
    pub peer: Signal<Out, Bits<7>>,
    /// Of a record: the sequence of its frame.
    pub sequence: Signal<Out, Bits<64>>,
    /// The entry behind the request.
    pub entry: Signal<Out, Bits<1296>>,
}

/// The engine over 2^S sets of four flows; T, V and A as the table has them, P as the taker.
#[derive(LogicBlock)]
pub struct Engine<const S: usize, const T: usize, const V: usize, const A: usize, const P: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Empties table, map and queues; tables and keys stay.
    pub reset: Signal<In, Bit>,
    /// Everything is cleared; until then nothing may enter.
    pub ready: Signal<Out, Bit>,
    /// Our member number.
    pub member: Signal<In, Bits<8>>,
    /// Our session.
    pub session: Signal<In, Bits<64>>,
    /// Members that have a session.
    pub welcome: Signal<In, Bits<64>>,
    /// Groups that replicate.
    pub replicate: Signal<In, Bits<8>>,
    /// Edges replicate in steps of 2 to this power.
    pub edge_bits: Signal<In, Bits<5>>,
    /// Cluster time: the clock from which versions are drawn.
    pub time_us: Signal<In, Bits<48>>,
    /// Number of the last audit.
    pub audit: Signal<In, Bits<8>>,
    /// An audit runs.
    pub is_auditing: Signal<In, Bit>,
    /// Deletes up to this version are known to all sessions.
    pub floor: Signal<In, Bits<48>>,
    /// Snapshots and digests are sent.
    pub sweeps: Signal<In, Bit>,
    /// Clocks from one digest to the next; 0 for none.
    pub digest_interval: Signal<In, Bits<32>>,
    /// Clocks between two windows of the sweeper.
    pub window_gap: Signal<In, Bits<16>>,
    /// Numbers of the flow hash.
    pub hash_write: NumbersIn,
    /// Keys of the digest.
    pub digest_write: KeysIn,
    /// Records of peers.
    pub record: RecordIn,
    /// A session of a sender began; it holds until it is taken.
    pub gap_valid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub gap_ready: Signal<Out, Bit>,
    /// The sender.
    pub gap_peer: Signal<In, Bits<7>>,
    /// Commands of the host.
    pub command: CommandIn,
    /// The host's word on a bucket; it waits while a window is open.
    pub roles: RolesIn,
    /// Jobs of the host.
    pub job: JobIn,
    /// A SNAPSHOT_END goes to the pool in this clock: the bucket is in its tag, the copy too. It may be called clean
    /// once this record is acknowledged.
    pub snapshot_sent: Signal<Out, Bit>,
    /// A record goes to the pool.
    pub push_valid: Signal<Out, Bit>,
    /// Whom it is for.
    pub push_member: Signal<Out, Bits<6>>,
    /// Its units.
    pub push_units: Signal<Out, Bits<4>>,
    /// They.
    pub push_data: Signal<Out, Bits<1408>>,
    /// What must come back if the pool refuses it.
    pub push_tag: Signal<Out, Bits<13>>,
    /// The pool refused a record.
    pub refused: Signal<In, Bit>,
    /// Whom it was for.
    pub refused_member: Signal<In, Bits<6>>,
    /// What came with it.
    pub refused_tag: Signal<In, Bits<13>>,
    /// A session of a member begins.
    pub clear_emitted: Signal<In, Bit>,
    /// The member.
    pub clear_member: Signal<In, Bits<6>>,
    /// Records for the host, as `Receive` gives them.
    pub host: StreamOut<1615>,
    /// Events for the host, as `Taker` gives them.
    pub event: StreamOut<442>,
    /// What became of each request.
    pub out: OutcomeOut,
    /// The frame of a record must not be acknowledged: it is to come again.
    pub refuses: Signal<Out, Bit>,
    /// Counters that go up by one, by their number.
    pub up: Signal<Out, Bits<96>>,
    /// Counters that go down by one.
    pub down: Signal<Out, Bits<96>>,
    /// Records that turned out malformed.
    pub malformed: Signal<Out, Bits<2>>,
    /// Changes that a copy was not told.
    pub deferred: Signal<Out, Bits<2>>,
    /// Buckets marked dirty because a queue was full.
    pub queue_full: Signal<Out, Bits<2>>,

    receive: Receive,
    intake: Intake,
    flows: Flows<S, T, V, A>,
    map: Map,
    outbound: Outbound<6, 1528>,
    tally: Tally<A>,
    dirty: [Dirty; 2],
    emitted: Emitted,
    sweeper: Sweeper<S>,
    taker: Taker<S, P>,

    // Beside the map: aside 75, command 8, flags 4, keyed, term 32.
    looks: Delay<120, 3>,
    look_in: Signal<Local, Bits<120>>,
    look: Signal<Local, Bits<120>>,
    term_at: Constant<Bits<16>>,
    source: Signal<Local, Bits<2>>,
    is_record: Signal<Local, Bit>,
    is_command: Signal<Local, Bit>,
    from_owner: Signal<Local, Bit>,
    in_term: Signal<Local, Bit>,
    refusal: Signal<Local, Bits<2>>,
    colour: Signal<Local, Bit>,
    flags: Signal<Local, Bits<6>>,
    // Beside the flows: aside 75, refusal 2, term 32, backup 8, remote 8, copies 8, bucket 10.
    rest: Delay<143, 5>,
    rest_in: Signal<Local, Bits<143>>,
    early: Signal<Local, Bits<143>>,
    held: DFF<Bits<143>>,
    // A cycle before its outcome: how each copy is to be told.
    member_of: [Signal<Local, Bits<8>>; 2],
    is_dirty: [Signal<Local, Bit>; 2],
    has_session: [Signal<Local, Bit>; 2],
    gate: [Signal<Local, Bits<2>>; 2],
    early_source: Signal<Local, Bits<2>>,
    tells: Signal<Local, Bits<2>>,
    gates: DFF<Bits<4>>,
    none: Constant<Bits<8>>,
    // The outcome.
    now: Signal<Local, Bits<143>>,
    now_source: Signal<Local, Bits<2>>,
    of_record: Signal<Local, Bit>,
    of_command: Signal<Local, Bit>,
    of_window: Signal<Local, Bit>,
    number: Signal<Local, Bits<4>>,
    /// Of outcomes from 1 on.
    is_outcome: [Signal<Local, Bit>; 14],
    outcome: [Constant<Bits<4>>; 14],
    changes: Signal<Local, Bit>,
    is_there: Signal<Local, Bit>,
    flags_before: Signal<Local, Bits<7>>,
    flags_after: Signal<Local, Bits<7>>,
    was_live: Signal<Local, Bit>,
    is_live: Signal<Local, Bit>,
    was_tombstone: Signal<Local, Bit>,
    is_tombstone: Signal<Local, Bit>,
    of_bucket: Signal<Local, Bit>,
    emits: Signal<Local, Bit>,
    begins: Signal<Local, Bit>,
    ends: Signal<Local, Bit>,
    buries: Signal<Local, Bit>,
    frees: Signal<Local, Bit>,
    not_owner: Signal<Local, Bit>,
    not_term: Signal<Local, Bit>,
    gaps: Signal<Local, Bit>,
    flags_at: Constant<Bits<16>>,
    groups_at: Constant<Bits<16>>,
    edges_at: Constant<Bits<16>>,
    // Windows.
    sweeper_open: DFF<Bit>,
    taker_open: DFF<Bit>,
    is_open: Signal<Local, Bit>,
    stirs: Signal<Local, Bit>,
    /// Clocks since the last stir.
    since: DFF<Bits<7>>,
    is_quiet: Signal<Local, Bit>,
    takes_roles: DFF<Bit>,
    taken_bucket: DFF<Bits<10>>,
    roles_now: Signal<Local, Bits<64>>,
    unused: Signal<Local, Bit>,
    was_refused: DFF<Bit>,
    window_looks: Signal<Local, Bit>,
    window_writes: Signal<Local, Bit>,
    window_copies: Signal<Local, Bit>,
    window_bucket: Signal<Local, Bits<10>>,
    window_copy_set: Signal<Local, Bits<8>>,
    window_copy_clear: Signal<Local, Bits<8>>,
    window_set: Signal<Local, Bits<8>>,
    window_clear: Signal<Local, Bits<8>>,
    window_pushes: Signal<Local, Bit>,
    window_member: Signal<Local, Bits<6>>,
    looked: [DFF<Bit>; 3],
    may_mark: Signal<Local, Bit>,
    marks: [Signal<Local, Bit>; 2],
    pushes: Signal<Local, Bit>,
    push_is_flow: Signal<Local, Bit>,
    push_kind: Signal<Local, Bits<2>>,
    refused_kind: Signal<Local, Bits<2>>,
    refused_flow: Signal<Local, Bit>,
    full: Signal<Local, Bits<2>>,
    // Counters.
    ups: Signal<Local, Bits<30>>,
    downs: Signal<Local, Bits<4>>,
    up_wires: Wires<30, 96>,
    down_wires: Wires<4, 96>,
}

impl<const S: usize, const T: usize, const V: usize, const A: usize, const P: usize> Default
    for Engine<S, T, V, A, P>
{
    fn default() -> Self {
        let at = |field: layout::Field| constant(field.at as u128);
        block! {
            term_at: at(field::TERM),
            flags_at: at(field::FLAGS),
            groups_at: at(field::GROUPS),
            edges_at: at(field::END_ORIGINAL),
            none: constant(MEMBER_NONE.into()),
            up_wires: wires(UPS),
            down_wires: wires(DOWNS),
            dirty: Default::default(),
            is_outcome: Default::default(),
            outcome: std::array::from_fn(|k| constant(k as u128 + 1)),
            ..clock reset ready member session welcome replicate edge_bits time_us audit is_auditing floor
            sweeps digest_interval window_gap hash_write digest_write record
            gap_valid gap_ready gap_peer command roles job snapshot_sent push_valid push_member push_units
            push_data push_tag refused refused_member refused_tag clear_emitted clear_member host event out refuses up down malformed
            deferred queue_full receive intake flows map outbound tally emitted sweeper taker looks look_in
            look source is_record is_command from_owner in_term refusal colour flags rest rest_in early held
            member_of is_dirty has_session gate early_source tells gates now now_source of_record
            of_command of_window number changes is_there flags_before flags_after was_live is_live
            was_tombstone is_tombstone of_bucket emits begins ends buries frees not_owner not_term gaps
            sweeper_open taker_open is_open stirs since is_quiet takes_roles taken_bucket roles_now unused was_refused window_looks window_writes window_copies window_bucket
            window_copy_set window_copy_clear window_set window_clear window_pushes window_member looked
            may_mark marks pushes push_is_flow push_kind refused_kind refused_flow full ups downs
        }
    }
}
