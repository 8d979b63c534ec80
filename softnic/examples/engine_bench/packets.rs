//! Packets: stages, and the whole engine.
//!
//! Stages are differences between what an engine does that stops after them: the parser alone; a member
//! that holds a flow without serving it parses, hashes, looks up and refuses; a packet whose edges stay
//! in their step is tracked and compared; one that crosses is digested and emitted.

use super::table::{shuffled, Pair, BATCH, SECRET};
use super::{cpu_ns, print, timed, RUNS};
use formats::register::Counter;
use formats::FlowHasher;
use softnic::parse::parse;
use softnic::Tracking;
use std::hint::black_box;

/// Passes of data and of bare acknowledgements: edges cross in every fourth or fifth.
const PASSES: usize = 21;
const PAYLOAD: u32 = 1000;
const EDGE_BITS: u32 = 12;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// Ethernet, IPv4, TCP and payload.
struct Wire(Vec<u8>);

impl Wire {
    fn new() -> Self {
        let mut bytes = vec![0; 54 + PAYLOAD as usize];
        bytes[12..14].copy_from_slice(&[8, 0]);
        bytes[14] = 0x45;
        bytes[22..24].copy_from_slice(&[64, 6]);
        bytes[46] = 0x50;
        Self(bytes)
    }

    /// Writes a packet of flow `n`.
    fn write(&mut self, n: u32, packet: Kind, numbers: [u32; 2]) {
        let client = (0x0a00_0000 + (n >> 4), 1024 + (n & 15) as u16);
        let server = (0x0a80_000a, 443);
        let (src, dst) = if packet.reply { (server, client) } else { (client, server) };
        let bytes = &mut self.0;
        bytes[16..18].copy_from_slice(&(40 + packet.payload as u16).to_be_bytes());
        bytes[26..30].copy_from_slice(&u32::to_be_bytes(src.0));
        bytes[30..34].copy_from_slice(&u32::to_be_bytes(dst.0));
        bytes[34..36].copy_from_slice(&u16::to_be_bytes(src.1));
        bytes[36..38].copy_from_slice(&u16::to_be_bytes(dst.1));
        bytes[38..42].copy_from_slice(&numbers[0].to_be_bytes());
        bytes[42..46].copy_from_slice(&numbers[1].to_be_bytes());
        bytes[47] = packet.flags;
        bytes[48..50].copy_from_slice(&60_000u16.to_be_bytes());
        bytes.truncate(54 + packet.payload as usize);
        bytes.resize(54 + packet.payload as usize, 0);
    }
}

/// A packet that each flow gets.
#[derive(Clone, Copy)]
struct Kind {
    reply: bool,
    flags: u8,
    payload: u32,
}

struct Bench {
    pair: Pair,
    wires: Vec<Wire>,
    order: Vec<u32>,
    /// Next number of client and server, the same for all flows.
    next: [u32; 2],
}

impl Bench {
    fn new(flows: u32) -> Self {
        let tracking =
            Tracking { ports: 1, trust: true, edge_bits: EDGE_BITS, aliases_max: 0, ..Tracking::default() };
        let pair = Pair::together(flows, Some(&tracking));
        let wires = (0..BATCH).map(|_| Wire::new()).collect();
        Self { pair, wires, order: shuffled(flows), next: [1_000, 900_000] }
    }

    /// One packet of each flow; returns ns per packet at the owner, and records sent per packet.
    fn pass(&mut self, kind: Kind) -> [f64; 2] {
        let (mut owner_ns, count) = (0, self.order.len() as f64);
        let side = usize::from(kind.reply);
        let numbers = [self.next[side], if kind.flags & ACK != 0 { self.next[1 - side] } else { 0 }];
        let [sent, tracked] = [Counter::RecordsEmitted, Counter::PacketsTracked];
        let before = self.pair.owner.counter(sent);
        for batch in self.order.chunks(BATCH) {
            self.wires.iter_mut().zip(batch).for_each(|(wire, n)| wire.write(*n, kind, numbers));
            let frames: Vec<&[u8]> = self.wires[..batch.len()].iter().map(|wire| &wire.0[..]).collect();
            let now = self.pair.now();
            timed(&mut owner_ns, || self.pair.owner.packets(now, 0, &frames));
            self.pair.turn(&mut owner_ns);
        }
        let owner = &self.pair.owner;
        assert_eq!(owner.counter(tracked), owner.counter(Counter::PacketsReceived));
        self.next[side] = self.next[side].wrapping_add(kind.payload + u32::from(kind.flags & SYN != 0));
        [owner_ns as f64 / count, (owner.counter(sent) - before) as f64 / count]
    }

