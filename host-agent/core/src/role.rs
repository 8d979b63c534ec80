//! Who serves: start, takeover, planned move, fail-back, demotion, isolation.
//!
//! Budget: a takeover is decided in the tick in which the silence limit passes; its actions cost one map
//! command, one TERM record and the addresses.

use crate::io::{Action, Fence, Log, State};
use crate::scan::Purpose;
use crate::{up, Config, Core, Group, Takeover, ALL, UNVERIFIED_US};
use formats::descriptor::{Command, PathState, Roles};
use formats::limits::MEMBER_NONE;
use formats::unit::heartbeat;

/// How long a planned move may take before the old owner serves again, in µs.
const RELEASE_LIMIT_US: u64 = 200_000;
/// How long a planned move waits for a copy that is not equal yet, in µs.
const MOVE_WAIT_US: u64 = 5_000_000;
/// How long a silent copy keeps its place, in µs; its tombstones are kept as long.
const COPY_KEPT_US: u64 = 10_000_000;
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
        if released {
            if roles.owner == peer && roles.term == self.group.term {
                self.role.released_by = Some(peer);
            }
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
        self.role.released_by = None;
        self.verified_us.fill(0);
        match self.state {
            State::Serving | State::Lapsed | State::Releasing => self.demote(peer, out),
            State::Isolated => self.set_state(State::Reloading, out),
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
        self.set_state(State::Reloading, out);
        self.scans.stop(Purpose::Lifetime);
        self.scans.start(Purpose::Reset, 0, ALL);
        if self.role.leaving {
            out.push(Action::Exit);
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
                    self.set_state(State::Reloading, out);
                }
            }
            State::Lapsed => self.step_lapsed(out),
        }
        self.renew(out);
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
            if passes && self.verified(UNVERIFIED_US).0 == ALL && !self.scans.pending(Purpose::Reset) {
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

    /// Whether this member is the first in line behind the owner that is there.
    fn next_in_line(&self, owner: u8) -> bool {
        let able = |member: u8| {
            member == self.config.member
                || self.peers.get(&member).is_some_and(|peer| !peer.down() && !peer.reloading())
        };
        let named = [self.group.backup, self.group.remote].into_iter().filter(|m| *m != MEMBER_NONE);
        let line = named.chain(self.config.order.iter().copied()).filter(|member| *member != owner);
        let mut line = line.filter(|member| able(*member));
        line.next() == Some(self.config.member)
    }

    fn consider_takeover(&mut self, out: &mut Vec<Action>) {
        let owner = self.group.owner;
        if self.role.released_by == Some(owner) {
            // Everything sent before the release is in the table; wait until it is in the kernel.
            if self.sink.is_idle() && self.mend.refused_count() == 0 {
                let heard_us = self.peers.get(&owner).map_or(0, crate::peer::Peer::heard_us);
                self.take_over(Fence::Released, heard_us, out);
            }
            return;
        }
        let Some(peer) = self.peers.get(&owner) else { return };
        let heard_us = peer.heard_us();
        if !peer.down() && peer.reloading() {
            // It started anew, or gave up, and serves nothing. A heartbeat from before its term says less.
            if self.now_us >= self.role.term_us + self.config.silent_us && self.next_in_line(owner) {
                self.take_over(Fence::Released, heard_us, out);
            }
            return;
        }
        if !peer.down() {
            self.role.held = "";
            self.role.power = None;
            return;
        }
        if self.listening() || !self.next_in_line(owner) {
            return;
        }
        // The owner renews while a peer said that it was heard, which holds until we find it overdue.
        let lease_us = peer.lease_us.max(self.config.lease_us) + self.config.silent_us + LEASE_MARGIN_US;
        let lease_over = self.now_us >= heard_us.max(self.role.boot_us) + lease_us && self.has_company(owner);
        if self.config.power_hook {
            match self.role.power {
                Some((member, Some(true))) if member == owner => {
                    return self.take_over(Fence::Power, heard_us, out);
                }
                Some((member, None)) if member == owner => return self.hold("power hook runs", out),
                Some((member, Some(false))) if member == owner => {}
                Some(_) | None => {
                    self.role.power = Some((owner, None));
                    return out.push(Action::PowerOff { member: owner });
                }
            }
        }
        let recent_us = self.now_us.saturating_sub(2 * self.config.probe_us);
        match self.config.takeover {
            Takeover::Safe if lease_over => self.take_over(Fence::Lease, heard_us, out),
            Takeover::Safe => self.hold("lease of the owner", out),
            Takeover::Available if self.probes_answered(heard_us.max(recent_us)) => {
                self.take_over(Fence::Assumed, heard_us, out);
            }
            Takeover::Available => self.hold("probes unanswered", out),
        }
    }

    /// Silence counts only for one who listened for as long: not just after a start, nor after a term that
    /// its owner announced while its heartbeats are still on the way, nor when the networks are just back.
    fn listening(&self) -> bool {
        let since_us = |at: u64| self.now_us < at + self.config.silent_us;
        self.now_us < self.role.boot_us + self.config.boot_us
            || since_us(self.role.term_us)
            || self.config.probed_networks.iter().any(|n| since_us(self.role.answered_us[*n as usize]))
    }

    /// Of more than two members, one that hears nobody is the one that is cut off.
    fn has_company(&self, owner: u8) -> bool {
        let mut others = self.peers.iter().filter(|(member, _)| **member != owner).peekable();
        let stays =
            |peer: &crate::peer::Peer| !peer.down() && self.now_us >= peer.up_us + self.config.silent_us;
        others.peek().is_none() || others.any(|(_, peer)| stays(peer))
    }

    fn take_over(&mut self, fence: Fence, last_heartbeat_us: u64, out: &mut Vec<Action>) {
        let Some(term) = self.group.term.raised_by(self.config.member) else {
            return self.hold("terms used up", out);
        };
        let (verified_buckets, oldest_proof_us) = self.verified(UNVERIFIED_US);
        out.push(Action::Log(Log::Takeover {
            term,
            fence,
            last_heartbeat_us,
            verified_buckets,
            oldest_proof_us,
        }));
        // Survivors may hold newer records: ask before the map makes them copies to be overwritten.
        let survivors: Vec<u8> = self.peers.iter().filter(|(_, p)| p.sync_up()).map(|(m, _)| *m).collect();
        for peer in &survivors {
            if fence != Fence::Released && !self.peers[peer].reloading() {
                out.push(Action::Nic(Command::AskRepair { peer: *peer, bucket: 0, count: ALL, pull: true }));
            }
        }
        let never_in_sync = self.state == State::Reloading;
        self.group = crate::Group {
            term,
            owner: self.config.member,
            backup: MEMBER_NONE,
            remote: MEMBER_NONE,
            successor: MEMBER_NONE,
        };
        self.role.released_by = None;
        self.role.power = None;
        self.role.held = "";
        self.choose_copies();
        self.send_map(out);
        self.announce(out);
        self.coverage.dirty_buckets = ALL;
        self.role.renewed_us = self.now_us;
        out.push(Action::RenewLease);
        out.push(Action::TakeAddresses);
        out.push(Action::Log(Log::Serving(term)));
        self.set_state(State::Serving, out);
        self.scans.stop(Purpose::Reset);
        self.scans.stop(Purpose::Refresh);
        self.scans.start(Purpose::Lifetime, 0, ALL);
        if never_in_sync {
            // The kernel's own table is what there is to serve from.
            self.audit.due_us = self.now_us;
        }
    }

    /// Backup: the next member of this site that is there; remote: the next of another site, else of ours.
    /// A copy is kept while any path to it is alive. A silent one keeps its place for a while if nobody
    /// else can take it: the NIC remembers what it acknowledged, so that after a split only the rest is
    /// proposed to it, and no flow that ended there comes back from here.
    fn choose_copies(&mut self) {
        let held = [self.group.backup, self.group.remote];
        if self.copies_rest(held) {
            return;
        }
        let usable = |member: &u8| {
            self.peers
                .get(member)
                .is_some_and(|peer| peer.sync_up() || (held.contains(member) && !peer.down()))
        };
        let at = self.config.order.iter().position(|m| *m == self.config.member).unwrap_or(0);
        let line =
            self.config.order.iter().cycle().skip(at + 1).take(self.config.order.len().saturating_sub(1));
        let line: Vec<u8> = line.copied().filter(usable).collect();
        let is_remote = |member: &u8| self.config.remote.contains(member);
        let backup = line.iter().copied().find(|m| !is_remote(m)).or(line.first().copied());
        let remote = line
            .iter()
            .copied()
            .find(|m| is_remote(m) && Some(*m) != backup)
            .or(line.iter().copied().find(|m| Some(*m) != backup));
        self.group.backup = backup.unwrap_or(MEMBER_NONE);
        self.group.remote = remote.unwrap_or(MEMBER_NONE);
        self.group.successor = self.group.backup;
    }

    /// Whether some copy is silent, but not for long, and no member waits for its place.
    fn copies_rest(&self, held: [u8; 2]) -> bool {
        let silent = |member: &u8| self.peers.get(member).is_some_and(crate::peer::Peer::down);
        let lately = |member: &u8| self.peers[member].heard_us() + COPY_KEPT_US > self.now_us;
        let mut gone = held.iter().filter(|member| silent(member)).peekable();
        let waits = |(member, peer): (&u8, &crate::peer::Peer)| peer.sync_up() && !held.contains(member);
        gone.peek().is_some() && gone.all(lately) && !self.peers.iter().any(waits)
    }

    fn update_copies(&mut self, out: &mut Vec<Action>) {
        let before = self.group;
        self.choose_copies();
        if self.group != before {
            self.coverage.dirty_buckets = ALL;
            self.send_map(out);
            self.announce(out);
        }
    }

    fn send_map(&self, out: &mut Vec<Action>) {
        let Group { term, owner, backup, remote, successor } = self.group;
        let roles = Roles { bucket: 0, count: ALL, term, owner, backup, remote, successor };
        out.push(Action::Nic(Command::Map(roles)));
    }

    fn announce(&self, out: &mut Vec<Action>) {
        for (peer, known) in &self.peers {
            if known.session != 0 {
                out.push(Action::Nic(Command::Announce {
                    peer: *peer,
                    bucket: 0,
                    count: ALL,
                    released: false,
                }));
                out.push(Action::Nic(Command::Digest { peer: *peer, bucket: 0, count: ALL }));
            }
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

    /// A member that lost a data network hands over to one whose networks all work.
    fn step_aside(&mut self, out: &mut Vec<Action>) {
        let window = self.now_us.saturating_sub(3 * self.config.probe_us);
        if self.probes_answered(window) || self.now_us < self.role.boot_us + 3 * self.config.probe_us {
            return;
        }
        let forwards = |peer: &crate::peer::Peer| {
            peer.sync_up() && !peer.reloading() && peer.flags & heartbeat::FORWARDING != 0
        };
        let better = self.config.peers().find(|member| self.peers.get(member).is_some_and(forwards));
        if let Some(to) = better {
            self.start_move(to, out);
        }
    }

    fn step_lapsed(&mut self, out: &mut Vec<Action>) {
        // A higher term would have arrived by now from a peer that is heard.
        if self.now_us >= self.role.lapsed_us + self.config.silent_us {
            let heard = self.peers.values().any(|p| p.heard_us() > self.role.lapsed_us);
            if heard || self.probes_answered(self.role.lapsed_us) {
                self.resume(out);
            }
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

    pub(crate) fn start_move(&mut self, to: u8, out: &mut Vec<Action>) {
        let refuse =
            |reason: String, out: &mut Vec<Action>| out.push(Action::Log(Log::MoveDone(Err(reason))));
        if to == self.config.member && self.serving() {
            return out.push(Action::Log(Log::MoveDone(Ok(to))));
        }
        if !self.serving() {
            return refuse("this member does not serve the group; ask the one that does".into(), out);
        }
        match self.peers.get(&to) {
            None => refuse(format!("member {to} is not in the cluster"), out),
            Some(peer) if !peer.sync_up() => {
                refuse(format!("member {to} is not heard on the sync link"), out)
            }
            Some(_) => {
                let deadline_us = self.now_us + MOVE_WAIT_US;
                self.role.moving = Some(Move { to, deadline_us, released: false });
            }
        }
    }

    /// Stops serving as soon as the copy over there is whole.
    fn try_release(&mut self, planned: Move, out: &mut Vec<Action>) {
        let whole = self.peers.get(&planned.to).is_some_and(|p| p.sync_up() && !p.reloading())
            && self.coverage.dirty_buckets == 0;
        if whole {
            self.role.moving = Some(Move { deadline_us: self.now_us + RELEASE_LIMIT_US, ..planned });
            out.push(Action::ReleaseLease);
            out.push(Action::Drain);
            self.set_state(State::Releasing, out);
        } else if self.now_us >= planned.deadline_us {
            self.role.moving = None;
            let reason = format!("member {} has no whole copy", planned.to);
            out.push(Action::Log(Log::MoveDone(Err(reason))));
        }
    }

    /// Every event from before the fence is in the NIC: the release may follow it.
    pub(crate) fn drained(&mut self, out: &mut Vec<Action>) {
        let (State::Releasing, Some(planned)) = (self.state, self.role.moving.as_mut()) else { return };
        planned.released = true;
        let peer = planned.to;
        out.push(Action::Nic(Command::Announce { peer, bucket: 0, count: ALL, released: true }));
        out.push(Action::Log(Log::Released(self.group.term)));
    }

    fn step_releasing(&mut self, out: &mut Vec<Action>) {
        let Some(planned) = self.role.moving else { return };
        if self.now_us < planned.deadline_us {
            return;
        }
        // Nobody took it. The release may still be under way: a higher term settles who serves.
        self.role.moving = None;
        let reason = format!("member {} did not take over in time", planned.to);
        out.push(Action::Log(Log::MoveDone(Err(reason))));
        self.take_over(Fence::Released, self.now_us, out);
    }

    pub(crate) fn leave(&mut self, out: &mut Vec<Action>) {
        self.role.leaving = true;
        let copy = [self.group.backup, self.group.remote]
            .into_iter()
            .find(|member| self.peers.get(member).is_some_and(|peer| peer.sync_up() && !peer.reloading()));
        match copy {
            Some(to) if self.serving() => self.start_move(to, out),
            Some(_) | None => {
                out.push(Action::ReleaseLease);
                out.push(Action::DropAddresses);
                out.push(Action::Exit);
            }
        }
    }
}
