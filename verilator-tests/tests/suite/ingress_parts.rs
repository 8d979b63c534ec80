//! The parts of the ingress, each against a few lines of Rust.

use super::{top, Block, Test};
use formats::frame::{encode_header, split, Envelope, FrameError, FrameHeader};
use formats::limits::*;
use formats::register::Counter;
use hw::ingress::header::FAULTS;
use std::collections::{BTreeMap, VecDeque};
use verilator_tests::{expect_same, Agent, Bench, Error, Input, Port, Result, Stalls};

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

pub(crate) const ALIGNER: Block = Block {
    name: "aligner",
    design: || top("aligner"),
    latency_cycles: Some(2),
    tests: &[Test { name: "records of any length", seeds: 0..12, body: records_leave }],
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
    let mut passes = Settled { port: bench.port("out_passes")?, value: false };
    // For the last beats of the last cycles: what the frame's fault is, and what the other parts say.
    let mut due: VecDeque<Option<(u8, [bool; 3])>> = VecDeque::from([None; 5]);
    let (mut frame, mut from, mut offset) = (Vec::new(), 0, 0);
    for _ in 0..CYCLES {
        let random = bench.random();
        if offset >= frame.len() {
            (frame, offset) = (frame_of_any_header(random), 0);
            from = if random.u8(..8) == 0 { random.u8(..8) } else { 0 };
        }
        let is_valid = random.u8(..) < 220;
        let count = (frame.len() - offset).min(HEADER_BEAT);
        let ends = offset + HEADER_BEAT >= frame.len();
        let mut beat = [0; HEADER_BEAT];
        random.fill(&mut beat);
        if is_valid {
            beat[..count].copy_from_slice(&frame[offset..offset + count]);
            offset += HEADER_BEAT;
        }
        let said = [(); 3].map(|()| random.u8(..8) != 0);
        due.push_back((is_valid && ends).then(|| (first_fault(&frame, from, said), said)));
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
        let expected = due[0];
        expect_same("it passes", passes.value, expected.is_some_and(|(fault, _)| fault == 0))?;
        expect_same("a frame", out_valid.get(), expected.is_some())?;
        if let Some((fault, _)) = expected {
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
        let shown = [is_valid, entering.is_empty(), ends, is_beyond, taken, is_end];
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
        beats -= usize::from(taken);
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
                beats -= length;
            }
        }
        if is_end {
            let found = std::mem::take(&mut leaving);
            let (frame, is_lost) =
                inside.pop_front().ok_or_else(|| Error::Found("the end of no frame".into()))?;
            beats -= frame.len() - found.len();
            let (end, begin) = found.split_last().ok_or_else(|| Error::Found("no beats".into()))?;
            expect_same("the last beat", Some(end), frame.last())?;
            expect_same("the first beats", Some(begin), frame.get(..begin.len()))?;
            expect_same("beats are missing", found.len() < frame.len(), is_lost)?;
        }
    }
    Ok(())
}

/// Bytes of a beat of the aligner.
const BEAT_BYTES: usize = 64;

/// A frame's verdict: accepted, units, sender, port, sequence.
type FrameVerdict = (bool, u16, u8, u8, u64);
/// A record: units, first, last, malformed, and sender, port, sequence.
type Leaving = (Vec<u8>, [bool; 3], (u8, u8, u64));

/// What is around an aligner: beats and verdicts of frames, each with gaps, and a reader that stalls.
struct Around {
    stalls: [Stalls; 3],
    beat_valid: Input<bool>,
    beat_last: Input<bool>,
    beat_data: Input<[u8; BEAT_BYTES]>,
    beat_take: Port<bool>,
    beats: VecDeque<([u8; BEAT_BYTES], bool)>,
    is_shown: bool,
    verdict_valid: Input<bool>,
    accepted: Input<bool>,
    units: Input<u16>,
    verdict_from: (Input<u8>, Input<u8>, Input<u64>),
    verdicts: VecDeque<FrameVerdict>,
    done: Port<bool>,
    frames_done: usize,
    ready: Input<bool>,
    valid: Port<bool>,
    out_units: Port<[u8; RECORD_UNITS_MAX * UNIT_SIZE]>,
    count: Port<u8>,
    marks: [Port<bool>; 3],
    from: (Port<u8>, Port<u8>, Port<u64>),
    records: VecDeque<Leaving>,
}

