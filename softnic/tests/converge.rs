//! Engines under faults: after the faults stop, copies are equal, proven, installed, and the books close.

mod net;

use formats::descriptor::{BucketState, Command, Event};
use formats::flow::Edges;
use formats::limits::*;
use formats::register::Counter;
use formats::Groups;
use net::*;
use proptest::prelude::*;

/// One random upsert or delete of one of `flows` flows at `owner`.
fn change(net: &mut Net, owner: u8, flows: u64) {
    let n = net.chance.below(flows) as u32;
    let state = net.chance.below(10) as u8;
    let mut row = record(n, state);
    match net.chance.below(10) {
        0..=1 => net.command(owner, upsert_new(row)),
        2..=5 => net.command(owner, upsert(row)),
        6 => {
            row.groups = row.groups.with(Groups::EDGES).with(Groups::MARK);
            row.edges[0] = Edges { end: net.chance.next() as u32, max_end: 7 };
            row.mark = net.chance.below(3) as u32;
            net.command(owner, upsert(row));
        }
        7 => net.command(owner, upsert(formats::FlowRecord { key: row.key.reversed(), ..row })),
        _ => net.command(owner, Command::Delete { cookie: 0, key: row.key }),
    }
}

fn churn(net: &mut Net, owner: u8, flows: u64, turns: u64) {
    for _ in 0..turns {
        for _ in 0..net.chance.below(20) {
            change(net, owner, flows);
        }
        net.now_us += 1 + net.chance.below(2_000);
        net.turn();
    }
}

/// Without faults, until every bucket was swept, compared and installed.
fn heal(net: &mut Net) {
    net.faults = Faults::default();
    net.cut.clear();
    net.members.iter_mut().for_each(|member| member.slow = 1);
    net.run(2_500_000, 1_000);
}

