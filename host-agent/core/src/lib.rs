//! The decisions of a gateway's agent, without I/O.
//!
//! Enters: time and [`Input`]s (events of the NIC and of the kernel's connection table, answers to
//! probes, the operator's wishes). Leaves: [`Action`]s for the shell, in order. The core owns no socket,
//! clock, thread or random source, and nothing depends on hash order, so the simulator runs what ships.
//!
//! Invariants: a member serves only under a term it raised itself; it never renews a lease that ran out
//! under it before it knows who serves; nothing waits for a time-out and then counts as in sync.
//!
//! It does not hold a copy of the flows: the NIC does.
#![forbid(unsafe_code)]

mod audit;
pub mod config;
pub mod io;
pub mod join;
mod mend;
mod peer;
mod race;
mod role;
mod scan;
mod sink;
mod source;
pub mod status;

pub use config::{Config, Takeover};
pub use io::{
    Action, Change, Fence, Input, KernelError, KernelFlow, KernelOp, Log, State, SyncMtu, Unprotected,
};

use formats::descriptor::{BucketState, Command, Event, PathState};
use formats::limits::{BUCKETS_COUNT, MEMBER_NONE};
use formats::{FlowHasher, Term};
use join::Side;
use peer::Peer;
use std::collections::BTreeMap;

/// Every bucket, as a run.
pub(crate) const ALL: u16 = BUCKETS_COUNT as u16;

/// Term and roles of the group, as this member knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Highest term seen.
    pub(crate) term: Term,
    /// Who serves under it.
    pub(crate) owner: u8,
    pub(crate) backup: u8,
    pub(crate) remote: u8,
    pub(crate) successor: u8,
}

/// The core of one member.
pub struct Core {
    pub(crate) config: Config,
    pub(crate) hasher: Box<FlowHasher>,
    pub(crate) now_us: u64,
    pub(crate) state: State,
    pub(crate) group: Group,
    pub(crate) peers: BTreeMap<u8, Peer>,
    pub(crate) role: role::Role,
    pub(crate) source: source::Source,
    pub(crate) sink: sink::Sink,
    pub(crate) mend: mend::Mend,
    pub(crate) races: race::Races,
    pub(crate) scans: scan::Scans,
    pub(crate) audit: audit::Audit,
    /// When each bucket of this copy was last proven equal, local µs; 0 for not proven.
    pub(crate) verified_us: Vec<u64>,
    pub(crate) coverage: status::Coverage,
    /// Every event of the kernel's table is heard.
    hears_all: bool,
}

impl Core {
    /// A member that has just started: it owns nothing.
    pub fn new(config: Config, now_us: u64) -> Self {
        let ports = config.ports_count();
        let peers = config.peers().map(|peer| (peer, Peer::new(ports))).collect();
        Self {
            hasher: Box::new(FlowHasher::new(&config.secret)),
            now_us,
            state: State::Reloading,
            group: Group {
                term: Term::default(),
                owner: MEMBER_NONE,
                backup: MEMBER_NONE,
                remote: MEMBER_NONE,
                successor: MEMBER_NONE,
            },
            peers,
            role: role::Role::new(&config, now_us),
            source: source::Source::default(),
            sink: sink::Sink::default(),
            mend: mend::Mend::default(),
            races: race::Races::default(),
            scans: scan::Scans::default(),
            audit: audit::Audit::new(now_us),
            verified_us: vec![0; BUCKETS_COUNT],
            coverage: status::Coverage::default(),
            hears_all: false,
            config,
        }
    }

    /// Takes one input at local time `now_us` (monotonic) and appends what is to be done.
    pub fn handle(&mut self, now_us: u64, input: Input, out: &mut Vec<Action>) {
        let pause_us = now_us.saturating_sub(self.now_us);
        self.now_us = self.now_us.max(now_us);
        self.note_pause(pause_us);
        match input {
            Input::Nic(event) => self.nic_event(event, out),
            Input::Kernel(change, flow) => self.kernel_event(change, &flow, out),
            Input::Overrun => {
                out.push(Action::Log(Log::Overrun));
                self.audit.due_us = self.now_us;
            }
            Input::AuditRow(flow) => self.audit_row(&flow, out),
            Input::AuditDone(complete) => self.audit_done(complete, out),
            Input::KernelDone { performed, failed } => self.kernel_done(performed, failed, out),
            Input::Gone { key, ct_id } => out.push(Action::Nic(Command::Delete { cookie: ct_id, key })),
            Input::Drained => {
                self.settle_races(out);
                self.drained(out);
            }
            Input::GateGone => self.gate_gone(out),
            Input::Probed { network } => {
                self.role.probed(network, self.now_us, 2 * self.config.probe_us);
            }
            Input::SyncMtu { peer, mtu } => self.sync_mtu(peer, mtu, out),
            Input::Power { member, off } => self.role.power(member, off),
            Input::LocalAddresses(addresses) => self.source.local = addresses,
            Input::Move { to } => self.start_move(to, out),
            Input::List => self.scans.start(scan::Purpose::List, 0, ALL),
            Input::Tick => {}
            Input::Leave => self.leave(out),
        }
        self.step(out);
    }

