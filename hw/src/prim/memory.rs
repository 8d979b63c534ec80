//! Memories: in look-up tables (read at once) and in block RAM (read in two cycles).
//!
//! Reading an address in the cycle in which it is written gives anything in [`Memory`]: who needs the new
//! value forwards it. Without that promise synthesis would build forwarding of its own into the slow path
//! behind the RAM.

use rust_hdl::prelude::*;

/// 2^A words of W bits in look-up tables. Timing: written at the clock, read without one.
#[derive(LogicBlock, Default)]
pub struct LutMemory<const W: usize, const A: usize> {
    /// The clock of writes.
    pub clock: Signal<In, Clock>,
    /// Writes at this clock.
    pub write: Signal<In, Bit>,
    /// Where.
    pub write_address: Signal<In, Bits<A>>,
    /// What.
    pub write_data: Signal<In, Bits<W>>,
    /// What to read.
    pub address: Signal<In, Bits<A>>,
    /// The word there.
    pub data: Signal<Out, Bits<W>>,
}

impl<const W: usize, const A: usize> Logic for LutMemory<W, A> {
    // Judged as Verilog only: rust-hdl's simulator sees no memory here.
    fn update(&mut self) {}

    fn connect(&mut self) {
        self.data.connect();
    }

    fn hdl(&self) -> Verilog {
        let (high, last) = (W - 1, (1usize << A) - 1);
        Verilog::Custom(format!(
            "(* ram_style = \"distributed\" *) reg [{high}:0] held [0:{last}];
always @(*) data = held[address];
always @(posedge clock) if (write) held[write_address] <= write_data;
"
        ))
    }
}

/// [`LutMemory`] that two read at once.
#[derive(LogicBlock, Default)]
pub struct TwinMemory<const W: usize, const A: usize> {
    /// The clock of writes.
    pub clock: Signal<In, Clock>,
    /// Writes at this clock.
    pub write: Signal<In, Bit>,
    /// Where.
    pub write_address: Signal<In, Bits<A>>,
    /// What.
    pub write_data: Signal<In, Bits<W>>,
    /// What one reads.
    pub first_address: Signal<In, Bits<A>>,
    /// The word there.
    pub first_data: Signal<Out, Bits<W>>,
    /// What the other reads.
    pub second_address: Signal<In, Bits<A>>,
    /// The word there.
    pub second_data: Signal<Out, Bits<W>>,
}

impl<const W: usize, const A: usize> Logic for TwinMemory<W, A> {
    // Judged as Verilog only: rust-hdl's simulator sees no memory here.
    fn update(&mut self) {}

    fn connect(&mut self) {
        self.first_data.connect();
        self.second_data.connect();
    }

    fn hdl(&self) -> Verilog {
        let (high, last) = (W - 1, (1usize << A) - 1);
        Verilog::Custom(format!(
            "(* ram_style = \"distributed\" *) reg [{high}:0] held [0:{last}];
always @(*) first_data = held[first_address];
always @(*) second_data = held[second_address];
always @(posedge clock) if (write) held[write_address] <= write_data;
"
        ))
    }
}

/// Cycles from address to data of a [`Memory`].
pub const MEMORY_LATENCY: usize = 2;

/// 2^A words of W bits in block RAM. Timing: a plain register behind the RAM and before its write port.
///
/// A write is seen by reads whose address comes two cycles after it or later; one cycle after it the
/// read gives anything.
#[derive(LogicBlock, Default)]
pub struct Memory<const W: usize, const A: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// What to read.
    pub read_address: Signal<In, Bits<A>>,
    /// The word there, [`MEMORY_LATENCY`] cycles later.
    pub read_data: Signal<Out, Bits<W>>,
    /// Writes.
    pub write: Signal<In, Bit>,
    /// Where.
    pub write_address: Signal<In, Bits<A>>,
    /// What.
    pub write_data: Signal<In, Bits<W>>,
}

impl<const W: usize, const A: usize> Logic for Memory<W, A> {
    // Judged as Verilog only: rust-hdl's simulator sees no memory here.
    fn update(&mut self) {}

    fn connect(&mut self) {
        self.read_data.connect();
    }

    fn hdl(&self) -> Verilog {
        let (high, address_high, last) = (W - 1, A - 1, (1usize << A) - 1);
        Verilog::Custom(format!(
            "(* no_rw_check *) reg [{high}:0] held [0:{last}];
reg [{high}:0] read_word;
reg write_held;
reg [{address_high}:0] write_address_held;
reg [{high}:0] write_data_held;
always @(posedge clock) begin
    write_held <= write;
    write_address_held <= write_address;
    write_data_held <= write_data;
    if (write_held) held[write_address_held] <= write_data_held;
    read_word <= held[read_address];
    read_data <= read_word;
end
"
        ))
    }
}

/// As [`Memory`], with read registers that can wait: what reads it need not take what it asked for.
///
/// Each of the two registers moves on at a clock only when told.
#[derive(LogicBlock, Default)]
pub struct PacedMemory<const W: usize, const A: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// What to read.
    pub read_address: Signal<In, Bits<A>>,
    /// The register of the RAM takes the word there.
    pub step_word: Signal<In, Bit>,
    /// The register behind it takes what that one holds.
    pub step_data: Signal<In, Bit>,
    /// What the second register holds.
    pub read_data: Signal<Out, Bits<W>>,
    /// Writes.
    pub write: Signal<In, Bit>,
    /// Where.
    pub write_address: Signal<In, Bits<A>>,
    /// What.
    pub write_data: Signal<In, Bits<W>>,
}

impl<const W: usize, const A: usize> Logic for PacedMemory<W, A> {
    // Judged as Verilog only: rust-hdl's simulator sees no memory here.
    fn update(&mut self) {}

    fn connect(&mut self) {
        self.read_data.connect();
    }

    fn hdl(&self) -> Verilog {
        let (high, address_high, last) = (W - 1, A - 1, (1usize << A) - 1);
        Verilog::Custom(format!(
            "(* no_rw_check *) reg [{high}:0] held [0:{last}];
reg [{high}:0] read_word;
reg write_held;
reg [{address_high}:0] write_address_held;
reg [{high}:0] write_data_held;
always @(posedge clock) begin
    write_held <= write;
    write_address_held <= write_address;
    write_data_held <= write_data;
    if (write_held) held[write_address_held] <= write_data_held;
    if (step_word) read_word <= held[read_address];
    if (step_data) read_data <= read_word;
end
"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_them() {
        crate::yosys::check("lut", &crate::export("lut", &mut LutMemory::<40, 4>::default()));
        crate::yosys::check("twin", &crate::export("twin", &mut TwinMemory::<40, 4>::default()));
        crate::yosys::check("memory", &crate::export("memory", &mut Memory::<512, 9>::default()));
        crate::yosys::check("paced", &crate::export("paced", &mut PacedMemory::<512, 9>::default()));
    }
}
