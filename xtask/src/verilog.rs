//! The RTL as files of Verilog, one for each top of the crate `hw`.

use crate::command::{cargo, run as run_command};
use crate::error::{Error, Result};
use std::path::PathBuf;

/// What to write, and where.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The folder; made if it is not there.
    #[arg(long)]
    out: PathBuf,
    /// This block alone.
    #[arg(long)]
    block: Option<String>,
}

/// Writes them and prints their paths.
pub(crate) fn run(options: &Options) -> Result<()> {
    // The child starts in the folder of the workspace.
    let folder = std::path::absolute(&options.out).map_err(Error::system("finding the folder"))?;
    let mut write =
        cargo(&["run", "--release", "--quiet", "--package", "trine-hw", "--example", "verilog", "--"]);
    run_command(write.arg(folder).args(&options.block))
}
