//! The fixed values behind the golden bytes: one of every record, command and event.

use formats::descriptor::{upsert, BucketState, Command, Event, PathState, Roles};
use formats::flow::{lifetime_class, protocol, status, tcp_state, Direction, Edges};
use formats::unit::*;
use formats::{Family, FlowId, FlowKey, FlowRecord, Groups, Nat, Record, Stamp, Term, Update};

const STAMP: Stamp = Stamp { term: Term(0x0a0b_0c03), version: 0x1122_3344_5566 };
const ID: u64 = 0xa1_b2c3_d4e5;
pub(crate) const SEQUENCE: u64 = 0x1011_1213_1415_1617;
pub(crate) const SESSION: u64 = 0x2021_2223_2425_2627;

fn key(family: Family) -> FlowKey {
    let (src, dst) = match family {
        Family::V4 => (0x0a00_0102, 0xc000_0201),
        Family::V6 => (0x2001_0db8_0001_0002_0003_0004_0005_0006, 0x2001_0db8_00ff_00fe_00fd_00fc_00fb_00fa),
    };
    FlowKey { src, dst, src_port: 40_000, dst_port: 443, zone: 0x0107, protocol: protocol::TCP, family }
}

/// A flow with these groups, each of its values unlike the others.
fn flow(family: Family, groups: Groups) -> FlowRecord {
    let key = key(family);
    let full = FlowRecord {
        key,
        groups,
        tcp_state: tcp_state::ESTABLISHED,
        status: status::REPLICATED,
        edges: [
            Edges { end: 0x3132_3334, max_end: 0x3536_3738 },
            Edges { end: 0x4142_4344, max_end: 0x4546_4748 },
        ],
        scales: [7, 9],
        tcp_flags: [0x23, 0x27],
        class: lifetime_class::ASSURED,
        lifetime_s: 432_000,
        mark: 0x5152_5354,
        labels: 0x6162_6364_6566_6768_696a_6b6c_6d6e_6f70,
        nat: Nat {
            reply_src: key.dst ^ 0xff,
            reply_dst: key.src ^ 0xff00,
            reply_src_port: 8_443,
            reply_dst_port: 50_001,
        },
        policy: 0x7172_7374,
        incarnation: 0x8182_8384,
    };
    let mut record = FlowRecord { key, incarnation: full.incarnation, ..FlowRecord::default() };
    record.merge_groups(&full);
    record
}

fn update(family: Family, groups: Groups) -> Record {
    let mut changed = FlowRecord { key: FlowKey { family, ..FlowKey::default() }, ..flow(family, groups) };
    let track = Groups::STATUS.with(Groups::SCALES).with(Groups::LIFETIME);
    if groups.0 & track.0 == 0 {
        changed.incarnation = 0;
    }
    Record::Update(Update {
        flow_id: FlowId(ID),
        term_low: 3,
        version: STAMP.version,
        base_distance: 2,
        changed,
    })
}

fn compact() -> Record {
    Record::Compact(Compact {
        kind: kind::COMPACT,
        units: 1,
        term_low: 3,
        class: lifetime_class::CLOSING,
        flow_id: ID,
        version_low: 0x5566,
        tcp_state: tcp_state::FIN_WAIT,
        status: status::REPLICATED,
        spare: 0,
    })
}

fn window(direction: Direction) -> Record {
    let unit = Window {
        kind: kind::WINDOW_ORIGINAL,
        units: 1,
        term_low: 3,
        flow_id: ID,
        version_low: 0x5566,
        end: 0x31_3233,
        max_end: 0x45_4647,
    };
    let kind = match direction {
        Direction::Original => kind::WINDOW_ORIGINAL,
        Direction::Reply => kind::WINDOW_REPLY,
    };
    Record::Window(direction, Window { kind, ..unit })
}

