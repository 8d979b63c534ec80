//! Each reason with the packet that has it, and what sound packets read as.

use super::ip::EXTENSIONS_MAX;
use super::*;
use crate::frames::*;
use formats::flow::protocol;
use proptest::prelude::*;

const A: u32 = 0x0a00_0001;
const B: u32 = 0x0a00_0002;
const A6: u128 = 0x2001_0db8_0000_0000_0000_0000_0000_0001;
const B6: u128 = 0x2001_0db8_0000_0000_0000_0000_0000_0002;

fn reason(frame: &[u8]) -> Untracked {
    parse(frame).expect_err("no packet")
}

fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(&[], ETHERTYPE_V4, &ip_v4(A, B, protocol, payload))
}

fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(&[], ETHERTYPE_V6, &ip_v6(A6, B6, next, payload))
}

fn edited(mut bytes: Vec<u8>, at: usize, values: &[u8]) -> Vec<u8> {
    bytes[at..at + values.len()].copy_from_slice(values);
    bytes
}

fn syn() -> Vec<u8> {
    let options = [2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 0, 0];
    tcp_with(1000, 443, tcp_flag::SYN, 7, 0, 64240, &options, &[])
}

#[test]
fn a_syn_reads_with_tags_padding_and_options() {
    for tags in [&[][..], &[0x8100], &[0x88a8, 0x8100]] {
        let mut frame = ethernet(tags, ETHERTYPE_V4, &ip_v4(A, B, 6, &syn()));
        frame.extend([0xee; 9]);
        let packet = parse(&frame).unwrap();
        assert_eq!((packet.key.src, packet.key.dst), (A.into(), B.into()));
        assert_eq!((packet.key.src_port, packet.key.dst_port, packet.key.protocol), (1000, 443, 6));
        assert_eq!(packet.payload_length, 0);
        let Transport::Tcp(segment) = packet.transport else { panic!("TCP") };
        assert_eq!((segment.sequence, segment.window, segment.flags), (7, 64240, tcp_flag::SYN));
        assert_eq!(
            (segment.scale, segment.sack_permitted, segment.options_malformed),
            (Some(7), true, false)
        );
    }
}

#[test]
fn options_that_loop_or_run_over_end_the_walk() {
    let scale_of = |options: &[u8]| {
        let Transport::Tcp(segment) =
            parse(&v4(6, &tcp_with(1, 2, tcp_flag::SYN, 0, 0, 1, options, &[]))).unwrap().transport
        else {
            panic!("TCP")
        };
        (segment.scale, segment.options_malformed)
    };
    assert_eq!(scale_of(&[3, 3, 200, 0]), (Some(14), false));
    assert_eq!(scale_of(&[2, 0, 3, 3]), (None, true));
    assert_eq!(scale_of(&[5, 1, 3, 3]), (None, true));
    assert_eq!(scale_of(&[1, 1, 8, 40]), (None, true));
    assert_eq!(scale_of(&[1, 1, 1, 3]), (None, true));
    assert_eq!(scale_of(&[3, 4, 7, 0]), (None, false));
}

#[test]
fn both_directions_of_icmp_meet() {
    let ask = parse(&v4(1, &icmp(8, 0, 77))).unwrap();
    let answer = parse(&ethernet(&[], ETHERTYPE_V4, &ip_v4(B, A, 1, &icmp(0, 0, 77)))).unwrap();
    assert_eq!((ask.transport, answer.transport), (Transport::Question, Transport::Answer));
    assert_eq!((ask.key.src_port, ask.key.dst_port), (77, 8 << 8));
    assert_eq!(answer.key, ask.key.reversed());
    let ask = parse(&v6(58, &icmp(128, 0, 77))).unwrap();
    let answer = parse(&ethernet(&[], ETHERTYPE_V6, &ip_v6(B6, A6, 58, &icmp(129, 0, 77)))).unwrap();
    assert_eq!(answer.key, ask.key.reversed());
}

#[test]
fn other_protocols_read() {
    let key = |frame: &[u8]| {
        let key = parse(frame).unwrap().key;
        (key.src_port, key.dst_port)
    };
    assert_eq!(key(&v4(17, &udp(5, 6, &[0; 9]))), (5, 6));
    assert_eq!(key(&v4(132, &[0, 5, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0])), (5, 6));
    assert_eq!(key(&v4(47, &[0, 0, 8, 0])), (0, 0));
    assert_eq!(key(&v4(47, &[0x20, 1, 0x88, 0x0b, 0, 9, 1, 2])), (0, 0x0102));
    assert_eq!(key(&v4(50, &[0; 8])), (0, 0));
}

