//! What joins the engine's blocks: records told apart, marks and amounts that wait.

use super::decode::{rest, Decoded, Rest};
use super::{top, Block, Test};
use formats::limits::{RECORD_UNITS_MAX, UNIT_SIZE};
use formats::record::RecordError;
use formats::register::Counter;
use formats::unit::kind;
use formats::Record;
use hw::layout::ENTRY_WORDS;
use hw::receive::{LATENCY as RECEIVE_LATENCY, UNITS_MAX};
use hw::table::commands;
use std::collections::{BTreeMap, VecDeque};
use verilator_tests::{expect_same, Agent, Bench, Error, Input, Port, Result, Stalls};

const CYCLES: u64 = 40_000;
const DIRTY_LATENCY: u64 = hw::dirty::LATENCY as u64;
/// Bytes of the longest record.
const RECORD_BYTES: usize = UNITS_MAX * UNIT_SIZE;
/// Bytes of the host's word: the record, its length, sender, port and sequence.
const HOST_BYTES: usize = hw::receive::HOST_BITS.div_ceil(8);

pub(crate) const RECEIVE: Block = Block {
    name: "receive",
    design: || top("receive"),
    latency_cycles: Some(RECEIVE_LATENCY as u64),
    tests: &[Test { name: "any records", seeds: 0..6, body: records_are_told_apart }],
};

pub(crate) const DIRTY: Block = Block {
    name: "dirty",
    design: || top("dirty"),
    latency_cycles: Some(DIRTY_LATENCY),
    tests: &[Test { name: "marks wait and leave", seeds: 0..4, body: marks_leave }],
};

pub(crate) const EMITTED: Block = Block {
    name: "emitted",
    design: || top("emitted"),
    latency_cycles: Some(1),
    tests: &[Test { name: "sent, lost, cleared", seeds: 0..4, body: counts_agree }],
};

pub(crate) const AMOUNTS: Block = Block {
    name: "amounts",
    design: || top("amounts"),
    latency_cycles: None,
    tests: &[Test { name: "nothing is lost", seeds: 0..4, body: amounts_add_up }],
};

/// Ports of the block that tells records apart, and what was seen before the last edge.
struct Receive {
    valid: Input<bool>,
    ready: Port<bool>,
    may_enter: Input<bool>,
    flow_valid: Port<bool>,
    flow: Port<[u32; ENTRY_WORDS]>,
    command: Port<u8>,
    keyed: Port<bool>,
    id: Port<u64>,
    distance: Port<u8>,
    peer: Port<u8>,
    sequence: Port<u64>,
    bucket_valid: Port<bool>,
    bucket_ready: Input<bool>,
    bucket_kind: Port<u8>,
    bucket_units: Port<[u8; 2 * UNIT_SIZE]>,
    gap_valid: Port<bool>,
    gap_peer: Port<u8>,
    bucket_from: (Port<u8>, Port<u64>),
    host_valid: Port<bool>,
    host_ready: Input<bool>,
    host_word: Port<[u8; HOST_BYTES]>,
    strobes: [Port<bool>; 5],
    seen: Seen,
}

/// A record about a bucket: kind, units, sender, sequence.
type Bucket = (u8, [u8; 2 * UNIT_SIZE], u8, u64);

/// What the block said in one cycle.
#[derive(Default)]
struct Seen {
    ready: bool,
    flow: Option<(Decoded, u8, u8, u64)>,
    bucket: Option<Bucket>,
    host: Option<[u8; HOST_BYTES]>,
    /// Whose frames are missing before the record of the cycle before.
    gap: Option<u8>,
    /// Received, malformed, unknown, control, lost.
    strobes: [bool; 5],
}

impl Agent for Receive {
    fn drive(&mut self) {}

