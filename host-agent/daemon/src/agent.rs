//! The pulse: one real-time thread that moves frames, events and actions between wire, NIC, core and
//! workers, and renews the lease. It takes no decisions; [`trine_core`] does.
//!
//! Budget: a turn without load ≤ 50 µs; it never waits for anything but [`wake::wait`]
//! and the pauses of [`crate::rest`].
//!
//! Order within a turn: frames first (a higher term must be known before our own records go out), then
//! events, notices, time, and last what leaves.

use crate::config::{plain, AgentConfig};
use crate::control::{Query, Request};
use crate::device::{now, SoftDevice};
use crate::journal::Journal;
use crate::linux::address::Prober;
use crate::linux::lease::{Lease, LeaseConfig, LeaseError};
use crate::mtu::MtuProbe;
use crate::rest::Rest;
use crate::wake::{self, Bell};
use crate::wire::Wire;
use crate::workers::{Drain, Mailbox, Notice, Steering};
use crate::{clock, view, workers};
use driver::{InProcess, Nic};
use formats::descriptor::Command;
use serde_json::{json, Value};
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::Arc;
use std::time::Duration;
use trine_core::{Action, Core, Input, KernelOp, Log};

/// Longest wait of a turn in µs, whatever the timers say.
const WAIT_US_MAX: u64 = 10_000;
/// Notices taken in a turn, so that a storm of kernel events never holds frames and lease.
const NOTICES_PER_TURN: usize = 16;
/// Frames received per turn, in batches of every port.
const BATCHES_PER_TURN: usize = 4;

/// What the pulse works on; made by [`crate::start`].
pub struct Pulse {
    pub(crate) config: AgentConfig,
    pub(crate) journal: Journal,
    pub(crate) wire: Wire,
    pub(crate) nic: Nic<InProcess<SoftDevice>>,
    pub(crate) core: Core,
    pub(crate) lease: Lease,
    pub(crate) lease_config: LeaseConfig,
    pub(crate) probers: Vec<(u8, Prober)>,
    pub(crate) mtu: MtuProbe,
    pub(crate) bell: Arc<Bell>,
    pub(crate) notices: Receiver<Notice>,
    pub(crate) mailbox: Mailbox,
    pub(crate) signals: OwnedFd,
    pub(crate) ops: Sender<Vec<KernelOp>>,
    pub(crate) dumps: Sender<()>,
    pub(crate) drains: (Sender<Drain>, Arc<Bell>),
    pub(crate) steering: Sender<Steering>,
    pub(crate) actions: Vec<Action>,
    /// Commands for which the ring had no room.
    pub(crate) commands: VecDeque<Command>,
    pub(crate) batch: Vec<KernelOp>,
    pub(crate) listing: Option<Sender<Value>>,
    pub(crate) moving: Option<Sender<Value>>,
    pub(crate) ended: bool,
}

impl Pulse {
    /// Runs until the core says that the agent may end.
    ///
    /// # Errors
    /// When the kernel refuses to wait or to read; nothing a peer or operator does.
    pub fn run(mut self) -> std::io::Result<()> {
        let mut rest = Rest::new(clock::local_us());
        while !self.ended {
            let from_us = clock::local_us();
            self.wait()?;
            let pause_us = rest.waited(from_us, clock::local_us());
            if pause_us > 0 {
                std::thread::sleep(Duration::from_micros(pause_us));
            }
            self.turn()?;
        }
        // A member that left serves nothing any more: its gate may go.
        if let Err(error) = self.lease.remove() {
            self.journal.write("lease_error", json!({ "text": error.to_string() }));
        }
        Ok(())
    }

    fn wait(&self) -> std::io::Result<()> {
        let fds: Vec<_> = self
            .wire
            .fds()
            .chain(self.probers.iter().map(|(_, prober)| prober.as_fd()))
            .chain([self.bell.as_fd(), self.signals.as_fd()])
            .collect();
        let now_us = clock::local_us();
        let deadline_us = self.nic.device().next_deadline_us().min(self.core.next_deadline_us());
        let deadline_us = deadline_us.min(self.mtu.next_us());
        let timeout_us = deadline_us.saturating_sub(now_us).clamp(50, WAIT_US_MAX);
        wake::wait(&fds, if self.commands.is_empty() { timeout_us } else { 0 })
    }

    fn turn(&mut self) -> std::io::Result<()> {
        for _ in 0..BATCHES_PER_TURN {
            let (engine, mtu) = (self.nic.device_mut().engine(), &mut self.mtu);
            let mut deliver = |port, frame: &[u8]| {
                if !mtu.take(clock::local_us(), port, frame) {
                    engine.receive(now(), port, frame);
                }
            };
            if self.wire.receive(&mut deliver)? == 0 {
                break;
            }
        }
        self.nic.device_mut().engine().poll(now());
        self.take_events();
        for index in 0..self.probers.len() {
            let (network, prober) = &mut self.probers[index];
            let network = *network;
            if prober.answered().unwrap_or(false) {
                self.feed(Input::Probed { network });
            }
        }
        self.mtu.poll(clock::local_us());
        while let Some((peer, mtu)) = self.mtu.next_verdict() {
            self.feed(Input::SyncMtu { peer, mtu });
        }
        self.bell.silence();
        for _ in 0..NOTICES_PER_TURN {
            let Ok(notice) = self.notices.try_recv() else { break };
            self.take_notice(notice);
            self.take_events();
            // More may wait than one turn takes.
            self.bell.ring();
        }
        if wake::terminated(self.signals.as_fd()) {
            self.feed(Input::Leave);
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

    fn take_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Kernel(events) => {
                for (change, flow) in events {
                    self.feed(Input::Kernel(change, flow));
                }
            }
            Notice::Rows(rows) => {
                for row in rows {
                    self.feed(Input::AuditRow(row));
                }
            }
            Notice::Input(input) => self.feed(input),
            Notice::Query(query) => self.query(query),
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
            Action::Drain => {
                let _ = self.drains.0.send(Drain::Pulse);
                self.drains.1.ring();
            }
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
        match self.lease.renew() {
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

    /// Operations leave once a turn, so that the writer gets batches.
    fn submit_ops(&mut self) {
        if !self.batch.is_empty() {
            let _ = self.ops.send(std::mem::take(&mut self.batch));
        }
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
