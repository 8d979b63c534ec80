//! Blocks of pcapng: sections, interfaces, and the three kinds of packet block; others are skipped.

use super::{Capture, CaptureError, Format, Found, INTERFACES_MAX, PACKET_MAX};
use std::io::Read;

/// Type of a section header; reads the same in both byte orders.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
const ORDER: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const PACKET_OBSOLETE: u32 = 2;
const PACKET_SIMPLE: u32 = 3;
const PACKET: u32 = 6;

/// Type and both lengths.
const FRAMING: usize = 12;
/// Head of a packet block, before its data.
const PACKET_HEAD: usize = 20;
/// A block larger than any packet with its options.
const BLOCK_MAX: usize = 2 * PACKET_MAX;
/// Blocks that are skipped may be longer: name tables, keys.
const SKIPPED_MAX: usize = 1 << 26;
/// Skipped in pieces of this size.
const PIECE: usize = 1 << 16;

/// An interface of the section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interface {
    link: u16,
    snapshot: u32,
    /// Ticks of its clock in a second.
    per_second: u64,
}

impl<R: Read> Capture<R> {
    /// Reads a section header behind its type; interfaces start anew.
    pub(super) fn section(&mut self) -> Result<(), CaptureError> {
        self.need(8)?;
        self.big_endian = false;
        if self.u32(4) != ORDER {
            self.big_endian = true;
            if self.u32(4) != ORDER {
                return Err(CaptureError::Foreign);
            }
        }
        let length = self.u32(0);
        // Type, length and byte order are read already.
        let rest =
            self.checked(length, SKIPPED_MAX)?.checked_sub(4).ok_or(CaptureError::Length(length.into()))?;
        self.skip(rest)?;
        self.end_block(length)?;
        self.format = Format::Ng(Vec::new());
        Ok(())
    }

    /// Reads blocks up to the next packet.
    pub(super) fn next_ng(&mut self) -> Result<Option<Found>, CaptureError> {
        loop {
            if !self.fill(4)? {
                return Ok(None);
            }
            let kind = self.u32(0);
            if kind == SECTION {
                self.section()?;
                continue;
            }
            self.need(4)?;
            let length = self.u32(0);
            match kind {
                INTERFACE => {
                    let body = self.checked(length, BLOCK_MAX)?;
                    self.need(body)?;
                    self.interface(body)?;
                    self.end_block(length)?;
                }
                PACKET | PACKET_OBSOLETE | PACKET_SIMPLE => {
                    let body = self.checked(length, BLOCK_MAX)?;
                    // The trailing length is read with the body, so that the packet stays in the buffer.
                    self.need(body + 4)?;
                    if self.u32(body) != length {
                        return Err(CaptureError::Length(self.u32(body).into()));
                    }
                    return if kind == PACKET_SIMPLE { self.simple(body) } else { self.packet(kind, body) }
                        .map(Some);
                }
                _ => {
                    let body = self.checked(length, SKIPPED_MAX)?;
                    self.skip(body)?;
                    self.end_block(length)?;
                }
            }
        }
    }

    /// Bytes between the two lengths of a block.
    fn checked(&self, length: u32, body_max: usize) -> Result<usize, CaptureError> {
        match (length as usize).checked_sub(FRAMING) {
            Some(body) if body <= body_max && length % 4 == 0 => Ok(body),
            Some(_) | None => Err(CaptureError::Length(length.into())),
        }
    }

    fn skip(&mut self, mut count: usize) -> Result<(), CaptureError> {
        while count > 0 {
            let piece = count.min(PIECE);
            self.need(piece)?;
            count -= piece;
        }
        Ok(())
    }

    fn end_block(&mut self, length: u32) -> Result<(), CaptureError> {
        self.need(4)?;
        match self.u32(0) {
            same if same == length => Ok(()),
            other => Err(CaptureError::Length(other.into())),
        }
    }

    fn interface(&mut self, body: usize) -> Result<(), CaptureError> {
        const RESOLUTION: u16 = 9;
        if body < 8 {
            return Err(CaptureError::Length(body as u64));
        }
        let mut per_second = 1_000_000;
        let mut at = 8;
        // Each option takes at least four bytes.
        while at + 4 <= body {
            let (code, length) = (self.u16(at), usize::from(self.u16(at + 2)));
            at += 4;
            if code == 0 || at + length > body {
                break;
            }
            if (code, length) == (RESOLUTION, 1) {
                per_second = ticks_per_second(self.buffer[at]);
            }
            at += length.next_multiple_of(4);
        }
        let interface = Interface { link: self.u16(0), snapshot: self.u32(4), per_second };
        let Format::Ng(interfaces) = &mut self.format else { unreachable!("blocks are of pcapng") };
        if interfaces.len() == INTERFACES_MAX {
            return Err(CaptureError::Interfaces);
        }
        interfaces.push(interface);
        Ok(())
    }

    fn interface_of(&self, number: u32) -> Result<Interface, CaptureError> {
        let Format::Ng(interfaces) = &self.format else { unreachable!("blocks are of pcapng") };
        interfaces.get(number as usize).copied().ok_or(CaptureError::Interface(number))
    }

    fn packet(&self, kind: u32, body: usize) -> Result<Found, CaptureError> {
        if body < PACKET_HEAD {
            return Err(CaptureError::Length(body as u64));
        }
        let number = if kind == PACKET { self.u32(0) } else { self.u16(0).into() };
        let interface = self.interface_of(number)?;
        let ticks = u64::from(self.u32(4)) << 32 | u64::from(self.u32(8));
        let time_us = u128::from(ticks) * 1_000_000 / u128::from(interface.per_second);
        let (length, original_length) = (self.u32(12) as usize, self.u32(16));
        if length > body - PACKET_HEAD || length > PACKET_MAX {
            return Err(CaptureError::Length(length as u64));
        }
        let time_us = u64::try_from(time_us).unwrap_or(u64::MAX);
        Ok(Found { time_us, link: interface.link, start: PACKET_HEAD, length, original_length })
    }

    /// A packet without time, of the first interface.
    fn simple(&self, body: usize) -> Result<Found, CaptureError> {
        if body < 4 {
            return Err(CaptureError::Length(body as u64));
        }
        let interface = self.interface_of(0)?;
        let original_length = self.u32(0);
        let snapshot = if interface.snapshot == 0 { u32::MAX } else { interface.snapshot };
        let length = original_length.min(snapshot) as usize;
        if length > body - 4 || length > PACKET_MAX {
            return Err(CaptureError::Length(length as u64));
        }
        Ok(Found { time_us: 0, link: interface.link, start: 4, length, original_length })
    }
}

/// Ticks in a second from the option's byte: a power of ten, or with the top bit of two.
fn ticks_per_second(resolution: u8) -> u64 {
    let exponent = u32::from(resolution & 0x7f);
    let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(exponent).unwrap_or(u64::MAX)
}
