//! The cluster simulator, built for speed and run over a range of seeds.

use crate::command::run as run_command;
use crate::error::Result;
use crate::workspace::build;
use std::process::Command;

/// What to simulate.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Seeds, first to one past the last.
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub(crate) seeds: String,
    /// Leave out a rule of the protocol; the simulator must find the loss.
    #[arg(long, value_name = "NAME")]
    pub(crate) plant: Option<String>,
}

/// Builds the simulator and forwards to it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut simulator = Command::new(build("trine-sim", "trine-sim")?);
    simulator.args(["--seeds", &options.seeds]);
    if let Some(name) = &options.plant {
        simulator.args(["--plant", name]);
    }
    run_command(&mut simulator)
}

fn seeds(text: &str) -> std::result::Result<String, String> {
    let bounds = text
        .split_once("..")
        .and_then(|(first, end)| Some((first.parse::<u64>().ok()?, end.parse::<u64>().ok()?)));
    match bounds {
        Some((first, end)) if first < end => Ok(text.to_owned()),
        Some(_) => Err("the range is empty".into()),
        None => Err("expected two numbers, as in 0..100".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_seeds_has_two_bounds() {
        assert_eq!(seeds("0..100").as_deref(), Ok("0..100"));
        assert!(seeds("7..7").is_err());
        assert!(seeds("7").is_err());
        assert!(seeds("a..b").is_err());
    }
}
