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

/// The matrix of so many bytes alone, on a state of zero: [`step_rows`] without the state.
pub fn data_rows(bytes: usize) -> Rows {
    let data = |row: Vec<usize>| row.into_iter().filter_map(|input| input.checked_sub(CRC_BITS)).collect();
    step_rows(bytes).into_iter().map(data).collect()
}

/// The matrix of a step over the first `bytes` of a beat of `beat` bytes whose others are zero. Inputs are
/// the state before the beat, then what [`data_rows`] makes of the whole beat; outputs are the state behind
/// those bytes, which the zeros, one by one, are taken back from.
pub fn fold_rows(bytes: usize, beat: usize) -> Rows {
    let column = |input: usize| match input.checked_sub(CRC_BITS) {
        None => state_after(1 << input, std::iter::repeat_n(0, bytes)),
        Some(bit) => (bytes..beat).fold(1 << bit, |state, _| state_before_zero(state)),
    };
    let columns: Vec<u32> = (0..2 * CRC_BITS).map(column).collect();
    let row = |output: usize| (0..2 * CRC_BITS).filter(|input| columns[*input] >> output & 1 == 1).collect();
    (0..CRC_BITS).map(row).collect()
}

/// The state behind so many bytes of zero that begin a checksum.
pub fn state_after_zeros(bytes: usize) -> u32 {
    state_after(!0, std::iter::repeat_n(0, bytes))
}

/// The state that a byte of zero made this one of. The polynomial has its top bit, which therefore says
/// what was shifted out.
fn state_before_zero(state: u32) -> u32 {
    (0..8).fold(state, |state, _| {
        let bit = state >> 31;
        (state ^ if bit == 1 { POLYNOMIAL } else { 0 }) << 1 | bit
    })
}

/// The matrix of the state alone through so many zeros: [`step_rows`] without the bytes.
pub fn state_rows(bytes: usize) -> Rows {
    let state = |row: Vec<usize>| row.into_iter().filter(|input| *input < CRC_BITS).collect();
    step_rows(bytes).into_iter().map(state).collect()
}

/// The state before the first byte that counts, such that so many zeros before it make it the right one.
pub fn start_before(zeros: usize) -> u32 {
    (0..zeros).fold(!0, |state, _| state_before_zero(state))
}

/// The state behind a message, its checksum and so many zeros, whatever the message was.
pub fn right_behind(zeros: usize) -> u32 {
    // The checksum of the empty message is four zeros.
    state_after_zeros(CRC_BITS / 8 + zeros)
}

/// What a state becomes behind so many zeros.
pub fn state_behind(state: u32, zeros: usize) -> u32 {
    state_after(state, std::iter::repeat_n(0, zeros))
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

    #[test]
    fn zeros_are_taken_back() {
        for state in [1, 0x8000_0000, 0x1234_5678] {
            assert_eq!(state_before_zero(state_after(state, [0].into_iter())), state);
        }
    }

    #[test]
    fn a_right_message_ends_in_one_state_whatever_it_was() {
        let message = b"123456789\x26\x39\xf4\xcb\0\0\0".iter().copied();
        assert_eq!(state_after(!0, message.clone()), right_behind(3));
        assert_eq!(state_after(start_before(22), std::iter::repeat_n(0, 22).chain(message)), right_behind(3));
    }
}
