//! Registers behind AXI4-Lite, by hand.

use super::{Block, Test};
use verilator_tests::{expect_same, Bench, Design, LiteMaster, Response, Result, Stalls};

pub(crate) const TEXT: &str = include_str!("../verilog/registers.v");

pub(crate) const BLOCK: Block = Block {
    name: "registers",
    design: || registers(TEXT),
    latency_cycles: None,
    tests: &[
        Test { name: "one after the other", seeds: 0..8, body: registers_hold },
        Test { name: "many at once", seeds: 0..8, body: requests_queue },
        Test { name: "full speed", seeds: 0..1, body: one_a_clock },
    ],
};

pub(crate) fn registers(text: impl Into<String>) -> Design {
    Design::new("registers", text).reset("resetn", false)
}

fn lite(bench: &mut Bench) -> Result<LiteMaster> {
    LiteMaster::new(bench, "s_axil", |bench| Stalls::drawn(bench.fork_random()))
}

/// Random writes of some bytes and reads, one after the other, against four numbers.
pub(crate) fn registers_hold(bench: &mut Bench) -> Result<()> {
    let mut master = lite(bench)?;
    let mut model = [0u32; 4];
    for _ in 0..300 {
        let (address, data) = (4 * bench.random().u64(0..5), bench.random().u32(..));
        let expected = if address < 16 { Response::Okay } else { Response::DecodeError };
        if bench.random().bool() {
            let strobe = bench.random().u8(..16);
            master.push_write(address, data.into(), strobe);
            let mut written = None;
            bench.run_until(&mut &mut master, 1_000, |master| {
                written = written.or_else(|| master.next_written());
                written.is_some()
            })?;
            expect_same("the answer to a write", written, Some(expected))?;
            if let Some(register) = model.get_mut(address as usize / 4) {
                let mask = (0..4).filter(|k| strobe >> k & 1 == 1).fold(0, |mask, k| mask | 0xff << (8 * k));
                *register = *register & !mask | data & mask;
            }
        } else {
            let (value, response) = master.read(bench, &mut (), address)?;
            expect_same("the answer to a read", response, expected)?;
            if let Some(register) = model.get(address as usize / 4) {
                expect_same("a register", value, (*register).into())?;
            }
        }
    }
    Ok(())
}

/// Many requests at once; every one is answered.
pub(crate) fn requests_queue(bench: &mut Bench) -> Result<()> {
    let mut master = lite(bench)?;
    for n in 0..100 {
        master.push_write(4 * (n % 4), n, 15);
        master.push_read(4 * (n % 5));
    }
    let (mut written, mut read) = (0, 0);
    bench.run_until(&mut &mut master, 50_000, |master| {
        written += u32::from(master.next_written().is_some());
        read += u32::from(master.next_read().is_some());
        (written, read) == (100, 100)
    })?;
    assert_eq!(master.read(bench, &mut (), 8)?, (98, Response::Okay));
    assert_eq!(master.write(bench, &mut (), 8, 0xffff_ffff)?, Response::Okay);
    assert_eq!(master.read(bench, &mut (), 8)?, (0xffff_ffff, Response::Okay));
    Ok(())
}

/// Without stalls, a write and a read are done each cycle.
fn one_a_clock(bench: &mut Bench) -> Result<()> {
    let mut master = LiteMaster::new(bench, "s_axil", |_| Stalls::never())?;
    for n in 0..100 {
        master.push_write(4 * (n % 4), n, 15);
        master.push_read(4 * (n % 4));
    }
    let (mut written, mut read) = (0, 0);
    bench.run_until(&mut &mut master, 102, |master| {
        written += u32::from(master.next_written().is_some());
        read += u32::from(master.next_read().is_some());
        (written, read) == (100, 100)
    })
}