fn assert_settled(net: &Net, owner: u8, copies: &[u8]) {
    for copy in copies {
        net.assert_equal(owner, *copy);
        net.assert_installed(*copy);
        for bucket in 0..BUCKETS_COUNT as u16 {
            let last = net.members[*copy as usize].events.iter().rev().find_map(|event| match event {
                Event::Compared { bucket: b, state, .. } if *b == bucket => Some(*state),
                _ => None,
            });
            assert_eq!(last, Some(BucketState::Equal), "bucket {bucket} at member {copy}");
        }
    }
    for member in 0..net.members.len() as u8 {
        assert_eq!(net.counter(member, Counter::TombstonesHeld), 0, "tombstones of member {member}");
        assert_eq!(net.counter(member, Counter::DigestsRepaired), 0);
    }
    let live = net.counter(owner, Counter::FlowsHeld);
    let coverage = net.members[owner as usize].events.iter().rev().find_map(|event| match event {
        Event::Coverage { flows, protected, current, dirty_buckets, .. } => {
            Some((*flows, *protected, *current, *dirty_buckets))
        }
        _ => None,
    });
    assert_eq!(coverage, Some((live, live, live, 0)), "every flow protected and current");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn three_engines_converge_after_any_faults(
        seed in any::<u64>(),
        loss in 0u64..30, duplicate in 0u64..10, reorder in 0u64..20, corrupt in 0u64..5,
        ways in 1usize..3, flows in 10u64..3000, slow in 1u64..30, events_max in 16usize..400,
        queue in 1usize..8,
    ) {
        let mut net = Net::new(3, seed, |config| {
            config.ways = ways;
            config.overflow_max = 10_000;
            config.events_max = events_max;
            config.queue_frames_max = queue;
        });
        net.start();
        net.faults = Faults { loss, duplicate, reorder, corrupt };
        net.members[1].slow = slow;
        churn(&mut net, 0, flows, 300);
        heal(&mut net);
        assert_settled(&net, 0, &[1, 2]);
    }

    #[test]
    fn a_copy_that_starts_anew_gets_every_flow(seed in any::<u64>(), loss in 0u64..20) {
        let mut net = Net::new(3, seed, |_| {});
        net.start();
        net.faults = Faults { loss, ..Faults::default() };
        churn(&mut net, 0, 500, 100);
        net.restart(1);
        churn(&mut net, 0, 500, 100);
        net.restart(2);
        churn(&mut net, 0, 500, 20);
        net.restart(2);
        churn(&mut net, 0, 500, 20);
        heal(&mut net);
        assert_settled(&net, 0, &[1, 2]);
    }

    #[test]
    fn a_takeover_pulls_and_a_split_joins(seed in any::<u64>(), loss in 0u64..20, late in 0u64..50) {
        let mut net = Net::new(3, seed, |_| {});
        net.start();
        net.faults = Faults { loss, ..Faults::default() };
        churn(&mut net, 0, 400, 60);
        // Member 0 is cut off, but serves on; member 1 takes over.
        net.cut = vec![(0, 1), (1, 0), (0, 2), (2, 0)];
        churn(&mut net, 0, 400, late);
        net.command(1, Command::Map(roles(term(2, 1), 1, 0, 2)));
        net.command(1, Command::AskRepair { peer: 2, bucket: 0, count: 1024, pull: true });
        for _ in 0..60 {
            change(&mut net, 0, 400);
            let n = net.chance.below(400) as u32;
            net.command(1, upsert(record(1000 + n, 4)));
            net.now_us += 1_000;
            net.turn();
        }
        // What member 0 alone made during the split must reach the new owner.
        net.command(0, upsert_new(record(5000, 3)));
        net.turn();
        net.cut.clear();
        net.command(1, Command::Announce { peer: 0, bucket: 0, count: 1024, released: false });
        churn(&mut net, 1, 400, 30);
        heal(&mut net);
        assert!(net.engine(1).flow(&key(5000)).is_some(), "a flow of the split is lost");
        // Kernels of owners hold flows their engines did not report.
        net.assert_equal(1, 0);
        net.assert_equal(1, 2);
        net.assert_installed(2);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_takeover_keeps_the_newest_state_any_survivor_has(seed in any::<u64>(), loss in 0u64..40) {
        let mut net = Net::new(3, seed, |config| config.ways = 2);
        net.start();
        net.run(200_000, 1_000);
        net.faults = Faults { loss, ..Faults::default() };
        churn(&mut net, 0, 300, 60);
        net.cut = vec![(0, 1), (1, 0), (0, 2), (2, 0)];
        let held = |net: &Net, member| {
            let flows = net.engine(member).flows().map(|(record, stamp, _)| (record.key.canonical().0, (stamp, *record)));
            flows.collect::<std::collections::BTreeMap<_, _>>()
        };
        let (backup, remote) = (held(&net, 1), held(&net, 2));
        net.command(1, Command::Map(roles(term(2, 1), 1, MEMBER_NONE, 2)));
        net.command(1, Command::AskRepair { peer: 2, bucket: 0, count: 1024, pull: true });
        net.run(100_000, 1_000);
        net.faults = Faults::default();
        net.run(1_500_000, 1_000);
        for (key, ours) in &backup {
            if let Some(theirs) = remote.get(key) {
                let newest = if theirs.0 > ours.0 { theirs.1 } else { ours.1 };
                let served = net.engine(1).flow(key);
                prop_assert!(served.is_some(), "both survivors held it");
                let served = served.unwrap().0;
                prop_assert_eq!((served.tcp_state, served.mark, served.edges), (newest.tcp_state, newest.mark, newest.edges));
            }
        }
        net.assert_equal(1, 2);
    }
}

#[test]
fn two_engines_without_faults_never_repair() {
    let mut net = Net::new(2, 1, |_| {});
    net.start();
    churn(&mut net, 0, 2000, 500);
    heal(&mut net);
    assert_settled(&net, 0, &[1]);
    assert_eq!(net.counter(1, Counter::RepairsAsked), 0);
    assert_eq!(net.counter(1, Counter::DigestsDifferent) + net.counter(1, Counter::DigestsUnproven), 0);
    assert_eq!(net.counter(0, Counter::FramesLost), 0);
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    let run = || {
        let mut net = Net::new(3, 5, |_| {});
        net.start();
        net.faults = Faults { loss: 10, ..Faults::default() };
        churn(&mut net, 0, 500, 100);
        let counters: Vec<_> = net.members.iter().map(|m| *m.engine.counters()).collect();
        (net.frames, counters)
    };
    assert_eq!(run(), run());
}
