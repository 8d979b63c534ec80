//! Frames under construction, frames to hand out, and what each frame in flight carries.
//!
//! A frame of the sync link gets its sequence when its first record is written, because entries note
//! the sequence that carries them; it is closed when full or at the end of the turn. Frames of one peer
//! therefore leave in the order of their sequences.
//!
//! Limits: [`IN_FLIGHT_MAX`] frames per peer wait for acknowledgement, [`crate::Config::queue_frames_max`]
//! for the end of the turn; at either limit records are deferred and their bucket becomes dirty.

use crate::Softnic;
use formats::frame::{encode_header, Envelope, FrameHeader};
use formats::limits::*;
use formats::register::Counter;
use formats::{Record, Term};
use std::collections::VecDeque;

/// Frames per peer whose fate is unknown.
pub(crate) const IN_FLIGHT_MAX: usize = 8192;
/// Buffers kept for the next frames.
const POOL_MAX: usize = 1024;
/// A record in units, before it finds its frame.
pub(crate) type Scratch = [u8; RECORD_UNITS_MAX * UNIT_SIZE];
/// An empty [`Scratch`].
pub(crate) const SCRATCH: Scratch = [0; RECORD_UNITS_MAX * UNIT_SIZE];

/// What a frame carried, to be sent again in its current state when the frame is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// An entry.
    Flow(u32),
    /// A digest of a bucket.
    Digest(u16),
    /// Terms of a run of buckets; a release holds for the term it was given under.
    Terms { bucket: u16, count: u16, released: Option<Term> },
    /// A part of a bucket's snapshot.
    Sweep(u16),
    /// A proposal of an entry.
    Proposal(u32),
    /// A request for a snapshot.
    Repair { bucket: u16, pull: bool },
}

/// A frame under construction; no buffer means none is open.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    bytes: Vec<u8>,
    records: u16,
    sequence: u64,
    items: Vec<Item>,
}

impl Frame {
    /// Whether it is open and has room for these bytes below the limit.
    #[inline]
    fn takes(&self, count: usize, bytes_max: usize) -> bool {
        self.records > 0 && self.bytes.len() + count <= bytes_max
    }

    /// Appends a record; returns the frame's sequence.
    #[inline(always)]
    fn push(&mut self, units: &[u8], item: Option<Item>) -> u64 {
        self.bytes.extend_from_slice(units);
        self.records += 1;
        if let Some(item) = item {
            // Records of one snapshot follow each other: one note a frame is enough.
            if self.items.last() != Some(&item) {
                self.items.push(item);
            }
        }
        self.sequence
    }
}

/// A frame whose fate is unknown.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) sequence: u64,
    pub(crate) items: Vec<Item>,
}

/// Closed frames in the order they leave, and spare buffers.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) frames: VecDeque<(u8, Vec<u8>)>,
    buffers: Vec<Vec<u8>>,
    lists: Vec<Vec<Item>>,
}

impl Outbox {
    pub(crate) fn recycle(&mut self, mut bytes: Vec<u8>) {
        if self.buffers.len() < POOL_MAX {
            bytes.clear();
            self.buffers.push(bytes);
        }
    }

    pub(crate) fn recycle_items(&mut self, mut items: Vec<Item>) {
        if self.lists.len() < POOL_MAX && items.capacity() > 0 {
            items.clear();
            self.lists.push(items);
        }
    }
}

impl Softnic {
    /// Appends a record to the peer's frame of the sync link; returns the frame's sequence. Compiled into its
    /// callers, which know how long most records are.
    #[inline(always)]
    pub(crate) fn append(&mut self, peer: u8, units: &[u8], item: Option<Item>) -> u64 {
        let bytes_max = FRAME_HEADER_SIZE + self.config.frame_units() * UNIT_SIZE;
        if !self.peers[peer as usize].frame.takes(units.len(), bytes_max) {
            self.open(peer);
        }
        self.peers[peer as usize].frame.push(units, item)
    }