    fn sample(&mut self, _cycle: u64) -> Result<()> {
        let flow = self.flow_valid.get().then(|| {
            let is_keyed = self.keyed.get();
            let id = if is_keyed { 0 } else { self.id.get() };
            let base_distance = if is_keyed { 0 } else { self.distance.get() };
            let decoded = Decoded::Flow { is_keyed, id, base_distance, entry: self.flow.get() };
            (decoded, self.command.get(), self.peer.get(), self.sequence.get())
        });
        let takes_bucket = self.bucket_valid.get() && self.bucket_ready.get();
        let takes_host = self.host_valid.get() && self.host_ready.get();
        self.seen = Seen {
            ready: self.ready.get(),
            flow,
            bucket: takes_bucket.then(|| {
                let (peer, sequence) = (self.bucket_from.0.get(), self.bucket_from.1.get());
                (self.bucket_kind.get(), self.bucket_units.get(), peer, sequence)
            }),
            host: takes_host.then(|| self.host_word.get()),
            gap: self.gap_valid.get().then(|| self.gap_peer.get()),
            strobes: [0, 1, 2, 3, 4].map(|n: usize| self.strobes[n].get()),
        };
        Ok(())
    }
}

/// A record that was taken.
struct Taken {
    rest: Rest,
    is_malformed: bool,
    is_last: bool,
    port: u8,
    peer: u8,
    sequence: u64,
}

fn is_about_bucket(kind: u8) -> bool {
    [kind::TERM, kind::SNAPSHOT_BEGIN, kind::SNAPSHOT_END, kind::DIGEST].contains(&kind)
}

/// The command that a flow record is; of another none.
pub(super) fn command_of(record: &Record) -> Option<u8> {
    Some(match record {
        Record::Compact(_) => commands::COMPACT,
        Record::Window(formats::flow::Direction::Original, _) => commands::WINDOW_ORIGINAL,
        Record::Window(..) => commands::WINDOW_REPLY,
        Record::Update(_) => commands::UPDATE,
        Record::Full(..) => commands::FULL,
        Record::Delete(_) | Record::DeleteKeyed(..) => commands::END,
        _ => return None,
    })
}

/// The host's word of a record.
fn host_word(taken: &Taken) -> [u8; HOST_BYTES] {
    let mut word = [0; HOST_BYTES];
    word[..RECORD_BYTES].copy_from_slice(&taken.rest.bytes[..RECORD_BYTES]);
    let about = u128::from(taken.rest.available)
        | u128::from(taken.peer) << 5
        | u128::from(taken.port) << 12
        | u128::from(taken.sequence) << 15;
    word[RECORD_BYTES..].copy_from_slice(&about.to_le_bytes()[..HOST_BYTES - RECORD_BYTES]);
    word
}

