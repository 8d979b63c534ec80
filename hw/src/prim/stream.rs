//! Ports that several blocks have: a stream of words, which is AXI-Stream with everything that belongs to a
//! beat in one word, and AXI4-Lite.

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

/// The side of AXI4-Lite that answers: words of 32 bits, A bits of address.
#[derive(LogicInterface, Clone, Debug, Default)]
#[join = "LiteOut"]
pub struct LiteIn<const A: usize> {
    /// An address to write is there.
    pub awvalid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub awready: Signal<Out, Bit>,
    /// The address.
    pub awaddr: Signal<In, Bits<A>>,
    /// Data to write are there.
    pub wvalid: Signal<In, Bit>,
    /// They are taken at this clock.
    pub wready: Signal<Out, Bit>,
    /// The data.
    pub wdata: Signal<In, Bits<32>>,
    /// Bytes of them that count.
    pub wstrb: Signal<In, Bits<4>>,
    /// The answer to a write is there.
    pub bvalid: Signal<Out, Bit>,
    /// It is taken at this clock.
    pub bready: Signal<In, Bit>,
    /// 0 done, 2 refused.
    pub bresp: Signal<Out, Bits<2>>,
    /// An address to read is there.
    pub arvalid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub arready: Signal<Out, Bit>,
    /// The address.
    pub araddr: Signal<In, Bits<A>>,
    /// The answer to a read is there.
    pub rvalid: Signal<Out, Bit>,
    /// It is taken at this clock.
    pub rready: Signal<In, Bit>,
    /// The data.
    pub rdata: Signal<Out, Bits<32>>,
    /// 0 done, 2 refused.
    pub rresp: Signal<Out, Bits<2>>,
}

/// The side of AXI4-Lite that asks.
#[derive(LogicInterface, Clone, Debug, Default)]
#[join = "LiteIn"]
pub struct LiteOut<const A: usize> {
    /// An address to write is there.
    pub awvalid: Signal<Out, Bit>,
    /// It is taken at this clock.
    pub awready: Signal<In, Bit>,
    /// The address.
    pub awaddr: Signal<Out, Bits<A>>,
    /// Data to write are there.
    pub wvalid: Signal<Out, Bit>,
    /// They are taken at this clock.
    pub wready: Signal<In, Bit>,
    /// The data.
    pub wdata: Signal<Out, Bits<32>>,
    /// Bytes of them that count.
    pub wstrb: Signal<Out, Bits<4>>,
    /// The answer to a write is there.
    pub bvalid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub bready: Signal<Out, Bit>,
    /// 0 done, 2 refused.
    pub bresp: Signal<In, Bits<2>>,
    /// An address to read is there.
    pub arvalid: Signal<Out, Bit>,
    /// It is taken at this clock.
    pub arready: Signal<In, Bit>,
    /// The address.
    pub araddr: Signal<Out, Bits<A>>,
    /// The answer to a read is there.
    pub rvalid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub rready: Signal<Out, Bit>,
    /// The data.
    pub rdata: Signal<In, Bits<32>>,
    /// 0 done, 2 refused.
    pub rresp: Signal<In, Bits<2>>,
}

/// The receiving side of a stream of frames.
#[derive(LogicInterface, Clone, Debug, Default)]
#[join = "FrameOut"]
pub struct FrameIn<const W: usize, const K: usize> {
    /// Bytes; they hold while `tvalid` waits, as all else does.
    pub tdata: Signal<In, Bits<W>>,
    /// Which of them count: the first ones, and all but in a frame's last beat.
    pub tkeep: Signal<In, Bits<K>>,
    /// The last beat of a frame.
    pub tlast: Signal<In, Bit>,
    /// A beat is there.
    pub tvalid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub tready: Signal<Out, Bit>,
}

/// The sending side of a stream of frames.
#[derive(LogicInterface, Clone, Debug, Default)]
#[join = "FrameIn"]
pub struct FrameOut<const W: usize, const K: usize> {
    /// Bytes; they hold while `tvalid` waits, as all else does.
    pub tdata: Signal<Out, Bits<W>>,
    /// Which of them count: the first ones, and all but in a frame's last beat.
    pub tkeep: Signal<Out, Bits<K>>,
    /// The last beat of a frame.
    pub tlast: Signal<Out, Bit>,
    /// A beat is there.
    pub tvalid: Signal<Out, Bit>,
    /// It is taken at this clock.
    pub tready: Signal<In, Bit>,
}