pub(crate) fn records() -> Vec<(&'static str, Record)> {
    use Family::{V4, V6};
    let tcp = Groups::STATUS.with(Groups::EDGES).with(Groups::SCALES).with(Groups::LIFETIME);
    let (bucket, term, floor) = (0x02a3, STAMP.term.0, 0x0102_0304_0506);
    vec![
        ("compact", compact()),
        ("window_original", window(Direction::Original)),
        ("window_reply", window(Direction::Reply)),
        ("update_v4_status", update(V4, Groups::STATUS)),
        ("update_v4_mark", update(V4, Groups::MARK)),
        ("update_v4_all", update(V4, Groups::ALL)),
        ("update_v6_nat", update(V6, Groups::NAT)),
        ("full_v4_none", Record::Full(flow(V4, Groups::NONE), STAMP)),
        ("full_v4_tcp", Record::Full(flow(V4, tcp), STAMP)),
        ("full_v4_all", Record::Full(flow(V4, Groups::ALL), STAMP)),
        ("full_v6_tcp", Record::Full(flow(V6, tcp), STAMP)),
        ("full_v6_all", Record::Full(flow(V6, Groups::ALL), STAMP)),
        (
            "delete",
            Record::Delete(DeleteUnit {
                kind: kind::DELETE,
                units: 1,
                term_low: 3,
                flow_id: ID,
                version: STAMP.version,
                ..Default::default()
            }),
        ),
        ("delete_v4", Record::DeleteKeyed(key(V4), STAMP)),
        ("delete_v6", Record::DeleteKeyed(key(V6), STAMP)),
        (
            "snapshot_begin",
            Record::SnapshotBegin(SnapshotBegin {
                kind: kind::SNAPSHOT_BEGIN,
                units: 1,
                bucket,
                term,
                flags: PULL,
                ..Default::default()
            }),
        ),
        (
            "snapshot_end",
            Record::SnapshotEnd(SnapshotEnd {
                kind: kind::SNAPSHOT_END,
                units: 2,
                bucket,
                term,
                flags: PULL,
                count: 0x9192_9394,
                digest: SEQUENCE,
                floor,
                ..Default::default()
            }),
        ),
        (
            "term",
            Record::Term(TermUnit {
                kind: kind::TERM,
                units: 2,
                bucket,
                count: 0x0101,
                owner: 1,
                backup: 2,
                term,
                remote: 3,
                successor: 4,
                flags: RELEASED,
                session: SESSION,
                ..Default::default()
            }),
        ),
        (
            "ack",
            Record::Ack(AckUnit {
                kind: kind::ACK,
                units: 3,
                refused: 5,
                session: SESSION,
                applied: SEQUENCE,
                installed: SEQUENCE - 1,
                received: u128::MAX >> 3,
                ..Default::default()
            }),
        ),
        (
            "digest",
            Record::Digest(DigestUnit {
                kind: kind::DIGEST,
                units: 3,
                bucket,
                term,
                count: 0x9192_9394,
                sum: SEQUENCE,
                floor,
                emitted: SESSION,
                ..Default::default()
            }),
        ),
        (
            "heartbeat",
            Record::Heartbeat(HeartbeatUnit {
                kind: kind::HEARTBEAT,
                units: 2,
                flags: heartbeat::HOST_ALIVE | heartbeat::HEARS_YOU,
                data_links: 6,
                buckets_owned: 512,
                buckets_verified: 511,
                lease_us: 30_000,
                term,
                received: SEQUENCE,
                ..Default::default()
            }),
        ),
        (
            "capabilities",
            Record::Capabilities(CapabilitiesUnit {
                kind: kind::CAPABILITIES,
                units: 2,
                version_min: 1,
                version_max: 3,
                groups: Groups::ALL.0,
                flows_max: 1 << 20,
                frame_size_max: 9_022,
                formats_digest: SESSION,
                ..Default::default()
            }),
        ),
        ("merge_v4", Record::Merge(bucket, STAMP.term, flow(V4, tcp), STAMP)),
        ("merge_v6_all", Record::Merge(bucket, STAMP.term, flow(V6, Groups::ALL), STAMP)),
        (
            "repair",
            Record::Repair(RepairUnit {
                kind: kind::REPAIR,
                units: 1,
                bucket,
                term,
                flags: PULL,
                ..Default::default()
            }),
        ),
    ]
}

fn roles() -> Roles {
    Roles { bucket: 0x02a3, count: 0x0101, term: STAMP.term, owner: 1, backup: 2, remote: 3, successor: 4 }
}

