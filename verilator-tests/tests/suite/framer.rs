//! The framer against `formats::frame` and `crc32fast`: every byte of every frame.

use super::{top, Block, Test};
use fastrand::Rng;
use formats::frame::{encode_header, Envelope, FrameHeader};
use formats::limits::*;
use hw::framer::{ALONE_UNITS_MAX, FETCH_LATENCY, LATENCY};
use std::collections::{BTreeMap, VecDeque};
use verilator_tests::{expect_same, Agent, Bench, Error, Input, Port, Result, Rules, Sink, Stalls};

/// Frames of each run with drawn lengths.
const FRAMES: usize = 400;
/// Frames in a row in which beats are counted.
const FULL_FRAMES: usize = 20;
/// Cycles within which everything must have left.
const CYCLES_MAX: u64 = 400_000;
/// Bytes of the widest payload.
const PAYLOAD_BYTES_MAX: usize = 64;
/// The stream holds still while it waits, has no gap in a frame, and full beats but for the last.
const RULES: Rules = Rules { gapless: true, packed: true };

macro_rules! framer {
    ($name:ident, $top:literal, $seeds:expr) => {
        pub(crate) const $name: Block = Block {
            name: $top,
            design: || top($top),
            latency_cycles: Some(LATENCY as u64),
            tests: &[
                Test { name: "random frames", seeds: $seeds, body: frames_match },
                Test { name: "full frames at full speed", seeds: 0..1, body: beats_carry_payload },
                Test { name: "first beat", seeds: 0..1, body: first_beat_comes_in_time },
                Test { name: "reset under way", seeds: 0..3, body: reset_begins_anew },
            ],
        };
    };
}
framer!(FRAMER_512, "framer_512", 0..12);
framer!(FRAMER_256, "framer_256", 0..8);
framer!(FRAMER_128, "framer_128", 0..12);

/// One path as it is written.
#[derive(Clone, Copy, Default)]
pub(crate) struct Path {
    dst: [u8; 6],
    src: [u8; 6],
    port: u8,
    pub(crate) receiver: u8,
    pub(crate) peer_session: u32,
}

/// What is the same for all frames.
pub(crate) struct Settings {
    cluster: Input<u32>,
    sender: Input<u8>,
    session: Input<u64>,
    s_tag: Input<u16>,
    c_tag: Input<u16>,
    write_index: Input<u8>,
    write_path: Input<bool>,
    write_entry: Input<u128>,
    write_session: Input<bool>,
    write_peer_session: Input<u32>,
}

impl Settings {
    /// Draws all of them.
    pub(crate) fn drawn(bench: &mut Bench) -> Result<Settings> {
        let settings = Settings {
            cluster: bench.input("head_cluster")?,
            sender: bench.input("head_sender")?,
            session: bench.input("head_session")?,
            s_tag: bench.input("head_s_tag")?,
            c_tag: bench.input("head_c_tag")?,
            write_index: bench.input("path_index")?,
            write_path: bench.input("path_entry_valid")?,
            write_entry: bench.input("path_entry")?,
            write_session: bench.input("path_session_valid")?,
            write_peer_session: bench.input("path_session")?,
        };
        let random = bench.random();
        settings.cluster.set(random.u32(..));
        settings.sender.set(random.u8(..));
        settings.session.set(random.u64(..));
        settings.s_tag.set(random.u16(..));
        settings.c_tag.set(random.u16(..));
        Ok(settings)
    }

    /// Writes drawn paths, with what is not written left at noise; every fifth has no session.
    pub(crate) fn write_paths(&self, bench: &mut Bench, agents: &mut impl Agent) -> Result<Vec<Path>> {
        let mut paths = Vec::new();
        let base = bench.random().u8(..);
        for index in 0..1 << self.write_index.width() {
            let random = bench.random();
            let mut path = Path::default();
            random.fill(&mut path.dst);
            random.fill(&mut path.src);
            // Each has a receiver of its own, by which tests know it.
            (path.port, path.receiver) = (random.u8(..), base.wrapping_add(37u8.wrapping_mul(index)));
            path.peer_session = if index % 5 == 0 { 0 } else { random.u32(..) };
            let mut entry = [0; 16];
            entry[..6].copy_from_slice(&path.dst);
            entry[6..12].copy_from_slice(&path.src);
            (entry[12], entry[13]) = (path.port, path.receiver);
            self.write_index.set(index);
            self.write_entry.set(u128::from_le_bytes(entry));
            self.write_path.set(true);
            self.write_peer_session.set(random.u32(..));
            bench.cycle(agents)?;
            self.write_path.set(false);
            self.write_entry.set(bench.random().u128(..1 << 112));
            self.write(bench, agents, index, path.peer_session)?;
            paths.push(path);
        }
        Ok(paths)
    }

