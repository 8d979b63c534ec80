//! The taker when its host does not listen, or the card is reset.

use super::super::engine::any_key;
use super::side::*;
use formats::descriptor::{BucketState, Roles};
use formats::flow::{FlowRecord, Stamp, Term};
use formats::limits::{BUCKETS_COUNT, MEMBER_NONE};
use formats::unit::{kind, TermUnit};
use formats::{FlowId, Record};
use hw::layout::{flag, Entry};
use hw::map::flag as bucket_flag;
use hw::taker::{EVENTS_HIGH, PATIENCE_CLOCKS};
use verilator_tests::{expect_same, Bench, Result, Stalls};

const PEER: u8 = 77;
const TERM: u32 = 7;
/// Clocks within which a record is done when nothing waits: windows open within 80.
const PROMPT_CYCLES: u64 = 300;

/// A bucket that a peer owns.
struct Scene {
    side: Side,
    bucket: u16,
    set_bits: u32,
    random: fastrand::Rng,
    sequence: u64,
}

impl Scene {
    fn new(bench: &mut Bench, set_bits: u32) -> Result<Scene> {
        let mut side = Side::new(bench, set_bits)?;
        side.await_ready(bench)?;
        side.host = Stalls::never();
        let mut random = bench.fork_random();
        let bucket = random.u16(..BUCKETS_COUNT as u16);
        for at in 0..BUCKETS_COUNT {
            side.buckets[at].roles = roles(PEER, TERM);
        }
        Ok(Scene { side, bucket, set_bits, random, sequence: 0 })
    }

    fn take(&mut self, bench: &mut Bench, record: &Record) -> Result<u64> {
        self.sequence += 1;
        let units = units(&mut self.random, record);
        let told = Told { units, peer: PEER, sequence: self.sequence, gap: false };
        self.side.take(bench, &told)
    }

    /// Fills the bucket with live flows; how many.
    fn fill(&mut self) -> usize {
        let sets = 1 << self.set_bits.saturating_sub(10);
        let colour = self.flags() & bucket_flag::COLOUR != 0;
        for n in 0..4 * sets {
            let set = u64::from(self.bucket) << 30 | (n / 4) << (40 - self.set_bits.max(10));
            let id = FlowId(set | self.random.u64(..1 << 20));
            let Some(place) = self.side.free_place(id) else { continue };
            let record = FlowRecord { key: any_key(&mut self.random), ..FlowRecord::default() };
            let stamp = Stamp { term: Term(TERM), version: self.random.u64(1..100) };
            let (digest, cookie) = (self.random.u64(..), self.random.u32(..));
            let flags = flag::LIVE | if colour { flag::COLOUR } else { 0 };
            self.side
                .places
                .insert(place, (id.0, Entry { record, stamp, digest, cookie, flags, ..Entry::default() }));
            let bucket = &mut self.side.buckets[usize::from(self.bucket)];
            (bucket.sum, bucket.count) = (bucket.sum.wrapping_add(digest), bucket.count + 1);
        }
        self.live()
    }

    fn live(&self) -> usize {
        self.side.places.values().filter(|(_, entry)| entry.flags & flag::LIVE != 0).count()
    }

    fn flags(&self) -> u8 {
        self.side.buckets[usize::from(self.bucket)].flags
    }

    fn deleted(&self) -> usize {
        self.side.said.iter().filter(|said| matches!(said, Said::Deleted { .. })).count()
    }

    /// One event: the peer takes the term for another.
    fn provoke(&mut self, bench: &mut Bench) -> Result<u64> {
        let record = digest(self.bucket, TERM + 1, (0, 0), 0);
        self.take(bench, &record)
    }
}

fn roles(owner: u8, term: u32) -> u64 {
    let none = MEMBER_NONE;
    roles_word(&Roles {
        bucket: 0,
        count: 1,
        term: Term(term),
        owner,
        backup: none,
        remote: none,
        successor: none,
    })
}

fn compared(scene: &Scene, state: BucketState, snapshot: bool) -> Said {
    Said::Compared { peer: PEER, bucket: scene.bucket, state: state as u8, snapshot }
}

