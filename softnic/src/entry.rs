//! One flow of the table: what replicates, its stamp, and what the engine remembers about it.

use formats::{FlowId, FlowRecord, Stamp};

/// Not sent to that copy yet: higher than every sequence.
pub(crate) const PENDING: u64 = u64::MAX;

/// The flow is live.
const LIVE: u8 = 1 << 0;
/// The flow ended; the entry keeps its stamp so that older records do not bring it back.
const TOMBSTONE: u8 = 1 << 1;
/// Colour of the last snapshot that mentioned the flow.
const COLOUR: u8 = 1 << 2;
/// The entry lies in the overflow store.
const OVERFLOW: u8 = 1 << 3;
/// Another flow has, or had, the same id: records name this one by its key.
const SHARED: u8 = 1 << 4;
/// Its bucket's list of tombstones names it.
const LISTED: u8 = 1 << 5;
/// The copy (backup, remote) has installed some version of it.
const INSTALLED: [u8; 2] = [1 << 6, 1 << 7];

/// A flow or a tombstone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) record: FlowRecord,
    pub(crate) stamp: Stamp,
    /// Contribution to the bucket's sum; 0 for a tombstone.
    pub(crate) digest: u64,
    /// Sequence of the frame that last carried it to backup and remote, or [`PENDING`].
    pub(crate) sent: [u64; 2],
    pub(crate) id: FlowId,
    pub(crate) cookie: u32,
    /// Number of the audit that painted it.
    pub(crate) audit: u16,
    flags: u8,
}

// Brief: at most 320 B a flow, table slots included.
const _: () = assert!(std::mem::size_of::<Entry>() <= 288);

impl Entry {
    fn set(&mut self, flag: u8, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }
    pub(crate) fn is_live(&self) -> bool {
        self.flags & LIVE != 0
    }
    pub(crate) fn is_tombstone(&self) -> bool {
        self.flags & TOMBSTONE != 0
    }
    pub(crate) fn set_live(&mut self) {
        self.flags = self.flags & !TOMBSTONE | LIVE;
    }
    pub(crate) fn set_tombstone(&mut self) {
        self.flags = self.flags & !LIVE | TOMBSTONE;
    }
    pub(crate) fn colour(&self) -> bool {
        self.flags & COLOUR != 0
    }
    pub(crate) fn paint(&mut self, colour: bool) {
        self.set(COLOUR, colour);
    }
    pub(crate) fn in_overflow(&self) -> bool {
        self.flags & OVERFLOW != 0
    }
    pub(crate) fn set_in_overflow(&mut self) {
        self.flags |= OVERFLOW;
    }
    pub(crate) fn share_id(&mut self) {
        self.flags |= SHARED;
    }
    /// Whether records may name it by its id: nothing else here has that id.
    pub(crate) fn goes_by_id(&self) -> bool {
        self.flags & (OVERFLOW | SHARED) == 0
    }
    pub(crate) fn is_listed(&self) -> bool {
        self.flags & LISTED != 0
    }
    pub(crate) fn set_listed(&mut self, on: bool) {
        self.set(LISTED, on);
    }
    pub(crate) fn was_installed(&self, copy: usize) -> bool {
        self.flags & INSTALLED[copy] != 0
    }
    pub(crate) fn set_installed(&mut self, copy: usize, on: bool) {
        self.set(INSTALLED[copy], on);
    }
    /// A new life starts unprotected.
    pub(crate) fn forget_installed(&mut self) {
        self.flags &= !(INSTALLED[0] | INSTALLED[1]);
    }
}
