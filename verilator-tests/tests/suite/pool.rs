//! The pool against a model that keeps books: pages, frames, and who waits for whom.

use super::{top, Block, Test};
use hw::pool::{LATENCY, PAGE_UNITS, RECORD_UNITS};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use verilator_tests::{expect_same, Agent, Bench, Error, Input, Port, Result, Stalls};

const UNIT_BYTES: usize = 16;
const RECORD_BYTES: usize = RECORD_UNITS * UNIT_BYTES;
/// Records of a run with drawn times, and of one that fills the pool.
const RECORDS: usize = 3_000;
/// Refusals after which a pool counts as full.
const REFUSALS: usize = 60;
/// Cycles in which what waits must leave.
const DRAIN_CYCLES: u64 = 60_000;
/// Cycles from fetch to units.
const FETCH_LATENCY: usize = 2;
/// Tags of 13 bits.
const TAGS: usize = 1 << 13;
/// Cycles for which a record may wait in front of the pool.
const QUEUE_CYCLES_MAX: u64 = 70;
/// Units of the largest frame.
const FRAME_UNITS_MAX: u16 = formats::limits::FRAME_UNITS_MAX as u16;

pub(crate) const PAGES: Block = Block {
    name: "pages",
    design: || top("pages"),
    latency_cycles: None,
    tests: &[Test { name: "taken and freed at random", seeds: 0..6, body: no_page_is_twice_or_lost }],
};

/// From the clock in which a page is free, if none was: those without a page.
const PAGE_CYCLES_MAX: u64 = 2;

macro_rules! pool {
    ($name:ident, $top:literal) => {
        pub(crate) const $name: Block = Block {
            name: $top,
            design: || top($top),
            latency_cycles: Some(LATENCY as u64),
            tests: &[
                Test { name: "drawn records, stalls and drops", seeds: 0..20, body: records_come_whole },
                Test {
                    name: "filled to each limit",
                    seeds: 0..8,
                    body: |bench| refuses_at_its_limits_only(bench, $top),
                },
                Test { name: "one record a clock", seeds: 0..1, body: takes_one_a_clock },
                Test { name: "first frame", seeds: 0..1, body: first_frame_comes_in_time },
                Test { name: "too many at once", seeds: 0..2, body: each_refusal_is_told_once },
            ],
        };
    };
}
pool!(POOL_512, "pool_512");
pool!(POOL_128, "pool_128");

fn no_page_is_twice_or_lost(bench: &mut Bench) -> Result<()> {
    let (valid, page) = (bench.port::<bool>("valid")?, bench.port::<u8>("page")?);
    let (take, free) = (bench.input::<bool>("take")?, bench.input::<bool>("free")?);
    let free_page = bench.input::<u8>("free_page")?;
    let all = 1 << page.width();
    let mut held = Vec::new();
    let (mut chance, mut without) = (128, 0);
    for cycle in 0..50_000 {
        if cycle % 200 == 0 {
            chance = bench.random().u8(..);
        }
        without = if valid.get() || held.len() == usize::from(all) { 0 } else { without + 1 };
        if without > PAGE_CYCLES_MAX {
            return Err(Error::Found("a page that nobody has stays away".into()));
        }
        let takes = valid.get() && bench.random().u8(..) <= chance;
        let frees = !held.is_empty() && bench.random().u8(..) > chance;
        take.set(takes);
        free.set(frees);
        let index = bench.random().usize(..held.len().max(1));
        free_page.set(if frees { held.swap_remove(index) } else { bench.random().u8(..all) });
        bench.top().eval()?;
        if takes {
            if held.contains(&page.get()) || (frees && free_page.get() == page.get()) {
                return Err(Error::Found(format!("page {} is given out twice", page.get())));
            }
            held.push(page.get());
        }
        bench.cycle(&mut ())?;
    }
    free.set(false);
    take.set(true);
    for _ in 0..usize::from(all) + 4 {
        bench.top().eval()?;
        if valid.get() {
            held.push(page.get());
        }
        bench.cycle(&mut ())?;
    }
    held.sort_unstable();
    expect_same("the pages that were given out", held, (0..all).collect())
}

