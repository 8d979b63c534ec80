//! The protocol's rules as scenarios, one each.

mod net;

use formats::descriptor::{upsert, BucketState, Command, Event, PathState};
use formats::flow::Edges;
use formats::frame::split;
use formats::limits::*;
use formats::register::Counter;
use formats::unit::heartbeat;
use formats::{FlowHasher, FlowRecord, Groups, Record};
use net::*;

fn bucket_of(n: u32) -> u16 {
    FlowHasher::new(&SECRET).flow_id(&key(n)).bucket()
}

fn events(net: &Net, member: u8, wanted: impl Fn(&Event) -> bool) -> usize {
    net.members[member as usize].events.iter().filter(|event| wanted(event)).count()
}

/// Two members, the copy clean and proven.
fn pair() -> Net {
    let mut net = Net::new(2, 1, |_| {});
    net.start();
    net.run(300_000, 1_000);
    net
}

/// Kinds of the records in the frames of one turn of a member.
fn kinds(net: &mut Net, member: u8) -> Vec<u8> {
    let now = net.now();
    let mut kinds = Vec::new();
    net.members[member as usize].engine.transmit(now, &mut |_, bytes| kinds.extend(kinds_in(bytes)));
    kinds
}

fn kinds_in(frame: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    let mut units = split(frame).unwrap().2;
    while let Ok((record, count)) = Record::decode(units) {
        kinds.push(record.kind());
        units = &units[count * UNIT_SIZE..];
    }
    kinds
}

/// Carries the owner's frames to the copy at once; returns the kinds of their records.
fn carry(net: &mut Net) -> Vec<u8> {
    let now = net.now();
    let mut kinds = Vec::new();
    let [owner, copy] = &mut net.members[..] else { panic!("a pair has two members") };
    owner.engine.transmit(now, &mut |port, frame| {
        kinds.extend(kinds_in(frame));
        copy.engine.receive(now, port, frame);
    });
    kinds
}

#[test]
fn each_change_takes_the_shortest_form_and_nothing_goes_without_a_difference() {
    use formats::unit::kind::*;
    let mut net = pair();
    net.command(0, upsert_new(record(1, 3)));
    assert_eq!(kinds(&mut net, 0), [FULL_V4]);
    net.command(0, upsert(record(1, 4)));
    assert_eq!(kinds(&mut net, 0), [COMPACT]);
    net.command(0, upsert(FlowRecord { lifetime_s: 5, ..record(1, 4) }));
    assert_eq!(kinds(&mut net, 0), []);
    net.command(0, upsert(FlowRecord { mark: 1, groups: Groups::MARK, ..record(1, 4) }));
    assert_eq!(kinds(&mut net, 0), [UPDATE]);
    net.command(0, Command::Map(roles(term(2, 0), 0, 1, MEMBER_NONE)));
    net.command(0, upsert(record(1, 5)));
    assert_eq!(kinds(&mut net, 0), [TERM, FULL_V4]);
    net.command(0, upsert(record(1, 6)));
    net.command(0, Command::Delete { cookie: 0, key: key(1) });
    assert_eq!(kinds(&mut net, 0), [COMPACT, DELETE]);
}

#[test]
fn edges_take_one_unit_if_one_packet_moves_them_in_steps() {
    use formats::unit::kind::*;
    let mut net = pair();
    let with = |[end, max_end, reply_end, reply_max_end]: [u32; 4]| FlowRecord {
        groups: record(1, 3).groups.with(Groups::EDGES),
        edges: [Edges { end, max_end }, Edges { end: reply_end, max_end: reply_max_end }],
        ..record(1, 3)
    };
    net.command(0, upsert_new(record(1, 3)));
    assert_eq!(carry(&mut net), [FULL_V4]);
    for (edges, kind) in [
        // The first edges.
        ([0x100, 0x801, 0xffff_ff00, 0x4000], UPDATE),
        // What a packet of the original direction moves; half of it, across the wrap; of the reply direction.
        ([0x200, 0x801, 0xffff_ff00, 0x4100], WINDOW_ORIGINAL),
        ([0x200, 0x801, 0xffff_ff00, 0xff00], WINDOW_ORIGINAL),
        ([0x200, 0x900, 0, 0xff00], WINDOW_REPLY),
        // All four; between two steps.
        ([0x300, 0xa00, 0x100, 0], UPDATE),
        ([0x301, 0xa00, 0x100, 0], UPDATE),
    ] {
        net.command(0, upsert(with(edges)));
        assert_eq!(carry(&mut net), [kind]);
        assert_eq!(net.engine(1).flow(&key(1)).unwrap().0.edges, with(edges).edges);
        assert_eq!(net.engine(0).bucket_digest(bucket_of(1)), net.engine(1).bucket_digest(bucket_of(1)));
    }
}

