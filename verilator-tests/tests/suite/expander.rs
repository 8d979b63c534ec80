//! The numbers of a secret against `FlowHasher` and `FlowDigester`, each as it is written.

use super::{top, Block, Test};
use formats::hash::{ClusterSecret, FlowDigester, FlowHasher, DIGEST_WORDS};
use hw::expander::RUN_CYCLES;
use verilator_tests::{expect_same, Bench, Input, Port, Result};

/// Tables of end points, then of protocol, zone and family.
const TABLES_COUNT: usize = 44;
const ENDPOINT_TABLES: usize = 36;

pub(crate) const BLOCK: Block = Block {
    name: "expander",
    design: || top("expander"),
    latency_cycles: Some(RUN_CYCLES as u64),
    tests: &[
        Test { name: "random secrets", seeds: 0..20, body: numbers_match },
        Test { name: "known numbers of a known secret", seeds: 0..1, body: known_secret },
        Test { name: "it begins anew at any time", seeds: 0..4, body: begins_anew },
        Test { name: "a reset stops it", seeds: 0..4, body: reset_stops },
    ],
};

/// What was written, by place.
#[derive(Clone, Debug, PartialEq)]
struct Written {
    tables: Vec<[Option<u64>; 16]>,
    keys: Vec<Option<u32>>,
}

impl Written {
    fn nothing() -> Written {
        Written { tables: vec![[None; 16]; TABLES_COUNT], keys: vec![None; DIGEST_WORDS] }
    }

    fn expected(secret: [u8; 32]) -> Written {
        let secret = ClusterSecret(secret);
        let hasher = Box::new(FlowHasher::new(&secret));
        let digester = FlowDigester::new(&secret);
        let tables = hasher.endpoint_tables().iter().chain(hasher.context_tables());
        Written {
            tables: tables.map(|table| table.map(Some)).collect(),
            keys: digester.keys().iter().copied().map(Some).collect(),
        }
    }
}

/// The ports of the block.
struct Expander {
    secret: Input<[u8; 32]>,
    start: Input<bool>,
    ready: Port<bool>,
    hash_write: Port<bool>,
    hash_write_table: Port<u8>,
    hash_write_index: Port<u8>,
    hash_write_number: Port<u64>,
    digest_write: Port<bool>,
    digest_write_index: Port<u8>,
    digest_write_key: Port<u32>,
}

impl Expander {
    fn new(bench: &Bench) -> Result<Expander> {
        Ok(Expander {
            secret: bench.input("secret")?,
            start: bench.input("start")?,
            ready: bench.port("ready")?,
            hash_write: bench.port("hash_write")?,
            hash_write_table: bench.port("hash_write_table")?,
            hash_write_index: bench.port("hash_write_index")?,
            hash_write_number: bench.port("hash_write_number")?,
            digest_write: bench.port("digest_write")?,
            digest_write_index: bench.port("digest_write_index")?,
            digest_write_key: bench.port("digest_write_key")?,
        })
    }

    fn is_writing(&self) -> bool {
        self.hash_write.get() || self.digest_write.get()
    }

    /// Gives it a secret and lets it run for some cycles, no more than it needs; returns what was written.
    fn run(&self, bench: &mut Bench, secret: [u8; 32], cycles: usize) -> Result<Written> {
        let mut written = Written::nothing();
        self.secret.set(secret);
        self.start.set(true);
        bench.cycle(&mut ())?;
        self.start.set(false);
        for cycle in 1..cycles {
            expect_same("ready too early", (self.ready.get(), cycle), (false, cycle))?;
            if self.hash_write.get() {
                let (table, index) = (self.hash_write_table.get(), self.hash_write_index.get());
                let place =
                    written.tables.get_mut(usize::from(table)).map(|table| &mut table[usize::from(index)]);
                let before = place.map(|place| place.replace(self.hash_write_number.get()));
                expect_same("what was at the place of a number", before, Some(None))?;
            }
            if self.digest_write.get() {
                let key = written.keys.get_mut(usize::from(self.digest_write_index.get()));
                let before = key.map(|key| key.replace(self.digest_write_key.get()));
                expect_same("what was at the place of a key", before, Some(None))?;
            }
            bench.cycle(&mut ())?;
        }
        Ok(written)
    }

    fn compare(&self, bench: &mut Bench, secret: [u8; 32]) -> Result<()> {
        let written = self.run(bench, secret, RUN_CYCLES)?;
        expect_same("what was written", written, Written::expected(secret))?;
        // Ready stays, the secret is not looked at, and nothing more is written.
        for _ in 0..200 {
            expect_same("ready, writing", (self.ready.get(), self.is_writing()), (true, false))?;
            self.secret.set(random_secret(bench));
            bench.cycle(&mut ())?;
        }
        Ok(())
    }

    /// It does nothing.
    fn rests(&self, bench: &mut Bench) -> Result<()> {
        for _ in 0..200 {
            expect_same("ready, writing", (self.ready.get(), self.is_writing()), (false, false))?;
            bench.cycle(&mut ())?;
        }
        Ok(())
    }
}

fn random_secret(bench: &mut Bench) -> [u8; 32] {
    let mut secret = [0; 32];
    bench.random().fill(&mut secret);
    secret
}

fn numbers_match(bench: &mut Bench) -> Result<()> {
    let expander = Expander::new(bench)?;
    expander.start.set(false);
    expander.rests(bench)?;
    let secret = random_secret(bench);
    expander.compare(bench, secret)
}

/// Numbers of the secret 00 01 .. 1f by a SipHash that is not ours, which gives the reference vectors.
fn known_secret(bench: &mut Bench) -> Result<()> {
    let expander = Expander::new(bench)?;
    let written = expander.run(bench, std::array::from_fn(|k| k as u8), RUN_CYCLES)?;
    let numbers = [written.tables[0][1], written.tables[35][15], written.tables[ENDPOINT_TABLES + 6][1]];
    expect_same("numbers", numbers, [Some(0xf8_e582_9f05), Some(0xd4_32c2_8dbc), Some(0xaa_6e77_803c)])?;
    expect_same("keys", [written.keys[0], written.keys[33]], [Some(0xc216_624c), Some(0xa153_2c89)])
}

fn begins_anew(bench: &mut Bench) -> Result<()> {
    let expander = Expander::new(bench)?;
    for _ in 0..20 {
        let (secret, cycles) = (random_secret(bench), bench.random().usize(1..500));
        expander.run(bench, secret, cycles)?;
    }
    // Among the last keys, at the end, and when all is done.
    for left in [bench.random().usize(..100), bench.random().usize(..4)] {
        let secret = random_secret(bench);
        expander.run(bench, secret, RUN_CYCLES - left)?;
    }
    for _ in 0..2 {
        let secret = random_secret(bench);
        expander.compare(bench, secret)?;
    }
    Ok(())
}

fn reset_stops(bench: &mut Bench) -> Result<()> {
    let expander = Expander::new(bench)?;
    for part in [0, RUN_CYCLES - 100] {
        for _ in 0..4 {
            let (secret, cycles) = (random_secret(bench), part + bench.random().usize(1..100));
            expander.run(bench, secret, cycles)?;
            bench.reset()?;
            expander.rests(bench)?;
        }
    }
    let secret = random_secret(bench);
    expander.compare(bench, secret)?;
    bench.reset()?;
    expander.rests(bench)
}
