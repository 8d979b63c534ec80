//! What views show of a member; plain values, no layout.

use crate::io::{State, SyncMtu, Unprotected};
use crate::peer::Peer;
use crate::{up, Core, UNVERIFIED_US};
use std::collections::BTreeMap;

/// Owned flows, as the NIC's background sweep last counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Flows this member serves.
    pub flows: u64,
    /// Of these, flows that every required copy has installed at some version.
    pub protected: u64,
    /// Of these, flows installed at their newest version.
    pub current: u64,
    /// Buckets that some copy still waits for.
    pub dirty_buckets: u16,
    /// Flows that copies say they could not install.
    pub refused: u64,
}

/// One peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Number.
    pub member: u8,
    /// Heard on some path.
    pub up: bool,
    /// Says that it holds nothing yet.
    pub reloading: bool,
    /// Whether frames of the configured size reach it.
    pub mtu: SyncMtu,
    /// Per port: heard.
    pub paths: Vec<bool>,
}

/// One member's view of itself and the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Own state.
    pub state: State,
    /// The sync link to a peer is silent while other paths are not.
    pub sync_lost: bool,
    /// Who serves, `None` if unknown.
    pub owner: Option<u8>,
    /// Term, as counter and member.
    pub term: (u32, u8),
    /// Whether every copy is whole: on the owner no dirty bucket, on a copy every bucket proven; and full frames
    /// pass between them.
    pub in_sync: bool,
    /// Buckets of this copy proven equal within 5 s.
    pub verified_buckets: u16,
    /// Age of the oldest proof in µs.
    pub oldest_proof_us: u64,
    /// The peers.
    pub peers: Vec<PeerStatus>,
    /// Coverage of owned flows.
    pub coverage: Coverage,
    /// Flows that cannot be protected, by reason.
    pub unprotected: BTreeMap<&'static str, u64>,
    /// Counters of the core by name.
    pub counters: BTreeMap<&'static str, u64>,
}

impl Core {
    /// Unprotected flows by reason: those that cannot be, those a copy does not hold, and on a copy those that
    /// its kernel refuses.
    fn unprotected_counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = self.source.unprotected_counts();
        let refused = if self.serving() {
            vec![(Unprotected::CopyRefused, self.coverage.refused)]
        } else {
            self.sink.refused_by_reason()
        };
        for (reason, count) in refused.into_iter().filter(|(_, count)| *count > 0) {
            *counts.entry(reason.name()).or_insert(0) += count;
        }
        counts
    }

    /// A snapshot for views.
    pub fn status(&self) -> Status {
        let (verified_buckets, oldest_proof_us) = self.verified(UNVERIFIED_US);
        let member = self.config.member;
        let in_sync = if self.serving() {
            self.peers.values().all(|peer| peer.sync_up() && !peer.reloading() && peer.mtu_ok())
                && self.coverage.dirty_buckets == 0
        } else {
            self.state == State::Standby
                && verified_buckets == crate::ALL
                && self.peers.get(&self.group.owner).is_some_and(Peer::mtu_ok)
        };
        let peer_status = |(number, peer): (&u8, &Peer)| PeerStatus {
            member: *number,
            up: !peer.down(),
            reloading: peer.reloading(),
            mtu: peer.mtu,
            paths: peer.paths.iter().map(|path| up(path.state)).collect(),
        };
        Status {
            state: self.state,
            sync_lost: self.peers.values().any(Peer::sync_lost),
            owner: (self.group.owner != formats::limits::MEMBER_NONE).then_some(self.group.owner),
            term: (self.group.term.counter(), self.group.term.member()),
            in_sync,
            verified_buckets: if self.group.owner == member { 0 } else { verified_buckets },
            oldest_proof_us,
            peers: self.peers.iter().map(peer_status).collect(),
            coverage: self.coverage,
            unprotected: self.unprotected_counts(),
            counters: BTreeMap::from([
                ("strays", self.source.strays_count),
                ("local_flows", self.source.local_count),
                ("unprotected_not_listed", self.source.forgotten_count),
                ("install_conflicts", self.sink.conflicts_count),
                ("install_refused", u64::from(self.refused_count())),
            ]),
        }
    }
}
