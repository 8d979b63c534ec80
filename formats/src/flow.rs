//! Flow key, flow record and its field groups.
//!
//! Addresses and ports are plain numbers here; only parsers of network headers and netlink know
//! network byte order. An IPv4 address sits in the low 32 bits.

use crate::limits::{BUCKET_BITS, FLOW_ID_BITS, TERM_COUNTER_BITS};

/// Address family of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4
    #[default]
    V4,
    /// IPv6
    V6,
}

/// Which way a packet runs, seen from the packet that opened the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// As the flow key reads.
    Original,
    /// The other way.
    Reply,
}

/// IP protocol numbers that the formats treat specially.
pub mod protocol {
    /// ICMP: the source port holds the identifier, the destination port type << 8 | code.
    pub const ICMP: u8 = 1;
    /// TCP
    pub const TCP: u8 = 6;
    /// UDP
    pub const UDP: u8 = 17;
    /// GRE: the ports hold the two call keys.
    pub const GRE: u8 = 47;
    /// ESP: the ports are zero, an SPI names one direction only.
    pub const ESP: u8 = 50;
    /// ICMPv6, as ICMP.
    pub const ICMPV6: u8 = 58;
    /// SCTP
    pub const SCTP: u8 = 132;
}

/// A flow's identity: the five-tuple of its original direction and its zone.
///
/// Addresses are aligned as two words, here and in [`Nat`] and [`FlowRecord`]: tables hold millions of
/// these, and the alignment of `u128` would cost 24 B each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C, packed(8))]
pub struct FlowKey {
    /// Source address.
    pub src: u128,
    /// Destination address.
    pub dst: u128,
    /// Source port (see [`protocol`] for others than TCP, UDP and SCTP).
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Conntrack zone.
    pub zone: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Address family.
    pub family: Family,
}

impl FlowKey {
    /// The key as the other direction reads it.
    #[inline]
    pub fn reversed(&self) -> Self {
        Self { src: self.dst, dst: self.src, src_port: self.dst_port, dst_port: self.src_port, ..*self }
    }

    /// The form in which both directions are equal, and the direction this key had.
    #[inline]
    pub fn canonical(&self) -> (Self, Direction) {
        if (self.src, self.src_port) <= (self.dst, self.dst_port) {
            (*self, Direction::Original)
        } else {
            (self.reversed(), Direction::Reply)
        }
    }

    /// Whether both keys name one flow, in whichever direction.
    #[inline]
    pub fn same_flow(&self, other: &Self) -> bool {
        self == other || *self == other.reversed()
    }
}

/// The tuple of the reply direction of a translated flow, as it is on the wire: its alias.
///
/// The reply's source is what the original destination was translated to, the reply's destination
/// what the original source was translated to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C, packed(4))]
pub struct Nat {
    /// Source address of reply packets.
    pub reply_src: u128,
    /// Destination address of reply packets.
    pub reply_dst: u128,
    /// Source port of reply packets.
    pub reply_src_port: u16,
    /// Destination port of reply packets.
    pub reply_dst_port: u16,
}

/// Presence bits of the field groups of a flow record. Absent is not zero.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Groups(pub u8);