#[test]
fn extension_headers_are_walked() {
    let inner = udp(5, 6, &[]);
    let chain = |headers: &[(u8, &[u8])]| {
        let mut bytes = Vec::new();
        for (n, (_, body)) in headers.iter().enumerate() {
            let next = headers.get(n + 1).map_or(protocol::UDP, |header| header.0);
            bytes.push(next);
            bytes.extend_from_slice(body);
        }
        bytes.extend_from_slice(&inner);
        v6(headers[0].0, &bytes)
    };
    let plain: &[u8] = &[0; 7];
    let long: &[u8] = &[[1u8].as_slice(), &[0; 14]].concat();
    let sound = chain(&[(0, plain), (60, plain), (43, long), (51, &[0; 7]), (44, plain), (60, plain)]);
    assert_eq!(parse(&sound).unwrap().key.dst_port, 6);
    let first_fragment = chain(&[(44, &[0, 0, 1, 0, 0, 0, 0])]);
    assert_eq!(parse(&first_fragment).unwrap().key.dst_port, 6);
    assert_eq!(reason(&chain(&[(44, &[0, 0, 8, 0, 0, 0, 0])])), Untracked::Fragment);
    assert_eq!(reason(&chain(&[(60, plain), (0, plain)])), Untracked::ExtensionOrder);
    assert_eq!(reason(&chain(&[(44, plain), (44, plain)])), Untracked::ExtensionOrder);
    assert_eq!(reason(&chain(&[(60, &[200, 0, 0, 0, 0, 0, 0])])), Untracked::ExtensionLength);
    assert_eq!(reason(&v6(60, &[])), Untracked::ExtensionLength);
    assert_eq!(reason(&v6(44, &[17, 0, 0])), Untracked::ExtensionLength);
    assert_eq!(reason(&v6(59, &[])), Untracked::NoNextHeader);
    assert!(parse(&chain(&[(60, plain); EXTENSIONS_MAX])).is_ok());
    assert_eq!(reason(&chain(&[(60, plain); EXTENSIONS_MAX + 1])), Untracked::ExtensionCount);
}

#[test]
fn each_reason_has_its_packet() {
    let sound = v4(6, &syn());
    let ip = 14;
    let cases = [
        (sound[..13].to_vec(), Untracked::EthernetShort),
        (ethernet(&[0x8100, 0x8100, 0x8100], ETHERTYPE_V4, &[0; 40]), Untracked::VlanDepth),
        (ethernet(&[], 0x0806, &[0; 40]), Untracked::NotIp),
        (ethernet(&[], 60, &[0; 60]), Untracked::NotIp),
        (sound[..ip + 19].to_vec(), Untracked::IpShort),
        (v6(17, &[])[..ip + 39].to_vec(), Untracked::IpShort),
        (edited(sound.clone(), ip, &[0x65]), Untracked::IpVersion),
        (edited(v6(17, &[]), ip, &[0x40]), Untracked::IpVersion),
        (edited(sound.clone(), ip, &[0x44]), Untracked::IpHeader),
        (edited(sound.clone(), ip + 2, &[0, 19]), Untracked::IpLength),
        (edited(sound.clone(), ip + 2, &[0xff, 0xff]), Untracked::IpLength),
        (edited(v6(17, &[]), ip + 4, &[0, 9]), Untracked::IpLength),
        (edited(sound.clone(), ip + 6, &[0, 1]), Untracked::Fragment),
        (v4(89, &[0; 40]), Untracked::Protocol),
        (v4(58, &[0; 40]), Untracked::Protocol),
        (v6(1, &[0; 40]), Untracked::Protocol),
        (v4(47, &[0, 2, 8, 0]), Untracked::Protocol),
        (v4(6, &[0; 19]), Untracked::TransportShort),
        (v4(17, &[0; 7]), Untracked::TransportShort),
        (v4(1, &[8; 7]), Untracked::TransportShort),
        (v4(132, &[0; 11]), Untracked::TransportShort),
        (v4(47, &[0; 3]), Untracked::TransportShort),
        (v4(47, &[0x20, 1, 0x88, 0x0b, 0, 9, 1]), Untracked::TransportShort),
        (v4(50, &[0; 7]), Untracked::TransportShort),
        (edited(v4(17, &udp(1, 2, &[])), ip + 24, &[0, 7]), Untracked::UdpLength),
        (edited(v4(17, &udp(1, 2, &[])), ip + 24, &[0, 9]), Untracked::UdpLength),
        (edited(sound.clone(), ip + 32, &[0x40]), Untracked::TcpHeader),
        (edited(sound.clone(), ip + 32, &[0xf0]), Untracked::TcpHeader),
        (edited(sound.clone(), ip + 33, &[tcp_flag::SYN | tcp_flag::FIN]), Untracked::TcpFlags),
        (edited(sound.clone(), ip + 33, &[0]), Untracked::TcpFlags),
        (edited(sound.clone(), ip + 33, &[0x29]), Untracked::TcpFlags),
        (v4(1, &icmp(3, 1, 0)), Untracked::IcmpError),
        (v6(58, &icmp(1, 0, 0)), Untracked::IcmpError),
        (v4(1, &icmp(9, 0, 0)), Untracked::IcmpType),
        (v6(58, &icmp(135, 0, 0)), Untracked::IcmpType),
    ];
    for (frame, expected) in cases {
        assert_eq!(reason(&frame), expected, "{frame:02x?}");
    }
    let mut udp_fragment = edited(v4(17, &udp(1, 2, &[])), ip + 24, &[0, 99]);
    udp_fragment = edited(udp_fragment, ip + 6, &[0x20, 0]);
    assert!(parse(&udp_fragment).is_ok(), "a first fragment may promise more than it holds");
}

proptest! {
    #[test]
    fn no_bytes_panic_and_a_cut_packet_is_never_another(
        bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..100,
    ) {
        for ethertype in [ETHERTYPE_V4, ETHERTYPE_V6] {
            let _ = parse(&ethernet(&[], ethertype, &bytes));
        }
        let _ = parse(&bytes);
        let sound = v4(6, &syn());
        let short = &sound[..cut.min(sound.len() - 1)];
        prop_assert!(parse(short).is_err());
    }
}
