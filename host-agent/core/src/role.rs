//! Who serves: start, takeover, planned move, fail-back, demotion, isolation.
//!
//! Budget: a takeover is decided in the tick in which the silence limit passes; its actions cost one map
//! command, one TERM record and the addresses.

mod copies;
mod planned;
mod takeover;

use crate::io::{Action, Fence, Log, State};
use crate::scan::Purpose;
use crate::{up, Config, Core, Takeover, ALL, UNVERIFIED_US};
use formats::descriptor::{Command, PathState, Roles};
use formats::limits::MEMBER_NONE;
use formats::unit::heartbeat;
use std::collections::VecDeque;

/// How long a planned move may take before the old owner serves again, in µs.
const RELEASE_LIMIT_US: u64 = 200_000;
/// How long a planned move waits for a copy that is not equal yet, in µs.
const MOVE_WAIT_US: u64 = 5_000_000;
/// How long a silent copy keeps its place, in µs; its tombstones are kept as long.
const COPY_KEPT_US: u64 = 10_000_000;
/// Takeovers on silence alone within this time make the next one wait longer, in µs.
const ASSUMED_WINDOW_US: u64 = 5_000_000;
/// Of these, how many are remembered.
const ASSUMED_MAX: usize = 16;
/// The kernel's timers expire up to two ticks of 4 ms late; a third for the renewal under way.
const LEASE_MARGIN_US: u64 = 12_000;

/// A planned move.
#[derive(Clone, Copy, Debug)]
struct Move {
    to: u8,
    deadline_us: u64,
    released: bool,
}

/// State of the role machine that is not the state's name.
#[derive(Debug)]
pub(crate) struct Role {
    boot_us: u64,
    renewed_us: u64,
    alive_us: u64,
    lapsed_us: u64,
    /// When the current term became known.
    term_us: u64,
    /// When this member last went on after a pause of its own.
    paused_us: u64,
    /// When this member took over on silence alone, lately.
    assumed_us: VecDeque<u64>,
    /// Per network: last probe sent, last answer.
    probes: Vec<(u64, u64)>,
    /// Per network: since when its probes are answered.
    answered_us: Vec<u64>,
    /// The owner said that it stopped, in favour of this member.
    released_by: Option<u8>,
    power: Option<(u8, Option<bool>)>,
    moving: Option<Move>,
    leaving: bool,
    sync_lost: bool,
    held: &'static str,
}

impl Role {
    pub(crate) fn new(config: &Config, now_us: u64) -> Self {
        Self {
            boot_us: now_us,
            renewed_us: now_us,
            alive_us: 0,
            lapsed_us: 0,
            term_us: now_us,
            paused_us: 0,
            assumed_us: VecDeque::new(),
            probes: vec![(0, 0); config.networks_count as usize],
            answered_us: vec![now_us; config.networks_count as usize],
            released_by: None,
            power: None,
            moving: None,
            leaving: false,
            sync_lost: false,
            held: "",
        }
    }

    /// A probe was answered; after a pause longer than `gap_us` the network counts as new.
    pub(crate) fn probed(&mut self, network: u8, now_us: u64, gap_us: u64) {
        let Some(probe) = self.probes.get_mut(network as usize) else { return };
        if now_us > probe.1 + gap_us {
            self.answered_us[network as usize] = now_us;
        }
        probe.1 = now_us;
    }

    /// The next step sends heartbeat flags, whatever the interval says.
    pub(crate) fn tell_peers(&mut self) {
        self.alive_us = 0;
    }

    pub(crate) fn power(&mut self, member: u8, off: bool) {
        self.power = Some((member, Some(off)));
    }
}

