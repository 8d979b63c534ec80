//! The address plan of the demonstration: every name, address and port, once.
//!
//! ```text
//! client --- [lan bridge] --- gw1, gw2 --- [wan bridge] --- server
//!                              gw1 === sync === gw2
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A host on the client's network.
pub(crate) const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 10);
/// The same host, IPv6.
pub(crate) const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0x10);
/// A host on the outer network.
pub(crate) const SERVER_V4: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 10);
/// The same host, IPv6.
pub(crate) const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 0x10);
/// The moving outer address: source of translated flows, target of forwarded ones.
pub(crate) const OUTER_V4: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 100);

/// Members in cluster order.
pub(crate) const MEMBERS: [&str; 2] = ["gw1", "gw2"];

/// TCP request and response, IPv4 and IPv6.
pub(crate) const ECHO_PORT: u16 = 7000;
/// UDP request and response.
pub(crate) const UDP_PORT: u16 = 7001;
/// The server sends, the client reads.
pub(crate) const DOWNLOAD_PORT: u16 = 7002;
/// The client sends, the server reads and tells how far it came.
pub(crate) const UPLOAD_PORT: u16 = 7003;
/// Opened from outside to the moving address, forwarded to the client's network.
pub(crate) const FORWARDED_PORT: u16 = 8443;

/// A virtual address and the network it belongs to.
pub(crate) struct Moving {
    /// The gateways' interface, `lan` or `wan`.
    pub(crate) network: &'static str,
    /// The address.
    pub(crate) address: IpAddr,
    /// Its prefix length.
    pub(crate) prefix: u8,
}

/// What a takeover moves.
pub(crate) const MOVING: [Moving; 4] = [
    Moving { network: "lan", address: IpAddr::V4(Ipv4Addr::new(10, 1, 0, 254)), prefix: 24 },
    Moving {
        network: "lan",
        address: IpAddr::V6(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0x254)),
        prefix: 64,
    },
    Moving { network: "wan", address: IpAddr::V4(OUTER_V4), prefix: 24 },
    Moving {
        network: "wan",
        address: IpAddr::V6(Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 0x254)),
        prefix: 64,
    },
];

/// The MAC address of member `index` on a network.
pub(crate) fn gateway_mac(network: &str, index: usize) -> [u8; 6] {
    let segment = if network == "lan" { 1 } else { 2 };
    [2, 0, 0, 0, segment, index as u8 + 1]
}

/// The MAC address of the client (segment 1) or the server (segment 2).
pub(crate) fn host_mac(segment: u8) -> [u8; 6] {
    [2, 0, 0, 0, segment, 0x10]
}

/// `02:00:...` as the tools write it.
pub(crate) fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// A kind of connection the demonstration carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// TCP request and response over source translation.
    Ipv4,
    /// TCP request and response over IPv6, untranslated.
    Ipv6,
    /// TCP opened from outside, destination translated.
    Dnat,
    /// UDP request and response over source translation.
    Udp,
    /// Bulk TCP from server to client.
    Download,
    /// Bulk TCP from client to server.
    Upload,
}

impl Kind {
    /// All kinds, in the order of the reports.
    pub(crate) const ALL: [Kind; 6] =
        [Kind::Ipv4, Kind::Ipv6, Kind::Dnat, Kind::Udp, Kind::Download, Kind::Upload];

    /// How many connections of this kind are open at once.
    pub(crate) fn connections_count(self) -> usize {
        match self {
            Kind::Ipv4 => 20,
            Kind::Ipv6 => 4,
            Kind::Dnat | Kind::Udp => 2,
            Kind::Download | Kind::Upload => 1,
        }
    }

    /// Whether an answer follows each request, so that a gap measures the gateway and not the
    /// retransmission timer of a saturated stream.
    pub(crate) fn is_request_response(self) -> bool {
        match self {
            Kind::Ipv4 | Kind::Ipv6 | Kind::Dnat | Kind::Udp => true,
            Kind::Download | Kind::Upload => false,
        }
    }

    /// Whether the connection is TCP and can therefore be dropped.
    pub(crate) fn is_tcp(self) -> bool {
        self != Kind::Udp
    }

    /// The word of the reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Ipv4 => "request-response IPv4",
            Kind::Ipv6 => "request-response IPv6",
            Kind::Dnat => "request-response DNAT",
            Kind::Udp => "request-response UDP",
            Kind::Download => "download",
            Kind::Upload => "upload",
        }
    }

    /// Where the client connects to; `None` where the server opens the connection.
    pub(crate) fn target(self) -> Option<SocketAddr> {
        match self {
            Kind::Ipv4 => Some((SERVER_V4, ECHO_PORT).into()),
            Kind::Ipv6 => Some((SERVER_V6, ECHO_PORT).into()),
            Kind::Dnat => None,
            Kind::Udp => Some((SERVER_V4, UDP_PORT).into()),
            Kind::Download => Some((SERVER_V4, DOWNLOAD_PORT).into()),
            Kind::Upload => Some((SERVER_V4, UPLOAD_PORT).into()),
        }
    }
}
