//! Frames written by hand: gratuitous ARP, unsolicited neighbour advertisement, lone TCP
//! segments. Network byte order throughout.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const BROADCAST: [u8; 6] = [0xff; 6];
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_ICMPV6: u8 = 58;
/// RFC 5227 section 3: an announcement is a request for one's own address. Linux takes a reply
/// for one only if its target hardware address is the sender's; any other reply is ignored
/// while the neighbour entry is younger than a second.
const ARP_REQUEST: u16 = 1;
/// RFC 4861 section 4.4: router and override, not solicited.
const ADVERTISEMENT_FLAGS: u8 = 0xa0;

/// "This address lives at this MAC now", to the whole network.
pub(crate) fn announcement(mac: [u8; 6], address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => arp_announcement(mac, address),
        IpAddr::V6(address) => neighbour_announcement(mac, address),
    }
}

fn arp_announcement(mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    let mut frame = ethernet(BROADCAST, mac, ETHERTYPE_ARP);
    // Ethernet, IPv4, lengths 6 and 4.
    frame.extend([0, 1, 8, 0, 6, 4]);
    frame.extend(ARP_REQUEST.to_be_bytes());
    for hardware in [mac, [0; 6]] {
        frame.extend(hardware);
        frame.extend(address.octets());
    }
    frame
}

fn neighbour_announcement(mac: [u8; 6], address: Ipv6Addr) -> Vec<u8> {
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let mut message = vec![136, 0, 0, 0, ADVERTISEMENT_FLAGS, 0, 0, 0];
    message.extend(address.octets());
    // Option 2, one unit of eight bytes: target link-layer address.
    message.extend([2, 1]);
    message.extend(mac);
    let checksum = transport_checksum(address.into(), all_nodes.into(), PROTOCOL_ICMPV6, &message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    let mut frame = ethernet([0x33, 0x33, 0, 0, 0, 1], mac, ETHERTYPE_IPV6);
    frame.extend(ipv6_header(address, all_nodes, PROTOCOL_ICMPV6, message.len()));
    frame.extend(message);
    frame
}

/// TCP header flags.
#[derive(Clone, Copy)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    /// The opening of a connection.
    pub(crate) const SYN: Flags = Flags(0x02);
    /// The answer to it.
    pub(crate) const SYN_ACK: Flags = Flags(0x12);
    /// A plain acknowledgement.
    pub(crate) const ACK: Flags = Flags(0x10);
    /// A reset.
    pub(crate) const RST: Flags = Flags(0x04);
    /// An end with an acknowledgement, as stacks send it.
    pub(crate) const FIN: Flags = Flags(0x11);
}

/// Where a lone segment goes and what it claims.
pub(crate) struct Segment {
    /// MAC it is sent from.
    pub(crate) from_mac: [u8; 6],
    /// MAC it is sent to.
    pub(crate) to_mac: [u8; 6],
    /// Source address and port.
    pub(crate) source: SocketAddr,
    /// Destination address and port.
    pub(crate) destination: SocketAddr,
    /// Its flags.
    pub(crate) flags: Flags,
    /// Its sequence number.
    pub(crate) sequence: u32,
    /// What it acknowledges.
    pub(crate) acknowledged: u32,
}

impl Segment {
    /// The whole frame; `None` if source and destination are of different families.
    pub(crate) fn frame(&self) -> Option<Vec<u8>> {
        let mut tcp = Vec::with_capacity(20);
        tcp.extend(self.source.port().to_be_bytes());
        tcp.extend(self.destination.port().to_be_bytes());
        tcp.extend(self.sequence.to_be_bytes());
        tcp.extend(self.acknowledged.to_be_bytes());
        // Five words of header, a window of 512, checksum below, no urgent data.
        tcp.extend([0x50, self.flags.0, 2, 0, 0, 0, 0, 0]);
        let checksum = transport_checksum(self.source.ip(), self.destination.ip(), PROTOCOL_TCP, &tcp);
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut frame = ethernet(self.to_mac, self.from_mac, ETHERTYPE_IPV4);
                frame.extend(ipv4_header(source, destination, PROTOCOL_TCP, tcp.len()));
                frame.extend(tcp);
                Some(frame)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let mut frame = ethernet(self.to_mac, self.from_mac, ETHERTYPE_IPV6);
                frame.extend(ipv6_header(source, destination, PROTOCOL_TCP, tcp.len()));
                frame.extend(tcp);
                Some(frame)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }
}

fn ethernet(to: [u8; 6], from: [u8; 6], ethertype: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(96);
    frame.extend(to);
    frame.extend(from);
    frame.extend(ethertype.to_be_bytes());
    frame
}

fn ipv4_header(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload_bytes: usize) -> [u8; 20] {
    let mut header = [0; 20];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&(20 + payload_bytes as u16).to_be_bytes());
    header[6] = 0x40; // do not fragment
    header[8] = 64;
    header[9] = protocol;
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    let checksum = fold(sum(&header));
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

fn ipv6_header(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, payload_bytes: usize) -> [u8; 40] {
    let mut header = [0; 40];
    header[0] = 0x60;
    header[4..6].copy_from_slice(&(payload_bytes as u16).to_be_bytes());
    header[6] = protocol;
    header[7] = 255; // neighbour discovery demands it
    header[8..24].copy_from_slice(&source.octets());
    header[24..40].copy_from_slice(&destination.octets());
    header
}

/// RFC 1071 over the pseudo header and the payload, whose checksum field is still zero.
fn transport_checksum(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> u16 {
    let mut total = u32::from(protocol) + payload.len() as u32 + sum(payload);
    for address in [source, destination] {
        total += match address {
            IpAddr::V4(address) => sum(&address.octets()),
            IpAddr::V6(address) => sum(&address.octets()),
        };
    }
    fold(total)
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn fold(mut total: u32) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !(total as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(source: &str, destination: &str) -> Segment {
        Segment {
            from_mac: [2, 0, 0, 0, 1, 0x10],
            to_mac: [2, 0, 0, 0, 1, 2],
            source: source.parse().expect("an address"),
            destination: destination.parse().expect("an address"),
            flags: Flags::RST,
            sequence: 7,
            acknowledged: 9,
        }
    }

    #[test]
    fn checksums_verify_to_zero() {
        let frame = segment("10.1.0.10:4000", "10.2.0.10:7000").frame().expect("one family");
        assert_eq!(frame.len(), 14 + 20 + 20);
        assert_eq!(fold(sum(&frame[14..34])), 0);
        let total = sum(&frame[26..34]) + u32::from(PROTOCOL_TCP) + 20 + sum(&frame[34..]);
        assert_eq!(fold(total), 0);
        let frame = segment("[fd00:1::10]:4000", "[fd00:2::10]:7000").frame().expect("one family");
        let total = sum(&frame[22..54]) + u32::from(PROTOCOL_TCP) + 20 + sum(&frame[54..]);
        assert_eq!(fold(total), 0);
    }

    #[test]
    fn families_do_not_mix() {
        assert!(segment("10.1.0.10:4000", "[fd00:2::10]:7000").frame().is_none());
    }

    #[test]
    fn announcements_have_their_standard_sizes() {
        let mac = [2, 0, 0, 0, 1, 2];
        assert_eq!(announcement(mac, "10.1.0.254".parse().expect("an address")).len(), 14 + 28);
        let frame = announcement(mac, "fd00:1::254".parse().expect("an address"));
        assert_eq!(frame.len(), 14 + 40 + 32);
        let total = sum(&frame[22..54]) + u32::from(PROTOCOL_ICMPV6) + 32 + sum(&frame[54..]);
        assert_eq!(fold(total), 0);
    }
}
