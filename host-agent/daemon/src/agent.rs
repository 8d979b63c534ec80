//! The pulse: one real-time thread that moves frames, events and actions between wire, kernel, NIC, core
//! and workers, and renews the lease. It takes no decisions; [`trine_core`] does.
//!
//! Budget: a turn without load ≤ 50 µs; it never waits for anything but its [`Poller`]
//! and the pauses of [`crate::rest`], and reads only what the poller found ready.
//!
//! Order within a turn: frames first (a higher term must be known before our own records go out), then
//! notices, events of the kernel, time, and last what leaves.

use crate::config::{plain, AgentConfig};
use crate::control::{Query, Request};
use crate::device::{now, SoftDevice};
use crate::journal::Journal;
use crate::linux::address::Prober;
use crate::linux::conntrack::Writer;
use crate::linux::lease::{Lease, LeaseConfig, LeaseError, Watch};
use crate::mtu::MtuProbe;
use crate::rest::Rest;
use crate::source::{Pace, Source};
use crate::wake::{self, Bell, Poller};
use crate::wire::Wire;
use crate::workers::{Dumped, Mailbox, Notice, Steering};
use crate::{clock, view, workers};
use driver::{InProcess, Nic};
use formats::descriptor::Command;
use serde_json::{json, Value};
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::Arc;
use std::time::Duration;
use trine_core::{Action, Change, Core, Input, KernelFlow, KernelOp, Log};

/// Longest wait of a turn in µs, whatever the timers say.
const WAIT_US_MAX: u64 = 10_000;
/// Notices taken in a turn, so that they never hold frames and lease.
const NOTICES_PER_TURN: usize = 16;
/// Frames received per turn, in batches of every port.
const BATCHES_PER_TURN: usize = 4;
/// How long a packet that passed the fence just before it closed may still take to raise its event, in µs.
const FENCE_WAIT_US: u64 = 200;

/// What the pulse works on; made by [`crate::start`].
pub struct Pulse {
    pub(crate) config: AgentConfig,
    pub(crate) journal: Journal,
    pub(crate) wire: Wire,
    pub(crate) nic: Nic<InProcess<SoftDevice>>,
    pub(crate) core: Core,
    pub(crate) lease: Lease,
    pub(crate) lease_config: LeaseConfig,
    pub(crate) watch: Watch,
    pub(crate) probers: Vec<(u8, Prober)>,
    pub(crate) mtu: MtuProbe,
    pub(crate) bell: Arc<Bell>,
    pub(crate) notices: Receiver<Notice>,
    pub(crate) mailbox: Mailbox,
    pub(crate) signals: OwnedFd,
    pub(crate) ops: Sender<Vec<KernelOp>>,
    /// Operations that the writer's thread has yet to report.
    pub(crate) ops_outstanding: u64,
    /// The pulse's own writer, for few operations of a copy.
    pub(crate) writer: Writer,
    pub(crate) dumps: Sender<()>,
    pub(crate) source: Source,
    pub(crate) parts: Receiver<Dumped>,
    pub(crate) steering: Sender<Steering>,
    pub(crate) actions: Vec<Action>,
    /// Commands for which the ring had no room.
    pub(crate) commands: VecDeque<Command>,
    pub(crate) batch: Vec<KernelOp>,
    /// How often records are read while they come in numbers, by the operations they cause.
    pub(crate) copying: Pace,
    /// Events of one read.
    pub(crate) events: Vec<(Change, KernelFlow)>,
    /// When the engine wants to be polled, as of the last wait.
    pub(crate) engine_due_us: u64,
    /// Part of a dump that waits for the source to be read empty.
    pub(crate) part: Option<Dumped>,
    /// From then on an empty source answers [`Action::Drain`], local µs.
    pub(crate) drain_us: Option<u64>,
    pub(crate) listing: Option<Sender<Value>>,
    pub(crate) moving: Option<Sender<Value>>,
    pub(crate) ended: bool,
}

/// Number of the sync link's port, and its place in the poller.
const SYNC_PORT: usize = 0;

/// Places of a pulse's descriptors in its poller: ports, then probers, then these.
struct Places {
    probers: usize,
    bell: usize,
    signals: usize,
    watch: usize,
    source: usize,
}

impl Pulse {
    /// Runs until the core says that the agent may end.
    ///
    /// # Errors
    /// When the kernel refuses to wait or to read; nothing a peer or operator does.
    pub fn run(mut self) -> std::io::Result<()> {
        let mut rest = Rest::new(clock::local_us());
        let (mut poller, places) = self.poller();
        while !self.ended {
            let from_us = clock::local_us();
            self.wait(&mut poller, &places)?;
            let pause_us = rest.waited(from_us, clock::local_us());
            if pause_us > 0 {
                std::thread::sleep(Duration::from_micros(pause_us));
            }
            self.turn(&poller, &places)?;
        }
        // A member that left serves nothing any more: its gate may go.
        if let Err(error) = self.lease.remove() {
            self.journal.write("lease_error", json!({ "text": error.to_string() }));
        }
        Ok(())
    }

