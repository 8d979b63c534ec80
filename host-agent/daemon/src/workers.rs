//! The threads around the pulse: kernel writer, dumps, addresses, power hook.
//!
//! Each does blocking work, reports through the [`Mailbox`] and decides nothing. What waits between
//! threads is bounded by what the pulse has under way (operations) or by the kernel's own buffers.

use crate::journal::Journal;
use crate::linux::address::{Address, Addresses, Announcer};
use crate::linux::conntrack::{Op, Outcome, Reader, Writer};
use crate::source::flow;
use crate::wake::Bell;
use crate::{control, realtime};
use serde_json::json;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::Arc;
use std::time::{Duration, Instant};
use trine_core::{Input, KernelError, KernelFlow, KernelOp};

/// What reaches the pulse from other threads.
#[allow(clippy::large_enum_variant)] // few are under way at a time
pub enum Notice {
    /// Anything that is an input as it stands.
    Input(Input),
    /// A request of an operator.
    Query(control::Query),
}

/// The way into the pulse thread.
#[derive(Clone)]
pub struct Mailbox {
    /// Notices.
    pub notices: Sender<Notice>,
    /// Wakes the pulse.
    pub bell: Arc<Bell>,
}

impl Mailbox {
    /// Hands a notice over; a pulse that ended needs none.
    pub fn put(&self, notice: Notice) {
        let _ = self.notices.send(notice);
        self.bell.ring();
    }
}

/// Performs operations in order until the pulse ends.
pub fn write_kernel(mut writer: Writer, mut reader: Reader, ops: Receiver<Vec<KernelOp>>, mailbox: Mailbox) {
    for ops in ops {
        let mut failed = Vec::new();
        let mut begin = 0;
        for (index, op) in ops.iter().enumerate() {
            if let KernelOp::Verify { key, ct_id } = op {
                flush(&mut writer, &ops, &mut failed);
                if let Ok(None) = reader.get(key) {
                    mailbox.put(Notice::Input(Input::Gone { key: *key, ct_id: *ct_id }));
                }
                continue;
            }
            writer.push(index as u64, writer_op(op));
            if writer.is_full() {
                flush(&mut writer, &ops, &mut failed);
                let performed = (index + 1 - begin) as u64;
                begin = index + 1;
                let failed = std::mem::take(&mut failed);
                mailbox.put(Notice::Input(Input::KernelDone { performed, failed }));
            }
        }
        flush(&mut writer, &ops, &mut failed);
        let performed = (ops.len() - begin) as u64;
        mailbox.put(Notice::Input(Input::KernelDone { performed, failed }));
    }
}

/// Operations that a pulse performs itself rather than wait for two wake-ups: at most 0.3 ms of work.
const DIRECT_MAX: usize = 128;

/// Performs operations at once, if they are few and of the kind that a copy needs; returns those that
/// failed. `None` leaves them to [`write_kernel`].
pub fn perform_few(writer: &mut Writer, ops: &[KernelOp]) -> Option<Vec<(KernelOp, KernelError)>> {
    if ops.len() > DIRECT_MAX || ops.iter().any(|op| matches!(op, KernelOp::Verify { .. })) {
        return None;
    }
    let mut failed = Vec::new();
    ops.iter().enumerate().for_each(|(index, op)| writer.push(index as u64, writer_op(op)));
    flush(writer, ops, &mut failed);
    Some(failed)
}

fn writer_op(op: &KernelOp) -> Op<'_> {
    match op {
        KernelOp::Create { record, timeout_s } => Op::Create { record, timeout_s: *timeout_s },
        KernelOp::Update { record, timeout_s } => Op::Update { record, timeout_s: Some(*timeout_s) },
        KernelOp::Recreate { record, timeout_s } => Op::Recreate { record, timeout_s: *timeout_s },
        KernelOp::Remove { key, ct_id } => Op::Delete { key, ct_id: (*ct_id != 0).then_some(*ct_id) },
        KernelOp::Verify { .. } => unreachable!("verified by the reader"),
    }
}

fn flush(writer: &mut Writer, ops: &[KernelOp], failed: &mut Vec<(KernelOp, KernelError)>) {
    let result = writer.flush(|completion| {
        let error = match completion.outcome {
            Outcome::Ok => return,
            Outcome::Exists => KernelError::Exists,
            Outcome::Missing => KernelError::Missing,
            Outcome::TableFull => KernelError::TableFull,
            Outcome::Refused(errno) => KernelError::Refused(errno),
            Outcome::Unbuildable(_) => KernelError::Refused(libc::EINVAL),
        };
        failed.push((ops[completion.token as usize], error));
    });
    if let Err(error) = result {
        eprintln!("trine: conntrack writer: {error}");
    }
}

