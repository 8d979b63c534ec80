//! What becomes of an entry: the loop from one command to the next.

use super::Flows;
use rust_hdl::prelude::*;

impl<const S: usize, const T: usize, const V: usize, const A: usize> Logic for Flows<S, T, V, A> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, valid9, outcome9, found9, freed9, place9, changed9, first9, created9);
        dff_setup!(self, clock, id9, before9, after9);
        for k in 0..9 {
            self.word[k].clock.next = self.clock.val();
        }
        for k in 0..3 {
            self.keyed[k].clock.next = self.clock.val();
        }
        for k in 0..5 {
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
        self.held_flows.in_named.next = self.in_named.val();
        self.held_flows.in_way.next = self.in_way.val();
        self.held_flows.in_watches.next = self.in_watches.val();
        self.held_flows.in_frees.next = self.in_frees.val();
        self.word[0].d.next = self.in_word.val();
        for k in 1..9 {
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
        self.flags.next = self.asked[4].q.val();
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
        self.group_differs.next = self.differs.val().get_bits::<8>(0);
        if self.differs.val().get_bit(12) {
            self.group_differs.next = self.group_differs.val() | 2;
        }

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
        self.sent.next = (self.absent.val() | (self.groups.val() & self.group_differs.val()))
            & self.allowed.val()
            & self.replicate.val();
        // Records of peers are not sent on.
        self.advances.next = self.sent.val().any();
        self.stamps.next = self.renews.val() | self.ends.val();

        // The stamp: one more, or the clock if it is further.
        self.old_low.next = self.old.val().get_bits::<24>(self.version_at.val().index());
        self.old_high.next = self.old.val().get_bits::<24>(self.version_high_at.val().index());
        self.clock_low.next = self.now.val().get_bits::<24>(self.version_at.val().index());
        self.clock_high.next = self.now.val().get_bits::<24>(self.version_high_at.val().index());
        self.is_behind.next = (self.clock_high.val() > self.old_high.val())
            | ((self.clock_high.val() == self.old_high.val()) & (self.clock_low.val() > self.old_low.val()));
        self.is_same_version.next =
            (self.clock_high.val() == self.old_high.val()) & (self.clock_low.val() == self.old_low.val());
        self.next_low.next = self.old_low.val() + 1;
        self.next_high.next = self.old_high.val();
        if self.old_low.val() == self.all_ones.val() {
            self.next_high.next = self.old_high.val() + 1;
        }

        // What a record of a peer does: acceptance by base or stamp.
        self.is_full.next = self.flags.val().get_bit(8);
        self.is_end.next = self.flags.val().get_bit(9);
        self.is_update.next = self.flags.val().get_bit(10);
        self.is_window.next = self.flags.val().get_bit(12) | self.flags.val().get_bit(13);
        self.is_partial.next = self.is_update.val() | self.flags.val().get_bit(11) | self.is_window.val();
        self.is_record.next = self.is_full.val() | self.is_end.val() | self.is_partial.val();
        self.now_term.next = self.now.val().get_bits::<32>(self.term_at.val().index());
        self.old_term.next = self.old.val().get_bits::<32>(self.term_at.val().index());
        self.is_older.next = (self.now_term.val() < self.old_term.val())
            | (!self.differs.val().get_bit(10) & !self.is_behind.val() & !self.is_same_version.val());
        self.is_tie.next = !self.differs.val().get_bit(10) & self.is_same_version.val();
        self.base.next = self.now.val().get_bits::<48>(self.ended_at.val().index());
        self.old_version.next = self.old.val().get_bits::<48>(self.version_at.val().index());
        self.has_base.next = self.is_live.val() & !self.differs.val().get_bit(10);
        if self.is_update.val() {
            self.has_base.next = self.has_base.val() & (self.base.val() == self.old_version.val());
        } else {
            self.has_base.next = self.has_base.val()
                & (self.next_low.val().get_bits::<16>(0) == self.clock_low.val().get_bits::<16>(0));
        }
        self.is_malformed.next = self.is_partial.val()
            & self.has_base.val()
            & ((self.is_update.val()
                & (self.now.val().get_bit(self.family_at.val().index())
                    != self.old.val().get_bit(self.family_at.val().index())))
                | (self.is_window.val() & !self.old_groups.val().get_bit(1)));
        self.amends.next = self.is_partial.val()
            & self.has_base.val()
            & !self.is_malformed.val()
            & (!self.is_update.val() | self.is_behind.val());
        self.partial.next = 2.into();
        if self.is_update.val() {
            self.partial.next = self.groups.val();
        }
        if self.flags.val().get_bit(11) {
            self.partial.next = self.old_groups.val() & 9;
        }
        self.is_equal.next = self.is_live.val()
            & self.same_key.val()
            & (self.now.val().get_bits::<32>(self.incarnation_at.val().index())
                == self.old.val().get_bits::<32>(self.incarnation_at.val().index()))
            & !((self.groups.val() ^ self.old_groups.val()) & self.replicate.val()).any()
            & !(self.groups.val() & self.group_differs.val() & self.replicate.val()).any();
        self.equals.next =
            self.is_full.val() & self.is_found.val() & !self.is_older.val() & self.is_equal.val();
        // A tombstone of the same stamp is the newer truth, unless this copy is known to be wrong.
        self.replaces.next = self.is_full.val()
            & (self.is_made.val()
                | (self.is_found.val()
                    & !self.is_older.val()
                    & !self.is_equal.val()
                    & !(self.is_tie.val()
                        & !self.flags.val().get_bit(1)
                        & (!self.is_live.val() | self.flags.val().get_bit(2)))));
        self.creates.next = self.replaces.val()
            & (self.is_made.val()
                | !self.is_live.val()
                | !self.same_key.val()
                | (self.now.val().get_bits::<32>(self.incarnation_at.val().index())
                    != self.old.val().get_bits::<32>(self.incarnation_at.val().index())));
        self.buries.next =
            self.is_end.val() & (self.is_made.val() | (self.is_live.val() & !self.is_older.val()));
        // An end that is known takes the later stamp, if it came by key.
        self.restates.next = self.is_end.val()
            & self.flags.val().get_bit(14)
            & self.is_found.val()
            & !self.is_live.val()
            & !self.is_older.val();
        self.is_stale.next = (self.is_full.val()
            & self.is_found.val()
            & !self.equals.val()
            & !self.replaces.val())
            | (self.is_update.val() & self.has_base.val() & !self.is_malformed.val() & !self.amends.val())
            | (self.is_end.val()
                & self.is_found.val()
                & self.is_older.val()
                & (self.is_live.val() | self.flags.val().get_bit(14)));
        self.paints.next = self.is_found.val()
            & (self.is_full.val()
                | self.amends.val()
                | (self.is_end.val() & (self.is_live.val() | self.flags.val().get_bit(14))));

        // The version: as it was, one more, the clock, or that of the record.
        self.counts.next =
            self.advances.val() | self.stamps.val() | (self.amends.val() & !self.is_update.val());
        self.low.next = self.old_low.val();
        self.high.next = self.old_high.val();
        if self.counts.val() {
            self.low.next = self.next_low.val();
            self.high.next = self.next_high.val();
        }
        if (self.stamps.val() & (self.is_behind.val() | self.is_made.val()))
            | (self.amends.val() & self.is_update.val())
            | self.equals.val()
            | self.replaces.val()
            | self.buries.val()
            | self.restates.val()
        {
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

        if self.replaces.val() {
            self.incarnation.next = self.now.val().get_bits::<32>(self.incarnation_at.val().index());
        }

        // Flags: a life begins live and installed nowhere, in the colour that was there.
        self.new_flags.next = self.old_flags.val();
        self.new_groups.next = self.old_groups.val() | self.allowed.val();
        self.ended_version.next = self.old.val().get_bits::<48>(self.ended_at.val().index());
        if self.renews.val() {
            self.new_flags.next = (self.old_flags.val() & 4) | 1;
            self.new_groups.next = self.groups.val();
        }
        if self.amends.val() {
            self.new_groups.next = self.old_groups.val() | self.partial.val();
        }
        if self.replaces.val() {
            self.new_flags.next = (self.old_flags.val() & 92) | 1;
            self.new_groups.next = self.groups.val();
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
                self.new_groups.next = 0.into();
                self.incarnation.next = 0.into();
            }
        }
        if self.paints.val() {
            self.new_flags.next = self.new_flags.val().replace_bit(2, self.flags.val().get_bit(0));
        }

        // What is taken from the command, what stays, and what was computed.
        self.takes.next = bit_cast::<14, 8>(self.allowed.val());
        if self.renews.val() {
            self.takes.next = bit_cast::<14, 8>(self.groups.val()).replace_bit(8, true);
        }
        if self.amends.val() {
            self.takes.next = bit_cast::<14, 8>(self.partial.val());
        }
        // What belongs to a group beside its own bit; a packet moves two of the edges, COMPACT no lifetime.
        if self.takes.val().get_bit(1) & !self.flags.val().get_bit(12) {
            self.takes.next = self.takes.val().replace_bit(12, true);
        }
        if self.flags.val().get_bit(13) {
            self.takes.next = self.takes.val().replace_bit(1, false);
        }
        if (self.takes.val().get_bit(3) & !self.flags.val().get_bit(11)) | self.equals.val() {
            self.takes.next = self.takes.val().replace_bit(13, true);
        }
        if self.renews.val()
            | self.renames.val()
            | self.creates.val()
            | (self.changes.val() & self.has_cookie.val())
        {
            self.takes.next = self.takes.val().replace_bit(9, true);
        }
        if self.advances.val()
            | self.stamps.val()
            | self.equals.val()
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
        self.held_flows.write.next = self.is_made.val()
            | (self.is_found.val() & (self.upserts.val() | self.deletes.val() | self.is_record.val()));
        self.held_flows.write_entry.next = self.after.val();
        self.wrote[0].d.next = self.takes.val().get_bits::<13>(0);
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
        if self.is_record.val() {
            self.verdict.next = 10.into();
            if self.amends.val() | self.replaces.val() | self.buries.val() {
                self.verdict.next = 9.into();
            }
            if self.is_stale.val() {
                self.verdict.next = 11.into();
            }
            if self.is_partial.val() & !self.has_base.val() {
                self.verdict.next = 12.into();
            }
            if self.held_flows.out_full.val() {
                self.verdict.next = 13.into();
            }
            if self.is_malformed.val() {
                self.verdict.next = 14.into();
            }
        }
        self.created9.d.next = self.creates.val();
        self.out_created.next = self.created9.q.val();
        self.valid9.d.next = self.held_flows.out_valid.val();
        self.outcome9.d.next = self.verdict.val();
        self.found9.d.next = self.is_found.val();
        self.freed9.d.next = self.held_flows.out_freed.val();
        self.place9.d.next = self.held_flows.out_place.val();
        self.id9.d.next = self.held_flows.out_id.val();
        self.changed9.d.next = self.sent.val();
        self.first9.d.next = self.renews.val() | self.differs.val().get_bit(10);
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
