//! Matrices over GF(2): both bodies of the text, a small matrix and the CRC-32 of a 512-bit beat.

use super::{Block, Test};
use hw::crc::CRC_BITS;
use hw::prim::{Rows, XorMatrix};
use verilator_tests::{expect_same, Bench, Design, Result};

/// Cycles of each run.
const CYCLES: u64 = 100_000;
/// Bytes of a beat.
const BEAT_BYTES: usize = 64;
const CRC_INPUTS: usize = CRC_BITS + 8 * BEAT_BYTES;

pub(crate) const XOR_TABLES: Block = Block {
    name: "xor_tables",
    design: || one_body("matrix", &hw::export("matrix", &mut XorMatrix::<70, 33>::new(rows())), true),
    latency_cycles: Some(0),
    tests: &[Test { name: "random words", seeds: 0..3, body: sums_match }],
};

/// The body for synthesis, shown to Verilator.
pub(crate) const XOR_SUMS: Block = Block {
    name: "xor_sums",
    design: || one_body("matrix", &hw::export("matrix", &mut XorMatrix::<70, 33>::new(rows())), false),
    ..XOR_TABLES
};

pub(crate) const CRC_TABLES: Block = Block {
    name: "crc_tables",
    design: || one_body("crc32", &hw::tops::verilog("crc32"), true),
    latency_cycles: Some(0),
    tests: &[Test { name: "random beats", seeds: 0..3, body: checksums_match }],
};

pub(crate) const CRC_SUMS: Block = Block {
    name: "crc_sums",
    design: || one_body("crc32", &hw::tops::verilog("crc32"), false),
    ..CRC_TABLES
};

/// The text of a matrix with the one body or the other.
fn one_body(top: &str, text: &str, with_tables: bool) -> Design {
    let (head, rest) = text.split_once("`ifdef VERILATOR\n").expect("two bodies");
    let (tables, rest) = rest.split_once("`else\n").expect("two bodies");
    let (sums, end) = rest.split_once("`endif\n").expect("two bodies");
    let body = if with_tables { tables } else { sums };
    Design::new(top, format!("{head}{body}{end}")).clock("").without_reset()
}

/// A fixed matrix with an empty row and a full one.
fn rows() -> Rows {
    let mut random = fastrand::Rng::with_seed(7);
    let row = |output| match output {
        0 => Vec::new(),
        1 => (0..70).collect(),
        _ => (0..70).filter(|_| random.bool()).collect(),
    };
    (0..33).map(row).collect()
}

/// The checksum of frames of random beats, as `crc32fast` has it.
fn checksums_match(bench: &mut Bench) -> Result<()> {
    let (x, y) = (bench.input::<[u8; CRC_INPUTS / 8]>("x")?, bench.port::<u32>("y")?);
    let mut checksum = 0;
    for cycle in 0..CYCLES {
        if cycle % 16 == 0 {
            checksum = bench.random().u32(..);
        }
        let mut input = [0; CRC_INPUTS / 8];
        bench.random().fill(&mut input[4..]);
        input[..4].copy_from_slice(&(!checksum).to_le_bytes());
        x.set(input);
        bench.cycle(&mut ())?;
        let mut hasher = crc32fast::Hasher::new_with_initial(checksum);
        hasher.update(&input[4..]);
        checksum = hasher.finalize();
        expect_same("the checksum", !y.get(), checksum)?;
    }
    Ok(())
}

fn sums_match(bench: &mut Bench) -> Result<()> {
    let (x, y) = (bench.input::<u128>("x")?, bench.port::<u64>("y")?);
    let masks: Vec<u128> = rows().iter().map(|row| row.iter().fold(0, |mask, bit| mask | 1 << bit)).collect();
    for _ in 0..CYCLES {
        let word = bench.random().u128(..1 << 70);
        x.set(word);
        bench.cycle(&mut ())?;
        let sum = |(bit, mask): (usize, &u128)| u64::from((word & mask).count_ones() & 1) << bit;
        expect_same("the sums", y.get(), masks.iter().enumerate().map(sum).sum::<u64>())?;
    }
    Ok(())
}
