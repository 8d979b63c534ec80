//! Each rule, taken out, loses or corrupts flows: with it, the same run converges.
#![cfg(feature = "omissions")]

mod net;

use formats::descriptor::{BucketState, Command, Event};
use formats::limits::*;
use formats::{Groups, Record};
use net::*;
use softnic::Omissions;

/// A pair that leaves these rules out.
fn pair(omissions: Omissions) -> Net {
    let mut net = Net::new(2, 1, |config| {
        config.omissions = omissions;
        config.digest_us = 10_000_000;
        // Narrow, so that snapshots of many buckets are caught half way.
        config.queue_frames_max = 2;
        config.overflow_max = 20_000;
    });
    net.start();
    net.run(100_000, 1_000);
    net
}

fn differs(net: &Net) -> bool {
    (0..BUCKETS_COUNT as u16).any(|b| net.engine(0).bucket_digest(b) != net.engine(1).bucket_digest(b))
}

#[test]
fn newer_wins_on_partial_records_loses_a_group() {
    let run = |newer_wins_partial| {
        let mut net = pair(Omissions { newer_wins_partial, ..Omissions::default() });
        net.command(0, upsert_new(record(1, 3)));
        net.run(5_000, 1_000);
        net.cut = vec![(0, 1)];
        net.command(0, upsert(record(1, 5)));
        net.turn();
        net.cut.clear();
        let marked = formats::FlowRecord { mark: 1, groups: Groups::MARK, ..record(1, 5) };
        net.command(0, upsert(marked));
        net.run(100_000, 1_000);
        differs(&net)
    };
    assert_eq!((run(false), run(true)), (false, true));
}

#[test]
fn a_snapshot_of_a_host_copy_resurrects_a_flow() {
    let resurrected = |host_copy_snapshot| {
        let mut net = pair(Omissions { host_copy_snapshot, ..Omissions::default() });
        (0..5_000).for_each(|n| net.command(0, upsert_new(record(n, 3))));
        // A copy of a bucket takes its time.
        net.run(2_000_000, 1_000);
        net.assert_equal(0, 1);
        net.command(0, Command::Resync { peer: 1, bucket: 0, count: BUCKETS_COUNT as u16 });
        for n in 0..5_000 {
            net.command(0, Command::Delete { cookie: 0, key: key(n) });
            if n % 20 == 0 {
                net.run(100, 100);
            }
        }
        // The end's digest finds it later; until then a takeover would serve a dead flow.
        let created = |event: &&Event| matches!(event, Event::Applied { created: true, .. });
        net.members[1].events.iter().filter(created).count() > 5_000
    };
    assert_eq!((resurrected(false), resurrected(true)), (false, true));
}

#[test]
fn a_linear_digest_lets_equal_changes_cancel() {
    let sum = |linear_digest| {
        let mut net = pair(Omissions { linear_digest, ..Omissions::default() });
        let of = |n: u32| formats::FlowHasher::new(&SECRET).flow_id(&key(n)).bucket();
        let (a, b) = (1u32, (2..).find(|n| of(*n) == of(1)).unwrap());
        net.command(0, upsert_new(record(a, 3)));
        net.command(0, upsert_new(record(b, 4)));
        let before = net.engine(0).bucket_digest(of(a)).1;
        net.command(0, upsert(record(a, 4)));
        net.command(0, upsert(record(b, 3)));
        net.engine(0).bucket_digest(of(a)).1 == before
    };
    assert_eq!((sum(false), sum(true)), (false, true));
}

#[test]
fn without_authority_a_stranger_writes() {
    let run = |no_authority| {
        let mut net = Net::new(3, 1, |config| config.omissions.no_authority = no_authority);
        net.start();
        net.run(100_000, 1_000);
        // Member 2 believes itself the owner under a term nobody else heard of.
        net.cut = vec![(2, 1), (1, 2), (2, 0), (0, 2)];
        net.command(2, Command::Map(roles(term(0, 2), 2, 1, 0)));
        net.cut.clear();
        let stamp = formats::Stamp { term: term(1, 0), version: EPOCH_US * 2 };
        let full = Record::Full(record(1, 3), stamp);
        let mut units = [0; RECORD_UNITS_MAX * UNIT_SIZE];
        let count = full.encode(&mut units);
        let mut bytes = vec![0; FRAME_HEADER_SIZE];
        bytes.extend_from_slice(&units[..count * UNIT_SIZE]);
        let header = formats::frame::FrameHeader {
            cluster: CLUSTER,
            sender: 2,
            receiver: 1,
            sequence: 1 << 40,
            session: 1002,
            units: count as u16,
            records: 1,
            ..Default::default()
        };
        let head = (&mut bytes[..FRAME_HEADER_SIZE]).try_into().unwrap();
        formats::frame::encode_header(&Default::default(), &header, head);
        let crc = crc32fast::hash(&bytes[FRAME_CRC_FROM..]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        let now = net.now();
        net.members[1].engine.receive(now, 0, &bytes);
        net.engine(1).flow(&key(1)).is_some()
    };
    assert_eq!((run(false), run(true)), (false, true));
}

#[test]
fn early_in_sync_calls_a_copy_equal_that_is_not() {
    let lies = |early_in_sync| {
        let mut net = pair(Omissions { early_in_sync, ..Omissions::default() });
        (0..5000).for_each(|n| net.command(0, upsert_new(record(n, 3))));
        net.run(20_000, 1_000);
        net.restart(1);
        let mut lies = 0;
        for _ in 0..2000 {
            net.now_us += 100;
            let seen = net.members[1].events.len();
            net.turn();
            for event in &net.members[1].events[seen..] {
                if let Event::Compared { bucket, state: BucketState::Equal, .. } = event {
                    let ours = net.engine(1).bucket_digest(*bucket);
                    lies += u32::from(net.engine(0).bucket_digest(*bucket) != ours);
                }
            }
        }
        lies > 0
    };
    assert_eq!((lies(false), lies(true)), (false, true));
}

#[test]
fn without_tombstones_a_takeover_resurrects_a_flow() {
    let run = |no_tombstone| {
        let mut net = Net::new(3, 1, |config| config.omissions.no_tombstone = no_tombstone);
        net.start();
        net.run(300_000, 1_000);
        net.command(0, upsert_new(record(2, 3)));
        net.run(5_000, 1_000);
        // The remote hears of the end, the backup does not, and takes over.
        net.cut = vec![(0, 1), (1, 0)];
        net.command(0, Command::Delete { cookie: 0, key: key(2) });
        net.run(2_000, 1_000);
        net.cut = vec![(0, 1), (1, 0), (0, 2), (2, 0)];
        net.command(1, Command::Map(roles(term(2, 1), 1, MEMBER_NONE, 2)));
        let count = BUCKETS_COUNT as u16;
        net.command(1, Command::AskRepair { peer: 2, bucket: 0, count, pull: true });
        net.run(400_000, 1_000);
        net.engine(2).flow(&key(2)).is_some()
    };
    assert_eq!((run(false), run(true)), (false, true));
}
