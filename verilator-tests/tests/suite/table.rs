//! The flow table against a few lines of Rust, where requests for few flows of few sets stand close.

use super::late::Late;
use super::{top, Block, Test};
use formats::flow::{Family, FlowKey, FlowRecord};
use hw::layout::{self, Entry, ENTRY_BITS, ENTRY_WORDS, KEY_BITS};
use hw::table;
use std::collections::{BTreeMap, VecDeque};
use verilator_tests::{expect_same, Bench, Input, Port, Result, Stalls};

const CYCLES: u64 = 100_000;
const TAG_BITS: usize = 30;
const WAYS: usize = 4;
/// Requests whose tags a named place may lack.
const BEHIND: u64 = 4;
/// Cycles that a table takes to clear its sets, and a few more.
const READY_CYCLES: u64 = 1_100;
const KEY_WORDS: usize = KEY_BITS.div_ceil(32);

type Words = [u32; ENTRY_WORDS];
type KeyWords = [u32; KEY_WORDS];

pub(crate) const SAME_FLOW: Block = Block {
    name: "same_flow",
    design: || top("same_flow").without_reset(),
    latency_cycles: Some(table::SAME_FLOW_LATENCY as u64),
    tests: &[Test { name: "keys that almost agree", seeds: 0..4, body: keys_compare }],
};

pub(crate) const TAGS: Block = Block {
    name: "tags",
    design: || top("tags"),
    latency_cycles: Some(table::TAGS_LATENCY as u64),
    tests: &[Test { name: "few tags of few sets", seeds: 0..10, body: tags_agree }],
};

pub(crate) const TABLE: Block = Block {
    name: "flow_table",
    design: || top("flow_table"),
    latency_cycles: Some(table::LATENCY as u64),
    tests: &[
        Test { name: "few flows of few sets", seeds: 0..10, body: entries_agree },
        Test { name: "emptied by a reset", seeds: 0..2, body: a_reset_empties_it },
    ],
};

/// A key with its bits as they lie in an entry.
#[derive(Clone, Copy)]
struct Key {
    key: FlowKey,
    words: KeyWords,
}

impl Key {
    fn new(key: FlowKey) -> Key {
        let packed =
            layout::pack(&Entry { record: FlowRecord { key, ..Default::default() }, ..Default::default() });
        let mut words = [0; KEY_WORDS];
        words.copy_from_slice(&packed[..KEY_WORDS]);
        Key { key, words }
    }
}

/// What asks for a flow or a place.
#[derive(Clone, Copy)]
struct Request {
    id: u64,
    key: Key,
    is_keyed: bool,
    makes: bool,
    /// The way of the id's set that it names.
    way: Option<u8>,
    watches: bool,
    frees: bool,
}

/// What is said about a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Answer {
    found: bool,
    made: bool,
    full: bool,
    freed: bool,
    /// Set and way, of what was found, made or freed.
    place: Option<u16>,
}

/// What a place holds.
#[derive(Clone, Copy)]
struct Held {
    tag: u64,
    key: FlowKey,
    entry: Words,
}

/// The table.
#[derive(Default)]
struct Model {
    sets: BTreeMap<u16, [Option<Held>; WAYS]>,
    watched: Option<u16>,
}

impl Model {
    fn ask(&mut self, request: &Request) -> Answer {
        let (set, tag) = ((request.id >> TAG_BITS) as u16, request.id & ((1 << TAG_BITS) - 1));
        let place = |way: usize| set << 2 | way as u16;
        let ways = self.sets.entry(set).or_default();
        let way = match request.way {
            Some(way) => Some(usize::from(way)).filter(|way| ways[*way].is_some()),
            None => ways.iter().position(|held| held.is_some_and(|held| held.tag == tag)),
        };
        let was_watched = way.is_some() && self.watched == way.map(place);
        if was_watched {
            self.watched = None;
        }
        if request.watches {
            self.watched = way.map(place);
        }
        if let Some(way) = way {
            let freed = request.frees && was_watched;
            let same = ways[way].is_some_and(|held| held.key.same_flow(&request.key.key));
            let found = same || !request.is_keyed;
            if freed {
                ways[way] = None;
            }
            let place = found.then_some(place(way));
            return Answer { found, made: false, full: request.makes && !found, freed, place };
        }
        let free = ways.iter().position(Option::is_none).filter(|_| request.makes);
        if let Some(way) = free {
            ways[way] = Some(Held { tag, key: request.key.key, entry: [0; ENTRY_WORDS] });
        }
        let (made, full) = (free.is_some(), request.makes && free.is_none());
        Answer { made, full, place: free.map(place), ..Answer::default() }
    }