impl Around {
    fn new(bench: &mut Bench) -> Result<Around> {
        Ok(Around {
            stalls: [(); 3].map(|()| Stalls::drawn(bench.fork_random())),
            beat_valid: bench.input("beat_valid")?,
            beat_last: bench.input("beat_last")?,
            beat_data: bench.input("beat_data")?,
            beat_take: bench.port("beat_take")?,
            beats: VecDeque::new(),
            is_shown: false,
            verdict_valid: bench.input("in_valid")?,
            accepted: bench.input("in_accepted")?,
            units: bench.input("in_units")?,
            verdict_from: (bench.input("in_sender")?, bench.input("in_port")?, bench.input("in_sequence")?),
            verdicts: VecDeque::new(),
            done: bench.port("out_done")?,
            frames_done: 0,
            ready: bench.input("out_ready")?,
            valid: bench.port("out_valid")?,
            out_units: bench.port("out_units")?,
            count: bench.port("out_count")?,
            marks: [bench.port("out_first")?, bench.port("out_last")?, bench.port("out_malformed")?],
            from: (bench.port("out_sender")?, bench.port("out_port")?, bench.port("out_sequence")?),
            records: VecDeque::new(),
        })
    }
}

impl Agent for Around {
    fn drive(&mut self) {
        // A beat that is there stays until it is taken.
        self.is_shown |= !self.beats.is_empty() && !self.stalls[0].is_stalled(true);
        self.beat_valid.set(self.is_shown);
        if let (Some((data, last)), true) = (self.beats.front(), self.is_shown) {
            self.beat_last.set(*last);
            self.beat_data.set(*data);
        }
        self.verdict_valid.set(false);
        if let (Some(verdict), false) = (self.verdicts.front(), self.stalls[1].is_stalled(true)) {
            let (accepted, units, sender, port, sequence) = *verdict;
            self.verdict_valid.set(true);
            self.accepted.set(accepted);
            self.units.set(units);
            self.verdict_from.0.set(sender);
            self.verdict_from.1.set(port);
            self.verdict_from.2.set(sequence);
            self.verdicts.pop_front();
        }
        self.ready.set(!self.stalls[2].is_stalled(true));
    }

    fn sample(&mut self, _: u64) -> Result<()> {
        if self.is_shown && self.beat_take.get() {
            self.beats.pop_front();
            self.is_shown = false;
        }
        self.frames_done += usize::from(self.done.get());
        if self.valid.get() && self.ready.get() {
            let marks = self.marks.each_ref().map(Port::get);
            let count = if marks[2] { 0 } else { usize::from(self.count.get()).min(RECORD_UNITS_MAX) };
            let units = self.out_units.get()[..count * UNIT_SIZE].to_vec();
            self.records.push_back((units, marks, (self.from.0.get(), self.from.1.get(), self.from.2.get())));
        }
        Ok(())
    }
}

/// Frames accepted and refused, with records of any length, some of them of no length or too long.
fn records_leave(bench: &mut Bench) -> Result<()> {
    let mut around = Around::new(bench)?;
    let (mut expected, mut frames) = (VecDeque::new(), 0);
    for _ in 0..CYCLES {
        // A place for each frame that is not done.
        if around.beats.len() < 8 && frames - around.frames_done < hw::ingress::store::FRAMES_MAX {
            let random = bench.random();
            let (accepted, from) = (random.u8(..4) != 0, (random.u8(..128), random.u8(..8), random.u64(..)));
            let count_max = if random.u8(..8) == 0 { 100 } else { 10 };
            let count = random.usize(..count_max);
            let mut bytes = vec![0; count * UNIT_SIZE + FRAME_CRC_SIZE];
            random.fill(&mut bytes);
            let mut at = 0;
            while at < count {
                let left = count - at;
                let length = match random.u8(..64) {
                    0 => usize::from(random.u8(..)),
                    1..16 => random.usize(1..=RECORD_UNITS_MAX.min(left)),
                    _ => random.usize(1..=4.min(left)),
                };
                let head = at * UNIT_SIZE;
                bytes[head + 1] = length as u8;
                let is_malformed = length == 0 || length > RECORD_UNITS_MAX.min(left);
                let is_last = is_malformed || length == left;
                let units = &bytes[head..head + if is_malformed { 0 } else { length * UNIT_SIZE }];
                if accepted {
                    expected.push_back((units.to_vec(), [at == 0, is_last, is_malformed], from));
                }
                at = if is_malformed { count } else { at + length };
            }
            let beats = bytes.chunks(BEAT_BYTES).map(|chunk| {
                let mut beat = [0xa5; BEAT_BYTES];
                beat[..chunk.len()].copy_from_slice(chunk);
                (beat, false)
            });
            around.beats.extend(beats);
            around.beats.back_mut().expect("a beat at least").1 = true;
            around.verdicts.push_back((accepted, count as u16, from.0, from.1, from.2));
            frames += 1;
        }
        bench.cycle(&mut around)?;
        while let Some(record) = around.records.pop_front() {
            expect_same("the record", Some(record), expected.pop_front())?;
        }
    }
    around.stalls = [(); 3].map(|()| Stalls::never());
    bench.run_until(&mut around, CYCLES, |around| around.frames_done == frames)?;
    bench.cycle(&mut around)?;
    let records: Vec<Leaving> = around.records.into_iter().collect();
    expect_same("the records that were left", records, expected.into_iter().collect())
}
