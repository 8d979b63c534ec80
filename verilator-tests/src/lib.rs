//! Verilated tops for Rust: a Verilog text becomes a model whose ports are driven, checked and measured.
//!
//! Enters: Verilog text and the name of a top. Leaves: verdicts, cycle counts, waveforms of failures.
//! The model is built when a test first asks for it and kept by the hash of everything that made it
//! ([`Design`]). Ports are typed handles ([`Port`], [`Input`]); a [`Bench`] has clock, reset, cycle
//! count and randomness; [`Source`], [`Sink`], [`Monitor`], [`LiteMaster`] and [`AxiMemory`] speak AXI. One clock.
//!
//! Budget: a cycle of the bench costs nanoseconds beside the model's own evaluation (`cargo xtask bench
//! rtl`); a built model loads in milliseconds.
//!
//! Invariants: a run follows from text and seed alone; nothing that a model does ends the process.

mod bench;
mod cache;
pub mod capture;
mod design;
mod error;
mod handshake;
mod header;
mod histogram;
mod lite;
mod memory;
mod model;
pub mod mutation;
mod port;
mod run;
mod shim;
mod stalls;
mod stream;
mod tool;

pub use bench::{Agent, Bench};
pub use cache::folder;
pub use design::{Design, Initial};
pub use error::{expect_same, Error, Result};
pub use header::{Direction, PortInfo};
pub use histogram::Histogram;
pub use lite::{LiteMaster, Response};
pub use memory::AxiMemory;
pub use model::{Model, Top};
pub use port::{Input, Port, Value};
pub use run::{Failed, Failure};
pub use stalls::Stalls;
pub use stream::{Beat, Monitor, Received, Rules, Sent, Sink, Source, BEAT_BYTES_MAX};

#[cfg(test)]
mod tests {
    #[test]
    fn the_read_me_shows_the_example_that_is_tested() {
        let example = include_str!("../tests/slice.rs").split_once("\n\n").expect("a head").1;
        assert!(include_str!("../README.md").contains(example));
    }
}
