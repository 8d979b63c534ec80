//! The table with what commands of the host make of it: flows are made, changed and ended.
//!
//! Enters: one command a clock. Leaves, [`LATENCY`] cycles later: what became of it, by the name of the
//! counter of the Rust engine, the groups that changed and replicate, and the entry before and after:
//! what diff, digest and emission go by. The Rust engine without overflow and tracking is the model, bit
//! for bit. Nothing stalls; commands for one flow may follow each other at once.
//!
//! A command comes as the word of an entry: key, groups and their fields; as term that of the bucket, as
//! version the clock from which versions are drawn, as audit the number of the last audit, and the cookie.
//! Who owns the bucket is decided before. The digest is the digest stage's: its field is cleared when a
//! flow is made or ends, and stays otherwise.
//!
//! What differs is compared a cycle before the entry comes out, when two commands before are still on
//! their way: so commands are compared with each other, too, and a bit for each group remembers who wrote
//! it last. The loop from one command to the next is then a few bits, the version and the merge.

use super::command::flag;
use super::difference::{compared, fields, mask, Difference, BITS};
use super::entries::{Table, LATENCY as TABLE_LATENCY};
use crate::layout::{self, field, ENTRY_BITS};
use formats::flow::BEGUN;
use formats::Groups;
use rust_hdl::prelude::*;

/// Cycles from command to outcome.
pub const LATENCY: usize = TABLE_LATENCY + 1;

// Widths and numbers in the kernel are plain; flags are bits by their number.
const _: () = assert!(ENTRY_BITS == 1296 && LATENCY == 9 && BEGUN == 1 << 31);
const _: () = assert!(flag::NEW == 1 && flag::AUDIT == 2 && flag::JOIN == 4 && flag::REMADE == 8);
const _: () = assert!(flag::OWNED == 16 && flag::AUDITING == 32);
const _: () = assert!(layout::flag::LIVE == 1 && layout::flag::TOMBSTONE == 2 && layout::flag::COLOUR == 4);
const _: () = assert!(layout::flag::INSTALLED_BACKUP == 8 && layout::flag::INSTALLED_REMOTE == 16);
const _: () = assert!(field::FLAGS.bits == 7 && field::VERSION.bits == 48 && field::TERM.bits == 32);

/// Fields that the loop computes; the others come from the entry or the command.
fn computed() -> [layout::Field; 5] {
    [field::FLAGS, field::GROUPS, field::INCARNATION, field::VERSION, field::ENDED_VERSION]
}

