//! The other side of a taker's window in plain Rust: map, table, sums and their delays, and the host.

use formats::descriptor::Roles;
use formats::flow::FlowKey;
use formats::limits::*;
use formats::unit::{kind, DigestUnit, SnapshotBegin, SnapshotEnd};
use formats::{FlowId, Record};
use hw::layout::{flag, get, pack, unpack, Entry, Field, ENTRY_WORDS, KEY_BITS};
use hw::map::{copy, WRITE_INTERVAL};
use hw::table::commands;
use hw::taker::event;
use std::collections::{BTreeMap, VecDeque};
use verilator_tests::{expect_same, Bench, Error, Input, Port, Result, Stalls};

/// Cycles within which any record must be done, but for those a slow host delays.
const RECORD_CYCLES: u64 = 60_000;

pub(super) const MEMBER: u8 = 5;
pub(super) const SESSION: u64 = 0x1234_5678_9abc_def0;

/// A record about buckets as it comes out of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) units: [u8; 32],
    pub(super) peer: u8,
    pub(super) sequence: u64,
    /// Frames of the peer are missing before it.
    pub(super) gap: bool,
}

/// What the host was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Deleted { peer: u8, bucket: u16, sequence: u64, cookie: u32, key: FlowKey },
    Compared { peer: u8, bucket: u16, state: u8, snapshot: bool },
    Term { peer: u8, bucket: u16, count: u16, units: [u8; 32] },
    Answer { peer: u8, bucket: u16, count: u16 },
    Pull { peer: u8, bucket: u16, epoch: u32, units: [u8; 32] },
}

/// Strobes so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Strobes {
    pub(super) control: u64,
    pub(super) malformed: u64,
    pub(super) equal: u64,
    pub(super) unproven: u64,
    pub(super) different: u64,
    pub(super) freed: u64,
    pub(super) refused: u64,
    pub(super) deferred: u64,
}

/// What the map has of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Owner, backup, remote, successor, term.
    pub(super) roles: u64,
    pub(super) flags: u8,
    pub(super) copies: u8,
    pub(super) sum: u64,
    pub(super) count: u32,
}

const NEW: Bucket = Bucket {
    roles: u32::from_le_bytes([MEMBER_NONE; 4]) as u64,
    flags: 0,
    copies: 0x11 * (copy::DIRTY | copy::RENEWED),
    sum: 0,
    count: 0,
};

/// A request's answer and when it is due.
struct Answer {
    due: u64,
    found: bool,
    freed: bool,
    lay: Option<(u64, Entry)>,
}

type Words = [u32; ENTRY_WORDS];
/// Words of an event.
const EVENT_WORDS: usize = event::EVENT_BITS.div_ceil(32);

macro_rules! ports {
    ($($name:ident: $type:ident<$value:ty> = $make:ident $text:literal;)*) => {
        struct Ports { $($name: $type<$value>,)* }
        impl Ports {
            fn new(bench: &Bench) -> Result<Ports> {
                Ok(Ports { $($name: bench.$make($text)?,)* })
            }
        }
    };
}