/// A record that was pushed.
#[derive(Clone)]
struct Pushed {
    id: usize,
    cycle: u64,
    bytes: Vec<u8>,
}

/// A frame that was taken.
struct Taken {
    destination: u8,
    records: u16,
    is_dropped: bool,
    cycle: u64,
    /// Bytes that it may have.
    limit: usize,
    bytes: Vec<u8>,
}

/// The ports, and what passed them.
struct Pool {
    valid: Input<bool>,
    destination: Input<u8>,
    units: Input<u8>,
    data: Input<[u8; RECORD_BYTES]>,
    tag: Input<u16>,
    refused: Port<bool>,
    refused_destination: Port<u8>,
    refused_tag: Port<u16>,
    limit: Input<u16>,
    drop_valid: Input<bool>,
    drop_ready: Port<bool>,
    drop_destination: Input<u8>,
    frame_valid: Port<bool>,
    frame_ready: Input<bool>,
    frame_destination: Port<u8>,
    frame_units: Port<u16>,
    frame_records: Port<u16>,
    frame_dropped: Port<bool>,
    fetch: Input<bool>,
    fetch_last: Input<bool>,
    payload: Port<[u8; 64]>,
    beat_bytes: usize,
    pushed: BTreeMap<u8, Vec<Pushed>>,
    count: usize,
    /// Who waits under a tag for being told or sent.
    refusals: BTreeSet<usize>,
    frames: Vec<Taken>,
    /// Bytes of the frame under way that were not fetched.
    left: usize,
    /// Frame and bytes of what comes in these cycles.
    coming: VecDeque<Option<(usize, usize)>>,
    /// Destinations that were dropped, and when.
    drops: Vec<(u8, u64)>,
    is_dropping: bool,
}

impl Pool {
    /// Ready to take records, in the cycle in which a pool is.
    fn new(bench: &mut Bench, limit: u16) -> Result<Pool> {
        let payload = bench.port::<[u8; 64]>("payload")?;
        let pool = Pool {
            valid: bench.input("push_valid")?,
            destination: bench.input("push_destination")?,
            units: bench.input("push_units")?,
            data: bench.input("push_data")?,
            tag: bench.input("push_tag")?,
            refused: bench.port("push_refused")?,
            refused_destination: bench.port("push_refused_destination")?,
            refused_tag: bench.port("push_refused_tag")?,
            limit: bench.input("frame_limit")?,
            drop_valid: bench.input("drop_valid")?,
            drop_ready: bench.port("drop_ready")?,
            drop_destination: bench.input("drop_destination")?,
            frame_valid: bench.port("frame_valid")?,
            frame_ready: bench.input("frame_ready")?,
            frame_destination: bench.port("frame_destination")?,
            frame_units: bench.port("frame_units")?,
            frame_records: bench.port("frame_records")?,
            frame_dropped: bench.port("frame_dropped")?,
            fetch: bench.input("fetch")?,
            fetch_last: bench.input("fetch_last")?,
            beat_bytes: payload.width() as usize / 8,
            payload,
            pushed: BTreeMap::new(),
            count: 0,
            refusals: BTreeSet::new(),
            frames: Vec::new(),
            left: 0,
            coming: (0..FETCH_LATENCY).map(|_| None).collect(),
            drops: Vec::new(),
            is_dropping: false,
        };
        pool.limit.set(limit);
        for _ in 0..1 << pool.destination.width() {
            bench.cycle(&mut ())?;
        }
        Ok(pool)
    }

    fn destinations(&self) -> u8 {
        1 << self.destination.width()
    }

