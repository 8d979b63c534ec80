//! Records of a peer, as frames for the engine and as words for the card.

use super::engine::*;
use formats::descriptor::Command;
use formats::flow::{Direction, Edges, FlowKey, FlowRecord, Stamp, Term};
use formats::frame::{encode_header, Envelope, FrameHeader};
use formats::limits::{FRAME_CRC_FROM, FRAME_HEADER_SIZE, PROTOCOL_VERSION, RECORD_UNITS_MAX, UNIT_SIZE};
use formats::record::Update;
use formats::register::Counter;
use formats::unit::{kind, Compact, DeleteUnit, SnapshotBegin, Window, PULL};
use formats::{FlowId, Record};
use hw::layout::{pack, Entry};
use hw::table::{commands, flag, outcome};

/// The counter of each outcome of a record.
pub(super) const RECORDS: [(Counter, u8); 6] = [
    (Counter::RecordsApplied, outcome::APPLIED),
    (Counter::RecordsUnchanged, outcome::EQUAL),
    (Counter::RecordsStale, outcome::STALE),
    (Counter::RecordsGapped, outcome::GAPPED),
    (Counter::RecordsFull, outcome::NO_ROOM),
    (Counter::RecordsMalformed, outcome::MALFORMED),
];

impl Model {
    /// Begins a snapshot of the peer, whose own stamps decide; it never ends.
    pub(super) fn pull(&mut self, bucket: u16) {
        self.command(&Command::AskRepair { peer: OTHER, bucket, count: 1, pull: true });
        let begin =
            SnapshotBegin { kind: kind::SNAPSHOT_BEGIN, units: 1, bucket, flags: PULL, ..Default::default() };
        let frame = self.frame(&Record::SnapshotBegin(begin));
        self.receive(&frame);
    }

    /// A record of the owner, or of a survivor, about this flow, near to what is here: as it comes out of
    /// its units.
    pub(super) fn draw_record(
        &mut self,
        random: &mut fastrand::Rng,
        id: FlowId,
        key: FlowKey,
    ) -> (Record, Asked) {
        let here = self.engine.flow(&key);
        let end = self.ends.get(&key.canonical().0).map(|end| end.stamp);
        let known = here.map(|(_, stamp, _)| stamp).or(end);
        let last = known.map_or(self.clock(), |stamp| stamp.version);
        let mut term = self.engine.roles(id.bucket()).term;
        let is_pulled = self.owns(id);
        if let (true, Some(known), true) = (is_pulled, known, random.bool()) {
            term = Term(known.term.0 + random.u32(..3) - 1);
        }
        let near = if random.u8(..) < 20 { self.clock() } else { last + random.u64(..4) - 1 };
        let stamp = Stamp { term, version: near };
        let next = if random.u8(..) < 20 { random.u16(..) } else { (last + 1) as u16 };
        let (term_low, flow_id) = (term.0 as u8, id.0);
        let other = any_record(random, key);
        // A survivor sends no partial records.
        let drawn = if is_pulled { random.u8(..) % 2 * 19 } else { random.u8(..20) };
        let record = match drawn {
            0..7 => Record::Full(self.draw_full(random, here.map(|(record, ..)| record), other), stamp),
            7..10 => Record::Compact(Compact {
                kind: kind::COMPACT,
                units: 1,
                term_low,
                class: other.class,
                flow_id,
                version_low: next,
                tcp_state: other.tcp_state,
                status: other.status,
                spare: 0,
            }),
            10..14 => {
                let sender = if random.bool() { Direction::Original } else { Direction::Reply };
                let (end, max_end) = (random.u32(..2), random.u32(..2));
                let kind = Window::kind_of(sender);
                Record::Window(
                    sender,
                    Window { kind, units: 1, term_low, flow_id, version_low: next, end, max_end },
                )
            }
            14..17 => {
                let base_distance = random.u8(1..4);
                let wrong = u64::from(random.u8(..) < 20);
                let version = last + u64::from(base_distance) + wrong;
                let mut changed = other;
                changed.groups.0 |= 1 << random.u32(..8);
                if random.u8(..) < 10 {
                    changed.key.family = any_key(random).family;
                }
                Record::Update(Update { flow_id: id, term_low, version, base_distance, changed })
            }
            17 => Record::Delete(DeleteUnit {
                kind: kind::DELETE,
                units: 1,
                term_low,
                flow_id,
                version: near,
                ..DeleteUnit::default()
            }),
            _ => Record::DeleteKeyed(key, stamp),
        };
        let mut units = [0; RECORD_UNITS_MAX * UNIT_SIZE];
        let count = record.encode(&mut units);
        let (record, _) = Record::decode(&units[..count * UNIT_SIZE]).expect("units of our own");
        let asked = self.asked(&record, id, Stamp { term: Term(random.u32(..)), version: u64::from(next) });
        (record, asked)
    }

    /// Often what is here, or almost.
    fn draw_full(
        &mut self,
        random: &mut fastrand::Rng,
        here: Option<FlowRecord>,
        other: FlowRecord,
    ) -> FlowRecord {
        let Some(mut flow) = here.filter(|_| random.u8(..) < 170) else { return other };
        flow.lifetime_s = random.u32(..4);
        match random.u8(..8) {
            0 => flow.incarnation ^= 1 << random.u32(..32),
            1 => flow.groups.0 ^= 1 << random.u32(..8),
            2 => flow.merge_groups(&other),
            3 => flow.key = other.key,
            _ => {}
        }
        flow
    }