impl Groups {
    /// Status and TCP state.
    pub const STATUS: Self = Self(1 << 0);
    /// TCP window edges per direction.
    pub const EDGES: Self = Self(1 << 1);
    /// TCP window scales and flags per direction.
    pub const SCALES: Self = Self(1 << 2);
    /// Lifetime class and lifetime.
    pub const LIFETIME: Self = Self(1 << 3);
    /// Connection mark.
    pub const MARK: Self = Self(1 << 4);
    /// Connection labels.
    pub const LABELS: Self = Self(1 << 5);
    /// Address translation.
    pub const NAT: Self = Self(1 << 6);
    /// Policy id.
    pub const POLICY: Self = Self(1 << 7);
    /// No group.
    pub const NONE: Self = Self(0);
    /// Every group.
    pub const ALL: Self = Self(0xff);
    /// What packets move; a flow keeps the others for most of its life.
    pub const MOVED: Self = Self(Self::STATUS.0 | Self::EDGES.0 | Self::SCALES.0 | Self::LIFETIME.0);
    /// Name and bit of each group, for views and the reference page.
    pub const NAMES: [(&'static str, Self); 8] = [
        ("status", Self::STATUS),
        ("edges", Self::EDGES),
        ("scales", Self::SCALES),
        ("lifetime", Self::LIFETIME),
        ("mark", Self::MARK),
        ("labels", Self::LABELS),
        ("nat", Self::NAT),
        ("policy", Self::POLICY),
    ];

    /// Whether every group of `other` is in this set.
    #[inline]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// Both sets together.
    #[inline]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// The groups that are in both sets.
    #[inline]
    pub const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// This set without the groups of `other`.
    #[inline]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// This set or none, without a branch.
    #[inline]
    pub const fn only_if(self, holds: bool) -> Self {
        Self(self.0 * holds as u8)
    }
    /// Whether no group is present.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl core::fmt::Debug for Groups {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut first = true;
        for (name, bit) in Self::NAMES {
            if self.has(bit) {
                write!(f, "{}{name}", if first { "" } else { "+" })?;
                first = false;
            }
        }
        if first {
            f.write_str("none")
        } else {
            Ok(())
        }
    }
}

/// Status bits; the numbers are those of Linux conntrack (`enum ip_conntrack_status`).
pub mod status {
    /// A packet of the reply direction was seen.
    pub const SEEN_REPLY: u16 = 1 << 1;
    /// Never to be dropped early.
    pub const ASSURED: u16 = 1 << 2;
    /// The timeout does not move with packets.
    pub const FIXED_TIMEOUT: u16 = 1 << 10;
    /// The bits that are replicated; the others are local to a kernel.
    pub const REPLICATED: u16 = SEEN_REPLY | ASSURED | FIXED_TIMEOUT;
}

/// TCP states; the numbers are those of Linux conntrack (`enum tcp_conntrack`).
pub mod tcp_state {
    /// No state, or not TCP.
    pub const NONE: u8 = 0;
    /// SYN seen.
    pub const SYN_SENT: u8 = 1;
    /// SYN and SYN-ACK seen.
    pub const SYN_RECV: u8 = 2;
    /// Handshake done.
    pub const ESTABLISHED: u8 = 3;
    /// First FIN seen.
    pub const FIN_WAIT: u8 = 4;
    /// FIN acknowledged.
    pub const CLOSE_WAIT: u8 = 5;
    /// FIN of the second side seen.
    pub const LAST_ACK: u8 = 6;
    /// Both sides closed.
    pub const TIME_WAIT: u8 = 7;
    /// Reset.
    pub const CLOSE: u8 = 8;
    /// Simultaneous open.
    pub const SYN_SENT2: u8 = 9;
    /// Place of a state in the life of a connection; a join keeps the higher one.
    pub const fn rank(state: u8) -> u8 {
        match state {
            NONE => 0,
            SYN_SENT => 1,
            SYN_SENT2 => 2,
            SYN_RECV => 3,
            ESTABLISHED => 4,
            FIN_WAIT => 5,
            CLOSE_WAIT => 6,
            LAST_ACK => 7,
            TIME_WAIT => 8,
            CLOSE => 9,
            _ => 10,
        }
    }
}

/// Lifetime classes: how long an idle flow may live, as far as replication cares.
pub mod lifetime_class {
    /// Not stated.
    pub const UNKNOWN: u8 = 0;
    /// One direction seen.
    pub const NEW: u8 = 1;
    /// Both directions seen.
    pub const REPLIED: u8 = 2;
    /// Assured.
    pub const ASSURED: u8 = 3;
    /// On its way out.
    pub const CLOSING: u8 = 4;

    /// The class that status bits and TCP state imply; it replicates, so every source must agree on it.
    pub const fn of(bits: u16, state: u8) -> u8 {
        use super::{status, tcp_state};
        if state >= tcp_state::FIN_WAIT && state <= tcp_state::CLOSE {
            CLOSING
        } else if bits & status::ASSURED != 0 {
            ASSURED
        } else if bits & status::SEEN_REPLY != 0 {
            REPLIED
        } else {
            NEW
        }
    }
}

