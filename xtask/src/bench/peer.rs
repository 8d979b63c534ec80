//! Trine beside conntrackd: the same kernels, connections, events and processors, in one run.
//!
//! A process sends whole TCP connections through gw1, frame by frame; one processor forwards them,
//! another runs the daemons of both gateways. Both programs write the standby's kernel as they go and
//! have event buffers of the same size; both run at real-time priority. What is judged is the ratio.

mod conntrackd;
mod contender;
mod field;
mod trial;

use super::{Good, Row};
use crate::demo::{keep_logs, prepare};
use crate::error::Result;
use crate::interrupt::check;
use crate::peer::lives::{Latencies, RING};
use crate::progress::say;
use conntrackd::Settings;
use contender::{Peers, Trine};
use field::Field;
use std::path::Path;
use trial::Measured;

/// Bars, all on Trine / conntrackd.
const CPU_ACTIVE: f64 = 0.4;
const CPU_BOTH: f64 = 0.45;
const LATENCY_IDLE: f64 = 0.5;
const LATENCY_LOADED_P99: f64 = 0.4;
const WIRE: f64 = 0.4;
/// Bar on Trine alone.
const TAX_PERCENT: f64 = 12.0;

/// conntrackd as it replicates reliably, with the standby's kernel written.
const RELIABLE: Settings = Settings { reliable: true, keeps_copies: false };

/// Both contenders, several times in turn.
pub(super) fn run(options: &super::Options) -> Result<Vec<Row>> {
    let (binary, _limit) = prepare(options.binary.as_deref(), true, RING as u32)?;
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
    Ok(rows(&results))
}

/// What the runs brought.
#[derive(Default)]
struct Results {
    alone_us: Vec<f64>,
    ours: Vec<Measured>,
    theirs: Vec<Measured>,
}

/// Nobody, Trine, conntrackd, one after the other.
fn compare(field: &mut Field, binary: &Path, run: u32, results: &mut Results) -> Result<()> {
    say(format!("peer: run {run}: nobody"));
    let alone_us = trial::forwarding_alone(field)?;
    say(format!("peer: forwarding {alone_us:.2} µs per life"));
    results.alone_us.push(alone_us);
    say(format!("peer: run {run}: trine"));
    results.ours.push(trial::measure(field, &mut Trine { binary, lines: "" })?);
    say(format!("peer: run {run}: conntrackd"));
    let mut peers = Peers { settings: RELIABLE, running: Vec::new() };
    results.theirs.push(trial::measure(field, &mut peers)?);
    Ok(())
}

fn rows(results: &Results) -> Vec<Row> {
    let Results { alone_us, ours, theirs } = results;
    let beside = |name: &str, unit, bar: Option<f64>, pick: &dyn Fn(&Measured) -> f64| Row {
        name: name.into(),
        unit,
        value: median(ours, pick),
        beside: Some(median(theirs, pick)),
        bar: bar.map(|bar| (Good::AtMost, bar)),
    };
    let mut rows = vec![
        beside("CPU per life, active side", "µs", Some(CPU_ACTIVE), &|one| one.cpu_us[0]),
        beside("CPU per life, both sides", "µs", Some(CPU_BOTH), &|one| one.cpu_us[0] + one.cpu_us[1]),
        beside("bytes on the sync link per life", "B", Some(WIRE), &|one| one.wire_bytes),
    ];
    type Pick = fn(&Measured) -> &Latencies;
    let idle: Pick = |one| &one.idle;
    let loaded: Pick = |one| &one.loaded;
    let bars = |p50, p99| {
        [
            (0.5, "p50", p50),
            (0.9, "p90", None),
            (0.99, "p99", p99),
            (0.999, "p99.9", None),
            (1.0, "max", None),
        ]
    };
    for (name, pick, bars) in [
        ("idle", idle, bars(Some(LATENCY_IDLE), Some(LATENCY_IDLE))),
        ("60,000 ev/s", loaded, bars(None, Some(LATENCY_LOADED_P99))),
    ] {
        for (share, text, bar) in bars {
            rows.push(beside(&format!("latency, {name}, {text}"), "µs", bar, &|one| {
                pick(one).quantile_us(share)
            }));
        }
    }
    rows.push(beside("connections reached beside 60,000 ev/s", "/s", None, &|one| {
        one.loaded.lives_per_second
    }));
    rows.extend(tax(alone_us, ours, theirs));
    rows.push(beside("CPU of the active side without load", "%", None, &|one| 100.0 * one.idle_cpu[0]));
    rows
}

/// What a listener costs the processor that forwards, in percent; each run beside its own baseline.
fn tax(alone_us: &[f64], ours: &[Measured], theirs: &[Measured]) -> Vec<Row> {
    let percent = |measured: &[Measured]| {
        let taxes: Vec<f64> = measured
            .iter()
            .zip(alone_us)
            .map(|(one, alone_us)| 100.0 * (one.forwarding_us / alone_us - 1.0))
            .collect();
        median(&taxes, &|tax| *tax)
    };
    let row = |name: &str, unit, value, bar| Row { name: name.into(), unit, value, beside: None, bar };
    vec![
        row("forwarding without a daemon, per life", "µs", median(alone_us, &|us| *us), None),
        row("tax on forwarding, trine", "%", percent(ours), Some((Good::AtMost, TAX_PERCENT))),
        row("tax on forwarding, conntrackd", "%", percent(theirs), None),
    ]
}

fn median<T>(values: &[T], pick: &dyn Fn(&T) -> f64) -> f64 {
    let mut values: Vec<f64> = values.iter().map(pick).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
