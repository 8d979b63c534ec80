//! What each daemon needs per flow beside the kernel: translated IPv4 and IPv6 flows, both sides.
//!
//! Trine makes room for its table when it starts, so an agent with the smallest table is the base from
//! which growth counts; conntrackd grows with its caches.

use super::conntrackd::Settings;
use super::contender::{Contender, Peers, Trine};
use super::field::Field;
use super::storm::{memory, memory_filled, SLOTS};
use crate::error::Result;
use crate::progress::say;
use std::path::Path;

/// Agents with the smallest table there is.
const SMALLEST: &str = "[nic]\nflows_max = 4096\n";
/// conntrackd with a cache on each side, as it comes.
const CACHES: Settings = Settings { reliable: true, keeps_copies: true };

/// Bytes per flow on the active and on the standby side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) ours: [f64; 2],
    pub(super) theirs: [f64; 2],
}

/// Plays both.
pub(super) fn measure(field: &mut Field, binary: &Path) -> Result<Memory> {
    let mut smallest = Trine::new(binary, SMALLEST);
    let base = with(field, &mut smallest, |field, trine| memory(trine.pids(field)))?;
    let lines = format!("[nic]\nflows_max = {SLOTS}\n");
    let (filled, flows) = with(field, &mut Trine::new(binary, &lines), memory_filled)?;
    let ours = per_flow(base, filled, flows);
    let grown = with(field, &mut Peers::new(CACHES, None), |field, peers| {
        let base = memory(peers.pids(field))?;
        let (filled, flows) = memory_filled(field, peers)?;
        Ok(per_flow(base, filled, flows))
    });
    let measured = Memory { ours, theirs: grown? };
    say(format!("peer: memory per flow: {measured:?}"));
    Ok(measured)
}

fn with<T>(
    field: &mut Field,
    contender: &mut dyn Contender,
    look: impl FnOnce(&mut Field, &dyn Contender) -> Result<T>,
) -> Result<T> {
    field.clear()?;
    contender.start(field)?;
    let seen = look(field, contender);
    contender.stop(field);
    seen
}

fn per_flow(base: [u64; 2], filled: [u64; 2], flows: u64) -> [f64; 2] {
    [0, 1].map(|index: usize| filled[index].saturating_sub(base[index]) as f64 / flows.max(1) as f64)
}
