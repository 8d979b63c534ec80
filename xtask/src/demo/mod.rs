//! The demonstration: two gateways, real connections, one fault after another.
//!
//! Enters: options. Leaves: a report per run on standard output, progress on standard error,
//! and a machine as it was before, whatever ends the run.

mod acts;
pub(crate) mod agent;
mod background;
pub(crate) mod config;
pub(crate) mod dumps;
pub(crate) mod net;
pub(crate) mod plan;
mod print;
pub(crate) mod process;
pub(crate) mod report;
pub(crate) mod rules;
pub(crate) mod stage;
mod traffic;

pub(crate) use acts::ActName;

use crate::error::{Error, Result};
use crate::interrupt::{check, pause, wait_for};
use crate::progress::say;
use crate::setup;
use acts::Conditions;
pub(crate) use background::TableLimit;
use net::{Net, SyncPath};
use report::{Act, RunReport};
use stage::{Stage, SYNC_LIMIT};
use std::path::{Path, PathBuf};
use std::time::Duration;
use traffic::Traffic;

/// How long all flows may take until every copy is installed.
const PROTECTED_LIMIT: Duration = Duration::from_secs(5);
/// Traffic before the first fault.
const WARM_UP: Duration = Duration::from_secs(1);

/// What to demonstrate.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// How often to play everything.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Other translated flows in the table before the first fault.
    #[arg(long, value_name = "FLOWS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(crate) background: u32,
    /// Play this act alone, with those it needs.
    #[arg(long, value_name = "NAME", value_enum)]
    pub(crate) act: Option<ActName>,
    /// Shorter waits inside the acts.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Show gaps, but judge only what does not depend on the machine's load.
    #[arg(long)]
    pub(crate) untimed: bool,
    /// Show this binary instead of building one.
    #[arg(long, value_name = "FILE")]
    pub(crate) binary: Option<PathBuf>,
    /// Keep the agents' logs and configuration there.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep_logs: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            json: false,
            runs: 1,
            background: 0,
            act: None,
            quick: false,
            untimed: false,
            binary: None,
            keep_logs: None,
        }
    }
}

/// Plays all runs and prints them; fails if a bar was missed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let reports = play(options)?;
    let passed = reports.iter().filter(|report| report.pass).count();
    if options.json {
        let answer = serde_json::json!({ "pass": passed == reports.len(), "runs": reports });
        println!("{answer}");
    } else {
        print::summary(&reports);
    }
    if passed == reports.len() {
        return Ok(());
    }
    Err(Error::NotMet(format!("demo: {} of {} runs failed", reports.len() - passed, reports.len())))
}

/// Plays all runs and returns their reports.
pub(crate) fn play(options: &Options) -> Result<Vec<RunReport>> {
    let acts = options.act.map_or(ActName::ALL.to_vec(), ActName::with_needed);
    let needs_agents = acts.iter().any(|act| *act != ActName::Without);
    let (binary, _limit) = prepare(options.binary.as_deref(), needs_agents, options.background)?;
    let mut reports = Vec::new();
    for run in 1..=options.runs {
        check()?;
        say(format!("demo: run {run} of {}", options.runs));
        reports.push(play_once(options, &acts, &binary, run)?);
    }
    Ok(reports)
}

/// Checks the rights, finds or builds the binary, clears leftovers and makes room for `flows` in the
/// kernel's tables, for as long as the returned limit lives.
pub(crate) fn prepare(
    binary: Option<&Path>,
    needs_agents: bool,
    flows: u32,
) -> Result<(PathBuf, TableLimit)> {
    if !setup::is_root() {
        return Err(Error::Missing(
            "the demonstration makes network namespaces, firewall rules and addresses: run it as root \
             (for example `sudo -E env PATH=\"$PATH\" cargo xtask demo`), on a kernel with namespaces, \
             veth, bridge, nftables and conntrack"
                .into(),
        ));
    }
    setup::ensure_demo()?;
    let binary = match binary {
        Some(file) => std::fs::canonicalize(file).map_err(Error::system(file.display().to_string()))?,
        None if needs_agents => {
            say("building trine");
            crate::workspace::build("trine", "trine")?
        }
        None => PathBuf::new(),
    };
    let removed = net::remove_leftovers()?;
    if removed > 0 {
        say(format!("removed {removed} namespaces a crashed run left behind"));
    }
    Ok((binary, TableLimit::raise(flows)?))
}

