//! A stream of words: AXI-Stream with everything that belongs to a beat in one word.

use rust_hdl::prelude::*;

/// The receiving side.
#[derive(LogicInterface, Clone, Debug, Default)]
#[join = "StreamOut"]
pub struct StreamIn<const W: usize> {
    /// The word; it holds while `tvalid` waits.
    pub tdata: Signal<In, Bits<W>>,
    /// A word is there.
    pub tvalid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub tready: Signal<Out, Bit>,
}

/// The sending side.
#[derive(LogicInterface, Clone, Debug, Default)]
#[join = "StreamIn"]
pub struct StreamOut<const W: usize> {
    /// The word; it holds while `tvalid` waits.
    pub tdata: Signal<Out, Bits<W>>,
    /// A word is there.
    pub tvalid: Signal<Out, Bit>,
    /// It is taken at this clock.
    pub tready: Signal<In, Bit>,
}
