//! Sum and count of each bucket against two plain numbers, under changes of few buckets back to back.

use super::{top, Block, Test};
use formats::limits::BUCKETS_COUNT;
use std::collections::VecDeque;
use verilator_tests::{expect_same, Bench, Error, Input, Port, Result};

const LATENCY_CYCLES: u64 = hw::sums::LATENCY as u64;
const CYCLES: u64 = 150_000;
/// Cycles from the end of a reset until every bucket is cleared, and the RAM shows it.
const CLEAR_CYCLES: u64 = BUCKETS_COUNT as u64 + 1;

pub(crate) const BLOCK: Block = Block {
    name: "bucket_sums",
    design: || top("bucket_sums"),
    latency_cycles: Some(LATENCY_CYCLES),
    tests: &[
        Test { name: "changes and reads", seeds: 0..8, body: sums_match },
        Test { name: "a reset clears every bucket", seeds: 0..4, body: reset_clears },
        Test { name: "nothing enters before it is ready", seeds: 0..4, body: early_is_ignored },
    ],
};

/// The ports of the block.
struct Sums {
    ready: Port<bool>,
    in_valid: Input<bool>,
    in_bucket: Input<u16>,
    in_old: Input<u64>,
    in_new: Input<u64>,
    in_was_live: Input<bool>,
    in_is_live: Input<bool>,
    read_valid: Input<bool>,
    read_bucket: Input<u16>,
    read_ready: Port<bool>,
    out_valid: Port<bool>,
    out_is_read: Port<bool>,
    out_bucket: Port<u16>,
    out_sum: Port<u64>,
    out_count: Port<u32>,
}

/// What leaves: whether it is a read, the bucket, its sum and count.
type Left = (bool, u16, u64, u32);

impl Sums {
    fn new(bench: &Bench) -> Result<Sums> {
        Ok(Sums {
            ready: bench.port("ready")?,
            in_valid: bench.input("in_valid")?,
            in_bucket: bench.input("in_bucket")?,
            in_old: bench.input("in_old")?,
            in_new: bench.input("in_new")?,
            in_was_live: bench.input("in_was_live")?,
            in_is_live: bench.input("in_is_live")?,
            read_valid: bench.input("read_valid")?,
            read_bucket: bench.input("read_bucket")?,
            read_ready: bench.port("read_ready")?,
            out_valid: bench.port("out_valid")?,
            out_is_read: bench.port("out_is_read")?,
            out_bucket: bench.port("out_bucket")?,
            out_sum: bench.port("out_sum")?,
            out_count: bench.port("out_count")?,
        })
    }

    /// Shows a change that may be none: noise on every port of it.
    fn show(&self, bench: &mut Bench, is_valid: bool, bucket: u16) -> (u64, u32) {
        let random = bench.random();
        let mut number = || match random.u8(..8) {
            0 => 0,
            1 => u64::MAX,
            2 => u64::from(random.u32(..)),
            3 => u64::from(random.u32(..)) << 32,
            _ => random.u64(..),
        };
        let (old, new) = (number(), number());
        let (was, is) = (random.bool(), random.bool());
        self.in_valid.set(is_valid);
        self.in_bucket.set(bucket);
        self.in_old.set(old);
        self.in_new.set(new);
        self.in_was_live.set(was);
        self.in_is_live.set(is);
        (new.wrapping_sub(old), u32::from(is).wrapping_sub(u32::from(was)))
    }

    fn left(&self) -> Option<Left> {
        let of_this =
            || (self.out_is_read.get(), self.out_bucket.get(), self.out_sum.get(), self.out_count.get());
        self.out_valid.get().then(of_this)
    }

    /// Waits until it is ready, which it is exactly then.
    fn await_ready(&self, bench: &mut Bench) -> Result<()> {
        for cycle in 0..CLEAR_CYCLES {
            expect_same("ready before all are cleared", (self.ready.get(), cycle), (false, cycle))?;
            bench.cycle(&mut ())?;
        }
        expect_same("ready", self.ready.get(), true)
    }

