//! Bits of the header, from `formats`.

use crate::layout::unit_field;
use formats::frame::{encode_header, Envelope, FrameHeader};
use formats::limits::*;
use rust_hdl::prelude::*;

/// Place of a field of the header in the first 64 bytes.
pub(super) fn place(name: &str) -> Constant<Bits<16>> {
    Constant::new((8 * FRAME_CRC_FROM + unit_field(&FrameHeader::LAYOUT, name).at).to_bits())
}

/// These bytes, the first at bit 0.
fn bits<const N: usize>(bytes: &[u8]) -> Bits<N> {
    bytes.iter().rev().fold(0.into(), |bits: Bits<N>, byte| (bits << 8) | Bits::<N>::from(u64::from(*byte)))
}

/// What no frame has otherwise.
pub(super) fn fixed_header() -> Bits<512> {
    let mut bytes = [0; FRAME_HEADER_SIZE];
    let header = FrameHeader { version: PROTOCOL_VERSION, ..FrameHeader::default() };
    encode_header(&Envelope::default(), &header, &mut bytes);
    bits(&bytes)
}

/// Ones for so many bytes.
pub(super) fn byte_mask<const N: usize>(bytes: usize) -> Bits<N> {
    bits(&vec![0xff; bytes])
}
