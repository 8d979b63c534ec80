//! Records out of beats: what the aligner gives of accepted frames, and nothing of refused ones.

use super::{top, Block, Test};
use formats::limits::*;
use std::collections::VecDeque;
use verilator_tests::{expect_same, Agent, Bench, Input, Port, Result, Stalls};

/// Cycles of each run.
const CYCLES: u64 = 30_000;

pub(crate) const ALIGNER: Block = Block {
    name: "aligner",
    design: || top("aligner"),
    latency_cycles: Some(2),
    tests: &[Test { name: "records of any length", seeds: 0..12, body: records_leave }],
};

/// Bytes of a beat of the aligner.
const BEAT_BYTES: usize = 64;

/// Of a frame: sender, port, sequence, and whether others are missing before it.
type From = (u8, u8, u64, bool);
/// A frame's verdict: accepted, units, where it is from.
type FrameVerdict = (bool, u16, From);
/// A record: units, first, last, malformed, and where its frame is from.
type Leaving = (Vec<u8>, [bool; 3], From);

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
    verdict_from: (Input<u8>, Input<u8>, Input<u64>, Input<bool>),
    verdicts: VecDeque<FrameVerdict>,
    done: Port<bool>,
    frames_done: usize,
    ready: Input<bool>,
    valid: Port<bool>,
    out_units: Port<[u8; RECORD_UNITS_MAX * UNIT_SIZE]>,
    count: Port<u8>,
    marks: [Port<bool>; 3],
    from: (Port<u8>, Port<u8>, Port<u64>, Port<bool>),
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
            verdict_from: (
                bench.input("in_sender")?,
                bench.input("in_port")?,
                bench.input("in_sequence")?,
                bench.input("in_gap")?,
            ),
            verdicts: VecDeque::new(),
            done: bench.port("out_done")?,
            frames_done: 0,
            ready: bench.input("out_ready")?,
            valid: bench.port("out_valid")?,
            out_units: bench.port("out_units")?,
            count: bench.port("out_count")?,
            marks: [bench.port("out_first")?, bench.port("out_last")?, bench.port("out_malformed")?],
            from: (
                bench.port("out_sender")?,
                bench.port("out_port")?,
                bench.port("out_sequence")?,
                bench.port("out_gap")?,
            ),
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
            let (accepted, units, (sender, port, sequence, gap)) = *verdict;
            self.verdict_valid.set(true);
            self.accepted.set(accepted);
            self.units.set(units);
            self.verdict_from.0.set(sender);
            self.verdict_from.1.set(port);
            self.verdict_from.2.set(sequence);
            self.verdict_from.3.set(gap);
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
            let (sender, port, sequence, gap) = &self.from;
            let from = (sender.get(), port.get(), sequence.get(), gap.get());
            self.records.push_back((units, marks, from));
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
            let from = (random.u8(..128), random.u8(..8), random.u64(..), random.bool());
            let accepted = random.u8(..4) != 0;
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
            around.verdicts.push_back((accepted, count as u16, from));
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
