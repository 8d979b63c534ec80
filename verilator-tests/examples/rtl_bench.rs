//! How fast models run: cycles a second with their tests around them, latencies, and what a build costs.
//!
//! One JSON object a line, as the other measuring examples print.

#[allow(dead_code)] // What other programs use of it.
#[path = "../tests/suite/mod.rs"]
mod suite;

use std::time::Instant;
use verilator_tests::{Bench, Design, Result, Rules, Sink, Source, Stalls};

const RUNS: usize = 5;
const CYCLES: u64 = 500_000;
/// The same of a card.
const CARD_CYCLES: u64 = 100_000;
/// Words that stand for a card's registers, each as wide as an entry of its table.
const WORDS: usize = 44;
const WORD_BITS: usize = 1_296;
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
    let adder = Design::new("adder", adder).clock("clk").without_reset();
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

/// Each block with the tests that it has in the gate, and its latency, to which they hold it.
fn blocks() -> Result<()> {
    for block in suite::BLOCKS {
        let (design, test) = ((block.design)(), &block.tests[0]);
        let model = design.build()?;
        speed(&format!("{} with its test", block.name), || {
            let (mut cycles, mut seed) = (0, 0);
            while cycles < CYCLES {
                let mut bench = Bench::new(&design, &model, seed)?;
                test.run(&mut bench)?;
                cycles += bench.cycles();
                seed += 1;
            }
            Ok(cycles)
        })?;
        if let Some(cycles) = block.latency_cycles {
            print(&format!("{}, latency", block.name), "cycles", vec![cycles as f64], false);
        }
    }
    Ok(())
}

/// What a card cannot be faster than: as many flip-flops as it has, with a choice and an exclusive or each, and
/// nothing else.
fn registers() -> Result<()> {
    let mut text = format!(
        "module registers(input clock, input [{0}:0] enable, output [{1}:0] out);\n",
        WORDS - 1,
        WORD_BITS - 1
    );
    text += &format!("reg [{}:0] e; always @(posedge clock) e <= enable;\n", WORDS - 1);
    for word in 0..WORDS {
        let (before, far) = ((word + WORDS - 1) % WORDS, (word + 7) % WORDS);
        text += &format!("reg [{}:0] r{word};\n", WORD_BITS - 1);
        text += &format!("always @(posedge clock) r{word} <= e[{word}] ? r{before} : (r{word} ^ r{far});\n");
    }
    text += "assign out = r0;\nendmodule\n";
    let design = Design::new("registers", text).without_reset();
    let mut bench = Bench::new(&design, &design.build()?, 1)?;
    let enable = bench.input::<u64>("enable")?;
    let name = format!("{} flip-flops, a choice and an exclusive or each", WORDS * WORD_BITS);
    speed(&name, || {
        for n in 0..CYCLES {
            enable.set(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - WORDS));
            bench.cycle(&mut ())?;
        }
        Ok(CYCLES)
    })
}

/// Cards under load: records of a peer and commands, whose cycles alone count.
fn cards() -> Result<()> {
    for block in [suite::card::CARD_512, suite::card::CARD_128] {
        let design = (block.design)();
        let mut bench = Bench::new(&design, &design.build()?, 1)?;
        let mut load = suite::card::Load::new(&mut bench)?;
        speed(&format!("{} under load", block.name), || {
            (0..CARD_CYCLES).try_for_each(|_| load.cycle(&mut bench))?;
            Ok(CARD_CYCLES)
        })?;
        let [records, commands] = load.done(&mut bench)?.map(|done| done as f64 / bench.cycles() as f64);
        print(&format!("{} under load, records", block.name), "a cycle", vec![records], true);
        print(&format!("{} under load, commands", block.name), "a cycle", vec![commands], true);
    }
    Ok(())
}

/// Frames through a register slice at full speed, checked on the way out.
fn slice() -> Result<()> {
    let slice = Design::new("slice", suite::slice::TEXT);
    let model = slice.build()?;
    speed("slice of 512 bit with source and sink", || {
        let mut bench = Bench::new(&slice, &model, 1)?;
        let mut source = Source::new(&mut bench, "s_axis", Stalls::never(), Rules::default())?;
        let rules = Rules { packed: true, gapless: true };
        let mut sink = Sink::new(&bench, "m_axis", Stalls::never(), rules)?;
        while bench.cycles() < CYCLES {
            source.push(vec![7; FRAME_BYTES]);
            bench.run_until(&mut (&mut source, &mut sink), CYCLES, |agents| agents.0.frames_count() < 2)?;
            while sink.next_frame().is_some() {}
        }
        Ok(bench.cycles())
    })
}

/// Seconds until a text that nobody built before can run, and again.
fn builds() -> Result<()> {
    let (mut cold, mut cached) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        let unique = format!("// {} {run}\n{}", std::process::id(), include_str!("../tests/verilog/slice.v"));
        let design = Design::new("slice", unique);
        for seconds in [&mut cold, &mut cached] {
            let start = Instant::now();
            design.build()?;
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    print("build of a slice of 512 bit, first time", "s", cold, false);
    print("build of a slice of 512 bit, kept", "s", cached, false);
    Ok(())
}

fn main() -> Result<()> {
    adder()?;
    slice()?;
    registers()?;
    cards()?;
    blocks()?;
    builds()
}