    /// Writes the session of a path.
    pub(crate) fn write(
        &self,
        bench: &mut Bench,
        agents: &mut impl Agent,
        index: u8,
        session: u32,
    ) -> Result<()> {
        self.write_index.set(index);
        self.write_peer_session.set(session);
        self.write_session.set(true);
        bench.cycle(agents)?;
        self.write_session.set(false);
        Ok(())
    }

    /// The frame that they make.
    pub(crate) fn frame(&self, path: &Path, about: &About, units: &[u8]) -> Vec<u8> {
        let envelope =
            Envelope { dst: path.dst, src: path.src, s_tag: self.s_tag.get(), c_tag: self.c_tag.get() };
        let header = FrameHeader {
            version: PROTOCOL_VERSION,
            cluster: self.cluster.get(),
            sender: self.sender.get(),
            receiver: path.receiver,
            port: path.port,
            sequence: about.sequence,
            session: self.session.get(),
            time_us: about.time_us,
            peer_session: path.peer_session,
            units: (units.len() / UNIT_SIZE) as u16,
            records: about.records,
            ..FrameHeader::default()
        };
        let mut head = [0; FRAME_HEADER_SIZE];
        encode_header(&envelope, &header, &mut head);
        let mut bytes = [&head[..], units].concat();
        bytes.extend_from_slice(&crc32fast::hash(&bytes[FRAME_CRC_FROM..]).to_le_bytes());
        bytes
    }
}

/// What differs from frame to frame of a path.
pub(crate) struct About {
    pub(crate) sequence: u64,
    pub(crate) time_us: u64,
    pub(crate) records: u16,
}

/// The first byte that differs, which says more than both frames.
pub(crate) fn same_bytes(found: &[u8], expected: &[u8]) -> Result<()> {
    expect_same("the length of a frame", found.len(), expected.len())?;
    let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
    let around = |bytes: &[u8]| differs.map(|at| (at, bytes[at..bytes.len().min(at + 16)].to_vec()));
    expect_same("the frame from there", around(found), around(expected))
}

/// A frame that was asked for.
struct Asked {
    path: u8,
    records: u16,
    units: Vec<u8>,
    is_dropped: bool,
    is_alone: bool,
    /// The cycle in which it was taken.
    cycle: u64,
    time_us: u64,
}

/// Offers frames, and gives units when they are fetched.
struct Feed {
    valid: Input<bool>,
    ready: Port<bool>,
    path: Input<u8>,
    units: Input<u16>,
    records: Input<u16>,
    dropped: Input<bool>,
    fetch: Port<bool>,
    fetch_last: Port<bool>,
    payload: Input<[u8; PAYLOAD_BYTES_MAX]>,
    alone_valid: Input<bool>,
    alone_ready: Port<bool>,
    alone_path: Input<u8>,
    alone_units: Input<u8>,
    alone_data: Input<[u8; 64]>,
    time: Input<u64>,
    beat_bytes: usize,
    random: Rng,
    stalls: [Stalls; 2],
    /// Frames that wait, those alone second.
    waiting: [VecDeque<Asked>; 2],
    is_offered: [bool; 2],
    /// Taken, in order.
    taken: VecDeque<Asked>,
    /// Units of the frame under way that were not fetched, and what is on its way.
    left: Vec<u8>,
    coming: VecDeque<Option<Vec<u8>>>,
}

