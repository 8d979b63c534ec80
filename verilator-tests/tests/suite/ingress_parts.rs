//! The parts of the ingress, each against a few lines of Rust.

use super::{top, Block, Test};
use formats::frame::{encode_header, split, Envelope, FrameError, FrameHeader};
use formats::limits::*;
use formats::register::Counter;
use hw::ingress::header::FAULTS;
use hw::ingress::store::FRAMES_MAX;
use std::collections::{BTreeMap, VecDeque};
use verilator_tests::{expect_same, Agent, Bench, Error, Port, Result};

/// Cycles of each run.
const CYCLES: u64 = 30_000;

pub(crate) const FRAME_CRC: Block = Block {
    name: "frame_crc",
    design: || top("frame_crc").without_reset(),
    latency_cycles: Some(hw::ingress::crc::LATENCY as u64),
    tests: &[Test { name: "right and wrong frames", seeds: 0..4, body: checksums_are_judged::<64> }],
};

pub(crate) const FRAME_CRC_128: Block = Block {
    name: "frame_crc_128",
    design: || top("frame_crc_128").without_reset(),
    latency_cycles: Some(hw::ingress::crc::LATENCY as u64),
    tests: &[Test { name: "right and wrong frames", seeds: 0..4, body: checksums_are_judged::<16> }],
};

pub(crate) const HEADER_CHECK: Block = Block {
    name: "header_check",
    design: || top("header_check"),
    latency_cycles: Some(5),
    tests: &[Test { name: "frames with some faults", seeds: 0..12, body: first_faults_count }],
};

pub(crate) const PEER_TABLE: Block = Block {
    name: "peer_table",
    design: || top("peer_table"),
    latency_cycles: Some(4),
    tests: &[Test { name: "few paths, close together", seeds: 0..12, body: sequences_rise }],
};

pub(crate) const FRAME_STORE: Block = Block {
    name: "frame_store",
    design: || top("frame_store"),
    latency_cycles: Some(4),
    tests: &[Test { name: "frames of any length", seeds: 0..12, body: frames_are_kept }],
};

/// Frames in beats with gaps; two bits may be wrong anywhere. Outside the checksum they do not matter.
fn checksums_are_judged<const K: usize>(bench: &mut Bench) -> Result<()> {
    let [valid, first, last] = ["in_valid", "in_first", "in_last"].map(|name| bench.input::<bool>(name));
    let (valid, first, last) = (valid?, first?, last?);
    let (data, keep) = (bench.input::<[u8; K]>("in_data")?, bench.input::<u64>("in_keep")?);
    let right = bench.port::<bool>("out_right")?;
    // For each of the last cycles: what is to be said of a frame that ended in it.
    let mut due: VecDeque<Option<bool>> = VecDeque::from([None; hw::ingress::crc::LATENCY - 1]);
    let (mut frame, mut offset, mut is_right) = (Vec::new(), 0, false);
    for _ in 0..CYCLES {
        if offset >= frame.len() {
            (offset, frame) = (0, vec![0; FRAME_HEADER_SIZE + UNIT_SIZE * bench.random().usize(..20)]);
            bench.random().fill(&mut frame);
            let crc = crc32fast::hash(&frame[FRAME_CRC_FROM..]);
            frame.extend_from_slice(&crc.to_le_bytes());
            let wrong: [usize; 2] = [(); 2].map(|()| bench.random().usize(..8 * frame.len()));
            if bench.random().bool() {
                wrong.iter().for_each(|bit| frame[bit / 8] ^= 1 << (bit % 8));
            }
            let (body, crc) = frame.split_at(frame.len() - FRAME_CRC_SIZE);
            is_right = crc32fast::hash(&body[FRAME_CRC_FROM..]).to_le_bytes() == crc;
        }
        let mut beat = [0; K];
        bench.random().fill(&mut beat);
        let is_valid = bench.random().u8(..) < 200;
        let count = (frame.len() - offset).min(K);
        let ends = offset + K >= frame.len();
        if is_valid {
            beat[..count].copy_from_slice(&frame[offset..offset + count]);
        }
        valid.set(is_valid);
        first.set(if is_valid { offset == 0 } else { bench.random().bool() });
        last.set(if is_valid { ends } else { bench.random().bool() });
        keep.set(u64::MAX >> (64 - count));
        data.set(beat);
        bench.cycle(&mut ())?;
        offset += if is_valid { K } else { 0 };
        due.push_back((is_valid && ends).then_some(is_right));
        if let Some(expected) = due.pop_front().flatten() {
            expect_same("the checksum is right", right.get(), expected)?;
        }
    }
    Ok(())
}

