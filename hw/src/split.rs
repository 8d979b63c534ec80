//! Kernels as Verilog is written by hand: a value with one statement is an `assign`, others have a block each.
//!
//! Enters: text with one `always` block for all that a kernel says. Leaves: the same statements, in as many
//! blocks as can be told apart. A simulator evaluates a block whole when any value that it reads changes, and
//! one that hangs on inputs once more at each edge: with a block for each value a card simulates twice as fast,
//! and what is read is found where it is written.
//!
//! Statements that write a common value stay together in their order, with those that read it between its
//! writes, and so do those that would read each other's values in a circle.

use crate::export::{is_identifier, words, GENERATED_KERNEL};
use std::collections::{BTreeMap, BTreeSet};

/// How a kernel begins and ends, and what stands before its statements and what is inside them.
const HEAD: &str = "    always @(*) begin";
const END: &str = "    end";
pub(crate) const STATEMENT: &str = "        ";
pub(crate) const INSIDE: &str = "            ";

/// `text` with its kernels taken apart.
pub(crate) fn split(text: &str) -> String {
    text.split_inclusive("\nendmodule\n").map(module).collect()
}

/// A module with its kernel taken apart, if it has one.
fn module(text: &str) -> String {
    let whole = || {
        let (before, kernel) = text.split_once(GENERATED_KERNEL)?;
        let (between, kernel) = kernel.split_once(HEAD)?;
        let (kernel, behind) = kernel.split_once(&format!("\n{END}\n"))?;
        Some((before, between, kernel, behind))
    };
    let Some((before, between, kernel, behind)) = whole() else { return text.to_owned() };
    let statements = statements(kernel);
    let mut blocks = String::new();
    let mut wires = BTreeSet::new();
    for group in groups(&statements) {
        let group: Vec<&Statement> = group.into_iter().map(|index| &statements[index]).collect();
        match group[..] {
            [Statement { text, whole: Some(name), .. }] => {
                wires.insert(*name);
                blocks += &format!("    assign {}\n", text.trim());
            }
            _ => {
                let texts: String = group.iter().map(|statement| statement.text.as_str()).collect();
                blocks += &format!("{HEAD}\n{texts}{END}\n");
            }
        }
    }
    format!("{}{GENERATED_KERNEL}{between}{}\n{behind}", declared(before, &wires), blocks.trim_end())
}

/// What is done as one: an assignment, or a condition with all under it.
#[derive(Default)]
struct Statement<'a> {
    text: String,
    writes: BTreeSet<&'a str>,
    reads: BTreeSet<&'a str>,
    /// It says all of this value, on one line and under no condition.
    whole: Option<&'a str>,
}

fn statements(kernel: &str) -> Vec<Statement<'_>> {
    let mut found: Vec<Statement> = Vec::new();
    for line in kernel.lines().filter(|line| !line.trim().is_empty()) {
        let goes_on = words(line.trim()).next().is_some_and(|word| ["end", "else"].contains(&word));
        let is_first = line.starts_with(STATEMENT) && !line.starts_with(INSIDE) && !goes_on;
        if is_first || found.is_empty() {
            found.push(Statement::default());
        }
        let statement = found.last_mut().expect("one was pushed");
        let (written, read) = line.split_once(" = ").unwrap_or(("", line));
        let mut names = words(written).filter(|word| is_identifier(word));
        let name = names.next();
        statement.whole = name.filter(|name| is_first && written.trim() == *name && line.ends_with(';'));
        statement.writes.extend(name);
        statement.reads.extend(names.chain(words(read).filter(|word| is_identifier(word))));
        statement.text += line;
        statement.text.push('\n');
    }
    found
}

/// Statements that stay together, each group in their order, the groups in that of their first ones.
fn groups(statements: &[Statement]) -> Vec<Vec<usize>> {
    // Statement by statement: whom each must not be parted from, and behind whom it comes.
    let mut writers: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut after: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); statements.len()];
    for (index, statement) in statements.iter().enumerate() {
        for name in &statement.writes {
            let (first, last) = writers.entry(name).or_insert((index, index));
            *last = index;
            after[*first].insert(index);
            after[index].insert(*first);
        }
    }
    for (index, statement) in statements.iter().enumerate() {
        for (first, last) in statement.reads.iter().filter_map(|name| writers.get(name)) {
            after[index].insert(*first);
            if (first..last).contains(&&index) {
                after[*first].insert(index);
            }
        }
    }
    circles(&after)
}

/// Members of each circle of `edges`, or of none alone, ordered by their first ones.
fn circles(edges: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let mut back = vec![BTreeSet::new(); edges.len()];
    for (from, to) in edges.iter().enumerate().flat_map(|(from, tos)| tos.iter().map(move |to| (from, *to))) {
        back[to].insert(from);
    }
    let mut is_done = vec![false; edges.len()];
    let mut found = Vec::new();
    for start in 0..edges.len() {
        if is_done[start] {
            continue;
        }
        let there = reached(start, edges);
        let group: Vec<usize> = reached(start, &back).intersection(&there).copied().collect();
        group.iter().for_each(|index| is_done[*index] = true);
        found.push(group);
    }
    found
}

/// All that `edges` lead to from `start`, itself too.
fn reached(start: usize, edges: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let mut found = BTreeSet::from([start]);
    let mut next = vec![start];
    while let Some(from) = next.pop() {
        next.extend(edges[from].iter().filter(|to| found.insert(**to)));
    }
    found
}

/// The part before the kernel, in which `wires` are no variables.
fn declared(before: &str, wires: &BTreeSet<&str>) -> String {
    let line = |line: &str| {
        let name = line.trim_end_matches([',', ';', '\n']).rsplit(' ').next().unwrap_or_default();
        match wires.contains(name) {
            true => line.replacen("reg", "wire", 1),
            false => line.to_owned(),
        }
    };
    before.split_inclusive('\n').map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_its_block() {
        let text = "module m (\n    input wire a,\n    output reg b,\n    output reg c,\n    output reg d\n);\n    \
                    reg  e;\n\n    // Update code\n    always @(*) begin\n        b = a;\n        c = b;\n        \
                    if (a) begin\n            c = 1'b1;\n        end\n        e = d;\n        d = a & c;\n    \
                    end\n\nendmodule\n";
        let expected = "module m (\n    input wire a,\n    output wire b,\n    output reg c,\n    output wire d\n);\n    \
                        wire  e;\n\n    // Update code\n    assign b = a;\n    always @(*) begin\n        c = b;\n        \
                        if (a) begin\n            c = 1'b1;\n        end\n    end\n    assign e = d;\n    \
                        assign d = a & c;\n\nendmodule\n";
        assert_eq!(split(text), expected);
    }

    #[test]
    fn what_reads_in_a_circle_stays_together() {
        stays(
            "        b = 1'b0;\n        if (a) begin\n            b = 1'b1;\n            c = 1'b0;\n        \
             end\n        d = b;\n        if (d) begin\n            c = 1'b1;\n        end\n",
        );
    }

    #[test]
    fn what_reads_between_two_writes_stays_with_them() {
        stays("        b = a;\n        c[0] = b;\n        b = ~a;\n        c[1] = b;\n");
    }

    /// Fails when a kernel with these statements is taken apart.
    fn stays(statements: &str) {
        let text = format!(
            "module m (\n);\n    // Update code\n    always @(*) begin\n{statements}    end\nendmodule\n"
        );
        assert_eq!(split(&text), text);
    }
}
