//! Plants small faults in the text of each block, one at a time, and runs the block's tests against each.
//!
//! Prints a line for each survivor, a fault that no test noticed, when it is found, and one behind those of a
//! block. A fault that Verilator refuses does not count. Arguments: how many faults a block, the seed of the choice, one block's name.

#[allow(dead_code)] // What other programs use of it.
#[path = "../tests/suite/mod.rs"]
mod suite;

use std::time::Instant;
use suite::Block;
use verilator_tests::mutation::{self, Mutation};
use verilator_tests::{Bench, Design, Error, Result};

const COUNT: usize = 40;
const SEED: u64 = 1;

/// What became of one fault.
enum Fate {
    Refused,
    Killed,
    Survived,
}

fn fate(block: &Block, design: &Design) -> Result<Fate> {
    let model = match design.build() {
        Err(Error::Refused { .. }) => return Ok(Fate::Refused),
        other => other?,
    };
    for test in block.tests {
        for seed in test.seeds.clone() {
            let outcome = Bench::new(design, &model, seed).and_then(|mut bench| test.run(&mut bench));
            if outcome.is_err() {
                return Ok(Fate::Killed);
            }
        }
    }
    Ok(Fate::Survived)
}

/// The module that a line is in.
fn module(text: &str, line: usize) -> &str {
    let heads = text.lines().take(line).filter_map(|line| line.strip_prefix("module "));
    heads.last().and_then(|head| head.split_whitespace().next()).unwrap_or_default()
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let number = |text: Option<String>, otherwise: u64| match text {
        None => Ok(otherwise),
        Some(text) => text.parse().map_err(|_| Error::Found(format!("`{text}` is not a number"))),
    };
    let count = number(arguments.next(), COUNT as u64)? as usize;
    let seed = number(arguments.next(), SEED)?;
    let only = arguments.next();
    let chosen: Vec<&Block> =
        suite::BLOCKS.iter().filter(|block| only.as_ref().is_none_or(|name| name == block.name)).collect();
    if chosen.is_empty() {
        return Err(Error::Found(format!("no block `{}`", only.unwrap_or_default())));
    }
    let mut survivors_count = 0;
    println!(
        "{:<16}{:>8}{:>9}{:>8}{:>10}{:>9}",
        "block", "places", "refused", "killed", "survived", "seconds"
    );
    for block in chosen {
        let start = Instant::now();
        let design = block.design();
        // What a fault kills must live without.
        if !matches!(fate(block, &design)?, Fate::Survived) {
            return Err(Error::Found(format!("{}: its own text does not pass", block.name)));
        }
        let places = mutation::all(design.text());
        let mut order: Vec<&Mutation> = places.iter().collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut order);
        let (mut refused, mut killed, mut survived) = (0, 0, 0);
        for mutation in order {
            if killed + survived == count {
                break;
            }
            match fate(block, &design.clone().with_text(mutation.apply(design.text())))? {
                Fate::Refused => refused += 1,
                Fate::Killed => killed += 1,
                Fate::Survived => {
                    survived += 1;
                    println!(
                        "    {}: {}",
                        module(design.text(), mutation.line),
                        mutation.describe(design.text())
                    );
                }
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let places = places.len();
        println!("{:<16}{places:>8}{refused:>9}{killed:>8}{survived:>10}{seconds:>9.1}", block.name);
        survivors_count += survived;
    }
    println!("{survivors_count} survived");
    Ok(())
}