#[test]
fn groups_that_do_not_replicate_stay_here() {
    let mut net = Net::new(2, 1, |config| config.replicate = Groups::ALL.without(Groups::MARK));
    net.start();
    net.run(300_000, 1_000);
    net.command(0, upsert_new(FlowRecord { mark: 7, ..record(1, 3) }));
    net.command(0, upsert(FlowRecord { mark: 8, groups: Groups::MARK, ..record(1, 3) }));
    net.run(200_000, 1_000);
    assert_eq!(net.engine(0).flow(&key(1)).unwrap().0.mark, 8);
    assert_eq!(net.counter(0, Counter::FlowsUnchanged), 1);
    assert!(!net.engine(1).flow(&key(1)).unwrap().0.groups.has(Groups::MARK));
    assert_eq!(net.engine(0).bucket_digest(bucket_of(1)), net.engine(1).bucket_digest(bucket_of(1)));
}

#[test]
fn flows_that_share_a_set_overflow_travel_by_key_and_come_back() {
    let mut net = Net::new(2, 1, |config| config.ways = 1);
    net.start();
    (0..3000).for_each(|n| net.command(0, upsert_new(record(n, 3))));
    net.run(300_000, 1_000);
    (0..3000).for_each(|n| net.command(0, upsert(record(n, 4))));
    net.run(300_000, 1_000);
    assert!(net.counter(0, Counter::FlowsOverflow) > 500);
    net.assert_equal(0, 1);
    (0..3000).for_each(|n| net.command(0, Command::Delete { cookie: 0, key: key(n) }));
    net.run(400_000, 1_000);
    net.assert_equal(0, 1);
    for member in 0..2 {
        let held = [Counter::FlowsHeld, Counter::FlowsOverflow, Counter::TombstonesHeld];
        assert_eq!(held.map(|counter| net.counter(member, counter)), [0; 3]);
    }
}

#[test]
fn a_lost_frame_is_repeated_in_its_latest_state_without_a_snapshot() {
    let mut net = pair();
    let swept = net.counter(0, Counter::SnapshotsSent);
    net.cut = vec![(0, 1)];
    net.command(0, upsert_new(record(1, 3)));
    net.run(2_000, 1_000);
    net.cut.clear();
    net.run(20_000, 1_000);
    assert_eq!(net.engine(1).flow(&key(1)).unwrap().0.tcp_state, 3);
    assert!(net.counter(0, Counter::FramesLost) >= 1);
    assert_eq!(net.counter(0, Counter::SnapshotsSent), swept);
}

#[test]
fn a_missing_base_gaps_the_bucket_and_repair_heals_it() {
    let mut net = pair();
    net.command(0, upsert_new(record(1, 3)));
    net.run(5_000, 1_000);
    net.cut = vec![(0, 1)];
    net.command(0, upsert(record(1, 4)));
    net.turn();
    net.cut.clear();
    net.command(0, upsert(FlowRecord { mark: 1, groups: Groups::MARK, ..record(1, 4) }));
    net.run(1_000, 1_000);
    assert_eq!(net.counter(1, Counter::RecordsGapped), 1);
    assert!(net.engine(1).flow(&key(1)).unwrap().0.tcp_state == 3, "a partial record is not applied");
    net.run(100_000, 1_000);
    net.assert_equal(0, 1);
    assert_eq!(net.engine(1).flow(&key(1)).unwrap().0.mark, 1);
}

