//! Records of a sync frame: encode into units, decode from units.
//!
//! Enters: one record or the units of a frame. Leaves: units or one record and its length. Bytes from
//! outside never panic: a record that is cut short, of unknown kind or absurd length is an error that
//! names itself, and an unknown kind can be skipped by its length.

use crate::flow::*;
use crate::limits::{BUCKETS_COUNT, RECORD_UNITS_MAX, UNIT_SIZE};
use crate::unit::*;

/// Changed groups of one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// Flow id; an update never travels for a flow that shares its id.
    pub flow_id: FlowId,
    /// Low byte of the term.
    pub term_low: u8,
    /// New version, 48 bits.
    pub version: u64,
    /// Versions back to the base, at least 1.
    pub base_distance: u8,
    /// Only `groups` and their values count; key, incarnation and lifetime do not.
    pub changed: FlowRecord,
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)]
pub enum Record {
    /// Status of one flow in one unit.
    Compact(Compact),
    /// Edges of one flow in one unit: what a packet of this direction moved.
    Window(Direction, Window),
    /// Changed groups of one flow.
    Update(Update),
    /// Every group of one flow.
    Full(FlowRecord, Stamp),
    /// End of a flow, by id.
    Delete(DeleteUnit),
    /// End of a flow, by key.
    DeleteKeyed(FlowKey, Stamp),
    /// Begin of a bucket's snapshot.
    SnapshotBegin(SnapshotBegin),
    /// End of a bucket's snapshot.
    SnapshotEnd(SnapshotEnd),
    /// Term and roles.
    Term(TermUnit),
    /// Acknowledgement.
    Ack(AckUnit),
    /// Digest of a bucket.
    Digest(DigestUnit),
    /// Sign of life.
    Heartbeat(HeartbeatUnit),
    /// What a member speaks.
    Capabilities(CapabilitiesUnit),
    /// A flow proposed after a split: bucket, the proposer's term, the flow.
    Merge(u16, Term, FlowRecord, Stamp),
    /// Asks for a snapshot.
    Repair(RepairUnit),
}

/// Why units are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The record claims more units than there are, none, or another number than its kind has.
    Length,
    /// A kind this version does not know; skip this many units.
    Unknown(usize),
    /// A group bit, bucket or value that cannot be.
    Value,
}

fn take<const N: usize>(units: &[u8], at: &mut usize) -> Result<[u8; N], RecordError> {
    let bytes = units.get(*at..*at + N).ok_or(RecordError::Length)?;
    *at += N;
    Ok(bytes.try_into().expect("sliced to length"))
}

fn put<const N: usize>(out: &mut [u8], at: &mut usize, encode: impl FnOnce(&mut [u8; N])) {
    encode((&mut out[*at..*at + N]).try_into().expect("sliced to length"));
    *at += N;
}

/// Writes the groups that have units of their own; `track` says whether the track unit goes first.
#[inline]
fn encode_groups(flow: Image, track: bool, out: &mut [u8], at: &mut usize) {
    let Image { record, groups, edges: [original, reply] } = flow;
    if track {
        let unit = Track {
            tcp_state: record.tcp_state,
            class: record.class,
            status: record.status,
            scale_original: record.scales[0],
            scale_reply: record.scales[1],
            flags_original: record.tcp_flags[0],
            flags_reply: record.tcp_flags[1],
            lifetime_s: record.lifetime_s,
            incarnation: record.incarnation,
        };
        put(out, at, |bytes| unit.encode(bytes));
    }
    if groups.has(Groups::EDGES) {
        let unit = EdgesUnit {
            end_original: original.end,
            max_end_original: original.max_end,
            end_reply: reply.end,
            max_end_reply: reply.max_end,
        };
        put(out, at, |bytes| unit.encode(bytes));
    }
    if groups.has(Groups::MARK) || groups.has(Groups::POLICY) {
        let unit = Attributes { mark: record.mark, policy: record.policy, spare: 0 };
        put(out, at, |bytes| unit.encode(bytes));
    }
    if groups.has(Groups::LABELS) {
        put(out, at, |bytes| Labels { labels: record.labels }.encode(bytes));
    }
    if groups.has(Groups::NAT) {
        let nat = record.nat;
        match record.key.family {
            Family::V4 => {
                let unit = NatV4 {
                    reply_src: nat.reply_src as u32,
                    reply_dst: nat.reply_dst as u32,
                    reply_src_port: nat.reply_src_port,
                    reply_dst_port: nat.reply_dst_port,
                    spare: 0,
                };
                put(out, at, |bytes| unit.encode(bytes));
            }
            Family::V6 => {
                let unit = NatV6 {
                    reply_src: nat.reply_src,
                    reply_dst: nat.reply_dst,
                    reply_src_port: nat.reply_src_port,
                    reply_dst_port: nat.reply_dst_port,
                    ..NatV6::default()
                };
                put(out, at, |bytes| unit.encode(bytes));
            }
        }
    }
}

