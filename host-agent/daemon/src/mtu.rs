//! Proof that frames of the configured size pass the sync link, end to end.
//!
//! A device between the members with a smaller MTU drops full frames in silence, while heartbeats pass:
//! replication works until the load rises. So two questions leave together for each peer, one of full
//! size and one without padding; both are answered with the length received. A full answer proves the
//! link. If [`SMALL_ANSWERS_MAX`] small ones come without a full one between, it is too small: a link that
//! only loses frames takes both alike, and a wrong verdict would need that many draws in a row.
//!
//! Enters: frames of port 0 and time. Leaves: frames, verdicts. The engine never sees these frames; they
//! change nothing but the verdict. Limit: one answer per question received.

use formats::frame::{encode_header, is_probe, split, Envelope, FrameHeader};
use formats::frame::{FLAG_PROBE, FLAG_PROBE_ANSWER, PORT_PROBE};
use formats::limits::{FRAME_CRC_FROM, FRAME_CRC_SIZE, FRAME_HEADER_SIZE, PROTOCOL_VERSION, UNIT_SIZE};
use std::collections::{BTreeMap, VecDeque};
use trine_core::SyncMtu;

/// Pause between questions while the answer is open, once it is known, and while nobody answers, in µs.
const OPEN_US: u64 = 20_000;
const KNOWN_US: u64 = 1_000_000;
const UNHEARD_US: u64 = 200_000;
/// Questions without any answer after which the peer counts as unheard.
const UNANSWERED_MAX: u32 = 50;
/// Small answers since the last full one that make a verdict.
const SMALL_ANSWERS_MAX: u32 = 16;

/// One peer.
#[derive(Debug)]
struct Peer {
    mac: [u8; 6],
    question: u64,
    next_us: u64,
    unanswered: u32,
    small_answers: u32,
    verdict: SyncMtu,
}

/// Asks every peer, answers every peer.
#[derive(Debug)]
pub struct MtuProbe {
    header: FrameHeader,
    envelope: Envelope,
    full_units: usize,
    peers: BTreeMap<u8, Peer>,
    frames: VecDeque<Vec<u8>>,
    verdicts: VecDeque<(u8, SyncMtu)>,
}

impl MtuProbe {
    /// For the sync port of an engine with this configuration.
    pub fn new(config: &softnic::Config) -> Self {
        let peer = || Peer {
            mac: [0xff; 6],
            question: 0,
            next_us: 0,
            unanswered: 0,
            small_answers: 0,
            verdict: SyncMtu::Unproven,
        };
        Self {
            header: FrameHeader {
                version: PROTOCOL_VERSION,
                cluster: config.cluster,
                sender: config.member,
                port: PORT_PROBE,
                session: config.session,
                ..FrameHeader::default()
            },
            envelope: Envelope {
                src: config.macs[0],
                s_tag: config.s_tag,
                c_tag: config.c_tag,
                ..Envelope::default()
            },
            full_units: (config.frame_size - FRAME_HEADER_SIZE - FRAME_CRC_SIZE) / UNIT_SIZE,
            peers: config.peers.iter().map(|member| (*member, peer())).collect(),
            frames: VecDeque::new(),
            verdicts: VecDeque::new(),
        }
    }

    /// Takes a frame if it is a question or an answer; returns whether it was.
    pub fn take(&mut self, now_us: u64, port: u8, frame: &[u8]) -> bool {
        if port != 0 || !is_probe(frame) {
            return false;
        }
        // What is malformed or not for us is dropped: the next question comes soon.
        let Ok((envelope, header, _, crc)) = split(frame) else { return true };
        let own = &self.header;
        let ours = header.cluster == own.cluster && header.receiver == own.sender;
        if !ours || crc32fast::hash(&frame[FRAME_CRC_FROM..frame.len() - FRAME_CRC_SIZE]) != crc {
            return true;
        }
        let Some(peer) = self.peers.get_mut(&header.sender) else { return true };
        peer.mac = envelope.src;
        if header.flags == FLAG_PROBE {
            let answer = FrameHeader {
                flags: FLAG_PROBE_ANSWER,
                receiver: header.sender,
                sequence: header.sequence,
                time_us: frame.len() as u64,
                peer_session: header.session as u32,
                ..*own
            };
            self.send(&answer, 0);
        } else if header.flags == FLAG_PROBE_ANSWER && header.peer_session == own.session as u32 {
            self.answered(now_us, header.sender, header.time_us);
        }
        true
    }

    fn answered(&mut self, now_us: u64, member: u8, bytes: u64) {
        let full_bytes = self.frame_bytes(self.full_units) as u64;
        let Some(peer) = self.peers.get_mut(&member) else { return };
        peer.unanswered = 0;
        let verdict = if bytes >= full_bytes {
            (peer.small_answers, peer.next_us) = (0, now_us + KNOWN_US);
            SyncMtu::Ok
        } else {
            peer.small_answers += 1;
            if peer.small_answers < SMALL_ANSWERS_MAX {
                return;
            }
            SyncMtu::TooSmall { frame_bytes: full_bytes as u32 }
        };
        if peer.verdict != verdict {
            peer.verdict = verdict;
            self.verdicts.push_back((member, verdict));
        }
    }

    /// Asks what is due.
    pub fn poll(&mut self, now_us: u64) {
        let mut due = Vec::new();
        for (member, peer) in self.peers.iter_mut().filter(|(_, peer)| now_us >= peer.next_us) {
            let unheard = peer.unanswered >= UNANSWERED_MAX;
            let slow = unheard || matches!(peer.verdict, SyncMtu::TooSmall { .. });
            peer.next_us = now_us + if slow { UNHEARD_US } else { OPEN_US };
            peer.unanswered = peer.unanswered.saturating_add(1);
            peer.question += 1;
            due.push((*member, peer.question));
        }
        for (receiver, sequence) in due {
            let question = FrameHeader { flags: FLAG_PROBE, receiver, sequence, ..self.header };
            self.send(&question, self.full_units);
            self.send(&question, 0);
        }
    }

    /// When it next wants to be polled, local µs.
    pub fn next_us(&self) -> u64 {
        self.peers.values().map(|peer| peer.next_us).min().unwrap_or(u64::MAX)
    }

    /// The next frame for the sync port.
    pub fn next_frame(&mut self) -> Option<Vec<u8>> {
        self.frames.pop_front()
    }

    /// The next change of a verdict.
    pub fn next_verdict(&mut self) -> Option<(u8, SyncMtu)> {
        self.verdicts.pop_front()
    }

    fn frame_bytes(&self, units: usize) -> usize {
        FRAME_HEADER_SIZE + units * UNIT_SIZE + FRAME_CRC_SIZE
    }

    fn send(&mut self, header: &FrameHeader, units: usize) {
        let mut bytes = vec![0; self.frame_bytes(units) - FRAME_CRC_SIZE];
        let dst = self.peers.get(&header.receiver).map_or([0xff; 6], |peer| peer.mac);
        let head: &mut [u8; FRAME_HEADER_SIZE] =
            (&mut bytes[..FRAME_HEADER_SIZE]).try_into().expect("sliced to length");
        encode_header(
            &Envelope { dst, ..self.envelope },
            &FrameHeader { units: units as u16, ..*header },
            head,
        );
        let crc = crc32fast::hash(&bytes[FRAME_CRC_FROM..]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        self.frames.push_back(bytes);
    }
}

#[cfg(test)]
mod tests;
