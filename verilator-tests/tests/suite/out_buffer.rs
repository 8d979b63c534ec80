//! The last stage of the framer: beats that come without asking leave as a stream.

use super::{top, Block, Test};
use hw::framer::FLIGHT;
use std::collections::VecDeque;
use verilator_tests::{expect_same, Bench, Error, Input, Port, Result, Rules, Sink, Stalls};

/// Cycles of each run in which beats set out, and those within which they must have left.
const CYCLES: u64 = 20_000;
const DRAIN_CYCLES: u64 = 10_000;
/// Bytes and units of a beat.
const BEAT_BYTES: usize = 64;
const UNITS: usize = 4;
const UNIT_BYTES: usize = 16;
const CRC_BYTES: usize = 4;
/// Beats of the longest frame.
const BEATS_MAX: usize = 40;

pub(crate) const BLOCK: Block = Block {
    name: "out_buffer",
    design: || top("out_buffer"),
    latency_cycles: Some(1),
    tests: &[
        Test { name: "drawn stalls", seeds: 0..12, body: frames_pass },
        Test { name: "full speed", seeds: 0..1, body: no_cycle_is_lost },
    ],
};

/// A beat on its way: bytes, and the units of a last one.
struct Beat {
    data: [u8; BEAT_BYTES],
    last_units: Option<usize>,
}

struct Ports {
    send: Input<bool>,
    may_send: Port<bool>,
    valid: Input<bool>,
    data: Input<[u8; BEAT_BYTES]>,
    last: Input<bool>,
    units: Input<u8>,
    way: VecDeque<Option<Beat>>,
    /// Beats of the present frame still to come, and its bytes so far.
    left: usize,
    bytes: Vec<u8>,
    expected: VecDeque<Vec<u8>>,
}

impl Ports {
    fn new(bench: &Bench) -> Result<Ports> {
        Ok(Ports {
            send: bench.input("send")?,
            may_send: bench.port("may_send")?,
            valid: bench.input("in_valid")?,
            data: bench.input("in_data")?,
            last: bench.input("in_last")?,
            units: bench.input("in_units")?,
            way: (0..FLIGHT).map(|_| None).collect(),
            left: 0,
            bytes: Vec::new(),
            expected: VecDeque::new(),
        })
    }

    /// One cycle, in which a beat sets out if it may and `wants`; inside a frame it always wants.
    fn cycle(&mut self, bench: &mut Bench, sink: &mut Sink, wants: bool) -> Result<bool> {
        let mut data = [0; BEAT_BYTES];
        bench.random().fill(&mut data);
        let sends = self.may_send.get() && (wants || self.left > 0);
        self.send.set(sends);
        let beat = sends.then(|| self.beat(bench, data));
        self.way.push_back(beat);
        let here = self.way.pop_front().flatten();
        self.valid.set(here.is_some());
        let random = bench.random();
        self.data.set(here.as_ref().map_or(data, |beat| beat.data));
        self.last.set(here.as_ref().map_or(random.bool(), |beat| beat.last_units.is_some()));
        let units = here.map_or(random.usize(..8), |beat| beat.last_units.unwrap_or(UNITS));
        self.units.set(units as u8);
        bench.cycle(sink)?;
        Ok(sends)
    }

    fn beat(&mut self, bench: &mut Bench, data: [u8; BEAT_BYTES]) -> Beat {
        if self.left == 0 {
            self.left = bench.random().usize(1..=BEATS_MAX);
        }
        self.left -= 1;
        let last_units = (self.left == 0).then(|| bench.random().usize(..UNITS));
        let count = last_units.map_or(BEAT_BYTES, |units| units * UNIT_BYTES + CRC_BYTES);
        self.bytes.extend_from_slice(&data[..count]);
        if last_units.is_some() {
            self.expected.push_back(std::mem::take(&mut self.bytes));
        }
        Beat { data, last_units }
    }
}

fn sink(bench: &Bench, stalls: Stalls) -> Result<Sink> {
    Sink::new(bench, "m_axis", stalls, Rules { gapless: true, packed: true })
}

fn frames_pass(bench: &mut Bench) -> Result<()> {
    let stalls = Stalls::drawn(bench.fork_random());
    let (mut sink, mut ports) = (sink(bench, stalls)?, Ports::new(bench)?);
    let mut pauses = Stalls::drawn(bench.fork_random());
    let end = bench.cycles() + CYCLES;
    while bench.cycles() < end + DRAIN_CYCLES {
        let wants = bench.cycles() < end && !pauses.is_stalled(true);
        ports.cycle(bench, &mut sink, wants)?;
        if let Some(frame) = sink.next_frame() {
            expect_same("a frame", Some(frame.bytes), ports.expected.pop_front())?;
        }
    }
    expect_same("frames left inside", (ports.expected.len(), ports.left), (0, 0))
}

/// A beat sets out and leaves each cycle; with nothing taken a full buffer's worth sets out.
fn no_cycle_is_lost(bench: &mut Bench) -> Result<()> {
    let (mut taking, mut ports) = (sink(bench, Stalls::never())?, Ports::new(bench)?);
    bench.cycle(&mut taking)?;
    for _ in 0..1_000 {
        let sends = ports.cycle(bench, &mut taking, true)?;
        expect_same("a beat sets out", sends, true)?;
    }
    let sent = taking.monitor().beats_count();
    expect_same("beats that left", sent, 1_000 - FLIGHT as u64 - 1)?;
    let ready = bench.input::<bool>("m_axis_tready")?;
    let mut never = sink_that_waits(bench)?;
    let mut beats = 0;
    for _ in 0..100 {
        ready.set(false);
        beats += u64::from(ports.cycle(bench, &mut never, true)?);
    }
    // Those that were on their way lie inside too.
    match beats + FLIGHT as u64 + 1 {
        16..=17 => Ok(()),
        inside => Err(Error::Found(format!("{inside} beats set out while none was taken"))),
    }
}

/// Takes nothing for longer than the test lasts.
fn sink_that_waits(bench: &mut Bench) -> Result<Sink> {
    let mut random = bench.fork_random();
    let mut stalls = Stalls::bursts(random.fork(), u32::MAX, 1);
    // A stretch that is long enough, drawn.
    while !stalls.is_stalled(true) {}
    sink(bench, stalls)
}