fn decode_groups(
    record: &mut FlowRecord,
    track: bool,
    units: &[u8],
    at: &mut usize,
) -> Result<(), RecordError> {
    let groups = record.groups;
    if track {
        let unit = Track::decode(&take(units, at)?);
        record.incarnation = unit.incarnation;
        if groups.has(Groups::STATUS) {
            (record.tcp_state, record.status) = (unit.tcp_state, unit.status);
        }
        if groups.has(Groups::SCALES) {
            record.scales = [unit.scale_original, unit.scale_reply];
            record.tcp_flags = [unit.flags_original, unit.flags_reply];
        }
        if groups.has(Groups::LIFETIME) {
            (record.class, record.lifetime_s) = (unit.class, unit.lifetime_s);
        }
    }
    if groups.has(Groups::EDGES) {
        let unit = EdgesUnit::decode(&take(units, at)?);
        record.edges = [
            Edges { end: unit.end_original, max_end: unit.max_end_original },
            Edges { end: unit.end_reply, max_end: unit.max_end_reply },
        ];
    }
    if groups.has(Groups::MARK) || groups.has(Groups::POLICY) {
        let unit = Attributes::decode(&take(units, at)?);
        if groups.has(Groups::MARK) {
            record.mark = unit.mark;
        }
        if groups.has(Groups::POLICY) {
            record.policy = unit.policy;
        }
    }
    if groups.has(Groups::LABELS) {
        record.labels = Labels::decode(&take(units, at)?).labels;
    }
    if groups.has(Groups::NAT) {
        record.nat = match record.key.family {
            Family::V4 => {
                let unit = NatV4::decode(&take(units, at)?);
                Nat {
                    reply_src: unit.reply_src.into(),
                    reply_dst: unit.reply_dst.into(),
                    reply_src_port: unit.reply_src_port,
                    reply_dst_port: unit.reply_dst_port,
                }
            }
            Family::V6 => {
                let unit = NatV6::decode(&take(units, at)?);
                Nat {
                    reply_src: unit.reply_src,
                    reply_dst: unit.reply_dst,
                    reply_src_port: unit.reply_src_port,
                    reply_dst_port: unit.reply_dst_port,
                }
            }
        };
    }
    Ok(())
}

fn encode_key(kinds: [u8; 2], groups: Groups, key: &FlowKey, stamp: Stamp, out: &mut [u8], at: &mut usize) {
    let kind = match key.family {
        Family::V4 => kinds[0],
        Family::V6 => kinds[1],
    };
    let head = FullHead {
        kind,
        units: 0,
        groups: groups.0,
        protocol: key.protocol,
        zone: key.zone,
        term: stamp.term.0,
        version: stamp.version,
    };
    put(out, at, |bytes| head.encode(bytes));
    match key.family {
        Family::V4 => {
            let unit = KeyV4 {
                src: key.src as u32,
                dst: key.dst as u32,
                src_port: key.src_port,
                dst_port: key.dst_port,
                spare: 0,
            };
            put(out, at, |bytes| unit.encode(bytes));
        }
        Family::V6 => {
            let unit = KeyV6 {
                src: key.src,
                dst: key.dst,
                src_port: key.src_port,
                dst_port: key.dst_port,
                ..KeyV6::default()
            };
            put(out, at, |bytes| unit.encode(bytes));
        }
    }
}

