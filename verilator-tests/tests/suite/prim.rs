//! What every stage is made of, each against a few lines of Rust.

use super::{top, Block, Test};
use hw::prim;
use std::collections::VecDeque;
use verilator_tests::{expect_same, Bench, Error, Result, Rules, Sink, Source, Stalls};

/// Cycles of each run.
const CYCLES: u64 = 100_000;
/// Cycles within which what is inside must come out, whatever the stalls.
const DRAIN_CYCLES: u64 = 20_000;

const SKID_BYTES: usize = 72;
const FIFO_BYTES: usize = 8;
const FIFO_ADDRESS_BITS: usize = 4;
const DELAY: usize = 5;
const MEMORY_ADDRESS_BITS: usize = 4;
const LOOP_ADDRESS_BITS: usize = 3;
const LOOP_EARLY_MASK: u64 = (1 << 48) - 1;

pub(crate) const SKID: Block = Block {
    name: "skid",
    design: || top("skid"),
    latency_cycles: Some(1),
    tests: &[
        Test { name: "drawn stalls", seeds: 0..8, body: |bench| words_pass::<SKID_BYTES>(bench, 2) },
        Test { name: "full speed", seeds: 0..1, body: |bench| full_speed::<SKID_BYTES>(bench, 1) },
        Test { name: "full", seeds: 0..1, body: |bench| fills_up::<SKID_BYTES>(bench, 2) },
    ],
};

pub(crate) const FIFO: Block = Block {
    name: "fifo",
    design: || top("fifo"),
    latency_cycles: Some(2),
    tests: &[
        Test {
            name: "drawn stalls",
            seeds: 0..8,
            body: |bench| words_pass::<FIFO_BYTES>(bench, FIFO_CAPACITY),
        },
        Test { name: "full speed", seeds: 0..1, body: |bench| full_speed::<FIFO_BYTES>(bench, 2) },
        Test { name: "full", seeds: 0..1, body: |bench| fills_up::<FIFO_BYTES>(bench, FIFO_CAPACITY) },
    ],
};
/// The memory and the output register.
const FIFO_CAPACITY: u64 = (1 << FIFO_ADDRESS_BITS) + 1;

pub(crate) const DELAY_LINE: Block = Block {
    name: "delay",
    design: || top("delay").without_reset(),
    latency_cycles: Some(DELAY as u64),
    tests: &[Test { name: "random words", seeds: 0..3, body: words_come_later }],
};

pub(crate) const LUT_MEMORY: Block = Block {
    name: "lut_memory",
    design: || top("lut_memory").without_reset(),
    latency_cycles: Some(0),
    tests: &[Test {
        name: "random writes and reads",
        seeds: 0..3,
        body: |bench| lut_memory_holds(bench, &[""]),
    }],
};

pub(crate) const TWIN_MEMORY: Block = Block {
    name: "twin_memory",
    design: || top("twin_memory").without_reset(),
    latency_cycles: Some(0),
    tests: &[Test {
        name: "random writes and reads",
        seeds: 0..3,
        body: |bench| lut_memory_holds(bench, &["first_", "second_"]),
    }],
};

pub(crate) const MEMORY: Block = Block {
    name: "memory",
    design: || top("memory").without_reset(),
    latency_cycles: Some(prim::MEMORY_LATENCY as u64),
    tests: &[Test { name: "random writes and reads", seeds: 0..3, body: memory_holds }],
};

pub(crate) const LOOP_MEMORY: Block = Block {
    name: "loop_memory",
    design: || top("loop_memory").without_reset(),
    latency_cycles: Some(prim::LOOP_LATENCY as u64),
    tests: &[Test { name: "random changes", seeds: 0..6, body: changes_are_seen }],
};

pub(crate) const PACED_MEMORY: Block = Block {
    name: "paced_memory",
    design: || top("paced_memory").without_reset(),
    latency_cycles: Some(prim::MEMORY_LATENCY as u64),
    tests: &[Test { name: "random writes and reads", seeds: 0..3, body: paced_memory_holds }],
};

pub(crate) const MULTIPLIER: Block = Block {
    name: "multiplier",
    design: || top("multiplier").without_reset(),
    latency_cycles: Some(prim::MULTIPLIER_LATENCY as u64),
    tests: &[Test { name: "random factors", seeds: 0..3, body: products_match }],
};

pub(crate) const ARBITER: Block = Block {
    name: "arbiter",
    design: || top("arbiter"),
    latency_cycles: Some(0),
    tests: &[Test { name: "random requests", seeds: 0..4, body: slots_are_shared }],
};

