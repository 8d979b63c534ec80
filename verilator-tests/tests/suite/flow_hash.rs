//! The keyed hash of the flow id against `FlowHasher`.

use super::{top, Block, Test};
use formats::flow::{Family, FlowKey};
use formats::hash::{ClusterSecret, FlowHasher};
use std::collections::VecDeque;
use verilator_tests::{expect_same, Bench, Input, Port, Result};

const LATENCY_CYCLES: u64 = hw::hash::LATENCY as u64;
const CYCLES: u64 = 100_000;

pub(crate) const BLOCK: Block = Block {
    name: "flow_hash",
    design: || top("flow_hash"),
    latency_cycles: Some(LATENCY_CYCLES),
    tests: &[
        Test { name: "random keys and secrets", seeds: 0..6, body: ids_match },
        Test { name: "tables change under way", seeds: 0..3, body: numbers_can_be_changed },
    ],
};

/// The port through which numbers are written.
pub(super) struct Numbers {
    valid: Input<bool>,
    table: Input<u8>,
    index: Input<u8>,
    number: Input<u64>,
}

impl Numbers {
    pub(super) fn new(bench: &Bench, port: &str) -> Result<Numbers> {
        Ok(Numbers {
            valid: bench.input(&format!("{port}_valid"))?,
            table: bench.input(&format!("{port}_table"))?,
            index: bench.input(&format!("{port}_index"))?,
            number: bench.input(&format!("{port}_number"))?,
        })
    }

    /// Writes every number of a hasher, with pauses in which the port carries noise.
    pub(super) fn load(&self, bench: &mut Bench, hasher: &FlowHasher) -> Result<()> {
        let tables = hasher.endpoint_tables().iter().chain(hasher.context_tables());
        for (table, numbers) in tables.enumerate() {
            for (index, number) in numbers.iter().enumerate() {
                while bench.random().u8(..) < 50 {
                    self.valid.set(false);
                    self.table.set(bench.random().u8(..64));
                    self.index.set(bench.random().u8(..16));
                    self.number.set(bench.random().u64(..1 << 40));
                    bench.cycle(&mut ())?;
                }
                self.valid.set(true);
                self.table.set(table as u8);
                self.index.set(index as u8);
                self.number.set(*number);
                bench.cycle(&mut ())?;
            }
        }
        self.valid.set(false);
        // The last number is one register away from its memory.
        bench.cycle(&mut ())
    }
}

/// The ports of the block.
struct Hash {
    numbers: Numbers,
    in_valid: Input<bool>,
    addresses: [Input<u128>; 2],
    ports: [Input<u16>; 2],
    protocol: Input<u8>,
    zone: Input<u16>,
    is_v6: Input<bool>,
    out_valid: Port<bool>,
    id: Port<u64>,
}

impl Hash {
    fn new(bench: &Bench) -> Result<Hash> {
        Ok(Hash {
            numbers: Numbers::new(bench, "write")?,
            in_valid: bench.input("in_valid")?,
            addresses: [bench.input("in_src")?, bench.input("in_dst")?],
            ports: [bench.input("in_src_port")?, bench.input("in_dst_port")?],
            protocol: bench.input("in_protocol")?,
            zone: bench.input("in_zone")?,
            is_v6: bench.input("in_is_v6")?,
            out_valid: bench.port("out_valid")?,
            id: bench.port("out_id")?,
        })
    }

    fn show(&self, key: &FlowKey) {
        self.addresses[0].set(key.src);
        self.addresses[1].set(key.dst);
        self.ports[0].set(key.src_port);
        self.ports[1].set(key.dst_port);
        self.protocol.set(key.protocol);
        self.zone.set(key.zone);
        self.is_v6.set(key.family == Family::V6);
    }

    /// Random keys, most cycles with one; each id comes when it is due and never without a key.
    fn compare(&self, bench: &mut Bench, hasher: &FlowHasher, cycles: u64) -> Result<()> {
        let mut due = VecDeque::new();
        for _ in 0..cycles {
            let key = key(bench);
            let is_valid = bench.random().u8(..) < 200;
            self.show(&key);
            self.in_valid.set(is_valid);
            due.push_back(is_valid.then(|| hasher.flow_id(&key).0));
            bench.cycle(&mut ())?;
            if due.len() as u64 == LATENCY_CYCLES {
                let found = self.out_valid.get().then(|| self.id.get());
                expect_same("the id", found, due.pop_front().flatten())?;
            }
        }
        self.in_valid.set(false);
        for _ in 0..LATENCY_CYCLES {
            bench.cycle(&mut ())?;
        }
        expect_same("an id without a key", self.out_valid.get(), false)
    }
}

/// Any key: sparse and full addresses, and upper bytes under IPv4, which must not count.
fn key(bench: &mut Bench) -> FlowKey {
    let random = bench.random();
    let mut address = || match random.u8(..4) {
        0 => 0,
        1 => random.u128(..) & 0xffff_ffff,
        _ => random.u128(..),
    };
    let (src, dst) = (address(), address());
    FlowKey {
        src,
        dst,
        src_port: random.u16(..),
        dst_port: random.u16(..),
        zone: random.u16(..),
        protocol: random.u8(..),
        family: if random.bool() { Family::V6 } else { Family::V4 },
    }
}

fn hasher(bench: &mut Bench) -> Box<FlowHasher> {
    let mut secret = [0; 32];
    bench.random().fill(&mut secret);
    Box::new(FlowHasher::new(&ClusterSecret(secret)))
}

fn ids_match(bench: &mut Bench) -> Result<()> {
    let hash = Hash::new(bench)?;
    expect_same("an id after reset", hash.out_valid.get(), false)?;
    let hasher = hasher(bench);
    hash.numbers.load(bench, &hasher)?;
    hash.compare(bench, &hasher, CYCLES)
}

/// A second secret replaces the first whole.
fn numbers_can_be_changed(bench: &mut Bench) -> Result<()> {
    let hash = Hash::new(bench)?;
    for _ in 0..3 {
        let hasher = hasher(bench);
        hash.numbers.load(bench, &hasher)?;
        hash.compare(bench, &hasher, 1_000)?;
    }
    Ok(())
}
