//! Transport headers: ports, TCP fields and options of a SYN, ICMP questions and answers.

use super::{be16, chunk, tcp_flag, Ip, Packet, Segment, Transport, Untracked};
use formats::flow::protocol;
use formats::{Family, FlowKey};

const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const ICMP_HEADER: usize = 8;
const SCTP_HEADER: usize = 12;
const GRE_HEADER: usize = 4;
const ESP_HEADER: usize = 8;

/// Combinations of SYN, FIN, RST, ACK and URG that TCP sends (PSH goes with any).
const FLAGS_SENT: [u8; 9] = [
    tcp_flag::SYN,
    tcp_flag::SYN | tcp_flag::URG,
    tcp_flag::SYN | tcp_flag::ACK,
    tcp_flag::RST,
    tcp_flag::RST | tcp_flag::ACK,
    tcp_flag::FIN | tcp_flag::ACK,
    tcp_flag::FIN | tcp_flag::ACK | tcp_flag::URG,
    tcp_flag::ACK,
    tcp_flag::ACK | tcp_flag::URG,
];
const FLAGS_CHECKED: u8 = 0x3f & !tcp_flag::PSH;
/// The same as one bit per combination.
const FLAGS_SENT_MASK: u64 = {
    let mut mask = 0;
    let mut i = 0;
    while i < FLAGS_SENT.len() {
        mask |= 1 << FLAGS_SENT[i];
        i += 1;
    }
    mask
};
/// The largest shift of a window (RFC 7323, 2.3).
const SCALE_MAX: u8 = 14;

pub(super) fn parse(ip: &Ip<'_>) -> Result<Packet, Untracked> {
    let bytes = ip.payload;
    let (ports, transport, header_length) = match (ip.protocol, ip.family) {
        (protocol::TCP, _) => tcp(bytes)?,
        (protocol::UDP, _) => udp(bytes, ip.fragmented)?,
        (protocol::ICMP, Family::V4) | (protocol::ICMPV6, Family::V6) => icmp(bytes, ip.family)?,
        (protocol::SCTP, _) => (ports(bytes, SCTP_HEADER)?, Transport::Other, SCTP_HEADER),
        (protocol::GRE, _) => gre(bytes)?,
        (protocol::ESP, _) => {
            chunk::<ESP_HEADER>(bytes, 0).ok_or(Untracked::TransportShort)?;
            ((0, 0), Transport::Other, ESP_HEADER)
        }
        _ => return Err(Untracked::Protocol),
    };
    let key = FlowKey {
        src: ip.src,
        dst: ip.dst,
        src_port: ports.0,
        dst_port: ports.1,
        zone: 0,
        protocol: ip.protocol,
        family: ip.family,
    };
    Ok(Packet { key, transport, payload_length: (bytes.len() - header_length) as u32 })
}

type Parsed = ((u16, u16), Transport, usize);

/// Both ports, if the whole header is there.
fn ports(bytes: &[u8], header_length: usize) -> Result<(u16, u16), Untracked> {
    match (be16(bytes, 0), be16(bytes, 2)) {
        (Some(src), Some(dst)) if bytes.len() >= header_length => Ok((src, dst)),
        (Some(_) | None, Some(_) | None) => Err(Untracked::TransportShort),
    }
}

fn udp(bytes: &[u8], fragmented: bool) -> Result<Parsed, Untracked> {
    let ports = ports(bytes, UDP_HEADER)?;
    let length = be16(bytes, 4).map_or(0, usize::from);
    // The length of a fragmented datagram counts what comes in other packets.
    if length < UDP_HEADER || (length > bytes.len() && !fragmented) {
        return Err(Untracked::UdpLength);
    }
    Ok((ports, Transport::Other, UDP_HEADER))
}

