//! The bucket map and its flags against plain Rust, with marks and look-ups of few buckets back to back.

use super::{top, Block, Test};
use formats::limits::{BUCKETS_COUNT, MEMBER_NONE};
use hw::map::copy;
use std::collections::VecDeque;
use verilator_tests::{expect_same, Bench, Input, Port, Result};

const CYCLES: u64 = 100_000;
/// Cycles from the end of a reset until the map is ready.
const CLEAR_CYCLES: u64 = BUCKETS_COUNT as u64 + 1;
const LAST: u16 = BUCKETS_COUNT as u16 - 1;

pub(crate) const MARKS: Block = Block {
    name: "marks",
    design: || top("marks"),
    latency_cycles: Some(hw::marks::LATENCY as u64),
    tests: &[
        Test { name: "marks and look-ups", seeds: 0..4, body: marks_are_seen },
        Test { name: "a mark under way is lost by a reset", seeds: 0..4, body: marks_are_lost },
    ],
};

pub(crate) const MAP: Block = Block {
    name: "map",
    design: || top("map"),
    latency_cycles: Some(hw::map::LATENCY as u64),
    tests: &[
        Test { name: "marks, roles and look-ups", seeds: 0..6, body: map_matches },
        Test { name: "a reset takes all away", seeds: 0..4, body: reset_clears },
        Test { name: "the host is not kept waiting", seeds: 0..2, body: writes_are_taken },
    ],
};

/// Buckets of which most operations take one: what is forwarded is the rule.
struct Few([u16; 3]);

impl Few {
    fn draw(&mut self, bench: &mut Bench) -> u16 {
        let random = bench.random();
        if random.u8(..) == 0 {
            // Neighbours by a bit too.
            self.0[random.usize(..3)] =
                if random.bool() { random.u16(..=LAST) } else { self.0[0] ^ 1 << random.u8(..10) };
        }
        match random.u8(..16) {
            0 => random.u16(..=LAST),
            _ => self.0[random.usize(..3)],
        }
    }
}

/// The ports of a mark.
struct Marking {
    valid: Input<bool>,
    bucket: Input<u16>,
    set: Input<u8>,
    clear: Input<u8>,
    /// All of its flags.
    all: u8,
}

impl Marking {
    fn new(bench: &Bench, name: &str, all: u8) -> Result<Marking> {
        Ok(Marking {
            all,
            valid: bench.input(&format!("{name}_valid"))?,
            bucket: bench.input(&format!("{name}_bucket"))?,
            set: bench.input(&format!("{name}_set"))?,
            clear: bench.input(&format!("{name}_clear"))?,
        })
    }

    /// Shows a mark of that bucket, or noise that is none; returns what becomes of flags.
    fn show(&self, bench: &mut Bench, is_valid: bool, bucket: u16) -> impl Fn(u8) -> u8 {
        let random = bench.random();
        let (set, clear) =
            (random.u8(..) & random.u8(..) & self.all, random.u8(..) & random.u8(..) & self.all);
        self.valid.set(is_valid);
        self.bucket.set(bucket);
        self.set.set(set);
        self.clear.set(clear);
        move |flags| if is_valid { flags & !clear | set } else { flags }
    }

    fn whole(&self, bench: &mut Bench, bucket: u16, flags: u8) -> Result<()> {
        self.valid.set(true);
        self.bucket.set(bucket);
        self.set.set(flags);
        self.clear.set(0xff);
        bench.cycle(&mut ())?;
        self.valid.set(false);
        Ok(())
    }
}

