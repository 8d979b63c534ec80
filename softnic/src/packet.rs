//! Packets of the data ports: parse, look up, track, diff, emit.
//!
//! Enters: a frame of a data port. Leaves: the table moved, a record in the frames of the copies if
//! something replicated changed, one counter. The packet itself passes whatever happens here.
//!
//! A flow made by a packet *waits*: it is tracked, but no part of what replicates, until the host
//! confirms it (or [`crate::Tracking::trust`] does) and it is old enough. A waiting entry may at the same
//! time be the tombstone of the life before.
//!
//! Invariants: packets write only the groups that [`crate::Tracking::groups`] gives them; a packet never
//! evicts; every packet is counted once as tracked or under one reason.
//!
//! Budget: ≤ 120 ns a packet at 16,000 flows, ≤ 150 ns at a million.

use crate::parse::{parse, Packet, Untracked};
use crate::prefetch::prefetch_line;
use crate::track::{self, Context, Outcome, State, TICK_SHIFT};
use crate::{Now, Softnic};
use formats::flow::Direction;
use formats::hash::first_version;
use formats::register::Counter;
use formats::{FlowId, FlowKey, FlowRecord, Groups, Stamp, Term};

/// How long after a takeover segments outside the window are followed instead of refused (30 s).
const LOOSE_TICKS: u32 = 458;

/// Packets that are parsed and hashed before the first of them is looked up.
const BATCH_PACKETS: usize = 32;

impl Softnic {
    /// Takes a packet that arrived on a data port; `Err` says why it is not tracked. It passes either way.
    pub fn packet(&mut self, now: Now, port: u8, frame: &[u8]) -> Result<(), Untracked> {
        self.advance(now);
        self.count(Counter::PacketsReceived);
        let read = self.identify(port, frame);
        let outcome = read.and_then(|(packet, id)| self.track_packet(id, &packet));
        self.count_outcome(outcome);
        outcome
    }

    /// Takes packets in their order, as [`Softnic::packet`] would one by one; the table's cache misses of
    /// a batch overlap.
    pub fn packets(&mut self, now: Now, port: u8, frames: &[&[u8]]) {
        self.advance(now);
        for batch in frames.chunks(BATCH_PACKETS) {
            let mut read = [Err(Untracked::Port); BATCH_PACKETS];
            for (read, frame) in read.iter_mut().zip(batch) {
                *read = self.identify(port, frame);
                if let Ok((_, id)) = read {
                    self.table.prefetch_set(*id);
                    prefetch_line(&self.buckets[id.bucket() as usize]);
                }
            }
            let read = &read[..batch.len()];
            for (_, id) in read.iter().flatten() {
                if let Some(at) = self.table.holder(*id) {
                    self.table.prefetch_entry(at);
                }
            }
            for read in read {
                self.count(Counter::PacketsReceived);
                let outcome = match read {
                    Ok((packet, id)) => self.track_packet(*id, packet),
                    Err(reason) => Err(*reason),
                };
                self.count_outcome(outcome);
            }
        }
    }

    fn count_outcome(&mut self, outcome: Result<(), Untracked>) {
        self.count(match outcome {
            Ok(()) => Counter::PacketsTracked,
            Err(reason) => reason.counter(),
        });
    }

    /// Key and flow id of a frame.
    #[inline]
    fn identify(&self, port: u8, frame: &[u8]) -> Result<(Packet, FlowId), Untracked> {
        let zone = self.tracking.zones.get(port as usize).ok_or(Untracked::Port)?;
        if self.tracking.ports >> port & 1 == 0 {
            return Err(Untracked::Port);
        }
        let mut packet = parse(frame)?;
        packet.key.zone = *zone;
        let id = self.hasher.flow_id(&packet.key);
        Ok((packet, id))
    }

    fn track_packet(&mut self, id: FlowId, packet: &Packet) -> Result<(), Untracked> {
        match self.look_up(id, &packet.key) {
            Some((at, direction)) => self.track_known(at, direction, packet),
            None => self.track_new(id, packet),
        }
    }

