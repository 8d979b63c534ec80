//! Whole TCP connections through the gateway, made of frames: the gateway's own tracker makes the
//! events, as it does under real traffic, and nothing but the gateway's part costs time.
//!
//! Enters: lines on standard input. `fill` sends every tuple's connection once; `run SECONDS RATE` sends
//! connections at a pace, each one ending the one before it on its tuple, as ports return; `idle COUNT`
//! opens one connection at a time and waits until the standby's table holds it; `loaded SECONDS RATE
//! PROBES` does so beside a load. Leaves: one [`Lived`] or [`Latencies`] per line. Frames are built once,
//! before anything is measured.
//!
//! A frame sent into a veth passes the gateway before the call returns, on this processor: so the CPU
//! time of a connection is that of forwarding it, and the frames of a connection stay in order.

mod frames;
mod probe;

use super::control::answer;
use super::raw::RawSocket;
use crate::clock::{mono_us, thread_cpu_ns};
use crate::error::{Error, Result};
use frames::{lives, Life, Side, FRAMES_COUNT};
use probe::Standby;
use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Where the connections of the load go, and those whose copying is timed; both ends drop them.
pub(crate) const LOAD_PORT: u16 = 5_001;
/// See [`LOAD_PORT`].
pub(crate) const PROBE_PORT: u16 = 5_002;
/// Tuples of the load; that many connections are in the gateway's table.
pub(crate) const RING: usize = 20_000;
/// Events that a connection of the ring causes: the end of the one before it on its tuple, the new one,
/// and a change of state for each frame that follows.
pub(crate) const EVENTS_PER_LIFE: u64 = 7;
/// Tuples of the timed connections.
const PROBES: usize = 20_000;
/// Frames after which a connection is open.
const OPEN_FRAMES: usize = 3;
/// Lonely connections that may fail to be copied before the measurement is given up.
const UNSEEN_MAX: usize = 10;
/// Whoever copies slowly is measured with fewer connections.
const IDLE_US: u64 = 5_000_000;
/// Connections come in bursts this far apart, as an interface hands frames over.
const TICK: Duration = Duration::from_micros(250);

/// What `fill` and `run` did.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Lived {
    /// Connections sent.
    pub(crate) lives: u64,
    /// How long that took.
    pub(crate) seconds: f64,
    /// CPU time per connection: forwarding, events and the wake-ups they cause.
    pub(crate) cpu_us: f64,
}

/// What `idle` and `loaded` saw.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Latencies {
    /// From the first frame of a connection to its entry in the standby's table, rising; the limit for
    /// those that were not seen.
    pub(crate) sorted_us: Vec<u64>,
    /// Connections that never came there.
    pub(crate) unseen: u64,
    /// Connections of the load beside them, per second.
    pub(crate) lives_per_second: f64,
}

impl Latencies {
    /// The value that a share of all stays below.
    pub(crate) fn quantile_us(&self, share: f64) -> f64 {
        let last = self.sorted_us.len().saturating_sub(1);
        let index = (share * self.sorted_us.len() as f64) as usize;
        self.sorted_us.get(index.min(last)).map_or(f64::INFINITY, |latency_us| *latency_us as f64)
    }
}

/// Serves lines until standard input closes.
pub(crate) fn run(server: &str, standby: &str) -> Result<()> {
    // This process stands in the client's namespace.
    let client = RawSocket::open("eth0")?;
    enter(server)?;
    let server = RawSocket::open("eth0")?;
    enter(standby)?;
    super::measure_undisturbed()?;
    let mut generator = Generator {
        client,
        server,
        ring: lives(LOAD_PORT, RING),
        probes: lives(PROBE_PORT, PROBES),
        next: 0,
        probed: 0,
    };
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(Error::system("reading a control line"))?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let wrong = || Error::Unexpected(format!("lives: `{line}`"));
        let number =
            |index: usize| words.get(index).and_then(|word| word.parse::<f64>().ok()).ok_or_else(wrong);
        match words.first() {
            Some(&"fill") => answer(&generator.fill()?)?,
            Some(&"run") => answer(&generator.run(number(1)?, number(2)?)?)?,
            Some(&"idle") => answer(&generator.idle(number(1)? as usize)?)?,
            Some(&"loaded") => answer(&generator.loaded(number(1)?, number(2)?, number(3)?)?)?,
            Some(_) | None => return Err(wrong()),
        }
    }
    Ok(())
}

struct Generator {
    client: RawSocket,
    server: RawSocket,
    ring: Vec<Life>,
    probes: Vec<Life>,
    next: usize,
    probed: usize,
}

impl Generator {
    fn fill(&mut self) -> Result<Lived> {
        self.next = 0;
        // Slow enough that nobody falls behind before anything is measured.
        const RATE: f64 = 10_000.0;
        self.run(RING as f64 / RATE, RATE)
    }

