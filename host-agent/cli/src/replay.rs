//! `trine replay`: captures through an owner and a backup engine.
//!
//! Enters: paths of captures. Leaves: a report of each on standard output, progress of long ones on
//! standard error; an error unless each was read to its end, digests are equal and the books close.

use serde_json::{json, Value};
use std::fs::File;
use std::io::{BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Instant;
use trine_daemon::replay::{replay, Options, Report};

/// Captures are read in pieces of this size.
const BUFFER_SIZE: usize = 1 << 20;

#[derive(clap::Args)]
pub(crate) struct Replay {
    /// Captures (pcap or pcapng, of links that carry Ethernet or IP).
    #[arg(required = true)]
    captures: Vec<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Window edges replicate in steps of 2 to this power.
    #[arg(long, default_value_t = Options::default().edge_bits, value_parser = clap::value_parser!(u32).range(8..=16))]
    edge_bits: u32,
    /// How long a flow lives before it replicates, in ms.
    #[arg(long, default_value_t = 0)]
    delay_ms: u32,
}

pub(crate) fn run(arguments: &Replay) -> Result<(), String> {
    let options =
        Options { edge_bits: arguments.edge_bits, delay_ms: arguments.delay_ms, ..Options::default() };
    let mut failed = 0;
    let mut values = Vec::new();
    for path in &arguments.captures {
        match replay_file(path, &options) {
            Ok((report, seconds)) => {
                failed += usize::from(!report.passed());
                if arguments.json {
                    values.push(json_of(path, &report, seconds));
                } else {
                    let verdict = if report.passed() { "passed" } else { "FAILED" };
                    println!("{}: {verdict} in {seconds:.2} s", path.display());
                    print!("{}", report.text());
                }
            }
            Err(error) => {
                failed += 1;
                if arguments.json {
                    values.push(
                        json!({ "capture": path.display().to_string(), "fault": error, "passed": false }),
                    );
                } else {
                    println!("{}: FAILED: {error}", path.display());
                }
            }
        }
    }
    if arguments.json {
        println!("{}", json!({ "captures": values, "failed": failed, "passed": failed == 0 }));
    }
    match failed {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} captures failed", arguments.captures.len())),
    }
}

fn json_of(path: &Path, report: &Report, seconds: f64) -> Value {
    let mut value = report.json();
    value["capture"] = path.display().to_string().into();
    value["seconds"] = seconds.into();
    value
}

fn replay_file(path: &Path, options: &Options) -> Result<(Report, f64), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let shown = std::io::stderr().is_terminal();
    let mut reported = false;
    let mut progress = |packets: u64, bytes: u64| {
        let percent = (bytes * 100).checked_div(size).unwrap_or(100).min(100);
        let line = format!("{}: {packets} packets, {percent} %", path.display());
        if shown {
            eprint!("\r{line}");
        } else {
            eprintln!("{line}");
        }
        reported = true;
    };
    let start = Instant::now();
    let report = replay(BufReader::with_capacity(BUFFER_SIZE, file), options, &mut progress);
    if reported && shown {
        eprintln!();
    }
    Ok((report, start.elapsed().as_secs_f64()))
}
