//! A mapped block as a graph: cells joined by nets.
//!
//! Enters: the JSON that Yosys writes of one module. Leaves: cells with the nets on their pins, and words
//! for nets that a reader of the source knows.

use crate::error::{Error, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// One bit's wire.
pub(super) type Net = u32;

/// What is on one bit of a pin.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Bit {
    Net(Net),
    /// `0`, `1`, `x` or `z`.
    Constant(#[allow(dead_code)] String),
}

impl Bit {
    fn net(&self) -> Option<Net> {
        match self {
            Bit::Net(net) => Some(*net),
            Bit::Constant(_) => None,
        }
    }
}

#[derive(Deserialize)]
struct Design {
    modules: BTreeMap<String, Module>,
}

#[derive(Deserialize)]
struct Module {
    ports: BTreeMap<String, Port>,
    cells: BTreeMap<String, RawCell>,
    netnames: BTreeMap<String, NetName>,
}

#[derive(Deserialize)]
struct Port {
    direction: String,
    bits: Vec<Bit>,
}

#[derive(Deserialize)]
struct RawCell {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    parameters: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    port_directions: BTreeMap<String, String>,
    connections: BTreeMap<String, Vec<Bit>>,
}

#[derive(Deserialize)]
struct NetName {
    hide_name: u32,
    bits: Vec<Bit>,
}

/// One bit of a cell's pin that is on a net.
#[derive(Clone, Debug)]
pub(super) struct Pin {
    pub(super) name: String,
    pub(super) bit: usize,
    pub(super) net: Net,
}

/// What does the work.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) parameters: BTreeMap<String, serde_json::Value>,
    pub(super) inputs: Vec<Pin>,
    pub(super) outputs: Vec<Pin>,
}

/// A module without hierarchy.
#[derive(Debug)]
pub(super) struct Netlist {
    pub(super) cells: Vec<Cell>,
    /// Ports bit by bit: name and net.
    pub(super) inputs: Vec<(String, Net)>,
    pub(super) outputs: Vec<(String, Net)>,
    names: HashMap<Net, String>,
}

impl Netlist {
    /// The module `top` of what Yosys wrote.
    pub(super) fn read(json: &str, top: &str) -> Result<Netlist> {
        let unread =
            |problem: &dyn std::fmt::Display| Error::Unexpected(format!("netlist of `{top}`: {problem}"));
        let mut design: Design = serde_json::from_str(json).map_err(|problem| unread(&problem))?;
        let module = design.modules.remove(top).ok_or_else(|| unread(&"no such module"))?;
        let names = names(&module);
        let ports = |direction: &str| {
            let of = module.ports.iter().filter(|(_, port)| port.direction == direction);
            of.flat_map(|(name, port)| on_nets(name, &port.bits))
                .map(|pin| (word(&pin, port_width(&module, &pin)), pin.net))
                .collect()
        };
        let (inputs, outputs) = (ports("input"), ports("output"));
        let cells =
            module.cells.into_iter().map(|(name, cell)| cell_of(name, cell)).collect::<Result<_>>()?;
        Ok(Netlist { cells, inputs, outputs, names })
    }

    /// The net as a reader of the source knows it.
    pub(super) fn name(&self, net: Net) -> String {
        self.names.get(&net).cloned().unwrap_or_else(|| format!("net {net}"))
    }

    /// How many cells there are of a kind that begins so.
    pub(super) fn count(&self, kind: &str) -> usize {
        self.cells.iter().filter(|cell| cell.kind.starts_with(kind)).count()
    }
}

fn port_width(module: &Module, pin: &Pin) -> usize {
    module.ports[&pin.name].bits.len()
}

/// `name[3]`, or `name` where there is but one bit.
fn word(pin: &Pin, width: usize) -> String {
    if width == 1 {
        return pin.name.clone();
    }
    format!("{}[{}]", pin.name, pin.bit)
}

/// The best name of each net: one that stands in the source, of the fewest parts.
fn names(module: &Module) -> HashMap<Net, String> {
    let mut best: HashMap<Net, ((u32, usize, usize), String)> = HashMap::new();
    for (name, of) in &module.netnames {
        let rank = (of.hide_name, name.matches('.').count(), name.len());
        for pin in on_nets(name, &of.bits) {
            let text = word(&pin, of.bits.len());
            match best.get(&pin.net) {
                Some((found, _)) if *found <= rank => {}
                _ => {
                    best.insert(pin.net, (rank, text));
                }
            }
        }
    }
    best.into_iter().map(|(net, (_, name))| (net, name)).collect()
}

fn on_nets<'a>(name: &'a str, bits: &'a [Bit]) -> impl Iterator<Item = Pin> + 'a {
    let on_net = |(bit, on): (usize, &Bit)| Some(Pin { name: name.to_owned(), bit, net: on.net()? });
    bits.iter().enumerate().filter_map(on_net)
}

fn cell_of(name: String, cell: RawCell) -> Result<Cell> {
    let mut made =
        Cell { name, kind: cell.kind, parameters: cell.parameters, inputs: Vec::new(), outputs: Vec::new() };
    for (pin, bits) in &cell.connections {
        let pins = on_nets(pin, bits);
        match cell.port_directions.get(pin).map(String::as_str) {
            Some("input") => made.inputs.extend(pins),
            Some("output") => made.outputs.extend(pins),
            other => {
                let way = other.unwrap_or("unknown");
                let text =
                    format!("cell `{}` of kind {}: pin {pin} of direction {way}", made.name, made.kind);
                return Err(Error::Unexpected(text));
            }
        }
    }
    Ok(made)
}