#[test]
fn a_delete_reaches_every_copy_before_its_tombstone_goes() {
    let mut net = pair();
    net.command(0, upsert_new(record(1, 3)));
    net.run(5_000, 1_000);
    net.cut = vec![(0, 1), (1, 0)];
    net.command(0, Command::Delete { cookie: 0, key: key(1) });
    net.run(100_000, 1_000);
    assert_eq!(net.counter(0, Counter::TombstonesHeld), 1, "not acknowledged, not forgotten");
    net.cut.clear();
    net.run(300_000, 1_000);
    assert!(net.engine(1).flow(&key(1)).is_none());
    assert_eq!((net.counter(0, Counter::TombstonesHeld), net.counter(1, Counter::TombstonesHeld)), (0, 0));
}

#[test]
fn a_copy_forgets_ends_although_others_of_the_bucket_follow() {
    let mut net = pair();
    let hasher = formats::FlowHasher::new(&SECRET);
    let of_one_bucket = (0..).filter(|n| hasher.flow_id(&key(*n)).bucket() == 3).take(600);
    for n in of_one_bucket {
        net.command(0, upsert_new(record(n, 3)));
        net.command(0, Command::Delete { cookie: 0, key: key(n) });
        net.run(1_000, 500);
    }
    let held = net.counter(1, Counter::TombstonesHeld);
    assert!((1..300).contains(&held), "{held} ends remembered, of 600 ms, compared each 100 ms");
}

#[test]
fn a_pull_brings_the_newer_state_of_a_survivor_before_the_push() {
    let mut net = Net::new(3, 1, |_| {});
    net.start();
    net.run(300_000, 1_000);
    (0..50).for_each(|n| net.command(0, upsert_new(record(n, 3))));
    net.run(5_000, 1_000);
    // The backup misses a change, a new flow and an end; the remote does not.
    net.cut = vec![(0, 1), (1, 0)];
    net.command(0, upsert(record(1, 5)));
    net.command(0, upsert_new(record(60, 3)));
    net.command(0, Command::Delete { cookie: 0, key: key(2) });
    net.run(2_000, 1_000);
    net.cut = vec![(0, 1), (1, 0), (0, 2), (2, 0)];
    net.command(1, Command::Map(roles(term(2, 1), 1, MEMBER_NONE, 2)));
    net.command(1, Command::AskRepair { peer: 2, bucket: 0, count: BUCKETS_COUNT as u16, pull: true });
    net.run(400_000, 1_000);
    for member in 1..3 {
        assert_eq!(net.engine(member).flow(&key(1)).unwrap().0.tcp_state, 5, "member {member}");
        assert!(net.engine(member).flow(&key(60)).is_some(), "member {member}");
        assert!(net.engine(member).flow(&key(2)).is_none(), "member {member}");
    }
    net.assert_equal(1, 2);
}

#[test]
fn a_survivor_that_is_not_heard_is_pulled_from_when_it_is_back() {
    let mut net = Net::new(3, 1, |_| {});
    net.start();
    net.run(300_000, 1_000);
    net.command(0, upsert_new(record(1, 3)));
    net.command(0, upsert_new(record(2, 3)));
    net.run(5_000, 1_000);
    // The remote hears of a change and of an end, then takes itself for cut off from everybody.
    net.cut = vec![(0, 1), (1, 0)];
    net.command(0, upsert(record(1, 5)));
    net.command(0, Command::Delete { cookie: 0, key: key(2) });
    net.run(2_000, 1_000);
    net.cut = vec![(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)];
    net.command(1, Command::Map(roles(term(2, 1), 1, MEMBER_NONE, MEMBER_NONE)));
    net.command(1, Command::AskRepair { peer: 2, bucket: 0, count: BUCKETS_COUNT as u16, pull: true });
    net.run(200_000, 1_000);
    net.cut = vec![(0, 1), (1, 0), (0, 2), (2, 0)];
    net.command(1, Command::Map(roles(term(2, 1), 1, MEMBER_NONE, 2)));
    net.run(400_000, 1_000);
    for member in 1..3 {
        assert_eq!(net.engine(member).flow(&key(1)).unwrap().0.tcp_state, 5, "member {member}");
        assert!(net.engine(member).flow(&key(2)).is_none(), "member {member}");
    }
    net.assert_equal(1, 2);
}

