//! The registers behind AXI4-Lite against the declared list and a few lines of Rust.

use super::{top, Block, Test};
use formats::register::{self as reg, Access, Counter, COUNTERS, REGISTERS, SECRET};
use hw::csr::{self, SAID, STORED};
use std::collections::BTreeMap;
use verilator_tests::{expect_same, Agent, Bench, Input, LiteMaster, Port, Response, Result, Stalls};

/// Offsets that an access can name.
const OFFSETS: u64 = 1 << 12;
const SECRET_WORDS: u32 = 8;

pub(crate) const BLOCK: Block = Block {
    name: "csr",
    design: || top("csr"),
    latency_cycles: Some(3),
    tests: &[
        Test { name: "one after the other", seeds: 0..8, body: registers_match },
        Test { name: "many at once", seeds: 0..4, body: requests_queue },
        Test { name: "every offset", seeds: 0..2, body: every_offset },
        Test { name: "latency", seeds: 0..1, body: answers_are_quick },
        Test { name: "nothing is taken under reset", seeds: 0..4, body: reset_refuses },
    ],
};

/// What is at an offset.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Stored(Access),
    Said,
    Interrupts,
    Counter { number: u8, is_high: bool },
    Nothing,
}

fn place(offset: u32) -> Place {
    let offset = offset & !3;
    if (SECRET..SECRET + 4 * SECRET_WORDS).contains(&offset) {
        return Place::Stored(Access::Write);
    }
    if (COUNTERS..Counter::COUNT as u32 * 8 + COUNTERS).contains(&offset) {
        let at = offset - COUNTERS;
        return Place::Counter { number: (at / 8) as u8, is_high: at % 8 == 4 };
    }
    match REGISTERS.iter().find(|register| register.offset == offset) {
        Some(_) if offset == reg::INTERRUPT_STATUS => Place::Interrupts,
        Some(register) if register.access == Access::Read => Place::Said,
        Some(register) => Place::Stored(register.access),
        None => Place::Nothing,
    }
}

/// The registers as the driver knows them.
struct Model {
    stored: BTreeMap<u32, u32>,
    said: BTreeMap<u32, u32>,
    interrupts: u32,
    kept: Option<(u8, u32)>,
    refused: u32,
}

/// The engine's side of the block: answers reads of counters, collects what is written.
struct Engine {
    values: Port<[u32; STORED]>,
    written: Port<u64>,
    clear: Input<u64>,
    said: Input<[u32; SAID]>,
    raise: Input<u32>,
    interrupt: Port<bool>,
    refused: Port<u32>,
    counter_valid: Port<bool>,
    counter_ready: Input<bool>,
    counter: Port<u8>,
    counter_done: Input<bool>,
    counter_value: Input<u64>,
    random: fastrand::Rng,
    /// The counter asked for and what it will be.
    asked: Option<(u8, u64)>,
    /// What the last one was.
    answered: Option<(u8, u64)>,
    is_ready: bool,
    is_done: bool,
    /// Words that were written, each with its value in that clock.
    seen: Vec<(usize, u32)>,
}

impl Engine {
    fn new(bench: &mut Bench) -> Result<Engine> {
        Ok(Engine {
            values: bench.port("values")?,
            written: bench.port("written")?,
            clear: bench.input("clear")?,
            said: bench.input("said")?,
            raise: bench.input("raise")?,
            interrupt: bench.port("interrupt_waits")?,
            refused: bench.port("refused")?,
            counter_valid: bench.port("counter_valid")?,
            counter_ready: bench.input("counter_ready")?,
            counter: bench.port("counter")?,
            counter_done: bench.input("counter_done")?,
            counter_value: bench.input("counter_value")?,
            random: bench.fork_random(),
            asked: None,
            answered: None,
            is_ready: false,
            is_done: false,
            seen: Vec::new(),
        })
    }
}

impl Agent for Engine {
    fn drive(&mut self) {
        self.is_ready = self.asked.is_none() && self.random.u8(..4) == 0;
        self.is_done = self.asked.is_some() && self.random.u8(..4) == 0;
        self.counter_ready.set(self.is_ready);
        self.counter_done.set(self.is_done);
        let value = match self.asked {
            Some((_, value)) if self.is_done => value,
            _ => self.random.u64(..),
        };
        self.counter_value.set(value);
    }

