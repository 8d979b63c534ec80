//! The table with what commands of the host and records of peers make of it: flows are made, changed and
//! ended.
//!
//! Enters: one command or record a clock. Leaves, [`LATENCY`] cycles later: what became of it, by the name of
//! the counter of the Rust engine, the groups that changed and replicate, and the entry before and after:
//! what diff, digest and emission go by. The Rust engine without overflow and tracking is the model, bit
//! for bit. Nothing stalls; commands and records for one flow may follow each other at once.
//!
//! A command comes as the word of an entry: key, groups and their fields; as version the clock from which
//! versions are drawn, as audit the number of the last audit, and the cookie. A record comes as that word,
//! too; the term in the word is that of a FULL or of a DELETE by key, which have their own. What the bucket
//! decides comes [`LATE`] cycles after the word, so that its look-up may begin together with the request:
//! the command itself (none for what is refused, and then nothing is changed), its flags and the bucket's
//! term. Who owns the bucket, and whether a record's term is good, is decided before. The
//! digest is the digest stage's: its field is cleared when a flow is made or ends, and stays otherwise.
//!
//! What differs is compared a cycle before the entry comes out, when the command before is still on its way:
//! so a command is compared with that one, too, and a bit for each group remembers whether it wrote. So are
//! versions: against the one that the entry had, one more, and that of the command before. The loop from
//! one command to the next is then to choose, to decide, and to merge.

use super::command::flag;
use super::difference::Difference;
use super::entries::{Table, LATE, LATENCY as TABLE_LATENCY};
use crate::layout::{self, field, ENTRY_BITS};
use formats::flow::BEGUN;
use formats::Groups;
use rust_hdl::prelude::*;

mod kernel;
mod parts;

/// Pieces of a word that are taken as one.
const PARTS: usize = 14;

/// Cycles from command to outcome.
pub const LATENCY: usize = TABLE_LATENCY + 1;

// Widths and numbers in the kernel are plain; flags are bits by their number.
const _: () = assert!(ENTRY_BITS == 1296 && LATENCY == 9 && LATE == 3 && BEGUN == 1 << 31);
const _: () = assert!(flag::NEW == 1 && flag::AUDIT == 2 && flag::JOIN == 4 && flag::REMADE == 8);
const _: () = assert!(flag::OWNED == 16 && flag::AUDITING == 32);
const _: () = assert!(flag::COLOUR == 1 && flag::GAPPED == 2 && flag::PULLED == 4);
const _: () = assert!(Groups::STATUS.0 == 1 && Groups::EDGES.0 == 2 && Groups::LIFETIME.0 == 8);
const _: () = assert!(layout::flag::LIVE == 1 && layout::flag::TOMBSTONE == 2 && layout::flag::COLOUR == 4);
const _: () = assert!(layout::flag::INSTALLED_BACKUP == 8 && layout::flag::INSTALLED_REMOTE == 16);
const _: () = assert!(field::FLAGS.bits == 7 && field::VERSION.bits == 48 && field::TERM.bits == 32);

