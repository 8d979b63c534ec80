//! Pauses that keep a busy real-time thread below the kernel's limit for such threads.
//!
//! Linux lets real-time threads take 95 % of a processor in each second (`sched_rt_runtime_us`) and then
//! stops them for the rest of it: 50 ms without a heartbeat, longer than a peer waits (measured: a takeover
//! without a fault). A thread that gives way by itself for a tenth of its time never gets there.
//!
//! Enters: when a wait began and ended. Leaves: how long to pause. Does not sleep itself.

/// Length of a window in µs.
const WINDOW_US: u64 = 10_000;
/// Rest that each window holds at least, in µs.
const REST_US: u64 = 1_000;

/// What was rested in the current window.
#[derive(Debug)]
pub struct Rest {
    window_us: u64,
    rested_us: u64,
}

impl Rest {
    /// The first window begins.
    pub fn new(now_us: u64) -> Self {
        Self { window_us: now_us, rested_us: 0 }
    }

    /// Notes a wait; returns how long to pause now, in µs, 0 for not at all.
    pub fn waited(&mut self, from_us: u64, to_us: u64) -> u64 {
        self.rested_us += to_us.saturating_sub(from_us);
        if to_us < self.window_us + WINDOW_US {
            return 0;
        }
        let pause_us = REST_US.saturating_sub(self.rested_us);
        *self = Self::new(to_us + pause_us);
        pause_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `turn_us` of work and `wait_us` of waiting in turn for a second; returns the share worked.
    fn share(turn_us: u64, wait_us: u64) -> f64 {
        let (mut rest, mut now_us, mut worked_us) = (Rest::new(0), 0, 0);
        while now_us < 1_000_000 {
            worked_us += turn_us;
            now_us += turn_us;
            let pause_us = rest.waited(now_us, now_us + wait_us);
            now_us += wait_us + pause_us;
        }
        worked_us as f64 / now_us as f64
    }

    #[test]
    fn a_busy_thread_gives_way_and_an_idle_one_is_left_alone() {
        assert!(share(300, 1) < 0.92);
        assert!(share(4_000, 0) < 0.94);
        assert_eq!(Rest::new(0).waited(0, 20_000), 0);
    }
}
