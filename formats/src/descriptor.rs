//! Command and event descriptors: what crosses the rings between host and NIC.
//!
//! Enters and leaves: typed [`Command`]s and [`Event`]s, and 512-byte slots. A slot is one [`Head`] and
//! the FULL records the operation carries. The phase word of the head is the ring's, not ours.

use crate::flow::{FlowKey, FlowRecord, Stamp, Term};
use crate::layout;
use crate::limits::*;
use crate::record::{decode_full, encode_full};

layout! {
    /// Head of a command or event descriptor.
    Head [64] {
        /// Operation.
        operation: u8,
        /// Flags of the operation.
        flags: u8,
        /// Member the operation concerns.
        peer: u8,
        /// Port of the NIC.
        port: u8,
        /// First bucket.
        bucket: u16,
        /// Buckets in the run.
        count: u16,
        /// Term.
        term: u32,
        /// The host's mark on a flow (conntrack id), 0 for none.
        cookie: u32,
        /// Owner.
        owner: u8,
        /// Backup.
        backup: u8,
        /// Remote.
        remote: u8,
        /// Successor.
        successor: u8,
        /// FULL records behind the head.
        records: u8,
        /// State of a path or bucket.
        state: u8,
        /// Heartbeat flags.
        beat_flags: u16,
        /// Frame sequence.
        sequence: u64,
        /// Session.
        session: u64,
        /// Number with the meaning of the operation.
        value: u64,
        /// Number with the meaning of the operation.
        extra: u64,
        /// Zero.
        spare: u32,
        /// Written last by the producer: pass of the ring the slot belongs to.
        phase: u32,
    }
}
const _: () = assert!(Head::SIZE == DESCRIPTOR_HEAD_SIZE);

/// Roles of a run of buckets, as TERM announces them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// First bucket.
    pub bucket: u16,
    /// Buckets in the run.
    pub count: u16,
    /// Term.
    pub term: Term,
    /// Member that serves them.
    pub owner: u8,
    /// Copy at the same site, [`MEMBER_NONE`] for none.
    pub backup: u8,
    /// Copy at another site.
    pub remote: u8,
    /// Who takes over next.
    pub successor: u8,
}

/// Flags of [`Command::Upsert`].
pub mod upsert {
    /// The kernel made this entry: a new life, whatever was there before.
    pub const NEW: u8 = 1 << 0;
    /// A row of an audit: loses to any change since the audit began.
    pub const AUDIT: u8 = 1 << 1;
    /// The outcome of a join: replaces the flow, restamped.
    pub const JOIN: u8 = 1 << 2;
    /// The host makes the kernel's entry anew: the life goes on under another cookie, 0 for one not known
    /// yet. A flow that is not there is not made.
    pub const REMADE: u8 = 1 << 3;
    /// With `AUDIT`, of a kernel that this member served from before every row was stated: a copy that lacks
    /// the flow proposes it to the owner.
    pub const PROPOSE: u8 = 1 << 4;
}

/// What the host asks of the NIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// Fields are named after those of `Head`; each variant says what they mean.
#[allow(missing_docs, clippy::large_enum_variant)]
pub enum Command {
    /// Write the groups present in the record; a flow that is not there is made.
    Upsert { flags: u8, cookie: u32, record: FlowRecord },
    /// End a flow, if the cookie matches (0 matches all).
    Delete { cookie: u32, key: FlowKey },
    /// Frames of this session of the peer are welcome from now on; 0 forgets the peer.
    Peer { peer: u8, session: u64 },
    /// Set term and roles of a run of buckets.
    Map(Roles),
    /// Send TERM of a run of buckets to a peer; `released` tells that this member stopped serving.
    Announce { peer: u8, bucket: u16, count: u16, released: bool },
    /// Mark buckets dirty for a peer, so that a snapshot of each is sent.
    Resync { peer: u8, bucket: u16, count: u16 },
    /// Ask a peer for snapshots; `pull` merges newer records into an owner's table.
    AskRepair { peer: u8, bucket: u16, count: u16, pull: bool },
    /// All flow events up to this sequence of the peer's session are in the kernel, but `refused` flows.
    Installed { peer: u8, session: u64, sequence: u64, refused: u32 },
    /// Renews the liveness register, and says what heartbeats carry.
    Alive { beat_flags: u16, data_links: u16, lease_us: u32 },
    /// Report each flow of a run of buckets as a row.
    Scan { token: u64, bucket: u16, count: u16 },
    /// Rows of a dump of the kernel follow.
    AuditBegin,
    /// The dump is over: report owned flows that it lacked.
    AuditEnd,
    /// Send digests of a run of buckets to a peer now.
    Digest { peer: u8, bucket: u16, count: u16 },
    /// The host admits a flow that a packet made: it may replicate from now on.
    Confirm { cookie: u32, key: FlowKey },
}

