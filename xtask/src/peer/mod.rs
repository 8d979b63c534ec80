//! The processes inside the namespaces: traffic, address announcements, stray packets and
//! other flows. They are this same binary, started with a hidden subcommand.

mod announce;
mod client;
mod connection;
mod control;
mod flows;
mod frame;
mod raw;
pub(crate) mod record;
mod server;
pub(crate) mod strays;

use crate::error::{Error, Result};
use clap::Subcommand;
use std::net::IpAddr;

/// What a process inside a namespace does.
#[derive(Subcommand)]
pub(crate) enum Peer {
    /// Answers requests, serves the bulk streams, opens the forwarded connections.
    Server,
    /// Opens the connections and records their answers.
    Client,
    /// Tells a network that an address now lives at this interface.
    Announce {
        /// The interface to send on.
        interface: String,
        /// The addresses to announce.
        addresses: Vec<IpAddr>,
    },
    /// Sends stray segments of the connections named on standard input.
    Strays {
        /// The interface to send on.
        interface: String,
    },
    /// Inserts established translated flows into this namespace's connection table.
    Flows {
        /// How many.
        count: u32,
    },
}

/// Runs one of them to its end.
pub(crate) fn run(peer: &Peer) -> Result<()> {
    match peer {
        Peer::Server => measure_undisturbed().and_then(|()| server::run()),
        Peer::Client => measure_undisturbed().and_then(|()| client::run()),
        Peer::Announce { interface, addresses } => announce::run(interface, addresses),
        Peer::Strays { interface } => strays::run(interface),
        Peer::Flows { count } => flows::run(*count),
    }
}

/// The end points run at a low real-time priority, below the agents: what they measure is the gateways,
/// not how busy this machine is with other processes.
fn measure_undisturbed() -> Result<()> {
    let parameter = libc::sched_param { sched_priority: 1 };
    // SAFETY: `parameter` is a valid sched_param; 0 names the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameter) };
    if result == 0 {
        return Ok(());
    }
    Err(Error::system("real-time priority of an end point")(std::io::Error::last_os_error()))
}
