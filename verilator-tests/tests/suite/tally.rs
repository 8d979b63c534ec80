//! The sums of buckets against `FlowDigester` and plain numbers, under entries of few places back to back.

use super::flow_digest::{contribution, digester, entry, setting, Keys, Setting};
use super::{top, Block, Test};
use formats::hash::FlowDigester;
use formats::limits::BUCKETS_COUNT;
use hw::layout::{field, flag, pack, unpack, ENTRY_BITS, ENTRY_WORDS};
use hw::tally::{ENTRY_CYCLES, READ_LATENCY};
use std::collections::VecDeque;
use verilator_tests::{expect_same, Bench, Input, Port, Result};

/// Rounds of one setting each.
const ROUNDS: usize = 4;
const CYCLES: u64 = 6_000;
const PLACES_COUNT: usize = 1 << 12;
/// Cycles from the end of a reset until every bucket is cleared.
const CLEAR_CYCLES: u64 = BUCKETS_COUNT as u64 + 1;
/// Cycles from an entry to the change of its sum.
const CHANGE_CYCLES: usize = ENTRY_CYCLES - 1;

pub(crate) const BLOCK: Block = Block {
    name: "tally",
    design: || top("tally"),
    latency_cycles: Some((ENTRY_CYCLES + READ_LATENCY) as u64),
    tests: &[
        Test { name: "entries of few places", seeds: 0..20, body: sums_match },
        Test { name: "a reset forgets every flow", seeds: 0..4, body: reset_clears },
        Test { name: "a bit that falls over is found", seeds: 0..4, body: rot_is_found },
    ],
};

type Words = [u32; ENTRY_WORDS];

/// What lies at a place.
#[derive(Clone, Copy)]
struct Held {
    words: Words,
    bucket: u16,
    contribution: u64,
}

impl Held {
    fn is_live(&self) -> bool {
        unpack(&self.words).flags & flag::LIVE != 0
    }
}

/// What an entry does to its bucket.
#[derive(Clone, Copy)]
struct Change {
    bucket: u16,
    sum: u64,
    count: u32,
    repairs: bool,
}

/// What should be in the block.
struct Model {
    digester: Box<FlowDigester>,
    setting: Setting,
    places: Vec<Option<Held>>,
    sums: Vec<(u64, u32)>,
    /// Entries that are not in their sums yet, the oldest first.
    under_way: VecDeque<Option<Change>>,
    repairs: bool,
    reads: VecDeque<Option<(u16, u64, u32)>>,
}

impl Model {
    fn new(bench: &mut Bench) -> Model {
        Model {
            digester: digester(bench),
            setting: setting(bench),
            places: vec![None; PLACES_COUNT],
            sums: vec![(0, 0); BUCKETS_COUNT],
            under_way: vec![None; CHANGE_CYCLES].into(),
            repairs: false,
            reads: vec![None; READ_LATENCY - 1].into(),
        }
    }

    fn enters(&mut self, place: usize, words: Words, bucket: u16, is_unchanged: bool) -> Change {
        let (is_live, now) = contribution(&self.digester, self.setting, &unpack(&words));
        let live_before = self.places[place].filter(Held::is_live);
        self.places[place] = Some(Held { words, bucket, contribution: now });
        let before = live_before.map_or(0, |held| held.contribution);
        Change {
            bucket,
            sum: now.wrapping_sub(before),
            count: u32::from(is_live).wrapping_sub(u32::from(live_before.is_some())),
            repairs: is_unchanged && before != now,
        }
    }

    /// Sum and count of each bucket over the places, counted anew.
    fn counted(&self) -> Vec<(u64, u32)> {
        let mut sums = vec![(0u64, 0); BUCKETS_COUNT];
        for held in self.places.iter().flatten().filter(|held| held.is_live()) {
            let (sum, count) = &mut sums[usize::from(held.bucket)];
            (*sum, *count) = (sum.wrapping_add(held.contribution), *count + 1);
        }
        sums
    }
}

/// The ports of the block.
struct Tally {
    keys: Keys,
    ready: Port<bool>,
    in_valid: Input<bool>,
    in_entry: Input<Words>,
    in_place: Input<u16>,
    in_bucket: Input<u16>,
    in_was_live: Input<bool>,
    in_unchanged: Input<bool>,
    repaired: Port<bool>,
    read_valid: Input<bool>,
    read_bucket: Input<u16>,
    read_ready: Port<bool>,
    out_valid: Port<bool>,
    out_bucket: Port<u16>,
    out_sum: Port<u64>,
    out_count: Port<u32>,
}

