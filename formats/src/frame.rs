//! Sync frame: Ethernet, S-tag, C-tag, header, records, CRC-32.
//!
//! Byte k is bus bits 8k to 8k+7. The checksum itself is left to the caller (a library on the host,
//! gates on a card); it covers everything from [`FRAME_CRC_FROM`] to the byte before it.

use crate::layout;
use crate::limits::*;

/// Ethertype behind the tags (local experimental, IEEE 802).
pub const ETHERTYPE: u16 = 0x88b5;
/// Ethertype of the service tag (802.1ad).
pub const ETHERTYPE_S_TAG: u16 = 0x88a8;
/// Ethertype of the customer tag (802.1Q).
pub const ETHERTYPE_C_TAG: u16 = 0x8100;

/// Port of frames that no engine takes: questions whether a length passes, and their answers.
///
/// A question has no records and any number of zero units. Its answer has no units, the question's
/// sequence, the low half of the asker's session as `peer_session`, and in `time_us` the bytes received.
pub const PORT_PROBE: u8 = 0xff;
/// Flag of a question.
pub const FLAG_PROBE: u8 = 1 << 1;
/// Flag of an answer.
pub const FLAG_PROBE_ANSWER: u8 = 1 << 2;
/// Where the header's port lies in a frame.
const PORT_OFFSET: usize = FRAME_CRC_FROM + 9;

/// Whether a frame of the sync link is a question or an answer; nothing else is checked.
#[inline]
pub fn is_probe(frame: &[u8]) -> bool {
    frame.get(PORT_OFFSET) == Some(&PORT_PROBE)
}

layout! {
    /// The header's own fields, from byte 22 of a frame.
    FrameHeader [42] {
        /// Protocol version of the records.
        version: u8,
        /// Bit 0: the last unit is an authentication tag. Bits 1 and 2, on port 255 only: a question whether
        /// frames of this length pass, and its answer.
        flags: u8,
        /// Cluster number.
        cluster: u32,
        /// Member that sent the frame.
        sender: u8,
        /// Member it is for, 255 for all.
        receiver: u8,
        /// Key that authenticates the frame, 0 for none.
        key_id: u8,
        /// Port of the sender's NIC: 0 sync link, others data networks.
        port: u8,
        /// Rises strictly per sender session, receiver and port.
        sequence: u64,
        /// Start of the sender, cluster time in µs; rises from start to start.
        session: u64,
        /// Cluster time of the sender in µs when the frame was closed.
        time_us: u64,
        /// Low 32 bits of the receiver's session as the sender knows it, 0 for none.
        peer_session: u32,
        /// 16-byte units of records.
        units: u16,
        /// Records in them.
        records: u16,
    }
}
const _: () = assert!(FRAME_CRC_FROM + FrameHeader::SIZE == FRAME_HEADER_SIZE);

/// Addresses and tags of a frame, in network byte order on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Destination MAC.
    pub dst: [u8; 6],
    /// Source MAC.
    pub src: [u8; 6],
    /// Service tag control information.
    pub s_tag: u16,
    /// Customer tag control information.
    pub c_tag: u16,
}

/// Why the bytes of a frame were refused before any record was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Shorter than header and checksum.
    Short,
    /// Longer than [`FRAME_SIZE_MAX`].
    Long,
    /// Not tagged as a sync frame, or another ethertype.
    Foreign,
    /// Another protocol version.
    Version,
    /// The length disagrees with the unit count.
    Length,
}