/// How a path to a peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathState {
    /// Nothing heard for the silence limit.
    Silent = 0,
    /// Overdue.
    Late = 1,
    /// Heard in time.
    Up = 2,
}

/// How a copy of a bucket stands, from its last digest or snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketState {
    /// Digests differ, but the stream had a gap: not proven either way; repair is asked.
    Unproven = 0,
    /// Digests equal at the same place of the sequence.
    Equal = 1,
    /// Digests differ without a gap, for the first time.
    Suspect = 2,
    /// Digests differ again; repair is asked.
    Different = 3,
}

/// What the NIC reports to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// Fields are named after those of `Head`; each variant says what they mean.
#[allow(missing_docs, clippy::large_enum_variant)]
pub enum Event {
    /// A copy changed; `created` when it was not there, or is another life of the key.
    Applied { peer: u8, sequence: u64, cookie: u32, created: bool, record: FlowRecord, stamp: Stamp },
    /// A copy ended.
    Deleted { peer: u8, sequence: u64, cookie: u32, key: FlowKey },
    /// Every flow event of this frame was reported before.
    FrameEnd { peer: u8, session: u64, sequence: u64 },
    /// Frames of a session that was not welcomed arrive.
    Session { peer: u8, port: u8, session: u64 },
    /// A path changed, or the flags of the peer's heartbeat did.
    Path { peer: u8, port: u8, state: PathState, beat_flags: u16, heard_us: u64, lease_us: u32 },
    /// A peer announced roles; `session` is the owner's.
    Term { peer: u8, roles: Roles, session: u64, released: bool },
    /// A digest or the end of a snapshot was compared.
    Compared { peer: u8, bucket: u16, state: BucketState, snapshot: bool },
    /// A flow record came from a member that does not own the bucket here; counted, not applied.
    NotOwner { peer: u8, bucket: u16 },
    /// A proposal after a split, and what is here, or was until it `ended` here.
    Merge {
        peer: u8,
        bucket: u16,
        term: Term,
        theirs: FlowRecord,
        ours: Option<FlowRecord>,
        ours_term: Term,
        ended: bool,
    },
    /// A flow of a scan.
    Row { token: u64, cookie: u32, record: FlowRecord, stamp: Stamp },
    /// A scan is over.
    ScanEnd { token: u64 },
    /// An owned flow that the audit's dump lacked.
    AuditMissing { cookie: u32, record: FlowRecord },
    /// A row of the audit that this member, which does not own the bucket, holds no copy of.
    AuditExtra { cookie: u32, key: FlowKey },
    /// Every missing flow was reported.
    AuditEnd,
    /// Neither table nor overflow has room for this flow.
    Full { key: FlowKey },
    /// Once per sweep: owned flows, how many every copy has installed, how many at their newest version.
    /// `refused`: of the protected ones, how many copies say that they could not install.
    Coverage { flows: u64, protected: u64, current: u64, dirty_buckets: u16, refused: u32 },
}

/// Why a slot holds no command or event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorError;

fn key_record(key: &FlowKey) -> FlowRecord {
    FlowRecord { key: *key, ..FlowRecord::default() }
}

/// Head and records of an operation.
struct Slot {
    head: Head,
    records: [Option<(FlowRecord, Stamp)>; 2],
}

impl Slot {
    fn new(operation: u8) -> Self {
        Self { head: Head { operation, ..Head::default() }, records: [None; 2] }
    }

    fn with(mut self, fill: impl FnOnce(&mut Head)) -> Self {
        fill(&mut self.head);
        self
    }

    fn record(mut self, record: &FlowRecord, stamp: Stamp) -> Self {
        let at = usize::from(self.records[0].is_some());
        self.records[at] = Some((*record, stamp));
        self
    }

    fn encode(mut self, out: &mut [u8; EVENT_SIZE]) {
        let mut at = DESCRIPTOR_HEAD_SIZE;
        for (record, stamp) in self.records.iter().flatten() {
            at += encode_full(record, *stamp, &mut out[at..]) * UNIT_SIZE;
            self.head.records += 1;
        }
        self.head.encode((&mut out[..DESCRIPTOR_HEAD_SIZE]).try_into().expect("64 bytes"));
    }

