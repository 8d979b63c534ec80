//! CRC-32 of the frames as a matrix: what a beat makes of the checksum so far.
//!
//! The raw state is the complement of the checksum that `crc32fast` and the wire know.

use crate::prim::Rows;

/// The polynomial, lowest power first.
const POLYNOMIAL: u32 = 0xedb8_8320;
/// Bits of the state.
pub const CRC_BITS: usize = 32;

/// The matrix of a step over so many bytes: inputs are the state, then the bytes, byte 0 first; outputs
/// are the state after them.
pub fn step_rows(bytes: usize) -> Rows {
    let inputs = CRC_BITS + 8 * bytes;
    let column = |input: usize| match input.checked_sub(CRC_BITS) {
        None => state_after(1 << input, std::iter::repeat_n(0, bytes)),
        Some(bit) => state_after(0, (0..bytes).map(|byte| if byte == bit / 8 { 1 << (bit % 8) } else { 0 })),
    };
    let columns: Vec<u32> = (0..inputs).map(column).collect();
    let row = |output: usize| (0..inputs).filter(|input| columns[*input] >> output & 1 == 1).collect();
    (0..CRC_BITS).map(row).collect()
}

/// The definition, bit by bit. It is linear, so that single bits give the columns of the matrix.
fn state_after(state: u32, bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(state, |state, byte| {
        (0..8).fold(state ^ u32::from(byte), |state, _| {
            state >> 1 ^ if state & 1 == 1 { POLYNOMIAL } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_checksum_of_the_frames() {
        // The check value of CRC-32 (ISO-HDLC).
        assert_eq!(!state_after(!0, b"123456789".iter().copied()), 0xcbf4_3926);
    }
}
