//! A register slice for a stream: cuts both directions of a handshake, one word a clock.
//!
//! Timing: all outputs are registers, `tready` too; a word takes one cycle. Two places.

use super::stream::{StreamIn, StreamOut};
use rust_hdl::prelude::*;

/// Two places between two streams.
#[derive(LogicBlock, Default)]
pub struct SkidBuffer<const W: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Empties it.
    pub reset: Signal<In, Bit>,
    /// What enters.
    pub s_axis: StreamIn<W>,
    /// What leaves.
    pub m_axis: StreamOut<W>,
    out: DFF<Bits<W>>,
    out_valid: DFF<Bit>,
    /// The word that came when the output had just stopped.
    held: DFF<Bits<W>>,
    /// Nothing is held. After a reset nothing is held either, and nothing is valid.
    ready: DFF<Bit>,
    moves: Signal<Local, Bit>,
}

impl<const W: usize> Logic for SkidBuffer<W> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, out, out_valid, held, ready);
        self.m_axis.tdata.next = self.out.q.val();
        self.m_axis.tvalid.next = self.out_valid.q.val();
        self.s_axis.tready.next = self.ready.q.val();
        self.moves.next = self.m_axis.tready.val() | !self.out_valid.q.val();
        // Whatever is there when ready is up, so that the wide register needs no late enable.
        if self.ready.q.val() {
            self.held.d.next = self.s_axis.tdata.val();
        }
        if self.moves.val() {
            self.ready.d.next = true;
            self.out.d.next = self.held.q.val();
            if self.ready.q.val() {
                self.out_valid.d.next = self.s_axis.tvalid.val();
                self.out.d.next = self.s_axis.tdata.val();
            }
        } else {
            if self.ready.q.val() & self.s_axis.tvalid.val() {
                self.ready.d.next = false;
            }
        }
        if self.reset.val() {
            self.out_valid.d.next = false;
            self.ready.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("skid", &crate::export("skid", &mut SkidBuffer::<577>::default()));
    }
}