impl Core {
    pub(crate) fn session(&mut self, peer: u8, session: u64, out: &mut Vec<Action>) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if session <= known.session {
            return;
        }
        known.session = session;
        out.push(Action::Nic(Command::Peer { peer, session }));
        self.sink.forget(peer);
        if self.serving() {
            self.update_copies(out);
            self.announce(out);
        }
    }

    #[allow(clippy::too_many_arguments)] // the fields of one event
    pub(crate) fn path(
        &mut self,
        peer: u8,
        port: u8,
        state: PathState,
        flags: u16,
        heard_us: u64,
        lease_us: u32,
        out: &mut Vec<Action>,
    ) {
        let serving = self.serving();
        let Some(known) = self.peers.get_mut(&peer) else { return };
        let Some(path) = known.paths.get_mut(port as usize) else { return };
        if up(path.state) != up(state) {
            out.push(Action::Log(Log::Path { peer, port, up: up(state) }));
        }
        let (was_down, rose) = (known.down(), up(state));
        let path = &mut known.paths[port as usize];
        (path.state, path.heard_us) = (state, heard_us);
        path.hears_us = flags & heartbeat::HEARS_YOU != 0;
        path.higher_term = flags & heartbeat::HIGHER_TERM != 0;
        if was_down && rose {
            known.up_us = self.now_us;
        }
        if up(state) {
            let was_reloading = known.reloading();
            (known.flags, known.lease_us) = (flags, lease_us.into());
            if serving && was_reloading && !known.reloading() {
                out.push(Action::Log(Log::InSync(peer)));
            }
        }
        if serving {
            self.update_copies(out);
        }
    }

    /// TERM from a peer; the NIC has adopted it already if it is higher.
    pub(crate) fn term(&mut self, peer: u8, roles: &Roles, released: bool, out: &mut Vec<Action>) {
        if roles.term < self.group.term {
            return;
        }
        if released && roles.term == self.group.term {
            if roles.owner == peer {
                self.role.released_by = Some(peer);
            }
            return;
        }
        // A release may be the first word of its term: what came before it was lost. A copy follows it; who
        // does not is told the term itself.
        if released && !matches!(self.state, State::Standby | State::Reloading) {
            return;
        }
        let raised = roles.term > self.group.term;
        self.group = crate::Group {
            term: roles.term,
            owner: roles.owner,
            backup: roles.backup,
            remote: roles.remote,
            successor: roles.successor,
        };
        if raised {
            self.role.term_us = self.now_us;
        }
        if !raised || roles.owner == self.config.member {
            return;
        }
        self.races.end();
        self.role.released_by = (released && roles.owner == peer).then_some(peer);
        self.verified_us.fill(0);
        match self.state {
            State::Serving | State::Lapsed | State::Releasing => self.demote(peer, out),
            State::Isolated => self.reload_anew(out),
            State::Reloading | State::Standby => {}
        }
    }

    fn demote(&mut self, by: u8, out: &mut Vec<Action>) {
        out.push(Action::ReleaseLease);
        out.push(Action::DropAddresses);
        match self.role.moving.take() {
            Some(planned) if planned.released => out.push(Action::Log(Log::MoveDone(Ok(by)))),
            Some(_) => out.push(Action::Log(Log::MoveDone(Err("another member took over".into())))),
            None if self.state == State::Serving => out.push(Action::Log(Log::Split(self.group.term))),
            None => {}
        }
        out.push(Action::Log(Log::Demoted(self.group.term, by)));
        self.scans.stop(Purpose::Lifetime);
        self.reload_anew(out);
        if self.role.leaving {
            out.push(Action::Exit);
        }
    }

    /// Owns nothing, and makes its kernel entries anew: their windows are of another time.
    fn reload_anew(&mut self, out: &mut Vec<Action>) {
        self.set_state(State::Reloading, out);
        self.scans.start(Purpose::Reset, 0, ALL);
    }

    /// Packets may have moved the windows of a copy's entries, of which the kernel tells nothing: they are
    /// made anew, as after serving.
    pub(crate) fn gate_gone(&mut self, out: &mut Vec<Action>) {
        match self.state {
            State::Reloading | State::Standby => self.reload_anew(out),
            // One that serves opened the gate itself; the others make their entries anew before they follow.
            State::Serving | State::Releasing | State::Isolated | State::Lapsed => {}
        }
    }

    pub(crate) fn step_role(&mut self, out: &mut Vec<Action>) {
        self.note_sync_lost(out);
        self.send_probes(out);
        match self.state {
            State::Reloading => self.step_reloading(out),
            State::Standby => self.step_standby(out),
            State::Serving => self.step_serving(out),
            State::Releasing => self.step_releasing(out),
            State::Isolated => {
                if self.probes_answered(self.now_us.saturating_sub(self.config.probe_us * 2)) {
                    self.role.boot_us = self.now_us;
                    self.reload_anew(out);
                }
            }
            State::Lapsed => self.step_lapsed(out),
        }
        self.renew(out);
    }

    /// Whether the lease ran out under this member: what it reads now may have happened long ago.
    pub(crate) fn is_late(&self) -> bool {
        self.now_us > self.role.renewed_us + self.config.lease_us
    }

    /// Lease and liveness, from one place: an agent that stops, stops both.
    fn renew(&mut self, out: &mut Vec<Action>) {
        let due = |last: u64| self.now_us >= last + self.config.renew_us;
        if self.serving() && due(self.role.renewed_us) && self.may_renew() {
            self.role.renewed_us = self.now_us;
            out.push(Action::RenewLease);
        }
        if due(self.role.alive_us) {
            self.role.alive_us = self.now_us;
            let mut flags = heartbeat::HOST_ALIVE;
            if matches!(self.state, State::Reloading | State::Isolated) {
                flags |= heartbeat::RELOADING;
            }
            let mut links = 0;
            for (network, (_, answered)) in self.role.probes.iter().enumerate() {
                if self.now_us - answered <= 2 * self.config.probe_us {
                    links |= 1 << (network + 1);
                }
            }
            if self.config.probed_networks.iter().all(|network| links >> (network + 1) & 1 == 1) {
                flags |= heartbeat::FORWARDING;
            }
            let lease_us = self.config.lease_us as u32;
            out.push(Action::Nic(Command::Alive { beat_flags: flags, data_links: links, lease_us }));
        }
    }

    /// Under `safe` the lease is a fence for partitions too: it needs a peer that hears us, because one
    /// that does not may take over.
    fn may_renew(&self) -> bool {
        match self.config.takeover {
            Takeover::Available => true,
            Takeover::Safe => self.peers.is_empty() || self.peers.values().any(crate::peer::Peer::hears_us),
        }
    }

    fn note_sync_lost(&mut self, out: &mut Vec<Action>) {
        let lost = self.peers.values().any(crate::peer::Peer::sync_lost);
        if lost != self.role.sync_lost {
            self.role.sync_lost = lost;
            out.push(Action::Log(Log::SyncLost(lost)));
        }
    }

    fn send_probes(&mut self, out: &mut Vec<Action>) {
        let suspect = self.peers.values().any(Self::overdue);
        let interval = if suspect { self.config.probe_suspect_us } else { self.config.probe_us };
        for network in &self.config.probed_networks {
            let probe = &mut self.role.probes[*network as usize];
            if self.now_us >= probe.0 + interval {
                probe.0 = self.now_us;
                out.push(Action::Probe { network: *network });
            }
        }
    }

    /// Not heard in time, but for less than a second: the moment when fresh probes matter.
    fn overdue(peer: &crate::peer::Peer) -> bool {
        peer.suspect() && peer.heard_us() != 0 && !peer.down()
    }

    /// Whether every probed network answered since `since_us`.
    fn probes_answered(&self, since_us: u64) -> bool {
        self.config.probed_networks.iter().all(|network| self.role.probes[*network as usize].1 > since_us)
    }

    fn down(&self, member: u8) -> bool {
        self.peers.get(&member).is_none_or(crate::peer::Peer::down)
    }

    fn step_reloading(&mut self, out: &mut Vec<Action>) {
        let owner = self.group.owner;
        if owner != MEMBER_NONE && owner != self.config.member {
            // A copy over a link that loses full frames looks whole until the load rises.
            let passes = self.peers.get(&owner).is_some_and(crate::peer::Peer::mtu_ok);
            if passes && self.verified(UNVERIFIED_US).0 == ALL && !self.windows_are_old() {
                out.push(Action::Log(Log::InSync(owner)));
                self.set_state(State::Standby, out);
                self.audit.due_us = self.now_us;
            } else {
                self.consider_takeover(out);
            }
            return;
        }
        // Nobody is known to serve: the first of the members that are there begins.
        if self.now_us < self.role.boot_us + self.config.boot_us {
            return;
        }
        let present = |member: &u8| *member == self.config.member || !self.down(*member);
        let first = self.config.order.iter().copied().find(|member| present(member));
        let all_reloading = self.peers.values().all(|peer| peer.down() || peer.reloading());
        if first != Some(self.config.member) || !all_reloading {
            return;
        }
        if self.peers.values().all(|peer| !peer.down()) {
            self.take_over(Fence::Released, 0, out);
        } else if self.config.takeover == Takeover::Safe {
            self.hold("members are missing", out);
        } else if self.probes_answered(self.role.boot_us) {
            self.take_over(Fence::Assumed, 0, out);
        } else {
            self.hold("probes unanswered", out);
        }
    }

    fn step_standby(&mut self, out: &mut Vec<Action>) {
        self.consider_takeover(out);
        if self.state == State::Standby && self.sink.refresh_due(self.now_us, self.config.copy_timeout_s) {
            self.scans.start(Purpose::Refresh, 0, ALL);
        }
    }

    fn hold(&mut self, reason: &'static str, out: &mut Vec<Action>) {
        if self.role.held != reason {
            self.role.held = reason;
            out.push(Action::Log(Log::Held(reason)));
        }
    }

    fn step_serving(&mut self, out: &mut Vec<Action>) {
        if self.now_us > self.role.renewed_us + self.config.lease_us && self.may_renew() {
            // We were stopped for longer than the lease: somebody else may serve by now.
            self.role.lapsed_us = self.now_us;
            out.push(Action::ReleaseLease);
            return self.set_state(State::Lapsed, out);
        }
        if !self.peers.is_empty() && self.peers.values().all(crate::peer::Peer::down) {
            let silent_since = self.peers.values().map(crate::peer::Peer::heard_us).max().unwrap_or(0);
            let window = self.now_us.saturating_sub(3 * self.config.probe_us);
            let alone = self.now_us > silent_since + 3 * self.config.probe_us;
            let none_answers = !self.config.probed_networks.is_empty()
                && self.config.probed_networks.iter().all(|n| self.role.probes[*n as usize].1 <= window);
            if alone && none_answers {
                out.push(Action::ReleaseLease);
                out.push(Action::DropAddresses);
                self.group.owner = MEMBER_NONE;
                self.races.end();
                return self.set_state(State::Isolated, out);
            }
        }
        if [self.group.backup, self.group.remote].iter().any(|m| *m != MEMBER_NONE && self.down(*m)) {
            self.update_copies(out);
        }
        match self.role.moving {
            Some(planned) => self.try_release(planned, out),
            None => self.step_aside(out),
        }
    }

    fn step_lapsed(&mut self, out: &mut Vec<Action>) {
        // A peer that took over says so in each heartbeat, on every path; the term itself comes over the
        // sync link alone, which may be cut.
        let waited = self.now_us >= self.role.lapsed_us + self.config.silent_us;
        if !waited || !self.may_renew() || self.peers.values().any(crate::peer::Peer::higher_term) {
            return;
        }
        let heard = self.peers.values().any(|p| p.heard_us() > self.role.lapsed_us);
        if heard || self.config.takeover == Takeover::Safe || self.probes_answered(self.role.lapsed_us) {
            self.resume(out);
        }
    }

    fn resume(&mut self, out: &mut Vec<Action>) {
        self.role.renewed_us = self.now_us;
        // Who came or went meanwhile was not looked at.
        self.update_copies(out);
        self.announce(out);
        out.push(Action::RenewLease);
        out.push(Action::TakeAddresses);
        out.push(Action::Log(Log::Serving(self.group.term)));
        self.set_state(State::Serving, out);
    }
}
