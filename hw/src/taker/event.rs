//! What the host is told, in one word: the fields, the first at bit 0.

use crate::layout::{Field, KEY_BITS};
use formats::limits::{BUCKET_BITS, UNIT_SIZE};

/// Kinds of events.
pub mod kind {
    /// A flow ended, because the snapshot of its owner did not mention it.
    pub const DELETED: u8 = 1;
    /// Digests were compared.
    pub const COMPARED: u8 = 2;
    /// A run of buckets was adopted, or released by its owner.
    pub const TERM: u8 = 3;
    /// The peer is wrong about the owner or the term of a run of buckets: it is to be told ours.
    pub const ANSWER: u8 = 4;
    /// A record of a pulled snapshot; nothing was done.
    pub const PULL: u8 = 5;
}

const fn behind(name: &'static str, before: Field, bits: usize) -> Field {
    Field { name, at: before.at + before.bits, bits }
}

/// One of [`kind`].
pub const KIND: Field = Field { name: "KIND", at: 0, bits: 3 };
/// Of COMPARED: the state, as `formats` numbers it.
pub const STATE: Field = behind("STATE", KIND, 2);
/// The peer.
pub const PEER: Field = behind("PEER", STATE, 7);
/// The bucket, or the first of the run.
pub const BUCKET: Field = behind("BUCKET", PEER, BUCKET_BITS as usize);
/// Buckets of the run.
pub const COUNT: Field = behind("COUNT", BUCKET, BUCKET_BITS as usize + 1);
/// Sequence of the frame.
pub const SEQUENCE: Field = behind("SEQUENCE", COUNT, 64);
/// Number of gaps in the peer's stream so far, modulo 2^32. Of DELETED: the cookie.
pub const EPOCH: Field = behind("EPOCH", SEQUENCE, 32);
/// The first two units of the record; zeros behind them. Of DELETED: the flow key as in an entry.
pub const UNITS: Field = behind("UNITS", EPOCH, KEY_BITS);
/// Bits of an event.
pub const EVENT_BITS: usize = UNITS.at + UNITS.bits;

const _: () = assert!(2 * 8 * UNIT_SIZE <= UNITS.bits);
