//! The kernel's connection table as a source: live events, dumps and single questions. The
//! [`writer`] is its sink.
//!
//! Enters: netlink datagrams. Leaves: [`CtMessage`]s to the caller's function, in the kernel's order.
//! Invariants: the writer's own echoes are dropped in the kernel; a lost event is always an
//! [`Received::Overrun`]; malformed messages are counted and skipped. Works in the network namespace in
//! which it was opened. Budget: ≤ 0.7 µs per event on a full socket. Does not store flows, and does not
//! wait: the caller polls the descriptor or drains on a timer (above a few thousand events per second
//! draining costs half).

pub mod writer;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use formats::FlowKey;

use super::ctnetlink::{self, build, CtMessage};
use super::netlink::{Messages, Received, Socket};
use super::sys::{self, instruction, Batch, BATCH_MAX};

pub use writer::{Completion, Op, Outcome, Writer};

/// Receive buffer: an event takes 1,280 B of it, so this holds 200,000 events.
pub const RECEIVE_BUFFER_BYTES: usize = 256 << 20;
/// Room for one event datagram; the largest with every attribute is below 1 KiB.
const EVENT_BYTES_MAX: usize = 4 << 10;
/// Room for one datagram of a dump; the kernel fills what the reader offers, up to 32 KiB.
const DUMP_BYTES_MAX: usize = 32 << 10;
/// Multicast groups of what begins and changes, and of what ends.
const GROUPS_LIFE: [u32; 2] = [1, 2];
const GROUP_DESTROY: u32 = 3;
/// Port ids a filter can name; classic BPF jumps over at most 255 instructions.
pub const IGNORED_PORTIDS_MAX: usize = 16;
/// Longest wait for the next datagram of an answer that the kernel has already begun.
const ANSWER_TIMEOUT_MS: i32 = 2_000;

/// What went through an [`EventSource`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounters {
    /// Datagrams received.
    pub datagrams: u64,
    /// Messages handed to the caller.
    pub delivered: u64,
    /// Messages that did not parse, or were cut off.
    pub malformed: u64,
    /// Times the kernel reported lost events.
    pub overruns: u64,
}

/// How to open an [`EventSource`].
#[derive(Clone, Debug)]
pub struct EventConfig {
    /// Receive buffer in bytes, forced beyond the host's limit.
    pub receive_buffer_bytes: usize,
    /// Port ids whose events are not delivered: the writers of this process.
    pub ignored_portids: Vec<u32>,
}

impl Default for EventConfig {
    fn default() -> Self {
        Self { receive_buffer_bytes: RECEIVE_BUFFER_BYTES, ignored_portids: Vec::new() }
    }
}

/// The stream of conntrack events.
pub struct EventSource {
    socket: Socket,
    batch: Batch,
    counters: EventCounters,
}

impl EventSource {
    /// Opens the stream; the filter stands before the first group is joined.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_ADMIN`; `EINVAL` for more than [`IGNORED_PORTIDS_MAX`] port ids.
    pub fn open(config: &EventConfig) -> io::Result<Self> {
        let socket = Socket::open(libc::NETLINK_NETFILTER)?;
        socket.force_buffers(config.receive_buffer_bytes, 0)?;
        if config.ignored_portids.len() > IGNORED_PORTIDS_MAX {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        sys::attach_filter(socket.as_fd(), &echo_filter(&config.ignored_portids))?;
        socket.join(GROUP_DESTROY)?;
        let batch = Batch::new(BATCH_MAX, EVENT_BYTES_MAX, 0);
        let mut source = Self { socket, batch, counters: EventCounters::default() };
        source.listen(true)?;
        Ok(source)
    }

    /// Hears every event, or only that flows ended. The kernel builds no message for which nobody listens.
    ///
    /// # Errors
    /// What the kernel says of the socket.
    pub fn listen(&mut self, all: bool) -> io::Result<()> {
        GROUPS_LIFE.into_iter().try_for_each(|group| match all {
            true => self.socket.join(group),
            false => self.socket.leave(group),
        })
    }

    /// Delivers at most one batch of waiting events, without blocking.
    ///
    /// Call until it returns [`Received::Empty`]; at [`Received::Overrun`] events are missing and the
    /// caller audits.
    pub fn receive(&mut self, mut deliver: impl FnMut(CtMessage)) -> io::Result<Received> {
        let received = self.socket.receive(&mut self.batch)?;
        match received {
            Received::Datagrams(count) => {
                self.counters.datagrams += count as u64;
                for index in 0..count {
                    self.counters.malformed += u64::from(self.batch.truncated(index));
                    deliver_rows(self.batch.datagram(index), &mut self.counters, &mut deliver);
                }
            }
            Received::Overrun => self.counters.overruns += 1,
            Received::Empty => {}
        }
        Ok(received)
    }

    /// What went through so far.
    pub fn counters(&self) -> EventCounters {
        self.counters
    }
}

impl AsFd for EventSource {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn deliver_rows(bytes: &[u8], counters: &mut EventCounters, deliver: &mut impl FnMut(CtMessage)) {
    for message in Messages::new(bytes) {
        match message.and_then(|message| ctnetlink::parse(&message)) {
            Ok(message) => {
                counters.delivered += 1;
                deliver(message);
            }
            Err(_) => counters.malformed += 1,
        }
    }
}

/// Drops every message whose `nlmsg_pid` is one of `portids`.
fn echo_filter(portids: &[u32]) -> Vec<libc::sock_filter> {
    const PORTID_OFFSET: u32 = 12;
    let mut program = vec![instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, PORTID_OFFSET)];
    for (index, portid) in portids.iter().enumerate() {
        // Loads are big-endian, the field is in host order. A match jumps to the last instruction.
        let to_drop = (portids.len() - index) as u8;
        let value = u32::from_be_bytes(portid.to_ne_bytes());
        program.push(instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, to_drop, 0, value));
    }
    program.push(instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX));
    program.push(instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0));
    program
}

