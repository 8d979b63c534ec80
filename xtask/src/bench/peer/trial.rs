//! One contender's turn on the field: idle latency, a paced load, latency beside that load.

use super::contender::Contender;
use super::field::{pin_daemon, Field};
use super::process::{shares, threads_cpu_ns};
use crate::clock::process_cpu_ns;
use crate::demo::dumps::unmatched_count;
use crate::demo::plan::MEMBERS;
use crate::error::{Error, Result};
use crate::interrupt::pause;
use crate::peer::lives::{Latencies, Lived, EVENTS_PER_LIFE};
use crate::progress::say;
use std::time::Duration;

/// Pace of the load.
pub(super) const EVENTS_PER_SECOND: u64 = 60_000;
const LIVES_PER_SECOND: f64 = EVENTS_PER_SECOND as f64 / EVENTS_PER_LIFE as f64;
const SECONDS: f64 = 3.0;
/// Connections opened one by one.
const IDLE_PROBES: u32 = 1_000;
/// Timed connections beside the load, per second.
const PROBES_PER_SECOND: u32 = 1_000;
/// Whatever is still under way arrives within this time.
const SETTLE: Duration = Duration::from_millis(500);
const GRACE: Duration = Duration::from_secs(30);

/// What came out.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// CPU time per connection of the active and of the standby side's daemon.
    pub(super) cpu_us: [f64; 2],
    /// The same without any load, in shares of a processor.
    pub(super) idle_cpu: [f64; 2],
    /// Bytes on the sync link per connection.
    pub(super) wire_bytes: f64,
    /// CPU time of forwarding per connection.
    pub(super) forwarding_us: f64,
    /// Latencies without and beside a load.
    pub(super) idle: Latencies,
    pub(super) loaded: Latencies,
    /// Times that events were lost, and flows that only one kernel holds afterwards: with a mask neither
    /// program hears of every state.
    pub(super) overruns: u64,
    pub(super) differences: usize,
    /// Takeovers although nobody died.
    pub(super) takeovers: u64,
}

/// Measures a contender on a cleared field and leaves it stopped.
pub(super) fn measure(field: &mut Field, contender: &mut dyn Contender) -> Result<Measured> {
    field.clear()?;
    contender.start(field)?;
    contender.pids(field).into_iter().try_for_each(pin_daemon)?;
    let measured = turn(field, contender);
    contender.stop(field);
    measured
}

/// CPU time of forwarding per connection with nobody listening.
pub(super) fn forwarding_alone(field: &mut Field) -> Result<f64> {
    field.clear()?;
    field.stage.net.add_moving(MEMBERS[0])?;
    let _: Lived = field.lives.ask("fill")?;
    Ok(load(field, SECONDS, LIVES_PER_SECOND)?.cpu_us)
}

fn turn(field: &mut Field, contender: &dyn Contender) -> Result<Measured> {
    let pids = contender.pids(field);
    let before = cpu_ns(pids)?;
    pause(SETTLE)?;
    let idle_cpu = difference(cpu_ns(pids)?, before).map(|ns| ns / SETTLE.as_nanos() as f64);
    let idle: Latencies = asked(field, &format!("idle {IDLE_PROBES}"))?;
    let _: Lived = field.lives.ask("fill")?;
    pause(SETTLE)?;
    let (before, wire_before) = (cpu_ns(pids)?, field.wire_bytes()?);
    let threads_before = pids.map(threads_cpu_ns);
    let lived = load(field, SECONDS, LIVES_PER_SECOND)?;
    pause(SETTLE)?;
    let (after, wire_after) = (cpu_ns(pids)?, field.wire_bytes()?);
    let lives = lived.lives as f64;
    for (member, (pid, before)) in MEMBERS.iter().zip(pids.iter().zip(&threads_before)) {
        say(format!("peer: µs per life, {member}: {}", shares(before, &threads_cpu_ns(*pid), lives)));
    }
    let loaded: Latencies =
        asked(field, &format!("loaded {SECONDS} {LIVES_PER_SECOND} {PROBES_PER_SECOND}"))?;
    pause(SETTLE)?;
    let measured = Measured {
        cpu_us: difference(after, before).map(|ns| ns / 1e3 / lives),
        idle_cpu,
        wire_bytes: (wire_after - wire_before) as f64 / lives,
        forwarding_us: lived.cpu_us,
        idle,
        loaded,
        overruns: contender.overruns(field)?,
        takeovers: contender.takeovers(field),
        differences: unmatched_count(&field.stage.net)?,
    };
    say(format!(
        "peer: CPU {:.2} + {:.2} µs, wire {:.1} B, forwarding {:.2} µs at {:.0} lives/s, {} overruns, {} differences",
        measured.cpu_us[0],
        measured.cpu_us[1],
        measured.wire_bytes,
        measured.forwarding_us,
        lives / lived.seconds,
        measured.overruns,
        measured.differences
    ));
    for (name, latencies) in [("idle", &measured.idle), ("loaded", &measured.loaded)] {
        let [p50, p90, p99, p999, max] =
            [0.5, 0.9, 0.99, 0.999, 1.0].map(|share| latencies.quantile_us(share));
        say(format!(
            "peer: latency {name}: p50 {p50} p90 {p90} p99 {p99} p99.9 {p999} max {max} µs, {} of {} unseen, \
             {:.0} lives/s beside",
            latencies.unseen,
            latencies.sorted_us.len(),
            latencies.lives_per_second
        ));
    }
    Ok(measured)
}

fn load(field: &mut Field, seconds: f64, rate: f64) -> Result<Lived> {
    asked(field, &format!("run {seconds} {rate}"))
}

fn asked<T: serde::de::DeserializeOwned>(field: &mut Field, line: &str) -> Result<T> {
    field.lives.send(line)?;
    field.lives.answer(GRACE)
}

fn cpu_ns(pids: [u32; 2]) -> Result<[u64; 2]> {
    match pids.map(process_cpu_ns) {
        [Some(one), Some(other)] => Ok([one, other]),
        _ => Err(Error::Unexpected("a daemon ended while it was measured".into())),
    }
}

fn difference(after: [u64; 2], before: [u64; 2]) -> [f64; 2] {
    [0, 1].map(|index: usize| (after[index] - before[index]) as f64)
}