impl Feed {
    fn new(bench: &mut Bench, stalls: [Stalls; 2]) -> Result<Feed> {
        Ok(Feed {
            valid: bench.input("frame_valid")?,
            ready: bench.port("frame_ready")?,
            path: bench.input("frame_path")?,
            units: bench.input("frame_units")?,
            records: bench.input("frame_records")?,
            dropped: bench.input("frame_dropped")?,
            fetch: bench.port("fetch")?,
            fetch_last: bench.port("fetch_last")?,
            payload: bench.input("payload")?,
            alone_valid: bench.input("alone_valid")?,
            alone_ready: bench.port("alone_ready")?,
            alone_path: bench.input("alone_path")?,
            alone_units: bench.input("alone_units")?,
            alone_data: bench.input("alone_data")?,
            time: bench.input("head_time_us")?,
            beat_bytes: bench.input::<[u8; PAYLOAD_BYTES_MAX]>("payload")?.width() as usize / 8,
            random: bench.fork_random(),
            stalls,
            waiting: Default::default(),
            is_offered: [false; 2],
            taken: VecDeque::new(),
            left: Vec::new(),
            coming: (0..FETCH_LATENCY).map(|_| None).collect(),
        })
    }

    fn ask(&mut self, paths: usize, units: usize, is_alone: bool) {
        let mut bytes = vec![0; units * UNIT_SIZE];
        self.random.fill(&mut bytes);
        let asked = Asked {
            path: self.random.u8(..paths as u8),
            records: if is_alone { 1 } else { self.random.u16(1..=units as u16) },
            units: bytes,
            is_dropped: !is_alone && self.random.u8(..) < 20,
            is_alone,
            cycle: 0,
            time_us: 0,
        };
        self.waiting[usize::from(is_alone)].push_back(asked);
    }

    fn offer(&mut self) {
        for kind in 0..2 {
            let waits = self.waiting[kind].front().is_some();
            self.is_offered[kind] = waits && (self.is_offered[kind] || !self.stalls[kind].is_stalled(true));
        }
        self.valid.set(self.is_offered[0]);
        self.alone_valid.set(self.is_offered[1]);
        let random = &mut self.random;
        match self.waiting[0].front().filter(|_| self.is_offered[0]) {
            Some(asked) => {
                self.path.set(asked.path);
                self.units.set((asked.units.len() / UNIT_SIZE) as u16);
                self.records.set(asked.records);
                self.dropped.set(asked.is_dropped);
            }
            None => {
                self.units.set(random.u16(..1 << 10));
                self.records.set(random.u16(..1 << 10));
                self.dropped.set(random.bool());
            }
        }
        let mut data = [0; 64];
        random.fill(&mut data);
        if let Some(asked) = self.waiting[1].front().filter(|_| self.is_offered[1]) {
            self.alone_path.set(asked.path);
            self.alone_units.set((asked.units.len() / UNIT_SIZE) as u8);
            data[..asked.units.len()].copy_from_slice(&asked.units);
        }
        self.alone_data.set(data);
    }
}

impl Agent for Feed {
    fn drive(&mut self) {
        self.offer();
        let mut payload = [0; PAYLOAD_BYTES_MAX];
        self.random.fill(&mut payload[..self.beat_bytes]);
        if let Some(Some(bytes)) = self.coming.pop_front() {
            payload[..bytes.len()].copy_from_slice(&bytes);
        }
        self.payload.set(payload);
        self.time.set(self.time.get().wrapping_add(self.random.u64(..1000)));
    }

    fn sample(&mut self, cycle: u64) -> Result<()> {
        // A frame has the time of the cycle after it was taken.
        if let Some(asked) = self.taken.back_mut().filter(|asked| asked.cycle + 1 == cycle) {
            asked.time_us = self.time.get();
        }
        let mut fetched = None;
        if self.fetch.get() {
            if self.left.is_empty() {
                return Err(Error::Found("units fetched behind a frame's end".into()));
            }
            let rest = self.left.split_off(self.left.len().min(self.beat_bytes));
            fetched = Some(std::mem::replace(&mut self.left, rest));
            expect_same("the last fetch", self.fetch_last.get(), self.left.is_empty())?;
        }
        self.coming.push_back(fetched);
        let ready = [self.ready.get(), self.alone_ready.get()];
        if self.is_offered[1] && ready[0] && ready[1] {
            return Err(Error::Found("two frames taken at once".into()));
        }
        for (kind, is_ready) in ready.into_iter().enumerate() {
            if self.is_offered[kind] && is_ready {
                let mut asked = self.waiting[kind].pop_front().expect("it is offered");
                self.is_offered[kind] = false;
                asked.cycle = cycle;
                if kind == 0 {
                    expect_same("bytes not fetched", self.left.len(), 0)?;
                    self.left = asked.units.clone();
                }
                self.taken.push_back(asked);
            }
        }
        Ok(())
    }
}

