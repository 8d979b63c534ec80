//! The life of one seed: load with faults, everything healed, convergence within a bound.

use crate::check::Violation;
use crate::clock::Micros;
use crate::cluster::Cluster;
use crate::faults::{self, Planned, Weather};
use crate::member::Settings;
use crate::rng::Rng;
use softnic::Omissions;
use std::fmt::Write;

/// Faults begin when the first member serves.
const START_US: Micros = 1_000_000;
/// Healed, the cluster is whole within this time.
const CONVERGE_US: Micros = 5_000_000;
/// Interval of looks at whether it is.
const LOOK_US: Micros = 50_000;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Members; drawn if not given.
    pub members: Option<usize>,
    /// Rules left out.
    pub omissions: Omissions,
}

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Members it drew.
    pub members: usize,
    /// The broken rule, if one was.
    pub violation: Option<Violation>,
    /// Simulated time.
    pub length_us: Micros,
    /// Time from healing to convergence.
    pub converged_us: Micros,
    /// Lives opened, ended and broken.
    pub lives: (u64, u64, u64),
    /// Frames carried.
    pub frames: u64,
    /// The drawn settings and faults.
    pub drawn: String,
    /// What members logged, and the history of the flow, when a rule was broken or it was asked for.
    pub story: String,
}

/// Runs a seed.
pub fn run(seed: u64, options: Options, verbose: bool) -> Outcome {
    let mut rng = Rng::new(seed, 1);
    let drawn = 2 + rng.below(2) as usize;
    let members = options.members.unwrap_or(drawn);
    let settings = Settings::draw(&mut rng, members, options.omissions);
    let end_us = START_US + rng.between(1_500_000, 5_500_000);
    let (weather, plan) = faults::draw(&mut Rng::new(seed, 2), members, settings.ports(), START_US, end_us);
    let mut cluster = Cluster::new(seed, settings);
    for planned in &plan {
        cluster.plan(planned.at, planned.until, planned.fault);
    }
    cluster.run(end_us);
    let converged_us = converge(&mut cluster);
    Outcome {
        seed,
        members,
        length_us: cluster.now,
        converged_us,
        lives: cluster.load.counts(),
        frames: cluster.network.books.carried,
        drawn: describe(&settings, weather, &plan, end_us),
        story: if verbose || cluster.check.violation.is_some() { story(&cluster) } else { String::new() },
        violation: cluster.check.violation,
    }
}

/// Heals, waits, checks; returns how long it took.
fn converge(cluster: &mut Cluster) -> Micros {
    if cluster.check.violation.is_some() {
        return 0;
    }
    cluster.heal();
    let healed_us = cluster.now;
    let mut whole_since = None;
    while cluster.check.violation.is_none() {
        cluster.run(cluster.now + LOOK_US);
        let now = cluster.now;
        match cluster.check.converged(&cluster.members) {
            // A lull is no end: it has to stay so for a while.
            Ok(()) => {
                let since = *whole_since.get_or_insert(now);
                if now >= since + 300_000 {
                    break;
                }
            }
            Err(_) if now < healed_us + CONVERGE_US => whole_since = None,
            Err((what, key)) => {
                let violation = Violation { at: now, rule: "healed, the cluster converges", what, key };
                cluster.check.violation.get_or_insert(violation);
            }
        }
    }
    if cluster.check.violation.is_none() {
        finish(cluster);
    }
    whole_since.unwrap_or(cluster.now) - healed_us
}

fn finish(cluster: &mut Cluster) {
    let at = cluster.now;
    if let Err((what, key)) = cluster.check.equal(&cluster.members) {
        cluster.check.violation =
            Some(Violation { at, rule: "what says that it is equal is equal", what, key });
        return;
    }
    cluster.check.judge_living(at, &cluster.members, &cluster.load);
    let books = cluster.check.books(&cluster.members);
    let all = books.and_then(|()| cluster.network.balance()).and_then(|()| cluster.load.balance());
    if let Err(what) = all {
        cluster.check.fail(at, "the books close", what);
    }
}

fn describe(settings: &Settings, weather: Weather, plan: &[Planned], end_us: Micros) -> String {
    let mut text = format!("{settings:?}\n{weather:?}, healed at {:.3} ms\n", end_us as f64 / 1000.0);
    for planned in plan {
        let _ = writeln!(text, "  {planned}");
    }
    text
}

fn story(cluster: &Cluster) -> String {
    let ms = |us: Micros| us as f64 / 1000.0;
    let mut text = String::from("journal:\n");
    for (at, line) in &cluster.check.journal {
        let _ = writeln!(text, "  {:>10.3} ms  {line}", ms(*at));
    }
    for (index, member) in cluster.members.iter().enumerate() {
        let Some(agent) = &member.agent else { continue };
        let _ = write!(text, "counters of {index}:");
        for (counter, name, _) in formats::register::Counter::ALL {
            match agent.nic.counter(*counter) {
                0 => {}
                value => {
                    let _ = write!(text, " {name} {value}");
                }
            }
        }
        let _ = writeln!(text);
    }
    if let Some(key) = cluster.check.violation.as_ref().and_then(|violation| violation.key) {
        let _ = writeln!(text, "history of {key:?}:");
        for (at, member, note) in cluster.check.history(&key) {
            let _ = writeln!(text, "  {:>10.3} ms  {member}: {note:?}", ms(*at));
        }
    }
    text
}
