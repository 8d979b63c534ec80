//! The other side of a window, in plain Rust: map, table, sums and pool with delays of their own, and refusals.
//!
//! It holds the block to the rules of the window: nothing outside of one, no record while others are on their
//! way, no request too early, one bucket. What was asked in a window leaves as its steps.

use super::super::sample;
use super::ports::Ports;
use fastrand::Rng;
use formats::limits::{BUCKETS_COUNT, MEMBER_NONE};
use formats::unit::kind;
use hw::layout::{self, flag, Entry, ENTRY_WORDS};
use hw::map::copy;
use std::collections::VecDeque;
use verilator_tests::{expect_same, Bench, Error, Result};

/// Clocks between requests that tell.
const TELL_INTERVAL: u64 = 3;

/// What the map holds of a bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Owner, backup, remote, successor.
    pub(super) members: [u8; 4],
    pub(super) term: u32,
    pub(super) flags: u8,
    pub(super) copies: u8,
}

/// A place of the table; what was there once still lies there.
pub(super) struct Place {
    pub(super) taken: bool,
    pub(super) id: u64,
    pub(super) entry: Entry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Mark { set: u8, clear: u8 },
    Push { member: u8, remote: bool, units: u8, data: [u8; 64] },
    Read { place: usize, tells: u8 },
    Watch(usize),
    Free(usize),
    Sums,
}

/// A job of the host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) kind: u8,
    pub(super) bucket: u16,
    pub(super) remote: bool,
}

/// One window, from the clock in which it opened.
#[derive(Debug)]
pub(super) struct Window {
    /// The job it is for.
    pub(super) job: Option<Job>,
    /// The bucket, what the map said of it, and who was welcome then.
    pub(super) bucket: u16,
    pub(super) state: Option<Bucket>,
    pub(super) welcome: u64,
    pub(super) steps: Vec<Step>,
    /// Something was refused before the sums were asked.
    pub(super) refused: bool,
    /// What the sums said.
    pub(super) sum: (u64, u32),
    /// Tombstones of the bucket when the map answered: place and version.
    pub(super) ended: Vec<(usize, u64)>,
    /// Clocks from the one in which it was wanted to that in which it opened, and to its end.
    pub(super) wanted_cycle: u64,
    pub(super) opened_cycle: u64,
    pub(super) ended_cycle: u64,
}

/// How long the engine takes for things.
pub(super) struct Delays {
    /// To a window, at the most.
    pub(super) open: u64,
    /// From a request to its answer.
    pub(super) answer: u64,
    /// From a request until it has come to its end.
    pub(super) pipe: u64,
    /// Of 256, what the pool refuses.
    pub(super) refusals: u8,
}

struct Answer {
    cycle: u64,
    found: bool,
    freed: bool,
    id: u64,
    entry: [u32; ENTRY_WORDS],
}

/// The engine around a sweeper of 2^S sets.
pub(super) struct Side<const S: usize> {
    pub(super) ports: Ports,
    pub(super) random: Rng,
    pub(super) delays: Delays,
    pub(super) map: Vec<Bucket>,
    pub(super) places: Vec<Place>,
    pub(super) welcome: u64,
    /// Jobs that the host has, and the one the block took.
    pub(super) jobs: VecDeque<Job>,
    held: Option<(Job, u64)>,
    /// Windows that may begin before the job that was taken has its own.
    pub(super) others_max: u64,
    pub(super) hints: VecDeque<(u16, u8)>,
    /// Snapshots, tombstones: as the strobes and as the engine counted them.
    pub(super) strobed: [u64; 2],
    pub(super) counted: [u64; 2],
    pub(super) cycle: u64,
    pub(super) windows_count: u64,
    next_job: Option<Job>,
    is_wanted: bool,
    opens_cycle: u64,
    closed_cycle: u64,
    wanted_cycle: u64,
    pub(super) window: Option<Window>,
    look: Option<u64>,
    answers: VecDeque<Answer>,
    watched: Option<usize>,
    sums: Option<(u64, u64, u32)>,
    told_cycle: Option<u64>,
    active_cycle: Option<u64>,
    refused_cycle: Option<u64>,
    emitted: [u64; 256],
    asked_member: u8,
}