    fn decode(bytes: &[u8; EVENT_SIZE]) -> Result<Self, DescriptorError> {
        let head = Head::decode(bytes[..DESCRIPTOR_HEAD_SIZE].try_into().expect("64 bytes"));
        let mut slot = Self { head, records: [None; 2] };
        let mut at = DESCRIPTOR_HEAD_SIZE;
        if head.records as usize > slot.records.len() {
            return Err(DescriptorError);
        }
        for i in 0..head.records as usize {
            let (record, stamp, units) = decode_full(&bytes[at..]).map_err(|_| DescriptorError)?;
            slot.records[i] = Some((record, stamp));
            at += units * UNIT_SIZE;
        }
        Ok(slot)
    }

    fn first(&self) -> Result<(FlowRecord, Stamp), DescriptorError> {
        self.records[0].ok_or(DescriptorError)
    }
}

fn fill_roles(head: &mut Head, roles: &Roles) {
    (head.bucket, head.count, head.term) = (roles.bucket, roles.count, roles.term.0);
    (head.owner, head.backup, head.remote, head.successor) =
        (roles.owner, roles.backup, roles.remote, roles.successor);
}

/// A run of buckets that ends inside the table.
fn run(head: &Head) -> Result<(u16, u16), DescriptorError> {
    if head.bucket as usize + head.count as usize > BUCKETS_COUNT {
        return Err(DescriptorError);
    }
    Ok((head.bucket, head.count))
}

fn read_roles(head: &Head) -> Result<Roles, DescriptorError> {
    let (bucket, count) = run(head)?;
    Ok(Roles {
        bucket,
        count,
        term: Term(head.term),
        owner: head.owner,
        backup: head.backup,
        remote: head.remote,
        successor: head.successor,
    })
}

impl Command {
    /// Writes the slot, its phase word left zero.
    pub fn encode(&self, out: &mut [u8; COMMAND_SIZE]) {
        let slot = match self {
            Self::Upsert { flags, cookie, record } => Slot::new(1)
                .with(|h| (h.flags, h.cookie) = (*flags, *cookie))
                .record(record, Stamp::default()),
            Self::Delete { cookie, key } => {
                Slot::new(2).with(|h| h.cookie = *cookie).record(&key_record(key), Stamp::default())
            }
            Self::Peer { peer, session } => Slot::new(3).with(|h| (h.peer, h.session) = (*peer, *session)),
            Self::Map(roles) => Slot::new(4).with(|h| fill_roles(h, roles)),
            Self::Announce { peer, bucket, count, released } => Slot::new(5).with(|h| {
                (h.peer, h.bucket, h.count, h.flags) = (*peer, *bucket, *count, u8::from(*released));
            }),
            Self::Resync { peer, bucket, count } => {
                Slot::new(6).with(|h| (h.peer, h.bucket, h.count) = (*peer, *bucket, *count))
            }
            Self::AskRepair { peer, bucket, count, pull } => Slot::new(7).with(|h| {
                (h.peer, h.bucket, h.count, h.flags) = (*peer, *bucket, *count, u8::from(*pull));
            }),
            Self::Installed { peer, session, sequence, refused } => Slot::new(8).with(|h| {
                (h.peer, h.session, h.sequence, h.value) = (*peer, *session, *sequence, u64::from(*refused));
            }),
            Self::Alive { beat_flags, data_links, lease_us } => Slot::new(9).with(|h| {
                (h.beat_flags, h.value, h.extra) =
                    (*beat_flags, u64::from(*data_links), u64::from(*lease_us));
            }),
            Self::Scan { token, bucket, count } => {
                Slot::new(10).with(|h| (h.value, h.bucket, h.count) = (*token, *bucket, *count))
            }
            Self::AuditBegin => Slot::new(11),
            Self::AuditEnd => Slot::new(12),
            Self::Digest { peer, bucket, count } => {
                Slot::new(14).with(|h| (h.peer, h.bucket, h.count) = (*peer, *bucket, *count))
            }
            Self::Confirm { cookie, key } => {
                Slot::new(15).with(|h| h.cookie = *cookie).record(&key_record(key), Stamp::default())
            }
        };
        slot.encode(out);
    }