    /// Shows a record of so many units for this cycle.
    fn push(&mut self, bench: &mut Bench, destination: u8, units: usize) {
        let mut data = [0; RECORD_BYTES];
        bench.random().fill(&mut data);
        self.valid.set(true);
        self.destination.set(destination);
        self.units.set(units as u8);
        self.data.set(data);
        self.tag.set((self.count % TAGS) as u16);
        let bytes = data[..units * UNIT_BYTES].to_vec();
        let record = Pushed { id: self.count, cycle: bench.cycles(), bytes };
        self.pushed.entry(destination).or_default().push(record);
        self.count += 1;
    }

    /// Shows noise instead.
    fn pause(&mut self, bench: &mut Bench) {
        let mut data = [0; RECORD_BYTES];
        bench.random().fill(&mut data);
        self.valid.set(false);
        self.data.set(data);
        self.units.set(bench.random().u8(..16));
    }

    /// One cycle in which a frame is taken, or units are fetched, if that is wanted and can be.
    fn cycle(&mut self, bench: &mut Bench, takes: bool, fetches: bool) -> Result<()> {
        let fetches = fetches && self.left > 0;
        self.fetch.set(fetches);
        self.fetch_last.set(if fetches { self.left <= self.beat_bytes } else { bench.random().bool() });
        self.frame_ready.set(takes && self.left == 0);
        bench.cycle(self)
    }

    /// Takes everything, and holds it against what was pushed.
    fn finish(&mut self, bench: &mut Bench) -> Result<()> {
        self.pause(bench);
        let end = bench.cycles() + DRAIN_CYCLES;
        let mut quiet = 0;
        while quiet < 100 {
            if bench.cycles() == end {
                return Err(Error::Timeout { what: "the last frame".into(), cycles: DRAIN_CYCLES });
            }
            let before = (self.frames.len(), self.left, self.refusals.len());
            self.cycle(bench, true, true)?;
            quiet = if before == (self.frames.len(), self.left, self.refusals.len()) { quiet + 1 } else { 0 };
        }
        self.check()
    }

    /// Every record is refused or in a frame of its destination, whole, in order.
    fn check(&self) -> Result<()> {
        let mut frames: BTreeMap<u8, Vec<&Taken>> = BTreeMap::new();
        for frame in &self.frames {
            frames.entry(frame.destination).or_default().push(frame);
        }
        for (destination, pushed) in &self.pushed {
            let mut records = pushed.iter().filter(|record| !self.refusals.contains(&record.id));
            for frame in frames.remove(destination).unwrap_or_default() {
                let inside: Vec<&Pushed> = records.by_ref().take(frame.records.into()).collect();
                let bytes: Vec<u8> = inside.iter().flat_map(|record| record.bytes.clone()).collect();
                expect_same("the bytes of a frame", frame.bytes == bytes, true)?;
                if frame.bytes.len() > frame.limit {
                    return Err(Error::Found("a frame is too long".into()));
                }
                self.check_drop(frame, &inside)?;
            }
            expect_same("records that vanished", records.count(), 0)?;
        }
        expect_same("frames for nobody", frames.len(), 0)
    }

    /// A frame is dropped if and only if a drop came between its records and its leaving.
    fn check_drop(&self, frame: &Taken, inside: &[&Pushed]) -> Result<()> {
        let cycles = || inside.iter().map(|record| record.cycle);
        let (first, last) = (cycles().min().unwrap_or_default(), cycles().max().unwrap_or_default());
        let mut drops = self
            .drops
            .iter()
            .filter(|(destination, cycle)| *destination == frame.destination && *cycle < frame.cycle);
        let is_wrong = match frame.is_dropped {
            true => !drops.any(|(_, cycle)| *cycle >= first),
            false => drops.any(|(_, cycle)| *cycle > last + QUEUE_CYCLES_MAX),
        };
        if is_wrong {
            return Err(Error::Found(format!("a frame is dropped: {}, wrongly", frame.is_dropped)));
        }
        Ok(())
    }
}

impl Agent for Pool {
    fn drive(&mut self) {}

