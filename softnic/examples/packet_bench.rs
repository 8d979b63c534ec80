//! Time per packet: `cargo run --release -p trine-softnic --example packet_bench`.
//!
//! The median of all batches of 256 packets, so that other work on the machine does not count. Flows come
//! in random order; each packet's five-tuple and numbers are written before it is taken, which is timed
//! with it. "whole" is what [`softnic::Softnic::packets`] does and the frames of one copy; what the copy
//! does is not counted.

use formats::descriptor::{Command, Roles};
use formats::limits::*;
use formats::{ClusterSecret, FlowHasher, Groups, Term};
use softnic::parse::parse;
use softnic::{Config, Now, Softnic, Tracking};
use std::hint::black_box;
use std::time::Instant;

const PASSES: usize = 5;
/// Packets between two turns.
const BATCH: u32 = 256;
/// Time of a batch: 5.12 M packets/s, to which the background passes belong.
const TURN_US: u64 = 50;
const PAYLOAD: u32 = 1000;
const EDGE_BITS: u32 = 12;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const SECRET: ClusterSecret = ClusterSecret([7; 32]);

fn config(member: u8, flows: u32) -> Config {
    Config {
        member,
        cluster: 1,
        secret: SECRET,
        session: 1000 + u64::from(member),
        peers: vec![1 - member],
        ports: 1,
        macs: [[2; 6]; PORTS_MAX],
        s_tag: 100,
        c_tag: 10,
        frame_size: 9000,
        // Eight ways, half full.
        set_bits: (flows / 4).ilog2().max(BUCKET_BITS),
        ways: 8,
        overflow_max: flows as usize / 8,
        beat_us: 1_000_000,
        late_us: 10_000_000,
        silent_us: 50_000_000,
        host_alive_us: 1_000_000_000,
        digest_us: u64::MAX,
        replicate: Groups::ALL,
        events_max: 1 << 16,
        queue_frames_max: 4096,
        omissions: Default::default(),
    }
}

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

    /// Writes a packet of flow `n`; returns it.
    #[inline]
    fn packet(&mut self, n: u32, reply: bool, flags: u8, numbers: [u32; 2], payload: u32) -> &[u8] {
        let client = (0x0a00_0000 + (n >> 4), 1024 + (n & 15) as u16);
        let (src, dst) = if reply { ((0x0a80_000a, 443), client) } else { (client, (0x0a80_000a, 443)) };
        let bytes = &mut self.0;
        bytes[16..18].copy_from_slice(&(40 + payload as u16).to_be_bytes());
        bytes[26..30].copy_from_slice(&u32::to_be_bytes(src.0));
        bytes[30..34].copy_from_slice(&u32::to_be_bytes(dst.0));
        bytes[34..36].copy_from_slice(&u16::to_be_bytes(src.1));
        bytes[36..38].copy_from_slice(&u16::to_be_bytes(dst.1));
        bytes[38..42].copy_from_slice(&numbers[0].to_be_bytes());
        bytes[42..46].copy_from_slice(&numbers[1].to_be_bytes());
        bytes[47] = flags;
        bytes[48..50].copy_from_slice(&60_000u16.to_be_bytes());
        &bytes[..54 + payload as usize]
    }
}

struct Bench {
    owner: Softnic,
    copy: Softnic,
    now_us: u64,
    wires: Vec<Wire>,
    order: Vec<u32>,
    /// Next number of client and server, the same for all flows.
    next: [u32; 2],
}

impl Bench {
    fn new(flows: u32) -> Self {
        let now = Now { local_us: 0, cluster_us: 1_000_000 };
        let [mut owner, mut copy] = [0, 1].map(|member| {
            let mut engine = Softnic::new(config(member, flows), now);
            let aliases_max = 0;
            engine.track(Tracking {
                ports: 1,
                trust: true,
                edge_bits: EDGE_BITS,
                aliases_max,
                ..Tracking::default()
            });
            engine
        });
        owner.command(now, &Command::Peer { peer: 1, session: 1001 });
        copy.command(now, &Command::Peer { peer: 0, session: 1000 });
        let term = Term::new(1, 0).expect("small");
        let (count, remote) = (BUCKETS_COUNT as u16, MEMBER_NONE);
        owner.command(
            now,
            &Command::Map(Roles { bucket: 0, count, term, owner: 0, backup: 1, remote, successor: 1 }),
        );
        let mut order: Vec<u32> = (0..flows).collect();
        let mut state = 1u64;
        for at in (1..order.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(at, (state >> 33) as usize % (at + 1));
        }
        let mut bench = Self {
            owner,
            copy,
            now_us: 0,
            wires: (0..BATCH).map(|_| Wire::new()).collect(),
            order,
            next: [1_000, 900_000],
        };
        (0..2_000).for_each(|_| bench.introduce());
        bench
    }

    fn introduce(&mut self) {
        self.turn();
    }

    fn now(&self) -> Now {
        Now { local_us: self.now_us, cluster_us: 1_000_000 + self.now_us }
    }

