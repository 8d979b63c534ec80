//! Counters against plain numbers: every read is exact, whatever goes up and down around it.

use super::{top, Block, Test};
use formats::register::Counter;
use verilator_tests::{expect_same, Bench, Error, Input, Port, Result};

const COUNT: usize = Counter::COUNT;
const MASK_BYTES: usize = COUNT.div_ceil(8);
const CYCLES: u64 = 60_000;
/// Cycles for which a read may wait while it comes first in one clock of four.
const READ_WAIT_MAX: u64 = 3;
/// Cycles from a reset until reads are taken: 128 places are cleared, and the RAM shows it.
const CLEAR_CYCLES: u64 = 129;

pub(crate) const BLOCK: Block = Block {
    name: "counters",
    design: || top("counters"),
    latency_cycles: Some(hw::counters::READ_LATENCY as u64),
    tests: &[
        Test { name: "strobes, amounts and reads", seeds: 0..4, body: |bench| counts_match(bench, 40) },
        Test { name: "every strobe in every clock", seeds: 0..2, body: |bench| counts_match(bench, 255) },
        Test { name: "a reset takes all to nothing", seeds: 0..4, body: reset_clears },
    ],
};

/// The ports of the block.
struct Counters {
    up: Input<[u8; MASK_BYTES]>,
    down: Input<[u8; MASK_BYTES]>,
    add_valid: Input<bool>,
    add_ready: Port<bool>,
    add_counter: Input<u8>,
    add_amount: Input<u64>,
    read_valid: Input<bool>,
    read_ready: Port<bool>,
    read_counter: Input<u8>,
    read_done: Port<bool>,
    read_value: Port<u64>,
}

/// One run: what the numbers are, and what is under way.
struct Run {
    model: [u64; COUNT],
    /// The counter to read and since when it waits.
    asked: Option<(u8, u64)>,
    /// The counter and amount to add.
    added: Option<(u8, u64)>,
    /// The read that was taken: in which cycle, and the value.
    taken: Option<(u64, u64)>,
}

impl Counters {
    fn new(bench: &Bench) -> Result<Counters> {
        Ok(Counters {
            up: bench.input("up")?,
            down: bench.input("down")?,
            add_valid: bench.input("add_valid")?,
            add_ready: bench.port("add_ready")?,
            add_counter: bench.input("add_counter")?,
            add_amount: bench.input("add_amount")?,
            read_valid: bench.input("read_valid")?,
            read_ready: bench.port("read_ready")?,
            read_counter: bench.input("read_counter")?,
            read_done: bench.port("read_done")?,
            read_value: bench.port("read_value")?,
        })
    }

    /// One clock with strobes of that density of 256, and with reads and amounts that wait for their turn.
    fn cycle(&self, bench: &mut Bench, run: &mut Run, density: u8, asks: bool) -> Result<()> {
        let cycle = bench.cycles();
        let mut masks = [[0u8; MASK_BYTES]; 2];
        for counter in 0..COUNT {
            for (mask, step) in masks.iter_mut().zip([1, u64::MAX]) {
                // At the greatest density each counter goes one way all the time.
                let other_way = (counter % 3 == 0) == (step == 1);
                let strikes = if density == 255 { other_way } else { bench.random().u8(..) < density };
                if strikes {
                    mask[counter / 8] |= 1 << (counter % 8);
                    run.model[counter] = run.model[counter].wrapping_add(step);
                }
            }
        }
        self.up.set(masks[0]);
        self.down.set(masks[1]);
        let random = bench.random();
        if asks && run.asked.is_none() && run.taken.is_none() && random.u8(..4) == 0 {
            run.asked = Some((random.u8(..COUNT as u8), cycle));
        }
        if run.added.is_none() && random.u8(..4) == 0 {
            run.added = Some((random.u8(..COUNT as u8), random.u64(..) >> random.u8(..64)));
        }
        self.read_valid.set(run.asked.is_some());
        self.read_counter.set(run.asked.map_or_else(|| random.u8(..128), |(counter, _)| counter));
        self.add_valid.set(run.added.is_some());
        let (counter, amount) = run.added.unwrap_or_else(|| (random.u8(..128), random.u64(..)));
        self.add_counter.set(counter);
        self.add_amount.set(amount);
        bench.top().eval()?;

        if let Some((counter, amount)) = run.added.take_if(|_| self.add_ready.get()) {
            run.model[usize::from(counter)] = run.model[usize::from(counter)].wrapping_add(amount);
        }
        if let Some((counter, since)) = run.asked {
            if self.read_ready.get() {
                (run.asked, run.taken) = (None, Some((cycle, run.model[usize::from(counter)])));
            } else if cycle - since >= READ_WAIT_MAX {
                return Err(Error::Found("a read waits too long".into()));
            }
        }
        bench.cycle(&mut ())?;
        let due = run.taken.take_if(|(at, _)| *at + hw::counters::READ_LATENCY as u64 == cycle + 1);
        let found = self.read_done.get().then(|| self.read_value.get());
        expect_same("what is read", found, due.map(|(_, value)| value))
    }

