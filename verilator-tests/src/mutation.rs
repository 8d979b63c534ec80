//! Small faults in a Verilog text, one at a time: what a test suite has to notice.
//!
//! Enters: a text. Leaves: every place where one token can be wrong the way people and generators get it
//! wrong. A text with a mutation may not compile; one that compiles and passes every test shows a gap in
//! the tests, or a part that cannot matter. What registers hold before the first reset is left alone, so is
//! what is named `unused` or written for others than Verilator, and so is the line with which a kernel lets a
//! register keep its value: without it there is a latch, or nothing changes.

use std::ops::Range;

/// One changed place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// What kind of fault.
    pub kind: Kind,
    /// The line, counted from 1.
    pub line: usize,
    range: Range<usize>,
    replacement: String,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Another operator.
    Operator,
    /// A negation lost.
    Negation,
    /// A number off by one in its last digit.
    Number,
    /// A condition that always holds.
    Always,
    /// A condition that never holds.
    Never,
    /// An assignment lost.
    Assignment,
}

impl Mutation {
    /// The text with this change.
    pub fn apply(&self, text: &str) -> String {
        format!("{}{}{}", &text[..self.range.start], self.replacement, &text[self.range.end..])
    }

    /// The place: what stood there and what stands there now, with a little of the line before it.
    pub fn describe(&self, text: &str) -> String {
        let before = text[..self.range.start].lines().next_back().unwrap_or_default();
        let skipped = before.char_indices().rev().nth(CONTEXT_MAX).map_or(0, |(at, _)| at);
        let (before, old) = (before[skipped..].trim_start(), &text[self.range.clone()]);
        let after: String =
            text[self.range.end..].chars().take_while(|c| *c != '\n').take(CONTEXT_MAX).collect();
        format!("line {}: {before}[{old} -> {}]{after}", self.line, self.replacement)
    }
}

/// Characters shown on either side of a change.
const CONTEXT_MAX: usize = 50;

/// Each operator with another that a test must tell from it.
const OPERATORS: [(&str, &str); 16] = [
    ("==", "!="),
    ("!=", "=="),
    ("&&", "||"),
    ("||", "&&"),
    ("<<", ">>"),
    (">>", "<<"),
    (">=", ">"),
    ("<=", "<"),
    ("&", "|"),
    ("|", "&"),
    ("^", "|"),
    ("+", "-"),
    ("-", "+"),
    ("<", "<="),
    (">", ">="),
    ("*", "+"),
];
/// What else is one token of several characters.
const LONG: [&str; 9] = ["<<<", ">>>", "===", "!==", "+:", "-:", "~^", "^~", "**"];

/// What takes values that nobody looks at.
const UNUSED: &str = "unused";

#[derive(Clone, Debug)]
struct Token {
    range: Range<usize>,
    line: usize,
}

/// Every mutation of a text, in its order.
pub fn all(text: &str) -> Vec<Mutation> {
    let tokens = tokens(text);
    let word = |index: usize| tokens.get(index).map_or("", |token: &Token| &text[token.range.clone()]);
    let mut found = Vec::new();
    let mut statement = Statement::default();
    let mut initial_end = 0;
    for (index, token) in tokens.iter().enumerate() {
        if word(index) == "initial" {
            initial_end = end_of_block(index + 1, word);
        }
        let mut push = |kind, range: Range<usize>, replacement: &str| {
            found.push(Mutation { kind, line: token.line, range, replacement: replacement.into() });
        };
        let here = word(index);
        let target = text[statement.start..token.range.start].split_whitespace();
        let is_unused = target.take(2).any(|word| word == UNUSED);
        if statement.is_code() && index >= initial_end && !is_unused {
            let follows_value = index > 0 && ends_value(word(index - 1));
            match here {
                "!" | "~" => push(Kind::Negation, token.range.clone(), ""),
                "if" => {
                    if let Some(end) = closing(&tokens, text, index + 1) {
                        let condition = tokens[index + 1].range.start..tokens[end].range.end;
                        push(Kind::Always, condition.clone(), "(1'b1)");
                        push(Kind::Never, condition, "(1'b0)");
                    }
                }
                "=" | "<=" if statement.is_target() => {
                    if let Some(end) = (index..tokens.len()).find(|end| word(*end) == ";") {
                        let whole = statement.start..tokens[end].range.start;
                        let is_kept = keeps(word(index - 1), word(index + 1)) && end == index + 2;
                        if statement.may_be_lost && !is_kept && !text[whole.clone()].contains('\n') {
                            push(Kind::Assignment, whole, "");
                        }
                    }
                }
                _ => {
                    let other = OPERATORS.iter().find(|(own, _)| *own == here && follows_value);
                    if let Some((_, other)) = other {
                        push(Kind::Operator, token.range.clone(), other);
                    }
                    if let Some(other) = other_number(here) {
                        push(Kind::Number, token.range.clone(), &other);
                    }
                }
            }
        }
        statement.step(here, token.range.end, word(index + 1), tokens.get(index + 1));
    }
    found
}

