//! Planned moves: by the operator, by a member that lost a data network, by an agent that leaves.
//!
//! Fence first, then drain the kernel's events, then release behind the last record in the same sequence.

use super::{Move, MOVE_WAIT_US, RELEASE_LIMIT_US};
use crate::io::{Action, Fence, Log, State};
use crate::{Core, ALL};
use formats::descriptor::Command;
use formats::unit::heartbeat;

impl Core {
    /// A member that lost a data network hands over to one whose networks all work.
    pub(super) fn step_aside(&mut self, out: &mut Vec<Action>) {
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
    pub(super) fn try_release(&mut self, planned: Move, out: &mut Vec<Action>) {
        let whole = self.peers.get(&planned.to).is_some_and(|p| p.sync_up() && !p.reloading())
            && self.coverage.dirty_buckets == 0
            && self.audit.whole;
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
        if std::mem::replace(&mut planned.released, true) {
            return;
        }
        let peer = planned.to;
        out.push(Action::Nic(Command::Announce { peer, bucket: 0, count: ALL, released: true }));
        out.push(Action::Log(Log::Released(self.group.term)));
    }

    pub(super) fn step_releasing(&mut self, out: &mut Vec<Action>) {
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
