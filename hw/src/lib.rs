//! The connection engine in RTL: blocks in rust-hdl, exported as Verilog.
//!
//! Enters: nothing. Leaves: Verilog text for simulators and synthesis. A block is judged by that text
//! (`verilator-tests`), never by rust-hdl's own simulator: the two differ silently in some idioms.

pub mod crc;
mod export;
pub mod hash;
pub mod layout;
mod lint;
pub mod prim;
pub mod table;
pub mod tops;

pub use export::export;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod yosys;
