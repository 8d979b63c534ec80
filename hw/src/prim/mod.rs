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
pub use memory::{LutMemory, Memory, MEMORY_LATENCY};
pub use multiplier::{Multiplier, MULTIPLIER_LATENCY};
pub use skid::SkidBuffer;
pub use stream::{LiteIn, LiteOut, StreamIn, StreamOut};
pub use wires::{Wire, Wires};
pub use xor::{Rows, XorMatrix};
