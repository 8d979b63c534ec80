//! Lives of flows that packets make: waiting, replicating, opened again, aged.

#[path = "packets/mod.rs"]
mod frames;
mod net;
#[path = "packet_pair/mod.rs"]
mod pair;

use formats::descriptor::Command;
use formats::flow::tcp_state;
use formats::register::Counter;
use formats::{FlowRecord, Groups};
use net::*;
use pair::*;
use softnic::parse::tcp_flag::*;
use softnic::{Tracking, Untracked};

#[test]
fn a_flow_waits_for_the_host_unless_packets_are_trusted() {
    let mut net = start(Tracking { trust: false, ..tracking() });
    let (mut asked, mut stated, mut refused) = (Connection::new(1), Connection::new(2), Connection::new(3));
    for connection in [&mut asked, &mut stated, &mut refused] {
        connection.open(&mut net, 0);
    }
    net.run(1_100_000, 10_000);
    assert_eq!(net.counter(0, Counter::FlowsWaiting), 3);
    assert_eq!((net.engine(0).flows().count(), net.engine(1).flows().count()), (0, 0));
    net.command(0, Command::Confirm { cookie: 7, key: asked.key() });
    let record = FlowRecord {
        key: stated.key(),
        groups: Groups::STATUS.with(Groups::MARK),
        tcp_state: tcp_state::SYN_SENT,
        mark: 5,
        ..FlowRecord::default()
    };
    net.command(0, upsert_new(record));
    net.command(0, Command::Delete { cookie: 0, key: refused.key() });
    net.command(0, Command::Confirm { cookie: 7, key: refused.key() });
    net.turn();
    for connection in [&asked, &stated] {
        assert_eq!(flow(&net, 1, &connection.key()).unwrap().tcp_state, tcp_state::ESTABLISHED);
    }
    assert_eq!(flow(&net, 1, &stated.key()).unwrap().mark, 5);
    let counts = [
        Counter::FlowsWaiting,
        Counter::FlowsDropped,
        Counter::FlowsReplicated,
        Counter::FlowsConfirmed,
        Counter::ConfirmsRefused,
    ];
    assert_eq!(counts.map(|counter| net.counter(0, counter)), [0, 1, 2, 1, 1]);
    // Packets own the state from now on, the host the mark.
    net.command(0, upsert(FlowRecord { mark: 6, ..record }));
    net.turn();
    let copy = flow(&net, 1, &stated.key()).unwrap();
    assert_eq!((copy.mark, copy.tcp_state), (6, tcp_state::ESTABLISHED));
    assert_same(&net);
}

#[test]
fn a_scan_is_no_storm_and_leaves_nothing() {
    let mut net = start(Tracking { trust: false, waiting_max: 500, ..tracking() });
    let emitted = net.counter(0, Counter::RecordsEmitted);
    for port in 1..=600 {
        let frame = Connection::new(port).segment(0, SYN, 0);
        let expected = if port <= 500 { Ok(()) } else { Err(Untracked::WaitingFull) };
        assert_eq!(packet(&mut net, 0, &frame), expected);
    }
    net.run(119_000_000, 1_000_000);
    assert_eq!(net.counter(0, Counter::FlowsWaiting), 500);
    net.run(3_000_000, 100_000);
    assert_eq!((net.counter(0, Counter::FlowsWaiting), net.counter(0, Counter::FlowsDropped)), (0, 500));
    assert_eq!(net.counter(0, Counter::RecordsEmitted), emitted);
    assert_same(&net);
}

#[test]
fn a_flow_lives_some_time_before_it_replicates() {
    let mut net = start(Tracking { delay_ms: 500, ..tracking() });
    let mut connection = Connection::new(1000);
    connection.open(&mut net, 0);
    net.run(300_000, 10_000);
    connection.send(&mut net, 0, 0, 10).unwrap();
    net.turn();
    assert_eq!(flow(&net, 1, &connection.key()), None);
    net.run(400_000, 10_000);
    connection.send(&mut net, 0, 0, 10).unwrap();
    net.turn();
    assert!(flow(&net, 1, &connection.key()).is_some(), "a packet after the delay");
    let mut silent = Connection::new(1001);
    silent.open(&mut net, 0);
    net.run(2_000_000, 10_000);
    assert!(flow(&net, 1, &silent.key()).is_some(), "the pass finds a flow that fell silent");
    assert_same(&net);
}

#[test]
fn a_closed_flow_opens_again_as_another_life() {
    let mut net = start(tracking());
    let mut first = Connection::new(1000);
    first.open(&mut net, 0);
    for (side, flags) in [(0, FIN | ACK), (1, FIN | ACK), (0, ACK)] {
        let frame = first.segment(side, flags, 0);
        assert_eq!(packet(&mut net, 0, &frame), Ok(()));
    }
    net.turn();
    let closed = flow(&net, 1, &first.key()).unwrap();
    assert_eq!(closed.tcp_state, tcp_state::TIME_WAIT);
    net.now_us += 1_000_000;
    let mut second = Connection { next: [77, 99], ..Connection::new(1000) };
    second.open(&mut net, 0);
    net.turn();
    let copy = flow(&net, 1, &first.key()).unwrap();
    assert_eq!(copy.tcp_state, tcp_state::ESTABLISHED);
    assert_ne!(copy.incarnation, closed.incarnation);
    assert_eq!(net.counter(0, Counter::FlowsReopened), 1);
    assert_same(&net);
}

#[test]
fn a_key_may_wait_while_its_last_end_travels() {
    let mut net = start(Tracking { trust: false, ..tracking() });
    let mut connection = Connection::new(1000);
    connection.open(&mut net, 0);
    net.command(0, Command::Confirm { cookie: 0, key: connection.key() });
    net.turn();
    net.cut = vec![(1, 0)];
    net.command(0, Command::Delete { cookie: 0, key: connection.key() });
    net.run(5_000, 1_000);
    Connection::new(1000).open(&mut net, 0);
    let held = [Counter::TombstonesHeld, Counter::FlowsWaiting, Counter::FlowsHeld];
    assert_eq!(held.map(|counter| net.counter(0, counter)), [1, 1, 0]);
    net.engine(0).balance().unwrap();
    net.cut.clear();
    net.run(500_000, 5_000);
    assert_eq!(held.map(|counter| net.counter(0, counter)), [0, 1, 0]);
    assert_same(&net);
    net.command(0, Command::Confirm { cookie: 0, key: connection.key() });
    net.turn();
    assert_eq!(held.map(|counter| net.counter(0, counter)), [0, 0, 1]);
    assert_same(&net);
}

#[test]
fn a_trusted_flow_ages_where_no_host_would_end_it() {
    let mut net = start(tracking());
    udp_packet(&mut net, CLIENT, SERVER, (5000, 53)).unwrap();
    net.turn();
    assert_eq!(net.engine(1).flows().count(), 1);
    net.run(33_000_000, 500_000);
    assert_eq!((net.engine(0).flows().count(), net.engine(1).flows().count()), (0, 0));
    assert_eq!(net.counter(0, Counter::FlowsAged), 1);
    assert_same(&net);
}
