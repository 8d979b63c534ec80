//! The six frames of a TCP connection, for each of many tuples.
//!
//! The gateway translates the source to [`OUTER_V4`] and keeps the port, because no two tuples share
//! port and destination; so the server's frames are known beforehand.

use super::super::frame::{Flags, Segment};
use crate::demo::plan::{gateway_mac, host_mac, CLIENT_V4, OUTER_V4};
use std::net::{Ipv4Addr, SocketAddr};

/// Frames of a whole connection: three open it, three end it.
pub(super) const FRAMES_COUNT: usize = 6;
/// Destinations, behind the server.
const TARGET_V4: Ipv4Addr = Ipv4Addr::new(10, 2, 16, 1);
const PORTS_COUNT: usize = 60_000;
/// First source port of a destination; the ports behind it number the tuples.
pub(super) const PORT_FIRST: u16 = 1_024;
const CLIENT_SEQUENCE: u32 = 1_000;
const SERVER_SEQUENCE: u32 = 5_000;

/// Who sends a frame.
pub(super) enum Side {
    Client,
    Server,
}

/// One connection.
pub(super) struct Life {
    /// Its frames in order.
    pub(super) frames: [(Side, Vec<u8>); FRAMES_COUNT],
}

/// `count` connections to `port`.
pub(super) fn lives(port: u16, count: usize) -> Vec<Life> {
    assert!(count <= PORTS_COUNT, "one destination serves them all");
    (0..count).map(|number| life(PORT_FIRST + number as u16, port)).collect()
}

fn life(source_port: u16, port: u16) -> Life {
    let target = SocketAddr::from((TARGET_V4, port));
    let client = |flags, sequence, acknowledged| {
        let segment = Segment {
            from_mac: host_mac(1),
            to_mac: gateway_mac("lan", 0),
            source: (CLIENT_V4, source_port).into(),
            destination: target,
            flags,
            sequence: CLIENT_SEQUENCE + sequence,
            acknowledged,
        };
        (Side::Client, segment.frame().expect("both ends are IPv4"))
    };
    let server = |flags, sequence, acknowledged| {
        let segment = Segment {
            from_mac: host_mac(2),
            to_mac: gateway_mac("wan", 0),
            source: target,
            destination: (OUTER_V4, source_port).into(),
            flags,
            sequence: SERVER_SEQUENCE + sequence,
            acknowledged: CLIENT_SEQUENCE + acknowledged,
        };
        (Side::Server, segment.frame().expect("both ends are IPv4"))
    };
    Life {
        frames: [
            client(Flags::SYN, 0, 0),
            server(Flags::SYN_ACK, 0, 1),
            client(Flags::ACK, 1, SERVER_SEQUENCE + 1),
            client(Flags::FIN, 1, SERVER_SEQUENCE + 1),
            server(Flags::FIN, 1, 2),
            client(Flags::ACK, 2, SERVER_SEQUENCE + 2),
        ],
    }
}