    fn sample(&mut self, cycle: u64) -> Result<()> {
        let mut coming = None;
        if self.fetch.get() {
            let bytes = self.left.min(self.beat_bytes);
            self.left -= bytes;
            coming = Some((self.frames.len() - 1, bytes));
        }
        self.coming.push_back(coming);
        if let Some((frame, bytes)) = self.coming.pop_front().flatten() {
            self.frames[frame].bytes.extend_from_slice(&self.payload.get()[..bytes]);
        }
        if self.frame_ready.get() && self.frame_valid.get() {
            self.left = usize::from(self.frame_units.get()) * UNIT_BYTES;
            self.frames.push(Taken {
                destination: self.frame_destination.get(),
                records: self.frame_records.get(),
                is_dropped: self.frame_dropped.get(),
                cycle,
                limit: usize::from(self.limit.get()) * UNIT_BYTES,
                bytes: Vec::new(),
            });
        }
        if self.drop_valid.get() && self.drop_ready.get() {
            self.drops.push((self.drop_destination.get(), cycle));
            self.is_dropping = false;
        }
        if self.refused.get() {
            let tag = usize::from(self.refused_tag.get());
            let pushed = self.pushed.get(&self.refused_destination.get());
            let record = pushed.and_then(|all| all.iter().rev().find(|record| record.id % TAGS == tag));
            let record = record.ok_or(Error::Found("a refusal of nothing".into()))?;
            if !self.refusals.insert(record.id) {
                return Err(Error::Found(format!("record {} is refused twice", record.id)));
            }
        }
        Ok(())
    }
}

/// Mostly short ones, as on the wire.
fn drawn_units(bench: &mut Bench) -> usize {
    match bench.random().u8(..4) {
        0 => bench.random().usize(1..=RECORD_UNITS),
        1 => bench.random().usize(1..=4),
        _ => 1,
    }
}

fn drawn_limit(bench: &mut Bench) -> u16 {
    match bench.random().u8(..3) {
        0 => bench.random().u16(RECORD_UNITS as u16..40),
        1 => bench.random().u16(40..FRAME_UNITS_MAX),
        _ => FRAME_UNITS_MAX,
    }
}

fn records_come_whole(bench: &mut Bench) -> Result<()> {
    let limit = drawn_limit(bench);
    let mut pool = Pool::new(bench, limit)?;
    let [mut pushing, mut taking, mut fetching] = [(); 3].map(|()| Stalls::drawn(bench.fork_random()));
    let (spread, drops) = (bench.random().u8(1..=pool.destinations()), bench.random().bool());
    while pool.count < RECORDS {
        if pushing.is_stalled(true) {
            pool.pause(bench);
        } else {
            let (destination, units) = (bench.random().u8(..spread), drawn_units(bench));
            pool.push(bench, destination, units);
        }
        if !pool.is_dropping {
            pool.is_dropping = drops && bench.random().u8(..) == 0;
            pool.drop_valid.set(pool.is_dropping);
            pool.drop_destination.set(bench.random().u8(..spread));
        }
        pool.cycle(bench, !taking.is_stalled(true), !fetching.is_stalled(true))?;
    }
    pool.drop_valid.set(false);
    pool.finish(bench)
}

