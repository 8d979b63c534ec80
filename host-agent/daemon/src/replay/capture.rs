//! Reads capture files: pcap (µs and ns, both byte orders) and pcapng (sections, interfaces, packets).
//!
//! Enters: any bytes. Leaves: packets in file order, then the end or one [`CaptureError`] that says where
//! and why. Memory is bounded by [`PACKET_MAX`] and [`INTERFACES_MAX`]; no input panics. Our own reader
//! rather than a library's: those at hand slice by lengths from the file in places, and this one is
//! small enough to fuzz whole.

mod ng;

use std::fmt;
use std::io::{ErrorKind, Read};

/// Bytes of a packet; larger ones are no packets (the limit of the tools that write captures).
pub const PACKET_MAX: usize = 262_144;
/// Interfaces of a pcapng section.
pub const INTERFACES_MAX: usize = 4096;

/// Why a capture ends before its end.
#[derive(Debug)]
pub enum CaptureError {
    /// Neither pcap nor pcapng.
    Foreign,
    /// The file ends inside a header, packet or block.
    Truncated,
    /// A length that cannot be.
    Length(u64),
    /// A packet of an interface that was not described.
    Interface(u32),
    /// More interfaces than [`INTERFACES_MAX`].
    Interfaces,
    /// Reading failed.
    Read(std::io::Error),
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("neither pcap nor pcapng"),
            Self::Truncated => f.write_str("the capture is cut short"),
            Self::Length(length) => write!(f, "a length that cannot be: {length}"),
            Self::Interface(number) => write!(f, "a packet of interface {number}, which is not described"),
            Self::Interfaces => write!(f, "more than {INTERFACES_MAX} interfaces"),
            Self::Read(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CaptureError {}

/// One packet of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured<'a> {
    /// When, in µs of the capture's clock.
    pub time_us: u64,
    /// Link type (`LINKTYPE_` number).
    pub link: u16,
    /// The bytes kept.
    pub bytes: &'a [u8],
    /// Bytes on the wire.
    pub original_length: u32,
}

/// Where a packet's bytes lie in the buffer, and what its header says.
#[derive(Clone, Copy, Debug)]
struct Found {
    time_us: u64,
    link: u16,
    start: usize,
    length: usize,
    original_length: u32,
}

#[derive(Debug)]
enum Format {
    Classic { nanoseconds: bool, link: u16 },
    Ng(Vec<ng::Interface>),
}

/// A capture being read.
#[derive(Debug)]
pub struct Capture<R> {
    reader: R,
    big_endian: bool,
    format: Format,
    buffer: Vec<u8>,
    position: u64,
}

const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;

impl<R: Read> Capture<R> {
    /// Reads the file's head.
    pub fn open(reader: R) -> Result<Self, CaptureError> {
        let format = Format::Ng(Vec::new());
        let mut capture = Self { reader, big_endian: false, format, buffer: Vec::new(), position: 0 };
        if !capture.fill(4)? {
            return Err(CaptureError::Foreign);
        }
        let magic: [u8; 4] = capture.buffer[..4].try_into().expect("4 bytes");
        if u32::from_le_bytes(magic) == ng::SECTION {
            capture.section()?;
            return Ok(capture);
        }
        let known = |magic: u32| [MAGIC_MICROSECONDS, MAGIC_NANOSECONDS].contains(&magic).then_some(magic);
        let (magic, big_endian) = match (known(u32::from_le_bytes(magic)), known(u32::from_be_bytes(magic))) {
            (Some(magic), _) => (magic, false),
            (None, Some(magic)) => (magic, true),
            (None, None) => return Err(CaptureError::Foreign),
        };
        capture.big_endian = big_endian;
        capture.need(20)?;
        let link = capture.u32(16) as u16;
        capture.format = Format::Classic { nanoseconds: magic == MAGIC_NANOSECONDS, link };
        Ok(capture)
    }

    /// Bytes read so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next packet; `None` at the end of the file.
    pub fn next_packet(&mut self) -> Result<Option<Captured<'_>>, CaptureError> {
        let found = match self.format {
            Format::Classic { nanoseconds, link } => self.next_classic(nanoseconds, link)?,
            Format::Ng(_) => self.next_ng()?,
        };
        Ok(found.map(|Found { time_us, link, start, length, original_length }| Captured {
            time_us,
            link,
            bytes: &self.buffer[start..start + length],
            original_length,
        }))
    }

    fn next_classic(&mut self, nanoseconds: bool, link: u16) -> Result<Option<Found>, CaptureError> {
        if !self.fill(16)? {
            return Ok(None);
        }
        let fraction = u64::from(self.u32(4)) / if nanoseconds { 1000 } else { 1 };
        let time_us = u64::from(self.u32(0)) * 1_000_000 + fraction;
        let (length, original_length) = (self.u32(8), self.u32(12));
        if length as usize > PACKET_MAX {
            return Err(CaptureError::Length(length.into()));
        }
        self.need(length as usize)?;
        Ok(Some(Found { time_us, link, start: 0, length: length as usize, original_length }))
    }

    fn u32(&self, at: usize) -> u32 {
        let bytes = self.buffer[at..at + 4].try_into().expect("4 bytes");
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }

    fn u16(&self, at: usize) -> u16 {
        let bytes = self.buffer[at..at + 2].try_into().expect("2 bytes");
        if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    /// Replaces the buffer by the next `count` bytes; `false` if the file ends right here.
    fn fill(&mut self, count: usize) -> Result<bool, CaptureError> {
        self.buffer.resize(count, 0);
        let mut filled = 0;
        while filled < count {
            match self.reader.read(&mut self.buffer[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(CaptureError::Truncated),
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(CaptureError::Read(error)),
            }
        }
        self.position += count as u64;
        Ok(true)
    }

    /// As `fill`, but the bytes must be there.
    fn need(&mut self, count: usize) -> Result<(), CaptureError> {
        if count > 0 && !self.fill(count)? {
            return Err(CaptureError::Truncated);
        }
        self.buffer.truncate(count);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