fn tcp(bytes: &[u8]) -> Result<Parsed, Untracked> {
    let head: &[u8; TCP_HEADER] = chunk(bytes, 0).ok_or(Untracked::TransportShort)?;
    let header_length = usize::from(head[12] >> 4) * 4;
    if header_length < TCP_HEADER || header_length > bytes.len() {
        return Err(Untracked::TcpHeader);
    }
    let flags = head[13] & 0x3f;
    if FLAGS_SENT_MASK >> (flags & FLAGS_CHECKED) & 1 == 0 {
        return Err(Untracked::TcpFlags);
    }
    let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let mut segment = Segment {
        sequence: word(4),
        acknowledgement: word(8),
        window: u16::from_be_bytes([head[14], head[15]]),
        flags,
        ..Segment::default()
    };
    if segment.has(tcp_flag::SYN) {
        syn_options(&bytes[TCP_HEADER..header_length], &mut segment);
    }
    let ports = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
    Ok((ports, Transport::Tcp(segment), header_length))
}

/// Reads window scale and SACK-permitted; at most 40 bytes, each step takes at least one.
fn syn_options(mut options: &[u8], segment: &mut Segment) {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const WINDOW_SCALE: u8 = 3;
    const SACK_PERMITTED: u8 = 4;
    while let [kind, rest @ ..] = options {
        match *kind {
            END => return,
            NO_OPERATION => options = rest,
            kind => {
                let length = rest.first().map_or(0, |length| usize::from(*length));
                if length < 2 || length > options.len() {
                    segment.options_malformed = true;
                    return;
                }
                match (kind, length) {
                    (WINDOW_SCALE, 3) => segment.scale = Some(options[2].min(SCALE_MAX)),
                    (SACK_PERMITTED, 2) => segment.sack_permitted = true,
                    _ => {}
                }
                options = &options[length..];
            }
        }
    }
}

/// Question and answer of each ICMP exchange.
pub(crate) const ICMP_V4: [(u8, u8); 4] = [(8, 0), (13, 14), (15, 16), (17, 18)];
/// The same for ICMPv6.
pub(crate) const ICMP_V6: [(u8, u8); 2] = [(128, 129), (139, 140)];

fn icmp(bytes: &[u8], family: Family) -> Result<Parsed, Untracked> {
    let head: &[u8; ICMP_HEADER] = chunk(bytes, 0).ok_or(Untracked::TransportShort)?;
    let (kind, code, identifier) = (head[0], head[1], u16::from_be_bytes([head[4], head[5]]));
    let (pairs, is_error): (&[_], _) = match family {
        Family::V4 => (&ICMP_V4, matches!(kind, 3..=5 | 11 | 12)),
        Family::V6 => (&ICMP_V6, matches!(kind, 1..=4)),
    };
    if is_error {
        return Err(Untracked::IcmpError);
    }
    let number = |kind: u8| u16::from_be_bytes([kind, code]);
    let (ports, transport) = match pairs.iter().find(|pair| kind == pair.0 || kind == pair.1) {
        None => return Err(Untracked::IcmpType),
        Some((question, _)) if kind == *question => ((identifier, number(kind)), Transport::Question),
        Some((question, _)) => ((number(*question), identifier), Transport::Answer),
    };
    Ok((ports, transport, ICMP_HEADER))
}

fn gre(bytes: &[u8]) -> Result<Parsed, Untracked> {
    const KEY_PRESENT: u16 = 1 << 13;
    const PPP: u16 = 0x880b;
    let (Some(flags), Some(kind)) = (be16(bytes, 0), be16(bytes, 2)) else {
        return Err(Untracked::TransportShort);
    };
    match flags & 7 {
        0 => Ok(((0, 0), Transport::Other, GRE_HEADER)),
        1 if kind == PPP && flags & KEY_PRESENT != 0 => {
            let call = be16(bytes, 6).ok_or(Untracked::TransportShort)?;
            Ok(((0, call), Transport::Other, 8))
        }
        _ => Err(Untracked::Protocol),
    }
}
