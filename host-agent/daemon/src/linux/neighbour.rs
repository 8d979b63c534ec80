//! ARP and IPv6 neighbour discovery frames, as bytes.
//!
//! Enters: addresses, or a received frame. Leaves: whole Ethernet frames, or the address that a frame
//! answers for. Pure functions without I/O; no input panics.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// ICMPv6 type of a neighbour solicitation.
pub const SOLICITATION: u8 = 135;
/// ICMPv6 type of a neighbour advertisement.
pub const ADVERTISEMENT: u8 = 136;
const ARP_REQUEST: u16 = 1;
const ARP_REPLY: u16 = 2;
const ETHERNET: usize = 14;
const ARP_BYTES: usize = ETHERNET + 28;
const IPV6: usize = 40;
/// Type, code, checksum, flags, target, one link-layer address option.
const DISCOVERY: usize = 24 + 8;
const DISCOVERY_BYTES: usize = ETHERNET + IPV6 + DISCOVERY;
const BROADCAST: [u8; 6] = [0xff; 6];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
/// Router and override; not solicited.
const FLAGS_ROUTER_OVERRIDE: u8 = 0x80 | 0x20;
const OPTION_SOURCE_LINK: u8 = 1;
const OPTION_TARGET_LINK: u8 = 2;

/// Appends the frames that tell a network where `address` now is: gratuitous ARP as request and as
/// reply (some neighbours heed only one), or an unsolicited advertisement with the override flag.
pub fn announcements(mac: [u8; 6], address: IpAddr, frames: &mut Vec<Vec<u8>>) {
    match address {
        IpAddr::V4(address) => {
            frames.push(arp(BROADCAST, ARP_REQUEST, (mac, address), ([0; 6], address)));
            frames.push(arp(BROADCAST, ARP_REPLY, (mac, address), (mac, address)));
        }
        IpAddr::V6(address) => {
            let (kind, option) = (ADVERTISEMENT, OPTION_TARGET_LINK);
            let to = (ALL_NODES_MAC, ALL_NODES);
            frames.push(discovery(kind, FLAGS_ROUTER_OVERRIDE, option, (mac, address), to, address));
        }
    }
}

/// The question "who has `target`", asked by `own`; `None` if the families differ.
pub fn question(mac: [u8; 6], own: IpAddr, target: IpAddr) -> Option<Vec<u8>> {
    match (own, target) {
        (IpAddr::V4(own), IpAddr::V4(target)) => {
            Some(arp(BROADCAST, ARP_REQUEST, (mac, own), ([0; 6], target)))
        }
        (IpAddr::V6(own), IpAddr::V6(target)) => {
            let [.., a, b, c] = target.octets();
            let group =
                Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
            let to = ([0x33, 0x33, 0xff, a, b, c], group);
            Some(discovery(SOLICITATION, 0, OPTION_SOURCE_LINK, (mac, own), to, target))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

/// The address that a received frame answers for, if it is an ARP reply or an advertisement.
pub fn answered(frame: &[u8]) -> Option<IpAddr> {
    let half = |at: usize| Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk()?));
    match half(12)? {
        0x0806 => {
            let is_reply = half(ETHERNET + 2)? == 0x0800 && half(ETHERNET + 6)? == ARP_REPLY;
            let sender: [u8; 4] = *frame.get(ETHERNET + 14..)?.first_chunk()?;
            is_reply.then(|| Ipv4Addr::from(sender).into())
        }
        0x86dd => {
            let body = frame.get(ETHERNET + IPV6..)?;
            // Hop limit 255 proves that the sender is a neighbour (RFC 4861, 7.1.2).
            let is_neighbour =
                frame[ETHERNET + 6] == libc::IPPROTO_ICMPV6 as u8 && frame[ETHERNET + 7] == 255;
            let target: [u8; 16] = *body.get(8..)?.first_chunk()?;
            (is_neighbour && body[0] == ADVERTISEMENT).then(|| Ipv6Addr::from(target).into())
        }
        _ => None,
    }
}

fn arp(to: [u8; 6], operation: u16, sender: ([u8; 6], Ipv4Addr), target: ([u8; 6], Ipv4Addr)) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ARP_BYTES);
    frame.extend_from_slice(&to);
    frame.extend_from_slice(&sender.0);
    frame.extend_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0, 6, 4]);
    frame.extend_from_slice(&operation.to_be_bytes());
    for (mac, address) in [sender, target] {
        frame.extend_from_slice(&mac);
        frame.extend_from_slice(&address.octets());
    }
    assert_eq!(frame.len(), ARP_BYTES);
    frame
}