fn marks_are_seen(bench: &mut Bench) -> Result<()> {
    let marking = Marking::new(bench, "mark", 0xff)?;
    let (looked, found) = (bench.input::<u16>("in_bucket")?, bench.port::<u8>("out_flags")?);
    let mut model = vec![0; BUCKETS_COUNT];
    for bucket in 0..=LAST {
        model[usize::from(bucket)] = bench.random().u8(..);
        marking.whole(bench, bucket, model[usize::from(bucket)])?;
    }
    let (mut few, mut due) = (Few([0, 1, 512]), VecDeque::new());
    let mut density = 255;
    for cycle in 0..CYCLES {
        if cycle % 1_000 == 0 {
            density = if bench.random().bool() { 255 } else { bench.random().u8(..) };
        }
        let (is_marked, bucket, look) = (bench.random().u8(..) <= density, few.draw(bench), few.draw(bench));
        let change = marking.show(bench, is_marked, bucket);
        looked.set(look);
        due.push_back(model[usize::from(look)]);
        model[usize::from(bucket)] = change(model[usize::from(bucket)]);
        bench.cycle(&mut ())?;
        if due.len() == hw::marks::LATENCY {
            expect_same("the flags", Some(found.get()), due.pop_front())?;
        }
    }
    Ok(())
}

/// A mark under way may have reached the RAM or not, but is not forwarded behind a reset.
fn marks_are_lost(bench: &mut Bench) -> Result<()> {
    let marking = Marking::new(bench, "mark", 0xff)?;
    let (looked, found) = (bench.input::<u16>("in_bucket")?, bench.port::<u8>("out_flags")?);
    let reset = bench.input::<bool>("reset")?;
    for _ in 0..200 {
        marking.whole(bench, 7, 0)?;
        for _ in 0..8 {
            bench.cycle(&mut ())?;
        }
        marking.valid.set(true);
        marking.set.set(0xff);
        marking.clear.set(0);
        reset.set(true);
        bench.cycle(&mut ())?;
        reset.set(false);
        marking.valid.set(false);
        looked.set(7);
        for _ in 0..8 {
            for _ in 0..hw::marks::LATENCY {
                bench.cycle(&mut ())?;
            }
            expect_same("flags marked under reset", found.get(), 0)?;
        }
    }
    Ok(())
}

/// What the map holds of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    /// Owner, backup, remote, successor.
    members: [u8; 4],
    term: u32,
    flags: u8,
    copies: u8,
}

/// What becomes of a bucket.
type Becomes = Box<dyn Fn(State) -> State>;

const CLEARED: State =
    State { members: [MEMBER_NONE; 4], term: 0, flags: 0, copies: 0x11 * (copy::DIRTY | copy::RENEWED) };

/// The ports of the block.
struct Map {
    ready: Port<bool>,
    in_valid: Input<bool>,
    in_bucket: Input<u16>,
    out_valid: Port<bool>,
    out_bucket: Port<u16>,
    out_members: [Port<u8>; 4],
    out_term: Port<u32>,
    out_flags: Port<u8>,
    out_copies: Port<u8>,
    marking: Marking,
    backup_marking: Marking,
    remote_marking: Marking,
    write_valid: Input<bool>,
    write_ready: Port<bool>,
    write_bucket: Input<u16>,
    write_roles: Input<u64>,
    write_set: Input<u8>,
    write_clear: Input<u8>,
    write_copy_set: Input<u8>,
    write_copy_clear: Input<u8>,
}

impl Map {
    fn new(bench: &Bench) -> Result<Map> {
        let member = |name| bench.port::<u8>(name);
        Ok(Map {
            ready: bench.port("ready")?,
            in_valid: bench.input("in_valid")?,
            in_bucket: bench.input("in_bucket")?,
            out_valid: bench.port("out_valid")?,
            out_bucket: bench.port("out_bucket")?,
            out_members: [
                member("out_owner")?,
                member("out_backup")?,
                member("out_remote")?,
                member("out_successor")?,
            ],
            out_term: bench.port("out_term")?,
            out_flags: bench.port("out_flags")?,
            out_copies: bench.port("out_copies")?,
            marking: Marking::new(bench, "mark", 0xff)?,
            backup_marking: Marking::new(bench, "backup", 0xf)?,
            remote_marking: Marking::new(bench, "remote", 0xf)?,
            write_valid: bench.input("write_valid")?,
            write_ready: bench.port("write_ready")?,
            write_bucket: bench.input("write_bucket")?,
            write_roles: bench.input("write_word")?,
            write_set: bench.input("write_set")?,
            write_clear: bench.input("write_clear")?,
            write_copy_set: bench.input("write_copy_set")?,
            write_copy_clear: bench.input("write_copy_clear")?,
        })
    }

