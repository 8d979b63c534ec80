//! The kernel's events as the pulse reads them: at once while few come, on a timer above.
//!
//! Enters: the stream of conntrack events, and time. Leaves: events in the kernel's order, those of one
//! life within one read as one, and whether some were lost. Invariant: a source that [`Source::read`] calls
//! empty had no event waiting at some moment within that call. Budget: ≤ 1 µs per event above [`PROMPT_EVENTS`] a millisecond: waking for
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

/// Places of the index by which events of one life find each other; twice the events of a read.
const PLACES: usize = 2 * EVENTS_PER_READ;

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
    lives: Lives,
}

impl Source {
    /// Opens the stream, of what ends only; events caused by `ignored_portids` are not delivered.
    ///
    /// # Errors
    /// As [`EventSource::open`].
    pub fn open(ignored_portids: Vec<u32>) -> io::Result<Self> {
        let mut stream = EventSource::open(&EventConfig { ignored_portids, ..EventConfig::default() })?;
        stream.listen(false)?;
        Ok(Self { stream, pace: Pace::default(), lives: Lives::new() })
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
        self.pace.due_us()
    }

    /// Reads what waits into `taken`, at most [`EVENTS_PER_READ`] events and those of the batch at hand.
    ///
    /// # Errors
    /// What the kernel says of the socket, lost events excepted.
    pub fn read(&mut self, now_us: u64, taken: &mut Vec<(Change, KernelFlow)>) -> io::Result<Read> {
        taken.clear();
        self.lives.clear();
        let (lives, mut events) = (&mut self.lives, 0);
        let mut read = Read::default();
        while !read.empty && events < EVENTS_PER_READ {
            let received = self.stream.receive(|message| {
                lives.take(taken, change(message.kind), flow(&message));
                events += 1;
            });
            match received? {
                Received::Datagrams(_) => {}
                Received::Overrun => read.overrun = true,
                Received::Empty => read.empty = true,
            }
        }
        self.pace.note(now_us, events, read.empty);
        Ok(read)
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Events of one read, one for each life: what a copy needs is the latest state, and a connection that is
/// opened, used and closed between two reads would else cost a record and a kernel operation for each event.
struct Lives {
    /// By the lowest bits of the kernel's id: place in the list plus one.
    index: Box<[u16; PLACES]>,
}

impl Lives {
    fn new() -> Self {
        Self { index: Box::new([0; PLACES]) }
    }

    fn clear(&mut self) {
        self.index.fill(0);
    }

    /// Appends an event, or joins it to an earlier one of the same life.
    fn take(&mut self, taken: &mut Vec<(Change, KernelFlow)>, change: Change, flow: KernelFlow) {
        let place = &mut self.index[flow.ct_id as usize % PLACES];
        if let Some((earlier, known)) = place.checked_sub(1).and_then(|at| taken.get_mut(usize::from(at))) {
            let same = (known.ct_id, known.record.key) == (flow.ct_id, flow.record.key);
            if same && *earlier != Change::Destroy && change != Change::New && flow.ct_id != 0 {
                // A life whose begin and end are both here still ends: an earlier one of its key may be known.
                if change == Change::Destroy {
                    *earlier = Change::Destroy;
                }
                known.record.merge_groups(&flow.record);
                known.unprotected = flow.unprotected.or(known.unprotected);
                return;
            }
        }
        *place = taken.len() as u16 + 1;
        taken.push((change, flow));
    }
}

/// When to read next: at once while little comes, else once a span.
#[derive(Debug, Default)]
pub struct Pace {
    span_us: u64,
    span_events: usize,
    due_us: Option<u64>,
}

impl Pace {
    /// When the next read is due, local µs; `None` while the descriptor says so.
    pub fn due_us(&self) -> Option<u64> {
        self.due_us
    }

    /// Notes a read at `now_us` that brought `events`.
    pub fn note(&mut self, now_us: u64, events: usize, empty: bool) {
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
    use formats::{FlowRecord, Groups};

    fn event(port: u16, ct_id: u32, mark: u32) -> KernelFlow {
        let mut record = FlowRecord { mark, groups: Groups::MARK, ..FlowRecord::default() };
        record.key.src_port = port;
        KernelFlow { record, ct_id, unprotected: None }
    }

    #[test]
    fn events_of_a_life_are_one_and_lives_stay_apart() {
        use Change::{Destroy, New, Update};
        let (mut lives, mut taken) = (Lives::new(), Vec::new());
        let other = PLACES as u32 + 7;
        for (change, flow) in [
            (New, event(1, 7, 1)),
            (Update, event(1, 7, 2)),
            // Another flow at the same place of the index, which the first then lost.
            (Update, event(2, other, 3)),
            (Update, event(1, 7, 4)),
            (Destroy, event(1, 7, 4)),
            // The same key and id again: ids return.
            (New, event(1, 7, 5)),
            (Update, event(1, 7, 6)),
            // Without an id nothing says whose life it is.
            (Update, event(3, 0, 8)),
            (Update, event(3, 0, 9)),
        ] {
            lives.take(&mut taken, change, flow);
        }
        let seen: Vec<_> = taken.iter().map(|(c, f)| (*c, f.record.key.src_port, f.record.mark)).collect();
        let expected =
            [(New, 1, 2), (Update, 2, 3), (Destroy, 1, 4), (New, 1, 6), (Update, 3, 8), (Update, 3, 9)];
        assert_eq!(seen, expected);
    }

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
