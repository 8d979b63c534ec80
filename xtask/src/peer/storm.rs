//! A storm of conntrack events: flows live, change and end in this namespace's table, at a pace.
//!
//! Enters: the lines `fill` and `run SECONDS RATE` on standard input. Leaves: the kernel's events, as
//! a busy gateway causes them, and one [`Stormed`] per line. The entries are written by ctnetlink from
//! this process, so the agent takes them for the kernel's own: it ignores only its own writer's. Keys
//! return after their flow ended, as ports do. Budget: ≤ 5 µs per event.

use super::control::answer;
use crate::clock::mono_us;
use crate::demo::plan::OUTER_V4;
use crate::error::{Error, Result};
use formats::flow::{protocol, status, tcp_state};
use formats::{Family, FlowKey, FlowRecord, Groups, Nat};
use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use trine_daemon::linux::conntrack::{Op, Outcome, Writer};

/// Sources of the flows; nothing else uses them.
pub(crate) const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 0);
/// The same, IPv6.
pub(crate) const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x64, 0, 0, 0, 0, 0, 0);
const TARGET_V4: Ipv4Addr = Ipv4Addr::new(10, 2, 16, 0);
const TARGET_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 2, 0, 16, 0, 0, 0, 0);
/// Source ports per target; each translated flow keeps its port.
const PORTS_COUNT: u32 = 60_000;
const PORT_FIRST: u32 = 1_024;
const TARGET_PORT: u16 = 443;
/// Long enough that no flow ends by itself.
const TIMEOUT_SECONDS: u32 = 3_600;
/// Pace of filling the table, in events a second.
const FILL_RATE: u64 = 60_000;
/// A machine that cannot keep the pace is given up after so many times its length.
const LATE_FACTOR: u64 = 2;
/// How far the pace may run ahead of the clock.
const TICK: Duration = Duration::from_millis(1);
/// Changes between two looks at the clock.
const BURST_MAX: u64 = 2_048;
const WINDOW_SCALE: u8 = 7;
/// Window scale in use.
const TCP_FLAGS: u8 = 0x01;

/// What a line caused.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Stormed {
    /// Changes the kernel performed, each one an event.
    pub(crate) events: u64,
    /// Changes it refused.
    pub(crate) refused: u64,
    /// How long it took.
    pub(crate) seconds: f64,
    /// Flows alive at the end.
    pub(crate) alive: u64,
    /// When the last change was made, monotonic microseconds.
    pub(crate) ended_us: u64,
}

/// Serves lines until standard input closes; at most `slots` flows are alive at once.
pub(crate) fn run(slots: u32, seed: u64) -> Result<()> {
    let writer = Writer::open().map_err(Error::system("opening a netlink socket"))?;
    let mut storm = Storm { writer, lives: vec![Stage::Dead; slots as usize], random: seed | 1 };
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(Error::system("reading a control line"))?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let stormed = match words.as_slice() {
            ["fill"] => storm.fill()?,
            ["run", seconds, rate] => match (seconds.parse(), rate.parse()) {
                (Ok(seconds), Ok(rate)) => storm.run(seconds, rate)?,
                _ => return Err(Error::Unexpected(format!("storm: `{line}`"))),
            },
            _ => return Err(Error::Unexpected(format!("storm: `{line}`"))),
        };
        answer(&stormed)?;
    }
    Ok(())
}

/// Where a flow stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Dead,
    Opening,
    Established,
    Marked,
    Closing,
}

impl Stage {
    fn next(self, slot: u32) -> Stage {
        let tcp = key(slot).protocol == protocol::TCP;
        match self {
            Stage::Dead => Stage::Opening,
            Stage::Opening => Stage::Established,
            Stage::Established if slot % 2 == 0 => Stage::Marked,
            Stage::Established | Stage::Marked if tcp => Stage::Closing,
            Stage::Established | Stage::Marked | Stage::Closing => Stage::Dead,
        }
    }
}

struct Storm {
    writer: Writer,
    lives: Vec<Stage>,
    random: u64,
}

impl Storm {
    /// Opens a flow in four of five slots, at random stages.
    fn fill(&mut self) -> Result<Stormed> {
        let slots = self.lives.len() as u32;
        let mut next = 0..slots;
        self.pace(FILL_RATE, u64::from(slots), move |storm| {
            let slot = next.next()?;
            let stages = [Stage::Dead, Stage::Opening, Stage::Established, Stage::Marked, Stage::Closing];
            let stage = stages[(storm.draw() % 5) as usize];
            Some((slot, stage))
        })
    }

    /// Moves random flows on by one stage, `rate` a second.
    fn run(&mut self, seconds: f64, rate: u64) -> Result<Stormed> {
        let slots = self.lives.len() as u64;
        self.pace(rate, (seconds * rate as f64) as u64, move |storm| {
            let slot = (storm.draw() % slots) as u32;
            Some((slot, storm.lives[slot as usize].next(slot)))
        })
    }

