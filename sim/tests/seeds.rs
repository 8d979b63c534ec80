//! A few seeds pass as shipped, and planted omissions are found by seeds known to find them.

use softnic::Omissions;
use trine_sim::run::{run, Options};

fn violation(seed: u64, omissions: Omissions) -> Option<&'static str> {
    run(seed, Options { members: None, omissions }, false).violation.map(|violation| violation.rule)
}

#[test]
fn the_first_seeds_pass() {
    for seed in 0..4 {
        assert_eq!(
            violation(seed, Omissions::default()),
            None,
            "cargo xtask sim --seeds {seed}..{}",
            seed + 1
        );
    }
}

#[test]
fn a_run_repeats() {
    let twice = [(); 2].map(|()| run(4, Options { members: None, omissions: Omissions::default() }, false));
    assert_eq!((twice[0].frames, twice[0].lives), (twice[1].frames, twice[1].lives));
}

#[test]
fn planted_omissions_are_found() {
    let seeds = [
        ("newer_wins_partial", 12),
        ("no_tombstone", 40),
        ("no_authority", 23),
        ("host_copy_snapshot", 21),
        ("linear_digest", 0),
        ("early_in_sync", 0),
    ];
    assert_eq!(seeds.map(|(name, _)| name), trine_sim::plant::NAMES, "a seed for each");
    for (name, seed) in seeds {
        let omissions = trine_sim::plant::by_name(name).expect("a name of the list");
        assert_eq!(
            violation(seed, Omissions::default()),
            None,
            "cargo xtask sim --seeds {seed}..{}",
            seed + 1
        );
        let found = violation(seed, omissions).is_some();
        assert!(found, "cargo xtask sim --seeds {seed}..{} --plant {name}", seed + 1);
    }
}
