//! The parser: one Ethernet frame of a data port becomes a [`Packet`], or the reason why it is none.
//!
//! Enters: any bytes. Leaves: the flow key as the packet reads it, and what the tracker needs of it, or
//! an [`Untracked`] reason. Zero-copy, no allocation; no input panics; every walk has a limit.
//! `docs/tracker.md` states each rule; checksums are the network stack's business, not ours.
//!
//! Budget: ≤ 20 ns for TCP over IPv4.

mod ip;
mod transport;
mod untracked;

pub(crate) use transport::{ICMP_V4, ICMP_V6};
pub use untracked::Untracked;

use formats::{Family, FlowKey};

/// A packet of a protocol that is tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The five-tuple as the packet reads; zone 0. An ICMP answer reads as the reverse of its question.
    pub key: FlowKey,
    /// What the protocol adds.
    pub transport: Transport,
    /// Bytes behind the transport header, as the IP length says.
    pub payload_length: u32,
}

/// What the tracker needs besides the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp(Segment),
    /// An ICMP question.
    Question,
    /// An ICMP answer: never makes a flow.
    Answer,
    /// Any other protocol.
    Other,
}

/// The TCP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number; counts only with the flag.
    pub acknowledgement: u32,
    /// Window, not scaled.
    pub window: u16,
    /// The flags, as on the wire.
    pub flags: u8,
    /// Window scale of a SYN, at most 14; `None` when it offers none.
    pub scale: Option<u8>,
    /// SACK-permitted of a SYN.
    pub sack_permitted: bool,
    /// An option of a SYN had an impossible length; it and those behind it were ignored.
    pub options_malformed: bool,
}

/// TCP flags on the wire.
pub mod tcp_flag {
    /// No more data.
    pub const FIN: u8 = 1 << 0;
    /// Opens.
    pub const SYN: u8 = 1 << 1;
    /// Aborts.
    pub const RST: u8 = 1 << 2;
    /// Push.
    pub const PSH: u8 = 1 << 3;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 1 << 4;
    /// Urgent.
    pub const URG: u8 = 1 << 5;
}

impl Segment {
    /// Whether every one of these flags is set.
    #[inline]
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

const ETHERTYPE_V4: u16 = 0x0800;
const ETHERTYPE_V6: u16 = 0x86dd;
const ETHERTYPE_VLAN: [u16; 2] = [formats::frame::ETHERTYPE_C_TAG, formats::frame::ETHERTYPE_S_TAG];
/// VLAN tags a packet may carry.
const TAGS_MAX: usize = 2;

/// `N` bytes at `at`, if they are there.
#[inline]
fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..)?.first_chunk()
}

#[inline]
fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    chunk(bytes, at).map(|two| u16::from_be_bytes(*two))
}

/// Reads a frame.
pub fn parse(frame: &[u8]) -> Result<Packet, Untracked> {
    let mut at = 12;
    for _ in 0..=TAGS_MAX {
        let ethertype = be16(frame, at).ok_or(Untracked::EthernetShort)?;
        at += 2;
        match ethertype {
            ETHERTYPE_V4 => return transport::parse(&ip::v4(&frame[at..])?),
            ETHERTYPE_V6 => return transport::parse(&ip::v6(&frame[at..])?),
            tag if ETHERTYPE_VLAN.contains(&tag) => at += 2,
            _ => return Err(Untracked::NotIp),
        }
    }
    Err(Untracked::VlanDepth)
}

/// An IP packet: addresses, protocol, and what lies behind every IP header.
struct Ip<'a> {
    family: Family,
    src: u128,
    dst: u128,
    protocol: u8,
    payload: &'a [u8],
    /// The first of several fragments: the payload goes on elsewhere.
    fragmented: bool,
}

#[cfg(test)]
mod tests;
