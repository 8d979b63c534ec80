//! The kernel's connection table as a sink: batched operations with a result each.
//!
//! Enters: operations with a caller's token. Leaves: one [`Completion`] per operation, in order.
//! Invariants: every operation pushed completes exactly once, at the latest when [`Writer::flush`]
//! returns; nothing is retried. Netlink executes a datagram inside `send`, in order, and answers every
//! failure; so only the last message asks for an acknowledgement, which says that all before it without
//! an answer succeeded (asking for each costs 1.1 µs an operation more). The answers wait when `send`
//! returns: nothing here blocks. Budget: ≤ 2.5 µs per create, 1.5 µs per update or delete. Does not
//! decide what an [`Outcome::Exists`] means: the caller re-creates or applies the conflict rule.

use std::io;

use formats::{FlowKey, FlowRecord};

use crate::linux::ctnetlink::{build, BuildError};
use crate::linux::netlink::{Messages, Received, Socket};
use crate::linux::sys::{Batch, BATCH_MAX};

/// Operations of one datagram; a full writer is flushed before the next push.
pub const OPERATIONS_MAX: usize = 256;
/// Room for the acknowledgements of one datagram (each failure takes about 1 KiB of it) and for requests.
const BUFFER_BYTES: usize = 8 << 20;
/// Room for one acknowledgement without the request.
const ACK_BYTES_MAX: usize = 256;

/// One change of the table.
#[derive(Clone, Copy, Debug)]
pub enum Op<'a> {
    /// Installs a flow; an existing one is [`Outcome::Exists`].
    Create {
        /// The flow.
        record: &'a FlowRecord,
        /// What the kernel counts down from, in seconds.
        timeout_s: u32,
    },
    /// Changes the groups that the record has, without NAT.
    Update {
        /// The flow.
        record: &'a FlowRecord,
        /// New timeout in seconds, or none.
        timeout_s: Option<u32>,
    },
    /// Removes a flow.
    Delete {
        /// The flow.
        key: &'a FlowKey,
        /// The kernel's id of the life meant; another life is [`Outcome::Missing`].
        ct_id: Option<u32>,
    },
    /// Removes a flow if it is there and installs it anew, with empty windows.
    Recreate {
        /// The flow.
        record: &'a FlowRecord,
        /// What the kernel counts down from, in seconds.
        timeout_s: u32,
    },
    /// Stops the kernel enforcing windows on a TCP flow.
    Liberal {
        /// The flow.
        key: &'a FlowKey,
    },
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Ok,
    /// The tuple of either direction is taken.
    Exists,
    /// No such flow, or another life of it.
    Missing,
    /// The table holds `nf_conntrack_max` flows.
    TableFull,
    /// The kernel refused, with this errno. `ENOBUFS`: the acknowledgement was lost, the result unknown.
    Refused(i32),
    /// This record can't be written at all.
    Unbuildable(BuildError),
}

impl Outcome {
    fn from_code(code: i32) -> Self {
        match code {
            0 => Self::Ok,
            libc::EEXIST => Self::Exists,
            libc::ENOENT => Self::Missing,
            libc::ENOMEM => Self::TableFull,
            other => Self::Refused(other),
        }
    }
}