impl<const S: usize> Side<S> {
    pub(super) fn new(bench: &mut Bench) -> Result<Self> {
        let mut random = bench.fork_random();
        let delays = Delays {
            open: random.u64(1..60),
            answer: random.u64(9..30),
            pipe: random.u64(30..50),
            refusals: 0,
        };
        let places = (0..4 << S).map(|at| place::<S>(bench, at)).collect();
        let nobody = Bucket { members: [MEMBER_NONE; 4], term: 0, flags: 0, copies: 0 };
        Ok(Self {
            ports: Ports::new(bench)?,
            random,
            delays,
            map: vec![nobody; BUCKETS_COUNT],
            places,
            welcome: 0,
            jobs: VecDeque::new(),
            held: None,
            others_max: 2,
            hints: VecDeque::new(),
            strobed: [0; 2],
            counted: [0; 2],
            cycle: 100,
            windows_count: 0,
            next_job: None,
            is_wanted: false,
            opens_cycle: 0,
            closed_cycle: 0,
            wanted_cycle: 0,
            window: None,
            look: None,
            answers: VecDeque::new(),
            watched: None,
            sums: None,
            told_cycle: None,
            active_cycle: None,
            refused_cycle: None,
            emitted: std::array::from_fn(|_| bench.random().u64(..)),
            asked_member: 0,
        })
    }

    /// Places of a bucket.
    pub(super) const PLACES: usize = if S > 10 { 4 << (S - 10) } else { 4 };

    /// Where a bucket's place lies.
    pub(super) fn at(bucket: u16, place: usize) -> usize {
        let set = (usize::from(bucket) << S >> 10) + place / 4;
        4 * set + place % 4
    }

    /// After a reset of the block: nothing is under way.
    pub(super) fn forget(&mut self) {
        (self.held, self.next_job, self.window, self.look) = (None, None, None, None);
        (self.is_wanted, self.watched, self.sums, self.refused_cycle) = (false, None, None, None);
        (self.told_cycle, self.active_cycle) = (None, None);
        self.answers.clear();
        self.strobed = self.counted;
    }

    fn fail<T>(what: impl Into<String>) -> Result<T> {
        Err(Error::Found(what.into()))
    }

    /// Flow records that a member was sent.
    pub(super) fn emitted_to(&self, member: u8) -> u64 {
        self.emitted[usize::from(member)]
    }

    /// Tombstones of a bucket.
    fn ended(&self, bucket: u16) -> Vec<(usize, u64)> {
        let is_ended = |place: &Place| {
            place.taken && (place.id >> 30) as u16 == bucket && place.entry.flags & flag::TOMBSTONE != 0
        };
        let places = (0..Self::PLACES).map(|at| (at, &self.places[Self::at(bucket, at)]));
        places
            .filter(|(_, place)| is_ended(place))
            .map(|(at, place)| (at, place.entry.stamp.version))
            .collect()
    }

    /// What the sums are.
    fn sums(&self, bucket: u16) -> (u64, u32) {
        let places = (0..Self::PLACES).map(|place| &self.places[Self::at(bucket, place)]);
        let live = places.filter(|place| {
            place.taken && (place.id >> 30) as u16 == bucket && place.entry.flags & flag::LIVE != 0
        });
        live.fold((0, 0), |(sum, count), place| (place.entry.digest.wrapping_add(sum), count + 1))
    }

