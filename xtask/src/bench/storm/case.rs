//! One storm: load, fault, the end of the load, and how long until both kernels and both agents agree.

use super::{Case, Cast, EVENTS_PER_SECOND, NO_FAULTS};
use crate::demo::agent::Stat;
use crate::demo::dumps::differences;
use crate::error::{Error, Result};
use crate::interrupt::{pause, wait_for};
use crate::peer::relay::Faults;
use crate::peer::storm::Stormed;
use crate::peer::table::TableSum;
use crate::progress::say;
use formats::limits::BUCKETS_COUNT;
use std::time::Duration;

/// How long the tables may take; far beyond the bar, so that a miss is still measured.
const LIMIT: Duration = Duration::from_secs(30);
/// How long the storm may take beyond its time.
const STORM_GRACE: Duration = Duration::from_secs(30);
const TABLE_LIMIT: Duration = Duration::from_secs(20);
/// Differences named; the count is always complete.
const NAMED_MAX: usize = 5;
/// States in which a member that served does not.
const INTERRUPTED: [&str; 3] = ["lapsed", "isolated", "releasing"];

/// What came out of one storm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) equal_seconds: f64,
    pub(super) said_seconds: f64,
    pub(super) differences: usize,
    pub(super) takeovers: usize,
    pub(super) interruptions: usize,
    pub(super) overruns: usize,
    pub(super) events_per_second: f64,
    pub(super) owner_us_per_event: f64,
    pub(super) standby_us_per_event: f64,
    pub(super) frames_per_second: f64,
}

/// When both kernels were equal, and when both agents said so; monotonic microseconds.
pub(super) struct Agreement {
    pub(super) equal_us: Option<u64>,
    said_us: Option<u64>,
}

/// Plays the case on members that are in sync, and leaves the wire without faults.
pub(super) fn play(cast: &mut Cast, case: &Case, seed: u64, seconds: f64) -> Result<Measured> {
    let begin = cast.stage.begin(case.name)?;
    cast.set_faults(Faults { seed, ..case.faults })?;
    let cpu_before = cpu(cast);
    cast.storm.send(&format!("run {seconds} {EVENTS_PER_SECOND}"))?;
    if let Some(stopped) = case.stopped {
        pause(Duration::from_secs_f64(seconds / 2.0).saturating_sub(stopped / 2))?;
        cast.stage.agents[1].signal(libc::SIGSTOP);
        let stood = pause(stopped);
        cast.stage.agents[1].signal(libc::SIGCONT);
        stood?;
    }
    let stormed: Stormed = cast.storm.answer(Duration::from_secs_f64(seconds) + STORM_GRACE)?;
    if stormed.refused > 0 {
        return Err(Error::Unexpected(format!("the kernel refused {} changes", stormed.refused)));
    }
    let agreement = wait_equal(cast, &stormed, LIMIT)?;
    let cpu_after = cpu(cast);
    let relayed = cast.set_faults(NO_FAULTS)?;
    let (_, found) = differences(&cast.stage.net)?;
    for difference in found.iter().take(NAMED_MAX) {
        say(format!("storm: {difference}"));
    }
    let events: Vec<_> = (0..2).flat_map(|member| cast.stage.events(&begin, member)).collect();
    let count = |name: &str| events.iter().filter(|event| event.name == name).count();
    let interrupted =
        events.iter().filter(|event| event.name == "state" && INTERRUPTED.contains(&event.text("state")));
    let since = |at_us: Option<u64>| {
        at_us.map_or(LIMIT.as_secs_f64(), |at_us| at_us.saturating_sub(stormed.ended_us) as f64 / 1e6)
    };
    let per_event = |member: usize| (cpu_after[member] - cpu_before[member]) as f64 / stormed.events as f64;
    let measured = Measured {
        equal_seconds: since(agreement.equal_us),
        said_seconds: since(agreement.said_us),
        differences: found.len(),
        takeovers: count("takeover"),
        interruptions: interrupted.count() + count("demoted"),
        overruns: count("overrun"),
        events_per_second: stormed.events as f64 / stormed.seconds,
        owner_us_per_event: per_event(0),
        standby_us_per_event: per_event(1),
        frames_per_second: relayed.frames as f64 / (stormed.seconds + since(agreement.equal_us)),
    };
    say(format!("storm: {measured:?} {relayed:?}"));
    // The next case begins in sync, over a wire that heals.
    if cast.stage.wait_in_sync(LIMIT)?.is_none() {
        return Err(Error::Unexpected(format!("not in sync {LIMIT:?} after {}", case.name)));
    }
    Ok(measured)
}

/// Waits until both kernels hold the storm's flows and both agents say so.
pub(super) fn wait_equal(cast: &mut Cast, stormed: &Stormed, limit: Duration) -> Result<Agreement> {
    let mut agreement = Agreement { equal_us: None, said_us: None };
    let mut last = String::new();
    wait_for(limit, || {
        if agreement.equal_us.is_none() {
            let sums = sums(cast)?;
            if sums.iter().all(|sum| sum.flows == stormed.alive) && sums[0].sum == sums[1].sum {
                agreement.equal_us = Some(sums[0].at_us.max(sums[1].at_us));
            }
            last = format!("{} and {} of {} flows", sums[0].flows, sums[1].flows, stormed.alive);
        }
        if agreement.said_us.is_none() {
            let now_us = crate::clock::mono_us();
            let stats = [cast.stage.agents[0].stat()?, cast.stage.agents[1].stat()?];
            if say_equal(&stats, stormed, now_us)? {
                agreement.said_us = Some(now_us);
            } else {
                last = format!("{last}; {:?} {:?}", stats[0].flows, stats[1].groups);
            }
        }
        Ok((agreement.equal_us.is_some() && agreement.said_us.is_some()).then_some(()))
    })?
    .map_or_else(|| say(format!("storm: not equal in {limit:?}: {last}")), drop);
    Ok(agreement)
}

/// Both tables, read at the same time.
fn sums(cast: &mut Cast) -> Result<[TableSum; 2]> {
    for table in &mut cast.tables {
        table.send("sum")?;
    }
    Ok([cast.tables[0].answer(TABLE_LIMIT)?, cast.tables[1].answer(TABLE_LIMIT)?])
}

/// Whether the owner says that every flow is protected at its newest version, and the standby that
/// every bucket was proven equal since the load stopped.
fn say_equal(stats: &[Stat; 2], stormed: &Stormed, now_us: u64) -> Result<bool> {
    let (flows, owner, standby) = (&stats[0].flows, stats[0].group()?, stats[1].group()?);
    let whole =
        flows.total == stormed.alive && flows.protected == flows.total && flows.current == flows.total;
    let since_ms = now_us.saturating_sub(stormed.ended_us) / 1_000;
    let proven = standby.verified_buckets == BUCKETS_COUNT as u64 && standby.oldest_proof_ms <= since_ms;
    Ok(whole && flows.dirty_buckets == 0 && owner.in_sync && standby.in_sync && proven)
}

fn cpu(cast: &Cast) -> [u64; 2] {
    [cast.stage.agents[0].cpu_us(), cast.stage.agents[1].cpu_us()]
}