    /// Waits behind a reset; strobes count from its end on.
    fn start(&self, bench: &mut Bench, density: u8) -> Result<Run> {
        let mut run = Run { model: [0; COUNT], asked: None, added: None, taken: None };
        for _ in 0..CLEAR_CYCLES {
            self.read_valid.set(true);
            self.add_valid.set(true);
            bench.top().eval()?;
            let early = (self.read_ready.get(), self.add_ready.get());
            expect_same("taken before all is cleared", early, (false, false))?;
            self.cycle(bench, &mut run, density, false)?;
        }
        Ok(run)
    }

    /// Reads every counter.
    fn compare_all(&self, bench: &mut Bench, run: &mut Run) -> Result<()> {
        self.up.set([0; MASK_BYTES]);
        self.down.set([0; MASK_BYTES]);
        self.add_valid.set(false);
        self.read_valid.set(false);
        (0..2 * COUNT + 16).try_for_each(|_| bench.cycle(&mut ()))?;
        for (counter, value) in run.model.iter().enumerate() {
            self.read_valid.set(true);
            self.read_counter.set(counter as u8);
            bench.top().eval()?;
            while !self.read_ready.get() {
                bench.cycle(&mut ())?;
                bench.top().eval()?;
            }
            bench.cycle(&mut ())?;
            self.read_valid.set(false);
            (1..hw::counters::READ_LATENCY).try_for_each(|_| bench.cycle(&mut ()))?;
            expect_same("a counter", (self.read_done.get(), self.read_value.get()), (true, *value))?;
        }
        Ok(())
    }
}

fn counts_match(bench: &mut Bench, density: u8) -> Result<()> {
    let counters = Counters::new(bench)?;
    let mut run = counters.start(bench, density)?;
    for _ in 0..CYCLES {
        counters.cycle(bench, &mut run, density, true)?;
    }
    counters.compare_all(bench, &mut run)
}

fn reset_clears(bench: &mut Bench) -> Result<()> {
    let counters = Counters::new(bench)?;
    for _ in 0..5 {
        let mut run = counters.start(bench, 100)?;
        for _ in 0..bench.random().u64(300..1_000) {
            counters.cycle(bench, &mut run, 100, true)?;
        }
        bench.reset()?;
        counters.up.set([0; MASK_BYTES]);
        counters.down.set([0; MASK_BYTES]);
        counters.add_valid.set(false);
        counters.read_valid.set(false);
        for _ in 0..CLEAR_CYCLES {
            expect_same("a read of before the reset", counters.read_done.get(), false)?;
            bench.cycle(&mut ())?;
        }
        run.model = [0; COUNT];
        counters.compare_all(bench, &mut run)?;
        bench.reset()?;
    }
    Ok(())
}