    /// The answer, and the entry that was found.
    fn ask_entry(&mut self, request: &Request) -> (Answer, Option<Words>) {
        let set = self.sets.entry((request.id >> TAG_BITS) as u16).or_default();
        let entries = set.map(|held| held.map(|held| held.entry));
        let answer = self.ask(request);
        let place = answer.place.filter(|_| answer.found);
        (answer, place.and_then(|place| entries[usize::from(place & 3)]))
    }

    /// The id asked for, or that of the flow in the named place.
    fn id_of(&mut self, request: &Request) -> Option<u64> {
        let Some(way) = request.way else { return Some(request.id) };
        let set = request.id >> TAG_BITS;
        let held = self.sets.entry(set as u16).or_default()[usize::from(way)];
        held.map(|held| set << TAG_BITS | held.tag)
    }

    fn held(&mut self, place: u16) -> &mut Option<Held> {
        &mut self.sets.entry(place >> 2).or_default()[usize::from(place & 3)]
    }
}

/// Few flows: ids of few sets, each with two keys.
struct Flows {
    ids: Vec<(u64, [Key; 2])>,
    /// Of 256: asks by key and makes, asks by key, by id, names a place; what is left asks for the last
    /// flow again.
    chances: [u8; 3],
    last: usize,
    watched: (u64, u8),
}

impl Flows {
    fn drawn(bench: &mut Bench) -> Flows {
        let random = bench.random();
        let sets: Vec<u64> = (0..random.usize(1..4)).map(|_| random.u64(..1 << 10)).collect();
        let mut ids = Vec::new();
        for set in sets {
            for _ in 0..random.usize(3..9) {
                let key = any_key(random);
                // An id that another key has, too.
                let other = almost(random, key);
                let near = if random.bool() { random.u64(..8) } else { random.u64(..1 << TAG_BITS) };
                ids.push((set << TAG_BITS | near, [Key::new(key), Key::new(other)]));
            }
        }
        Flows { ids, chances: [(); 3].map(|()| random.u8(..100)), last: 0, watched: (0, 0) }
    }

    fn request(&mut self, random: &mut fastrand::Rng) -> Request {
        let stays = random.u8(..) < 100;
        self.last = if stays { self.last } else { random.usize(..self.ids.len()) };
        let (id, keys) = self.ids[self.last];
        let key = keys[usize::from(random.u8(..) < 40)];
        let key = if random.bool() { key } else { Key::new_reversed(&key) };
        let mut request =
            Request { id, key, is_keyed: true, makes: false, way: None, watches: false, frees: false };
        let [makes, by_id, named] = self.chances.map(u16::from);
        let drawn = u16::from(random.u8(..));
        if drawn < makes {
            request.makes = true;
        } else if drawn < makes + by_id {
            request.is_keyed = false;
        } else if drawn < makes + by_id + named {
            request.is_keyed = false;
            request.way = Some(random.u8(..WAYS as u8));
            match random.u8(..8) {
                0..3 => {
                    request.watches = true;
                    self.watched = (id, request.way.unwrap_or_default());
                }
                3..7 => {
                    request.frees = true;
                    (request.id, request.way) = (self.watched.0, Some(self.watched.1));
                }
                _ => {}
            }
        }
        request
    }
}

impl Key {
    fn new_reversed(&self) -> Key {
        Key::new(self.key.reversed())
    }
}

