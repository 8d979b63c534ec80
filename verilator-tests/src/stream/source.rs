//! Sends frames into one stream of a top, with stalls.
//!
//! While nothing is valid, and behind the end of a frame, the data port carries noise: a top that looks
//! at it is found out.

use super::{keep_of, Monitor, Rules, BEAT_BYTES_MAX};
use crate::bench::{Agent, Bench};
use crate::error::Result;
use crate::port::{Input, Port};
use crate::stalls::Stalls;
use fastrand::Rng;
use std::collections::VecDeque;

/// When a frame went in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Cycle in which its first beat was taken.
    pub first_cycle: u64,
    /// Cycle in which its last beat was taken.
    pub last_cycle: u64,
}

struct Frame {
    bytes: Vec<u8>,
    user: u64,
}

/// Drives `tvalid` and everything with it; frames leave in the order they were pushed.
pub struct Source {
    valid: Input<bool>,
    ready: Option<Port<bool>>,
    data: Input<[u8; BEAT_BYTES_MAX]>,
    keep: Option<Input<u128>>,
    last: Option<Input<bool>>,
    user: Option<Input<u64>>,
    bytes_max: usize,
    stalls: Stalls,
    gapless: bool,
    noise: Rng,
    frames: VecDeque<Frame>,
    /// Bytes of the first frame that were taken.
    offset: usize,
    /// Whether a beat is on the port.
    is_valid: bool,
    first_cycle: u64,
    sent: VecDeque<Sent>,
}

impl Source {
    /// Sends to the stream with this prefix. With `rules.gapless` it stalls between frames only.
    pub fn new(bench: &mut Bench, prefix: &str, stalls: Stalls, rules: Rules) -> Result<Source> {
        let noise = bench.fork_random();
        let top = bench.top();
        let name = |suffix: &str| format!("{prefix}_{suffix}");
        let has = |suffix: &str| top.has(&name(suffix));
        let mut source = Source {
            valid: top.input(&name("tvalid"))?,
            ready: has("tready").then(|| top.port(&name("tready"))).transpose()?,
            data: top.input(&name("tdata"))?,
            keep: has("tkeep").then(|| top.input(&name("tkeep"))).transpose()?,
            last: has("tlast").then(|| top.input(&name("tlast"))).transpose()?,
            user: has("tuser").then(|| top.input(&name("tuser"))).transpose()?,
            bytes_max: Monitor::new(bench, prefix, rules)?.bytes_max(),
            stalls,
            gapless: rules.gapless,
            noise,
            frames: VecDeque::new(),
            offset: 0,
            is_valid: false,
            first_cycle: 0,
            sent: VecDeque::new(),
        };
        source.idle();
        Ok(source)
    }

    /// Adds a frame to those that wait.
    ///
    /// # Panics
    /// If it is empty: a beat carries at least one byte.
    pub fn push(&mut self, bytes: impl Into<Vec<u8>>) {
        self.push_with_user(bytes, 0);
    }

    /// Adds a frame with this `tuser` on each beat.
    ///
    /// # Panics
    /// If it is empty.
    pub fn push_with_user(&mut self, bytes: impl Into<Vec<u8>>, user: u64) {
        let bytes = bytes.into();
        assert!(!bytes.is_empty(), "a frame has at least one byte");
        self.frames.push_back(Frame { bytes, user });
    }

    /// Frames that are not yet taken whole.
    pub fn frames_count(&self) -> usize {
        self.frames.len()
    }

    /// When the oldest taken frame not yet asked for went in.
    pub fn next_sent(&mut self) -> Option<Sent> {
        self.sent.pop_front()
    }

    fn noise(&mut self) -> [u8; BEAT_BYTES_MAX] {
        let mut data = [0; BEAT_BYTES_MAX];
        self.noise.fill(&mut data[..self.bytes_max]);
        data
    }

    fn idle(&mut self) {
        self.is_valid = false;
        self.valid.set(false);
        let data = self.noise();
        self.data.set(data);
    }

    fn show(&mut self) {
        let (offset, bytes_max) = (self.offset, self.bytes_max);
        let Some(frame) = self.frames.front() else { return };
        let left = frame.bytes.len() - offset;
        let count = left.min(bytes_max);
        let mut data = [0; BEAT_BYTES_MAX];
        if count < bytes_max {
            self.noise.fill(&mut data[..bytes_max]);
        }
        data[..count].copy_from_slice(&frame.bytes[offset..offset + count]);
        self.data.set(data);
        if let Some(keep) = &self.keep {
            keep.set(keep_of(count));
        }
        if let Some(last) = &self.last {
            last.set(left <= bytes_max);
        }
        if let Some(user) = &self.user {
            user.set(frame.user);
        }
        self.is_valid = true;
        self.valid.set(true);
    }
}

impl Agent for Source {
    #[inline]
    fn drive(&mut self) {
        if self.is_valid {
            return;
        }
        let may_stall = !self.gapless || self.offset == 0;
        let pauses = self.frames.is_empty() || may_stall && self.stalls.is_stalled(true);
        if !pauses {
            self.show();
        } else if self.valid.get() {
            // Noise once a pause is enough, and cheap.
            self.idle();
        }
    }

    #[inline]
    fn sample(&mut self, cycle: u64) -> Result<()> {
        if !self.is_valid || self.ready.as_ref().is_some_and(|ready| !ready.get()) {
            return Ok(());
        }
        if self.offset == 0 {
            self.first_cycle = cycle;
        }
        self.offset += self.bytes_max;
        self.is_valid = false;
        if self.frames.front().is_some_and(|frame| frame.bytes.len() <= self.offset) {
            self.frames.pop_front();
            self.offset = 0;
            self.sent.push_back(Sent { first_cycle: self.first_cycle, last_cycle: cycle });
        }
        Ok(())
    }
}
