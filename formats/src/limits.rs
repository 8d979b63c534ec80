//! Sizes and limits, with their relations checked when the crate compiles.

/// Version of the sync protocol; 0 is free to change until the first release.
pub const PROTOCOL_VERSION: u8 = 0;

/// Buckets of a cluster: the top 10 bits of a flow id.
pub const BUCKETS_COUNT: usize = 1024;
/// Bits of a flow id that name its bucket.
pub const BUCKET_BITS: u32 = 10;
/// Bits of a flow id.
pub const FLOW_ID_BITS: u32 = 40;
/// Bits of a flow version (µs of cluster time hold for 8.9 years from the cluster epoch).
pub const VERSION_BITS: u32 = 48;
/// Bits of the counter in a term; the member fills the low byte, so that terms are unique.
pub const TERM_COUNTER_BITS: u32 = 24;
/// Members of a site that the formats make room for.
pub const SITE_MEMBERS_MAX: usize = 64;
/// Members of a cluster that an engine keeps peers for (two sites).
pub const MEMBERS_MAX: usize = 2 * SITE_MEMBERS_MAX;
/// The member number that means "nobody".
pub const MEMBER_NONE: u8 = 0xff;
/// Ports of a NIC that carry frames: 0 is the sync link, the others are data networks.
pub const PORTS_MAX: usize = 8;

/// Reply keys of translated flows that an engine can be told to keep.
pub const ALIASES_MAX: u32 = 1 << 30;

/// Records are counted in units of this many bytes.
pub const UNIT_SIZE: usize = 16;
/// Frame header, from the destination MAC to the record count.
pub const FRAME_HEADER_SIZE: usize = 64;
/// CRC-32 at the end of each frame.
pub const FRAME_CRC_SIZE: usize = 4;
/// The tags and the Ethernet header lie outside the checksum: switches rewrite them.
pub const FRAME_CRC_FROM: usize = 22;
/// The largest frame behind both tags: 9,000 B of payload.
pub const FRAME_SIZE_MAX: usize = FRAME_CRC_FROM + 9_000;
/// Records units in the largest frame, one left for authentication.
pub const FRAME_UNITS_MAX: usize =
    (FRAME_SIZE_MAX - FRAME_HEADER_SIZE - FRAME_CRC_SIZE) / UNIT_SIZE - AUTHENTICATION_UNITS;
/// Units held back for an authentication tag (16 B) at the end of the records.
pub const AUTHENTICATION_UNITS: usize = 1;
/// Units of the largest record (MERGE around a FULL with every group, IPv6 and NAT).
pub const RECORD_UNITS_MAX: usize = 16;

/// Bytes of a command descriptor: head and one record.
pub const COMMAND_SIZE: usize = 512;
/// Bytes of an event descriptor: head and at most two records.
pub const EVENT_SIZE: usize = 512;
/// Bytes of a descriptor's head.
pub const DESCRIPTOR_HEAD_SIZE: usize = 64;

const _: () = assert!(1 << BUCKET_BITS == BUCKETS_COUNT);
const _: () = assert!(BUCKET_BITS < FLOW_ID_BITS && FLOW_ID_BITS < u64::BITS);
const _: () = assert!(TERM_COUNTER_BITS + u8::BITS == u32::BITS);
const _: () = assert!(MEMBERS_MAX <= MEMBER_NONE as usize);
const _: () = assert!(FRAME_HEADER_SIZE % UNIT_SIZE == 0);
const _: () = assert!(FRAME_UNITS_MAX == 558);
const _: () = assert!(RECORD_UNITS_MAX <= FRAME_UNITS_MAX);
const _: () = assert!(DESCRIPTOR_HEAD_SIZE + 2 * (RECORD_UNITS_MAX - 2) * UNIT_SIZE <= EVENT_SIZE);
const _: () = assert!(COMMAND_SIZE.is_power_of_two() && EVENT_SIZE.is_power_of_two());
