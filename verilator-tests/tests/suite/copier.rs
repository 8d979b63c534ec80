//! A copier behind AXI4, by hand.

use super::{Block, Test};
use verilator_tests::{expect_same, AxiMemory, Bench, Design, Result, Stalls};

pub(crate) const TEXT: &str = include_str!("../verilog/copier.v");
/// Where the memory begins, and its bytes.
const BASE: u64 = 0x4000_0000;
const BYTES: usize = 32 * 1024;
const BURST_BYTES: usize = 128;

pub(crate) const BLOCK: Block = Block {
    name: "copier",
    design: || copier(TEXT),
    latency_cycles: None,
    tests: &[Test { name: "random copies", seeds: 0..8, body: copies_arrive }],
};

pub(crate) fn copier(text: impl Into<String>) -> Design {
    Design::new("copier", text)
}

/// Each copy changes its target and nothing else.
pub(crate) fn copies_arrive(bench: &mut Bench) -> Result<()> {
    let mut model = vec![0; BYTES];
    bench.random().fill(&mut model);
    let drawn = |bench: &mut Bench| Stalls::drawn(bench.fork_random());
    let mut memory = AxiMemory::new(bench, "m_axi", BASE, model.clone(), drawn)?;
    let (start, busy) = (bench.input::<bool>("start")?, bench.port::<bool>("busy")?);
    let (source, target) = (bench.input::<u32>("source")?, bench.input::<u32>("target")?);
    let bursts = bench.input::<u8>("bursts")?;
    for _ in 0..20 {
        for _ in 0..bench.random().u8(..50) {
            bench.cycle(&mut memory)?;
            expect_same("busy without a start", busy.get(), false)?;
        }
        let random = bench.random();
        let count = random.usize(1..20);
        let places = BYTES / BURST_BYTES - count;
        let (from, to) = (random.usize(0..=places) * BURST_BYTES, random.usize(0..=places) * BURST_BYTES);
        source.set(BASE as u32 + from as u32);
        target.set(BASE as u32 + to as u32);
        bursts.set(count as u8);
        start.set(true);
        bench.cycle(&mut memory)?;
        start.set(false);
        bench.run_until(&mut memory, 100_000, |_| !busy.get())?;
        // Burst by burst, as an overlap shows.
        for at in (0..count * BURST_BYTES).step_by(BURST_BYTES) {
            model.copy_within(from + at..from + at + BURST_BYTES, to + at);
        }
        expect_same("whether the memory is right", memory.bytes() == model, true)?;
    }
    Ok(())
}