/// Window edges of one direction (RFC 9293 sequence space, wrapping).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edges {
    /// Highest sequence number sent, plus one.
    pub end: u32,
    /// Highest sequence number the peer allowed.
    pub max_end: u32,
}

/// Bit of an incarnation whose beginning its owner saw: the younger of two such lives is the higher.
pub const BEGUN: u32 = 1 << 31;

/// The replicated state of one flow.
///
/// What most changes touch comes first and in one piece: a table reads a flow by the cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, packed(8))]
pub struct FlowRecord {
    /// Identity; its direction is the original one.
    pub key: FlowKey,
    /// Which groups below hold a value.
    pub groups: Groups,
    /// `STATUS`: TCP state, zero for other protocols.
    pub tcp_state: u8,
    /// `STATUS`: bits of [`status::REPLICATED`].
    pub status: u16,
    /// `SCALES`: window scale of original, reply.
    pub scales: [u8; 2],
    /// `SCALES`: conntrack's TCP flags of original, reply.
    pub tcp_flags: [u8; 2],
    /// `EDGES`: original, reply.
    pub edges: [Edges; 2],
    /// `LIFETIME`: remaining seconds when last stated; never compared, never in the digest.
    pub lifetime_s: u32,
    /// `LIFETIME`: class, one of [`lifetime_class`].
    pub class: u8,
    /// Tells two lives of one key apart; set by the owner when the flow is made. Bit [`BEGUN`] and the time.
    pub incarnation: u32,
    /// `MARK`
    pub mark: u32,
    /// `POLICY`: id of the rule that admitted the flow.
    pub policy: u32,
    /// `NAT`
    pub nat: Nat,
    /// `LABELS`: 128 labels.
    pub labels: u128,
}

const _: () = assert!(size_of::<FlowKey>() == 40);
const _: () = assert!(size_of::<FlowRecord>() == 136);

impl FlowRecord {
    /// The second key of a translated flow: the reply tuple as packets carry it.
    pub fn alias(&self) -> Option<FlowKey> {
        self.groups.has(Groups::NAT).then_some(FlowKey {
            src: self.nat.reply_src,
            dst: self.nat.reply_dst,
            src_port: self.nat.reply_src_port,
            dst_port: self.nat.reply_dst_port,
            ..self.key
        })
    }

    /// Overwrites the groups that `other` has; key and incarnation stay.
    pub fn merge_groups(&mut self, other: &Self) {
        self.merge_some(other, other.groups);
    }

    /// Overwrites these of the groups that `other` has.
    #[inline]
    pub fn merge_some(&mut self, other: &Self, groups: Groups) {
        let groups = groups.both(other.groups);
        if groups.has(Groups::STATUS) {
            (self.tcp_state, self.status) = (other.tcp_state, other.status);
        }
        if groups.has(Groups::EDGES) {
            self.edges = other.edges;
        }
        if groups.has(Groups::SCALES) {
            (self.scales, self.tcp_flags) = (other.scales, other.tcp_flags);
        }
        if groups.has(Groups::LIFETIME) {
            (self.class, self.lifetime_s) = (other.class, other.lifetime_s);
        }
        if !groups.without(Groups::MOVED).is_empty() {
            self.merge_fixed(other, groups);
        }
        self.groups = self.groups.with(groups);
    }

    fn merge_fixed(&mut self, other: &Self, groups: Groups) {
        if groups.has(Groups::MARK) {
            self.mark = other.mark;
        }
        if groups.has(Groups::LABELS) {
            self.labels = other.labels;
        }
        if groups.has(Groups::NAT) {
            self.nat = other.nat;
        }
        if groups.has(Groups::POLICY) {
            self.policy = other.policy;
        }
    }

