//! Replays captures through two engines: is the copy equal, what did it cost, what was not tracked?
//!
//! Enters: a capture. Leaves: a [`Report`]. Each capture gets a pair of its own, so that flows of
//! different captures never meet. Does not know the command line.

pub mod capture;
pub mod link;
pub mod pair;
pub mod report;

pub use report::Report;

use capture::{Capture, CaptureError};
use formats::limits::FRAME_SIZE_MAX;
use pair::Pair;
use std::io::Read;

/// Packets between two calls of the progress function.
const PROGRESS_PACKETS: u64 = 1 << 17;

/// How the engines are set.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Window edges replicate in steps of 2 to this power (8 to 16), or exactly (0).
    pub edge_bits: u32,
    /// How long a flow lives before it replicates, in ms.
    pub delay_ms: u32,
    /// Largest sync frame.
    pub frame_size: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { edge_bits: 12, delay_ms: 0, frame_size: FRAME_SIZE_MAX }
    }
}

/// What was read of a capture.
#[derive(Debug, Default)]
pub struct Intake {
    /// Packets in the file, up to its end or its fault.
    pub packets: u64,
    /// Of these, kept in part; filled with zeros.
    pub cut: u64,
    /// Of these, of a link that carries neither Ethernet nor IP; not replayed.
    pub foreign: u64,
    /// Bytes read of the file.
    pub bytes: u64,
    /// Why it ended before its end.
    pub fault: Option<CaptureError>,
}

/// Replays one capture; `progress` is told packets and bytes read now and then.
pub fn replay<R: Read>(reader: R, options: &Options, progress: &mut dyn FnMut(u64, u64)) -> Report {
    let mut pair = Pair::new(options);
    let mut intake = Intake::default();
    let mut frame = Vec::new();
    match Capture::open(reader) {
        Err(fault) => intake.fault = Some(fault),
        Ok(mut capture) => loop {
            match capture.next_packet() {
                Ok(Some(packet)) => {
                    intake.packets += 1;
                    intake.cut += u64::from((packet.bytes.len() as u64) < u64::from(packet.original_length));
                    if link::to_ethernet(&packet, &mut frame) {
                        pair.packet(packet.time_us, &frame);
                    } else {
                        intake.foreign += 1;
                    }
                }
                Ok(None) => break,
                Err(fault) => {
                    intake.fault = Some(fault);
                    break;
                }
            }
            intake.bytes = capture.position();
            if intake.packets % PROGRESS_PACKETS == 0 {
                progress(intake.packets, intake.bytes);
            }
        },
    }
    pair.settle();
    Report::new(&pair, intake)
}

#[cfg(test)]
mod tests;