fn records_are_told_apart(bench: &mut Bench) -> Result<()> {
    let strobes = ["received", "malformed", "unknown", "control", "lost"];
    let strobe = |n: usize| bench.port::<bool>(strobes[n]);
    let mut block = Receive {
        valid: bench.input("record_valid")?,
        ready: bench.port("record_ready")?,
        may_enter: bench.input("may_enter")?,
        flow_valid: bench.port("flow_valid")?,
        flow: bench.port("flow_word")?,
        command: bench.port("flow_command")?,
        keyed: bench.port("flow_keyed")?,
        id: bench.port("flow_id")?,
        distance: bench.port("flow_distance")?,
        peer: bench.port("out_peer")?,
        sequence: bench.port("out_sequence")?,
        bucket_valid: bench.port("bucket_valid")?,
        bucket_ready: bench.input("bucket_ready")?,
        bucket_kind: bench.port("bucket_kind")?,
        bucket_units: bench.port("bucket_units")?,
        bucket_from: (bench.port("bucket_peer")?, bench.port("bucket_sequence")?),
        gap_valid: bench.port("gap_valid")?,
        gap_peer: bench.port("gap_peer")?,
        host_valid: bench.port("host_tvalid")?,
        host_ready: bench.input("host_tready")?,
        host_word: bench.port("host_tdata")?,
        strobes: [strobe(0)?, strobe(1)?, strobe(2)?, strobe(3)?, strobe(4)?],
        seen: Seen::default(),
    };
    let units = bench.input::<[u8; RECORD_UNITS_MAX * UNIT_SIZE]>("record_units")?;
    let count = bench.input::<u8>("record_count")?;
    let (sender, port) = (bench.input::<u8>("record_sender")?, bench.input::<u8>("record_port")?);
    let sequence = bench.input::<u64>("record_sequence")?;
    let (last, malformed) = (bench.input::<bool>("record_last")?, bench.input::<bool>("record_malformed")?);
    let (first, gap) = (bench.input::<bool>("record_first")?, bench.input::<bool>("record_gap")?);
    let mut host_stalls = Stalls::drawn(bench.fork_random());
    let mut coming: VecDeque<Option<Taken>> = (0..RECEIVE_LATENCY).map(|_| None).collect();
    let (mut is_dead, mut is_blocked, mut gap_due) = (false, false, None);
    let mut bucket: Option<Bucket> = None;
    let mut host = VecDeque::new();
    let mut counts = [0u32; 8];
    for cycle in 0..CYCLES {
        let rest = rest(bench);
        let random = bench.random();
        let taken = Taken {
            is_malformed: random.u8(..60) == 0,
            is_last: random.u8(..4) == 0,
            port: if random.u8(..12) == 0 { random.u8(1..8) } else { 0 },
            peer: random.u8(..128),
            sequence: random.u64(..),
            rest,
        };
        units.set(taken.rest.bytes);
        count.set(taken.rest.available);
        sender.set(taken.peer);
        port.set(taken.port);
        sequence.set(taken.sequence);
        last.set(taken.is_last);
        malformed.set(taken.is_malformed);
        let (is_first, has_gap) = (random.bool(), random.u8(..4) == 0);
        first.set(is_first);
        gap.set(has_gap);
        let (is_offered, may_enter) = (random.u8(..8) != 0, random.u8(..8) != 0);
        block.valid.set(is_offered);
        block.may_enter.set(may_enter);
        block.bucket_ready.set(random.u8(..4) == 0);
        // A host that is away for long finds its queue full.
        block.host_ready.set(cycle % 8_000 < 5_000 && !host_stalls.is_stalled(true));
        bench.cycle(&mut block)?;

        let seen = std::mem::take(&mut block.seen);
        expect_same("ready", seen.ready, may_enter && !is_blocked)?;
        let enters = is_offered && seen.ready;
        expect_same("a gap of the sync link", seen.gap, gap_due.take())?;
        if enters && is_first && has_gap && taken.port == 0 {
            gap_due = Some(taken.peer);
            counts[7] += 1;
        }
        if let Some(found) = seen.bucket {
            expect_same("a record about a bucket", Some(found), bucket.take())?;
            is_blocked = false;
            counts[0] += 1;
        }
        if let Some(word) = seen.host {
            expect_same("a record for the host", Some(word), host.pop_front())?;
            counts[1] += 1;
        }
        // What it was that came out.
        let mut due = [false; 5];
        let mut flow = None;
        if let Some(now) = coming.pop_front().flatten() {
            let decoded = now.rest.decoded();
            let is_heartbeat = matches!(decoded, Ok((Record::Heartbeat(_), _)));
            let is_bad = now.is_malformed
                || matches!(decoded, Err(RecordError::Length | RecordError::Value))
                || (decoded.is_ok() && now.port != 0 && !is_heartbeat);
            let counts_now = !is_dead;
            due[0] = counts_now;
            due[1] = counts_now && is_bad;
            due[2] = counts_now && !is_bad && matches!(decoded, Err(RecordError::Unknown(_)));
            let good = decoded.ok().filter(|_| counts_now && !is_bad).map(|(record, _)| record);
            let about_bucket = is_about_bucket(now.rest.bytes[0]);
            match &good {
                Some(record) if command_of(record).is_some() => {
                    let command = command_of(record).unwrap_or_default();
                    flow = Decoded::of(record).map(|flow| (flow, command, now.peer, now.sequence));
                    counts[2] += 1;
                }
                Some(_) if about_bucket => {
                    let units = now.rest.bytes[..2 * UNIT_SIZE].try_into().expect("sliced to length");
                    bucket = Some((now.rest.bytes[0], units, now.peer, now.sequence));
                }
                Some(_) => {
                    due[3] = true;
                    // The block says itself whether its queue had room.
                    due[4] = seen.strobes[4];
                    if due[4] && host.len() < 16 {
                        return Err(Error::Found(format!("lost, but only {} wait", host.len())));
                    }
                    if !due[4] {
                        host.push_back(host_word(&now));
                    }
                }
                None => {}
            }
            if about_bucket && bucket.is_none() {
                is_blocked = false;
            }
            is_dead = !now.is_last && (is_dead || is_bad);
        }
        expect_same("strobes", seen.strobes, due)?;
        expect_same("a flow record", seen.flow, flow)?;
        for (count, strobe) in counts[3..7].iter_mut().zip(&due[1..]) {
            *count += u32::from(*strobe);
        }
        is_blocked |= enters && is_about_bucket(taken.rest.bytes[0]);
        coming.push_back(enters.then_some(taken));
    }
    println!("buckets, host, flows, malformed, unknown, control, lost, gaps: {counts:?}");
    match counts.iter().all(|count| *count > 0) {
        true => Ok(()),
        false => Err(Error::Found(format!("something never came: {counts:?}"))),
    }
}