    /// Sends connections at a pace, or as many as fit into the time.
    fn run(&mut self, seconds: f64, rate: f64) -> Result<Lived> {
        let lives_max = (seconds * rate) as u64;
        let start_us = mono_us();
        let (mut lives, mut cpu_ns) = (0, 0);
        loop {
            let elapsed = (mono_us() - start_us) as f64 / 1e6;
            let due = ((elapsed * rate) as u64 + 1).min(lives_max);
            let before_ns = thread_cpu_ns();
            let burst_end_us = mono_us() + TICK.as_micros() as u64;
            while lives < due && mono_us() < burst_end_us {
                self.live()?;
                lives += 1;
            }
            cpu_ns += thread_cpu_ns() - before_ns;
            if lives == lives_max || elapsed >= seconds {
                break;
            }
            if lives == due {
                std::thread::sleep(TICK);
            }
        }
        let seconds = (mono_us() - start_us) as f64 / 1e6;
        Ok(Lived { lives, seconds, cpu_us: cpu_ns as f64 / 1e3 / lives.max(1) as f64 })
    }

    /// The next connection of the ring, from its first frame to its last.
    fn live(&mut self) -> Result<()> {
        let life = self.next;
        self.next = (life + 1) % self.ring.len();
        self.send(&self.ring[life], FRAMES_COUNT)
    }

    fn send(&self, life: &Life, frames_count: usize) -> Result<()> {
        for (side, frame) in &life.frames[..frames_count] {
            match side {
                Side::Client => self.client.send(frame)?,
                Side::Server => self.server.send(frame)?,
            }
        }
        Ok(())
    }

    /// Opens a connection that nobody has seen yet, and returns its number.
    fn probe(&mut self) -> Result<usize> {
        let probe = self.probed;
        if probe == self.probes.len() {
            return Err(Error::Unexpected("lives: no fresh tuples are left".into()));
        }
        self.probed += 1;
        self.send(&self.probes[probe], OPEN_FRAMES)?;
        Ok(probe)
    }

    fn idle(&mut self, count: usize) -> Result<Latencies> {
        let mut standby = Standby::watch(PROBES)?;
        let end_us = mono_us() + IDLE_US;
        for _ in 0..count {
            let sent_us = mono_us();
            if sent_us > end_us {
                break;
            }
            let probe = self.probe()?;
            standby.expect(probe, sent_us);
            while !standby.is_seen(probe) && mono_us() < sent_us + probe::LIMIT_US {
                standby.read()?;
            }
            if standby.waiting_count() > UNSEEN_MAX {
                return Err(Error::Unexpected(format!(
                    "lives: more than {UNSEEN_MAX} connections are not copied"
                )));
            }
            // Uneven, so that no timer of anybody stays in step with it.
            std::thread::sleep(Duration::from_micros(1_000 + (probe as u64 * 7_919) % 1_000));
        }
        standby.finish(0.0)
    }

    fn loaded(&mut self, seconds: f64, rate: f64, probes_per_second: f64) -> Result<Latencies> {
        let mut standby = Standby::watch(PROBES)?;
        let start_us = mono_us();
        let (mut lives, mut probes) = (0u64, 0u64);
        loop {
            let elapsed = (mono_us() - start_us) as f64 / 1e6;
            if elapsed >= seconds {
                break;
            }
            if lives < (elapsed * rate) as u64 {
                self.live()?;
                lives += 1;
            }
            if probes < (elapsed * probes_per_second) as u64 {
                let sent_us = mono_us();
                let probe = self.probe()?;
                standby.expect(probe, sent_us);
                probes += 1;
            }
            standby.read()?;
        }
        let lives_per_second = lives as f64 / seconds;
        let end_us = mono_us() + probe::LIMIT_US;
        while standby.waiting_count() > 0 && mono_us() < end_us {
            standby.read()?;
        }
        standby.finish(lives_per_second)
    }
}

/// Moves this thread into a named network namespace; its sockets stay where they were opened.
fn enter(namespace: &str) -> Result<()> {
    let path = format!("/run/netns/{namespace}");
    let file = std::fs::File::open(&path).map_err(Error::system(path.as_str()))?;
    // SAFETY: takes a live descriptor and a constant.
    let failed = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
    if failed == 0 {
        return Ok(());
    }
    Err(Error::system(format!("entering {path}"))(std::io::Error::last_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let latencies = Latencies { sorted_us: (1..=100).collect(), ..Latencies::default() };
        assert_eq!(
            [0.0, 0.5, 0.99, 1.0].map(|share| latencies.quantile_us(share)),
            [1.0, 51.0, 100.0, 100.0]
        );
        assert_eq!(Latencies::default().quantile_us(0.5), f64::INFINITY);
    }
}