/// Drawn numbers of units: short frames, each rest, long ones, now and then the longest.
fn drawn_units(random: &mut Rng) -> usize {
    match random.u8(..10) {
        0..5 => random.usize(1..=12),
        5..9 => random.usize(1..=80),
        _ => FRAME_UNITS_MAX - random.usize(..8),
    }
}

/// A bench after its reset with paths written.
struct Rig {
    settings: Settings,
    paths: Vec<Path>,
    feed: Feed,
    sink: Sink,
    sequences: BTreeMap<u8, u64>,
    sent: Port<bool>,
    dropped: Port<bool>,
    counts: [u64; 2],
}

impl Rig {
    fn new(bench: &mut Bench, stalls: [Stalls; 3]) -> Result<Rig> {
        let [frames, alone, taking] = stalls;
        let settings = Settings::drawn(bench)?;
        let mut sink = Sink::new(bench, "m_axis", taking, RULES)?;
        let paths = settings.write_paths(bench, &mut sink)?;
        Ok(Rig {
            settings,
            paths,
            feed: Feed::new(bench, [frames, alone])?,
            sink,
            sequences: BTreeMap::new(),
            sent: bench.port("sent")?,
            dropped: bench.port("dropped")?,
            counts: [0; 2],
        })
    }

    fn cycle(&mut self, bench: &mut Bench) -> Result<()> {
        bench.cycle(&mut (&mut self.feed, &mut self.sink))?;
        self.counts[0] += u64::from(self.sent.get());
        self.counts[1] += u64::from(self.dropped.get());
        Ok(())
    }

    /// The next frame that came out, held against the next that was asked for: when each began.
    fn next(&mut self) -> Result<Option<(u64, u64)>> {
        let Some(received) = self.sink.next_frame() else { return Ok(None) };
        loop {
            let asked = self.feed.taken.pop_front().ok_or(Error::Found("a frame nobody asked for".into()))?;
            let sequence = self.sequences.entry(asked.path).or_default();
            *sequence += 1;
            if asked.is_dropped {
                continue;
            }
            let about = About { sequence: *sequence, time_us: asked.time_us, records: asked.records };
            let path = &self.paths[usize::from(asked.path)];
            same_bytes(&received.bytes, &self.settings.frame(path, &about, &asked.units))?;
            return Ok(Some((asked.cycle, received.first_cycle)));
        }
    }

    /// Cycles until all that was asked for came out as it should.
    fn finish(&mut self, bench: &mut Bench) -> Result<()> {
        let end = bench.cycles() + CYCLES_MAX;
        while !self.feed.waiting.iter().all(VecDeque::is_empty)
            || self.feed.taken.iter().any(|asked| !asked.is_dropped)
        {
            if bench.cycles() == end {
                return Err(Error::Timeout { what: "the last frame".into(), cycles: CYCLES_MAX });
            }
            self.cycle(bench)?;
            while self.next()?.is_some() {}
        }
        Ok(())
    }
}

fn frames_match(bench: &mut Bench) -> Result<()> {
    let stalls = [(); 3].map(|()| Stalls::drawn(bench.fork_random()));
    let mut rig = Rig::new(bench, stalls)?;
    let mut dropped = 0;
    for _ in 0..FRAMES {
        let is_alone = bench.random().u8(..) < 60;
        let units = match is_alone {
            true => bench.random().usize(1..=ALONE_UNITS_MAX),
            false => drawn_units(bench.random()),
        };
        rig.feed.ask(rig.paths.len(), units, is_alone);
        dropped += u64::from(rig.feed.waiting[0].back().is_some_and(|asked| !is_alone && asked.is_dropped));
    }
    rig.finish(bench)?;
    // What was dropped last is on its way, and nothing may follow it.
    for _ in 0..FRAME_UNITS_MAX + 20 {
        rig.cycle(bench)?;
    }
    expect_same("frames too many", rig.sink.frames_count(), 0)?;
    expect_same("frames sent and dropped", rig.counts, [FRAMES as u64 - dropped, dropped])
}

