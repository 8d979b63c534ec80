//! The group's addresses on this member: put on and taken off interfaces, announced, and probes of
//! whether a data network answers.
//!
//! Enters: addresses and interface indices. Leaves: rtnetlink requests, ARP and neighbour discovery
//! frames, whether a probe was answered. Invariants: adding what is there and removing what is gone
//! succeed; IPv6 addresses skip duplicate address detection (it would hold them back for a second);
//! several changes are one datagram. Budget: < 100 µs per address. Does not decide when.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};

use super::link::{Mode, Port, PortError};
use super::neighbour;
use super::netlink::{Attributes, Builder, Messages, ParseError, Received, Socket};
use super::sys::{self, Batch, BATCH_MAX};

const ATTRIBUTE_ADDRESS: u16 = 1;
const ATTRIBUTE_LOCAL: u16 = 2;
const ATTRIBUTE_FLAGS: u16 = 8;
/// No duplicate address detection (`IFA_F_NODAD`).
const FLAG_NO_DETECTION: u32 = 0x02;
/// `struct ifaddrmsg`.
const ADDRESS_HEADER_BYTES: usize = 8;
/// Addresses changed in one datagram.
pub const CHANGES_MAX: usize = 256;
const ANSWER_BYTES_MAX: usize = 32 << 10;
const ANSWER_TIMEOUT_MS: i32 = 1_000;

/// An address on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Index of the interface.
    pub interface_index: u32,
    /// The address.
    pub ip: IpAddr,
    /// Length of the prefix in bits.
    pub prefix_bits: u8,
}

/// Changes and lists the addresses of this namespace.
pub struct Addresses {
    socket: Socket,
    batch: Batch,
    request: Vec<u8>,
    sequence: u32,
}

impl Addresses {
    /// Opens an rtnetlink socket.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::open(libc::NETLINK_ROUTE)?;
        socket.short_acks()?;
        let batch = Batch::new(BATCH_MAX / 4, ANSWER_BYTES_MAX, 0);
        Ok(Self { socket, batch, request: Vec::new(), sequence: 0 })
    }

    /// Puts addresses on their interfaces; those already there stay.
    ///
    /// # Errors
    /// The first refusal (`EPERM` without `CAP_NET_ADMIN`, `ENODEV`); the other changes are made.
    pub fn add(&mut self, addresses: &[Address]) -> io::Result<()> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        self.change(libc::RTM_NEWADDR, flags, addresses, libc::EEXIST)
    }

    /// Takes addresses off their interfaces; those already gone stay so.
    ///
    /// # Errors
    /// As [`Addresses::add`].
    pub fn remove(&mut self, addresses: &[Address]) -> io::Result<()> {
        self.change(libc::RTM_DELADDR, 0, addresses, libc::EADDRNOTAVAIL)
    }

    fn change(&mut self, kind: u16, flags: i32, addresses: &[Address], harmless: i32) -> io::Result<()> {
        let mut failed = None;
        for chunk in addresses.chunks(CHANGES_MAX) {
            self.request.clear();
            for address in chunk {
                self.sequence = self.sequence.wrapping_add(1);
                put_change(&mut self.request, kind, flags | libc::NLM_F_ACK, self.sequence, address);
            }
            self.socket.send(&self.request)?;
            let mut missing = chunk.len();
            while missing > 0 {
                for index in 0..next_datagrams(&self.socket, &mut self.batch)? {
                    for message in Messages::new(self.batch.datagram(index)).flatten() {
                        let Some(code) = message.error_code() else { continue };
                        missing = missing.saturating_sub(1);
                        if code != 0 && code != harmless {
                            failed = failed.or(Some(code));
                        }
                    }
                }
            }
        }
        failed.map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)))
    }

    /// Every address of this namespace.
    pub fn list(&mut self) -> io::Result<Vec<Address>> {
        self.sequence = self.sequence.wrapping_add(1);
        self.request.clear();
        let flags = libc::NLM_F_DUMP as u16;
        let header = [0; ADDRESS_HEADER_BYTES];
        Builder::new(&mut self.request, libc::RTM_GETADDR, flags, self.sequence, &header).finish();
        self.socket.send(&self.request)?;
        let mut addresses = Vec::new();
        loop {
            for index in 0..next_datagrams(&self.socket, &mut self.batch)? {
                for message in Messages::new(self.batch.datagram(index)).flatten() {
                    if message.sequence != self.sequence {
                        continue;
                    }
                    if message.is_done() {
                        return Ok(addresses);
                    }
                    if let Some(code) = message.error_code() {
                        return Err(io::Error::from_raw_os_error(code));
                    }
                    addresses.extend(parse_address(message.payload).ok().flatten());
                }
            }
        }
    }
}

