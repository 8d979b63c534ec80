//! The sweeper against the rules of a window: what it does in each follows from the map, and nobody waits for ever.

mod ports;
mod side;

use super::{top, Block, Test};
use formats::limits::{BUCKETS_COUNT, MEMBER_NONE, UNIT_SIZE};
use formats::unit::{DigestUnit, SnapshotBegin, SnapshotEnd, TermUnit};
use formats::Record;
use hw::map::{copy, flag};
use hw::sweeper::job;
use side::{Bucket, Job, Side, Step, Window};
use verilator_tests::{expect_same, Bench, Error, Result};

/// Clocks of a window beside those the engine takes.
const OWN_CYCLES: u64 = 30;
/// Clocks in which a window comes, if somebody always asks.
const WAIT_CYCLES: u64 = 10_000;
const MEMBER: u8 = 5;
const BOTH_DIRTY: u8 = 0x11 * copy::DIRTY;

macro_rules! sweeper {
    ($BLOCK:ident, $name:literal, $S:literal) => {
        pub(crate) const $BLOCK: Block = Block {
            name: $name,
            design: || top($name),
            latency_cycles: None,
            tests: &[
                Test { name: "windows of every kind, under changes", seeds: 0..20, body: run::<$S> },
                Test { name: "a reset on the way", seeds: 0..4, body: resets::<$S> },
                Test { name: "nothing is opened for nothing", seeds: 0..2, body: rests::<$S> },
                Test { name: "the three take turns, at their distance", seeds: 0..3, body: turns::<$S> },
                Test { name: "digests keep their pace", seeds: 0..2, body: pace::<$S> },
            ],
        };
    };
}
sweeper!(SWEEPER, "sweeper", 10);
sweeper!(SWEEPER_9, "sweeper_9", 9);
sweeper!(SWEEPER_12, "sweeper_12", 12);

/// What a window is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Nothing,
    Snapshot(usize),
    Digest,
    Settle,
    /// What is done at the pace of digests.
    Pass,
}

/// A run of one block.
struct Run<const S: usize> {
    side: Side<S>,
    session: u64,
    floor: u64,
}

impl<const S: usize> Run<S> {
    fn new(bench: &mut Bench) -> Result<Self> {
        let mut side = Side::new(bench)?;
        let (session, floor) = (side.random.u64(..), side.random.u64(..8));
        side.ports.member.set(MEMBER);
        side.ports.session.set(session);
        side.ports.floor.set(floor);
        side.ports.enable.set(true);
        Ok(Self { side, session, floor })
    }

    fn cycle(&mut self, bench: &mut Bench) -> Result<Option<Window>> {
        let ended = self.side.cycle(bench)?;
        if let Some(window) = &ended {
            self.judge(window)?;
        }
        Ok(ended)
    }

    fn is_welcome(welcome: u64, state: &Bucket, copy: usize) -> bool {
        let member = state.members[1 + copy];
        member < 64 && welcome >> member & 1 == 1
    }

    /// It was told every change.
    fn is_clean(state: &Bucket, copy: usize) -> bool {
        state.copies >> (4 * copy) & (copy::DIRTY | copy::WAITING) == 0
    }

    /// It misses no delete that others were told of.
    fn is_settled(window: &Window, state: &Bucket, copy: usize) -> bool {
        !Self::is_welcome(window.welcome, state, copy) || Self::is_clean(state, copy)
    }

    /// Its snapshot is due and can be sent.
    fn is_wanted(welcome: u64, state: &Bucket, copy: usize) -> bool {
        let is_dirty = state.copies >> (4 * copy) & copy::DIRTY != 0;
        state.flags & flag::OWN != 0 && is_dirty && Self::is_welcome(welcome, state, copy)
    }

    /// One record for a copy.
    fn push(&self, state: &Bucket, copy: usize, record: &Record) -> Step {
        let mut units = [0; 16 * UNIT_SIZE];
        let count = record.encode(&mut units);
        let mut data = [0; 64];
        data[..count * UNIT_SIZE].copy_from_slice(&units[..count * UNIT_SIZE]);
        Step::Push { member: state.members[1 + copy], remote: copy == 1, units: count as u8, data }
    }

