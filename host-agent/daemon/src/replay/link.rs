//! Link types: whatever carries Ethernet or IP becomes an Ethernet frame.
//!
//! A packet that the capture cut is filled with zeros to its length on the wire: its headers are there,
//! and its numbers are right.

use super::capture::Captured;

/// The largest frame that is filled up: an IP packet of any length, with its headers.
const FRAME_MAX: usize = 65_535 + 64;
const ETHERNET_HEADER: usize = 14;
const ETHERTYPE_V4: u16 = 0x0800;
const ETHERTYPE_V6: u16 = 0x86dd;

/// The ethertype of a bare IP packet.
fn by_version(bytes: &[u8]) -> u16 {
    match bytes.first().map(|byte| byte >> 4) {
        Some(4) => ETHERTYPE_V4,
        Some(6) => ETHERTYPE_V6,
        Some(_) | None => 0,
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Ethertype and length of the link's header; `None` for a link that carries neither.
fn header(link: u16, bytes: &[u8]) -> Option<(u16, usize)> {
    const NULL: u16 = 0;
    const PPP: u16 = 9;
    const RAW: [u16; 5] = [12, 14, 101, 228, 229];
    const LOOP: u16 = 108;
    const LINUX_COOKED: u16 = 113;
    const LINUX_COOKED_2: u16 = 276;
    let behind = |length: usize| (by_version(bytes.get(length..).unwrap_or_default()), length);
    match link {
        NULL | LOOP => Some(behind(4)),
        PPP => Some(match be16(bytes, 0) {
            Some(0xff03) => behind(4),
            _ => behind(2),
        }),
        LINUX_COOKED => Some((be16(bytes, 14).unwrap_or(0), 16)),
        LINUX_COOKED_2 => Some((be16(bytes, 0).unwrap_or(0), 20)),
        raw if RAW.contains(&raw) => Some(behind(0)),
        _ => None,
    }
}

/// Writes the packet as an Ethernet frame into `frame`; `false` for a link that carries neither.
pub fn to_ethernet(packet: &Captured<'_>, frame: &mut Vec<u8>) -> bool {
    const ETHERNET: u16 = 1;
    frame.clear();
    let mut header_length = 0;
    if packet.link != ETHERNET {
        let Some((ethertype, length)) = header(packet.link, packet.bytes) else { return false };
        header_length = length;
        frame.extend([0; ETHERNET_HEADER - 2]);
        frame.extend(ethertype.to_be_bytes());
    }
    let missing = (packet.original_length as usize).saturating_sub(packet.bytes.len());
    frame.extend_from_slice(packet.bytes.get(header_length..).unwrap_or_default());
    let whole = frame.len() + missing;
    if whole <= FRAME_MAX {
        frame.resize(whole, 0);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_ends_in_the_same_frame() {
        let ip = [0x45, 0, 0, 20];
        let cooked = [[0; 14].as_slice(), &[8, 0]].concat();
        let cooked_2 = [[8, 0].as_slice(), &[0; 18]].concat();
        let heads: [(u16, &[u8]); 8] = [
            (0, &[2, 0, 0, 0]),
            (108, &[0, 0, 0, 2]),
            (9, &[0xff, 3, 0, 0x21]),
            (9, &[0, 0x21]),
            (101, &[]),
            (228, &[]),
            (113, &cooked),
            (276, &cooked_2),
        ];
        for (link, head) in heads {
            let bytes = [head, &ip].concat();
            let mut frame = Vec::new();
            let original_length = bytes.len() as u32 + 2;
            assert!(to_ethernet(&Captured { time_us: 0, link, bytes: &bytes, original_length }, &mut frame));
            assert_eq!(frame[12..], [8, 0, 0x45, 0, 0, 20, 0, 0], "link type {link}");
            assert!(to_ethernet(&Captured { time_us: 0, link, bytes: &[], original_length: 0 }, &mut frame));
        }
        let wireless = Captured { time_us: 0, link: 105, bytes: &ip, original_length: 4 };
        assert!(!to_ethernet(&wireless, &mut Vec::new()));
    }
}
