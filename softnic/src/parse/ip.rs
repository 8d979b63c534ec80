//! IP headers: IPv4 with options, IPv6 with extension headers.
//!
//! The walk over extension headers ends after [`EXTENSIONS_MAX`]; each is at least 8 bytes long and lies
//! inside the packet, so that neither loops nor absurd lengths are followed.

use super::{be16, Ip, Untracked};
use formats::Family;

/// Extension headers that are walked.
pub(super) const EXTENSIONS_MAX: usize = 8;

const HEADER_V4: usize = 20;
const HEADER_V6: usize = 40;

mod next_header {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const NONE: u8 = 59;
    pub(super) const DESTINATION: u8 = 60;
}

pub(super) fn v4(bytes: &[u8]) -> Result<Ip<'_>, Untracked> {
    let head: &[u8; HEADER_V4] = bytes.first_chunk().ok_or(Untracked::IpShort)?;
    if head[0] >> 4 != 4 {
        return Err(Untracked::IpVersion);
    }
    let header_length = usize::from(head[0] & 15) * 4;
    if header_length < HEADER_V4 {
        return Err(Untracked::IpHeader);
    }
    let total = usize::from(u16::from_be_bytes([head[2], head[3]]));
    if total < header_length || total > bytes.len() {
        return Err(Untracked::IpLength);
    }
    let fragment = u16::from_be_bytes([head[6], head[7]]);
    if fragment & 0x1fff != 0 {
        return Err(Untracked::Fragment);
    }
    let address = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    Ok(Ip {
        family: Family::V4,
        src: address(12).into(),
        dst: address(16).into(),
        protocol: head[9],
        payload: &bytes[header_length..total],
        fragmented: fragment & 0x2000 != 0,
    })
}

pub(super) fn v6(bytes: &[u8]) -> Result<Ip<'_>, Untracked> {
    let head: &[u8; HEADER_V6] = bytes.first_chunk().ok_or(Untracked::IpShort)?;
    if head[0] >> 4 != 6 {
        return Err(Untracked::IpVersion);
    }
    let end = HEADER_V6 + usize::from(u16::from_be_bytes([head[4], head[5]]));
    let payload = bytes.get(HEADER_V6..end).ok_or(Untracked::IpLength)?;
    let address = |at: usize| u128::from_be_bytes(head[at..at + 16].try_into().expect("16 bytes"));
    let mut packet = Ip {
        family: Family::V6,
        src: address(8),
        dst: address(24),
        protocol: head[6],
        payload,
        fragmented: false,
    };
    let mut fragment_seen = false;
    for n in 0..=EXTENSIONS_MAX {
        let rest = packet.payload;
        let length = match packet.protocol {
            next_header::HOP_BY_HOP if n > 0 => return Err(Untracked::ExtensionOrder),
            next_header::HOP_BY_HOP | next_header::ROUTING | next_header::DESTINATION => {
                8 * (1 + usize::from(*rest.get(1).ok_or(Untracked::ExtensionLength)?))
            }
            next_header::AUTHENTICATION => {
                4 * (2 + usize::from(*rest.get(1).ok_or(Untracked::ExtensionLength)?))
            }
            next_header::FRAGMENT if fragment_seen => return Err(Untracked::ExtensionOrder),
            next_header::FRAGMENT => {
                let fragment = be16(rest, 2).ok_or(Untracked::ExtensionLength)?;
                if fragment >> 3 != 0 {
                    return Err(Untracked::Fragment);
                }
                fragment_seen = true;
                packet.fragmented = fragment & 1 != 0;
                8
            }
            next_header::NONE => return Err(Untracked::NoNextHeader),
            _ => return Ok(packet),
        };
        packet.protocol = *rest.first().ok_or(Untracked::ExtensionLength)?;
        packet.payload = rest.get(length..).ok_or(Untracked::ExtensionLength)?;
    }
    Err(Untracked::ExtensionCount)
}
