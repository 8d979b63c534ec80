//! What the sweeper does each clock: where to look, who is next, then the way through a window.

use super::Sweeper;
use rust_hdl::prelude::*;

impl<const S: usize> Logic for Sweeper<S> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, walk_bucket, walk_remote, walk_found, all_left, welcome_held, welcome_moved);
        dff_setup!(self, clock, digest_clock, digest_due, digest_bucket, has_job, held_kind, held_bucket);
        dff_setup!(self, clock, held_remote, gap, gap_over, last_job, last_digest, phase, wants, bucket);
        dff_setup!(self, clock, is_remote, does_snapshot, does_digest, does_settle, map_valid, roles);
        dff_setup!(self, clock, is_own, copies, floor_held, may_settle, copy_valid, copy_set, copy_clear);
        dff_setup!(self, clock, slot, reads, place, request_valid, request_place, request_tells);
        dff_setup!(self, clock, request_watches, request_frees, in_flight, flight_in, flight_out);
        dff_setup!(self, clock, seen, seen_place, seen_here, seen_ended, seen_old, candidate);
        dff_setup!(self, clock, candidate_place, frees, frees_place, sums_valid, sum, count);
        dff_setup!(self, clock, push_valid, push_member, push_remote, push_units, push_data);
        dff_setup!(self, clock, dirty_hints, did_snapshot, did_free);
        clock!(self, clock, awaited);
        for k in 0..2 {
            self.pending[k].clock.next = self.clock.val();
            self.is_welcome[k].clock.next = self.clock.val();
            self.is_clean[k].clock.next = self.clock.val();
            self.is_settled[k].clock.next = self.clock.val();
            self.is_wanted[k].clock.next = self.clock.val();
            self.is_left[k].clock.next = self.clock.val();
            self.is_left[k].d.next = self.is_left[k].q.val();
        }

        // A job waits here.
        self.job.ready.next = !self.has_job.q.val() & !self.reset.val();
        if self.job.valid.val() & !self.has_job.q.val() {
            self.has_job.d.next = true;
            self.held_kind.d.next = self.job.kind.val();
            self.held_bucket.d.next = self.job.bucket.val();
            self.held_remote.d.next = self.job.copy.val();
        }

        // Who is next.
        self.walk_asks.next = self.walk_found.q.val() & self.enable.val();
        self.picks.next = (self.phase.q.val() == self.at_rest.val())
            & self.gap_over.q.val()
            & !self.window.is_open.val()
            & (self.walk_asks.val() | self.has_job.q.val() | self.digest_due.q.val());
        if self.last_job.q.val() {
            self.pick_digest.next = self.digest_due.q.val();
            self.pick_walk.next = self.walk_asks.val() & !self.digest_due.q.val();
            self.pick_job.next = !self.digest_due.q.val() & !self.walk_asks.val();
        } else if self.last_digest.q.val() {
            self.pick_walk.next = self.walk_asks.val();
            self.pick_job.next = self.has_job.q.val() & !self.walk_asks.val();
            self.pick_digest.next = !self.walk_asks.val() & !self.has_job.q.val();
        } else {
            self.pick_job.next = self.has_job.q.val();
            self.pick_digest.next = self.digest_due.q.val() & !self.has_job.q.val();
            self.pick_walk.next = !self.has_job.q.val() & !self.digest_due.q.val();
        }
        self.clears.next = 0.into();
        self.walk_moves.next = !self.walk_found.q.val();
        self.gap_over.d.next = !self.gap.q.val().any();
        if self.gap.q.val().any() {
            self.gap.d.next = self.gap.q.val() - 1;
        }
        if self.picks.val() {
            self.phase.d.next = self.at_ask.val();
            self.wants.d.next = true;
            self.last_job.d.next = self.pick_job.val();
            self.last_digest.d.next = self.pick_digest.val();
            self.does_snapshot.d.next = self.pick_walk.val();
            self.does_digest.d.next = self.pick_digest.val();
            self.does_settle.d.next = self.pick_digest.val();
            self.is_remote.d.next = false;
            if self.pick_walk.val() {
                self.bucket.d.next = self.walk_bucket.q.val();
                self.is_remote.d.next = self.walk_remote.q.val();
                self.walk_moves.next = true;
                self.clears.next = 1.into();
                if self.walk_remote.q.val() {
                    self.clears.next = 2.into();
                }
            }
            if self.pick_job.val() {
                self.has_job.d.next = false;
                self.bucket.d.next = self.held_bucket.q.val();
                self.does_snapshot.d.next = self.held_kind.q.val() == 0;
                self.does_digest.d.next = self.held_kind.q.val() == 1;
                self.does_settle.d.next = self.held_kind.q.val() == 2;
                self.is_remote.d.next = self.held_remote.q.val() & (self.held_kind.q.val() == 0);
            }
            if self.pick_digest.val() {
                self.digest_due.d.next = false;
                self.bucket.d.next = self.digest_bucket.q.val();
                self.digest_bucket.d.next = self.digest_bucket.q.val() + 1;
            }
        }

        // Digests at their pace; one that is due while one waits is left out.
        self.digest_clock.d.next = self.digest_clock.q.val() + 1;
        if self.digest_clock.q.val() >= self.digest_interval.val() {
            self.digest_clock.d.next = 1.into();
            self.digest_due.d.next = true;
        }
        if !self.digest_interval.val().any() {
            self.digest_due.d.next = false;
        }

        // Where to look: a copy a clock, until one is found and taken.
        self.pending[0].address.next = self.walk_bucket.q.val();
        self.pending[1].address.next = self.walk_bucket.q.val();
        self.walk_pending.next = self.pending[0].data.val().any() | self.all_left.q.val().any();
        if self.walk_remote.q.val() {
            self.walk_pending.next = self.pending[1].data.val().any();
        }
        if self.walk_pending.val() & !self.walk_found.q.val() {
            self.walk_found.d.next = true;
        } else if self.walk_moves.val() {
            self.walk_found.d.next = false;
            self.walk_remote.d.next = !self.walk_remote.q.val();
            if self.walk_remote.q.val() {
                self.walk_bucket.d.next = self.walk_bucket.q.val() + 1;
            } else if self.all_left.q.val().any() {
                self.all_left.d.next = self.all_left.q.val() - 1;
            }
        }
        self.welcome_held.d.next = self.welcome.val();
        self.welcome_moved.d.next = self.welcome.val() != self.welcome_held.q.val();
        if self.welcome_moved.q.val() | self.reset.val() {
            self.all_left.d.next = 1024.into();
        }

        // What the map says.
        self.copy_flags[0].next = self.copies.q.val().get_bits::<4>(0);
        self.copy_flags[1].next = self.copies.q.val().get_bits::<4>(4);
        for k in 0..2 {
            self.copy_member[k].next = self.roles.q.val().get_bits::<8>(self.member_at[k].val().index());
            self.member_index[k].next = self.copy_member[k].val().get_bits::<6>(0);
            self.is_welcome[k].d.next = (self.copy_member[k].val() < 64)
                & self.welcome_held.q.val().get_bit(self.member_index[k].val().index());
            self.is_clean[k].d.next =
                self.is_own.q.val() & self.is_welcome[k].q.val() & ((self.copy_flags[k].val() & 3) == 0);
            self.is_settled[k].d.next = !self.is_welcome[k].q.val() | ((self.copy_flags[k].val() & 3) == 0);
            self.is_wanted[k].d.next =
                self.is_own.q.val() & self.is_welcome[k].q.val() & self.copy_flags[k].val().get_bit(0);
        }
        self.sends.next = self.does_snapshot.q.val() & self.is_wanted[0].q.val();
        self.dirty_mark.next = 1.into();
        self.waiting_mark.next = 2.into();
        if self.is_remote.q.val() {
            self.sends.next = self.does_snapshot.q.val() & self.is_wanted[1].q.val();
            self.dirty_mark.next = 0x10.into();
            self.waiting_mark.next = 0x20.into();
        }
        self.all_settled.next = self.is_settled[0].q.val() & self.is_settled[1].q.val();

        // Answers to reads: what lies there, then what follows.
        self.first_awaited.next = self.awaited.data.val();
        self.answers.next = self.window.answer_valid.val() & self.in_flight.q.val().any();
        self.answer_bucket.next = self.window.answer_id.val().get_bits::<10>(30);
        self.answer_version.next =
            self.window.answer_entry.val().get_bits::<48>(self.version_at.val().index());
        self.seen.d.next = self.answers.val() & self.first_awaited.val().get_bit(16);
        self.seen_place.d.next = self.first_awaited.val().get_bits::<16>(0);
        self.seen_here.d.next =
            self.window.answer_found.val() & (self.answer_bucket.val() == self.bucket.q.val());
        self.seen_ended.d.next = self.window.answer_entry.val().get_bit(self.tombstone_at.val().index());
        self.seen_old.d.next = self.answer_version.val() <= self.floor_held.q.val();
        self.seen_done.next = self.seen.q.val() & self.seen_here.q.val() & self.seen_ended.q.val();
        self.did_free.d.next = self.answers.val() & self.window.answer_freed.val();

        // Records.
        self.term.next = self.roles.q.val().get_bits::<32>(32);
        self.successor.next = self.roles.q.val().get_bits::<8>(24);
        self.bucket_wide.next = bit_cast::<512, 10>(self.bucket.q.val());
        self.about.next = (self.bucket_wide.val() << self.about_bucket_at.val())
            | (bit_cast::<512, 32>(self.term.val()) << self.about_term_at.val());

        // The window.
        self.leaves.next = 0.into();
        self.requests.next = false;
        self.requests_read.next = false;
        self.requested.next = self.place.q.val();
        self.map_valid.d.next = false;
        self.copy_valid.d.next = false;
        self.request_tells.d.next = 0.into();
        self.request_watches.d.next = false;
        self.request_frees.d.next = false;
        self.sums_valid.d.next = false;
        self.push_valid.d.next = false;
        self.did_snapshot.d.next = false;
        self.slot.d.next = self.slot.q.val() + 1;
        if self.slot.q.val() == 2 {
            self.slot.d.next = 0.into();
        }
        self.is_idle.next = !self.reads.q.val()
            & !self.in_flight.q.val().any()
            & !self.seen.q.val()
            & !self.candidate.q.val()
            & !self.frees.q.val();
        if (self.phase.q.val() == self.at_ask.val()) & self.window.is_open.val() {
            self.map_valid.d.next = true;
            self.phase.d.next = self.at_look.val();
        }
        if self.phase.q.val() == self.at_look.val() {
            self.roles.d.next = self.window.roles.val();
            self.copies.d.next = self.window.copies.val();
            self.is_own.d.next = self.window.flags.val().get_bit(0);
            if self.window.map_done.val() {
                self.phase.d.next = self.at_judge.val();
            }
        }
        if self.phase.q.val() == self.at_judge.val() {
            self.phase.d.next = self.at_weigh.val();
        }
        if self.phase.q.val() == self.at_weigh.val() {
            self.phase.d.next = self.at_decide.val();
        }
        if self.phase.q.val() == self.at_decide.val() {
            self.reads.d.next = true;
            self.place.d.next = 0.into();
            self.is_left[0].d.next = self.is_wanted[0].q.val();
            self.is_left[1].d.next = self.is_wanted[1].q.val();
            self.may_settle.d.next = self.does_settle.q.val() & self.is_own.q.val() & self.all_settled.val();
            self.floor_held.d.next = 0.into();
            if self.all_settled.val()
                | (self.does_snapshot.q.val() & self.is_remote.q.val() & self.is_settled[0].q.val())
                | (self.does_snapshot.q.val() & !self.is_remote.q.val() & self.is_settled[1].q.val())
            {
                self.floor_held.d.next = self.floor.val();
            }
            self.phase.d.next = self.at_leave.val();
            if self.sends.val() {
                self.phase.d.next = self.at_mark.val();
            } else if self.does_digest.q.val() & (self.is_clean[0].q.val() | self.is_clean[1].q.val()) {
                self.phase.d.next = self.at_sum.val();
            } else if self.does_settle.q.val() & self.is_own.q.val() & self.all_settled.val() {
                self.phase.d.next = self.at_walk.val();
            }
        }
        if self.phase.q.val() == self.at_mark.val() {
            self.copy_valid.d.next = true;
            self.copy_set.d.next = self.waiting_mark.val();
            self.copy_clear.d.next = self.dirty_mark.val();
            self.push_remote.d.next = self.is_remote.q.val();
            self.push_member.d.next = self.copy_member[0].val();
            if self.is_remote.q.val() {
                self.push_member.d.next = self.copy_member[1].val();
            }
            self.phase.d.next = self.at_term.val();
        }
        if self.phase.q.val() == self.at_term.val() {
            self.push_valid.d.next = true;
            self.push_units.d.next = 2.into();
            self.push_data.d.next = self.term_head.val()
                | (self.bucket_wide.val() << self.term_bucket_at.val())
                | (bit_cast::<512, 8>(self.member.val()) << self.term_owner_at.val())
                | (bit_cast::<512, 8>(self.copy_member[0].val()) << self.term_backup_at.val())
                | (bit_cast::<512, 8>(self.copy_member[1].val()) << self.term_remote_at.val())
                | (bit_cast::<512, 8>(self.successor.val()) << self.term_successor_at.val())
                | (bit_cast::<512, 32>(self.term.val()) << self.term_term_at.val())
                | (bit_cast::<512, 64>(self.session.val()) << self.term_session_at.val());
            self.phase.d.next = self.at_begin.val();
        }
        if self.phase.q.val() == self.at_begin.val() {
            self.push_valid.d.next = true;
            self.push_units.d.next = 1.into();
            self.push_data.d.next = self.begin_head.val() | self.about.val();
            self.phase.d.next = self.at_walk.val();
        }
        if self.phase.q.val() == self.at_walk.val() {
            if (self.slot.q.val() == 0) & self.reads.q.val() {
                self.requests.next = true;
                self.requests_read.next = true;
                self.place.d.next = self.place.q.val() + 1;
                self.reads.d.next = self.place.q.val() != self.last_place.val();
                if self.does_snapshot.q.val() {
                    self.request_tells.d.next = 1.into();
                    if self.is_remote.q.val() {
                        self.request_tells.d.next = 2.into();
                    }
                }
            }
            if (self.slot.q.val() == 1) & self.candidate.q.val() {
                self.requests.next = true;
                self.requested.next = self.candidate_place.q.val();
                self.request_watches.d.next = true;
                self.candidate.d.next = false;
                self.frees.d.next = true;
                self.frees_place.d.next = self.candidate_place.q.val();
            }
            if (self.slot.q.val() == 2) & self.frees.q.val() {
                self.requests.next = true;
                self.requested.next = self.frees_place.q.val();
                self.request_frees.d.next = true;
                self.frees.d.next = false;
            }
            if self.is_idle.val() {
                self.slot.d.next = 0.into();
                self.phase.d.next = self.at_drain.val();
            }
        }
        // Quiet falls a clock behind a request: not asked before two have passed.
        if (self.phase.q.val() == self.at_drain.val()) & (self.slot.q.val() == 2) & self.window.is_quiet.val()
        {
            self.phase.d.next = self.at_leave.val();
            if self.does_snapshot.q.val() {
                if self.window.is_refused.val() {
                    self.copy_valid.d.next = true;
                    self.copy_set.d.next = self.dirty_mark.val();
                    self.copy_clear.d.next = self.waiting_mark.val();
                } else {
                    self.phase.d.next = self.at_sum.val();
                }
            }
        }
        if self.phase.q.val() == self.at_sum.val() {
            self.sums_valid.d.next = true;
            self.phase.d.next = self.at_count.val();
        }
        if self.phase.q.val() == self.at_count.val() {
            self.sum.d.next = self.window.sum.val();
            self.count.d.next = self.window.count.val();
            if self.window.sums_done.val() {
                self.phase.d.next = self.at_aim.val();
                if self.does_snapshot.q.val() {
                    self.phase.d.next = self.at_end.val();
                }
            }
        }
        if self.phase.q.val() == self.at_end.val() {
            self.push_valid.d.next = true;
            self.push_units.d.next = 2.into();
            self.push_data.d.next = self.end_head.val()
                | self.about.val()
                | (bit_cast::<512, 32>(self.count.q.val()) << self.end_count_at.val())
                | (bit_cast::<512, 64>(self.sum.q.val()) << self.end_digest_at.val())
                | (bit_cast::<512, 48>(self.floor_held.q.val()) << self.end_floor_at.val());
            self.did_snapshot.d.next = true;
            if self.is_remote.q.val() {
                self.is_left[1].d.next = false;
            } else {
                self.is_left[0].d.next = false;
            }
            self.phase.d.next = self.at_leave.val();
        }
        if self.phase.q.val() == self.at_aim.val() {
            self.push_remote.d.next = self.is_remote.q.val();
            self.push_member.d.next = self.copy_member[0].val();
            if self.is_remote.q.val() {
                self.push_member.d.next = self.copy_member[1].val();
            }
            self.phase.d.next = self.at_hold.val();
        }
        if self.phase.q.val() == self.at_hold.val() {
            self.phase.d.next = self.at_tell.val();
        }
        if self.phase.q.val() == self.at_tell.val() {
            self.push_valid.d.next = self.is_clean[0].q.val();
            if self.is_remote.q.val() {
                self.push_valid.d.next = self.is_clean[1].q.val();
            }
            self.push_units.d.next = 3.into();
            self.push_data.d.next = self.digest_head.val()
                | self.about.val()
                | (bit_cast::<512, 32>(self.count.q.val()) << self.digest_count_at.val())
                | (bit_cast::<512, 64>(self.sum.q.val()) << self.digest_sum_at.val())
                | (bit_cast::<512, 48>(self.floor_held.q.val()) << self.digest_floor_at.val())
                | (bit_cast::<512, 64>(self.window.emitted.val()) << self.digest_emitted_at.val());
            self.is_remote.d.next = true;
            self.phase.d.next = self.at_aim.val();
            if self.is_remote.q.val() {
                self.phase.d.next = self.at_leave.val();
                if self.may_settle.q.val() {
                    self.phase.d.next = self.at_walk.val();
                }
            }
        }
        // What was left gets its hint back, in a clock without another.
        if self.phase.q.val() == self.at_leave.val() {
            self.wants.d.next = false;
            self.leaves.next = self.leaves.val().replace_bit(0, self.is_left[0].q.val());
            self.leaves.next = self.leaves.val().replace_bit(1, self.is_left[1].q.val());
            if !(self.leaves.val().any() & self.dirty_hints.q.val().any()) {
                self.gap.d.next = self.window_gap.val();
                self.gap_over.d.next = false;
                self.phase.d.next = self.at_rest.val();
            }
        }

        // Hints are written: those that come first, then those of a window that ends, or taken back where
        // one begins. What is not taken back costs a look.
        self.hints.next = self.leaves.val() | self.clears.val();
        self.hint_bucket.next = self.bucket.q.val();
        if self.picks.val() {
            self.hint_bucket.next = self.walk_bucket.q.val();
        }
        self.dirty_at[0].d.next = self.dirty_backup.val();
        self.dirty_at[1].d.next = self.dirty_remote.val();
        self.dirty_hints.d.next = 0.into();
        if self.dirty_valid.val() {
            self.dirty_hints.d.next = self.dirty_copy.val();
        }
        for k in 0..2 {
            self.pending[k].write_address.next = self.hint_bucket.val();
            self.pending[k].write_data.next = bit_cast::<1, 1>(self.leaves.val().any().into());
            self.pending[k].write.next = self.hints.val().get_bit(k);
            self.dirty_at[k].clock.next = self.clock.val();
            if self.dirty_hints.q.val().any() {
                self.pending[k].write_address.next = self.dirty_at[k].q.val();
                self.pending[k].write_data.next = 1.into();
                self.pending[k].write.next = self.dirty_hints.q.val().get_bit(k);
            }
        }

        // Requests and their answers, in order.
        self.awaited.write.next = self.requests.val();
        self.awaited.write_address.next = self.flight_in.q.val();
        self.awaited.write_data.next = bit_cast::<17, 16>(self.requested.val());
        if self.requests_read.val() {
            self.awaited.write_data.next = bit_cast::<17, 16>(self.requested.val()) | 0x1_0000;
        }
        self.awaited.address.next = self.flight_out.q.val();
        self.request_valid.d.next = self.requests.val();
        self.request_place.d.next = self.requested.val();
        if self.requests.val() {
            self.flight_in.d.next = self.flight_in.q.val() + 1;
        }
        if self.answers.val() {
            self.flight_out.d.next = self.flight_out.q.val() + 1;
        }
        if self.requests.val() & !self.answers.val() {
            self.in_flight.d.next = self.in_flight.q.val() + 1;
        }
        if self.answers.val() & !self.requests.val() {
            self.in_flight.d.next = self.in_flight.q.val() - 1;
        }
        if self.seen_done.val() & self.seen_old.q.val() & !self.does_snapshot.q.val() {
            self.candidate.d.next = true;
            self.candidate_place.d.next = self.seen_place.q.val();
        }

        self.window.wants.next = self.wants.q.val();
        self.window.map_valid.next = self.map_valid.q.val();
        self.window.bucket.next = self.bucket.q.val();
        self.window.mark_valid.next = false;
        self.window.mark_set.next = 0.into();
        self.window.mark_clear.next = 0.into();
        self.window.copy_valid.next = self.copy_valid.q.val();
        self.window.copy_set.next = self.copy_set.q.val();
        self.window.copy_clear.next = self.copy_clear.q.val();
        self.window.write_valid.next = false;
        self.window.write_roles.next = 0.into();
        self.window.request_valid.next = self.request_valid.q.val();
        self.window.request_named.next = true;
        self.window.request_way.next = self.request_place.q.val().get_bits::<2>(0);
        self.window.request_id.next = (bit_cast::<40, 10>(self.bucket.q.val()) << 30)
            | (bit_cast::<40, 16>(self.request_place.q.val() >> 2) << self.index_at.val());
        self.window.request_keyed.next = false;
        self.window.request_command.next = 0.into();
        self.window.request_word.next = 0.into();
        self.window.request_watches.next = self.request_watches.q.val();
        self.window.request_frees.next = self.request_frees.q.val();
        self.window.request_tells.next = self.request_tells.q.val();
        self.window.sums_valid.next = self.sums_valid.q.val();
        self.window.push_valid.next = self.push_valid.q.val();
        self.window.push_member.next = self.push_member.q.val();
        self.window.push_units.next = self.push_units.q.val();
        self.window.push_data.next = self.push_data.q.val();
        self.window.push_remote.next = self.push_remote.q.val();
        self.snapshots_sent.next = self.did_snapshot.q.val();
        self.tombstones_freed.next = self.did_free.q.val();
        self.unused.next = self.window.flags.val().xor()
            ^ self.window.answer_id.val().xor()
            ^ self.window.answer_entry.val().xor()
            ^ self.roles.q.val().xor();

        if self.reset.val() {
            self.walk_bucket.d.next = 0.into();
            self.walk_remote.d.next = false;
            self.walk_found.d.next = false;
            self.digest_clock.d.next = 1.into();
            self.digest_due.d.next = false;
            self.digest_bucket.d.next = 0.into();
            self.has_job.d.next = false;
            self.gap.d.next = 0.into();
            self.last_job.d.next = false;
            self.last_digest.d.next = false;
            self.phase.d.next = self.at_rest.val();
            self.wants.d.next = false;
            self.map_valid.d.next = false;
            self.copy_valid.d.next = false;
            self.slot.d.next = 0.into();
            self.request_valid.d.next = false;
            self.in_flight.d.next = 0.into();
            self.flight_in.d.next = 0.into();
            self.flight_out.d.next = 0.into();
            self.seen.d.next = false;
            self.candidate.d.next = false;
            self.frees.d.next = false;
            self.sums_valid.d.next = false;
            self.push_valid.d.next = false;
            self.did_snapshot.d.next = false;
            self.did_free.d.next = false;
        }
    }
}
