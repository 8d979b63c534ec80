//! Simulated time, and how each member reads it: a local clock that drifts, a cluster clock that is off.

/// Simulated time and spans of it, in µs.
pub type Micros = u64;

/// The clocks of one member.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Local time at simulated time 0.
    pub offset_us: u64,
    /// Drift of the local clock in parts per million.
    pub drift_ppm: i64,
    /// Cluster time as the member reads it, minus simulated time; [`EPOCH_US`] keeps it positive.
    pub cluster_offset_us: i64,
}

/// Cluster time at simulated time 0.
const EPOCH_US: i64 = 1_000_000_000;

impl Clock {
    /// Monotonic local time.
    pub fn local(&self, at: Micros) -> u64 {
        self.offset_us + at.saturating_add_signed(at as i64 / 1_000_000 * self.drift_ppm + self.part(at))
    }

    fn part(&self, at: Micros) -> i64 {
        (at as i64 % 1_000_000) * self.drift_ppm / 1_000_000
    }

    /// Both clocks, as the engine wants them.
    pub fn now(&self, at: Micros) -> softnic::Now {
        let cluster_us = (at as i64 + EPOCH_US + self.cluster_offset_us).max(1) as u64;
        softnic::Now { local_us: self.local(at), cluster_us }
    }

    /// The first simulated time at which the local clock has reached `local_us`, not before `now`.
    pub fn when(&self, local_us: u64, now: Micros) -> Micros {
        let mut at = now.max(local_us.saturating_sub(self.offset_us));
        // Drift is small: a few steps settle it.
        for _ in 0..4 {
            let missing = local_us.saturating_sub(self.local(at));
            if missing == 0 {
                break;
            }
            at += missing;
        }
        let back = self.local(at).saturating_sub(local_us);
        (at - back.min(at - now)).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_time_is_found_again_under_drift() {
        for drift_ppm in [-200, 0, 200] {
            let clock = Clock { offset_us: 5_000_000, drift_ppm, cluster_offset_us: -700 };
            for at in [0, 1, 999, 1_000_000, 9_876_543] {
                let found = clock.when(clock.local(at), 0);
                assert!(found.abs_diff(at) <= 2, "{at} found as {found}");
            }
            assert_eq!(clock.when(0, 77), 77);
        }
    }
}
