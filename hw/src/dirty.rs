//! Marks that wait: buckets of one copy that found no room, on their way to the map.
//!
//! Enters: a bucket that the queue before the pool refused, and one that the pool refused, each clock. Leaves:
//! one a clock. Nothing is lost: a change is refused for a copy once, by the one or the other, so in the long
//! run one comes a clock; what the pool refuses late is no more than what waits before and in it, and 64
//! find room here.
//!
//! Timing: outputs are registers behind one choice, [`LATENCY`] cycles after a mark if none waits before it.

use crate::prim::Fifo;
use rust_hdl::prelude::*;

/// Cycles from a mark to where it leaves.
pub const LATENCY: usize = 2;
/// Buckets that may wait of each kind.
pub const PLACES: usize = 64;

const _: () = assert!(PLACES == 1 << 6);

/// Marks of one copy.
#[derive(LogicBlock, Default)]
pub struct Dirty {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Forgets what waits.
    pub reset: Signal<In, Bit>,
    /// The pool refused.
    pub late_valid: Signal<In, Bit>,
    /// The bucket.
    pub late_bucket: Signal<In, Bits<10>>,
    /// The queue before it refused.
    pub early_valid: Signal<In, Bit>,
    /// The bucket.
    pub early_bucket: Signal<In, Bits<10>>,
    /// A mark is there.
    pub out_valid: Signal<Out, Bit>,
    /// It is taken at this clock.
    pub out_ready: Signal<In, Bit>,
    /// The bucket.
    pub out_bucket: Signal<Out, Bits<10>>,
    /// None is on its way.
    pub is_idle: Signal<Out, Bit>,
    late: Fifo<10, 6, 7>,
    early: Fifo<10, 6, 7>,
    /// Both queues say that they have room; they always have.
    unused: Signal<Local, Bit>,
}

impl Logic for Dirty {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, late, early);
        self.late.reset.next = self.reset.val();
        self.early.reset.next = self.reset.val();
        self.late.s_axis.tvalid.next = self.late_valid.val();
        self.late.s_axis.tdata.next = self.late_bucket.val();
        self.early.s_axis.tvalid.next = self.early_valid.val();
        self.early.s_axis.tdata.next = self.early_bucket.val();
        self.unused.next = self.late.s_axis.tready.val() | self.early.s_axis.tready.val();
        self.out_valid.next = self.late.m_axis.tvalid.val() | self.early.m_axis.tvalid.val();
        self.out_bucket.next = self.early.m_axis.tdata.val();
        if self.late.m_axis.tvalid.val() {
            self.out_bucket.next = self.late.m_axis.tdata.val();
        }
        self.late.m_axis.tready.next = self.out_ready.val();
        self.early.m_axis.tready.next = self.out_ready.val() & !self.late.m_axis.tvalid.val();
        self.is_idle.next = !self.late.m_axis.tvalid.val()
            & !self.early.m_axis.tvalid.val()
            & !self.late.count.val().any()
            & !self.early.count.val().any();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("dirty", &crate::export("dirty", &mut Dirty::default()));
    }
}
