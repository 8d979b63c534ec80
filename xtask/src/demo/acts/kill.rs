//! gw1 dies with everything it has, and later comes back to its place.

use super::{ActName, Conditions};
use crate::demo::plan::MEMBERS;
use crate::demo::report::{Act, Bar};
use crate::demo::stage::{Stage, SYNC_LIMIT};
use crate::error::{Error, Result};
use crate::interrupt::pause;
use std::time::Duration;

/// Bars from the last heartbeat, over all request-response connections.
const MEDIAN_MS: f64 = 60.0;
const MEDIAN_WITH_BACKGROUND_MS: f64 = 80.0;
const MAX_MS: f64 = 250.0;
/// Bar of a planned fail-back.
pub(super) const PLANNED_MS: f64 = 20.0;
/// Long enough for the bulk streams' retransmission timers.
pub(super) const AFTERMATH: Duration = Duration::from_millis(1_500);
/// How long gw1 runs as standby before the group returns to it.
const BEFORE_RETURN: Duration = Duration::from_secs(5);
const BEFORE_RETURN_QUICK: Duration = Duration::from_secs(2);

/// The death.
pub(super) fn play(stage: &mut Stage, conditions: Conditions) -> Result<Act> {
    stage.home()?;
    let switch = stage.net.links_switch(MEMBERS[0])?;
    // The switch's process needs a moment until it listens.
    pause(Duration::from_millis(200))?;
    let mut begin = stage.begin(ActName::Kill.name())?;
    begin.note("gw1: agent killed, lan, wan and sync cut");
    stage.agents[0].kill();
    switch.pull()?;
    begin.note("gw1: the kernel has set all links down");
    stage.agents[0].reap();
    stage.wait_event(&begin, 1, &["serving"])?;
    pause(AFTERMATH)?;
    let (mut act, begin) = stage.end(ActName::Kill.name(), ActName::Kill.title(), begin)?;
    act.require_all_alive();
    act.require(stage.takeovers_bar(&begin, &[1]));
    let many = conditions.background_flows > 0;
    let median_ms = if many { MEDIAN_WITH_BACKGROUND_MS } else { MEDIAN_MS };
    let spread = act.from_heartbeat;
    act.require(Bar::at_most("median gap from the last heartbeat", spread.map(|s| s.median_ms), median_ms));
    act.require(Bar::at_most("largest gap from the last heartbeat", spread.map(|s| s.max_ms), MAX_MS));
    Ok(act.judged())
}

/// The return, without a reboot: gw1's kernel still holds its old table.
pub(super) fn play_return(stage: &mut Stage) -> Result<Act> {
    let mut begin = stage.begin(ActName::Return.name())?;
    stage.net.links_up(MEMBERS[0])?;
    begin.note("gw1: links up");
    stage.agents[0].start(&stage.net)?;
    stage
        .wait_in_sync(SYNC_LIMIT)?
        .ok_or_else(|| Error::Unexpected(format!("gw1 is not in sync {SYNC_LIMIT:?} after its return")))?;
    begin.note("both say in sync");
    stage.run_for(BEFORE_RETURN, BEFORE_RETURN_QUICK)?;
    let unasked = stage.takeovers_bar(&begin, &[]);
    // The gap is the move's own; connections lost since the links came back stay lost.
    let before = stage.traffic.mark("before the group returns")?;
    let largest = before.connections.iter().filter(|report| report.kind.is_request_response());
    let largest_us = largest.filter_map(|report| report.gaps.first()).map(|gap| gap.us()).max();
    begin.note(format!(
        "move to gw1 asked (largest gap so far {:.1} ms)",
        largest_us.unwrap_or(0) as f64 / 1e3
    ));
    stage.agents[1].move_to(MEMBERS[0])?;
    begin.note("move done");
    pause(AFTERMATH)?;
    let owner = stage.owner()?;
    let (mut act, _) = stage.end(ActName::Return.name(), ActName::Return.title(), begin)?;
    act.require_all_alive();
    act.require(Bar { what: "no takeover before the move".into(), ..unasked });
    act.require(Bar::holds("gw1 owns the group", owner == 0, MEMBERS[owner]));
    act.require(Bar::at_most("largest gap of the move", act.gap.map(|gap| gap.max_ms), PLANNED_MS));
    Ok(act.judged())
}
