//! Copies of what the card owns, held by software engines: whatever the pool refuses, they become equal.

use super::engine::*;
use super::host::Roles;
use super::joined::Card;
use super::records::frame_between;
use formats::descriptor::Command;
use formats::frame::split;
use formats::limits::{RECORD_UNITS_MAX, UNIT_SIZE};
use formats::record::{decode_full, encode_full};
use formats::register::Counter;
use formats::{Record, Stamp};
use hw::map::copy;
use hw::sweeper::job;
use softnic::Softnic;
use std::collections::{BTreeSet, VecDeque};
use verilator_tests::{expect_same, Bench, Error, Input, Port, Result, Stalls};

/// Cycles in which each bucket is looked at.
const WALK_CYCLES: u64 = 250_000;
/// Cycles with commands and refusals, and for which either stays as busy.
const BUSY_CYCLES: u64 = 20_000;
const PHASE_CYCLES: u64 = 1_000;
/// Cycles in which everything must become equal, and between two looks of the host.
const QUIET_CYCLES: u64 = 30_000;
const LOOK_CYCLES: u64 = 400;
/// Cycles until a refusal is told.
const REFUSAL_CYCLES_MAX: u64 = 40;
const COPIES: [u8; 2] = [OTHER, THIRD];

/// What the card's host and its pool are here.
struct World {
    card: Card,
    model: Model,
    engines: [Softnic; 2],
    sequences: [u64; 2],
    push_tag: Port<u16>,
    refused: Input<bool>,
    refused_member: Input<u8>,
    refused_tag: Input<u16>,
    job_valid: Input<bool>,
    job_ready: Port<bool>,
    job_kind: Input<u8>,
    job_bucket: Input<u16>,
    /// When to tell, whom, and the tag.
    refusals: VecDeque<(u64, u8, u16)>,
    /// Of a copy, buckets it asks a snapshot of.
    asked: BTreeSet<(usize, u16)>,
    cycle: u64,
    refused_count: u64,
}

impl World {
    /// One cycle; of 256 records so many are refused.
    fn cycle(&mut self, bench: &mut Bench, refuse: u8) -> Result<()> {
        let due = self.refusals.front().is_some_and(|(at, ..)| *at <= self.cycle);
        let refusal = if due { self.refusals.pop_front() } else { None };
        self.refused.set(refusal.is_some());
        if let Some((_, member, tag)) = refusal {
            self.refused_member.set(member);
            self.refused_tag.set(tag);
        }
        let tag_before = self.push_tag.get();
        bench.cycle(&mut self.card)?;
        if let Some((member, units)) = self.card.push.take() {
            let copy = COPIES.iter().position(|copy| *copy == member);
            let copy = copy.ok_or(Error::Found(format!("a record for {member}")))?;
            if bench.random().u8(..) < refuse {
                let last = self.refusals.back().map_or(0, |(at, ..)| *at + 1);
                let at = last.max(self.cycle + bench.random().u64(3..REFUSAL_CYCLES_MAX));
                self.refusals.push_back((at, member, tag_before));
                self.refused_count += 1;
            } else {
                self.deliver(copy, &units);
            }
        }
        self.cycle += 1;
        Ok(())
    }

    fn deliver(&mut self, copy: usize, units: &[u8]) {
        self.sequences[copy] += 1;
        let frame = frame_between([MEMBER, COPIES[copy]], self.sequences[copy], 1, units);
        let engine = &mut self.engines[copy];
        engine.receive(self.model.now, 0, &frame);
        while engine.next_event().is_some() {}
        engine.transmit(self.model.now, &mut |_, frame| {
            let (_, _, mut units, _) = split(frame).expect("a frame of the engine");
            while !units.is_empty() {
                let (record, count) = Record::decode(units).expect("a record of the engine");
                units = &units[count * UNIT_SIZE..];
                if let Record::Repair(unit) = record {
                    self.asked.insert((copy, unit.bucket));
                }
            }
        });
    }

    /// What a host does now and then: snapshots that went are acknowledged, repairs are granted.
    fn look(&mut self, bench: &mut Bench, refuse: u8) -> Result<()> {
        for bucket in self.buckets() {
            let asked = |copy| u8::from(self.asked.contains(&(copy, bucket))) * copy::DIRTY;
            let (copy_set, copy_clear) = (asked(0) | asked(1) << 4, copy::WAITING * 0x11);
            self.card.host.show_roles(&Roles { copy_set, copy_clear, ..Roles::of(&self.model, bucket) });
            while !self.card.host.took_roles {
                self.cycle(bench, refuse)?;
            }
            self.card.host.roles_valid.set(false);
        }
        self.asked.clear();
        self.model.now.local_us += 30_000;
        Ok(())
    }

    /// Ours.
    fn buckets(&self) -> BTreeSet<u16> {
        let ours = self.model.flows.iter().filter(|(id, _)| self.model.owns(*id));
        ours.map(|(id, _)| id.bucket()).collect()
    }
}