    /// Reads a slot.
    pub fn decode(bytes: &[u8; COMMAND_SIZE]) -> Result<Self, DescriptorError> {
        let slot = Slot::decode(bytes)?;
        let h = &slot.head;
        let peer = h.peer;
        let command = match h.operation {
            1 => Self::Upsert { flags: h.flags, cookie: h.cookie, record: slot.first()?.0 },
            2 => Self::Delete { cookie: h.cookie, key: slot.first()?.0.key },
            3 => Self::Peer { peer, session: h.session },
            4 => Self::Map(read_roles(h)?),
            5 => run(h).map(|(bucket, count)| Self::Announce {
                peer,
                bucket,
                count,
                released: h.flags & 1 != 0,
            })?,
            6 => run(h).map(|(bucket, count)| Self::Resync { peer, bucket, count })?,
            7 => run(h).map(|(bucket, count)| Self::AskRepair {
                peer,
                bucket,
                count,
                pull: h.flags & 1 != 0,
            })?,
            8 => Self::Installed { peer, session: h.session, sequence: h.sequence, refused: h.value as u32 },
            9 => {
                Self::Alive { beat_flags: h.beat_flags, data_links: h.value as u16, lease_us: h.extra as u32 }
            }
            10 => run(h).map(|(bucket, count)| Self::Scan { token: h.value, bucket, count })?,
            11 => Self::AuditBegin,
            12 => Self::AuditEnd,
            14 => run(h).map(|(bucket, count)| Self::Digest { peer, bucket, count })?,
            15 => Self::Confirm { cookie: h.cookie, key: slot.first()?.0.key },
            _ => return Err(DescriptorError),
        };
        if h.records == command.records_count() {
            Ok(command)
        } else {
            Err(DescriptorError)
        }
    }

    /// FULL records behind the head.
    const fn records_count(&self) -> u8 {
        match self {
            Self::Upsert { .. } | Self::Delete { .. } | Self::Confirm { .. } => 1,
            Self::Peer { .. }
            | Self::Map(_)
            | Self::Announce { .. }
            | Self::Resync { .. }
            | Self::AskRepair { .. }
            | Self::Installed { .. }
            | Self::Alive { .. }
            | Self::Scan { .. }
            | Self::AuditBegin
            | Self::AuditEnd
            | Self::Digest { .. } => 0,
        }
    }
}

impl Event {
    /// Writes the slot, its phase word left zero.
    pub fn encode(&self, out: &mut [u8; EVENT_SIZE]) {
        let slot = match self {
            Self::Applied { peer, sequence, cookie, created, record, stamp } => Slot::new(1)
                .with(|h| {
                    (h.peer, h.sequence, h.cookie, h.flags) = (*peer, *sequence, *cookie, u8::from(*created));
                })
                .record(record, *stamp),
            Self::Deleted { peer, sequence, cookie, key } => Slot::new(2)
                .with(|h| (h.peer, h.sequence, h.cookie) = (*peer, *sequence, *cookie))
                .record(&key_record(key), Stamp::default()),
            Self::FrameEnd { peer, session, sequence } => {
                Slot::new(3).with(|h| (h.peer, h.session, h.sequence) = (*peer, *session, *sequence))
            }
            Self::Session { peer, port, session } => {
                Slot::new(4).with(|h| (h.peer, h.port, h.session) = (*peer, *port, *session))
            }
            Self::Path { peer, port, state, beat_flags, heard_us, lease_us } => Slot::new(5).with(|h| {
                (h.peer, h.port, h.state, h.beat_flags) = (*peer, *port, *state as u8, *beat_flags);
                (h.value, h.extra) = (*heard_us, u64::from(*lease_us));
            }),
            Self::Term { peer, roles, session, released } => Slot::new(6).with(|h| {
                fill_roles(h, roles);
                (h.peer, h.session, h.flags) = (*peer, *session, u8::from(*released));
            }),
            Self::Compared { peer, bucket, state, snapshot } => Slot::new(7).with(|h| {
                (h.peer, h.bucket, h.state, h.flags) = (*peer, *bucket, *state as u8, u8::from(*snapshot));
            }),
            Self::NotOwner { peer, bucket } => Slot::new(8).with(|h| (h.peer, h.bucket) = (*peer, *bucket)),
            Self::Merge { peer, bucket, term, theirs, ours, ours_term, ended } => {
                let slot = Slot::new(9)
                    .with(|h| {
                        (h.peer, h.bucket, h.term, h.extra) =
                            (*peer, *bucket, term.0, u64::from(ours_term.0));
                        h.flags = u8::from(*ended);
                    })
                    .record(theirs, Stamp::default());
                match ours {
                    Some(ours) => slot.record(ours, Stamp::default()),
                    None => slot,
                }
            }
            Self::Row { token, cookie, record, stamp } => {
                Slot::new(10).with(|h| (h.value, h.cookie) = (*token, *cookie)).record(record, *stamp)
            }
            Self::ScanEnd { token } => Slot::new(11).with(|h| h.value = *token),
            Self::AuditMissing { cookie, record } => {
                Slot::new(12).with(|h| h.cookie = *cookie).record(record, Stamp::default())
            }
            Self::AuditExtra { cookie, key } => {
                Slot::new(16).with(|h| h.cookie = *cookie).record(&key_record(key), Stamp::default())
            }
            Self::AuditEnd => Slot::new(13),
            Self::Full { key } => Slot::new(14).record(&key_record(key), Stamp::default()),
            Self::Coverage { flows, protected, current, dirty_buckets, refused } => Slot::new(15).with(|h| {
                (h.value, h.extra, h.session, h.count) = (*flows, *protected, *current, *dirty_buckets);
                h.cookie = *refused;
            }),
        };
        slot.encode(out);
    }

