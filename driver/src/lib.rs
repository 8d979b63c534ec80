//! How a host reaches a NIC: registers, DMA memory, interrupts, and one ring in each direction.
//!
//! Enters: [`Command`](formats::descriptor::Command)s and [`Settings`] from the agent, event slots
//! from the NIC. Leaves: command slots and doorbells, [`Event`](formats::descriptor::Event)s and
//! [`Counters`] to the agent. Files stand in the order of a bring-up: a [`Transport`] gives
//! [`DmaMemory`], [`identity`] decides whether to talk at all, [`settings`] go into registers,
//! [`ring`]s run in [`memory`], and [`Nic`] holds it together; [`in_process`] is the transport to an
//! engine in this process, on the same rings.
//!
//! Invariants: a NIC with another formats digest is refused before anything is written to it. Nothing
//! a NIC writes can panic the host: a bad index or slot is an error and a counter. DMA memory has one
//! owner, and the rings stop before it is unmapped. It decides nothing about flows, peers or time.
//!
//! Budget: ≤ 250 ns per command and per event through a ring, codec on both sides counted
//! (`cargo xtask bench rings`).

pub mod counters;
pub mod error;
pub mod identity;
pub mod in_process;
pub mod memory;
pub mod nic;
pub mod ring;
pub mod settings;
pub mod transport;

pub use counters::{Counters, RingCounters};
pub use error::{EventError, Full, OpenError, Operation, SettingsError, TransportError};
pub use identity::Identity;
pub use in_process::{Device, InProcess};
pub use memory::{DmaMemory, Memory};
pub use nic::{Nic, RingOptions};
pub use ring::RingSize;
pub use settings::Settings;
pub use transport::Transport;
