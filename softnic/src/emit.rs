//! Emission: each change goes at once into the frame under construction of each copy.
//!
//! While a copy's bucket is dirty its records are deferred, the snapshot carries them; while the
//! snapshot runs they travel whole; else in the shortest form whose base the copy holds.

use crate::bucket::CopyState;
use crate::entry::{Entry, PENDING};
use crate::frame::{Item, IN_FLIGHT_MAX, SCRATCH};
use crate::track::round_edges;
use crate::Softnic;
use formats::flow::Edges;
use formats::limits::*;
use formats::record::{encode_full, Update};
use formats::register::Counter;
use formats::unit::{kind, Compact, DeleteUnit, Window};
use formats::{FlowRecord, Groups, Record, Stamp};

/// Whether and how a record may go to a copy now.
enum Gate {
    Deferred,
    Whole,
    Open,
}

/// What a version changed of the one before; nothing, if it ended the flow.
#[derive(Clone, Copy, Default)]
pub(crate) struct Delta {
    /// Replicated groups whose value differs.
    pub(crate) changed: Groups,
    /// Groups that were present.
    pub(crate) groups: Groups,
    /// The edges that were sent.
    pub(crate) edges: [Edges; 2],
}

/// Groups that COMPACT carries.
const COMPACT_GROUPS: Groups = Groups::STATUS.with(Groups::LIFETIME);

impl Softnic {
    /// Emits the entry's state to each copy: what changed, or whole.
    pub(crate) fn emit(&mut self, at: u32, delta: Option<Delta>) {
        let id = self.table[at].id;
        let bucket = id.bucket();
        for copy in 0..2 {
            let member = self.buckets[bucket as usize].members[copy];
            if member == MEMBER_NONE {
                continue;
            }
            self.note_installed(at, copy);
            match (self.gate(bucket, copy), delta) {
                (Gate::Deferred, _) => self.defer(at, copy),
                (Gate::Open, Some(delta)) if self.table[at].goes_by_id() => {
                    self.send_delta(at, copy, &delta);
                }
                (Gate::Open | Gate::Whole, _) => self.send_whole(at, copy),
            }
        }
    }

    /// Notes that the copy has installed the version it was sent last, before a newer one is sent.
    fn note_installed(&mut self, at: u32, copy: usize) {
        let entry = &mut self.table[at];
        let bucket = &self.buckets[entry.id.bucket() as usize];
        let state = bucket.copies[copy];
        let peer = &self.peers[bucket.members[copy] as usize];
        if state.state == CopyState::Clean && !state.renewed && entry.sent[copy] <= peer.installed {
            entry.set_installed(copy, true);
        }
    }

    pub(crate) fn defer(&mut self, at: u32, copy: usize) {
        self.table[at].sent[copy] = PENDING;
        self.count(Counter::RecordsDeferred);
    }

    /// Whether the peer takes no more records this turn.
    pub(crate) fn queue_is_full(&self, member: u8) -> bool {
        let peer = &self.peers[member as usize];
        peer.frames_waiting >= self.config.queue_frames_max || peer.in_flight.len() >= IN_FLIGHT_MAX
    }

    fn gate(&mut self, bucket: u16, copy: usize) -> Gate {
        let b = &self.buckets[bucket as usize];
        let (member, state) = (b.members[copy], b.copies[copy].state);
        match state {
            _ if self.peers[member as usize].session == 0 => Gate::Deferred,
            CopyState::Dirty => Gate::Deferred,
            _ if self.queue_is_full(member) => {
                self.count(Counter::QueueFull);
                self.mark_dirty(bucket, copy);
                Gate::Deferred
            }
            CopyState::Sweeping => Gate::Whole,
            CopyState::Clean | CopyState::Waiting => Gate::Open,
        }
    }

    /// Sends an entry whole to a copy, or defers it.
    pub(crate) fn send_or_defer(&mut self, at: u32, copy: usize) {
        match self.gate(self.table[at].id.bucket(), copy) {
            Gate::Deferred => self.defer(at, copy),
            Gate::Whole | Gate::Open => self.send_whole(at, copy),
        }
    }