/// Where in a statement the scan is.
#[derive(Default)]
struct Statement {
    /// Where it begins.
    start: usize,
    /// Within the head of a module, up to its first `;`.
    in_head: bool,
    /// A declaration, whose text matters only behind `=`.
    is_declaration: bool,
    /// `if`, `always` and their kin: the parenthesis that closes ends it.
    is_control: bool,
    /// The left side of an assignment is over.
    has_target: bool,
    /// Of a procedural block: without it the target keeps its value or an earlier one.
    may_be_lost: bool,
    parentheses: usize,
    brackets: usize,
}

impl Statement {
    /// Whether the next token is one that decides what the hardware does.
    fn is_code(&self) -> bool {
        !self.in_head && self.brackets == 0 && (!self.is_declaration || self.has_target)
    }

    /// Whether an assignment sign here ends the left side.
    fn is_target(&self) -> bool {
        !self.has_target && self.parentheses == 0 && !self.is_declaration
    }

    fn step(&mut self, here: &str, end: usize, next: &str, next_token: Option<&Token>) {
        match here {
            "(" => self.parentheses += 1,
            ")" => self.parentheses = self.parentheses.saturating_sub(1),
            "[" => self.brackets += 1,
            "]" => self.brackets = self.brackets.saturating_sub(1),
            "=" | "<=" if self.parentheses == 0 => self.has_target = true,
            "module" => self.in_head = true,
            _ => {}
        }
        let is_over = self.parentheses == 0 && self.brackets == 0;
        let ends = matches!(here, ";" | "begin" | "end" | "else" | "endmodule" | "endcase")
            || is_over && (here == ")" && self.is_control || here == ":" && !self.has_target);
        if ends {
            let in_head = self.in_head && here != ";";
            let start = next_token.map_or(end, |token| token.range.start);
            *self = Statement { start, in_head, ..Statement::default() };
        }
        if self.start == next_token.map_or(usize::MAX, |token| token.range.start) {
            let declares = ["input", "output", "inout", "wire", "reg", "localparam", "parameter", "integer"];
            self.is_declaration = declares.contains(&next);
            self.is_control = ["if", "for", "while", "repeat", "case", "casez", "always"].contains(&next);
            self.may_be_lost = next.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '\\')
                && !self.is_control
                && !["assign", "initial"].contains(&next);
        }
    }
}

/// Whether `target = value` is how rust-hdl has a register keep its value.
fn keeps(target: &str, value: &str) -> bool {
    target.strip_suffix("_d").is_some_and(|register| value.strip_suffix("_q") == Some(register))
}

/// Whether an operator behind this token has a left side.
fn ends_value(token: &str) -> bool {
    token.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | ')' | ']' | '}'))
}

/// Behind the statement at `start`: its `end`, or its `;`.
fn end_of_block<'a>(start: usize, word: impl Fn(usize) -> &'a str) -> usize {
    let mut depth = 0usize;
    for index in start.. {
        match word(index) {
            "begin" => depth += 1,
            "end" => depth = depth.saturating_sub(1),
            // Behind the last token there are only empty ones.
            ";" | "" => {}
            _ => continue,
        }
        if depth == 0 || word(index).is_empty() {
            return index + 1;
        }
    }
    start
}

/// The token that closes the parenthesis at `open`.
fn closing(tokens: &[Token], text: &str, open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match &text[token.range.clone()] {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return (index > open).then_some(index);
        }
    }
    None
}

/// The number with the lowest bit of its last digit turned.
fn other_number(token: &str) -> Option<String> {
    if !token.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digit = token.chars().next_back()?.to_digit(16)?;
    let rest = &token[..token.len() - 1];
    Some(format!("{rest}{:x}", digit ^ 1))
}

