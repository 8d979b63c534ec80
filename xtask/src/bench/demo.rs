//! How long connections stand still when a gateway dies: the act `kill`, several times,
//! without and with other flows in the table.

use super::{Good, Row};
use crate::demo::report::{Act, Spread};
use crate::demo::{play, ActName, Options};
use crate::error::{Error, Result};

/// Other flows of the second half.
const BACKGROUND_FLOWS: u32 = 100_000;
/// Bars from the last heartbeat.
const MEDIAN_MS: f64 = 60.0;
const MEDIAN_WITH_BACKGROUND_MS: f64 = 80.0;
const MAX_MS: f64 = 250.0;

/// Plays and measures.
pub(super) fn run(options: &super::Options) -> Result<Vec<Row>> {
    let backgrounds = options.background.map_or(vec![0, BACKGROUND_FLOWS], |flows| vec![flows]);
    let mut rows = Vec::new();
    for background in backgrounds {
        let demo = Options {
            // Rows are printed by the frame; standard output stays its own.
            json: true,
            runs: options.runs,
            background,
            act: Some(ActName::Kill),
            quick: true,
            binary: options.binary.clone(),
            keep_logs: options.keep_logs.clone(),
            ..Options::default()
        };
        let acts: Vec<Act> = play(&demo)?.into_iter().flat_map(|report| report.acts).collect();
        rows.extend(measure(&acts, background)?);
    }
    Ok(rows)
}

fn measure(acts: &[Act], background: u32) -> Result<Vec<Row>> {
    let spreads: Vec<Spread> = acts.iter().filter_map(|act| act.from_heartbeat).collect();
    if spreads.len() != acts.len() || spreads.is_empty() {
        let reasons = acts.iter().flat_map(|act| &act.bars).filter(|bar| !bar.pass);
        let reasons: Vec<String> = reasons.map(|bar| format!("{}: {}", bar.what, bar.seen)).collect();
        return Err(Error::Unexpected(format!("a run was not measured: {}", reasons.join("; "))));
    }
    let mut medians: Vec<f64> = spreads.iter().map(|spread| spread.median_ms).collect();
    medians.sort_by(f64::total_cmp);
    let survivors = acts.iter().map(Act::survivors);
    let (alive, all) = survivors.fold((0, 0), |(alive, all), act| (alive + act.0, all + act.1));
    let with = if background == 0 { String::new() } else { format!(", {background} other flows") };
    let median_bar = if background == 0 { MEDIAN_MS } else { MEDIAN_WITH_BACKGROUND_MS };
    let ms = |name: String, value: f64, bar: Option<f64>| Row {
        name,
        unit: "ms",
        value,
        beside: None,
        bar: bar.map(|bar| (Good::AtMost, bar)),
    };
    let max = |pick: fn(&Spread) -> f64| spreads.iter().map(pick).fold(0.0, f64::max);
    Ok(vec![
        ms(format!("kill gap, median of runs' medians{with}"), medians[medians.len() / 2], Some(median_bar)),
        ms(format!("kill gap, largest of runs' medians{with}"), max(|spread| spread.median_ms), None),
        ms(format!("kill gap, largest{with}"), max(|spread| spread.max_ms), Some(MAX_MS)),
        Row {
            name: format!("connections alive after {} kills{with}", acts.len()),
            unit: "%",
            value: 100.0 * alive as f64 / all.max(1) as f64,
            beside: None,
            bar: Some((Good::AtLeast, 100.0)),
        },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::record::Mark;

    fn act(median_ms: f64) -> Act {
        let nothing = Mark { name: "kill".into(), at_us: 0, connections: Vec::new() };
        let mut act = Act::of("kill", "", &nothing, None);
        act.from_heartbeat = Some(Spread { min_ms: 30.0, median_ms, max_ms: 100.0 });
        act
    }

    #[test]
    fn medians_of_runs_are_ordered_before_the_middle_is_taken() {
        let rows = measure(&[act(50.0), act(40.0), act(70.0)], 0).expect("measured runs");
        assert_eq!((rows[0].value, rows[1].value, rows[2].value), (50.0, 70.0, 100.0));
    }

    #[test]
    fn a_run_without_a_takeover_is_no_measurement() {
        let nothing = Mark { name: "kill".into(), at_us: 0, connections: Vec::new() };
        assert!(measure(&[act(50.0), Act::of("kill", "", &nothing, None)], 0).is_err());
    }
}
