//! The flow as it lies in a card: one word of [`ENTRY_BITS`], the first field at bit 0.
//!
//! Enters: an [`Entry`]. Leaves: its words, and the place of each field for the kernels that slice them.
//! The word holds all of a [`FlowRecord`], so that a card and the software engine are one behaviour. It is
//! 36 columns of 36 bit (block RAM of an ECP5) or 18 of 72 (UltraRAM).

use formats::flow::{Edges, Family, FlowKey, FlowRecord, Groups, Nat, Stamp, Term};
use formats::layout::Layout;

/// Place of a field in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name, as in the record.
    pub name: &'static str,
    /// The lowest bit.
    pub at: usize,
    /// Width in bits.
    pub bits: usize,
}

/// Place of a field of a unit (or another layout of `formats`) in its bits.
///
/// # Panics
/// If the layout has no such field.
pub const fn unit_field(layout: &Layout, name: &str) -> Field {
    let mut i = 0;
    while i < layout.fields.len() {
        let field = &layout.fields[i];
        if same(field.name.as_bytes(), name.as_bytes()) {
            return Field { name: field.name, at: 8 * field.offset, bits: 8 * field.size };
        }
        i += 1;
    }
    panic!("the layout has no such field")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// What a card keeps of one flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The flow.
    pub record: FlowRecord,
    /// Its stamp; of a tombstone, that of the end.
    pub stamp: Stamp,
    /// Contribution to its bucket's sum; 0 for a tombstone.
    pub digest: u64,
    /// Of a tombstone: the version the flow had before it ended, 0 if it was not here.
    pub ended_version: u64,
    /// The host's name of this life.
    pub cookie: u32,
    /// Number of the audit that painted it, modulo 256.
    pub audit: u8,
    /// Bits of [`flag`].
    pub flags: u8,
}

/// Flags of an entry.
pub mod flag {
    /// The flow is live.
    pub const LIVE: u8 = 1 << 0;
    /// It ended; the stamp stays, so that older records do not bring it back.
    pub const TOMBSTONE: u8 = 1 << 1;
    /// Colour of the last snapshot that mentioned it.
    pub const COLOUR: u8 = 1 << 2;
    /// The backup has installed some version of it.
    pub const INSTALLED_BACKUP: u8 = 1 << 3;
    /// The remote has.
    pub const INSTALLED_REMOTE: u8 = 1 << 4;
    /// A packet made it, and it does not replicate yet.
    pub const WAITING: u8 = 1 << 5;
    /// A packet began this life, and the host has not named it.
    pub const UNNAMED: u8 = 1 << 6;
}

macro_rules! fields {
    ($($NAME:ident: $bits:literal = $get:expr;)+) => {
        /// The fields, each at the place where the one before it ends.
        pub const FIELDS: &[Field] = &{
            let mut fields = [$(Field { name: stringify!($NAME), at: 0, bits: $bits }),+];
            let mut i = 1;
            while i < fields.len() {
                fields[i].at = fields[i - 1].at + fields[i - 1].bits;
                i += 1;
            }
            fields
        };
        /// Place of each field by name.
        pub mod field {
            use super::Field;
            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            enum Index { $($NAME),+ }
            $(#[doc = concat!("`", stringify!($NAME), "`")]
            pub const $NAME: Field = super::FIELDS[Index::$NAME as usize];)+
        }
        fn values(entry: &Entry) -> [u128; FIELDS.len()] {
            [$({
                let get: fn(&Entry) -> u128 = $get;
                get(entry)
            }),+]
        }
    };
}

fields! {
    SRC: 128 = |e| e.record.key.src;
    DST: 128 = |e| e.record.key.dst;
    SRC_PORT: 16 = |e| e.record.key.src_port.into();
    DST_PORT: 16 = |e| e.record.key.dst_port.into();
    ZONE: 16 = |e| e.record.key.zone.into();
    PROTOCOL: 8 = |e| e.record.key.protocol.into();
    IS_V6: 1 = |e| (e.record.key.family == Family::V6).into();
    FLAGS: 7 = |e| e.flags.into();
    GROUPS: 8 = |e| e.record.groups.0.into();
    TCP_STATE: 8 = |e| e.record.tcp_state.into();
    STATUS: 16 = |e| e.record.status.into();
    CLASS: 8 = |e| e.record.class.into();
    SCALE_ORIGINAL: 8 = |e| e.record.scales[0].into();
    SCALE_REPLY: 8 = |e| e.record.scales[1].into();
    FLAGS_ORIGINAL: 8 = |e| e.record.tcp_flags[0].into();
    FLAGS_REPLY: 8 = |e| e.record.tcp_flags[1].into();
    LIFETIME: 32 = |e| e.record.lifetime_s.into();
    INCARNATION: 32 = |e| e.record.incarnation.into();
    END_ORIGINAL: 32 = |e| e.record.edges[0].end.into();
    MAX_END_ORIGINAL: 32 = |e| e.record.edges[0].max_end.into();
    END_REPLY: 32 = |e| e.record.edges[1].end.into();
    MAX_END_REPLY: 32 = |e| e.record.edges[1].max_end.into();
    MARK: 32 = |e| e.record.mark.into();
    POLICY: 32 = |e| e.record.policy.into();
    LABELS: 128 = |e| e.record.labels;
    NAT_SRC: 128 = |e| e.record.nat.reply_src;
    NAT_DST: 128 = |e| e.record.nat.reply_dst;
    NAT_SRC_PORT: 16 = |e| e.record.nat.reply_src_port.into();
    NAT_DST_PORT: 16 = |e| e.record.nat.reply_dst_port.into();
    TERM: 32 = |e| e.stamp.term.0.into();
    VERSION: 48 = |e| e.stamp.version.into();
    DIGEST: 64 = |e| e.digest.into();
    ENDED_VERSION: 48 = |e| e.ended_version.into();
    COOKIE: 32 = |e| e.cookie.into();
    AUDIT: 8 = |e| e.audit.into();
}

