//! An owner's operations on its kernel against the packets of the same flows.

mod bench;

use bench::{Bench, PEER};
use formats::descriptor::{upsert, Command, Event};
use formats::flow::tcp_state;
use formats::{FlowKey, FlowRecord, Groups, Stamp, Term};
use trine_core::{Action, Change, Input, KernelError, KernelFlow, KernelOp, State};

const ID: u32 = 5;

fn flow(tcp_state: u8) -> FlowRecord {
    let key = FlowKey { src: 1, dst: 2, src_port: 3, dst_port: 4, protocol: 6, ..FlowKey::default() };
    FlowRecord { key, groups: Groups::STATUS, tcp_state, lifetime_s: 300, ..FlowRecord::default() }
}

fn event(change: Change, tcp_state: u8) -> Input {
    Input::Kernel(change, KernelFlow { record: flow(tcp_state), ct_id: ID, unprotected: None })
}

/// What a member that starts to serve has to drain or walk is over.
fn serving() -> Bench {
    let mut bench = Bench::at(State::Serving);
    bench.finish_walks().out.clear();
    bench
}

/// The former owner saw the flow one state further than this one: the kernel is to follow.
fn join(bench: &mut Bench) -> KernelOp {
    let (theirs, ours) = (flow(tcp_state::FIN_WAIT), Some(flow(tcp_state::ESTABLISHED)));
    let (term, ours_term) = (Term(256), Term(512));
    bench.feed(Input::Nic(Event::Merge {
        peer: PEER,
        bucket: 0,
        term,
        theirs,
        ours,
        ours_term,
        ended: false,
    }));
    let ops = operations(bench);
    assert_eq!(ops, [KernelOp::Update { record: flow(tcp_state::FIN_WAIT), timeout_s: 300 }]);
    ops[0]
}

fn operations(bench: &mut Bench) -> Vec<KernelOp> {
    let op = |action: &Action| if let Action::Kernel(op) = action { Some(*op) } else { None };
    let ops = bench.out.iter().filter_map(op).collect();
    bench.out.retain(|action| !matches!(action, Action::Kernel(_)));
    ops
}

/// The cookie of the last upsert, which is to leave the life as it is or to name it.
fn cookie(bench: &Bench) -> u32 {
    let cookie = |action: &Action| match action {
        Action::Nic(Command::Upsert { cookie, .. }) => Some(*cookie),
        _ => None,
    };
    bench.out.iter().rev().find_map(cookie).expect("an upsert")
}

fn done(bench: &mut Bench, failed: Vec<(KernelOp, KernelError)>) {
    bench.feed(Input::KernelDone { performed: 1, failed });
    assert!(bench.did(&Action::Drain), "events raised before may not be read yet");
}

/// The walk over one bucket that was asked for.
fn walk(bench: &Bench) -> Option<u64> {
    bench.out.iter().find_map(|action| match action {
        Action::Nic(Command::Scan { token, count: 1, .. }) => Some(*token),
        _ => None,
    })
}

/// The walk meets the flow as the NIC holds it now.
fn meet(bench: &mut Bench, record: FlowRecord) {
    let token = walk(bench).expect("a walk over the bucket");
    bench.out.clear();
    bench.feed(Input::Nic(Event::Row { token, cookie: ID, record, stamp: Stamp::default() }));
    bench.feed(Input::Nic(Event::ScanEnd { token }));
}

#[test]
fn an_operation_behind_newer_packets_is_followed_by_the_present_state() {
    for event_is_late in [false, true] {
        let mut bench = serving();
        join(&mut bench);
        if !event_is_late {
            bench.feed(event(Change::Update, tcp_state::CLOSE_WAIT));
        }
        done(&mut bench, Vec::new());
        if event_is_late {
            bench.feed(event(Change::Update, tcp_state::CLOSE_WAIT));
        }
        assert_eq!(cookie(&bench), ID, "an update leaves the kernel's id alone");
        bench.feed(Input::Drained);
        let record = flow(tcp_state::CLOSE_WAIT);
        meet(&mut bench, record);
        assert_eq!(operations(&mut bench), [KernelOp::Update { record, timeout_s: 300 }]);
    }
}

