//! The reference page and the formats digest, both computed from the declarations.

use crate::frame::FrameHeader;
use crate::layout::Layout;
use crate::limits::PROTOCOL_VERSION;
use crate::register::{Access, Counter, REGISTERS};
use crate::{descriptor, unit};
use core::fmt::{self, Write};

const fn absorb(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut i = 0;
    while i < bytes.len() {
        // FNV-1a, 64 bit.
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

const fn absorb_layouts(mut hash: u64, layouts: &[Layout]) -> u64 {
    let mut i = 0;
    while i < layouts.len() {
        hash = absorb(hash, layouts[i].name.as_bytes());
        let mut j = 0;
        while j < layouts[i].fields.len() {
            let field = layouts[i].fields[j];
            hash = absorb(hash, field.name.as_bytes());
            hash = absorb(hash, &[field.offset as u8, field.size as u8]);
            j += 1;
        }
        i += 1;
    }
    hash
}

/// Digest of names, offsets and widths of every layout and register: equal formats, equal digest.
pub const FORMATS_DIGEST: u64 = {
    let mut hash = absorb(0xcbf2_9ce4_8422_2325, &[PROTOCOL_VERSION]);
    hash = absorb_layouts(hash, &[FrameHeader::LAYOUT]);
    hash = absorb_layouts(hash, unit::LAYOUTS);
    hash = absorb_layouts(hash, descriptor::LAYOUTS);
    let mut i = 0;
    while i < REGISTERS.len() {
        hash = absorb(hash, REGISTERS[i].name.as_bytes());
        hash = absorb(hash, &REGISTERS[i].offset.to_le_bytes());
        i += 1;
    }
    let mut i = 0;
    while i < Counter::COUNT {
        hash = absorb(hash, Counter::ALL[i].1.as_bytes());
        i += 1;
    }
    hash
};

fn write_layout(out: &mut dyn Write, layout: &Layout) -> fmt::Result {
    writeln!(out, "\n### {} ({} B)\n\n{}\n", layout.name, layout.size, layout.text.trim())?;
    writeln!(out, "| byte | size | field | meaning |\n|---:|---:|---|---|")?;
    for field in layout.fields {
        writeln!(out, "| {} | {} | `{}` | {} |", field.offset, field.size, field.name, field.text.trim())?;
    }
    Ok(())
}

/// Writes `docs/formats.md`.
pub fn write_page(out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "# Formats, version {PROTOCOL_VERSION}\n")?;
    writeln!(out, "Generated from the crate `formats` by `cargo xtask docs`; do not edit.")?;
    writeln!(out, "All fields are little-endian and unpadded. Formats digest: `{FORMATS_DIGEST:016x}`.")?;
    writeln!(out, "\n## Sync frame\n")?;
    writeln!(
        out,
        "Ethernet addresses (12 B), S-tag (0x88a8, 4 B), C-tag (0x8100, 4 B), type 0x88b5 (2 B), header (42 B, from byte 22), records (16-byte units), CRC-32 (IEEE 802.3, little-endian) over byte 22 to the end of the records."
    )?;
    write_layout(out, &FrameHeader::LAYOUT)?;
    writeln!(out, "\n## Records\n\nByte 0 is the kind, byte 1 the length in units.")?;
    for layout in unit::LAYOUTS {
        write_layout(out, layout)?;
    }
    writeln!(out, "\n## Descriptors\n\n512 B each: one head, then the FULL records it counts.")?;
    for layout in descriptor::LAYOUTS {
        write_layout(out, layout)?;
    }
    writeln!(out, "\n## Registers\n\n| offset | name | access | meaning |\n|---:|---|---|---|")?;
    for register in REGISTERS {
        let access = match register.access {
            Access::Read => "r",
            Access::ReadWrite => "rw",
            Access::Write => "w",
        };
        writeln!(
            out,
            "| {:#05x} | `{}` | {access} | {} |",
            register.offset,
            register.name,
            register.text.trim()
        )?;
    }
    writeln!(out, "\n## Counters\n\n| offset | name | meaning |\n|---:|---|---|")?;
    for (counter, name, text) in Counter::ALL {
        writeln!(out, "| {:#05x} | `{name}` | {} |", counter.offset(), text.trim())?;
    }
    Ok(())
}
