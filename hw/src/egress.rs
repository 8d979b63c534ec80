//! Egress: records in, frames on the wire out.
//!
//! Enters: a record a clock and whom it is for; frames of one record alone. Leaves: an AXI-Stream of
//! frames, and what found no room. [`Pool`] and [`Framer`] with one wire for each thing they say to each
//! other; what they promise holds for both. A destination of the pool is the path of that number.
//!
//! When a session of a peer ends, drop its destination first and write the new session behind that: what
//! came before the drop then never leaves under the new session.
//!
//! Timing: as its parts. The first beat of a record's frame comes [`LATENCY`] cycles after the record if
//! nothing waits.

use crate::framer::{self, Framer};
use crate::pool::{self, Pool};
use crate::prim::FrameOut;
use rust_hdl::prelude::*;

/// Cycles from a record to the first beat of its frame when nothing waits.
pub const LATENCY: usize = pool::LATENCY + framer::LATENCY;
// The framer looks at units as late as the pool shows them.
const _: () = assert!(framer::FETCH_LATENCY == crate::prim::MEMORY_LATENCY);

/// A stream of W bits, K bytes and U units a beat, 2^T paths; the others are those of the pool.
#[derive(LogicBlock, Default)]
pub struct Egress<
    const W: usize,
    const K: usize,
    const U: usize,
    const T: usize,
    const D: usize,
    const P: usize,
    const N: usize,
    const B: usize,
    const F: usize,
    const C: usize,
> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Forgets all that waits and begins all sequences anew.
    pub reset: Signal<In, Bit>,
    /// A record is there.
    pub in_valid: Signal<In, Bit>,
    /// Whom it is for: also its path.
    pub in_destination: Signal<In, Bits<D>>,
    /// Its units, 1 to 11.
    pub in_units: Signal<In, Bits<4>>,
    /// They.
    pub in_data: Signal<In, Bits<1408>>,
    /// What is told if it is refused.
    pub in_tag: Signal<In, Bits<13>>,
    /// A record was refused.
    pub refused: Signal<Out, Bit>,
    /// Whom it was for.
    pub refused_destination: Signal<Out, Bits<D>>,
    /// What came with it.
    pub refused_tag: Signal<Out, Bits<13>>,
    /// Units that a frame may have.
    pub frame_limit: Signal<In, Bits<10>>,
    /// What waits for a destination shall not be sent: its session is over.
    pub drop_valid: Signal<In, Bit>,
    /// That is so from this clock on.
    pub drop_ready: Signal<Out, Bit>,
    /// The destination.
    pub drop_destination: Signal<In, Bits<D>>,
    /// A record is there that leaves alone and first.
    pub alone_valid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub alone_ready: Signal<Out, Bit>,
    /// Whom it is for.
    pub alone_path: Signal<In, Bits<T>>,
    /// Its units, at most four.
    pub alone_units: Signal<In, Bits<3>>,
    /// They.
    pub alone_data: Signal<In, Bits<512>>,
    /// Cluster number.
    pub cluster: Signal<In, Bits<32>>,
    /// Our member number.
    pub sender: Signal<In, Bits<8>>,
    /// Our session.
    pub session: Signal<In, Bits<64>>,
    /// Service tag.
    pub s_tag: Signal<In, Bits<16>>,
    /// Customer tag.
    pub c_tag: Signal<In, Bits<16>>,
    /// Cluster time.
    pub time_us: Signal<In, Bits<64>>,
    /// Path that is written.
    pub write_index: Signal<In, Bits<T>>,
    /// Writes addresses, port and receiver at this clock.
    pub write_path: Signal<In, Bit>,
    /// Destination MAC, source MAC, port, receiver.
    pub write_entry: Signal<In, Bits<112>>,
    /// Writes the receiver's session at this clock.
    pub write_session: Signal<In, Bit>,
    /// Its low half; 0 for none.
    pub write_peer_session: Signal<In, Bits<32>>,
    /// The frames.
    pub m_axis: FrameOut<W, K>,
    /// A frame was begun.
    pub sent: Signal<Out, Bit>,
    /// A frame was dropped.
    pub dropped: Signal<Out, Bit>,
    pool: Pool<W, U, D, P, N, B, F, C>,
    framer: Framer<W, K, U, T>,
}

#[rustfmt::skip] // Its head must be one line.
impl<const W: usize, const K: usize, const U: usize, const T: usize, const D: usize, const P: usize, const N: usize, const B: usize, const F: usize, const C: usize> Logic for Egress<W, K, U, T, D, P, N, B, F, C> {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, pool, framer);
        self.pool.reset.next = self.reset.val();
        self.framer.reset.next = self.reset.val();
        self.framer.frame_valid.next = self.pool.frame_valid.val();
        self.pool.frame_ready.next = self.framer.frame_ready.val();
        self.framer.frame_path.next = bit_cast::<T, D>(self.pool.frame_destination.val());
        self.framer.frame_units.next = self.pool.frame_units.val();
        self.framer.frame_records.next = self.pool.frame_records.val();
        self.framer.frame_dropped.next = self.pool.frame_dropped.val();
        self.pool.fetch.next = self.framer.fetch.val();
        self.pool.fetch_last.next = self.framer.fetch_last.val();
        self.framer.payload.next = self.pool.payload.val();
        self.pool.in_valid.next = self.in_valid.val();
        self.pool.in_destination.next = self.in_destination.val();
        self.pool.in_units.next = self.in_units.val();
        self.pool.in_data.next = self.in_data.val();
        self.pool.in_tag.next = self.in_tag.val();
        self.refused.next = self.pool.refused.val();
        self.refused_destination.next = self.pool.refused_destination.val();
        self.refused_tag.next = self.pool.refused_tag.val();
        self.pool.frame_limit.next = self.frame_limit.val();
        self.pool.drop_valid.next = self.drop_valid.val();
        self.drop_ready.next = self.pool.drop_ready.val();
        self.pool.drop_destination.next = self.drop_destination.val();
        self.framer.alone_valid.next = self.alone_valid.val();
        self.alone_ready.next = self.framer.alone_ready.val();
        self.framer.alone_path.next = self.alone_path.val();
        self.framer.alone_units.next = self.alone_units.val();
        self.framer.alone_data.next = self.alone_data.val();
        self.framer.cluster.next = self.cluster.val();
        self.framer.sender.next = self.sender.val();
        self.framer.session.next = self.session.val();
        self.framer.s_tag.next = self.s_tag.val();
        self.framer.c_tag.next = self.c_tag.val();
        self.framer.time_us.next = self.time_us.val();
        self.framer.write_index.next = self.write_index.val();
        self.framer.write_path.next = self.write_path.val();
        self.framer.write_entry.next = self.write_entry.val();
        self.framer.write_session.next = self.write_session.val();
        self.framer.write_peer_session.next = self.write_peer_session.val();
        FrameOut::<W, K>::link(&mut self.m_axis, &mut self.framer.m_axis);
        self.sent.next = self.framer.sent.val();
        self.dropped.next = self.framer.dropped.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        let text = crate::export("egress", &mut *Box::<Egress<128, 16, 1, 4, 3, 4, 5, 6, 4, 4>>::default());
        crate::yosys::check("egress", &text);
    }
}