    /// The flow of a key, live or waiting, and which way the packet runs.
    fn look_up(&self, id: FlowId, key: &FlowKey) -> Option<(u32, Direction)> {
        let found = self.table.find(id, key).filter(|at| {
            let entry = &self.table[*at];
            entry.is_live() || entry.is_waiting()
        });
        let Some(at) = found else { return self.find_alias(id, key) };
        let original = self.table[at].record.key == *key;
        Some((at, if original { Direction::Original } else { Direction::Reply }))
    }

    /// Local time in steps of 2^16 µs.
    pub(crate) fn tick(&self) -> u32 {
        (self.local_us >> TICK_SHIFT) as u32
    }

    fn track_known(&mut self, at: u32, direction: Direction, packet: &Packet) -> Result<(), Untracked> {
        let tick = self.tick();
        let entry = &mut self.table[at];
        let bucket = &self.buckets[entry.id.bucket() as usize];
        if (bucket.owner, bucket.owner_session) != (self.config.member, self.config.session) {
            return Err(Untracked::NotOwner);
        }
        let taken_over = entry.is_live() && entry.stamp.term != bucket.term;
        if taken_over || !entry.record.groups.has(Groups::EDGES) {
            entry.loosen(tick.wrapping_add(LOOSE_TICKS));
        }
        let context = Context {
            direction,
            age_ticks: tick.wrapping_sub(entry.made_tick),
            present: entry.record.groups,
            loose: entry.is_loose(tick),
        };
        match track::step(&State::of(&entry.record), packet, context)? {
            Outcome::Tracked { state, groups, loose } => {
                entry.seen_tick = tick;
                let groups = Groups(groups.0 & self.tracking.groups.0);
                if loose {
                    self.count(Counter::PacketsLoose);
                }
                if self.table[at].is_waiting() {
                    state.store(&mut self.table[at].record, groups);
                    self.replicate_if_due(at);
                } else {
                    self.change_by_packet(at, &state, groups);
                }
                Ok(())
            }
            Outcome::Reopen => self.reopen(at, direction, packet),
        }
    }

    /// Stores what a packet moved; emits it if something replicated changed.
    fn change_by_packet(&mut self, at: u32, state: &State, groups: Groups) {
        let bits = self.tracking.edge_bits;
        let entry = &mut self.table[at];
        let changed = state.difference(&entry.record, groups, bits).both(self.config.replicate);
        if changed.is_empty() {
            return state.store(&mut entry.record, groups);
        }
        self.write_change(at, changed, |own| state.store(own, groups));
    }

    fn track_new(&mut self, id: FlowId, packet: &Packet) -> Result<(), Untracked> {
        if !self.owns(id.bucket()) {
            return Err(Untracked::NotOwner);
        }
        let state = track::open(packet)?;
        if self.counter(Counter::FlowsWaiting) >= u64::from(self.tracking.waiting_max) {
            return Err(Untracked::WaitingFull);
        }
        let found = self.table.find(id, &packet.key);
        let at = match found.map_or_else(|| self.table.make(id, &packet.key), Ok) {
            Ok(at) => at,
            Err(crate::table::Full) => return Err(Untracked::TableFull),
        };
        self.begin_life(at, packet.key, &state);
        self.table[at].set_waiting(true);
        self.count_options(packet);
        self.count(Counter::FlowsOpened);
        self.gauge(Counter::FlowsWaiting, 1);
        self.counters[Counter::FlowsOverflow as usize] = self.table.overflow_count() as u64;
        self.replicate_if_due(at);
        Ok(())
    }

    fn count_options(&mut self, packet: &Packet) {
        if let crate::parse::Transport::Tcp(segment) = packet.transport {
            if segment.options_malformed {
                self.count(Counter::TcpOptionsMalformed);
            }
        }
    }

    /// Writes the first state of a life that a packet begins.
    fn begin_life(&mut self, at: u32, key: FlowKey, state: &State) {
        self.unlink_alias(at);
        let tick = self.tick();
        let groups = Groups(track::groups_of(key.protocol).0 & self.tracking.groups.0);
        let entry = &mut self.table[at];
        entry.record = FlowRecord { key, ..FlowRecord::default() };
        state.store(&mut entry.record, groups);
        (entry.made_tick, entry.seen_tick, entry.cookie) = (tick, tick, 0);
        entry.set_unnamed(true);
    }