    fn snapshot(&self, window: &Window, state: &Bucket, copy: usize) -> Vec<Step> {
        let mark = |flag: u8| flag << (4 * copy);
        let term = TermUnit {
            bucket: window.bucket,
            count: 1,
            owner: MEMBER,
            backup: state.members[1],
            remote: state.members[2],
            term: state.term,
            successor: state.members[3],
            session: self.session,
            ..TermUnit::default()
        };
        let begin = SnapshotBegin { bucket: window.bucket, term: state.term, ..SnapshotBegin::default() };
        let others_know = Self::is_settled(window, state, 1 - copy);
        let end = SnapshotEnd {
            bucket: window.bucket,
            term: state.term,
            count: window.sum.1,
            digest: window.sum.0,
            floor: if others_know { self.floor } else { 0 },
            ..SnapshotEnd::default()
        };
        let mut steps = vec![Step::Mark { set: mark(copy::WAITING), clear: mark(copy::DIRTY) }];
        steps.push(self.push(state, copy, &Record::Term(term)));
        steps.push(self.push(state, copy, &Record::SnapshotBegin(begin)));
        steps.extend((0..Side::<S>::PLACES).map(|place| Step::Read { place, tells: 1 << copy }));
        if window.refused {
            steps.push(Step::Mark { set: mark(copy::DIRTY), clear: mark(copy::WAITING) });
        } else {
            steps.extend([Step::Sums, self.push(state, copy, &Record::SnapshotEnd(end))]);
        }
        steps
    }

    fn digests(&self, window: &Window, state: &Bucket) -> Vec<Step> {
        let is_told = |copy: &usize| {
            state.flags & flag::OWN != 0
                && Self::is_welcome(window.welcome, state, *copy)
                && Self::is_clean(state, *copy)
        };
        let all_know = (0..2).all(|copy| Self::is_settled(window, state, copy));
        let told = (0..2).filter(is_told).map(|copy| {
            let unit = DigestUnit {
                bucket: window.bucket,
                term: state.term,
                count: window.sum.1,
                sum: window.sum.0,
                floor: if all_know { self.floor } else { 0 },
                emitted: self.side.emitted_to(state.members[1 + copy]),
                ..DigestUnit::default()
            };
            self.push(state, copy, &Record::Digest(unit))
        });
        let mut steps: Vec<Step> = told.collect();
        if !steps.is_empty() {
            steps.insert(0, Step::Sums);
        }
        steps
    }

    /// Reads of every place in order, and behind it a watch and a free of each tombstone everyone knows of.
    fn settles(&self, window: &Window, state: &Bucket, steps: &[Step]) -> Result<()> {
        let all_know = (0..2).all(|copy| Self::is_settled(window, state, copy));
        if state.flags & flag::OWN == 0 || !all_know {
            return expect_same("steps of nothing to settle", steps, &[]);
        }
        let (mut reads, mut freed) = (Vec::new(), Vec::new());
        let mut steps = steps.iter();
        while let Some(step) = steps.next() {
            match *step {
                Step::Read { place, tells } => reads.push((place, tells)),
                Step::Watch(place) => {
                    freed.push(place);
                    expect_same("behind the watch", steps.next(), Some(&Step::Free(place)))?;
                    expect_same("watched before it is read", reads.iter().any(|read| read.0 == place), true)?;
                }
                Step::Mark { .. } | Step::Push { .. } | Step::Free(_) | Step::Sums => {
                    return Err(Error::Found(format!("{step:?} among what settles")));
                }
            }
        }
        let places: Vec<(usize, u8)> = (0..Side::<S>::PLACES).map(|place| (place, 0)).collect();
        expect_same("places looked at", &reads, &places)?;
        let done = window.ended.iter().filter(|(_, version)| *version <= self.floor);
        expect_same("tombstones freed", &freed, &done.map(|(place, _)| *place).collect())
    }

