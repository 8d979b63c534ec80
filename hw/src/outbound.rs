//! Outbound: which copies are told of a change, and when.
//!
//! Enters: a change of a flow with how its bucket's two copies stand, one a clock. Leaves: the records that
//! tell them, one a clock, each for one copy; for the records of one flow and one copy the order is that of
//! the changes. What finds [`PLACES`] changes waiting is not sent: `full` says to which copies, so that
//! their bucket is marked dirty; a snapshot tells them later.
//!
//! Nothing stalls the changes. One for one copy leaves [`LATENCY`] cycles later if none waits before it;
//! one for both copies takes two clocks.
//!
//! Timing: who is told is decided before the first register, the builder follows behind it; all outputs are
//! registers or a table behind them.

use crate::layout::ENTRY_BITS;
use crate::prim::{Delay, Fifo};
use crate::record::{self, RecordBuilder};
use rust_hdl::prelude::*;

/// Cycles from change to record.
pub const LATENCY: usize = record::LATENCY + 1;
/// Changes that may wait, at the least.
pub const PLACES: usize = 16;

// Widths in a kernel are plain numbers.
const _: () = assert!(ENTRY_BITS == 1296 && LATENCY == 4 && PLACES == 1 << 4);

/// How a copy is to be told.
pub mod gate {
    /// There is no such copy.
    pub const NONE: u8 = 0;
    /// Not now: it has no session, or a snapshot is due.
    pub const DEFERRED: u8 = 1;
    /// Whole: a snapshot is on its way.
    pub const WHOLE: u8 = 2;
    /// In the shortest form.
    pub const OPEN: u8 = 3;
}

/// Records for the copies of changed flows; paths are numbers of T bits, Q is 1516 + 2 T.
#[derive(LogicBlock)]
pub struct Outbound<const T: usize, const Q: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Forgets what waits.
    pub reset: Signal<In, Bit>,
    /// Groups that replicate.
    pub replicate: Signal<In, Bits<8>>,
    /// Edges replicate in steps of 2 to this power; in force a cycle later.
    pub edge_bits: Signal<In, Bits<5>>,
    /// A flow was made, has changed or ended.
    pub in_valid: Signal<In, Bit>,
    /// Its entry.
    pub in_entry: Signal<In, Bits<1296>>,
    /// Its id.
    pub in_id: Signal<In, Bits<40>>,
    /// Term of its bucket.
    pub in_term: Signal<In, Bits<32>>,
    /// No copy holds the version before.
    pub in_first: Signal<In, Bit>,
    /// Groups that changed.
    pub in_changed: Signal<In, Bits<8>>,
    /// Groups that were present before.
    pub in_was_groups: Signal<In, Bits<8>>,
    /// Edges before.
    pub in_was_edges: Signal<In, Bits<128>>,
    /// [`gate`] of the backup, and above it of the remote.
    pub in_gates: Signal<In, Bits<4>>,
    /// Path to the backup.
    pub in_backup_path: Signal<In, Bits<T>>,
    /// Path to the remote.
    pub in_remote_path: Signal<In, Bits<T>>,
    /// A record is there.
    pub out_valid: Signal<Out, Bit>,
    /// Its units, the first at bit 0.
    pub out_units: Signal<Out, Bits<1408>>,
    /// How many they are.
    pub out_count: Signal<Out, Bits<4>>,
    /// Where it goes.
    pub out_path: Signal<Out, Bits<T>>,
    /// The bucket of its flow.
    pub out_bucket: Signal<Out, Bits<10>>,
    /// It is for the remote.
    pub out_remote: Signal<Out, Bit>,
    /// Copies that were not told of the change of the cycle before, because they are not to be told now.
    pub deferred: Signal<Out, Bits<2>>,
    /// Copies that were not told of it, because too many changes wait.
    pub full: Signal<Out, Bits<2>>,
    /// The bucket of that change.
    pub full_bucket: Signal<Out, Bits<10>>,
    builder: RecordBuilder,
    /// Changes that wait, with the copies that are still to be told.
    queue: Fifo<Q, 4, 5>,
    /// Bucket and copy, and the path, while the record is built.
    aside: Delay<11, 4>,
    path_aside: Delay<T, 4>,
    /// What the builder gets, and from it on whether there is something.
    front: DFF<Bits<1512>>,
    front_delta: DFF<Bit>,
    is_building: DFF<Bit>,
    remote_path_at: Constant<Bits<16>>,
    /// The first copy of the change in front has been told.
    is_second: DFF<Bit>,
    deferred_held: DFF<Bits<2>>,
    refused: DFF<Bit>,
    copies_held: DFF<Bits<2>>,
    bucket_held: DFF<Bits<10>>,
    gate_deferred: Constant<Bits<2>>,
    gate_whole: Constant<Bits<2>>,
    gate: [Signal<Local, Bits<2>>; 2],
    is_deferred: [Signal<Local, Bit>; 2],
    is_sent: [Signal<Local, Bit>; 2],
    is_whole: [Signal<Local, Bit>; 2],
    any_sent: Signal<Local, Bit>,
    both_sent: Signal<Local, Bit>,
    copies: Signal<Local, Bits<2>>,
    change: Signal<Local, Bits<Q>>,
    waits: Signal<Local, Bit>,
    pushes: Signal<Local, Bit>,
    now: Signal<Local, Bits<Q>>,
    now_valid: Signal<Local, Bit>,
    to_backup: Signal<Local, Bit>,
    /// Whether the remote is told, too, is a register.
    unused: Signal<Local, Bit>,
    head_copies: Signal<Local, Bits<2>>,
    now_whole: Signal<Local, Bits<2>>,
    to_remote: Signal<Local, Bit>,
    is_last: Signal<Local, Bit>,
    told: Signal<Local, Bits<11>>,
}

