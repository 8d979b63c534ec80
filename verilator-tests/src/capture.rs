//! Captures (pcap and pcapng) as frames for a source, and what a sink received as a capture.
//!
//! For files of one's own: the library behind it trusts lengths more than a stranger's file deserves.

use crate::error::{Error, Result};
use pcap_file::pcap::{PcapPacket, PcapReader, PcapWriter};
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::PcapError;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::time::Duration;

/// First bytes of a pcapng file.
const NG_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// The packets of a capture, in its order.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Vec<u8>>> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(Error::system(format!("reading {}", path.display())))?;
    let packets = match bytes.starts_with(&NG_MAGIC) {
        true => next_generation(&bytes),
        false => classic(&bytes),
    };
    packets.map_err(|problem| failed(path, &problem))
}

fn classic(bytes: &[u8]) -> std::result::Result<Vec<Vec<u8>>, PcapError> {
    let mut reader = PcapReader::new(BufReader::new(bytes))?;
    let mut packets = Vec::new();
    while let Some(packet) = reader.next_packet() {
        packets.push(packet?.data.into_owned());
    }
    Ok(packets)
}

fn next_generation(bytes: &[u8]) -> std::result::Result<Vec<Vec<u8>>, PcapError> {
    let mut reader = PcapNgReader::new(BufReader::new(bytes))?;
    let mut packets = Vec::new();
    while let Some(block) = reader.next_block() {
        match block? {
            Block::EnhancedPacket(packet) => packets.push(packet.data.into_owned()),
            Block::SimplePacket(packet) => packets.push(packet.data.into_owned()),
            Block::Packet(packet) => packets.push(packet.data.into_owned()),
            _ => {}
        }
    }
    Ok(packets)
}

/// Writes Ethernet frames with the cycle in which each came; a cycle counts as a nanosecond.
pub fn write<'a>(path: impl AsRef<Path>, frames: impl IntoIterator<Item = (u64, &'a [u8])>) -> Result<()> {
    let path = path.as_ref();
    let file = File::create(path).map_err(Error::system(format!("writing {}", path.display())))?;
    let header = pcap_file::pcap::PcapHeader {
        ts_resolution: pcap_file::TsResolution::NanoSecond,
        ..Default::default()
    };
    let problem = |problem: PcapError| failed(path, &problem);
    let mut writer = PcapWriter::with_header(BufWriter::new(file), header).map_err(problem)?;
    for (cycle, bytes) in frames {
        let packet = PcapPacket::new(Duration::from_nanos(cycle), bytes.len() as u32, bytes);
        writer.write_packet(&packet).map_err(problem)?;
    }
    Ok(())
}

fn failed(path: &Path, problem: &PcapError) -> Error {
    Error::Capture { path: path.to_path_buf(), reason: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let path = std::env::temp_dir().join(format!("frames-{}.pcap", std::process::id()));
        let frames = [vec![1u8; 60], vec![2u8; 1514]];
        write(&path, frames.iter().zip([7u64, 9]).map(|(frame, cycle)| (cycle, frame.as_slice())))
            .expect("written");
        assert_eq!(read(&path).expect("read"), frames);
        std::fs::write(&path, b"no capture at all, but long enough").expect("written");
        assert!(matches!(read(&path), Err(Error::Capture { .. })));
        std::fs::remove_file(&path).expect("removed");
    }
}
