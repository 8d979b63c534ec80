//! The workspace's own tool: setup, checks, tests, measurements, simulation, demonstration.
//!
//! Each command is one module. It is never part of what ships.

mod bench;
mod clock;
mod command;
mod demo;
mod docs;
mod error;
mod interrupt;
mod mutate;
mod peer;
mod progress;
mod prove;
mod setup;
mod sim;
mod synth;
mod test;
mod tidy;
mod verilog;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tasks of the workspace")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Find and install the system tools that are missing.
    Setup,
    /// Check dependency arrows, formatting, lints, sources and generated pages.
    Tidy,
    /// The whole gate: setup, tidy, tests, simulation, one demonstration.
    Test {
        /// More seeds and the full waits of the demonstration.
        #[arg(long)]
        long: bool,
    },
    /// Measure, and fail if a bar is missed.
    Bench(bench::Options),
    /// Run the cluster simulator.
    Sim(sim::Options),
    /// Write the blocks of the RTL as files of Verilog.
    Verilog(verilog::Options),
    /// Plant faults in the RTL and list those that its tests do not notice.
    Mutate(mutate::Options),
    /// Prove what holds of the RTL in every run, and list it.
    Prove(prove::Options),
    /// Synthesise the RTL for two families: speed, size, levels of look-up tables.
    Synth(synth::Options),
    /// Show that no connection drops when a gateway dies.
    Demo(demo::Options),
    /// Write the generated reference pages, or check that they are fresh.
    Docs {
        /// Write nothing; fail if a page is stale.
        #[arg(long)]
        check: bool,
    },
    /// A process inside a namespace of the demonstration.
    #[command(subcommand, hide = true)]
    Peer(peer::Peer),
}

fn main() -> ExitCode {
    let task = Arguments::parse().task;
    // The processes inside namespaces end when their standard input does.
    if !matches!(task, Task::Peer(_)) {
        interrupt::install();
    }
    let done = match &task {
        Task::Setup => setup::run_setup(),
        Task::Tidy => tidy::run(),
        Task::Test { long } => test::run(*long),
        Task::Bench(options) => bench::run(options),
        Task::Sim(options) => sim::run(options),
        Task::Verilog(options) => verilog::run(options),
        Task::Mutate(options) => mutate::run(options),
        Task::Prove(options) => prove::run(options),
        Task::Synth(options) => synth::run(options),
        Task::Demo(options) => demo::run(options),
        Task::Docs { check } => docs::run(*check),
        Task::Peer(peer) => peer::run(peer),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error::Error::Shown) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