#[test]
fn a_survivor_that_missed_an_end_does_not_bring_the_flow_back() {
    let mut net = Net::new(3, 1, |_| {});
    net.start();
    net.run(300_000, 1_000);
    net.command(0, upsert_new(record(1, 3)));
    net.run(5_000, 1_000);
    net.cut = vec![(0, 2), (2, 0), (1, 2), (2, 1)];
    net.run(100_000, 1_000);
    net.command(0, Command::Map(roles(term(1, 0), 0, 1, MEMBER_NONE)));
    net.command(0, Command::Delete { cookie: 0, key: key(1) });
    net.run(300_000, 1_000);
    assert_eq!(net.counter(1, Counter::TombstonesHeld), 0, "the backup is proven, and forgot the end");
    net.command(1, Command::Map(roles(term(2, 1), 1, MEMBER_NONE, MEMBER_NONE)));
    net.command(1, Command::AskRepair { peer: 2, bucket: 0, count: BUCKETS_COUNT as u16, pull: true });
    net.cut = vec![(0, 1), (1, 0), (0, 2), (2, 0)];
    net.command(1, Command::Map(roles(term(2, 1), 1, MEMBER_NONE, 2)));
    net.run(400_000, 1_000);
    assert!((1..3).all(|member| net.engine(member).flow(&key(1)).is_none()));
    net.assert_equal(1, 2);
}

#[test]
fn a_survivor_that_stays_silent_is_not_waited_for_beyond_its_time() {
    let mut net = pair();
    net.cut = vec![(0, 1), (1, 0)];
    net.run(100_000, 1_000);
    net.command(0, Command::Map(roles(term(1, 0), 0, MEMBER_NONE, MEMBER_NONE)));
    net.command(0, Command::AskRepair { peer: 1, bucket: 0, count: BUCKETS_COUNT as u16, pull: true });
    net.command(0, upsert_new(record(3, 3)));
    net.command(0, Command::Delete { cookie: 0, key: key(3) });
    net.run(9_000_000, 10_000);
    assert_eq!(net.counter(0, Counter::TombstonesHeld), 1, "the survivor may still tell of the flow");
    net.run(2_000_000, 10_000);
    assert_eq!(net.counter(0, Counter::TombstonesHeld), 0);
}

#[test]
fn an_end_remembers_the_life_that_it_ended() {
    let mut net = pair();
    net.command(0, upsert_new(record(1, 3)));
    net.run(5_000, 1_000);
    net.cut = vec![(0, 1), (1, 0)];
    net.command(0, upsert(record(1, 6)));
    net.command(0, upsert(record(1, 4)));
    net.command(1, Command::Map(roles(term(2, 1), 1, 0, MEMBER_NONE)));
    net.command(1, upsert(record(1, 5)));
    let ended = net.engine(1).flow(&key(1)).unwrap().0;
    net.command(1, Command::Delete { cookie: 0, key: key(1) });
    net.cut.clear();
    net.command(1, Command::Announce { peer: 0, bucket: 0, count: BUCKETS_COUNT as u16, released: false });
    net.run(20_000, 1_000);
    let merge = net.members[1].events.iter().find_map(|event| match event {
        Event::Merge { theirs, ours, ours_term, ended, .. } => {
            Some((theirs.tcp_state, *ours, *ours_term, *ended))
        }
        _ => None,
    });
    assert_eq!(merge, Some((4, Some(ended), term(2, 1), true)));
}

