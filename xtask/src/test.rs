//! The whole gate, here and on the server: every step in order, then a table.
//!
//! A failed step does not hide the next one. The last line counts the steps that passed and
//! failed; the exit code follows it.

use crate::bench::{fullload, storm};
use crate::command::{capture, cargo, run as run_command};
use crate::error::{Error, Result};
use crate::interrupt::check;
use crate::progress::say;
use crate::{demo, setup, sim, synth, tidy};
use std::time::Instant;

/// Seeds of the simulator in the gate and in the long gate.
const SEEDS: &str = "0..60";
const SEEDS_LONG: &str = "0..1000";

/// Seeds and stretches of the RTL engine in the long gate, each stretch of about 600 requests.
const STREAM_SEEDS: &str = "100..120";
const STREAM_STRETCHES: &str = "90";

/// A step and what it runs; the flag asks for the long form.
struct Step {
    name: &'static str,
    /// Whether the short gate leaves it out.
    is_long: bool,
    run: fn(bool) -> Result<()>,
}

const STEPS: [Step; 8] = [
    Step { name: "setup", is_long: false, run: |_| setup::run_setup() },
    Step { name: "tidy", is_long: false, run: |_| tidy::run() },
    Step { name: "tests", is_long: false, run: |_| tests() },
    Step { name: "simulation", is_long: false, run: simulation },
    Step { name: "demonstration", is_long: false, run: demonstration },
    Step { name: "storm", is_long: false, run: storm },
    Step { name: "stream", is_long: true, run: |_| stream() },
    Step { name: "synthesis", is_long: true, run: |_| synthesis() },
];

struct Outcome {
    name: &'static str,
    seconds: f64,
    problem: Option<String>,
}

/// Runs every step.
pub(crate) fn run(long: bool) -> Result<()> {
    let mut outcomes = Vec::new();
    for step in STEPS.iter().filter(|step| long || !step.is_long) {
        check()?;
        say(format!("test: {}", step.name));
        let start = Instant::now();
        let problem = (step.run)(long).err().map(|problem| problem.to_string());
        check()?;
        if let Some(problem) = &problem {
            say(format!("test: {} failed\n{problem}", step.name));
        }
        outcomes.push(Outcome { name: step.name, seconds: start.elapsed().as_secs_f64(), problem });
    }
    let failed = outcomes.iter().filter(|outcome| outcome.problem.is_some()).count();
    if failed > 0 {
        // The reasons were printed when they happened; the count stays the last line.
        eprintln!("\ntest: {failed} of {} steps failed", outcomes.len());
    }
    print!("{}", table(&outcomes));
    if failed > 0 {
        return Err(Error::Shown);
    }
    Ok(())
}

fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!("\n{:<16}{:>9}  result\n", "step", "seconds");
    for outcome in outcomes {
        let result = outcome.problem.as_ref().map_or("pass".into(), |problem| {
            format!("FAIL: {}", problem.lines().next().unwrap_or("no reason given"))
        });
        text.push_str(&format!("{:<16}{:>9.1}  {result}\n", outcome.name, outcome.seconds));
    }
    let failed = outcomes.iter().filter(|outcome| outcome.problem.is_some()).count();
    text.push_str(&format!("{} passed, {failed} failed\n", outcomes.len() - failed));
    text
}

fn tests() -> Result<()> {
    let has_nextest = capture(&mut cargo(&["nextest", "--version"])).is_ok();
    if !has_nextest {
        return run_command(&mut cargo(&["test", "--workspace", "--quiet"]));
    }
    run_command(&mut cargo(&["nextest", "run", "--workspace", "--no-fail-fast", "--status-level", "fail"]))?;
    // nextest leaves out the examples in the documentation.
    run_command(&mut cargo(&["test", "--workspace", "--doc", "--quiet"]))
}

fn simulation(long: bool) -> Result<()> {
    let seeds = if long { SEEDS_LONG } else { SEEDS };
    sim::run(&sim::Options { seeds: seeds.into(), plant: None })
}

fn demonstration(long: bool) -> Result<()> {
    // Speed is the benches' matter: a gate must not fail because its machine is busy.
    demo::run(&demo::Options { quick: !long, untimed: true, ..demo::Options::default() })
}

/// Faults under load; the long form adds a minute with both processors busy.
fn storm(long: bool) -> Result<()> {
    storm::run_short()?;
    if long {
        fullload::run_minute()?;
    }
    Ok(())
}

/// The RTL engine with all it does in one stream: a million requests and more over these seeds.
fn stream() -> Result<()> {
    let mut blocks = cargo(&["test", "--package", "trine-verilator-tests", "--test", "blocks", "engine"]);
    blocks.env("TRINE_SEED", STREAM_SEEDS).env("TRINE_STRETCHES", STREAM_STRETCHES);
    run_command(blocks.args(["--", "--exact", "--nocapture"]))
}

/// Minutes of place and route, unless nothing has changed since the last time.
fn synthesis() -> Result<()> {
    synth::run(&synth::Options { check: true, ..synth::Options::default() })
}

#[cfg(test)]
mod tests_of_the_table {
    use super::*;

    #[test]
    fn the_last_line_counts() {
        let outcomes = [
            Outcome { name: "setup", seconds: 0.5, problem: None },
            Outcome { name: "tidy", seconds: 2.0, problem: Some("stale\nmore".into()) },
        ];
        let text = table(&outcomes);
        assert_eq!(text.lines().last(), Some("1 passed, 1 failed"));
        assert!(text.contains("FAIL: stale\n"));
    }
}
