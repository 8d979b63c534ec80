//! Requests of the engine: who is next, and what each becomes.

use super::engine::any_key;
use super::flow_hash::Numbers;
use super::{top, Block, Test};
use fastrand::Rng;
use formats::hash::{ClusterSecret, FlowHasher};
use formats::FlowRecord;
use hw::intake::{source, LATENCY as INTAKE_LATENCY};
use hw::layout::{self, Entry, ENTRY_WORDS};
use hw::receive::LATENCY as RECEIVE_LATENCY;
use hw::table::commands;
use std::collections::VecDeque;
use verilator_tests::{expect_same, Agent, Bench, Error, Input, Port, Result, Stalls};

const CYCLES: u64 = 40_000;

pub(crate) const INTAKE: Block = Block {
    name: "intake",
    design: || top("intake"),
    latency_cycles: Some(INTAKE_LATENCY as u64),
    tests: &[Test { name: "records, commands, windows", seeds: 0..4, body: requests_keep_their_order }],
};

/// What a request must be when it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request {
    source: u8,
    command: u8,
    flags: u8,
    id: u64,
    is_keyed: bool,
    word: [u32; ENTRY_WORDS],
    place: u8,
    tells: u8,
    peer: u8,
    sequence: u64,
}

fn requests_keep_their_order(bench: &mut Bench) -> Result<()> {
    let mut random = bench.fork_random();
    let mut secret = [0; 32];
    random.fill(&mut secret);
    let hasher = FlowHasher::new(&ClusterSecret(secret));
    Numbers::new(bench, "write")?.load(bench, &hasher)?;
    let mut intake = Intake::new(bench)?;
    let mut commands_offered = Stalls::drawn(bench.fork_random());
    let mut due: VecDeque<Option<Request>> = (0..INTAKE_LATENCY).map(|_| None).collect();
    // Records that were promised their slot.
    let mut promised: VecDeque<bool> = (0..RECEIVE_LATENCY).map(|_| false).collect();
    let (mut holds, mut taken) = (false, [0u32; 4]);
    let (mut most_waits, mut took_before) = ((0, 0), false);
    for cycle in 0..CYCLES {
        // An audit begins where nothing enters.
        let pauses = cycle % 64 == 0;
        if pauses {
            holds = random.u8(..4) == 0;
            intake.audit.set(random.u8(..));
            intake.is_auditing.set(random.bool());
        }
        intake.holds.set(holds);
        intake.time.set(cycle << 20 | 7);
        let record = promised.pop_front().unwrap_or(false) && !pauses;
        let offers = !pauses && !commands_offered.is_stalled(true);
        // The window opens when the records that were promised a slot are through.
        let asks = holds && cycle % 64 > 8 && random.bool();
        let drawn = intake.show(&mut random, [record, offers, asks], &hasher);
        bench.cycle(&mut intake)?;
        expect_same("a command was taken", intake.said_taken, took_before)?;
        expect_same("requests on their way", intake.is_busy, due.iter().any(Option::is_some))?;
        let took_command = offers && intake.took_command;
        took_before = took_command;
        let expected = match (record, asks, took_command) {
            (true, _, took) => {
                expect_same("a promised slot", took, false)?;
                Some(drawn[0])
            }
            (_, true, _) => Some(drawn[2]),
            (_, _, true) => Some(drawn[1]),
            _ => None,
        };
        if let Some(request) = &expected {
            taken[usize::from(request.source)] += 1;
        }
        most_waits.0 = if offers && !took_command && !holds { most_waits.0 + 1 } else { 0 };
        most_waits.1 = most_waits.1.max(most_waits.0);
        due.push_back(expected);
        expect_same("a request", intake.out, due.pop_front().flatten())?;
        if holds {
            expect_same("a record that may enter", intake.may, false)?;
        }
        promised.push_back(intake.may && random.u8(..16) != 0);
    }
    println!("records, commands, requests: {:?}; a command waited {} slots", &taken[1..], most_waits.1);
    // One that comes behind the promise of a slot waits for the next eighth.
    let is_starved = most_waits.1 > 9;
    match taken[1..].iter().all(|count| *count > 0) && !is_starved {
        true => Ok(()),
        false => Err(Error::Found(format!("taken {taken:?}, waits {most_waits:?}"))),
    }
}