    /// A SYN opens a closed flow again. What the host said of the flow stays, until it says other.
    fn reopen(&mut self, at: u32, direction: Direction, packet: &Packet) -> Result<(), Untracked> {
        let old = self.table[at].record;
        // The translation of the other direction is the host's to choose.
        if direction == Direction::Reply && old.groups.has(Groups::NAT) {
            return Err(Untracked::TcpState);
        }
        let state = track::open(packet)?;
        let key = if direction == Direction::Original { old.key } else { old.key.reversed() };
        self.count_options(packet);
        self.count(Counter::FlowsReopened);
        if self.table[at].is_waiting() {
            self.begin_life(at, key, &state);
            self.replicate_if_due(at);
            return Ok(());
        }
        let mut made = FlowRecord { key, ..old };
        made.groups = made.groups.without(track::groups_of(key.protocol));
        let groups = Groups(track::groups_of(key.protocol).0 & self.tracking.groups.0);
        state.store(&mut made, groups);
        let tick = self.tick();
        let entry = &mut self.table[at];
        (entry.made_tick, entry.seen_tick) = (tick, tick);
        entry.set_unnamed(true);
        self.start_life(at, made);
        Ok(())
    }

    /// Makes a life of a flow part of what replicates.
    fn start_life(&mut self, at: u32, mut record: FlowRecord) {
        let entry = &self.table[at];
        let known = entry.is_live() || entry.is_tombstone();
        let version = first_version(self.version_clock_us, known.then_some(entry.stamp));
        record.incarnation = crate::change::incarnation(Term::default(), version, true);
        let term = self.buckets[entry.id.bucket() as usize].term;
        self.write(at, &record, Stamp { term, version });
        let audit = self.audit;
        let entry = &mut self.table[at];
        entry.forget_installed();
        entry.audit = audit;
        self.emit(at, None);
    }

    /// Lets a waiting flow replicate if it is confirmed or trusted, and old enough.
    pub(crate) fn replicate_if_due(&mut self, at: u32) -> bool {
        let entry = &self.table[at];
        let age_us = u64::from(self.tick().wrapping_sub(entry.made_tick)) << TICK_SHIFT;
        let confirmed = self.tracking.trust || !entry.is_unnamed();
        let due = confirmed && age_us >= u64::from(self.tracking.delay_ms) * 1000;
        if due {
            self.start_life(at, self.table[at].record);
        }
        due
    }

    /// Ends a waiting flow; nobody else knows of it.
    pub(crate) fn drop_waiting(&mut self, at: u32) {
        assert!(self.table[at].is_waiting(), "only waiting flows are dropped");
        self.unlink_alias(at);
        self.table[at].set_waiting(false);
        self.gauge(Counter::FlowsWaiting, -1);
        self.count(Counter::FlowsDropped);
        if !self.table[at].is_tombstone() {
            self.table.remove(at);
            self.counters[Counter::FlowsOverflow as usize] = self.table.overflow_count() as u64;
        }
    }

    /// The background pass over an entry: waiting flows become due or old; a flow that no host has named
    /// is aged here, because nobody else will.
    pub(crate) fn age(&mut self, at: u32) {
        let entry = &self.table[at];
        if !(entry.is_waiting() || entry.is_live() && entry.is_unnamed()) {
            return;
        }
        let record = &entry.record;
        let timeout_us =
            u64::from(track::timeout_s(record.key.protocol, record.tcp_state, record.class)) * 1_000_000;
        let idle_us = u64::from(self.tick().wrapping_sub(entry.seen_tick)) << TICK_SHIFT;
        let (waits, owned) = (entry.is_waiting(), self.owns(entry.id.bucket()));
        if waits && (!owned || idle_us >= timeout_us) {
            self.drop_waiting(at);
        } else if waits {
            self.replicate_if_due(at);
        } else if owned && idle_us >= timeout_us {
            self.end_flow(at);
            self.count(Counter::FlowsAged);
        }
    }
}
