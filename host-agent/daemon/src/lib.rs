//! The agent's daemon: shells around the engine. They poll, batch, feed the core and perform its
//! actions; they take no decisions.

pub mod linux;
