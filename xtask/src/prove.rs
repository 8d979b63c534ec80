//! Proofs on the exported Verilog: what holds in every run, however long.

use crate::command::{cargo, run as run_command};
use crate::error::Result;
use crate::setup;

/// What to prove.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// This block alone.
    #[arg(long)]
    block: Option<String>,
}

/// Proves it and prints a line for each property.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::ensure_rtl()?;
    let mut prove = cargo(&["run", "--release", "--quiet", "--package", "trine-hw"]);
    run_command(prove.args(["--example", "prove", "--"]).args(&options.block))
}
