//! The window: a time in which one block has the engine to itself.
//!
//! What concerns a whole bucket (a snapshot, the comparison of a digest, a new term) must stand at one place
//! in the stream of changes: behind all before it, before all behind it. So who does it asks for a window.
//! The engine then takes nothing new, lets what is on its way come to its end, and hands over the map, the
//! table, the sums and the way to the pool. A window is short (a bucket's places, and twice the length of
//! the pipe), and costs nothing while nobody asks.
//!
//! Each port of [`Window`] is one of the engine's blocks, which says what it means and when it answers.

use rust_hdl::prelude::*;

/// The side that asks.
#[derive(LogicInterface, Clone, Debug, Default)]
#[join = "WindowIn"]
pub struct WindowOut {
    /// The window is wanted; it ends in the clock in which this falls.
    pub wants: Signal<Out, Bit>,
    /// It is open.
    pub is_open: Signal<In, Bit>,
    /// Nothing of what entered is on its way to table, sums, pool or map; falls within three clocks behind a
    /// request, so that who asked waits for the answers first.
    pub is_quiet: Signal<In, Bit>,
    /// Look-up in the map.
    pub map_valid: Signal<Out, Bit>,
    /// The bucket, of a look-up and of all marks and writes in this clock.
    pub bucket: Signal<Out, Bits<10>>,
    /// Its answer is there.
    pub map_done: Signal<In, Bit>,
    /// Owner, backup, remote and successor from bit 0, then the term.
    pub roles: Signal<In, Bits<64>>,
    /// Bits of `map::flag`.
    pub flags: Signal<In, Bits<8>>,
    /// Bits of `map::copy`, twice.
    pub copies: Signal<In, Bits<8>>,
    /// Marks the bucket's flags.
    pub mark_valid: Signal<Out, Bit>,
    /// Flags to set; they win. Also with roles.
    pub mark_set: Signal<Out, Bits<8>>,
    /// Flags to clear.
    pub mark_clear: Signal<Out, Bits<8>>,
    /// Marks the flags of the bucket's copies.
    pub copy_valid: Signal<Out, Bit>,
    /// Flags to set; they win. Also with roles.
    pub copy_set: Signal<Out, Bits<8>>,
    /// Flags to clear.
    pub copy_clear: Signal<Out, Bits<8>>,
    /// Writes roles, with both kinds of marks: in a clock without a mark, three behind the last write.
    pub write_valid: Signal<Out, Bit>,
    /// Roles as the map gives them.
    pub write_roles: Signal<Out, Bits<64>>,
    /// A request to the table; always taken. As `table::Flows` has it.
    pub request_valid: Signal<Out, Bit>,
    /// It names a place.
    pub request_named: Signal<Out, Bit>,
    /// Its way; the set is the top of the id.
    pub request_way: Signal<Out, Bits<2>>,
    /// The flow id, unless keyed.
    pub request_id: Signal<Out, Bits<40>>,
    /// The flow is that of the key in the word, whose id the engine computes.
    pub request_keyed: Signal<Out, Bit>,
    /// One of `table::commands`, or none.
    pub request_command: Signal<Out, Bits<8>>,
    /// The word.
    pub request_word: Signal<Out, Bits<1296>>,
    /// Watches the named place.
    pub request_watches: Signal<Out, Bit>,
    /// Frees it, if it was watched and nothing touched it.
    pub request_frees: Signal<Out, Bit>,
    /// What lies there is sent whole to the backup (bit 0) or to the remote (bit 1), if it is of the bucket
    /// in the id, live or a tombstone, and replicates. Not more often than every third clock.
    pub request_tells: Signal<Out, Bits<2>>,
    /// The answer to a request, in their order.
    pub answer_valid: Signal<In, Bit>,
    /// Something lies there.
    pub answer_found: Signal<In, Bit>,
    /// The place is free now.
    pub answer_freed: Signal<In, Bit>,
    /// The flow id of what lies there.
    pub answer_id: Signal<In, Bits<40>>,
    /// What lay there before the request.
    pub answer_entry: Signal<In, Bits<1296>>,
    /// Reads the bucket's sum, which is that behind all requests once the engine is quiet.
    pub sums_valid: Signal<Out, Bit>,
    /// It is there.
    pub sums_done: Signal<In, Bit>,
    /// Sum of the contributions.
    pub sum: Signal<In, Bits<64>>,
    /// Live flows.
    pub count: Signal<In, Bits<32>>,
    /// A record of up to four units goes to the pool; not while `request_tells` are on their way.
    pub push_valid: Signal<Out, Bit>,
    /// The member it is for.
    pub push_member: Signal<Out, Bits<8>>,
    /// Units.
    pub push_units: Signal<Out, Bits<3>>,
    /// They.
    pub push_data: Signal<Out, Bits<512>>,
    /// It concerns the remote copy; what is refused makes that copy of the bucket dirty.
    pub push_remote: Signal<Out, Bit>,
    /// Flow records that went to `push_member` in its session, a cycle later.
    pub emitted: Signal<In, Bits<64>>,
    /// The pool refused something of this window. It is known for all of it when the engine is quiet.
    pub is_refused: Signal<In, Bit>,
}

