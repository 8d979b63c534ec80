//! When a side of a handshake is not ready: patterns that find different faults.

use fastrand::Rng;

/// A pattern of stalls, one answer per cycle.
#[derive(Clone, Debug)]
pub struct Stalls {
    random: Rng,
    pattern: Pattern,
    /// Cycles left of the present stretch, and whether it is a stall.
    left: u32,
    is_stall: bool,
}

#[derive(Clone, Copy, Debug)]
enum Pattern {
    Never,
    /// Each cycle by itself, with this chance of 256.
    Some {
        chance: u8,
    },
    /// Until the other side offers something.
    UntilOffered,
    /// Stretches of up to so many cycles.
    Bursts {
        stall_max: u32,
        flow_max: u32,
    },
}

impl Stalls {
    fn with(random: Rng, pattern: Pattern) -> Stalls {
        Stalls { random, pattern, left: 0, is_stall: false }
    }

    /// Always ready.
    pub fn never() -> Stalls {
        Stalls::with(Rng::with_seed(0), Pattern::Never)
    }

    /// Not ready in so many of a hundred cycles, each by itself.
    pub fn percent(random: Rng, percent: u32) -> Stalls {
        let chance = (percent.min(99) * 256 / 100) as u8;
        Stalls::with(random, Pattern::Some { chance })
    }

    /// Stretches of 1 to `stall_max` cycles not ready, then 1 to `flow_max` ready.
    pub fn bursts(random: Rng, stall_max: u32, flow_max: u32) -> Stalls {
        Stalls::with(random, Pattern::Bursts { stall_max, flow_max })
    }

    /// Ready only for what is offered already: a top that waits for ready before it offers waits for ever.
    pub fn until_offered() -> Stalls {
        Stalls::with(Rng::with_seed(0), Pattern::UntilOffered)
    }

    /// One of the patterns, drawn: never, rare, half, mostly, until offered, short bursts, long bursts.
    ///
    /// Full speed fills pipelines, long stalls fill queues, rare ones hit the moment between.
    pub fn drawn(mut random: Rng) -> Stalls {
        match random.u32(0..7) {
            0 => Stalls::never(),
            1 => Stalls::percent(random, 3),
            2 => Stalls::percent(random, 50),
            3 => Stalls::percent(random, 90),
            4 => Stalls::bursts(random, 4, 4),
            5 => Stalls::until_offered(),
            _ => Stalls::bursts(random, 100, 200),
        }
    }

    /// Whether this cycle is a stall; `is_offered` says whether the other side has something. A side that
    /// offers itself says true.
    #[inline]
    pub fn is_stalled(&mut self, is_offered: bool) -> bool {
        match self.pattern {
            Pattern::Never => false,
            Pattern::UntilOffered => !is_offered,
            Pattern::Some { chance } => self.random.u8(..) < chance,
            Pattern::Bursts { stall_max, flow_max } => {
                if self.left == 0 {
                    self.is_stall = !self.is_stall;
                    self.left = self.random.u32(1..=if self.is_stall { stall_max } else { flow_max });
                }
                self.left -= 1;
                self.is_stall
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stalled(mut stalls: Stalls) -> usize {
        (0..10_000).filter(|n| stalls.is_stalled(n % 4 == 0)).count()
    }

    #[test]
    fn patterns_stall_as_often_as_they_say() {
        let random = || Rng::with_seed(1);
        assert_eq!(stalled(Stalls::never()), 0);
        assert_eq!(stalled(Stalls::until_offered()), 7_500);
        assert!((2_800..3_200).contains(&stalled(Stalls::percent(random(), 30))));
        assert!((4_000..6_000).contains(&stalled(Stalls::bursts(random(), 10, 10))));
    }
}
