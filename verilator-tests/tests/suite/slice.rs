//! A register slice for AXI-Stream, by hand.

use super::{Block, Test};
use verilator_tests::{
    expect_same, Bench, Design, Error, Histogram, Monitor, Result, Rules, Sink, Source, Stalls,
};

pub(crate) const TEXT: &str = include_str!("../verilog/slice.v");
const LATENCY_CYCLES: u64 = 1;

pub(crate) const BLOCK: Block = Block {
    name: "slice",
    design: || slice(TEXT),
    latency_cycles: Some(LATENCY_CYCLES),
    tests: &[
        Test { name: "drawn stalls", seeds: 0..12, body: pass_with_drawn_stalls },
        Test { name: "full speed", seeds: 0..2, body: pass_at_full_speed },
    ],
};

pub(crate) fn slice(text: impl Into<String>) -> Design {
    Design::new("slice", text)
}

pub(crate) fn frames(bench: &mut Bench, count: usize) -> Vec<Vec<u8>> {
    let mut frame = || {
        let mut bytes = vec![0; bench.random().usize(1..400)];
        bench.random().fill(&mut bytes);
        bytes
    };
    (0..count).map(|_| frame()).collect()
}

/// Frames through the slice; what comes out must be what went in.
pub(crate) fn pass(
    bench: &mut Bench,
    inward: Rules,
    outward: Rules,
    patterns: [Stalls; 2],
) -> Result<Histogram> {
    let sent = frames(bench, 300);
    let [sending, taking] = patterns;
    let mut source = Source::new(bench, "s_axis", sending, inward)?;
    let mut watch = Monitor::new(bench, "s_axis", Rules { packed: true, ..inward })?;
    let mut sink = Sink::new(bench, "m_axis", taking, outward)?;
    sent.iter().for_each(|frame| source.push(frame.as_slice()));
    let mut latencies = Histogram::new();
    for frame in sent {
        let agents = &mut (&mut source, &mut watch, &mut sink);
        bench.run_until(agents, 20_000, |agents| agents.2.frames_count() > 0)?;
        let (Some(entered), Some(left)) = (source.next_sent(), sink.next_frame()) else {
            return Err(Error::Found("a frame came out before it went in".into()));
        };
        expect_same("a frame", left.bytes, frame)?;
        latencies.add(left.first_cycle - entered.first_cycle);
    }
    expect_same("beats", sink.monitor().beats_count(), watch.beats_count())?;
    Ok(latencies)
}

pub(crate) fn pass_with_drawn_stalls(bench: &mut Bench) -> Result<()> {
    let stalls = [Stalls::drawn(bench.fork_random()), Stalls::drawn(bench.fork_random())];
    pass(bench, Rules::default(), Rules { packed: true, ..Rules::default() }, stalls).map(drop)
}

fn pass_at_full_speed(bench: &mut Bench) -> Result<()> {
    let gapless = Rules { gapless: true, packed: true };
    let latencies = pass(bench, gapless, gapless, [Stalls::never(), Stalls::never()])?;
    expect_same("latency", (latencies.min(), latencies.max()), (Some(LATENCY_CYCLES), Some(LATENCY_CYCLES)))
}
