//! A block as one Verilog file that others can instantiate: named top, ANSI ports, flat names.
//!
//! Enters: a block. Leaves: text that Verilator, Yosys and Icarus Verilog read. What `rust-hdl` generates
//! calls every top `top`, lists ports twice, and joins names by `$`, which bus models do not look for.

use crate::places::places;
use crate::split::split;
use rust_hdl::prelude::{generate_verilog, Block};
use std::collections::BTreeMap;

/// What `rust-hdl` calls the top.
const GENERATED_TOP: &str = "top";
/// What it writes before a kernel.
pub(crate) const GENERATED_KERNEL: &str = "// Update code";

/// The Verilog of `block`, whose top is called `name`.
///
/// # Panics
/// If two names of the block become one when `$` becomes `_`, or a kernel says what Verilog understands
/// otherwise: no block leaves unread.
pub fn export(name: &str, block: &mut impl Block) -> String {
    block.connect_all();
    let findings = crate::lint::findings(name, block);
    assert!(findings.is_empty(), "Verilog would differ from the Rust:\n{}", findings.join("\n"));
    let text = split(&places(&ansi(&renamed(name, &generate_verilog(block)))));
    format!("// Generated from rust-hdl: edit the block, not this file.\n{}", waived(&text))
}

/// Before each kernel and behind it. rust-hdl writes every number of a kernel with 32 bits and widens by
/// `&` with ones; whether a width then matters is what our own lint decides.
const KERNEL_HEAD: &str =
    "    /* verilator lint_save */ /* verilator lint_off WIDTH */ // Numbers of 32 bits.\n";
const KERNEL_END: &str = "    /* verilator lint_restore */\n";
/// Behind the top. What it is made of lies in its file, so that a block is one file.
const PARTS_HEAD: &str = "/* verilator lint_off DECLFILENAME */ // Parts of the top lie in its file.\n";

/// The text with what Verilator must be told to accept it as it comes; hand-written bodies need nothing.
fn waived(text: &str) -> String {
    let mut out = String::new();
    let (mut is_kernel, mut modules_count) = (false, 0);
    for line in text.trim_start().lines() {
        if line == "endmodule" && std::mem::take(&mut is_kernel) {
            out.push_str(KERNEL_END);
        }
        if line.starts_with("module ") {
            modules_count += 1;
            if modules_count == 2 {
                out.push_str(PARTS_HEAD);
            }
        }
        if line.trim() == GENERATED_KERNEL {
            is_kernel = true;
            out.push_str(KERNEL_HEAD);
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// The text with flat names and its own name for the top.
fn renamed(name: &str, text: &str) -> String {
    let mut flat = BTreeMap::new();
    for word in words(text).filter(|word| is_identifier(word)) {
        let below_top = word.strip_prefix(GENERATED_TOP).filter(|rest| rest.starts_with('$'));
        let new = below_top.map_or(word.to_owned(), |rest| format!("{name}{rest}"));
        flat.insert(word, new.replace('$', "_"));
    }
    let modules = text.split("\nmodule ").skip(1).filter_map(|module| words(module).next());
    stay_apart(name, modules, &flat);
    for module in text.split("\nendmodule") {
        // Behind a point is a port, whose name belongs to another module.
        let before = std::iter::once("").chain(words(module));
        let own = before.zip(words(module)).filter(|(before, _)| *before != ".");
        stay_apart(name, own.map(|(_, word)| word), &flat);
    }
    let mut is_head = false;
    let new = |word| {
        let new = match flat.get(word) {
            Some(_) if is_head && word == GENERATED_TOP => name,
            Some(new) => new,
            None => word,
        };
        is_head = word == "module" || is_head && word == " ";
        new
    };
    words(text).map(new).collect()
}

/// Names of one scope must not become one.
fn stay_apart<'a>(top: &str, names: impl Iterator<Item = &'a str>, flat: &BTreeMap<&str, String>) {
    let mut olds = BTreeMap::new();
    for old in names {
        let Some(new) = flat.get(old) else { continue };
        let first = olds.entry(new).or_insert(old);
        assert_eq!(*first, old, "two names of `{top}` become `{new}`");
    }
}

/// Whether a word is a name of the design; system tasks and numbers are not.
pub(crate) fn is_identifier(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// The text in pieces: comments, strings, numbers, identifiers, and each other character by itself.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let span = |of: fn(char) -> bool| rest.find(|c| !of(c)).unwrap_or(rest.len());
        let length = match first {
            '/' if rest.starts_with("//") => span(|c| c != '\n'),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            _ if first.is_ascii_alphanumeric() || matches!(first, '_' | '$') => {
                span(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '\''))
            }
            other => other.len_utf8(),
        };
        let (word, after) = rest.split_at(length);
        rest = after;
        Some(word)
    })
}

