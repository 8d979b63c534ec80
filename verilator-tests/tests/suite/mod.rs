//! Every block with its tests: what the gate runs, the benches measure and mutations must not survive.
//!
//! A test returns what it finds (it does not panic) and ends by itself, whatever the block does. It finds a
//! block that worked on noise and was reset: a reset that is missing shows.
//! So do several beginnings of the test before it, each cut off by the next reset while the block is busy.

pub(crate) mod aligner;
pub(crate) mod bucket_sums;
mod captures;
pub(crate) mod card;
pub(crate) mod copier;
mod copies;
pub(crate) mod counters;
pub(crate) mod csr;
pub(crate) mod decode;
pub(crate) mod egress;
mod engine;
pub(crate) mod engine_parts;
pub(crate) mod expander;
pub(crate) mod flow_digest;
pub(crate) mod flow_hash;
pub(crate) mod flows;
pub(crate) mod framer;
mod host;
pub(crate) mod ingress;
pub(crate) mod ingress_parts;
mod intake;
pub(crate) mod joined;
mod late;
pub(crate) mod map;
mod mixed;
pub(crate) mod out_buffer;
pub(crate) mod outbound;
pub(crate) mod pool;
pub(crate) mod prim;
pub(crate) mod record;
mod records;
pub(crate) mod registers;
pub(crate) mod sample;
pub(crate) mod slice;
pub(crate) mod sweeper;
pub(crate) mod table;
pub(crate) mod taker;
pub(crate) mod tally;
pub(crate) mod traffic;
pub(crate) mod xor;

use std::ops::Range;
use verilator_tests::{Bench, Design, Failed, Initial, Result};

/// One block.
pub(crate) struct Block {
    pub(crate) name: &'static str,
    pub(crate) design: fn() -> Design,
    /// Input to output with nothing in the way; a test holds the block to it.
    pub(crate) latency_cycles: Option<u64>,
    /// The first one is also how speed is measured.
    pub(crate) tests: &'static [Test],
}

/// One test of a block.
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) seeds: Range<u64>,
    pub(crate) body: fn(&mut Bench) -> Result<()>,
}

/// A top of the crate `hw` as it leaves it.
pub(crate) fn top(name: &str) -> Design {
    Design::new(name, hw::tops::verilog(name))
}

/// Cycles of noise before a test.
const UPSET_CYCLES: u64 = 100;

/// Beginnings of a test before the whole.
const BEGINNINGS: u32 = 8;
/// Any of them is shorter than one of these powers of two, each as likely: some end while a block still clears
/// itself, some late.
const BEGINNING_BITS: std::ops::RangeInclusive<u32> = 4..=12;

/// Every block.
pub(crate) const BLOCKS: &[Block] = &[
    slice::BLOCK,
    registers::BLOCK,
    copier::BLOCK,
    prim::SKID,
    prim::FIFO,
    prim::DELAY_LINE,
    prim::LUT_MEMORY,
    prim::TWIN_MEMORY,
    prim::MEMORY,
    prim::LOOP_MEMORY,
    prim::PACED_MEMORY,
    prim::MULTIPLIER,
    prim::ARBITER,
    prim::WIRES,
    xor::XOR_TABLES,
    xor::XOR_SUMS,
    xor::CRC_TABLES,
    xor::CRC_SUMS,
    flow_hash::BLOCK,
    expander::BLOCK,
    table::SAME_FLOW,
    table::TAGS,
    table::TABLE,
    flows::DIFFERENCE,
    flows::FLOWS,
    record::BLOCK,
    outbound::BLOCK,
    engine_parts::RECEIVE,
    intake::INTAKE,
    engine_parts::DIRTY,
    engine_parts::EMITTED,
    joined::ENGINE,
    out_buffer::BLOCK,
    framer::FRAMER_512,
    framer::FRAMER_256,
    framer::FRAMER_128,
    flow_digest::BLOCK,
    bucket_sums::BLOCK,
    tally::BLOCK,
    map::MARKS,
    map::MAP,
    taker::told::TOLD,
    taker::TAKER,
    taker::TAKER_9,
    taker::TAKER_14,
    counters::BLOCK,
    csr::BLOCK,
    decode::VERDICT,
    decode::BLOCK,
    ingress_parts::FRAME_CRC,
    ingress_parts::FRAME_CRC_128,
    ingress_parts::HEADER_CHECK,
    ingress_parts::PEER_TABLE,
    ingress_parts::FRAME_STORE,
    aligner::ALIGNER,
    ingress::INGRESS,
    ingress::INGRESS_256,
    ingress::INGRESS_128,
    sweeper::SWEEPER,
    sweeper::SWEEPER_9,
    sweeper::SWEEPER_12,
    pool::PAGES,
    pool::POOL_512,
    pool::POOL_128,
    egress::EGRESS_512,
    egress::EGRESS_128,
    engine_parts::AMOUNTS,
    card::CARD_512,
    card::CARD_128,
];

impl Block {
    /// The block as it is tested.
    pub(crate) fn design(&self) -> Design {
        (self.design)().initial(Initial::Random)
    }

    /// Runs every test.
    pub(crate) fn check(&self) -> std::result::Result<(), Failed> {
        let design = self.design();
        self.tests.iter().try_for_each(|test| {
            println!("{}: {}, seeds {:?}", self.name, test.name, test.seeds);
            design.run(test.seeds.clone(), |bench| test.run(bench))
        })
    }
}

impl Test {
    /// Runs it.
    pub(crate) fn run(&self, bench: &mut Bench) -> Result<()> {
        bench.upset(UPSET_CYCLES)?;
        for _ in 0..BEGINNINGS {
            let bits = bench.random().u32(BEGINNING_BITS);
            let cycles = bench.random().u64(..1 << bits);
            bench.begin(cycles, self.body)?;
            bench.upset(0)?;
        }
        (self.body)(bench)
    }
}
