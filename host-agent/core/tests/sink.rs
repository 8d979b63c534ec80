//! What the kernel refuses: repaired from the NIC's present state, never by repeating the operation.

mod bench;

use bench::{Bench, PEER};
use formats::descriptor::{Command, Event};
use formats::flow::{protocol, tcp_state};
use formats::{FlowKey, FlowRecord, Groups, Stamp};
use trine_core::{Action, Input, KernelError, KernelOp, State};

const TIMEOUT_S: u32 = 3_600;

fn flow(tcp_state: u8) -> FlowRecord {
    let key =
        FlowKey { src: 1, dst: 2, src_port: 3, dst_port: 4, protocol: protocol::TCP, ..FlowKey::default() };
    FlowRecord { key, groups: Groups::STATUS, tcp_state, ..FlowRecord::default() }
}

fn applied(record: FlowRecord, created: bool) -> Input {
    Input::Nic(Event::Applied {
        peer: PEER,
        sequence: 1,
        cookie: 0,
        created,
        record,
        stamp: Stamp::default(),
    })
}

/// The operations asked for since the last look.
fn operations(bench: &mut Bench) -> Vec<KernelOp> {
    let ops = bench.out.iter().filter_map(|action| match action {
        Action::Kernel(op) => Some(*op),
        _ => None,
    });
    let ops = ops.collect();
    bench.out.retain(|action| !matches!(action, Action::Kernel(_)));
    ops
}

/// The walk asked for last.
fn walk(bench: &mut Bench) -> Option<u64> {
    let token = bench.out.iter().find_map(|action| match action {
        Action::Nic(Command::Scan { token, count: 1, .. }) => Some(*token),
        _ => None,
    });
    bench.out.retain(|action| !matches!(action, Action::Nic(Command::Scan { .. })));
    token
}

/// A standby whose kernel holds an older life of a flow: the create is refused, the update that followed
/// it is performed.
fn refused() -> Bench {
    let mut bench = Bench::at(State::Standby);
    bench.finish_walks().out.clear();
    let (old, new) = (flow(tcp_state::SYN_SENT), flow(tcp_state::ESTABLISHED));
    bench.feed(applied(old, true)).feed(applied(new, false));
    let ops = operations(&mut bench);
    assert_eq!(ops.len(), 2);
    bench.feed(Input::KernelDone { performed: 2, failed: vec![(ops[0], KernelError::Exists)] });
    bench
}

#[test]
fn a_refused_create_is_mended_with_what_the_nic_holds_now() {
    let mut bench = refused();
    assert_eq!(operations(&mut bench), [], "an older state must not come back");
    assert_eq!(bench.core.status().counters["install_refused"], 1);
    let token = walk(&mut bench).expect("a walk over the bucket");
    let record = flow(tcp_state::ESTABLISHED);
    bench.feed(Input::Nic(Event::Row { token, cookie: 0, record, stamp: Stamp::default() }));
    assert_eq!(operations(&mut bench), [KernelOp::Recreate { record, timeout_s: TIMEOUT_S }]);
    bench.feed(Input::Nic(Event::ScanEnd { token })).feed(Input::KernelDone { performed: 1, failed: vec![] });
    assert_eq!(operations(&mut bench), []);
    assert_eq!((walk(&mut bench), bench.core.status().counters["install_refused"]), (None, 0));
}

#[test]
fn what_the_nic_no_longer_holds_is_removed() {
    let mut bench = refused();
    let token = walk(&mut bench).expect("a walk over the bucket");
    bench.feed(Input::Nic(Event::ScanEnd { token }));
    let key = flow(0).key;
    assert_eq!(operations(&mut bench), [KernelOp::Remove { key, ct_id: 0 }]);
}

#[test]
fn a_refusal_during_the_walk_asks_for_another() {
    let mut bench = refused();
    let token = walk(&mut bench).expect("a walk over the bucket");
    let record = flow(tcp_state::ESTABLISHED);
    bench.feed(applied(record, false));
    let ops = operations(&mut bench);
    bench.feed(Input::KernelDone { performed: 1, failed: vec![(ops[0], KernelError::Missing)] });
    bench.feed(Input::Nic(Event::ScanEnd { token }));
    assert!(walk(&mut bench).is_some());
}

#[test]
fn what_finds_no_room_is_named_and_told_and_tried_again_until_there_is_some() {
    let mut bench = Bench::at(State::Standby);
    bench.finish_walks().out.clear();
    bench.feed(applied(flow(tcp_state::ESTABLISHED), true));
    bench.feed(Input::Nic(Event::FrameEnd { peer: PEER, session: 7, sequence: 9 }));
    let failed: Vec<_> = operations(&mut bench).into_iter().map(|op| (op, KernelError::TableFull)).collect();
    bench.feed(Input::KernelDone { performed: 1, failed });
    let told = |refused| Action::Nic(Command::Installed { peer: PEER, session: 7, sequence: 9, refused });
    let named = |bench: &Bench| bench.core.status().unprotected.get("kernel table full").copied();
    assert!(bench.did(&told(1)));
    assert_eq!(named(&bench), Some(1));
    bench.pass(1_100_000, true);
    let token = walk(&mut bench).expect("it is tried again");
    let record = flow(tcp_state::ESTABLISHED);
    bench.feed(Input::Nic(Event::Row { token, cookie: 0, record, stamp: Stamp::default() }));
    bench.feed(Input::Nic(Event::ScanEnd { token }));
    assert_eq!(operations(&mut bench), [KernelOp::Recreate { record, timeout_s: TIMEOUT_S }]);
    assert_eq!(named(&bench), Some(1), "nothing is known while it is under way");
    bench.feed(Input::KernelDone { performed: 1, failed: Vec::new() });
    assert!(!bench.did(&told(0)));
    bench.pass(2_100_000, true);
    assert!(bench.did(&told(0)), "without another frame");
    assert_eq!(named(&bench), None);
}

#[test]
fn an_owner_does_not_call_protected_what_a_copy_could_not_install() {
    let mut bench = Bench::at(State::Serving);
    let (flows, protected, current, dirty_buckets) = (10, 10, 6, 0);
    bench.feed(Input::Nic(Event::Coverage { flows, protected, current, dirty_buckets, refused: 3 }));
    let status = bench.core.status();
    assert_eq!((status.coverage.flows, status.coverage.protected, status.coverage.current), (10, 7, 6));
    assert_eq!(status.unprotected["not installed on a copy"], 3);
}