pub(crate) const WIRES: Block = Block {
    name: "wires",
    design: || top("wires").clock("").without_reset(),
    latency_cycles: Some(0),
    tests: &[Test { name: "random words", seeds: 0..2, body: fields_are_put }],
};

/// A source and a sink with these stalls on the two streams of a block.
fn ends(bench: &mut Bench, sending: Stalls, taking: Stalls) -> Result<(Source, Sink)> {
    let source = Source::new(bench, "s_axis", sending, Rules::default())?;
    Ok((source, Sink::new(bench, "m_axis", taking, Rules::default())?))
}

fn word<const BYTES: usize>(bench: &mut Bench) -> [u8; BYTES] {
    let mut word = [0; BYTES];
    bench.random().fill(&mut word);
    word
}

/// Words leave in their order, none twice, none lost, never more inside than there is room.
fn words_pass<const BYTES: usize>(bench: &mut Bench, capacity: u64) -> Result<()> {
    let stalls = [(); 2].map(|()| Stalls::drawn(bench.fork_random()));
    let [sending, taking] = stalls;
    let (mut source, mut sink) = ends(bench, sending, taking)?;
    let count = bench.top().has("count").then(|| bench.port::<u8>("count")).transpose()?;
    let out_valid = bench.port::<bool>("m_axis_tvalid")?;
    let mut expected = VecDeque::new();
    let mut inside = 0;
    let end = bench.cycles() + CYCLES;
    while bench.cycles() < end + DRAIN_CYCLES {
        if bench.cycles() < end && source.frames_count() < 2 {
            let word = word::<BYTES>(bench);
            source.push(word);
            expected.push_back(word);
        }
        bench.cycle(&mut (&mut source, &mut sink))?;
        inside += u64::from(source.next_sent().is_some());
        if let Some(frame) = sink.next_frame() {
            expect_same("a word", frame.bytes, expected.pop_front().unwrap_or([0; BYTES]).to_vec())?;
            inside = inside.checked_sub(1).ok_or(Error::Found("a word left before it came".into()))?;
        }
        if inside > capacity {
            return Err(Error::Found(format!("{inside} words inside, room for {capacity}")));
        }
        if let Some(count) = &count {
            expect_same("the count", u64::from(count.get()), inside - u64::from(out_valid.get()))?;
        }
    }
    expect_same("words left inside", expected.len(), 0)
}

/// Without stalls a word enters and leaves each cycle, the latency apart.
fn full_speed<const BYTES: usize>(bench: &mut Bench, latency: u64) -> Result<()> {
    let (mut source, mut sink) = ends(bench, Stalls::never(), Stalls::never())?;
    // A ready that is a register rises a cycle after the reset.
    bench.cycle(&mut sink)?;
    let first = bench.cycles();
    for n in 0..1_000 {
        source.push(word::<BYTES>(bench));
        bench.cycle(&mut (&mut source, &mut sink))?;
        let left = sink.next_frame().map(|frame| frame.first_cycle - first);
        expect_same("the cycle of a word", left, (n >= latency).then_some(n))?;
        expect_same("words that wait", source.frames_count(), 0)?;
    }
    Ok(())
}

/// With nothing taken it accepts as much as it has room for; under reset nothing, and is empty then.
fn fills_up<const BYTES: usize>(bench: &mut Bench, capacity: u64) -> Result<()> {
    let (reset, out_valid) = (bench.input::<bool>("reset")?, bench.port::<bool>("m_axis_tvalid")?);
    let mut source = Source::new(bench, "s_axis", Stalls::never(), Rules::default())?;
    for n in 0..10 * capacity {
        source.push(vec![n as u8; BYTES]);
    }
    for _ in 0..3 {
        for _ in 0..4 * capacity {
            bench.cycle(&mut source)?;
        }
        expect_same("words accepted", std::iter::from_fn(|| source.next_sent()).count() as u64, capacity)?;
        reset.set(true);
        for _ in 0..4 {
            bench.cycle(&mut source)?;
        }
        reset.set(false);
        expect_same("a word accepted under reset", source.next_sent(), None)?;
        expect_same("a word after the reset", out_valid.get(), false)?;
    }
    Ok(())
}

fn words_come_later(bench: &mut Bench) -> Result<()> {
    let (input, output) = (bench.input::<u64>("in_data")?, bench.port::<u64>("out_data")?);
    let mut due = VecDeque::new();
    for _ in 0..CYCLES {
        let word = bench.random().u64(..1 << 40);
        input.set(word);
        bench.cycle(&mut ())?;
        due.push_back(word);
        if due.len() == DELAY {
            expect_same("the word", Some(output.get()), due.pop_front())?;
        }
    }
    Ok(())
}

