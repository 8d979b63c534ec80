//! What a run reports: acts with their timeline, gaps, survivors and bars. Plain values that
//! serialize to the JSON answer; the text form is in `print`.

use super::plan::Kind;
use crate::peer::record::{Gap, Mark, Report};
use serde::Serialize;

/// Something that happened, in milliseconds from the act's start.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Moment {
    /// When.
    pub(crate) ms: f64,
    /// What.
    pub(crate) what: String,
}

/// Smallest, middle and largest of a set of milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// Smallest.
    pub(crate) min_ms: f64,
    /// Upper median.
    pub(crate) median_ms: f64,
    /// Largest.
    pub(crate) max_ms: f64,
}

impl Spread {
    /// `None` of an empty set.
    pub(crate) fn of(values_us: impl IntoIterator<Item = u64>) -> Option<Spread> {
        let mut values: Vec<u64> = values_us.into_iter().collect();
        values.sort_unstable();
        let ms = |us: u64| us as f64 / 1e3;
        Some(Spread {
            min_ms: ms(*values.first()?),
            median_ms: ms(values[values.len() / 2]),
            max_ms: ms(*values.last()?),
        })
    }
}

/// When the survivor took over, for gaps that count from the last sign of life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takeover {
    /// The last heartbeat the survivor heard.
    pub(crate) last_heartbeat_us: u64,
    /// Its decision.
    pub(crate) at_us: u64,
    /// Its addresses are in place.
    pub(crate) serving_us: u64,
}

impl Takeover {
    /// The connection's gap between decision and service. An owner whose links are up may answer
    /// until its lease ends, so the largest one counts, which the report names first.
    pub(crate) fn gap_of(self, report: &Report) -> Option<Gap> {
        report.gaps.iter().find(|gap| gap.start_us <= self.serving_us && gap.end_us > self.at_us).copied()
    }

    /// From the last heartbeat to the connection's first answer after the takeover. A
    /// connection without a gap across the takeover waited no longer than its largest gap.
    fn gap_us(self, report: &Report) -> Option<u64> {
        let end_us = self.gap_of(report).map(|gap| gap.end_us);
        let largest_us = report.gaps.first().map(|gap| gap.us());
        end_us.map(|end_us| end_us.saturating_sub(self.last_heartbeat_us)).or(largest_us)
    }
}

/// All connections of one kind in one act.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct KindResult {
    /// The kind.
    pub(crate) kind: Kind,
    /// How many are alive at the end.
    pub(crate) alive_count: usize,
    /// How many there were.
    pub(crate) count: usize,
    /// Largest gap of each living connection.
    pub(crate) gap: Option<Spread>,
    /// From the last heartbeat to the first answer after the takeover, where there was one.
    pub(crate) from_heartbeat: Option<Spread>,
    /// Why the others are lost, each reason once.
    pub(crate) errors: Vec<String>,
}

impl KindResult {
    fn of(kind: Kind, reports: &[Report], takeover: Option<Takeover>) -> KindResult {
        let all: Vec<&Report> = reports.iter().filter(|report| report.kind == kind).collect();
        let alive: Vec<&&Report> = all.iter().filter(|report| report.lost().is_none()).collect();
        let mut errors: Vec<String> = all.iter().filter_map(|report| report.lost()).collect();
        errors.sort();
        errors.dedup();
        KindResult {
            kind,
            alive_count: alive.len(),
            count: all.len(),
            gap: Spread::of(alive.iter().filter_map(|report| report.gaps.first()).map(|gap| gap.us())),
            from_heartbeat: takeover
                .and_then(|takeover| Spread::of(alive.iter().filter_map(|report| takeover.gap_us(report)))),
            errors,
        }
    }
}

