//! Takeovers: who is next, how sure it is that the owner stopped, and what is done at once.

use super::{ASSUMED_MAX, ASSUMED_WINDOW_US, LEASE_MARGIN_US};
use crate::io::{Action, Fence, Log, State};
use crate::scan::Purpose;
use crate::{Core, Takeover, ALL, UNVERIFIED_US};
use formats::descriptor::Command;
use formats::limits::MEMBER_NONE;

impl Core {
    /// Whether this member is the first in line behind the owner that is there.
    pub(super) fn next_in_line(&self, owner: u8) -> bool {
        let able = |member: u8| {
            member == self.config.member
                || self.peers.get(&member).is_some_and(|peer| !peer.down() && !peer.reloading())
        };
        let named = [self.group.backup, self.group.remote].into_iter().filter(|m| *m != MEMBER_NONE);
        let line = named.chain(self.config.order.iter().copied()).filter(|member| *member != owner);
        let mut line = line.filter(|member| able(*member));
        line.next() == Some(self.config.member)
    }

    pub(super) fn consider_takeover(&mut self, out: &mut Vec<Action>) {
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
            // It started anew, or gave up, and serves nothing. A heartbeat from before its term says less;
            // one with a higher term says that it gave up to somebody whose word is still on its way.
            if self.peers.values().any(crate::peer::Peer::higher_term) {
                self.hold("a higher term is known", out);
            } else if self.now_us >= self.role.term_us + self.config.silent_us && self.next_in_line(owner) {
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
            Takeover::Available if self.damped(heard_us) => {}
            Takeover::Available if self.probes_answered(heard_us.max(recent_us)) => {
                self.take_over(Fence::Assumed, heard_us, out);
            }
            Takeover::Available => self.hold("probes unanswered", out),
        }
    }

    /// Notes that no input came for a while: this member stood still, or its whole machine did.
    pub(crate) fn note_pause(&mut self, pause_us: u64) {
        if pause_us >= self.config.silent_us / 3 {
            self.role.paused_us = self.now_us;
        }
    }

    /// Silence counts only for one who listened for as long: not just after a start or a pause of its own,
    /// nor after a term that its owner announced while its heartbeats are still on the way, nor when the
    /// networks are just back.
    fn listening(&self) -> bool {
        let since_us = |at: u64| self.now_us < at + self.config.silent_us;
        self.now_us < self.role.boot_us + self.config.boot_us
            || since_us(self.role.term_us)
            || since_us(self.role.paused_us)
            || self.config.probed_networks.iter().any(|n| since_us(self.role.answered_us[*n as usize]))
    }

    /// Each takeover on silence alone lengthens the silence that the next one needs: members that starve
    /// must not take the group from each other for ever.
    fn damped(&self, heard_us: u64) -> bool {
        let lately = self.role.assumed_us.iter().filter(|at| **at + ASSUMED_WINDOW_US > self.now_us).count();
        self.now_us < heard_us + (1 + lately as u64) * self.config.silent_us
    }

    /// Of more than two members, one that hears nobody is the one that is cut off.
    fn has_company(&self, owner: u8) -> bool {
        let mut others = self.peers.iter().filter(|(member, _)| **member != owner).peekable();
        let stays =
            |peer: &crate::peer::Peer| !peer.down() && self.now_us >= peer.up_us + self.config.silent_us;
        others.peek().is_none() || others.any(|(_, peer)| stays(peer))
    }

    pub(super) fn take_over(&mut self, fence: Fence, last_heartbeat_us: u64, out: &mut Vec<Action>) {
        if self.windows_are_old() {
            // Packets would meet windows of another time, and then be taken back by what the writer has yet to do.
            return self.hold("entries are made anew", out);
        }
        let Some(term) = self.group.term.raised_by(self.config.member) else {
            return self.hold("terms used up", out);
        };
        if fence == Fence::Assumed {
            self.role.assumed_us.push_front(self.now_us);
            self.role.assumed_us.truncate(ASSUMED_MAX);
        }
        let (verified_buckets, oldest_proof_us) = self.verified(UNVERIFIED_US);
        out.push(Action::Log(Log::Takeover {
            term,
            fence,
            last_heartbeat_us,
            verified_buckets,
            oldest_proof_us,
        }));
        // Survivors may hold newer records, and know of ends: ask before the map makes them copies to be
        // overwritten. A copy that is not heard now is asked when it is; a silent owner proposes by itself.
        for (peer, known) in &self.peers {
            let survives = known.sync_up() || (known.session != 0 && *peer != self.group.owner);
            if fence != Fence::Released && survives && !known.reloading() {
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
        self.races.begin();
        self.role.released_by = None;
        self.role.power = None;
        self.role.held = "";
        self.choose_copies();
        self.send_map(out);
        self.announce(out);
        self.coverage.dirty_buckets = ALL;
        self.role.renewed_us = self.now_us;
        self.listen(true, out);
        out.push(Action::RenewLease);
        out.push(Action::TakeAddresses);
        out.push(Action::Log(Log::Serving(term)));
        self.set_state(State::Serving, out);
        self.scans.stop(Purpose::Refresh);
        self.scans.start(Purpose::Lifetime, 0, ALL);
        if never_in_sync {
            // The kernel's own table is what there is to serve from.
            self.audit.due_us = self.now_us;
            self.audit.whole = false;
        }
    }
}
