//! Both processors kept busy by other work, real traffic and a storm of events beside it: nobody may
//! take that for a death.
//!
//! Every takeover that either agent logs counts as a failure, and so does every connection that breaks.
//! The run of the bar takes ten minutes. Beside it stands how long the machine itself paused, by monitors
//! of its own: a virtual machine may lose its processors for longer than a lease. While it did not, silent
//! paths and lapses count as well.

use super::{Good, Row};
use crate::demo::config::SILENT_MS;
use crate::demo::net::SyncPath;
use crate::demo::plan::MEMBERS;
use crate::demo::process::Process;
use crate::demo::report::Act;
use crate::demo::stage::SYNC_LIMIT;
use crate::demo::{prepare, stand};
use crate::error::{Error, Result};
use crate::interrupt::{pause, wait_for};
use crate::peer::pauses::Paused;
use crate::peer::storm::Stormed;
use crate::progress::say;
use std::time::{Duration, Instant};

/// Flows of the storm, and its pace.
const SLOTS: u32 = 50_000;
const EVENTS_PER_SECOND: u64 = 5_000;
/// Spinning processes for each processor.
const SPINNERS_PER_PROCESSOR: usize = 2;
const FILL_LIMIT: Duration = Duration::from_secs(60);
/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(30);
/// How long the storm's last answer may take.
const GRACE: Duration = Duration::from_secs(30);
/// States of a member that stopped serving.
const STOPPED: [&str; 2] = ["lapsed", "isolated"];

/// Ten minutes, or as many as were asked for.
pub(super) fn run(options: &super::Options) -> Result<Vec<Row>> {
    watch(options, Duration::from_secs_f64(options.minutes * 60.0))
}

fn watch(options: &super::Options, time: Duration) -> Result<Vec<Row>> {
    let (binary, _limit) = prepare(options.binary.as_deref(), true, SLOTS)?;
    let mut stage = stand(SyncPath::Direct, false)?;
    stage.start_agents(&binary)?;
    stage.home()?;
    stage.traffic.open()?;
    let mut storm = Process::start(&stage.net, MEMBERS[0], &["storm", &SLOTS.to_string(), "1"])?;
    storm.send("fill")?;
    let _: Stormed = storm.answer(FILL_LIMIT)?;
    stage
        .wait_in_sync(SYNC_LIMIT)?
        .ok_or_else(|| Error::Unexpected("the agents are not in sync before the load".into()))?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    say(format!("fullload: {processors} processors, {:.1} minutes", time.as_secs_f64() / 60.0));
    let begin = stage.begin("fullload")?;
    let spinners: Result<Vec<Process>> = (0..processors * SPINNERS_PER_PROCESSOR)
        .map(|_| Process::start(&stage.net, "client", &["spin"]))
        .collect();
    let spinners = spinners?;
    let watchers: Result<Vec<Process>> = (0..processors)
        .map(|number| Process::start(&stage.net, "client", &["pauses", &number.to_string()]))
        .collect();
    let mut watchers = watchers?;
    let cpu_before = [stage.agents[0].cpu_us(), stage.agents[1].cpu_us()];
    storm.send(&format!("run {} {EVENTS_PER_SECOND}", time.as_secs_f64()))?;
    let started = Instant::now();
    while started.elapsed() < time {
        pause(TOLD_EVERY.min(time.saturating_sub(started.elapsed())))?;
        let events = stage.events(&begin, 0).len() + stage.events(&begin, 1).len();
        say(format!("fullload: {:.0} s, {events} events logged", started.elapsed().as_secs_f64()));
    }
    let stormed: Stormed = storm.answer(GRACE)?;
    let mut paused_us = 0;
    for watcher in &mut watchers {
        paused_us = watcher.ask::<Paused>("longest")?.longest_us.max(paused_us);
    }
    drop((spinners, watchers));
    let in_sync = wait_for(SYNC_LIMIT, || stage.wait_in_sync(Duration::ZERO))?;
    let cpu = [0, 1].map(|member: usize| stage.agents[member].cpu_us() - cpu_before[member]);
    let events: Vec<_> = (0..2).flat_map(|member| stage.events(&begin, member)).collect();
    for event in &events {
        say(format!("fullload: {} {}", event.mono_us, event.fields));
    }
    let mark = stage.traffic.mark("fullload")?;
    let act = Act::of("fullload", "both processors busy", &mark, None);
    if let Some(folder) = &options.keep_logs {
        crate::demo::keep_logs(&stage, folder)?;
    }
    let (alive, all) = act.survivors();
    let count = |names: &[&str]| events.iter().filter(|event| names.contains(&event.name.as_str())).count();
    let lapses =
        events.iter().filter(|event| event.name == "state" && STOPPED.contains(&event.text("state"))).count();
    let none = |name: &str, value: usize| Row {
        name: name.into(),
        unit: "",
        value: value as f64,
        beside: None,
        bar: Some((Good::AtMost, 0.0)),
    };
    // On a machine that itself stood still for as long as a peer waits, silence is no agent's fault.
    let stood_still = paused_us >= 1_000 * SILENT_MS;
    let unless_paused = |name: &str, value: usize| {
        let row = none(name, value);
        Row { bar: row.bar.filter(|_| !stood_still), ..row }
    };
    let plain = |name: &str, unit, value| Row { name: name.into(), unit, value, beside: None, bar: None };
    let share = |cpu_us: u64| 100.0 * cpu_us as f64 / time.as_micros().max(1) as f64;
    Ok(vec![
        none("false takeovers", count(&["takeover"])),
        unless_paused("paths that went silent or came back", count(&["path", "sync_lost"])),
        unless_paused("lapses", lapses + count(&["demoted", "lease_gone", "lease_error"])),
        none("event buffer overruns", count(&["overrun"])),
        none("connections lost", all - alive),
        none("not in sync afterwards", usize::from(in_sync.is_none())),
        plain("minutes", "min", time.as_secs_f64() / 60.0),
        plain("events reached", "ev/s", stormed.events as f64 / stormed.seconds),
        plain("largest gap of a connection", "ms", act.gap.map_or(0.0, |gap| gap.max_ms)),
        plain("longest pause of the machine itself", "ms", paused_us as f64 / 1e3),
        plain("CPU of the owner", "%", share(cpu[0])),
        plain("CPU of the standby", "%", share(cpu[1])),
    ])
}

/// The long gate's run: a minute.
pub(crate) fn run_minute() -> Result<()> {
    let options = super::Options { minutes: 1.0, ..super::Options::default() };
    let missed = run(&options)?.into_iter().filter(|row| !row.is_met());
    let missed: Vec<String> = missed.map(|row| format!("{}: {}", row.name, row.value)).collect();
    if missed.is_empty() {
        return Ok(());
    }
    Err(Error::NotMet(format!("fullload: {}", missed.join("; "))))
}
