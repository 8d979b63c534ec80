//! Faults planted in the RTL, one at a time: which ones do its tests not notice?

use crate::command::{cargo, run as run_command};
use crate::error::Result;
use crate::setup;

/// What to plant.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Faults in each block.
    #[arg(long, default_value_t = 40)]
    count: u32,
    /// Seed of their choice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// This block alone.
    #[arg(long)]
    block: Option<String>,
}

/// Plants them and lists the survivors.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::ensure_rtl()?;
    // As the tests are built, with what is built for them: a release compiles every block for minutes.
    let mut mutate = cargo(&["run", "--profile", "test", "--quiet", "--package", "trine-verilator-tests"]);
    mutate.args(["--example", "mutate", "--", &options.count.to_string(), &options.seed.to_string()]);
    run_command(mutate.args(&options.block))
}
