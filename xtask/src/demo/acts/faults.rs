//! Faults of a part: the sync link, the agent's process, its time.

use super::kill::AFTERMATH;
use super::ActName;
use crate::clock::mono_us;
use crate::demo::plan::MEMBERS;
use crate::demo::report::{Act, Bar};
use crate::demo::stage::{Stage, SYNC_LIMIT};
use crate::error::Result;
use crate::interrupt::pause;
use std::time::Duration;

/// How long the sync link stays cut.
const CUT: Duration = Duration::from_secs(10);
const CUT_QUICK: Duration = Duration::from_secs(3);
/// How long the owner's agent stands still.
const STOPPED: Duration = Duration::from_millis(500);
/// Bar of an agent's restart over its live kernel table.
const EQUAL_MS: f64 = 2_000.0;

/// The sync link alone goes: roles are frozen, nothing moves.
pub(super) fn play_cut(stage: &mut Stage) -> Result<Act> {
    let owner = stage.owner()?;
    let mut begin = stage.begin(ActName::Cut.name())?;
    begin.note("sync link cut");
    stage.net.sync_link(false)?;
    stage.run_for(CUT, CUT_QUICK)?;
    let during = stage.agents[owner].stat()?.state;
    begin.note("sync link restored");
    stage.net.sync_link(true)?;
    let back = stage.wait_in_sync(SYNC_LIMIT)?;
    begin.note(if back.is_some() { "both say in sync" } else { "still not in sync" });
    pause(AFTERMATH)?;
    let after = stage.owner()?;
    let (mut act, begin) = stage.end(ActName::Cut.name(), ActName::Cut.title(), begin)?;
    act.require_all_alive();
    act.require(stage.takeovers_bar(&begin, &[]));
    act.require(Bar::holds("the owner stays", after == owner, MEMBERS[after]));
    act.require(Bar::holds("the owner says sync-lost meanwhile", during == "sync-lost", during));
    act.require(Bar::holds("back in sync", back.is_some(), if back.is_some() { "yes" } else { "no" }));
    Ok(act.judged())
}

/// The owner's agent dies, its links stay up: the other takes over, the restart is equal soon.
pub(super) fn play_agent(stage: &mut Stage) -> Result<Act> {
    let owner = stage.owner()?;
    let other = 1 - owner;
    let mut begin = stage.begin(ActName::Agent.name())?;
    begin.note(format!("{}: agent killed", MEMBERS[owner]));
    stage.agents[owner].kill();
    stage.agents[owner].reap();
    stage.wait_event(&begin, other, &["serving"])?;
    pause(AFTERMATH)?;
    let restarted_us = mono_us();
    begin.note(format!("{}: agent restarted", MEMBERS[owner]));
    stage.agents[owner].start(&stage.net)?;
    let equal = stage.wait_in_sync(SYNC_LIMIT)?;
    let equal_ms = equal.map(|_| (mono_us() - restarted_us) as f64 / 1e3);
    begin.note(if equal_ms.is_some() { "both say in sync" } else { "still not in sync" });
    pause(AFTERMATH)?;
    let (mut act, begin) = stage.end(ActName::Agent.name(), ActName::Agent.title(), begin)?;
    act.require_all_alive();
    act.require(stage.takeovers_bar(&begin, &[other]));
    act.require(Bar::at_most("equal after the restart", equal_ms, EQUAL_MS));
    Ok(act.judged())
}

/// The owner's agent stands still, then speaks again as if it still owned the group.
pub(super) fn play_stop(stage: &mut Stage) -> Result<Act> {
    let owner = stage.owner()?;
    let other = 1 - owner;
    let refused_before = stage.agents[other].stat()?.counter("not_owner");
    let mut begin = stage.begin(ActName::Stop.name())?;
    begin.note(format!("{}: agent stopped", MEMBERS[owner]));
    stage.agents[owner].signal(libc::SIGSTOP);
    let stood = pause(STOPPED);
    stage.agents[owner].signal(libc::SIGCONT);
    stood?;
    begin.note(format!("{}: agent continues", MEMBERS[owner]));
    stage.wait_event(&begin, owner, &["demoted", "released"])?;
    let stats = stage.wait_in_sync(SYNC_LIMIT)?;
    pause(AFTERMATH)?;
    let refused_after = stage.agents[other].stat()?.counter("not_owner");
    let gave_way = stage.event(&begin, owner, "demoted").or(stage.event(&begin, owner, "released"));
    let (mut act, begin) = stage.end(ActName::Stop.name(), ActName::Stop.title(), begin)?;
    act.require_all_alive();
    act.require(stage.takeovers_bar(&begin, &[other]));
    let late = match &gave_way {
        Some(event) => format!("{}, {} of its records refused", event.name, refused_after - refused_before),
        None => "it did not give way".into(),
    };
    act.require(Bar::holds("the late owner gives way", gave_way.is_some(), late));
    let owners = stats.as_ref().map(|stats| stats.each_ref().map(|stat| stat.groups[0].owner.as_str()));
    act.require(Bar::holds(
        format!("both name {} and are in sync", MEMBERS[other]),
        owners == Some([MEMBERS[other]; 2]),
        owners.map_or("not in sync".into(), |owners| owners.join(" and ")),
    ));
    Ok(act.judged())
}