/// The command as it comes out of its descriptor, where the flow travels as a FULL: an address of IPv4 has 32
/// bits, and what replaces it, too. More of it would count in the digest, and reach no copy.
fn as_stated(command: Command) -> Command {
    let Command::Upsert { flags, cookie, record } = command else { return command };
    let mut units = [0; RECORD_UNITS_MAX * UNIT_SIZE];
    encode_full(&record, Stamp::default(), &mut units);
    let (record, ..) = decode_full(&units).expect("what was just built");
    Command::Upsert { flags, cookie, record }
}

pub(super) fn copies_follow(bench: &mut Bench) -> Result<()> {
    let mut random = bench.fork_random();
    let mut model = Model::with(&mut random, &COPIES);
    let card = Card::new(bench, &model)?;
    let engines = COPIES.map(|copy| model.engine_of(copy));
    // Only ours.
    model.flows.retain(|(id, _)| model.engine.roles(id.bucket()).owner == MEMBER);
    let mut world = World {
        card,
        model,
        engines,
        sequences: [0; 2],
        push_tag: bench.port("push_tag")?,
        refused: bench.input("refused")?,
        refused_member: bench.input("refused_member")?,
        refused_tag: bench.input("refused_tag")?,
        job_valid: bench.input("job_valid")?,
        job_ready: bench.port("job_ready")?,
        job_kind: bench.input("job_kind")?,
        job_bucket: bench.input("job_bucket")?,
        refusals: VecDeque::new(),
        asked: BTreeSet::new(),
        cycle: 0,
        refused_count: 0,
    };
    world.card.follow(bench, &world.model, 0)?;
    bench.input::<bool>("sweeps")?.set(true);
    // Members came: every bucket is looked at.
    (0..WALK_CYCLES).try_for_each(|_| world.cycle(bench, 0))?;
    bench.input::<u16>("window_gap")?.set(64);
    let mut offers = Stalls::never();
    let (mut refuse, mut command): (u8, Option<(Command, formats::FlowId)>) = (0, None);
    for cycle in 0..BUSY_CYCLES {
        if cycle % PHASE_CYCLES == 0 {
            offers = Stalls::drawn(bench.fork_random());
            refuse = if random.bool() { 0 } else { random.u8(..) };
        }
        if cycle % LOOK_CYCLES == 0 {
            world.card.host.show_command(None);
            world.look(bench, refuse)?;
        }
        if command.is_none() && !offers.is_stalled(true) {
            if let (asked, Drawn::Command(drawn)) = world.model.draw(&mut random) {
                command = Some((as_stated(drawn), asked.id));
            }
        }
        world.card.host.show_command(command.as_ref().map(|(command, _)| command));
        world.card.host.time.set(world.model.clock());
        world.cycle(bench, refuse)?;
        let took_command = world.card.host.took_command.is_some();
        if let Some((command, id)) = command.take_if(|_| took_command) {
            world.model.take(&command, id);
            // What the engine itself would tell goes nowhere.
            world.model.engine.transmit(world.model.now, &mut |_, _| ());
        }
    }
    world.card.host.show_command(None);

    // Nothing is refused any more: all become equal, and say so.
    for cycle in 0..QUIET_CYCLES {
        if cycle % LOOK_CYCLES == 0 {
            world.look(bench, 0)?;
        }
        world.cycle(bench, 0)?;
    }
    let equal = |world: &World| [0, 1].map(|copy: usize| world.engines[copy].counter(Counter::DigestsEqual));
    let (before, buckets) = (equal(&world), world.buckets());
    for bucket in &buckets {
        world.job_kind.set(job::DIGEST);
        world.job_bucket.set(*bucket);
        world.job_valid.set(true);
        while !world.job_ready.get() {
            world.cycle(bench, 0)?;
        }
        world.cycle(bench, 0)?;
        world.job_valid.set(false);
        (0..LOOK_CYCLES).try_for_each(|_| world.cycle(bench, 0))?;
    }
    let told = equal(&world).iter().zip(before).all(|(now, before)| now - before == buckets.len() as u64);
    expect_same("whether every digest was equal", told, true)?;
    let counts = &world.card.counts;
    let snapshots = counts[Counter::SnapshotsSent as usize];
    println!("{} records refused, {snapshots} snapshots of {} buckets", world.refused_count, buckets.len());
    for theirs in &world.engines {
        for bucket in &buckets {
            let ours = &world.model.engine;
            expect_same(
                "count and digest of a copy",
                theirs.bucket_digest(*bucket),
                ours.bucket_digest(*bucket),
            )?;
        }
    }
    expect_same(
        "flows held",
        counts[Counter::FlowsHeld as usize],
        world.model.engine.counter(Counter::FlowsHeld) as i64,
    )?;
    let sent = counts[Counter::RecordsEmitted as usize];
    match world.refused_count > 40 && snapshots > 10 && sent > 100 {
        true => Ok(()),
        false => {
            Err(Error::Found(format!("{} refused, {snapshots} snapshots, {sent} sent", world.refused_count)))
        }
    }
}
