//! A wrong MTU on the sync link is a named error: at once if it is the agent's own interface, and as
//! soon as the members hear each other if it is a device between them.

use super::{Good, Row};
use crate::clock::mono_us;
use crate::demo::net::{SyncPath, RELAY, SYNC_MTU};
use crate::demo::plan::MEMBERS;
use crate::demo::process::Process;
use crate::demo::stage::SYNC_LIMIT;
use crate::demo::{prepare, stand};
use crate::error::{Error, Result};
use crate::interrupt::{pause, wait_for};
use std::time::{Duration, Instant};

/// What an interface has that nobody set up for jumbo frames.
const SMALL_MTU: u32 = 1_500;
/// Bars: the refusal to start, and the name for a path that loses full frames.
const REFUSED_SECONDS: f64 = 1.0;
const NAMED_SECONDS: f64 = 1.0;
/// How long a verdict may take; beyond the bar, so that a miss is still measured.
const LIMIT: Duration = Duration::from_secs(10);
/// How long members that lose full frames are watched.
const WATCHED: Duration = Duration::from_secs(2);

/// Both cases.
pub(super) fn run(options: &super::Options) -> Result<Vec<Row>> {
    let (binary, _limit) = prepare(options.binary.as_deref(), true, 0)?;
    let mut rows = Vec::new();
    for _ in 0..options.runs {
        rows.extend(own_interface(&binary)?);
        rows.extend(path(&binary)?);
    }
    Ok(worst(rows))
}

fn row(name: &str, unit: &'static str, value: f64, bar: (Good, f64)) -> Row {
    Row { name: name.into(), unit, value, beside: None, bar: Some(bar) }
}

fn holds(name: &str, holds: bool) -> Row {
    row(name, "", f64::from(u8::from(holds)), (Good::AtLeast, 1.0))
}

/// Of the rows of all runs, the worst of each name.
fn worst(rows: Vec<Row>) -> Vec<Row> {
    let mut worst: Vec<Row> = Vec::new();
    for row in rows {
        match worst.iter_mut().find(|known| known.name == row.name) {
            None => worst.push(row),
            Some(known) => {
                known.value = match row.bar {
                    Some((Good::AtLeast, _)) => known.value.min(row.value),
                    Some((Good::AtMost, _)) | None => known.value.max(row.value),
                }
            }
        }
    }
    worst
}

/// The agent's own sync interface carries too little.
fn own_interface(binary: &std::path::Path) -> Result<Vec<Row>> {
    let mut stage = stand(SyncPath::Direct, true)?;
    stage.net.batch(MEMBERS[0], &format!("link set sync mtu {SMALL_MTU}\n"))?;
    let asked = Instant::now();
    let ended = stage.start_agents(binary);
    let seconds = asked.elapsed().as_secs_f64();
    let text = match ended {
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        Err(problem) => problem.to_string(),
        Ok(()) => String::new(),
    };
    let wanted = ["interface sync", &SMALL_MTU.to_string(), &SYNC_MTU.to_string()];
    Ok(vec![
        row("own interface: refused to start after", "s", seconds, (Good::AtMost, REFUSED_SECONDS)),
        holds("own interface: error names it and both MTUs", wanted.iter().all(|word| text.contains(word))),
    ])
}

/// Both interfaces are right, a device between them is not; then it is put right.
fn path(binary: &std::path::Path) -> Result<Vec<Row>> {
    let mut stage = stand(SyncPath::Relayed { mtu: SMALL_MTU }, true)?;
    let _relay = Process::start(&stage.net, RELAY, &["relay", MEMBERS[0], MEMBERS[1]])?;
    stage.launch_agents(binary)?;
    let begun_us = mono_us();
    let named = wait_for(LIMIT, || {
        let first = |member: usize| {
            let events = stage.agents[member].events_from(0).into_iter();
            events.filter(|event| event.name == "mtu_too_small").map(|event| event.mono_us).next()
        };
        Ok(first(0).zip(first(1)).map(|(one, other)| one.max(other)))
    })?;
    pause(WATCHED)?;
    let stats = [stage.agents[0].stat()?, stage.agents[1].stat()?];
    let mut in_sync = false;
    for stat in &stats {
        in_sync |= stat.group()?.in_sync;
    }
    let shown = stats.iter().all(|stat| stat.sync_mtu_ok == Some(false));
    let events: Vec<_> = stage.agents.iter().flat_map(|agent| agent.events_from(0)).collect();
    let claimed = events.iter().filter(|event| event.name == "in_sync").count();
    for member in MEMBERS {
        stage.net.batch(RELAY, &format!("link set {member} mtu {SYNC_MTU}\n"))?;
    }
    let repaired = stage.wait_in_sync(SYNC_LIMIT)?;
    let proven = repaired.is_some_and(|stats| stats.iter().all(|stat| stat.sync_mtu_ok == Some(true)));
    let seconds = named.map_or(LIMIT.as_secs_f64(), |at_us| at_us.saturating_sub(begun_us) as f64 / 1e6);
    Ok(vec![
        row("path: named by both after", "s", seconds, (Good::AtMost, NAMED_SECONDS)),
        holds("path: shown by `trine stat` of both", shown),
        row("path: members that count as in sync", "", f64::from(u8::from(in_sync)), (Good::AtMost, 0.0)),
        row("path: claims of a copy in sync", "", claimed as f64, (Good::AtMost, 0.0)),
        holds("path: in sync and proven when repaired", proven),
    ])
}