impl<const T: usize, const Q: usize> Default for Outbound<T, Q> {
    fn default() -> Self {
        const { assert!(Q == 1516 + 2 * T, "a change that waits names both its paths") };
        block! {
            gate_deferred: Constant::new(gate::DEFERRED.to_bits()),
            gate_whole: Constant::new(gate::WHOLE.to_bits()),
            remote_path_at: Constant::new((1516 + T).to_bits()),
            ..clock reset replicate edge_bits in_valid in_entry in_id in_term in_first in_changed in_was_groups
            in_was_edges in_gates in_backup_path in_remote_path out_valid out_units out_count out_path out_bucket out_remote deferred
            full full_bucket builder queue aside path_aside front front_delta is_building is_second deferred_held refused copies_held bucket_held gate is_deferred
            is_sent is_whole any_sent both_sent copies change waits pushes now now_valid to_backup unused head_copies now_whole
            to_remote is_last told
        }
    }
}

impl<const T: usize, const Q: usize> Logic for Outbound<T, Q> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            is_second,
            deferred_held,
            refused,
            copies_held,
            bucket_held,
            front,
            front_delta,
            is_building
        );
        self.builder.clock.next = self.clock.val();
        self.builder.reset.next = self.reset.val();
        self.builder.in_replicate.next = self.replicate.val();
        self.builder.in_edge_bits.next = self.edge_bits.val();
        self.queue.clock.next = self.clock.val();
        self.queue.reset.next = self.reset.val();
        self.aside.clock.next = self.clock.val();
        self.path_aside.clock.next = self.clock.val();

        // Whom the change is for, and in which form.
        for k in 0..2 {
            self.gate[k].next = self.in_gates.val().get_bits::<2>(2 * k);
            self.is_deferred[k].next = self.in_valid.val() & (self.gate[k].val() == self.gate_deferred.val());
            self.is_sent[k].next = self.in_valid.val() & self.gate[k].val().get_bit(1);
            self.is_whole[k].next = self.in_first.val() | (self.gate[k].val() == self.gate_whole.val());
        }
        self.any_sent.next = self.is_sent[0].val() | self.is_sent[1].val();
        self.both_sent.next = self.is_sent[0].val() & self.is_sent[1].val();

        // It waits behind others; one for both copies waits for the second.
        self.waits.next = self.queue.count.val().any() | self.queue.m_axis.tvalid.val();
        self.pushes.next = self.any_sent.val() & (self.waits.val() | self.both_sent.val());
        self.copies.next = (bit_cast::<2, 1>(self.is_sent[1].val().into()) << 1)
            | bit_cast::<2, 1>(self.is_sent[0].val().into());
        self.change.next = bit_cast::<Q, 1296>(self.in_entry.val())
            | (bit_cast::<Q, 40>(self.in_id.val()) << 1296)
            | (bit_cast::<Q, 32>(self.in_term.val()) << 1336)
            | (bit_cast::<Q, 8>(self.in_changed.val()) << 1368)
            | (bit_cast::<Q, 8>(self.in_was_groups.val()) << 1376)
            | (bit_cast::<Q, 128>(self.in_was_edges.val()) << 1384)
            | (bit_cast::<Q, 1>(self.is_whole[0].val().into()) << 1512)
            | (bit_cast::<Q, 1>(self.is_whole[1].val().into()) << 1513)
            | (bit_cast::<Q, 2>(self.copies.val()) << 1514)
            | (bit_cast::<Q, T>(self.in_backup_path.val()) << 1516)
            | (bit_cast::<Q, T>(self.in_remote_path.val()) << self.remote_path_at.val());
        self.queue.s_axis.tdata.next = self.change.val();
        if !self.waits.val() {
            // Only a change for both copies comes here: the backup's record is on its way.
            self.queue.s_axis.tdata.next = self.change.val().replace_bit(1514, false);
        }
        self.queue.s_axis.tvalid.next = self.pushes.val();
        self.deferred_held.d.next = (bit_cast::<2, 1>(self.is_deferred[1].val().into()) << 1)
            | bit_cast::<2, 1>(self.is_deferred[0].val().into());
        self.refused.d.next = self.pushes.val() & !self.queue.s_axis.tready.val() & !self.reset.val();
        self.copies_held.d.next = self.copies.val();
        self.bucket_held.d.next = self.in_id.val().get_bits::<10>(30);

        // The change in front, and the first of its copies that is still to be told.
        self.now.next = self.change.val();
        self.now_valid.next = self.any_sent.val();
        if self.waits.val() {
            self.now.next = self.queue.m_axis.tdata.val();
            self.now_valid.next = self.queue.m_axis.tvalid.val();
        }
        self.unused.next = self.now.val().get_bit(1515);
        self.to_backup.next = self.now.val().get_bit(1514);
        self.now_whole.next = self.now.val().get_bits::<2>(1512);
        self.to_remote.next = self.is_second.q.val() | !self.to_backup.val();
        // Of what waits alone, so that the queue's next state does not follow from the choice above.
        self.head_copies.next = self.queue.m_axis.tdata.val().get_bits::<2>(1514);
        self.is_last.next = self.is_second.q.val() | !self.head_copies.val().all();
        self.queue.m_axis.tready.next = self.is_last.val();
        if self.queue.m_axis.tvalid.val() {
            self.is_second.d.next = !self.is_last.val();
        }

        self.is_building.d.next = self.now_valid.val();
        self.front.d.next = self.now.val().get_bits::<1512>(0);
        self.front_delta.d.next = !self.now_whole.val().get_bit(0);
        self.path_aside.in_data.next = self.now.val().get_bits::<T>(1516);
        if self.to_remote.val() {
            self.front_delta.d.next = !self.now_whole.val().get_bit(1);
            self.path_aside.in_data.next = self.now.val().get_bits::<T>(self.remote_path_at.val().index());
        }
        // The bucket is the top of the id.
        self.aside.in_data.next = (bit_cast::<11, 10>(self.now.val().get_bits::<10>(1326)) << 1)
            | bit_cast::<11, 1>(self.to_remote.val().into());

        // Its record.
        self.builder.in_valid.next = self.is_building.q.val();
        self.builder.in_entry.next = self.front.q.val().get_bits::<1296>(0);
        self.builder.in_id.next = self.front.q.val().get_bits::<40>(1296);
        self.builder.in_term.next = self.front.q.val().get_bits::<32>(1336);
        self.builder.in_changed.next = self.front.q.val().get_bits::<8>(1368);
        self.builder.in_was_groups.next = self.front.q.val().get_bits::<8>(1376);
        self.builder.in_was_edges.next = self.front.q.val().get_bits::<128>(1384);
        self.builder.in_delta.next = self.front_delta.q.val();

        self.told.next = self.aside.out_data.val();
        self.out_valid.next = self.builder.out_valid.val();
        self.out_units.next = self.builder.out_units.val();
        self.out_count.next = self.builder.out_count.val();
        self.out_path.next = self.path_aside.out_data.val();
        self.out_remote.next = self.told.val().get_bit(0);
        self.out_bucket.next = self.told.val().get_bits::<10>(1);
        self.deferred.next = self.deferred_held.q.val();
        self.full.next = 0.into();
        if self.refused.q.val() {
            self.full.next = self.copies_held.q.val();
        }
        self.full_bucket.next = self.bucket_held.q.val();
        if self.reset.val() {
            self.is_second.d.next = false;
            self.is_building.d.next = false;
            self.deferred_held.d.next = 0.into();
        }
    }
}