    fn matches(&self, window: &Window, state: &Bucket, work: Work) -> Result<()> {
        let steps = &window.steps;
        let what = "the steps";
        match work {
            Work::Nothing => expect_same(what, steps, &vec![]),
            Work::Snapshot(copy) if Self::is_wanted(window.welcome, state, copy) => {
                expect_same(what, steps, &self.snapshot(window, state, copy))
            }
            Work::Snapshot(_) => expect_same(what, steps, &vec![]),
            Work::Digest => expect_same(what, steps, &self.digests(window, state)),
            Work::Settle => self.settles(window, state, steps),
            Work::Pass => {
                let digests = self.digests(window, state);
                let at = digests.len().min(steps.len());
                expect_same(what, &steps[..at], &digests)?;
                self.settles(window, state, &steps[at..])
            }
        }
    }

    /// What a window was for, told by what it did.
    fn work(&self, window: &Window) -> Work {
        let marked = window.steps.iter().find_map(|step| match step {
            Step::Mark { set, .. } => Some(*set),
            Step::Push { .. } | Step::Read { .. } | Step::Watch(_) | Step::Free(_) | Step::Sums => None,
        });
        match marked {
            Some(set) => Work::Snapshot(usize::from(set >> 4 != 0)),
            None if window.steps.is_empty() => Work::Nothing,
            None => Work::Pass,
        }
    }

    fn judge(&self, window: &Window) -> Result<()> {
        let Some(state) = &window.state else {
            return Err(Error::Found("a window without a look".into()));
        };
        let work = match window.job {
            Some(Job { kind: job::SNAPSHOT, remote, .. }) => Work::Snapshot(remote.into()),
            Some(Job { kind: job::DIGEST, .. }) => Work::Digest,
            Some(Job { kind: job::SETTLE, .. }) => Work::Settle,
            Some(Job { .. }) => Work::Nothing,
            None => self.work(window),
        };
        if let Some(job) = window.job {
            expect_same("the job's bucket", window.bucket, job.bucket)?;
        }
        let within = |cause| Error::Found(format!("{work:?} of bucket {}: {cause}", window.bucket));
        self.matches(window, state, work).map_err(within)?;
        let delays = &self.side.delays;
        let cycles_max = 3 * Side::<S>::PLACES as u64 + 2 * delays.answer + delays.pipe + OWN_CYCLES;
        let cycles = window.ended_cycle - window.opened_cycle;
        expect_same("too many cycles", (cycles > cycles_max).then_some((cycles, cycles_max)), None)
    }

    /// Any roles of a bucket, mostly ours, of few members.
    fn write_roles(&mut self, bucket: u16) {
        let random = &mut self.side.random;
        let mut member = || match random.u8(..8) {
            0 => MEMBER_NONE,
            1 => random.u8(..),
            _ => [1, 9, 33, 63][random.usize(..4)],
        };
        let members = [member(), member(), member(), member()];
        self.side.map[usize::from(bucket)] = Bucket {
            members,
            term: random.u32(..),
            flags: random.u8(..) & !flag::OWN | u8::from(random.u8(..) < 200),
            copies: random.u8(..) & random.u8(..),
        };
        self.side.hints.push_back((bucket, 3));
    }

    fn write_all(&mut self) {
        (0..BUCKETS_COUNT as u16).for_each(|bucket| self.write_roles(bucket));
        // What was written before a reset is looked at without a hint.
        self.side.hints.clear();
    }

    /// What the host and the traffic do while no window is open, mostly to few buckets.
    fn change(&mut self, bench: &mut Bench) {
        let random = &mut self.side.random;
        let bucket = if random.u8(..) == 0 { random.u16(..1024) } else { 500 + random.u16(..8) };
        let state = &mut self.side.map[usize::from(bucket)];
        match random.u8(..16) {
            0 | 1 => self.write_roles(bucket),
            // A frame was acknowledged.
            2..=5 => state.copies &= !(0x11 * copy::WAITING),
            6 | 7 => {
                let copies = random.u8(1..4);
                state.copies |=
                    (0..2).filter(|k| copies >> k & 1 != 0).map(|k| copy::DIRTY << (4 * k)).sum::<u8>();
                self.side.hints.push_back((bucket, copies));
            }
            8 if random.u8(..) < 10 => self.side.welcome ^= 1 << [1, 9, 33, 63][random.usize(..4)],
            9 | 10 => {
                let (kind, remote) = (random.u8(..4), random.bool());
                if self.side.jobs.len() < 3 {
                    self.side.jobs.push_back(Job { kind, bucket, remote });
                }
            }
            11 => {
                self.floor = if random.bool() { random.u64(..8) } else { random.u64(..1 << 48) };
                self.side.ports.floor.set(self.floor);
            }
            _ => {
                let at = Side::<S>::at(bucket, random.usize(..Side::<S>::PLACES));
                self.side.places[at] = side::place::<S>(bench, at);
            }
        }
    }

