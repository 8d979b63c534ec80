//! How fast models run: cycles a second with their tests around them, latencies, and what a build costs.
//!
//! One JSON object a line, as the other measuring examples print.

use std::time::Instant;
use verilator_tests::{Bench, Histogram, Result, Rules, Sink, Source, Stalls, Verilog};

const RUNS: usize = 5;
const CYCLES: u64 = 500_000;
/// Bytes of a frame of the stream bench: eight full beats and a part of one.
const FRAME_BYTES: usize = 550;

fn print(name: &str, unit: &str, mut values: Vec<f64>, largest_is_best: bool) {
    values.sort_by(f64::total_cmp);
    let best = if largest_is_best { values[values.len() - 1] } else { values[0] };
    let median = values[values.len() / 2];
    println!("{}", serde_json::json!({ "name": name, "unit": unit, "median": median, "best": best }));
}

/// Million cycles a second of `run`, which returns how many it made.
fn speed(name: &str, mut run: impl FnMut() -> Result<u64>) -> Result<()> {
    let mut speeds = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        let cycles = run()?;
        speeds.push(cycles as f64 / start.elapsed().as_secs_f64() / 1e6);
    }
    print(name, "Mcycles/s", speeds, true);
    Ok(())
}

/// A 512-bit adder: two wide values in and one out each cycle.
fn adder() -> Result<()> {
    let adder = include_str!("../tests/verilog/adder.v");
    let adder = Verilog::new("adder", adder).clock("clk").without_reset();
    let mut bench = Bench::new(&adder, &adder.build()?, 1)?;
    speed("adder of 512 bit, evaluation alone", || {
        for _ in 0..CYCLES {
            bench.cycle(&mut ())?;
        }
        Ok(CYCLES)
    })?;
    let (a, b) = (bench.input::<[u8; 64]>("a")?, bench.input::<[u8; 64]>("b")?);
    let sum = bench.port::<[u8; 65]>("sum")?;
    speed("adder of 512 bit, all ports each cycle", || {
        let mut value = [0; 64];
        for n in 0..CYCLES {
            value[..8].copy_from_slice(&n.to_le_bytes());
            a.set(value);
            b.set(value);
            bench.cycle(&mut ())?;
            std::hint::black_box(sum.get());
        }
        Ok(CYCLES)
    })
}

/// Frames through a register slice, checked on the way out.
fn slice(stalls: fn(&mut Bench) -> Stalls, name: &str) -> Result<Histogram> {
    let slice = Verilog::new("slice", include_str!("../tests/verilog/slice.v"));
    let model = slice.build()?;
    let mut latencies = Histogram::new();
    speed(name, || {
        let mut bench = Bench::new(&slice, &model, 1)?;
        let patterns = [stalls(&mut bench), stalls(&mut bench)];
        let [sending, taking] = patterns;
        let mut source = Source::new(&mut bench, "s_axis", sending, Rules::default())?;
        let mut sink = Sink::new(&bench, "m_axis", taking, Rules { packed: true, gapless: false })?;
        while bench.cycles() < CYCLES {
            source.push(vec![7; FRAME_BYTES]);
            bench.run_until(&mut (&mut source, &mut sink), CYCLES, |agents| agents.0.frames_count() < 2)?;
            while let Some(left) = sink.next_frame() {
                let entered = source.next_sent().expect("what came out went in");
                latencies.add(left.first_cycle - entered.first_cycle);
            }
        }
        Ok(bench.cycles())
    })?;
    Ok(latencies)
}

/// Seconds until a text that nobody built before can run, and again.
fn builds() -> Result<()> {
    let (mut cold, mut cached) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        let unique = format!("// {} {run}\n{}", std::process::id(), include_str!("../tests/verilog/slice.v"));
        let verilog = Verilog::new("slice", unique);
        for seconds in [&mut cold, &mut cached] {
            let start = Instant::now();
            verilog.build()?;
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    print("build of a slice of 512 bit, first time", "s", cold, false);
    print("build of a slice of 512 bit, kept", "s", cached, false);
    Ok(())
}

fn main() -> Result<()> {
    adder()?;
    let latencies = slice(|_| Stalls::never(), "slice of 512 bit with source and sink")?;
    print("slice of 512 bit, latency", "cycles", vec![latencies.quantile(0.5).unwrap_or(0) as f64], false);
    slice(
        |bench| Stalls::percent(bench.fork_random(), 30),
        "slice of 512 bit with source and sink, stalls of 30 %",
    )?;
    builds()
}
