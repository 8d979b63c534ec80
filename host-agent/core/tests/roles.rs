//! The role machine as a table: every state against every stimulus, seen through inputs and actions only.

mod bench;

use bench::{Bench, LEASE_US, PEER, SILENT_US};
use formats::descriptor::{BucketState, Command, Event, PathState};
use formats::limits::BUCKETS_COUNT;
use formats::unit::heartbeat::RELOADING;
use formats::{FlowRecord, Stamp};
use trine_core::{Action, Fence, Input, KernelOp, Log, State, Takeover};

/// What can happen to a member.
#[derive(Clone, Copy, Debug)]
enum Stimulus {
    PeerSilentProbesAnswer,
    PeerSilentProbesFail,
    SyncLinkSilent,
    PeerRestarted,
    HigherTerm,
    LowerTerm,
    Released,
    StoppedForLong,
    MoveAway,
}

fn apply(bench: &mut Bench, stimulus: Stimulus) {
    match stimulus {
        Stimulus::PeerSilentProbesAnswer => bench.peer(PathState::Silent, 0).pass(10_000, true),
        Stimulus::PeerSilentProbesFail => {
            bench.pass(2 * SILENT_US, false).peer(PathState::Silent, 0).pass(1_400_000, false)
        }
        Stimulus::SyncLinkSilent => {
            bench.path(0, PathState::Silent, 0).pass(500_000, true).finish_walks().pass(500_000, true)
        }
        Stimulus::PeerRestarted => bench.peer(PathState::Up, RELOADING).pass(40_000, true),
        Stimulus::HigherTerm => bench.term(9, PEER, false),
        Stimulus::LowerTerm => bench.term(0, PEER, false),
        Stimulus::Released => bench.term(1, PEER, true),
        Stimulus::StoppedForLong => {
            bench.now_us += 500_000;
            bench.feed(Input::Tick)
        }
        Stimulus::MoveAway => bench.feed(Input::Move { to: PEER }),
    };
}

