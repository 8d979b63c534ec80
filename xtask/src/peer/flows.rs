//! Other connections of the gateway: established, source-translated TCP entries written into
//! the kernel's table by ctnetlink, in batches.
//!
//! Enters: a count. Leaves: that many entries, and a line with how many the kernel refused.
//! Two rules of the kernel matter here: the reply tuple is the untranslated inverse of the
//! original, and the translation travels beside it; otherwise it is silently not applied.

use crate::demo::plan::{OUTER_V4, SERVER_V4};
use crate::error::{Error, Result};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Entries between two acknowledgements.
const BATCH_ENTRIES: u32 = 128;
/// Ports used per destination port; the rest of the range stays free for live traffic.
const PORTS_COUNT: u32 = 30_000;
const PORT_FIRST: u32 = 1_024;
const DESTINATION_PORT_FIRST: u32 = 9_000;
/// How many sources the flows come from.
const SOURCES_COUNT: u32 = 40;
/// Long enough to outlive any demonstration.
const TIMEOUT_SECONDS: u32 = 3_600;

const NEW_CONNTRACK: u16 = (libc::NFNL_SUBSYS_CTNETLINK as u16) << 8;
const NLM_F_CREATE_EXCLUSIVE: u16 = 0x600;
const NESTED: u16 = 0x8000;
/// SEEN_REPLY, ASSURED and CONFIRMED of `enum ip_conntrack_status`.
const STATUS: u32 = 1 << 1 | 1 << 2 | 1 << 3;
const TCP_STATE_ESTABLISHED: u8 = 3;
/// Window scaling in use, in both directions.
const TCP_FLAGS: [u8; 2] = [0x01, 0x01];
const WINDOW_SCALE: u8 = 7;

/// Inserts `count` entries into this namespace.
pub(crate) fn run(count: u32) -> Result<()> {
    let socket = Netlink::open()?;
    let mut refused_count = 0;
    let mut next = 0;
    while next < count {
        let end = (next + BATCH_ENTRIES).min(count);
        let mut batch = Vec::new();
        for index in next..end {
            let last = index + 1 == end;
            batch.extend(message(index, last));
        }
        refused_count += socket.exchange(&batch, end - 1)?;
        next = end;
    }
    println!("{refused_count}");
    Ok(())
}

