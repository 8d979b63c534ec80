//! The ports of the software NIC: the sync link with its tags, data networks without.
//!
//! Enters and leaves: frames as the engine builds them, with both tags. On a data network the tags are
//! taken off before the kernel gets the frame and put back when one arrives; the checksum never
//! covered them.

use crate::config::AgentConfig;
use crate::linux::link::{Mode, Port, PortError};
use formats::frame::{ETHERTYPE_C_TAG, ETHERTYPE_S_TAG};
use formats::limits::FRAME_CRC_FROM;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Both MAC addresses.
const MACS_BYTES: usize = 12;
/// Both tags with their ethertypes.
const TAGS_BYTES: usize = 8;
/// Frames handed to the kernel at once.
const BATCH: usize = 64;

/// Every port of this member.
pub struct Wire {
    ports: Vec<Port>,
    tags: [u8; TAGS_BYTES],
    outgoing: Vec<Vec<Vec<u8>>>,
    /// Spare buffers, so that a frame costs no allocation.
    spare: Vec<Vec<u8>>,
    scratch: Vec<u8>,
}

impl Wire {
    /// Opens the sync link and every data network.
    ///
    /// # Errors
    /// As [`Port::open`]; a device MTU that is too small is named.
    pub fn open(config: &AgentConfig) -> Result<Self, PortError> {
        let sync = Mode::Sync { frame_bytes_max: config.frame_size };
        let mut ports = vec![Port::open(&config.sync_interface, sync)?];
        for network in &config.networks {
            ports.push(Port::open(&network.interface, Mode::Data)?);
        }
        let mut tags = [0; TAGS_BYTES];
        tags[0..2].copy_from_slice(&ETHERTYPE_S_TAG.to_be_bytes());
        tags[2..4].copy_from_slice(&config.s_tag.to_be_bytes());
        tags[4..6].copy_from_slice(&ETHERTYPE_C_TAG.to_be_bytes());
        tags[6..8].copy_from_slice(&config.c_tag.to_be_bytes());
        let outgoing = ports.iter().map(|_| Vec::new()).collect();
        Ok(Self { ports, tags, outgoing, spare: Vec::new(), scratch: Vec::new() })
    }

    /// The ports, sync link first.
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// Descriptors that become readable when frames wait.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.ports.iter().map(AsFd::as_fd)
    }

    /// Reads one batch of what waits on a port; whether more may wait.
    ///
    /// # Errors
    /// What the kernel says of a port; an interface that is down is not an error.
    pub fn receive(&mut self, number: usize, deliver: &mut dyn FnMut(u8, &[u8])) -> io::Result<bool> {
        let (tags, scratch) = (&self.tags, &mut self.scratch);
        let port = &mut self.ports[number];
        let batch_max = port.batch_max();
        let result = port.recv_batch(&mut |frame| {
            if number == 0 || frame.len() < MACS_BYTES {
                return deliver(number as u8, frame);
            }
            scratch.clear();
            scratch.extend_from_slice(&frame[..MACS_BYTES]);
            scratch.extend_from_slice(tags);
            scratch.extend_from_slice(&frame[MACS_BYTES..]);
            deliver(number as u8, scratch);
        });
        match result {
            Ok(received) => Ok(received == batch_max),
            Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes a frame of the engine; it leaves with [`flush`](Self::flush).
    pub fn queue(&mut self, port: u8, frame: &[u8]) {
        let Some(queue) = self.outgoing.get_mut(port as usize) else { return };
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        if port == 0 || frame.len() < FRAME_CRC_FROM {
            buffer.extend_from_slice(frame);
        } else {
            buffer.extend_from_slice(&frame[..MACS_BYTES]);
            buffer.extend_from_slice(&frame[MACS_BYTES + TAGS_BYTES..]);
        }
        queue.push(buffer);
    }

    /// Hands queued frames to the kernel. What it refuses (link down, device queue full, a frame that the
    /// other end of a virtual link does not take) is lost like a frame on the way, counted by the port, and
    /// repaired by the protocol; the frames behind it go on.
    pub fn flush(&mut self) {
        for (port, queue) in self.ports.iter_mut().zip(&mut self.outgoing) {
            for batch in queue.chunks(BATCH) {
                let frames: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
                let mut rest = frames.as_slice();
                while !rest.is_empty() {
                    let Ok(taken) = port.send_batch(rest) else { break };
                    rest = rest.get(taken + 1..).unwrap_or_default();
                }
            }
            self.spare.append(queue);
        }
    }
}
