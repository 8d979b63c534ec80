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

use crate::framer::{self, AloneIn, Framer, HeadIn, PathsIn};
use crate::pool::{self, DropIn, Pool, PushIn};
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
    /// Records; a destination is a path, too.
    pub push: PushIn<D>,
    /// Units that a frame may have.
    pub frame_limit: Signal<In, Bits<10>>,
    /// Ends of sessions.
    pub drop: DropIn<D>,
    /// Records that leave alone.
    pub alone: AloneIn<T>,
    /// What all headers share.
    pub head: HeadIn,
    /// The table of paths.
    pub path: PathsIn<T>,
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
        PushIn::<D>::link(&mut self.push, &mut self.pool.push);
        self.pool.frame_limit.next = self.frame_limit.val();
        DropIn::<D>::link(&mut self.drop, &mut self.pool.drop);
        AloneIn::<T>::link(&mut self.alone, &mut self.framer.alone);
        HeadIn::link(&mut self.head, &mut self.framer.head);
        PathsIn::<T>::link(&mut self.path, &mut self.framer.path);
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
