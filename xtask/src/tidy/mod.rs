//! Everything a machine can check about the workspace without running it.
//!
//! All checks run; the report lists every violation, then the task fails once.

mod arrows;
mod sources;

use crate::command::{cargo, run as run_command};
use crate::error::{Error, Result};
use crate::progress::say;
use crate::{docs, workspace};

/// Runs every check.
pub(crate) fn run() -> Result<()> {
    let mut violations = arrows::check(&workspace::metadata()?);
    violations.extend(sources::check()?);
    for violation in &violations {
        eprintln!("tidy: {violation}");
    }
    let mut failed: Vec<String> = Vec::new();
    if !violations.is_empty() {
        failed.push(format!("{} violations", violations.len()));
    }
    say("tidy: generated pages");
    failed.extend(docs::run(true).err().map(|problem| problem.to_string()));
    say("tidy: format");
    let format = run_command(&mut cargo(&["fmt", "--all", "--check"]));
    failed.extend(format.err().map(|_| "formatting (`cargo fmt --all`)".to_owned()));
    say("tidy: lints");
    let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"];
    failed.extend(run_command(&mut cargo(&lints)).err().map(|_| "lints".to_owned()));
    if failed.is_empty() {
        say("tidy: clean");
        return Ok(());
    }
    Err(Error::NotMet(format!("tidy: {}", failed.join("; "))))
}