/// The topology with agents that are not started yet, and traffic that is not open yet.
pub(crate) fn stand(sync: SyncPath, quick: bool) -> Result<Stage> {
    let net = Net::build(sync)?;
    let traffic = Traffic::start(&net)?;
    // Both processes listen before anything connects.
    pause(Duration::from_millis(300))?;
    Ok(Stage { agents: Vec::new(), traffic, net, quick })
}

fn play_once(options: &Options, acts: &[ActName], binary: &Path, run: u32) -> Result<RunReport> {
    let mut stage = stand(SyncPath::Direct, options.quick)?;
    let mut played = Vec::new();
    let ended = play_acts(&mut stage, options, acts, binary, &mut played);
    if let Some(folder) = &options.keep_logs {
        keep_logs(&stage, &folder.join(format!("run{run}")))?;
    }
    ended?;
    Ok(RunReport { pass: played.iter().all(|act| act.pass), acts: played })
}

/// Plays the acts in order. An act that breaks ends the run, since the next ones build on it.
fn play_acts(
    stage: &mut Stage,
    options: &Options,
    acts: &[ActName],
    binary: &Path,
    played: &mut Vec<Act>,
) -> Result<()> {
    let conditions = Conditions { background_flows: options.background };
    for name in acts {
        say(format!("demo: act {}: {}", name.name(), name.title()));
        let ready = if *name != ActName::Without && stage.agents.is_empty() {
            bring_up(stage, binary, options.background)
        } else {
            Ok(())
        };
        let act = match ready.and_then(|()| acts::play(*name, stage, conditions)) {
            Ok(act) => act,
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(problem) => Act::broken(name.name(), name.title(), problem.to_string()).judged(),
        };
        let act = if options.untimed { act.untimed() } else { act };
        if !options.json {
            print::act(&act);
        }
        let broken = act.kinds.is_empty() && !act.pass;
        played.push(act);
        if broken {
            break;
        }
    }
    Ok(())
}

/// Agents up and in sync, connections open, every flow protected.
fn bring_up(stage: &mut Stage, binary: &Path, background: u32) -> Result<()> {
    say("demo: starting both agents");
    stage.start_agents(binary)?;
    stage.home()?;
    if background > 0 {
        say(format!("demo: inserting {background} other flows"));
        background::insert(&stage.net, background)?;
    }
    stage.traffic.open()?;
    pause(WARM_UP)?;
    let protected = wait_for(PROTECTED_LIMIT, || {
        let flows = stage.agents[stage.owner()?].stat()?.flows;
        Ok((flows.total > 0 && flows.protected == flows.total).then_some(()))
    })?;
    if protected.is_none() {
        // Not fatal: what the acts lose, they show.
        let flows = stage.agents[stage.owner()?].stat()?.flows;
        say(format!("demo: only {} of {} flows are protected", flows.protected, flows.total));
    }
    stage
        .wait_in_sync(SYNC_LIMIT)?
        .map(drop)
        .ok_or_else(|| Error::Unexpected("the agents lost their sync under load".into()))
}

/// Copies the agents' logs and configuration to `folder`.
pub(crate) fn keep_logs(stage: &Stage, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(Error::system("making the folder for logs"))?;
    for agent in &stage.agents {
        for file in [agent.log(), agent.log().with_extension("toml")] {
            if let Some(name) = file.file_name().filter(|_| file.exists()) {
                std::fs::copy(&file, folder.join(name)).map_err(Error::system("keeping a log"))?;
            }
        }
    }
    Ok(())
}