    fn left(&self) -> Option<(u16, State)> {
        let state = || State {
            members: self.out_members.each_ref().map(|port| port.get()),
            term: self.out_term.get(),
            flags: self.out_flags.get(),
            copies: self.out_copies.get(),
        };
        self.out_valid.get().then(|| (self.out_bucket.get(), state()))
    }

    /// Shows the host's word on a bucket; returns what becomes of it.
    fn show_write(&self, bench: &mut Bench, bucket: u16) -> impl Fn(State) -> State {
        let random = bench.random();
        let members: [u8; 4] = random.u32(..).to_le_bytes();
        let (term, [set, clear, copy_set, copy_clear]) = (random.u32(..), random.u32(..).to_le_bytes());
        self.write_bucket.set(bucket);
        self.write_roles.set(u64::from(u32::from_le_bytes(members)) | u64::from(term) << 32);
        self.write_set.set(set);
        self.write_clear.set(clear);
        self.write_copy_set.set(copy_set);
        self.write_copy_clear.set(copy_clear);
        move |old| State {
            members,
            term,
            flags: old.flags & !clear | set,
            copies: old.copies & !copy_clear | copy_set,
        }
    }

    /// Shows a mark of a bucket, of a backup and of a remote; returns what becomes of each one's bucket.
    fn show_marks(&self, bench: &mut Bench, valid: [bool; 3], buckets: [u16; 3]) -> [Becomes; 3] {
        let of_flags = self.marking.show(bench, valid[0], buckets[0]);
        let of_backup = self.backup_marking.show(bench, valid[1], buckets[1]);
        let of_remote = self.remote_marking.show(bench, valid[2], buckets[2]);
        [
            Box::new(move |old| State { flags: of_flags(old.flags), ..old }),
            Box::new(move |old| State { copies: old.copies & 0xf0 | of_backup(old.copies & 0xf), ..old }),
            Box::new(move |old| State { copies: old.copies & 0xf | of_remote(old.copies >> 4) << 4, ..old }),
        ]
    }

    fn hide_marks(&self) {
        for marking in [&self.marking, &self.backup_marking, &self.remote_marking] {
            marking.valid.set(false);
        }
    }

    fn await_ready(&self, bench: &mut Bench) -> Result<()> {
        for cycle in 0..CLEAR_CYCLES {
            expect_same("ready before all is cleared", (self.ready.get(), cycle), (false, cycle))?;
            bench.cycle(&mut ())?;
        }
        expect_same("ready", self.ready.get(), true)
    }

    /// Random operations of the buckets that `few` names; each look-up leaves when it is due.
    fn compare(&self, bench: &mut Bench, model: &mut [State], cycles: u64) -> Result<()> {
        let (mut few, mut due) = (Few([0, 1, 512]), VecDeque::new());
        let mut waiting: Option<(u16, Becomes)> = None;
        let (mut density, mut since_write) = (255, hw::map::WRITE_INTERVAL);
        for cycle in 0..cycles {
            if cycle % 1_000 == 0 {
                density = if bench.random().bool() { 10 } else { bench.random().u8(..) };
            }
            let mut valid = || bench.random().u8(..) < density;
            let valid = [valid(), valid(), valid()];
            let marked = [few.draw(bench), few.draw(bench), few.draw(bench)];
            let changes = self.show_marks(bench, valid, marked);
            if waiting.is_none() && bench.random().bool() {
                let bucket = few.draw(bench);
                waiting = Some((bucket, Box::new(self.show_write(bench, bucket))));
            }
            self.write_valid.set(waiting.is_some());
            let (looks, look) = (bench.random().u8(..) < 230, few.draw(bench));
            self.in_valid.set(looks);
            self.in_bucket.set(look);
            bench.top().eval()?;
            let can_write = valid == [false; 3] && since_write >= hw::map::WRITE_INTERVAL;
            expect_same("the host's word can be taken", self.write_ready.get(), can_write)?;
            due.push_back(looks.then(|| (look, model[usize::from(look)])));
            for (bucket, change) in marked.into_iter().zip(changes) {
                let bucket = &mut model[usize::from(bucket)];
                *bucket = change(*bucket);
            }
            since_write += 1;
            if let Some((bucket, becomes)) = waiting.take_if(|_| can_write) {
                model[usize::from(bucket)] = becomes(model[usize::from(bucket)]);
                since_write = 1;
            }
            bench.cycle(&mut ())?;
            if due.len() == hw::map::LATENCY {
                expect_same("what was looked up", self.left(), due.pop_front().flatten())?;
            }
        }
        self.hide_marks();
        self.write_valid.set(false);
        self.in_valid.set(false);
        (0..hw::map::LATENCY).try_for_each(|_| bench.cycle(&mut ()))
    }

