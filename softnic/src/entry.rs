//! One flow of the table: what replicates, its stamp, and what the engine remembers about it.

use formats::{FlowId, FlowKey, FlowRecord, Groups, Stamp};

/// Not sent to that copy yet: higher than every sequence.
pub(crate) const PENDING: u64 = u64::MAX;

/// The flow is live.
const LIVE: u16 = 1 << 0;
/// The flow ended; the entry keeps its stamp so that older records do not bring it back.
const TOMBSTONE: u16 = 1 << 1;
/// Colour of the last snapshot that mentioned the flow.
const COLOUR: u16 = 1 << 2;
/// The entry lies in the overflow store.
const OVERFLOW: u16 = 1 << 3;
/// Another flow has, or had, the same id: records name this one by its key.
const SHARED: u16 = 1 << 4;
/// Its bucket's list of tombstones names it.
const LISTED: u16 = 1 << 5;
/// The copy (backup, remote) has installed some version of it.
const INSTALLED: [u16; 2] = [1 << 6, 1 << 7];
/// A packet made it, and it does not replicate yet; it may be a tombstone of the life before, too.
const WAITING: u16 = 1 << 8;
/// A packet began this life, and the host has not named it.
const UNNAMED: u16 = 1 << 9;
/// The alias index holds its reply key.
const ALIASED: u16 = 1 << 10;
/// Segments outside the window are followed until `loose_until`.
const LOOSE: u16 = 1 << 11;
/// Only the kernel here knew it, and it is not proposed to the owner yet.
const EXTRA: u16 = 1 << 12;

/// A flow or a tombstone.
///
/// In the order of use: what a change of state or windows touches is the first two cache lines, what was
/// fixed when the flow was made, translation and labels lie behind.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(crate) struct Entry {
    /// Contribution to the bucket's sum; 0 for a tombstone.
    pub(crate) digest: u64,
    /// Sequence of the frame that last carried it to backup and remote, or [`PENDING`].
    pub(crate) sent: [u64; 2],
    pub(crate) id: FlowId,
    pub(crate) stamp: Stamp,
    pub(crate) cookie: u32,
    /// Tick of the last packet of this life here.
    pub(crate) seen_tick: u32,
    /// Number of the audit that painted it.
    pub(crate) audit: u16,
    flags: u16,
    pub(crate) record: FlowRecord,
    /// Of a tombstone: the version the flow had before it ended; 0 if it was not here.
    pub(crate) ended_version: u64,
    /// Tick of the first packet of this life here.
    pub(crate) made_tick: u32,
    loose_until: u32,
}

// A flow with IPv6, translation and labels, its slots half used and its alias stay below 256 B.
const _: () = assert!(size_of::<Entry>() == 208);

impl Entry {
    /// Begins to stand for a key, without a record yet.
    pub(crate) fn begin(&mut self, id: FlowId, key: &FlowKey) {
        (self.id, self.sent, self.stamp) = (id, [PENDING; 2], Stamp::default());
        (self.digest, self.ended_version, self.cookie) = (0, 0, 0);
        (self.flags, self.audit) = (0, 0);
        (self.made_tick, self.seen_tick, self.loose_until) = (0, 0, 0);
        // What an earlier flow left in its groups is absent until it is written.
        (self.record.key, self.record.groups) = (*key, Groups::NONE);
    }
    /// Stands for nothing any more; what asks for it by its number finds neither flow nor tombstone.
    pub(crate) fn end(&mut self) {
        (self.flags, self.sent) = (0, [PENDING; 2]);
    }
    fn set(&mut self, flag: u16, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }
    #[inline]
    pub(crate) fn is_live(&self) -> bool {
        self.flags & LIVE != 0
    }
    /// Live, and not made by a packet that the host has yet to name.
    #[inline]
    pub(crate) fn is_known(&self) -> bool {
        self.flags & (LIVE | WAITING | UNNAMED) == LIVE
    }
    /// The host stated the flow: the running audit has seen it, and it may have told its name. Cookie 0 says
    /// that the event did not name the life, not that the life has no name.
    #[inline]
    pub(crate) fn note_host(&mut self, cookie: u32, audit: u16) {
        self.cookie = if cookie == 0 { self.cookie } else { cookie };
        self.audit = audit;
    }
    #[inline]
    pub(crate) fn is_tombstone(&self) -> bool {
        self.flags & TOMBSTONE != 0
    }
    #[inline]
    pub(crate) fn set_live(&mut self) {
        self.flags = self.flags & !TOMBSTONE | LIVE;
    }
    pub(crate) fn set_tombstone(&mut self) {
        self.flags = self.flags & !LIVE | TOMBSTONE;
    }
    /// The end it stood for is known everywhere.
    pub(crate) fn clear_tombstone(&mut self) {
        self.flags &= !(TOMBSTONE | LISTED);
        self.sent = [PENDING; 2];
    }
    pub(crate) fn colour(&self) -> bool {
        self.flags & COLOUR != 0
    }
    pub(crate) fn paint(&mut self, colour: bool) {
        self.set(COLOUR, colour);
    }
    #[inline]
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
    #[inline]
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
    #[inline]
    pub(crate) fn set_installed(&mut self, copy: usize, on: bool) {
        self.set(INSTALLED[copy], on);
    }
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.flags & WAITING != 0
    }
    pub(crate) fn set_waiting(&mut self, on: bool) {
        self.set(WAITING, on);
    }
    #[inline]
    pub(crate) fn is_unnamed(&self) -> bool {
        self.flags & UNNAMED != 0
    }
    pub(crate) fn set_unnamed(&mut self, on: bool) {
        self.set(UNNAMED, on);
    }
    #[inline]
    pub(crate) fn is_aliased(&self) -> bool {
        self.flags & ALIASED != 0
    }
    pub(crate) fn set_aliased(&mut self, on: bool) {
        self.set(ALIASED, on);
    }
    pub(crate) fn is_extra(&self) -> bool {
        self.flags & EXTRA != 0
    }
    pub(crate) fn set_extra(&mut self, on: bool) {
        self.set(EXTRA, on);
    }
    pub(crate) fn loosen(&mut self, until: u32) {
        self.set(LOOSE, true);
        self.loose_until = until;
    }
    /// Whether the window is not enforced yet; forgets it when the time has passed.
    pub(crate) fn is_loose(&mut self, tick: u32) -> bool {
        let loose = self.flags & LOOSE != 0 && (self.loose_until.wrapping_sub(tick) as i32) > 0;
        self.set(LOOSE, loose);
        loose
    }
    /// A new life starts unprotected.
    pub(crate) fn forget_installed(&mut self) {
        self.flags &= !(INSTALLED[0] | INSTALLED[1]);
    }
}