    /// Changes for a while; what is asked for and welcome is then sent, and nothing else is opened.
    fn converge(&mut self, bench: &mut Bench, cycles: u64) -> Result<()> {
        for cycle in 0..cycles {
            if cycle % 5_000 == 0 {
                self.side.delays.refusals = [0, 10, 100][self.side.random.usize(..3)];
                self.side.ports.digest_interval.set([0, 50, 400][self.side.random.usize(..3)]);
                self.side.ports.window_gap.set([0, 1, 20, 300][self.side.random.usize(..4)]);
            }
            if self.side.window.is_none() && self.side.random.u8(..) < 8 {
                self.change(bench);
            }
            self.cycle(bench)?;
        }
        self.side.ports.digest_interval.set(0);
        self.side.ports.window_gap.set(0);
        self.side.delays.refusals = 0;
        self.rest(bench)?;
        let is_left = |state: &Bucket| (0..2).any(|copy| Self::is_wanted(self.side.welcome, state, copy));
        let left = self.side.map.iter().position(is_left);
        expect_same("a dirty bucket left", left, None)?;
        expect_same("what was counted", self.side.strobed, self.side.counted)
    }

    /// The next window; one must come.
    fn next_window(&mut self, bench: &mut Bench) -> Result<Window> {
        for _ in 0..WAIT_CYCLES {
            if let Some(window) = self.cycle(bench)? {
                return Ok(window);
            }
        }
        Err(Error::Found("no window comes".into()))
    }

    /// Until no window was wanted for longer than the walk takes.
    fn rest(&mut self, bench: &mut Bench) -> Result<()> {
        let mut last = self.side.cycle;
        let end = self.side.cycle + 1_000_000;
        while self.side.cycle < last + 2_100 + 2 * self.side.delays.open {
            if self.cycle(bench)?.is_some() || !self.side.jobs.is_empty() {
                last = self.side.cycle;
            }
            if self.side.cycle > end {
                return Err(Error::Found("windows without end".into()));
            }
        }
        Ok(())
    }
}

fn run<const S: usize>(bench: &mut Bench) -> Result<()> {
    let mut run = Run::<S>::new(bench)?;
    run.write_all();
    run.side.welcome = run.side.random.u64(..);
    run.converge(bench, 40_000)
}

fn resets<const S: usize>(bench: &mut Bench) -> Result<()> {
    let mut run = Run::<S>::new(bench)?;
    run.write_all();
    run.side.welcome = u64::MAX;
    for _ in 0..3 {
        let cycles = run.side.random.u64(..5_000);
        for _ in 0..cycles {
            run.cycle(bench)?;
        }
        bench.reset()?;
        run.side.forget();
    }
    run.converge(bench, 10_000)
}