ports! {
    ready: Port<bool> = port "ready";
    in_valid: Input<bool> = input "in_valid";
    in_ready: Port<bool> = port "in_ready";
    in_kind: Input<u8> = input "in_kind";
    in_units: Input<[u8; 32]> = input "in_units";
    in_peer: Input<u8> = input "in_peer";
    in_sequence: Input<u64> = input "in_sequence";
    gap_valid: Input<bool> = input "gap_valid";
    gap_peer: Input<u8> = input "gap_peer";
    event_valid: Port<bool> = port "event_tvalid";
    event_ready: Input<bool> = input "event_tready";
    event_data: Port<[u32; EVENT_WORDS]> = port "event_tdata";
    wants: Port<bool> = port "window_wants";
    is_open: Input<bool> = input "window_is_open";
    is_quiet: Input<bool> = input "window_is_quiet";
    map_valid: Port<bool> = port "window_map_valid";
    bucket: Port<u16> = port "window_bucket";
    map_done: Input<bool> = input "window_map_done";
    roles: Input<u64> = input "window_roles";
    flags: Input<u8> = input "window_flags";
    copies: Input<u8> = input "window_copies";
    mark_valid: Port<bool> = port "window_mark_valid";
    mark_set: Port<u8> = port "window_mark_set";
    mark_clear: Port<u8> = port "window_mark_clear";
    copy_valid: Port<bool> = port "window_copy_valid";
    copy_set: Port<u8> = port "window_copy_set";
    copy_clear: Port<u8> = port "window_copy_clear";
    write_valid: Port<bool> = port "window_write_valid";
    write_roles: Port<u64> = port "window_write_roles";
    request_valid: Port<bool> = port "window_request_valid";
    request_named: Port<bool> = port "window_request_named";
    request_way: Port<u8> = port "window_request_way";
    request_id: Port<u64> = port "window_request_id";
    request_keyed: Port<bool> = port "window_request_keyed";
    request_command: Port<u8> = port "window_request_command";
    request_word: Port<Words> = port "window_request_word";
    request_watches: Port<bool> = port "window_request_watches";
    request_frees: Port<bool> = port "window_request_frees";
    request_tells: Port<u8> = port "window_request_tells";
    answer_valid: Input<bool> = input "window_answer_valid";
    answer_found: Input<bool> = input "window_answer_found";
    answer_freed: Input<bool> = input "window_answer_freed";
    answer_id: Input<u64> = input "window_answer_id";
    answer_entry: Input<Words> = input "window_answer_entry";
    sums_valid: Port<bool> = port "window_sums_valid";
    sums_done: Input<bool> = input "window_sums_done";
    sum: Input<u64> = input "window_sum";
    count: Input<u32> = input "window_count";
    push_valid: Port<bool> = port "window_push_valid";
    refused: Port<bool> = port "refused";
    records_control: Port<bool> = port "records_control";
    records_malformed: Port<bool> = port "records_malformed";
    digests_equal: Port<bool> = port "digests_equal";
    digests_unproven: Port<bool> = port "digests_unproven";
    digests_different: Port<bool> = port "digests_different";
    tombstones_freed: Port<bool> = port "tombstones_freed";
    events_deferred: Port<bool> = port "events_deferred";
}

/// The engine around the block.
pub(super) struct Side {
    ports: Ports,
    random: fastrand::Rng,
    cycle: u64,
    set_bits: u32,
    pub(super) buckets: Vec<Bucket>,
    /// By set and way.
    pub(super) places: BTreeMap<(u64, u8), (u64, Entry)>,
    watched: Option<(u64, u8)>,
    is_open: bool,
    opens_at: Option<u64>,
    quiet_at: u64,
    latency: u64,
    looked: Option<(u64, Bucket)>,
    read: Option<(u64, u64, u32)>,
    answers: VecDeque<Answer>,
    /// Ends on their way to the sums.
    ends: VecDeque<(u64, u16, u64)>,
    written_at: Option<u64>,
    pub(super) host: Stalls,
    pub(super) host_listens: bool,
    pub(super) said: Vec<Said>,
    pub(super) strobes: Strobes,
    /// Windows opened, requests made.
    pub(super) windows: u64,
    pub(super) requests: u64,
}

impl Side {
    pub(super) fn new(bench: &mut Bench, set_bits: u32) -> Result<Side> {
        let mut random = bench.fork_random();
        let latency = random.u64(9..50);
        bench.input::<u8>("member")?.set(MEMBER);
        bench.input::<u64>("session")?.set(SESSION);
        Ok(Side {
            ports: Ports::new(bench)?,
            cycle: 0,
            set_bits,
            buckets: vec![NEW; BUCKETS_COUNT],
            places: BTreeMap::new(),
            watched: None,
            is_open: false,
            opens_at: None,
            quiet_at: 0,
            latency,
            looked: None,
            read: None,
            answers: VecDeque::new(),
            ends: VecDeque::new(),
            written_at: None,
            host: Stalls::drawn(bench.fork_random()),
            host_listens: true,
            said: Vec::new(),
            strobes: Strobes::default(),
            windows: 0,
            requests: 0,
            random,
        })
    }

    /// Waits for the end of a reset; how long it took.
    pub(super) fn await_ready(&mut self, bench: &mut Bench) -> Result<u64> {
        let (from, windows) = (self.cycle, self.windows);
        // What comes early is not taken.
        self.ports.in_valid.set(self.random.bool());
        while !self.ports.ready.get() {
            self.cycle(bench)?;
            expect_same("a record taken before it is ready", self.ports.in_ready.get(), false)?;
            if self.cycle - from > 2 * BUCKETS_COUNT as u64 {
                return Err(Error::Timeout { what: "ready".into(), cycles: self.cycle - from });
            }
            let last = self.cycle - from >= BUCKETS_COUNT as u64 - 1;
            self.ports.in_valid.set(!last && self.random.bool());
        }
        self.ports.in_valid.set(false);
        expect_same("windows before a record", self.windows, windows)?;
        Ok(self.cycle - from)
    }

