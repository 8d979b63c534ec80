//! Frames for the ingress: valid ones of several peers on several ports, and every way to spoil one.

use fastrand::Rng;
use formats::descriptor::Command;
use formats::flow::{Direction, Edges, Family, FlowId, FlowKey, FlowRecord, Groups, Stamp, Term};
use formats::frame::{encode_header, Envelope, FrameHeader};
use formats::limits::*;
use formats::unit::*;
use formats::{ClusterSecret, Record, Update};
use softnic::{Config, Now, Omissions, Softnic};
use std::collections::BTreeMap;

/// Our own number.
pub(crate) const MEMBER: u8 = 2;
/// Ports in use.
pub(crate) const PORTS: u8 = 5;
/// A member that is a peer.
const PEER: u8 = 127;
/// Ways to spoil a frame, see [`Traffic::spoil`] and [`Traffic::spoil_header`].
const FAULTS: u8 = 18;

/// What the peers send.
pub(crate) struct Traffic {
    random: Rng,
    pub(crate) cluster: u32,
    /// Each peer and its session, 0 for one that is not welcome.
    pub(crate) peers: Vec<(u8, u64)>,
    /// Last sequence of each peer on each port.
    sequences: BTreeMap<(u8, u8), u64>,
}

impl Traffic {
    pub(crate) fn new(mut random: Rng) -> Traffic {
        let mut session = || random.u64(1..);
        let peers = vec![(PEER, session()), (0, session()), (3, session()), (66, 0)];
        Traffic { cluster: random.u32(..), peers, sequences: BTreeMap::new(), random }
    }

    /// The software engine of the member.
    pub(crate) fn engine(&self) -> Softnic {
        let config = Config {
            member: MEMBER,
            cluster: self.cluster,
            secret: ClusterSecret([7; 32]),
            session: 1,
            peers: self.peers.iter().map(|(peer, _)| *peer).collect(),
            ports: PORTS,
            macs: [[2; 6]; PORTS_MAX],
            s_tag: 100,
            c_tag: 10,
            frame_size: FRAME_SIZE_MAX,
            set_bits: 10,
            ways: 4,
            overflow_max: 0,
            beat_us: 1_000,
            late_us: 10_000,
            silent_us: 100_000,
            host_alive_us: 1_000_000,
            digest_us: 1_000_000,
            replicate: Groups::ALL,
            events_max: 4_096,
            queue_frames_max: 4,
            omissions: Omissions::default(),
        };
        Softnic::new(config, Now::default())
    }

    /// A session of a peer is welcome; its sequences start anew.
    pub(crate) fn welcome(&mut self, engine: &mut Softnic, peer: u8, session: u64) {
        engine.command(Now::default(), &Command::Peer { peer, session });
        self.peers.iter_mut().filter(|(number, _)| *number == peer).for_each(|entry| entry.1 = session);
        self.sequences.retain(|(number, _), _| *number != peer);
    }

    /// A peer that starts again, and its session.
    pub(crate) fn restart(&mut self) -> (u8, u64) {
        (self.peers[self.random.usize(..3)].0, self.random.u64(1..))
    }

    /// The next frame and the port it comes through: valid, or spoiled.
    pub(crate) fn frame(&mut self) -> (u8, Vec<u8>) {
        let (sender, session) = self.peers[self.random.usize(..3)];
        // Some frames of one path follow each other closely.
        let port = if self.random.bool() { 0 } else { self.random.u8(..PORTS) };
        let fault = if self.random.u8(..) < 110 { self.random.u8(1..=FAULTS) } else { 0 };
        let units = self.records(port);
        let mut header = self.header(sender, session, port, units.len() / UNIT_SIZE);
        let port = self.spoil_header(fault, port, &mut header);
        let mut frame = self.bytes(&header, &units);
        self.spoil(fault, &mut frame);
        (port, frame)
    }

    /// A frame of the sync link with so many records of one unit.
    pub(crate) fn compact_frame(&mut self, units: usize) -> Vec<u8> {
        let records: Vec<u8> = (0..units).flat_map(|_| self.record(0, 1)).collect();
        self.valid(&records)
    }

    /// A frame of the sync link as long as a sender makes it, with records of up to so many units.
    pub(crate) fn full_frame(&mut self, units_max: usize) -> Vec<u8> {
        let mut records = Vec::new();
        while records.len() < FRAME_UNITS_MAX * UNIT_SIZE {
            let left = FRAME_UNITS_MAX - records.len() / UNIT_SIZE;
            let count = self.random.usize(1..=units_max).min(left);
            records.extend(self.record(0, count));
        }
        self.valid(&records)
    }