/// What finds no room is not done, and said so; what was done is told.
pub(super) fn nothing_is_lost(bench: &mut Bench, set_bits: u32) -> Result<()> {
    let mut scene = Scene::new(bench, set_bits)?;
    let (bucket, flows) = (scene.bucket, scene.fill());
    scene.side.buckets[usize::from(bucket)].flags |= bucket_flag::VERIFIED;
    scene.take(bench, &begin(bucket, TERM, 0))?;
    scene.side.host_listens = false;
    let mut room = 0;
    loop {
        let took = scene.provoke(bench)?;
        if scene.side.strobes.deferred > 0 {
            expect_same("it waits for the host", took >= PATIENCE_CLOCKS as u64 - 100, true)?;
            break;
        }
        room += 1;
    }
    expect_same("room for events", (EVENTS_HIGH..=EVENTS_HIGH + 4).contains(&room), true)?;
    // From now on none waits, and nothing is done.
    let before = (scene.side.buckets.clone(), scene.side.windows, scene.side.requests);
    for record in [end(bucket, TERM, (0, 0), 0), begin(bucket, TERM, 0), begin(bucket, TERM, 1)] {
        expect_same("it is given up at once", scene.take(bench, &record)? < PROMPT_CYCLES, true)?;
    }
    let after = (scene.side.buckets.clone(), scene.side.windows, scene.side.requests);
    expect_same("what was done", after, before)?;
    expect_same("given up", (scene.side.strobes.deferred, scene.side.strobes.refused), (4, room as u64 + 4))?;
    scene.side.host_listens = true;
    scene.side.drain(bench)?;
    expect_same("told", scene.side.said.len(), room)?;

    // The queue fills up while a snapshot ends.
    scene.side.said.clear();
    scene.side.host_listens = false;
    for _ in 1..room {
        scene.provoke(bench)?;
    }
    scene.take(bench, &end(bucket, TERM, (0, 0), u64::MAX >> 16))?;
    expect_same("given up", scene.side.strobes.deferred, 5)?;
    expect_same("no longer verified", scene.flags() & bucket_flag::VERIFIED, 0)?;
    scene.side.host_listens = true;
    scene.side.drain(bench)?;
    let deleted = scene.deleted();
    expect_same("some ended, all told", (deleted > 0, deleted + scene.live()), (true, flows))?;
    expect_same("some did not", scene.live() > 0, true)?;
    expect_same("nothing else was told", scene.side.said.len(), room - 1 + deleted)?;
    scene.side.said.clear();
    scene.take(bench, &end(bucket, TERM, (0, 0), 0))?;
    scene.side.drain(bench)?;
    expect_same(
        "no snapshot is received",
        &scene.side.said,
        &vec![compared(&scene, BucketState::Unproven, true)],
    )?;
    terms_are_told(bench, &mut scene, room)
}

/// A TERM whose events find no room is adopted as far as it is told.
fn terms_are_told(bench: &mut Bench, scene: &mut Scene, room: usize) -> Result<()> {
    let deferred = scene.side.strobes.deferred;
    scene.side.said.clear();
    scene.side.host_listens = false;
    for _ in 0..room - 2 {
        scene.provoke(bench)?;
    }
    // Each bucket makes an event of its own.
    let news = |bucket: u16| bucket % 2 == 0;
    let run = 100..140u16;
    for bucket in run.clone().filter(|bucket| !news(*bucket)) {
        scene.side.buckets[usize::from(bucket)].roles = roles(PEER, TERM + 2);
    }
    let (kind, none) = (kind::TERM, MEMBER_NONE);
    let (owner, term) = (PEER, TERM + 1);
    let count = run.len() as u16;
    let unit = TermUnit {
        kind,
        units: 2,
        bucket: run.start,
        count,
        owner,
        backup: none,
        remote: none,
        term,
        successor: none,
        ..Default::default()
    };
    scene.take(bench, &Record::Term(unit))?;
    expect_same("given up", scene.side.strobes.deferred > deferred, true)?;
    scene.side.host_listens = true;
    scene.side.drain(bench)?;
    let told: Vec<u16> = scene.side.said[room - 2..]
        .iter()
        .map(|said| match said {
            Said::Term { bucket, count: 1, .. } if news(*bucket) => *bucket,
            Said::Answer { bucket, count: 1, .. } if !news(*bucket) => *bucket,
            other => panic!("{other:?}"),
        })
        .collect();
    let adopted: Vec<u16> =
        run.filter(|bucket| scene.side.buckets[usize::from(*bucket)].roles == roles(PEER, term)).collect();
    expect_same(
        "what is told is adopted",
        told.iter().copied().filter(|bucket| news(*bucket)).collect::<Vec<_>>(),
        adopted,
    )?;
    expect_same("some are, some not", (told.is_empty(), told.len() < usize::from(count)), (false, true))?;
    expect_same(
        "each that is not is refused",
        scene.side.strobes.deferred - deferred,
        u64::from(count) - told.len() as u64,
    )
}

