//! Named measurements, each against its bar.
//!
//! A bench returns rows; this frame prints them as a table or as JSON and fails if a bar is
//! missed. A new bench is one module and one line in [`BENCHES`].

mod codec;
mod demo;
mod engine;
pub(crate) mod fullload;
mod measured;
mod mtu;
mod peer;
mod rings;
mod rtl;
pub(crate) mod storm;

use crate::error::{Error, Result};
use crate::progress::say;
use serde::Serialize;
use std::path::PathBuf;

/// Every bench by its name.
const BENCHES: &[Bench] = &[
    Bench { name: "engine", run: engine::run },
    Bench { name: "codec", run: codec::run },
    Bench { name: "rings", run: rings::run },
    Bench { name: "rtl", run: rtl::run },
    Bench { name: "demo", run: demo::run },
    Bench { name: "storm", run: storm::run },
    Bench { name: "mtu", run: mtu::run },
    Bench { name: "peer", run: peer::run },
    Bench { name: "fullload", run: fullload::run },
];

struct Bench {
    name: &'static str,
    run: fn(&Options) -> Result<Vec<Row>>,
}

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Measure this one alone.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Repetitions, for benches that repeat.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Other flows in the table, for benches with a table; both without and with them if left out.
    #[arg(long, value_name = "FLOWS")]
    pub(crate) background: Option<u32>,
    /// Length of the full load.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) minutes: f64,
    /// Measure this binary instead of building one.
    #[arg(long, value_name = "FILE")]
    pub(crate) binary: Option<PathBuf>,
    /// Keep the agents' logs there, for benches with agents.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep_logs: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            name: None,
            json: false,
            runs: 1,
            background: None,
            minutes: 10.0,
            binary: None,
            keep_logs: None,
        }
    }
}

/// Which side of the bar is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Good {
    /// Not above the bar.
    AtMost,
    /// Not below the bar.
    AtLeast,
}

/// One measured value.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: String,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The value.
    pub(crate) value: f64,
    /// The same of the program that is measured beside ours; the bar is then on the ratio.
    pub(crate) beside: Option<f64>,
    /// The bar, where there is one, and its good side.
    pub(crate) bar: Option<(Good, f64)>,
}

impl Row {
    /// Value in units of the other program's, or else of the bar.
    fn ratio(&self) -> Option<f64> {
        // A bar of nothing has no share.
        let unit = self.beside.or(self.bar.map(|(_, bar)| bar)).filter(|unit| *unit != 0.0);
        unit.map(|unit| self.value / unit)
    }

    /// Whether the bar is met; a row without one always passes.
    fn is_met(&self) -> bool {
        let judged = self.beside.map_or(self.value, |beside| self.value / beside);
        match self.bar {
            None => true,
            Some((Good::AtMost, bar)) => judged <= bar,
            Some((Good::AtLeast, bar)) => judged >= bar,
        }
    }
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Result<()> {
    let chosen: Vec<&Bench> = BENCHES
        .iter()
        .filter(|bench| options.name.as_deref().is_none_or(|name| name == bench.name))
        .collect();
    if chosen.is_empty() {
        let names = BENCHES.iter().map(|bench| bench.name).collect::<Vec<_>>().join(", ");
        return Err(Error::Missing(format!("no such bench; there are: {names}")));
    }
    let mut measured = Vec::new();
    for bench in chosen {
        say(format!("bench: {}", bench.name));
        measured.push((bench.name, (bench.run)(options)?));
    }
    print!("{}", if options.json { json(&measured) } else { table(&measured) });
    let missed: Vec<&str> = measured
        .iter()
        .flat_map(|(_, rows)| rows)
        .filter(|row| !row.is_met())
        .map(|row| row.name.as_str())
        .collect();
    if missed.is_empty() {
        return Ok(());
    }
    Err(Error::NotMet(format!("bench: missed: {}", missed.join("; "))))
}

fn json(measured: &[(&str, Vec<Row>)]) -> String {
    let benches: Vec<serde_json::Value> = measured
        .iter()
        .map(|(name, rows)| {
            let rows: Vec<serde_json::Value> = rows
                .iter()
                .map(|row| {
                    serde_json::json!({
                        "name": row.name, "unit": row.unit, "value": row.value,
                        "beside": row.beside, "bar": row.bar.map(|(_, bar)| bar), "good": row.bar.map(|(good, _)| good),
                        "ratio": row.ratio(), "pass": row.is_met(),
                    })
                })
                .collect();
            serde_json::json!({ "name": name, "rows": rows })
        })
        .collect();
    let pass = measured.iter().flat_map(|(_, rows)| rows).all(Row::is_met);
    format!("{}\n", serde_json::json!({ "pass": pass, "benches": benches }))
}

fn table(measured: &[(&str, Vec<Row>)]) -> String {
    // Only one bench has a second program.
    let has_beside = measured.iter().flat_map(|(_, rows)| rows).any(|row| row.beside.is_some());
    let beside = |text: String| if has_beside { format!("{text:>12}") } else { String::new() };
    let mut text = format!(
        "{:<62}{:>10} {:<9}{}{:>10}{:>8}\n",
        "measure",
        "value",
        "unit",
        beside("conntrackd".into()),
        "bar",
        "ratio"
    );
    for (bench, rows) in measured {
        for row in rows {
            let bar = row.bar.map_or("-".into(), |(good, bar)| match good {
                Good::AtMost => format!("≤ {bar}"),
                Good::AtLeast => format!("≥ {bar}"),
            });
            let ratio = row.ratio().map_or("-".into(), |ratio| format!("{ratio:.2}"));
            let other = beside(row.beside.map_or("-".into(), |other| format!("{other:.2}")));
            let verdict = if row.is_met() { "" } else { "  MISSED" };
            let name = format!("{bench}: {}", row.name);
            text.push_str(&format!(
                "{name:<62}{:>10.2} {:<9}{other}{bar:>10}{ratio:>8}{verdict}\n",
                row.value, row.unit
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: f64, bar: Option<(Good, f64)>) -> Row {
        Row { name: "gap".into(), unit: "ms", value, beside: None, bar }
    }

    #[test]
    fn a_bar_has_a_good_side() {
        assert!(row(60.0, Some((Good::AtMost, 60.0))).is_met());
        assert!(!row(60.1, Some((Good::AtMost, 60.0))).is_met());
        assert!(!row(59.0, Some((Good::AtLeast, 60.0))).is_met());
        assert!(row(1e9, None).is_met());
    }

    #[test]
    fn beside_another_program_the_bar_is_on_the_ratio() {
        let beside = |beside| Row { beside: Some(beside), ..row(2.0, Some((Good::AtMost, 0.4))) };
        assert!(beside(5.0).is_met() && !beside(4.9).is_met());
        assert_eq!(beside(5.0).ratio(), Some(0.4));
        // Nothing measured of the other is no ground for a verdict in our favour.
        assert!(!beside(0.0).is_met());
    }

    #[test]
    fn table_and_json_show_the_same_verdict() {
        let measured = [("demo", vec![row(90.0, Some((Good::AtMost, 60.0)))])];
        assert!(table(&measured).contains("1.50  MISSED"));
        let value: serde_json::Value = serde_json::from_str(&json(&measured)).expect("JSON");
        assert_eq!(value["pass"], false);
        assert_eq!(value["benches"][0]["rows"][0]["ratio"], 1.5);
    }
}
