//! Netlink: a bounds-checked reader, a builder over byte buffers, and the socket.
//!
//! Enters: bytes from the kernel, or from a fuzzer. Leaves: borrowed messages and attributes; requests.
//! Invariants: no input makes the reader panic, loop or read outside its slice; a lost event is always
//! visible as [`Received::Overrun`]. Does not know any family's attributes and never waits.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::sys::{self, Batch};

/// `struct nlmsghdr`.
pub const MESSAGE_HEADER_BYTES: usize = 16;
/// `struct nlattr`.
pub const ATTRIBUTE_HEADER_BYTES: usize = 4;
/// Attribute kinds are 14 bits; the top two say "nested" and "network byte order".
const ATTRIBUTE_KIND_MASK: u16 = 0x3fff;
const ATTRIBUTE_NESTED: u16 = 1 << 15;

const fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// Why bytes are no netlink message or attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Fewer bytes than a header, or than the header announces.
    Truncated,
    /// The announced length is shorter than the header itself.
    Length,
    /// A needed attribute is missing.
    Missing(u16),
    /// An attribute has another size than its type.
    Size(u16),
    /// Addresses of two families, or tuples of two protocols, in one flow.
    Mixed,
    /// Not a message of the expected subsystem or type.
    Foreign(u16),
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Truncated => f.write_str("netlink bytes end early"),
            Self::Length => f.write_str("netlink length is shorter than its header"),
            Self::Missing(kind) => write!(f, "netlink attribute {kind} is missing"),
            Self::Size(kind) => write!(f, "netlink attribute {kind} has a wrong size"),
            Self::Mixed => f.write_str("netlink flow of two families or protocols"),
            Self::Foreign(kind) => write!(f, "unexpected netlink message type {kind:#x}"),
        }
    }
}

impl std::error::Error for ParseError {}

/// One message, borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`
    pub kind: u16,
    /// `nlmsg_flags`
    pub flags: u16,
    /// `nlmsg_seq`
    pub sequence: u32,
    /// `nlmsg_pid`: for events the port id of whoever caused them, 0 for the kernel.
    pub portid: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// The errno of an `NLMSG_ERROR` message (0 is an acknowledgement); `None` for other messages.
    pub fn error_code(&self) -> Option<i32> {
        if self.kind != libc::NLMSG_ERROR as u16 {
            return None;
        }
        let code = self.payload.first_chunk::<4>().map_or(-libc::EPROTO, |bytes| i32::from_ne_bytes(*bytes));
        Some(code.wrapping_neg())
    }

    /// Whether this message ends a dump.
    pub fn is_done(&self) -> bool {
        self.kind == libc::NLMSG_DONE as u16
    }
}

/// Splits the first message off `bytes`; returns it and the rest.
pub fn parse_message(bytes: &[u8]) -> Result<(Message<'_>, &[u8]), ParseError> {
    let header = bytes.first_chunk::<MESSAGE_HEADER_BYTES>().ok_or(ParseError::Truncated)?;
    let word = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let half = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
    let length = word(0) as usize;
    if length < MESSAGE_HEADER_BYTES {
        return Err(ParseError::Length);
    }
    let payload = bytes.get(MESSAGE_HEADER_BYTES..length).ok_or(ParseError::Truncated)?;
    let message = Message { kind: half(4), flags: half(6), sequence: word(8), portid: word(12), payload };
    Ok((message, bytes.get(align(length)..).unwrap_or(&[])))
}

/// The messages of one datagram; ends after the first malformed one.
#[derive(Clone, Debug)]
pub struct Messages<'a>(&'a [u8]);

impl<'a> Messages<'a> {
    /// Reads `bytes` from their beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, ParseError>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        match parse_message(self.0) {
            Ok((message, rest)) => {
                self.0 = rest;
                Some(Ok(message))
            }
            Err(error) => {
                self.0 = &[];
                Some(Err(error))
            }
        }
    }
}

/// One attribute, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its kind, without the flag bits.
    pub kind: u16,
    /// Its value, without padding.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The value as `N` bytes; longer or shorter is an error.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], ParseError> {
        self.value.try_into().map_err(|_| ParseError::Size(self.kind))
    }
    /// A single byte.
    pub fn u8(&self) -> Result<u8, ParseError> {
        self.bytes::<1>().map(|bytes| bytes[0])
    }
    /// 16 bits in network byte order.
    pub fn be16(&self) -> Result<u16, ParseError> {
        self.bytes().map(u16::from_be_bytes)
    }
    /// 32 bits in network byte order.
    pub fn be32(&self) -> Result<u32, ParseError> {
        self.bytes().map(u32::from_be_bytes)
    }
    /// The attributes nested in this one.
    pub fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.value)
    }
}

/// The attributes of a payload; ends after the first malformed one.
#[derive(Clone, Debug)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Reads `bytes` from their beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The first attribute of `kind`; malformed bytes before it are an error.
    pub fn find_kind(self, kind: u16) -> Result<Attribute<'a>, ParseError> {
        for attribute in self {
            let attribute = attribute?;
            if attribute.kind == kind {
                return Ok(attribute);
            }
        }
        Err(ParseError::Missing(kind))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, ParseError>;
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.0);
        let Some(header) = bytes.first_chunk::<ATTRIBUTE_HEADER_BYTES>() else {
            return Some(Err(ParseError::Truncated));
        };
        let length = u16::from_ne_bytes([header[0], header[1]]) as usize;
        let kind = u16::from_ne_bytes([header[2], header[3]]) & ATTRIBUTE_KIND_MASK;
        if length < ATTRIBUTE_HEADER_BYTES {
            return Some(Err(ParseError::Length));
        }
        let Some(value) = bytes.get(ATTRIBUTE_HEADER_BYTES..length) else {
            return Some(Err(ParseError::Truncated));
        };
        self.0 = bytes.get(align(length)..).unwrap_or(&[]);
        Some(Ok(Attribute { kind, value }))
    }
}

