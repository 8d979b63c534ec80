//! What the block does each clock: the record, the bucket, the walk, the events.

use super::Taker;
use crate::prim::StreamOut;
use rust_hdl::prelude::*;

impl<const S: usize, const P: usize> Logic for Taker<S, P> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, step, bucket, roles, flags, copies, owner_is_peer, same_term, is_lower, same_roles);
        dff_setup!(self, clock, same_owner, epoch, next_clear, is_ready, is_current, same_received, same_marked);
        dff_setup!(self, clock, place, in_batch, batch_ends, walked, frees, frees_now, gave_up, on_way, way_is_clear);
        dff_setup!(self, clock, answer, answered, answer_found, answer_freed, answer_flags, answer_bucket);
        dff_setup!(self, clock, answer_audit, answer_place, held_in, held_out, held_last, sum, count, same_sum);
        dff_setup!(self, clock, same_count, is_whole, outcome, left, in_window, goes_on, run, run_first, run_count);
        dff_setup!(self, clock, event_pushed, event_kind, event_state, event_bucket, event_count, has_room, patience);
        dff_setup!(self, clock, gives_up, wants, map_valid, mark_valid, mark_set, mark_clear, copy_set, copy_clear);
        dff_setup!(self, clock, write_valid, sums_valid, request_valid, request_named, request_ends, request_watches);
        dff_setup!(self, clock, request_frees, request_way, request_id, request_held, is_done, refused_now);
        dff_setup!(self, clock, control_now, malformed_now, equal_now, unproven_now, different_now, deferred_now);
        dff_setup!(self, clock, freed_now);
        clock!(self, clock, epochs, remembered, found, found_places, events);
        for k in 0..2 {
            self.same_copy[k].clock.next = self.clock.val();
        }
        self.unused.next = self.window.answer_entry.val().xor()
            ^ self.window.answer_id.val().xor()
            ^ self.window.emitted.val().xor()
            ^ self.window.is_refused.val()
            ^ self.flags.q.val().xor()
            ^ self.copies.q.val().xor();

        // The record.
        self.told.clock.next = self.clock.val();
        self.told.in_kind.next = self.in_kind.val();
        self.told.in_units.next = self.in_units.val();
        self.told.member.next = self.member.val();
        self.told.session.next = self.session.val();

        // What the bucket is to it.
        self.owner_is_peer.d.next = self.roles.q.val().get_bits::<8>(0) == bit_cast::<8, 7>(self.in_peer.val());
        self.same_term.d.next = self.roles.q.val().get_bits::<32>(32) == self.told.term.val();
        self.is_lower.d.next = self.told.term.val() < self.roles.q.val().get_bits::<32>(32);
        self.same_roles.d.next =
            self.roles.q.val().get_bits::<32>(0) == self.told.roles.val().get_bits::<32>(0);
        self.same_owner.d.next = self.roles.q.val().get_bits::<8>(0) == self.told.roles.val().get_bits::<8>(0);
        self.same_copy[0].d.next = self.roles.q.val().get_bits::<8>(8) == self.told.roles.val().get_bits::<8>(8);
        self.same_copy[1].d.next = self.roles.q.val().get_bits::<8>(16) == self.told.roles.val().get_bits::<8>(16);
        self.may_tell.next = self.owner_is_peer.q.val() & self.same_term.q.val();

        // Gaps, and what is remembered of the bucket.
        self.clears.next = !self.next_clear.q.val().get_bit(10);
        self.is_ready.d.next = !self.clears.val();
        if self.clears.val() {
            self.next_clear.d.next = self.next_clear.q.val() + 1;
        }
        self.ready.next = self.is_ready.q.val();
        self.epochs.first_address.next = self.gap_peer.val();
        self.epochs.second_address.next = self.in_peer.val();
        self.epochs.write.next = self.gap_valid.val() | self.clears.val();
        self.epochs.write_address.next = self.gap_peer.val();
        self.epochs.write_data.next = self.epochs.first_data.val() + 1;
        if self.clears.val() {
            self.epochs.write_address.next = self.next_clear.q.val().get_bits::<7>(0);
            self.epochs.write_data.next = 0.into();
        }
        self.epoch.d.next = self.epochs.second_data.val();
        self.remembered.read_address.next = self.bucket.q.val();
        self.memory.next = self.remembered.read_data.val();
        self.is_current.d.next = (self.memory.val().get_bits::<7>(2) == self.in_peer.val())
            & (self.memory.val().get_bits::<32>(9) == self.told.term.val());
        self.same_received.d.next = self.memory.val().get_bits::<32>(41) == self.epoch.q.val();
        self.same_marked.d.next = self.memory.val().get_bits::<32>(73) == self.epoch.q.val();
        self.receives.next =
            self.is_current.q.val() & self.memory.val().get_bit(0) & self.same_received.q.val();
        self.keeps_mark.next = self.is_current.q.val() & self.memory.val().get_bit(1);
        self.is_marked.next = self.keeps_mark.val() & self.same_marked.q.val();
        self.remembers.next = false;
        self.now_receives.next = false;
        self.now_marked.next = self.keeps_mark.val();
        self.mark_epoch.next = self.memory.val().get_bits::<32>(73);

        // What comparing says.
        self.same_sum.d.next = self.sum.q.val() == self.told.sum.val();
        self.same_count.d.next = self.count.q.val() == self.told.count.val();
        self.is_equal.next = self.same_sum.q.val() & self.same_count.q.val();
        self.verdict.next = 2.into();
        if self.flags.q.val().get_bit(3) {
            self.verdict.next = 3.into();
        }
        if self.flags.q.val().get_bit(1) | !self.is_marked.val() {
            self.verdict.next = 0.into();
        }
        if self.told.is_end.val() {
            self.verdict.next = 0.into();
            if self.is_whole.q.val() {
                self.verdict.next = 3.into();
            }
        }

        // What becomes of a bucket under a term.
        self.tells.next = !self.same_term.q.val()
            | (self.owner_is_peer.q.val() & (!self.same_roles.q.val() | self.told.is_released.val()));
        self.tells_what.next = self.termed.val();
        if self.is_lower.q.val() {
            self.tells_what.next = self.answers.val();
        }
        self.adopts.next = !self.is_lower.q.val() & (!self.same_term.q.val() | !self.same_roles.q.val());
        self.flags_set.next = 0.into();
        self.flags_clear.next = 1.into();
        if !self.same_term.q.val() | !self.same_owner.q.val() {
            self.flags_clear.next = 25.into();
        }
        self.copies_set.next = 0.into();
        self.copies_clear.next = 0.into();
        self.is_clean[0].next = !self.copies.q.val().get_bits::<2>(0).any();
        self.is_clean[1].next = !self.copies.q.val().get_bits::<2>(4).any();
        for k in 0..2 {
            self.is_new_copy[k].next = !self.flags.q.val().get_bit(0) | !self.same_copy[k].q.val();
        }
        if self.told.names_us.val() {
            self.flags_set.next = 1.into();
            self.flags_clear.next = self.flags_clear.val() | 2;
            if self.is_new_copy[0].val() {
                self.copies_set.next = 0x05.into();
                self.copies_clear.next = 0x02.into();
            } else if !self.is_clean[0].val() {
                self.copies_set.next = 0x01.into();
                self.copies_clear.next = 0x02.into();
            }
            if self.is_new_copy[1].val() {
                self.copies_set.next = self.copies_set.val() | 0x50;
                self.copies_clear.next = self.copies_clear.val() | 0x20;
            } else if !self.is_clean[1].val() {
                self.copies_set.next = self.copies_set.val() | 0x10;
                self.copies_clear.next = self.copies_clear.val() | 0x20;
            }
        }

        // Answers of the walk.
        self.answer_wires.x.next = self.window.answer_entry.val();
        self.answered.d.next = self.window.answer_valid.val();
        self.answer_found.d.next = self.window.answer_found.val();
        self.answer_freed.d.next = self.window.answer_freed.val();
        self.answer.d.next = self.answer_wires.y.val();
        self.answer_flags.d.next = self.window.answer_entry.val().get_bits::<3>(self.entry_flags_at.val().index());
        self.answer_audit.d.next = self.window.answer_entry.val().get_bits::<8>(self.entry_audit_at.val().index());
        self.answer_bucket.d.next = self.window.answer_id.val().get_bits::<10>(30);
        self.is_ours.next = self.answer_found.q.val() & (self.answer_bucket.q.val() == self.bucket.q.val());
        self.is_unpainted.next = self.answer_flags.q.val().get_bit(0)
            & (self.answer_flags.q.val().get_bit(2) != self.flags.q.val().get_bit(2));
        self.is_done_with.next = self.answer_flags.q.val().get_bit(1)
            & (self.answer.q.val().get_bits::<48>(313) <= self.told.floor.val())
            & !(self.is_auditing.val() & (self.answer_audit.q.val() == self.audit.val()));
        self.gathers.next = (self.step.q.val() == self.step_walk.val()) | (self.step.q.val() == self.step_gather.val());
        self.holds.next = self.answered.q.val() & self.is_ours.val() & self.gathers.val();
        if self.frees.q.val() {
            self.holds.next = self.holds.val() & self.is_done_with.val();
        } else {
            self.holds.next = self.holds.val() & self.is_unpainted.val();
        }
        self.found.write.next = self.holds.val();
        self.found.write_address.next = self.held_in.q.val().get_bits::<5>(0);
        self.found.write_data.next = self.answer.q.val();
        self.found.address.next = self.held_out.q.val().get_bits::<5>(0);
        self.found_places.write.next = self.holds.val();
        self.found_places.write_address.next = self.held_in.q.val().get_bits::<5>(0);
        self.found_places.write_data.next = self.answer_place.q.val();
        self.found_places.address.next = self.held_out.q.val().get_bits::<5>(0);
        if self.holds.val() {
            self.held_in.d.next = self.held_in.q.val() + 1;
        }
        if self.answered.q.val() & self.gathers.val() {
            self.answer_place.d.next = self.answer_place.q.val() + 1;
        }
        self.held_last.d.next = self.held_in.q.val() - 1;
        self.is_last_held.next = self.held_out.q.val() == self.held_last.q.val();
        self.freed_now.d.next = self.answered.q.val() & self.answer_freed.q.val();

        // Room for events, and how long there was none.
        self.has_room.d.next = self.events.s_axis.tready.val() & (self.events.count.val() < 56);
        self.gives_up.d.next = self.patience.q.val().all() & !self.has_room.q.val();
        if self.has_room.q.val() {
            self.patience.d.next = 0.into();
        } else if !self.patience.q.val().all() {
            self.patience.d.next = self.patience.q.val() + 1;
        }

        // What is done in this step; nothing, unless it says so.
        self.map_valid.d.next = false;
        self.mark_valid.d.next = false;
        self.mark_set.d.next = 0.into();
        self.mark_clear.d.next = 0.into();
        self.copy_set.d.next = 0.into();
        self.copy_clear.d.next = 0.into();
        self.write_valid.d.next = false;
        self.sums_valid.d.next = false;
        self.request_valid.d.next = false;
        self.request_named.d.next = false;
        self.request_ends.d.next = false;
        self.request_watches.d.next = false;
        self.request_frees.d.next = false;
        self.is_done.d.next = false;
        self.refused_now.d.next = false;
        self.control_now.d.next = false;
        self.malformed_now.d.next = false;
        self.equal_now.d.next = false;
        self.unproven_now.d.next = false;
        self.different_now.d.next = false;
        self.deferred_now.d.next = false;
        self.event_pushed.d.next = false;
        self.event_state.d.next = 0.into();
        self.event_kind.d.next = self.compared.val();
        self.event_bucket.d.next = self.bucket.q.val();
        self.event_count.d.next = 1.into();
        if self.told.is_term.val() {
            self.event_kind.d.next = self.run.q.val();
            self.event_bucket.d.next = self.run_first.q.val();
            self.event_count.d.next = self.run_count.q.val();
        }
        self.request_place.next = self.found_places.data.val();
        self.asks.next = false;
        self.acted.next = false;
        if self.step.q.val() == self.step_idle.val() {
            self.in_window.d.next = 0.into();
            self.goes_on.d.next = false;
            self.run.d.next = 0.into();
            self.frees.d.next = false;
            self.gave_up.d.next = false;
            if self.in_valid.val() & self.is_ready.q.val() {
                self.step.d.next = self.step_judge.val();
            }
        }
        if self.step.q.val() == self.step_judge.val() {
            self.bucket.d.next = self.told.bucket.val();
            self.left.d.next = self.told.run.val();
            self.malformed_now.d.next = self.told.is_malformed.val();
            self.control_now.d.next = !self.told.is_malformed.val();
            self.step.d.next = self.step_room.val();
            if self.told.is_malformed.val() | self.told.is_empty.val() {
                self.step.d.next = self.step_done.val();
            }
        }
        if self.step.q.val() == self.step_room.val() {
            if self.has_room.q.val() {
                self.step.d.next = self.step_open.val();
                if self.told.is_pull.val() {
                    self.event_pushed.d.next = true;
                    self.event_kind.d.next = self.pulled.val();
                    self.step.d.next = self.step_done.val();
                }
            } else if self.gives_up.q.val() {
                self.refused_now.d.next = true;
                self.deferred_now.d.next = true;
                self.step.d.next = self.step_done.val();
            }
        }
        if self.step.q.val() == self.step_open.val() {
            self.wants.d.next = true;
            if self.window.is_open.val() {
                self.map_valid.d.next = true;
                self.step.d.next = self.step_looked.val();
            }
        }
        if self.step.q.val() == self.step_looked.val() {
            self.roles.d.next = self.window.roles.val();
            self.flags.d.next = self.window.flags.val();
            self.copies.d.next = self.window.copies.val();
            if self.window.map_done.val() {
                self.step.d.next = self.step_compare.val();
            }
        }
        if self.step.q.val() == self.step_compare.val() {
            self.step.d.next = self.step_decide.val();
        }
        // A walk behind a decision or a digest begins with the first place.
        if (self.step.q.val() == self.step_decide.val()) | (self.step.q.val() == self.step_match.val()) {
            self.place.d.next = 0.into();
            self.in_batch.d.next = 0.into();
            self.batch_ends.d.next = false;
            self.walked.d.next = false;
            self.answer_place.d.next = 0.into();
        }
        if self.step.q.val() == self.step_decide.val() {
            self.on_way.d.next = 0.into();
            self.held_in.d.next = 0.into();
            self.held_out.d.next = 0.into();
            self.is_whole.d.next = self.receives.val();
            self.outcome.d.next = 0.into();
            if self.told.is_term.val() {
                if !self.tells.val() {
                    self.step.d.next = self.step_run.val();
                } else if self.has_room.q.val() {
                    self.outcome.d.next = self.tells_what.val();
                    self.write_valid.d.next = self.adopts.val();
                    self.mark_set.d.next = self.flags_set.val();
                    self.mark_clear.d.next = self.flags_clear.val();
                    self.copy_set.d.next = self.copies_set.val();
                    self.copy_clear.d.next = self.copies_clear.val();
                    self.step.d.next = self.step_run.val();
                } else if self.gives_up.q.val() {
                    self.refused_now.d.next = true;
                    self.deferred_now.d.next = true;
                    self.step.d.next = self.step_run.val();
                }
            } else if !self.may_tell.val() {
                self.refused_now.d.next = true;
                self.event_pushed.d.next = true;
                self.event_kind.d.next = self.answers.val();
                self.step.d.next = self.step_close.val();
            } else if self.told.is_begin.val() {
                self.mark_valid.d.next = true;
                self.mark_clear.d.next = 4.into();
                if !self.flags.q.val().get_bit(2) {
                    self.mark_set.d.next = 4.into();
                }
                self.remembers.next = true;
                self.now_receives.next = true;
                self.step.d.next = self.step_close.val();
            } else if self.told.is_end.val() & self.receives.val() {
                self.step.d.next = self.step_walk.val();
            } else if self.told.is_digest.val() & self.receives.val() {
                self.step.d.next = self.step_close.val();
            } else {
                self.step.d.next = self.step_quiet.val();
            }
        }
        self.next_place.next = self.place.q.val() + 1;
        self.next_in_batch.next = self.in_batch.q.val() + 1;
        if self.step.q.val() == self.step_walk.val() {
            self.asks.next = true;
            self.request_valid.d.next = true;
            self.request_named.d.next = true;
            self.request_place.next = self.place.q.val();
            self.place.d.next = self.next_place.val();
            self.in_batch.d.next = self.next_in_batch.val();
            self.batch_ends.d.next = self.next_place.val().all() | self.next_in_batch.val().all();
            self.walked.d.next = self.place.q.val().all();
            if self.batch_ends.q.val() {
                self.step.d.next = self.step_gather.val();
            }
        }
        // Neither step asks anything, so that what was so a clock ago still is.
        self.way_is_clear.d.next = ((self.step.q.val() == self.step_gather.val())
            | (self.step.q.val() == self.step_settle.val()))
            & !self.on_way.q.val().any();
        if (self.step.q.val() == self.step_gather.val()) & self.way_is_clear.q.val() {
            self.step.d.next = self.step_settle.val();
            if self.held_in.q.val().any() {
                self.step.d.next = self.step_act.val();
            }
        }
        if self.step.q.val() == self.step_act.val() {
            if self.frees.q.val() {
                self.asks.next = true;
                self.request_valid.d.next = true;
                self.request_named.d.next = true;
                self.request_watches.d.next = !self.frees_now.q.val();
                self.request_frees.d.next = self.frees_now.q.val();
                self.frees_now.d.next = !self.frees_now.q.val();
                self.acted.next = self.frees_now.q.val();
            } else if self.has_room.q.val() {
                self.asks.next = true;
                self.request_valid.d.next = true;
                self.request_ends.d.next = true;
                self.event_pushed.d.next = true;
                self.event_kind.d.next = self.deleted.val();
                self.acted.next = true;
            } else if self.gives_up.q.val() {
                self.gave_up.d.next = true;
                self.step.d.next = self.step_settle.val();
            }
            if self.acted.val() {
                self.held_out.d.next = self.held_out.q.val() + 1;
                if self.is_last_held.val() {
                    self.step.d.next = self.step_settle.val();
                }
            }
        }
        if (self.step.q.val() == self.step_settle.val()) & self.way_is_clear.q.val() {
            self.held_in.d.next = 0.into();
            self.held_out.d.next = 0.into();
            self.step.d.next = self.step_walk.val();
            if self.walked.q.val() {
                self.step.d.next = self.step_quiet.val();
                if self.frees.q.val() {
                    self.step.d.next = self.step_close.val();
                }
            }
            if self.gave_up.q.val() {
                self.step.d.next = self.step_give_up.val();
            }
        }
        if (self.step.q.val() == self.step_quiet.val()) & self.window.is_quiet.val() {
            self.sums_valid.d.next = true;
            self.step.d.next = self.step_summed.val();
        }
        if self.step.q.val() == self.step_summed.val() {
            self.sum.d.next = self.window.sum.val();
            self.count.d.next = self.window.count.val();
            if self.window.sums_done.val() {
                self.step.d.next = self.step_match.val();
            }
        }
        if self.step.q.val() == self.step_match.val() {
            self.frees.d.next = true;
            self.frees_now.d.next = false;
            self.step.d.next = self.step_verdict.val();
        }
        if self.step.q.val() == self.step_verdict.val() {
            self.event_pushed.d.next = true;
            self.event_state.d.next = self.verdict.val();
            self.mark_valid.d.next = true;
            self.remembers.next = true;
            if self.is_equal.val() {
                self.event_state.d.next = 1.into();
                self.mark_set.d.next = 16.into();
                self.mark_clear.d.next = 10.into();
                self.now_marked.next = true;
                self.mark_epoch.next = self.epoch.q.val();
                self.equal_now.d.next = true;
                self.step.d.next = self.step_walk.val();
            } else {
                self.mark_clear.d.next = 16.into();
                if self.told.is_digest.val() {
                    self.mark_clear.d.next = 24.into();
                    if self.verdict.val().any() {
                        self.mark_set.d.next = 8.into();
                    }
                }
                self.different_now.d.next = self.verdict.val().any();
                self.unproven_now.d.next = !self.verdict.val().any();
                self.step.d.next = self.step_close.val();
            }
        }
        if self.step.q.val() == self.step_give_up.val() {
            self.refused_now.d.next = true;
            self.deferred_now.d.next = true;
            self.mark_valid.d.next = true;
            self.mark_clear.d.next = 16.into();
            self.remembers.next = true;
            self.step.d.next = self.step_close.val();
        }
        if self.step.q.val() == self.step_run.val() {
            self.run_count.d.next = self.run_count.q.val() + 1;
            if self.outcome.q.val() != self.run.q.val() {
                self.event_pushed.d.next = self.run.q.val().any();
                self.run.d.next = self.outcome.q.val();
                self.run_first.d.next = self.bucket.q.val();
                self.run_count.d.next = 1.into();
            }
            self.step.d.next = self.step_next.val();
        }
        if self.step.q.val() == self.step_next.val() {
            self.bucket.d.next = self.bucket.q.val() + 1;
            self.left.d.next = self.left.q.val() - 1;
            self.in_window.d.next = self.in_window.q.val() + 1;
            self.goes_on.d.next = self.left.q.val() != 1;
            self.map_valid.d.next = true;
            self.step.d.next = self.step_looked.val();
            if self.in_window.q.val().all() | (self.left.q.val() == 1) {
                self.map_valid.d.next = false;
                self.step.d.next = self.step_close.val();
            }
            self.event_pushed.d.next = (self.left.q.val() == 1) & self.run.q.val().any();
        }
        if self.step.q.val() == self.step_close.val() {
            self.wants.d.next = false;
            if !self.window.is_open.val() {
                self.step.d.next = self.step_done.val();
                if self.goes_on.q.val() {
                    self.step.d.next = self.step_open.val();
                }
            }
        }
        if self.step.q.val() == self.step_done.val() {
            self.is_done.d.next = !self.is_done.q.val();
            if self.is_done.q.val() {
                self.step.d.next = self.step_idle.val();
            }
        }
        if self.asks.val() & !self.answered.q.val() {
            self.on_way.d.next = self.on_way.q.val() + 1;
        }
        if !self.asks.val() & self.answered.q.val() {
            self.on_way.d.next = self.on_way.q.val() - 1;
        }

        // What is remembered of the bucket now.
        self.remembered.write.next = self.remembers.val() | self.clears.val();
        self.remembered.write_address.next = self.bucket.q.val();
        self.remembered.write_data.next = bit_cast::<105, 1>(self.now_receives.val().into())
            | (bit_cast::<105, 1>(self.now_marked.val().into()) << 1)
            | (bit_cast::<105, 7>(self.in_peer.val()) << 2)
            | (bit_cast::<105, 32>(self.told.term.val()) << 9)
            | (bit_cast::<105, 32>(self.epoch.q.val()) << 41)
            | (bit_cast::<105, 32>(self.mark_epoch.val()) << 73);
        if self.clears.val() {
            self.remembered.write_address.next = self.next_clear.q.val().get_bits::<10>(0);
            self.remembered.write_data.next = 0.into();
        }

        // Requests.
        self.request_way.d.next = bit_cast::<2, P>(self.request_place.val());
        self.request_id.d.next = (bit_cast::<40, 10>(self.bucket.q.val()) << 30)
            | (bit_cast::<40, P>(self.request_place.val() >> 2) << self.set_shift.val());
        self.request_held.d.next = self.found.data.val();
        self.window.request_valid.next = self.request_valid.q.val();
        self.window.request_named.next = self.request_named.q.val();
        self.window.request_way.next = self.request_way.q.val();
        self.window.request_id.next = self.request_id.q.val();
        self.window.request_keyed.next = self.request_ends.q.val();
        self.window.request_command.next = 0.into();
        if self.request_ends.q.val() {
            self.window.request_command.next = 8.into();
        }
        self.window.request_word.next = bit_cast::<1296, 313>(self.request_held.q.val().get_bits::<313>(0))
            | (bit_cast::<1296, 32>(self.told.term.val()) << self.entry_term_at.val())
            | (bit_cast::<1296, 48>(self.request_held.q.val().get_bits::<48>(313)) << self.entry_version_at.val())
            | (bit_cast::<1296, 8>(self.audit.val()) << self.entry_audit_at.val());
        self.window.request_watches.next = self.request_watches.q.val();
        self.window.request_frees.next = self.request_frees.q.val();
        self.window.request_tells.next = 0.into();

        // The rest of the window.
        self.window.wants.next = self.wants.q.val();
        self.window.map_valid.next = self.map_valid.q.val();
        self.window.bucket.next = self.bucket.q.val();
        self.window.mark_valid.next = self.mark_valid.q.val();
        self.window.mark_set.next = self.mark_set.q.val();
        self.window.mark_clear.next = self.mark_clear.q.val();
        self.window.copy_valid.next = false;
        self.window.copy_set.next = self.copy_set.q.val();
        self.window.copy_clear.next = self.copy_clear.q.val();
        self.window.write_valid.next = self.write_valid.q.val();
        self.window.write_roles.next = self.told.roles.val();
        self.window.sums_valid.next = self.sums_valid.q.val();
        self.window.push_valid.next = false;
        self.window.push_member.next = 0.into();
        self.window.push_units.next = 0.into();
        self.window.push_data.next = 0.into();
        self.window.push_remote.next = false;

        // Events.
        self.event_epoch.next = self.epoch.q.val();
        self.event_units.next = bit_cast::<313, 256>(self.in_units.val());
        if self.event_kind.q.val() == self.deleted.val() {
            self.event_epoch.next = self.request_held.q.val().get_bits::<32>(361);
            self.event_units.next = self.request_held.q.val().get_bits::<313>(0);
        }
        self.events.reset.next = self.reset.val();
        self.events.s_axis.tvalid.next = self.event_pushed.q.val();
        self.events.s_axis.tdata.next = bit_cast::<442, 3>(self.event_kind.q.val())
            | (bit_cast::<442, 2>(self.event_state.q.val()) << self.state_at.val())
            | (bit_cast::<442, 7>(self.in_peer.val()) << self.peer_at.val())
            | (bit_cast::<442, 10>(self.event_bucket.q.val()) << self.event_bucket_at.val())
            | (bit_cast::<442, 11>(self.event_count.q.val()) << self.event_count_at.val())
            | (bit_cast::<442, 64>(self.in_sequence.val()) << self.sequence_at.val())
            | (bit_cast::<442, 32>(self.event_epoch.val()) << self.epoch_at.val())
            | (bit_cast::<442, 313>(self.event_units.val()) << self.units_at.val());
        StreamOut::<442>::link(&mut self.event, &mut self.events.m_axis);

        self.in_ready.next = self.is_done.q.val();
        self.refused.next = self.refused_now.q.val();
        self.records_control.next = self.control_now.q.val();
        self.records_malformed.next = self.malformed_now.q.val();
        self.digests_equal.next = self.equal_now.q.val();
        self.digests_unproven.next = self.unproven_now.q.val();
        self.digests_different.next = self.different_now.q.val();
        self.tombstones_freed.next = self.freed_now.q.val();
        self.events_deferred.next = self.deferred_now.q.val();

        if self.reset.val() {
            self.step.d.next = self.step_idle.val();
            self.next_clear.d.next = 0.into();
            self.is_ready.d.next = false;
            self.in_batch.d.next = 0.into();
            self.answered.d.next = false;
            self.wants.d.next = false;
            self.map_valid.d.next = false;
            self.mark_valid.d.next = false;
            self.write_valid.d.next = false;
            self.sums_valid.d.next = false;
            self.request_valid.d.next = false;
            self.event_pushed.d.next = false;
            self.has_room.d.next = false;
            self.patience.d.next = 0.into();
            self.is_done.d.next = false;
            self.refused_now.d.next = false;
            self.control_now.d.next = false;
            self.malformed_now.d.next = false;
            self.equal_now.d.next = false;
            self.unproven_now.d.next = false;
            self.different_now.d.next = false;
            self.deferred_now.d.next = false;
            self.freed_now.d.next = false;
        }
    }
}