#[test]
fn a_former_owner_proposes_only_what_was_not_acknowledged() {
    let mut net = pair();
    (0..100).for_each(|n| net.command(0, upsert_new(record(n, 3))));
    net.run(300_000, 1_000);
    net.cut = vec![(0, 1), (1, 0)];
    net.command(0, upsert(record(1, 5)));
    net.command(0, upsert_new(record(200, 3)));
    net.command(1, Command::Map(roles(term(2, 1), 1, 0, MEMBER_NONE)));
    net.run(20_000, 1_000);
    net.cut.clear();
    net.command(1, Command::Announce { peer: 0, bucket: 0, count: BUCKETS_COUNT as u16, released: false });
    net.run(400_000, 1_000);
    let merges: Vec<_> = net.members[1]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Merge { theirs, .. } => Some(theirs.key),
            _ => None,
        })
        .collect();
    assert_eq!(merges.len(), 2, "{merges:?}");
    assert_eq!(net.engine(0).flow(&key(200)).unwrap().0.tcp_state, 3);
    net.assert_equal(1, 0);
}

#[test]
fn a_former_owner_forgets_the_hosts_marks() {
    let mut net = pair();
    net.command(0, Command::Upsert { flags: upsert::NEW, cookie: 5, record: record(1, 3) });
    net.run(20_000, 500);
    assert_eq!(net.engine(0).flow(&key(1)).map(|flow| flow.2), Some(5));
    net.command(1, Command::Map(roles(term(9, 1), 1, 0, MEMBER_NONE)));
    net.run(50_000, 500);
    assert_eq!(net.engine(0).flow(&key(1)).map(|flow| flow.2), Some(0));
}

#[test]
fn a_slow_host_gets_whole_buckets_and_no_early_frame_end() {
    let mut net = Net::new(2, 1, |config| config.events_max = 64);
    net.start();
    net.run(300_000, 1_000);
    net.members[1].slow = 50;
    for n in 0..1000 {
        net.command(0, upsert_new(record(n, 3)));
        net.command(0, Command::Delete { cookie: 0, key: key(n / 2) });
        if n % 20 == 0 {
            net.run(1_000, 1_000);
        }
    }
    assert!(net.counter(1, Counter::EventsDeferred) > 0);
    net.members[1].slow = 1;
    net.run(500_000, 1_000);
    net.assert_equal(0, 1);
    net.assert_installed(1);
    // Every flow event a frame end promised had been told: the end of the last frame is there.
    let last = net.members[1].events.iter().rev().find(|event| {
        matches!(event, Event::FrameEnd { .. } | Event::Applied { .. } | Event::Deleted { .. })
    });
    assert!(matches!(last, Some(Event::FrameEnd { .. })));
}

#[test]
fn an_audit_reports_what_the_dump_lacked_and_loses_to_events() {
    let mut net = pair();
    (0..5).for_each(|n| net.command(0, upsert_new(record(n, 3))));
    net.command(0, Command::AuditBegin);
    let row = |n, state| Command::Upsert { flags: upsert::AUDIT, cookie: 9, record: record(n, state) };
    net.command(0, upsert(record(1, 5)));
    net.command(0, row(1, 2));
    net.command(0, row(2, 4));
    net.command(0, row(9, 3));
    net.command(0, Command::AuditEnd);
    net.command(1, row(1, 3));
    net.command(1, row(77, 3));
    net.run(5_000, 1_000);
    assert_eq!(net.engine(0).flow(&key(1)).unwrap().0.tcp_state, 5);
    assert_eq!(net.engine(0).flow(&key(2)).unwrap().0.tcp_state, 4);
    assert!(net.engine(0).flow(&key(9)).is_some());
    assert_eq!(events(&net, 0, |event| matches!(event, Event::AuditMissing { .. })), 3);
    assert_eq!(events(&net, 0, |event| *event == Event::AuditEnd), 1);
    let extra = Event::AuditExtra { cookie: 9, key: key(77) };
    assert_eq!(events(&net, 1, |event| matches!(event, Event::AuditExtra { .. })), 2, "row 1 came early");
    assert!(net.members[1].events.contains(&extra));
}