/// Writes envelope and header over the first 64 bytes.
pub fn encode_header(envelope: &Envelope, header: &FrameHeader, out: &mut [u8; FRAME_HEADER_SIZE]) {
    out[0..6].copy_from_slice(&envelope.dst);
    out[6..12].copy_from_slice(&envelope.src);
    out[12..14].copy_from_slice(&ETHERTYPE_S_TAG.to_be_bytes());
    out[14..16].copy_from_slice(&envelope.s_tag.to_be_bytes());
    out[16..18].copy_from_slice(&ETHERTYPE_C_TAG.to_be_bytes());
    out[18..20].copy_from_slice(&envelope.c_tag.to_be_bytes());
    out[20..22].copy_from_slice(&ETHERTYPE.to_be_bytes());
    let own: &mut [u8; FrameHeader::SIZE] = (&mut out[FRAME_CRC_FROM..]).try_into().expect("42 bytes");
    header.encode(own);
}

/// Splits a frame into envelope, header, record units and checksum; checks lengths and version only.
pub fn split(frame: &[u8]) -> Result<(Envelope, FrameHeader, &[u8], u32), FrameError> {
    if frame.len() < FRAME_HEADER_SIZE + FRAME_CRC_SIZE {
        return Err(FrameError::Short);
    }
    if frame.len() > FRAME_SIZE_MAX {
        return Err(FrameError::Long);
    }
    let be = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    if be(12) != ETHERTYPE_S_TAG || be(16) != ETHERTYPE_C_TAG || be(20) != ETHERTYPE {
        return Err(FrameError::Foreign);
    }
    let own: &[u8; FrameHeader::SIZE] =
        frame[FRAME_CRC_FROM..FRAME_HEADER_SIZE].try_into().expect("42 bytes");
    let header = FrameHeader::decode(own);
    if header.version != PROTOCOL_VERSION {
        return Err(FrameError::Version);
    }
    let end = FRAME_HEADER_SIZE + header.units as usize * UNIT_SIZE;
    if frame.len() != end + FRAME_CRC_SIZE {
        return Err(FrameError::Length);
    }
    let crc = u32::from_le_bytes(frame[end..].try_into().expect("4 bytes"));
    let envelope = Envelope {
        dst: frame[0..6].try_into().expect("6 bytes"),
        src: frame[6..12].try_into().expect("6 bytes"),
        s_tag: be(14),
        c_tag: be(18),
    };
    Ok((envelope, header, &frame[FRAME_HEADER_SIZE..end], crc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(units: u16) -> [u8; 84] {
        let mut bytes = [0u8; 84];
        let header =
            FrameHeader { cluster: 7, sequence: 3, session: 9, units, records: 1, ..Default::default() };
        let envelope = Envelope { dst: [1; 6], src: [2; 6], s_tag: 100, c_tag: 10 };
        encode_header(&envelope, &header, (&mut bytes[..64]).try_into().unwrap());
        bytes
    }

    #[test]
    fn a_frame_splits_into_what_was_encoded() {
        let bytes = frame(1);
        let (envelope, header, units, crc) = split(&bytes).unwrap();
        assert_eq!((envelope.s_tag, envelope.c_tag, header.cluster, header.sequence), (100, 10, 7, 3));
        assert_eq!((units.len(), crc), (16, 0));
    }

    #[test]
    fn probes_are_told_by_their_port() {
        let mut bytes = [0; FRAME_HEADER_SIZE];
        for (port, probe) in [(0, false), (PORT_PROBE, true)] {
            encode_header(&Envelope::default(), &FrameHeader { port, ..Default::default() }, &mut bytes);
            assert_eq!(is_probe(&bytes), probe);
        }
        assert!(!is_probe(&[]));
    }

    #[test]
    fn each_wrong_frame_has_its_error() {
        assert_eq!(split(&frame(1)[..67]), Err(FrameError::Short));
        assert_eq!(split(&[0; FRAME_SIZE_MAX + 1]), Err(FrameError::Long));
        assert_eq!(split(&frame(2)), Err(FrameError::Length));
        let mut bytes = frame(1);
        bytes[22] = 9;
        assert_eq!(split(&bytes), Err(FrameError::Version));
        bytes[20] = 8;
        assert_eq!(split(&bytes), Err(FrameError::Foreign));
    }
}
