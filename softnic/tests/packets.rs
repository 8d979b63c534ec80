//! Owner and copy: the owner sees packets, the copy ends with the same flows.

#[path = "packets/mod.rs"]
mod frames;
mod net;
#[path = "packet_pair/mod.rs"]
mod pair;

use formats::descriptor::Command;
use formats::flow::{status, tcp_state, Nat};
use formats::limits::*;
use formats::register::Counter;
use formats::{FlowKey, FlowRecord, Groups};
use net::*;
use pair::*;
use proptest::prelude::*;
use softnic::parse::tcp_flag::*;
use softnic::{Tracking, Untracked};

#[test]
fn a_copy_follows_a_connection_from_packets_alone() {
    let mut net = start(tracking());
    let mut connection = Connection::new(1000);
    connection.open(&mut net, 0);
    net.turn();
    let copy = flow(&net, 1, &connection.key()).unwrap();
    assert_eq!((copy.tcp_state, copy.scales), (tcp_state::ESTABLISHED, [7, 7]));
    assert_eq!(copy.status, status::SEEN_REPLY | status::ASSURED);
    let emitted = net.counter(0, Counter::RecordsEmitted);
    for _ in 0..100 {
        connection.send(&mut net, 0, 0, 10).unwrap();
        connection.send(&mut net, 0, 1, 100).unwrap();
    }
    net.run(5_000, 1_000);
    // 10,000 bytes one way and 1,000 the other cross a step of 1,024 some 22 times in all edges.
    let updates = net.counter(0, Counter::RecordsEmitted) - emitted;
    assert!((15..30).contains(&updates), "{updates} updates for 200 packets");
    assert_same(&net);
    assert_eq!(net.counter(0, Counter::PacketsTracked), 203);
}

#[test]
fn a_takeover_goes_on_where_the_packets_are() {
    let mut net = start(tracking());
    let mut connection = Connection::new(1000);
    connection.open(&mut net, 0);
    connection.send(&mut net, 0, 1, 5_000).unwrap();
    net.turn();
    // What follows never reaches the copy: the owner dies.
    net.cut = vec![(0, 1), (1, 0)];
    for _ in 0..50 {
        connection.send(&mut net, 0, 1, 1_400).unwrap();
        connection.send(&mut net, 0, 0, 1_400).unwrap();
    }
    net.command(1, Command::Map(roles(term(2, 1), 1, 0, MEMBER_NONE)));
    assert_eq!(connection.send(&mut net, 1, 0, 100), Ok(()));
    assert_eq!(connection.send(&mut net, 1, 1, 100), Ok(()));
    assert!(net.counter(1, Counter::PacketsLoose) > 0);
    // Half a minute later the window is enforced again.
    net.run(31_000_000, 100_000);
    assert_eq!(connection.send(&mut net, 1, 0, 100), Ok(()));
    connection.next[0] += 1 << 30;
    assert_eq!(connection.send(&mut net, 1, 0, 100), Err(Untracked::Window));
}

#[test]
fn replies_to_a_translated_flow_find_it() {
    const OUTSIDE: u32 = 0xcb00_7105;
    let mut net = start(tracking());
    assert_eq!(udp_packet(&mut net, CLIENT, SERVER, (5000, 53)), Ok(()));
    let key = FlowKey { src_port: 5000, dst_port: 53, protocol: 17, ..Connection::new(0).key() };
    let nat = Nat {
        reply_src: SERVER.into(),
        reply_dst: OUTSIDE.into(),
        reply_src_port: 53,
        reply_dst_port: 61_000,
    };
    let record = FlowRecord { key, groups: Groups::NAT, nat, ..FlowRecord::default() };
    net.command(0, upsert_new(record));
    assert_eq!(net.counter(0, Counter::AliasesHeld), 1);
    assert_eq!(udp_packet(&mut net, SERVER, OUTSIDE, (53, 61_000)), Ok(()));
    assert_eq!(flow(&net, 0, &key).unwrap().status, status::SEEN_REPLY);
    assert_eq!(udp_packet(&mut net, OUTSIDE, SERVER, (61_000, 53)), Ok(()), "after translation");
    net.run(3_000_000, 100_000);
    assert_eq!(udp_packet(&mut net, SERVER, OUTSIDE, (53, 61_000)), Ok(()));
    net.turn();
    assert_eq!(flow(&net, 1, &key).unwrap().status, status::SEEN_REPLY | status::ASSURED);
    assert_eq!((net.engine(0).flows().count(), net.counter(1, Counter::AliasesHeld)), (1, 1));
    // Another translation, then the end: the index follows.
    let moved = Nat { reply_dst_port: 61_001, ..nat };
    net.command(0, upsert(FlowRecord { nat: moved, ..record }));
    assert_eq!(udp_packet(&mut net, SERVER, OUTSIDE, (53, 61_001)), Ok(()));
    net.command(0, Command::Delete { cookie: 0, key });
    assert_eq!(net.counter(0, Counter::AliasesHeld), 0);
    net.turn();
    assert_same(&net);
}

