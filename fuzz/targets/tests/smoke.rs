//! Replays the corpus of every target, then mutates it for a bounded number of inputs.
//!
//! The seed is printed; `TRINE_FUZZ_SEED` repeats it and `TRINE_FUZZ_INPUTS` sets how many. An input that
//! breaks a target is printed as hex: it belongs into the corpus with its repair.
//!
//! Budget: 5 s for all targets at the default count.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use trine_fuzz_targets::mutator::Mutator;
use trine_fuzz_targets::{Target, TARGETS};

const INPUTS_COUNT: u64 = 200_000;

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("a readable folder").path();
            (path.display().to_string(), fs::read(&path).expect("a readable input"))
        })
        .collect();
    // Folders are listed in any order; the inputs of a seed depend on this one.
    inputs.sort();
    assert!(!inputs.is_empty(), "{} has no corpus", target.name);
    inputs
}

fn run(target: &Target, bytes: &[u8], origin: &str) {
    if catch_unwind(|| (target.run)(bytes)).is_err() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("target {} broke on {origin}:\n{hex}", target.name);
    }
}

#[test]
fn targets_survive_their_corpus_and_its_mutations() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    let seed = from_environment("TRINE_FUZZ_SEED").unwrap_or(now.as_micros() as u64);
    let inputs_count = from_environment("TRINE_FUZZ_INPUTS").unwrap_or(INPUTS_COUNT);
    let repeat = format!(
        "TRINE_FUZZ_SEED={seed} TRINE_FUZZ_INPUTS={inputs_count} cargo test -p trine-fuzz-targets --test smoke"
    );
    println!("{repeat}");
    for target in TARGETS {
        let corpus = corpus(target);
        for (path, bytes) in &corpus {
            run(target, bytes, path);
        }
        let corpus: Vec<_> = corpus.into_iter().map(|(_, bytes)| bytes).collect();
        let mut mutator = Mutator::new(seed);
        for number in 0..inputs_count / target.cost {
            run(target, &mutator.input(&corpus), &format!("input {number} of `{repeat}`"));
        }
    }
}
