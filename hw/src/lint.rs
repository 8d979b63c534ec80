//! What a kernel must not say, because `rust-hdl` prints it as Verilog that means something else.
//!
//! Enters: a block. Leaves: one line per finding. Rust computes `a + b` in the width of `a`; Verilog widens
//! it to the width of what stands around it, and its `==` binds tighter than `&`. Neither Verilog nor
//! synthesis complains, so every export asks here.

use rust_hdl::core::ast::{
    VerilogBlockOrConditional as Otherwise, VerilogExpression as Expression, VerilogOp as Op,
    VerilogOpUnary as Unary, VerilogStatement as Statement,
};
use rust_hdl::prelude::{Atom, AtomKind, Block, Probe, TypeDescriptor, TypeKind, Verilog};
use std::collections::{BTreeMap, BTreeSet};

/// Every finding in `block` and what it is made of.
pub(crate) fn findings(name: &str, block: &impl Block) -> Vec<String> {
    let mut lint = Lint::default();
    block.accept(name, &mut lint);
    lint.findings.into_iter().collect()
}

#[derive(Default)]
struct Lint {
    scopes: Vec<Scope>,
    namespace: Vec<String>,
    findings: BTreeSet<String>,
}

/// What one block's kernel can name.
#[derive(Default)]
struct Scope {
    name: String,
    signals: BTreeMap<String, Signal>,
    states: BTreeSet<String>,
}

#[derive(Clone, Copy)]
struct Signal {
    bits: usize,
    is_input_of_child: bool,
}

impl Probe for Lint {
    fn visit_start_scope(&mut self, name: &str, _: &dyn Block) {
        self.scopes.push(Scope { name: name.into(), ..Default::default() });
    }

    fn visit_start_namespace(&mut self, name: &str, _: &dyn Block) {
        self.namespace.push(name.into());
    }

    fn visit_end_namespace(&mut self, _: &str, _: &dyn Block) {
        self.namespace.pop();
    }

    fn visit_atom(&mut self, name: &str, atom: &dyn Atom) {
        let path = [self.namespace.as_slice(), &[name.to_owned()]].concat().join("$");
        let kind = atom.kind();
        let bits = atom.bits();
        if bits == 0 {
            self.find("has no bits; a state needs two variants", &path);
        }
        let mut states = BTreeSet::new();
        collect_states(&atom.descriptor(), &mut states);
        let Some((own, parents)) = self.scopes.split_last_mut() else { return };
        own.signals.insert(element(&path), Signal { bits, is_input_of_child: false });
        own.states.extend(states.iter().cloned());
        let Some(parent) = parents.last_mut() else { return };
        parent.states.extend(states);
        let seen = Signal { bits, is_input_of_child: kind == AtomKind::InputParameter };
        parent.signals.insert(element(&format!("{}${path}", own.name)), seen);
    }

    fn visit_end_scope(&mut self, _: &str, node: &dyn Block) {
        if let Verilog::Combinatorial(kernel) = node.hdl() {
            self.block(&kernel, &mut Vec::new());
        }
        self.scopes.pop();
    }
}

impl Lint {
    fn find(&mut self, reason: &str, what: &str) {
        let path: Vec<&str> = self.scopes.iter().map(|scope| scope.name.as_str()).collect();
        let what: String = what.chars().take(160).collect();
        self.findings.insert(format!("{}: {reason}: {what}", path.join(".")));
    }

    fn find_in(&mut self, reason: &str, what: &Expression) {
        self.find(reason, &format!("{what:?}"));
    }

    fn block(&mut self, block: &[Statement], loops: &mut Vec<String>) {
        for statement in block {
            self.statement(statement, loops);
        }
    }

    fn statement(&mut self, statement: &Statement, loops: &mut Vec<String>) {
        match statement {
            Statement::Assignment(_, value) => self.expression(value, loops),
            Statement::SliceAssignment { offset, replacement, .. } => {
                self.expression(offset, loops);
                self.expression(replacement, loops);
            }
            Statement::If(branch) => {
                self.expression(&branch.test, loops);
                self.block(&branch.then, loops);
                match &branch.otherwise {
                    Otherwise::Block(block) => self.block(block, loops),
                    Otherwise::Conditional(next) => self.statement(next, loops),
                    Otherwise::None => {}
                }
            }
            Statement::Match(choice) => {
                self.expression(&choice.test, loops);
                for case in &choice.cases {
                    self.block(&case.block, loops);
                }
            }
            Statement::Loop(repeated) => {
                loops.push(repeated.index.clone());
                self.block(&repeated.block, loops);
                loops.pop();
            }
            Statement::Macro(block) => self.block(block, loops),
            Statement::Comment(_) | Statement::Link(_) => {}
        }
    }

    fn expression(&mut self, expression: &Expression, loops: &[String]) {
        self.judge(expression, loops);
        match expression {
            Expression::Signal(_) | Expression::Literal(_) => {}
            Expression::Cast(a, _) | Expression::Signed(a) | Expression::Unsigned(a) => {
                self.expression(a, loops);
            }
            Expression::Paren(a) | Expression::Unary(_, a) => self.expression(a, loops),
            Expression::Binary(a, _, b) | Expression::Index(a, b) | Expression::Slice(a, _, b) => {
                self.expression(a, loops);
                self.expression(b, loops);
            }
            Expression::IndexReplace(a, b, c) => {
                self.expression(a, loops);
                self.expression(b, loops);
                self.expression(c, loops);
            }
        }
    }