    fn poller(&self) -> (Poller, Places) {
        let probers = self.wire.ports().len();
        let bell = probers + self.probers.len();
        let places = Places { probers, bell, signals: bell + 1, watch: bell + 2, source: bell + 3 };
        let last: [BorrowedFd<'_>; 4] =
            [self.bell.as_fd(), self.signals.as_fd(), self.watch.as_fd(), self.source.as_fd()];
        let probing = self.probers.iter().map(|(_, prober)| prober.as_fd());
        let mut poller = Poller::new(self.wire.fds().chain(probing).chain(last));
        // What a port of these still tells is that its interface went down.
        (SYNC_PORT + 1..places.probers).for_each(|port| poller.watch(port, false));
        (poller, places)
    }

    fn wait(&mut self, poller: &mut Poller, places: &Places) -> std::io::Result<()> {
        let now_us = clock::local_us();
        self.engine_due_us = self.nic.device().next_deadline_us();
        let timers = [self.engine_due_us, self.core.next_deadline_us(), self.mtu.next_us()];
        let paced_us = [self.source.due_us(), self.copying.due_us()].into_iter().flatten().min();
        let reads = [paced_us, self.drain_us, self.part.as_ref().map(|_| now_us)];
        let timer_us = timers.into_iter().min().unwrap_or(u64::MAX).max(now_us + 50);
        let read_us = reads.into_iter().flatten().min();
        // While events or records are read on a timer, all else is done in the same turns: within 1 ms.
        let paced = paced_us.is_some();
        let deadline_us = if paced { read_us } else { read_us.into_iter().chain([timer_us]).min() };
        let deadline_us = deadline_us.unwrap_or(timer_us);
        let idle = self.commands.is_empty();
        poller.watch(places.source, !paced);
        poller.watch(SYNC_PORT, !paced);
        poller.wait(if idle { deadline_us.saturating_sub(now_us).min(WAIT_US_MAX) } else { 0 })
    }

    fn turn(&mut self, poller: &Poller, places: &Places) -> std::io::Result<()> {
        let now_us = clock::local_us();
        let engine_due = self.engine_due_us <= now_us;
        let reached = |due_us: Option<u64>| due_us.is_some_and(|due_us| due_us <= now_us);
        let (source_due, copies_due) = (reached(self.source.due_us()), reached(self.copying.due_us()));
        if copies_due {
            self.copying.note(now_us, 0, true);
        }
        self.take_frames(poller, engine_due, source_due || copies_due)?;
        if engine_due {
            self.nic.device_mut().engine().poll(now());
        }
        self.take_events();
        for index in 0..self.probers.len() {
            let (network, prober) = &mut self.probers[index];
            let network = *network;
            if poller.is_ready(places.probers + index) && prober.answered().unwrap_or(false) {
                self.feed(Input::Probed { network });
            }
        }
        self.mtu.poll(clock::local_us());
        while let Some((peer, mtu)) = self.mtu.next_verdict() {
            self.feed(Input::SyncMtu { peer, mtu });
        }
        if poller.is_ready(places.bell) {
            self.take_notices();
        }
        if source_due || poller.is_ready(places.source) || self.drain_us.is_some() || self.part.is_some() {
            self.take_kernel_events();
        }
        if poller.is_ready(places.signals) && wake::terminated(self.signals.as_fd()) {
            self.feed(Input::Leave);
        }
        if poller.is_ready(places.watch) && self.watch.changed()? {
            self.check_gate();
        }
        self.feed(Input::Tick);
        self.take_events();
        self.submit_ops();
        let (engine, wire) = (self.nic.device_mut().engine(), &mut self.wire);
        engine.transmit(now(), &mut |port, frame| wire.queue(port, frame));
        while let Some(frame) = self.mtu.next_frame() {
            wire.queue(0, &frame);
        }
        self.wire.flush();
        Ok(())
    }

    /// Frames of the sync link when they wait, or at the time set while there are many. Before the engine's
    /// timers every port is read: what waits there may end a silence. Data networks carry heartbeats only and
    /// wake nobody.
    fn take_frames(&mut self, poller: &Poller, engine_due: bool, sync_due: bool) -> std::io::Result<()> {
        let (engine, mtu) = (self.nic.device_mut().engine(), &mut self.mtu);
        let mut deliver = |port, frame: &[u8]| {
            if !mtu.take(clock::local_us(), port, frame) {
                engine.receive(now(), port, frame);
            }
        };
        let wanted = |port: &usize| poller.is_ready(*port) || engine_due || sync_due && *port == SYNC_PORT;
        for port in (0..self.wire.ports().len()).filter(wanted) {
            let mut batches = 0;
            while batches < BATCHES_PER_TURN && self.wire.receive(port, &mut deliver)? {
                batches += 1;
            }
        }
        Ok(())
    }

    fn take_notices(&mut self) {
        self.bell.silence();
        for taken in 1..=NOTICES_PER_TURN {
            let Ok(notice) = self.notices.try_recv() else { break };
            match notice {
                Notice::Input(input) => {
                    if let Input::KernelDone { performed, .. } = &input {
                        self.ops_outstanding -= performed;
                    }
                    self.feed(input);
                }
                Notice::Query(query) => self.query(query),
            }
            self.take_events();
            if taken == NOTICES_PER_TURN {
                // More may wait than one turn takes.
                self.bell.ring();
            }
        }
        if self.part.is_none() {
            self.part = self.parts.try_recv().ok();
        }
    }

    /// Events of the kernel, and what has to come behind them.
    fn take_kernel_events(&mut self) {
        let from_us = clock::local_us();
        let mut events = std::mem::take(&mut self.events);
        let read = self.source.read(from_us, &mut events);
        for (change, flow) in events.drain(..) {
            self.feed(Input::Kernel(change, flow));
        }
        self.events = events;
        let read = match read {
            Ok(read) => read,
            Err(error) => return self.events_failed(&error),
        };
        self.take_events();
        if read.overrun {
            self.feed(Input::Overrun);
        }
        if !read.empty {
            return;
        }
        if self.drain_us.is_some_and(|drain_us| drain_us <= from_us) {
            self.drain_us = None;
            self.feed(Input::Drained);
        }
        match self.part.take() {
            None => return,
            Some(Dumped::Rows(rows)) => rows.into_iter().for_each(|row| self.feed(Input::AuditRow(row))),
            Some(Dumped::End(complete)) => self.feed(Input::AuditDone(complete)),
        }
        self.part = self.parts.try_recv().ok();
    }

    /// Without its source an agent must not go on serving: it leaves.
    fn events_failed(&mut self, error: &std::io::Error) {
        self.journal.write("events_lost", json!({ "text": error.to_string() }));
        self.mailbox.put(Notice::Input(Input::Leave));
    }

    /// Commands in, events out, until neither moves.
    fn take_events(&mut self) {
        loop {
            self.submit_commands();
            self.nic.service();
            let mut any = false;
            while let Some(event) = self.nic.next_event() {
                any = true;
                match event {
                    Ok(event) => self.feed(Input::Nic(event)),
                    Err(error) => self.journal.write("nic_error", json!({ "text": error.to_string() })),
                }
            }
            if !any && self.commands.is_empty() {
                return;
            }
        }
    }

    fn submit_commands(&mut self) {
        while let Some(command) = self.commands.front() {
            if self.nic.try_submit(command).is_err() {
                break;
            }
            self.commands.pop_front();
        }
        if let Err(error) = self.nic.ring() {
            self.journal.write("nic_error", json!({ "text": error.to_string() }));
        }
    }

    fn feed(&mut self, input: Input) {
        let mut actions = std::mem::take(&mut self.actions);
        self.core.handle(clock::local_us(), input, &mut actions);
        for action in actions.drain(..) {
            self.perform(action);
        }
        self.actions = actions;
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Nic(command) => self.commands.push_back(command),
            Action::Kernel(op) => self.batch.push(op),
            Action::RenewLease => self.renew(),
            Action::ReleaseLease => {
                if let Err(error) = self.lease.release() {
                    self.journal.write("lease_error", json!({ "text": error.to_string() }));
                }
            }
            Action::TakeAddresses => drop(self.steering.send(Steering::Take)),
            Action::DropAddresses => drop(self.steering.send(Steering::Drop)),
            Action::Probe { network } => {
                for (_, prober) in self.probers.iter_mut().filter(|(n, _)| *n == network) {
                    // An unsent question is an unanswered one.
                    let _ = prober.ask();
                }
            }
            Action::PowerOff { member } => {
                let name = view::member_name(&self.config, member);
                if let Some(hook) = self.config.power_hook.clone() {
                    workers::power_off(hook, member, name, self.mailbox.clone());
                }
            }
            Action::Listen(all) => {
                if let Err(error) = self.source.listen(all) {
                    self.events_failed(&error);
                }
            }
            Action::Drain => self.drain_us = Some(clock::local_us() + FENCE_WAIT_US),
            Action::Dump => drop(self.dumps.send(())),
            Action::Log(log) => self.log(&log),
            Action::Row(record) => {
                if let Some(answers) = &self.listing {
                    // A reader that went away only wastes the rest of the walk.
                    let _ = answers.send(view::flow(&record));
                }
            }
            Action::RowsEnd => self.listing = None,
            Action::Exit => self.ended = true,
        }
    }

