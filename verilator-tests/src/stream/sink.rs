//! Takes what a top sends on one stream, with stalls, and checks it on the way.

use super::{Monitor, Rules};
use crate::bench::{Agent, Bench};
use crate::error::{Error, Result};
use crate::port::Input;
use crate::stalls::Stalls;
use std::collections::VecDeque;

/// Bytes of the longest frame; a top that never ends one is at fault.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// One frame that came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// `tuser` of its last beat.
    pub user: u64,
    /// Cycle of its first beat.
    pub first_cycle: u64,
    /// Cycle of its last beat.
    pub last_cycle: u64,
}

/// Drives `tready` of one stream and collects its frames.
pub struct Sink {
    monitor: Monitor,
    name: String,
    ready: Option<Input<bool>>,
    stalls: Stalls,
    bytes: Vec<u8>,
    first_cycle: u64,
    frames: VecDeque<Received>,
}

impl Sink {
    /// Takes from the stream with this prefix. Where it has no `tready`, nothing stalls.
    pub fn new(bench: &Bench, prefix: &str, stalls: Stalls, rules: Rules) -> Result<Sink> {
        let ready = format!("{prefix}_tready");
        let ready = bench.top().has(&ready).then(|| bench.input(&ready)).transpose()?;
        let monitor = Monitor::new(bench, prefix, rules)?;
        Ok(Sink {
            monitor,
            name: prefix.into(),
            ready,
            stalls,
            bytes: Vec::new(),
            first_cycle: 0,
            frames: VecDeque::new(),
        })
    }

    /// The oldest whole frame not yet asked for.
    pub fn next_frame(&mut self) -> Option<Received> {
        self.frames.pop_front()
    }

    /// Whole frames not yet asked for.
    pub fn frames_count(&self) -> usize {
        self.frames.len()
    }

    /// The checks of this stream and its counts.
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }
}

impl Agent for Sink {
    #[inline]
    fn drive(&mut self) {
        if let Some(ready) = &self.ready {
            ready.set(!self.stalls.is_stalled(self.monitor.is_valid()));
        }
    }

    #[inline]
    fn sample(&mut self, cycle: u64) -> Result<()> {
        let Some(beat) = self.monitor.check(cycle)? else { return Ok(()) };
        if self.bytes.is_empty() {
            self.first_cycle = cycle;
        }
        self.bytes.extend_from_slice(beat.bytes());
        if beat.last {
            let bytes = std::mem::take(&mut self.bytes);
            let frame = Received { bytes, user: beat.user, first_cycle: self.first_cycle, last_cycle: cycle };
            self.frames.push_back(frame);
        } else if self.bytes.len() > FRAME_BYTES_MAX {
            let rule = format!("no tlast within {FRAME_BYTES_MAX} bytes");
            return Err(Error::Violation { cycle, port: self.name.clone(), rule });
        }
        Ok(())
    }
}