    /// The record as the card gets it; `low` holds the low end of the version of one that has no more, and
    /// a term that does not count.
    fn asked(&self, record: &Record, id: FlowId, low: Stamp) -> Asked {
        let mut entry = Entry { stamp: low, audit: self.mark() as u8, ..Entry::default() };
        let mut is_keyed = false;
        let command = match record {
            Record::Full(flow, stamp) => {
                (entry.record, entry.stamp, is_keyed) = (*flow, *stamp, true);
                commands::FULL
            }
            Record::Compact(unit) => {
                let (tcp_state, status, class) = (unit.tcp_state, unit.status, unit.class);
                entry.record = FlowRecord { tcp_state, status, class, ..FlowRecord::default() };
                commands::COMPACT
            }
            Record::Window(sender, unit) => {
                entry.record.edges = unit.moved(*sender, [Edges::default(); 2]);
                match sender {
                    Direction::Original => commands::WINDOW_ORIGINAL,
                    Direction::Reply => commands::WINDOW_REPLY,
                }
            }
            Record::Update(update) => {
                (entry.record, entry.stamp.version) = (update.changed, update.version);
                entry.ended_version = update.version - u64::from(update.base_distance);
                commands::UPDATE
            }
            Record::Delete(unit) => {
                entry.stamp.version = unit.version;
                commands::END
            }
            Record::DeleteKeyed(key, stamp) => {
                (entry.record.key, entry.stamp, is_keyed) = (*key, *stamp, true);
                commands::END
            }
            _ => unreachable!("no other is drawn"),
        };
        let flags = match (self.owns(id), self.gapped.contains(&id.bucket())) {
            (true, _) => flag::PULLED,
            (false, true) => flag::GAPPED,
            (false, false) => 0,
        };
        Asked { command, flags, id, is_keyed, word: pack(&entry), term: self.engine.roles(id.bucket()).term }
    }

    /// Lets the engine take a record; what the card must make of it.
    pub(super) fn take_record(&mut self, record: &Record, asked: &Asked, key: FlowKey) -> Due {
        self.take_record_of(OTHER, record, asked, key)
    }

    /// The same of a member that may not be the owner.
    pub(super) fn take_record_of(&mut self, sender: u8, record: &Record, asked: &Asked, key: FlowKey) -> Due {
        let (name, term) = (key.canonical().0, self.engine.roles(asked.id.bucket()).term);
        let before = self.engine.flow(&key);
        let ended = self.ends.get(&name).copied();
        let frame = self.frame_of(sender, record);
        let outcome = self.counted(&RECORDS, |model| model.receive(&frame));
        let created = self.created.filter(|_| outcome == outcome::APPLIED);
        let after = self.engine.flow(&key);
        let stamp = match record {
            Record::Delete(unit) => Some(Stamp { term, version: unit.version }),
            Record::DeleteKeyed(_, stamp) => Some(*stamp),
            _ => None,
        };
        // An end that is known takes the later stamp, if it came by key.
        let restated =
            ended.is_some() && outcome == outcome::EQUAL && matches!(record, Record::DeleteKeyed(..));
        let end = stamp.filter(|_| outcome == outcome::APPLIED || restated);
        if let Some(stamp) = end {
            let (mark, place) = ended.map_or((self.mark(), None), |end| (end.mark, end.place));
            self.ends.insert(name, End { id: asked.id, stamp, mark, place });
        }
        if after.is_some() {
            self.ends.remove(&name);
        }
        if outcome == outcome::GAPPED {
            self.gapped.insert(asked.id.bucket());
        }
        let (found, replicate) = (before.is_some() || ended.is_some(), self.replicate);
        Due { id: asked.id, key, outcome, found, term, before, after, end, created, replicate }
    }

    /// A frame of the owner with one record.
    pub(super) fn frame(&mut self, record: &Record) -> Vec<u8> {
        self.frame_of(OTHER, record)
    }

    /// A frame of a member with one record.
    pub(super) fn frame_of(&mut self, sender: u8, record: &Record) -> Vec<u8> {
        let sequence = &mut self.sequences[usize::from(sender)];
        *sequence += 1;
        frame_at(sender, *sequence, std::slice::from_ref(record))
    }
}

/// The record's units.
pub(super) fn units_of(record: &Record) -> Vec<u8> {
    let mut units = vec![0; RECORD_UNITS_MAX * UNIT_SIZE];
    let count = record.encode(&mut units);
    units.truncate(count * UNIT_SIZE);
    units
}

/// A frame of a member with these records.
pub(super) fn frame_at(sender: u8, sequence: u64, records: &[Record]) -> Vec<u8> {
    let units: Vec<u8> = records.iter().flat_map(units_of).collect();
    frame_between([sender, MEMBER], sequence, records.len(), &units)
}

/// A frame from one member to another with these units of so many records.
pub(super) fn frame_between(members: [u8; 2], sequence: u64, records: usize, units: &[u8]) -> Vec<u8> {
    let [sender, receiver] = members;
    let header = FrameHeader {
        version: PROTOCOL_VERSION,
        cluster: CLUSTER,
        sender,
        receiver,
        sequence,
        session: SESSIONS[usize::from(sender)],
        peer_session: SESSIONS[usize::from(receiver)] as u32,
        units: (units.len() / UNIT_SIZE) as u16,
        records: records as u16,
        ..FrameHeader::default()
    };
    let envelope = Envelope { s_tag: TAG, c_tag: TAG, ..Envelope::default() };
    let mut head = [0; FRAME_HEADER_SIZE];
    encode_header(&envelope, &header, &mut head);
    let mut frame = [&head[..], units].concat();
    let crc = crc32fast::hash(&frame[FRAME_CRC_FROM..]);
    frame.extend(crc.to_le_bytes());
    frame
}
