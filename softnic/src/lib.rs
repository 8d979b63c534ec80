//! The connection engine in software: production code for a gateway without a board, and the model
//! that the RTL is compared with.
//!
//! Enters: commands, packets, frames and time. Leaves: frames and events. No I/O, no clock, no thread, no random
//! source; the result depends on the order of the calls alone.
//!
//! Files in the order data passes: [`parse`], [`track`], [`alias`] and [`packet`] (data ports),
//! [`command`], [`change`] and [`confirm`] (host), [`image`] (what replicates),
//! [`emit`] and [`frame`] (records into frames), [`acknowledge`] (what came of them), [`sweep`]
//! (snapshots sent), [`ingress`] (frame checks), [`receive`] (records told apart), [`apply`],
//! [`snapshot`] (snapshots received), [`digest`], [`merge`] (after a split), [`map`] (terms and roles),
//! [`beat`] (liveness), [`report`] and [`scan`] (events), [`coverage`], [`balance`] (the books).
//!
//! Invariants: the table never evicts; applying never emits; no frame, record or command panics the
//! engine; memory is bounded by flows, peers and frames in flight.
//!
//! Budget, one core (`cargo xtask bench engine`): 8 M packets/s with 16 k flows and 3 M with a million; 15 M
//! and 5 M upserts of the mix that a host sends; ≤ 256 B per flow; a million flows in sync in 1 s of CPU. Met but
//! for upserts; the README has the figures.
#![deny(unsafe_code)]

mod acknowledge;
mod alias;
mod apply;
mod balance;
mod beat;
mod bucket;
mod change;
mod command;
mod config;
mod confirm;
mod coverage;
mod digest;
mod emit;
mod entry;
mod frame;
#[cfg(test)]
#[path = "../tests/packets/mod.rs"]
mod frames;
mod image;
mod ingress;
mod map;
mod merge;
mod packet;
pub mod parse;
mod peer;
mod prefetch;
mod receive;
mod report;
mod scan;
mod snapshot;
mod sweep;
mod table;
mod track;

pub use config::{Config, Now, Omissions};
pub use formats::Tracking;
pub use parse::Untracked;

use alias::Aliases;
use balance::Books;
use beat::Beats;
use bucket::Bucket;
use coverage::Coverage;
use entry::Entry;
use formats::descriptor::{Command, Event, Roles};
use formats::limits::*;
use formats::register::Counter;
use formats::unit::RepairUnit;
use formats::{FlowDigester, FlowHasher, FlowKey, FlowRecord, Stamp};
use frame::Outbox;
use merge::Pull;
use peer::Peer;
use report::Report;
use scan::Job;
use std::collections::{BTreeMap, VecDeque};
use table::{Cursor, Table};

/// Background work (sweeps, proposals, tombstones) runs at most this often.
const WORK_TICK_US: u64 = 100;

/// The connection engine of one member.
pub struct Softnic {
    config: Config,
    tracking: Tracking,
    hasher: Box<FlowHasher>,
    digester: FlowDigester,
    /// Latest monotonic local time.
    local_us: u64,
    /// Highest cluster time seen, own or in an accepted frame: versions are drawn from it.
    version_clock_us: u64,
    table: Table,
    aliases: Aliases,
    buckets: Vec<Bucket>,
    peers: Vec<Peer>,
    outbox: Outbox,
    report: Report,
    jobs: VecDeque<Job>,
    /// Snapshots asked of survivors, by bucket and peer.
    pulls: BTreeMap<(u16, u8), Pull>,
    /// Some bucket may be proposing.
    any_proposing: bool,
    beats: Beats,
    coverage: Coverage,
    /// Number of the current audit; entries remember the audit that painted them.
    audit: u16,
    audit_running: bool,
    /// The frame at hand holds a record we had to refuse for its term or for lack of room: it is not
    /// acknowledged, so that its sender repeats what it carried.
    frame_refused: bool,
    /// When the frame at hand came, there was room for events that cannot be coalesced.
    frame_has_room: bool,
    /// Digests sent so far, in steps of one bucket.
    digest_steps: u64,
    start_us: u64,
    work_us: u64,
    emitted_since_work: u64,
    /// Place, among the peers, of that whose sweeps go first in the next tick.
    sweep_turn: usize,
    /// Bucket whose tombstones are looked through next, and when the last were.
    settle_turn: u16,
    settle_us: u64,
    /// Requests of the frame at hand, answered after its acknowledgement.
    repairs: Vec<RepairUnit>,
    books: Books,
    counters: [u64; Counter::COUNT],
}

