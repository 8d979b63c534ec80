//! Which members hold the copies of what this member serves, and how they are told.

use super::COPY_KEPT_US;
use crate::io::Action;
use crate::{Core, Group, ALL};
use formats::descriptor::{Command, Roles};
use formats::limits::MEMBER_NONE;

impl Core {
    /// Backup: the next member of this site that is there; remote: the next of another site, else of ours.
    /// A copy is kept while any path to it is alive. A silent one keeps its place for a while if nobody
    /// else can take it: the NIC remembers what it acknowledged, so that after a split only the rest is
    /// proposed to it, and no flow that ended there comes back from here.
    pub(super) fn choose_copies(&mut self) {
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

    pub(super) fn update_copies(&mut self, out: &mut Vec<Action>) {
        let before = self.group;
        self.choose_copies();
        if self.group != before {
            self.coverage.dirty_buckets = ALL;
            self.send_map(out);
            self.announce(out);
        }
    }

    pub(super) fn send_map(&self, out: &mut Vec<Action>) {
        let Group { term, owner, backup, remote, successor } = self.group;
        let roles = Roles { bucket: 0, count: ALL, term, owner, backup, remote, successor };
        out.push(Action::Nic(Command::Map(roles)));
    }

    pub(super) fn announce(&self, out: &mut Vec<Action>) {
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
}
