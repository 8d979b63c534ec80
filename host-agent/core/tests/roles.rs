//! The role machine as a table: every state against every stimulus, seen through inputs and actions only.

use formats::descriptor::{BucketState, Command, Event, PathState, Roles};
use formats::limits::{BUCKETS_COUNT, MEMBER_NONE};
use formats::unit::heartbeat::{FORWARDING, HOST_ALIVE, RELOADING};
use formats::{ClusterSecret, Term};
use trine_core::{Action, Config, Core, Fence, Input, Log, State, Takeover};

const ME: u8 = 0;
const PEER: u8 = 1;
const SILENT_US: u64 = 30_000;
const LEASE_US: u64 = 50_000;

struct Bench {
    core: Core,
    now_us: u64,
    out: Vec<Action>,
}

impl Bench {
    fn new(takeover: Takeover) -> Self {
        let config = Config {
            member: ME,
            order: vec![ME, PEER],
            remote: Vec::new(),
            networks_count: 2,
            probed_networks: vec![0, 1],
            takeover,
            power_hook: false,
            silent_us: SILENT_US,
            lease_us: LEASE_US,
            renew_us: 4_000,
            boot_us: 500_000,
            probe_us: 200_000,
            probe_suspect_us: 4_000,
            audit_us: 60_000_000,
            copy_timeout_s: 3_600,
            moving: Vec::new(),
            secret: ClusterSecret([1; 32]),
        };
        Self { core: Core::new(config, 1_000_000), now_us: 1_000_000, out: Vec::new() }
    }

    fn feed(&mut self, input: Input) -> &mut Self {
        self.core.handle(self.now_us, input, &mut self.out);
        self
    }

    /// Time passes in steps of a tick, probes answered or not.
    fn pass(&mut self, us: u64, probes_answered: bool) -> &mut Self {
        let end = self.now_us + us;
        while self.now_us < end {
            self.now_us += 2_000;
            if probes_answered {
                self.feed(Input::Probed { network: 0 }).feed(Input::Probed { network: 1 });
            }
            self.feed(Input::Tick);
        }
        self
    }

    fn path(&mut self, port: u8, state: PathState, beat_flags: u16) -> &mut Self {
        let heard_us = if state == PathState::Up { self.now_us } else { self.now_us - SILENT_US };
        let lease_us = LEASE_US as u32;
        self.feed(Input::Nic(Event::Path { peer: PEER, port, state, beat_flags, heard_us, lease_us }))
    }

    fn peer(&mut self, state: PathState, flags: u16) -> &mut Self {
        for port in 0..3 {
            self.path(port, state, HOST_ALIVE | FORWARDING | flags);
        }
        self
    }

    fn meet(&mut self, flags: u16) -> &mut Self {
        self.feed(Input::Nic(Event::Session { peer: PEER, port: 0, session: 7 })).peer(PathState::Up, flags)
    }

    fn term(&mut self, counter: u32, owner: u8, released: bool) -> &mut Self {
        let roles = Roles {
            bucket: 0,
            count: BUCKETS_COUNT as u16,
            term: Term::new(counter, owner).unwrap(),
            owner,
            backup: 1 - owner,
            remote: MEMBER_NONE,
            successor: 1 - owner,
        };
        self.feed(Input::Nic(Event::Term { peer: PEER, roles, session: 7, released }))
    }

    fn verify(&mut self) -> &mut Self {
        for bucket in 0..BUCKETS_COUNT as u16 {
            let state = BucketState::Equal;
            self.feed(Input::Nic(Event::Compared { peer: PEER, bucket, state, snapshot: false }));
        }
        self
    }

    /// Answers the walks over the table, which is empty.
    fn finish_walks(&mut self) -> &mut Self {
        while let Some(token) = self.out.iter().rev().find_map(|action| match action {
            Action::Nic(Command::Scan { token, .. }) => Some(*token),
            _ => None,
        }) {
            self.out.retain(|action| !matches!(action, Action::Nic(Command::Scan { .. })));
            self.feed(Input::Nic(Event::ScanEnd { token }));
        }
        self
    }

    fn coverage(&mut self) -> &mut Self {
        let event = Event::Coverage { flows: 0, protected: 0, current: 0, dirty_buckets: 0 };
        self.feed(Input::Nic(event))
    }

    fn state(&self) -> State {
        self.core.status().state
    }

    fn fence(&self) -> Option<Fence> {
        self.out.iter().rev().find_map(|action| match action {
            Action::Log(Log::Takeover { fence, .. }) => Some(*fence),
            _ => None,
        })
    }

    fn did(&self, wanted: &Action) -> bool {
        self.out.contains(wanted)
    }

    /// A fresh bench brought into a state by the shortest way.
    fn at(state: State) -> Self {
        let mut bench = Self::new(Takeover::Available);
        match state {
            State::Reloading => {
                bench.meet(0).term(1, PEER, false);
            }
            State::Standby => {
                bench.meet(0).term(1, PEER, false).verify();
            }
            State::Serving | State::Releasing | State::Lapsed => {
                bench.meet(RELOADING).pass(500_000, true).peer(PathState::Up, 0);
                bench.finish_walks().coverage();
            }
            State::Isolated => {
                bench.meet(RELOADING).pass(500_000, true).peer(PathState::Silent, 0).pass(1_000_000, false);
            }
        }
        match state {
            State::Releasing => {
                bench.feed(Input::Move { to: PEER });
            }
            State::Lapsed => {
                bench.now_us += LEASE_US + 10_000;
                bench.feed(Input::Tick);
            }
            State::Reloading | State::Standby | State::Serving | State::Isolated => {}
        }
        assert_eq!(bench.state(), state, "the way to {state:?}");
        bench.out.clear();
        bench
    }
}

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
        Stimulus::PeerSilentProbesFail => bench.peer(PathState::Silent, 0).pass(1_400_000, false),
        Stimulus::SyncLinkSilent => bench.path(0, PathState::Silent, 0).pass(1_000_000, true),
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
        (PeerSilentProbesFail, [Reloading, Standby, Isolated, Isolated, Isolated, Lapsed]),
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
    bench.peer(PathState::Silent, 0).pass(100_000, false);
    assert_eq!(bench.state(), State::Standby);
    assert!(bench.did(&Action::Log(Log::Held("probes unanswered"))));
}

#[test]
fn safe_waits_for_the_lease_of_the_owner() {
    let mut bench = Bench::new(Takeover::Safe);
    bench.meet(0).term(1, PEER, false).verify().peer(PathState::Silent, 0);
    assert_eq!(bench.state(), State::Standby);
    bench.pass(LEASE_US, true);
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
