//! Source, sink and audit: what becomes of kernel events, NIC events and refusals.

mod bench;

use bench::{Bench, PEER};
use formats::descriptor::{upsert, Command, Event, PathState};
use formats::unit::heartbeat::RELOADING;
use formats::{Family, FlowKey, FlowRecord, Groups, Nat, Stamp, Term};
use trine_core::{Action, Change, Input, KernelError, KernelFlow, KernelOp, State, Takeover, Unprotected};

const CLIENT: u128 = 0x0a01_000a;
const SERVER: u128 = 0x0a02_000a;
const MEMBER: u128 = 0x0a01_0001;

fn record() -> FlowRecord {
    FlowRecord {
        key: FlowKey {
            src: CLIENT,
            dst: SERVER,
            src_port: 4000,
            dst_port: 80,
            protocol: 6,
            ..FlowKey::default()
        },
        groups: Groups::STATUS.with(Groups::LIFETIME),
        tcp_state: 3,
        lifetime_s: 300,
        ..FlowRecord::default()
    }
}

fn translated(to: u128) -> FlowRecord {
    let nat = Nat { reply_src: SERVER, reply_dst: to, reply_src_port: 80, reply_dst_port: 4000 };
    FlowRecord { groups: record().groups.with(Groups::NAT), nat, ..record() }
}

fn kernel(change: Change, record: FlowRecord) -> Input {
    Input::Kernel(change, KernelFlow { record, ct_id: 5, unprotected: None })
}

fn applied(record: FlowRecord, created: bool) -> Input {
    let stamp = Stamp { term: Term(256), version: 1 };
    Input::Nic(Event::Applied { peer: PEER, sequence: 9, cookie: 0, created, record, stamp })
}

fn ops(bench: &Bench) -> Vec<KernelOp> {
    let op = |action: &Action| if let Action::Kernel(op) = action { Some(*op) } else { None };
    bench.out.iter().filter_map(op).collect()
}

fn fail(bench: &mut Bench, error: KernelError) -> Vec<KernelOp> {
    let failed = ops(bench).into_iter().map(|op| (op, error)).collect::<Vec<_>>();
    bench.out.clear();
    bench.feed(Input::KernelDone { performed: failed.len() as u64, failed });
    ops(bench)
}

/// What follows when the walk that mends meets the flow as the NIC holds it now.
fn mended(bench: &mut Bench, record: FlowRecord) -> Vec<KernelOp> {
    let token = bench.out.iter().find_map(|action| match action {
        Action::Nic(Command::Scan { token, count: 1, .. }) => Some(*token),
        _ => None,
    });
    let token = token.expect("a walk over the bucket");
    bench.out.clear();
    bench.feed(Input::Nic(Event::Row { token, cookie: 0, record, stamp: Stamp::default() }));
    bench.feed(Input::Nic(Event::ScanEnd { token }));
    ops(bench)
}

/// What follows when that walk does not meet the flow.
fn mended_without_a_row(bench: &mut Bench) -> Vec<KernelOp> {
    bench.finish_walks();
    ops(bench)
}

#[test]
fn the_owner_upserts_and_deletes_with_the_kernels_id() {
    let mut bench = Bench::at(State::Serving);
    bench.feed(kernel(Change::New, record())).feed(kernel(Change::Destroy, record()));
    assert!(bench.did(&Action::Nic(Command::Upsert { flags: upsert::NEW, cookie: 5, record: record() })));
    assert!(bench.did(&Action::Nic(Command::Delete { cookie: 5, key: record().key })));
}

#[test]
fn what_cannot_move_is_named_and_not_replicated() {
    let mut bench = Bench::at(State::Serving);
    let helper = KernelFlow { record: record(), ct_id: 5, unprotected: Some(Unprotected::Helper) };
    bench.feed(Input::Kernel(Change::New, helper));
    let mut stays = translated(MEMBER);
    stays.key.src_port = 4001;
    bench.feed(kernel(Change::New, stays));
    let counts = bench.core.status().unprotected;
    assert_eq!((counts["helper"], counts["address stays"]), (1, 1));
    assert!(!bench.out.iter().any(|a| matches!(a, Action::Nic(Command::Upsert { .. }))));
    bench.feed(kernel(Change::Destroy, stays));
    assert!(!bench.core.status().unprotected.contains_key("address stays"));
}