    fn pace(
        &mut self,
        rate: u64,
        events_max: u64,
        mut step: impl FnMut(&mut Storm) -> Option<(u32, Stage)>,
    ) -> Result<Stormed> {
        let start_us = mono_us();
        let mut done = Stormed::default();
        let mut taken = 0;
        'time: loop {
            let due = ((mono_us() - start_us) * rate / 1_000_000).min(taken + BURST_MAX).min(events_max);
            while taken < due {
                let Some((slot, stage)) = step(self) else { break 'time };
                self.change(slot, stage, &mut done)?;
                taken += 1;
            }
            self.flush(&mut done)?;
            let late = mono_us() - start_us > LATE_FACTOR * 1_000_000 * events_max / rate;
            if taken == events_max || late {
                break;
            }
            std::thread::sleep(TICK);
        }
        self.flush(&mut done)?;
        done.ended_us = mono_us();
        done.seconds = (done.ended_us - start_us) as f64 / 1e6;
        done.alive = self.lives.iter().filter(|stage| **stage != Stage::Dead).count() as u64;
        Ok(done)
    }

    fn change(&mut self, slot: u32, stage: Stage, done: &mut Stormed) -> Result<()> {
        let was = std::mem::replace(&mut self.lives[slot as usize], stage);
        let record = record(slot, stage, was == Stage::Dead);
        let op = match (was, stage) {
            (Stage::Dead, Stage::Dead) => return Ok(()),
            (Stage::Dead, _) => Op::Create { record: &record, timeout_s: TIMEOUT_SECONDS },
            (_, Stage::Dead) => Op::Delete { key: &record.key, ct_id: None },
            (_, _) => Op::Update { record: &record, timeout_s: Some(TIMEOUT_SECONDS) },
        };
        self.writer.push(u64::from(slot), op);
        if self.writer.is_full() {
            self.flush(done)?;
        }
        Ok(())
    }

    fn flush(&mut self, done: &mut Stormed) -> Result<()> {
        let count = |completion: trine_daemon::linux::conntrack::Completion| match completion.outcome {
            Outcome::Ok => done.events += 1,
            _ => done.refused += 1,
        };
        self.writer.flush(count).map_err(Error::system("changing the connection table"))
    }

    /// The next 64 random bits (xorshift64).
    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 8
    }
}

/// Eight of ten flows are translated TCP, one is translated UDP, one TCP over IPv6; some have a zone.
fn key(slot: u32) -> FlowKey {
    let src_port = (PORT_FIRST + slot % PORTS_COUNT) as u16;
    let target = u128::from(slot / PORTS_COUNT);
    let zone = if slot % 16 == 7 { 3 } else { 0 };
    let number = if slot % 10 == 0 { protocol::UDP } else { protocol::TCP };
    let (family, src, dst) = if slot % 10 == 1 {
        (Family::V6, u128::from(SOURCE_V6) + u128::from(slot), u128::from(TARGET_V6) + target)
    } else {
        let v4 = |address: Ipv4Addr| u128::from(u32::from(address));
        (Family::V4, v4(SOURCE_V4) + u128::from(slot % 65_536), v4(TARGET_V4) + target)
    };
    FlowKey { src, dst, src_port, dst_port: TARGET_PORT, zone, protocol: number, family }
}

/// The state a stage brings; a new entry states everything.
fn record(slot: u32, stage: Stage, new: bool) -> FlowRecord {
    let key = key(slot);
    let tcp = key.protocol == protocol::TCP;
    let mut record = FlowRecord { key, groups: Groups::STATUS, ..FlowRecord::default() };
    if stage != Stage::Opening {
        record.status = status::SEEN_REPLY | status::ASSURED;
    }
    if tcp {
        record.groups = record.groups.with(Groups::SCALES);
        record.scales = [WINDOW_SCALE; 2];
        record.tcp_flags = [TCP_FLAGS; 2];
        record.tcp_state = match stage {
            Stage::Opening => tcp_state::SYN_SENT,
            Stage::Dead | Stage::Established | Stage::Marked => tcp_state::ESTABLISHED,
            Stage::Closing => tcp_state::FIN_WAIT,
        };
    }
    if stage == Stage::Marked {
        record.groups = record.groups.with(Groups::MARK);
        record.mark = 1 + slot % 5;
    }
    if new && key.family == Family::V4 {
        record.groups = record.groups.with(Groups::NAT);
        record.nat = Nat {
            reply_src: key.dst,
            reply_dst: u32::from(OUTER_V4).into(),
            reply_src_port: key.dst_port,
            reply_dst_port: key.src_port,
        };
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_slots_share_a_tuple_in_either_direction() {
        let mut tuples = BTreeSet::new();
        for slot in (0..200_000).step_by(37) {
            let made = record(slot, Stage::Opening, true);
            assert!(tuples.insert(made.key), "slot {slot}");
            if let Some(alias) = made.alias() {
                assert!(tuples.insert(alias), "translated slot {slot}");
            }
        }
    }

    #[test]
    fn every_life_ends() {
        for slot in 0..20 {
            let mut stage = Stage::Dead;
            let ended = (0..6).any(|_| {
                stage = stage.next(slot);
                stage == Stage::Dead
            });
            assert!(ended, "slot {slot}");
        }
    }
}