    fn renew(&mut self) {
        let renewed = self.lease.renew();
        let gone = matches!(renewed, Err(LeaseError::Gone));
        self.note_lease(renewed);
        if gone {
            // Installed again, the gate is closed.
            let renewed = self.lease.renew();
            self.note_lease(renewed);
        }
    }

    /// Somebody changed the host's nft rules. A gate that is gone let packets move the entries of a copy. A
    /// member that serves finds out with its next renewal: whether there is one, only the core decides.
    fn check_gate(&mut self) {
        if self.core.serving() {
            return;
        }
        let released = self.lease.release();
        let gone = matches!(released, Err(LeaseError::Gone));
        self.note_lease(released);
        if gone {
            self.feed(Input::GateGone);
        }
    }

    fn note_lease(&mut self, result: Result<(), LeaseError>) {
        match result {
            Ok(()) => {}
            Err(LeaseError::Gone) => {
                self.journal.write("lease_gone", json!({}));
                match Lease::install(&self.lease_config) {
                    Ok(lease) => self.lease = lease,
                    Err(error) => {
                        self.journal.write("lease_error", json!({ "text": error.to_string() }));
                    }
                }
            }
            Err(error) => self.journal.write("lease_error", json!({ "text": error.to_string() })),
        }
    }

    fn log(&mut self, log: &Log) {
        let config = &self.config;
        let name = |member| view::member_name(config, member);
        let port = |port| view::port_name(config, port);
        self.journal.core(log, &config.group, &name, &port);
        if let (Log::MoveDone(result), Some(answers)) = (log, self.moving.take()) {
            let answer = match result {
                Ok(to) => json!({ "moved": name(*to) }),
                Err(why) => json!({ "error": why }),
            };
            let _ = answers.send(answer);
        }
    }