/// Appends one message to a buffer. Lengths are filled in by [`Builder::finish`] and [`Builder::nest`].
pub struct Builder<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Builder<'a> {
    /// Starts a message behind what `out` already holds; `fixed` is the family's own header.
    pub fn new(out: &'a mut Vec<u8>, kind: u16, flags: u16, sequence: u32, fixed: &[u8]) -> Self {
        let start = out.len();
        assert!(start % 4 == 0, "messages are aligned to 4 bytes");
        out.extend_from_slice(&0u32.to_ne_bytes());
        out.extend_from_slice(&kind.to_ne_bytes());
        out.extend_from_slice(&(flags | libc::NLM_F_REQUEST as u16).to_ne_bytes());
        out.extend_from_slice(&sequence.to_ne_bytes());
        out.extend_from_slice(&0u32.to_ne_bytes());
        out.extend_from_slice(fixed);
        Self { out, start }
    }

    /// Appends an attribute.
    pub fn put(&mut self, kind: u16, value: &[u8]) {
        let length =
            u16::try_from(ATTRIBUTE_HEADER_BYTES + value.len()).expect("attributes are below 64 KiB");
        self.out.extend_from_slice(&length.to_ne_bytes());
        self.out.extend_from_slice(&kind.to_ne_bytes());
        self.out.extend_from_slice(value);
        self.out.resize(align(self.out.len()), 0);
    }

    /// Appends 32 bits in network byte order.
    pub fn put_be32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// Appends 16 bits in network byte order.
    pub fn put_be16(&mut self, kind: u16, value: u16) {
        self.put(kind, &value.to_be_bytes());
    }

    /// Appends a nested attribute that `fill` writes.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let at = self.out.len();
        self.put(kind | ATTRIBUTE_NESTED, &[]);
        fill(self);
        let length = u16::try_from(self.out.len() - at).expect("attributes are below 64 KiB");
        self.out[at..at + 2].copy_from_slice(&length.to_ne_bytes());
    }

    /// Writes the message's length and returns it in bytes.
    pub fn finish(self) -> usize {
        let length = self.out.len() - self.start;
        self.out[self.start..self.start + 4].copy_from_slice(&(length as u32).to_ne_bytes());
        length
    }
}

/// What a receive call brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many datagrams, at least one.
    Datagrams(usize),
    /// Nothing is waiting.
    Empty,
    /// The kernel dropped messages since the last call: state must be audited.
    Overrun,
}

/// A non-blocking netlink socket.
pub struct Socket {
    fd: OwnedFd,
    portid: u32,
}

impl Socket {
    /// Opens and binds a socket of a family such as `NETLINK_NETFILTER`.
    pub fn open(family: i32) -> io::Result<Self> {
        let fd = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, family)?;
        let portid = sys::bind_netlink(fd.as_fd())?;
        Ok(Self { fd, portid })
    }

    /// The address of this socket, which the kernel writes into the events it causes.
    pub fn portid(&self) -> u32 {
        self.portid
    }

    /// Receives a multicast group from now on.
    pub fn join(&self, group: u32) -> io::Result<()> {
        self.set(libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, group as i32)
    }

    /// Leaves a multicast group.
    pub fn leave(&self, group: u32) -> io::Result<()> {
        self.set(libc::SOL_NETLINK, libc::NETLINK_DROP_MEMBERSHIP, group as i32)
    }

    /// Acknowledgements no longer repeat the request.
    pub fn short_acks(&self) -> io::Result<()> {
        self.set(libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1)
    }

    /// Sets both buffers in bytes, beyond the host's limits; needs `CAP_NET_ADMIN`.
    pub fn force_buffers(&self, receive_bytes: usize, send_bytes: usize) -> io::Result<()> {
        // The kernel doubles the value it is given.
        let half = |bytes: usize| i32::try_from(bytes / 2).unwrap_or(i32::MAX / 2);
        self.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, half(receive_bytes))?;
        self.set(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, half(send_bytes))
    }

    fn set(&self, level: i32, name: i32, value: i32) -> io::Result<()> {
        sys::set_option(self.fd.as_fd(), level, name, value)
    }

    /// Sends one datagram of one or more whole messages; the kernel executes it before this returns.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let taken = sys::send(self.fd.as_fd(), bytes)?;
        assert_eq!(taken, bytes.len(), "netlink takes a datagram whole");
        Ok(())
    }

    /// Receives what is waiting, up to the batch's capacity, without blocking.
    pub fn receive(&self, batch: &mut Batch) -> io::Result<Received> {
        match batch.receive(self.fd.as_fd()) {
            Ok(0) => Ok(Received::Empty),
            Ok(count) => Ok(Received::Datagrams(count)),
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EINTR) => Ok(Received::Empty),
                Some(libc::ENOBUFS) => Ok(Received::Overrun),
                _ => Err(error),
            },
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests;