/// Marks come in bursts, and leave in order of their kind, each as soon as it may.
fn marks_leave(bench: &mut Bench) -> Result<()> {
    let valids = [bench.input::<bool>("late_valid")?, bench.input("early_valid")?];
    let buckets = [bench.input::<u16>("late_bucket")?, bench.input("early_bucket")?];
    let (valid, bucket) = (bench.port::<bool>("out_valid")?, bench.port::<u16>("out_bucket")?);
    let (ready, is_idle) = (bench.input::<bool>("out_ready")?, bench.port::<bool>("is_idle")?);
    // With the cycle in which each came.
    let mut waiting: [VecDeque<(u64, u16)>; 2] = Default::default();
    let mut most = 0;
    for cycle in 0..CYCLES {
        let random = bench.random();
        for n in 0..2 {
            // Bursts, and time to leave.
            let comes = cycle % 400 < 120 && random.u8(..3) != 0 && waiting[n].len() < 60;
            valids[n].set(comes);
            buckets[n].set(random.u16(..1024));
        }
        let takes = random.u8(..4) != 0;
        ready.set(takes);
        let may_leave = |marks: &VecDeque<(u64, u16)>| {
            marks.front().is_some_and(|(came, _)| came + DIRTY_LATENCY <= cycle)
        };
        expect_same("a mark is there", valid.get(), waiting.iter().any(may_leave))?;
        let left = (valid.get() && takes).then(|| bucket.get());
        bench.cycle(&mut ())?;
        if let Some(left) = left {
            let first = |marks: &VecDeque<(u64, u16)>| marks.front().map(|(_, bucket)| *bucket);
            let place = waiting.iter().position(|marks| first(marks) == Some(left));
            let place = place.ok_or(Error::Found(format!("bucket {left} leaves out of order")))?;
            waiting[place].pop_front();
        }
        for n in 0..2 {
            if valids[n].get() {
                waiting[n].push_back((cycle, buckets[n].get()));
            }
        }
        let count = waiting[0].len() + waiting[1].len();
        most = most.max(count);
        if count > 0 {
            expect_same("idle", is_idle.get(), false)?;
        }
        if cycle % 400 == 399 {
            expect_same("marks that stay", count, 0)?;
            expect_same("idle at last", is_idle.get(), true)?;
        }
    }
    println!("at most {most} waited");
    Ok(())
}