#[test]
fn the_gateways_own_connections_are_left_alone() {
    let mut bench = Bench::at(State::Serving);
    bench.feed(Input::LocalAddresses(vec![(Family::V4, MEMBER)]));
    let mut own = record();
    own.key.dst = MEMBER;
    bench.feed(kernel(Change::New, own));
    assert_eq!(bench.core.status().counters["local_flows"], 1);
    assert!(!bench.out.iter().any(|a| matches!(a, Action::Nic(Command::Upsert { .. }))));
}

#[test]
fn a_copy_gets_the_lease_as_timeout_and_a_frame_is_installed_after_its_last_operation() {
    let mut bench = Bench::at(State::Standby);
    bench.feed(applied(record(), true));
    bench.feed(Input::Nic(Event::FrameEnd { peer: PEER, session: 7, sequence: 9 }));
    assert_eq!(ops(&bench), [KernelOp::Create { record: record(), timeout_s: 3_600 }]);
    let installed = Command::Installed { peer: PEER, session: 7, sequence: 9, refused: 0 };
    assert!(!bench.did(&Action::Nic(installed)));
    bench.feed(Input::KernelDone { performed: 1, failed: Vec::new() });
    assert!(bench.did(&Action::Nic(installed)));
}

#[test]
fn an_entry_that_is_there_is_made_anew() {
    let mut bench = Bench::at(State::Standby);
    bench.feed(applied(record(), true));
    assert!(fail(&mut bench, KernelError::Exists).is_empty());
    let next = mended(&mut bench, record());
    assert_eq!(next, [KernelOp::Recreate { record: record(), timeout_s: 3_600 }]);
}

#[test]
fn a_translated_port_held_by_another_flow_is_a_counted_conflict_told_to_the_owner() {
    let mut bench = Bench::at(State::Standby);
    bench.feed(applied(translated(SERVER), true));
    fail(&mut bench, KernelError::Exists);
    mended(&mut bench, translated(SERVER));
    assert!(fail(&mut bench, KernelError::Exists).is_empty());
    assert_eq!(bench.core.status().counters["install_conflicts"], 1);
    bench.feed(Input::Nic(Event::FrameEnd { peer: PEER, session: 7, sequence: 10 }));
    let told = Command::Installed { peer: PEER, session: 7, sequence: 10, refused: 1 };
    assert!(bench.did(&Action::Nic(told)));
    // It is tried again: the other flow may have ended.
    bench.pass(1_100_000, true);
    assert!(bench.out.iter().any(|a| matches!(a, Action::Nic(Command::Scan { .. }))));
}

#[test]
fn a_full_kernel_table_is_told_to_the_owner() {
    let mut bench = Bench::at(State::Standby);
    bench.feed(applied(record(), true));
    assert!(fail(&mut bench, KernelError::TableFull).is_empty());
    assert_eq!(bench.core.status().counters["install_refused"], 1);
}

#[test]
fn a_change_the_kernel_refuses_and_a_missing_entry_make_it_anew() {
    const EBUSY: i32 = 16;
    for error in [KernelError::Refused(EBUSY), KernelError::Missing] {
        let mut bench = Bench::at(State::Standby);
        bench.finish_walks().feed(applied(record(), false));
        assert!(fail(&mut bench, error).is_empty(), "{error:?}");
        let expected = KernelOp::Recreate { record: record(), timeout_s: 3_600 };
        assert_eq!(mended(&mut bench, record()), [expected], "{error:?}");
    }
}

#[test]
fn a_stray_is_counted_and_its_copy_made_anew() {
    let mut bench = Bench::at(State::Standby);
    bench.out.clear();
    bench.feed(kernel(Change::Update, record()));
    assert_eq!(bench.core.status().counters["strays"], 1);
    let token = bench.out.iter().find_map(|action| match action {
        Action::Nic(Command::Scan { token, count: 1, .. }) => Some(*token),
        _ => None,
    });
    let token = token.expect("its bucket is read");
    bench.feed(Input::Nic(Event::Row { token, cookie: 0, record: record(), stamp: Stamp::default() }));
    assert_eq!(ops(&bench), [KernelOp::Recreate { record: record(), timeout_s: 3_600 }]);
}

