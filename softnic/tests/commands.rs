//! What commands do to the table at speed: batches change nothing but time, and nobody can aim at a set.

mod net;

use formats::descriptor::Command;
use formats::limits::*;
use formats::register::Counter;
use formats::{ClusterSecret, FlowHasher};
use net::*;
use softnic::{Config, Now, Softnic};

fn now(local_us: u64) -> Now {
    Now { local_us, cluster_us: EPOCH_US + local_us }
}

/// An engine that serves every bucket, with one copy that has not been heard.
fn owner(config: Config) -> Softnic {
    let mut engine = Softnic::new(config, now(0));
    engine.command(now(0), &Command::Peer { peer: 1, session: 7 });
    engine.command(now(0), &Command::Map(roles(term(1, 0), 0, 1, MEMBER_NONE)));
    engine
}

/// Upserts, deletes and confirmations of few flows, so that a batch holds several of one flow.
fn command(chance: &mut Chance) -> Command {
    let n = chance.below(60) as u32;
    match chance.below(8) {
        0 | 1 => upsert_new(record(n, 1)),
        2..=5 => upsert(record(n, 3 + chance.below(3) as u8)),
        6 => Command::Delete { cookie: 0, key: key(n) },
        _ => Command::Confirm { cookie: 5, key: key(n) },
    }
}

#[test]
fn a_batch_of_commands_is_those_commands_one_by_one() {
    for seed in 0..20 {
        let mut chance = Chance(seed);
        // Sets of one way: flows overflow, and leave the overflow again.
        let mut engines = [(); 2].map(|()| owner(Config { ways: 1, ..config(0, 2, 5) }));
        for turn in 1..40 {
            let batch: Vec<_> = (0..chance.below(100)).map(|_| command(&mut chance)).collect();
            engines[0].commands(now(turn * 200), &batch);
            batch.iter().for_each(|command| engines[1].command(now(turn * 200), command));
            let frames = engines.each_mut().map(|engine| {
                engine.poll(now(turn * 200));
                let mut frames = Vec::new();
                engine.transmit(now(turn * 200), &mut |port, bytes| frames.push((port, bytes.to_vec())));
                frames
            });
            assert_eq!(frames[0], frames[1], "seed {seed}, turn {turn}");
        }
        assert_eq!(engines[0].counters(), engines[1].counters(), "seed {seed}");
        assert!(engines[0].counter(Counter::FlowsChanged) > 100);
        assert_eq!(engines[0].balance(), Ok(()));
    }
}

#[test]
fn a_flood_aimed_at_one_set_hits_it_only_with_the_secret() {
    const AIMED: usize = 400;
    let stolen = FlowHasher::new(&SECRET);
    let set_bits = 12;
    let set = |n: u32| stolen.flow_id(&key(n)).0 >> (FLOW_ID_BITS - set_bits);
    let aimed: Vec<u32> = (0..).filter(|n| set(*n) == 5).take(AIMED).collect();
    let refused = |secret: ClusterSecret| {
        let config = Config { secret, set_bits, ways: 8, overflow_max: 0, ..config(0, 2, 5) };
        let mut engine = owner(config);
        aimed.iter().for_each(|n| engine.command(now(1), &upsert_new(record(*n, 1))));
        assert_eq!(engine.balance(), Ok(()));
        engine.counter(Counter::FlowsFull) as usize
    };
    assert_eq!(refused(SECRET), AIMED - 8);
    for other in 8..40 {
        assert_eq!(refused(ClusterSecret([other; 32])), 0, "secret {other}");
    }
}