/// Who the header check is told we are.
const MEMBER: u8 = 5;
const CLUSTER: u32 = 0x1234_5678;
const PORTS: u8 = 3;
/// Bytes of its beats.
const HEADER_BEAT: usize = 16;

/// What a port shows before the clock rises.
struct Settled {
    port: Port<bool>,
    value: bool,
}

impl Agent for Settled {
    fn drive(&mut self) {}
    fn sample(&mut self, _: u64) -> Result<()> {
        self.value = self.port.get();
        Ok(())
    }
}

/// A frame whose header is right but for a few fields, and whose length may be.
fn frame_of_any_header(random: &mut fastrand::Rng) -> Vec<u8> {
    let units = if random.u8(..16) == 0 { random.usize(555..562) } else { random.usize(..5) };
    let mut is_wrong = || random.u8(..12) == 0;
    let header = FrameHeader {
        version: u8::from(is_wrong()),
        cluster: if is_wrong() { CLUSTER ^ 0x100 } else { CLUSTER },
        sender: if is_wrong() {
            MEMBER
        } else if is_wrong() {
            128
        } else {
            7
        },
        receiver: if is_wrong() {
            6
        } else if is_wrong() {
            MEMBER_NONE
        } else {
            MEMBER
        },
        port: u8::from(is_wrong()),
        units: if is_wrong() { units ^ 1 } else { units } as u16,
        ..FrameHeader::default()
    };
    let mut frame = vec![0; FRAME_HEADER_SIZE];
    encode_header(&Envelope::default(), &header, (&mut frame[..]).try_into().expect("64 bytes"));
    if is_wrong() {
        frame[random.usize(12..FRAME_CRC_FROM)] ^= 1;
    }
    let size = frame.len() + units * UNIT_SIZE + FRAME_CRC_SIZE;
    let off_by = if random.u8(..6) == 0 { random.usize(..6) } else { 3 };
    frame.resize(size + off_by - 3, 0);
    if random.u8(..16) == 0 {
        frame.truncate(random.usize(1..frame.len()));
    }
    frame
}

/// The number of the first fault of a frame that came through a port, and 0 for none.
fn first_fault(frame: &[u8], port: u8, [known, welcome, right]: [bool; 3]) -> u8 {
    let fault = match split(frame) {
        Err(FrameError::Short) => Some(Counter::FrameShort),
        Err(FrameError::Long) => Some(Counter::FrameLong),
        Err(FrameError::Foreign) => Some(Counter::FrameForeign),
        Err(FrameError::Version) => Some(Counter::FrameVersion),
        Err(FrameError::Length) => Some(Counter::FrameLength),
        Ok(_) if !right => Some(Counter::FrameCrc),
        Ok((_, header, ..)) => {
            let is_stranger = header.sender == MEMBER || header.sender >= 128 || !known;
            let is_other = header.receiver != MEMBER && header.receiver != MEMBER_NONE;
            let checks = [
                (header.port != port || port >= PORTS, Counter::FrameForeign),
                (header.cluster != CLUSTER, Counter::FrameCluster),
                (is_stranger, Counter::FrameSender),
                (is_other, Counter::FrameReceiver),
                (!welcome, Counter::FrameSession),
            ];
            checks.into_iter().find(|(fails, _)| *fails).map(|(_, counter)| counter)
        }
    };
    let number = |fault| FAULTS.iter().position(|other| *other == fault).expect("a fault") as u8 + 1;
    fault.map_or(0, number)
}

