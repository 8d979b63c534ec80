//! Fields of one word put at their places in another. Timing: nothing but wires.
//!
//! What is laid out by `formats` or [`crate::layout`] is moved by this and by no number in a kernel.

use crate::layout::Field;
use rust_hdl::prelude::*;

/// The way of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Its lowest bit in the input.
    pub from: usize,
    /// Its lowest bit in the output.
    pub to: usize,
    /// Its width.
    pub bits: usize,
}

impl Wire {
    /// Wires of the top by that name: one bit read twice, one not read, gaps and neighbours.
    pub const SAMPLE: [Self; 4] = [
        Self { from: 0, to: 3, bits: 1 },
        Self { from: 16, to: 4, bits: 24 },
        Self { from: 0, to: 28, bits: 8 },
        Self { from: 9, to: 40, bits: 20 },
    ];

    /// From field to field; of different widths, the low bits that both have.
    pub fn low(from: Field, to: Field) -> Self {
        Self { from: from.at, to: to.at, bits: from.bits.min(to.bits) }
    }

    /// As [`Self::low`], the other way round.
    pub fn reversed(self) -> Self {
        Self { from: self.to, to: self.from, ..self }
    }
}

/// `O` bits, of which each is one of `I` bits or zero.
#[derive(LogicBlock)]
pub struct Wires<const I: usize, const O: usize> {
    /// The word with the fields.
    pub x: Signal<In, Bits<I>>,
    /// The word with the fields at their new places.
    pub y: Signal<Out, Bits<O>>,
    _wires: Vec<Wire>,
}

impl<const I: usize, const O: usize> Wires<I, O> {
    /// These wires.
    ///
    /// # Panics
    /// If one begins or ends outside of its word, or two end in one bit.
    pub fn new(wires: impl IntoIterator<Item = Wire>) -> Self {
        let mut wires: Vec<Wire> = wires.into_iter().collect();
        wires.sort_by_key(|wire| wire.to);
        let ends = wires.iter().map(|wire| wire.to).skip(1).chain([O]);
        for (wire, end) in wires.iter().zip(ends) {
            assert!(wire.from + wire.bits <= I, "{wire:?} begins within {I} bits");
            assert!(wire.bits > 0 && wire.to + wire.bits <= end, "{wire:?} ends below bit {end}");
        }
        Self { x: Default::default(), y: Default::default(), _wires: wires }
    }
}

impl<const I: usize, const O: usize> Logic for Wires<I, O> {
    // Judged as Verilog only.
    fn update(&mut self) {}

    fn connect(&mut self) {
        self.y.connect();
    }

    fn hdl(&self) -> Verilog {
        let mut parts = Vec::new();
        let mut next = 0;
        for wire in self._wires.iter().chain([&Wire { from: 0, to: O, bits: 0 }]) {
            if wire.to > next {
                parts.push(format!("{}'b0", wire.to - next));
            }
            if wire.bits > 0 {
                parts.push(format!("x[{}:{}]", wire.from + wire.bits - 1, wire.from));
            }
            next = wire.to + wire.bits;
        }
        parts.reverse();
        let word = parts.join(",\n        ");
        // Bits that go nowhere are meant to.
        let text = format!("wire unused = &{{1'b0, x}};\nalways @(*) begin\n    y = {{{word}}};\nend\n");
        Verilog::Custom(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(from: usize, to: usize, bits: usize) -> Wire {
        Wire { from, to, bits }
    }

    #[test]
    #[should_panic(expected = "begins within 8 bits")]
    fn a_field_that_is_not_there_is_refused() {
        Wires::<8, 8>::new([wire(4, 0, 5)]);
    }

    #[test]
    #[should_panic(expected = "ends below bit 4")]
    fn two_fields_at_one_place_are_refused() {
        Wires::<8, 8>::new([wire(0, 4, 2), wire(0, 0, 5)]);
    }

    #[test]
    #[should_panic(expected = "ends below bit 8")]
    fn a_place_that_is_not_there_is_refused() {
        Wires::<8, 8>::new([wire(0, 7, 2)]);
    }

    #[test]
    fn fields_of_two_widths_share_their_low_bits() {
        let [narrow, wide] = [(3, 4), (9, 6)].map(|(at, bits)| Field { name: "", at, bits });
        assert_eq!(Wire::low(wide, narrow), wire(9, 3, 4));
        assert_eq!(Wire::low(narrow, wide), Wire::low(wide, narrow).reversed());
    }
}