    /// Closes the peer's frame under construction, if there is one, and opens the next.
    fn open(&mut self, peer: u8) {
        self.close(peer);
        let p = &mut self.peers[peer as usize];
        p.sent_sequence[0] += 1;
        p.frame.sequence = p.sent_sequence[0];
        p.frame.bytes = self.outbox.buffers.pop().unwrap_or_default();
        p.frame.bytes.resize(FRAME_HEADER_SIZE, 0);
        p.frame.items = self.outbox.lists.pop().unwrap_or_default();
    }

    /// Encodes and appends a record.
    pub(crate) fn append_record(&mut self, peer: u8, record: &Record, item: Option<Item>) -> u64 {
        let mut scratch = SCRATCH;
        let units = record.encode(&mut scratch);
        self.append(peer, &scratch[..units * UNIT_SIZE], item)
    }

    /// Closes the peer's frame under construction, if there is one.
    pub(crate) fn close(&mut self, peer: u8) {
        if self.peers[peer as usize].frame.records == 0 {
            return;
        }
        let frame = std::mem::take(&mut self.peers[peer as usize].frame);
        let bytes = self.sealed(peer, 0, frame.sequence, frame.records, frame.bytes);
        self.outbox.frames.push_back((0, bytes));
        let p = &mut self.peers[peer as usize];
        p.frames_waiting += 1;
        if frame.items.is_empty() {
            self.outbox.recycle_items(frame.items);
            return;
        }
        p.in_flight.push_back(InFlight { sequence: frame.sequence, items: frame.items });
        // Flow records stop at the limit; what still comes is control, and the oldest gives way.
        if p.in_flight.len() > IN_FLIGHT_MAX {
            let oldest = p.in_flight.pop_front().expect("more than the limit");
            self.repeat(peer, oldest);
        }
    }

    /// Drops the frame under construction: its session is over. Its sequence stays used.
    pub(crate) fn drop_frame(&mut self, peer: u8) {
        let frame = std::mem::take(&mut self.peers[peer as usize].frame);
        self.outbox.recycle(frame.bytes);
        self.outbox.recycle_items(frame.items);
    }

    /// Writes header and checksum around the records in `bytes`.
    fn sealed(&mut self, peer: u8, port: u8, sequence: u64, records: u16, mut bytes: Vec<u8>) -> Vec<u8> {
        let p = &self.peers[peer as usize];
        let envelope = Envelope {
            dst: p.paths[port as usize].mac,
            src: self.config.macs[port as usize],
            s_tag: self.config.s_tag,
            c_tag: self.config.c_tag,
        };
        let header = FrameHeader {
            version: PROTOCOL_VERSION,
            flags: 0,
            cluster: self.config.cluster,
            sender: self.config.member,
            receiver: peer,
            key_id: 0,
            port,
            sequence,
            session: self.config.session,
            time_us: self.version_clock_us,
            peer_session: p.session as u32,
            units: ((bytes.len() - FRAME_HEADER_SIZE) / UNIT_SIZE) as u16,
            records,
        };
        let head: &mut [u8; FRAME_HEADER_SIZE] =
            (&mut bytes[..FRAME_HEADER_SIZE]).try_into().expect("sliced to length");
        encode_header(&envelope, &header, head);
        let crc = crc32fast::hash(&bytes[FRAME_CRC_FROM..]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        self.count(Counter::FramesSent);
        bytes
    }

    /// Sends one record alone on a data network; it leaves before the frames of the sync link.
    pub(crate) fn send_alone(&mut self, peer: u8, port: u8, record: &Record) {
        let mut scratch = SCRATCH;
        let units = record.encode(&mut scratch);
        let mut bytes = self.outbox.buffers.pop().unwrap_or_default();
        bytes.resize(FRAME_HEADER_SIZE, 0);
        bytes.extend_from_slice(&scratch[..units * UNIT_SIZE]);
        let sequence = &mut self.peers[peer as usize].sent_sequence[port as usize];
        *sequence += 1;
        let sequence = *sequence;
        let bytes = self.sealed(peer, port, sequence, 1, bytes);
        self.outbox.frames.push_front((port, bytes));
    }
}
