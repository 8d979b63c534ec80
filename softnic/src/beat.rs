//! Liveness: heartbeats sent on every port while the host is alive, and the paths they arrive on.

use crate::Softnic;
use formats::descriptor::{Event, PathState};
use formats::unit::{heartbeat, kind, HeartbeatUnit};
use formats::Record;

/// What the host last said, and when the timers are due.
#[derive(Debug)]
pub(crate) struct Beats {
    /// The host counts as alive until here.
    alive_until_us: u64,
    flags: u16,
    data_links: u16,
    lease_us: u32,
    /// Next heartbeat.
    pub(crate) next_us: u64,
    /// Next path that may change.
    pub(crate) paths_us: u64,
}

impl Beats {
    pub(crate) fn new(now_us: u64) -> Self {
        Self { alive_until_us: 0, flags: 0, data_links: 0, lease_us: 0, next_us: now_us, paths_us: u64::MAX }
    }
}

impl Softnic {
    pub(crate) fn renew_host(&mut self, flags: u16, data_links: u16, lease_us: u32) {
        self.beats.alive_until_us = self.local_us.saturating_add(self.config.host_alive_us);
        (self.beats.flags, self.beats.data_links, self.beats.lease_us) = (flags, data_links, lease_us);
    }

    pub(crate) fn send_beats(&mut self) {
        if self.local_us < self.beats.next_us {
            return;
        }
        // Late beats are not made up for.
        self.beats.next_us = self.local_us + self.config.beat_us;
        if self.local_us >= self.beats.alive_until_us {
            return;
        }
        let mut unit = self.heartbeat();
        for peer in 0..self.peers.len() as u8 {
            if !self.peers[peer as usize].known {
                continue;
            }
            unit.received = self.peers[peer as usize].flow_records;
            for port in 0..self.config.ports {
                let heard = self.peers[peer as usize].paths[port as usize].state == PathState::Up;
                let flags = if heard { unit.flags | heartbeat::HEARS_YOU } else { unit.flags };
                let record = Record::Heartbeat(HeartbeatUnit { flags, ..unit });
                if port > 0 {
                    self.send_alone(peer, port, &record);
                    continue;
                }
                self.append_record(peer, &record, None);
                if self.peers[peer as usize].session != 0 {
                    self.send_acknowledgement(peer);
                }
            }
        }
    }

    fn heartbeat(&self) -> HeartbeatUnit {
        let (member, session) = (self.config.member, self.config.session);
        let (mut owned, mut verified, mut term) = (0, 0, 0);
        for b in &self.buckets {
            owned += u16::from(b.owner == member && b.owner_session == session);
            verified += u16::from(b.verified && b.copy_of(member).is_some());
            term = term.max(b.term.0);
        }
        HeartbeatUnit {
            kind: kind::HEARTBEAT,
            flags: self.beats.flags & !heartbeat::HEARS_YOU | heartbeat::HOST_ALIVE,
            data_links: self.beats.data_links,
            buckets_owned: owned,
            buckets_verified: verified,
            lease_us: self.beats.lease_us,
            term,
            ..HeartbeatUnit::default()
        }
    }

    pub(crate) fn take_heartbeat(&mut self, peer: u8, port: u8, unit: &HeartbeatUnit) {
        if unit.flags & heartbeat::HOST_ALIVE == 0 {
            return;
        }
        let now_us = self.local_us;
        let higher = self.buckets.iter().all(|bucket| bucket.term.0 < unit.term);
        let flags = unit.flags & !heartbeat::HIGHER_TERM | if higher { heartbeat::HIGHER_TERM } else { 0 };
        let path = &mut self.peers[peer as usize].paths[port as usize];
        let was = (path.state, path.beat_flags);
        (path.state, path.heard_us) = (PathState::Up, now_us);
        (path.beat_flags, path.lease_us) = (flags, unit.lease_us);
        let changed = was != (path.state, path.beat_flags);
        self.beats.paths_us = self.beats.paths_us.min(now_us.saturating_add(self.config.late_us));
        if changed {
            self.tell_path(peer, port);
        }
    }

    fn tell_path(&mut self, peer: u8, port: u8) {
        let path = &self.peers[peer as usize].paths[port as usize];
        let event = Event::Path {
            peer,
            port,
            state: path.state,
            beat_flags: path.beat_flags,
            heard_us: path.heard_us,
            lease_us: path.lease_us,
        };
        self.report_control(event);
    }

    /// Makes paths late and silent.
    pub(crate) fn age_paths(&mut self) {
        if self.local_us < self.beats.paths_us {
            return;
        }
        self.beats.paths_us = u64::MAX;
        for peer in 0..self.peers.len() as u8 {
            for port in 0..self.config.ports {
                let path = &mut self.peers[peer as usize].paths[port as usize];
                if path.state == PathState::Silent {
                    continue;
                }
                let late_at = path.heard_us.saturating_add(self.config.late_us);
                let silent_at = path.heard_us.saturating_add(self.config.silent_us);
                let (state, next) = if self.local_us >= silent_at {
                    (PathState::Silent, u64::MAX)
                } else if self.local_us >= late_at {
                    (PathState::Late, silent_at)
                } else {
                    (PathState::Up, late_at)
                };
                self.beats.paths_us = self.beats.paths_us.min(next);
                if state != path.state {
                    path.state = state;
                    self.tell_path(peer, port);
                }
            }
        }
    }

    /// The peer is forgotten: none of its paths counts.
    pub(crate) fn silence(&mut self, peer: u8) {
        for port in 0..self.config.ports {
            let path = &mut self.peers[peer as usize].paths[port as usize];
            if path.state != PathState::Silent {
                (path.state, path.beat_flags) = (PathState::Silent, 0);
                self.tell_path(peer, port);
            }
        }
    }
}