/// Frames with some faults each: the first one counts.
fn first_faults_count(bench: &mut Bench) -> Result<()> {
    let [valid, last, known, welcome, right] =
        ["in_valid", "in_last", "in_known", "in_welcome", "in_right"].map(|name| bench.input::<bool>(name));
    let (valid, last, known, welcome, right) = (valid?, last?, known?, welcome?, right?);
    let (data, keep) = (bench.input::<[u8; HEADER_BEAT]>("in_data")?, bench.input::<u32>("in_keep")?);
    let port = bench.input::<u8>("in_port")?;
    bench.input::<u8>("member")?.set(MEMBER);
    bench.input::<u32>("cluster")?.set(CLUSTER);
    bench.input::<u8>("ports")?.set(PORTS);
    let (out_valid, out_fault) = (bench.port::<bool>("out_valid")?, bench.port::<u8>("out_fault")?);
    let header = bench.port::<[u8; FRAME_HEADER_SIZE]>("out_header")?;
    let (out_port, has_payload) = (bench.port::<u8>("out_port")?, bench.port::<bool>("out_payload")?);
    let beats = ["beat_valid", "beat_first", "beat_last", "beat_beyond"].map(|name| bench.port::<bool>(name));
    let [beat_valid, beat_first, beat_last, beat_beyond] = beats;
    let marks = [beat_first?, beat_last?, beat_beyond?];
    let out_first = bench.port::<bool>("out_first")?;
    let (beat_valid, beat_data) = (beat_valid?, bench.port::<[u8; HEADER_BEAT]>("beat_data")?);
    let mut passes = Settled { port: bench.port("out_passes")?, value: false };
    // For the last beats of the last cycles: what the frame's fault is, what the other parts say, and whether
    // it is longer than a header.
    let mut due: VecDeque<Option<(u8, [bool; 3], bool)>> = VecDeque::from([None; 5]);
    let (mut frame, mut from, mut offset) = (Vec::new(), 0, 0);
    for _ in 0..CYCLES {
        let random = bench.random();
        if offset >= frame.len() {
            (frame, offset) = (frame_of_any_header(random), 0);
            from = if random.u8(..8) == 0 { random.u8(..8) } else { 0 };
        }
        let is_valid = random.u8(..) < 220;
        let count = (frame.len() - offset).min(HEADER_BEAT);
        let (ends, is_long) = (offset + HEADER_BEAT >= frame.len(), frame.len() > FRAME_HEADER_SIZE);
        let expected_marks = [offset == FRAME_HEADER_SIZE, ends, offset >= FRAME_SIZE_MAX];
        let is_behind = is_valid && offset >= FRAME_HEADER_SIZE;
        let mut beat = [0; HEADER_BEAT];
        random.fill(&mut beat);
        if is_valid {
            beat[..count].copy_from_slice(&frame[offset..offset + count]);
            offset += HEADER_BEAT;
        }
        let said = [(); 3].map(|()| random.u8(..8) != 0);
        due.push_back((is_valid && ends).then(|| (first_fault(&frame, from, said), said, is_long)));
        due.pop_front();
        valid.set(is_valid);
        last.set(if is_valid { ends } else { random.bool() });
        data.set(beat);
        keep.set(u32::MAX >> (32 - count));
        port.set(from);
        let (three, four) = (due[1].unwrap_or_default().1, due[0].unwrap_or_default().1);
        known.set(three[0]);
        welcome.set(three[1]);
        right.set(four[2]);
        bench.cycle(&mut passes)?;
        expect_same(
            "the next beat is a frame's first",
            out_first.get(),
            offset == 0 || offset >= frame.len(),
        )?;
        expect_same("a beat behind the header", beat_valid.get(), is_behind)?;
        if is_behind {
            expect_same("first, last, beyond", marks.each_ref().map(Port::get), expected_marks)?;
            expect_same("the beat", beat_data.get(), beat)?;
        }
        if is_valid && ends {
            expect_same("the port", out_port.get(), from)?;
            if is_long {
                expect_same("the header", &header.get()[..], &frame[..FRAME_HEADER_SIZE])?;
            }
        }
        if let Some((.., is_long)) = due[3] {
            expect_same("beats behind the header", has_payload.get(), is_long)?;
        }
        let expected = due[0];
        expect_same("it passes", passes.value, expected.is_some_and(|(fault, ..)| fault == 0))?;
        expect_same("a frame", out_valid.get(), expected.is_some())?;
        if let Some((fault, ..)) = expected {
            expect_same("its fault", out_fault.get(), fault)?;
        }
    }
    Ok(())
}

