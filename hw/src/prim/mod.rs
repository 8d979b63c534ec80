//! What every stage is made of: streams, queues, memories, delays, products, matrices, wires.
//!
//! Each has one clock and its own file with a timing note. Handshakes follow AXI-Stream: data holds while
//! `tvalid` waits for `tready`.

mod arbiter;
mod delay;
mod fifo;
mod loop_memory;
mod memory;
mod multiplier;
mod skid;
#[allow(missing_docs)] // Of what the macro for interfaces makes.
mod stream;
mod wires;
mod xor;

pub use arbiter::Arbiter;
pub use delay::Delay;
pub use fifo::Fifo;
pub use loop_memory::{LoopMemory, LOOP_BEHIND, LOOP_EARLY, LOOP_LATENCY};
pub use memory::{LutMemory, Memory, PacedMemory, TwinMemory, MEMORY_LATENCY};
pub use multiplier::{Multiplier, MULTIPLIER_LATENCY};
pub use skid::SkidBuffer;
pub use stream::{FrameIn, FrameOut, LiteIn, LiteOut, StreamIn, StreamOut};
pub use wires::{Wire, Wires};
pub use xor::{Rows, XorMatrix};

use rust_hdl::prelude::{Bits, Constant};

/// A number as a kernel may name it.
pub(crate) fn constant<const N: usize>(value: u128) -> Constant<Bits<N>> {
    Constant::new((0..128).filter(|bit| value >> bit & 1 != 0).fold(0.into(), |sum, bit| {
        let one: Bits<N> = 1.into();
        sum | one << bit
    }))
}
