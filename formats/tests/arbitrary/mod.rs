//! Arbitrary values of every format, as an encoder may meet them.

use formats::descriptor::{BucketState, Command, Event, PathState, Roles};
use formats::flow::Edges;
use formats::limits::*;
use formats::unit::*;
use formats::{Family, FlowId, FlowKey, FlowRecord, Groups, Nat, Record, Stamp, Term, Update};
use proptest::prelude::*;

pub(crate) fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

fn address(family: Family, bits: u128) -> u128 {
    match family {
        Family::V4 => bits & u128::from(u32::MAX),
        Family::V6 => bits,
    }
}

pub(crate) fn key() -> impl Strategy<Value = FlowKey> {
    (family(), any::<[u128; 2]>(), any::<[u16; 3]>(), any::<u8>()).prop_map(
        |(family, [src, dst], [src_port, dst_port, zone], protocol)| FlowKey {
            src: address(family, src),
            dst: address(family, dst),
            src_port,
            dst_port,
            zone,
            protocol,
            family,
        },
    )
}

/// This record with every absent group zero.
pub(crate) fn without_absent(record: &FlowRecord) -> FlowRecord {
    let mut present =
        FlowRecord { key: record.key, incarnation: record.incarnation, ..FlowRecord::default() };
    present.merge_groups(record);
    present
}

/// Any set of groups, absent ones zero.
pub(crate) fn flow() -> impl Strategy<Value = FlowRecord> {
    let small = (any::<u8>(), any::<u8>(), any::<u16>(), any::<[u8; 5]>(), any::<[u32; 8]>());
    (key(), small, any::<u128>(), any::<[u128; 2]>(), any::<[u16; 2]>()).prop_map(
        |(key, (groups, tcp_state, status, bytes, words), labels, [reply_src, reply_dst], ports)| {
            let edges = |at: usize| Edges { end: words[at], max_end: words[at + 1] };
            without_absent(&FlowRecord {
                key,
                groups: Groups(groups),
                tcp_state,
                status,
                edges: [edges(0), edges(2)],
                scales: [bytes[0], bytes[1]],
                tcp_flags: [bytes[2], bytes[3]],
                class: bytes[4],
                lifetime_s: words[4],
                mark: words[5],
                labels,
                nat: Nat {
                    reply_src: address(key.family, reply_src),
                    reply_dst: address(key.family, reply_dst),
                    reply_src_port: ports[0],
                    reply_dst_port: ports[1],
                },
                policy: words[6],
                incarnation: words[7],
            })
        },
    )
}

pub(crate) fn term() -> impl Strategy<Value = Term> {
    any::<u32>().prop_map(Term)
}

pub(crate) fn stamp() -> impl Strategy<Value = Stamp> {
    (term(), 0..1u64 << VERSION_BITS).prop_map(|(term, version)| Stamp { term, version })
}

/// A run of buckets inside the table, as (bucket, count).
pub(crate) fn run() -> impl Strategy<Value = (u16, u16)> {
    (0..BUCKETS_COUNT as u16).prop_flat_map(|bucket| (Just(bucket), 0..=BUCKETS_COUNT as u16 - bucket))
}

fn update() -> impl Strategy<Value = Update> {
    (flow(), 0..1u64 << FLOW_ID_BITS, stamp(), 1..=u8::MAX)
        .prop_filter("an update changes something", |(flow, ..)| !flow.groups.is_empty())
        .prop_map(|(flow, id, stamp, base_distance)| {
            let key = FlowKey { family: flow.key.family, ..FlowKey::default() };
            let mut changed = FlowRecord { key, ..flow };
            if flow.groups.0 & (Groups::STATUS.0 | Groups::SCALES.0 | Groups::LIFETIME.0) == 0 {
                changed.incarnation = 0;
            }
            Update {
                flow_id: FlowId(id),
                term_low: stamp.term.0 as u8,
                version: stamp.version,
                base_distance,
                changed,
            }
        })
}

/// A record that is one layout: arbitrary bytes behind kind and length, buckets inside the table.
fn plain(kind: u8, units: usize) -> impl Strategy<Value = Record> {
    (prop::collection::vec(any::<u8>(), units * UNIT_SIZE), run()).prop_map(
        move |(mut bytes, (bucket, count))| {
            bytes[..2].copy_from_slice(&[kind, units as u8]);
            match kind {
                kind::COMPACT | kind::WINDOW_ORIGINAL | kind::WINDOW_REPLY => {}
                kind::DELETE | kind::ACK | kind::HEARTBEAT | kind::CAPABILITIES => {}
                _ => bytes[2..4].copy_from_slice(&bucket.to_le_bytes()),
            }
            if kind == kind::TERM {
                bytes[4..6].copy_from_slice(&count.to_le_bytes());
            }
            Record::decode(&bytes).expect("a plain record of the right length").0
        },
    )
}

pub(crate) fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        4 => update().prop_map(Record::Update),
        4 => (flow(), stamp()).prop_map(|(flow, stamp)| Record::Full(flow, stamp)),
        2 => (key(), stamp()).prop_map(|(key, stamp)| Record::DeleteKeyed(key, stamp)),
        2 => (run(), term(), flow(), stamp())
            .prop_map(|((bucket, _), term, flow, stamp)| Record::Merge(bucket, term, flow, stamp)),
        1 => plain(kind::COMPACT, 1),
        1 => plain(kind::WINDOW_ORIGINAL, 1),
        1 => plain(kind::WINDOW_REPLY, 1),
        1 => plain(kind::DELETE, 1),
        1 => plain(kind::SNAPSHOT_BEGIN, 1),
        1 => plain(kind::SNAPSHOT_END, 2),
        1 => plain(kind::TERM, 2),
        1 => plain(kind::ACK, 3),
        1 => plain(kind::DIGEST, 3),
        1 => plain(kind::HEARTBEAT, 2),
        1 => plain(kind::CAPABILITIES, 2),
        1 => plain(kind::REPAIR, 1),
    ]
}

