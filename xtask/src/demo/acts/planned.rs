//! Planned moves, plain and after stray packets.

use super::kill::{AFTERMATH, PLANNED_MS};
use super::ActName;
use crate::command::feed;
use crate::demo::dumps::{dump, Direction};
use crate::demo::plan::{gateway_mac, mac_text, MEMBERS};
use crate::demo::report::{Act, Bar};
use crate::demo::stage::{Begin, Stage, SYNC_LIMIT};
use crate::error::{Error, Result};
use crate::interrupt::pause;
use crate::peer::strays::Order;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Time for the standby to notice strays and put its entries right.
const STRAYS_SETTLE: Duration = Duration::from_secs(1);

/// One move from the owner to the other member.
pub(super) fn play(stage: &mut Stage) -> Result<Act> {
    let mut begin = stage.begin(ActName::Move.name())?;
    let target = move_over(stage, &mut begin)?;
    let owner = stage.owner()?;
    let (mut act, _) = stage.end(ActName::Move.name(), ActName::Move.title(), begin)?;
    act.require_all_alive();
    act.require(Bar::holds(format!("{} owns the group", MEMBERS[target]), owner == target, MEMBERS[owner]));
    act.require(Bar::at_most("largest gap", act.gap.map(|gap| gap.max_ms), PLANNED_MS));
    Ok(act.judged())
}

/// Strays to the standby, a move to it; strays to the other, a move back.
pub(super) fn play_strays(stage: &mut Stage) -> Result<Act> {
    let mut begin = stage.begin(ActName::Strays.name())?;
    let mut sent_count = 0;
    for _ in MEMBERS {
        let owner = stage.owner()?;
        let count = send_strays(stage, owner, 1 - owner)?;
        begin.note(format!("{count} stray segments sent to {}", MEMBERS[1 - owner]));
        sent_count += count;
        pause(STRAYS_SETTLE)?;
        move_over(stage, &mut begin)?;
    }
    let (mut act, _) = stage.end(ActName::Strays.name(), ActName::Strays.title(), begin)?;
    act.require_all_alive();
    act.require(Bar::holds("strays were sent", sent_count > 0, sent_count.to_string()));
    act.require(Bar::at_most("largest gap", act.gap.map(|gap| gap.max_ms), PLANNED_MS));
    Ok(act.judged())
}

/// Moves the group to the member that does not own it, and returns that member.
fn move_over(stage: &mut Stage, begin: &mut Begin) -> Result<usize> {
    let owner = stage.owner()?;
    let target = 1 - owner;
    begin.note(format!("move to {} asked", MEMBERS[target]));
    stage.agents[owner].move_to(MEMBERS[target])?;
    begin.note("move done");
    pause(AFTERMATH)?;
    stage
        .wait_in_sync(SYNC_LIMIT)?
        .ok_or_else(|| Error::Unexpected(format!("not in sync {SYNC_LIMIT:?} after the move")))?;
    Ok(target)
}

/// Sends strays of every live connection, both directions, to the standby's addresses.
fn send_strays(stage: &Stage, owner: usize, standby: usize) -> Result<u32> {
    let flows = dump(&stage.net, MEMBERS[owner])?;
    let directions: Vec<Direction> =
        flows.iter().filter(|flow| flow.is_live_tcp()).flat_map(|flow| [flow.original, flow.reply]).collect();
    let mut sent_count = 0;
    for (role, network) in [("client", "lan"), ("server", "wan")] {
        let here = directions.iter().filter(|way| network_of(way.source.ip()) == network);
        let flows: Vec<(SocketAddr, SocketAddr)> = here.map(|way| (way.source, way.destination)).collect();
        let order = Order { to: mac_text(gateway_mac(network, standby)), flows };
        let text = serde_json::to_string(&order).expect("an order is a plain value");
        let answer = feed(&mut stage.net.peer(role, &["strays", "eth0"]), &text)?;
        sent_count += answer.trim().parse::<u32>().unwrap_or(0);
    }
    Ok(sent_count)
}

fn network_of(address: IpAddr) -> &'static str {
    let inner = match address {
        IpAddr::V4(address) => address.octets()[1] == 1,
        IpAddr::V6(address) => address.segments()[1] == 1,
    };
    if inner {
        "lan"
    } else {
        "wan"
    }
}
