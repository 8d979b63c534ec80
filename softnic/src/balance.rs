//! The books: what entered each stage equals what left it, by reason; what is held equals a recount.

use crate::Softnic;
use formats::limits::BUCKETS_COUNT;
use formats::register::Counter;

/// Entries of the books that have no counter of their own.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Upserts and deletes taken.
    pub(crate) upserts: u64,
    pub(crate) deletes: u64,
    /// Of both, refused as malformed.
    pub(crate) malformed: u64,
}

const FRAMES_OUT: &[Counter] = &[
    Counter::FramesAccepted,
    Counter::FrameShort,
    Counter::FrameLong,
    Counter::FrameForeign,
    Counter::FrameVersion,
    Counter::FrameLength,
    Counter::FrameCrc,
    Counter::FrameCluster,
    Counter::FrameSender,
    Counter::FrameReceiver,
    Counter::FrameSession,
    Counter::FrameSequence,
];
const RECORDS_OUT: &[Counter] = &[
    Counter::RecordsApplied,
    Counter::RecordsUnchanged,
    Counter::RecordsStale,
    Counter::RecordsGapped,
    Counter::RecordsNotOwner,
    Counter::RecordsTerm,
    Counter::RecordsFull,
    Counter::RecordsControl,
    Counter::RecordsMalformed,
    Counter::RecordsUnknown,
];
const CHANGES_OUT: &[Counter] = &[
    Counter::CommandsNotOwner,
    Counter::FlowsMade,
    Counter::FlowsChanged,
    Counter::FlowsUnchanged,
    Counter::FlowsAuditLost,
    Counter::FlowsFull,
    Counter::FlowsEnded,
    Counter::DeletesRefused,
];

impl Softnic {
    pub(crate) fn books_close(&self) -> Result<(), String> {
        let sum = |list: &[Counter]| list.iter().map(|counter| self.counter(*counter)).sum::<u64>();
        let equal = |what: &str, entered: u64, left: u64| match entered == left {
            true => Ok(()),
            false => Err(format!("{what}: {entered} entered or held, {left} left or counted")),
        };
        equal("frames", self.counter(Counter::FramesReceived), sum(FRAMES_OUT))?;
        equal("records", self.counter(Counter::RecordsReceived), sum(RECORDS_OUT))?;
        let changes = self.books.upserts + self.books.deletes - self.books.malformed;
        equal("upserts and deletes", changes, sum(CHANGES_OUT))?;
        let (mut live, mut tombstones) = (0u64, 0u64);
        for bucket in 0..BUCKETS_COUNT as u16 {
            let (mut count, mut digests) = (0u32, 0u64);
            let mut cursor = crate::Cursor::START;
            while let Some(at) = self.table.next(bucket, &mut cursor) {
                let entry = &self.table[at];
                tombstones += u64::from(entry.is_tombstone());
                count += u32::from(entry.is_live());
                if entry.is_live() {
                    digests = digests.wrapping_add(self.contribution(&entry.record));
                }
            }
            live += u64::from(count);
            let (held, sum) = self.bucket_digest(bucket);
            equal("flows of a bucket", u64::from(held), u64::from(count))?;
            equal("digest of a bucket", sum, digests)?;
        }
        equal("live flows", self.counter(Counter::FlowsHeld), live)?;
        equal("tombstones", self.counter(Counter::TombstonesHeld), tombstones)?;
        equal("overflow", self.counter(Counter::FlowsOverflow), self.table.overflow_count() as u64)
    }
}
