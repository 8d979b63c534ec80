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
    for name in ["no_tombstone", "linear_digest", "early_in_sync"] {
        let omissions = trine_sim::plant::by_name(name).expect("a name of the list");
        let found = [0, 12, 17, 23].into_iter().any(|seed| violation(seed, omissions).is_some());
        assert!(found, "cargo xtask sim --seeds 0..24 --plant {name}");
    }
}
