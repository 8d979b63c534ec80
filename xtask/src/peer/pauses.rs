//! Pauses of the machine itself: how late a thread wakes up that nothing may hold back.
//!
//! A virtual machine whose host takes its processors away stops every heartbeat at once. Without this
//! figure a bench would count that as the agent's. Enters: a processor; any line on standard input.
//! Leaves: the longest pause since the line before.

use super::control::answer;
use crate::clock::mono_us;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use trine_daemon::realtime;

/// How often the thread wakes up.
const STEP: Duration = Duration::from_millis(1);
/// Above everything that the benches start.
const PRIORITY: i32 = realtime::PULSE_PRIORITY + 20;

static LONGEST_US: AtomicU64 = AtomicU64::new(0);

/// What a line is answered with.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Paused {
    /// The longest pause.
    pub(crate) longest_us: u64,
}

/// Watches one processor until standard input closes.
pub(crate) fn run(processor: usize) -> Result<()> {
    std::thread::spawn(move || watch(processor));
    for line in std::io::stdin().lock().lines() {
        line.map_err(Error::system("reading a control line"))?;
        answer(&Paused { longest_us: LONGEST_US.swap(0, Ordering::Relaxed) })?;
    }
    Ok(())
}

fn watch(processor: usize) {
    // SAFETY: all-zero bytes are an empty set; CPU_SET checks the number against its size; 0 names the
    // calling thread.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        libc::sched_setaffinity(0, std::mem::size_of::<libc::cpu_set_t>(), &set);
    }
    // Without it the figure is an upper bound only.
    let _ = realtime::schedule(PRIORITY);
    let mut last_us = mono_us();
    loop {
        std::thread::sleep(STEP);
        let now_us = mono_us();
        let pause_us = (now_us - last_us).saturating_sub(STEP.as_micros() as u64);
        LONGEST_US.fetch_max(pause_us, Ordering::Relaxed);
        last_us = now_us;
    }
}
