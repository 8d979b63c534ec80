//! What this member knows of another one: session, paths and heartbeat flags.

use crate::io::{Action, Log, SyncMtu};
use crate::Core;
use formats::descriptor::PathState;
use formats::unit::heartbeat;

/// One path to a peer: the sync link or a data network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) state: PathState,
    pub(crate) heard_us: u64,
    /// The last heartbeat on it said that the peer hears us here.
    pub(crate) hears_us: bool,
    /// The last heartbeat on it knew a term that is not known here.
    pub(crate) higher_term: bool,
}

/// One other member.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Accepted session, 0 before the first.
    pub(crate) session: u64,
    pub(crate) paths: Vec<Path>,
    pub(crate) flags: u16,
    pub(crate) lease_us: u64,
    /// When it was first heard after a silence on all paths.
    pub(crate) up_us: u64,
    pub(crate) mtu: SyncMtu,
}

impl Peer {
    pub(crate) fn new(ports: usize) -> Self {
        let path = Path { state: PathState::Silent, heard_us: 0, hears_us: false, higher_term: false };
        Self { session: 0, paths: vec![path; ports], flags: 0, lease_us: 0, up_us: 0, mtu: SyncMtu::Ok }
    }

    /// Silent on every path.
    pub(crate) fn down(&self) -> bool {
        self.paths.iter().all(|path| path.state == PathState::Silent)
    }

    /// Overdue on every path, or worse.
    pub(crate) fn suspect(&self) -> bool {
        self.paths.iter().all(|path| path.state != PathState::Up)
    }

    /// Heard in time on a path on which it hears us too.
    pub(crate) fn hears_us(&self) -> bool {
        self.paths.iter().any(|path| path.state == PathState::Up && path.hears_us)
    }

    /// Heard on a path, and it knows a term that has not arrived here yet.
    pub(crate) fn higher_term(&self) -> bool {
        self.paths.iter().any(|path| path.state != PathState::Silent && path.higher_term)
    }

    /// Silent on the sync link, in time on another path.
    pub(crate) fn sync_lost(&self) -> bool {
        self.paths[0].state == PathState::Silent && self.paths.iter().any(|path| path.state == PathState::Up)
    }

    pub(crate) fn sync_up(&self) -> bool {
        self.paths[0].state != PathState::Silent && self.session != 0
    }

    /// Frames of the configured size reach it.
    pub(crate) fn mtu_ok(&self) -> bool {
        self.mtu == SyncMtu::Ok
    }

    /// Heard on any path, and it says that it serves and holds nothing.
    pub(crate) fn reloading(&self) -> bool {
        self.flags & heartbeat::RELOADING != 0
    }

    pub(crate) fn heard_us(&self) -> u64 {
        self.paths.iter().map(|path| path.heard_us).max().unwrap_or(0)
    }
}

impl Core {
    /// What was learned of the sync link to a peer.
    pub(crate) fn sync_mtu(&mut self, peer: u8, mtu: SyncMtu, out: &mut Vec<Action>) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        let was = std::mem::replace(&mut known.mtu, mtu);
        let too_small = |mtu| matches!(mtu, SyncMtu::TooSmall { .. });
        if was != mtu && (too_small(was) || too_small(mtu)) {
            out.push(Action::Log(Log::SyncMtu { peer, mtu }));
        }
    }
}
