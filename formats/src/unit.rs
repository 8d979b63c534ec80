//! The fixed layouts records are made of, in 16-byte units.

use crate::layout;

/// Record kinds: byte 0 of each record. Byte 1 is its length in units, so that unknown ones can be skipped.
pub mod kind {
    /// Status of one flow in one unit; the base is version - 1.
    pub const COMPACT: u8 = 1;
    /// Changed groups of one flow, naming their base.
    pub const UPDATE: u8 = 2;
    /// All groups of an IPv4 flow.
    pub const FULL_V4: u8 = 3;
    /// All groups of an IPv6 flow.
    pub const FULL_V6: u8 = 4;
    /// End of the flow with this id.
    pub const DELETE: u8 = 5;
    /// End of an IPv4 flow, with key and whole stamp.
    pub const DELETE_V4: u8 = 6;
    /// End of an IPv6 flow, with key and whole stamp.
    pub const DELETE_V6: u8 = 7;
    /// A bucket's snapshot begins.
    pub const SNAPSHOT_BEGIN: u8 = 8;
    /// A bucket's snapshot ends.
    pub const SNAPSHOT_END: u8 = 9;
    /// Announces term and roles of buckets.
    pub const TERM: u8 = 10;
    /// What the receiver applied and installed.
    pub const ACK: u8 = 11;
    /// Digest of a bucket at this place in the sequence.
    pub const DIGEST: u8 = 12;
    /// Sign of life.
    pub const HEARTBEAT: u8 = 13;
    /// What a member speaks and holds.
    pub const CAPABILITIES: u8 = 14;
    /// A flow proposed to the owner after a split; a FULL follows inside.
    pub const MERGE: u8 = 15;
    /// Asks for a snapshot of a bucket.
    pub const REPAIR: u8 = 16;
    /// Edges that a packet of the original direction moved, in one unit; the base is version - 1.
    pub const WINDOW_ORIGINAL: u8 = 17;
    /// Edges that a packet of the reply direction moved, in one unit; the base is version - 1.
    pub const WINDOW_REPLY: u8 = 18;
}