fn discovery(
    kind: u8,
    flags: u8,
    option: u8,
    (mac, source): ([u8; 6], Ipv6Addr),
    (to_mac, to): ([u8; 6], Ipv6Addr),
    target: Ipv6Addr,
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(DISCOVERY_BYTES);
    frame.extend_from_slice(&to_mac);
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&[
        0x86,
        0xdd,
        0x60,
        0,
        0,
        0,
        0,
        DISCOVERY as u8,
        libc::IPPROTO_ICMPV6 as u8,
        255,
    ]);
    frame.extend_from_slice(&source.octets());
    frame.extend_from_slice(&to.octets());
    frame.extend_from_slice(&[kind, 0, 0, 0, flags, 0, 0, 0]);
    frame.extend_from_slice(&target.octets());
    frame.extend_from_slice(&[option, 1]);
    frame.extend_from_slice(&mac);
    assert_eq!(frame.len(), DISCOVERY_BYTES);
    let checksum = checksum(&frame[ETHERNET + 8..]);
    frame[ETHERNET + IPV6 + 2..ETHERNET + IPV6 + 4].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// ICMPv6 checksum over addresses and message, whose own checksum is zero.
fn checksum(addresses_and_message: &[u8]) -> u16 {
    let words =
        addresses_and_message.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum = words.sum::<u32>() + DISCOVERY as u32 + libc::IPPROTO_ICMPV6 as u32;
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    #[test]
    fn gratuitous_arp_has_both_forms() {
        let mut frames = Vec::new();
        announcements(MAC, "192.0.2.1".parse().unwrap(), &mut frames);
        let operations: Vec<u8> = frames.iter().map(|frame| frame[21]).collect();
        assert_eq!(operations, [1, 2]);
        for frame in &frames {
            assert_eq!(frame[..6], BROADCAST);
            assert_eq!(
                (&frame[22..28], &frame[28..32], &frame[38..42]),
                (&MAC[..], &[192, 0, 2, 1][..], &[192, 0, 2, 1][..])
            );
        }
        assert_eq!(answered(&frames[1]), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(answered(&frames[0]), None);
    }

    #[test]
    fn an_advertisement_overrides_and_its_checksum_holds() {
        let mut frames = Vec::new();
        announcements(MAC, "2001:db8::1".parse().unwrap(), &mut frames);
        let frame = &frames[0];
        assert_eq!((frame[54], frame[58]), (ADVERTISEMENT, 0xa0));
        // With the checksum in place the sum is all ones, whose complement is zero.
        assert_eq!(checksum(&frame[ETHERNET + 8..]), 0);
        assert_eq!(answered(frame), Some("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn a_question_needs_one_family_and_is_no_answer() {
        let (v4, v6): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        assert_eq!(question(MAC, v4, v6), None);
        for target in [v4, v6] {
            assert_eq!(answered(&question(MAC, target, target).unwrap()), None);
        }
    }

    #[test]
    fn cut_frames_answer_nothing() {
        let mut frames = Vec::new();
        announcements(MAC, "192.0.2.1".parse().unwrap(), &mut frames);
        announcements(MAC, "2001:db8::1".parse().unwrap(), &mut frames);
        for frame in &frames {
            for length in 0..28 {
                assert_eq!(answered(&frame[..length]), None);
            }
        }
    }
}
