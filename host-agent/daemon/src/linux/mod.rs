//! The Linux side of a gateway: the kernel's connection table as source and sink, the sync link and
//! data ports as packet sockets, addresses, the forwarding lease and the checks before a start.
//!
//! Enters: netlink messages and frames. Leaves: flow records, frames, results of operations.
//! Everything here is non-blocking or bounded, works in the network namespace of the calling thread
//! and decides nothing. Files stand in the order a change travels: [`conntrack`] reads it through
//! [`ctnetlink`] and [`netlink`], [`link`](mod@link) carries it, [`conntrack`] writes it; [`lease`] and
//! [`address`] move the traffic after it. All `unsafe` is in [`sys`].

pub mod address;
pub mod conntrack;
pub mod ctnetlink;
pub mod lease;
pub mod link;
pub mod neighbour;
pub mod netlink;
pub mod preflight;
pub mod sys;
pub mod sysctl;