layout! {
    /// First unit of FULL_V4, FULL_V6, DELETE_V4 and DELETE_V6.
    FullHead [16] {
        /// Record kind.
        kind: u8,
        /// Length in units.
        units: u8,
        /// Presence bits of the field groups.
        groups: u8,
        /// IP protocol number.
        protocol: u8,
        /// Conntrack zone.
        zone: u16,
        /// Term of the stamp.
        term: u32,
        /// Version of the stamp.
        version: u48,
    }
}
layout! {
    /// Key of an IPv4 flow, original direction.
    KeyV4 [16] {
        /// Source address.
        src: u32,
        /// Destination address.
        dst: u32,
        /// Source port.
        src_port: u16,
        /// Destination port.
        dst_port: u16,
        /// Zero.
        spare: u32,
    }
}
layout! {
    /// Key of an IPv6 flow, original direction.
    KeyV6 [48] {
        /// Source address.
        src: u128,
        /// Destination address.
        dst: u128,
        /// Source port.
        src_port: u16,
        /// Destination port.
        dst_port: u16,
        /// Zero.
        spare: u32,
        /// Zero.
        spare_high: u64,
    }
}
layout! {
    /// Groups STATUS, SCALES and LIFETIME, and the incarnation.
    Track [16] {
        /// TCP state.
        tcp_state: u8,
        /// Lifetime class.
        class: u8,
        /// Status bits.
        status: u16,
        /// Window scale of the original direction.
        scale_original: u8,
        /// Window scale of the reply direction.
        scale_reply: u8,
        /// TCP flags of the original direction.
        flags_original: u8,
        /// TCP flags of the reply direction.
        flags_reply: u8,
        /// Remaining lifetime in seconds when last stated.
        lifetime_s: u32,
        /// Tells two lives of one key apart.
        incarnation: u32,
    }
}
layout! {
    /// Group EDGES.
    EdgesUnit [16] {
        /// Highest sequence number sent plus one, original direction.
        end_original: u32,
        /// Highest sequence number allowed, original direction.
        max_end_original: u32,
        /// Highest sequence number sent plus one, reply direction.
        end_reply: u32,
        /// Highest sequence number allowed, reply direction.
        max_end_reply: u32,
    }
}
layout! {
    /// Groups MARK and POLICY.
    Attributes [16] {
        /// Connection mark.
        mark: u32,
        /// Policy id.
        policy: u32,
        /// Zero.
        spare: u64,
    }
}
layout! {
    /// Group LABELS.
    Labels [16] {
        /// Connection labels, bit n is label n.
        labels: u128,
    }
}
layout! {
    /// Group NAT of an IPv4 flow: the reply tuple as packets carry it.
    NatV4 [16] {
        /// Source address of reply packets.
        reply_src: u32,
        /// Destination address of reply packets.
        reply_dst: u32,
        /// Source port of reply packets.
        reply_src_port: u16,
        /// Destination port of reply packets.
        reply_dst_port: u16,
        /// Zero.
        spare: u32,
    }
}
layout! {
    /// Group NAT of an IPv6 flow: the reply tuple as packets carry it.
    NatV6 [48] {
        /// Source address of reply packets.
        reply_src: u128,
        /// Destination address of reply packets.
        reply_dst: u128,
        /// Source port of reply packets.
        reply_src_port: u16,
        /// Destination port of reply packets.
        reply_dst_port: u16,
        /// Zero.
        spare: u32,
        /// Zero.
        spare_high: u64,
    }
}
layout! {
    /// COMPACT: status of one flow; applies if the local version is this one minus one.
    Compact [16] {
        /// Record kind.
        kind: u8,
        /// Length in units.
        units: u8,
        /// Low byte of the term.
        term_low: u8,
        /// Lifetime class.
        class: u8,
        /// Flow id.
        flow_id: u40,
        /// Low 16 bits of the version.
        version_low: u16,
        /// TCP state.
        tcp_state: u8,
        /// Status bits.
        status: u16,
        /// Zero.
        spare: u16,
    }
}
layout! {
    /// WINDOW_ORIGINAL and WINDOW_REPLY: what a packet of this direction moved; applies if the local version is
    /// this one minus one. The other two edges stay. An edge is 2^8 times its field, modulo 2^32.
    Window [16] {
        /// Record kind.
        kind: u8,
        /// Length in units.
        units: u8,
        /// Low byte of the term.
        term_low: u8,
        /// Flow id.
        flow_id: u40,
        /// Low 16 bits of the version.
        version_low: u16,
        /// Highest sequence number sent plus one of this direction, shifted right by 8.
        end: u24,
        /// Highest sequence number allowed to the other direction, shifted right by 8.
        max_end: u24,
    }
}
layout! {
    /// First unit of UPDATE; the units of the changed groups follow.
    UpdateHead [16] {
        /// Record kind.
        kind: u8,
        /// Length in units.
        units: u8,
        /// The changed groups.
        groups: u8,
        /// Low byte of the term.
        term_low: u8,
        /// Flow id.
        flow_id: u40,
        /// New version.
        version: u48,
        /// New version minus the base's.
        base_distance: u8,
    }
}
layout! {
    /// DELETE: end of the flow with this id.
    DeleteUnit [16] {
        /// Record kind.
        kind: u8,
        /// Length in units.
        units: u8,
        /// Low byte of the term.
        term_low: u8,
        /// Zero.
        spare: u8,
        /// Flow id.
        flow_id: u40,
        /// Version of the end.
        version: u48,
        /// Zero.
        spare_high: u8,
    }
}
layout! {
    /// SNAPSHOT_BEGIN: what follows is swept from the sender's table.
    SnapshotBegin [16] {
        /// Record kind.
        kind: u8,
        /// Length in units.
        units: u8,
        /// Bucket.
        bucket: u16,
        /// Term of the bucket.
        term: u32,
        /// Bit 0: pulled by a new owner; newer records win, nothing is deleted at the end.
        flags: u8,
        /// Zero.
        spare: u8,
        /// Zero.
        spare_mid: u16,
        /// Zero.
        spare_high: u32,
    }
}
layout! {
    /// SNAPSHOT_END: what kept the old colour is deleted.
    SnapshotEnd [32] {
        /// Record kind.
        kind: u8,
        /// Length in units.
        units: u8,
        /// Bucket.
        bucket: u16,
        /// Term of the bucket.
        term: u32,
        /// As in SNAPSHOT_BEGIN.
        flags: u8,
        /// Zero.
        spare: u24,
        /// Flows in the bucket.
        count: u32,
        /// Digest of the bucket here.
        digest: u64,
        /// Every delete up to this version is known to all sessions.
        floor: u48,
        /// Zero.
        spare_high: u16,
    }
}
layout! {
    /// TERM: announces term and roles of a run of buckets.
    TermUnit [32] {
        /// Record kind.
        kind: u8,
        /// Length in units.
        units: u8,
        /// First bucket.
        bucket: u16,
        /// Buckets in the run.
        count: u16,
        /// Member that owns them.
        owner: u8,
        /// Backup member, 255 for none.
        backup: u8,
        /// Term.
        term: u32,
        /// Remote member, 255 for none.
        remote: u8,
        /// Member that takes over next, 255 for none.
        successor: u8,
        /// Bit 0: released, the successor may serve.
        flags: u8,
        /// Zero.
        spare: u8,
        /// Session of the owner.
        session: u64,
        /// Zero.
        spare_high: u64,
    }
}
layout! {
    /// ACK: what came of the frames of one session on the sync link.
    AckUnit [48] {
        /// Record kind.
        kind: u8,
        /// Length in units.
        units: u8,
        /// Zero.
        spare: u16,
        /// Flows of the sender that the receiver holds, but could not install.
        refused: u32,
        /// Session whose frames are acknowledged.
        session: u64,
        /// Highest sequence applied in the table.
        applied: u64,
        /// Everything received up to this sequence is installed in the kernel.
        installed: u64,
        /// Bit n: the frame `applied` - n was received.
        received: u128,
    }
}
layout! {
    /// DIGEST: state of a bucket at this place in the sequence.
    DigestUnit [48] {
        /// Record kind.
        kind: u8,
        /// Length in units.
        units: u8,
        /// Bucket.
        bucket: u16,
        /// Term of the bucket.
        term: u32,
        /// Flows in the bucket.
        count: u32,
        /// Zero.
        spare: u32,
        /// Sum of the flow digests.
        sum: u64,
        /// Every delete up to this version is known to all sessions.
        floor: u64,
        /// Flow records emitted to this receiver in this session.
        emitted: u64,
        /// Zero.
        spare_high: u64,
    }
}
layout! {
    /// HEARTBEAT: sign of life; the frame header says whose.
    HeartbeatUnit [32] {
        /// Record kind.
        kind: u8,
        /// Length in units.
        units: u8,
        /// Bits of [`heartbeat`].
        flags: u16,
        /// Bit n: the data network behind port n works.
        data_links: u16,
        /// Buckets the member owns.
        buckets_owned: u16,
        /// Buckets it holds a verified copy of.
        buckets_verified: u16,
        /// Zero.
        spare: u16,
        /// Bound of the forwarding lease in µs.
        lease_us: u32,
        /// Highest term the member knows.
        term: u32,
        /// Flow records received from the receiver in its session.
        received: u64,
        /// Zero.
        spare_high: u32,
    }
}
layout! {
    /// CAPABILITIES: what a member speaks and holds.
    CapabilitiesUnit [32] {
        /// Record kind.
        kind: u8,
        /// Length in units.
        units: u8,
        /// Lowest protocol version spoken.
        version_min: u8,
        /// Highest protocol version spoken.
        version_max: u8,
        /// Field groups understood.
        groups: u8,
        /// Zero.
        spare: u24,
        /// Flows the member can hold.
        flows_max: u32,
        /// Largest frame it takes, in bytes.
        frame_size_max: u32,
        /// Digest of its formats.
        formats_digest: u64,
        /// Zero.
        spare_high: u64,
    }
}
layout! {
    /// First unit of MERGE; a FULL follows inside the record.
    MergeHead [16] {
        /// Record kind.
        kind: u8,
        /// Length in units, the FULL counted.
        units: u8,
        /// Bucket.
        bucket: u16,
        /// Term under which the proposer served it.
        term: u32,
        /// Zero.
        spare: u64,
    }
}
layout! {
    /// REPAIR: asks for a snapshot of a bucket.
    RepairUnit [16] {
        /// Record kind.
        kind: u8,
        /// Length in units.
        units: u8,
        /// Bucket.
        bucket: u16,
        /// Term the asker knows.
        term: u32,
        /// Bit 0: pulled by a new owner.
        flags: u8,
        /// Zero.
        spare: u24,
        /// Zero.
        spare_high: u32,
    }
}