/// A write is seen at once; what was never written is not looked at.
fn lut_memory_holds(bench: &mut Bench, readers: &[&str]) -> Result<()> {
    let (write, to) = (bench.input::<bool>("write")?, bench.input::<u8>("write_address")?);
    let data_in = bench.input::<u64>("write_data")?;
    let reader = |prefix: &&str| -> Result<_> {
        Ok((bench.input::<u8>(&format!("{prefix}address"))?, bench.port::<u64>(&format!("{prefix}data"))?))
    };
    let readers = readers.iter().map(reader).collect::<Result<Vec<_>>>()?;
    let mut model = [None; 1 << MEMORY_ADDRESS_BITS];
    for _ in 0..CYCLES {
        let random = bench.random();
        let (is_write, value, at) = (random.bool(), random.u64(..), random.u8(..16));
        write.set(is_write);
        to.set(at);
        data_in.set(value);
        readers.iter().for_each(|(from, _)| from.set(random.u8(..16)));
        bench.cycle(&mut ())?;
        if is_write {
            model[usize::from(at)] = Some(value);
        }
        for (from, data) in &readers {
            if let Some(expected) = model[usize::from(from.get())] {
                expect_same("the word", data.get(), expected)?;
            }
        }
    }
    Ok(())
}

/// A write is performed a cycle later; a read in that cycle may give anything.
fn memory_holds(bench: &mut Bench) -> Result<()> {
    let (write, to) = (bench.input::<bool>("write")?, bench.input::<u8>("write_address")?);
    let (data_in, from) = (bench.input::<u64>("write_data")?, bench.input::<u8>("read_address")?);
    let data = bench.port::<u64>("read_data")?;
    let mut model = [None; 1 << MEMORY_ADDRESS_BITS];
    let mut performed: Option<(u8, u64)> = None;
    let mut due = VecDeque::new();
    for _ in 0..CYCLES {
        let random = bench.random();
        let (is_write, value) = (random.bool(), random.u64(..));
        let (at, read) = (random.u8(..16), random.u8(..16));
        write.set(is_write);
        to.set(at);
        data_in.set(value);
        from.set(read);
        bench.cycle(&mut ())?;
        let collides = performed.is_some_and(|(address, _)| address == read);
        due.push_back(if collides { None } else { model[usize::from(read)] });
        if let Some((address, value)) = performed {
            model[usize::from(address)] = Some(value);
        }
        performed = is_write.then_some((at, value));
        if due.len() == prim::MEMORY_LATENCY {
            if let Some(expected) = due.pop_front().flatten() {
                expect_same("the word", data.get(), expected)?;
            }
        }
    }
    Ok(())
}

/// Every access sees what all before it wrote, at whatever distance; the early word may lack five of them.
fn changes_are_seen(bench: &mut Bench) -> Result<()> {
    let (address, early_word) = (bench.input::<u8>("address")?, bench.port::<u64>("early_word")?);
    let (word, write) = (bench.port::<u64>("word")?, bench.input::<bool>("write")?);
    let (late_word, follows) = (bench.port::<u64>("late_word")?, bench.port::<bool>("follows")?);
    let write_word = bench.input::<u64>("write_word")?;
    let (places_count, density) = (bench.random().u8(1..=8), bench.random().u8(..));
    let mut model = [None; 1 << LOOP_ADDRESS_BITS];
    // The last first.
    let mut places = VecDeque::new();
    for _ in 0..CYCLES {
        let place = bench.random().u8(..places_count);
        address.set(place);
        places.push_front(place);
        bench.cycle(&mut ())?;
        if let Some(early) = places.get(prim::LOOP_EARLY - 1).copied() {
            let touched = places.iter().skip(prim::LOOP_EARLY).take(prim::LOOP_BEHIND).any(|p| *p == early);
            if let (Some(expected), false) = (model[usize::from(early)], touched) {
                expect_same("the early word", early_word.get(), expected & LOOP_EARLY_MASK)?;
            }
        }
        // The model lacks what becomes of the word that comes out now.
        if let Some(now) = places.get(prim::LOOP_LATENCY - 1) {
            let late = places[prim::LOOP_LATENCY - 2];
            expect_same("whether it follows", follows.get(), late == *now)?;
            if let Some(expected) = model[usize::from(late)] {
                expect_same("the late word", late_word.get(), expected)?;
            }
        }
        write.set(false);
        write_word.set(bench.random().u64(..));
        if let Some(place) = places.get(prim::LOOP_LATENCY - 1).map(|place| usize::from(*place)) {
            if let Some(expected) = model[place] {
                expect_same("the word", word.get(), expected)?;
            }
            if bench.random().u8(..) <= density {
                write.set(true);
                model[place] = Some(write_word.get());
            }
        }
        places.truncate(prim::LOOP_EARLY + prim::LOOP_BEHIND);
    }
    Ok(())
}