/// What shows a record to the intake.
struct RecordPorts {
    command: Input<u8>,
    keyed: Input<bool>,
    id: Input<u64>,
    distance: Input<u8>,
    peer: Input<u8>,
    sequence: Input<u64>,
}

/// What shows a request of the window.
struct RequestPorts {
    named: Input<bool>,
    way: Input<u8>,
    id: Input<u64>,
    keyed: Input<bool>,
    command: Input<u8>,
    watches: Input<bool>,
    frees: Input<bool>,
    tells: Input<u8>,
}

/// What leaves.
struct OutPorts {
    valid: Port<bool>,
    command: Port<u8>,
    flags: Port<u8>,
    id: Port<u64>,
    keyed: Port<bool>,
    word: Port<[u32; ENTRY_WORDS]>,
    named: Port<bool>,
    way: Port<u8>,
    watches: Port<bool>,
    frees: Port<bool>,
    aside: Port<u128>,
}

/// The ports of the intake, and what was seen before the last edge.
struct Intake {
    holds: Input<bool>,
    time: Input<u64>,
    audit: Input<u8>,
    is_auditing: Input<bool>,
    may_enter: Port<bool>,
    valids: [Input<bool>; 3],
    words: [Input<[u32; ENTRY_WORDS]>; 3],
    record: RecordPorts,
    command_ready: Port<bool>,
    command_kind: Input<u8>,
    command_flags: Input<u8>,
    request: RequestPorts,
    outs: OutPorts,
    states: [Port<bool>; 2],
    took_command: bool,
    /// A clock later.
    said_taken: bool,
    is_busy: bool,
    may: bool,
    out: Option<Request>,
}

impl Agent for Intake {
    fn drive(&mut self) {}

    fn sample(&mut self, _cycle: u64) -> Result<()> {
        self.took_command = self.command_ready.get() && self.valids[1].get();
        [self.said_taken, self.is_busy] = self.states.each_ref().map(Port::get);
        self.may = self.may_enter.get();
        let outs = &self.outs;
        let aside = outs.aside.get();
        let place = u8::from(outs.named.get())
            | outs.way.get() << 1
            | u8::from(outs.watches.get()) << 3
            | u8::from(outs.frees.get()) << 4;
        self.out = outs.valid.get().then(|| Request {
            source: (aside & 3) as u8,
            command: outs.command.get(),
            flags: outs.flags.get(),
            id: outs.id.get(),
            is_keyed: outs.keyed.get(),
            word: outs.word.get(),
            place,
            tells: (aside >> 2 & 3) as u8,
            peer: (aside >> 4 & 127) as u8,
            sequence: (aside >> 11) as u64,
        });
        Ok(())
    }
}

impl Intake {
    fn new(bench: &Bench) -> Result<Intake> {
        Ok(Intake {
            holds: bench.input("holds")?,
            time: bench.input("time_us")?,
            audit: bench.input("audit")?,
            is_auditing: bench.input("is_auditing")?,
            may_enter: bench.port("may_enter")?,
            valids: [
                bench.input("record_valid")?,
                bench.input("command_valid")?,
                bench.input("request_valid")?,
            ],
            words: [bench.input("record_word")?, bench.input("command_word")?, bench.input("request_word")?],
            record: RecordPorts {
                command: bench.input("record_command")?,
                keyed: bench.input("record_keyed")?,
                id: bench.input("record_id")?,
                distance: bench.input("record_distance")?,
                peer: bench.input("record_peer")?,
                sequence: bench.input("record_sequence")?,
            },
            command_ready: bench.port("command_ready")?,
            command_kind: bench.input("command_kind")?,
            command_flags: bench.input("command_flags")?,
            request: RequestPorts {
                named: bench.input("request_named")?,
                way: bench.input("request_way")?,
                id: bench.input("request_id")?,
                keyed: bench.input("request_keyed")?,
                command: bench.input("request_command")?,
                watches: bench.input("request_watches")?,
                frees: bench.input("request_frees")?,
                tells: bench.input("request_tells")?,
            },
            outs: OutPorts {
                valid: bench.port("out_valid")?,
                command: bench.port("out_command")?,
                flags: bench.port("out_flags")?,
                id: bench.port("out_id")?,
                keyed: bench.port("out_keyed")?,
                word: bench.port("out_word")?,
                named: bench.port("out_named")?,
                way: bench.port("out_way")?,
                watches: bench.port("out_watches")?,
                frees: bench.port("out_frees")?,
                aside: bench.port("out_aside")?,
            },
            states: [bench.port("took_command")?, bench.port("is_busy")?],
            took_command: false,
            said_taken: false,
            is_busy: false,
            may: false,
            out: None,
        })
    }