fn any_key(random: &mut fastrand::Rng) -> FlowKey {
    let mut address = || if random.bool() { random.u128(..) } else { random.u128(..4) };
    let (src, dst) = (address(), address());
    FlowKey {
        src,
        dst,
        src_port: random.u16(..),
        dst_port: random.u16(..),
        zone: random.u16(..),
        protocol: random.u8(..),
        family: if random.bool() { Family::V6 } else { Family::V4 },
    }
}

/// The same, the other way round, one bit away, or with one end point the other way round.
fn almost(random: &mut fastrand::Rng, mut key: FlowKey) -> FlowKey {
    match random.u8(..10) {
        0 => {}
        1 => key.src ^= 1 << random.u8(..128),
        2 => key.dst ^= 1 << random.u8(..128),
        3 => key.src_port ^= 1 << random.u8(..16),
        4 => key.dst_port ^= 1 << random.u8(..16),
        5 => key.zone ^= 1 << random.u8(..16),
        6 => key.protocol ^= 1 << random.u8(..8),
        7 => key.family = if key.family == Family::V4 { Family::V6 } else { Family::V4 },
        8 => (key.src, key.dst) = (key.dst, key.src),
        _ => (key.src_port, key.dst_port) = (key.dst_port, key.src_port),
    }
    if random.bool() {
        key.reversed()
    } else {
        key
    }
}

fn any_entry(random: &mut fastrand::Rng) -> Words {
    let mut words = [0; ENTRY_WORDS];
    words.iter_mut().for_each(|word| *word = random.u32(..));
    words[ENTRY_WORDS - 1] &= (1 << (ENTRY_BITS % 32)) - 1;
    words
}

fn with_key(mut entry: Words, key: &KeyWords) -> Words {
    entry[..KEY_WORDS - 1].copy_from_slice(&key[..KEY_WORDS - 1]);
    let mask = (1 << (KEY_BITS % 32)) - 1;
    entry[KEY_WORDS - 1] = entry[KEY_WORDS - 1] & !mask | key[KEY_WORDS - 1];
    entry
}

/// The ports that ask and answer for a place; the tags' and the table's.
struct Asking {
    ready: Port<bool>,
    valid: Input<bool>,
    named: Input<bool>,
    way: Input<u8>,
    late_makes: Late<bool>,
    watches: Input<bool>,
    frees: Input<bool>,
    out_valid: Port<bool>,
    out_found: Port<bool>,
    out_made: Port<bool>,
    out_freed: Port<bool>,
}

impl Asking {
    fn new(bench: &Bench) -> Result<Asking> {
        Ok(Asking {
            ready: bench.port("in_ready")?,
            valid: bench.input("in_valid")?,
            named: bench.input("in_named")?,
            way: bench.input("in_way")?,
            late_makes: Late::new(bench.input("late_makes")?, table::LATE),
            watches: bench.input("in_watches")?,
            frees: bench.input("in_frees")?,
            out_valid: bench.port("out_valid")?,
            out_found: bench.port("out_found")?,
            out_made: bench.port("out_made")?,
            out_freed: bench.port("out_freed")?,
        })
    }

    /// After a reset, until requests are taken. Those that come before are not.
    fn wait(&self, bench: &mut Bench) -> Result<()> {
        self.late_makes.input.set(true);
        self.valid.set(true);
        bench.run_until(&mut (), READY_CYCLES, |()| self.ready.get())?;
        self.valid.set(false);
        Ok(())
    }

    fn show(&mut self, request: &Request) {
        self.named.set(request.way.is_some());
        self.way.set(request.way.unwrap_or_default());
        self.late_makes.set(request.makes);
        self.watches.set(request.watches);
        self.frees.set(request.frees);
    }
}

