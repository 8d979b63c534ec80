//! The threads around the pulse: kernel source, kernel writer, dumps, addresses, power hook.
//!
//! Each does blocking work, reports through the [`Mailbox`] and decides nothing. What waits between
//! threads is bounded by what the pulse has under way (operations) or by the kernel's own buffers.

use crate::journal::Journal;
use crate::linux::address::{Address, Addresses, Announcer};
use crate::linux::conntrack::{EventSource, Op, Outcome, Reader, Writer};
use crate::linux::ctnetlink::{CtKind, CtMessage, Unsupported};
use crate::linux::netlink::Received;
use crate::wake::{self, Bell};
use crate::{control, realtime};
use serde_json::json;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::Arc;
use std::time::Duration;
use trine_core::{Change, Input, KernelError, KernelFlow, KernelOp, Unprotected};

/// What reaches the pulse from other threads.
#[allow(clippy::large_enum_variant)] // storms come as vectors
pub enum Notice {
    /// Kernel events in order.
    Kernel(Vec<(Change, KernelFlow)>),
    /// Rows of a dump.
    Rows(Vec<KernelFlow>),
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

fn flow(message: &CtMessage) -> KernelFlow {
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

/// Events in one notice.
const EVENTS_BATCH: usize = 512;
/// Above this many events in a wake-up the source drains on a timer: half the cost per event.
const BUSY_EVENTS: usize = 64;
const BUSY_WAIT: Duration = Duration::from_millis(1);
/// How long a packet that passed the fence just before it closed may still take to raise its event.
const FENCE_WAIT: Duration = Duration::from_micros(200);

/// Who asks for the source to be read until it is empty.
pub enum Drain {
    /// The pulse: [`Input::Drained`] follows the last event.
    Pulse,
    /// The dump: its rows must follow the events raised before they were read.
    Dump(Sender<()>),
}

/// Reads kernel events until the process ends; `drain` rings for what waits in `drains`.
pub fn read_events(mut source: EventSource, drain: Arc<Bell>, drains: Receiver<Drain>, mailbox: Mailbox) {
    // Without it a busy host delays copies, and may overrun the events' buffer.
    let _ = realtime::renice(realtime::TABLE_NICE);
    let mut batch = Vec::with_capacity(EVENTS_BATCH);
    loop {
        if let Err(error) = wake::wait(&[source.as_fd(), drain.as_fd()], 1_000_000) {
            return mailbox.put(Notice::Input(fatal("conntrack events", &error)));
        }
        drain.silence();
        let wanted: Vec<Drain> = drains.try_iter().collect();
        let count = drain_source(&mut source, &mut batch, &mailbox);
        if !wanted.is_empty() {
            std::thread::sleep(FENCE_WAIT);
            drain_source(&mut source, &mut batch, &mailbox);
            for drain in wanted {
                match drain {
                    Drain::Pulse => mailbox.put(Notice::Input(Input::Drained)),
                    Drain::Dump(done) => drop(done.send(())),
                }
            }
        } else if count > BUSY_EVENTS {
            std::thread::sleep(BUSY_WAIT);
        }
    }
}

fn fatal(what: &str, error: &dyn std::fmt::Display) -> Input {
    // Without its source an agent must not go on serving: it leaves.
    eprintln!("trine: {what}: {error}");
    Input::Leave
}

fn drain_source(source: &mut EventSource, batch: &mut Vec<(Change, KernelFlow)>, mailbox: &Mailbox) -> usize {
    let mut count = 0;
    loop {
        let received = source.receive(|message| {
            let change = match message.kind {
                CtKind::New => Change::New,
                CtKind::Update => Change::Update,
                CtKind::Destroy => Change::Destroy,
            };
            batch.push((change, flow(&message)));
        });
        count += batch.len();
        if !batch.is_empty()
            && (batch.len() >= EVENTS_BATCH || !matches!(received, Ok(Received::Datagrams(_))))
        {
            mailbox.put(Notice::Kernel(std::mem::replace(batch, Vec::with_capacity(EVENTS_BATCH))));
        }
        match received {
            Ok(Received::Datagrams(_)) => {}
            Ok(Received::Overrun) => mailbox.put(Notice::Input(Input::Overrun)),
            Ok(Received::Empty) => return count,
            Err(error) => {
                mailbox.put(Notice::Input(fatal("conntrack events", &error)));
                return count;
            }
        }
    }
}

/// Performs operations in order until the pulse ends.
pub fn write_kernel(mut writer: Writer, mut reader: Reader, ops: Receiver<Vec<KernelOp>>, mailbox: Mailbox) {
    // Without it a busy host delays copies.
    let _ = realtime::renice(realtime::TABLE_NICE);
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

/// Rows in one notice.
const ROWS_BATCH: usize = 512;

/// Dumps the kernel's table each time it is asked. Rows go behind every event raised before they were read:
/// an event that came after a newer row would take the flow back.
pub fn dump_kernel(
    mut reader: Reader,
    requests: Receiver<()>,
    drains: Sender<Drain>,
    bell: Arc<Bell>,
    mailbox: Mailbox,
) {
    let put = |rows| {
        let (done, drained) = mpsc::channel();
        if drains.send(Drain::Dump(done)).is_ok() {
            bell.ring();
            // An error says that the reader of events ended, and with it the agent.
            let _ = drained.recv();
        }
        mailbox.put(Notice::Rows(rows));
    };
    for () in requests {
        let mut rows = Vec::with_capacity(ROWS_BATCH);
        let result = reader.dump(|message| {
            rows.push(flow(&message));
            if rows.len() == ROWS_BATCH {
                put(std::mem::replace(&mut rows, Vec::with_capacity(ROWS_BATCH)));
            }
        });
        put(rows);
        mailbox.put(Notice::Input(Input::AuditDone(result.is_ok())));
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