    /// Shows a record until it is taken; the cycles it took.
    pub(super) fn take(&mut self, bench: &mut Bench, told: &Told) -> Result<u64> {
        let from = self.cycle;
        self.ports.gap_peer.set(told.peer);
        if told.gap && self.random.bool() {
            // Before it, or with it.
            self.gap(bench, told.peer)?;
        } else {
            self.ports.gap_valid.set(told.gap);
        }
        self.show(told);
        loop {
            let taken = self.ports.in_ready.get();
            self.cycle(bench)?;
            self.ports.gap_valid.set(false);
            self.ports.gap_peer.set(self.random.u8(..128));
            if taken {
                break;
            }
            if self.cycle - from > RECORD_CYCLES {
                return Err(Error::Timeout { what: "the record is taken".into(), cycles: RECORD_CYCLES });
            }
        }
        self.ports.in_valid.set(false);
        expect_same("the window behind a record", self.ports.wants.get(), false)?;
        Ok(self.cycle - from)
    }

    pub(super) fn show(&self, told: &Told) {
        self.ports.in_valid.set(true);
        self.ports.in_kind.set(told.units[0]);
        self.ports.in_units.set(told.units);
        self.ports.in_peer.set(told.peer);
        self.ports.in_sequence.set(told.sequence);
    }

    /// Frames of a peer are missing before a record that is none of ours.
    pub(super) fn gap(&mut self, bench: &mut Bench, peer: u8) -> Result<()> {
        self.ports.gap_peer.set(peer);
        self.ports.gap_valid.set(true);
        self.cycle(bench)?;
        self.ports.gap_valid.set(false);
        Ok(())
    }

    /// Resets the block and what is on its way.
    pub(super) fn reset(&mut self, bench: &mut Bench) -> Result<()> {
        self.ports.in_valid.set(false);
        bench.reset()?;
        self.answers.clear();
        self.ends.clear();
        (self.opens_at, self.looked, self.read) = (None, None, None);
        expect_same("an event behind a reset", self.ports.event_valid.get(), false)
    }

    /// The first free way of the flow's set.
    pub(super) fn free_place(&self, id: FlowId) -> Option<(u64, u8)> {
        let set = id.0 >> (FLOW_ID_BITS - self.set_bits);
        (0..4).map(|way| (set, way)).find(|place| !self.places.contains_key(place))
    }

    /// Lets the host hear all that waits.
    pub(super) fn drain(&mut self, bench: &mut Bench) -> Result<()> {
        let mut silent = 0;
        while silent < 6 {
            silent = if self.ports.event_valid.get() { 0 } else { silent + 1 };
            self.cycle(bench)?;
        }
        Ok(())
    }

    /// One cycle: what was asked before is answered when it is due, what is asked now is noted.
    pub(super) fn cycle(&mut self, bench: &mut Bench) -> Result<()> {
        self.answer();
        let listens = self.host_listens && !self.host.is_stalled(self.ports.event_valid.get());
        self.ports.event_ready.set(listens);
        bench.top().eval()?;
        if listens && self.ports.event_valid.get() {
            self.said.push(said(&self.ports.event_data.get())?);
        }
        self.count();
        self.window()?;
        self.cycle += 1;
        bench.cycle(&mut ())
    }

    fn count(&mut self) {
        let (ports, strobes) = (&self.ports, &mut self.strobes);
        for (port, count) in [
            (&ports.records_control, &mut strobes.control),
            (&ports.records_malformed, &mut strobes.malformed),
            (&ports.digests_equal, &mut strobes.equal),
            (&ports.digests_unproven, &mut strobes.unproven),
            (&ports.digests_different, &mut strobes.different),
            (&ports.tombstones_freed, &mut strobes.freed),
            (&ports.refused, &mut strobes.refused),
            (&ports.events_deferred, &mut strobes.deferred),
        ] {
            *count += u64::from(port.get());
        }
    }

