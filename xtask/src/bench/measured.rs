//! Measurements that an optimised example of a crate makes: one JSON object a line becomes one row. What the
//! tests that it runs say on other lines is passed over.
//!
//! The examples repeat each measure in one process and print its median and its best. The median is the
//! row's value and what a bar is compared with; the best of a row with a bar follows it without one.

use super::{Good, Row};
use crate::command::{capture, cargo, run};
use crate::error::{Error, Result};
use serde::Deserialize;

/// A measure by its name, with its bar.
pub(super) type Bar = (&'static str, Good, f64);

/// Units a row may have.
const UNITS: [&str; 8] = ["ns", "M/s", "B", "s", "GB/s", "Mcycles/s", "cycles", "a cycle"];

#[derive(Deserialize)]
struct Line {
    name: String,
    unit: String,
    median: f64,
    best: f64,
}

/// Builds and runs an example; every bar must find its measure.
pub(super) fn rows(package: &str, example: &str, bars: &[Bar]) -> Result<Vec<Row>> {
    let words = ["--release", "--quiet", "--package", package, "--example", example];
    run(cargo(&["build"]).args(words))?;
    let text = capture(cargo(&["run"]).args(words))?;
    rows_of(&text, bars)
}

fn rows_of(text: &str, bars: &[Bar]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let line: Line = serde_json::from_str(line)
            .map_err(|problem| Error::Unexpected(format!("the example printed `{line}`: {problem}")))?;
        let unit = UNITS.into_iter().find(|unit| *unit == line.unit);
        let unit = unit.ok_or_else(|| Error::Unexpected(format!("unit `{}`", line.unit)))?;
        let bar = bars.iter().find(|(name, ..)| *name == line.name).map(|(_, good, bar)| (*good, *bar));
        rows.push(Row { name: line.name.clone(), unit, value: line.median, beside: None, bar });
        if bar.is_some() {
            let name = format!("{}, best run", line.name);
            rows.push(Row { name, unit, value: line.best, beside: None, bar: None });
        }
    }
    match bars.iter().find(|(name, ..)| !rows.iter().any(|row| row.name == *name)) {
        Some((name, ..)) => Err(Error::Unexpected(format!("the example did not measure `{name}`"))),
        None => Ok(rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"name":"a","unit":"ns","median":2.0,"best":1.0}"#;

    #[test]
    fn the_median_meets_the_bar_and_the_best_is_beside_it() {
        let rows = rows_of(LINE, &[("a", Good::AtMost, 1.5)]).expect("one line");
        assert_eq!(
            rows.iter().map(|row| (row.value, row.is_met())).collect::<Vec<_>>(),
            [(2.0, false), (1.0, true)]
        );
    }

    #[test]
    fn what_tests_say_is_no_row() {
        let text = format!("outcomes: [1, 2]\n{LINE}\n");
        assert_eq!(rows_of(&text, &[]).expect("one line").len(), 1);
    }

    #[test]
    fn a_bar_without_its_measure_and_a_strange_line_are_errors() {
        assert!(rows_of(LINE, &[("b", Good::AtMost, 1.5)]).is_err());
        assert!(rows_of("{no row}", &[]).is_err());
        assert!(rows_of(&LINE.replace("ns", "days"), &[]).is_err());
    }
}