    fn sample(&mut self, _: u64) -> Result<()> {
        if self.is_done {
            self.answered = self.asked.take();
        }
        if self.is_ready && self.counter_valid.get() {
            self.asked = Some((self.counter.get(), self.random.u64(..)));
        }
        let (written, values) = (self.written.get(), self.values.get());
        self.seen.extend((0..STORED).filter(|k| written >> k & 1 == 1).map(|k| (k, values[k])));
        Ok(())
    }
}

fn index(offset: u32) -> usize {
    match offset.checked_sub(SECRET) {
        Some(at) if at < 4 * SECRET_WORDS => csr::stored(SECRET).at / 32 + at as usize / 4,
        _ => csr::stored(offset).at / 32,
    }
}

/// Driver, engine and model.
struct Run {
    master: LiteMaster,
    engine: Engine,
    model: Model,
}

impl Run {
    fn new(bench: &mut Bench) -> Result<Run> {
        let master = LiteMaster::new(bench, "s_axil", |bench| Stalls::drawn(bench.fork_random()))?;
        let words = csr::Words::declared();
        let model = Model {
            stored: words.stored.iter().map(|(offset, _)| (*offset, 0)).collect(),
            said: words.said.iter().map(|offset| (*offset, 0)).collect(),
            interrupts: 0,
            kept: None,
            refused: 0,
        };
        Ok(Run { master, engine: Engine::new(bench)?, model })
    }

    /// The engine says other things.
    fn say(&mut self, bench: &mut Bench) {
        let words: [u32; SAID] = std::array::from_fn(|_| bench.random().u32(..));
        for (offset, value) in &mut self.model.said {
            *value = words[csr::said(*offset).at / 32];
        }
        self.engine.said.set(words);
    }

    fn write(&mut self, bench: &mut Bench, offset: u32, data: u32, bytes: u8) -> Result<()> {
        // In some writes the engine insists on the opposite.
        let raise = if bench.random().bool() { bench.random().u32(..) } else { 0 };
        let clear = if bench.random().u8(..4) == 0 { bench.random().u64(..1 << STORED) } else { 0 };
        // Raised before it: the register that enables may be what is written.
        self.engine.clear.set(clear);
        bench.cycle(&mut (&mut self.master, &mut self.engine))?;
        for (register, value) in &mut self.model.stored {
            if clear >> index(*register) & 1 == 1 {
                *value = 0;
            }
        }
        let enabled = self.model.stored[&reg::INTERRUPT_ENABLE];
        let raises = if offset & !3 == reg::INTERRUPT_ENABLE { 0 } else { raise };
        self.engine.raise.set(raises);
        self.engine.seen.clear();
        self.master.push_write(offset.into(), data.into(), bytes);
        let mut response = None;
        bench.run_until(&mut (&mut self.master, &mut self.engine), 10_000, |(master, _)| {
            response = response.or_else(|| master.next_written());
            response.is_some()
        })?;
        self.engine.raise.set(0);
        self.engine.clear.set(0);
        bench.cycle(&mut (&mut self.master, &mut self.engine))?;
        bench.cycle(&mut (&mut self.master, &mut self.engine))?;

        self.model.interrupts |= raises & enabled;
        let mask = (0..4).filter(|k| bytes >> k & 1 == 1).fold(0, |mask, k| mask | 0xff << (8 * k));
        let mut seen = Vec::new();
        let expected = match place(offset) {
            Place::Stored(_) => {
                let at = index(offset & !3);
                let value = self.model.stored.get_mut(&(offset & !3)).expect("it is declared");
                if clear >> at & 1 == 0 {
                    *value = *value & !mask | data & mask;
                    if bytes != 0 {
                        seen.push((at, *value));
                    }
                }
                Response::Okay
            }
            Place::Interrupts => {
                self.model.interrupts &= !(data & mask) | raises & enabled;
                Response::Okay
            }
            Place::Said | Place::Counter { .. } | Place::Nothing => {
                self.model.refused += 1;
                Response::SlaveError
            }
        };
        expect_same("the answer to a write", response, Some(expected))?;
        expect_same("what was written", &self.engine.seen, &seen)?;
        self.compare(bench)
    }

