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

use crate::error::Result;
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
        Peer::Server => server::run(),
        Peer::Client => client::run(),
        Peer::Announce { interface, addresses } => announce::run(interface, addresses),
        Peer::Strays { interface } => strays::run(interface),
        Peer::Flows { count } => flows::run(*count),
    }
}