#[test]
fn a_copy_proposes_what_only_its_kernel_knows_and_nothing_that_ended() {
    let mut net = pair();
    (1..=3).for_each(|n| net.command(0, upsert_new(record(n, 3))));
    net.run(20_000, 1_000);
    net.command(1, Command::AuditBegin);
    net.command(0, Command::Delete { cookie: 0, key: key(2) });
    net.run(500_000, 1_000);
    // The end of flow 4 is on its way.
    net.cut = vec![(0, 1)];
    net.command(0, upsert_new(record(4, 3)));
    net.command(0, Command::Delete { cookie: 0, key: key(4) });
    net.members[1].events.clear();
    for n in [1, 2, 4, 5] {
        let flags = upsert::AUDIT | upsert::PROPOSE;
        net.command(1, Command::Upsert { flags, cookie: 9, record: record(n, 3) });
    }
    net.run(10_000, 1_000);
    let extra = |event: &Event| matches!(event, Event::AuditExtra { .. });
    assert_eq!(events(&net, 1, extra), 1, "the dump may be older than the end of flow 2");
    assert!(net.members[1].events.contains(&Event::AuditExtra { cookie: 9, key: key(2) }));
    let anew = |event: &Event| matches!(event, Event::Applied { created: true, .. });
    assert_eq!(events(&net, 1, anew), 2, "flows 4 and 5: their windows are of another time");
    net.cut.clear();
    net.run(500_000, 1_000);
    let merged = |event: &Event| matches!(event, Event::Merge { theirs, .. } if theirs.key == key(5));
    assert_eq!(events(&net, 0, merged), 1);
    assert_eq!(events(&net, 0, |event| matches!(event, Event::Merge { .. })), 1, "flow 4 ended");
    for member in [0, 1] {
        let held: Vec<bool> = (1..=5).map(|n| net.engine(member).flow(&key(n)).is_some()).collect();
        assert_eq!(held, [true, false, true, false, true], "member {member}");
        net.engine(member).balance().unwrap();
    }
    net.assert_equal(0, 1);
}

#[test]
fn an_extra_flow_waits_for_a_link_and_goes_to_whoever_serves_then() {
    let mut net = Net::new(3, 1, |_| {});
    net.start();
    net.run(100_000, 1_000);
    net.cut = vec![(1, 0), (1, 2)];
    net.command(1, Command::AuditBegin);
    for n in 0..500 {
        let flags = upsert::AUDIT | upsert::PROPOSE;
        net.command(1, Command::Upsert { flags, cookie: 9, record: record(n, 3) });
    }
    net.run(20_000, 1_000);
    net.command(2, Command::Map(roles(term(2, 2), 2, 0, 1)));
    net.run(20_000, 1_000);
    assert_eq!(net.engine(2).flows().count(), 0);
    net.cut.clear();
    net.run(500_000, 1_000);
    assert_eq!(net.engine(2).flows().count(), 500);
    net.assert_equal(2, 1);
    net.assert_equal(2, 0);
}

#[test]
fn a_scan_gives_each_flow_a_row_in_table_order() {
    let mut net = pair();
    (0..500).for_each(|n| net.command(0, upsert_new(record(n, 3))));
    net.command(0, Command::Scan { token: 4, bucket: 0, count: BUCKETS_COUNT as u16 });
    net.run(20_000, 1_000);
    let rows: Vec<_> = net.members[0]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Row { token: 4, record, .. } => Some(record.key),
            _ => None,
        })
        .collect();
    assert_eq!(rows, net.engine(0).flows().map(|(record, ..)| record.key).collect::<Vec<_>>());
    assert_eq!(net.members[0].events.last(), Some(&Event::ScanEnd { token: 4 }));
}