/// 2^S sets of four flows; T, V and A as the table has them.
#[derive(LogicBlock)]
pub struct Flows<const S: usize, const T: usize, const V: usize, const A: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Empties the table.
    pub reset: Signal<In, Bit>,
    /// Groups that replicate.
    pub replicate: Signal<In, Bits<8>>,
    /// Commands are taken: always, but for 2^S cycles after a reset.
    pub in_ready: Signal<Out, Bit>,
    /// A command is there.
    pub in_valid: Signal<In, Bit>,
    /// The flow id.
    pub in_id: Signal<In, Bits<40>>,
    /// The command as an entry, but for a term that is the bucket's.
    pub in_word: Signal<In, Bits<1296>>,
    /// Only flows of that key are meant; always with a command.
    pub in_keyed: Signal<In, Bit>,
    /// As the table has them, without a command.
    pub in_named: Signal<In, Bit>,
    /// See there.
    pub in_way: Signal<In, Bits<2>>,
    /// See there.
    pub in_watches: Signal<In, Bit>,
    /// See there.
    pub in_frees: Signal<In, Bit>,
    /// Of the request of [`LATE`] cycles ago: one of [`commands`](super::commands), or none.
    pub late_command: Signal<In, Bits<8>>,
    /// Of that one: bits of [`flag`].
    pub late_flags: Signal<In, Bits<6>>,
    /// Of that one: the term of its bucket.
    pub late_term: Signal<In, Bits<32>>,
    /// An outcome is there.
    pub out_valid: Signal<Out, Bit>,
    /// One of [`outcome`](super::outcome).
    pub out_outcome: Signal<Out, Bits<4>>,
    /// Of a record that was applied: the life is new here.
    pub out_created: Signal<Out, Bit>,
    /// The flow was there, live or as a tombstone.
    pub out_found: Signal<Out, Bit>,
    /// The place is free now.
    pub out_freed: Signal<Out, Bit>,
    /// The place: set, then way.
    pub out_place: Signal<Out, Bits<A>>,
    /// The flow id asked for; of a named place that is taken, the id of the flow there.
    pub out_id: Signal<Out, Bits<40>>,
    /// Groups that replicate and changed.
    pub out_changed: Signal<Out, Bits<8>>,
    /// Copies know no base of this: the flow is new, or the term is.
    pub out_first: Signal<Out, Bit>,
    /// The entry before, if it was found.
    pub out_before: Signal<Out, Bits<1296>>,
    /// The entry after, if it was found or made.
    pub out_after: Signal<Out, Bits<1296>>,
    held_flows: Table<S, T, V, A>,
    /// The commands on their way; the eighth is the one whose entry comes out.
    word: [DFF<Bits<1296>>; 8],
    keyed: [DFF<Bit>; 3],
    /// Keyed, command and flags, from the late inputs on.
    asked: [DFF<Bits<15>>; 5],
    makes: Signal<Local, Bit>,
    has_term: Signal<Local, Bit>,
    dated: Signal<Local, Bits<1296>>,
    /// The command a cycle before its entry, and what it asks for.
    coming: Signal<Local, Bits<1296>>,
    wish: Signal<Local, Bits<15>>,
    coming_groups: Signal<Local, Bits<8>>,
    coming_cookie: Signal<Local, Bits<32>>,
    coming_term: Signal<Local, Bits<32>>,
    coming_upserts: Signal<Local, Bit>,
    coming_whole: Signal<Local, Bits<14>>,
    /// Parts of its groups, and those that it moves as a record of a few groups.
    whole: DFF<Bits<14>>,
    moves: DFF<Bits<14>>,
    has_cookie: DFF<Bit>,
    /// Groups of the command that replicate.
    sends: DFF<Bits<8>>,
    upserts: DFF<Bit>,
    deletes: DFF<Bit>,
    may_be_row: DFF<Bit>,
    may_rename: DFF<Bit>,
    may_write: DFF<Bit>,
    begins: DFF<Bit>,
    is_window: DFF<Bit>,
    is_partial: DFF<Bit>,
    is_record: DFF<Bit>,
    asks: DFF<Bit>,
    ends_named: DFF<Bit>,
    with_entry: Difference,
    with_last: Difference,
    /// Versions a cycle before the entry: of the command, of the entry, of the command before.
    own: Signal<Local, Bits<48>>,
    late: Signal<Local, Bits<48>>,
    last: Signal<Local, Bits<48>>,
    /// One less than the command's; the version it builds on, and one less.
    less: DFF<Bits<48>>,
    less7: DFF<Bits<48>>,
    base: Signal<Local, Bits<48>>,
    base7: DFF<Bits<48>>,
    base_less7: DFF<Bits<48>>,
    near_base: [Signal<Local, Bits<48>>; 3],
    /// The version after the entry's, and how the command's stamp is to the entry's: if its version is what
    /// it was before the last command, if that one counts it, if it states its own.
    follow: [DFF<Bits<48>>; 3],
    is_later: [DFF<Bit>; 3],
    is_equal: [DFF<Bit>; 3],
    fits: [DFF<Bit>; 3],
    is_under: [DFF<Bit>; 2],
    /// Of its incarnation, likewise.
    own_start: Signal<Local, Bits<32>>,
    start_less: DFF<Bits<31>>,
    last_count: Signal<Local, Bits<16>>,
    last_start: Signal<Local, Bits<32>>,
    is_next_start: Signal<Local, Bit>,
    starts: [DFF<Bit>; 3],
    /// What the last command made of this entry: parts taken from its word, in the bits of a difference; the
    /// version counted, or stated; a life begun with the next version, or with a stated one.
    took: DFF<Bits<13>>,
    counted: DFF<Bit>,
    stated: DFF<Bit>,
    began_next: DFF<Bit>,
    began_stated: DFF<Bit>,
    is_stated: Signal<Local, Bit>,
    differs: Signal<Local, Bits<13>>,
    /// The command.
    now: Signal<Local, Bits<1296>>,
    flags: Signal<Local, Bits<15>>,
    groups: Signal<Local, Bits<8>>,
    clock_now: Signal<Local, Bits<48>>,
    /// The entry.
    old: Signal<Local, Bits<1296>>,
    old_flags: Signal<Local, Bits<7>>,
    old_groups: Signal<Local, Bits<8>>,
    old_version: Signal<Local, Bits<48>>,
    is_found: Signal<Local, Bit>,
    is_made: Signal<Local, Bit>,
    is_live: Signal<Local, Bit>,
    /// No live flow, or one with another key.
    unlike: Signal<Local, Bit>,
    other_term: Signal<Local, Bit>,
    other_life: Signal<Local, Bit>,
    absent: Signal<Local, Bits<8>>,
    group_differs: Signal<Local, Bits<8>>,
    next: Signal<Local, Bits<48>>,
    is_behind: Signal<Local, Bit>,
    is_same_version: Signal<Local, Bit>,
    is_on_base: Signal<Local, Bit>,
    is_under_term: Signal<Local, Bit>,
    /// What a command does.
    is_row: Signal<Local, Bit>,
    is_open: Signal<Local, Bit>,
    renews: Signal<Local, Bit>,
    changes: Signal<Local, Bit>,
    /// Rows of an audit may add groups that are not there.
    completes: Signal<Local, Bit>,
    adds: Signal<Local, Bit>,
    renames: Signal<Local, Bit>,
    ends: Signal<Local, Bit>,
    /// Its groups are written: a life begins, or the flow changes.
    is_written: Signal<Local, Bit>,
    news: Signal<Local, Bits<8>>,
    fills: Signal<Local, Bits<8>>,
    sent: Signal<Local, Bits<8>>,
    advances: Signal<Local, Bit>,
    stamps: Signal<Local, Bit>,
    /// Records of peers: which one, and what its stamp is to the entry's.
    is_full: Signal<Local, Bit>,
    is_end: Signal<Local, Bit>,
    is_update: Signal<Local, Bit>,
    is_older: Signal<Local, Bit>,
    is_tie: Signal<Local, Bit>,
    has_base: Signal<Local, Bit>,
    is_malformed: Signal<Local, Bit>,
    amends: Signal<Local, Bit>,
    other_start: Signal<Local, Bit>,
    unequal_groups: Signal<Local, Bits<8>>,
    is_unequal: Signal<Local, Bit>,
    is_newer: Signal<Local, Bit>,
    brings: Signal<Local, Bit>,
    replaces: Signal<Local, Bit>,
    states: Signal<Local, Bit>,
    creates: Signal<Local, Bit>,
    buries: Signal<Local, Bit>,
    restates: Signal<Local, Bit>,
    is_stale: Signal<Local, Bit>,
    paints: Signal<Local, Bit>,
    /// What becomes of it.
    counts: Signal<Local, Bit>,
    takes_version: Signal<Local, Bit>,
    version: Signal<Local, Bits<48>>,
    /// The version of a life that begins.
    begun: Signal<Local, Bits<48>>,
    /// Bits that nobody looks at.
    unused: Signal<Local, Bit>,
    /// The low end of the term's counter.
    term_count: Signal<Local, Bits<16>>,
    incarnation: Signal<Local, Bits<32>>,
    new_flags: Signal<Local, Bits<7>>,
    new_groups: Signal<Local, Bits<8>>,
    ended_version: Signal<Local, Bits<48>>,
    /// Parts that a row adds, and those that a record of a few groups moves.
    lacks: Signal<Local, Bits<14>>,
    amended: Signal<Local, Bits<14>>,
    takes: Signal<Local, Bits<14>>,
    take: Signal<Local, Bits<1296>>,
    keep: Signal<Local, Bits<1296>>,
    after: Signal<Local, Bits<1296>>,
    verdict: Signal<Local, Bits<4>>,
    part: [Constant<Bits<1296>>; PARTS],
    /// Fields that neither the entry nor the command gives as they are.
    held: Constant<Bits<1296>>,
    digest: Constant<Bits<1296>>,
    term: Constant<Bits<1296>>,
    all_ones: Constant<Bits<48>>,
    flags_at: Constant<Bits<16>>,
    groups_at: Constant<Bits<16>>,
    incarnation_at: Constant<Bits<16>>,
    term_count_at: Constant<Bits<16>>,
    version_at: Constant<Bits<16>>,
    ended_at: Constant<Bits<16>>,
    family_at: Constant<Bits<16>>,
    term_at: Constant<Bits<16>>,
    cookie_at: Constant<Bits<16>>,
    valid9: DFF<Bit>,
    outcome9: DFF<Bits<4>>,
    found9: DFF<Bit>,
    freed9: DFF<Bit>,
    place9: DFF<Bits<A>>,
    id9: DFF<Bits<40>>,
    changed9: DFF<Bits<8>>,
    first9: DFF<Bit>,
    created9: DFF<Bit>,
    before9: DFF<Bits<1296>>,
    after9: DFF<Bits<1296>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        let mut block = Box::<Flows<10, 30, 31, 12>>::default();
        crate::yosys::check("flows", &crate::export("flows", &mut *block));
    }
}
