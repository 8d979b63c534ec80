//! The kernel's events as the pulse reads them: at once while few come, on a timer above.
//!
//! Enters: the stream of conntrack events, and time. Leaves: events in the kernel's order, and whether
//! some were lost. Invariant: a source that [`Source::read`] calls empty had no event waiting at some
//! moment within that call. Budget: ≤ 1 µs per event above [`PROMPT_EVENTS`] a millisecond: waking for
//! each costs twice as much as letting a millisecond's worth wait (measured 1.3 against 0.63 µs).

use crate::linux::conntrack::{EventConfig, EventSource};
use crate::linux::ctnetlink::{CtKind, CtMessage, Unsupported};
use crate::linux::netlink::Received;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use trine_core::{Change, KernelFlow, Unprotected};

/// Span in which events are counted, and the longest that one waits by choice, in µs.
const SPAN_US: u64 = 1_000;
/// Events of a span that are read at once; those after it wait for its end.
const PROMPT_EVENTS: usize = 8;
/// Events of one read, so that a storm never holds frames and lease: about 2 ms of work.
const EVENTS_PER_READ: usize = 1_024;

/// What a read met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// No event waits any more.
    pub empty: bool,
    /// The kernel dropped events before the last one read.
    pub overrun: bool,
}

/// The stream with its pace.
pub struct Source {
    stream: EventSource,
    pace: Pace,
}

impl Source {
    /// Opens the stream, of what ends only; events caused by `ignored_portids` are not delivered.
    ///
    /// # Errors
    /// As [`EventSource::open`].
    pub fn open(ignored_portids: Vec<u32>) -> io::Result<Self> {
        let mut stream = EventSource::open(&EventConfig { ignored_portids, ..EventConfig::default() })?;
        stream.listen(false)?;
        Ok(Self { stream, pace: Pace::default() })
    }

    /// Hears every event, or only that flows ended.
    ///
    /// # Errors
    /// What the kernel says of the socket.
    pub fn listen(&mut self, all: bool) -> io::Result<()> {
        self.stream.listen(all)
    }

    /// When the next read is due, local µs; `None` while the descriptor says so.
    pub fn due_us(&self) -> Option<u64> {
        self.pace.due_us
    }

    /// Reads what waits into `taken`, at most [`EVENTS_PER_READ`] events and those of the batch at hand.
    ///
    /// # Errors
    /// What the kernel says of the socket, lost events excepted.
    pub fn read(&mut self, now_us: u64, taken: &mut Vec<(Change, KernelFlow)>) -> io::Result<Read> {
        let before = taken.len();
        let mut read = Read::default();
        while !read.empty && taken.len() - before < EVENTS_PER_READ {
            match self.stream.receive(|message| taken.push((change(message.kind), flow(&message))))? {
                Received::Datagrams(_) => {}
                Received::Overrun => read.overrun = true,
                Received::Empty => read.empty = true,
            }
        }
        self.pace.note(now_us, taken.len() - before, read.empty);
        Ok(read)
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// When to read next.
#[derive(Debug, Default)]
struct Pace {
    span_us: u64,
    span_events: usize,
    due_us: Option<u64>,
}

impl Pace {
    /// Notes a read at `now_us` that brought `events`.
    fn note(&mut self, now_us: u64, events: usize, empty: bool) {
        if now_us >= self.span_us + SPAN_US {
            (self.span_us, self.span_events) = (now_us, 0);
        }
        self.span_events += events;
        self.due_us = match (empty, self.span_events > PROMPT_EVENTS) {
            (false, _) => Some(now_us),
            (true, true) => Some(self.span_us + SPAN_US),
            (true, false) => None,
        };
    }
}

fn change(kind: CtKind) -> Change {
    match kind {
        CtKind::New => Change::New,
        CtKind::Update => Change::Update,
        CtKind::Destroy => Change::Destroy,
    }
}

/// A message as the core takes it.
pub(crate) fn flow(message: &CtMessage) -> KernelFlow {
    let unprotected = message.unsupported.map(|reason| match reason {
        Unsupported::Helper => Unprotected::Helper,
        Unsupported::SequenceAdjustment => Unprotected::SequenceAdjusted,
        Unsupported::Synproxy => Unprotected::SynProxy,
        Unsupported::Expected => Unprotected::Related,
        Unsupported::Offload => Unprotected::Offloaded,
        Unsupported::DirectionalZone => Unprotected::DirectionalZone,
    });
    KernelFlow { record: message.record, ct_id: message.ct_id, unprotected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_events_are_read_at_once_and_many_on_the_timer() {
        let mut pace = Pace::default();
        pace.note(10_000, PROMPT_EVENTS, true);
        assert_eq!(pace.due_us, None);
        pace.note(10_400, 1, true);
        assert_eq!(pace.due_us, Some(11_000));
        pace.note(11_000, PROMPT_EVENTS, true);
        assert_eq!(pace.due_us, None, "each span counts anew");
        pace.note(11_100, 0, false);
        assert_eq!(pace.due_us, Some(11_100), "what is known to wait is not put off");
    }
}