fn decode_key(family: Family, units: &[u8], at: &mut usize) -> Result<(FlowKey, Groups, Stamp), RecordError> {
    let head = FullHead::decode(&take(units, at)?);
    let mut key = FlowKey { zone: head.zone, protocol: head.protocol, family, ..FlowKey::default() };
    match family {
        Family::V4 => {
            let unit = KeyV4::decode(&take(units, at)?);
            (key.src, key.dst) = (unit.src.into(), unit.dst.into());
            (key.src_port, key.dst_port) = (unit.src_port, unit.dst_port);
        }
        Family::V6 => {
            let unit = KeyV6::decode(&take(units, at)?);
            (key.src, key.dst) = (unit.src, unit.dst);
            (key.src_port, key.dst_port) = (unit.src_port, unit.dst_port);
        }
    }
    Ok((key, Groups(head.groups), Stamp { term: Term(head.term), version: head.version }))
}

/// Writes a FULL record; returns its units. `out` must hold [`RECORD_UNITS_MAX`] units.
#[inline]
pub fn encode_full<'a>(flow: impl Into<Image<'a>>, stamp: Stamp, out: &mut [u8]) -> usize {
    let (mut at, flow) = (0, flow.into());
    encode_key([kind::FULL_V4, kind::FULL_V6], flow.groups, &flow.record.key, stamp, out, &mut at);
    encode_groups(flow, true, out, &mut at);
    out[1] = (at / UNIT_SIZE) as u8;
    at / UNIT_SIZE
}

/// Writes an UPDATE record with the groups of `changed`; returns its units. `out` must hold
/// [`RECORD_UNITS_MAX`] units.
#[inline]
pub fn encode_update(head: UpdateHead, changed: Image, out: &mut [u8]) -> usize {
    let mut at = 0;
    let family = match changed.record.key.family {
        Family::V4 => 0,
        Family::V6 => FAMILY_V6,
    };
    let head = UpdateHead { kind: kind::UPDATE | family, groups: changed.groups.0, ..head };
    put(out, &mut at, |bytes| head.encode(bytes));
    encode_groups(changed, changed.groups.0 & TRACK_GROUPS.0 != 0, out, &mut at);
    out[1] = (at / UNIT_SIZE) as u8;
    at / UNIT_SIZE
}

fn full_at(family: Family, units: &[u8], at: &mut usize) -> Result<(FlowRecord, Stamp), RecordError> {
    let (key, groups, stamp) = decode_key(family, units, at)?;
    let mut record = FlowRecord { key, groups, ..FlowRecord::default() };
    decode_groups(&mut record, true, units, at)?;
    Ok((record, stamp))
}

/// Reads a FULL record that starts at the first unit; returns it and its units.
pub fn decode_full(units: &[u8]) -> Result<(FlowRecord, Stamp, usize), RecordError> {
    let family = match units.first() {
        Some(&kind::FULL_V4) => Family::V4,
        Some(&kind::FULL_V6) => Family::V6,
        Some(_) | None => return Err(RecordError::Value),
    };
    let mut at = 0;
    let (record, stamp) = full_at(family, units, &mut at)?;
    if units[1] as usize * UNIT_SIZE != at {
        return Err(RecordError::Length);
    }
    Ok((record, stamp, at / UNIT_SIZE))
}

/// Groups of an update that need the track unit.
pub const TRACK_GROUPS: Groups = Groups::STATUS.with(Groups::SCALES).with(Groups::LIFETIME);

