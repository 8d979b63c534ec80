//! The digest of a flow against `FlowDigester` on the image of its record.

use super::{top, Block, Test};
use formats::flow::{Edges, Groups};
use formats::hash::{ClusterSecret, FlowDigester, DIGEST_WORDS};
use hw::layout::{flag, pack, unpack, Entry, ENTRY_BITS, ENTRY_WORDS};
use std::collections::VecDeque;
use verilator_tests::{expect_same, Bench, Input, Port, Result};

const LATENCY_CYCLES: u64 = hw::digest::LATENCY as u64;
const CYCLES: u64 = 60_000;
/// Entries under one setting.
const RUN_CYCLES: u64 = 200;

pub(crate) const BLOCK: Block = Block {
    name: "flow_digest",
    design: || top("flow_digest"),
    latency_cycles: Some(LATENCY_CYCLES),
    tests: &[
        Test { name: "random entries under one setting", seeds: 0..6, body: contributions_match },
        Test { name: "settings and keys change", seeds: 0..4, body: settings_can_be_changed },
        Test { name: "what is on its way is lost by a reset", seeds: 0..4, body: reset_empties },
    ],
};

/// What the image depends on.
#[derive(Clone, Copy)]
pub(super) struct Setting {
    pub(super) replicate: u8,
    pub(super) edge_bits: u8,
}

impl Setting {
    /// All groups, and edges as they are.
    pub(super) const WHOLE: Setting = Setting { replicate: 0xff, edge_bits: 0 };
}

/// The ports of keys and setting.
pub(super) struct Keys {
    write: Input<bool>,
    index: Input<u8>,
    key: Input<u32>,
    replicate: Input<u8>,
    edge_bits: Input<u8>,
}

/// The ports of the block.
struct Digest {
    keys: Keys,
    in_valid: Input<bool>,
    in_entry: Input<[u32; ENTRY_WORDS]>,
    out_valid: Port<bool>,
    out_live: Port<bool>,
    out_digest: Port<u64>,
}

impl Keys {
    pub(super) fn new(bench: &Bench, port: &str) -> Result<Keys> {
        Ok(Keys {
            write: bench.input(&format!("{port}_valid"))?,
            index: bench.input(&format!("{port}_index"))?,
            key: bench.input(&format!("{port}_key"))?,
            replicate: bench.input("replicate")?,
            edge_bits: bench.input("edge_bits")?,
        })
    }

    /// Writes every key, with pauses in which the port carries noise, and shows the setting.
    pub(super) fn load(&self, bench: &mut Bench, digester: &FlowDigester, setting: Setting) -> Result<()> {
        self.replicate.set(setting.replicate);
        self.edge_bits.set(setting.edge_bits);
        assert_eq!(digester.keys().len(), DIGEST_WORDS);
        for (index, key) in digester.keys().iter().enumerate() {
            while bench.random().u8(..) < 100 {
                self.write.set(false);
                self.index.set(bench.random().u8(..64));
                self.key.set(bench.random().u32(..));
                bench.cycle(&mut ())?;
            }
            self.write.set(true);
            self.index.set(index as u8);
            self.key.set(*key);
            bench.cycle(&mut ())?;
        }
        // A number that no key has.
        self.index.set(bench.random().u8(DIGEST_WORDS as u8..64));
        self.key.set(bench.random().u32(..));
        bench.cycle(&mut ())?;
        self.write.set(false);
        Ok(())
    }
}

impl Digest {
    fn new(bench: &Bench) -> Result<Digest> {
        Ok(Digest {
            keys: Keys::new(bench, "write")?,
            in_valid: bench.input("in_valid")?,
            in_entry: bench.input("in_entry")?,
            out_valid: bench.port("out_valid")?,
            out_live: bench.port("out_live")?,
            out_digest: bench.port("out_digest")?,
        })
    }

