//! What each cell of UltraScale+ adds to a path.
//!
//! A level is one trip through the routing into a look-up table. What sits behind a table in its own slice
//! (the wide multiplexers' data pins) adds none; a carry chain adds one for each 32 bits begun.

use super::netlist::{Cell, Pin};

/// Parts of a level in which paths are added up: bits of a carry chain.
pub(super) const LEVEL: u32 = 32;
/// A multiplier without registers of its own, in levels: Yosys' timing of series 7 has 2.8 ns for it and
/// 0.6 ns for a table with 0.3 ns to reach it.
const DSP_LEVELS: u32 = 3;

/// What one bit of an input adds on the way to one bit of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many parts, through routing.
    Routed(u32),
    /// So many bits of a chain that is already in the chain.
    Chained(u32),
}

/// What a cell is to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Paths end at its inputs and begin at its outputs.
    Register,
    /// As a register, but some inputs reach outputs without a clock.
    Memory,
    /// Inputs reach outputs.
    Logic,
    /// Nothing on a die.
    Note,
}

const REGISTERS: [&str; 6] = ["FDRE", "FDSE", "FDCE", "FDPE", "RAMB", "URAM"];
/// Each but the last with its number: widths and depths differ, pins do not.
const MEMORIES: [&str; 3] = ["RAM", "SRL16", "SRLC32"];
const WIRES: [&str; 4] = ["BUFG", "IBUF", "OBUF", "BUF"];

/// What the cell is, or nothing if it is not known.
pub(super) fn kind(cell: &Cell) -> Option<Kind> {
    let is = |name: &str| cell.kind.starts_with(name);
    if cell.kind == "$scopeinfo" {
        return Some(Kind::Note);
    }
    if REGISTERS.iter().any(|name| is(name)) || cell.kind == "DSP48E2" && has_registers(cell) {
        return Some(Kind::Register);
    }
    if MEMORIES.iter().any(|name| is(name)) {
        return Some(Kind::Memory);
    }
    let is_logic = is_table(cell) || is_chain(cell) || is("MUXF") || cell.kind == "DSP48E2";
    (is_logic || is_wire(cell)).then_some(Kind::Logic)
}

/// What the input's bit adds on the way to the output's bit; nothing if none leads there.
pub(super) fn step(cell: &Cell, input: &Pin, output: &Pin) -> Option<Step> {
    if is_chain(cell) {
        return chain(input, output);
    }
    if kind(cell) == Some(Kind::Memory) {
        return reads(input, output).then_some(Step::Routed(LEVEL));
    }
    let parts = match cell.kind.as_str() {
        // The select pin is reached through routing.
        kind if kind.starts_with("MUXF") => LEVEL * u32::from(input.name == "S"),
        "DSP48E2" => LEVEL * DSP_LEVELS,
        _ if is_wire(cell) => 0,
        _ => LEVEL,
    };
    Some(Step::Routed(parts))
}

fn is_table(cell: &Cell) -> bool {
    // An inverter is a table, unless a later tool finds another to put it in.
    cell.kind.starts_with("LUT") || cell.kind == "INV"
}

fn is_wire(cell: &Cell) -> bool {
    WIRES.contains(&cell.kind.as_str())
}

/// Series 7 has chains of four bits, UltraScale of eight: Yosys makes the former for both.
fn is_chain(cell: &Cell) -> bool {
    matches!(cell.kind.as_str(), "CARRY4" | "CARRY8")
}

/// Whether the product or the sum behind it is held; only then is the multiplier two cycles.
fn has_registers(cell: &Cell) -> bool {
    let is_set = |name: &str| {
        let value = cell.parameters.get(name).and_then(serde_json::Value::as_str);
        value.is_some_and(|bits| bits.contains('1'))
    };
    is_set("MREG") || is_set("PREG")
}

/// `O[j] = S[j] ^ C[j]` and `CO[j] = C[j + 1]`, where `C[j + 1]` is `C[j]` or `DI[j]`, chosen by `S[j]`.
fn chain(input: &Pin, output: &Pin) -> Option<Step> {
    let passed = output.bit as u32 + 1;
    match input.name.as_str() {
        "CI" => Some(Step::Chained(passed)),
        "CYINIT" => Some(Step::Routed(passed)),
        // The second input of a chain that is used as two.
        "CI_TOP" => output.bit.checked_sub(4).map(|bit| Step::Chained(bit as u32 + 1)),
        "S" | "DI" => {
            let bits = output.bit.checked_sub(input.bit)? as u32 + 1;
            let is_sum_of_carry = input.name == "DI" && output.name == "O" && bits == 1;
            (!is_sum_of_carry).then_some(Step::Routed(bits))
        }
        _ => None,
    }
}

/// Whether the pin is an address of that output: `ADDRB` of `DOB`, `DPRA` of `DPO`, `A` of the others.
fn reads(input: &Pin, output: &Pin) -> bool {
    let is_plain = || {
        let number = input.name.strip_prefix('A');
        number.is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
    };
    match output.name.as_str() {
        "DPO" => input.name.starts_with("DPRA"),
        "Q31" => false,
        name => match name.strip_prefix("DO") {
            Some(port) => input.name.strip_prefix("ADDR") == Some(port),
            None => is_plain(),
        },
    }
}
