//! The books: what entered each stage equals what left it, by reason; what is held equals a recount.

use crate::parse::Untracked;
use crate::Softnic;
use formats::limits::BUCKETS_COUNT;
use formats::register::Counter;

/// Entries of the books that have no counter of their own.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Upserts and deletes taken.
    pub(crate) upserts: u64,
    pub(crate) deletes: u64,
    /// Confirmations taken.
    pub(crate) confirms: u64,
    /// Of all three, refused as malformed.
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
    Counter::FrameFull,
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
    Counter::FlowsConfirmed,
    Counter::ConfirmsRefused,
];

fn equal(what: &str, entered: u64, left: u64) -> Result<(), String> {
    match entered == left {
        true => Ok(()),
        false => Err(format!("{what}: {entered} entered or held, {left} left or counted")),
    }
}

impl Softnic {
    /// Packets are tracked or have a reason; flows they made replicate, ended, or wait.
    fn packet_books_close(&self) -> Result<(), String> {
        let untracked: u64 = Untracked::ALL.iter().map(|reason| self.counter(reason.counter())).sum();
        let tracked = self.counter(Counter::PacketsTracked);
        equal("packets", self.counter(Counter::PacketsReceived), tracked + untracked)?;
        let left = [Counter::FlowsReplicated, Counter::FlowsDropped, Counter::FlowsWaiting];
        let left = left.into_iter().map(|counter| self.counter(counter)).sum();
        equal("flows of packets", self.counter(Counter::FlowsOpened), left)?;
        equal("aliases", self.counter(Counter::AliasesHeld), self.aliases.count() as u64)
    }

    pub(crate) fn books_close(&self) -> Result<(), String> {
        let sum = |list: &[Counter]| list.iter().map(|counter| self.counter(*counter)).sum::<u64>();
        equal("frames", self.counter(Counter::FramesReceived), sum(FRAMES_OUT))?;
        equal("records", self.counter(Counter::RecordsReceived), sum(RECORDS_OUT))?;
        let Books { upserts, deletes, confirms, malformed } = self.books;
        equal(
            "upserts, deletes and confirmations",
            upserts + deletes + confirms - malformed,
            sum(CHANGES_OUT),
        )?;
        self.packet_books_close()?;
        let (mut live, mut tombstones, mut waiting) = (0u64, 0u64, 0u64);
        for bucket in 0..BUCKETS_COUNT as u16 {
            let (mut count, mut digests) = (0u32, 0u64);
            let mut cursor = crate::Cursor::START;
            while let Some(at) = self.table.next(bucket, &mut cursor) {
                let entry = &self.table[at];
                tombstones += u64::from(entry.is_tombstone());
                waiting += u64::from(entry.is_waiting());
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
        equal("waiting flows", self.counter(Counter::FlowsWaiting), waiting)?;
        equal("live flows", self.counter(Counter::FlowsHeld), live)?;
        equal("tombstones", self.counter(Counter::TombstonesHeld), tombstones)?;
        equal("overflow", self.counter(Counter::FlowsOverflow), self.table.overflow_count() as u64)
    }
}
