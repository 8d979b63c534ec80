//! The processes inside the namespaces: traffic, address announcements, stray packets, other
//! flows, event storms, whole lives of connections, a wire with faults. They are this same binary, started with a hidden subcommand.

mod announce;
mod client;
mod connection;
mod control;
mod flows;
mod frame;
pub(crate) mod lives;
pub(crate) mod pauses;
mod raw;
pub(crate) mod record;
pub(crate) mod relay;
mod server;
pub(crate) mod storm;
pub(crate) mod strays;
pub(crate) mod table;

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
    /// Carries sync frames between two interfaces, with faults.
    Relay {
        /// One interface.
        one: String,
        /// The other.
        other: String,
    },
    /// Makes, changes and ends flows in this namespace's connection table at a pace.
    Storm {
        /// Most flows alive at once.
        slots: u32,
        /// Where the draws begin.
        seed: u64,
    },
    /// Sends whole TCP connections through the gateway, frame by frame, from both of its sides.
    Lives {
        /// Namespace of the server's side.
        server: String,
        /// Namespace of the standby, whose table shows when a connection was copied.
        standby: String,
    },
    /// Sums up this namespace's connection table.
    Table,
    /// Measures how long a processor pauses by itself.
    Pauses {
        /// Its number.
        processor: usize,
    },
    /// Keeps one processor busy until standard input closes.
    Spin,
}

/// Runs one of them to its end.
pub(crate) fn run(peer: &Peer) -> Result<()> {
    match peer {
        Peer::Server => measure_undisturbed().and_then(|()| server::run()),
        Peer::Client => measure_undisturbed().and_then(|()| client::run()),
        Peer::Announce { interface, addresses } => announce::run(interface, addresses),
        Peer::Strays { interface } => strays::run(interface),
        Peer::Flows { count } => flows::run(*count),
        Peer::Relay { one, other } => relay::run(&[one.clone(), other.clone()]),
        Peer::Storm { slots, seed } => storm::run(*slots, *seed),
        Peer::Lives { server, standby } => lives::run(server, standby),
        Peer::Table => table::run(),
        Peer::Pauses { processor } => pauses::run(*processor),
        Peer::Spin => spin(),
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

/// Burns a processor at normal priority, as an overloaded gateway's other work does.
fn spin() -> Result<()> {
    let burning = std::thread::spawn(|| loop {
        std::hint::spin_loop();
    });
    // The burning thread ends with the process.
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    drop(burning);
    Ok(())
}