    /// Reads a slot.
    pub fn decode(bytes: &[u8; EVENT_SIZE]) -> Result<Self, DescriptorError> {
        let slot = Slot::decode(bytes)?;
        let h = &slot.head;
        let (peer, bucket) = (h.peer, h.bucket);
        if bucket as usize >= BUCKETS_COUNT {
            return Err(DescriptorError);
        }
        let event = match h.operation {
            1 => {
                let (record, stamp) = slot.first()?;
                let created = h.flags & 1 != 0;
                Self::Applied { peer, sequence: h.sequence, cookie: h.cookie, created, record, stamp }
            }
            2 => Self::Deleted { peer, sequence: h.sequence, cookie: h.cookie, key: slot.first()?.0.key },
            3 => Self::FrameEnd { peer, session: h.session, sequence: h.sequence },
            4 => Self::Session { peer, port: h.port, session: h.session },
            5 => {
                let state = match h.state {
                    0 => PathState::Silent,
                    1 => PathState::Late,
                    2 => PathState::Up,
                    _ => return Err(DescriptorError),
                };
                let (beat_flags, heard_us, lease_us) = (h.beat_flags, h.value, h.extra as u32);
                Self::Path { peer, port: h.port, state, beat_flags, heard_us, lease_us }
            }
            6 => Self::Term { peer, roles: read_roles(h)?, session: h.session, released: h.flags & 1 != 0 },
            7 => {
                let state = match h.state {
                    0 => BucketState::Unproven,
                    1 => BucketState::Equal,
                    2 => BucketState::Suspect,
                    3 => BucketState::Different,
                    _ => return Err(DescriptorError),
                };
                Self::Compared { peer, bucket, state, snapshot: h.flags & 1 != 0 }
            }
            8 => Self::NotOwner { peer, bucket },
            9 => Self::Merge {
                peer,
                bucket,
                term: Term(h.term),
                theirs: slot.first()?.0,
                ours: slot.records[1].map(|(record, _)| record),
                ours_term: Term(h.extra as u32),
                ended: h.flags & 1 != 0,
            },
            10 => {
                let (record, stamp) = slot.first()?;
                Self::Row { token: h.value, cookie: h.cookie, record, stamp }
            }
            11 => Self::ScanEnd { token: h.value },
            12 => Self::AuditMissing { cookie: h.cookie, record: slot.first()?.0 },
            16 => Self::AuditExtra { cookie: h.cookie, key: slot.first()?.0.key },
            13 => Self::AuditEnd,
            14 => Self::Full { key: slot.first()?.0.key },
            15 => Self::Coverage {
                flows: h.value,
                protected: h.extra,
                current: h.session,
                dirty_buckets: h.count,
                refused: h.cookie,
            },
            _ => return Err(DescriptorError),
        };
        if h.records == event.records_count() {
            Ok(event)
        } else {
            Err(DescriptorError)
        }
    }

    /// FULL records behind the head.
    const fn records_count(&self) -> u8 {
        match self {
            Self::Applied { .. }
            | Self::Deleted { .. }
            | Self::Row { .. }
            | Self::AuditMissing { .. }
            | Self::AuditExtra { .. }
            | Self::Full { .. } => 1,
            Self::Merge { ours, .. } => 1 + ours.is_some() as u8,
            Self::FrameEnd { .. }
            | Self::Session { .. }
            | Self::Path { .. }
            | Self::Term { .. }
            | Self::Compared { .. }
            | Self::NotOwner { .. }
            | Self::ScanEnd { .. }
            | Self::AuditEnd
            | Self::Coverage { .. } => 0,
        }
    }
}

/// Every layout of this file.
pub const LAYOUTS: &[crate::layout::Layout] = &[Head::LAYOUT];