/// Tokens without comments, strings, attributes, and what Verilator does not read.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut at, mut line, mut is_for_verilator) = (0, 1, false);
    while at < text.len() {
        let rest = &text[at..];
        let length = match rest.chars().next() {
            Some(first) if first.is_whitespace() => first.len_utf8(),
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ if rest.starts_with("(*") && !rest.starts_with("(*)") => {
                rest.find("*)").map_or(rest.len(), |end| end + 2)
            }
            Some('"') => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            Some('`') => {
                let is_over = is_for_verilator && rest.starts_with("`else");
                is_for_verilator = rest.starts_with("`ifdef VERILATOR");
                rest.find(if is_over { "`endif" } else { "\n" }).unwrap_or(rest.len())
            }
            _ => {
                let length = token_length(rest);
                tokens.push(Token { range: at..at + length, line });
                length
            }
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    tokens
}

fn token_length(rest: &str) -> usize {
    let span = |of: fn(char) -> bool| rest.find(|c: char| !of(c)).unwrap_or(rest.len());
    let first = rest.chars().next().unwrap_or(' ');
    if first == '\\' {
        return span(|c| !c.is_whitespace());
    }
    if first.is_alphabetic() || matches!(first, '_' | '$') {
        return span(|c| c.is_alphanumeric() || matches!(c, '_' | '$'));
    }
    if first.is_ascii_digit() {
        return span(|c| c.is_alphanumeric() || matches!(c, '_' | '\''));
    }
    let long = LONG.iter().copied().chain(OPERATORS.iter().map(|(own, _)| *own));
    long.filter(|operator| rest.starts_with(operator)).map(str::len).max().unwrap_or(first.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
module tiny #(parameter N = 4) (input wire clock, input wire [N-1:0] a, output reg [3:0] q);
    localparam limit = 4'd9; // not & here
    (* keep = 1 *) wire full = a <= limit;
    initial begin q = 4'h1; end
    initial q = 4'h2;
    wire unused = &{1'b0, a};
    `ifdef VERILATOR
    wire here = a >= limit;
    `else
    wire there = a < limit;
    `endif
    always @(*) begin
        r_d = r_q;
        unused = 1'b0;
        q = 4'h0;
        if (!full & (a[(2)+:(2)] == 4'ha)) begin
            q = (a) + -1;
        end
    end
endmodule
";

    fn lines() -> Vec<(Kind, String)> {
        let changed = |mutation: &Mutation| {
            mutation.apply(TEXT).lines().nth(mutation.line - 1).unwrap_or_default().trim().to_owned()
        };
        all(TEXT).iter().map(|mutation| (mutation.kind, changed(mutation))).collect()
    }

    #[test]
    fn each_place_is_changed_once() {
        let expected = [
            (Kind::Number, "localparam limit = 4'd8; // not & here"),
            (Kind::Operator, "(* keep = 1 *) wire full = a < limit;"),
            (Kind::Operator, "wire here = a > limit;"),
            (Kind::Assignment, ";"),
            (Kind::Number, "q = 4'h1;"),
            (Kind::Always, "if (1'b1) begin"),
            (Kind::Never, "if (1'b0) begin"),
            (Kind::Negation, "if (full & (a[(2)+:(2)] == 4'ha)) begin"),
            (Kind::Operator, "if (!full | (a[(2)+:(2)] == 4'ha)) begin"),
            (Kind::Operator, "if (!full & (a[(2)+:(2)] != 4'ha)) begin"),
            (Kind::Number, "if (!full & (a[(2)+:(2)] == 4'hb)) begin"),
            (Kind::Assignment, ";"),
            (Kind::Operator, "q = (a) - -1;"),
            (Kind::Number, "q = (a) + -0;"),
        ];
        assert_eq!(lines(), expected.map(|(kind, line)| (kind, line.to_owned())));
    }

    #[test]
    fn a_change_is_shown_in_its_place() {
        let shown: Vec<String> = all(TEXT).iter().map(|mutation| mutation.describe(TEXT)).collect();
        assert_eq!(shown[1], "line 3: (* keep = 1 *) wire full = a [<= -> <] limit;");
    }

    #[test]
    fn an_assignment_is_no_comparison() {
        let text = "module m(input clock);\nalways @(posedge clock) begin\n  if (a <= b) x <= y <= z;\nend\nendmodule";
        let kinds: Vec<Kind> = all(text).iter().map(|mutation| mutation.kind).collect();
        assert_eq!(kinds, [Kind::Always, Kind::Never, Kind::Operator, Kind::Assignment, Kind::Operator]);
    }
}
