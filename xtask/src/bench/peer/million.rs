//! A million flows in the active kernel: how long Trine takes to compare it with its own table, and how
//! long the standby takes from its decision to its first packet, beside conntrackd's commit.

use super::conntrackd::Settings;
use super::contender::{Contender, Peers, Trine};
use super::field::Field;
use crate::clock::mono_us;
use crate::command::capture;
use crate::demo::agent::Event;
use crate::demo::dumps::count;
use crate::demo::plan::MEMBERS;
use crate::demo::TableLimit;
use crate::error::{Error, Result};
use crate::interrupt::wait_for;
use crate::progress::say;
use std::path::Path;
use std::time::Duration;

/// Flows in the table.
pub(super) const FLOWS: u32 = 1_000_000;
/// What the table's limit must leave room for: the agents ask for as many as they make room for.
const ROOM: u32 = 1_100_000;
/// Configuration of agents that make room for them, and audit again once every flow is copied. A dump of
/// so large a hash holds its processor for longer than a peer waits: heartbeats have another.
const LINES: &str = "audit_s = 15\n[nic]\nflows_max = 1100000\ncpu = 0\n[kernel]\ncpu = 1\n";
/// How long each step may take.
const LIMIT: Duration = Duration::from_secs(40);
/// conntrackd with copies kept until a takeover.
const KEEPS_COPIES: Settings = Settings { reliable: true, keeps_copies: true };

/// What came out; all in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Million {
    /// From the start of both daemons until the standby holds every flow: Trine's in its kernel.
    pub(super) copied: [f64; 2],
    /// Trine's audit of the active kernel.
    pub(super) audit: f64,
    /// From Trine's decision to serve until it serves, and conntrackd's commit.
    pub(super) takeover: [f64; 2],
}

/// Plays both.
pub(super) fn measure(field: &mut Field, binary: &Path) -> Result<Million> {
    // Not before: a dump of a sparse table holds its processor for 45 ns a bucket (measured).
    let _limit = TableLimit::raise(ROOM)?;
    fill(field)?;
    let mut trine = Trine::new(binary, LINES);
    let played = play_trine(field, &mut trine);
    trine.stop(field);
    let (copied, audit, takeover) = played?;
    fill(field)?;
    let mut peers = Peers::new(KEEPS_COPIES, None);
    let played = play_conntrackd(field, &mut peers);
    peers.stop(field);
    let (peer_copied, commit) = played?;
    let million = Million { copied: [copied, peer_copied], audit, takeover: [takeover, commit] };
    say(format!("peer: a million flows: {million:?}"));
    field.clear()?;
    Ok(million)
}

/// A million flows in the active kernel alone.
fn fill(field: &mut Field) -> Result<()> {
    field.clear()?;
    let refused = capture(&mut field.stage.net.peer(MEMBERS[0], &["flows", &FLOWS.to_string()]))?;
    if refused.trim() == "0" {
        return Ok(());
    }
    Err(Error::Unexpected(format!("the kernel refused {} of {FLOWS} flows", refused.trim())))
}

fn play_trine(field: &mut Field, trine: &mut Trine<'_>) -> Result<(f64, f64, f64)> {
    let start_us = mono_us();
    trine.start(field)?;
    copied(field)?;
    let copied_us = mono_us() - start_us;
    let seen = field.stage.agents[0].events_count();
    let audit = within("an audit of a million flows", || {
        let whole = |event: &Event| event.name == "audit" && event.number("rows") >= Some(u64::from(FLOWS));
        Ok(field.stage.agents[0].events_from(seen).into_iter().find(whole))
    })?;
    let seen = field.stage.agents[1].events_count();
    field.stage.agents[0].kill();
    let serving = within("the standby to serve", || {
        let events = field.stage.agents[1].events_from(seen);
        let time_of = |name: &str| events.iter().find(|event| event.name == name).map(|event| event.mono_us);
        Ok(time_of("takeover").zip(time_of("serving")))
    })?;
    let seconds = |us: u64| us as f64 / 1e6;
    let audit_us = audit
        .number("took_us")
        .ok_or_else(|| Error::Unexpected("the agent does not say how long its audit took".into()))?;
    Ok((seconds(copied_us), seconds(audit_us), seconds(serving.1 - serving.0)))
}

fn play_conntrackd(field: &mut Field, peers: &mut Peers) -> Result<(f64, f64)> {
    let start_us = mono_us();
    peers.start(field)?;
    within("conntrackd's standby to hold a million flows", || {
        let held = peers.running[1].copies_count(&field.stage.net)?;
        Ok((held >= u64::from(FLOWS)).then_some(()))
    })?;
    let copied_us = mono_us() - start_us;
    let start_us = mono_us();
    peers.running[1].ask(&field.stage.net, &["-c"])?;
    copied(field)?;
    Ok((copied_us as f64 / 1e6, (mono_us() - start_us) as f64 / 1e6))
}

/// Waits until the standby's kernel holds them all.
fn copied(field: &Field) -> Result<()> {
    within("the standby's kernel to hold a million flows", || standby_holds_all(field)).map_err(|problem| {
        let held = MEMBERS.map(|member| count(&field.stage.net, member).unwrap_or(0));
        Error::Unexpected(format!("{problem}; the kernels hold {} and {}", held[0], held[1]))
    })
}

fn standby_holds_all(field: &Field) -> Result<Option<()>> {
    Ok((count(&field.stage.net, MEMBERS[1])? >= u64::from(FLOWS)).then_some(()))
}

fn within<T>(what: &str, done: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    wait_for(LIMIT, done)?.ok_or_else(|| Error::Unexpected(format!("waited {LIMIT:?} for {what}")))
}
