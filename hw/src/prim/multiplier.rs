//! A product of two unsigned numbers, pipelined as the multipliers of FPGAs are.
//!
//! Timing: inputs, product and output are registers; one product a clock.

use rust_hdl::prelude::*;

/// Cycles from factors to product.
pub const MULTIPLIER_LATENCY: usize = 4;

/// A times B bits; P is A + B.
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
        let (a_high, b_high, high) = (A - 1, B - 1, P - 1);
        // Two registers behind the product: synthesis moves them between the partial products.
        Verilog::Custom(format!(
            "reg [{a_high}:0] a_held;
reg [{b_high}:0] b_held;
reg [{high}:0] partial;
reg [{high}:0] whole;
always @(posedge clock) begin
    a_held <= a;
    b_held <= b;
    partial <= a_held * b_held;
    whole <= partial;
    product <= whole;
end
"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("product", &crate::export("product", &mut Multiplier::<32, 32, 64>::default()));
    }
}