    fn send_whole(&mut self, at: u32, copy: usize) {
        let member = self.buckets[self.table[at].id.bucket() as usize].members[copy];
        let sequence = self.append_whole(member, at, true, Item::Flow(at));
        self.sent_inline(at, copy, member, sequence);
    }

    fn sent_inline(&mut self, at: u32, copy: usize, member: u8, sequence: u64) {
        self.table[at].sent[copy] = sequence;
        self.peers[member as usize].emitted += 1;
        self.emitted_since_work += 1;
        self.count(Counter::RecordsEmitted);
    }

    /// Appends FULL or a keyed DELETE; `restamp` writes the bucket's term, which the entry itself gets
    /// only with its next change, because the other copy still counts on the old one.
    pub(crate) fn append_whole(&mut self, member: u8, at: u32, restamp: bool, item: Item) -> u64 {
        let entry = &self.table[at];
        let mut stamp = entry.stamp;
        if restamp {
            stamp.term = self.buckets[entry.id.bucket() as usize].term;
        }
        let mut scratch = SCRATCH;
        let units = if entry.is_tombstone() {
            Record::DeleteKeyed(entry.record.key, stamp).encode(&mut scratch)
        } else if self.is_image(&entry.record) {
            encode_full(&entry.record, stamp, &mut scratch)
        } else {
            encode_full(&self.image(&entry.record), stamp, &mut scratch)
        };
        self.append(member, &scratch[..units * UNIT_SIZE], Some(item))
    }

    /// Appends the shortest record that says what changed since the version before.
    fn send_delta(&mut self, at: u32, copy: usize, delta: &Delta) {
        let entry = &self.table[at];
        let member = self.buckets[entry.id.bucket() as usize].members[copy];
        let item = Some(Item::Flow(at));
        let sequence = if let Some(unit) = self.one_unit(entry, delta) {
            self.append(member, &unit, item)
        } else {
            let update = Record::Update(self.update_of(entry, delta.changed));
            self.append_record(member, &update, item)
        };
        self.sent_inline(at, copy, member, sequence);
    }

    /// The end of a flow, its status, or the edges that one packet moved, if no more is to be said: most
    /// changes, written without the room that larger records need.
    fn one_unit(&self, entry: &Entry, delta: &Delta) -> Option<[u8; UNIT_SIZE]> {
        let (changed, record) = (delta.changed, &entry.record);
        let Stamp { term, version } = entry.stamp;
        let (units, term_low, flow_id, version_low) = (1, term.0 as u8, entry.id.0, version as u16);
        let mut bytes = [0; UNIT_SIZE];
        if entry.is_tombstone() {
            let kind = kind::DELETE;
            DeleteUnit { kind, units, term_low, flow_id, version, ..DeleteUnit::default() }
                .encode(&mut bytes);
        } else if COMPACT_GROUPS.has(changed) && delta.groups.has(changed) {
            let unit = Compact {
                kind: kind::COMPACT,
                units,
                term_low,
                class: record.class,
                flow_id,
                version_low,
                tcp_state: record.tcp_state,
                status: record.status,
                spare: 0,
            };
            unit.encode(&mut bytes);
        } else if changed == Groups::EDGES && delta.groups.has(changed) {
            let edges = round_edges(record.edges, self.tracking.edge_bits);
            let (sender, unit) = Window::between(&delta.edges, &edges)?;
            let kind = Window::kind_of(sender);
            Window { kind, units, term_low, flow_id, version_low, ..unit }.encode(&mut bytes);
        } else {
            return None;
        }
        Some(bytes)
    }

    fn update_of(&self, entry: &Entry, changed: Groups) -> Update {
        let Stamp { term, version } = entry.stamp;
        Update {
            flow_id: entry.id,
            term_low: term.0 as u8,
            version,
            base_distance: 1,
            changed: FlowRecord { groups: changed, ..self.image(&entry.record) },
        }
    }
}