#[test]
fn an_audit_ends_only_what_the_kernel_says_is_gone() {
    let mut bench = Bench::at(State::Serving);
    bench.feed(Input::Overrun);
    assert!(bench.did(&Action::Dump) && bench.did(&Action::Nic(Command::AuditBegin)));
    bench.feed(Input::AuditRow(KernelFlow { record: record(), ct_id: 5, unprotected: None }));
    assert!(bench.did(&Action::Nic(Command::Upsert { flags: upsert::AUDIT, cookie: 5, record: record() })));
    bench.feed(Input::AuditDone(true));
    let mut gone = record();
    gone.key.src_port = 9;
    bench.feed(Input::Nic(Event::AuditMissing { cookie: 8, record: gone }));
    assert_eq!(ops(&bench), [KernelOp::Verify { key: gone.key, ct_id: 8 }]);
    bench.feed(Input::Gone { key: gone.key, ct_id: 8 });
    assert!(bench.did(&Action::Nic(Command::Delete { cookie: 8, key: gone.key })));
}

#[test]
fn an_audit_of_a_copy_trusts_the_nic() {
    let mut bench = Bench::at(State::Standby);
    bench.feed(Input::Nic(Event::AuditExtra { cookie: 8, key: record().key }));
    bench.feed(Input::Nic(Event::AuditMissing { cookie: 0, record: record() }));
    let expected = [
        KernelOp::Remove { key: record().key, ct_id: 8 },
        KernelOp::Create { record: record(), timeout_s: 3_600 },
    ];
    assert_eq!(ops(&bench), expected);
}

#[test]
fn who_lost_the_group_before_its_first_audit_proposes_the_rows_of_its_kernel() {
    let row = || Input::AuditRow(KernelFlow { record: record(), ct_id: 5, unprotected: None });
    let stated = |flags| Action::Nic(Command::Upsert { flags, cookie: 5, record: record() });
    let mut bench = Bench::new(Takeover::Available);
    bench.meet(RELOADING).pass(500_000, true).peer(PathState::Up, 0);
    assert_eq!(bench.state(), State::Serving);
    bench.feed(Input::AuditDone(false)).term(9, PEER, false).finish_walks().out.clear();
    bench.verify();
    assert_eq!(bench.state(), State::Standby);
    assert!(bench.did(&Action::Dump));
    bench.out.clear();
    // A stray is made anew from the NIC, which may not hold it yet.
    bench.feed(kernel(Change::Update, record()));
    assert!(mended_without_a_row(&mut bench).is_empty());
    bench.feed(row());
    assert!(bench.did(&stated(upsert::AUDIT | upsert::PROPOSE)));
    bench.feed(Input::AuditDone(true)).feed(Input::Nic(Event::AuditEnd));
    bench.out.clear();
    bench.feed(kernel(Change::Update, record()));
    let removed = KernelOp::Remove { key: record().key, ct_id: 0 };
    assert_eq!(mended_without_a_row(&mut bench), [removed], "the NIC was told all");
    bench.feed(Input::Overrun).feed(row());
    assert!(bench.did(&stated(upsert::AUDIT)));
}

#[test]
fn a_proposal_after_a_split_is_joined_and_installed() {
    // The NIC of an isolated owner still serves the term, so what it took must not be dropped here.
    for state in [State::Serving, State::Isolated] {
        let mut bench = Bench::at(state);
        let ours = FlowRecord { tcp_state: 3, ..record() };
        let theirs = FlowRecord { tcp_state: 4, ..record() };
        let merge = Event::Merge {
            peer: PEER,
            bucket: 1,
            term: Term(256),
            theirs,
            ours: Some(ours),
            ours_term: Term(512),
            ended: false,
        };
        bench.feed(Input::Nic(merge));
        let joined = bench.out.iter().find_map(|action| match action {
            Action::Nic(Command::Upsert { flags: upsert::JOIN, record, .. }) => Some(record.tcp_state),
            _ => None,
        });
        assert_eq!(joined, Some(4), "{state:?}");
        assert!(matches!(ops(&bench)[..], [KernelOp::Update { .. }]), "{state:?}");
    }
}

#[test]
fn a_flow_that_ended_here_lives_on_only_if_the_other_side_saw_more_of_it() {
    let ours = FlowRecord { tcp_state: 5, ..record() };
    let merge = |theirs| {
        let mut bench = Bench::at(State::Serving);
        let (term, ours_term) = (Term(256), Term(512));
        let ours = Some(ours);
        let event = Event::Merge { peer: PEER, bucket: 1, term, theirs, ours, ours_term, ended: true };
        bench.feed(Input::Nic(event));
        ops(&bench)
    };
    assert_eq!(merge(FlowRecord { tcp_state: 4, lifetime_s: 900, ..ours }), []);
    let more = FlowRecord { tcp_state: 6, ..ours };
    assert_eq!(merge(more), [KernelOp::Create { record: more, timeout_s: 300 }]);
}
