//! The agent's daemon: shells around the engine. They poll, batch, feed the core and perform its
//! actions; they take no decisions.
//!
//! [`start`] brings everything up, [`agent`] is the pulse thread, [`workers`] are the threads around it,
//! [`linux`] is the system below.

pub mod agent;
pub mod clock;
pub mod config;
pub mod control;
pub mod device;
pub mod journal;
pub mod linux;
pub mod mtu;
pub mod realtime;
pub mod replay;
pub mod rest;
pub mod source;
pub mod start;
pub mod view;
pub mod wake;
pub mod wire;
pub mod workers;
