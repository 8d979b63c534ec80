//! Owner and copy that both track packets, and connections whose segments are built one by one.
#![allow(dead_code, unreachable_pub)]

use super::frames::*;
use super::net::*;
use formats::limits::*;
use formats::{FlowKey, FlowRecord};
use softnic::parse::tcp_flag::*;
use softnic::{Tracking, Untracked};

pub const CLIENT: u32 = 0x0a00_0001;
pub const SERVER: u32 = 0xc000_0201;
pub const EDGE_BITS: u32 = 10;

pub fn tracking() -> Tracking {
    Tracking { ports: 1, trust: true, edge_bits: EDGE_BITS, ..Tracking::default() }
}

/// Two members; both track packets, the first owns every bucket.
pub fn start(tracking: Tracking) -> Net {
    let mut net = Net::new(2, 1, |_| {});
    net.members.iter_mut().for_each(|member| member.engine.track(tracking));
    net.start();
    // Until every bucket was swept.
    net.run(200_000, 1_000);
    net
}

/// One connection between client and server, with the numbers of both sides.
pub struct Connection {
    pub port: u16,
    pub next: [u32; 2],
}

impl Connection {
    pub fn new(port: u16) -> Self {
        Self { port, next: [1_000_000, 5_000_000] }
    }

    pub fn key(&self) -> FlowKey {
        FlowKey {
            src: CLIENT.into(),
            dst: SERVER.into(),
            src_port: self.port,
            dst_port: 443,
            protocol: 6,
            ..FlowKey::default()
        }
    }

    /// The next segment of a side (0 client, 1 server).
    pub fn segment(&mut self, side: usize, flags: u8, length: usize) -> Vec<u8> {
        let options: &[u8] = if flags & SYN != 0 { &[1, 3, 3, 7] } else { &[] };
        let (sequence, number) = (self.next[side], if flags & ACK != 0 { self.next[1 - side] } else { 0 });
        self.next[side] += length as u32 + u32::from(flags & (SYN | FIN) != 0);
        let (ports, addresses) = match side {
            0 => ((self.port, 443), (CLIENT, SERVER)),
            _ => ((443, self.port), (SERVER, CLIENT)),
        };
        let tcp = tcp_with(ports.0, ports.1, flags, sequence, number, 500, options, &vec![0; length]);
        ethernet(&[], 0x0800, &ip_v4(addresses.0, addresses.1, 6, &tcp))
    }

    pub fn open(&mut self, net: &mut Net, member: u8) {
        for (side, flags) in [(0, SYN), (1, SYN | ACK), (0, ACK)] {
            let frame = self.segment(side, flags, 0);
            assert_eq!(packet(net, member, &frame), Ok(()));
        }
    }

    pub fn send(&mut self, net: &mut Net, member: u8, side: usize, length: usize) -> Result<(), Untracked> {
        let frame = self.segment(side, ACK, length);
        packet(net, member, &frame)
    }
}

pub fn packet(net: &mut Net, member: u8, frame: &[u8]) -> Result<(), Untracked> {
    let now = net.now();
    net.members[member as usize].engine.packet(now, 0, frame)
}

pub fn udp_packet(net: &mut Net, src: u32, dst: u32, ports: (u16, u16)) -> Result<(), Untracked> {
    packet(net, 0, &ethernet(&[], 0x0800, &ip_v4(src, dst, 17, &udp(ports.0, ports.1, &[]))))
}

pub fn flow(net: &Net, member: u8, key: &FlowKey) -> Option<FlowRecord> {
    net.engine(member).flow(key).map(|(record, ..)| record)
}

/// Same flows, same digests, closed books; the owner's edges are exact, the copy's are rounded up.
pub fn assert_same(net: &Net) {
    for bucket in 0..BUCKETS_COUNT as u16 {
        assert_eq!(net.engine(0).bucket_digest(bucket), net.engine(1).bucket_digest(bucket));
    }
    for (record, ..) in net.engine(0).flows() {
        let copy = flow(net, 1, &record.key).expect("equal digests, equal flows");
        for (exact, rounded) in record.edges.iter().zip(copy.edges) {
            let ahead = [rounded.end.wrapping_sub(exact.end), rounded.max_end.wrapping_sub(exact.max_end)];
            assert!(ahead.iter().all(|ahead| *ahead < 1 << EDGE_BITS), "{exact:?} {rounded:?}");
        }
        let alike = |record: &FlowRecord| FlowRecord { lifetime_s: 0, edges: Default::default(), ..*record };
        assert_eq!(alike(record), alike(&copy));
    }
    net.engine(0).balance().unwrap();
    net.engine(1).balance().unwrap();
}