/// One condition of an act and how it came out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Bar {
    /// The condition.
    pub(crate) what: String,
    /// What was seen.
    pub(crate) seen: String,
    /// Whether it holds.
    pub(crate) pass: bool,
    /// Whether it is a matter of time: a busy machine may miss it, a wrong agent is not meant.
    pub(crate) timed: bool,
}

impl Bar {
    /// A condition that holds or not.
    pub(crate) fn holds(what: impl Into<String>, pass: bool, seen: impl Into<String>) -> Bar {
        Bar { what: what.into(), seen: seen.into(), pass, timed: false }
    }

    /// A measured value with an upper limit; no value is a miss.
    pub(crate) fn at_most(what: &str, value_ms: Option<f64>, limit_ms: f64) -> Bar {
        Bar {
            what: format!("{what} ≤ {limit_ms} ms"),
            seen: value_ms.map_or("nothing measured".into(), |value| format!("{value:.1} ms")),
            pass: value_ms.is_some_and(|value| value <= limit_ms),
            // A value that is missing is no matter of time.
            timed: value_ms.is_some(),
        }
    }
}

/// One act.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Act {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it does, in a sentence.
    pub(crate) title: &'static str,
    /// All bars hold.
    pub(crate) pass: bool,
    /// What happened when.
    pub(crate) timeline: Vec<Moment>,
    /// Survivors and gaps.
    pub(crate) kinds: Vec<KindResult>,
    /// Largest gap over all request-response connections.
    pub(crate) gap: Option<Spread>,
    /// The same from the last heartbeat.
    pub(crate) from_heartbeat: Option<Spread>,
    /// The conditions.
    pub(crate) bars: Vec<Bar>,
}

impl Act {
    /// An act that has not been judged; `mark` covers its time.
    pub(crate) fn of(
        name: &'static str,
        title: &'static str,
        mark: &Mark,
        takeover: Option<Takeover>,
    ) -> Act {
        let reports = &mark.connections;
        let kinds = Kind::ALL.map(|kind| KindResult::of(kind, reports, takeover)).to_vec();
        let answering: Vec<&Report> = reports
            .iter()
            .filter(|report| report.kind.is_request_response() && report.lost().is_none())
            .collect();
        let gap = Spread::of(answering.iter().filter_map(|report| report.gaps.first()).map(|gap| gap.us()));
        let from_heartbeat = takeover
            .and_then(|takeover| Spread::of(answering.iter().filter_map(|report| takeover.gap_us(report))));
        Act { name, title, pass: false, timeline: Vec::new(), kinds, gap, from_heartbeat, bars: Vec::new() }
    }

    /// An act that could not be played to its end.
    pub(crate) fn broken(name: &'static str, title: &'static str, problem: String) -> Act {
        let nothing = Mark { name: name.into(), at_us: 0, connections: Vec::new() };
        let mut act = Act::of(name, title, &nothing, None);
        act.kinds.clear();
        act.bars.push(Bar::holds("the act was played to its end", false, problem));
        act
    }

    /// TCP connections alive and all TCP connections.
    pub(crate) fn tcp_survivors(&self) -> (usize, usize) {
        let tcp = self.kinds.iter().filter(|result| result.kind.is_tcp());
        tcp.fold((0, 0), |(alive, all), result| (alive + result.alive_count, all + result.count))
    }

    /// All connections alive and all connections.
    pub(crate) fn survivors(&self) -> (usize, usize) {
        self.kinds
            .iter()
            .fold((0, 0), |(alive, all), result| (alive + result.alive_count, all + result.count))
    }

    /// The bar of every act with agents.
    pub(crate) fn require_all_alive(&mut self) {
        let (alive, all) = self.survivors();
        let mut errors: Vec<&str> =
            self.kinds.iter().flat_map(|result| result.errors.iter().map(String::as_str)).collect();
        errors.dedup();
        let mut seen = format!("{alive} of {all}");
        if !errors.is_empty() {
            seen.push_str(&format!(" ({})", errors.join(", ")));
        }
        self.require(Bar::holds("every connection survives", all > 0 && alive == all, seen));
    }