#[test]
fn every_state_against_every_stimulus() {
    use State::*;
    use Stimulus::*;
    let table = [
        (PeerSilentProbesAnswer, [Serving, Serving, Serving, Releasing, Reloading, Lapsed]),
        (PeerSilentProbesFail, [Reloading, Standby, Isolated, Isolated, Isolated, Isolated]),
        (SyncLinkSilent, [Reloading, Standby, Serving, Serving, Serving, Serving]),
        (PeerRestarted, [Serving, Serving, Serving, Releasing, Reloading, Serving]),
        (HigherTerm, [Reloading, Standby, Reloading, Reloading, Reloading, Reloading]),
        (LowerTerm, [Reloading, Standby, Serving, Releasing, Isolated, Lapsed]),
        (Released, [Serving, Serving, Serving, Releasing, Isolated, Lapsed]),
        (StoppedForLong, [Reloading, Standby, Lapsed, Serving, Isolated, Lapsed]),
        (MoveAway, [Reloading, Standby, Releasing, Releasing, Isolated, Lapsed]),
    ];
    let states = [Reloading, Standby, Serving, Releasing, Isolated, Lapsed];
    let mut wrong = Vec::new();
    for (stimulus, expected) in table {
        for (state, expected) in states.into_iter().zip(expected) {
            let mut bench = Bench::at(state);
            apply(&mut bench, stimulus);
            if bench.state() != expected {
                wrong.push(format!("{state:?} on {stimulus:?}: {:?}, not {expected:?}", bench.state()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn silence_with_answered_probes_is_an_assumed_takeover_in_one_tick() {
    let mut bench = Bench::at(State::Standby);
    bench.peer(PathState::Late, 0).pass(4_000, true).peer(PathState::Silent, 0);
    assert_eq!((bench.state(), bench.fence()), (State::Serving, Some(Fence::Assumed)));
    let position = |wanted: &Action| bench.out.iter().position(|action| action == wanted).expect("done");
    assert!(position(&Action::RenewLease) < position(&Action::TakeAddresses));
}

#[test]
fn without_answered_probes_nothing_is_taken_over_and_the_reason_is_named() {
    let mut bench = Bench::at(State::Standby);
    bench.pass(2 * SILENT_US, false).peer(PathState::Silent, 0).pass(100_000, false);
    assert_eq!(bench.state(), State::Standby);
    assert!(bench.did(&Action::Log(Log::Held("probes unanswered"))));
}

#[test]
fn safe_waits_for_the_lease_of_the_owner() {
    let mut bench = Bench::new(Takeover::Safe);
    bench.follow().verify().peer(PathState::Silent, 0);
    assert_eq!(bench.state(), State::Standby);
    // The bound of the lease, and as long as the owner may not have missed us.
    bench.pass(LEASE_US + SILENT_US, true);
    assert_eq!((bench.state(), bench.fence()), (State::Serving, Some(Fence::Lease)));
}

#[test]
fn safe_renews_nothing_while_nobody_is_heard() {
    let mut bench = Bench::new(Takeover::Safe);
    bench.meet(RELOADING).pass(500_000, true);
    assert_eq!(bench.state(), State::Serving);
    bench.peer(PathState::Silent, 0);
    bench.out.clear();
    bench.pass(20_000, true);
    assert!(!bench.did(&Action::RenewLease));
}

#[test]
fn a_planned_move_fences_then_drains_then_releases_and_ends_with_the_peers_term() {
    let mut bench = Bench::at(State::Serving);
    bench.feed(Input::Move { to: PEER });
    assert!(bench.did(&Action::ReleaseLease) && bench.did(&Action::Drain));
    bench.feed(Input::Drained);
    let release = Command::Announce { peer: PEER, bucket: 0, count: BUCKETS_COUNT as u16, released: true };
    assert!(bench.did(&Action::Nic(release)));
    bench.term(9, PEER, false);
    assert!(bench.did(&Action::Log(Log::MoveDone(Ok(PEER)))) && bench.did(&Action::DropAddresses));
}

#[test]
fn every_event_is_heard_before_the_gate_opens_and_only_ends_once_it_is_closed() {
    let mut bench = Bench::at(State::Standby);
    bench.pass(10_000, true).peer(PathState::Silent, 0).pass(SILENT_US, true);
    assert_eq!(bench.state(), State::Serving);
    let place = |wanted: Action| bench.out.iter().position(|action| *action == wanted).expect("done");
    assert!(place(Action::Listen(true)) < place(Action::RenewLease));
    bench.term(9, PEER, false);
    assert_eq!(bench.state(), State::Reloading);
    assert!(bench.did(&Action::Listen(false)));
}

/// Whether the table is being walked.
fn walks(bench: &Bench) -> bool {
    bench.out.iter().any(|action| matches!(action, Action::Nic(Command::Scan { .. })))
}

#[test]
fn entries_whose_windows_may_have_moved_are_made_anew_before_a_member_is_in_sync() {
    let mut bench = Bench::at(State::Standby);
    bench.finish_walks().feed(Input::GateGone);
    assert!(bench.state() == State::Reloading && walks(&bench), "packets passed an open gate");
    let mut bench = Bench::at(State::Isolated);
    bench.finish_walks().peer(PathState::Up, 0).term(9, PEER, false);
    assert!(bench.state() == State::Reloading && walks(&bench), "packets passed while it served");
    let mut bench = Bench::at(State::Serving);
    bench.feed(Input::GateGone);
    assert_eq!(bench.state(), State::Serving, "a gate that it opens itself");
}

#[test]
fn a_move_that_nobody_takes_is_withdrawn_under_a_higher_term() {
    let mut bench = Bench::at(State::Releasing);
    let term = bench.core.status().term;
    bench.feed(Input::Drained).pass(250_000, true);
    assert_eq!(bench.state(), State::Serving);
    assert!(bench.core.status().term > term);
}

#[test]
fn a_copy_that_is_not_whole_is_no_target() {
    let mut bench = Bench::at(State::Serving);
    bench.peer(PathState::Up, RELOADING).feed(Input::Move { to: PEER });
    assert_eq!(bench.state(), State::Serving);
    bench.pass(5_100_000, true);
    assert!(bench.did(&Action::Log(Log::MoveDone(Err("member 1 has no whole copy".into())))));
}

#[test]
fn a_released_group_is_taken_only_when_the_kernel_holds_everything() {
    let mut bench = Bench::at(State::Standby);
    let (record, stamp) = Default::default();
    let applied = Event::Applied { peer: PEER, sequence: 5, cookie: 0, created: true, record, stamp };
    bench.feed(Input::Nic(applied)).term(1, PEER, true).pass(10_000, true);
    assert_eq!(bench.state(), State::Standby);
    bench.feed(Input::KernelDone { performed: 1, failed: Vec::new() });
    assert_eq!((bench.state(), bench.fence()), (State::Serving, Some(Fence::Released)));
}

#[test]
fn a_standby_is_in_sync_only_when_every_bucket_was_proven() {
    let mut bench = Bench::at(State::Reloading);
    bench.verify();
    assert_eq!(bench.state(), State::Standby);
    assert!(bench.did(&Action::Log(Log::InSync(PEER))));
    let mut bench = Bench::at(State::Reloading);
    for bucket in 1..BUCKETS_COUNT as u16 {
        let state = BucketState::Equal;
        bench.feed(Input::Nic(Event::Compared { peer: PEER, bucket, state, snapshot: true }));
    }
    bench.pass(4_000_000, true);
    assert_eq!(bench.state(), State::Reloading);
}

#[test]
fn an_owner_without_a_data_network_steps_aside() {
    let mut bench = Bench::at(State::Serving);
    bench.pass(700_000, false);
    assert_eq!(bench.state(), State::Releasing);
}

#[test]
fn a_member_that_stood_still_listens_before_it_judges_silence() {
    let mut bench = Bench::at(State::Standby);
    bench.now_us += SILENT_US;
    bench.peer(PathState::Silent, 0);
    assert_eq!(bench.state(), State::Standby);
    bench.peer(PathState::Up, 0).pass(SILENT_US, true);
    assert_eq!(bench.state(), State::Standby);
    bench.now_us += SILENT_US;
    bench.peer(PathState::Silent, 0).pass(SILENT_US + 4_000, true);
    assert_eq!(bench.state(), State::Serving);
}

#[test]
fn each_takeover_on_silence_makes_the_next_one_wait_longer() {
    let mut bench = Bench::at(State::Standby);
    bench.peer(PathState::Silent, 0);
    assert_eq!(bench.state(), State::Serving);
    bench.meet(0).term(9, PEER, false).finish_walks();
    bench.pass(2 * SILENT_US, true).peer(PathState::Up, 0).verify();
    bench.peer(PathState::Silent, 0);
    assert_ne!(bench.state(), State::Serving);
    bench.pass(SILENT_US, true);
    assert_eq!(bench.state(), State::Serving);
}

#[test]
fn nobody_serves_over_entries_that_are_yet_to_be_made_anew() {
    let mut bench = Bench::at(State::Serving);
    bench.term(9, PEER, false).verify();
    let scan = bench.out.iter().find_map(|action| match action {
        Action::Nic(Command::Scan { token, .. }) => Some(*token),
        _ => None,
    });
    let token = scan.expect("a walk over what was served");
    bench.out.clear();
    let row = Event::Row { token, cookie: 0, record: FlowRecord::default(), stamp: Stamp::default() };
    bench.feed(Input::Nic(row)).feed(Input::Nic(Event::ScanEnd { token })).finish_walks();
    assert!(bench.out.iter().any(|action| matches!(action, Action::Kernel(KernelOp::Recreate { .. }))));
    bench.pass(2_000, true).verify();
    assert_eq!(bench.state(), State::Reloading, "not in sync");
    bench.peer(PathState::Silent, 0).pass(2 * SILENT_US, true);
    assert_eq!(bench.state(), State::Reloading, "the gate stays closed");
    bench.feed(Input::KernelDone { performed: 1, failed: vec![] }).pass(2_000, true);
    assert_eq!(bench.state(), State::Serving);
}

#[test]
fn an_owner_that_gave_up_to_a_term_not_known_here_is_not_followed() {
    use formats::unit::heartbeat::{HIGHER_TERM, RELOADING};
    let mut bench = Bench::at(State::Standby);
    bench.peer(PathState::Up, RELOADING | HIGHER_TERM).pass(200_000, true);
    assert_eq!((bench.state(), bench.fence()), (State::Standby, None));
    bench.peer(PathState::Up, RELOADING).pass(2_000, true);
    assert_eq!(bench.fence(), Some(Fence::Released));
}

#[test]
fn a_member_whose_lease_lapsed_waits_for_a_higher_term_that_a_peer_knows() {
    use formats::unit::heartbeat::HIGHER_TERM;
    let mut bench = Bench::at(State::Lapsed);
    bench.peer(PathState::Up, HIGHER_TERM).pass(500_000, true);
    assert_eq!(bench.state(), State::Lapsed);
    bench.peer(PathState::Up, 0).pass(2_000, true);
    assert_eq!(bench.state(), State::Serving);
}

#[test]
fn a_table_that_no_audit_has_read_is_not_moved() {
    let mut bench = Bench::new(trine_core::Takeover::Available);
    bench.meet(formats::unit::heartbeat::RELOADING).pass(500_000, true).peer(PathState::Up, 0);
    bench.finish_walks().coverage().feed(Input::Move { to: PEER }).pass(2_000, true);
    assert_eq!(bench.state(), State::Serving);
    bench.feed(Input::AuditDone(true)).feed(Input::Nic(Event::AuditEnd)).pass(2_000, true);
    assert_eq!(bench.state(), State::Releasing);
}

#[test]
fn a_release_that_is_the_first_word_of_its_term_tells_who_serves_too() {
    let mut bench = Bench::at(State::Standby);
    bench.term(5, PEER, true);
    assert!(bench.core.status().term.0 >= 5);
    bench.pass(2_000, true);
    assert_eq!(bench.fence(), Some(Fence::Released));
}