impl Softnic {
    /// An engine without flows, peers or roles.
    pub fn new(config: Config, now: Now) -> Self {
        let config = config.checked();
        let mut peers: Vec<Peer> = (0..MEMBERS_MAX).map(|_| Peer::default()).collect();
        for member in &config.peers {
            peers[*member as usize].known = true;
        }
        Self {
            hasher: Box::new(FlowHasher::new(&config.secret)),
            digester: FlowDigester::new(&config.secret),
            local_us: now.local_us,
            version_clock_us: now.cluster_us,
            table: Table::new(config.set_bits, config.ways, config.overflow_max),
            tracking: Tracking::default(),
            aliases: Aliases::default(),
            buckets: (0..BUCKETS_COUNT).map(|_| Bucket::default()).collect(),
            peers,
            outbox: Outbox::default(),
            report: Report::new(config.events_max),
            jobs: VecDeque::new(),
            pulls: BTreeMap::new(),
            any_proposing: false,
            beats: Beats::new(now.local_us),
            coverage: Coverage::new(now.local_us),
            audit: 0,
            audit_running: false,
            frame_refused: false,
            frame_has_room: true,
            digest_steps: 0,
            start_us: now.local_us,
            work_us: now.local_us,
            emitted_since_work: 0,
            sweep_turn: 0,
            settle_turn: 0,
            settle_us: now.local_us,
            repairs: Vec::new(),
            books: Books::default(),
            counters: [0; Counter::COUNT],
            config,
        }
    }

    /// Says how packets are tracked; before the first flow.
    pub fn track(&mut self, tracking: Tracking) {
        assert!(self.table.entries_count() == 0, "tracking is set up before the first flow");
        // These values come from our own agent, not from outside.
        assert_eq!(tracking.impossible(), None, "a setting that no engine can hold");
        self.tracking = tracking;
        let aliases_max = if tracking.is_on() { tracking.aliases_max } else { 0 };
        self.aliases = Aliases::new(aliases_max as usize);
    }

    /// Takes time forward; neither clock ever runs backwards in here.
    fn advance(&mut self, now: Now) {
        self.local_us = self.local_us.max(now.local_us);
        self.see_cluster_time(now.cluster_us);
    }

    fn see_cluster_time(&mut self, cluster_us: u64) {
        // A time that does not fit a version is nobody's clock.
        if cluster_us >> (VERSION_BITS - 1) == 0 {
            self.version_clock_us = self.version_clock_us.max(cluster_us);
        }
    }

    /// Does what the timers ask for: beats, paths, digests, sweeps, proposals, tombstones, coverage.
    pub fn poll(&mut self, now: Now) {
        self.advance(now);
        self.send_beats();
        self.age_paths();
        self.send_due_digests();
        self.run_coverage();
        if self.local_us >= self.work_us {
            self.work_us = self.local_us + WORK_TICK_US;
            self.run_proposals();
            self.run_sweeps();
            self.settle_tombstones();
        }
        self.run_reports();
    }

    /// Closes the frames under construction and hands out all frames, in order.
    pub fn transmit(&mut self, now: Now, send: &mut dyn FnMut(u8, &[u8])) {
        self.advance(now);
        self.send_answers();
        self.send_acknowledgements();
        for n in 0..self.config.peers.len() {
            let peer = self.config.peers[n];
            self.close(peer);
            self.peers[peer as usize].frames_waiting = 0;
        }
        while let Some((port, bytes)) = self.outbox.frames.pop_front() {
            send(port, &bytes);
            self.outbox.recycle(bytes);
        }
    }

    /// The next event for the host.
    pub fn next_event(&mut self) -> Option<Event> {
        if self.report.is_empty() {
            self.run_reports();
        }
        self.report.pop()
    }

