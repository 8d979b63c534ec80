//! When the load stops, both kernels hold the same.

use super::ActName;
use crate::clock::mono_us;
use crate::demo::dumps::differences;
use crate::demo::report::{Act, Bar};
use crate::demo::stage::Stage;
use crate::error::Result;
use crate::interrupt::wait_for;
use std::time::Duration;

/// How long the tables may take to become equal.
const EQUAL_MS: f64 = 2_000.0;
/// How long they are watched: beyond the bar, so that a late equality is told from none.
const LIMIT: Duration = Duration::from_secs(10);
/// Differences named in the report; the count is always complete.
const NAMED_MAX: usize = 5;

/// Stops the load and compares.
pub(super) fn play(stage: &mut Stage) -> Result<Act> {
    let mut begin = stage.begin(ActName::Equal.name())?;
    stage.traffic.pause()?;
    let paused_us = mono_us();
    begin.note("load stopped");
    let mut last = (0, Vec::new());
    let equal = wait_for(LIMIT, || {
        last = differences(&stage.net)?;
        Ok((last.0 > 0 && last.1.is_empty()).then_some(mono_us()))
    })?;
    let (flows_count, found) = last;
    for difference in found.iter().take(NAMED_MAX) {
        begin.note(difference.clone());
    }
    let (mut act, _) = stage.end(ActName::Equal.name(), ActName::Equal.title(), begin)?;
    // Paused connections answer nothing: their silence is ours.
    act.kinds.clear();
    (act.gap, act.from_heartbeat) = (None, None);
    let equal_ms = equal.map(|at_us| (at_us - paused_us) as f64 / 1e3);
    let seen = format!("{} differences in {flows_count} flows", found.len());
    act.require(Bar::holds("both kernels become equal", equal.is_some(), seen));
    act.require(Bar::at_most("time to equal", equal_ms, EQUAL_MS));
    Ok(act.judged())
}