/// A host that takes an event now and then keeps the stream waiting, and hears all.
pub(super) fn all_is_told(bench: &mut Bench, set_bits: u32) -> Result<()> {
    let mut scene = Scene::new(bench, set_bits)?;
    scene.side.host = Stalls::percent(bench.fork_random(), 98);
    let bucket = scene.bucket;
    for round in 0..4 {
        for _ in 0..60 {
            scene.provoke(bench)?;
        }
        let flows = scene.fill();
        scene.take(bench, &begin(bucket, TERM, 0))?;
        scene.take(bench, &end(bucket, TERM, (0, 0), u64::MAX >> 16))?;
        scene.side.drain(bench)?;
        let said = std::mem::take(&mut scene.side.said);
        expect_same("all is told", said.len(), 60 + flows + 1)?;
        let snapshot = &said[60..];
        expect_same(
            "all ended",
            snapshot[..flows].iter().all(|said| matches!(said, Said::Deleted { .. })),
            true,
        )?;
        expect_same("then compared", snapshot[flows], compared(&scene, BucketState::Equal, true))?;
        expect_same("verified", scene.flags() & bucket_flag::VERIFIED, bucket_flag::VERIFIED)?;
        expect_same(
            "freed",
            (scene.side.strobes.freed, scene.side.places.len()),
            ((round + 1) * flows as u64, 0),
        )?;
    }
    expect_same("given up", scene.side.strobes.deferred, 0)
}

/// Nothing that was remembered, asked or about to be told survives a reset.
pub(super) fn reset_forgets(bench: &mut Bench, set_bits: u32) -> Result<()> {
    let mut scene = Scene::new(bench, set_bits)?;
    let bucket = scene.bucket;
    for _ in 0..6 {
        let flows = scene.fill();
        let b = scene.side.buckets[usize::from(bucket)];
        scene.take(bench, &digest(bucket, TERM, (b.count, b.sum), 0))?;
        scene.take(bench, &digest(bucket, TERM, (b.count, b.sum ^ 1), 0))?;
        scene.side.drain(bench)?;
        let due =
            vec![compared(&scene, BucketState::Equal, false), compared(&scene, BucketState::Suspect, false)];
        expect_same("what was compared", std::mem::take(&mut scene.side.said), due)?;
        scene.take(bench, &begin(bucket, TERM, 0))?;
        let record = end(bucket, TERM, (0, 0), u64::MAX >> 16);
        let units = units(&mut scene.random, &record);
        scene.side.show(&Told { units, peer: PEER, sequence: 1, gap: false });
        for _ in 0..scene.random.u64(..260) {
            scene.side.cycle(bench)?;
        }
        scene.side.reset(bench)?;
        let took = scene.side.await_ready(bench)?;
        expect_same("cycles to clear", took >= BUCKETS_COUNT as u64, true)?;
        scene.side.said.clear();
        let (requests, live) = (scene.side.requests, scene.live());
        scene.take(bench, &record)?;
        let b = scene.side.buckets[usize::from(bucket)];
        scene.take(bench, &digest(bucket, TERM, (b.count, b.sum ^ 1), 0))?;
        scene.side.drain(bench)?;
        let is_empty = b.count == 0 && b.sum == 0;
        let first = if is_empty { BucketState::Equal } else { BucketState::Unproven };
        let second = if is_empty { BucketState::Suspect } else { BucketState::Unproven };
        let due = vec![compared(&scene, first, true), compared(&scene, second, false)];
        expect_same("what was compared behind it", std::mem::take(&mut scene.side.said), due)?;
        expect_same("nothing ended behind it", (scene.live(), live <= flows), (live, true))?;
        expect_same("nothing was walked", is_empty || scene.side.requests == requests, true)?;
    }
    Ok(())
}