fn tags_agree(bench: &mut Bench) -> Result<()> {
    let mut asking = Asking::new(bench)?;
    let (set_in, tag_in) = (bench.input::<u16>("in_set")?, bench.input::<u32>("in_tag")?);
    let (set_out, way_out) = (bench.port::<u16>("out_set")?, bench.port::<u8>("out_way")?);
    let tag_out = bench.port::<u32>("out_tag")?;
    asking.wait(bench)?;
    let mut flows = Flows::drawn(bench);
    let mut pauses = Stalls::drawn(bench.fork_random());
    let (mut model, mut due) = (Model::default(), VecDeque::new());
    let mut made = BTreeMap::new();
    for cycle in 0..CYCLES {
        let request = Request { is_keyed: false, ..flows.request(bench.random()) };
        let is_valid = !pauses.is_stalled(true);
        asking.show(&request);
        set_in.set((request.id >> TAG_BITS) as u16);
        tag_in.set((request.id & ((1 << TAG_BITS) - 1)) as u32);
        asking.valid.set(is_valid);
        let id = model.id_of(&request);
        let answer = is_valid.then(|| Answer { full: false, ..model.ask(&request) });
        let place = answer.and_then(|answer| answer.place);
        // What was put into the place just before, its name does not tell yet.
        let is_fresh = place.and_then(|place| made.get(&place)).is_some_and(|made| made + BEHIND >= cycle);
        if let Some(place) = place.filter(|_| answer.is_some_and(|answer| answer.made)) {
            made.insert(place, cycle);
        }
        let tag = id.filter(|_| place.is_some() && !(request.way.is_some() && is_fresh));
        due.push_back(answer.map(|answer| (answer, tag.map(|id| (id & ((1 << TAG_BITS) - 1)) as u32))));
        bench.cycle(&mut ())?;
        if due.len() == table::TAGS_LATENCY {
            let (answer, tag) = due.pop_front().flatten().unzip();
            let found = asking.out_valid.get().then(|| {
                let (found, made) = (asking.out_found.get(), asking.out_made.get());
                let place = (found || made).then(|| set_out.get() << 2 | u16::from(way_out.get()));
                Answer { found, made, full: false, freed: asking.out_freed.get(), place }
            });
            expect_same("the answer", found, answer)?;
            if let Some(tag) = tag.flatten() {
                expect_same("the tag", tag_out.get(), tag)?;
            }
        }
    }
    Ok(())
}

/// The table's ports.
struct Ports {
    asking: Asking,
    id: Input<u64>,
    keyed: Input<bool>,
    key: Input<KeyWords>,
    full: Port<bool>,
    place: Port<u16>,
    out_id: Port<u64>,
    entry: Port<Words>,
    /// The next answer's entry, and whether that is the place of this one.
    late: (Port<Words>, Port<bool>),
    write: Input<bool>,
    write_entry: Input<Words>,
}

impl Ports {
    fn new(bench: &Bench) -> Result<Ports> {
        Ok(Ports {
            asking: Asking::new(bench)?,
            id: bench.input("in_id")?,
            keyed: bench.input("in_keyed")?,
            key: bench.input("in_key")?,
            full: bench.port("out_full")?,
            place: bench.port("out_place")?,
            out_id: bench.port("out_id")?,
            entry: bench.port("out_entry")?,
            late: (bench.port("late_entry")?, bench.port("late_follows")?),
            write: bench.input("write")?,
            write_entry: bench.input("write_entry")?,
        })
    }

    fn show(&mut self, request: &Request) {
        self.asking.show(request);
        self.id.set(request.id);
        self.keyed.set(request.is_keyed);
        self.key.set(request.key.words);
    }

    fn answer(&self) -> Answer {
        let (found, made) = (self.asking.out_found.get(), self.asking.out_made.get());
        let place = (found || made).then(|| self.place.get());
        Answer { found, made, full: self.full.get(), freed: self.asking.out_freed.get(), place }
    }
}

/// What is due for one request: answer, entry before, entry after.
#[derive(Clone, Copy)]
struct Due {
    answer: Answer,
    /// Asked for, or of the flow in the named place.
    id: Option<u64>,
    before: Option<Words>,
    after: Option<Words>,
}

/// The model's answer, and what is then made of the entry.
fn due(model: &mut Model, request: &Request, random: &mut fastrand::Rng) -> Due {
    let id = model.id_of(request);
    let (answer, before) = model.ask_entry(request);
    let Some(place) = answer.place else { return Due { answer, id, before, after: None } };
    let Some(held) = model.held(place) else { return Due { answer, id, before, after: None } };
    let rewrites = random.u8(..) < 150;
    if !answer.made && !rewrites {
        return Due { answer, id, before, after: None };
    }
    // The key stays, or becomes the asking one: the same flow.
    let takes_key = answer.made || request.is_keyed && random.bool();
    held.key = if takes_key { request.key.key } else { held.key };
    let key = Key::new(held.key).words;
    held.entry = with_key(any_entry(random), &key);
    Due { answer, id, before, after: Some(held.entry) }
}