/// Reads the table: whole or one flow at a time, over a socket of its own.
pub struct Reader {
    socket: Socket,
    batch: Batch,
    request: Vec<u8>,
    sequence: u32,
}

/// Result of a dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DumpSummary {
    /// Rows delivered.
    pub rows: u64,
    /// Rows that did not parse.
    pub malformed: u64,
}

impl Reader {
    /// Opens the socket; `EPERM` without `CAP_NET_ADMIN`.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::open(libc::NETLINK_NETFILTER)?;
        socket.force_buffers(8 << 20, 1 << 20)?;
        let batch = Batch::new(BATCH_MAX / 4, DUMP_BYTES_MAX, 0);
        Ok(Self { socket, batch, request: Vec::new(), sequence: 0 })
    }

    /// Delivers every flow of the table (as [`ctnetlink::CtKind::Update`]) while it streams in.
    ///
    /// A flow that lives throughout appears at least once; others may or may not. Blocks for the
    /// dump's duration (1.4 s per million flows).
    pub fn dump(&mut self, mut deliver: impl FnMut(CtMessage)) -> io::Result<DumpSummary> {
        self.ask(build::dump)?;
        let mut counters = EventCounters::default();
        loop {
            let count = self.next_datagrams()?;
            for index in 0..count {
                for message in Messages::new(self.batch.datagram(index)) {
                    let Ok(message) = message else {
                        counters.malformed += 1;
                        continue;
                    };
                    if message.sequence != self.sequence {
                        continue;
                    }
                    if message.is_done() {
                        return Ok(DumpSummary { rows: counters.delivered, malformed: counters.malformed });
                    }
                    if let Some(code) = message.error_code() {
                        return Err(io::Error::from_raw_os_error(code));
                    }
                    match ctnetlink::parse(&message) {
                        Ok(row) => {
                            counters.delivered += 1;
                            deliver(row);
                        }
                        Err(_) => counters.malformed += 1,
                    }
                }
            }
        }
    }

    /// The flow of `key`, in its original or reply direction; `None` if there is none.
    pub fn get(&mut self, key: &FlowKey) -> io::Result<Option<CtMessage>> {
        self.ask(|out, sequence| build::get(out, sequence, key))?;
        loop {
            let count = self.next_datagrams()?;
            for index in 0..count {
                for message in Messages::new(self.batch.datagram(index)).flatten() {
                    if message.sequence != self.sequence {
                        continue;
                    }
                    return match message.error_code() {
                        Some(libc::ENOENT) => Ok(None),
                        Some(code) => Err(io::Error::from_raw_os_error(code)),
                        None => match ctnetlink::parse(&message) {
                            Ok(row) => Ok(Some(row)),
                            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
                        },
                    };
                }
            }
        }
    }

    /// Sends one request under a new sequence number, by which answers to earlier ones are told apart.
    fn ask(&mut self, write: impl FnOnce(&mut Vec<u8>, u32)) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        self.request.clear();
        write(&mut self.request, self.sequence);
        self.socket.send(&self.request)
    }

    fn next_datagrams(&mut self) -> io::Result<usize> {
        match self.socket.receive(&mut self.batch)? {
            Received::Datagrams(count) => Ok(count),
            Received::Overrun => Err(io::Error::from_raw_os_error(libc::ENOBUFS)),
            Received::Empty if sys::wait_readable(self.socket.as_fd(), ANSWER_TIMEOUT_MS)? => Ok(0),
            Received::Empty => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter's small subset of classic BPF.
    fn accepts(program: &[libc::sock_filter], portid: u32) -> bool {
        let loaded = u32::from_be_bytes(portid.to_ne_bytes());
        let mut at = 1;
        loop {
            let step = program[at];
            if u32::from(step.code) == libc::BPF_RET | libc::BPF_K {
                return step.k != 0;
            }
            at += 1 + usize::from(if step.k == loaded { step.jt } else { step.jf });
        }
    }

    #[test]
    fn the_filter_drops_exactly_the_named_writers() {
        for portids in [vec![], vec![7], vec![7, 0x8000_0001, 12]] {
            let program = echo_filter(&portids);
            for portid in [0, 7, 12, 13, 0x8000_0001, 0x0100_0080] {
                assert_eq!(accepts(&program, portid), !portids.contains(&portid), "{portids:?} {portid:#x}");
            }
        }
    }

    #[test]
    fn malformed_messages_are_counted_and_skipped() {
        let (mut counters, mut delivered) = (EventCounters::default(), 0);
        deliver_rows(&[0xff; 40], &mut counters, &mut |_| delivered += 1);
        assert_eq!((counters.malformed, delivered), (1, 0));
    }
}
