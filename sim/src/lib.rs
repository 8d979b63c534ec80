//! Deterministic cluster simulator on the shipped core and engine.
//!
//! Two or three members, each the core and the engine that ship over a model of a kernel, on media that
//! lose, double, reorder, corrupt and cut, under load and faults drawn from a seed. Checkers see all of
//! it. The same seed is the same run, on any machine.
//!
//! Files in the order of a packet: [`workload`], [`kernel`], [`member`], [`cluster`], [`network`]; then
//! [`faults`], [`check`], [`plant`], and [`run`], the life of a seed.
//!
//! It does not model the board, netlink's encoding or windows; those have levels of their own.
#![forbid(unsafe_code)]

pub mod check;
pub mod clock;
pub mod cluster;
pub mod faults;
pub mod kernel;
pub mod member;
pub mod network;
pub mod plant;
pub mod rng;
pub mod run;
pub mod workload;
