//! Trine beside conntrackd: the same kernels, connections, events and processors, in one run.
//!
//! A process sends whole TCP connections through gw1, frame by frame; one processor forwards them,
//! another runs the daemons of both gateways where CPU time counts. First both get every event, and
//! conntrackd replicates reliably. Then each does its best, with the mask of events that Trine sets by
//! default: conntrackd at its lightest, without caches and acknowledgements. Both programs write the
//! standby's kernel as they go, have event buffers of the same size and run at real-time priority. What is
//! judged is the ratio, of the medians of the runs.

mod conntrackd;
mod contender;
mod field;
mod memory;
mod million;
mod process;
mod rows;
mod shaping;
mod storm;
mod trial;

use super::Row;
use crate::demo::{keep_logs, prepare};
use crate::error::{Error, Result};
use crate::interrupt::check;
use crate::progress::say;
use crate::setup;
use conntrackd::Settings;
use contender::{Peers, Trine};
use field::Field;
use memory::Memory;
use million::Million;
use std::path::Path;
use storm::Stormy;
use trial::Measured;

/// conntrackd as it replicates reliably, with the standby's kernel written.
const RELIABLE: Settings = Settings { reliable: true, keeps_copies: false };
/// Configuration of agents that get every event.
const EVERY_EVENT: &str = "[kernel]\nevents = \"all\"\n";
/// The least that it can do.
const LIGHTEST: Settings = Settings { reliable: false, keeps_copies: false };

/// What was measured.
#[derive(Default)]
struct Results {
    /// CPU time of forwarding with nobody listening, per connection.
    alone_us: Vec<f64>,
    ours: Vec<Measured>,
    reliable: Vec<Measured>,
    best: Vec<Measured>,
    lightest: Vec<Measured>,
    storm: [Option<Stormy>; 2],
    memory: Option<Memory>,
    million: Option<Million>,
}

/// All contenders, several times in turn, then what is measured once.
pub(super) fn run(options: &super::Options) -> Result<Vec<Row>> {
    setup::ensure_conntrackd()?;
    let (binary, _limit) = prepare(options.binary.as_deref(), true, 0)?;
    let mut field = Field::raise()?;
    let mut results = Results::default();
    for run in 1..=options.runs {
        check()?;
        let ended = compare(&mut field, &binary, run, &mut results);
        if let Some(folder) = &options.keep_logs {
            keep_logs(&field.stage, &folder.join(format!("run{run}")))?;
        }
        ended?;
    }
    let ended = once(&mut field, &binary, &mut results);
    if let Some(folder) = &options.keep_logs {
        keep_logs(&field.stage, &folder.join("once"))?;
    }
    ended?;
    Ok(rows::rows(&results))
}

/// Nobody, Trine, conntrackd, one after the other.
fn compare(field: &mut Field, binary: &Path, run: u32, results: &mut Results) -> Result<()> {
    say(format!("peer: run {run}: nobody"));
    let alone_us = trial::forwarding_alone(field)?;
    say(format!("peer: forwarding {alone_us:.2} µs per life"));
    results.alone_us.push(alone_us);
    say(format!("peer: run {run}: trine, every event"));
    results.ours.push(trial::measure(field, &mut Trine::new(binary, EVERY_EVENT))?);
    say(format!("peer: run {run}: conntrackd, reliable"));
    results.reliable.push(trial::measure(field, &mut Peers::new(RELIABLE, None))?);
    say(format!("peer: run {run}: trine, as it comes"));
    let mut trine = Trine::new(binary, "");
    results.best.push(trial::measure(field, &mut trine)?);
    say(format!("peer: run {run}: conntrackd, lightest"));
    results.lightest.push(trial::measure(field, &mut Peers::new(LIGHTEST, trine.shaping.as_deref()))?);
    Ok(())
}

fn once(field: &mut Field, binary: &Path, results: &mut Results) -> Result<()> {
    say("peer: storm");
    let mut trine = Trine::new(binary, "");
    let ours = storm::measure(field, &mut trine);
    let theirs = storm::measure(field, &mut Peers::new(RELIABLE, trine.shaping.as_deref()));
    results.storm = [tried("storm", ours)?, tried("storm", theirs)?];
    say("peer: memory");
    results.memory = tried("memory", memory::measure(field, binary))?;
    say("peer: a million flows");
    results.million = tried("a million flows", million::measure(field, binary))?;
    Ok(())
}

/// What failed is a missed row, and no reason to throw away what was measured before.
fn tried<T>(what: &str, measured: Result<T>) -> Result<Option<T>> {
    match measured {
        Ok(measured) => Ok(Some(measured)),
        Err(Error::Interrupted) => Err(Error::Interrupted),
        Err(problem) => {
            say(format!("peer: {what}: {problem}"));
            Ok(None)
        }
    }
}