    /// One clock; a window that ended in it.
    pub(super) fn cycle(&mut self, bench: &mut Bench) -> Result<Option<Window>> {
        for (k, port) in self.ports.strobes.iter().enumerate() {
            self.strobed[k] += u64::from(port.get());
        }
        let is_quiet = self.active_cycle.is_none_or(|cycle| self.cycle > cycle + self.delays.pipe);
        let ended = self.step_window(is_quiet)?;
        self.keep_to_window()?;
        self.drive_hint();
        self.drive_job();
        self.ports.welcome.set(self.welcome);
        self.take_look()?;
        self.take_mark()?;
        self.take_request()?;
        self.answer();
        self.take_sums(is_quiet)?;
        self.take_push()?;
        let is_open = self.window.is_some();
        self.ports.is_quiet.set(if is_open { is_quiet } else { self.random.bool() });
        let is_known = self.refused_cycle.is_some_and(|cycle| cycle <= self.cycle);
        self.ports.is_refused.set(if is_open { is_known } else { self.random.bool() });
        self.ports.emitted.set(self.emitted[usize::from(self.asked_member)]);
        self.asked_member = self.ports.push_member.get();
        bench.cycle(&mut ())?;
        self.cycle += 1;
        Ok(ended)
    }

    /// A window opens some time after it is wanted, when all is quiet, and may show for a while behind its end.
    fn step_window(&mut self, is_quiet: bool) -> Result<Option<Window>> {
        let wants = self.ports.wants.get();
        let mut ended = None;
        if wants && !self.is_wanted {
            if self.cycle < self.closed_cycle {
                return Self::fail("a window is wanted while the last one still shows");
            }
            self.opens_cycle = self.cycle + self.random.u64(..self.delays.open);
            self.wanted_cycle = self.cycle;
            self.windows_count += 1;
            // The job was taken out of its place in the clock before.
            if let Some((job, first)) = self.held.take_if(|_| self.ports.job_ready.get()) {
                if self.windows_count - first > self.others_max + 1 {
                    return Self::fail(format!("{job:?} waited for {} windows", self.windows_count - first));
                }
                self.next_job = Some(job);
            }
        }
        if !wants && self.is_wanted {
            ended = self.window.take();
            let Some(window) = &mut ended else { return Self::fail("a window was given up") };
            window.ended_cycle = self.cycle;
            self.closed_cycle = self.cycle + self.random.u64(..4);
        }
        self.is_wanted = wants;
        if wants && self.window.is_none() && is_quiet && self.cycle >= self.opens_cycle {
            self.refused_cycle = None;
            self.window = Some(Window {
                job: self.next_job.take(),
                bucket: 0,
                state: None,
                welcome: 0,
                steps: Vec::new(),
                refused: false,
                sum: (0, 0),
                ended: Vec::new(),
                wanted_cycle: self.wanted_cycle,
                opened_cycle: self.cycle,
                ended_cycle: 0,
            });
        }
        self.ports.is_open.set(self.window.is_some() || !wants && self.cycle < self.closed_cycle);
        Ok(ended)
    }

    fn keep_to_window(&mut self) -> Result<()> {
        let p = &self.ports;
        if p.others[..2].iter().any(|port| port.get()) {
            return Self::fail("marks flags or writes roles");
        }
        let actions = [&p.map_valid, &p.copy_valid, &p.request_valid, &p.sums_valid, &p.push_valid];
        let acts = actions.iter().any(|port| port.get());
        match &self.window {
            None if acts => Self::fail("does something outside of a window"),
            Some(window) if acts && !p.map_valid.get() => {
                if window.state.is_none() {
                    return Self::fail("does something before the map answered");
                }
                expect_same("the bucket", p.bucket.get(), window.bucket)
            }
            None | Some(_) => Ok(()),
        }
    }

    fn drive_hint(&mut self) {
        let hint = if self.random.bool() { self.hints.pop_front() } else { None };
        let (bucket, copies) = hint.unwrap_or((self.random.u16(..1024), self.random.u8(..4)));
        self.ports.dirty_valid.set(hint.is_some());
        self.ports.dirty_buckets.iter().for_each(|port| port.set(bucket));
        self.ports.dirty_copy.set(copies);
    }

    fn drive_job(&mut self) {
        let valid = self.jobs.front().copied();
        let job = valid.unwrap_or(Job { kind: 1, bucket: self.random.u16(..1024), remote: true });
        self.ports.job_valid.set(valid.is_some());
        self.ports.job_kind.set(job.kind);
        self.ports.job_bucket.set(job.bucket);
        self.ports.job_copy.set(job.remote);
        if valid.is_some() && self.ports.job_ready.get() {
            self.jobs.pop_front();
            self.held = Some((job, self.windows_count));
        }
    }

