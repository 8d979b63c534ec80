//! Announces moved addresses from inside a gateway's namespace.

use super::frame::announcement;
use super::raw::RawSocket;
use crate::error::Result;
use std::net::IpAddr;

/// Sent more than once, because one broadcast may be lost.
const REPEATS: usize = 3;

/// Announces each address on `interface`.
pub(crate) fn run(interface: &str, addresses: &[IpAddr]) -> Result<()> {
    let socket = RawSocket::open(interface)?;
    for _ in 0..REPEATS {
        for address in addresses {
            socket.send(&announcement(socket.hardware_address(), *address))?;
        }
    }
    Ok(())
}