    /// Looks up every bucket.
    fn compare_all(&self, bench: &mut Bench, model: &[State]) -> Result<()> {
        self.in_valid.set(true);
        for cycle in 0..BUCKETS_COUNT + hw::map::LATENCY - 1 {
            self.in_bucket.set((cycle % BUCKETS_COUNT) as u16);
            bench.cycle(&mut ())?;
            if let Some(bucket) = (cycle + 1).checked_sub(hw::map::LATENCY) {
                expect_same("a bucket", self.left(), Some((bucket as u16, model[bucket])))?;
            }
        }
        self.in_valid.set(false);
        (0..hw::map::LATENCY).try_for_each(|_| bench.cycle(&mut ()))
    }
}

fn map_matches(bench: &mut Bench) -> Result<()> {
    let map = Map::new(bench)?;
    expect_same("a look-up after reset", map.out_valid.get(), false)?;
    map.await_ready(bench)?;
    let mut model = vec![CLEARED; BUCKETS_COUNT];
    map.compare_all(bench, &model)?;
    map.compare(bench, &mut model, CYCLES)?;
    map.compare_all(bench, &model)
}

fn reset_clears(bench: &mut Bench) -> Result<()> {
    let (map, reset) = (Map::new(bench)?, bench.input::<bool>("reset")?);
    map.await_ready(bench)?;
    for _ in 0..5 {
        map.compare(bench, &mut vec![CLEARED; BUCKETS_COUNT], 3_000)?;
        // Everything is under way when it comes, and once more before all is cleared.
        for _ in 0..2 {
            map.in_valid.set(true);
            map.write_valid.set(true);
            for _ in 0..bench.random().u64(..8) {
                let bucket = bench.random().u16(..4);
                map.in_bucket.set(bucket);
                let _ = map.show_write(bench, bucket);
                let marks = bench.random().bool();
                let _ = map.show_marks(bench, [marks; 3], [bucket; 3]);
                bench.cycle(&mut ())?;
            }
            // One clock is enough.
            reset.set(true);
            bench.cycle(&mut ())?;
            reset.set(false);
            map.write_valid.set(false);
            map.hide_marks();
            for _ in 0..bench.random().u64(..CLEAR_CYCLES) {
                expect_same("what was under way, or looked up early", map.left(), None)?;
                bench.cycle(&mut ())?;
            }
        }
        bench.reset()?;
        map.await_ready(bench)?;
        map.compare_all(bench, &vec![CLEARED; BUCKETS_COUNT])?;
    }
    Ok(())
}

/// Without marks the host writes every few cycles, a new bucket each time.
fn writes_are_taken(bench: &mut Bench) -> Result<()> {
    let map = Map::new(bench)?;
    map.await_ready(bench)?;
    let mut model = vec![CLEARED; BUCKETS_COUNT];
    map.write_valid.set(true);
    for bucket in 0..=LAST {
        let becomes = map.show_write(bench, bucket);
        for wait in 0..hw::map::WRITE_INTERVAL {
            bench.top().eval()?;
            // The first cycle of each takes it: the pause lies behind.
            expect_same("taken", (wait, map.write_ready.get()), (wait, wait == 0))?;
            bench.cycle(&mut ())?;
        }
        model[usize::from(bucket)] = becomes(CLEARED);
    }
    map.write_valid.set(false);
    map.compare_all(bench, &model)
}