    /// Everything that shows without a read.
    fn compare(&mut self, bench: &mut Bench) -> Result<()> {
        bench.cycle(&mut (&mut self.master, &mut self.engine))?;
        let mut values = [0; STORED];
        for (offset, value) in &self.model.stored {
            values[index(*offset)] = *value;
        }
        expect_same("the registers", self.engine.values.get(), values)?;
        expect_same("the interrupt", self.engine.interrupt.get(), self.model.interrupts != 0)?;
        expect_same("accesses refused", self.engine.refused.get(), self.model.refused)
    }

    fn read(&mut self, bench: &mut Bench, offset: u32) -> Result<()> {
        self.engine.answered = None;
        let (value, response) = self.master.read(bench, &mut self.engine, offset.into())?;
        let mut asked = None;
        let expected = match place(offset) {
            Place::Stored(Access::Write) => 0,
            Place::Stored(_) => self.model.stored[&(offset & !3)],
            Place::Said => self.model.said[&(offset & !3)],
            Place::Interrupts => self.model.interrupts,
            Place::Counter { number, is_high } => match self.model.kept {
                Some((kept, high)) if is_high && kept == number => high,
                _ => {
                    let answered = self.engine.answered.unwrap_or_default().1;
                    asked = Some((number, answered));
                    let (low, high) = (answered as u32, (answered >> 32) as u32);
                    if is_high {
                        high
                    } else {
                        self.model.kept = Some((number, high));
                        low
                    }
                }
            },
            Place::Nothing => {
                self.model.refused += 1;
                expect_same("the answer to a read", response, Response::SlaveError)?;
                expect_same("what is nowhere", value, 0)?;
                bench.cycle(&mut (&mut self.master, &mut self.engine))?;
                return self.compare(bench);
            }
        };
        expect_same("the answer to a read", response, Response::Okay)?;
        expect_same("what was asked of the counters", self.engine.answered, asked)?;
        expect_same("what is read", value, expected.into())
    }
}

/// A declared offset, one of few counters, or any.
fn offset(bench: &mut Bench) -> u32 {
    let random = bench.random();
    match random.u8(..8) {
        0 => random.u32(..OFFSETS as u32),
        1 | 2 => COUNTERS + 8 * random.u32(..3) + 4 * random.u32(..2),
        3 => COUNTERS + 4 * random.u32(..2 * Counter::COUNT as u32),
        4 => SECRET + 4 * random.u32(..SECRET_WORDS),
        5 => [reg::INTERRUPT_STATUS, reg::INTERRUPT_ENABLE][random.usize(..2)],
        _ => REGISTERS[random.usize(..REGISTERS.len())].offset + random.u32(..4),
    }
}

fn registers_match(bench: &mut Bench) -> Result<()> {
    let mut run = Run::new(bench)?;
    run.say(bench);
    run.compare(bench)?;
    for _ in 0..600 {
        let offset = offset(bench);
        if bench.random().bool() {
            let (data, some) = (bench.random().u32(..), bench.random().u8(..16));
            let bytes = if bench.random().bool() { 15 } else { some };
            run.write(bench, offset, data, bytes)?;
        } else {
            run.read(bench, offset)?;
        }
        if bench.random().u8(..8) == 0 {
            run.say(bench);
        }
    }
    Ok(())
}

/// Each word of all offsets, written and read.
fn every_offset(bench: &mut Bench) -> Result<()> {
    let mut run = Run::new(bench)?;
    for offset in (0..OFFSETS as u32).step_by(4) {
        let data = bench.random().u32(..);
        run.write(bench, offset, data, 15)?;
        // Bytes that are not written stay.
        let bytes = bench.random().u8(1..15);
        run.write(bench, offset, !data, bytes)?;
        run.say(bench);
        run.read(bench, offset)?;
    }
    Ok(())
}