/// Bits of the key: the fields from the source address to the family, without a gap.
pub const KEY_BITS: usize = field::IS_V6.at + field::IS_V6.bits;
/// Bits of an entry.
pub const ENTRY_BITS: usize = field::AUDIT.at + field::AUDIT.bits;
/// Words of 32 bits that carry an entry through a port.
pub const ENTRY_WORDS: usize = ENTRY_BITS.div_ceil(32);

// Widths in kernels are plain numbers.
const _: () = assert!(ENTRY_BITS == 1296 && KEY_BITS == 313);
const _: () = assert!(ENTRY_BITS % 36 == 0 && ENTRY_BITS % 72 == 0);

/// The entry as a port carries it, low word first.
pub fn pack(entry: &Entry) -> [u32; ENTRY_WORDS] {
    let mut words = [0; ENTRY_WORDS];
    for (field, value) in FIELDS.iter().zip(values(entry)) {
        // A value may carry bits above its field.
        let mut rest = value & (u128::MAX >> (128 - field.bits));
        for (word, shift) in pieces(*field) {
            words[word] |= (rest << shift) as u32;
            rest >>= 32 - shift;
        }
    }
    words
}

/// Reads a field of a word.
pub fn get(words: &[u32], field: Field) -> u128 {
    let (mut value, mut bits) = (0, 0);
    for (word, shift) in pieces(field) {
        value |= u128::from(words[word] >> shift) << bits;
        bits += 32 - shift;
    }
    value & (u128::MAX >> (128 - field.bits))
}

/// The words a field lies in, and where it begins in each.
fn pieces(field: Field) -> impl Iterator<Item = (usize, usize)> {
    let (first, last) = (field.at / 32, (field.at + field.bits - 1) / 32);
    (first..=last).map(move |word| (word, if word == first { field.at % 32 } else { 0 }))
}

/// The entry that a port carries.
pub fn unpack(words: &[u32; ENTRY_WORDS]) -> Entry {
    let get = |field| get(words, field);
    let edges = |end, max_end| Edges { end: get(end) as u32, max_end: get(max_end) as u32 };
    let family = if get(field::IS_V6) == 1 { Family::V6 } else { Family::V4 };
    let key = FlowKey {
        src: get(field::SRC),
        dst: get(field::DST),
        src_port: get(field::SRC_PORT) as u16,
        dst_port: get(field::DST_PORT) as u16,
        zone: get(field::ZONE) as u16,
        protocol: get(field::PROTOCOL) as u8,
        family,
    };
    let nat = Nat {
        reply_src: get(field::NAT_SRC),
        reply_dst: get(field::NAT_DST),
        reply_src_port: get(field::NAT_SRC_PORT) as u16,
        reply_dst_port: get(field::NAT_DST_PORT) as u16,
    };
    let record = FlowRecord {
        key,
        groups: Groups(get(field::GROUPS) as u8),
        tcp_state: get(field::TCP_STATE) as u8,
        status: get(field::STATUS) as u16,
        scales: [get(field::SCALE_ORIGINAL) as u8, get(field::SCALE_REPLY) as u8],
        tcp_flags: [get(field::FLAGS_ORIGINAL) as u8, get(field::FLAGS_REPLY) as u8],
        edges: [
            edges(field::END_ORIGINAL, field::MAX_END_ORIGINAL),
            edges(field::END_REPLY, field::MAX_END_REPLY),
        ],
        lifetime_s: get(field::LIFETIME) as u32,
        class: get(field::CLASS) as u8,
        incarnation: get(field::INCARNATION) as u32,
        mark: get(field::MARK) as u32,
        policy: get(field::POLICY) as u32,
        nat,
        labels: get(field::LABELS),
    };
    Entry {
        record,
        stamp: Stamp { term: Term(get(field::TERM) as u32), version: get(field::VERSION) as u64 },
        digest: get(field::DIGEST) as u64,
        ended_version: get(field::ENDED_VERSION) as u64,
        cookie: get(field::COOKIE) as u32,
        audit: get(field::AUDIT) as u8,
        flags: get(field::FLAGS) as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::unit::Compact;

    #[test]
    fn every_bit_belongs_to_one_field_and_comes_back() {
        let mut next = 0;
        for field in FIELDS {
            assert_eq!(field.at, next, "{}", field.name);
            next += field.bits;
        }
        assert_eq!(next, ENTRY_BITS);
        for bit in 0..ENTRY_BITS {
            let mut words = [0; ENTRY_WORDS];
            words[bit / 32] = 1 << (bit % 32);
            assert_eq!(pack(&unpack(&words)), words, "bit {bit}");
        }
    }

    #[test]
    fn fields_of_units_lie_where_their_bytes_do() {
        let place = unit_field(&Compact::LAYOUT, "flow_id");
        let mut bytes = [0; Compact::SIZE];
        Compact { flow_id: 0x12_3456_789a, ..Compact::default() }.encode(&mut bytes);
        assert_eq!(u128::from_le_bytes(bytes) >> place.at & ((1 << place.bits) - 1), 0x12_3456_789a);
    }
}