/// A frame as the peer table sees it.
#[derive(Clone, Copy, Default)]
struct Token {
    sender: u8,
    port: u8,
    session: u64,
    sequence: u64,
    passes: bool,
    room: bool,
}

/// Frames of few senders, at times every second cycle, so that each finds what the last ones left.
fn sequences_rise(bench: &mut Bench) -> Result<()> {
    let input = |name: &str| bench.input::<u64>(name);
    let names = ["in_sender", "in_port", "in_session", "in_sequence"].map(input);
    let [sender, port, session, sequence] = names;
    let (sender, port, session, sequence) = (sender?, port?, session?, sequence?);
    let (passes, room) = (bench.input::<bool>("in_passes")?, bench.input::<bool>("in_room")?);
    let outputs = ["out_known", "out_welcome", "out_accepted", "out_stale", "out_full"];
    let outputs: Vec<_> = outputs.iter().map(|name| bench.port::<bool>(name)).collect::<Result<_>>()?;
    let missing = bench.port::<u64>("out_missing")?;
    expect_same("accepted behind a reset", outputs[2].get(), false)?;
    for member in 0..MEMBERS_MAX as u64 {
        sender.set(member);
        bench.cycle(&mut ())?;
        bench.cycle(&mut ())?;
        expect_same("a sender known behind a reset", outputs[0].get(), false)?;
    }
    let (mut peers, mut last) = (BTreeMap::new(), BTreeMap::new());
    let mut pipeline: VecDeque<Option<Token>> = VecDeque::from([None; 4]);
    for cycle in 0..CYCLES {
        if cycle % 1_000 == 0 {
            pipeline = VecDeque::from([None; 4]);
            passes.set(false);
            // What was accepted last is still on its way.
            for _ in 0..8 {
                bench.cycle(&mut ())?;
            }
            write_peers(bench, &mut peers, &mut last)?;
        }
        let random = bench.random();
        let may_come = pipeline.back().is_none_or(Option::is_none);
        let token = (may_come && random.u8(..) < 200).then(|| {
            let (sender, port) = (random.u8(..6) * 21, random.u8(..2));
            let expected = peers.get(&sender).map_or(0, |(_, session)| *session);
            let near = *last.get(&(sender, port)).unwrap_or(&0);
            Token {
                sender,
                port,
                session: if random.u8(..8) == 0 { random.u64(..) >> random.u32(..64) } else { expected },
                sequence: near.wrapping_add(random.u64(..6)).wrapping_sub(random.u64(..3)),
                // What was never written holds anything.
                passes: sender < 105 && random.u8(..8) != 0,
                room: random.u8(..8) != 0,
            }
        });
        let shown =
            token.unwrap_or(Token { sender: random.u8(..128), session: random.u64(..), ..Token::default() });
        sender.set(u64::from(shown.sender));
        port.set(u64::from(shown.port));
        session.set(shown.session);
        sequence.set(shown.sequence);
        let judged = pipeline[1].unwrap_or_default();
        passes.set(judged.passes);
        room.set(judged.room);
        bench.cycle(&mut ())?;
        pipeline.push_back(token);
        pipeline.pop_front();
        if let Some(token) = pipeline[2] {
            let (is_known, welcome) = peers.get(&token.sender).copied().unwrap_or((false, 0));
            expect_same("a known sender", outputs[0].get(), is_known)?;
            let is_welcome = token.session == welcome && welcome != 0;
            if peers.contains_key(&token.sender) {
                expect_same("a welcome session", outputs[1].get(), is_welcome)?;
            }
        }
        let token = pipeline[0].unwrap_or_default();
        let before = *last.get(&(token.sender, token.port)).unwrap_or(&0);
        let rises = token.sequence > before;
        let accepted = token.passes && rises && token.room;
        let expected = [accepted, token.passes && !rises, token.passes && rises && !token.room];
        let found = [2, 3, 4].map(|k| outputs[k].get());
        expect_same("accepted, stale, full", found, expected)?;
        if accepted {
            expect_same("missing", missing.get(), token.sequence - before - 1)?;
            last.insert((token.sender, token.port), token.sequence);
        }
    }
    Ok(())
}