    /// Random changes and reads of the buckets that `draw` names; each leaves when it is due.
    fn compare(
        &self,
        bench: &mut Bench,
        model: &mut [(u64, u32)],
        cycles: u64,
        mut draw: impl FnMut(&mut Bench) -> u16,
    ) -> Result<()> {
        let mut due = VecDeque::new();
        let (mut is_asking, mut asked) = (false, 0);
        let mut density = 255;
        for cycle in 0..cycles + LATENCY_CYCLES {
            if cycle % 1_000 == 0 {
                density = if bench.random().bool() { 255 } else { bench.random().u8(..) };
            }
            let (bucket, is_valid) = (draw(bench), cycle < cycles && bench.random().u8(..) <= density);
            let (sum, count) = self.show(bench, is_valid, bucket);
            if !is_asking {
                (is_asking, asked) = (cycle < cycles && bench.random().bool(), draw(bench));
            }
            self.read_valid.set(is_asking);
            self.read_bucket.set(asked);
            bench.top().eval()?;
            expect_same("a read is taken", self.read_ready.get(), !is_valid)?;
            let entering = match (is_valid, is_asking) {
                (true, _) => {
                    let (of_bucket, flows) = &mut model[usize::from(bucket)];
                    (*of_bucket, *flows) = (of_bucket.wrapping_add(sum), flows.wrapping_add(count));
                    Some((false, bucket))
                }
                (false, true) => {
                    is_asking = false;
                    Some((true, asked))
                }
                (false, false) => None,
            };
            due.push_back(entering.map(|(is_read, bucket)| {
                let (sum, count) = model[usize::from(bucket)];
                (is_read, bucket, sum, count)
            }));
            bench.cycle(&mut ())?;
            if due.len() as u64 == LATENCY_CYCLES {
                expect_same("what leaves", self.left(), due.pop_front().flatten())?;
            }
        }
        Ok(())
    }

    /// Reads every bucket.
    fn compare_all(&self, bench: &mut Bench, model: &[(u64, u32)]) -> Result<()> {
        self.in_valid.set(false);
        self.read_valid.set(true);
        for cycle in 0..BUCKETS_COUNT as u64 + LATENCY_CYCLES - 1 {
            self.read_bucket.set((cycle % BUCKETS_COUNT as u64) as u16);
            bench.cycle(&mut ())?;
            if let Some(bucket) = (cycle + 1).checked_sub(LATENCY_CYCLES) {
                let (sum, count) = model[bucket as usize];
                expect_same("a bucket", self.left(), Some((true, bucket as u16, sum, count)))?;
            }
        }
        self.read_valid.set(false);
        for _ in 0..LATENCY_CYCLES {
            bench.cycle(&mut ())?;
        }
        Ok(())
    }
}

/// Any bucket, or one of very few that change from time to time: what is forwarded is the rule.
fn few(bench: &mut Bench, chosen: &mut [u16; 3]) -> u16 {
    let random = bench.random();
    if random.u8(..) == 0 {
        // Neighbours by a bit too.
        chosen[random.usize(..3)] =
            if random.bool() { random.u16(..BUCKETS_COUNT as u16) } else { chosen[0] ^ 1 << random.u8(..10) };
    }
    match random.u8(..16) {
        0 => random.u16(..BUCKETS_COUNT as u16),
        _ => chosen[random.usize(..3)],
    }
}

fn sums_match(bench: &mut Bench) -> Result<()> {
    let sums = Sums::new(bench)?;
    expect_same("an operation after reset", sums.out_valid.get(), false)?;
    sums.await_ready(bench)?;
    let mut model = vec![(0, 0); BUCKETS_COUNT];
    let mut chosen = [0, 1, 512];
    sums.compare(bench, &mut model, CYCLES, |bench| few(bench, &mut chosen))?;
    sums.compare_all(bench, &model)
}

fn reset_clears(bench: &mut Bench) -> Result<()> {
    let sums = Sums::new(bench)?;
    sums.await_ready(bench)?;
    for _ in 0..5 {
        let mut model = vec![(0, 0); BUCKETS_COUNT];
        sums.compare(bench, &mut model, 3_000, |bench| bench.random().u16(..BUCKETS_COUNT as u16))?;
        // Changes are under way when it comes, and once more before all are cleared.
        for _ in 0..2 {
            for _ in 0..bench.random().u64(..LATENCY_CYCLES + 2) {
                let bucket = bench.random().u16(..4);
                sums.show(bench, true, bucket);
                bench.cycle(&mut ())?;
            }
            bench.reset()?;
            sums.in_valid.set(false);
            for _ in 0..bench.random().u64(..CLEAR_CYCLES) {
                expect_same("what was under way", sums.left(), None)?;
                bench.cycle(&mut ())?;
            }
        }
        bench.reset()?;
        sums.await_ready(bench)?;
        sums.compare_all(bench, &vec![(0, 0); BUCKETS_COUNT])?;
    }
    Ok(())
}

fn early_is_ignored(bench: &mut Bench) -> Result<()> {
    let sums = Sums::new(bench)?;
    sums.read_valid.set(true);
    while !sums.ready.get() {
        let (is_valid, bucket) = (bench.random().bool(), bench.random().u16(..BUCKETS_COUNT as u16));
        sums.show(bench, is_valid, bucket);
        bench.top().eval()?;
        expect_same("a read is taken", sums.read_ready.get(), false)?;
        bench.cycle(&mut ())?;
        expect_same("what leaves", sums.left(), None)?;
        if bench.cycles() > 100 * CLEAR_CYCLES {
            return Err(Error::Found("it never is ready".into()));
        }
    }
    sums.compare_all(bench, &vec![(0, 0); BUCKETS_COUNT])
}