impl Record {
    /// Writes the record and returns its units. `out` must hold [`RECORD_UNITS_MAX`] units.
    pub fn encode(&self, out: &mut [u8]) -> usize {
        let mut at = 0;
        match self {
            Self::Compact(unit) => put(out, &mut at, |bytes| unit.encode(bytes)),
            Self::Window(_, unit) => put(out, &mut at, |bytes| unit.encode(bytes)),
            Self::Update(update) => {
                let head = UpdateHead {
                    term_low: update.term_low,
                    flow_id: update.flow_id.0,
                    version: update.version,
                    base_distance: update.base_distance,
                    ..UpdateHead::default()
                };
                at = encode_update(head, Image::from(&update.changed), out) * UNIT_SIZE;
            }
            Self::Full(record, stamp) => at = encode_full(record, *stamp, out) * UNIT_SIZE,
            Self::Delete(unit) => put(out, &mut at, |bytes| unit.encode(bytes)),
            Self::DeleteKeyed(key, stamp) => {
                encode_key([kind::DELETE_V4, kind::DELETE_V6], Groups::NONE, key, *stamp, out, &mut at);
            }
            Self::SnapshotBegin(unit) => put(out, &mut at, |bytes| unit.encode(bytes)),
            Self::SnapshotEnd(unit) => put(out, &mut at, |bytes| unit.encode(bytes)),
            Self::Term(unit) => put(out, &mut at, |bytes| unit.encode(bytes)),
            Self::Ack(unit) => put(out, &mut at, |bytes| unit.encode(bytes)),
            Self::Digest(unit) => put(out, &mut at, |bytes| unit.encode(bytes)),
            Self::Heartbeat(unit) => put(out, &mut at, |bytes| unit.encode(bytes)),
            Self::Capabilities(unit) => put(out, &mut at, |bytes| unit.encode(bytes)),
            Self::Merge(bucket, term, record, stamp) => {
                let head =
                    MergeHead { kind: kind::MERGE, bucket: *bucket, term: term.0, ..MergeHead::default() };
                put(out, &mut at, |bytes| head.encode(bytes));
                at += encode_full(record, *stamp, &mut out[at..]) * UNIT_SIZE;
            }
            Self::Repair(unit) => put(out, &mut at, |bytes| unit.encode(bytes)),
        }
        let units = at / UNIT_SIZE;
        debug_assert!(units <= RECORD_UNITS_MAX);
        out[0] = match self {
            Self::Update(_) => out[0],
            _ => self.kind(),
        };
        out[1] = units as u8;
        units
    }