    /// Operations leave once a turn, so that the writer gets batches. Few of a copy are performed here,
    /// behind none that wait: their acknowledgement then leaves within this turn. A member that serves
    /// hands all over, because the kernel may hold a writer up while somebody else changes the whole table.
    fn submit_ops(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let ops = std::mem::take(&mut self.batch);
        self.copying.note(clock::local_us(), ops.len(), true);
        if self.ops_outstanding == 0 && !self.core.serving() {
            if let Some(failed) = workers::perform_few(&mut self.writer, &ops) {
                self.feed(Input::KernelDone { performed: ops.len() as u64, failed });
                return self.take_events();
            }
        }
        self.ops_outstanding += ops.len() as u64;
        let _ = self.ops.send(ops);
    }

    fn query(&mut self, query: Query) {
        let refuse = |why: String| drop(query.answers.send(json!({ "error": why })));
        match &query.request {
            Request::Stat {} => {
                let counters = formats::register::Counter::ALL;
                let device = self.nic.device();
                let counters =
                    counters.iter().map(|(c, name, _)| (*name, driver::Device::counter(device, *c)));
                let _ = query.answers.send(view::stat(&self.config, &self.core.status(), counters));
            }
            Request::Flows {} if self.listing.is_some() => refuse("another listing runs".into()),
            Request::Flows {} => {
                self.listing = Some(query.answers);
                self.feed(Input::List);
            }
            Request::Move { group, .. } if *group != self.config.group => {
                refuse(format!("no group {group:?}; this member has {:?}", self.config.group));
            }
            Request::Move { .. } if self.moving.is_some() => refuse("another move runs".into()),
            Request::Move { to, .. } => {
                let member = self.config.names.iter().find(|(_, name)| *name == to).map(|(id, _)| *id);
                let Some(to) = member else {
                    return refuse(format!("no member {to:?}; allowed: {:?}", self.config.names.values()));
                };
                self.moving = Some(query.answers);
                self.feed(Input::Move { to });
            }
        }
    }
}

/// Addresses of this member that do not move.
pub(crate) fn local_addresses(
    config: &AgentConfig,
    all: &[crate::linux::address::Address],
) -> Vec<(formats::Family, u128)> {
    let moving: Vec<_> = config.moving().map(plain).collect();
    all.iter().map(|address| plain(address.ip)).filter(|address| !moving.contains(address)).collect()
}