/// Many requests at once: each is answered once, in its order.
fn requests_queue(bench: &mut Bench) -> Result<()> {
    let mut run = Run::new(bench)?;
    for n in 0..100u64 {
        run.master.push_write(if n % 3 == 2 { 0x3f8 } else { reg::BEAT_US.into() }, n, 15);
        run.master.push_read(if n % 5 == 4 { 0x3f8 } else { reg::MEMBER.into() });
    }
    let (mut written, mut read) = (Vec::new(), Vec::new());
    bench.run_until(&mut (&mut run.master, &mut run.engine), 50_000, |(master, _)| {
        written.extend(master.next_written());
        read.extend(master.next_read());
        (written.len(), read.len()) == (100, 100)
    })?;
    let answer = |is_nowhere| if is_nowhere { Response::SlaveError } else { Response::Okay };
    expect_same("answers", written, (0..100).map(|n| answer(n % 3 == 2)).collect::<Vec<_>>())?;
    expect_same("answers", read, (0..100).map(|n| (0, answer(n % 5 == 4))).collect::<Vec<_>>())?;
    run.model.refused = 33 + 20;
    run.model.stored.insert(reg::BEAT_US, 99);
    bench.cycle(&mut (&mut run.master, &mut run.engine))?;
    run.compare(bench)
}

/// Without stalls an access is answered 3 cycles after it, and the next one comes two cycles later.
fn answers_are_quick(bench: &mut Bench) -> Result<()> {
    let mut master = LiteMaster::new(bench, "s_axil", |_| Stalls::never())?;
    for _ in 0..20 {
        let start = bench.cycles();
        expect_same("written", master.write(bench, &mut (), reg::TAGS.into(), 7)?, Response::Okay)?;
        expect_same("cycles of a write", bench.cycles() - start, 4)?;
        let start = bench.cycles();
        expect_same("read", master.read(bench, &mut (), reg::TAGS.into())?, (7, Response::Okay))?;
        expect_same("cycles of a read", bench.cycles() - start, 4)?;
    }
    Ok(())
}

/// Addresses and data that stand there in a reset are not taken, and what was taken before is not answered.
fn reset_refuses(bench: &mut Bench) -> Result<()> {
    let mut run = Run::new(bench)?;
    let offsets = bench.input::<u16>("s_axil_awaddr")?;
    let read_offset = bench.input::<u16>("s_axil_araddr")?;
    let valids = ["aw", "w", "ar"].map(|name| bench.input::<bool>(&format!("s_axil_{name}valid")));
    let readies = ["aw", "w", "ar"].map(|name| bench.port::<bool>(&format!("s_axil_{name}ready")));
    let answers = ["b", "r"].map(|name| bench.port::<bool>(&format!("s_axil_{name}valid")));
    let data = bench.input::<u32>("s_axil_wdata")?;
    let strobe = bench.input::<u8>("s_axil_wstrb")?;
    let reset = bench.input::<bool>("reset")?;
    let (valids, readies, answers) = (all(valids)?, all(readies)?, all(answers)?);
    for _ in 0..50 {
        let registers = [reg::MEMBER, reg::SESSION_HIGH, reg::INTERRUPT_STATUS, SECRET];
        offsets.set(registers[bench.random().usize(..4)] as u16);
        read_offset.set([reg::MEMBER, COUNTERS][bench.random().usize(..2)] as u16);
        data.set(bench.random().u32(..));
        strobe.set(15);
        for valid in &valids {
            valid.set(bench.random().bool());
        }
        // Some of it is taken, but nothing is written yet, unless it was in time.
        for _ in 0..bench.random().u8(..5) {
            bench.cycle(&mut ())?;
        }
        reset.set(true);
        for _ in 0..bench.random().u8(1..4) {
            bench.top().eval()?;
            let ready: Vec<bool> = readies.iter().map(|ready| ready.get()).collect();
            expect_same("ready under reset", ready, vec![false; 3])?;
            bench.cycle(&mut ())?;
        }
        valids.iter().for_each(|valid| valid.set(false));
        reset.set(false);
        for _ in 0..8 {
            let answered: Vec<bool> = answers.iter().map(|valid| valid.get()).collect();
            expect_same("an answer to what a reset took away", answered, vec![false; 2])?;
            expect_same("a counter asked for", run.engine.counter_valid.get(), false)?;
            bench.cycle(&mut ())?;
        }
        run.compare(bench)?;
    }
    Ok(())
}

fn all<T, const N: usize>(items: [Result<T>; N]) -> Result<Vec<T>> {
    items.into_iter().collect()
}