    fn nic_event(&mut self, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Applied { peer, created, record, .. } => self.applied(peer, created, &record, out),
            Event::Deleted { key, .. } => self.deleted(key, out),
            Event::FrameEnd { peer, session, sequence } => self.frame_end(peer, session, sequence, out),
            Event::Session { peer, session, .. } => self.session(peer, session, out),
            Event::Path { peer, port, state, beat_flags, heard_us, lease_us } => {
                self.path(peer, port, state, beat_flags, heard_us, lease_us, out);
            }
            Event::Term { peer, roles, released, .. } => self.term(peer, &roles, released, out),
            Event::Compared { bucket, state, .. } => {
                let equal = state == BucketState::Equal;
                self.verified_us[bucket as usize] = if equal { self.now_us } else { 0 };
            }
            Event::NotOwner { .. } => {}
            Event::Merge { term, theirs, ours, ours_term, ended, .. } => {
                let ours = ours.map(|record| Side { record, term: ours_term });
                self.merge(Side { record: theirs, term }, ours, ended, out);
            }
            Event::Row { token, cookie, record, .. } => self.row(token, cookie, &record, out),
            Event::ScanEnd { token } => self.scan_end(token, out),
            Event::AuditMissing { cookie, record } => self.audit_missing(cookie, &record, out),
            Event::AuditExtra { cookie, key } => self.audit_extra(cookie, key, out),
            Event::AuditEnd => self.audit_end(out),
            Event::Full { key } => self.source.unprotected(key, Unprotected::TableFull),
            Event::Coverage { flows, protected, current, dirty_buckets, refused } => {
                // Which flows they are, copies do not say: as many count as protected no more.
                let refused = flows.min(refused.into());
                let (protected, current) = (protected.min(flows - refused), current.min(flows - refused));
                self.coverage = status::Coverage { flows, protected, current, dirty_buckets, refused };
            }
        }
    }

    /// What follows from the passage of time and from every other change.
    fn step(&mut self, out: &mut Vec<Action>) {
        self.step_role(out);
        self.step_audit(out);
        self.step_sink(out);
        if self.sink.has_room() {
            if let Some(command) = self.next_scan() {
                out.push(Action::Nic(command));
            }
        }
    }

    fn next_scan(&mut self) -> Option<Command> {
        let command = self.scans.next()?;
        if let Command::Scan { token, bucket, .. } = command {
            if self.scans.purpose(token) == Some(scan::Purpose::Mend) {
                self.mend.begin(bucket);
            }
        }
        Some(command)
    }

    /// When the core next wants an [`Input::Tick`], local µs.
    pub fn next_deadline_us(&self) -> u64 {
        self.now_us + self.config.renew_us.min(self.config.probe_suspect_us)
    }

    /// Whether this member serves the group.
    pub fn serving(&self) -> bool {
        matches!(self.state, State::Serving)
    }

    pub(crate) fn set_state(&mut self, state: State, out: &mut Vec<Action>) {
        if self.state != state {
            self.state = state;
            self.role.tell_peers();
            self.listen(!matches!(state, State::Reloading | State::Standby), out);
            out.push(Action::Log(Log::State(state)));
        }
    }

    /// Hears all of the kernel's events, or only ends. All are heard before the gate opens, and nothing else
    /// than our own operations changes a table behind a closed gate.
    pub(crate) fn listen(&mut self, all: bool, out: &mut Vec<Action>) {
        if self.hears_all != all {
            self.hears_all = all;
            out.push(Action::Listen(all));
        }
    }

    /// Buckets proven equal within `within_us`, and the age of the oldest proof among all buckets.
    pub(crate) fn verified(&self, within_us: u64) -> (u16, u64) {
        let fresh = |at: u64| at != 0 && self.now_us - at <= within_us;
        let count = self.verified_us.iter().filter(|at| fresh(**at)).count() as u16;
        let oldest = self.verified_us.iter().copied().min().unwrap_or(0);
        (count, if oldest == 0 { self.now_us } else { self.now_us - oldest })
    }
}

/// A proof older than this no longer counts: each bucket is compared at least once a second.
pub(crate) const UNVERIFIED_US: u64 = 5_000_000;

pub(crate) const fn up(state: PathState) -> bool {
    !matches!(state, PathState::Silent)
}
