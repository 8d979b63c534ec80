//! The port of records: those of accepted frames, in their order, from the aligner to who tells them apart.

use rust_hdl::prelude::*;

/// The side that gives them.
#[derive(LogicInterface, Clone, Debug, Default)]
#[join = "RecordIn"]
pub struct RecordOut {
    /// A record is there; it holds until it is taken.
    pub valid: Signal<Out, Bit>,
    /// It is taken at this clock.
    pub ready: Signal<In, Bit>,
    /// Its units, the first at bit 0; what lies behind them is anything.
    pub units: Signal<Out, Bits<2048>>,
    /// How many are its own.
    pub count: Signal<Out, Bits<5>>,
    /// Sender of its frame.
    pub sender: Signal<Out, Bits<7>>,
    /// Port of its frame.
    pub port: Signal<Out, Bits<3>>,
    /// Sequence of its frame.
    pub sequence: Signal<Out, Bits<64>>,
    /// Frames are missing before its frame; the same for all records of it.
    pub gap: Signal<Out, Bit>,
    /// The first of its frame.
    pub first: Signal<Out, Bit>,
    /// The last of its frame.
    pub last: Signal<Out, Bit>,
    /// No record: the frame ends here, because what follows is none.
    pub malformed: Signal<Out, Bit>,
}

/// The side that takes them; each port as [`RecordOut`] says.
#[derive(LogicInterface, Clone, Debug, Default)]
pub struct RecordIn {
    pub valid: Signal<In, Bit>,
    pub ready: Signal<Out, Bit>,
    pub units: Signal<In, Bits<2048>>,
    pub count: Signal<In, Bits<5>>,
    pub sender: Signal<In, Bits<7>>,
    pub port: Signal<In, Bits<3>>,
    pub sequence: Signal<In, Bits<64>>,
    pub gap: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub last: Signal<In, Bit>,
    pub malformed: Signal<In, Bit>,
}
