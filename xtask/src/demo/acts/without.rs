//! The control experiment: the same failure-free move, without replicated state.

use super::ActName;
use crate::demo::dumps::flush;
use crate::demo::plan::MEMBERS;
use crate::demo::report::{Act, Bar};
use crate::demo::stage::Stage;
use crate::error::Result;
use crate::interrupt::pause;
use crate::peer::record::STALLED_US;
use std::time::Duration;

/// Traffic before the move.
const WARM_UP: Duration = Duration::from_millis(500);
/// Enough silence for a connection to count as lost.
const VERDICT: Duration = Duration::from_micros(STALLED_US + 400_000);

/// Plays the act and leaves both gateways without addresses and with empty tables.
pub(super) fn play(stage: &mut Stage) -> Result<Act> {
    stage.net.add_moving(MEMBERS[0])?;
    stage.traffic.open()?;
    pause(WARM_UP)?;
    let mut begin = stage.begin(ActName::Without.name())?;
    stage.net.remove_moving(MEMBERS[0])?;
    begin.note("addresses taken from gw1");
    stage.net.add_moving(MEMBERS[1])?;
    begin.note("addresses announced by gw2");
    pause(VERDICT)?;
    let (mut act, _) = stage.end(ActName::Without.name(), ActName::Without.title(), begin)?;
    let (alive, all) = act.tcp_survivors();
    act.require(Bar::holds("no TCP connection survives", all > 0 && alive == 0, format!("{alive} of {all}")));
    stage.net.remove_moving(MEMBERS[1])?;
    for member in MEMBERS {
        flush(&stage.net, member)?;
    }
    Ok(act.judged())
}