/// Records of 64 members that go and come back.
fn counts_agree(bench: &mut Bench) -> Result<()> {
    let valids = ["sent_valid", "lost_valid", "clear_valid"].map(|name| bench.input::<bool>(name));
    let members = ["sent_member", "lost_member", "clear_member"].map(|name| bench.input::<u8>(name));
    let ([sent, lost, clear], [sent_member, lost_member, clear_member]) = (valids, members);
    let (sent, lost, clear) = (sent?, lost?, clear?);
    let (sent_member, lost_member, clear_member) = (sent_member?, lost_member?, clear_member?);
    let count = bench.port::<u32>("count")?;
    // After a reset each is cleared.
    (0..66).try_for_each(|_| bench.cycle(&mut ()))?;
    let mut counts: BTreeMap<u8, u32> = BTreeMap::new();
    for _ in 0..CYCLES {
        let random = bench.random();
        let [member, other, cleared] = [random.u8(..64), random.u8(..64), random.u8(..64)];
        let kind = random.u8(..20);
        let asks = kind < 8;
        sent.set(!asks && kind < 19);
        lost.set(!asks && kind < 19 && random.bool());
        clear.set(kind == 19);
        sent_member.set(member);
        lost_member.set(if asks { member } else { other });
        clear_member.set(cleared);
        bench.cycle(&mut ())?;
        if asks {
            expect_same("records sent", count.get(), counts.get(&member).copied().unwrap_or_default())?;
        }
        if sent.get() {
            let count = counts.entry(member).or_default();
            *count = count.wrapping_add(1);
        }
        if lost.get() {
            let count = counts.entry(other).or_default();
            *count = count.wrapping_sub(1);
        }
        if clear.get() {
            counts.remove(&cleared);
        }
    }
    Ok(())
}

/// Everything that came is added, whatever the counters' pace.
fn amounts_add_up(bench: &mut Bench) -> Result<()> {
    let small = ["malformed", "deferred", "queue_full"].map(|name| bench.input::<u8>(name));
    let [malformed, deferred, queue_full] = small;
    let small = [malformed?, deferred?, queue_full?];
    let missing = bench.input::<u64>("missing")?;
    let (valid, ready) = (bench.port::<bool>("add_valid")?, bench.input::<bool>("add_ready")?);
    let (counter, amount) = (bench.port::<u8>("add_counter")?, bench.port::<u64>("add_amount")?);
    let names =
        [Counter::RecordsMalformed, Counter::RecordsDeferred, Counter::QueueFull, Counter::FramesMissing];
    let mut due = [0u64; 4];
    let mut found = [0u64; 4];
    for cycle in 0..CYCLES + 200 {
        let random = bench.random();
        let comes = cycle < CYCLES;
        for (n, port) in small.iter().enumerate() {
            let amount = if comes && random.bool() { random.u8(..4) } else { 0 };
            port.set(amount);
            due[n] += u64::from(amount);
        }
        let jump =
            if comes && cycle % 2 == 0 && random.bool() { random.u64(..) >> random.u32(..64) } else { 0 };
        missing.set(jump);
        due[3] = due[3].wrapping_add(jump);
        let takes = random.u8(..4) == 0;
        ready.set(takes);
        let added = (valid.get() && takes).then(|| (counter.get(), amount.get()));
        bench.cycle(&mut ())?;
        if let Some((counter, amount)) = added {
            let place = names.iter().position(|name| *name as u8 == counter);
            let place = place.ok_or(Error::Found(format!("an amount for counter {counter}")))?;
            found[place] = found[place].wrapping_add(amount);
        }
    }
    expect_same("amounts", found, due)
}