impl Tally {
    fn new(bench: &Bench) -> Result<Tally> {
        Ok(Tally {
            keys: Keys::new(bench, "write")?,
            ready: bench.port("ready")?,
            in_valid: bench.input("in_valid")?,
            in_entry: bench.input("in_entry")?,
            in_place: bench.input("in_place")?,
            in_bucket: bench.input("in_bucket")?,
            in_was_live: bench.input("in_was_live")?,
            in_unchanged: bench.input("in_unchanged")?,
            repaired: bench.port("repaired")?,
            read_valid: bench.input("read_valid")?,
            read_bucket: bench.input("read_bucket")?,
            read_ready: bench.port("read_ready")?,
            out_valid: bench.port("out_valid")?,
            out_bucket: bench.port("out_bucket")?,
            out_sum: bench.port("out_sum")?,
            out_count: bench.port("out_count")?,
        })
    }

    /// Waits until it is ready, which it is exactly then; loads keys and setting.
    fn begin(&self, bench: &mut Bench, model: &Model) -> Result<()> {
        self.in_valid.set(false);
        self.read_valid.set(false);
        for cycle in 0..CLEAR_CYCLES {
            expect_same("ready before all are cleared", (self.ready.get(), cycle), (false, cycle))?;
            bench.cycle(&mut ())?;
        }
        expect_same("ready", self.ready.get(), true)?;
        self.keys.load(bench, &model.digester, model.setting)
    }

    /// One clock: an entry if there is one, and a read that waits if there is none.
    fn step(
        &self,
        bench: &mut Bench,
        model: &mut Model,
        entering: Option<(usize, Words, u16, bool)>,
        asked: &mut Option<u16>,
    ) -> Result<()> {
        let noise = bench.random().u16(..1024);
        self.in_valid.set(entering.is_some());
        let (place, words, bucket, is_unchanged) =
            entering.unwrap_or_else(|| (usize::from(noise), entry(bench), noise, true));
        self.in_place.set(place as u16);
        self.in_entry.set(words);
        self.in_bucket.set(bucket);
        self.in_unchanged.set(is_unchanged);
        self.in_was_live.set(model.places[place].is_some_and(|held| held.is_live()));
        self.read_valid.set(asked.is_some());
        self.read_bucket.set(asked.unwrap_or(noise));
        bench.top().eval()?;
        expect_same("repaired", self.repaired.get(), model.repairs)?;

        // What entered long enough ago reaches its sum; otherwise a read may be taken.
        let change = model.under_way.pop_front().flatten();
        let made = entering
            .map(|(place, words, bucket, is_unchanged)| model.enters(place, words, bucket, is_unchanged));
        model.under_way.push_back(made);
        expect_same("a read is taken", self.read_ready.get(), change.is_none())?;
        if let Some(change) = change {
            let (sum, count) = &mut model.sums[usize::from(change.bucket)];
            (*sum, *count) = (sum.wrapping_add(change.sum), count.wrapping_add(change.count));
        }
        model.repairs = change.is_some_and(|change| change.repairs);
        let taken = if change.is_none() { asked.take() } else { None };
        model.reads.push_back(taken.map(|bucket| {
            let (sum, count) = model.sums[usize::from(bucket)];
            (bucket, sum, count)
        }));
        bench.cycle(&mut ())?;
        let of_this = || (self.out_bucket.get(), self.out_sum.get(), self.out_count.get());
        expect_same("what was read", self.out_valid.get().then(of_this), model.reads.pop_front().flatten())
    }

    /// Nothing enters until all is in its sum.
    fn drain(&self, bench: &mut Bench, model: &mut Model) -> Result<()> {
        (0..ENTRY_CYCLES + READ_LATENCY).try_for_each(|_| self.step(bench, model, None, &mut None))
    }

    /// Random entries of few places, and reads of their buckets.
    fn compare(&self, bench: &mut Bench, model: &mut Model, cycles: u64) -> Result<()> {
        let (mut places, mut asked, mut density) = ([0, 1, 2048], None, 255);
        for cycle in 0..cycles {
            if cycle % 500 == 0 {
                density = if bench.random().bool() { 255 } else { bench.random().u8(..) };
            }
            let place = few(bench, &mut places);
            let is_valid = bench.random().u8(..) <= density;
            let entering = is_valid.then(|| {
                let (words, bucket, is_unchanged) = next(bench, model.places[place]);
                (place, words, bucket, is_unchanged)
            });
            if asked.is_none() && bench.random().bool() {
                let held = model.places[few(bench, &mut places)];
                asked = Some(held.map_or(0, |held| held.bucket));
            }
            self.step(bench, model, entering, &mut asked)?;
        }
        self.drain(bench, model)
    }

