//! Event storms over a faulty sync link: once the load stops, both kernels must be equal within two
//! seconds, and both agents must say so.
//!
//! gw1's kernel gets 60,000 events a second from a process of its own; the sync link runs through a
//! relay that loses, repeats and reorders frames by a seed; the standby's agent stands still for half a
//! second. The time runs until both tables have equal sums, taken by netlink; afterwards `conntrack -L`
//! of both is compared flow by flow, so that the verdict does not rest on our own codec.

mod case;

use super::{Good, Row};
use crate::demo::net::{SyncPath, RELAY, SYNC_MTU};
use crate::demo::plan::MEMBERS;
use crate::demo::process::Process;
use crate::demo::stage::{Stage, SYNC_LIMIT};
use crate::demo::{prepare, stand};
use crate::error::{Error, Result};
use crate::interrupt::check;
use crate::peer::relay::{Faults, Relayed};
use crate::peer::storm::Stormed;
use crate::progress::say;
use case::Measured;
use std::path::Path;
use std::time::Duration;

/// Bars: the pace, and the time until both kernels are equal and both agents say so.
const EVENTS_PER_SECOND: u64 = 60_000;
const EQUAL_SECONDS: f64 = 2.0;
/// How much of the pace must be reached for the case to count.
const PACE_SHARE: f64 = 0.95;
/// Flows alive at most; four of five slots are taken at a time.
const SLOTS: u32 = 200_000;
const SLOTS_SHORT: u32 = 60_000;
const SECONDS: f64 = 5.0;
const SECONDS_SHORT: f64 = 2.0;
/// How long filling may take.
const FILL_LIMIT: Duration = Duration::from_secs(60);

/// What happens during one storm.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    name: &'static str,
    faults: Faults,
    /// The standby's agent stands still in the middle.
    stopped: Option<Duration>,
}

const NO_FAULTS: Faults = Faults { loss: 0.0, duplication: 0.0, reordering: 0.0, delay_us: 0, seed: 1 };
const CLEAN: Case = Case { name: "clean", faults: NO_FAULTS, stopped: None };
const STOPPED: Case =
    Case { name: "standby stopped 0.5 s", faults: NO_FAULTS, stopped: Some(Duration::from_millis(500)) };
const LOSS_20: Case = Case { name: "20 % loss", faults: Faults { loss: 0.2, ..NO_FAULTS }, stopped: None };
const LOSS_50: Case = Case { name: "50 % loss", faults: Faults { loss: 0.5, ..NO_FAULTS }, stopped: None };
const DISORDER: Case = Case {
    name: "20 % reordered, 10 % twice",
    faults: Faults { duplication: 0.1, reordering: 0.2, delay_us: 200, ..NO_FAULTS },
    stopped: None,
};

/// Every case, several times over.
pub(super) fn run(options: &super::Options) -> Result<Vec<Row>> {
    let cases = [CLEAN, STOPPED, LOSS_20, LOSS_50, DISORDER];
    let measured =
        play(options.binary.as_deref(), &cases, options.runs, SLOTS, SECONDS, options.keep_logs.as_deref())?;
    Ok(cases.iter().flat_map(|case| rows(case, &of_case(&measured, case))).collect())
}

/// The cases of the gate: short, and every bar must hold.
pub(crate) fn run_short() -> Result<()> {
    let cases = [STOPPED, LOSS_20];
    let measured = play(None, &cases, 1, SLOTS_SHORT, SECONDS_SHORT, None)?;
    let rows = cases.iter().flat_map(|case| rows(case, &of_case(&measured, case)));
    // A machine that builds and tests at the same time may miss the pace; what must hold is the outcome.
    let missed = rows.filter(|row| !row.is_met() && row.unit != PACE_UNIT);
    let missed: Vec<String> =
        missed.map(|row| format!("{}: {:.2} {}", row.name, row.value, row.unit)).collect();
    if missed.is_empty() {
        return Ok(());
    }
    Err(Error::NotMet(format!("storm: {}", missed.join("; "))))
}

/// The cast of one run.
struct Cast {
    // Ends before the namespaces of the stage.
    storm: Process,
    relay: Process,
    tables: [Process; 2],
    stage: Stage,
}

fn play(
    binary: Option<&Path>,
    cases: &[Case],
    runs: u32,
    slots: u32,
    seconds: f64,
    logs: Option<&Path>,
) -> Result<Vec<(&'static str, Measured)>> {
    let (binary, _limit) = prepare(binary, true, slots)?;
    let mut measured = Vec::new();
    for run in 1..=runs {
        check()?;
        let mut cast = raise(slots, run)?;
        let ended = play_cases(&mut cast, &binary, cases, (run, seconds), &mut measured);
        if let Some(folder) = logs {
            crate::demo::keep_logs(&cast.stage, &folder.join(format!("run{run}")))?;
        }
        ended?;
    }
    Ok(measured)
}

