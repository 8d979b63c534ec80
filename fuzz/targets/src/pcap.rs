//! Captures: read to their end or to a named fault, each packet within the limits.

use softnic::parse::parse;
use trine_daemon::replay::capture::{Capture, PACKET_MAX};
use trine_daemon::replay::link::to_ethernet;

/// Reads a capture, and each of its packets.
pub fn run(bytes: &[u8]) {
    let Ok(mut capture) = Capture::open(bytes) else { return };
    let mut frame = Vec::new();
    let mut packets = 0;
    while let Ok(Some(packet)) = capture.next_packet() {
        assert!(packet.bytes.len() <= PACKET_MAX);
        packets += 1;
        if to_ethernet(&packet, &mut frame) {
            let _ = parse(&frame);
        }
    }
    assert!(capture.position() <= bytes.len() as u64);
    assert!(packets * 16 <= bytes.len(), "each packet takes room in the file");
}
