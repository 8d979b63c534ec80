//! Stray segments: packets of live connections that reach the gateway which does not carry
//! them, as a switch does while it relearns or a host with an old neighbour entry.
//!
//! Ports are the real ones, sequence numbers are not. The gateway's table must not let them
//! change what it will take over.

use super::frame::{Flags, Segment};
use super::raw::{parse_mac, RawSocket};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// How often each segment is sent.
const REPEATS: u32 = 3;

/// What is sent where.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    /// MAC address of the gateway that must not care.
    pub(crate) to: String,
    /// Source and destination of each connection, as this side would send it.
    pub(crate) flows: Vec<(SocketAddr, SocketAddr)>,
}

/// Reads an [`Order`] from standard input, sends it, and prints how many frames left.
pub(crate) fn run(interface: &str) -> Result<()> {
    let order: Order = serde_json::from_reader(std::io::stdin().lock())
        .map_err(|problem| Error::Unexpected(format!("the order for strays: {problem}")))?;
    let to_mac =
        parse_mac(&order.to).ok_or_else(|| Error::Unexpected(format!("`{}` is no MAC address", order.to)))?;
    let socket = RawSocket::open(interface)?;
    let mut sent_count = 0;
    for round in 0..REPEATS {
        for (index, (source, destination)) in order.flows.iter().enumerate() {
            for flags in [Flags::ACK, Flags::RST, Flags::FIN] {
                let segment = Segment {
                    from_mac: socket.hardware_address(),
                    to_mac,
                    source: *source,
                    destination: *destination,
                    flags,
                    sequence: number(round, index as u32),
                    acknowledged: number(round, !(index as u32)),
                };
                if let Some(frame) = segment.frame() {
                    socket.send(&frame)?;
                    sent_count += 1;
                }
            }
        }
    }
    println!("{sent_count}");
    Ok(())
}

/// Spread over the sequence space, the same in every run.
fn number(round: u32, index: u32) -> u32 {
    index.wrapping_add(round * 1_000 + 1).wrapping_mul(0x9e37_79b9)
}
