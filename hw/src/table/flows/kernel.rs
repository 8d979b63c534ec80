//! What becomes of an entry: the loop from one command to the next.

use super::Flows;
use rust_hdl::prelude::*;

impl<const S: usize, const T: usize, const V: usize, const A: usize> Logic for Flows<S, T, V, A> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, valid9, outcome9, found9, freed9, place9, changed9, first9, created9);
        dff_setup!(self, clock, id9, before9, after9, has_cookie, sends, upserts, deletes, may_be_row);
        dff_setup!(self, clock, may_rename, may_write, begins, is_window, is_partial, is_record, asks);
        dff_setup!(self, clock, ends_named, less, less7, base7, base_less7, took, counted, stated);
        dff_setup!(self, clock, start_less, began_next, began_stated, whole, moves);
        for k in 0..8 {
            self.word[k].clock.next = self.clock.val();
        }
        for k in 0..3 {
            self.keyed[k].clock.next = self.clock.val();
            self.follow[k].clock.next = self.clock.val();
            self.starts[k].clock.next = self.clock.val();
            self.is_later[k].clock.next = self.clock.val();
            self.is_equal[k].clock.next = self.clock.val();
            self.fits[k].clock.next = self.clock.val();
        }
        for k in 0..2 {
            self.is_under[k].clock.next = self.clock.val();
        }
        for k in 0..5 {
            self.asked[k].clock.next = self.clock.val();
        }

        // To the table.
        self.held_flows.clock.next = self.clock.val();
        self.held_flows.reset.next = self.reset.val();
        self.in_ready.next = self.held_flows.in_ready.val();
        self.held_flows.in_valid.next = self.in_valid.val();
        self.held_flows.in_id.next = self.in_id.val();
        self.held_flows.in_keyed.next = self.in_keyed.val();
        self.held_flows.in_key.next = self.in_word.val().get_bits::<313>(0);
        self.held_flows.in_named.next = self.in_named.val();
        self.held_flows.in_way.next = self.in_way.val();
        self.held_flows.in_watches.next = self.in_watches.val();
        self.held_flows.in_frees.next = self.in_frees.val();
        self.word[0].d.next = self.in_word.val();
        for k in 1..8 {
            self.word[k].d.next = self.word[k - 1].q.val();
        }
        self.keyed[0].d.next = self.in_keyed.val();
        for k in 1..3 {
            self.keyed[k].d.next = self.keyed[k - 1].q.val();
        }

        // What the bucket decides: an upsert of an owner that does not merely rename a life, a FULL and an end
        // that names its flow give it a place. Records that name their flow have a term.
        self.has_term.next =
            self.late_command.val().get_bit(2) | (self.late_command.val().get_bit(3) & self.keyed[2].q.val());
        self.makes.next = (self.late_command.val().get_bit(0)
            & self.late_flags.val().get_bit(4)
            & !self.late_flags.val().get_bit(3))
            | self.has_term.val();
        self.held_flows.late_makes.next = self.makes.val();
        self.dated.next = self.word[2].q.val();
        if !self.has_term.val() {
            self.dated.next = (self.word[2].q.val() & !self.term.val())
                | (bit_cast::<1296, 32>(self.late_term.val()) << self.term_at.val());
        }
        self.word[3].d.next = self.dated.val();
        self.asked[0].d.next = (bit_cast::<15, 1>(self.keyed[2].q.val().into()) << 14)
            | (bit_cast::<15, 8>(self.late_command.val()) << 6)
            | bit_cast::<15, 6>(self.late_flags.val());
        for k in 1..5 {
            self.asked[k].d.next = self.asked[k - 1].q.val();
        }

        // A cycle before the entry: what is asked for.
        self.coming.next = self.word[6].q.val();
        self.wish.next = self.asked[3].q.val();
        self.coming_groups.next = self.coming.val().get_bits::<8>(self.groups_at.val().index());
        self.coming_cookie.next = self.coming.val().get_bits::<32>(self.cookie_at.val().index());
        // A group has two parts where a packet moves half of it, or COMPACT has no lifetime.
        self.coming_whole.next = bit_cast::<14, 8>(self.coming_groups.val())
            | (bit_cast::<14, 1>(self.coming_groups.val().get_bit(1).into()) << 12)
            | (bit_cast::<14, 1>(self.coming_groups.val().get_bit(3).into()) << 13);
        self.whole.d.next = self.coming_whole.val();
        self.moves.d.next = self.coming_whole.val();
        if self.wish.val().get_bit(11) {
            self.moves.d.next = 9.into();
        }
        if self.wish.val().get_bit(12) {
            self.moves.d.next = 2.into();
        }
        if self.wish.val().get_bit(13) {
            self.moves.d.next = 4096.into();
        }
        self.has_cookie.d.next = self.coming_cookie.val().any();
        self.sends.d.next = self.coming_groups.val() & self.replicate.val();
        self.coming_upserts.next = self.wish.val().get_bit(6) & self.wish.val().get_bit(4);
        self.upserts.d.next = self.coming_upserts.val();
        self.deletes.d.next = self.wish.val().get_bit(7) & self.wish.val().get_bit(4);
        self.may_be_row.d.next =
            self.coming_upserts.val() & self.wish.val().get_bit(1) & self.wish.val().get_bit(5);
        self.may_rename.d.next = self.coming_upserts.val() & self.wish.val().get_bit(3);
        self.may_write.d.next = self.coming_upserts.val() & !self.wish.val().get_bit(3);
        self.begins.d.next = self.wish.val().get_bit(0) | self.wish.val().get_bit(2);
        self.is_window.d.next = self.wish.val().get_bit(12) | self.wish.val().get_bit(13);
        self.is_partial.d.next = self.wish.val().get_bits::<4>(10).any();
        self.is_record.d.next = self.wish.val().get_bits::<6>(8).any();
        self.asks.d.next = self.coming_upserts.val()
            | (self.wish.val().get_bit(7) & self.wish.val().get_bit(4))
            | self.wish.val().get_bits::<6>(8).any();
        self.ends_named.d.next = self.wish.val().get_bit(9) & self.wish.val().get_bit(14);

        // What differs from the entry, and from the command before, which may be about the same flow.
        self.with_entry.clock.next = self.clock.val();
        self.with_entry.a.next = self.coming.val();
        self.with_entry.b.next = self.held_flows.late_entry.val();
        self.with_last.clock.next = self.clock.val();
        self.with_last.a.next = self.coming.val();
        self.with_last.b.next = self.word[7].q.val();

        // Its stamp against each that the entry may have: the one it has, one more if the command before
        // counts, and that one's own. The base is compared with a version, of short records one less than
        // theirs with its low end.
        self.less.d.next = self.word[4].q.val().get_bits::<48>(self.version_at.val().index()) - 1;
        self.base.next = self.less.q.val();
        if self.asked[2].q.val().get_bit(10) {
            self.base.next = self.word[5].q.val().get_bits::<48>(self.ended_at.val().index());
        }
        self.less7.d.next = self.less.q.val();
        self.base7.d.next = self.base.val();
        self.base_less7.d.next = self.base.val() - 1;
        self.own.next = self.coming.val().get_bits::<48>(self.version_at.val().index());
        self.late.next = self.held_flows.late_entry.val().get_bits::<48>(self.version_at.val().index());
        self.last.next = self.word[7].q.val().get_bits::<48>(self.version_at.val().index());
        self.follow[0].d.next = self.late.val() + 1;
        self.follow[1].d.next = self.late.val() + 2;
        self.follow[2].d.next = self.last.val() + 1;
        self.is_later[0].d.next = self.own.val() > self.late.val();
        self.is_later[1].d.next = self.own.val().any()
            & ((self.less7.q.val() > self.late.val()) | (self.late.val() == self.all_ones.val()));
        self.is_later[2].d.next = self.own.val() > self.last.val();
        self.is_equal[0].d.next = self.own.val() == self.late.val();
        self.is_equal[1].d.next = self.less7.q.val() == self.late.val();
        self.is_equal[2].d.next = self.own.val() == self.last.val();
        self.near_base[0].next = self.base7.q.val() ^ self.late.val();
        self.near_base[1].next = self.base_less7.q.val() ^ self.late.val();
        self.near_base[2].next = self.base7.q.val() ^ self.last.val();
        for k in 0..3 {
            self.fits[k].d.next = !self.near_base[k].val().get_bits::<16>(0).any()
                & !(self.wish.val().get_bit(10) & self.near_base[k].val().get_bits::<32>(16).any());
        }
        self.coming_term.next = self.coming.val().get_bits::<32>(self.term_at.val().index());
        self.is_under[0].d.next = self.coming_term.val()
            < self.held_flows.late_entry.val().get_bits::<32>(self.term_at.val().index());
        self.is_under[1].d.next =
            self.coming_term.val() < self.word[7].q.val().get_bits::<32>(self.term_at.val().index());

        // And its life: against the one that is there, one that begins with the next version, and one that
        // begins as the command before states it.
        self.start_less.d.next = self.word[5].q.val().get_bits::<31>(self.incarnation_at.val().index()) - 1;
        self.own_start.next = self.coming.val().get_bits::<32>(self.incarnation_at.val().index());
        self.last_count.next = self.word[7].q.val().get_bits::<16>(self.term_count_at.val().index());
        self.last_start.next = (bit_cast::<32, 16>(self.last_count.val()) << 15)
            | bit_cast::<32, 15>(self.last.val().get_bits::<15>(0));
        self.is_next_start.next = !self.own_start.val().get_bit(31)
            & (self.own_start.val().get_bits::<16>(15) == self.last_count.val())
            & (self.start_less.q.val().get_bits::<15>(0) == self.late.val().get_bits::<15>(0));
        if self.asked[4].q.val().get_bit(0) {
            self.last_start.next =
                bit_cast::<32, 31>(self.last.val().get_bits::<31>(0)).replace_bit(31, true);
            self.is_next_start.next = self.own_start.val().get_bit(31)
                & (self.start_less.q.val() == self.late.val().get_bits::<31>(0));
        }
        if self.asked[4].q.val().get_bit(2) | self.asked[4].q.val().get_bit(8) {
            self.last_start.next = self.word[7].q.val().get_bits::<32>(self.incarnation_at.val().index());
        }
        self.starts[0].d.next = self.own_start.val()
            != self.held_flows.late_entry.val().get_bits::<32>(self.incarnation_at.val().index());
        self.starts[1].d.next = !self.is_next_start.val();
        self.starts[2].d.next = self.own_start.val() != self.last_start.val();

        // The command and its entry.
        self.now.next = self.word[7].q.val();
        self.flags.next = self.asked[4].q.val();
        self.groups.next = self.now.val().get_bits::<8>(self.groups_at.val().index());
        self.old.next = self.held_flows.out_entry.val();
        self.old_flags.next = self.old.val().get_bits::<7>(self.flags_at.val().index());
        self.old_groups.next = self.old.val().get_bits::<8>(self.groups_at.val().index());
        self.old_version.next = self.old.val().get_bits::<48>(self.version_at.val().index());
        self.is_found.next = self.held_flows.out_found.val();
        self.is_made.next = self.held_flows.out_made.val();
        self.is_live.next = self.is_found.val() & self.old_flags.val().get_bit(0);
        self.differs.next = (self.with_last.differs.val() & self.took.q.val())
            | (self.with_entry.differs.val() & !self.took.q.val());
        self.other_term.next = self.differs.val().get_bit(10);
        self.unlike.next = !self.old_flags.val().get_bit(0) | self.differs.val().get_bit(8);
        self.other_life.next = self.differs.val().get_bit(9) & !self.other_term.val();
        self.absent.next = self.groups.val() & !self.old_groups.val();
        self.group_differs.next = self.differs.val().get_bits::<8>(0);
        if self.differs.val().get_bit(12) {
            self.group_differs.next = self.group_differs.val() | 2;
        }
        self.clock_now.next = self.now.val().get_bits::<48>(self.version_at.val().index());
        self.next.next = self.follow[0].q.val();
        self.is_behind.next = self.is_later[0].q.val();
        self.is_same_version.next = self.is_equal[0].q.val();
        self.is_on_base.next = self.fits[0].q.val();
        if self.counted.q.val() {
            self.next.next = self.follow[1].q.val();
            self.is_behind.next = self.is_later[1].q.val();
            self.is_same_version.next = self.is_equal[1].q.val();
            self.is_on_base.next = self.fits[1].q.val();
        }
        if self.stated.q.val() {
            self.next.next = self.follow[2].q.val();
            self.is_behind.next = self.is_later[2].q.val();
            self.is_same_version.next = self.is_equal[2].q.val();
            self.is_on_base.next = self.fits[2].q.val();
        }
        self.is_under_term.next = self.is_under[0].q.val();
        if self.took.q.val().get_bit(10) {
            self.is_under_term.next = self.is_under[1].q.val();
        }

        // What a command does.
        self.is_row.next = self.is_found.val() & self.may_be_row.q.val() & !self.differs.val().get_bit(11);
        self.is_open.next = self.may_write.q.val() & !self.is_row.val();
        self.renews.next = self.is_open.val()
            & (self.is_made.val()
                | (self.is_found.val() & (self.unlike.val() | self.begins.q.val() | self.other_life.val())));
        self.changes.next = self.is_open.val()
            & self.is_found.val()
            & !self.unlike.val()
            & !self.begins.q.val()
            & !self.other_life.val();
        self.completes.next = self.is_row.val() & !self.unlike.val();
        self.adds.next = self.completes.val() & self.absent.val().any();
        self.renames.next =
            self.may_rename.q.val() & !self.is_row.val() & self.is_found.val() & !self.unlike.val();
        self.ends.next = self.deletes.q.val() & self.is_live.val() & !self.differs.val().get_bit(9);
        self.is_written.next = self.is_open.val() & (self.is_made.val() | self.is_found.val());
        self.sent.next = 0.into();
        self.news.next = self.sends.q.val() & (self.absent.val() | self.group_differs.val());
        self.fills.next = self.sends.q.val() & self.absent.val();
        if self.changes.val() {
            self.sent.next = self.news.val();
        }
        if self.completes.val() {
            self.sent.next = self.fills.val();
        }
        // Records of peers are not sent on.
        self.advances.next =
            (self.changes.val() & self.news.val().any()) | (self.completes.val() & self.fills.val().any());
        self.stamps.next = self.renews.val() | self.ends.val();

        // What a record of a peer does: acceptance by base or stamp.
        self.is_full.next = self.flags.val().get_bit(8);
        self.is_end.next = self.flags.val().get_bit(9);
        self.is_update.next = self.flags.val().get_bit(10);
        self.is_older.next = self.is_under_term.val()
            | (!self.other_term.val() & !self.is_behind.val() & !self.is_same_version.val());
        // A tombstone of the same stamp is the newer truth, unless this copy is known to be wrong.
        self.is_tie.next = !self.other_term.val()
            & self.is_same_version.val()
            & !self.flags.val().get_bit(1)
            & (!self.old_flags.val().get_bit(0) | self.flags.val().get_bit(2));
        self.has_base.next = self.is_partial.q.val()
            & self.is_found.val()
            & self.old_flags.val().get_bit(0)
            & !self.other_term.val()
            & self.is_on_base.val();
        self.is_malformed.next = self.has_base.val()
            & ((self.is_update.val()
                & (self.now.val().get_bit(self.family_at.val().index())
                    != self.old.val().get_bit(self.family_at.val().index())))
                | (self.is_window.q.val() & !self.old_groups.val().get_bit(1)));
        self.amends.next =
            self.has_base.val() & !self.is_malformed.val() & (!self.is_update.val() | self.is_behind.val());
        self.other_start.next = self.starts[0].q.val();
        if self.began_next.q.val() {
            self.other_start.next = self.starts[1].q.val();
        }
        if self.began_stated.q.val() {
            self.other_start.next = self.starts[2].q.val();
        }
        self.unequal_groups.next = ((self.groups.val() ^ self.old_groups.val()) & self.replicate.val())
            | (self.sends.q.val() & self.group_differs.val());
        self.is_unequal.next = self.unlike.val() | self.other_start.val() | self.unequal_groups.val().any();
        self.is_newer.next = self.is_full.val() & self.is_found.val() & !self.is_older.val();
        self.brings.next = self.is_full.val() & self.is_made.val();
        self.replaces.next =
            self.brings.val() | (self.is_newer.val() & !self.is_tie.val() & self.is_unequal.val());
        // What a FULL states holds either way, but for an unequal tie.
        self.states.next =
            self.brings.val() | (self.is_newer.val() & (!self.is_tie.val() | !self.is_unequal.val()));
        self.creates.next = self.brings.val()
            | (self.is_newer.val() & !self.is_tie.val() & (self.unlike.val() | self.other_start.val()));
        self.buries.next =
            self.is_end.val() & (self.is_made.val() | (self.is_live.val() & !self.is_older.val()));
        // An end that is known takes the later stamp, if it came by key.
        self.restates.next = self.ends_named.q.val()
            & self.is_found.val()
            & !self.old_flags.val().get_bit(0)
            & !self.is_older.val();
        self.is_stale.next = (self.is_full.val()
            & self.is_found.val()
            & (self.is_older.val() | (self.is_tie.val() & self.is_unequal.val())))
            | (self.is_update.val() & self.has_base.val() & !self.is_malformed.val() & !self.amends.val())
            | (self.is_end.val()
                & self.is_found.val()
                & self.is_older.val()
                & (self.old_flags.val().get_bit(0) | self.flags.val().get_bit(14)));
        self.paints.next = self.is_found.val()
            & (self.is_full.val()
                | self.amends.val()
                | (self.is_end.val() & (self.old_flags.val().get_bit(0) | self.flags.val().get_bit(14))));

        // The version: as it was, one more, the clock, or that of the record.
        self.counts.next =
            self.advances.val() | self.stamps.val() | (self.amends.val() & !self.is_update.val());
        self.takes_version.next = (self.stamps.val() & (self.is_behind.val() | self.is_made.val()))
            | (self.amends.val() & self.is_update.val())
            | self.states.val()
            | self.buries.val()
            | self.restates.val();
        self.version.next = self.old_version.val();
        if self.counts.val() {
            self.version.next = self.next.val();
        }
        if self.takes_version.val() {
            self.version.next = self.clock_now.val();
        }
        self.counted.d.next = self.held_flows.late_follows.val() & self.counts.val();
        self.stated.d.next = self.held_flows.late_follows.val() & self.takes_version.val();
        self.is_stated.next = self.flags.val().get_bit(2) | self.is_behind.val() | self.is_made.val();
        self.began_next.d.next =
            self.held_flows.late_follows.val() & self.renews.val() & !self.is_stated.val();
        self.began_stated.d.next = self.held_flows.late_follows.val()
            & ((self.renews.val() & self.is_stated.val()) | self.replaces.val());

        // The life: whose beginning was seen, by its time; of the others by its term.
        self.term_count.next = self.now.val().get_bits::<16>(self.term_count_at.val().index());
        self.begun.next = self.next.val();
        if self.is_behind.val() | self.is_made.val() {
            self.begun.next = self.clock_now.val();
        }
        self.incarnation.next = self.old.val().get_bits::<32>(self.incarnation_at.val().index());
        if self.renews.val() {
            self.incarnation.next = (bit_cast::<32, 16>(self.term_count.val()) << 15)
                | bit_cast::<32, 15>(self.begun.val().get_bits::<15>(0));
            if self.flags.val().get_bit(0) {
                self.incarnation.next =
                    bit_cast::<32, 31>(self.begun.val().get_bits::<31>(0)).replace_bit(31, true);
            }
            if self.flags.val().get_bit(2) {
                self.incarnation.next = self.now.val().get_bits::<32>(self.incarnation_at.val().index());
            }
        }

        if self.replaces.val() {
            self.incarnation.next = self.now.val().get_bits::<32>(self.incarnation_at.val().index());
        }

        // Flags: a life begins live and installed nowhere, in the colour that was there.
        self.new_flags.next = self.old_flags.val();
        self.new_groups.next = 0.into();
        if !self.is_made.val() & !self.renews.val() & !self.replaces.val() {
            self.new_groups.next = self.old_groups.val();
        }
        if self.is_written.val() | self.replaces.val() {
            self.new_groups.next = self.new_groups.val() | self.groups.val();
        }
        self.ended_version.next = self.old.val().get_bits::<48>(self.ended_at.val().index());
        if self.renews.val() {
            self.new_flags.next = (self.old_flags.val() & 4) | 1;
        }
        if self.replaces.val() {
            self.new_flags.next = (self.old_flags.val() & 92) | 1;
        }
        if self.ends.val() | self.buries.val() {
            self.new_flags.next = (self.old_flags.val() & 100) | 2;
            if self.is_live.val() {
                self.ended_version.next = self.old_version.val();
            }
        }
        if self.is_made.val() {
            self.new_flags.next = 1.into();
            self.ended_version.next = 0.into();
            if self.is_full.val() & self.flags.val().get_bit(0) {
                self.new_flags.next = 5.into();
            }
            if self.is_end.val() {
                self.new_flags.next = 2.into();
                self.incarnation.next = 0.into();
            }
        }
        if self.paints.val() {
            self.new_flags.next = self.new_flags.val().replace_bit(2, self.flags.val().get_bit(0));
        }

        // What is taken from the command, what stays, and what was computed.
        self.lacks.next = bit_cast::<14, 8>(self.absent.val())
            | (bit_cast::<14, 1>(self.absent.val().get_bit(1).into()) << 12)
            | (bit_cast::<14, 1>(self.absent.val().get_bit(3).into()) << 13);
        self.amended.next = self.moves.q.val();
        if self.flags.val().get_bit(11) {
            self.amended.next = self.moves.q.val() & bit_cast::<14, 8>(self.old_groups.val());
        }
        self.takes.next = 0.into();
        if self.is_written.val() {
            self.takes.next = self.whole.q.val();
        }
        if self.completes.val() {
            self.takes.next = self.takes.val() | self.lacks.val();
            self.new_groups.next = self.new_groups.val() | self.absent.val();
        }
        if self.amends.val() {
            self.takes.next = self.takes.val() | self.amended.val();
            self.new_groups.next = self.new_groups.val() | self.amended.val().get_bits::<8>(0);
        }
        if self.renews.val() {
            self.takes.next = self.takes.val().replace_bit(8, true);
        }
        if self.states.val() {
            self.takes.next = self.takes.val().replace_bit(13, true);
        }
        if self.renews.val()
            | self.renames.val()
            | self.creates.val()
            | (self.changes.val() & self.has_cookie.q.val())
        {
            self.takes.next = self.takes.val().replace_bit(9, true);
        }
        if self.advances.val()
            | self.stamps.val()
            | self.states.val()
            | self.buries.val()
            | self.restates.val()
        {
            self.takes.next = self.takes.val().replace_bit(10, true);
        }
        if self.renews.val()
            | self.renames.val()
            | self.changes.val()
            | self.ends.val()
            | self.amends.val()
            | self.buries.val()
        {
            self.takes.next = self.takes.val().replace_bit(11, true);
        }
        // All but the cookie, which goes with the life.
        if self.replaces.val() {
            self.takes.next = self.takes.val() | 15871;
        }
        // Who ended before it was here has a key.
        if self.buries.val() & self.is_made.val() {
            self.takes.next = self.takes.val().replace_bit(8, true);
            self.takes.next = self.takes.val().replace_bit(9, true);
        }
        self.take.next = 0.into();
        for k in 0..14 {
            if self.takes.val().get_bit(k) {
                self.take.next = self.take.val() | self.part[k].val();
            }
        }
        self.keep.next = !self.take.val() & !self.held.val();
        if self.is_made.val() | self.ends.val() | self.buries.val() {
            self.keep.next = self.keep.val() & !self.digest.val();
        }
        // A new life has the groups that were stated for it; of the others nothing is left.
        if self.renews.val() | self.is_made.val() {
            for k in 0..8 {
                self.keep.next = self.keep.val() & !self.part[k].val();
            }
            for k in 12..14 {
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
        self.held_flows.write.next = self.is_made.val() | (self.is_found.val() & self.asks.q.val());
        self.held_flows.write_entry.next = self.after.val();
        self.took.d.next = 0.into();
        if self.held_flows.late_follows.val() {
            self.took.d.next = self.takes.val().get_bits::<13>(0);
        }

        // What became of it.
        self.verdict.next = 0.into();
        if self.upserts.q.val() {
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
        if self.is_row.val() & !self.adds.val() {
            self.verdict.next = 5.into();
        }
        if self.deletes.q.val() {
            self.verdict.next = 7.into();
            if self.ends.val() {
                self.verdict.next = 6.into();
            }
        }
        if (self.flags.val().get_bit(6) | self.flags.val().get_bit(7)) & !self.flags.val().get_bit(4) {
            self.verdict.next = 8.into();
        }
        if self.is_record.q.val() {
            self.verdict.next = 10.into();
            if self.amends.val() | self.replaces.val() | self.buries.val() {
                self.verdict.next = 9.into();
            }
            if self.is_stale.val() {
                self.verdict.next = 11.into();
            }
            if self.is_partial.q.val() & !self.has_base.val() {
                self.verdict.next = 12.into();
            }
            if self.held_flows.out_full.val() {
                self.verdict.next = 13.into();
            }
            if self.is_malformed.val() {
                self.verdict.next = 14.into();
            }
        }
        self.unused.next = self.flags.val().any() | self.begun.val().any();
        self.created9.d.next = self.creates.val();
        self.out_created.next = self.created9.q.val();
        self.valid9.d.next = self.held_flows.out_valid.val();
        self.outcome9.d.next = self.verdict.val();
        self.found9.d.next = self.is_found.val();
        self.freed9.d.next = self.held_flows.out_freed.val();
        self.place9.d.next = self.held_flows.out_place.val();
        self.id9.d.next = self.held_flows.out_id.val();
        self.changed9.d.next = self.sent.val();
        self.first9.d.next = self.renews.val() | self.other_term.val();
        self.before9.d.next = self.old.val();
        self.after9.d.next = self.after.val();
        self.out_valid.next = self.valid9.q.val();
        self.out_outcome.next = self.outcome9.q.val();
        self.out_found.next = self.found9.q.val();
        self.out_freed.next = self.freed9.q.val();
        self.out_place.next = self.place9.q.val();
        self.out_id.next = self.id9.q.val();
        self.out_changed.next = self.changed9.q.val();
        self.out_first.next = self.first9.q.val();
        self.out_before.next = self.before9.q.val();
        self.out_after.next = self.after9.q.val();
        if self.reset.val() {
            self.valid9.d.next = false;
        }
    }
}
