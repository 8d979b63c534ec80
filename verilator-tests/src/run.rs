//! Runs a test over seeds, and leaves what is needed to understand and repeat a failure.
//!
//! A run that fails, by an error or a panic, is played once more on a model that writes waveforms, from
//! shortly before the failure to its end. `TRINE_SEED=7` or `TRINE_SEED=0..1000` names other seeds.

use crate::bench::{Bench, Wave};
use crate::cache;
use crate::design::Design;
use crate::error::{Error, Result};
use crate::model::Model;
use std::any::{type_name_of_val, Any};
use std::fmt;
use std::ops::Range;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::PathBuf;

/// The environment variable with other seeds.
const SEED: &str = "TRINE_SEED";
/// Cycles of a waveform before the failure.
const WAVE_CYCLES: u64 = 2_000;

/// A test that did not pass.
pub enum Failed {
    /// There was nothing to run.
    Unbuilt(Error),
    /// A run failed.
    Run(Failure),
}

/// A failed run: what, when, and how to see it again.
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Cycles before the failure.
    pub cycle: u64,
    /// What failed.
    pub reason: String,
    /// The waveform, or why there is none.
    pub waveform: std::result::Result<PathBuf, String>,
    /// What plays this run again.
    pub command: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = match self {
            Failed::Unbuilt(problem) => return problem.fmt(f),
            Failed::Run(failure) => failure,
        };
        writeln!(f, "seed {}, cycle {}: {}", failure.seed, failure.cycle, failure.reason)?;
        match &failure.waveform {
            Ok(path) => writeln!(f, "waveform: {}", path.display())?,
            Err(reason) => writeln!(f, "no waveform: {reason}")?,
        }
        write!(f, "repeat:   {}", failure.command)
    }
}

/// As [`fmt::Display`], so that a test that returns it prints lines and no structure.
impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failed {}

impl Design {
    /// Builds the model and runs `test` once for each seed, each time on a new instance after its reset.
    pub fn run<T: Fn(&mut Bench) -> Result<()>>(
        &self,
        seeds: Range<u64>,
        test: T,
    ) -> std::result::Result<(), Failed> {
        let seeds = match std::env::var(SEED) {
            Ok(text) => named_seeds(&text).map_err(Failed::Unbuilt)?,
            Err(_) => seeds,
        };
        let model = self.build().map_err(Failed::Unbuilt)?;
        for seed in seeds {
            let Err((reason, cycle)) = once(self, &model, seed, None, &test) else { continue };
            let thread = std::thread::current();
            let name = test_name(thread.name(), type_name_of_val(&test));
            let waveform = self.waveform(seed, cycle, &name, &test);
            let command = command(seed, &name);
            return Err(Failed::Run(Failure { seed, cycle, reason, waveform, command }));
        }
        Ok(())
    }

    /// Plays a failed run again and writes its end down.
    fn waveform(
        &self,
        seed: u64,
        cycle: u64,
        name: &str,
        test: &impl Fn(&mut Bench) -> Result<()>,
    ) -> std::result::Result<PathBuf, String> {
        let folder = cache::folder().join("waves");
        std::fs::create_dir_all(&folder).map_err(|problem| problem.to_string())?;
        let path = folder.join(format!("{}-{seed}.vcd", name.replace("::", "-")));
        let model = self.clone().trace(true).build().map_err(|problem| problem.to_string())?;
        let wave = Wave { path: path.clone(), first_cycle: cycle.saturating_sub(WAVE_CYCLES) };
        match once(self, &model, seed, Some(wave), test) {
            Err(_) => Ok(path),
            Ok(()) => Err("the second run passed: the test does not depend on its seed alone".into()),
        }
    }
}

/// One run; the reason and the cycle of a failure.
fn once(
    design: &Design,
    model: &Model,
    seed: u64,
    wave: Option<Wave>,
    test: &impl Fn(&mut Bench) -> Result<()>,
) -> std::result::Result<(), (String, u64)> {
    let mut bench =
        Bench::with_wave(design, model, seed, wave).map_err(|problem| (problem.to_string(), 0))?;
    // The bench and what the test made of it are dropped or only counted afterwards.
    let outcome = catch_unwind(AssertUnwindSafe(|| test(&mut bench)));
    let reason = match outcome {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(problem)) => problem.to_string(),
        Err(panic) => message(panic.as_ref()),
    };
    Err((reason, bench.cycles()))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("panicked without words").to_owned()
}

/// `7` or `0..1000`.
fn named_seeds(text: &str) -> Result<Range<u64>> {
    let wrong = || Error::Found(format!("{SEED}={text}: neither a number nor a range like 0..1000"));
    let number = |digits: &str| digits.trim().parse::<u64>().map_err(|_| wrong());
    match text.split_once("..") {
        Some((first, end)) => Ok(number(first)?..number(end)?),
        None => number(text).map(|seed| seed..seed + 1),
    }
}

/// The name of the test: that of its thread, or, where tests run on the main thread, the path of its
/// closure without the crate.
fn test_name(thread: Option<&str>, closure: &str) -> String {
    if let Some(name) = thread.filter(|name| *name != "main") {
        return name.to_owned();
    }
    let path = closure.split("::{{closure}}").next().unwrap_or_default();
    path.split_once("::").map_or(path, |(_, name)| name).to_owned()
}

fn command(seed: u64, name: &str) -> String {
    let package = std::env::var("CARGO_PKG_NAME").map(|name| format!(" -p {name}")).unwrap_or_default();
    format!("{SEED}={seed} cargo test{package} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_number_or_a_range() {
        assert_eq!(named_seeds("7").expect("a number"), 7..8);
        assert_eq!(named_seeds("0..1000").expect("a range"), 0..1000);
        assert!(named_seeds("0x7").is_err() && named_seeds("..").is_err());
    }

    #[test]
    fn a_test_is_known_by_its_thread_or_its_closure() {
        let closure = || ();
        let name = test_name(Some("main"), type_name_of_val(&closure));
        assert_eq!(name, "run::tests::a_test_is_known_by_its_thread_or_its_closure");
        assert_eq!(test_name(Some("tests::that"), "no matter"), "tests::that");
    }
}