fn products_match(bench: &mut Bench) -> Result<()> {
    let (a, b) = (bench.input::<u32>("a")?, bench.input::<u32>("b")?);
    let product = bench.port::<u64>("product")?;
    let mut due = VecDeque::new();
    for _ in 0..CYCLES {
        let random = bench.random();
        let mut factor = || match random.u8(..8) {
            0 => u32::MAX,
            1 => 0,
            _ => random.u32(..),
        };
        let factors = [factor(), factor()];
        a.set(factors[0]);
        b.set(factors[1]);
        bench.cycle(&mut ())?;
        due.push_back(u64::from(factors[0]) * u64::from(factors[1]));
        if due.len() == prim::MULTIPLIER_LATENCY {
            expect_same("the product", Some(product.get()), due.pop_front())?;
        }
    }
    Ok(())
}

/// Who wins in seven slots of eight, and who in the eighth.
fn slots_are_shared(bench: &mut Bench) -> Result<()> {
    let (request, grant) = (bench.input::<u8>("request")?, bench.port::<u8>("grant")?);
    let (mut turn, mut density) = (0, 128);
    for slot in 0..CYCLES {
        let random = bench.random();
        if slot % 1_000 == 0 {
            density = random.u8(..);
        }
        let asks = (0..4).filter(|_| random.u8(..) <= density).fold(0, |asks, number| asks | 1 << number);
        request.set(asks);
        bench.top().eval()?;
        let others = (0..3).map(|k| 1 + (turn + k) % 3);
        let order: Vec<u8> = match slot % 8 {
            7 => others.chain([0]).collect(),
            _ => (0..4).collect(),
        };
        let winner = order.into_iter().find(|number| asks >> number & 1 == 1);
        expect_same("the grant", grant.get(), winner.map_or(0, |number| 1 << number))?;
        if let (7, Some(number @ 1..)) = (slot % 8, winner) {
            turn = number % 3;
        }
        bench.cycle(&mut ())?;
    }
    Ok(())
}

/// Each bit of the output is one of the input or zero.
fn fields_are_put(bench: &mut Bench) -> Result<()> {
    let (x, y) = (bench.input::<u64>("x")?, bench.port::<u64>("y")?);
    for _ in 0..1_000 {
        let word = bench.random().u64(..1 << 40);
        x.set(word);
        bench.cycle(&mut ())?;
        let field = |wire: prim::Wire| (word >> wire.from & ((1 << wire.bits) - 1)) << wire.to;
        expect_same("the word", y.get(), prim::Wire::SAMPLE.into_iter().map(field).sum())?;
    }
    Ok(())
}

/// Each register takes what is before it when told, and else holds; a write counts two cycles later, and
/// what is read one cycle behind it is not looked at.
fn paced_memory_holds(bench: &mut Bench) -> Result<()> {
    let (write, to) = (bench.input::<bool>("write")?, bench.input::<u8>("write_address")?);
    let (data_in, from) = (bench.input::<u64>("write_data")?, bench.input::<u8>("read_address")?);
    let (step_word, step_data) = (bench.input::<bool>("step_word")?, bench.input::<bool>("step_data")?);
    let data = bench.port::<u64>("read_data")?;
    let mut model = [None; 1 << MEMORY_ADDRESS_BITS];
    let (mut held, mut word, mut expected) = (None, None, None);
    for _ in 0..CYCLES {
        let random = bench.random();
        let written = random.bool().then(|| (random.u8(..16), random.u64(..)));
        let read = random.u8(..16);
        let steps = [random.bool(), random.bool()];
        write.set(written.is_some());
        to.set(written.map_or(read, |(at, _)| at));
        data_in.set(written.map_or(0, |(_, value)| value));
        from.set(read);
        step_word.set(steps[0]);
        step_data.set(steps[1]);
        bench.cycle(&mut ())?;
        if steps[1] {
            expected = word;
        }
        if steps[0] {
            let is_clash = held.is_some_and(|(at, _)| at == read);
            word = if is_clash { None } else { model[usize::from(read)] };
        }
        if let Some((at, value)) = std::mem::replace(&mut held, written) {
            model[usize::from(at)] = Some(value);
        }
        if let Some(expected) = expected {
            expect_same("the word", data.get(), expected)?;
        }
    }
    Ok(())
}