    /// Random entries, most cycles with one; each contribution comes when it is due, and none otherwise.
    fn compare(
        &self,
        bench: &mut Bench,
        digester: &FlowDigester,
        setting: Setting,
        cycles: u64,
    ) -> Result<()> {
        let mut due = VecDeque::new();
        for cycle in 0..cycles + LATENCY_CYCLES {
            let words = entry(bench);
            let is_valid = cycle < cycles && bench.random().u8(..) < 230;
            self.in_valid.set(is_valid);
            self.in_entry.set(words);
            due.push_back(is_valid.then(|| contribution(digester, setting, &unpack(&words))));
            bench.cycle(&mut ())?;
            if due.len() as u64 == LATENCY_CYCLES {
                let found = self.out_valid.get().then(|| (self.out_live.get(), self.out_digest.get()));
                expect_same("the contribution", found, due.pop_front().flatten())?;
            }
        }
        Ok(())
    }
}

/// Whether the entry is live and what it contributes.
pub(super) fn contribution(digester: &FlowDigester, setting: Setting, entry: &Entry) -> (bool, u64) {
    if entry.flags & flag::LIVE == 0 {
        return (false, 0);
    }
    let mask = ((1u64 << setting.edge_bits) - 1) as u32;
    let up = |edge: u32| edge.wrapping_add(mask) & !mask;
    let mut image = entry.record;
    image.groups = Groups(image.groups.0 & setting.replicate);
    image.edges = image.edges.map(|edges| Edges { end: up(edges.end), max_end: up(edges.max_end) });
    (true, digester.flow_digest(&image))
}

/// Any bits, or few ones, or few zeros; mostly live, mostly with most groups.
pub(super) fn entry(bench: &mut Bench) -> [u32; ENTRY_WORDS] {
    let random = bench.random();
    let shape = random.u8(..4);
    let mut words = [0u32; ENTRY_WORDS].map(|_| match shape {
        0 => random.u32(..) & random.u32(..) & random.u32(..),
        1 => random.u32(..) | random.u32(..) | random.u32(..),
        _ => random.u32(..),
    });
    words[ENTRY_WORDS - 1] &= u32::MAX >> (32 * ENTRY_WORDS - ENTRY_BITS);
    if random.u8(..) < 200 {
        let mut entry = unpack(&words);
        entry.flags |= flag::LIVE;
        if random.bool() {
            entry.record.groups = Groups(entry.record.groups.0 | random.u8(..));
        }
        words = pack(&entry);
    }
    words
}

pub(super) fn digester(bench: &mut Bench) -> Box<FlowDigester> {
    let mut secret = [0; 32];
    bench.random().fill(&mut secret);
    Box::new(FlowDigester::new(&ClusterSecret(secret)))
}

/// Any groups and steps: also those that no agent sets.
pub(super) fn setting(bench: &mut Bench) -> Setting {
    let random = bench.random();
    let replicate = if random.bool() { 0xff } else { random.u8(..) };
    let edge_bits = if random.u8(..4) == 0 { 0 } else { random.u8(..32) };
    Setting { replicate, edge_bits }
}

fn contributions_match(bench: &mut Bench) -> Result<()> {
    let digest = Digest::new(bench)?;
    expect_same("a contribution after reset", digest.out_valid.get(), false)?;
    let (digester, setting) = (digester(bench), setting(bench));
    digest.keys.load(bench, &digester, setting)?;
    digest.compare(bench, &digester, setting, CYCLES)
}

fn settings_can_be_changed(bench: &mut Bench) -> Result<()> {
    let digest = Digest::new(bench)?;
    for _ in 0..100 {
        let (digester, setting) = (digester(bench), setting(bench));
        digest.keys.load(bench, &digester, setting)?;
        digest.compare(bench, &digester, setting, RUN_CYCLES)?;
    }
    Ok(())
}

fn reset_empties(bench: &mut Bench) -> Result<()> {
    let digest = Digest::new(bench)?;
    for _ in 0..20 {
        digest.in_valid.set(true);
        for _ in 0..bench.random().u64(1..2 * LATENCY_CYCLES) {
            digest.in_entry.set(entry(bench));
            bench.cycle(&mut ())?;
        }
        bench.reset()?;
        digest.in_valid.set(false);
        for _ in 0..LATENCY_CYCLES {
            expect_same("a contribution of before the reset", digest.out_valid.get(), false)?;
            bench.cycle(&mut ())?;
        }
    }
    Ok(())
}
