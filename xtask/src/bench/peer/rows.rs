//! The verdict: each measure of Trine, the same of conntrackd, their ratio, its bar.

use super::super::{Good, Row};
use super::trial::Measured;
use super::Results;
use crate::peer::lives::Latencies;

/// Bars, all on Trine / conntrackd.
const CPU_ACTIVE: f64 = 0.4;
const CPU_BOTH: f64 = 0.45;
const LATENCY_IDLE: f64 = 0.5;
const LATENCY_LOADED_P99: f64 = 0.4;
const WIRE: f64 = 0.4;
/// Bars on Trine alone.
const TAX_PERCENT: f64 = 12.0;
const MEMORY_BYTES: f64 = 256.0;
const OFFERED_PER_SECOND: f64 = 200_000.0;
const AUDIT_SECONDS: f64 = 2.0;
const TAKEOVER_SECONDS: f64 = 0.05;

pub(super) fn rows(results: &Results) -> Vec<Row> {
    let mut rows = compared(&results.ours, &results.reliable);
    rows.extend(at_best(&results.best, &results.lightest));
    rows.extend(failures(results.ours.iter().chain(&results.best)));
    rows.extend(tax(results));
    rows.extend(storm(results));
    rows.extend(memory(results));
    rows.extend(million(results));
    rows
}

fn row(name: &str, unit: &'static str, value: f64, bar: Option<(Good, f64)>) -> Row {
    Row { name: name.into(), unit, value, beside: None, bar }
}

/// A measurement that broke off is one that was missed.
fn not_measured(name: &str) -> Vec<Row> {
    vec![row(&format!("{name}: not measured"), "", 1.0, at_most(0.0))]
}

fn at_most(bar: f64) -> Option<(Good, f64)> {
    Some((Good::AtMost, bar))
}

type Pick<'a> = &'a dyn Fn(&Measured) -> f64;

fn beside(
    [ours, theirs]: [&[Measured]; 2],
    name: &str,
    unit: &'static str,
    bar: Option<f64>,
    pick: Pick<'_>,
) -> Row {
    Row { beside: Some(median(theirs, pick)), ..row(name, unit, median(ours, pick), bar.and_then(at_most)) }
}

/// What no latency makes up for.
fn failures<'a>(ours: impl Iterator<Item = &'a Measured> + Clone) -> Vec<Row> {
    let none = |name: &str, pick: fn(&Measured) -> u64| {
        row(name, "", ours.clone().map(pick).sum::<u64>() as f64, at_most(0.0))
    };
    vec![
        none("connections that trine did not copy within 1 s", |one| one.idle.unseen + one.loaded.unseen),
        none("false takeovers of trine", |one| one.takeovers),
        none("overruns of trine", |one| one.overruns),
    ]
}

/// conntrackd without caches sends when a frame is full or a second has passed: what it saves is CPU time,
/// so that is what Trine is held against.
fn at_best(ours: &[Measured], theirs: &[Measured]) -> Vec<Row> {
    let beside = |name: &str, unit, bar, pick: Pick<'_>| beside([ours, theirs], name, unit, bar, pick);
    vec![
        beside("each at its best: CPU per life, active side", "µs", Some(CPU_ACTIVE), &|one| one.cpu_us[0]),
        beside("each at its best: CPU per life, both sides", "µs", Some(CPU_BOTH), &|one| {
            one.cpu_us[0] + one.cpu_us[1]
        }),
        beside("each at its best: bytes on the sync link per life", "B", None, &|one| one.wire_bytes),
        beside("each at its best: latency, idle, p50", "µs", None, &|one| one.idle.quantile_us(0.5)),
        beside("each at its best: latency, 60,000 ev/s, p99", "µs", None, &|one| {
            one.loaded.quantile_us(0.99)
        }),
    ]
}