    /// Reads every bucket: each has the sum of what lies there.
    fn compare_all(&self, bench: &mut Bench, model: &mut Model) -> Result<()> {
        expect_same("the sums, counted anew", model.counted() == model.sums, true)?;
        for bucket in 0..BUCKETS_COUNT {
            self.step(bench, model, None, &mut Some(bucket as u16))?;
        }
        self.drain(bench, model)
    }
}

/// One of very few places that change from time to time, or any.
fn few(bench: &mut Bench, chosen: &mut [usize; 3]) -> usize {
    let random = bench.random();
    if random.u8(..) == 0 {
        chosen[random.usize(..3)] =
            if random.bool() { random.usize(..PLACES_COUNT) } else { chosen[0] ^ 1 << random.u8(..12) };
    }
    match random.u8(..16) {
        0 => random.usize(..PLACES_COUNT),
        _ => chosen[random.usize(..3)],
    }
}

/// What becomes of a place: entry, bucket, and whether nothing changed.
fn next(bench: &mut Bench, held: Option<Held>) -> (Words, u16, bool) {
    // Few buckets, so that flows of several places meet in one.
    let bucket = bench.random().u16(..4) << bench.random().u8(..9);
    let Some(held) = held else { return (entry(bench), bucket, false) };
    match bench.random().u8(..4) {
        // Read, or changed in what the digest does not cover.
        0 => (held.words, held.bucket, bench.random().bool()),
        1 => {
            let mut entry = unpack(&held.words);
            entry.record.lifetime_s = bench.random().u32(..);
            entry.stamp.version = bench.random().u64(..1 << 48);
            entry.cookie = bench.random().u32(..);
            (pack(&entry), held.bucket, true)
        }
        // Only what is not live goes to another bucket.
        _ if held.is_live() => (entry(bench), held.bucket, false),
        _ => (entry(bench), bucket, false),
    }
}

fn sums_match(bench: &mut Bench) -> Result<()> {
    let (tally, mut model) = (Tally::new(bench)?, Model::new(bench));
    tally.begin(bench, &model)?;
    tally.compare_all(bench, &mut model)?;
    for _ in 0..ROUNDS {
        // Contributions of the settings before are exact as long as they stay.
        (model.digester, model.setting) = (digester(bench), setting(bench));
        tally.keys.load(bench, &model.digester, model.setting)?;
        tally.compare(bench, &mut model, CYCLES)?;
        tally.compare_all(bench, &mut model)?;
    }
    Ok(())
}

fn reset_clears(bench: &mut Bench) -> Result<()> {
    let tally = Tally::new(bench)?;
    let mut model = Model::new(bench);
    tally.begin(bench, &model)?;
    for _ in 0..5 {
        tally.compare(bench, &mut model, 1_000)?;
        for _ in 0..bench.random().usize(..2 * ENTRY_CYCLES) {
            let words = entry(bench);
            tally.step(bench, &mut model, Some((7, words, 3, true)), &mut None)?;
        }
        bench.reset()?;
        model = Model::new(bench);
        tally.begin(bench, &model)?;
        tally.compare_all(bench, &mut model)?;
    }
    Ok(())
}

/// Any bit that the digest covers, in an entry said to be unchanged: told, and again when it is put right.
fn rot_is_found(bench: &mut Bench) -> Result<()> {
    let (tally, mut model) = (Tally::new(bench)?, Model::new(bench));
    model.setting = Setting::WHOLE;
    tally.begin(bench, &model)?;
    for _ in 0..500 {
        let mut found = unpack(&entry(bench));
        found.flags |= flag::LIVE;
        found.record.groups = formats::Groups::ALL;
        let words = pack(&found);
        let place = bench.random().usize(..PLACES_COUNT);
        let bucket = model.places[place].map_or(9, |held| held.bucket);
        tally.step(bench, &mut model, Some((place, words, bucket, false)), &mut None)?;
        let mut fallen = words;
        let bit = loop {
            let bit = bench.random().usize(..ENTRY_BITS);
            let covered = bit < field::TERM.at
                && !(field::FLAGS.at..field::FLAGS.at + 7).contains(&bit)
                && !(field::LIFETIME.at..field::LIFETIME.at + 32).contains(&bit);
            if covered {
                break bit;
            }
        };
        fallen[bit / 32] ^= 1 << (bit % 32);
        for words in [fallen, words] {
            tally.step(bench, &mut model, Some((place, words, bucket, true)), &mut None)?;
            let told = model.under_way.back().copied().flatten().is_some_and(|change| change.repairs);
            expect_same("a change of what is covered", told, true)?;
        }
    }
    tally.drain(bench, &mut model)?;
    tally.compare_all(bench, &mut model)
}