/// Writes sequences and sessions of most of the senders; the last sequences may be any.
fn write_peers(
    bench: &mut Bench,
    peers: &mut BTreeMap<u8, (bool, u64)>,
    last: &mut BTreeMap<(u8, u8), u64>,
) -> Result<()> {
    let [write_session, write_sequence, write_known] =
        ["peer_session_valid", "peer_sequence_valid", "peer_known"].map(|name| bench.input::<bool>(name));
    let (write_session, write_sequence, write_known) = (write_session?, write_sequence?, write_known?);
    let (peer, port) = (bench.input::<u8>("peer_member")?, bench.input::<u8>("peer_port")?);
    let number = bench.input::<u64>("peer_number")?;
    for sender in (0..5).map(|number| 21 * number) {
        peer.set(sender);
        for at in 0..2 {
            let value = bench.random().u64(..) >> bench.random().u32(..64);
            port.set(at);
            number.set(value);
            write_sequence.set(true);
            bench.cycle(&mut ())?;
            write_sequence.set(false);
            bench.cycle(&mut ())?;
            last.insert((sender, at), value);
        }
        let (is_known, session) = (bench.random().u8(..4) != 0, bench.random().u64(..5));
        number.set(session);
        write_known.set(is_known);
        write_session.set(true);
        bench.cycle(&mut ())?;
        write_session.set(false);
        peers.insert(sender, (is_known, session));
    }
    // What stands there without a strobe is not written.
    write_known.set(bench.random().bool());
    number.set(bench.random().u64(..));
    for _ in 0..hw::ingress::peers::WRITE_LATENCY {
        bench.cycle(&mut ())?;
    }
    Ok(())
}

/// Places of the narrow store.
const STORE_BEATS: usize = 15;

