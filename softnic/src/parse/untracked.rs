//! Why a packet is not tracked. Each reason is a counter; the packet passes all the same.

use formats::register::Counter;

macro_rules! reasons {
    ($($(#[doc = $text:literal])+ $Name:ident => $Counter:ident),+ $(,)?) => {
        /// Why a packet is not tracked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Untracked { $($(#[doc = $text])+ $Name),+ }

        impl Untracked {
            /// Every reason, in the order of the counters.
            pub const ALL: &'static [Self] = &[$(Self::$Name),+];
            /// The counter of this reason.
            #[inline]
            pub const fn counter(self) -> Counter {
                match self { $(Self::$Name => Counter::$Counter),+ }
            }
            /// The reason's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$Name => stringify!($Name)),+ }
            }
        }
    };
}

reasons! {
    /// Packets of this port are not tracked.
    Port => UntrackedPort,
    /// Shorter than an Ethernet header and its tags.
    EthernetShort => UntrackedEthernetShort,
    /// More than two VLAN tags.
    VlanDepth => UntrackedVlanDepth,
    /// Neither IPv4 nor IPv6.
    NotIp => UntrackedNotIp,
    /// Shorter than the IP header.
    IpShort => UntrackedIpShort,
    /// IP version and ethertype disagree.
    IpVersion => UntrackedIpVersion,
    /// IPv4 header length below 20.
    IpHeader => UntrackedIpHeader,
    /// IP length below its header, or beyond the frame.
    IpLength => UntrackedIpLength,
    /// A fragment other than the first.
    Fragment => UntrackedFragment,
    /// Too many IPv6 extension headers.
    ExtensionCount => UntrackedExtensionCount,
    /// An IPv6 extension header where or as often as it may not be.
    ExtensionOrder => UntrackedExtensionOrder,
    /// An IPv6 extension header beyond the packet.
    ExtensionLength => UntrackedExtensionLength,
    /// IPv6 without a next header.
    NoNextHeader => UntrackedNoNextHeader,
    /// A protocol that is not tracked.
    Protocol => UntrackedProtocol,
    /// Shorter than its transport header.
    TransportShort => UntrackedTransportShort,
    /// UDP length below its header, or beyond the packet.
    UdpLength => UntrackedUdpLength,
    /// TCP header length below 20, or beyond the packet.
    TcpHeader => UntrackedTcpHeader,
    /// TCP flags that no TCP sends.
    TcpFlags => UntrackedTcpFlags,
    /// An ICMP error; it belongs to the flow it quotes and changes nothing.
    IcmpError => UntrackedIcmpError,
    /// An ICMP type that is no question or answer.
    IcmpType => UntrackedIcmpType,
    /// An ICMP answer without a question.
    IcmpUnasked => UntrackedIcmpUnasked,
    /// This member does not own the flow's bucket.
    NotOwner => UntrackedNotOwner,
    /// TCP of an unknown flow that does not start with SYN.
    MidStream => UntrackedMidStream,
    /// A TCP segment that the flow's state does not allow.
    TcpState => UntrackedTcpState,
    /// A TCP segment outside the flow's window.
    Window => UntrackedWindow,
    /// A new flow, but as many as may wait for the host do.
    WaitingFull => UntrackedWaitingFull,
    /// A new flow, but no room in table and overflow.
    TableFull => UntrackedTableFull,
}