    /// The rules; what lies inside is judged by itself.
    fn judge(&mut self, expression: &Expression, loops: &[String]) {
        match expression {
            Expression::Signal(name) => self.judge_name(name, loops),
            Expression::Binary(a, op, b) if is_comparison(op) => {
                let is_bare =
                    |side: &Expression| matches!(side, Expression::Binary(_, op, _) if is_bitwise(op));
                if is_bare(a) || is_bare(b) {
                    self.find_in("put the bitwise side of a comparison in parentheses", expression);
                }
                if widens(a) || widens(b) {
                    self.find_in("compare a bit_cast of the same width, the result is widened", expression);
                }
            }
            Expression::Binary(a, Op::Shr, _) if widens(a) => {
                self.find_in("shift a bit_cast of the same width, the carry comes in", expression);
            }
            Expression::Cast(a, bits) if widens(a) && self.bits(a).is_none_or(|of| of < *bits) => {
                self.find_in("widen a bit_cast of the same width, the result is wider before", expression);
            }
            Expression::Unary(Unary::All | Unary::Any | Unary::Xor, a) if widens(a) && has_literal(a) => {
                self.find_in("reduce a bit_cast of the same width, a number is wider", expression);
            }
            Expression::Slice(base, ..) | Expression::Index(base, _)
                if !matches!(**base, Expression::Signal(_)) =>
            {
                self.find_in(
                    "copy to a Local before taking bits, Verilog has no slice of an expression",
                    expression,
                );
            }
            Expression::IndexReplace(_, _, bit) if widens(bit) => {
                self.find_in("put the bit into a Local first, it is widened", expression);
            }
            _ => {}
        }
    }

    fn judge_name(&mut self, name: &str, loops: &[String]) {
        let Some(scope) = self.scopes.last() else { return };
        let signal = scope.signals.get(&element(name)).copied();
        match signal {
            Some(signal) if signal.is_input_of_child => {
                self.find("reads back a child's input, which Rust has not settled yet", name);
            }
            Some(_) => {}
            None if scope.states.contains(name) || loops.iter().any(|index| index == name) => {}
            None => self.find("is no signal; a number of the kernel needs a Constant field", name),
        }
    }

    /// The width that Rust gives an expression, if it can be told.
    fn bits(&self, expression: &Expression) -> Option<usize> {
        match expression {
            Expression::Signal(name) => {
                self.scopes.last()?.signals.get(&element(name)).map(|signal| signal.bits)
            }
            Expression::Cast(_, bits) | Expression::Slice(_, bits, _) => Some(*bits),
            Expression::Index(..) | Expression::Unary(Unary::All | Unary::Any | Unary::Xor, _) => Some(1),
            Expression::Unary(Unary::Not | Unary::Neg, a) | Expression::Paren(a) => self.bits(a),
            Expression::IndexReplace(a, ..) => self.bits(a),
            Expression::Binary(_, op, _) if is_comparison(op) => Some(1),
            Expression::Binary(_, Op::LogicalAnd | Op::LogicalOr, _) => Some(1),
            Expression::Binary(a, Op::Shl | Op::Shr, _) => self.bits(a),
            Expression::Binary(a, _, b) => self.bits(a).or_else(|| self.bits(b)),
            Expression::Literal(_) | Expression::Signed(_) | Expression::Unsigned(_) => None,
        }
    }
}

/// A signal's name without places in arrays.
fn element(name: &str) -> String {
    let name = name.trim_end_matches("$next");
    let parts = name.split('$').map(|part| part.split('[').next().unwrap_or(part));
    let parts: Vec<&str> = parts.filter(|part| !part.bytes().all(|byte| byte.is_ascii_digit())).collect();
    parts.join("$")
}

fn collect_states(kind: &TypeDescriptor, states: &mut BTreeSet<String>) {
    match &kind.kind {
        TypeKind::Enum(variants) => states.extend(variants.iter().map(|variant| variant.replace("::", "$"))),
        TypeKind::Composite(fields) => fields.iter().for_each(|field| collect_states(&field.kind, states)),
        TypeKind::Bits(_) | TypeKind::Signed(_) => {}
    }
}

fn is_comparison(op: &Op) -> bool {
    matches!(op, Op::Eq | Op::Ne | Op::Lt | Op::Le | Op::Gt | Op::Ge)
}

fn is_bitwise(op: &Op) -> bool {
    matches!(op, Op::BitAnd | Op::BitOr | Op::BitXor)
}

/// Whether the low bits of an expression gain company when it is evaluated in more of them. A cast masks.
fn widens(expression: &Expression) -> bool {
    match expression {
        Expression::Paren(a) => widens(a),
        Expression::Binary(_, Op::Add | Op::Sub | Op::Mul | Op::Shl, _) => true,
        Expression::Binary(a, op, b) if is_bitwise(op) => widens(a) || widens(b),
        Expression::Binary(a, Op::Shr, _) => widens(a),
        Expression::Unary(Unary::Not | Unary::Neg, _) => true,
        _ => false,
    }
}

fn has_literal(expression: &Expression) -> bool {
    match expression {
        Expression::Literal(_) => true,
        Expression::Paren(a) | Expression::Unary(_, a) => has_literal(a),
        Expression::Binary(a, Op::Shl | Op::Shr, _) => has_literal(a),
        Expression::Binary(a, _, b) => has_literal(a) || has_literal(b),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