/// One create command; the last of a batch asks for an acknowledgement.
fn message(index: u32, acknowledge: bool) -> Vec<u8> {
    let source = Ipv4Addr::new(10, 1, 0, 100 + (index % SOURCES_COUNT) as u8);
    let port = (PORT_FIRST + index % PORTS_COUNT) as u16;
    let destination_port = (DESTINATION_PORT_FIRST + index / PORTS_COUNT) as u16;
    // nfgenmsg: family, version, resource.
    let mut body = vec![libc::AF_INET as u8, 0, 0, 0];
    body.extend(nest(1, &tuple(source, port, SERVER_V4, destination_port)));
    body.extend(nest(2, &tuple(SERVER_V4, destination_port, source, port)));
    body.extend(attribute(3, &STATUS.to_be_bytes()));
    body.extend(attribute(7, &TIMEOUT_SECONDS.to_be_bytes()));
    body.extend(nest(4, &nest(1, &tcp_state())));
    body.extend(nest(6, &translation(port)));
    let length = (16 + body.len()) as u32;
    let request = (libc::NLM_F_REQUEST as u16) | NLM_F_CREATE_EXCLUSIVE;
    let flags = request | if acknowledge { libc::NLM_F_ACK as u16 } else { 0 };
    let mut message = Vec::with_capacity(length as usize);
    message.extend(length.to_ne_bytes());
    message.extend(NEW_CONNTRACK.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(index.to_ne_bytes());
    message.extend(0u32.to_ne_bytes());
    message.extend(body);
    message
}

fn tuple(source: Ipv4Addr, source_port: u16, destination: Ipv4Addr, destination_port: u16) -> Vec<u8> {
    let mut addresses = attribute(1, &source.octets());
    addresses.extend(attribute(2, &destination.octets()));
    let mut protocol = attribute(1, &[libc::IPPROTO_TCP as u8]);
    protocol.extend(attribute(2, &source_port.to_be_bytes()));
    protocol.extend(attribute(3, &destination_port.to_be_bytes()));
    let mut tuple = nest(1, &addresses);
    tuple.extend(nest(2, &protocol));
    tuple
}

fn tcp_state() -> Vec<u8> {
    let mut state = attribute(1, &[TCP_STATE_ESTABLISHED]);
    state.extend(attribute(2, &[WINDOW_SCALE]));
    state.extend(attribute(3, &[WINDOW_SCALE]));
    state.extend(attribute(4, &TCP_FLAGS));
    state.extend(attribute(5, &TCP_FLAGS));
    state
}

fn translation(port: u16) -> Vec<u8> {
    let mut ports = attribute(1, &port.to_be_bytes());
    ports.extend(attribute(2, &port.to_be_bytes()));
    let mut translation = attribute(1, &OUTER_V4.octets());
    translation.extend(attribute(2, &OUTER_V4.octets()));
    translation.extend(nest(3, &ports));
    translation
}

fn nest(kind: u16, content: &[u8]) -> Vec<u8> {
    attribute(kind | NESTED, content)
}

fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let length = 4 + content.len();
    let mut bytes = Vec::with_capacity(length.next_multiple_of(4));
    bytes.extend((length as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(content);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

struct Netlink {
    descriptor: OwnedFd,
}

impl Netlink {
    fn open() -> Result<Netlink> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: plain system call; the descriptor is checked before it is owned.
        let descriptor = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_NETFILTER) };
        if descriptor < 0 {
            return Err(Error::system("opening a netlink socket")(io::Error::last_os_error()));
        }
        // SAFETY: the descriptor was just returned to us and nobody else owns it.
        Ok(Netlink { descriptor: unsafe { OwnedFd::from_raw_fd(descriptor) } })
    }

    /// Sends a batch, reads until the acknowledgement of `last`, returns how many were refused.
    fn exchange(&self, batch: &[u8], last: u32) -> Result<u32> {
        let descriptor = self.descriptor.as_raw_fd();
        // SAFETY: pointer and length of one live slice; an unconnected netlink socket sends to
        // the kernel.
        let sent = unsafe { libc::send(descriptor, batch.as_ptr().cast(), batch.len(), 0) };
        if sent < 0 {
            return Err(Error::system("inserting flows")(io::Error::last_os_error()));
        }
        let mut buffer = vec![0u8; 64 * 1024];
        let mut refused_count = 0;
        loop {
            // SAFETY: the kernel writes at most `buffer.len()` bytes into a live buffer.
            let count = unsafe { libc::recv(descriptor, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            if count < 0 {
                return Err(Error::system("inserting flows")(io::Error::last_os_error()));
            }
            for (sequence, code) in answers(&buffer[..count as usize]) {
                refused_count += u32::from(code != 0);
                if sequence == last {
                    return Ok(refused_count);
                }
            }
        }
    }
}

/// Sequence number and error code of each NLMSG_ERROR in `bytes`.
fn answers(mut bytes: &[u8]) -> Vec<(u32, i32)> {
    let word = |bytes: &[u8], at: usize| -> Option<[u8; 4]> { bytes.get(at..at + 4)?.try_into().ok() };
    let mut answers = Vec::new();
    while let (Some(length), Some(sequence), Some(code)) = (word(bytes, 0), word(bytes, 8), word(bytes, 16)) {
        let length = u32::from_ne_bytes(length) as usize;
        if u16::from_ne_bytes([bytes[4], bytes[5]]) == libc::NLMSG_ERROR as u16 {
            answers.push((u32::from_ne_bytes(sequence), i32::from_ne_bytes(code)));
        }
        let Some(rest) = bytes.get(length.next_multiple_of(4).max(16)..) else { break };
        bytes = rest;
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_to_words() {
        assert_eq!(attribute(1, &[6]), [5, 0, 1, 0, 6, 0, 0, 0]);
        assert_eq!(nest(2, &[])[2..], [2, 0x80]);
        assert_eq!(message(0, true).len() % 4, 0);
    }

    #[test]
    fn flows_never_share_a_translated_port() {
        let ports = |index: u32| (index / PORTS_COUNT, index % PORTS_COUNT);
        assert_ne!(ports(0), ports(PORTS_COUNT));
        let last = message(PORTS_COUNT - 1, false);
        assert_ne!(last[16..], message(2 * PORTS_COUNT - 1, false)[16..]);
    }

    #[test]
    fn answers_are_read_until_the_bytes_end() {
        let mut bytes = Vec::new();
        for (sequence, code) in [(3u32, 0i32), (4, -17)] {
            bytes.extend(36u32.to_ne_bytes());
            bytes.extend([2, 0, 0, 0]);
            bytes.extend(sequence.to_ne_bytes());
            bytes.extend([0; 4]);
            bytes.extend(code.to_ne_bytes());
            bytes.extend([0; 16]);
        }
        assert_eq!(answers(&bytes), [(3, 0), (4, -17)]);
        assert!(answers(&bytes[..10]).is_empty());
    }
}
