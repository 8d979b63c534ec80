//! Every byte that crosses a boundary of Trine, declared once: flow record, records and frames of the
//! sync protocol, descriptors, registers, limits and keyed hashes.
//!
//! Enters and leaves: plain values and byte slices. No allocation, no I/O, no dependencies. Each layout
//! is one list ([`layout!`]) that expands to a struct, a codec and the rows of `docs/formats.md`; RTL
//! will expand the same lists. Decoding bytes from outside never panics.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod descriptor;
pub mod flow;
pub mod frame;
pub mod hash;
pub mod layout;
pub mod limits;
pub mod record;
pub mod reference;
pub mod register;
pub mod tracking;
pub mod unit;
pub mod window;

pub use flow::{Family, FlowId, FlowKey, FlowRecord, Groups, Nat, Stamp, Term};
pub use hash::{ClusterSecret, FlowDigester, FlowHasher};
pub use record::{Record, RecordError, Update};
pub use tracking::Tracking;
