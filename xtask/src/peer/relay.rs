//! A wire with faults: every sync frame that enters at one interface leaves at the other, byte for byte,
//! unless a fault drawn from a seed loses, repeats or delays it.
//!
//! Enters: frames of two interfaces; lines with [`Faults`] on standard input, each answered with the
//! counts since the line before. Budget: ≤ 2 µs per frame without faults. It runs at a priority above
//! the agents', because a wire does not wait for a processor. At most [`HELD_MAX`] frames are held back;
//! what comes then is lost and counted.

use super::control::{answer, Control, Watch};
use crate::clock::mono_us;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::{AsFd, AsRawFd};
use trine_daemon::linux::link::{Mode, Port};
use trine_daemon::realtime;

/// Frames held back at once.
const HELD_MAX: usize = 65_536;
/// Longest wait for frames.
const WAIT_US: u64 = 100_000;
/// A frame that is overtaken waits between one and this many microseconds.
const OVERTAKEN_US_MAX: u64 = 3_000;

/// What happens to frames, both ways; shares between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Faults {
    /// Share lost.
    pub(crate) loss: f64,
    /// Share that arrives twice.
    pub(crate) duplication: f64,
    /// Share that later frames overtake.
    pub(crate) reordering: f64,
    /// Delay of every frame.
    pub(crate) delay_us: u64,
    /// Where the draws begin.
    pub(crate) seed: u64,
}

/// What the relay did since it was asked before.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Relayed {
    /// Frames taken from either side.
    pub(crate) frames: u64,
    /// Of these, lost.
    pub(crate) lost: u64,
    /// Sent twice.
    pub(crate) duplicated: u64,
    /// Held back so that others overtake.
    pub(crate) reordered: u64,
    /// Lost for want of room, here or in the device.
    pub(crate) dropped: u64,
}

/// A frame on its way: when it is due, its place among equals, the port it leaves by.
type Held = Reverse<(u64, u64, usize, Vec<u8>)>;

/// Relays between two interfaces until standard input closes.
pub(crate) fn run(interfaces: &[String; 2]) -> Result<()> {
    let open = |name: &String| {
        // The relay's own MTU is the experiment's business, not an error.
        Port::open(name, Mode::Sync { frame_bytes_max: 0 })
            .map_err(|problem| Error::Unexpected(problem.to_string()))
    };
    let mut ports = [open(&interfaces[0])?, open(&interfaces[1])?];
    realtime::schedule(realtime::PULSE_PRIORITY + 1).map_err(Error::system("the relay's priority"))?;
    let mut control = Control::new();
    let mut wire = FaultyWire::new(Faults::default());
    while !control.is_closed() {
        let mut watch = Watch::new();
        for port in &ports {
            watch.add(port.as_fd().as_raw_fd(), true, false);
        }
        watch.wait(wire.wait_us(mono_us()).min(WAIT_US));
        if watch.readable(0) {
            for line in control.lines() {
                let faults = serde_json::from_str(&line)
                    .map_err(|problem| Error::Unexpected(format!("faults `{line}`: {problem}")))?;
                answer(&std::mem::take(&mut wire.relayed))?;
                wire.set(faults);
            }
        }
        for (from, port) in ports.iter_mut().enumerate() {
            let now_us = mono_us();
            port.recv_batch(&mut |frame| wire.take(now_us, 1 - from, frame))
                .map_err(Error::system("reading frames"))?;
        }
        for (to, port) in ports.iter_mut().enumerate() {
            let due = wire.due(mono_us(), to);
            let frames: Vec<&[u8]> = due.iter().map(Vec::as_slice).collect();
            // What the device does not take is lost, as on a wire.
            let sent = port.send_batch(&frames).unwrap_or(0);
            wire.relayed.dropped += (frames.len() - sent) as u64;
        }
    }
    Ok(())
}

/// The frames on their way and the draws of their fate.
struct FaultyWire {
    faults: Faults,
    random: u64,
    held: BinaryHeap<Held>,
    placed: u64,
    relayed: Relayed,
}

impl FaultyWire {
    fn new(faults: Faults) -> Self {
        FaultyWire {
            faults,
            random: faults.seed,
            held: BinaryHeap::new(),
            placed: 0,
            relayed: Relayed::default(),
        }
    }

    fn set(&mut self, faults: Faults) {
        (self.faults, self.random) = (faults, faults.seed);
    }

    /// The next 64 random bits (SplitMix64).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && ((self.draw() >> 11) as f64 / (1u64 << 53) as f64) < share
    }

    /// Takes a frame that is to leave by port `to`.
    fn take(&mut self, now_us: u64, to: usize, frame: &[u8]) {
        self.relayed.frames += 1;
        if self.happens(self.faults.loss) {
            self.relayed.lost += 1;
            return;
        }
        let copies = 1 + u64::from(self.happens(self.faults.duplication));
        self.relayed.duplicated += copies - 1;
        for _ in 0..copies {
            let mut due_us = now_us + self.faults.delay_us;
            if self.happens(self.faults.reordering) {
                self.relayed.reordered += 1;
                due_us += 1 + self.draw() % OVERTAKEN_US_MAX;
            }
            if self.held.len() >= HELD_MAX {
                self.relayed.dropped += 1;
                continue;
            }
            self.placed += 1;
            self.held.push(Reverse((due_us, self.placed, to, frame.to_vec())));
        }
    }

    /// The frames due by now that leave by port `to`, in order; others that are due stay.
    fn due(&mut self, now_us: u64, to: usize) -> Vec<Vec<u8>> {
        let mut due = Vec::new();
        let mut others = Vec::new();
        while self.held.peek().is_some_and(|Reverse((due_us, ..))| *due_us <= now_us) {
            let Some(Reverse((due_us, place, port, frame))) = self.held.pop() else { break };
            if port == to {
                due.push(frame);
            } else {
                others.push(Reverse((due_us, place, port, frame)));
            }
        }
        self.held.extend(others);
        due
    }

    fn wait_us(&self, now_us: u64) -> u64 {
        self.held.peek().map_or(u64::MAX, |Reverse((due_us, ..))| due_us.saturating_sub(now_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(faults: Faults, frames: u8) -> (Vec<Vec<u8>>, Relayed) {
        let mut wire = FaultyWire::new(faults);
        for number in 0..frames {
            wire.take(u64::from(number), 1, &[number]);
        }
        let due = wire.due(u64::MAX, 1);
        assert!(wire.due(u64::MAX, 0).is_empty());
        (due, wire.relayed)
    }

    #[test]
    fn without_faults_frames_keep_content_and_order() {
        let (due, relayed) = pass(Faults::default(), 100);
        assert_eq!(due, (0..100).map(|number| vec![number]).collect::<Vec<_>>());
        assert_eq!((relayed.frames, relayed.lost + relayed.duplicated + relayed.reordered), (100, 0));
    }

    #[test]
    fn each_fault_does_its_share_and_a_seed_repeats_it() {
        let (due, relayed) = pass(Faults { loss: 0.5, seed: 3, ..Faults::default() }, 200);
        assert!((60..140).contains(&due.len()) && due.len() as u64 + relayed.lost == 200);
        let all = Faults { loss: 0.1, duplication: 0.3, reordering: 0.3, delay_us: 5, seed: 9 };
        let (first, relayed) = pass(all, 200);
        assert!(relayed.duplicated > 0 && relayed.reordered > 0);
        assert!(first.windows(2).any(|pair| pair[0] > pair[1]));
        assert_eq!(first, pass(all, 200).0);
    }
}