    fn valid(&mut self, units: &[u8]) -> Vec<u8> {
        let (sender, session) = self.peers[0];
        let header = self.header(sender, session, 0, units.len() / UNIT_SIZE);
        self.bytes(&header, units)
    }

    fn header(&mut self, sender: u8, session: u64, port: u8, units: usize) -> FrameHeader {
        let last = self.sequences.entry((sender, port)).or_default();
        let random = &mut self.random;
        *last += match random.u8(..40) {
            0 => random.u64(2..1_000),
            1 => 1 << random.u32(..40),
            _ => 1,
        };
        FrameHeader {
            version: PROTOCOL_VERSION,
            flags: random.u8(..),
            cluster: self.cluster,
            sender,
            receiver: if random.bool() { MEMBER } else { MEMBER_NONE },
            key_id: random.u8(..),
            port,
            sequence: *last,
            session,
            time_us: random.u64(..),
            peer_session: random.u32(..),
            units: units as u16,
            records: random.u16(..),
        }
    }

    fn bytes(&mut self, header: &FrameHeader, units: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; FRAME_HEADER_SIZE];
        let random = &mut self.random;
        let envelope = Envelope {
            dst: [random.u8(..); 6],
            src: [0; 6].map(|_| random.u8(..)),
            s_tag: random.u16(..),
            c_tag: random.u16(..),
        };
        encode_header(&envelope, header, (&mut frame[..]).try_into().expect("64 bytes"));
        frame.extend_from_slice(units);
        let crc = crc32fast::hash(&frame[FRAME_CRC_FROM..]);
        frame.extend_from_slice(&crc.to_le_bytes());
        frame
    }

    /// Spoils what stands in the header, or the port; the checksum is right.
    fn spoil_header(&mut self, fault: u8, port: u8, header: &mut FrameHeader) -> u8 {
        let random = &mut self.random;
        match fault {
            1 => header.version = random.u8(1..),
            2 => header.cluster ^= 1 << random.u32(..32),
            3 => header.session ^= 1 << random.u32(..64),
            4 => (header.sender, header.session) = (66, 0),
            5 => header.sequence = header.sequence.saturating_sub(random.u64(1..4)),
            // The counter of missing frames holds the sum of what such jumps say.
            6 => header.sequence = random.u64(..) >> random.u32(8..64),
            7 => header.receiver = random.u8(..),
            8 => header.sender = random.u8(..),
            9 => header.sender ^= 0x80,
            10 => header.sender = MEMBER,
            11 => header.port ^= 1 << random.u32(..8),
            12 => return random.u8(..PORTS_MAX as u8),
            13 => header.units ^= 1 << random.u32(..16),
            14 => {
                let port = random.u8(PORTS..PORTS_MAX as u8);
                header.port = port;
                return port;
            }
            _ => {}
        }
        port
    }

    /// Spoils the bytes.
    fn spoil(&mut self, fault: u8, frame: &mut Vec<u8>) {
        let random = &mut self.random;
        match fault {
            15 => (0..random.usize(1..4)).for_each(|_| {
                let bit = random.usize(..8 * frame.len());
                frame[bit / 8] ^= 1 << (bit % 8);
            }),
            16 => {
                let least = if random.bool() { 1 } else { frame.len() - 5 };
                frame.truncate(random.usize(least..frame.len()));
            }
            17 => {
                // A few bytes too many, around the limit of length, or without end.
                let size = match random.u8(..8) {
                    0..4 => frame.len() + random.usize(1..70),
                    4..7 => random.usize(FRAME_SIZE_MAX - 8..FRAME_SIZE_MAX + 80),
                    _ => random.usize(2 * FRAME_SIZE_MAX..5 * FRAME_SIZE_MAX),
                };
                frame.resize_with(size, || random.u8(..));
            }
            18 => {
                let bit = random.usize(8 * 12..8 * FRAME_CRC_FROM);
                frame[bit / 8] ^= 1 << (bit % 8);
            }
            _ => {}
        }
    }

    /// Units of a frame: records of any kind that this port carries, at times with one whose length is wrong.
    fn records(&mut self, port: u8) -> Vec<u8> {
        let count = match self.random.u8(..32) {
            0 => FRAME_UNITS_MAX + 1,
            1 => 0,
            2..8 => self.random.usize(1..40),
            _ => self.random.usize(1..6),
        };
        let mut units = Vec::new();
        while units.len() / UNIT_SIZE < count {
            let length = match self.random.u8(..4) {
                0 => self.random.usize(1..=RECORD_UNITS_MAX),
                _ => self.random.usize(1..=4),
            };
            let record = self.record(port, length);
            if units.len() + record.len() > count * UNIT_SIZE {
                break;
            }
            units.extend(record);
        }
        if self.random.u8(..) < 30 && !units.is_empty() {
            self.spoil_length(&mut units);
        }
        units
    }

    /// Makes some record's length 0, too large, or more than the frame has left.
    fn spoil_length(&mut self, units: &mut [u8]) {
        let count = units.len() / UNIT_SIZE;
        let mut starts = Vec::new();
        let mut at = 0;
        while at < count {
            starts.push(at);
            at += units[at * UNIT_SIZE + 1] as usize;
        }
        let at = starts[self.random.usize(..starts.len())];
        let length = match self.random.u8(..4) {
            0 => 0,
            1 => self.random.usize(RECORD_UNITS_MAX + 1..256),
            _ => count - at + 1,
        };
        units[at * UNIT_SIZE + 1] = length.min(255) as u8;
    }

    /// A record: of a kind that exists, or one of so many units of a kind that does not.
    fn record(&mut self, port: u8, length: usize) -> Vec<u8> {
        let random = &mut self.random;
        let mut units = vec![0; RECORD_UNITS_MAX * UNIT_SIZE];
        let known = match (port, length, random.u8(..3)) {
            (0, 1, 0) => Some(Record::Compact(Compact::decode(&any(random)))),
            (0, 1, 1) => Some(Record::Window(Direction::Reply, Window::decode(&any(random)))),
            (0, 2, 0) => Some(Record::DeleteKeyed(key(random, Family::V4), stamp(random))),
            (0, 2, 1) => Some(update(random, Groups::MARK)),
            (0, 3, 0) => Some(Record::Ack(AckUnit::decode(&any(random)))),
            (0, 3, 1) => Some(update(random, Groups::STATUS.with(Groups::EDGES))),
            (0, 4, 0) => Some(Record::Full(flow(random, Family::V4, Groups::EDGES), stamp(random))),
            (0, 11, _) => Some(Record::Full(flow(random, Family::V6, Groups::ALL), stamp(random))),
            (_, 2, _) => Some(Record::Heartbeat(HeartbeatUnit::decode(&any(random)))),
            _ => None,
        };
        let count = match known {
            Some(record) => record.encode(&mut units),
            None => {
                random.fill(&mut units);
                // Kinds from 32 to 127 are free.
                (units[0], units[1]) = (random.u8(32..128), length as u8);
                length
            }
        };
        units.truncate(count * UNIT_SIZE);
        units
    }
}