    /// The groups of `new` whose replicated value differs from this record's, or that it lacks.
    ///
    /// The remaining lifetime alone is no difference: copies do not age flows.
    #[inline]
    pub fn difference(&self, new: &Self) -> Groups {
        let both = new.groups.both(self.groups);
        let state = (self.tcp_state != new.tcp_state) | (self.status != new.status);
        let scales = (self.scales != new.scales) | (self.tcp_flags != new.tcp_flags);
        let mut differs = Groups::STATUS
            .only_if(state)
            .with(Groups::SCALES.only_if(scales))
            .with(Groups::LIFETIME.only_if(self.class != new.class));
        if both.has(Groups::EDGES) {
            differs = differs.with(Groups::EDGES.only_if(self.edges != new.edges));
        }
        if !both.without(Groups::MOVED).is_empty() {
            differs = differs.with(self.difference_of_fixed(new));
        }
        new.groups.without(self.groups).with(differs.both(both))
    }

    fn difference_of_fixed(&self, new: &Self) -> Groups {
        Groups::MARK
            .only_if(self.mark != new.mark)
            .with(Groups::LABELS.only_if(self.labels != new.labels))
            .with(Groups::NAT.only_if(self.nat != new.nat))
            .with(Groups::POLICY.only_if(self.policy != new.policy))
    }
}

/// A record as it replicates, is digested and travels: with these of its groups, and with these edges.
#[derive(Clone, Copy)]
pub struct Image<'a> {
    /// The record; its own groups and edges do not count.
    pub record: &'a FlowRecord,
    /// The groups that are present.
    pub groups: Groups,
    /// `EDGES`: original, reply.
    pub edges: [Edges; 2],
}

impl<'a> From<&'a FlowRecord> for Image<'a> {
    /// The record as it is.
    fn from(record: &'a FlowRecord) -> Self {
        Self { record, groups: record.groups, edges: record.edges }
    }
}

/// The keyed hash of a flow key, 40 bits; the top 10 are the bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u64);

impl FlowId {
    /// The bucket this flow belongs to.
    #[inline]
    pub const fn bucket(self) -> u16 {
        (self.0 >> (FLOW_ID_BITS - BUCKET_BITS)) as u16
    }
}

/// A term of a bucket: 24-bit counter, then the member that raised it, so that no two are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub u32);

impl Term {
    /// The term `counter` raised by `member`; `None` when the counter no longer fits.
    pub const fn new(counter: u32, member: u8) -> Option<Self> {
        if counter >> TERM_COUNTER_BITS != 0 {
            None
        } else {
            Some(Self(counter << 8 | member as u32))
        }
    }
    /// The counter.
    pub const fn counter(self) -> u32 {
        self.0 >> 8
    }
    /// The member that raised this term.
    pub const fn member(self) -> u8 {
        self.0 as u8
    }
    /// The next term, raised by `member`; `None` after 2^24 terms.
    pub const fn raised_by(self, member: u8) -> Option<Self> {
        Self::new(self.counter() + 1, member)
    }
}

/// Term and version: what decides whether a record is newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C, packed(4))]
pub struct Stamp {
    /// Term of the bucket under which the record was emitted.
    pub term: Term,
    /// Version of the flow, 48 bits.
    pub version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_have_one_canonical_form() {
        let key = FlowKey { src: 9, dst: 3, src_port: 1, dst_port: 2, protocol: 6, ..Default::default() };
        assert_eq!(key.canonical().0, key.reversed().canonical().0);
        assert_ne!(key.canonical().1, key.reversed().canonical().1);
        assert!(key.same_flow(&key.reversed()));
    }

    #[test]
    fn difference_names_changed_and_missing_groups_only() {
        let old =
            FlowRecord { groups: Groups::STATUS.with(Groups::LIFETIME), tcp_state: 3, ..Default::default() };
        let mut new = FlowRecord { lifetime_s: 77, ..old };
        assert_eq!(old.difference(&new), Groups::NONE);
        new.tcp_state = 4;
        new.groups = new.groups.with(Groups::MARK);
        assert_eq!(old.difference(&new), Groups::STATUS.with(Groups::MARK));
        let mut merged = old;
        merged.merge_groups(&new);
        assert_eq!(merged, new);
    }

    #[test]
    fn terms_are_unique_by_member_and_end_after_24_bits() {
        let term = Term::new(5, 2).unwrap();
        assert!(term < term.raised_by(0).unwrap());
        assert_ne!(Term::new(5, 1), Term::new(5, 2));
        assert_eq!(Term::new(1 << 24, 0), None);
    }
}