fn run(bench: &mut Bench, ports: &mut Ports, cycles: u64) -> Result<()> {
    let mut flows = Flows::drawn(bench);
    let mut pauses = Stalls::drawn(bench.fork_random());
    let (mut model, mut waiting) = (Model::default(), VecDeque::from([None; table::LATENCY - 1]));
    let mut random = bench.fork_random();
    let mut last: (Option<Due>, Words, bool) = (None, [0; ENTRY_WORDS], false);
    for _ in 0..cycles {
        let request = flows.request(&mut random);
        let is_valid = !pauses.is_stalled(true);
        ports.show(&request);
        ports.asking.valid.set(is_valid);
        waiting.push_back(is_valid.then(|| due(&mut model, &request, &mut random)));
        bench.cycle(&mut ())?;
        let now = waiting.pop_front().flatten();
        let answer = ports.asking.out_valid.get().then(|| ports.answer());
        expect_same("the answer", answer, now.map(|due: Due| due.answer))?;
        if let Some(id) = now.and_then(|due| due.id) {
            expect_same("the id", ports.out_id.get(), id)?;
        }
        if let Some(before) = now.and_then(|due| due.before) {
            expect_same("the entry", ports.entry.get(), before)?;
        }
        if let Some(due) = &now {
            told_early(due, &last)?;
        }
        last = (now, ports.late.0.get(), ports.late.1.get());
        let after = now.and_then(|due| due.after);
        ports.write.set(after.is_some());
        // What stands there without a write must not matter.
        ports.write_entry.set(after.unwrap_or_else(|| any_entry(&mut random)));
    }
    ports.write.set(false);
    Ok(())
}

/// What was said of an entry a cycle before its answer: beside the answer before it, and without what that
/// makes of it.
fn told_early(due: &Due, (previous, entry, follows): &(Option<Due>, Words, bool)) -> Result<()> {
    let (Some(place), Some(before)) = (due.answer.place, due.before) else { return Ok(()) };
    let previous_place = previous.and_then(|previous| previous.answer.place);
    if previous_place.is_some() {
        expect_same("the same place again", *follows, previous_place == Some(place))?;
    }
    let was_written =
        previous_place == Some(place) && previous.is_some_and(|previous| previous.after.is_some());
    let early = if was_written { previous.and_then(|previous| previous.before) } else { Some(before) };
    match early {
        Some(early) => expect_same("the entry a cycle earlier", *entry, early),
        None => Ok(()),
    }
}

fn entries_agree(bench: &mut Bench) -> Result<()> {
    let mut ports = Ports::new(bench)?;
    ports.asking.wait(bench)?;
    run(bench, &mut ports, CYCLES)
}

/// Nothing of a first run is found in a second.
fn a_reset_empties_it(bench: &mut Bench) -> Result<()> {
    let mut ports = Ports::new(bench)?;
    for _ in 0..3 {
        ports.asking.wait(bench)?;
        run(bench, &mut ports, 2_000)?;
        bench.reset()?;
    }
    Ok(())
}

fn keys_compare(bench: &mut Bench) -> Result<()> {
    let (a, b) = (bench.input::<KeyWords>("a")?, bench.input::<KeyWords>("b")?);
    let same = bench.port::<bool>("same")?;
    let mut due = VecDeque::new();
    for _ in 0..CYCLES {
        let key = any_key(bench.random());
        let other = almost(bench.random(), key);
        a.set(Key::new(key).words);
        b.set(Key::new(other).words);
        due.push_back(key.same_flow(&other));
        bench.cycle(&mut ())?;
        if due.len() == table::SAME_FLOW_LATENCY {
            expect_same("the answer", Some(same.get()), due.pop_front())?;
        }
    }
    Ok(())
}