/// Flags of a heartbeat.
pub mod heartbeat {
    /// The host renewed its liveness register.
    pub const HOST_ALIVE: u16 = 1 << 0;
    /// The member started and owns nothing until its digests agree.
    pub const RELOADING: u16 = 1 << 1;
    /// The member's own probes of the data networks are answered.
    pub const FORWARDING: u16 = 1 << 2;
    /// The sender hears the receiver on this port.
    pub const HEARS_YOU: u16 = 1 << 3;
    /// Never on the wire, added by the receiver: the sender knows a term above every one known here.
    pub const HIGHER_TERM: u16 = 1 << 15;
}

/// Flag of snapshots and repairs: pulled by a new owner from a surviving copy.
pub const PULL: u8 = 1 << 0;
/// Flag of TERM: the owner stopped serving, the successor may.
pub const RELEASED: u8 = 1 << 0;

/// Every layout of this file, for the reference page and the formats digest.
pub const LAYOUTS: &[crate::layout::Layout] = &[
    Compact::LAYOUT,
    Window::LAYOUT,
    UpdateHead::LAYOUT,
    FullHead::LAYOUT,
    KeyV4::LAYOUT,
    KeyV6::LAYOUT,
    Track::LAYOUT,
    EdgesUnit::LAYOUT,
    Attributes::LAYOUT,
    Labels::LAYOUT,
    NatV4::LAYOUT,
    NatV6::LAYOUT,
    DeleteUnit::LAYOUT,
    SnapshotBegin::LAYOUT,
    SnapshotEnd::LAYOUT,
    TermUnit::LAYOUT,
    AckUnit::LAYOUT,
    DigestUnit::LAYOUT,
    HeartbeatUnit::LAYOUT,
    CapabilitiesUnit::LAYOUT,
    MergeHead::LAYOUT,
    RepairUnit::LAYOUT,
];
