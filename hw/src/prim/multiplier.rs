//! A product of two unsigned numbers, pipelined as the multipliers of FPGAs are.
//!
//! Timing: inputs, four partial products, their two sums and the output are registers; one product a clock.
//!
//! Each partial product fits one multiplier of an FPGA, so that no synthesis has to move registers into a
//! sum of several: Yosys moves none, and a product of 32 by 32 bits in one stage was 8 levels and 104 MHz.

use rust_hdl::prelude::*;

/// Cycles from factors to product.
pub const MULTIPLIER_LATENCY: usize = 4;

/// Bits of the lower half of a factor, which with a sign fit every FPGA's multiplier.
const LOW: usize = 16;

/// A times B bits, of 18 to 32 each; P is A + B.
#[derive(LogicBlock)]
pub struct Multiplier<const A: usize, const B: usize, const P: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// One factor.
    pub a: Signal<In, Bits<A>>,
    /// The other.
    pub b: Signal<In, Bits<B>>,
    /// The whole product, [`MULTIPLIER_LATENCY`] cycles later.
    pub product: Signal<Out, Bits<P>>,
}

impl<const A: usize, const B: usize, const P: usize> Default for Multiplier<A, B, P> {
    fn default() -> Self {
        const { assert!(P == A + B, "the product is as wide as both factors") };
        const { assert!(LOW + 1 < A && A <= 2 * LOW && LOW + 1 < B && B <= 2 * LOW, "each factor has two halves") };
        Self {
            clock: Default::default(),
            a: Default::default(),
            b: Default::default(),
            product: Default::default(),
        }
    }
}

impl<const A: usize, const B: usize, const P: usize> Logic for Multiplier<A, B, P> {
    // Judged as Verilog only: rust-hdl cannot multiply.
    fn update(&mut self) {}

    fn connect(&mut self) {
        self.product.connect();
    }

    fn hdl(&self) -> Verilog {
        let (a_last, b_last, last) = (A - 1, B - 1, P - 1);
        let (a_high, b_high) = (A - LOW, B - LOW);
        Verilog::Custom(format!(
            "reg [{a_last}:0] a_held;
reg [{b_last}:0] b_held;
reg [{low_low}:0] low_by_low;
reg [{low_high}:0] low_by_high;
reg [{high_low}:0] high_by_low;
reg [{high_high}:0] high_by_high;
reg [{last}:0] outer;
reg [{middle}:0] inner;
always @(posedge clock) begin
    a_held <= a;
    b_held <= b;
    low_by_low <= a_held[{low_last}:0] * b_held[{low_last}:0];
    low_by_high <= a_held[{low_last}:0] * b_held[{b_last}:{LOW}];
    high_by_low <= a_held[{a_last}:{LOW}] * b_held[{low_last}:0];
    high_by_high <= a_held[{a_last}:{LOW}] * b_held[{b_last}:{LOW}];
    outer <= {{high_by_high, low_by_low}};
    inner <= {{{inner_low}'b0, low_by_high}} + {{{inner_high}'b0, high_by_low}};
    product <= {{outer[{last}:{LOW}] + {{{above}'b0, inner}}, outer[{low_last}:0]}};
end
",
            low_last = LOW - 1,
            low_low = 2 * LOW - 1,
            low_high = LOW + b_high - 1,
            high_low = a_high + LOW - 1,
            high_high = a_high + b_high - 1,
            // One bit more than the wider of both.
            middle = LOW + a_high.max(b_high),
            inner_low = 1 + a_high.max(b_high) - b_high,
            inner_high = 1 + a_high.max(b_high) - a_high,
            above = P - LOW - (LOW + a_high.max(b_high) + 1),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("product", &crate::export("product", &mut Multiplier::<32, 32, 64>::default()));
        let text = crate::export("uneven", &mut Multiplier::<18, 31, 49>::default());
        crate::yosys::check("uneven", &text);
        crate::readers::check("uneven", &text);
    }
}