/// The largest frames back to back: header and checksum are all that a frame costs.
fn beats_carry_payload(bench: &mut Bench) -> Result<()> {
    let mut rig = Rig::new(bench, [(); 3].map(|()| Stalls::never()))?;
    for _ in 0..FULL_FRAMES {
        rig.feed.ask(rig.paths.len(), FRAME_UNITS_MAX, false);
    }
    for asked in &mut rig.feed.waiting[0] {
        asked.is_dropped = false;
    }
    let bytes = rig.feed.beat_bytes as u64;
    let (mut first, mut last) = (None, 0);
    let end = bench.cycles() + CYCLES_MAX;
    for _ in 0..FULL_FRAMES {
        while rig.sink.frames_count() == 0 && bench.cycles() < end {
            rig.cycle(bench)?;
        }
        let cycle = bench.cycles();
        let (_, begun) = rig.next()?.ok_or(Error::Found("no frame".into()))?;
        first.get_or_insert(begun);
        last = cycle;
    }
    let cycles = last - first.unwrap_or_default();
    let payload = (FULL_FRAMES * FRAME_UNITS_MAX * UNIT_SIZE) as u64;
    let percent = 100 * payload / (cycles * bytes);
    println!("full frames: {cycles} cycles for {FULL_FRAMES}, payload {percent} % of {bytes} B a cycle");
    let frame = (FRAME_HEADER_SIZE + FRAME_UNITS_MAX * UNIT_SIZE + FRAME_CRC_SIZE) as u64;
    expect_same("cycles of the frames", cycles, FULL_FRAMES as u64 * frame.div_ceil(bytes))?;
    if percent < 95 {
        return Err(Error::Found(format!("payload fills {percent} % of the beats")));
    }
    Ok(())
}

/// With nothing in the way, frames of any length and those alone.
fn first_beat_comes_in_time(bench: &mut Bench) -> Result<()> {
    let mut rig = Rig::new(bench, [(); 3].map(|()| Stalls::never()))?;
    for _ in 0..1 << rig.settings.write_index.width() {
        rig.cycle(bench)?;
    }
    for n in 0..100 {
        let is_alone = n % 3 == 0;
        let units = if is_alone { 1 + n % ALONE_UNITS_MAX } else { 1 + n };
        rig.feed.ask(rig.paths.len(), units, is_alone);
        rig.feed.waiting.iter_mut().flatten().for_each(|asked| asked.is_dropped = false);
        let end = bench.cycles() + 1_000;
        while rig.sink.frames_count() == 0 && bench.cycles() < end {
            rig.cycle(bench)?;
        }
        let (asked, begun) = rig.next()?.ok_or(Error::Found("no frame".into()))?;
        expect_same("cycles to the first beat", begun - asked, LATENCY as u64)?;
    }
    Ok(())
}

/// A reset drops what is under way, and every sequence begins anew.
fn reset_begins_anew(bench: &mut Bench) -> Result<()> {
    let reset = bench.input::<bool>("reset")?;
    for _ in 0..6 {
        let stalls = [(); 3].map(|()| Stalls::drawn(bench.fork_random()));
        let mut rig = Rig::new(bench, stalls)?;
        for _ in 0..20 {
            let units = drawn_units(bench.random());
            rig.feed.ask(rig.paths.len(), units, false);
            rig.feed.ask(rig.paths.len(), 1 + units % ALONE_UNITS_MAX, true);
        }
        for _ in 0..bench.random().usize(..400) {
            rig.cycle(bench)?;
            rig.next()?;
        }
        rig.feed.valid.set(false);
        rig.feed.alone_valid.set(false);
        reset.set(true);
        for _ in 0..4 {
            bench.cycle(&mut ())?;
        }
        reset.set(false);
    }
    frames_match(bench)
}
