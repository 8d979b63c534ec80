//! Emission: each change goes at once into the frame under construction of each copy.
//!
//! While a copy's bucket is dirty its records are deferred, the snapshot carries them; while the
//! snapshot runs they travel whole; else in the shortest form whose base the copy holds.

use crate::bucket::{Copy, CopyState};
use crate::entry::{Entry, PENDING};
use crate::frame::{Item, IN_FLIGHT_MAX, SCRATCH};
use crate::track::round_edges;
use crate::Softnic;
use formats::flow::{Edges, Image};
use formats::limits::*;
use formats::record::{encode_full, encode_update};
use formats::register::Counter;
use formats::unit::{kind, Compact, DeleteUnit, UpdateHead, Window};
use formats::{Groups, Record, Stamp};

/// Whether and how a record may go to a copy now.
enum Gate {
    Deferred,
    /// Deferred, and the bucket needs a snapshot: the peer takes no more records this turn.
    Full,
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
    /// The edges that were there; they were sent as they replicate.
    pub(crate) edges: [Edges; 2],
}

/// A record of one unit.
type Unit = [u8; UNIT_SIZE];
/// Groups that COMPACT carries.
const COMPACT_GROUPS: Groups = Groups::STATUS.with(Groups::LIFETIME);

impl Softnic {
    /// Emits the entry's state to each copy: what changed, or whole.
    #[inline]
    pub(crate) fn emit(&mut self, at: u32, delta: Option<Delta>) {
        let entry = &self.table[at];
        let bucket = entry.id.bucket();
        let delta = delta.filter(|_| entry.goes_by_id());
        let unit = delta.and_then(|delta| self.one_unit(entry, &delta));
        for copy in 0..2 {
            let b = &self.buckets[bucket as usize];
            let (member, state) = (b.members[copy], b.copies[copy]);
            if member == MEMBER_NONE {
                continue;
            }
            self.note_installed(at, copy, member, state);
            match (self.gate(member, state.state), delta) {
                (Gate::Deferred, _) => self.defer(at, copy),
                (Gate::Full, _) => self.defer_full(at, copy),
                (Gate::Open, Some(delta)) => self.send_delta(at, copy, member, unit, &delta),
                (Gate::Open | Gate::Whole, _) => self.send_whole(at, copy),
            }
        }
    }

    /// Notes that the copy has installed the version it was sent last, before a newer one is sent.
    #[inline]
    fn note_installed(&mut self, at: u32, copy: usize, member: u8, state: Copy) {
        let (entry, peer) = (&mut self.table[at], &self.peers[member as usize]);
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

    fn defer_full(&mut self, at: u32, copy: usize) {
        self.count(Counter::QueueFull);
        self.mark_dirty(self.table[at].id.bucket(), copy);
        self.defer(at, copy);
    }

    #[inline]
    fn gate(&self, member: u8, state: CopyState) -> Gate {
        match state {
            _ if self.peers[member as usize].session == 0 => Gate::Deferred,
            CopyState::Dirty => Gate::Deferred,
            _ if self.queue_is_full(member) => Gate::Full,
            CopyState::Sweeping => Gate::Whole,
            CopyState::Clean | CopyState::Waiting => Gate::Open,
        }
    }

    /// Sends an entry whole to a copy, or defers it.
    pub(crate) fn send_or_defer(&mut self, at: u32, copy: usize) {
        let b = &self.buckets[self.table[at].id.bucket() as usize];
        match self.gate(b.members[copy], b.copies[copy].state) {
            Gate::Deferred => self.defer(at, copy),
            Gate::Full => self.defer_full(at, copy),
            Gate::Whole | Gate::Open => self.send_whole(at, copy),
        }
    }

    fn send_whole(&mut self, at: u32, copy: usize) {
        let member = self.buckets[self.table[at].id.bucket() as usize].members[copy];
        let sequence = self.append_whole(member, at, true, Item::Flow(at));
        self.sent_inline(at, copy, member, sequence);
    }

    #[inline]
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
        } else {
            encode_full(self.replicating().image(&entry.record), stamp, &mut scratch)
        };
        self.append(member, &scratch[..units * UNIT_SIZE], Some(item))
    }

    /// Appends the shortest record that says what changed since the version before: one unit, or UPDATE.
    #[inline]
    fn send_delta(&mut self, at: u32, copy: usize, member: u8, unit: Option<Unit>, delta: &Delta) {
        let item = Some(Item::Flow(at));
        let sequence = match unit {
            Some(unit) => self.append(member, &unit, item),
            None => {
                let mut scratch = SCRATCH;
                let units = self.encode_update(&self.table[at], delta.changed, &mut scratch);
                self.append(member, &scratch[..units * UNIT_SIZE], item)
            }
        };
        self.sent_inline(at, copy, member, sequence);
    }

    /// The end of a flow, its status, or the edges that one packet moved, if no more is to be said: most
    /// changes, written without the room that larger records need.
    #[inline]
    fn one_unit(&self, entry: &Entry, delta: &Delta) -> Option<Unit> {
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
            let [old, new] =
                [delta.edges, record.edges].map(|edges| round_edges(edges, self.tracking.edge_bits));
            let (sender, unit) = Window::between(&old, &new)?;
            let kind = Window::kind_of(sender);
            Window { kind, units, term_low, flow_id, version_low, ..unit }.encode(&mut bytes);
        } else {
            return None;
        }
        Some(bytes)
    }

    fn encode_update(&self, entry: &Entry, changed: Groups, out: &mut [u8]) -> usize {
        let Stamp { term, version } = entry.stamp;
        let (flow_id, term_low) = (entry.id.0, term.0 as u8);
        let head = UpdateHead { term_low, flow_id, version, base_distance: 1, ..UpdateHead::default() };
        let image = Image { groups: changed, ..self.replicating().image(&entry.record) };
        encode_update(head, image, out)
    }
}
