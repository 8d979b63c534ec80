use super::*;
use serde_json::{json, Map, Value};

/// A netlist by hand: nets are named by numbers, `0` is a constant.
#[derive(Default)]
struct Hand {
    ports: Map<String, Value>,
    cells: Map<String, Value>,
    names: Map<String, Value>,
}

fn bits(nets: &[Net]) -> Value {
    nets.iter().map(|net| if *net == 0 { json!("0") } else { json!(net) }).collect()
}

impl Hand {
    fn port(mut self, direction: &str, name: &str, nets: &[Net]) -> Hand {
        self.ports.insert(name.into(), json!({ "direction": direction, "bits": bits(nets) }));
        self
    }

    fn cell(mut self, name: &str, kind: &str, inputs: &[(&str, &[Net])], outputs: &[(&str, &[Net])]) -> Hand {
        let pins = |pins: &[(&str, &[Net])], way: &str| -> Vec<(String, Value, Value)> {
            pins.iter().map(|(pin, nets)| ((*pin).to_owned(), bits(nets), json!(way))).collect()
        };
        let (mut directions, mut connections) = (Map::new(), Map::new());
        for (pin, nets, way) in pins(inputs, "input").into_iter().chain(pins(outputs, "output")) {
            directions.insert(pin.clone(), way);
            connections.insert(pin, nets);
        }
        let cell = json!({ "type": kind, "port_directions": directions, "connections": connections });
        self.cells.insert(name.into(), cell);
        self
    }

    fn parameter(mut self, cell: &str, name: &str, value: &str) -> Hand {
        self.cells[cell]["parameters"] = json!({ name: value });
        self
    }

    fn name(mut self, name: &str, nets: &[Net]) -> Hand {
        self.names.insert(name.into(), json!({ "hide_name": 0, "bits": bits(nets) }));
        self
    }

    fn register(self, name: &str, d: Net, q: Net) -> Hand {
        self.cell(name, "FDRE", &[("D", &[d]), ("C", &[1])], &[("Q", &[q])]).name(name, &[q])
    }

    fn longest(self) -> Result<Longest> {
        let design = json!({ "modules": { "top": {
            "ports": self.ports, "cells": self.cells, "netnames": self.names,
        } } });
        longest(&Netlist::read(&design.to_string(), "top")?)
    }

    fn levels(self) -> u32 {
        self.longest().expect("a whole netlist").levels
    }
}

/// A chain of so many bits between two registers: nets from 100 on are carries, from 1000 on sums. It is
/// entered at its first bit and left as the last bit's sum.
fn chain(kind: &str, width: usize, bits_count: usize) -> Hand {
    let mut hand =
        Hand::default().register("first", 0, 10).register("last", 1000 + bits_count as Net - 1, 11);
    for part in 0..bits_count / width {
        let at =
            |base: usize| -> Vec<Net> { (0..width).map(|bit| (base + part * width + bit) as Net).collect() };
        let entry: Vec<Net> = (0..width).map(|bit| if part + bit == 0 { 10 } else { 0 }).collect();
        let below = if part == 0 { 0 } else { (100 + part * width - 1) as Net };
        hand = hand.cell(
            &format!("part{part}"),
            kind,
            &[("CI", &[below]), ("CYINIT", &[0]), ("S", &entry), ("DI", &vec![0; width])],
            &[("CO", &at(100)), ("O", &at(1000))],
        );
    }
    hand
}

#[test]
fn tables_between_registers_are_levels_and_both_ends_are_named() {
    let hand = Hand::default()
        .register("count_q", 0, 2)
        .cell("a", "LUT2", &[("I0", &[2]), ("I1", &[0])], &[("O", &[3])])
        .cell("b", "LUT6", &[("I0", &[3]), ("I5", &[2])], &[("O", &[4])])
        .cell("c", "INV", &[("I", &[4])], &[("O", &[5])])
        .register("valid_q", 5, 6);
    let longest = hand.longest().expect("whole");
    assert_eq!(longest, Longest { levels: 3, from: "count_q".into(), to: "valid_q".into() });
}

#[test]
fn ports_are_ends_and_registers_without_logic_are_no_level() {
    let ported = Hand::default()
        .port("input", "data", &[2, 3])
        .cell("a", "LUT1", &[("I0", &[3])], &[("O", &[4])])
        .port("output", "ready", &[4]);
    let longest = ported.longest().expect("whole");
    assert_eq!(longest, Longest { levels: 1, from: "port data[1]".into(), to: "port ready".into() });
    assert_eq!(Hand::default().register("a", 0, 2).register("b", 2, 3).levels(), 0);
}

#[test]
fn each_32_bits_of_a_carry_chain_that_are_begun_are_a_level() {
    for (kind, width) in [("CARRY4", 4), ("CARRY8", 8)] {
        assert_eq!(chain(kind, width, 8).levels(), 1, "{kind}");
        assert_eq!(chain(kind, width, 32).levels(), 1, "{kind}");
        assert_eq!(chain(kind, width, 40).levels(), 2, "{kind}");
        assert_eq!(chain(kind, width, 64).levels(), 2, "{kind}");
        assert_eq!(chain(kind, width, 72).levels(), 3, "{kind}");
    }
}

