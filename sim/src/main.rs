//! `trine-sim`: runs seeds and says which rule broke, if one did.
//!
//! `--seeds A..B [--members 2|3] [--plant NAME|all] [--verbose] [--json]`. With `--plant` a rule of the
//! protocol is left out, and the run succeeds only if the loss is found.

use softnic::Omissions;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use trine_sim::plant;
use trine_sim::run::{run, Options, Outcome};

const USAGE: &str = "usage: trine-sim --seeds A..B [--members 2|3] [--plant NAME|all] [--verbose] [--json]";

struct Arguments {
    seeds: std::ops::Range<u64>,
    members: Option<usize>,
    plant: Option<String>,
    verbose: bool,
    json: bool,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { seeds: 0..0, members: None, plant: None, verbose: false, json: false };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--seeds" => {
                let text = value()?;
                let bounds = text.split_once("..").and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
                arguments.seeds = bounds.ok_or(format!("--seeds {text}: expected A..B"))?;
            }
            "--members" => match value()?.as_str() {
                "2" => arguments.members = Some(2),
                "3" => arguments.members = Some(3),
                other => return Err(format!("--members {other}: expected 2 or 3")),
            },
            "--plant" => {
                let name = value()?;
                if name != "all" && plant::by_name(&name).is_none() {
                    return Err(format!("--plant {name}: expected all, {}", plant::NAMES.join(", ")));
                }
                arguments.plant = Some(name);
            }
            "--verbose" => arguments.verbose = true,
            "--json" => arguments.json = true,
            other => return Err(format!("{other}: unknown")),
        }
    }
    if arguments.seeds.is_empty() {
        return Err("--seeds is missing or empty".into());
    }
    Ok(arguments)
}

/// Runs the seeds on every core; outcomes come in the order of the seeds until `each` returns false.
fn run_all(
    seeds: std::ops::Range<u64>,
    options: Options,
    verbose: bool,
    mut each: impl FnMut(Outcome) -> bool,
) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, stop) = (AtomicU64::new(seeds.start), AtomicU64::new(seeds.end));
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.clone();
            let (next, stop) = (&next, &stop);
            scope.spawn(move || loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= stop.load(Ordering::Relaxed) {
                    break;
                }
                if sender.send(run(seed, options, verbose)).is_err() {
                    break;
                }
            });
        }
        drop(sender);
        let (mut waiting, mut due) = (BTreeMap::new(), seeds.start);
        for outcome in receiver {
            waiting.insert(outcome.seed, outcome);
            while let Some(outcome) = waiting.remove(&due) {
                due += 1;
                if due <= stop.load(Ordering::Relaxed) && !each(outcome) {
                    stop.store(due, Ordering::Relaxed);
                }
            }
        }
    });
}

fn print_violation(outcome: &Outcome, plant: Option<&str>) {
    let Some(violation) = &outcome.violation else { return };
    let seed = outcome.seed;
    println!("seed {seed}: VIOLATION at {:.3} ms: {}", violation.at as f64 / 1000.0, violation.rule);
    println!("  {}", violation.what);
    println!("drawn: {} members, {}", outcome.members, outcome.drawn);
    println!("{}", outcome.story);
    let planted = plant.map_or(String::new(), |name| format!(" --plant {name}"));
    println!("repeat: cargo xtask sim --seeds {seed}..{}{planted}", seed + 1);
}

fn print_json(outcome: &Outcome) {
    let rule = outcome.violation.as_ref().map_or("null".into(), |violation| format!("{:?}", violation.rule));
    let (opened, ended, broken) = outcome.lives;
    println!(
        "{{\"seed\":{},\"members\":{},\"violation\":{rule},\"length_us\":{},\"converged_us\":{},\"opened\":{opened},\
         \"ended\":{ended},\"broken\":{broken},\"frames\":{}}}",
        outcome.seed, outcome.members, outcome.length_us, outcome.converged_us, outcome.frames
    );
}

fn check(arguments: &Arguments) -> bool {
    let options = Options { members: arguments.members, omissions: Omissions::default() };
    let (mut passed, mut failed) = (0u64, 0u64);
    run_all(arguments.seeds.clone(), options, arguments.verbose, |outcome| {
        let broken = outcome.violation.is_some();
        (passed, failed) = (passed + u64::from(!broken), failed + u64::from(broken));
        if arguments.json {
            print_json(&outcome);
        } else if broken {
            print_violation(&outcome, None);
        } else if arguments.verbose {
            println!("seed {}: {}\n{}", outcome.seed, outcome.drawn, outcome.story);
        }
        true
    });
    if arguments.json {
        println!("{{\"passed\":{passed},\"failed\":{failed}}}");
    } else {
        println!("{passed} passed, {failed} failed");
    }
    failed == 0
}

/// Leaves a rule out; true if the loss is found.
fn find(arguments: &Arguments, name: &str) -> bool {
    let omissions = plant::by_name(name).expect("names were checked");
    let options = Options { members: arguments.members, omissions };
    let mut found = None;
    run_all(arguments.seeds.clone(), options, false, |outcome| {
        // Only a seed that passes with every rule in place shows what the missing one prevents.
        let whole = Options { omissions: Omissions::default(), ..options };
        if outcome.violation.is_some() && run(outcome.seed, whole, false).violation.is_none() {
            found = Some(outcome);
        }
        found.is_none()
    });
    match found {
        Some(outcome) => {
            let rule = outcome.violation.as_ref().map_or("", |violation| violation.rule);
            if arguments.json {
                println!("{{\"plant\":{name:?},\"seed\":{},\"violation\":{rule:?}}}", outcome.seed);
            } else {
                if arguments.verbose {
                    print_violation(&outcome, Some(name));
                }
                println!("{name}: found by seed {}: {rule}", outcome.seed);
            }
            true
        }
        None => {
            println!("{name}: not found");
            false
        }
    }
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("trine-sim: {problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let fine = match arguments.plant.as_deref() {
        None => check(&arguments),
        Some("all") => {
            let found = plant::NAMES.iter().filter(|name| find(&arguments, name)).count();
            println!("{found} passed, {} failed", plant::NAMES.len() - found);
            found == plant::NAMES.len()
        }
        Some(name) => {
            let found = find(&arguments, name);
            println!("{} passed, {} failed", u8::from(found), u8::from(!found));
            found
        }
    };
    ExitCode::from(u8::from(!fine))
}