    /// ns per packet at a member that holds the flows and serves none.
    fn refused(&mut self) -> f64 {
        let mut copy_ns = 0;
        let kind = Kind { reply: false, flags: ACK, payload: 0 };
        for batch in self.order.chunks(BATCH) {
            self.wires.iter_mut().zip(batch).for_each(|(wire, n)| wire.write(*n, kind, self.next));
            let frames: Vec<&[u8]> = self.wires[..batch.len()].iter().map(|wire| &wire.0[..]).collect();
            let now = self.pair.now();
            timed(&mut copy_ns, || self.pair.copy.packets(now, 0, &frames));
        }
        let copy = &self.pair.copy;
        assert_eq!(copy.counter(Counter::UntrackedNotOwner), copy.counter(Counter::PacketsReceived));
        copy_ns as f64 / self.order.len() as f64
    }
}

/// ns per packet of a function of the frame.
fn stage<T>(wires: &[Wire], mut run: impl FnMut(&[u8]) -> T) -> Vec<f64> {
    const ROUNDS: usize = 100;
    let round = |_| {
        let start = cpu_ns();
        for _ in 0..ROUNDS {
            wires.iter().for_each(|wire| {
                black_box(run(&wire.0));
            });
        }
        (cpu_ns() - start) as f64 / (ROUNDS * wires.len()) as f64
    };
    (0..RUNS).map(round).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

pub(super) fn measure(flows: u32, size: &str) {
    let mut bench = Bench::new(flows);
    for (reply, flags) in [(false, SYN), (true, SYN | ACK), (false, ACK)] {
        bench.pass(Kind { reply, flags, payload: 0 });
    }
    let data = Kind { reply: true, flags: ACK, payload: PAYLOAD };
    let acknowledgement = Kind { reply: false, flags: ACK, payload: 0 };
    let passes: Vec<[f64; 2]> =
        (0..2 * PASSES).map(|n| bench.pass(if n % 2 == 0 { data } else { acknowledgement })).collect();
    let parsed = stage(&bench.wires, |frame| parse(frame).is_ok());
    let hasher = FlowHasher::new(&SECRET);
    let hashed = stage(&bench.wires, |frame| parse(frame).map(|packet| hasher.flow_id(&packet.key)));
    let refused: Vec<f64> = (0..RUNS).map(|_| bench.refused()).collect();
    bench.pair.check();
    // All flows cross a step in the same pass.
    let kind = |crosses: bool| -> Vec<f64> {
        passes.iter().filter(|pass| (pass[1] > 0.5) == crosses).map(|pass| pass[0]).collect()
    };
    let (still, crossing) = (kind(false), kind(true));
    let less = |rows: &[f64], than: f64| rows.iter().map(|ns| ns - than).collect::<Vec<_>>();
    let parse_ns = print(&format!("parse, {size} flows"), "ns", &parsed);
    print(&format!("hash, {size} flows"), "ns", &less(&hashed, parse_ns));
    print(&format!("hash and look up, {size} flows"), "ns", &less(&refused, parse_ns));
    print(&format!("track and diff, {size} flows"), "ns", &less(&still, median(&refused)));
    print(&format!("digest and emit, {size} flows"), "ns", &less(&crossing, median(&still)));
    // A run holds as many crossings as its share of the stream.
    let runs: Vec<f64> = passes
        .chunks(2 * PASSES / RUNS)
        .map(|run| 1e3 * run.len() as f64 / run.iter().map(|pass| pass[0]).sum::<f64>())
        .collect();
    print(&format!("packets, {size} flows"), "M/s", &runs);
}
