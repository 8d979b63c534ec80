//! Proves what is claimed of each block and prints one line per property. Argument: one block's name.

#[path = "../tests/prove/mod.rs"]
mod prove;

use prove::{Subject, Verdict, SUBJECTS};
use std::process::ExitCode;

/// Properties that are not proven.
fn failures(only: Option<&str>) -> Result<u32, String> {
    let chosen: Vec<&Subject> =
        SUBJECTS.iter().filter(|subject| only.is_none_or(|name| name == subject.name)).collect();
    if chosen.is_empty() {
        return Err(format!("no block `{}`", only.unwrap_or_default()));
    }
    let mut failures = 0;
    println!("{:<36}{:<18}{:<9}{:>8}", "property", "block", "verdict", "seconds");
    for subject in chosen {
        let circuit = subject.circuit(&(subject.text)())?;
        for (number, property) in circuit.properties.iter().enumerate() {
            let (verdict, seconds) = circuit.decide(number)?;
            let word = match verdict {
                Verdict::Proven => "proven",
                Verdict::Refuted => "FAILED",
                Verdict::Open => "OPEN",
            };
            failures += u32::from(verdict != Verdict::Proven);
            println!("{property:<36}{:<18}{word:<9}{seconds:>8.2}", subject.name);
        }
    }
    println!("{failures} failed");
    Ok(failures)
}

fn main() -> ExitCode {
    match failures(std::env::args().nth(1).as_deref()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
