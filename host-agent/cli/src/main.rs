//! `trine`: the agent on each gateway, and the operator's way to it.
//!
//! Enters: a command line. Leaves: what was asked for on standard output, errors on standard error with
//! exit code 1.

mod replay;

use clap::{Parser, Subcommand};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use trine_daemon::config::AgentConfig;
use trine_daemon::control::{ask, Request};

/// Keeps every connection of a gateway cluster in three places.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the agent in the foreground; it logs JSON lines on standard error.
    Agent {
        /// Configuration (TOML).
        #[arg(long)]
        config: PathBuf,
        /// Only check the configuration.
        #[arg(long)]
        check: bool,
    },
    /// Show state, peers, coverage and counters.
    Stat {
        #[command(flatten)]
        socket: Socket,
        /// Print the whole answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the flows of this member's table, as JSON lines.
    Flows {
        #[command(flatten)]
        socket: Socket,
    },
    /// Hand the group to a member, without losing a connection.
    Move {
        #[command(flatten)]
        socket: Socket,
        /// Name of the group.
        #[arg(long)]
        group: String,
        /// Name of the member that is to serve it.
        #[arg(long)]
        to: String,
    },
    /// Run captures through an owner and a backup engine, and compare.
    Replay(replay::Replay),
}

#[derive(clap::Args)]
struct Socket {
    /// Control socket of the agent.
    #[arg(long, default_value = "/run/trine.sock")]
    control: PathBuf,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trine: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<(), String> {
    match verb {
        Verb::Agent { config, check } => agent(&config, check),
        Verb::Stat { socket, json } => ask(&socket.control, &Request::Stat {}, |answer| {
            if json {
                println!("{answer}");
            } else {
                print!("{}", table(&answer));
            }
        }),
        Verb::Replay(arguments) => replay::run(&arguments),
        Verb::Flows { socket } => ask(&socket.control, &Request::Flows {}, |flow| println!("{flow}")),
        Verb::Move { socket, group, to } => {
            ask(&socket.control, &Request::Move { group, to }, |answer| println!("{answer}"))
        }
    }
}

fn agent(path: &Path, check: bool) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let config = AgentConfig::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    if check {
        println!("{}: valid", path.display());
        return Ok(());
    }
    trine_daemon::start::run(config).map_err(|error| error.to_string())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What an operator wants to see first: who serves, who is there, what is protected.
fn table(stat: &Value) -> String {
    let mut out = format!("{}: {}\n", text(&stat["member"]), text(&stat["state"]));
    for group in stat["groups"].as_array().into_iter().flatten() {
        out += &format!(
            "group {}: owner {}, term {}, {}, {} buckets proven, oldest proof {} ms\n",
            text(&group["name"]),
            text(&group["owner"]),
            text(&group["term"]),
            if group["in_sync"] == true { "in sync" } else { "NOT in sync" },
            group["verified_buckets"],
            group["oldest_proof_ms"],
        );
    }
    for peer in stat["peers"].as_array().into_iter().flatten() {
        let paths: Vec<String> = peer["paths"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, up)| format!("{name} {}", if up == true { "up" } else { "DOWN" }))
            .collect();
        let state = if peer["up"] == true { "up" } else { "DOWN" };
        let mtu = if peer["sync_mtu_ok"] == false { ", sync link LOSES FULL FRAMES" } else { "" };
        out += &format!("peer {}: {state} ({}{mtu})\n", text(&peer["name"]), paths.join(", "));
    }
    let flows = &stat["flows"];
    out += &format!(
        "flows: {} served, {} protected, {} current\n",
        flows["total"], flows["protected"], flows["current"]
    );
    for (reason, count) in flows["unprotected"].as_object().into_iter().flatten() {
        out += &format!("unprotected: {count} ({reason})\n");
    }
    for (name, count) in stat["counters"].as_object().into_iter().flatten() {
        if *count != 0 {
            out += &format!("  {name}: {count}\n");
        }
    }
    out
}