fn roles() -> impl Strategy<Value = Roles> {
    (run(), term(), any::<[u8; 4]>()).prop_map(
        |((bucket, count), term, [owner, backup, remote, successor])| Roles {
            bucket,
            count,
            term,
            owner,
            backup,
            remote,
            successor,
        },
    )
}

pub(crate) fn command() -> impl Strategy<Value = Command> {
    let to = || (any::<u8>(), run(), any::<bool>());
    prop_oneof![
        (any::<u8>(), any::<u32>(), flow()).prop_map(|(flags, cookie, record)| Command::Upsert {
            flags,
            cookie,
            record
        }),
        (any::<u32>(), key()).prop_map(|(cookie, key)| Command::Delete { cookie, key }),
        any::<(u8, u64)>().prop_map(|(peer, session)| Command::Peer { peer, session }),
        roles().prop_map(Command::Map),
        to().prop_map(|(peer, (bucket, count), released)| Command::Announce {
            peer,
            bucket,
            count,
            released
        }),
        to().prop_map(|(peer, (bucket, count), _)| Command::Resync { peer, bucket, count }),
        to().prop_map(|(peer, (bucket, count), pull)| Command::AskRepair { peer, bucket, count, pull }),
        any::<(u8, u64, u64, u32)>().prop_map(|(peer, session, sequence, refused)| {
            Command::Installed { peer, session, sequence, refused }
        }),
        any::<(u16, u16, u32)>().prop_map(|(beat_flags, data_links, lease_us)| Command::Alive {
            beat_flags,
            data_links,
            lease_us
        }),
        (any::<u64>(), run()).prop_map(|(token, (bucket, count))| Command::Scan { token, bucket, count }),
        Just(Command::AuditBegin),
        Just(Command::AuditEnd),
        to().prop_map(|(peer, (bucket, count), _)| Command::Digest { peer, bucket, count }),
        (any::<u32>(), key()).prop_map(|(cookie, key)| Command::Confirm { cookie, key }),
    ]
}

fn path_state() -> impl Strategy<Value = PathState> {
    prop_oneof![Just(PathState::Silent), Just(PathState::Late), Just(PathState::Up)]
}

fn bucket_state() -> impl Strategy<Value = BucketState> {
    prop_oneof![
        Just(BucketState::Unproven),
        Just(BucketState::Equal),
        Just(BucketState::Suspect),
        Just(BucketState::Different),
    ]
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    let bucket = || run().prop_map(|(bucket, _)| bucket);
    prop_oneof![
        (any::<(u8, u64, u32, bool)>(), flow(), stamp()).prop_map(
            |((peer, sequence, cookie, created), record, stamp)| Event::Applied {
                peer,
                sequence,
                cookie,
                created,
                record,
                stamp
            }
        ),
        (any::<(u8, u64, u32)>(), key()).prop_map(|((peer, sequence, cookie), key)| Event::Deleted {
            peer,
            sequence,
            cookie,
            key
        }),
        any::<(u8, u64, u64)>().prop_map(|(peer, session, sequence)| Event::FrameEnd {
            peer,
            session,
            sequence
        }),
        any::<(u8, u8, u64)>().prop_map(|(peer, port, session)| Event::Session { peer, port, session }),
        (any::<(u8, u8, u16, u64, u32)>(), path_state()).prop_map(
            |((peer, port, beat_flags, heard_us, lease_us), state)| Event::Path {
                peer,
                port,
                state,
                beat_flags,
                heard_us,
                lease_us
            }
        ),
        (any::<(u8, u64, bool)>(), roles()).prop_map(|((peer, session, released), roles)| Event::Term {
            peer,
            roles,
            session,
            released
        }),
        (any::<(u8, bool)>(), bucket(), bucket_state())
            .prop_map(|((peer, snapshot), bucket, state)| Event::Compared { peer, bucket, state, snapshot }),
        (any::<u8>(), bucket()).prop_map(|(peer, bucket)| Event::NotOwner { peer, bucket }),
        (any::<(u8, bool)>(), bucket(), term(), flow(), prop::option::of(flow()), term()).prop_map(
            |((peer, ended), bucket, term, theirs, ours, ours_term)| Event::Merge {
                peer,
                bucket,
                term,
                theirs,
                ours,
                ours_term,
                ended
            }
        ),
        (any::<(u64, u32)>(), flow(), stamp()).prop_map(|((token, cookie), record, stamp)| Event::Row {
            token,
            cookie,
            record,
            stamp
        }),
        any::<u64>().prop_map(|token| Event::ScanEnd { token }),
        (any::<u32>(), flow()).prop_map(|(cookie, record)| Event::AuditMissing { cookie, record }),
        (any::<u32>(), key()).prop_map(|(cookie, key)| Event::AuditExtra { cookie, key }),
        Just(Event::AuditEnd),
        key().prop_map(|key| Event::Full { key }),
        any::<(u64, u64, u64, u16, u32)>().prop_map(|(flows, protected, current, dirty_buckets, refused)| {
            Event::Coverage { flows, protected, current, dirty_buckets, refused }
        }),
    ]
}