    /// Drives what is due, and noise where nothing is.
    fn answer(&mut self) {
        let (ports, cycle, random) = (&self.ports, self.cycle, &mut self.random);
        self.is_open = self.opens_at.is_some_and(|at| at <= cycle);
        ports.is_open.set(self.is_open);
        ports.is_quiet.set(self.quiet_at <= cycle);
        let looked = self.looked.take_if(|(due, _)| *due <= cycle);
        ports.map_done.set(looked.is_some());
        let noise = Bucket { roles: random.u64(..), flags: random.u8(..), copies: random.u8(..), ..NEW };
        let found = looked.map_or(noise, |(_, found)| found);
        ports.roles.set(found.roles);
        ports.flags.set(found.flags);
        ports.copies.set(found.copies);
        let read = self.read.take_if(|(due, ..)| *due <= cycle);
        ports.sums_done.set(read.is_some());
        let (_, sum, count) = read.unwrap_or((0, random.u64(..), random.u32(..)));
        ports.sum.set(sum);
        ports.count.set(count);
        let answer = if self.answers.front().is_some_and(|answer| answer.due <= cycle) {
            self.answers.pop_front()
        } else {
            None
        };
        ports.answer_valid.set(answer.is_some());
        let answer =
            answer.unwrap_or(Answer { due: 0, found: random.bool(), freed: random.bool(), lay: None });
        ports.answer_found.set(answer.found);
        ports.answer_freed.set(answer.freed);
        match answer.lay {
            Some((id, entry)) => {
                ports.answer_id.set(id);
                ports.answer_entry.set(pack(&entry));
            }
            None => {
                ports.answer_id.set(random.u64(..1 << FLOW_ID_BITS));
                ports.answer_entry.set(std::array::from_fn(|word| {
                    let bits = hw::layout::ENTRY_BITS - 32 * word;
                    random.u32(..) & (u32::MAX >> (32 - bits.min(32)))
                }));
            }
        }
        while let Some((_, bucket, digest)) = self.ends.front().copied().filter(|(due, ..)| *due <= cycle) {
            self.ends.pop_front();
            let bucket = &mut self.buckets[usize::from(bucket)];
            (bucket.sum, bucket.count) = (bucket.sum.wrapping_sub(digest), bucket.count - 1);
        }
    }

    /// What the block asks in this cycle.
    fn window(&mut self) -> Result<()> {
        let (cycle, at) = (self.cycle, self.ports.bucket.get());
        match (self.ports.wants.get(), self.opens_at) {
            (true, None) => {
                let wait = if self.random.bool() { self.random.u64(1..4) } else { self.random.u64(1..80) };
                self.opens_at = Some(cycle + wait);
                self.windows += 1;
            }
            (false, Some(_)) => self.opens_at = None,
            (true, Some(_)) | (false, None) => {}
        }
        let ports = &self.ports;
        let acts = [&ports.map_valid, &ports.mark_valid, &ports.write_valid, &ports.request_valid];
        let acts = acts.iter().any(|port| port.get()) || ports.sums_valid.get();
        expect_same("something outside of the window", acts && !(self.is_open && ports.wants.get()), false)?;
        expect_same(
            "something that is the sweeper's",
            ports.push_valid.get() || ports.copy_valid.get(),
            false,
        )?;
        let bucket = self.buckets[usize::from(at)];
        if ports.map_valid.get() {
            expect_same("two look-ups", self.looked.is_some(), false)?;
            self.looked = Some((cycle + self.random.u64(3..9), bucket));
        }
        if ports.sums_valid.get() {
            expect_same("the engine is quiet", self.quiet_at <= cycle, true)?;
            self.read = Some((cycle + self.random.u64(1..9), bucket.sum, bucket.count));
        }
        let is_written = ports.write_valid.get();
        let bucket = &mut self.buckets[usize::from(at)];
        if is_written || ports.mark_valid.get() {
            bucket.flags = bucket.flags & !ports.mark_clear.get() | ports.mark_set.get();
        }
        if is_written {
            expect_same("marks with roles", ports.mark_valid.get(), false)?;
            let pause = self.written_at.map_or(cycle, |at| cycle - at);
            expect_same("writes too close", pause < WRITE_INTERVAL as u64 && pause != cycle, false)?;
            self.written_at = Some(cycle);
            bucket.roles = ports.write_roles.get();
            bucket.copies = bucket.copies & !ports.copy_clear.get() | ports.copy_set.get();
        }
        if ports.request_valid.get() {
            self.request()?;
        }
        Ok(())
    }