/// Moves the declarations of ports into the heads of their modules.
fn ansi(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(name) = line.trim().strip_prefix("module ").and_then(|head| head.split('(').next()) else {
            // The comment behind the end has the name that was.
            let is_end = line.starts_with("endmodule");
            out.push_str(if is_end { "endmodule" } else { line.trim_end() });
            out.push('\n');
            continue;
        };
        let mut ports = Vec::new();
        while let Some(line) = lines.peek().map(|line| line.trim()) {
            let is_port = ["input ", "output ", "inout "].iter().any(|way| line.starts_with(way));
            if is_port {
                ports.push(line.trim_end_matches(';').split_whitespace().collect::<Vec<_>>().join(" "));
            } else if !line.is_empty() && !line.starts_with("//") {
                break;
            }
            lines.next();
        }
        out.push_str(&format!("module {name} (\n    {}\n);\n", ports.join(",\n    ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_hdl::prelude::*;

    #[derive(LogicInterface, Clone, Debug, Default)]
    #[join = "OutBus"]
    struct InBus {
        tdata: Signal<In, Bits<8>>,
        tready: Signal<Out, Bit>,
    }

    #[derive(LogicInterface, Clone, Debug, Default)]
    #[join = "InBus"]
    struct OutBus {
        tdata: Signal<Out, Bits<8>>,
        tready: Signal<In, Bit>,
    }

    #[derive(LogicBlock, Default)]
    struct Register {
        clock: Signal<In, Clock>,
        s_axis: InBus,
        m_axis: OutBus,
        top: DFF<Bits<8>>,
    }

    impl Logic for Register {
        #[hdl_gen]
        fn update(&mut self) {
            dff_setup!(self, clock, top);
            if self.m_axis.tready.val() {
                self.top.d.next = self.s_axis.tdata.val();
            }
            self.m_axis.tdata.next = self.top.q.val();
            self.s_axis.tready.next = self.m_axis.tready.val();
        }
    }

    #[test]
    fn ports_are_flat_and_declared_once() {
        let text = export("register", &mut Register::default());
        let head: String = text.split("endmodule").next().unwrap_or_default().into();
        let ports = head.split(");").next().unwrap_or_default();
        assert!(ports.contains("module register (\n    input wire clock,\n"), "{ports}");
        assert!(ports.contains("input wire [7:0] s_axis_tdata,"), "{ports}");
        assert!(ports.ends_with("input wire m_axis_tready\n"), "{ports}");
        assert_eq!(head.matches("s_axis_tdata").count(), 2, "{head}");
        assert!(text.contains("module register_top (") && !text.contains('$'), "{text}");
        crate::yosys::check("register", &text);
    }

    #[test]
    #[should_panic(expected = "two names")]
    fn names_that_would_meet_are_refused() {
        renamed("m", "module top(a$b,a_b); endmodule");
    }

    #[test]
    fn comments_numbers_and_tasks_stay() {
        let text = "x = 4'hf; // top$a\n$finish; \"top$b\" top$c";
        assert_eq!(renamed("m", text), "x = 4'hf; // top$a\n$finish; \"top$b\" m_c");
    }
}