    /// Draws a record, a command and a request of the window, and shows those that are there; what each
    /// must become.
    fn show(&self, random: &mut Rng, there: [bool; 3], hasher: &FlowHasher) -> [Request; 3] {
        let keys = [(); 3].map(|()| any_key(random));
        let ids = keys.map(|key| hasher.flow_id(&key).0);
        let entries = keys.map(|key| Entry {
            record: FlowRecord { key, mark: random.u32(..), ..FlowRecord::default() },
            stamp: formats::Stamp { term: formats::Term(0), version: random.u64(..1 << 20) },
            cookie: random.u32(..),
            ..Entry::default()
        });
        let mark = self.audit.get().wrapping_sub(u8::from(!self.is_auditing.get()));
        for n in 0..3 {
            self.valids[n].set(there[n]);
            self.words[n].set(layout::pack(&entries[n]));
        }
        // A record.
        let (kind, distance) = (1 << random.u8(2..8), random.u8(..));
        let (is_keyed, id) = (random.bool(), random.u64(..1 << 40));
        let (peer, sequence) = (random.u8(..128), random.u64(..));
        let record = &self.record;
        record.command.set(kind);
        record.keyed.set(is_keyed);
        record.id.set(id);
        record.distance.set(distance);
        record.peer.set(peer);
        record.sequence.set(sequence);
        let mut entry = Entry { audit: mark, ..entries[0] };
        if kind == commands::UPDATE {
            let base = entry.stamp.version.checked_sub(u64::from(distance));
            entry.ended_version = base.unwrap_or((1 << 48) - 1);
        }
        let word = layout::pack(&entry);
        let first = Request {
            source: source::RECORD,
            command: kind,
            flags: 0,
            id: if is_keyed { ids[0] } else { id },
            is_keyed,
            word,
            place: 0,
            tells: 0,
            peer,
            sequence,
        };
        // A command: stamp and audit are ours.
        let (kind, flags) = (random.u8(1..3), random.u8(..16));
        self.command_kind.set(kind);
        self.command_flags.set(flags);
        let audit = if kind == commands::DELETE { mark } else { self.audit.get() };
        let mut entry = Entry { audit, ..entries[1] };
        entry.stamp.version = self.time.get();
        let nothing = Request { peer: 0, sequence: 0, ..first };
        let second = Request {
            source: source::COMMAND,
            command: kind,
            flags,
            id: ids[1],
            is_keyed: true,
            word: layout::pack(&entry),
            ..nothing
        };
        // The window's.
        let (place, command, tells) = (random.u8(..32), random.u8(..), random.u8(..4));
        let (is_keyed, id) = (random.bool(), random.u64(..1 << 40));
        let request = &self.request;
        request.named.set(place & 1 != 0);
        request.way.set(place >> 1 & 3);
        request.id.set(id);
        request.keyed.set(is_keyed);
        request.command.set(command);
        request.watches.set(place >> 3 & 1 != 0);
        request.frees.set(place >> 4 & 1 != 0);
        request.tells.set(tells);
        let third = Request {
            source: source::WINDOW,
            command,
            id: if is_keyed { ids[2] } else { id },
            is_keyed,
            word: layout::pack(&entries[2]),
            place,
            tells,
            ..nothing
        };
        [first, second, third]
    }
}