    fn take_look(&mut self) -> Result<()> {
        let ended = self.window.as_ref().map(|window| self.ended(window.bucket));
        let Some(window) = &mut self.window else { return Ok(()) };
        if self.ports.map_valid.get() {
            if self.look.is_some() || window.state.is_some() {
                return Self::fail("a second look-up");
            }
            window.bucket = self.ports.bucket.get();
            self.look = Some(self.cycle + self.random.u64(1..6));
        }
        let is_done = self.look.take_if(|cycle| *cycle == self.cycle).is_some();
        self.ports.map_done.set(is_done);
        // Between answers the map shows anything.
        let (mut roles, mut rest) = (self.random.u64(..), self.random.u16(..));
        if is_done {
            let bucket = self.map[usize::from(window.bucket)];
            (window.state, window.welcome) = (Some(bucket), self.welcome);
            window.ended = ended.unwrap_or_default();
            roles = u64::from(u32::from_le_bytes(bucket.members)) | u64::from(bucket.term) << 32;
            rest = u16::from_le_bytes([bucket.flags, bucket.copies]);
        }
        self.ports.roles.set(roles);
        self.ports.flags.set(rest as u8);
        self.ports.copies.set((rest >> 8) as u8);
        Ok(())
    }

    fn take_mark(&mut self) -> Result<()> {
        let Some(window) = &mut self.window else { return Ok(()) };
        if self.ports.copy_valid.get() {
            let (set, clear) = (self.ports.copy_set.get(), self.ports.copy_clear.get());
            let copies = &mut self.map[usize::from(window.bucket)].copies;
            *copies = *copies & !clear | set;
            window.steps.push(Step::Mark { set, clear });
        }
        Ok(())
    }

    fn take_request(&mut self) -> Result<()> {
        let p = &self.ports;
        let Some(window) = self.window.as_mut().filter(|_| p.request_valid.get()) else { return Ok(()) };
        let (id, way, tells) = (p.request_id.get(), p.request_way.get(), p.request_tells.get());
        let (watches, frees) = (p.request_watches.get(), p.request_frees.get());
        expect_same("a read by name", (p.request_named.get(), p.request_command.get()), (true, 0))?;
        expect_same("the request's bucket", (id >> 30) as u16, window.bucket)?;
        expect_same("a keyed request", p.others[2].get(), false)?;
        let at = 4 * (id >> (40 - S)) as usize + usize::from(way);
        let within = at - Self::at(window.bucket, 0);
        window.steps.push(match (watches, frees) {
            (false, false) => Step::Read { place: within, tells },
            (true, false) => Step::Watch(within),
            (false, true) => Step::Free(within),
            (true, true) => return Self::fail("watches and frees at once"),
        });
        let place = &mut self.places[at];
        let was_watched = self.watched == Some(at);
        let freed = frees && was_watched && place.taken;
        if place.taken && was_watched {
            self.watched = None;
        }
        if watches {
            self.watched = place.taken.then_some(at);
        }
        self.answers.push_back(Answer {
            cycle: self.cycle + self.delays.answer,
            found: place.taken,
            freed,
            id: place.id,
            entry: layout::pack(&place.entry),
        });
        place.taken &= !freed;
        self.counted[1] += u64::from(freed);
        self.active_cycle = Some(self.cycle);
        if tells != 0 {
            if self.told_cycle.is_some_and(|cycle| self.cycle < cycle + TELL_INTERVAL) {
                return Self::fail("tells too early");
            }
            self.told_cycle = Some(self.cycle);
            self.tell(at, tells);
        }
        Ok(())
    }

    /// A record of what lies there, if it is told at all.
    fn tell(&mut self, at: usize, tells: u8) {
        let Some(window) = &self.window else { return };
        let (place, flags) = (&self.places[at], self.places[at].entry.flags);
        let is_told = flags & flag::TOMBSTONE != 0 || flags & flag::LIVE != 0 && flags & flag::WAITING == 0;
        if place.taken && (place.id >> 30) as u16 == window.bucket && is_told {
            let remote = tells & 2 != 0;
            let member = self.map[usize::from(window.bucket)].members[1 + usize::from(remote)];
            let emitted = &mut self.emitted[usize::from(member)];
            *emitted = emitted.wrapping_add(1);
            self.may_refuse(remote);
        }
    }