/// What a command writes for each bit of a difference.
fn part(bit: usize) -> &'static [layout::Field] {
    match Groups::NAMES.get(bit) {
        Some((_, group)) => fields(*group),
        None => compared(bit),
    }
}

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
    /// One of [`commands`](super::commands), or none.
    pub in_command: Signal<In, Bits<2>>,
    /// Bits of [`flag`].
    pub in_flags: Signal<In, Bits<6>>,
    /// The flow id.
    pub in_id: Signal<In, Bits<40>>,
    /// The command as an entry.
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
    /// An outcome is there.
    pub out_valid: Signal<Out, Bit>,
    /// One of [`outcome`](super::outcome).
    pub out_outcome: Signal<Out, Bits<4>>,
    /// The flow was there, live or as a tombstone.
    pub out_found: Signal<Out, Bit>,
    /// The place is free now.
    pub out_freed: Signal<Out, Bit>,
    /// The place: set, then way.
    pub out_place: Signal<Out, Bits<A>>,
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
    word: [DFF<Bits<1296>>; 9],
    asked: [DFF<Bits<8>>; 8],
    makes: Signal<Local, Bit>,
    with_entry: Difference,
    with_last: Difference,
    with_second: Difference,
    /// What the last command and the one before wrote, in the bits of a difference.
    wrote: [DFF<Bits<12>>; 2],
    wrote_last: Signal<Local, Bits<12>>,
    wrote_second: Signal<Local, Bits<12>>,
    differs: Signal<Local, Bits<12>>,
    /// The command.
    now: Signal<Local, Bits<1296>>,
    flags: Signal<Local, Bits<8>>,
    groups: Signal<Local, Bits<8>>,
    has_cookie: Signal<Local, Bit>,
    /// The entry.
    old: Signal<Local, Bits<1296>>,
    old_flags: Signal<Local, Bits<7>>,
    old_groups: Signal<Local, Bits<8>>,
    old_low: Signal<Local, Bits<24>>,
    old_high: Signal<Local, Bits<24>>,
    is_found: Signal<Local, Bit>,
    is_made: Signal<Local, Bit>,
    is_live: Signal<Local, Bit>,
    upserts: Signal<Local, Bit>,
    deletes: Signal<Local, Bit>,
    is_row: Signal<Local, Bit>,
    is_remade: Signal<Local, Bit>,
    writes_flow: Signal<Local, Bit>,
    same_key: Signal<Local, Bit>,
    absent: Signal<Local, Bits<8>>,
    renews: Signal<Local, Bit>,
    changes: Signal<Local, Bit>,
    adds: Signal<Local, Bit>,
    loses: Signal<Local, Bit>,
    renames: Signal<Local, Bit>,
    ends: Signal<Local, Bit>,
    allowed: Signal<Local, Bits<8>>,
    sent: Signal<Local, Bits<8>>,
    advances: Signal<Local, Bit>,
    stamps: Signal<Local, Bit>,
    clock_low: Signal<Local, Bits<24>>,
    clock_high: Signal<Local, Bits<24>>,
    is_behind: Signal<Local, Bit>,
    next_high: Signal<Local, Bits<24>>,
    low: Signal<Local, Bits<24>>,
    high: Signal<Local, Bits<24>>,
    version: Signal<Local, Bits<48>>,
    /// The low end of the term's counter.
    term_count: Signal<Local, Bits<16>>,
    incarnation: Signal<Local, Bits<32>>,
    new_flags: Signal<Local, Bits<7>>,
    new_groups: Signal<Local, Bits<8>>,
    ended_version: Signal<Local, Bits<48>>,
    takes: Signal<Local, Bits<12>>,
    take: Signal<Local, Bits<1296>>,
    keep: Signal<Local, Bits<1296>>,
    after: Signal<Local, Bits<1296>>,
    verdict: Signal<Local, Bits<4>>,
    part: [Constant<Bits<1296>>; BITS],
    /// Fields that neither the entry nor the command gives as they are.
    held: Constant<Bits<1296>>,
    digest: Constant<Bits<1296>>,
    all_ones: Constant<Bits<24>>,
    flags_at: Constant<Bits<16>>,
    groups_at: Constant<Bits<16>>,
    incarnation_at: Constant<Bits<16>>,
    term_count_at: Constant<Bits<16>>,
    version_at: Constant<Bits<16>>,
    version_high_at: Constant<Bits<16>>,
    ended_at: Constant<Bits<16>>,
    cookie_at: Constant<Bits<16>>,
    valid9: DFF<Bit>,
    outcome9: DFF<Bits<4>>,
    found9: DFF<Bit>,
    freed9: DFF<Bit>,
    place9: DFF<Bits<A>>,
    changed9: DFF<Bits<8>>,
    first9: DFF<Bit>,
    before9: DFF<Bits<1296>>,
    after9: DFF<Bits<1296>>,
}