    /// Byte 0 of the record, without the family bit.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Compact(_) => kind::COMPACT,
            Self::Window(sender, _) => Window::kind_of(*sender),
            Self::Update(_) => kind::UPDATE,
            Self::Full(record, _) => match record.key.family {
                Family::V4 => kind::FULL_V4,
                Family::V6 => kind::FULL_V6,
            },
            Self::Delete(_) => kind::DELETE,
            Self::DeleteKeyed(key, _) => match key.family {
                Family::V4 => kind::DELETE_V4,
                Family::V6 => kind::DELETE_V6,
            },
            Self::SnapshotBegin(_) => kind::SNAPSHOT_BEGIN,
            Self::SnapshotEnd(_) => kind::SNAPSHOT_END,
            Self::Term(_) => kind::TERM,
            Self::Ack(_) => kind::ACK,
            Self::Digest(_) => kind::DIGEST,
            Self::Heartbeat(_) => kind::HEARTBEAT,
            Self::Capabilities(_) => kind::CAPABILITIES,
            Self::Merge(..) => kind::MERGE,
            Self::Repair(_) => kind::REPAIR,
        }
    }

    /// Reads the record that starts at the first unit; returns it and its units.
    pub fn decode(units: &[u8]) -> Result<(Self, usize), RecordError> {
        let [first, length, ..] = units else { return Err(RecordError::Length) };
        let count = *length as usize;
        if count == 0 || count > RECORD_UNITS_MAX || count * UNIT_SIZE > units.len() {
            return Err(RecordError::Length);
        }
        let units = &units[..count * UNIT_SIZE];
        let mut at = 0;
        let record = match *first {
            kind::COMPACT => Self::Compact(Compact::decode(&take(units, &mut at)?)),
            kind::WINDOW_ORIGINAL => {
                Self::Window(Direction::Original, Window::decode(&take(units, &mut at)?))
            }
            kind::WINDOW_REPLY => Self::Window(Direction::Reply, Window::decode(&take(units, &mut at)?)),
            k if k & !FAMILY_V6 == kind::UPDATE => {
                let head = UpdateHead::decode(&take(units, &mut at)?);
                let groups = Groups(head.groups);
                if head.base_distance == 0 || groups.is_empty() {
                    return Err(RecordError::Value);
                }
                let family = if k & FAMILY_V6 == 0 { Family::V4 } else { Family::V6 };
                let key = FlowKey { family, ..FlowKey::default() };
                let mut changed = FlowRecord { key, groups, ..FlowRecord::default() };
                decode_groups(&mut changed, groups.0 & TRACK_GROUPS.0 != 0, units, &mut at)?;
                Self::Update(Update {
                    flow_id: FlowId(head.flow_id),
                    term_low: head.term_low,
                    version: head.version,
                    base_distance: head.base_distance,
                    changed,
                })
            }
            kind::FULL_V4 => full_at(Family::V4, units, &mut at).map(|(r, s)| Self::Full(r, s))?,
            kind::FULL_V6 => full_at(Family::V6, units, &mut at).map(|(r, s)| Self::Full(r, s))?,
            kind::DELETE => Self::Delete(DeleteUnit::decode(&take(units, &mut at)?)),
            kind::DELETE_V4 => {
                decode_key(Family::V4, units, &mut at).map(|(k, _, s)| Self::DeleteKeyed(k, s))?
            }
            kind::DELETE_V6 => {
                decode_key(Family::V6, units, &mut at).map(|(k, _, s)| Self::DeleteKeyed(k, s))?
            }
            kind::SNAPSHOT_BEGIN => Self::SnapshotBegin(SnapshotBegin::decode(&take(units, &mut at)?)),
            kind::SNAPSHOT_END => Self::SnapshotEnd(SnapshotEnd::decode(&take(units, &mut at)?)),
            kind::TERM => Self::Term(TermUnit::decode(&take(units, &mut at)?)),
            kind::ACK => Self::Ack(AckUnit::decode(&take(units, &mut at)?)),
            kind::DIGEST => Self::Digest(DigestUnit::decode(&take(units, &mut at)?)),
            kind::HEARTBEAT => Self::Heartbeat(HeartbeatUnit::decode(&take(units, &mut at)?)),
            kind::CAPABILITIES => Self::Capabilities(CapabilitiesUnit::decode(&take(units, &mut at)?)),
            kind::MERGE => {
                let head = MergeHead::decode(&take(units, &mut at)?);
                let (record, stamp, inner) = decode_full(&units[at..])?;
                at += inner * UNIT_SIZE;
                Self::Merge(head.bucket, Term(head.term), record, stamp)
            }
            kind::REPAIR => Self::Repair(RepairUnit::decode(&take(units, &mut at)?)),
            _ => return Err(RecordError::Unknown(count)),
        };
        if at != units.len() {
            return Err(RecordError::Length);
        }
        if !record.buckets_exist() {
            return Err(RecordError::Value);
        }
        Ok((record, count))
    }

    /// Whether every bucket the record names lies in the table, so that readers may index by it.
    const fn buckets_exist(&self) -> bool {
        let (bucket, count) = match self {
            Self::SnapshotBegin(unit) => (unit.bucket, 1),
            Self::SnapshotEnd(unit) => (unit.bucket, 1),
            Self::Term(unit) => (unit.bucket, unit.count),
            Self::Digest(unit) => (unit.bucket, 1),
            Self::Merge(bucket, ..) => (*bucket, 1),
            Self::Repair(unit) => (unit.bucket, 1),
            Self::Compact(_) | Self::Window(..) | Self::Update(_) | Self::Full(..) => return true,
            Self::Delete(_) | Self::DeleteKeyed(..) | Self::Ack(_) => return true,
            Self::Heartbeat(_) | Self::Capabilities(_) => return true,
        };
        bucket as usize + count as usize <= BUCKETS_COUNT
    }
}

/// Bit of an UPDATE's kind: its NAT units are those of IPv6.
pub const FAMILY_V6: u8 = 0x80;