#[test]
fn a_chain_left_early_is_as_long_as_what_was_passed() {
    // Left behind 32 of 40 bits, through a table.
    let hand = chain("CARRY4", 4, 40)
        .cell("early", "LUT2", &[("I0", &[1031])], &[("O", &[20])])
        .cell("later", "LUT2", &[("I0", &[20])], &[("O", &[21])])
        .register("held", 21, 22);
    let longest = hand.longest().expect("whole");
    assert_eq!((longest.levels, longest.to.as_str()), (3, "held"));
    // The table in front of a chain is a level of its own.
    let hand = chain("CARRY4", 4, 40)
        .cell("front", "LUT2", &[("I0", &[30])], &[("O", &[10])])
        .register("earlier", 0, 30);
    // `first` would drive the same net: the table stands in its place.
    let hand = Hand { cells: hand.cells.into_iter().filter(|(name, _)| name != "first").collect(), ..hand };
    assert_eq!(hand.levels(), 3);
}

#[test]
fn a_sum_bit_does_not_depend_on_the_carry_behind_it() {
    let sum = |last: usize| {
        let late: [Net; 4] = std::array::from_fn(|bit| if bit == last { 3 } else { 0 });
        Hand::default()
            .register("a", 0, 2)
            .cell("late", "LUT2", &[("I0", &[2])], &[("O", &[3])])
            .cell("sum", "CARRY4", &[("S", &[0; 4]), ("DI", &late)], &[("O", &[4, 5, 6, 7])])
            .register("b", 6, 8)
            .longest()
            .expect("whole")
    };
    assert_eq!((sum(1).levels, sum(1).to.as_str()), (2, "b"));
    assert_eq!(sum(2).levels, 0);
}

#[test]
fn wide_multiplexers_cost_a_level_at_their_select_pin_only() {
    let hand = |data: Net, select: Net| {
        Hand::default()
            .register("a", 0, 2)
            .cell("late", "LUT6", &[("I0", &[2])], &[("O", &[3])])
            .cell("mux", "MUXF7", &[("I0", &[data]), ("I1", &[0]), ("S", &[select])], &[("O", &[4])])
            .register("b", 4, 5)
            .levels()
    };
    assert_eq!(hand(3, 2), 1);
    assert_eq!(hand(0, 3), 2);
}

#[test]
fn reading_tables_used_as_memory_is_part_of_a_path() {
    let ram = |read: Net, write: Net| {
        Hand::default()
            .register("index_q", 0, 2)
            .cell("late", "LUT6", &[("I0", &[2])], &[("O", &[3])])
            .cell(
                "ram",
                "RAM32M16",
                &[("ADDRA", &[read, 0]), ("ADDRH", &[write]), ("DIA", &[0])],
                &[("DOA", &[4])],
            )
            .cell("behind", "LUT2", &[("I0", &[4])], &[("O", &[5])])
            .register("word_q", 5, 6)
            .longest()
            .expect("whole")
    };
    assert_eq!(ram(3, 0), Longest { levels: 3, from: "index_q".into(), to: "word_q".into() });
    // The write address ends the path at the memory.
    assert_eq!(ram(0, 3), Longest { levels: 1, from: "index_q".into(), to: "RAM32M16 ADDRH of ram".into() });
    // What nobody addresses still begins there.
    let held = Hand::default()
        .cell("ram", "RAM32M16", &[("ADDRA", &[0])], &[("DOA", &[4])])
        .cell("behind", "LUT2", &[("I0", &[4])], &[("O", &[5])])
        .register("word_q", 5, 6);
    assert_eq!(held.longest().expect("whole").from, "RAM32M16 DOA of ram");
    let two_ports = Hand::default()
        .port("input", "a", &[2])
        .cell("ram", "RAM64X1D", &[("DPRA0", &[2]), ("A0", &[0])], &[("SPO", &[3]), ("DPO", &[4])])
        .port("output", "other", &[3])
        .port("output", "data", &[4]);
    assert_eq!(two_ports.longest().expect("whole").to, "port data");
}

#[test]
fn block_memory_and_held_multipliers_cut_paths() {
    let through = |kind: &str, pin: &str| {
        Hand::default()
            .port("input", "a", &[2])
            .cell("x", kind, &[(pin, &[2])], &[("P", &[3])])
            .cell("behind", "LUT2", &[("I0", &[3])], &[("O", &[4])])
            .port("output", "data", &[4])
    };
    assert_eq!(through("RAMB36E2", "ADDRARDADDR").levels(), 1);
    assert_eq!(through("DSP48E2", "A").levels(), 4);
    assert_eq!(through("DSP48E2", "A").parameter("x", "PREG", "0001").levels(), 1);
}

#[test]
fn a_loop_is_an_error_that_names_its_nets() {
    let hand = |end: Net| {
        Hand::default()
            .register("before", 0, 2)
            .cell("a", "LUT2", &[("I0", &[2]), ("I1", &[4])], &[("O", &[3])])
            .cell("b", "LUT2", &[("I0", &[3])], &[("O", &[4])])
            .name("grant", &[3])
            .name("ready", &[4])
            .register("after", end, 5)
            .longest()
            .expect_err("a loop")
            .to_string()
    };
    // Found also where nothing reads it.
    for text in [hand(4), hand(2)] {
        assert!(text.contains("grant") && text.contains("ready") && !text.contains("before"), "{text}");
    }
}

#[test]
fn a_cell_without_a_known_length_is_an_error() {
    let text = Hand::default().cell("x", "LDCE", &[("D", &[2])], &[("Q", &[3])]).longest();
    assert!(text.expect_err("a latch").to_string().contains("`x` of kind LDCE"));
}