#[test]
fn paths_go_up_late_and_silent_and_beats_stop_with_the_host() {
    let mut net = pair();
    let states = |net: &Net| -> Vec<_> {
        let path = |event: &Event| match event {
            Event::Path { port: 1, state, beat_flags, .. } => Some((*state, *beat_flags)),
            _ => None,
        };
        net.members[1].events.iter().filter_map(path).collect()
    };
    let up = heartbeat::HOST_ALIVE;
    let seen = states(&net);
    assert_eq!(seen.last(), Some(&(PathState::Up, up | heartbeat::HEARS_YOU)));
    // The host of member 0 stops: its engine beats on until the watchdog ends.
    let from = net.now_us;
    while net.now_us < from + 300_000 {
        net.now_us += 1_000;
        let now = net.now();
        let mut frames = Vec::new();
        let [a, b] = &mut net.members[..] else { unreachable!() };
        a.engine.poll(now);
        a.engine.transmit(now, &mut |port, bytes| frames.push((port, bytes.to_vec())));
        frames.iter().for_each(|(port, bytes)| b.engine.receive(now, *port, bytes));
        b.engine.poll(now);
        b.engine.transmit(now, &mut |_, _| {});
        b.events.extend(std::iter::from_fn(|| b.engine.next_event()));
    }
    let tail: Vec<_> = states(&net)[seen.len()..].iter().map(|(state, _)| *state).collect();
    assert_eq!(tail[tail.len() - 2..], [PathState::Late, PathState::Silent]);
}

#[test]
fn the_host_hears_of_new_terms_once_and_a_lower_map_is_answered() {
    let mut net = Net::new(3, 1, |_| {});
    net.start();
    net.run(300_000, 1_000);
    let told = |net: &Net, member| events(net, member, |event| matches!(event, Event::Term { .. }));
    assert_eq!((told(&net, 1), told(&net, 2)), (1, 1));
    net.cut = vec![(0, 1), (1, 0), (0, 2), (2, 0)];
    net.command(0, Command::Map(roles(term(1, 0), 0, 1, MEMBER_NONE)));
    net.command(1, Command::Map(roles(term(2, 1), 1, 0, 2)));
    net.run(10_000, 1_000);
    net.cut.clear();
    net.command(0, Command::Announce { peer: 2, bucket: 0, count: 1024, released: true });
    net.run(400_000, 1_000);
    assert_eq!(net.engine(0).roles(5).term, term(2, 1));
    assert_eq!(net.engine(2).roles(5).owner, 1);
    net.assert_equal(1, 0);
}

#[test]
fn coverage_counts_what_copies_installed() {
    let mut net = pair();
    (0..40).for_each(|n| net.command(0, upsert_new(record(n, 3))));
    net.run(2_100_000, 1_000);
    let last = net.members[0].events.iter().rev().find(|event| matches!(event, Event::Coverage { .. }));
    let whole = Event::Coverage { flows: 40, protected: 40, current: 40, dirty_buckets: 0, refused: 0 };
    assert_eq!(last, Some(&whole));
    net.command(1, Command::Installed { peer: 0, session: 1_000, sequence: 1, refused: 7 });
    net.run(2_100_000, 1_000);
    let last = net.members[0].events.iter().rev().find(|event| matches!(event, Event::Coverage { .. }));
    let lacking = Event::Coverage { flows: 40, protected: 40, current: 40, dirty_buckets: 0, refused: 7 };
    assert_eq!(last, Some(&lacking));
    net.cut = vec![(0, 1), (1, 0)];
    net.command(0, Command::Peer { peer: 1, session: 0 });
    net.run(2_100_000, 1_000);
    let last = net.members[0].events.iter().rev().find(|event| matches!(event, Event::Coverage { .. }));
    let none = Event::Coverage {
        flows: 40,
        protected: 0,
        current: 0,
        dirty_buckets: BUCKETS_COUNT as u16,
        refused: 0,
    };
    assert_eq!(last, Some(&none));
}

#[test]
fn every_bucket_is_compared_in_its_interval() {
    let mut net = pair();
    net.members[1].events.clear();
    net.run(105_000, 1_000);
    let mut seen = [false; BUCKETS_COUNT];
    for event in &net.members[1].events {
        if let Event::Compared { bucket, state: BucketState::Equal, .. } = event {
            seen[*bucket as usize] = true;
        }
    }
    assert!(seen.iter().all(|seen| *seen));
}
