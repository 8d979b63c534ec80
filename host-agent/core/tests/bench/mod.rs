//! A core with one peer, fed by hand.
#![allow(dead_code)] // each test file uses a part

use formats::descriptor::{BucketState, Command, Event, PathState, Roles};
use formats::limits::{BUCKETS_COUNT, MEMBER_NONE};
use formats::unit::heartbeat::{FORWARDING, HEARS_YOU, HOST_ALIVE, RELOADING};
use formats::{ClusterSecret, Term};
use trine_core::{Action, Config, Core, Fence, Input, Log, State, Takeover};

pub(crate) const ME: u8 = 0;
pub(crate) const PEER: u8 = 1;
pub(crate) const SILENT_US: u64 = 30_000;
pub(crate) const LEASE_US: u64 = 50_000;

pub(crate) struct Bench {
    pub(crate) core: Core,
    pub(crate) now_us: u64,
    pub(crate) out: Vec<Action>,
}

impl Bench {
    pub(crate) fn new(takeover: Takeover) -> Self {
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

    pub(crate) fn feed(&mut self, input: Input) -> &mut Self {
        self.core.handle(self.now_us, input, &mut self.out);
        self
    }

    /// Time passes in steps of a tick, probes answered or not.
    pub(crate) fn pass(&mut self, us: u64, probes_answered: bool) -> &mut Self {
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

    pub(crate) fn path(&mut self, port: u8, state: PathState, beat_flags: u16) -> &mut Self {
        let heard_us = if state == PathState::Up { self.now_us } else { self.now_us - SILENT_US };
        let lease_us = LEASE_US as u32;
        self.feed(Input::Nic(Event::Path { peer: PEER, port, state, beat_flags, heard_us, lease_us }))
    }

    pub(crate) fn peer(&mut self, state: PathState, flags: u16) -> &mut Self {
        for port in 0..3 {
            self.path(port, state, HOST_ALIVE | FORWARDING | HEARS_YOU | flags);
        }
        self
    }

    pub(crate) fn meet(&mut self, flags: u16) -> &mut Self {
        self.feed(Input::Nic(Event::Session { peer: PEER, port: 0, session: 7 })).peer(PathState::Up, flags)
    }

    pub(crate) fn term(&mut self, counter: u32, owner: u8, released: bool) -> &mut Self {
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

    pub(crate) fn verify(&mut self) -> &mut Self {
        for bucket in 0..BUCKETS_COUNT as u16 {
            let state = BucketState::Equal;
            self.feed(Input::Nic(Event::Compared { peer: PEER, bucket, state, snapshot: false }));
        }
        self
    }

    /// Answers the walks over the table, which is empty.
    pub(crate) fn finish_walks(&mut self) -> &mut Self {
        while let Some(token) = self.out.iter().rev().find_map(|action| match action {
            Action::Nic(Command::Scan { token, .. }) => Some(*token),
            _ => None,
        }) {
            self.out.retain(|action| !matches!(action, Action::Nic(Command::Scan { .. })));
            self.feed(Input::Nic(Event::ScanEnd { token }));
        }
        self
    }

    pub(crate) fn coverage(&mut self) -> &mut Self {
        let event = Event::Coverage { flows: 0, protected: 0, current: 0, dirty_buckets: 0, refused: 0 };
        self.feed(Input::Nic(event))
    }

    pub(crate) fn state(&self) -> State {
        self.core.status().state
    }

    pub(crate) fn fence(&self) -> Option<Fence> {
        self.out.iter().rev().find_map(|action| match action {
            Action::Log(Log::Takeover { fence, .. }) => Some(*fence),
            _ => None,
        })
    }

    pub(crate) fn did(&self, wanted: &Action) -> bool {
        self.out.contains(wanted)
    }

    /// A member that found an owner and listened for as long as a starting one does.
    pub(crate) fn follow(&mut self) -> &mut Self {
        self.meet(0).term(1, PEER, false).pass(510_000, true).peer(PathState::Up, 0)
    }

    /// A fresh bench brought into a state by the shortest way.
    pub(crate) fn at(state: State) -> Self {
        let mut bench = Self::new(Takeover::Available);
        match state {
            State::Reloading => {
                bench.follow();
            }
            State::Standby => {
                bench.follow().verify();
            }
            State::Serving | State::Releasing | State::Lapsed => {
                bench.meet(RELOADING).pass(500_000, true).peer(PathState::Up, 0);
                bench.finish_walks().coverage();
                // The audit of a table that nobody told the NIC of.
                bench.feed(Input::AuditDone(true)).feed(Input::Nic(Event::AuditEnd));
            }
            State::Isolated => {
                bench.meet(RELOADING).pass(500_000, true).finish_walks();
                bench.peer(PathState::Silent, 0).pass(1_000_000, false);
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
        bench.finish_walks();
        assert_eq!(bench.state(), state, "the way to {state:?}");
        bench.out.clear();
        bench
    }
}