/// An operation's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The caller's token.
    pub token: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What went through a [`Writer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterCounters {
    /// Operations pushed.
    pub pushed: u64,
    /// Completed as [`Outcome::Ok`].
    pub done: u64,
    /// Completed otherwise.
    pub failed: u64,
    /// Of those failed: the acknowledgement never came.
    pub unacknowledged: u64,
}

/// An operation that is queued or sent.
#[derive(Clone, Copy)]
struct Pending {
    token: u64,
    /// Sequence number of the message whose result counts, 0 if nothing was built.
    sequence: u32,
    /// What is known before the last message is acknowledged: a failure, or nothing yet.
    failure: Option<Outcome>,
}

/// Writes the table.
pub struct Writer {
    socket: Socket,
    acks: Batch,
    request: Vec<u8>,
    pending: Vec<Pending>,
    /// Offset of the last message of `request`.
    last_start: usize,
    sequence: u32,
    counters: WriterCounters,
}

impl Writer {
    /// Opens the socket; `EPERM` without `CAP_NET_ADMIN`.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::open(libc::NETLINK_NETFILTER)?;
        socket.force_buffers(BUFFER_BYTES, BUFFER_BYTES)?;
        socket.short_acks()?;
        Ok(Self {
            socket,
            acks: Batch::new(BATCH_MAX, ACK_BYTES_MAX, 0),
            request: Vec::with_capacity(OPERATIONS_MAX * 512),
            pending: Vec::with_capacity(OPERATIONS_MAX),
            last_start: 0,
            sequence: 0,
            counters: WriterCounters::default(),
        })
    }

    /// The port id under which this writer's events are echoed; event sources ignore it.
    pub fn portid(&self) -> u32 {
        self.socket.portid()
    }

    /// What went through so far.
    pub fn counters(&self) -> WriterCounters {
        self.counters
    }

    /// Operations queued and not yet sent.
    pub fn queued(&self) -> usize {
        self.pending.len()
    }

    /// Whether the next push must be preceded by a flush.
    pub fn is_full(&self) -> bool {
        self.pending.len() == OPERATIONS_MAX
    }

    /// Queues an operation.
    ///
    /// # Panics
    /// If the queue [is full](Writer::is_full).
    pub fn push(&mut self, token: u64, op: Op<'_>) {
        assert!(!self.is_full(), "flush before pushing more than {OPERATIONS_MAX} operations");
        let (built, first) = (&mut self.request, next_sequence(self.sequence));
        let before = built.len();
        let (mut start, mut last) = (before, first);
        let result = match op {
            Op::Create { record, timeout_s } => build::create(built, first, record, timeout_s, true),
            Op::Update { record, timeout_s } => {
                build::update(built, first, record, timeout_s);
                Ok(())
            }
            Op::Delete { key, ct_id } => {
                build::delete(built, first, key, ct_id);
                Ok(())
            }
            Op::Recreate { record, timeout_s } => {
                // Whether there was one to delete is of no interest: if the delete failed otherwise,
                // the create meets EEXIST.
                build::delete(built, first, &record.key, None);
                (start, last) = (built.len(), next_sequence(first));
                build::create(built, last, record, timeout_s, true)
            }
            Op::Liberal { key } => {
                build::make_liberal(built, first, key);
                Ok(())
            }
        };
        self.counters.pushed += 1;
        self.pending.push(match result {
            Ok(()) => {
                (self.last_start, self.sequence) = (start, last);
                Pending { token, sequence: last, failure: None }
            }
            Err(error) => {
                self.request.truncate(before);
                Pending { token, sequence: 0, failure: Some(Outcome::Unbuildable(error)) }
            }
        });
    }

    /// Executes what is queued and hands every result to `complete`, in the order of the pushes.
    ///
    /// # Errors
    /// If the datagram could not be sent: then nothing was executed and everything stays queued.
    pub fn flush(&mut self, mut complete: impl FnMut(Completion)) -> io::Result<()> {
        let mut is_confirmed = false;
        if !self.request.is_empty() {
            build::request_ack(&mut self.request, self.last_start);
            self.socket.send(&self.request)?;
            self.request.clear();
            is_confirmed = self.collect();
        }
        for pending in self.pending.drain(..) {
            let outcome = pending.failure.unwrap_or(match is_confirmed {
                true => Outcome::Ok,
                false => Outcome::Refused(libc::ENOBUFS),
            });
            self.counters.done += u64::from(outcome == Outcome::Ok);
            self.counters.failed += u64::from(outcome != Outcome::Ok);
            self.counters.unacknowledged += u64::from(pending.failure.is_none() && !is_confirmed);
            complete(Completion { token: pending.token, outcome });
        }
        Ok(())
    }

    /// Reads the answers that wait, which come in the order of the messages; returns whether the last
    /// message's was among them and none before it was lost.
    fn collect(&mut self) -> bool {
        let mut next = 0;
        loop {
            // A socket that can't be read has lost the answers as surely as one that overran.
            let Ok(Received::Datagrams(count)) = self.socket.receive(&mut self.acks) else { return false };
            for index in 0..count {
                for message in Messages::new(self.acks.datagram(index)).flatten() {
                    let Some(code) = message.error_code() else { continue };
                    let rest = self.pending[next..].iter().position(|one| one.sequence == message.sequence);
                    if let Some(skipped) = rest {
                        next += skipped + 1;
                        self.pending[next - 1].failure = (code != 0).then(|| Outcome::from_code(code));
                    }
                    if message.sequence == self.sequence {
                        return true;
                    }
                }
            }
        }
    }
}

/// Zero is kept for operations without a message.
fn next_sequence(sequence: u32) -> u32 {
    sequence.wrapping_add(1).max(1)
}
