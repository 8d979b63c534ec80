//! The longest path of a mapped block in levels of look-up tables.
//!
//! Enters: a netlist. Leaves: how long it is, and the names of where it begins and ends. Paths run between
//! ports, registers and memories; reading a table used as memory takes no clock and is part of a path.
//! Loops without a register and cells that we do not know are errors, never short paths.

use super::cells::{kind, step, Kind, Step, LEVEL};
use super::netlist::{Cell, Net, Netlist};
use crate::error::{Error, Result};
use std::collections::HashMap;

/// The longest path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Longest {
    pub(super) levels: u32,
    pub(super) from: String,
    pub(super) to: String,
}

/// How late a net is, in parts of a level, and what made it so late.
#[derive(Clone, Copy)]
struct Arrival {
    parts: u32,
    before: Option<Net>,
}

enum State {
    /// On the way that is being followed.
    Open,
    Done(Arrival),
}

struct Walk<'a> {
    netlist: &'a Netlist,
    /// Cell and output pin that drive a net.
    drivers: HashMap<Net, (usize, usize)>,
    states: HashMap<Net, State>,
    /// The nets that are open, first to last.
    way: Vec<Net>,
}

/// Walks the whole block. A block of constants has no path: its length is 0 and its ends are empty.
pub(super) fn longest(netlist: &Netlist) -> Result<Longest> {
    let mut drivers = HashMap::new();
    for (index, cell) in netlist.cells.iter().enumerate() {
        if kind(cell).is_none() {
            let text = format!("cell `{}` of kind {}, which has no length", cell.name, cell.kind);
            return Err(Error::Unexpected(text));
        }
        drivers.extend(cell.outputs.iter().enumerate().map(|(pin, output)| (output.net, (index, pin))));
    }
    let mut walk = Walk { netlist, drivers, states: HashMap::new(), way: Vec::new() };
    let mut worst: Option<(u32, Net, String)> = None;
    for (net, end) in ends(netlist) {
        let parts = whole(walk.arrival(net)?.parts);
        if worst.as_ref().is_none_or(|(most, ..)| parts > *most) {
            worst = Some((parts, net, end));
        }
    }
    // What is read by nobody may still be a loop.
    for output in netlist.cells.iter().flat_map(|cell| &cell.outputs) {
        walk.arrival(output.net)?;
    }
    let Some((parts, net, to)) = worst else {
        return Ok(Longest { levels: 0, from: String::new(), to: String::new() });
    };
    Ok(Longest { levels: parts / LEVEL, from: walk.start(net), to })
}

/// Every net at which a path ends, with the end's name.
fn ends(netlist: &Netlist) -> Vec<(Net, String)> {
    let mut ends: Vec<(Net, String)> =
        netlist.outputs.iter().map(|(name, net)| (*net, format!("port {name}"))).collect();
    for cell in &netlist.cells {
        if matches!(kind(cell), Some(Kind::Register | Kind::Memory)) {
            ends.extend(cell.inputs.iter().map(|input| (input.net, place(netlist, cell, &input.name))));
        }
    }
    ends
}

/// A register or memory as a reader of the source knows it.
fn place(netlist: &Netlist, cell: &Cell, pin: &str) -> String {
    let is_register = cell.kind.starts_with("FD") || cell.kind.starts_with("SRL");
    match cell.outputs.first().filter(|_| is_register) {
        Some(output) => netlist.name(output.net),
        None => format!("{} {pin} of {}", cell.kind, cell.name),
    }
}

/// A chain that was left is as long as the levels it began.
fn whole(parts: u32) -> u32 {
    parts.div_ceil(LEVEL) * LEVEL
}

impl Walk<'_> {
    /// Paths are short: what is deep enough to overflow a stack fails every bar.
    fn arrival(&mut self, net: Net) -> Result<Arrival> {
        match self.states.get(&net) {
            Some(State::Done(arrival)) => return Ok(*arrival),
            Some(State::Open) => return Err(self.loop_through(net)),
            None => {}
        }
        let mut latest = Arrival { parts: 0, before: None };
        let Some(&(index, pin)) = self.drivers.get(&net) else {
            // A port, or nothing at all.
            self.states.insert(net, State::Done(latest));
            return Ok(latest);
        };
        let cell = &self.netlist.cells[index];
        if kind(cell) != Some(Kind::Register) {
            self.states.insert(net, State::Open);
            self.way.push(net);
            for input in &cell.inputs {
                let Some(step) = step(cell, input, &cell.outputs[pin]) else { continue };
                let before = self.arrival(input.net)?.parts;
                let parts = match step {
                    Step::Routed(parts) => whole(before) + parts,
                    Step::Chained(bits) => before + bits,
                };
                if latest.before.is_none() || parts > latest.parts {
                    latest = Arrival { parts, before: Some(input.net) };
                }
            }
            self.way.pop();
        }
        self.states.insert(net, State::Done(latest));
        Ok(latest)
    }

    /// Where the latest path to the net begins.
    fn start(&self, mut net: Net) -> String {
        while let Some(State::Done(Arrival { before: Some(before), .. })) = self.states.get(&net) {
            net = *before;
        }
        if let Some((name, _)) = self.netlist.inputs.iter().find(|(_, input)| *input == net) {
            return format!("port {name}");
        }
        match self.drivers.get(&net) {
            Some(&(index, pin)) => {
                let cell = &self.netlist.cells[index];
                place(self.netlist, cell, &cell.outputs[pin].name)
            }
            None => self.netlist.name(net),
        }
    }

    /// The error that names every net of the loop.
    fn loop_through(&self, net: Net) -> Error {
        let from = self.way.iter().position(|open| *open == net).unwrap_or(0);
        let names: Vec<String> = self.way[from..].iter().map(|net| self.netlist.name(*net)).collect();
        Error::Unexpected(format!("a loop without a register: {}", names.join(" <- ")))
    }
}

#[cfg(test)]
mod tests;