impl<const S: usize, const T: usize, const V: usize, const A: usize> Default for Flows<S, T, V, A> {
    fn default() -> Self {
        fn many<M: Default, const N: usize>() -> [M; N] {
            std::array::from_fn(|_| M::default())
        }
        let at = |field: layout::Field| Constant::new(field.at.to_bits());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            replicate: Default::default(),
            in_ready: Default::default(),
            in_valid: Default::default(),
            in_command: Default::default(),
            in_flags: Default::default(),
            in_id: Default::default(),
            in_word: Default::default(),
            in_keyed: Default::default(),
            in_named: Default::default(),
            in_way: Default::default(),
            in_watches: Default::default(),
            in_frees: Default::default(),
            out_valid: Default::default(),
            out_outcome: Default::default(),
            out_found: Default::default(),
            out_freed: Default::default(),
            out_place: Default::default(),
            out_changed: Default::default(),
            out_first: Default::default(),
            out_before: Default::default(),
            out_after: Default::default(),
            held_flows: Default::default(),
            word: many(),
            asked: many(),
            makes: Default::default(),
            with_entry: Default::default(),
            with_last: Default::default(),
            with_second: Default::default(),
            wrote: many(),
            wrote_last: Default::default(),
            wrote_second: Default::default(),
            differs: Default::default(),
            now: Default::default(),
            flags: Default::default(),
            groups: Default::default(),
            has_cookie: Default::default(),
            old: Default::default(),
            old_flags: Default::default(),
            old_groups: Default::default(),
            old_low: Default::default(),
            old_high: Default::default(),
            is_found: Default::default(),
            is_made: Default::default(),
            is_live: Default::default(),
            upserts: Default::default(),
            deletes: Default::default(),
            is_row: Default::default(),
            is_remade: Default::default(),
            writes_flow: Default::default(),
            same_key: Default::default(),
            absent: Default::default(),
            renews: Default::default(),
            changes: Default::default(),
            adds: Default::default(),
            loses: Default::default(),
            renames: Default::default(),
            ends: Default::default(),
            allowed: Default::default(),
            sent: Default::default(),
            advances: Default::default(),
            stamps: Default::default(),
            clock_low: Default::default(),
            clock_high: Default::default(),
            is_behind: Default::default(),
            next_high: Default::default(),
            low: Default::default(),
            high: Default::default(),
            version: Default::default(),
            term_count: Default::default(),
            incarnation: Default::default(),
            new_flags: Default::default(),
            new_groups: Default::default(),
            ended_version: Default::default(),
            takes: Default::default(),
            take: Default::default(),
            keep: Default::default(),
            after: Default::default(),
            verdict: Default::default(),
            part: std::array::from_fn(|bit| Constant::new(mask(part(bit)))),
            held: Constant::new(mask(&computed())),
            digest: Constant::new(mask(&[field::DIGEST])),
            all_ones: Constant::new(0xff_ffffu32.to_bits()),
            flags_at: at(field::FLAGS),
            groups_at: at(field::GROUPS),
            incarnation_at: at(field::INCARNATION),
            // Behind the member.
            term_count_at: Constant::new((field::TERM.at + 8).to_bits()),
            version_at: at(field::VERSION),
            version_high_at: Constant::new((field::VERSION.at + 24).to_bits()),
            ended_at: at(field::ENDED_VERSION),
            cookie_at: at(field::COOKIE),
            valid9: Default::default(),
            outcome9: Default::default(),
            found9: Default::default(),
            freed9: Default::default(),
            place9: Default::default(),
            changed9: Default::default(),
            first9: Default::default(),
            before9: Default::default(),
            after9: Default::default(),
        }
    }
}