fn play_cases(
    cast: &mut Cast,
    binary: &Path,
    cases: &[Case],
    (run, seconds): (u32, f64),
    measured: &mut Vec<(&'static str, Measured)>,
) -> Result<()> {
    fill(cast, binary)?;
    for case in cases {
        say(format!("storm: run {run}: {}", case.name));
        measured.push((case.name, case::play(cast, case, u64::from(run), seconds)?));
    }
    Ok(())
}

/// The stage and every process but the agents.
fn raise(slots: u32, run: u32) -> Result<Cast> {
    let stage = stand(SyncPath::Relayed { mtu: SYNC_MTU }, false)?;
    let relay = Process::start(&stage.net, RELAY, &["relay", MEMBERS[0], MEMBERS[1]])?;
    let storm = Process::start(&stage.net, MEMBERS[0], &["storm", &slots.to_string(), &run.to_string()])?;
    let tables = [
        Process::start(&stage.net, MEMBERS[0], &["table"])?,
        Process::start(&stage.net, MEMBERS[1], &["table"])?,
    ];
    Ok(Cast { storm, relay, tables, stage })
}

/// Both agents in sync over a wire without faults, gw1 serving a table that is four fifths full.
fn fill(cast: &mut Cast, binary: &Path) -> Result<()> {
    cast.stage.start_agents(binary)?;
    cast.stage.home()?;
    cast.storm.send("fill")?;
    let filled: Stormed = cast.storm.answer(FILL_LIMIT)?;
    if filled.refused > 0 {
        return Err(Error::Unexpected(format!("the kernel refused {} flows", filled.refused)));
    }
    case::wait_equal(cast, &filled, SYNC_LIMIT)?.equal_us.map(drop).ok_or_else(|| {
        Error::Unexpected(format!("{} flows are not in both kernels after {SYNC_LIMIT:?}", filled.alive))
    })
}

impl Cast {
    fn set_faults(&mut self, faults: Faults) -> Result<Relayed> {
        self.relay.ask(&serde_json::to_string(&faults).expect("faults are plain values"))
    }
}

fn of_case<'a>(measured: &'a [(&'static str, Measured)], case: &Case) -> Vec<&'a Measured> {
    measured.iter().filter(|(name, _)| *name == case.name).map(|(_, measured)| measured).collect()
}

const PACE_UNIT: &str = "ev/s";

/// The worst of the runs against the bars.
fn rows(case: &Case, runs: &[&Measured]) -> Vec<Row> {
    let name = case.name;
    let most = |pick: fn(&Measured) -> f64| runs.iter().map(|run| pick(run)).fold(0.0, f64::max);
    let least = |pick: fn(&Measured) -> f64| runs.iter().map(|run| pick(run)).fold(f64::INFINITY, f64::min);
    let at_most = |what: &str, unit, value, bar: f64| Row {
        name: format!("{name}: {what}"),
        unit,
        value,
        beside: None,
        bar: Some((Good::AtMost, bar)),
    };
    let plain = |what: &str, unit, value| Row {
        name: format!("{name}: {what}"),
        unit,
        value,
        beside: None,
        bar: None,
    };
    vec![
        at_most("both kernels equal after the load", "s", most(|run| run.equal_seconds), EQUAL_SECONDS),
        at_most("both agents say so", "s", most(|run| run.said_seconds), EQUAL_SECONDS),
        at_most("flows that differ by conntrack -L", "flows", most(|run| run.differences as f64), 0.0),
        at_most("false takeovers", "", most(|run| run.takeovers as f64), 0.0),
        at_most("service interrupted", "", most(|run| run.interruptions as f64), 0.0),
        Row {
            name: format!("{name}: pace reached"),
            unit: PACE_UNIT,
            value: least(|run| run.events_per_second),
            beside: None,
            bar: Some((Good::AtLeast, PACE_SHARE * EVENTS_PER_SECOND as f64)),
        },
        plain("event buffer overruns", "", most(|run| run.overruns as f64)),
        plain("CPU of the owner per event", "µs", most(|run| run.owner_us_per_event)),
        plain("CPU of the standby per event", "µs", most(|run| run.standby_us_per_event)),
        plain("sync frames per second", "", most(|run| run.frames_per_second)),
    ]
}