/// After a reset each bucket is looked at once, and after a change of sessions; then none without a hint.
fn rests<const S: usize>(bench: &mut Bench) -> Result<()> {
    let mut run = Run::<S>::new(bench)?;
    run.write_all();
    let strangers =
        |state: &mut Bucket| state.members = state.members.map(|m| if m == 2 { MEMBER } else { m });
    run.side.map.iter_mut().for_each(strangers);
    // What hints held before the reset goes with the first looks.
    run.rest(bench)?;
    let before = run.side.windows_count;
    run.side.welcome = 1 << 2;
    run.rest(bench)?;
    expect_same("looks for a stranger", run.side.windows_count - before, BUCKETS_COUNT as u64)?;

    let before = run.side.windows_count;
    run.side.ports.enable.set(false);
    run.side.welcome = u64::MAX;
    for _ in 0..5_000 {
        run.cycle(bench)?;
    }
    expect_same("windows of a walk that stands", run.side.windows_count, before)?;
    run.side.ports.enable.set(true);
    // A look at each bucket, and one at each remote copy that is left or hinted.
    run.side.hints.push_back((3, 2));
    let wanted = |copy: usize| {
        let of = |state: &Bucket| Run::<S>::is_wanted(u64::MAX, state, copy);
        run.side.map.iter().map(of).collect::<Vec<bool>>()
    };
    let [backups, mut remotes] = [0, 1].map(wanted);
    let snapshots = backups.iter().chain(&remotes).filter(|wanted| **wanted).count();
    remotes[3] = true;
    let looks = BUCKETS_COUNT + remotes.iter().filter(|looked| **looked).count();
    run.rest(bench)?;
    expect_same("looks for all", run.side.windows_count - before, looks as u64)?;
    expect_same("snapshots for all", run.side.counted[0], snapshots as u64)
}

/// Everybody always asks.
fn turns<const S: usize>(bench: &mut Bench) -> Result<()> {
    let mut run = Run::<S>::new(bench)?;
    for state in &mut run.side.map {
        *state = Bucket { members: [MEMBER, 1, 9, 9], term: 7, flags: flag::OWN, copies: BOTH_DIRTY };
    }
    run.side.welcome = u64::MAX;
    let gap = run.side.random.u16(..100);
    run.side.ports.window_gap.set(gap);
    run.side.ports.digest_interval.set(1);
    // Whatever the walk looks at is to be sent: it opens no window without a snapshot.
    run.side.delays.refusals = 255;
    let (mut works, mut ended) = (Vec::new(), None);
    while works.len() < 60 {
        while run.side.jobs.len() < 2 {
            run.side.jobs.push_back(Job { kind: 3, bucket: run.side.random.u16(..1024), remote: false });
        }
        let window = run.next_window(bench)?;
        run.side.map.iter_mut().for_each(|state| state.copies = BOTH_DIRTY);
        if let Some(ended) = ended {
            let pause = window.wanted_cycle - ended;
            let is_right = pause >= u64::from(gap) && pause < u64::from(gap) + 8;
            expect_same("clocks between windows", (pause, is_right), (pause, true))?;
        }
        ended = Some(window.ended_cycle);
        works.push((window.job.is_some(), run.work(&window)));
    }
    // The first windows may come before the walk and the host ask.
    for three in works[6..].windows(3) {
        expect_same("a job in three windows", three.iter().filter(|work| work.0).count(), 1)?;
        let snapshots = three.iter().filter(|work| matches!(work.1, Work::Snapshot(_))).count();
        expect_same("a snapshot in three windows", snapshots, 1)?;
    }
    Ok(())
}

/// Bucket after bucket at the distance that was asked, and none where the interval is 0.
fn pace<const S: usize>(bench: &mut Bench) -> Result<()> {
    let mut run = Run::<S>::new(bench)?;
    for state in &mut run.side.map {
        *state = Bucket { members: [MEMBER, 1, MEMBER_NONE, 9], term: 7, flags: flag::OWN, copies: 0 };
    }
    run.side.welcome = u64::MAX;
    run.side.ports.enable.set(false);
    run.side.delays.open = 1;
    let interval = run.side.random.u32(300..400);
    run.side.ports.digest_interval.set(interval);
    let mut last: Option<(u16, u64)> = None;
    let mut count = 0;
    while count < 1_100 {
        let window = run.next_window(bench)?;
        expect_same("a digest", matches!(window.steps[..], [Step::Sums, Step::Push { .. }, ..]), true)?;
        let due = last.map_or((0, window.wanted_cycle), |(bucket, cycle)| {
            ((bucket + 1) % BUCKETS_COUNT as u16, cycle + u64::from(interval))
        });
        expect_same("bucket and cycle", (window.bucket, window.wanted_cycle), due)?;
        last = Some(due);
        count += 1;
    }
    run.side.ports.digest_interval.set(0);
    let before = run.side.windows_count;
    for _ in 0..1_000 {
        run.cycle(bench)?;
    }
    expect_same("digests that nobody wants", run.side.windows_count, before)
}
