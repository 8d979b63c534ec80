//! Who is wired to whom, and what becomes of an outcome.

use super::Engine;
use crate::digest::KeysIn;
use crate::hash::NumbersIn;
use crate::ingress::record::RecordIn;
use crate::intake::CommandIn;
use crate::prim::StreamOut;
use crate::sweeper::JobIn;
use rust_hdl::prelude::*;

#[rustfmt::skip] // Its head must be one line.
impl<const S: usize, const T: usize, const V: usize, const A: usize, const P: usize> Logic for Engine<S, T, V, A, P> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, takes_roles, taken_bucket, held, gates, sweeper_open, taker_open, since, was_refused);
        clock!(self, clock, receive, intake, flows, map, outbound, tally, emitted, sweeper, taker, looks, rest);
        for k in 0..2 {
            self.dirty[k].clock.next = self.clock.val();
            self.dirty[k].reset.next = self.reset.val();
        }
        for k in 0..3 {
            self.looked[k].clock.next = self.clock.val();
        }
        self.receive.reset.next = self.reset.val();
        self.intake.reset.next = self.reset.val();
        self.flows.reset.next = self.reset.val();
        self.map.reset.next = self.reset.val();
        self.outbound.reset.next = self.reset.val();
        self.tally.reset.next = self.reset.val();
        self.emitted.reset.next = self.reset.val();
        self.sweeper.reset.next = self.reset.val();
        self.taker.reset.next = self.reset.val();
        self.ready.next = self.map.ready.val()
            & self.flows.in_ready.val()
            & self.tally.ready.val()
            & self.taker.ready.val();

        // Policy and keys.
        self.flows.replicate.next = self.replicate.val();
        self.outbound.replicate.next = self.replicate.val();
        self.outbound.edge_bits.next = self.edge_bits.val();
        self.tally.replicate.next = self.replicate.val();
        self.tally.edge_bits.next = self.edge_bits.val();
        self.intake.time_us.next = self.time_us.val();
        self.intake.audit.next = self.audit.val();
        self.intake.is_auditing.next = self.is_auditing.val();
        NumbersIn::link(&mut self.hash_write, &mut self.intake.write);
        KeysIn::link(&mut self.digest_write, &mut self.tally.write);

        // What who has the window asks for.
        self.is_open.next = self.sweeper_open.q.val() | self.taker_open.q.val();
        self.window_bucket.next = self.sweeper.window.bucket.val();
        self.window_set.next = self.sweeper.window.mark_set.val();
        self.window_clear.next = self.sweeper.window.mark_clear.val();
        self.window_copy_set.next = self.sweeper.window.copy_set.val();
        self.window_copy_clear.next = self.sweeper.window.copy_clear.val();
        self.window_member.next = self.sweeper.window.push_member.val().get_bits::<6>(0);
        self.intake.request_named.next = self.sweeper.window.request_named.val();
        self.intake.request_way.next = self.sweeper.window.request_way.val();
        self.intake.request_id.next = self.sweeper.window.request_id.val();
        self.intake.request_keyed.next = self.sweeper.window.request_keyed.val();
        self.intake.request_command.next = self.sweeper.window.request_command.val();
        self.intake.request_word.next = self.sweeper.window.request_word.val();
        self.intake.request_watches.next = self.sweeper.window.request_watches.val();
        self.intake.request_frees.next = self.sweeper.window.request_frees.val();
        self.intake.request_tells.next = self.sweeper.window.request_tells.val();
        if self.taker_open.q.val() {
            self.window_bucket.next = self.taker.window.bucket.val();
            self.window_set.next = self.taker.window.mark_set.val();
            self.window_clear.next = self.taker.window.mark_clear.val();
            self.window_copy_set.next = self.taker.window.copy_set.val();
            self.window_copy_clear.next = self.taker.window.copy_clear.val();
            self.window_member.next = self.taker.window.push_member.val().get_bits::<6>(0);
            self.intake.request_named.next = self.taker.window.request_named.val();
            self.intake.request_way.next = self.taker.window.request_way.val();
            self.intake.request_id.next = self.taker.window.request_id.val();
            self.intake.request_keyed.next = self.taker.window.request_keyed.val();
            self.intake.request_command.next = self.taker.window.request_command.val();
            self.intake.request_word.next = self.taker.window.request_word.val();
            self.intake.request_watches.next = self.taker.window.request_watches.val();
            self.intake.request_frees.next = self.taker.window.request_frees.val();
            self.intake.request_tells.next = self.taker.window.request_tells.val();
        }
        self.intake.request_valid.next = (self.sweeper_open.q.val() & self.sweeper.window.request_valid.val())
            | (self.taker_open.q.val() & self.taker.window.request_valid.val());
        self.window_looks.next = (self.sweeper_open.q.val() & self.sweeper.window.map_valid.val())
            | (self.taker_open.q.val() & self.taker.window.map_valid.val());
        self.window_copies.next = (self.sweeper_open.q.val() & self.sweeper.window.copy_valid.val())
            | (self.taker_open.q.val() & self.taker.window.copy_valid.val());
        // Only the taker writes roles.
        self.window_writes.next = self.taker_open.q.val() & self.taker.window.write_valid.val();
        self.window_pushes.next = (self.sweeper_open.q.val() & self.sweeper.window.push_valid.val())
            | (self.taker_open.q.val() & self.taker.window.push_valid.val());
        self.tally.read_valid.next = (self.sweeper_open.q.val() & self.sweeper.window.sums_valid.val())
            | (self.taker_open.q.val() & self.taker.window.sums_valid.val());
        self.tally.read_bucket.next = self.window_bucket.val();

        // Records, told apart.
        RecordIn::link(&mut self.record, &mut self.receive.record);
        self.receive.may_enter.next = self.intake.may_enter.val();
        StreamOut::<1615>::link(&mut self.host, &mut self.receive.host);

        // Requests.
        // Said of registers only, as every handshake here: Verilator takes what shares a name for a loop.
        self.intake.holds.next = self.sweeper.window.wants.val()
            | self.taker.window.wants.val()
            | self.sweeper_open.q.val()
            | self.taker_open.q.val();
        self.intake.record_valid.next = self.receive.flow_valid.val();
        self.intake.record_command.next = self.receive.flow_command.val();
        self.intake.record_keyed.next = self.receive.flow_keyed.val();
        self.intake.record_id.next = self.receive.flow_id.val();
        self.intake.record_word.next = self.receive.flow_word.val();
        self.intake.record_distance.next = self.receive.flow_distance.val();
        self.intake.record_peer.next = self.receive.out_peer.val();
        self.intake.record_sequence.next = self.receive.out_sequence.val();
        CommandIn::link(&mut self.command, &mut self.intake.command);

        // To the flows and, beside them, to the map.
        self.flows.in_valid.next = self.intake.out_valid.val();
        self.flows.in_id.next = self.intake.out_id.val();
        self.flows.in_word.next = self.intake.out_word.val();
        self.flows.in_keyed.next = self.intake.out_keyed.val();
        self.flows.in_named.next = self.intake.out_named.val();
        self.flows.in_way.next = self.intake.out_way.val();
        self.flows.in_watches.next = self.intake.out_watches.val();
        self.flows.in_frees.next = self.intake.out_frees.val();
        self.map.in_valid.next = self.intake.out_valid.val() | self.window_looks.val();
        self.map.in_bucket.next = self.window_bucket.val();
        if self.intake.out_valid.val() {
            self.map.in_bucket.next = self.intake.out_id.val().get_bits::<10>(30);
        }
        self.look_in.next = bit_cast::<120, 75>(self.intake.out_aside.val())
            | (bit_cast::<120, 8>(self.intake.out_command.val()) << 75)
            | (bit_cast::<120, 4>(self.intake.out_flags.val()) << 83)
            | (bit_cast::<120, 1>(self.intake.out_keyed.val().into()) << 87)
            | (bit_cast::<120, 32>(self.intake.out_word.val().get_bits::<32>(self.term_at.val().index())) << 88);
        self.looks.in_data.next = self.look_in.val();

        // What the bucket says of it: authority, then term.
        self.look.next = self.looks.out_data.val();
        self.source.next = self.look.val().get_bits::<2>(0);
        self.is_record.next = self.source.val() == 1;
        self.is_command.next = self.source.val() == 2;
        self.from_owner.next = self.map.out_owner.val() == bit_cast::<8, 7>(self.look.val().get_bits::<7>(4));
        self.in_term.next = self.look.val().get_bits::<8>(88) == self.map.out_term.val().get_bits::<8>(0);
        if self.look.val().get_bit(87) {
            self.in_term.next = self.look.val().get_bits::<32>(88) == self.map.out_term.val();
        }
        self.refusal.next = 0.into();
        self.flows.late_command.next = self.look.val().get_bits::<8>(75);
        if self.is_record.val() & !self.from_owner.val() {
            self.refusal.next = 1.into();
            self.flows.late_command.next = 0.into();
        }
        if self.is_record.val() & self.from_owner.val() & !self.in_term.val() {
            self.refusal.next = 2.into();
            self.flows.late_command.next = 0.into();
        }
        self.colour.next = self.map.out_flags.val().get_bit(2);
        self.flags.next = bit_cast::<6, 1>(self.colour.val().into())
            | (bit_cast::<6, 1>(self.map.out_flags.val().get_bit(1).into()) << 1);
        if self.is_command.val() {
            self.flags.next = bit_cast::<6, 4>(self.look.val().get_bits::<4>(83))
                | (bit_cast::<6, 1>(self.map.out_flags.val().get_bit(0).into()) << 4)
                | (bit_cast::<6, 1>(self.is_auditing.val().into()) << 5);
        }
        self.flows.late_flags.next = self.flags.val();
        self.flows.late_term.next = self.map.out_term.val();
        self.rest_in.next = bit_cast::<143, 75>(self.look.val().get_bits::<75>(0))
            | (bit_cast::<143, 2>(self.refusal.val()) << 75)
            | (bit_cast::<143, 32>(self.map.out_term.val()) << 77)
            | (bit_cast::<143, 8>(self.map.out_backup.val()) << 109)
            | (bit_cast::<143, 8>(self.map.out_remote.val()) << 117)
            | (bit_cast::<143, 8>(self.map.out_copies.val()) << 125)
            | (bit_cast::<143, 10>(self.map.out_bucket.val()) << 133);
        self.rest.in_data.next = self.rest_in.val();

        // How each copy would be told.
        self.early.next = self.rest.out_data.val();
        self.held.d.next = self.early.val();
        self.early_source.next = self.early.val().get_bits::<2>(0);
        self.tells.next = self.early.val().get_bits::<2>(2);
        for k in 0..2 {
            self.member_of[k].next = self.early.val().get_bits::<8>(109 + 8 * k);
            self.is_dirty[k].next = self.early.val().get_bit(125 + 4 * k);
            self.has_session[k].next = self.welcome.val().get_bit(self.member_of[k].val().get_bits::<6>(0).index())
                & !self.member_of[k].val().get_bits::<2>(6).any();
            self.gate[k].next = 3.into();
            if self.is_dirty[k].val() | !self.has_session[k].val() {
                self.gate[k].next = 1.into();
            }
            if self.member_of[k].val() == self.none.val() {
                self.gate[k].next = 0.into();
            }
            if self.early_source.val() == 3 {
                self.gate[k].next = 0.into();
                if self.tells.val().get_bit(k) {
                    self.gate[k].next = 2.into();
                }
            }
        }
        self.gates.d.next = (bit_cast::<4, 2>(self.gate[1].val()) << 2) | bit_cast::<4, 2>(self.gate[0].val());

        // What became of it.
        self.now.next = self.held.q.val();
        self.now_source.next = self.now.val().get_bits::<2>(0);
        self.of_record.next = self.flows.out_valid.val() & (self.now_source.val() == 1);
        self.of_command.next = self.flows.out_valid.val() & (self.now_source.val() == 2);
        self.of_window.next = self.flows.out_valid.val() & (self.now_source.val() == 3);
        self.number.next = self.flows.out_outcome.val();
        for k in 0..14 {
            self.is_outcome[k].next = self.number.val() == self.outcome[k].val();
        }
        self.changes.next =
            self.is_outcome[0].val() | self.is_outcome[1].val() | self.is_outcome[5].val() | self.is_outcome[8].val();
        self.is_there.next = self.flows.out_found.val() | self.is_outcome[0].val() | self.is_outcome[8].val();
        self.flags_before.next = self.flows.out_before.val().get_bits::<7>(self.flags_at.val().index());
        self.flags_after.next = self.flows.out_after.val().get_bits::<7>(self.flags_at.val().index());
        self.was_live.next = self.flows.out_found.val() & self.flags_before.val().get_bit(0);
        self.was_tombstone.next = self.flows.out_found.val() & self.flags_before.val().get_bit(1);
        self.is_live.next = self.is_there.val() & self.flags_after.val().get_bit(0);
        self.is_tombstone.next =
            self.is_there.val() & self.flags_after.val().get_bit(1) & !self.flows.out_freed.val();
        self.of_bucket.next =
            self.flows.out_id.val().get_bits::<10>(30) == self.now.val().get_bits::<10>(133);

        // Copies are told of what the host changed, and of what the window shows them.
        self.emits.next = (self.of_command.val()
            & (self.is_outcome[0].val() | self.is_outcome[1].val() | self.is_outcome[5].val()))
            | (self.of_window.val()
                & self.now.val().get_bits::<2>(2).any()
                & self.of_bucket.val()
                & ((self.was_live.val() & !self.flags_before.val().get_bit(5)) | self.was_tombstone.val()));
        self.outbound.in_valid.next = self.emits.val();
        self.outbound.in_entry.next = self.flows.out_after.val();
        self.outbound.in_id.next = self.flows.out_id.val();
        self.outbound.in_term.next = self.now.val().get_bits::<32>(77);
        self.outbound.in_first.next = self.flows.out_first.val();
        self.outbound.in_changed.next = self.flows.out_changed.val();
        self.outbound.in_was_groups.next = self.flows.out_before.val().get_bits::<8>(self.groups_at.val().index());
        self.outbound.in_was_edges.next = self.flows.out_before.val().get_bits::<128>(self.edges_at.val().index());
        self.outbound.in_gates.next = self.gates.q.val();
        self.outbound.in_backup_path.next = self.now.val().get_bits::<6>(109);
        self.outbound.in_remote_path.next = self.now.val().get_bits::<6>(117);

        // Its digest.
        self.tally.in_valid.next = self.flows.out_valid.val() & self.is_there.val();
        self.tally.in_entry.next = self.flows.out_after.val();
        self.tally.in_place.next = self.flows.out_place.val();
        self.tally.in_bucket.next = self.flows.out_id.val().get_bits::<10>(30);
        self.tally.in_was_live.next = self.was_live.val();
        self.tally.in_unchanged.next = !self.changes.val();

        // A base or a term is not here.
        self.gaps.next = self.of_record.val()
            & (self.is_outcome[11].val() | (self.now.val().get_bits::<2>(75) == 2));

        // To the pool.
        self.pushes.next = self.outbound.out_valid.val() | self.window_pushes.val();
        self.push_is_flow.next = self.outbound.out_valid.val();
        self.push_kind.next = 0.into();
        if self.push_is_flow.val() {
            self.push_kind.next = 1.into();
            if self.is_open.val() {
                self.push_kind.next = 2.into();
            }
        }
        self.snapshot_sent.next = self.sweeper.snapshots_sent.val();
        self.push_valid.next = self.pushes.val();
        self.push_member.next = self.window_member.val();
        self.push_units.next = 0.into();
        self.push_data.next = 0.into();
        self.push_tag.next = bit_cast::<13, 10>(self.window_bucket.val());
        if self.push_is_flow.val() {
            self.push_member.next = self.outbound.out_path.val();
            self.push_units.next = self.outbound.out_count.val();
            self.push_data.next = self.outbound.out_units.val();
            self.push_tag.next = bit_cast::<13, 10>(self.outbound.out_bucket.val())
                | (bit_cast::<13, 1>(self.outbound.out_remote.val().into()) << 10)
                | (bit_cast::<13, 2>(self.push_kind.val()) << 11);
        } else if self.taker_open.q.val() {
            self.push_units.next = bit_cast::<4, 3>(self.taker.window.push_units.val());
            self.push_data.next = bit_cast::<1408, 512>(self.taker.window.push_data.val());
            self.push_tag.next = bit_cast::<13, 10>(self.window_bucket.val())
                | (bit_cast::<13, 1>(self.taker.window.push_remote.val().into()) << 10);
        } else {
            self.push_units.next = bit_cast::<4, 3>(self.sweeper.window.push_units.val());
            self.push_data.next = bit_cast::<1408, 512>(self.sweeper.window.push_data.val());
            self.push_tag.next = bit_cast::<13, 10>(self.window_bucket.val())
                | (bit_cast::<13, 1>(self.sweeper.window.push_remote.val().into()) << 10);
        }

        // Who was not told becomes dirty.
        self.refused_kind.next = self.refused_tag.val().get_bits::<2>(11);
        self.refused_flow.next = self.refused.val() & self.refused_kind.val().any();
        self.full.next = self.outbound.full.val();
        // Not beside the window's own, nor beside the hint that roles were written.
        self.may_mark.next =
            !self.window_copies.val() & !self.window_writes.val() & !self.takes_roles.q.val();
        for k in 0..2 {
            self.dirty[k].early_valid.next = self.full.val().get_bit(k);
            self.dirty[k].early_bucket.next = self.outbound.full_bucket.val();
            self.dirty[k].late_bucket.next = self.refused_tag.val().get_bits::<10>(0);
            self.dirty[k].out_ready.next = self.may_mark.val();
            self.marks[k].next = self.dirty[k].out_valid.val() & self.may_mark.val();
        }
        self.dirty[0].late_valid.next = self.refused.val() & !self.refused_tag.val().get_bit(10);
        self.dirty[1].late_valid.next = self.refused.val() & self.refused_tag.val().get_bit(10);
        self.emitted.sent_valid.next = self.push_is_flow.val();
        self.emitted.sent_member.next = self.window_member.val();
        if self.push_is_flow.val() {
            self.emitted.sent_member.next = self.outbound.out_path.val();
        }
        self.emitted.lost_valid.next = self.refused_flow.val();
        self.emitted.lost_member.next = self.window_member.val();
        if self.refused_flow.val() {
            self.emitted.lost_member.next = self.refused_member.val();
        }
        self.emitted.clear_valid.next = self.clear_emitted.val();
        self.emitted.clear_member.next = self.clear_member.val();

        // Marks: gaps come while no window is open, and nobody else marks flags then.
        self.map.mark_valid.next = self.gaps.val();
        self.map.mark_bucket.next = self.flows.out_id.val().get_bits::<10>(30);
        self.map.mark_set.next = 2.into();
        self.map.mark_clear.next = 0.into();
        if self.is_open.val() {
            self.map.mark_valid.next = (self.sweeper_open.q.val() & self.sweeper.window.mark_valid.val())
                | (self.taker_open.q.val() & self.taker.window.mark_valid.val());
            self.map.mark_bucket.next = self.window_bucket.val();
            self.map.mark_set.next = self.window_set.val();
            self.map.mark_clear.next = self.window_clear.val();
        }
        self.map.backup_valid.next = self.marks[0].val() | self.window_copies.val();
        self.map.backup_bucket.next = self.dirty[0].out_bucket.val();
        self.map.backup_set.next = 1.into();
        self.map.backup_clear.next = 0.into();
        self.map.remote_valid.next = self.marks[1].val() | self.window_copies.val();
        self.map.remote_bucket.next = self.dirty[1].out_bucket.val();
        self.map.remote_set.next = 1.into();
        self.map.remote_clear.next = 0.into();
        if self.window_copies.val() {
            self.map.backup_bucket.next = self.window_bucket.val();
            self.map.backup_set.next = self.window_copy_set.val().get_bits::<4>(0);
            self.map.backup_clear.next = self.window_copy_clear.val().get_bits::<4>(0);
            self.map.remote_bucket.next = self.window_bucket.val();
            self.map.remote_set.next = self.window_copy_set.val().get_bits::<4>(4);
            self.map.remote_clear.next = self.window_copy_clear.val().get_bits::<4>(4);
        }

        // Roles: the host's, or those of a TERM.
        self.map.write.valid.next = self.roles.valid.val();
        self.map.write.bucket.next = self.roles.bucket.val();
        self.map.write.word.next = self.roles.word.val();
        self.map.write.set.next = self.roles.set.val();
        self.map.write.clear.next = self.roles.clear.val();
        self.map.write.copy_set.next = self.roles.copy_set.val();
        self.map.write.copy_clear.next = self.roles.copy_clear.val();
        self.roles.ready.next =
            self.map.write.ready.val() & !self.sweeper_open.q.val() & !self.taker_open.q.val();
        self.takes_roles.d.next = self.roles.valid.val()
            & self.map.write.ready.val()
            & !self.sweeper_open.q.val()
            & !self.taker_open.q.val();
        self.taken_bucket.d.next = self.roles.bucket.val();
        if self.is_open.val() {
            self.map.write.valid.next = self.window_writes.val();
            self.map.write.bucket.next = self.window_bucket.val();
            self.map.write.word.next = self.taker.window.write_roles.val();
            self.map.write.set.next = self.window_set.val();
            self.map.write.clear.next = self.window_clear.val();
            self.map.write.copy_set.next = self.window_copy_set.val();
            self.map.write.copy_clear.next = self.window_copy_clear.val();
        }

        // Windows: nothing enters until what is on its way has come to its end.
        self.stirs.next = (!self.sweeper.window.wants.val() & !self.taker.window.wants.val())
            | self.intake.is_busy.val()
            | self.pushes.val()
            | self.refused.val()
            | !self.dirty[0].is_idle.val()
            | !self.dirty[1].is_idle.val();
        self.is_quiet.next = self.since.q.val() == 72;
        if self.stirs.val() {
            self.since.d.next = 0.into();
        } else if !self.is_quiet.val() {
            self.since.d.next = self.since.q.val() + 1;
        }
        if self.is_open.val() {
            if !self.taker.window.wants.val() {
                self.taker_open.d.next = false;
            }
            if !self.sweeper.window.wants.val() {
                self.sweeper_open.d.next = false;
            }
            if self.refused.val() {
                self.was_refused.d.next = true;
            }
        } else {
            self.was_refused.d.next = false;
            if self.is_quiet.val() {
                self.taker_open.d.next = self.taker.window.wants.val();
                self.sweeper_open.d.next =
                    self.sweeper.window.wants.val() & !self.taker.window.wants.val();
            }
        }

        // What it is answered.
        self.roles_now.next = bit_cast::<64, 8>(self.map.out_owner.val())
            | (bit_cast::<64, 8>(self.map.out_backup.val()) << 8)
            | (bit_cast::<64, 8>(self.map.out_remote.val()) << 16)
            | (bit_cast::<64, 8>(self.map.out_successor.val()) << 24)
            | (bit_cast::<64, 32>(self.map.out_term.val()) << 32);
        self.looked[0].d.next = self.window_looks.val();
        for k in 1..3 {
            self.looked[k].d.next = self.looked[k - 1].q.val();
        }
        self.sweeper.window.is_open.next = self.sweeper_open.q.val();
        self.sweeper.window.is_quiet.next = self.is_quiet.val();
        self.sweeper.window.map_done.next = self.looked[2].q.val();
        self.sweeper.window.roles.next = self.roles_now.val();
        self.sweeper.window.flags.next = self.map.out_flags.val();
        self.sweeper.window.copies.next = self.map.out_copies.val();
        self.sweeper.window.answer_valid.next = self.of_window.val();
        self.sweeper.window.answer_found.next = self.flows.out_found.val();
        self.sweeper.window.answer_freed.next = self.flows.out_freed.val();
        self.sweeper.window.answer_id.next = self.flows.out_id.val();
        self.sweeper.window.answer_entry.next = self.flows.out_before.val();
        self.sweeper.window.sums_done.next = self.tally.out_valid.val();
        self.sweeper.window.sum.next = self.tally.out_sum.val();
        self.sweeper.window.count.next = self.tally.out_count.val();
        self.sweeper.window.emitted.next = bit_cast::<64, 32>(self.emitted.count.val());
        self.sweeper.window.is_refused.next = self.was_refused.q.val();
        self.taker.window.is_open.next = self.taker_open.q.val();
        self.taker.window.is_quiet.next = self.is_quiet.val();
        self.taker.window.map_done.next = self.looked[2].q.val();
        self.taker.window.roles.next = self.roles_now.val();
        self.taker.window.flags.next = self.map.out_flags.val();
        self.taker.window.copies.next = self.map.out_copies.val();
        self.taker.window.answer_valid.next = self.of_window.val();
        self.taker.window.answer_found.next = self.flows.out_found.val();
        self.taker.window.answer_freed.next = self.flows.out_freed.val();
        self.taker.window.answer_id.next = self.flows.out_id.val();
        self.taker.window.answer_entry.next = self.flows.out_before.val();
        self.taker.window.sums_done.next = self.tally.out_valid.val();
        self.taker.window.sum.next = self.tally.out_sum.val();
        self.taker.window.count.next = self.tally.out_count.val();
        self.taker.window.emitted.next = bit_cast::<64, 32>(self.emitted.count.val());
        self.taker.window.is_refused.next = self.was_refused.q.val();

        // Who sends and who takes what is about whole buckets.
        self.sweeper.member.next = self.member.val();
        self.sweeper.session.next = self.session.val();
        self.sweeper.welcome.next = self.welcome.val();
        self.sweeper.floor.next = self.floor.val();
        self.sweeper.enable.next = self.sweeps.val();
        self.sweeper.digest_interval.next = self.digest_interval.val();
        self.sweeper.window_gap.next = self.window_gap.val();
        self.sweeper.dirty_valid.next = self.marks[0].val()
            | self.marks[1].val()
            | self.takes_roles.q.val()
            | self.window_writes.val();
        self.sweeper.dirty_backup.next = self.dirty[0].out_bucket.val();
        self.sweeper.dirty_remote.next = self.dirty[1].out_bucket.val();
        self.sweeper.dirty_copy.next = (bit_cast::<2, 1>(self.marks[1].val().into()) << 1)
            | bit_cast::<2, 1>(self.marks[0].val().into());
        if self.window_writes.val() {
            self.sweeper.dirty_backup.next = self.window_bucket.val();
            self.sweeper.dirty_remote.next = self.window_bucket.val();
            self.sweeper.dirty_copy.next = 3.into();
        }
        if self.takes_roles.q.val() {
            self.sweeper.dirty_backup.next = self.taken_bucket.q.val();
            self.sweeper.dirty_remote.next = self.taken_bucket.q.val();
            self.sweeper.dirty_copy.next = 3.into();
        }
        JobIn::link(&mut self.job, &mut self.sweeper.job);
        self.taker.member.next = self.member.val();
        self.taker.session.next = self.session.val();
        self.taker.audit.next = self.audit.val();
        self.taker.is_auditing.next = self.is_auditing.val();
        self.taker.in_valid.next = self.receive.bucket_valid.val();
        self.receive.bucket_ready.next = self.taker.in_ready.val();
        self.taker.in_kind.next = self.receive.bucket_kind.val();
        self.taker.in_units.next = self.receive.bucket_units.val();
        self.taker.in_peer.next = self.receive.bucket_peer.val();
        self.taker.in_sequence.next = self.receive.bucket_sequence.val();
        // A gap stands before the first record behind it, whatever waited in the ingress.
        self.taker.gap_valid.next = self.receive.gap_valid.val() | self.gap_valid.val();
        self.taker.gap_peer.next = self.gap_peer.val();
        if self.receive.gap_valid.val() {
            self.taker.gap_peer.next = self.receive.gap_peer.val();
        }
        self.gap_ready.next = !self.receive.gap_valid.val();
        StreamOut::<442>::link(&mut self.event, &mut self.taker.event);

        self.out.valid.next = self.flows.out_valid.val();
        self.out.source.next = self.now_source.val();
        self.out.outcome.next = self.number.val();
        self.out.refusal.next = self.now.val().get_bits::<2>(75);
        self.out.created.next = self.flows.out_created.val();
        self.out.id.next = self.flows.out_id.val();
        self.out.peer.next = self.now.val().get_bits::<7>(4);
        self.out.sequence.next = self.now.val().get_bits::<64>(11);
        self.out.entry.next = self.flows.out_after.val();
        self.refuses.next = (self.of_record.val() & self.now.val().get_bits::<2>(75).any()) | self.taker.refused.val();
        self.begins.next = self.flows.out_valid.val() & self.is_live.val() & !self.was_live.val();
        self.ends.next = self.flows.out_valid.val() & self.was_live.val() & !self.is_live.val();
        self.buries.next = self.flows.out_valid.val() & self.is_tombstone.val() & !self.was_tombstone.val();
        self.frees.next = self.flows.out_valid.val() & self.was_tombstone.val() & !self.is_tombstone.val();
        self.not_owner.next = self.of_record.val() & (self.now.val().get_bits::<2>(75) == 1);
        self.not_term.next = self.of_record.val() & (self.now.val().get_bits::<2>(75) == 2);
        self.ups.next = bit_cast::<30, 1>(self.receive.received.val().into())
            | (bit_cast::<30, 1>(self.receive.unknown.val().into()) << 1)
            | (bit_cast::<30, 1>((self.receive.control.val() | self.taker.records_control.val()).into()) << 2)
            | (bit_cast::<30, 1>(self.intake.took_command.val().into()) << 3)
            | (bit_cast::<30, 1>(self.not_owner.val().into()) << 17)
            | (bit_cast::<30, 1>(self.not_term.val().into()) << 18)
            | (bit_cast::<30, 1>((self.push_kind.val() == 1).into()) << 19)
            | (bit_cast::<30, 1>((self.push_kind.val() == 2).into()) << 20)
            | (bit_cast::<30, 1>(self.sweeper.snapshots_sent.val().into()) << 21)
            | (bit_cast::<30, 1>(self.taker.digests_equal.val().into()) << 22)
            | (bit_cast::<30, 1>(self.taker.digests_unproven.val().into()) << 23)
            | (bit_cast::<30, 1>(self.taker.digests_different.val().into()) << 24)
            | (bit_cast::<30, 1>(self.tally.repaired.val().into()) << 25)
            | (bit_cast::<30, 1>((self.receive.lost.val() | self.taker.events_deferred.val()).into()) << 26)
            | (bit_cast::<30, 1>((self.sweeper.tombstones_freed.val() | self.taker.tombstones_freed.val()).into()) << 27)
            | (bit_cast::<30, 1>(self.begins.val().into()) << 28)
            | (bit_cast::<30, 1>(self.buries.val().into()) << 29);
        for k in 0..8 {
            if self.of_command.val() & self.is_outcome[k].val() {
                self.ups.next = self.ups.val().replace_bit(4 + k, true);
            }
        }
        for k in 8..13 {
            if self.of_record.val() & self.is_outcome[k].val() {
                self.ups.next = self.ups.val().replace_bit(4 + k, true);
            }
        }
        self.downs.next = bit_cast::<4, 1>((self.refused.val() & (self.refused_kind.val() == 1)).into())
            | (bit_cast::<4, 1>((self.refused.val() & (self.refused_kind.val() == 2)).into()) << 1)
            | (bit_cast::<4, 1>(self.ends.val().into()) << 2)
            | (bit_cast::<4, 1>(self.frees.val().into()) << 3);
        self.up_wires.x.next = self.ups.val();
        self.down_wires.x.next = self.downs.val();
        self.up.next = self.up_wires.y.val();
        self.down.next = self.down_wires.y.val();
        self.malformed.next = bit_cast::<2, 1>(self.receive.malformed.val().into()) + bit_cast::<2, 1>(self.taker.records_malformed.val().into())
            + bit_cast::<2, 1>((self.of_record.val() & self.is_outcome[13].val()).into());
        self.queue_full.next = bit_cast::<2, 1>(self.full.val().get_bit(0).into()) + bit_cast::<2, 1>(self.full.val().get_bit(1).into())
            + bit_cast::<2, 1>(self.refused.val().into());
        self.deferred.next = bit_cast::<2, 1>((self.full.val().get_bit(0) | self.outbound.deferred.val().get_bit(0)).into())
            + bit_cast::<2, 1>((self.full.val().get_bit(1) | self.outbound.deferred.val().get_bit(1)).into())
            + bit_cast::<2, 1>((self.refused.val() & (self.refused_kind.val() == 1)).into());
        self.unused.next = self.map.out_valid.val() |
            self.tally.out_bucket.val().any() | self.tally.read_ready.val() |
            self.sweeper.window.write_roles.val().any() | self.sweeper.window.write_valid.val() |
            self.now.val().any() | self.sweeper.window.push_member.val().any() |
            self.taker.window.push_member.val().any() | self.flags_before.val().any() | self.flags_after.val().any();
        if self.reset.val() {
            self.sweeper_open.d.next = false;
            self.taker_open.d.next = false;
            self.since.d.next = 0.into();
        }
    }
}