    /// Adds a condition.
    pub(crate) fn require(&mut self, bar: Bar) {
        self.bars.push(bar);
    }

    /// Settles the verdict.
    pub(crate) fn judged(mut self) -> Act {
        self.timeline.sort_by(|one, other| one.ms.total_cmp(&other.ms));
        self.pass = !self.bars.is_empty() && self.bars.iter().all(|bar| bar.pass);
        self
    }
}

impl Act {
    /// The verdict without the bars of time: what a gate on a machine of unknown load can hold.
    pub(crate) fn untimed(mut self) -> Act {
        self.pass = !self.bars.is_empty() && self.bars.iter().all(|bar| bar.pass || bar.timed);
        self
    }
}

/// One whole run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunReport {
    /// All acts passed.
    pub(crate) pass: bool,
    /// The acts in the order they were played.
    pub(crate) acts: Vec<Act>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(kind: Kind, error: Option<&str>, gaps: &[(u64, u64)]) -> Report {
        let gaps =
            gaps.iter().map(|(start_us, end_us)| Gap { start_us: *start_us, end_us: *end_us }).collect();
        Report { id: 0, kind, error: error.map(str::to_owned), answers_count: 1, silent_us: 0, gaps }
    }

    fn mark(connections: Vec<Report>) -> Mark {
        Mark { name: "kill".into(), at_us: 0, connections }
    }

    #[test]
    fn a_spread_has_its_middle() {
        let spread = Spread::of([30_000, 10_000, 20_000]).expect("values");
        assert_eq!(spread, Spread { min_ms: 10.0, median_ms: 20.0, max_ms: 30.0 });
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn the_gap_from_the_heartbeat_ends_with_the_first_answer_after_the_takeover() {
        let takeover = Takeover { last_heartbeat_us: 100_000, at_us: 135_000, serving_us: 139_000 };
        let connections = vec![
            // A longer gap elsewhere does not hide the one across the takeover.
            report(Kind::Ipv4, None, &[(900_000, 999_000), (99_000, 140_000)]),
            report(Kind::Ipv4, None, &[(101_000, 150_000)]),
            report(Kind::Download, None, &[(99_000, 330_000)]),
        ];
        let act = Act::of("kill", "", &mark(connections), Some(takeover));
        let spread = act.from_heartbeat.expect("two answering connections");
        assert_eq!((spread.min_ms, spread.max_ms), (40.0, 50.0));
        assert_eq!(act.gap.expect("gaps").max_ms, 99.0);
    }

    #[test]
    fn one_lost_connection_fails_the_act() {
        let connections =
            vec![report(Kind::Ipv4, None, &[(0, 5_000)]), report(Kind::Upload, Some("reset"), &[])];
        let mut act = Act::of("move", "", &mark(connections), None);
        assert_eq!(act.tcp_survivors(), (1, 2));
        act.require_all_alive();
        let act = act.judged();
        assert!(!act.pass);
        assert_eq!(act.bars[0].seen, "1 of 2 (reset)");
    }

    #[test]
    fn an_act_without_bars_or_values_never_passes() {
        let act = Act::of("move", "", &mark(Vec::new()), None);
        assert!(!act.clone().judged().pass);
        assert!(!Bar::at_most("gap", None, 20.0).pass);
        let slow = Act { bars: vec![Bar::at_most("gap", Some(21.0), 20.0)], ..act.clone() };
        assert!(!slow.clone().judged().pass && slow.judged().untimed().pass);
        let unmeasured = Act { bars: vec![Bar::at_most("gap", None, 20.0)], ..act.clone() };
        assert!(!unmeasured.judged().untimed().pass);
        assert!(Bar::at_most("gap", Some(20.0), 20.0).pass);
        assert!(!Bar::at_most("gap", Some(20.1), 20.0).pass);
    }
}