#[test]
fn a_host_without_packets_states_what_packets_continue() {
    let mut net = start(tracking());
    let mut connection = Connection::new(1000);
    connection.next = [7_000, 9_000];
    let stated = FlowRecord {
        key: connection.key(),
        groups: Groups::STATUS.with(Groups::LIFETIME),
        tcp_state: tcp_state::ESTABLISHED,
        status: status::SEEN_REPLY | status::ASSURED,
        ..FlowRecord::default()
    };
    net.command(0, upsert_new(stated));
    assert_eq!(connection.send(&mut net, 0, 1, 100), Ok(()));
    assert_eq!(connection.send(&mut net, 0, 0, 100), Ok(()));
    net.turn();
    assert!(flow(&net, 1, &connection.key()).unwrap().groups.has(Groups::EDGES));
    assert_same(&net);
}

#[test]
fn packets_elsewhere_are_counted_and_change_nothing() {
    let mut net = start(tracking());
    let frame = Connection::new(1).segment(0, SYN, 0);
    let now = net.now();
    let engine = &mut net.members[0].engine;
    assert_eq!(engine.packet(now, 1, &frame), Err(Untracked::Port));
    assert_eq!(engine.packet(now, 200, &frame), Err(Untracked::Port));
    assert_eq!(packet(&mut net, 1, &frame), Err(Untracked::NotOwner));
    assert_eq!(packet(&mut net, 0, &frame[..13]), Err(Untracked::EthernetShort));
    assert_eq!(net.engine(0).flows().count() + net.engine(1).flows().count(), 0);
    assert_same(&net);
}

#[test]
fn a_full_table_refuses_and_never_evicts() {
    let mut net = Net::new(1, 1, |config| (config.ways, config.overflow_max) = (1, 10));
    net.members[0].engine.track(tracking());
    net.command(0, Command::Map(roles(term(1, 0), 0, MEMBER_NONE, MEMBER_NONE)));
    let mut first = Connection::new(1);
    first.open(&mut net, 0);
    let mut full = 0;
    for host in 0..3_000 {
        match udp_packet(&mut net, host, SERVER, (9, 9)) {
            Ok(()) => {}
            Err(Untracked::TableFull) => full += 1,
            Err(reason) => panic!("{reason:?}"),
        }
    }
    assert!(full > 1_000 && net.counter(0, Counter::FlowsHeld) <= 1_034, "{full} refused");
    assert_eq!(net.counter(0, Counter::UntrackedTableFull), full);
    assert_eq!(first.send(&mut net, 0, 0, 10), Ok(()), "who is in stays in");
    net.engine(0).balance().unwrap();
}

#[test]
fn a_batch_does_what_its_packets_do_one_by_one() {
    let run = |batch: usize| {
        let mut net = start(tracking());
        let mut connections: Vec<_> = (0..40).map(Connection::new).collect();
        let mut frames = Vec::new();
        for n in 0..2_000 {
            let connection = &mut connections[net.chance.below(40) as usize];
            let flags = [SYN, SYN | ACK, ACK, ACK, FIN | ACK, RST][net.chance.below(6) as usize];
            let mut frame = connection.segment(n % 2, flags, 700);
            frame.truncate(if n % 50 == 0 { 20 } else { frame.len() });
            frames.push(frame);
        }
        let now = net.now();
        for frames in frames.chunks(batch) {
            let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
            match frames[..] {
                [frame] => drop(net.members[0].engine.packet(now, 0, frame).ok()),
                _ => net.members[0].engine.packets(now, 0, &frames),
            }
        }
        net.run(20_000, 1_000);
        assert_same(&net);
        let digests: Vec<_> = (0..BUCKETS_COUNT as u16).map(|b| net.engine(0).bucket_digest(b)).collect();
        (digests, *net.engine(0).counters())
    };
    let one_by_one = run(1);
    assert_eq!(run(7), one_by_one);
    assert_eq!(run(100), one_by_one);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn copies_are_equal_after_any_packets_and_faults(
        seed in any::<u64>(), loss in 0u64..30, trust in any::<bool>(), delay_ms in 0u32..300, mutate in 0u64..30,
    ) {
        let tracking = Tracking { trust, delay_ms, waiting_max: 60, ..tracking() };
        let mut net = Net::new(2, seed, |config| config.ways = 1);
        net.members.iter_mut().for_each(|member| member.engine.track(tracking));
        net.start();
        net.faults = Faults { loss, reorder: loss / 2, duplicate: loss / 3, corrupt: 1 };
        let mut connections: Vec<_> = (0..100).map(Connection::new).collect();
        for _ in 0..300 {
            for _ in 0..net.chance.below(20) {
                let connection = net.chance.below(100) as usize;
                let side = net.chance.below(2) as usize;
                let flags = [SYN, SYN | ACK, ACK, ACK, ACK, FIN | ACK, RST][net.chance.below(7) as usize];
                let length = net.chance.below(1_400) as usize;
                let mut frame = connections[connection].segment(side, flags, length);
                if net.chance.percent(mutate) {
                    let at = net.chance.below(frame.len() as u64) as usize;
                    frame[at] ^= 1 << net.chance.below(8);
                }
                let _ = packet(&mut net, 0, &frame);
                let key = connections[connection].key();
                match net.chance.below(40) {
                    0 => net.command(0, Command::Confirm { cookie: 0, key }),
                    1 => net.command(0, Command::Delete { cookie: 0, key }),
                    2 => net.command(0, upsert(FlowRecord { key, groups: Groups::MARK, mark: 3, ..FlowRecord::default() })),
                    _ => {}
                }
            }
            net.now_us += 1 + net.chance.below(20_000);
            net.turn();
        }
        net.faults = Faults::default();
        net.run(2_500_000, 1_000);
        assert_same(&net);
    }
}