/// A part of a dump of the kernel's table.
pub enum Dumped {
    /// Rows, in the table's order.
    Rows(Vec<KernelFlow>),
    /// The dump is complete, or broke off.
    End(bool),
}

/// Parts that wait for the pulse before the dump does: the kernel holds the rest.
pub const DUMPED_MAX: usize = 8;
/// Rows in one part.
const ROWS_BATCH: usize = 512;
/// How long a row waits before the pulse gets it: an event that was built before the row was read may take
/// as long to reach the pulse's socket, and would take the flow back behind the row.
const ROWS_WAIT: Duration = Duration::from_micros(200);

/// Dumps the kernel's table each time it is asked. The pulse takes rows behind every event that waits when
/// they come.
pub fn dump_kernel(mut reader: Reader, requests: Receiver<()>, parts: SyncSender<Dumped>, bell: Arc<Bell>) {
    let put = |part| {
        // A pulse that ended needs no rows.
        let _ = parts.send(part);
        bell.ring();
    };
    for () in requests {
        // A batch leaves when the next one is read, so that its wait costs nothing in a long dump.
        let mut aging: Option<(Instant, Vec<KernelFlow>)> = None;
        let mut hand_over = |next: Option<Vec<KernelFlow>>| {
            let next = next.map(|rows| (Instant::now(), rows));
            if let Some((read, rows)) = std::mem::replace(&mut aging, next) {
                std::thread::sleep(ROWS_WAIT.saturating_sub(read.elapsed()));
                put(Dumped::Rows(rows));
            }
        };
        let mut rows = Vec::with_capacity(ROWS_BATCH);
        let result = reader.dump(|message| {
            rows.push(flow(&message));
            if rows.len() == ROWS_BATCH {
                hand_over(Some(std::mem::replace(&mut rows, Vec::with_capacity(ROWS_BATCH))));
            }
        });
        hand_over(Some(rows));
        hand_over(None);
        put(Dumped::End(result.is_ok()));
    }
}

/// Where the group's addresses should be.
pub enum Steering {
    /// Here: bring them up and announce them.
    Take,
    /// Not here.
    Drop,
}

/// Announcements after the first, for switches and neighbours that missed it.
const REPEATS: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

/// Moves the group's addresses as told.
pub struct Steerer {
    /// Changes addresses.
    pub addresses: Addresses,
    /// The group's addresses.
    pub moving: Vec<Address>,
    /// Per data network: where to announce, and what.
    pub announcers: Vec<(Announcer, Vec<IpAddr>)>,
    /// Name of the group, for the log.
    pub group: String,
    /// The log.
    pub journal: Journal,
}

impl Steerer {
    /// Runs until the pulse ends, then gives the addresses up.
    pub fn run(mut self, orders: Receiver<Steering>) {
        // Without it moves are slower, not wrong.
        let _ = realtime::schedule(realtime::STEER_PRIORITY);
        let mut repeats = REPEATS.iter();
        let mut next: Option<Duration> = None;
        loop {
            let order = match next {
                Some(wait) => orders.recv_timeout(wait),
                None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match order {
                Ok(Steering::Take) => {
                    self.take();
                    repeats = REPEATS.iter();
                    next = repeats.next().copied();
                }
                Ok(Steering::Drop) => {
                    self.drop_addresses();
                    next = None;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.announce();
                    next = repeats.next().copied();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn take(&mut self) {
        if let Err(error) = self.addresses.add(&self.moving) {
            self.journal.write("address_error", json!({ "text": error.to_string() }));
        }
        self.announce();
        self.journal.write("serving", json!({ "group": self.group }));
    }

    /// Takes the group's addresses off this member.
    pub fn drop_addresses(&mut self) {
        if let Err(error) = self.addresses.remove(&self.moving) {
            self.journal.write("address_error", json!({ "text": error.to_string() }));
        }
    }

    fn announce(&mut self) {
        for (announcer, addresses) in &mut self.announcers {
            if let Err(error) = announcer.announce(addresses) {
                self.journal.write("announce_error", json!({ "text": error.to_string() }));
            }
        }
    }
}

/// Runs the operator's hook against a member and reports whether it is off.
pub fn power_off(hook: PathBuf, member: u8, name: String, mailbox: Mailbox) {
    std::thread::spawn(move || {
        let off = std::process::Command::new(hook).arg(name).status().is_ok_and(|status| status.success());
        mailbox.put(Notice::Input(Input::Power { member, off }));
    });
}