fn compared(ours: &[Measured], theirs: &[Measured]) -> Vec<Row> {
    let beside = |name: &str, unit, bar, pick: Pick<'_>| beside([ours, theirs], name, unit, bar, pick);
    let mut rows = vec![
        beside("CPU per life, active side", "µs", Some(CPU_ACTIVE), &|one| one.cpu_us[0]),
        beside("CPU per life, both sides", "µs", Some(CPU_BOTH), &|one| one.cpu_us[0] + one.cpu_us[1]),
        beside("bytes on the sync link per life", "B", Some(WIRE), &|one| one.wire_bytes),
    ];
    type Which = fn(&Measured) -> &Latencies;
    let (idle, loaded): (Which, Which) = (|one| &one.idle, |one| &one.loaded);
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
            let name = format!("latency, {name}, {text}");
            rows.push(beside(&name, "µs", bar, &|one| pick(one).quantile_us(share)));
        }
    }
    rows.push(beside("flows that only one kernel holds afterwards", "flows", None, &|one| {
        one.differences as f64
    }));
    rows.push(beside("connections reached beside 60,000 ev/s", "/s", None, &|one| {
        one.loaded.lives_per_second
    }));
    rows.push(beside("CPU of the active side without load", "%", None, &|one| 100.0 * one.idle_cpu[0]));
    rows
}

/// What a listener costs the processor that forwards, in percent; each run beside its own baseline.
fn tax(results: &Results) -> Vec<Row> {
    let percent = |measured: &[Measured]| {
        let with_and_alone = measured.iter().zip(&results.alone_us);
        let taxes: Vec<f64> =
            with_and_alone.map(|(one, alone_us)| 100.0 * (one.forwarding_us / alone_us - 1.0)).collect();
        median(&taxes, &|tax| *tax)
    };
    vec![
        row("forwarding without a daemon, per life", "µs", median(&results.alone_us, &|us| *us), None),
        row("tax on forwarding, trine as it comes", "%", percent(&results.best), at_most(TAX_PERCENT)),
        row("tax on forwarding, trine with every event", "%", percent(&results.ours), None),
        row("tax on forwarding, conntrackd with every event", "%", percent(&results.reliable), None),
        row("tax on forwarding, conntrackd at its lightest", "%", percent(&results.lightest), None),
    ]
}

fn storm(results: &Results) -> Vec<Row> {
    let [Some(ours), Some(theirs)] = &results.storm else { return not_measured("storm") };
    let offered = Some((Good::AtLeast, OFFERED_PER_SECOND));
    let both = |name: &str, unit, value, other| Row { beside: Some(other), ..row(name, unit, value, None) };
    vec![
        row("storm: events offered to trine", "ev/s", ours.events_per_second, offered),
        row("storm: overruns of trine", "", ours.overruns as f64, at_most(0.0)),
        row("storm: trine's kernels not equal", "", f64::from(u8::from(!ours.equal)), at_most(0.0)),
        row("storm: events offered to conntrackd", "ev/s", theirs.events_per_second, None),
        both("storm: overruns", "", ours.overruns as f64, theirs.overruns as f64),
        both("storm: flows missing or left over", "flows", ours.missing as f64, theirs.missing as f64),
        both("storm: CPU of both sides per event", "µs", ours.cpu_us, theirs.cpu_us),
    ]
}

fn memory(results: &Results) -> Vec<Row> {
    let Some(memory) = results.memory else { return not_measured("memory per flow") };
    vec![
        row("memory per flow, trine, active side", "B", memory.ours[0], at_most(MEMORY_BYTES)),
        row("memory per flow, trine, standby", "B", memory.ours[1], at_most(MEMORY_BYTES)),
        row("memory per flow, conntrackd, active side", "B", memory.theirs[0], None),
        row("memory per flow, conntrackd, standby", "B", memory.theirs[1], None),
    ]
}

fn million(results: &Results) -> Vec<Row> {
    let Some(million) = results.million else { return not_measured("1 M flows") };
    vec![
        row("1 M flows: trine's audit of the kernel", "s", million.audit, at_most(AUDIT_SECONDS)),
        row("1 M flows: trine from decision to serving", "s", million.takeover[0], at_most(TAKEOVER_SECONDS)),
        row("1 M flows: conntrackd's commit", "s", million.takeover[1], None),
        row("1 M flows: trine from start to all installed", "s", million.copied[0], None),
        row("1 M flows: conntrackd from start to all cached", "s", million.copied[1], None),
    ]
}

fn median<T>(values: &[T], pick: &dyn Fn(&T) -> f64) -> f64 {
    let mut values: Vec<f64> = values.iter().map(pick).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_is_taxed_beside_its_own_baseline() {
        let with = |forwarding_us| Measured { forwarding_us, ..Measured::default() };
        let best = [11.0, 24.0, 36.0].map(with).to_vec();
        let results = Results { alone_us: vec![10.0, 20.0, 30.0], best, ..Results::default() };
        let tax = tax(&results)[1].value;
        assert!((tax - 20.0).abs() < 1e-9, "{tax}");
    }
}