fn next_datagrams(socket: &Socket, batch: &mut Batch) -> io::Result<usize> {
    match socket.receive(batch)? {
        Received::Datagrams(count) => Ok(count),
        Received::Overrun => Err(io::Error::from_raw_os_error(libc::ENOBUFS)),
        Received::Empty if sys::wait_readable(socket.as_fd(), ANSWER_TIMEOUT_MS)? => Ok(0),
        Received::Empty => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn put_change(out: &mut Vec<u8>, kind: u16, flags: i32, sequence: u32, address: &Address) {
    let family = if address.ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let index = address.interface_index.to_ne_bytes();
    let header = [
        family as u8,
        address.prefix_bits,
        0,
        libc::RT_SCOPE_UNIVERSE,
        index[0],
        index[1],
        index[2],
        index[3],
    ];
    let mut message = Builder::new(out, kind, flags as u16, sequence, &header);
    match address.ip {
        IpAddr::V4(ip) => {
            message.put(ATTRIBUTE_LOCAL, &ip.octets());
            message.put(ATTRIBUTE_ADDRESS, &ip.octets());
        }
        IpAddr::V6(ip) => {
            message.put(ATTRIBUTE_LOCAL, &ip.octets());
            message.put(ATTRIBUTE_ADDRESS, &ip.octets());
            message.put(ATTRIBUTE_FLAGS, &FLAG_NO_DETECTION.to_ne_bytes());
        }
    }
    message.finish();
}

/// Parses one row of an address dump; `None` if it names no address.
pub fn parse_address(payload: &[u8]) -> Result<Option<Address>, ParseError> {
    let header = payload.first_chunk::<ADDRESS_HEADER_BYTES>().ok_or(ParseError::Truncated)?;
    let interface_index = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    let (mut local, mut peer) = (None, None);
    for attribute in Attributes::new(&payload[ADDRESS_HEADER_BYTES..]) {
        let attribute = attribute?;
        let slot = match attribute.kind {
            ATTRIBUTE_LOCAL => &mut local,
            ATTRIBUTE_ADDRESS => &mut peer,
            _ => continue,
        };
        *slot = Some(match i32::from(header[0]) {
            libc::AF_INET => IpAddr::from(Ipv4Addr::from(attribute.bytes::<4>()?)),
            libc::AF_INET6 => IpAddr::from(Ipv6Addr::from(attribute.bytes::<16>()?)),
            _ => return Ok(None),
        });
    }
    // On a point-to-point interface ADDRESS is the peer's and LOCAL ours; IPv6 has ADDRESS alone.
    Ok(local.or(peer).map(|ip| Address { interface_index, ip, prefix_bits: header[1] }))
}

/// Tells a data network that addresses are now here.
pub struct Announcer {
    port: Port,
    frames: Vec<Vec<u8>>,
}

impl Announcer {
    /// Opens a sending port on the interface.
    pub fn open(interface: &str) -> Result<Self, PortError> {
        Ok(Self { port: Port::open(interface, Mode::SendOnly)?, frames: Vec::new() })
    }

    /// Sends gratuitous ARP (request and reply form) or an unsolicited neighbour advertisement with the
    /// override flag for each address, in one batch. Returns the frames the kernel took.
    pub fn announce(&mut self, addresses: &[IpAddr]) -> io::Result<usize> {
        self.frames.clear();
        for address in addresses {
            neighbour::announcements(self.port.mac(), *address, &mut self.frames);
        }
        let frames: Vec<&[u8]> = self.frames.iter().map(Vec::as_slice).collect();
        self.port.send_batch(&frames)
    }
}

/// Asks one neighbour on a data network whether it is there.
pub struct Prober {
    port: Port,
    question: Vec<u8>,
    target: IpAddr,
}

impl Prober {
    /// Opens a port for probing `target` from the member's own address `own`.
    ///
    /// # Errors
    /// As [`Port::open`]; `EAFNOSUPPORT` if the families differ.
    pub fn open(interface: &str, own: IpAddr, target: IpAddr) -> Result<Self, PortError> {
        let mode = if target.is_ipv4() { Mode::Arp } else { Mode::NeighbourAdvertisement };
        let port = Port::open(interface, mode)?;
        let question = neighbour::question(port.mac(), own, target).ok_or_else(|| PortError::System {
            interface: interface.to_owned(),
            action: "probe",
            error: io::Error::from_raw_os_error(libc::EAFNOSUPPORT),
        })?;
        Ok(Self { port, question, target })
    }

    /// Whom this probes.
    pub fn target(&self) -> IpAddr {
        self.target
    }

    /// Asks once; whether the kernel took the question.
    pub fn ask(&mut self) -> io::Result<bool> {
        Ok(self.port.send_batch(&[&self.question])? == 1)
    }

    /// Reads what is waiting, without blocking; whether an answer of the target was among it.
    pub fn answered(&mut self) -> io::Result<bool> {
        let (target, mut seen) = (self.target, false);
        loop {
            let count =
                self.port.recv_batch(&mut |frame| seen |= neighbour::answered(frame) == Some(target))?;
            if count == 0 {
                return Ok(seen);
            }
        }
    }
}

impl AsFd for Prober {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_reads_back_as_a_row() {
        for (ip, prefix_bits) in [("192.0.2.1", 24), ("2001:db8::1", 64)] {
            let address = Address { interface_index: 7, ip: ip.parse().unwrap(), prefix_bits };
            let mut out = Vec::new();
            put_change(&mut out, libc::RTM_NEWADDR, 0, 1, &address);
            let payload = &out[16..];
            assert_eq!(parse_address(payload), Ok(Some(address)));
            for length in 0..payload.len() {
                let _ = parse_address(&payload[..length]);
            }
        }
    }
}