/// The engine's side.
#[derive(LogicInterface, Clone, Debug, Default)]
#[join = "WindowOut"]
pub struct WindowIn {
    /// The window is wanted; it ends in the clock in which this falls.
    pub wants: Signal<In, Bit>,
    /// It is open.
    pub is_open: Signal<Out, Bit>,
    /// Nothing of what entered is on its way to table, sums, pool or map; falls within three clocks behind a
    /// request, so that who asked waits for the answers first.
    pub is_quiet: Signal<Out, Bit>,
    /// Look-up in the map.
    pub map_valid: Signal<In, Bit>,
    /// The bucket, of a look-up and of all marks and writes in this clock.
    pub bucket: Signal<In, Bits<10>>,
    /// Its answer is there.
    pub map_done: Signal<Out, Bit>,
    /// Owner, backup, remote and successor from bit 0, then the term.
    pub roles: Signal<Out, Bits<64>>,
    /// Bits of `map::flag`.
    pub flags: Signal<Out, Bits<8>>,
    /// Bits of `map::copy`, twice.
    pub copies: Signal<Out, Bits<8>>,
    /// Marks the bucket's flags.
    pub mark_valid: Signal<In, Bit>,
    /// Flags to set; they win. Also with roles.
    pub mark_set: Signal<In, Bits<8>>,
    /// Flags to clear.
    pub mark_clear: Signal<In, Bits<8>>,
    /// Marks the flags of the bucket's copies.
    pub copy_valid: Signal<In, Bit>,
    /// Flags to set; they win. Also with roles.
    pub copy_set: Signal<In, Bits<8>>,
    /// Flags to clear.
    pub copy_clear: Signal<In, Bits<8>>,
    /// Writes roles, with both kinds of marks: in a clock without a mark, three behind the last write.
    pub write_valid: Signal<In, Bit>,
    /// Roles as the map gives them.
    pub write_roles: Signal<In, Bits<64>>,
    /// A request to the table; always taken. As `table::Flows` has it.
    pub request_valid: Signal<In, Bit>,
    /// It names a place.
    pub request_named: Signal<In, Bit>,
    /// Its way; the set is the top of the id.
    pub request_way: Signal<In, Bits<2>>,
    /// The flow id, unless keyed.
    pub request_id: Signal<In, Bits<40>>,
    /// The flow is that of the key in the word, whose id the engine computes.
    pub request_keyed: Signal<In, Bit>,
    /// One of `table::commands`, or none.
    pub request_command: Signal<In, Bits<8>>,
    /// The word.
    pub request_word: Signal<In, Bits<1296>>,
    /// Watches the named place.
    pub request_watches: Signal<In, Bit>,
    /// Frees it, if it was watched and nothing touched it.
    pub request_frees: Signal<In, Bit>,
    /// What lies there is sent whole to the backup (bit 0) or to the remote (bit 1), if it is of the bucket
    /// in the id, live or a tombstone, and replicates. Not more often than every third clock.
    pub request_tells: Signal<In, Bits<2>>,
    /// The answer to a request, in their order.
    pub answer_valid: Signal<Out, Bit>,
    /// Something lies there.
    pub answer_found: Signal<Out, Bit>,
    /// The place is free now.
    pub answer_freed: Signal<Out, Bit>,
    /// The flow id of what lies there.
    pub answer_id: Signal<Out, Bits<40>>,
    /// What lay there before the request.
    pub answer_entry: Signal<Out, Bits<1296>>,
    /// Reads the bucket's sum, which is that behind all requests once the engine is quiet.
    pub sums_valid: Signal<In, Bit>,
    /// It is there.
    pub sums_done: Signal<Out, Bit>,
    /// Sum of the contributions.
    pub sum: Signal<Out, Bits<64>>,
    /// Live flows.
    pub count: Signal<Out, Bits<32>>,
    /// A record of up to four units goes to the pool; not while `request_tells` are on their way.
    pub push_valid: Signal<In, Bit>,
    /// The member it is for.
    pub push_member: Signal<In, Bits<8>>,
    /// Units.
    pub push_units: Signal<In, Bits<3>>,
    /// They.
    pub push_data: Signal<In, Bits<512>>,
    /// It concerns the remote copy; what is refused makes that copy of the bucket dirty.
    pub push_remote: Signal<In, Bit>,
    /// Flow records that went to `push_member` in its session, a cycle later.
    pub emitted: Signal<Out, Bits<64>>,
    /// The pool refused something of this window. It is known for all of it when the engine is quiet.
    pub is_refused: Signal<Out, Bit>,
}
