//! How many cycles things took.

use std::fmt;

/// Values with a count of their own; larger ones share one.
const EXACT_MAX: usize = 4096;

/// Counts of values in cycles.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    larger_count: u64,
    count: u64,
    max: u64,
}

impl Histogram {
    /// An empty one.
    pub fn new() -> Histogram {
        Histogram::default()
    }

    /// Counts one value.
    pub fn add(&mut self, cycles: u64) {
        self.count += 1;
        self.max = self.max.max(cycles);
        match usize::try_from(cycles) {
            Ok(index) if index < EXACT_MAX => {
                if self.counts.len() <= index {
                    self.counts.resize(index + 1, 0);
                }
                self.counts[index] += 1;
            }
            _ => self.larger_count += 1,
        }
    }

    /// Values counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest value; `None` if nothing was counted.
    pub fn min(&self) -> Option<u64> {
        self.quantile(0.0)
    }

    /// The largest value; `None` if nothing was counted.
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// The smallest value that at least this share of all values does not exceed.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let rank = ((share * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let exact = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        exact.map(|index| index as u64).or(self.max())
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(min), Some(median), Some(late), Some(max)) =
            (self.min(), self.quantile(0.5), self.quantile(0.99), self.max())
        else {
            return f.write_str("nothing counted");
        };
        write!(f, "min {min}, median {median}, 99 % {late}, max {max} cycles of {}", self.count)?;
        if self.larger_count > 0 {
            write!(f, " ({} of {EXACT_MAX} or more)", self.larger_count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_below_the_limit() {
        let mut histogram = Histogram::new();
        assert_eq!((histogram.min(), histogram.max()), (None, None));
        (1..=100).for_each(|cycles| histogram.add(cycles));
        histogram.add(1_000_000);
        assert_eq!((histogram.min(), histogram.quantile(0.5)), (Some(1), Some(51)));
        assert_eq!((histogram.quantile(0.99), histogram.max()), (Some(100), Some(1_000_000)));
        assert!(histogram.to_string().ends_with("of 101 (1 of 4096 or more)"));
    }
}
