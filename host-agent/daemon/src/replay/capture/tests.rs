use super::*;

type Read1 = (u64, u16, Vec<u8>, u32);

/// Everything a capture holds, and how it ends.
fn read_all(bytes: &[u8]) -> (Vec<Read1>, Option<CaptureError>) {
    let mut packets = Vec::new();
    let mut capture = match Capture::open(bytes) {
        Ok(capture) => capture,
        Err(error) => return (packets, Some(error)),
    };
    loop {
        match capture.next_packet() {
            Ok(Some(p)) => packets.push((p.time_us, p.link, p.bytes.to_vec(), p.original_length)),
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error)),
        }
    }
}

struct Writer(bool, Vec<u8>);

impl Writer {
    fn u16(mut self, value: u16) -> Self {
        self.1.extend(if self.0 { value.to_be_bytes() } else { value.to_le_bytes() });
        self
    }
    fn u32(mut self, value: u32) -> Self {
        self.1.extend(if self.0 { value.to_be_bytes() } else { value.to_le_bytes() });
        self
    }
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.1.extend_from_slice(bytes);
        self
    }
    fn block(self, kind: u32, body: &[u8]) -> Self {
        let padded: Vec<u8> =
            body.iter().copied().chain([0; 3]).take(body.len().next_multiple_of(4)).collect();
        let length = 12 + padded.len() as u32;
        self.u32(kind).u32(length).bytes(&padded).u32(length)
    }
    fn body(&self) -> Self {
        Self(self.0, Vec::new())
    }
}

fn classic(big: bool, magic: u32) -> Writer {
    let head = Writer(big, Vec::new()).u32(magic).u16(2).u16(4).u32(0).u32(0).u32(65_535).u32(1);
    head.u32(7).u32(5_000).u32(3).u32(60).bytes(&[1, 2, 3])
}

fn ng(big: bool) -> Writer {
    let w = Writer(big, Vec::new());
    let section = w.body().u32(ORDER).u16(1).u16(0).u32(u32::MAX).u32(u32::MAX);
    let interface = w.body().u16(1).u16(0).u32(2).u16(9).u16(1).bytes(&[9, 0, 0, 0]).u32(0);
    let packet = w.body().u32(0).u32(1).u32(0).u32(3).u32(60).bytes(&[1, 2, 3]);
    let simple = w.body().u32(60).bytes(&[4, 5]);
    w.block(0x0a0d_0d0a, &section.1)
        .block(1, &interface.1)
        .block(99, &[0; 40])
        .block(6, &packet.1)
        .block(3, &simple.1)
}

const ORDER: u32 = 0x1a2b_3c4d;

#[test]
fn both_formats_and_byte_orders_read_the_same() {
    for big in [false, true] {
        for (magic, time_us) in [(MAGIC_MICROSECONDS, 7_005_000), (MAGIC_NANOSECONDS, 7_000_005)] {
            let (packets, end) = read_all(&classic(big, magic).1);
            assert_eq!(packets, [(time_us, 1, vec![1, 2, 3], 60)]);
            assert!(end.is_none());
        }
        let (packets, end) = read_all(&ng(big).1);
        // 2^32 ns, and a simple packet cut to the interface's two bytes.
        assert_eq!(packets, [(4_294_967, 1, vec![1, 2, 3], 60), (0, 1, vec![4, 5], 60)]);
        assert!(end.is_none(), "{end:?}");
    }
}

#[test]
fn each_cut_ends_with_its_packets_and_an_error() {
    for whole in [classic(false, MAGIC_MICROSECONDS).1, ng(true).1] {
        let packets = read_all(&whole).0;
        let mut ends = 0;
        for length in 0..whole.len() {
            let (read, end) = read_all(&whole[..length]);
            assert!(packets.starts_with(&read), "{length}");
            match end {
                None => ends += 1,
                Some(CaptureError::Foreign) => assert!(length < 4 || (read.is_empty() && length < 12)),
                Some(error) => assert!(matches!(error, CaptureError::Truncated), "{length}: {error}"),
            }
        }
        assert!(ends <= 5, "only whole records end well");
    }
}

#[test]
fn lengths_that_cannot_be_are_named() {
    let huge = |at: usize, bytes: Vec<u8>| {
        let mut bytes = bytes;
        bytes[at..at + 4].copy_from_slice(&0x7fff_fff0u32.to_le_bytes());
        read_all(&bytes).1
    };
    assert!(matches!(
        huge(32, classic(false, MAGIC_MICROSECONDS).1),
        Some(CaptureError::Length(0x7fff_fff0))
    ));
    let whole = ng(false).1;
    let section = 28;
    let interface = section + 32;
    let packet = interface + 52;
    for at in [4, 24, section + 4, section + 28, interface + 4, packet + 4, packet + 20] {
        assert!(matches!(huge(at, whole.clone()), Some(CaptureError::Length(_))), "{at}");
    }
    assert!(matches!(huge(packet + 8, whole), Some(CaptureError::Interface(0x7fff_fff0))));
    assert!(matches!(read_all(b"PK\x03\x04").1, Some(CaptureError::Foreign)));
}
