//! Words of parts as Verilog is written by hand: each part stands at its place, on the left of `=`.
//!
//! Enters: text whose kernels shift each part to its place at the width of the whole word and join them by
//! `|`, because rust-hdl has nothing else. Leaves: the same values from `word[at+:32] = part;`, which costs a
//! simulator the part alone.
//!
//! What is joined by `|` may move to the left only where the word holds zeros: behind a zero for the whole
//! of it, parts that do not meet, and none of it under a condition.

use crate::export::{is_identifier, words, GENERATED_KERNEL};
use crate::split::{INSIDE, STATEMENT};
use std::collections::BTreeMap;

/// `text` with parts at their places.
pub(crate) fn places(text: &str) -> String {
    text.split_inclusive("\nendmodule\n").map(module).collect()
}

/// Words that begin with zero, and the bits of each that parts have: place and number.
type Taken<'a> = BTreeMap<&'a str, Vec<(usize, usize)>>;

fn module(text: &str) -> String {
    let Some((before, kernel)) = text.split_once(GENERATED_KERNEL) else { return text.to_owned() };
    let declared = Declared::of(before);
    let mut taken = Taken::new();
    let mut out = format!("{before}{GENERATED_KERNEL}");
    for line in kernel.split_inclusive('\n') {
        match placed(line, &declared, &mut taken) {
            Some(new) => out += &line.replacen(line.trim(), &new, 1),
            None => out += line,
        }
    }
    out
}

/// A line that puts a bit or a part to its place, if it is one that may.
fn placed<'a>(line: &'a str, declared: &Declared, taken: &mut Taken<'a>) -> Option<String> {
    let (name, value) = line.trim().trim_end_matches(';').split_once(" = ")?;
    let is_first = line.starts_with(STATEMENT) && !line.starts_with(INSIDE);
    let others = taken.remove(name).filter(|_| is_first);
    if let Some(bit) = declared.bit(name, value) {
        return Some(bit);
    }
    if is_first && number(value) == Some(0) {
        taken.insert(name, Vec::new());
    }
    let (place, at, bits, part) = declared.part(name, value)?;
    let mut others = others?;
    let meets = |&(other, bits_of_other): &(usize, usize)| at < other + bits_of_other && other < at + bits;
    if others.iter().any(meets) {
        return None;
    }
    others.push((at, bits));
    taken.insert(name, others);
    Some(format!("{name}[{place}+:{bits}] = {part};"))
}

/// What a module declares before its kernel.
struct Declared<'a> {
    bits: BTreeMap<&'a str, usize>,
    constants: BTreeMap<&'a str, usize>,
}

impl<'a> Declared<'a> {
    fn of(text: &'a str) -> Self {
        let (mut bits, mut constants) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines().map(|line| line.trim().trim_end_matches([',', ';'])) {
            if let Some((name, value)) =
                line.strip_prefix("localparam ").and_then(|rest| rest.split_once(" = "))
            {
                constants.extend(number(value).map(|value| (name.trim(), value)));
            } else if words(line).any(|word| ["reg", "wire"].contains(&word)) {
                let name = line.rsplit(' ').next().filter(|name| words(name).eq([*name]));
                let high = line.split_once('[').map_or(Some("0"), |(_, range)| range.split(':').next());
                let high = high.and_then(|high| high.parse::<usize>().ok());
                bits.extend(name.zip(high.map(|high| high + 1)));
            }
        }
        Self { bits, constants }
    }

    /// A bit that replaces that of `name`: `name[3] = bit;`.
    fn bit(&self, name: &str, value: &str) -> Option<String> {
        let (at, value) = value.strip_prefix(&format!("({name} & ~(1 << ("))?.split_once(")) | ((")?;
        let bit = value.strip_suffix(&format!(") << ({at})))"))?;
        let at = self.number(at).filter(|at| Some(at) < self.bits.get(name))?;
        Some(format!("{name}[{at}] = {bit};"))
    }

    /// A signal that is joined to `name`: its place in words and as a number, its bits, and its name.
    fn part<'b>(&self, name: &str, value: &'b str) -> Option<(&'b str, usize, usize, &'b str)> {
        let (part, shift) = value.strip_prefix(&format!("{name} | ((("))?.split_once(") & ")?;
        let (mask, place) = shift.strip_suffix(')')?.split_once(") << ")?;
        let whole = *self.bits.get(name)?;
        let all = format!("{whole}'h{}{}", ["", "1", "3", "7"][whole % 4], "f".repeat(whole / 4));
        let bits = *self.bits.get(part).filter(|_| is_identifier(part) && mask == all)?;
        let at = self.number(place).filter(|at| at + bits <= whole)?;
        Some((place, at, bits, part))
    }

    fn number(&self, text: &str) -> Option<usize> {
        self.constants.get(text).copied().or_else(|| number(text))
    }
}

/// A number as rust-hdl writes them: `7`, `32'h1f`, `3'b101`.
fn number(text: &str) -> Option<usize> {
    let (radix, digits) = match text.split_once('\'') {
        Some((_, digits)) if digits.starts_with('h') => (16, &digits[1..]),
        Some((_, digits)) if digits.starts_with('b') => (2, &digits[1..]),
        Some(_) => return None,
        None => (10, text),
    };
    usize::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "module m (\n    input wire [7:0] a,\n    output reg [39:0] w\n);\n    \
                        localparam  at = 6'h20;\n    wire  b;\n    // Update code\n    always @(*) begin\n";

    fn with(kernel: &[&str]) -> String {
        let lines: String = kernel.iter().map(|line| format!("        {line}\n")).collect();
        format!("{HEAD}{lines}    end\n\nendmodule\n")
    }

    const PART: &str = "w = w | (((a) & 40'hffffffffff) << at);";

    #[test]
    fn parts_and_bits_stand_at_their_places() {
        let low = "w = w | (((a) & 40'hffffffffff) << 32'h8);";
        let bit = "w = (w & ~(1 << (3)) | ((b & a[0]) << (3)));";
        let text = with(&["w = 40'h0;", low, PART, bit]);
        assert_eq!(
            places(&text),
            with(&["w = 40'h0;", "w[32'h8+:8] = a;", "w[at+:8] = a;", "w[3] = b & a[0];"])
        );
    }

    #[test]
    fn what_may_meet_other_bits_stays() {
        let meets = "w = w | (((a) & 40'hffffffffff) << 32'h19);";
        let masked = "w = w | (((a) & 40'hf) << at);";
        let beyond = "w = w | (((a) & 40'hffffffffff) << 32'h21);";
        for kernel in [
            vec![PART],
            vec!["w = a;", PART],
            vec!["w = 40'h0;", "if (b) begin", "    w = 40'h1;", "end", PART],
            vec!["w = 40'h0;", "if (b) begin", &format!("    {PART}"), "end"],
            vec!["w = 40'h0;", masked],
            vec!["w = 40'h0;", beyond],
            vec!["w = (w & ~(1 << (40)) | ((b) << (40)));"],
            vec!["w = (w & ~(1 << (a)) | ((b) << (a)));"],
        ] {
            let text = with(&kernel);
            assert_eq!(places(&text), text);
        }
        let text = with(&["w = 40'h0;", PART, meets]);
        assert_eq!(places(&text), with(&["w = 40'h0;", "w[at+:8] = a;", meets]));
    }
}