impl<const S: usize, const T: usize, const V: usize, const A: usize> Logic for Flows<S, T, V, A> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, valid9, outcome9, found9, freed9, place9, changed9, first9, before9, after9);
        for k in 0..9 {
            self.word[k].clock.next = self.clock.val();
        }
        for k in 0..8 {
            self.asked[k].clock.next = self.clock.val();
        }
        for k in 0..2 {
            self.wrote[k].clock.next = self.clock.val();
        }

        // To the table.
        self.held_flows.clock.next = self.clock.val();
        self.held_flows.reset.next = self.reset.val();
        self.in_ready.next = self.held_flows.in_ready.val();
        self.held_flows.in_valid.next = self.in_valid.val();
        self.held_flows.in_id.next = self.in_id.val();
        self.held_flows.in_keyed.next = self.in_keyed.val();
        self.held_flows.in_key.next = self.in_word.val().get_bits::<313>(0);
        // An upsert of an owner that does not merely rename a life.
        self.makes.next = self.in_command.val().get_bit(0)
            & self.in_flags.val().get_bit(4)
            & !self.in_flags.val().get_bit(3);
        self.held_flows.in_makes.next = self.makes.val();
        self.held_flows.in_named.next = self.in_named.val();
        self.held_flows.in_way.next = self.in_way.val();
        self.held_flows.in_watches.next = self.in_watches.val();
        self.held_flows.in_frees.next = self.in_frees.val();
        self.word[0].d.next = self.in_word.val();
        self.asked[0].d.next =
            (bit_cast::<8, 2>(self.in_command.val()) << 6) | bit_cast::<8, 6>(self.in_flags.val());
        for k in 1..9 {
            self.word[k].d.next = self.word[k - 1].q.val();
        }
        for k in 1..8 {
            self.asked[k].d.next = self.asked[k - 1].q.val();
        }

        // What differs: from the entry as it is before two commands, and from these.
        self.with_entry.clock.next = self.clock.val();
        self.with_entry.a.next = self.word[6].q.val();
        self.with_entry.b.next = self.held_flows.late_entry.val();
        self.with_last.clock.next = self.clock.val();
        self.with_last.a.next = self.word[6].q.val();
        self.with_last.b.next = self.word[7].q.val();
        self.with_second.clock.next = self.clock.val();
        self.with_second.a.next = self.word[6].q.val();
        self.with_second.b.next = self.word[8].q.val();
        self.wrote_last.next = 0.into();
        if self.held_flows.out_repeats.val().get_bit(0) {
            self.wrote_last.next = self.wrote[0].q.val();
        }
        self.wrote_second.next = 0.into();
        if self.held_flows.out_repeats.val().get_bit(1) {
            self.wrote_second.next = self.wrote[1].q.val() & !self.wrote_last.val();
        }
        self.differs.next = (self.with_last.differs.val() & self.wrote_last.val())
            | (self.with_second.differs.val() & self.wrote_second.val())
            | (self.with_entry.differs.val() & !self.wrote_last.val() & !self.wrote_second.val());

        // The command and its entry.
        self.now.next = self.word[7].q.val();
        self.flags.next = self.asked[7].q.val();
        self.groups.next = self.now.val().get_bits::<8>(self.groups_at.val().index());
        self.has_cookie.next = self.now.val().get_bits::<32>(self.cookie_at.val().index()).any();
        self.old.next = self.held_flows.out_entry.val();
        self.old_flags.next = self.old.val().get_bits::<7>(self.flags_at.val().index());
        self.old_groups.next = self.old.val().get_bits::<8>(self.groups_at.val().index());
        self.is_found.next = self.held_flows.out_found.val();
        self.is_made.next = self.held_flows.out_made.val();
        self.is_live.next = self.is_found.val() & self.old_flags.val().get_bit(0);
        self.same_key.next = !self.differs.val().get_bit(8);
        self.absent.next = self.groups.val() & !self.old_groups.val();

        // What it does.
        self.upserts.next = self.flags.val().get_bit(6) & self.flags.val().get_bit(4);
        self.deletes.next = self.flags.val().get_bit(7) & self.flags.val().get_bit(4);
        self.is_row.next = self.is_found.val()
            & self.flags.val().get_bit(1)
            & self.flags.val().get_bit(5)
            & !self.differs.val().get_bit(11);
        self.is_remade.next = self.upserts.val() & self.flags.val().get_bit(3) & !self.is_row.val();
        self.writes_flow.next = self.upserts.val() & !self.is_row.val() & !self.is_remade.val();
        self.renews.next = self.writes_flow.val()
            & (self.is_made.val()
                | (self.is_found.val()
                    & (!self.is_live.val()
                        | !self.same_key.val()
                        | self.flags.val().get_bit(0)
                        | self.flags.val().get_bit(2)
                        | (self.differs.val().get_bit(9) & !self.differs.val().get_bit(10)))));
        self.changes.next = self.writes_flow.val() & self.is_found.val() & !self.renews.val();
        self.adds.next = self.upserts.val()
            & self.is_row.val()
            & self.is_live.val()
            & self.same_key.val()
            & self.absent.val().any();
        self.loses.next = self.upserts.val() & self.is_row.val() & !self.adds.val();
        self.renames.next = self.is_remade.val() & self.is_live.val() & self.same_key.val();
        self.ends.next = self.deletes.val() & self.is_live.val() & !self.differs.val().get_bit(9);
        self.allowed.next = 0.into();
        if self.changes.val() {
            self.allowed.next = self.groups.val();
        }
        if self.adds.val() {
            self.allowed.next = self.absent.val();
        }
        self.sent.next = (self.absent.val() | (self.groups.val() & self.differs.val().get_bits::<8>(0)))
            & self.allowed.val()
            & self.replicate.val();
        self.advances.next = self.sent.val().any();
        self.stamps.next = self.renews.val() | self.ends.val();

        // The stamp: one more, or the clock if it is further.
        self.old_low.next = self.old.val().get_bits::<24>(self.version_at.val().index());
        self.old_high.next = self.old.val().get_bits::<24>(self.version_high_at.val().index());
        self.clock_low.next = self.now.val().get_bits::<24>(self.version_at.val().index());
        self.clock_high.next = self.now.val().get_bits::<24>(self.version_high_at.val().index());
        self.is_behind.next = (self.clock_high.val() > self.old_high.val())
            | ((self.clock_high.val() == self.old_high.val()) & (self.clock_low.val() > self.old_low.val()));
        self.next_high.next = self.old_high.val();
        if self.old_low.val() == self.all_ones.val() {
            self.next_high.next = self.old_high.val() + 1;
        }
        self.low.next = self.old_low.val();
        self.high.next = self.old_high.val();
        if self.advances.val() | self.stamps.val() {
            self.low.next = self.old_low.val() + 1;
            self.high.next = self.next_high.val();
        }
        if self.stamps.val() & (self.is_behind.val() | self.is_made.val()) {
            self.low.next = self.clock_low.val();
            self.high.next = self.clock_high.val();
        }
        self.version.next = (bit_cast::<48, 24>(self.high.val()) << 24) | bit_cast::<48, 24>(self.low.val());

        // The life: whose beginning was seen, by its time; of the others by its term.
        self.term_count.next = self.now.val().get_bits::<16>(self.term_count_at.val().index());
        self.incarnation.next = self.old.val().get_bits::<32>(self.incarnation_at.val().index());
        if self.renews.val() {
            self.incarnation.next = (bit_cast::<32, 16>(self.term_count.val()) << 15)
                | bit_cast::<32, 15>(self.version.val().get_bits::<15>(0));
            if self.flags.val().get_bit(0) {
                self.incarnation.next =
                    bit_cast::<32, 31>(self.version.val().get_bits::<31>(0)).replace_bit(31, true);
            }
            if self.flags.val().get_bit(2) {
                self.incarnation.next = self.now.val().get_bits::<32>(self.incarnation_at.val().index());
            }
        }

        // Flags: a life begins live and installed nowhere, in the colour that was there.
        self.new_flags.next = self.old_flags.val();
        self.new_groups.next = self.old_groups.val() | self.allowed.val();
        self.ended_version.next = self.old.val().get_bits::<48>(self.ended_at.val().index());
        if self.renews.val() {
            self.new_flags.next = (self.old_flags.val() & 4) | 1;
            self.new_groups.next = self.groups.val();
        }
        if self.is_made.val() {
            self.new_flags.next = 1.into();
            self.ended_version.next = 0.into();
        }
        if self.ends.val() {
            self.new_flags.next = (self.old_flags.val() & 100) | 2;
            self.ended_version.next = self.old.val().get_bits::<48>(self.version_at.val().index());
        }

        // What is taken from the command, what stays, and what was computed.
        self.takes.next = bit_cast::<12, 8>(self.allowed.val());
        if self.renews.val() {
            self.takes.next = bit_cast::<12, 8>(self.groups.val()).replace_bit(8, true);
        }
        if self.renews.val() | self.renames.val() | (self.changes.val() & self.has_cookie.val()) {
            self.takes.next = self.takes.val().replace_bit(9, true);
        }
        if self.advances.val() | self.stamps.val() {
            self.takes.next = self.takes.val().replace_bit(10, true);
        }
        if self.renews.val() | self.renames.val() | self.changes.val() | self.ends.val() {
            self.takes.next = self.takes.val().replace_bit(11, true);
        }
        self.take.next = 0.into();
        for k in 0..12 {
            if self.takes.val().get_bit(k) {
                self.take.next = self.take.val() | self.part[k].val();
            }
        }
        self.keep.next = !self.take.val() & !self.held.val();
        if self.is_made.val() | self.ends.val() {
            self.keep.next = self.keep.val() & !self.digest.val();
        }
        // A new life has the groups that were stated for it; of the others nothing is left.
        if self.renews.val() {
            for k in 0..8 {
                self.keep.next = self.keep.val() & !self.part[k].val();
            }
        }
        self.after.next = (self.now.val() & self.take.val())
            | (self.old.val() & self.keep.val())
            | (bit_cast::<1296, 7>(self.new_flags.val()) << self.flags_at.val())
            | (bit_cast::<1296, 8>(self.new_groups.val()) << self.groups_at.val())
            | (bit_cast::<1296, 32>(self.incarnation.val()) << self.incarnation_at.val())
            | (bit_cast::<1296, 48>(self.version.val()) << self.version_at.val())
            | (bit_cast::<1296, 48>(self.ended_version.val()) << self.ended_at.val());
        self.held_flows.write.next =
            self.is_made.val() | (self.is_found.val() & (self.upserts.val() | self.deletes.val()));
        self.held_flows.write_entry.next = self.after.val();
        self.wrote[0].d.next = self.takes.val();
        self.wrote[1].d.next = self.wrote[0].q.val();

        // What became of it.
        self.verdict.next = 0.into();
        if self.upserts.val() {
            self.verdict.next = 3.into();
            if self.held_flows.out_full.val() {
                self.verdict.next = 4.into();
            }
        }
        if self.advances.val() {
            self.verdict.next = 2.into();
        }
        if self.renews.val() {
            self.verdict.next = 1.into();
        }
        if self.loses.val() {
            self.verdict.next = 5.into();
        }
        if self.deletes.val() {
            self.verdict.next = 7.into();
            if self.ends.val() {
                self.verdict.next = 6.into();
            }
        }
        if (self.flags.val().get_bit(6) | self.flags.val().get_bit(7)) & !self.flags.val().get_bit(4) {
            self.verdict.next = 8.into();
        }
        self.valid9.d.next = self.held_flows.out_valid.val();
        self.outcome9.d.next = self.verdict.val();
        self.found9.d.next = self.is_found.val();
        self.freed9.d.next = self.held_flows.out_freed.val();
        self.place9.d.next = self.held_flows.out_place.val();
        self.changed9.d.next = self.sent.val();
        self.first9.d.next = self.renews.val() | self.differs.val().get_bit(10);
        self.before9.d.next = self.old.val();
        self.after9.d.next = self.after.val();
        self.out_valid.next = self.valid9.q.val();
        self.out_outcome.next = self.outcome9.q.val();
        self.out_found.next = self.found9.q.val();
        self.out_freed.next = self.freed9.q.val();
        self.out_place.next = self.place9.q.val();
        self.out_changed.next = self.changed9.q.val();
        self.out_first.next = self.first9.q.val();
        self.out_before.next = self.before9.q.val();
        self.out_after.next = self.after9.q.val();
        if self.reset.val() {
            self.valid9.d.next = false;
        }
    }
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