    /// Carries everything both ways; returns the seconds of the owner's sending.
    fn turn(&mut self) -> f64 {
        self.now_us += TURN_US;
        let now = self.now();
        let mut frames = Vec::new();
        let start = Instant::now();
        self.owner.poll(now);
        self.owner.transmit(now, &mut |_, bytes| frames.push(bytes.to_vec()));
        let seconds = start.elapsed().as_secs_f64();
        frames.iter().for_each(|bytes| self.copy.receive(now, 0, bytes));
        self.copy.poll(now);
        while self.copy.next_event().is_some() {}
        let mut answers = Vec::new();
        self.copy.transmit(now, &mut |_, bytes| answers.push(bytes.to_vec()));
        answers.iter().for_each(|bytes| self.owner.receive(now, 0, bytes));
        while self.owner.next_event().is_some() {}
        seconds
    }

    /// One packet of each flow; returns ns per packet, and records sent per packet.
    fn pass(&mut self, reply: bool, flags: u8, payload: u32) -> [f64; 2] {
        let sent = self.owner.counter(formats::register::Counter::RecordsEmitted);
        let side = usize::from(reply);
        let numbers = [self.next[side], if flags & ACK != 0 { self.next[1 - side] } else { 0 }];
        let order = std::mem::take(&mut self.order);
        let mut batches = Vec::new();
        for batch in order.chunks(BATCH as usize) {
            let now = self.now();
            let start = Instant::now();
            let wires = self.wires.iter_mut().zip(batch);
            let frames: Vec<&[u8]> =
                wires.map(|(wire, n)| wire.packet(*n, reply, flags, numbers, payload)).collect();
            self.owner.packets(now, 0, &frames);
            let packets_s = start.elapsed().as_secs_f64();
            batches.push((packets_s + self.turn()) * 1e9 / batch.len() as f64);
        }
        let tracked = self.owner.counter(formats::register::Counter::PacketsTracked);
        assert_eq!(tracked, self.owner.counter(formats::register::Counter::PacketsReceived));
        self.order = order;
        self.next[side] = self.next[side].wrapping_add(payload + u32::from(flags & SYN != 0));
        let packets = self.order.len() as f64;
        let sent = self.owner.counter(formats::register::Counter::RecordsEmitted) - sent;
        [median(batches), sent as f64 / packets]
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(name: &str, [ns, records]: [f64; 2]) {
    println!("  {name:<34}{ns:>8.1} ns{:>8.2} M/s{records:>8.2} records a packet", 1e3 / ns);
}

/// ns per packet of a function of the frame.
fn stage<T>(flows: u32, mut run: impl FnMut(&[u8]) -> T) -> [f64; 2] {
    let mut wire = Wire::new();
    let mut batches = Vec::new();
    for from in (0..flows).step_by(BATCH as usize) {
        let start = Instant::now();
        for n in from..from + BATCH {
            black_box(run(wire.packet(n, n & 1 == 1, ACK, [n, n], PAYLOAD)));
        }
        batches.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH));
    }
    [median(batches), 0.0]
}

fn bench(flows: u32) {
    println!("{flows} flows");
    let hasher = FlowHasher::new(&SECRET);
    print("write the packet", stage(flows, <[u8]>::len));
    print("parse", stage(flows, parse));
    print("parse and hash", stage(flows, |frame| hasher.flow_id(&parse(frame).expect("TCP").key)));
    let mut bench = Bench::new(flows);
    print("whole: SYN of a new flow", bench.pass(false, SYN, 0));
    print("whole: SYN-ACK", bench.pass(true, SYN | ACK, 0));
    print("whole: ACK that establishes", bench.pass(false, ACK, 0));
    let mut rows = [(); 2].map(|()| Vec::new());
    for _ in 0..2 * PASSES {
        for (row, (reply, payload)) in [(true, PAYLOAD), (false, 0)].into_iter().enumerate() {
            rows[row].push(bench.pass(reply, ACK, payload));
        }
    }
    // All flows cross a step in the same pass: passes without a crossing apart.
    let still = |row: &[[f64; 2]]| row.iter().map(|pass| pass[0]).fold(f64::MAX, f64::min);
    let mean = |row: &[[f64; 2]], at: usize| row.iter().map(|pass| pass[at]).sum::<f64>() / row.len() as f64;
    for (name, row) in ["1,000 B of data", "bare ACK"].iter().zip(&rows) {
        print(&format!("whole: {name}, no crossing"), [still(row), 0.0]);
        print(&format!("whole: {name}, mean"), [mean(row, 0), mean(row, 1)]);
    }
    let both: Vec<_> = rows.concat();
    print("whole: data and ACK, mean", [mean(&both, 0), mean(&both, 1)]);
    println!("  {} B of table per flow", bench.owner.memory_bytes() / flows as usize);
    assert_eq!(bench.owner.balance(), Ok(()));
    assert_eq!(bench.copy.balance(), Ok(()));
}

fn main() {
    bench(16 << 10);
    bench(1 << 20);
}
