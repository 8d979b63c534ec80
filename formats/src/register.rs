//! Register map of a NIC and its counters: one list, expanded to constants, names and the reference page.

/// Who may write a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write.
    ReadWrite,
    /// Write only; reads as zero.
    Write,
}

/// One 32-bit register.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    /// Byte offset in the BAR.
    pub offset: u32,
    /// Name.
    pub name: &'static str,
    /// Access.
    pub access: Access,
    /// Meaning.
    pub text: &'static str,
}

macro_rules! registers {
    ($($(#[doc = $text:literal])+ $NAME:ident = $offset:literal $access:ident),+ $(,)?) => {
        $($(#[doc = $text])+ pub const $NAME: u32 = $offset;)+
        /// Every register, by offset.
        pub const REGISTERS: &[Register] = &[$(Register {
            offset: $offset, name: stringify!($NAME), access: Access::$access, text: concat!($($text),+),
        }),+];
    };
}

registers! {
    /// Identity: 0x54_52_4e_45 ("TRNE").
    BLOCK_TYPE = 0x000 Read,
    /// Identity: version of the register map, major << 16 | minor.
    BLOCK_VERSION = 0x004 Read,
    /// Identity: build number, 0 for the software engine.
    BLOCK_BUILD = 0x008 Read,
    /// Identity: low half of the formats digest; a driver refuses a NIC with another one.
    FORMATS_DIGEST_LOW = 0x00c Read,
    /// Identity: high half of the formats digest.
    FORMATS_DIGEST_HIGH = 0x010 Read,
    /// Flows the table and its overflow can hold.
    FLOWS_MAX = 0x014 Read,
    /// Ports that carry frames; 0 is the sync link.
    PORTS_COUNT = 0x018 Read,
    /// Own member number.
    MEMBER = 0x040 ReadWrite,
    /// Cluster number.
    CLUSTER = 0x044 ReadWrite,
    /// Low half of the own session; writing the high half starts it.
    SESSION_LOW = 0x048 ReadWrite,
    /// High half of the own session.
    SESSION_HIGH = 0x04c ReadWrite,
    /// Interval of heartbeats in µs.
    BEAT_US = 0x050 ReadWrite,
    /// Silence after which a path is late, in µs.
    LATE_US = 0x054 ReadWrite,
    /// Silence after which a path is silent, in µs.
    SILENT_US = 0x058 ReadWrite,
    /// Time after which a host that does not renew its liveness counts as dead, in µs.
    HOST_ALIVE_US = 0x05c ReadWrite,
    /// Field groups that replicate.
    REPLICATE_GROUPS = 0x060 ReadWrite,
    /// Largest frame to send, in bytes from the MAC addresses to the checksum.
    FRAME_SIZE = 0x064 ReadWrite,
    /// Interval in which each bucket's digest is sent, in µs.
    DIGEST_US = 0x068 ReadWrite,
    /// Tags of sync frames: S-tag << 16 | C-tag.
    TAGS = 0x06c ReadWrite,
    /// Tracking: bit n, packets of port n are tracked; 0 leaves every flow to the host.
    TRACK_PORTS = 0x070 ReadWrite,
    /// Tracking: field groups that packets write; the host's values of them only start a flow.
    TRACK_GROUPS = 0x074 ReadWrite,
    /// Tracking: window edges replicate in steps of 2 to this power (8 to 16), rounded up; 0 leaves them exact. Equal in the whole cluster.
    TRACK_EDGE_BITS = 0x078 ReadWrite,
    /// Tracking: bit 0, flows made by packets replicate without the host's confirmation.
    TRACK_TRUST = 0x07c ReadWrite,
    /// Tracking: how long a flow made by packets lives before it replicates, in ms.
    TRACK_DELAY_MS = 0x080 ReadWrite,
    /// Tracking: flows made by packets that may wait for confirmation or for their age.
    TRACK_WAITING_MAX = 0x084 ReadWrite,
    /// Tracking: reply keys of translated flows that are kept.
    TRACK_ALIASES_MAX = 0x088 ReadWrite,
    /// Tracking: conntrack zones of the packets of ports 0 and 1: port 1 << 16 | port 0.
    TRACK_ZONES_0 = 0x090 ReadWrite,
    /// The same of ports 2 and 3.
    TRACK_ZONES_2 = 0x094 ReadWrite,
    /// The same of ports 4 and 5.
    TRACK_ZONES_4 = 0x098 ReadWrite,
    /// The same of ports 6 and 7.
    TRACK_ZONES_6 = 0x09c ReadWrite,
    /// Bus address of the command ring, low half.
    COMMAND_BASE_LOW = 0x100 ReadWrite,
    /// Bus address of the command ring, high half.
    COMMAND_BASE_HIGH = 0x104 ReadWrite,
    /// Slots of the command ring, a power of two.
    COMMAND_SLOTS = 0x108 ReadWrite,
    /// Doorbell: commands written so far, modulo 2^32.
    COMMAND_PRODUCER = 0x10c ReadWrite,
    /// Commands taken so far, modulo 2^32.
    COMMAND_CONSUMER = 0x110 Read,
    /// Bus address of the event ring, low half.
    EVENT_BASE_LOW = 0x120 ReadWrite,
    /// Bus address of the event ring, high half.
    EVENT_BASE_HIGH = 0x124 ReadWrite,
    /// Slots of the event ring, a power of two.
    EVENT_SLOTS = 0x128 ReadWrite,
    /// Events written so far, modulo 2^32; the slots' phase says the same without a read.
    EVENT_PRODUCER = 0x12c Read,
    /// Doorbell: events read so far, modulo 2^32.
    EVENT_CONSUMER = 0x130 ReadWrite,
    /// Bit 0: rings run.
    RING_ENABLE = 0x140 ReadWrite,
    /// Bit 0: interrupt when events wait, bit 1: interrupt on errors.
    INTERRUPT_ENABLE = 0x144 ReadWrite,
    /// The same bits, pending; write ones to clear.
    INTERRUPT_STATUS = 0x148 ReadWrite,
    /// Low half of the cluster secret's word 0; seven more words follow.
    SECRET = 0x180 Write,
    /// Low half of counter 0; two words each, in the order of the counter list.
    COUNTERS = 0x400 Read,
}

/// Value of [`BLOCK_TYPE`].
pub const BLOCK_TYPE_VALUE: u32 = 0x5452_4e45;
/// Value of [`BLOCK_VERSION`]: 0.1.
pub const BLOCK_VERSION_VALUE: u32 = 0x0000_0001;

macro_rules! counters {
    ($($(#[doc = $text:literal])+ $Name:ident),+ $(,)?) => {
        /// Counters of an engine; gauges say so.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(usize)]
        pub enum Counter { $($(#[doc = $text])+ $Name),+ }
        impl Counter {
            /// Every counter with name and text, in register order.
            pub const ALL: &'static [(Counter, &'static str, &'static str)] =
                &[$((Counter::$Name, stringify!($Name), concat!($($text),+))),+];
            /// Number of counters.
            pub const COUNT: usize = Self::ALL.len();
            /// Offset of the low word of this counter.
            pub const fn offset(self) -> u32 { COUNTERS + 8 * self as u32 }
        }
    };
}

counters! {
    /// Frames that arrived on any port.
    FramesReceived,
    /// Frames whose records were read.
    FramesAccepted,
    /// Refused: shorter than header and checksum.
    FrameShort,
    /// Refused: longer than the largest frame.
    FrameLong,
    /// Refused: not a sync frame.
    FrameForeign,
    /// Refused: another protocol version.
    FrameVersion,
    /// Refused: length and unit count disagree.
    FrameLength,
    /// Refused: checksum wrong.
    FrameCrc,
    /// Refused: another cluster.
    FrameCluster,
    /// Refused: sender unknown, or our own number.
    FrameSender,
    /// Refused: for another member.
    FrameReceiver,
    /// Refused: a session that was not welcomed.
    FrameSession,
    /// Refused: sequence not above the last one.
    FrameSequence,
    /// Refused: no room until the records of earlier frames are read.
    FrameFull,
    /// Frames a gap in the sequence says were lost on the way to us.
    FramesMissing,
    /// Frames sent.
    FramesSent,
    /// Frames we sent that an acknowledgement says were lost.
    FramesLost,
    /// Records in accepted frames.
    RecordsReceived,
    /// Flow records that changed the table.
    RecordsApplied,
    /// Flow records equal to what was there.
    RecordsUnchanged,
    /// Refused: stamp older than the local one.
    RecordsStale,
    /// Refused: base of an update not here; the bucket is gapped.
    RecordsGapped,
    /// Refused: from a member that does not own the bucket.
    RecordsNotOwner,
    /// Refused: another term than announced.
    RecordsTerm,
    /// Refused: no room for the flow.
    RecordsFull,
    /// Records that are no flow state (terms, acknowledgements, digests, heartbeats, snapshots, merges).
    RecordsControl,
    /// Refused: malformed; the rest of the frame is dropped.
    RecordsMalformed,
    /// Skipped: unknown kind.
    RecordsUnknown,
    /// Commands taken.
    Commands,
    /// Commands refused as malformed.
    CommandsMalformed,
    /// Upserts and deletes refused: this member does not own the bucket.
    CommandsNotOwner,
    /// Maps refused: a term lower than the current one.
    CommandsTerm,
    /// Scans and audits refused: too many wait.
    CommandsFull,
    /// Upserts that made a flow.
    FlowsMade,
    /// Upserts that changed a flow.
    FlowsChanged,
    /// Upserts without a replicated difference.
    FlowsUnchanged,
    /// Audit rows that lost to a newer change.
    FlowsAuditLost,
    /// Flows ended by the host.
    FlowsEnded,
    /// Deletes refused: cookie of another life, or no such flow.
    DeletesRefused,
    /// Upserts refused: no room.
    FlowsFull,
    /// Flow records sent inline.
    RecordsEmitted,
    /// Flow records sent by sweeps.
    RecordsSwept,
    /// Flow records not sent because the bucket is dirty for the destination; the sweep carries them.
    RecordsDeferred,
    /// Buckets marked dirty because a queue was full.
    QueueFull,
    /// Snapshots sent.
    SnapshotsSent,
    /// Repairs asked of an owner.
    RepairsAsked,
    /// Digest comparisons that were equal.
    DigestsEqual,
    /// Digest comparisons without proof, because of a gap.
    DigestsUnproven,
    /// Digest comparisons that differed without a gap.
    DigestsDifferent,
    /// Stored flow digests that disagreed with their flow (bit rot); corrected.
    DigestsRepaired,
    /// Flow events the host was too slow for; their buckets are reported again.
    EventsDeferred,
    /// Tombstones freed.
    TombstonesFreed,
    /// Gauge: live flows.
    FlowsHeld,
    /// Gauge: of these, flows in the overflow store.
    FlowsOverflow,
    /// Gauge: tombstones.
    TombstonesHeld,
    /// Packets that arrived on any port.
    PacketsReceived,
    /// Packets that belong to a tracked flow.
    PacketsTracked,
    /// Of these, accepted although outside the window: the flow was just taken over.
    PacketsLoose,
    /// Of these, a SYN whose options have an impossible length; they were ignored.
    TcpOptionsMalformed,
    /// Untracked: packets of this port are not tracked.
    UntrackedPort,
    /// Untracked: shorter than an Ethernet header and its tags.
    UntrackedEthernetShort,
    /// Untracked: more than two VLAN tags.
    UntrackedVlanDepth,
    /// Untracked: neither IPv4 nor IPv6.
    UntrackedNotIp,
    /// Untracked: shorter than the IP header.
    UntrackedIpShort,
    /// Untracked: IP version and ethertype disagree.
    UntrackedIpVersion,
    /// Untracked: IPv4 header length below 20.
    UntrackedIpHeader,
    /// Untracked: IP length below its header, or beyond the frame.
    UntrackedIpLength,
    /// Untracked: a fragment other than the first.
    UntrackedFragment,
    /// Untracked: too many IPv6 extension headers.
    UntrackedExtensionCount,
    /// Untracked: an IPv6 extension header where or as often as it may not be.
    UntrackedExtensionOrder,
    /// Untracked: an IPv6 extension header beyond the packet.
    UntrackedExtensionLength,
    /// Untracked: IPv6 without a next header.
    UntrackedNoNextHeader,
    /// Untracked: a protocol that is not tracked.
    UntrackedProtocol,
    /// Untracked: shorter than its transport header.
    UntrackedTransportShort,
    /// Untracked: UDP length below its header, or beyond the packet.
    UntrackedUdpLength,
    /// Untracked: TCP header length below 20, or beyond the packet.
    UntrackedTcpHeader,
    /// Untracked: TCP flags that no TCP sends.
    UntrackedTcpFlags,
    /// Untracked: an ICMP error; it belongs to the flow it quotes and changes nothing.
    UntrackedIcmpError,
    /// Untracked: an ICMP type that is no question or answer.
    UntrackedIcmpType,
    /// Untracked: an ICMP answer without a question.
    UntrackedIcmpUnasked,
    /// Untracked: this member does not own the flow's bucket.
    UntrackedNotOwner,
    /// Untracked: TCP of an unknown flow that does not start with SYN.
    UntrackedMidStream,
    /// Untracked: a TCP segment that the flow's state does not allow.
    UntrackedTcpState,
    /// Untracked: a TCP segment outside the flow's window.
    UntrackedWindow,
    /// Untracked: a new flow, but as many as may wait for the host do.
    UntrackedWaitingFull,
    /// Untracked: a new flow, but no room in table and overflow.
    UntrackedTableFull,
    /// Flows made by packets.
    FlowsOpened,
    /// Closed flows that a SYN gave a new life.
    FlowsReopened,
    /// Flows made by packets that began to replicate.
    FlowsReplicated,
    /// Flows made by packets that ended before they replicated.
    FlowsDropped,
    /// Replicated flows whose lifetime the engine itself ended: no host had named them.
    FlowsAged,
    /// Flows made by packets that the host confirmed.
    FlowsConfirmed,
    /// Confirmations refused: no such flow.
    ConfirmsRefused,
    /// Translated flows whose reply key found no room.
    AliasesFull,
    /// Gauge: flows made by packets that do not replicate yet.
    FlowsWaiting,
    /// Gauge: reply keys of translated flows.
    AliasesHeld,
}
