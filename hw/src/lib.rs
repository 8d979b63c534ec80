//! The connection engine in RTL: blocks in rust-hdl, exported as Verilog.
//!
//! Enters: nothing. Leaves: Verilog text for simulators and synthesis. A block is judged by that text
//! (`verilator-tests`), never by rust-hdl's own simulator: the two differ silently in some idioms.

/// A block: fields with a value of their own, then the names of all others.
macro_rules! block {
    ($($own:ident: $value:expr,)* ..$($other:ident)*) => {
        Self { $($own: $value,)* $($other: Default::default(),)* }
    };
}

pub mod amounts;
pub mod card;
pub mod counters;
pub mod crc;
pub mod csr;
pub mod decode;
pub mod digest;
pub mod dirty;
pub mod egress;
pub mod emitted;
pub mod engine;
pub mod expander;
mod export;
pub mod framer;
pub mod hash;
pub mod ingress;
pub mod intake;
pub mod layout;
mod lint;
pub mod map;
pub mod marks;
pub mod outbound;
mod places;
pub mod pool;
pub mod prim;
pub mod receive;
pub mod record;
mod split;
pub mod sums;
pub mod sweeper;
pub mod table;
pub mod taker;
pub mod tally;
pub mod tops;
pub mod unit;
#[allow(missing_docs)] // The derived joins have none.
pub mod window;

pub use export::export;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod yosys;
