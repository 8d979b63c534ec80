//! A mapped block between registers, so that place and route says what the block costs.
//!
//! Enters: the netlist of a block for ECP5. Leaves: the same cells inside a module of three pins. Each input
//! bit comes from a register of one long shift register, each output bit goes to a register, and XORs with
//! a register behind each fold those to one pin. The block is mapped before: nothing of it can be optimised
//! away, and wide blocks need no package of their own.

use crate::error::{Error, Result};
use serde_json::{json, Map, Value};

/// Name of the module and beginning of its cells' names.
pub(super) const NAME: &str = "harness";
/// The port of a block's clock, and the harness's own.
const CLOCK: &str = "clock";
/// Inputs of a table.
const FOLD: usize = 4;
/// What such a table holds to give the XOR of them.
const XOR: &str = "0110100110010110";

/// A netlist that grows.
struct Build {
    cells: Map<String, Value>,
    clock: u64,
    next: u64,
}

/// A module with the block `top` of what Yosys wrote between registers.
pub(super) fn around(netlist: &str, top: &str) -> Result<String> {
    let unread = |problem: String| Error::Unexpected(format!("netlist of `{top}`: {problem}"));
    let mut design: Value = serde_json::from_str(netlist).map_err(|problem| unread(problem.to_string()))?;
    let module = design["modules"].as_object_mut().and_then(|modules| modules.remove(top));
    let mut module = module.ok_or_else(|| unread("no such module".into()))?;
    let ports = module["ports"].as_object().cloned().unwrap_or_default();
    let cells = module["cells"].as_object().cloned().ok_or_else(|| unread("no cells".into()))?;
    let mut build = Build { cells, clock: 0, next: highest(&module) + 1 };
    let clock = ports.get(CLOCK).and_then(|port| nets(CLOCK, port).next());
    build.clock = clock.map_or_else(|| build.net(), |(_, net)| net);
    let feed = build.net();
    let (mut shifted, mut outputs) = (feed, Vec::new());
    for (name, port) in ports.iter().filter(|(name, _)| *name != CLOCK) {
        match port["direction"].as_str() {
            Some("input") if name.ends_with("clock") => {
                return Err(unread(format!("a second clock, `{name}`: a harness has but one")));
            }
            Some("input") => {
                for (bit, net) in nets(name, port) {
                    build.register(bit, shifted, net);
                    shifted = net;
                }
            }
            Some("output") => outputs.extend(nets(name, port)),
            other => return Err(unread(format!("port `{name}` has direction {other:?}"))),
        }
    }
    let folded = build.fold(outputs);
    let pin = |direction: &str, net: u64| json!({ "direction": direction, "bits": [net] });
    module["ports"] = json!({
        CLOCK: pin("input", build.clock), "feed": pin("input", feed), "folded": pin("output", folded),
    });
    module["cells"] = build.cells.into();
    design["modules"][NAME] = module;
    Ok(design.to_string())
}

/// Each bit of a port that is on a net, with the name that its register gets.
fn nets<'a>(name: &'a str, port: &'a Value) -> impl Iterator<Item = (String, u64)> + 'a {
    let bits = port["bits"].as_array().into_iter().flatten().enumerate();
    bits.filter_map(move |(bit, net)| Some((format!("port {name}[{bit}]"), net.as_u64()?)))
}

/// The highest number in it, which is no less than that of any net.
fn highest(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(highest).max().unwrap_or(0),
        Value::Object(items) => items.values().map(highest).max().unwrap_or(0),
        Value::Number(number) => number.as_u64().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::String(_) => 0,
    }
}