pub(crate) fn commands() -> Vec<(&'static str, Command)> {
    use Family::{V4, V6};
    let (peer, bucket, count, cookie) = (9, 0x02a3, 0x0101, 0xb1b2_b3b4);
    vec![
        ("upsert_v4", Command::Upsert { flags: upsert::NEW, cookie, record: flow(V4, Groups::ALL) }),
        ("upsert_v6", Command::Upsert { flags: upsert::JOIN, cookie, record: flow(V6, Groups::ALL) }),
        ("upsert_mark", Command::Upsert { flags: upsert::AUDIT, cookie, record: flow(V4, Groups::MARK) }),
        ("delete_v4", Command::Delete { cookie, key: key(V4) }),
        ("delete_v6", Command::Delete { cookie, key: key(V6) }),
        ("peer", Command::Peer { peer, session: SESSION }),
        ("map", Command::Map(roles())),
        ("announce", Command::Announce { peer, bucket, count, released: true }),
        ("resync", Command::Resync { peer, bucket, count }),
        ("ask_repair", Command::AskRepair { peer, bucket, count, pull: true }),
        ("installed", Command::Installed { peer, session: SESSION, sequence: SEQUENCE, refused: 5 }),
        ("alive", Command::Alive { beat_flags: heartbeat::FORWARDING, data_links: 6, lease_us: 30_000 }),
        ("scan", Command::Scan { token: SESSION, bucket, count }),
        ("audit_begin", Command::AuditBegin),
        ("audit_end", Command::AuditEnd),
        ("digest", Command::Digest { peer, bucket, count }),
        ("confirm_v4", Command::Confirm { cookie, key: key(V4) }),
        ("confirm_v6", Command::Confirm { cookie, key: key(V6) }),
    ]
}

pub(crate) fn events() -> Vec<(&'static str, Event)> {
    use Family::{V4, V6};
    let (peer, port, bucket, cookie) = (9, 2, 0x02a3, 0xb1b2_b3b4);
    let (sequence, session, stamp, term) = (SEQUENCE, SESSION, STAMP, STAMP.term);
    let (v4, v6) = (flow(V4, Groups::ALL), flow(V6, Groups::ALL));
    let (heard_us, lease_us, beat_flags) = (0xc1c2_c3c4_c5c6_c7c8, 30_000, heartbeat::RELOADING);
    let path = |state| Event::Path { peer, port, state, beat_flags, heard_us, lease_us };
    let compared = |state| Event::Compared { peer, bucket, state, snapshot: true };
    vec![
        ("applied_v4", Event::Applied { peer, sequence, cookie, created: true, record: v4, stamp }),
        ("applied_v6", Event::Applied { peer, sequence, cookie, created: false, record: v6, stamp }),
        ("deleted_v4", Event::Deleted { peer, sequence, cookie, key: key(V4) }),
        ("deleted_v6", Event::Deleted { peer, sequence, cookie, key: key(V6) }),
        ("frame_end", Event::FrameEnd { peer, session, sequence }),
        ("session", Event::Session { peer, port, session }),
        ("path_silent", path(PathState::Silent)),
        ("path_late", path(PathState::Late)),
        ("path_up", path(PathState::Up)),
        ("term", Event::Term { peer, roles: roles(), session, released: true }),
        ("compared_unproven", compared(BucketState::Unproven)),
        ("compared_equal", compared(BucketState::Equal)),
        ("compared_suspect", compared(BucketState::Suspect)),
        ("compared_different", compared(BucketState::Different)),
        ("not_owner", Event::NotOwner { peer, bucket }),
        (
            "merge_one",
            Event::Merge {
                peer,
                bucket,
                term,
                theirs: v4,
                ours: None,
                ours_term: Term(0x0102_0304),
                ended: false,
            },
        ),
        (
            "merge_two",
            Event::Merge {
                peer,
                bucket,
                term,
                theirs: v6,
                ours: Some(v6),
                ours_term: Term(0x0102_0304),
                ended: false,
            },
        ),
        (
            "merge_ended",
            Event::Merge {
                peer,
                bucket,
                term,
                theirs: v4,
                ours: Some(v4),
                ours_term: Term(0x0102_0304),
                ended: true,
            },
        ),
        ("row", Event::Row { token: SESSION, cookie, record: v4, stamp }),
        ("scan_end", Event::ScanEnd { token: SESSION }),
        ("audit_missing", Event::AuditMissing { cookie, record: v4 }),
        ("audit_extra", Event::AuditExtra { cookie, key: key(V6) }),
        ("audit_end", Event::AuditEnd),
        ("full", Event::Full { key: key(V4) }),
        (
            "coverage",
            Event::Coverage {
                flows: 3 << 33,
                protected: 2 << 33,
                current: 1 << 33,
                dirty_buckets: 7,
                refused: 0,
            },
        ),
    ]
}
