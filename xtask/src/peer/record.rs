//! What the client remembers of one connection, and the report it makes of it.
//!
//! Enters: times of answers and errors. Leaves: at each mark, the largest gaps since the mark
//! before. A connection that failed stays failed; one that was silent for more than
//! [`STALLED_US`] counts as failed even if it answers again.

use crate::demo::plan::Kind;
use serde::{Deserialize, Serialize};

/// Silence after which a connection counts as lost.
pub(crate) const STALLED_US: u64 = 3_000_000;

/// Silence at a mark that nobody's retransmission timer explains: acts end later than that after
/// their last fault.
const SILENT_US: u64 = 1_000_000;

/// How many gaps a report names, the largest first.
const GAPS_MAX: usize = 12;

/// The time between two answers, monotonic microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    /// The answer before.
    pub(crate) start_us: u64,
    /// The answer after, or the time of the mark if none has come yet.
    pub(crate) end_us: u64,
}

impl Gap {
    /// Its length.
    pub(crate) fn us(self) -> u64 {
        self.end_us.saturating_sub(self.start_us)
    }
}

/// One connection's answers since it was opened.
pub(crate) struct Record {
    last_us: u64,
    answers_count: u64,
    gaps: Vec<Gap>,
    error: Option<String>,
}

impl Record {
    /// A connection opened at `now_us`.
    pub(crate) fn open(now_us: u64) -> Record {
        Record { last_us: now_us, answers_count: 0, gaps: Vec::new(), error: None }
    }

    /// Whether the connection has not failed.
    pub(crate) fn is_alive(&self) -> bool {
        self.error.is_none()
    }

    /// An answer arrived.
    pub(crate) fn answer(&mut self, now_us: u64) {
        self.close_gap(now_us);
        self.answers_count += 1;
        self.last_us = now_us;
    }

    /// The connection failed; the first reason stays.
    pub(crate) fn fail(&mut self, reason: impl Into<String>) {
        self.error.get_or_insert(reason.into());
    }

    /// Reports the time since the mark before and starts the next one.
    pub(crate) fn mark(&mut self, id: usize, kind: Kind, now_us: u64) -> Report {
        if self.is_alive() {
            let open = Gap { start_us: self.last_us, end_us: now_us };
            if open.us() > STALLED_US {
                self.fail(format!("stalled for {:.1} s", open.us() as f64 / 1e6));
            }
            self.close_gap(now_us);
        }
        let mut gaps = std::mem::take(&mut self.gaps);
        gaps.sort_by_key(|gap| std::cmp::Reverse(gap.us()));
        let silent_us = now_us.saturating_sub(self.last_us);
        Report { id, kind, error: self.error.clone(), answers_count: self.answers_count, silent_us, gaps }
    }

    /// Silence before the load is started again is nobody's gap.
    pub(crate) fn resume(&mut self, now_us: u64) {
        self.last_us = now_us;
    }

    fn close_gap(&mut self, now_us: u64) {
        let gap = Gap { start_us: self.last_us, end_us: now_us };
        if gap.us() > STALLED_US {
            self.fail(format!("stalled for {:.1} s", gap.us() as f64 / 1e6));
        }
        if self.gaps.len() < GAPS_MAX {
            self.gaps.push(gap);
            return;
        }
        let smallest = self.gaps.iter_mut().min_by_key(|gap| gap.us()).expect("the list is full");
        if smallest.us() < gap.us() {
            *smallest = gap;
        }
    }
}

/// One connection at a mark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Its number.
    pub(crate) id: usize,
    /// What it carries.
    pub(crate) kind: Kind,
    /// Why it failed, if it did.
    pub(crate) error: Option<String>,
    /// Answers since it was opened.
    pub(crate) answers_count: u64,
    /// Time without an answer up to the mark.
    pub(crate) silent_us: u64,
    /// Its largest gaps since the mark before, the largest first.
    pub(crate) gaps: Vec<Gap>,
}

impl Report {
    /// Why the connection does not count as alive; `None` if it does. One that has not failed
    /// but has not come back by the mark either has not survived the act.
    pub(crate) fn lost(&self) -> Option<String> {
        let silent = || format!("silent for {:.1} s at the end", self.silent_us as f64 / 1e6);
        self.error.clone().or_else(|| (self.silent_us > SILENT_US).then(silent))
    }
}

/// All connections at a mark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The name the mark was asked under.
    pub(crate) name: String,
    /// When, monotonic microseconds.
    pub(crate) at_us: u64,
    /// Each connection.
    pub(crate) connections: Vec<Report>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_gap_survives_many_small_ones() {
        let mut record = Record::open(0);
        record.answer(90_000);
        for answer in 1..100 {
            record.answer(90_000 + answer * 5_000);
        }
        let report = record.mark(0, Kind::Ipv4, 586_000);
        assert_eq!(report.gaps[0], Gap { start_us: 0, end_us: 90_000 });
        assert_eq!(report.gaps.len(), GAPS_MAX);
        assert_eq!(report.error, None);
        record.answer(590_000);
        assert_eq!(record.mark(0, Kind::Ipv4, 590_000).gaps[0].us(), 5_000);
    }

    #[test]
    fn silence_is_a_gap_and_then_a_failure() {
        let mut record = Record::open(0);
        assert_eq!(record.mark(0, Kind::Udp, STALLED_US).gaps[0].us(), STALLED_US);
        assert!(record.is_alive());
        let lost = record.mark(0, Kind::Udp, STALLED_US).lost();
        assert_eq!(lost.as_deref(), Some("silent for 3.0 s at the end"), "it has not come back");
        let report = record.mark(0, Kind::Udp, STALLED_US + 1);
        assert_eq!(report.error.as_deref(), Some("stalled for 3.0 s"));
        record.answer(STALLED_US + 2);
        assert!(!record.is_alive(), "a lost connection stays lost");
    }

    #[test]
    fn a_long_gap_that_ended_is_a_failure_too() {
        let mut record = Record::open(0);
        record.answer(STALLED_US + 1);
        assert!(!record.is_alive());
    }
}