/// Frames go in faster than they leave. What is stored of a frame are its first beats and its last; all of
/// them, if there was room and no beat beyond what a frame may have.
fn frames_are_kept(bench: &mut Bench) -> Result<()> {
    let inputs = ["in_valid", "in_first", "in_last", "in_beyond", "out_take", "in_done"];
    let inputs: Vec<_> = inputs.iter().map(|name| bench.input::<bool>(name)).collect::<Result<_>>()?;
    let (data, out_data) = (bench.input::<u32>("in_data")?, bench.port::<u32>("out_data")?);
    let outputs = ["out_valid", "out_last", "out_stored", "out_lost"];
    let outputs: Vec<_> = outputs.iter().map(|name| bench.port::<bool>(name)).collect::<Result<_>>()?;
    // The frame on its way in, those inside, and what came out of the next one.
    let (mut entering, mut leaving) = (Vec::new(), Vec::new());
    let mut inside: VecDeque<(Vec<u32>, bool)> = VecDeque::new();
    let (mut length, mut limit, mut is_lost_rightly) = (1, usize::MAX, false);
    // No fewer than there are.
    let mut beats = 0;
    // Frames that left, but are still being read behind.
    let mut behind = 0;
    let mut cycle = 0;
    // In the end whatever is inside leaves.
    while cycle < CYCLES || !entering.is_empty() || !inside.is_empty() {
        cycle += 1;
        if cycle > 2 * CYCLES {
            return Err(Error::Found(format!("{} frames do not leave", inside.len())));
        }
        let random = bench.random();
        if entering.is_empty() {
            length = random.usize(1..if cycle / 1_000 % 2 == 0 { 4 } else { 20 });
            limit = if random.u8(..8) == 0 { random.usize(..12) } else { usize::MAX };
            is_lost_rightly = false;
        }
        let (is_valid, value) = (random.u8(..) < 180, random.u32(..));
        let is_valid = is_valid && (cycle < CYCLES || !entering.is_empty());
        let taken = outputs[0].get() && random.u8(..) < if cycle / 500 % 2 == 0 { 40 } else { 230 };
        let is_end = taken && outputs[1].get();
        let ends = entering.len() + 1 == length;
        let is_beyond = entering.len() >= limit;
        // At times so late that more frames come than may be inside and behind.
        let frames = inside.len() + behind + usize::from(is_end);
        let is_done = (is_end || behind > 0) && (cycle / 2_000 % 2 == 0 || random.u8(..) == 0);
        behind = behind + usize::from(is_end) - usize::from(is_done);
        is_lost_rightly |= is_valid && entering.is_empty() && frames >= FRAMES_MAX - 1;
        let shown = [is_valid, entering.is_empty(), ends, is_beyond, taken, is_done];
        inputs.iter().zip(shown).for_each(|(input, value)| input.set(value));
        data.set(value);
        if taken {
            leaving.push(out_data.get());
        }
        if is_valid {
            entering.push(value);
            is_lost_rightly |= beats + 1 >= STORE_BEATS || is_beyond && !ends;
            beats += 1;
        }
        bench.cycle(&mut ())?;
        let more_than_came = || Error::Found("more beats leave than came".into());
        beats = beats.checked_sub(usize::from(taken)).ok_or_else(more_than_came)?;
        if is_valid && ends {
            let (is_stored, is_lost) = (outputs[2].get(), outputs[3].get());
            if is_lost && !is_lost_rightly || length > limit.saturating_add(1) && !is_lost {
                return Err(Error::Found(format!("lost is {is_lost} for {length} beats of {limit}")));
            }
            let frame = std::mem::take(&mut entering);
            if is_stored {
                inside.push_back((frame, is_lost));
            } else {
                expect_same("a frame of which nothing is stored is lost", is_lost, true)?;
                beats = beats.checked_sub(length).ok_or_else(more_than_came)?;
            }
        }
        if is_end {
            let found = std::mem::take(&mut leaving);
            let (frame, is_lost) =
                inside.pop_front().ok_or_else(|| Error::Found("the end of no frame".into()))?;
            let missing = frame.len().checked_sub(found.len()).ok_or_else(more_than_came)?;
            beats = beats.checked_sub(missing).ok_or_else(more_than_came)?;
            let (end, begin) = found.split_last().ok_or_else(|| Error::Found("no beats".into()))?;
            expect_same("the last beat", Some(end), frame.last())?;
            expect_same("the first beats", Some(begin), frame.get(..begin.len()))?;
            expect_same("beats are missing", found.len() < frame.len(), is_lost)?;
        }
        if inside.len() + behind > FRAMES_MAX {
            return Err(Error::Found("more frames than there may be".into()));
        }
    }
    Ok(())
}
