//! What the pool does each clock, in the order in which a record passes it.

use super::Pool;
use rust_hdl::prelude::*;

impl<const W: usize, const U: usize, const D: usize, const P: usize, const N: usize, const B: usize, const F: usize, const C: usize> Logic for Pool<W, U, D, P, N, B, F, C> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, queue_write, queue_read, queue_level, queue_any, job, job_first, job_short);
        dff_setup!(self, clock, job_units, job_room, job_limit, job_data, job_destination, job_tag, clears);
        dff_setup!(self, clock, clear_index, more_place, more_page, more_next, more_goes, write_slot);
        dff_setup!(self, clock, offered, offer_destination, offer_page, offer_count, offer_dropped);
        dff_setup!(self, clock, read_slot, level, slots_full, any, head, head_destination, head_page, head_slot);
        dff_setup!(self, clock, read_page, read_place, next_page, offset_1, offset_2, frees, freed_page);
        dff_setup!(self, clock, decided, fitted, could_go_on, could_open);
        dff_setup!(self, clock, refusal_in, refusal_out, told_whom, told_tag, refused_now, refused_whom, refused_what);
        clock!(self, clock, queue_data, queue_units, queue_destination, queue_tag, opened);
        clock!(self, clock, granted, closed, tail_page);
        clock!(self, clock, tail_slot, tail_count, pages, links, order_destination, order_page);
        clock!(self, clock, frame_count, refusals);

        // The next record: of those that wait, or the one that comes.
        self.queue_full.next = self.queue_level.q.val().get_bit(4);
        self.job_ends.next = !self.job.q.val() | self.job_short.q.val();
        self.from_queue.next = self.job_ends.val() & self.queue_any.q.val();
        self.from_input.next = self.job_ends.val() & !self.queue_any.q.val() & self.push.valid.val();
        self.to_queue.next = self.push.valid.val() & !self.from_input.val() & !self.queue_full.val();
        self.queue_data.write.next = self.to_queue.val();
        self.queue_data.write_address.next = self.queue_write.q.val();
        self.queue_data.write_data.next = self.push.data.val();
        self.queue_data.address.next = self.queue_read.q.val();
        self.queue_units.write.next = self.to_queue.val();
        self.queue_units.write_address.next = self.queue_write.q.val();
        self.queue_units.write_data.next = self.push.units.val();
        self.queue_units.address.next = self.queue_read.q.val();
        self.queue_destination.write.next = self.to_queue.val();
        self.queue_destination.write_address.next = self.queue_write.q.val();
        self.queue_destination.write_data.next = self.push.destination.val();
        self.queue_destination.address.next = self.queue_read.q.val();
        self.queue_tag.write.next = self.to_queue.val();
        self.queue_tag.write_address.next = self.queue_write.q.val();
        self.queue_tag.write_data.next = self.push.tag.val();
        self.queue_tag.address.next = self.queue_read.q.val();
        if self.to_queue.val() {
            self.queue_write.d.next = self.queue_write.q.val() + 1;
        }
        if self.from_queue.val() {
            self.queue_read.d.next = self.queue_read.q.val() + 1;
        }
        if self.to_queue.val() & !self.from_queue.val() {
            self.queue_level.d.next = self.queue_level.q.val() + 1;
            self.queue_any.d.next = true;
        }
        if self.from_queue.val() & !self.to_queue.val() {
            self.queue_level.d.next = self.queue_level.q.val() - 1;
            self.queue_any.d.next = self.queue_level.q.val() != 1;
        }
        self.next_units.next = self.push.units.val();
        if self.queue_any.q.val() {
            self.next_units.next = self.queue_units.data.val();
        }
        if self.job_ends.val() {
            self.job.d.next = self.queue_any.q.val() | self.push.valid.val();
            self.job_first.d.next = true;
            self.job_units.d.next = self.next_units.val();
            self.job_room.d.next = !self.next_units.val() + 1;
            self.job_short.d.next = self.next_units.val() <= 4;
            self.job_limit.d.next = self.frame_limit.val() - bit_cast::<10, 4>(self.next_units.val());
            self.job_data.d.next = self.push.data.val();
            self.job_destination.d.next = self.push.destination.val();
            self.job_tag.d.next = self.push.tag.val();
            if self.queue_any.q.val() {
                self.job_data.d.next = self.queue_data.data.val();
                self.job_destination.d.next = self.queue_destination.data.val();
                self.job_tag.d.next = self.queue_tag.data.val();
            }
        } else {
            self.job_first.d.next = false;
            self.job_units.d.next = self.job_units.q.val() - 4;
            self.job_short.d.next = self.job_units.q.val() <= 8;
            self.job_data.d.next = self.job_data.q.val() >> 512;
        }

        // Whether it fits the frame that its destination has, and if not, whether another may begin.
        self.opened.first_address.next = self.job_destination.q.val();
        self.granted.first_address.next = self.job_destination.q.val();
        self.closed.first_address.next = self.job_destination.q.val();
        self.tail_page.address.next = self.job_destination.q.val();
        self.tail_slot.address.next = self.job_destination.q.val();
        self.tail_count.address.next = self.job_destination.q.val();
        self.tail.next = self.tail_count.data.val();
        self.tail_units.next = self.tail.val().get_bits::<10>(0);
        self.tail_records.next = self.tail.val().get_bits::<10>(10);
        self.tail_next.next = self.tail.val().get_bits::<4>(20);
        self.tail_full.next = self.tail_next.val() == 0;
        self.grants.next = self.head.q.val() & !self.offered.q.val();
        self.closes.next = self.grants.val() & (self.head_slot.q.val() == self.tail_slot.data.val());
        self.fits.next = (self.opened.first_data.val() != self.closed.first_data.val())
            & !self.closes.val()
            & (self.tail_units.val() <= self.job_limit.q.val());
        self.crosses.next = self.tail_full.val() | (self.tail_next.val() > self.job_room.q.val());
        self.needs_page.next = !self.fits.val() | self.crosses.val();
        self.frames.next = self.opened.first_data.val() - self.granted.first_data.val();
        self.over_limit.next = self.frames.val().get_bit(self.count_top.val().index());
        // Last of all comes whether it fits: both answers are ready then.
        self.decides.next = self.job.q.val() & self.job_first.q.val();
        self.may_go_on.next =
            self.decides.val() & !self.clears.q.val() & (!self.crosses.val() | self.pages.valid.val());
        self.may_open.next = self.decides.val()
            & !self.clears.q.val()
            & self.pages.valid.val()
            & !self.slots_full.q.val()
            & !self.over_limit.val();
        self.goes_on.next = self.fits.val() & self.may_go_on.val();
        self.opens.next = !self.fits.val() & self.may_open.val();
        self.accepts.next = self.goes_on.val() | self.opens.val();
        self.pages.reset.next = self.reset.val();
        self.pages.take.next = self.opens.val() | (self.goes_on.val() & self.crosses.val());
        self.pages.free.next = self.frees.q.val();
        self.pages.free_page.next = self.freed_page.q.val();
        self.links.write.next = self.goes_on.val() & self.crosses.val();
        self.links.write_address.next = self.tail_page.data.val();
        self.links.write_data.next = self.pages.page.val();

        // The frame with it.
        self.new_slot.next = self.write_slot.q.val();
        self.new_count.next = bit_cast::<24, 4>(self.job_units.q.val())
            | 1024
            | (bit_cast::<24, 4>(self.job_units.q.val()) << 20);
        if self.fits.val() {
            self.new_slot.next = self.tail_slot.data.val();
            self.new_count.next = bit_cast::<24, 10>(bit_cast::<10, 10>(
                self.tail_units.val() + bit_cast::<10, 4>(self.job_units.q.val()),
            )) | (bit_cast::<24, 10>(bit_cast::<10, 10>(self.tail_records.val() + 1))
                << 10)
                | (bit_cast::<24, 4>(bit_cast::<4, 4>(self.tail_next.val() + self.job_units.q.val())) << 20);
        }
        self.tail_page.write.next = self.accepts.val();
        self.tail_page.write_address.next = self.job_destination.q.val();
        self.tail_page.write_data.next = self.tail_page.data.val();
        if self.needs_page.val() {
            self.tail_page.write_data.next = self.pages.page.val();
        }
        self.tail_slot.write.next = self.accepts.val();
        self.tail_slot.write_address.next = self.job_destination.q.val();
        self.tail_slot.write_data.next = self.new_slot.val();
        self.tail_count.write.next = self.accepts.val();
        self.tail_count.write_address.next = self.job_destination.q.val();
        self.tail_count.write_data.next = self.new_count.val();
        self.frame_count.write.next = self.accepts.val();
        self.frame_count.write_address.next = self.new_slot.val();
        self.frame_count.write_data.next = bit_cast::<20, 24>(self.new_count.val());
        self.opened.write.next = self.opens.val() | self.clears.q.val();
        self.opened.write_address.next = self.job_destination.q.val();
        self.opened.write_data.next = self.opened.first_data.val() + 1;
        if self.clears.q.val() {
            self.opened.write_address.next = self.clear_index.q.val();
            self.opened.write_data.next = 0.into();
        }

        // Its units: the first of these four goes to the lane of its place, those that pass the last lane
        // to the next block. What is refused touches only what nobody has.
        self.place.next = self.more_place.q.val();
        self.first_page.next = self.more_page.q.val();
        self.second_page.next = self.more_next.q.val();
        self.first_ok.next = self.more_goes.q.val();
        self.second_ok.next = self.more_goes.q.val();
        if self.job_first.q.val() {
            self.place.next = self.tail_next.val();
            self.first_page.next = self.tail_page.data.val();
            self.first_ok.next = true;
            if self.tail_full.val() {
                self.first_page.next = self.pages.page.val();
                self.first_ok.next = self.pages.valid.val();
            }
            self.second_page.next = self.pages.page.val();
            self.second_ok.next = self.pages.valid.val();
        }
        self.turn.next = self.place.val().get_bits::<2>(0);
        for k in 0..4 {
            self.unit[k].next = self.job_data.q.val().get_bits::<128>(self.unit_place[k].val().index());
        }
        for k in 0..4 {
            self.turned[k].next = self.unit[k].val();
        }
        if self.turn.val() == 1 {
            self.turned[0].next = self.unit[3].val();
            self.turned[1].next = self.unit[0].val();
            self.turned[2].next = self.unit[1].val();
            self.turned[3].next = self.unit[2].val();
        }
        if self.turn.val() == 2 {
            self.turned[0].next = self.unit[2].val();
            self.turned[1].next = self.unit[3].val();
            self.turned[2].next = self.unit[0].val();
            self.turned[3].next = self.unit[1].val();
        }
        if self.turn.val() == 3 {
            self.turned[0].next = self.unit[1].val();
            self.turned[1].next = self.unit[2].val();
            self.turned[2].next = self.unit[3].val();
            self.turned[3].next = self.unit[0].val();
        }
        self.wanted.next = 15.into();
        if self.job_units.q.val() == 1 {
            self.wanted.next = 1.into();
        }
        if self.job_units.q.val() == 2 {
            self.wanted.next = 3.into();
        }
        if self.job_units.q.val() == 3 {
            self.wanted.next = 7.into();
        }
        self.block.next = self.place.val().get_bits::<2>(2);
        self.turned_wanted.next = bit_cast::<8, 4>(self.wanted.val()) << bit_cast::<8, 2>(self.turn.val());
        self.lane_mask.next =
            self.turned_wanted.val().get_bits::<4>(0) | self.turned_wanted.val().get_bits::<4>(4);
        self.address.next =
            (bit_cast::<B, P>(self.first_page.val()) << 2) | bit_cast::<B, 2>(self.block.val());
        self.address_behind.next = (bit_cast::<B, P>(self.first_page.val()) << 2)
            | bit_cast::<B, 2>(bit_cast::<2, 2>(self.block.val() + 1));
        self.behind_ok.next = self.first_ok.val();
        if self.block.val() == 3 {
            self.address_behind.next = bit_cast::<B, P>(self.second_page.val()) << 2;
            self.behind_ok.next = self.second_ok.val();
        }
        // A new frame begins with a page, which is known later than all else.
        self.begins.next = self.job_first.q.val() & !self.fits.val();
        self.new_address.next = bit_cast::<B, P>(self.pages.page.val()) << 2;
        for k in 0..4 {
            self.lane[k].clock.next = self.clock.val();
            self.lane_ok[k].next = self.first_ok.val() & self.lane_mask.val().get_bit(k);
            self.lane_address[k].next = self.address.val();
            if bit_cast::<3, 2>(self.turn.val()) > self.number[k].val() {
                self.lane_ok[k].next = self.behind_ok.val() & self.lane_mask.val().get_bit(k);
                self.lane_address[k].next = self.address_behind.val();
            }
            self.lane[k].write.next = self.job.q.val() & self.lane_ok[k].val();
            self.lane[k].write_address.next = self.lane_address[k].val();
            self.lane[k].write_data.next = self.turned[k].val();
            if self.begins.val() {
                self.lane[k].write.next =
                    self.job.q.val() & self.pages.valid.val() & self.wanted.val().get_bit(k);
                self.lane[k].write_address.next = self.new_address.val();
                self.lane[k].write_data.next = self.unit[k].val();
            }
        }
        self.more_place.d.next = self.place.val() + 4;
        self.more_page.d.next = self.first_page.val();
        if self.block.val() == 3 {
            self.more_page.d.next = self.second_page.val();
        }
        if self.begins.val() {
            self.more_place.d.next = 4.into();
            self.more_page.d.next = self.pages.page.val();
        }
        self.more_next.d.next = self.second_page.val();
        if self.job_first.q.val() {
            self.more_goes.d.next = self.accepts.val();
        }

        // Frames wait for the framer in the order in which they were begun.
        self.head_moves.next = !self.head.q.val() | self.grants.val();
        self.head_skips.next = self.head_moves.val() & !self.any.q.val() & self.opens.val();
        self.from_order.next = self.head_moves.val() & self.any.q.val();
        self.order_destination.write.next = self.opens.val();
        self.order_destination.write_address.next = self.write_slot.q.val();
        self.order_destination.write_data.next = self.job_destination.q.val();
        self.order_destination.address.next = self.read_slot.q.val();
        self.order_page.write.next = self.opens.val();
        self.order_page.write_address.next = self.write_slot.q.val();
        self.order_page.write_data.next = self.pages.page.val();
        self.order_page.address.next = self.read_slot.q.val();
        if self.opens.val() {
            self.write_slot.d.next = self.write_slot.q.val() + 1;
        }
        if self.from_order.val() | self.head_skips.val() {
            self.read_slot.d.next = self.read_slot.q.val() + 1;
        }
        // Whether the level moves is known last, which way before.
        self.next_level.next = self.level.q.val() + 1;
        if self.opens.val() ^ self.from_order.val() ^ self.head_skips.val() {
            self.level.d.next = self.next_level.val();
            self.slots_full.d.next = self.next_level.val().all();
            self.any.d.next = true;
            if self.head_moves.val() {
                self.level.d.next = self.level.q.val() - 1;
                self.slots_full.d.next = false;
                self.any.d.next = self.level.q.val() != 1;
            }
        }
        if self.head_moves.val() {
            self.head.d.next = self.any.q.val() | self.opens.val();
            self.head_slot.d.next = self.read_slot.q.val();
            self.head_destination.d.next = self.job_destination.q.val();
            self.head_page.d.next = self.pages.page.val();
            if self.any.q.val() {
                self.head_destination.d.next = self.order_destination.data.val();
                self.head_page.d.next = self.order_page.data.val();
            }
        }
        self.granted.second_address.next = self.head_destination.q.val();
        self.closed.second_address.next = self.head_destination.q.val();
        self.frame_count.address.next = self.head_slot.q.val();
        self.frame_valid.next = self.offered.q.val();
        self.frame_destination.next = self.offer_destination.q.val();
        self.frame_units.next = bit_cast::<10, 20>(self.offer_count.q.val());
        self.frame_records.next = bit_cast::<10, 20>(self.offer_count.q.val() >> 10);
        self.frame_dropped.next = self.offer_dropped.q.val();
        self.leaves.next = self.offered.q.val() & self.frame_ready.val();
        if self.leaves.val() {
            self.offered.d.next = false;
        }

        // A frame that is offered is closed; a drop closes all that a destination has.
        self.drop.ready.next = !self.grants.val() & !self.clears.q.val();
        self.drops.next = self.drop.valid.val() & !self.grants.val();
        self.opened.second_address.next = self.drop.destination.val();
        self.next_granted.next = self.granted.second_data.val() + 1;
        if self.grants.val() {
            self.offered.d.next = true;
            self.offer_destination.d.next = self.head_destination.q.val();
            self.offer_page.d.next = self.head_page.q.val();
            self.offer_count.d.next = self.frame_count.data.val();
            self.offer_dropped.d.next = self.granted.second_data.val() != self.closed.second_data.val();
        }
        if self.drops.val() & (self.drop.destination.val() == self.offer_destination.q.val()) {
            self.offer_dropped.d.next = true;
        }
        self.granted.write.next = self.grants.val() | self.clears.q.val();
        self.granted.write_address.next = self.head_destination.q.val();
        self.granted.write_data.next = self.next_granted.val();
        self.closed.write.next = self.grants.val() | self.drops.val() | self.clears.q.val();
        self.closed.write_address.next = self.drop.destination.val();
        self.closed.write_data.next = self.opened.second_data.val();
        if self.grants.val() {
            self.closed.write_address.next = self.head_destination.q.val();
            self.closed.write_data.next = self.closed.second_data.val();
            if self.granted.second_data.val() == self.closed.second_data.val() {
                self.closed.write_data.next = self.next_granted.val();
            }
        }
        if self.clears.q.val() {
            self.granted.write_address.next = self.clear_index.q.val();
            self.granted.write_data.next = 0.into();
            self.closed.write_address.next = self.clear_index.q.val();
            self.closed.write_data.next = 0.into();
            self.clear_index.d.next = self.clear_index.q.val() + 1;
            if self.clear_index.q.val().all() {
                self.clears.d.next = false;
            }
        }
        // Its units, block by block, page by page.
        self.links.address.next = self.read_page.q.val();
        self.next_page.d.next = self.links.data.val();
        self.read_sum.next = bit_cast::<5, 4>(self.read_place.q.val()) + self.fetch_units.val();
        self.frees.d.next = self.fetch.val() & (self.fetch_last.val() | self.read_sum.val().get_bit(4));
        self.freed_page.d.next = self.read_page.q.val();
        if self.fetch.val() {
            self.read_place.d.next = bit_cast::<4, 5>(self.read_sum.val());
            if self.read_sum.val().get_bit(4) {
                self.read_page.d.next = self.next_page.q.val();
            }
        }
        if self.leaves.val() {
            self.read_page.d.next = self.offer_page.q.val();
            self.read_place.d.next = 0.into();
        }
        self.read_address.next =
            (bit_cast::<B, P>(self.read_page.q.val()) << 2) | bit_cast::<B, 4>(self.read_place.q.val() >> 2);
        for k in 0..4 {
            self.lane[k].read_address.next = self.read_address.val();
        }
        self.offset_1.d.next = bit_cast::<2, 4>(self.read_place.q.val()) & self.offset_mask.val();
        self.offset_2.d.next = self.offset_1.q.val();
        self.fetched.next = bit_cast::<512, 128>(self.lane[0].read_data.val())
            | (bit_cast::<512, 128>(self.lane[1].read_data.val()) << 128)
            | (bit_cast::<512, 128>(self.lane[2].read_data.val()) << 256)
            | (bit_cast::<512, 128>(self.lane[3].read_data.val()) << 384);
        self.payload.next = bit_cast::<W, 512>(self.fetched.val());
        if self.offset_2.q.val() == 1 {
            self.payload.next = bit_cast::<W, 512>(self.fetched.val() >> 128);
        }
        if self.offset_2.q.val() == 2 {
            self.payload.next = bit_cast::<W, 512>(self.fetched.val() >> 256);
        }
        if self.offset_2.q.val() == 3 {
            self.payload.next = bit_cast::<W, 512>(self.fetched.val() >> 384);
        }

        // What is told: while one waits for that, each clock one is told or decided, so no more wait than
        // the queue held: there is always a place.
        self.misses.next = self.push.valid.val() & !self.from_input.val() & self.queue_full.val();
        self.refusals.write.next = self.misses.val();
        self.refusals.write_address.next = self.refusal_in.q.val();
        self.refusals.write_data.next =
            (bit_cast::<24, D>(self.push.destination.val()) << 13) | bit_cast::<24, 13>(self.push.tag.val());
        self.refusals.address.next = self.refusal_out.q.val();
        // A clock later than the decision, which ends the longest path.
        self.decided.d.next = self.decides.val();
        self.fitted.d.next = self.fits.val();
        self.could_go_on.d.next = self.may_go_on.val();
        self.could_open.d.next = self.may_open.val();
        self.told.next = self.decided.q.val() & !self.could_open.q.val();
        if self.fitted.q.val() {
            self.told.next = self.decided.q.val() & !self.could_go_on.q.val();
        }
        self.refusal_waits.next = self.refusal_in.q.val() != self.refusal_out.q.val();
        if self.misses.val() {
            self.refusal_in.d.next = self.refusal_in.q.val() + 1;
        }
        if self.refusal_waits.val() & !self.told.val() {
            self.refusal_out.d.next = self.refusal_out.q.val() + 1;
        }
        self.told_whom.d.next = self.job_destination.q.val();
        self.told_tag.d.next = self.job_tag.q.val();
        self.refusal.next = self.refusals.data.val();
        self.refused_now.d.next = self.told.val() | self.refusal_waits.val();
        self.refused_whom.d.next = bit_cast::<D, 24>(self.refusal.val() >> 13);
        self.refused_what.d.next = bit_cast::<13, 24>(self.refusal.val());
        if self.told.val() {
            self.refused_whom.d.next = self.told_whom.q.val();
            self.refused_what.d.next = self.told_tag.q.val();
        }
        self.push.refused.next = self.refused_now.q.val();
        self.push.refused_destination.next = self.refused_whom.q.val();
        self.push.refused_tag.next = self.refused_what.q.val();

        if self.reset.val() {
            self.queue_write.d.next = 0.into();
            self.queue_read.d.next = 0.into();
            self.queue_level.d.next = 0.into();
            self.queue_any.d.next = false;
            self.job.d.next = false;
            self.clears.d.next = true;
            self.clear_index.d.next = 0.into();
            self.write_slot.d.next = 0.into();
            self.read_slot.d.next = 0.into();
            self.level.d.next = 0.into();
            self.slots_full.d.next = false;
            self.any.d.next = false;
            self.head.d.next = false;
            self.offered.d.next = false;
            self.frees.d.next = false;
            self.refusal_in.d.next = 0.into();
            self.refusal_out.d.next = 0.into();
            self.decided.d.next = false;
            self.refused_now.d.next = false;
        }
    }
}