    /// What is refused makes the copy dirty, which is hinted; the window knows it once all is quiet.
    fn may_refuse(&mut self, remote: bool) {
        if self.random.u8(..) >= self.delays.refusals {
            return;
        }
        let Some(window) = &mut self.window else { return };
        window.refused |= !window.steps.contains(&Step::Sums);
        let known = self.cycle + self.random.u64(1..self.delays.pipe);
        self.refused_cycle = Some(self.refused_cycle.map_or(known, |cycle| cycle.min(known)));
        self.map[usize::from(window.bucket)].copies |= copy::DIRTY << (4 * u8::from(remote));
        self.hints.push_back((window.bucket, 1 << u8::from(remote)));
    }

    fn answer(&mut self) {
        let answer = match self.answers.front() {
            Some(answer) if answer.cycle == self.cycle => self.answers.pop_front(),
            Some(_) | None => None,
        };
        // Answers to others show outside of our windows.
        let is_valid = answer.is_some() || self.window.is_none() && self.random.bool();
        let noise = Answer {
            cycle: 0,
            found: self.random.bool(),
            freed: self.random.bool(),
            id: self.random.u64(..1 << 40),
            entry: [0; ENTRY_WORDS],
        };
        let answer = answer.unwrap_or(noise);
        self.ports.answer_valid.set(is_valid);
        self.ports.answer_found.set(answer.found);
        self.ports.answer_freed.set(answer.freed);
        self.ports.answer_id.set(answer.id);
        self.ports.answer_entry.set(answer.entry);
    }

    fn take_sums(&mut self, is_quiet: bool) -> Result<()> {
        let done = self.sums.take_if(|(cycle, ..)| *cycle == self.cycle);
        let shown = done.unwrap_or((0, self.random.u64(..), self.random.u32(..)));
        self.ports.sums_done.set(done.is_some());
        self.ports.sum.set(shown.1);
        self.ports.count.set(shown.2);
        let Some(bucket) = self.window.as_ref().map(|window| window.bucket) else { return Ok(()) };
        if self.ports.sums_valid.get() {
            if !is_quiet {
                return Self::fail("asks for sums while requests are on their way");
            }
            let sum = self.sums(bucket);
            self.sums = Some((self.cycle + self.random.u64(1..9), sum.0, sum.1));
            let window = self.window.as_mut().expect("it has a bucket");
            window.sum = sum;
            window.steps.push(Step::Sums);
        }
        Ok(())
    }

    fn take_push(&mut self) -> Result<()> {
        let p = &self.ports;
        let Some(window) = self.window.as_mut().filter(|_| p.push_valid.get()) else { return Ok(()) };
        if self.told_cycle.is_some_and(|cycle| self.cycle <= cycle + self.delays.pipe) {
            return Self::fail("a record overtakes those of the table");
        }
        let (member, remote) = (p.push_member.get(), p.push_remote.get());
        let data = p.push_data.get();
        window.steps.push(Step::Push { member, remote, units: p.push_units.get(), data });
        let is_end = data[0] == kind::SNAPSHOT_END;
        self.counted[0] += u64::from(is_end);
        expect_same("a strobe beside the record", p.strobes[0].get(), is_end)?;
        self.active_cycle = Some(self.cycle);
        self.may_refuse(remote);
        Ok(())
    }
}

/// A place with a flow of its set, or with what one left behind.
pub(super) fn place<const S: usize>(bench: &mut Bench, at: usize) -> Place {
    let mut entry = sample::entry(bench);
    let random = bench.random();
    // Few versions, so that a floor is often met exactly.
    entry.stamp.version = if random.bool() { random.u64(..8) } else { entry.stamp.version };
    let id = ((at / 4) as u64) << (40 - S) | random.u64(..1 << (40 - S));
    Place { taken: random.u8(..) < 180, id, entry }
}