impl Build {
    fn net(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn cell(
        &mut self,
        name: String,
        kind: &str,
        parameters: Value,
        inputs: &[(&str, Value)],
        output: (&str, u64),
    ) {
        let (mut directions, mut connections) = (Map::new(), Map::new());
        for (pin, on) in inputs {
            directions.insert((*pin).into(), "input".into());
            connections.insert((*pin).into(), json!([on]));
        }
        directions.insert(output.0.into(), "output".into());
        connections.insert(output.0.into(), json!([output.1]));
        let cell = json!({
            "hide_name": 0, "type": kind, "parameters": parameters, "attributes": {},
            "port_directions": directions, "connections": connections,
        });
        self.cells.insert(name, cell);
    }

    fn register(&mut self, name: String, d: u64, q: u64) {
        let parameters = json!({
            // The space keeps it a word: digits alone would be a number.
            "CEMUX": "1 ", "CLKMUX": "CLK", "GSR": "DISABLED", "LSRMUX": "LSR", "REGSET": "RESET",
            "SRMODE": "LSR_OVER_CE",
        });
        let inputs = [("CLK", json!(self.clock)), ("DI", json!(d)), ("LSR", json!("0"))];
        self.cell(name, "TRELLIS_FF", parameters, &inputs, ("Q", q));
    }

    /// Registers all, then folds four to one with a register behind it until one is left.
    fn fold(&mut self, nets: Vec<(String, u64)>) -> u64 {
        let mut left: Vec<u64> = nets.into_iter().map(|(bit, net)| self.held(bit, net)).collect();
        while left.len() > 1 {
            left = left.chunks(FOLD).map(|four| self.sum(four)).collect();
        }
        left.first().copied().unwrap_or_else(|| self.net())
    }

    fn held(&mut self, name: String, net: u64) -> u64 {
        let q = self.net();
        self.register(name, net, q);
        q
    }

    fn sum(&mut self, nets: &[u64]) -> u64 {
        let pins = ["A", "B", "C", "D"].into_iter().enumerate();
        let inputs: Vec<(&str, Value)> =
            pins.map(|(at, pin)| (pin, nets.get(at).map_or(json!("0"), |net| json!(net)))).collect();
        let z = self.net();
        self.cell(format!("{NAME}_{z}"), "LUT4", json!({ "INIT": XOR }), &inputs, ("Z", z));
        self.held(format!("{NAME}_{z}_held"), z)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with a table of two inputs and a register behind it.
    fn block() -> String {
        let port = |direction: &str, bits: Value| json!({ "direction": direction, "bits": bits });
        json!({ "modules": { "block": {
            "ports": {
                "clock": port("input", json!([2])), "a": port("input", json!([3, 4])),
                "q": port("output", json!([6, 5, 6, "0", 6, 5])),
            },
            "cells": {
                "table": { "type": "LUT4", "connections": { "A": [3], "B": [4], "Z": [5] } },
                "held": { "type": "TRELLIS_FF", "connections": { "CLK": [2], "DI": [5], "Q": [6] } },
            },
            "netnames": {},
        } } })
        .to_string()
    }

    #[test]
    fn every_bit_is_registered_and_the_block_is_whole() {
        let harness = around(&block(), "block").expect("whole");
        let design: Value = serde_json::from_str(&harness).expect("JSON");
        let module = &design["modules"][NAME];
        let before: Value = serde_json::from_str(&block()).expect("JSON");
        for cell in ["table", "held"] {
            assert_eq!(module["cells"][cell], before["modules"]["block"]["cells"][cell]);
        }
        let cells = module["cells"].as_object().expect("cells");
        let count = |kind: &str| cells.values().filter(|cell| cell["type"] == kind).count();
        // Two inputs, five output bits on nets, tables of four and of the two that are left, and the block.
        assert_eq!((count("TRELLIS_FF"), count("LUT4")), (2 + 5 + 2 + 1 + 1, 2 + 1 + 1));
        assert_eq!(module["ports"].as_object().map(Map::len), Some(3));
    }

    #[test]
    fn each_net_is_driven_once() {
        let harness = around(&block(), "block").expect("whole");
        let design: Value = serde_json::from_str(&harness).expect("JSON");
        let cells = design["modules"][NAME]["cells"].as_object().expect("cells");
        let outputs =
            |cell: &Value| [&cell["connections"]["Q"][0], &cell["connections"]["Z"][0]].map(Value::as_u64);
        let mut driven: Vec<u64> = cells.values().flat_map(outputs).flatten().collect();
        let ports = &design["modules"][NAME]["ports"];
        driven.extend(["clock", "feed"].iter().filter_map(|port| ports[port]["bits"][0].as_u64()));
        let count = driven.len();
        driven.sort_unstable();
        driven.dedup();
        assert_eq!(driven.len(), count);
    }

    #[test]
    fn a_second_clock_is_refused() {
        let text = block().replace("\"a\":", "\"b_clock\":");
        assert!(around(&text, "block").is_err_and(|problem| problem.to_string().contains("b_clock")));
    }
}