fn any<const N: usize>(random: &mut Rng) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

fn stamp(random: &mut Rng) -> Stamp {
    Stamp { term: Term(random.u32(..)), version: random.u64(..1 << VERSION_BITS) }
}

fn key(random: &mut Rng, family: Family) -> FlowKey {
    let address = |random: &mut Rng| match family {
        Family::V4 => u128::from(random.u32(..)),
        Family::V6 => random.u128(..),
    };
    let (src, dst) = (address(random), address(random));
    let (src_port, dst_port) = (random.u16(..), random.u16(..));
    FlowKey { src, dst, src_port, dst_port, zone: random.u16(..), protocol: random.u8(..), family }
}

fn flow(random: &mut Rng, family: Family, groups: Groups) -> FlowRecord {
    let edges = [(); 2].map(|()| Edges { end: random.u32(..), max_end: random.u32(..) });
    FlowRecord {
        key: key(random, family),
        groups,
        edges,
        incarnation: random.u32(..),
        ..FlowRecord::default()
    }
}

fn update(random: &mut Rng, groups: Groups) -> Record {
    Record::Update(Update {
        flow_id: FlowId(random.u64(..1 << FLOW_ID_BITS)),
        term_low: random.u8(..),
        version: random.u64(..1 << VERSION_BITS),
        base_distance: random.u8(1..),
        changed: flow(random, Family::V4, groups),
    })
}