/// With nothing taken, the first record is offered alone, and of the others each is refused if the books say so;
/// then all frames are as they say, and the pool is as large as before.
fn refuses_at_its_limits_only(bench: &mut Bench, name: &str) -> Result<()> {
    let mut pool = Pool::new(bench, FRAME_UNITS_MAX)?;
    let (pages, frames) = (1 << parameter(name, "P"), 1 << parameter(name, "F"));
    let frames_each = 1 << (parameter(name, "C") - 1);
    for _ in 0..3 {
        pool.limit.set(drawn_limit(bench));
        let limit = usize::from(pool.limit.get());
        let spread = bench.random().u8(1..=pool.destinations());
        let mut books: Vec<(u8, usize, u16)> = Vec::new();
        let (mut pages_used, mut refused) = (0, BTreeSet::new());
        let first = pool.frames.len();
        let before = pool.refusals.clone();
        while refused.len() < REFUSALS {
            let (destination, units) = (bench.random().u8(..spread), drawn_units(bench));
            // What is offered takes no record, and counts as a frame no more.
            let waiting = books.get_mut(1..).unwrap_or_default();
            let each = waiting.iter().filter(|book| book.0 == destination).count();
            let is_full = waiting.len() == frames || each == frames_each;
            let open = waiting.iter_mut().rev().find(|book| book.0 == destination);
            let open = open.filter(|book| book.1 + units <= limit);
            let more = open
                .as_ref()
                .map_or(1, |book| (book.1 + units).div_ceil(PAGE_UNITS) - book.1.div_ceil(PAGE_UNITS));
            if pages_used + more > pages || open.is_none() && is_full {
                refused.insert(pool.count);
            } else {
                pages_used += more;
                match open {
                    Some(book) => (book.1, book.2) = (book.1 + units, book.2 + 1),
                    None => books.push((destination, units, 1)),
                }
            }
            pool.push(bench, destination, units);
            pool.cycle(bench, false, false)?;
            pool.pause(bench);
            let offer = if books.len() == 1 { LATENCY } else { 0 };
            for _ in 1..units.div_ceil(4) + offer {
                pool.cycle(bench, false, false)?;
            }
        }
        pool.finish(bench)?;
        let found: BTreeSet<usize> = pool.refusals.difference(&before).copied().collect();
        expect_same("the refusals", found, refused)?;
        let of = |frame: &Taken| (frame.destination, frame.bytes.len() / UNIT_BYTES, frame.records);
        expect_same("the frames", pool.frames[first..].iter().map(of).collect::<Vec<_>>(), books)?;
    }
    Ok(())
}

/// Records of four units, one each cycle, while there is room.
fn takes_one_a_clock(bench: &mut Bench) -> Result<()> {
    let mut pool = Pool::new(bench, FRAME_UNITS_MAX)?;
    for _ in 0..300 {
        let destination = bench.random().u8(..pool.destinations());
        pool.push(bench, destination, 4);
        pool.cycle(bench, false, false)?;
    }
    pool.finish(bench)?;
    expect_same("refusals", pool.refusals.len(), 0)
}

fn first_frame_comes_in_time(bench: &mut Bench) -> Result<()> {
    let mut pool = Pool::new(bench, FRAME_UNITS_MAX)?;
    for n in 0..50 {
        pool.push(bench, n % pool.destinations(), 1 + usize::from(n) % RECORD_UNITS);
        let pushed = bench.cycles();
        for _ in 0..10 {
            pool.cycle(bench, true, true)?;
            pool.pause(bench);
        }
        let taken = pool.frames.last().map(|frame| frame.cycle);
        expect_same("the cycle of the frame", taken, Some(pushed + LATENCY as u64))?;
        while pool.left > 0 {
            pool.cycle(bench, false, true)?;
        }
    }
    pool.finish(bench)
}

/// Long records each cycle: the queue in front is full, and nothing is forgotten.
fn each_refusal_is_told_once(bench: &mut Bench) -> Result<()> {
    let limit = drawn_limit(bench);
    let mut pool = Pool::new(bench, limit)?;
    for _ in 0..RECORDS {
        let destination = bench.random().u8(..pool.destinations());
        let units = bench.random().usize(5..=RECORD_UNITS);
        pool.push(bench, destination, units);
        pool.cycle(bench, true, true)?;
    }
    pool.finish(bench)?;
    match pool.refusals.len() {
        0 => Err(Error::Found("nothing was refused".into())),
        _ => Ok(()),
    }
}

/// What the top of that name was made with.
pub(crate) fn parameter(top: &str, name: &str) -> usize {
    let top = hw::tops::TOPS.iter().find(|of| of.name == top).expect("a top of that name");
    top.parameters.iter().find(|(of, _)| *of == name).expect("a parameter of that name").1
}