#[test]
fn an_operation_that_no_packet_overtook_is_all() {
    let mut bench = serving();
    join(&mut bench);
    done(&mut bench, Vec::new());
    bench.feed(Input::Drained).feed(event(Change::Update, tcp_state::CLOSE_WAIT));
    assert_eq!(walk(&bench), None);
}

#[test]
fn a_refused_operation_is_mended_only_when_no_end_waits_to_be_read() {
    let mut bench = serving();
    let update = join(&mut bench);
    done(&mut bench, vec![(update, KernelError::Missing)]);
    assert_eq!(walk(&bench), None, "not drained");
    bench.feed(event(Change::Destroy, tcp_state::FIN_WAIT)).feed(Input::Drained);
    assert_eq!(walk(&bench), None, "it has ended");
}

/// An owner whose kernel lost a flow that packets still use.
fn made_anew() -> Bench {
    let mut bench = serving();
    let update = join(&mut bench);
    done(&mut bench, vec![(update, KernelError::Missing)]);
    bench.feed(Input::Drained);
    meet(&mut bench, flow(tcp_state::FIN_WAIT));
    bench
}

#[test]
fn an_entry_that_the_owner_makes_anew_is_the_same_life() {
    let mut bench = made_anew();
    let record = flow(tcp_state::FIN_WAIT);
    let unnamed = FlowRecord { groups: Groups::NONE, ..record };
    let renamed = Command::Upsert { flags: upsert::REMADE, cookie: 0, record: unnamed };
    assert!(bench.did(&Action::Nic(renamed)));
    assert_eq!(operations(&mut bench), [KernelOp::Recreate { record, timeout_s: 300 }]);
    // Whether an event tells of the old entry or the new one, nobody knows before all are read.
    bench.feed(event(Change::Update, tcp_state::FIN_WAIT));
    assert_eq!(cookie(&bench), 0);
    done(&mut bench, Vec::new());
    bench.feed(event(Change::Update, tcp_state::FIN_WAIT));
    assert_eq!(cookie(&bench), 0);
    bench.feed(Input::Drained).feed(event(Change::Update, tcp_state::FIN_WAIT));
    assert_eq!(cookie(&bench), ID);
}

#[test]
fn a_flow_that_ended_while_it_was_made_anew_is_removed() {
    let mut bench = made_anew();
    operations(&mut bench);
    bench.feed(event(Change::Destroy, tcp_state::FIN_WAIT));
    done(&mut bench, Vec::new());
    bench.feed(Input::Drained);
    assert_eq!(operations(&mut bench), [KernelOp::Remove { key: flow(0).key, ct_id: 0 }]);
}

#[test]
fn what_a_standby_asked_for_races_once_it_serves() {
    let mut bench = Bench::at(State::Standby);
    bench.finish_walks().out.clear();
    let record = flow(tcp_state::ESTABLISHED);
    let (created, stamp) = (false, Stamp::default());
    bench.feed(Input::Nic(Event::Applied { peer: PEER, sequence: 1, cookie: 0, created, record, stamp }));
    bench.peer(formats::descriptor::PathState::Silent, 0).pass(200_000, true);
    assert_eq!(bench.state(), State::Serving);
    bench.feed(event(Change::Update, tcp_state::FIN_WAIT)).finish_walks();
    done(&mut bench, Vec::new());
    bench.feed(Input::Drained);
    let record = flow(tcp_state::FIN_WAIT);
    operations(&mut bench);
    meet(&mut bench, record);
    assert_eq!(operations(&mut bench), [KernelOp::Update { record, timeout_s: 300 }]);
}

#[test]
fn no_audit_begins_before_its_rows_are_as_new_as_the_nic() {
    let mut bench = serving();
    join(&mut bench);
    bench.feed(event(Change::Update, tcp_state::CLOSE_WAIT));
    done(&mut bench, Vec::new());
    bench.feed(Input::Overrun);
    assert!(!bench.did(&Action::Dump), "not drained");
    bench.feed(Input::Drained);
    assert!(!bench.did(&Action::Dump), "not mended");
    meet(&mut bench, flow(tcp_state::CLOSE_WAIT));
    assert!(!bench.did(&Action::Dump), "the mend is under way");
    done(&mut bench, Vec::new());
    bench.feed(Input::Drained);
    assert!(bench.did(&Action::Dump));
}