    fn request(&mut self) -> Result<()> {
        let ports = &self.ports;
        self.requests += 1;
        expect_same("tells", ports.request_tells.get(), 0)?;
        let (watches, frees) = (ports.request_watches.get(), ports.request_frees.get());
        let mut answer = Answer { due: self.cycle + self.latency, found: false, freed: false, lay: None };
        self.quiet_at = self.cycle + self.latency + 30;
        if ports.request_named.get() {
            expect_same(
                "a named request's command",
                (ports.request_command.get(), ports.request_keyed.get()),
                (0, false),
            )?;
            let set = ports.request_id.get() >> (FLOW_ID_BITS - self.set_bits);
            let place = (set, ports.request_way.get());
            answer.lay = self.places.get(&place).copied();
            answer.found = answer.lay.is_some();
            if frees {
                expect_same("a place that is freed is watched", self.watched, Some(place))?;
                self.places.remove(&place);
                answer.freed = true;
            }
            self.watched = watches.then_some(place).filter(|_| answer.found);
        } else {
            let asked = (ports.request_command.get(), ports.request_keyed.get(), watches, frees);
            expect_same("the request", asked, (commands::END, true, false, false))?;
            let end = unpack(&ports.request_word.get());
            let found = self.places.values_mut().find(|(_, entry)| entry.record.key == end.record.key);
            let (id, entry) =
                found.ok_or(Error::Found(format!("the end of a flow that is not there: {end:?}")))?;
            answer.lay = Some((*id, *entry));
            answer.found = true;
            let due = (entry.flags & flag::LIVE, entry.stamp.version);
            expect_same("what ends", due, (flag::LIVE, end.stamp.version))?;
            self.ends.push_back((answer.due + 29, (*id >> 30) as u16, entry.digest));
            entry.flags = entry.flags & !flag::LIVE | flag::TOMBSTONE;
            (entry.stamp, entry.audit, entry.digest) = (end.stamp, end.audit, 0);
        }
        self.answers.push_back(answer);
        Ok(())
    }
}

/// The units of a record about buckets; what lies behind them is anything.
pub(super) fn units(random: &mut fastrand::Rng, record: &Record) -> [u8; 32] {
    let mut bytes = [0; RECORD_UNITS_MAX * UNIT_SIZE];
    random.fill(&mut bytes);
    record.encode(&mut bytes);
    bytes[..32].try_into().expect("two units")
}

pub(super) fn begin(bucket: u16, term: u32, flags: u8) -> Record {
    let kind = kind::SNAPSHOT_BEGIN;
    Record::SnapshotBegin(SnapshotBegin { kind, units: 1, bucket, term, flags, ..Default::default() })
}

pub(super) fn end(bucket: u16, term: u32, (count, digest): (u32, u64), floor: u64) -> Record {
    let kind = kind::SNAPSHOT_END;
    let unit = SnapshotEnd { kind, units: 2, bucket, term, count, digest, floor, ..Default::default() };
    Record::SnapshotEnd(unit)
}

pub(super) fn digest(bucket: u16, term: u32, (count, sum): (u32, u64), floor: u64) -> Record {
    let kind = kind::DIGEST;
    Record::Digest(DigestUnit { kind, units: 3, bucket, term, count, sum, floor, ..Default::default() })
}

pub(super) fn roles_word(roles: &Roles) -> u64 {
    let members = [roles.owner, roles.backup, roles.remote, roles.successor];
    u64::from(u32::from_le_bytes(members)) | u64::from(roles.term.0) << 32
}

/// The event in a word.
fn said(words: &[u32; EVENT_WORDS]) -> Result<Said> {
    let number = |field| get(words, field);
    let (peer, bucket, count) =
        (number(event::PEER) as u8, number(event::BUCKET) as u16, number(event::COUNT) as u16);
    let piece = |at: usize, bits: usize| get(words, Field { name: "", at: event::UNITS.at + at, bits });
    let mut units = [0; 32];
    units[..16].copy_from_slice(&piece(0, 128).to_le_bytes());
    units[16..].copy_from_slice(&piece(128, 128).to_le_bytes());
    let event = match number(event::KIND) as u8 {
        event::kind::DELETED => {
            let mut entry = [0; ENTRY_WORDS];
            for at in (0..KEY_BITS).step_by(32) {
                entry[at / 32] = piece(at, 32.min(KEY_BITS - at)) as u32;
            }
            let (sequence, cookie) = (number(event::SEQUENCE) as u64, number(event::EPOCH) as u32);
            return Ok(Said::Deleted { peer, bucket, sequence, cookie, key: unpack(&entry).record.key });
        }
        event::kind::COMPARED => {
            let snapshot = units[0] == kind::SNAPSHOT_END;
            Said::Compared { peer, bucket, state: number(event::STATE) as u8, snapshot }
        }
        event::kind::TERM => Said::Term { peer, bucket, count, units },
        event::kind::ANSWER => Said::Answer { peer, bucket, count },
        event::kind::PULL => Said::Pull { peer, bucket, epoch: number(event::EPOCH) as u32, units },
        other => return Err(Error::Found(format!("an event of kind {other}"))),
    };
    expect_same("what lies behind the units", piece(256, KEY_BITS - 256), 0)?;
    Ok(event)
}