    /// Local time of the next timer.
    pub fn next_deadline_us(&self) -> u64 {
        let mut deadline = self.beats.next_us.min(self.beats.paths_us).min(self.coverage.next_us());
        deadline = deadline.min(self.next_digest_us());
        if self.work_is_pending() {
            deadline = deadline.min(self.work_us);
        }
        if self.report.has_pending() || !self.jobs.is_empty() {
            deadline = deadline.min(self.local_us + WORK_TICK_US);
        }
        let asked = self.known_peers().filter(|peer| peer.answers_wait());
        asked.fold(deadline, |d, peer| d.min(peer.answer_us))
    }

    fn work_is_pending(&self) -> bool {
        self.known_peers().any(|peer| peer.session != 0 && peer.has_sweeps()) || self.any_proposing
    }

    fn known_peers(&self) -> impl Iterator<Item = &Peer> {
        self.config.peers.iter().map(|peer| &self.peers[*peer as usize])
    }

    /// One counter.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// Every counter, in register order.
    pub fn counters(&self) -> &[u64; Counter::COUNT] {
        &self.counters
    }

    /// A live flow: record, stamp and the host's cookie.
    pub fn flow(&self, key: &FlowKey) -> Option<(FlowRecord, Stamp, u32)> {
        let at = self.table.find(self.hasher.flow_id(key), key)?;
        let entry = &self.table[at];
        entry.is_live().then_some((entry.record, entry.stamp, entry.cookie))
    }

    /// Every live flow, in table order.
    pub fn flows(&self) -> impl Iterator<Item = (&FlowRecord, Stamp, u32)> + '_ {
        (0..BUCKETS_COUNT as u16).flat_map(move |bucket| {
            let mut cursor = Cursor::START;
            std::iter::from_fn(move || self.table.next(bucket, &mut cursor))
                .map(|at| &self.table[at])
                .filter(|entry| entry.is_live())
                .map(|entry: &Entry| (&entry.record, entry.stamp, entry.cookie))
        })
    }

    /// Term and roles of a bucket, as this member knows them.
    pub fn roles(&self, bucket: u16) -> Roles {
        self.buckets[bucket as usize].roles(bucket)
    }

    /// Live flows of a bucket and the sum of their digests.
    pub fn bucket_digest(&self, bucket: u16) -> (u32, u64) {
        let bucket = &self.buckets[bucket as usize];
        (bucket.count, bucket.sum)
    }

    /// The time versions are drawn from.
    pub fn version_clock(&self) -> u64 {
        self.version_clock_us
    }

    /// Bytes held for flows: table, entries, overflow.
    pub fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.aliases.memory_bytes()
    }

    /// Checks the books: each stage's entries equal its exits, gauges equal a recount.
    pub fn balance(&self) -> Result<(), String> {
        self.books_close()
    }

    /// Takes a command of the host.
    pub fn command(&mut self, now: Now, command: &Command) {
        self.advance(now);
        self.take_command(command, self.id_of(command), None);
    }

    /// Takes commands in their order, as [`Softnic::command`] would one by one; the table's cache misses
    /// of a batch overlap.
    pub fn commands(&mut self, now: Now, commands: &[Command]) {
        self.advance(now);
        self.take_commands(commands);
    }

    /// Takes a frame that arrived on a port.
    pub fn receive(&mut self, now: Now, port: u8, frame: &[u8]) {
        self.advance(now);
        self.take_frame(port, frame);
    }

    #[inline]
    fn count(&mut self, counter: Counter) {
        self.counters[counter as usize] += 1;
    }

    #[inline]
    fn gauge(&mut self, counter: Counter, delta: i64) {
        let value = &mut self.counters[counter as usize];
        *value = value.checked_add_signed(delta).expect("a gauge never falls below zero");
    }

    /// Whether this member serves the bucket, in this session.
    #[inline]
    fn owns(&self, bucket: u16) -> bool {
        let b = &self.buckets[bucket as usize];
        b.owner == self.config.member && b.owner_session == self.config.session
    }
}
