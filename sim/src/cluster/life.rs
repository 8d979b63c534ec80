//! What happens to the cluster from outside: load, faults, the end of both.

use super::{Cluster, Event, EXPIRE_US};
use crate::clock::Micros;
use crate::faults::Fault;
use crate::kernel::Kernel;
use trine_core::Input;

impl Cluster {
    /// Members whose kernels forward packets that clients can get to.
    pub fn forwarding(&self) -> Vec<usize> {
        let reached =
            |member: usize| (1..self.network.ports()).all(|port| self.network.attached(member, port));
        (0..self.members.len())
            .filter(|m| self.members[*m].kernel.forwards(self.now) && reached(*m))
            .collect()
    }

    pub(super) fn step_load(&mut self) {
        if !self.loading {
            return;
        }
        let forwarding = self.forwarding();
        let mut kernels: Vec<&mut Kernel> =
            self.members.iter_mut().map(|member| &mut member.kernel).collect();
        let mut out = std::mem::take(&mut self.happenings);
        self.load.step(&mut self.rng, self.now, &mut kernels, &forwarding, &mut out);
        for happening in out.drain(..) {
            self.check.happened(self.now, &happening, &self.load, &self.members, forwarding.len());
        }
        self.happenings = out;
        self.read_soon();
        let at = self.now + self.load.pause(&mut self.rng);
        self.schedule(at, Event::Load);
    }

    pub(super) fn expire(&mut self) {
        for member in 0..self.members.len() {
            let ended = self.members[member].kernel.expire(self.now);
            let mut out = Vec::new();
            for record in ended {
                self.check.expired(self.now, member, &record);
                self.load.expired(&record, member, &mut out);
            }
            let forwarding = self.forwarding().len();
            for happening in out {
                self.check.happened(self.now, &happening, &self.load, &self.members, forwarding);
            }
        }
        self.read_soon();
        self.schedule(self.now + EXPIRE_US, Event::Expire);
    }

    /// Agents whose event sockets fill wake up to read them.
    fn read_soon(&mut self) {
        for member in 0..self.members.len() {
            let m = &mut self.members[member];
            let (delay_us, boot) = (m.event_delay_us, m.boot);
            let Some(agent) = &mut m.agent else { continue };
            if m.kernel.has_events() && !agent.reading {
                agent.reading = true;
                let at = self.now + 10 + self.rng.below(delay_us);
                self.schedule(at, Event::ReadKernel { member, boot });
            }
        }
    }

    pub(super) fn watch(&mut self) {
        self.check.watch(self.now, &self.members, &self.network, &self.load);
    }

    /// Starts the agent of a member, if it does not run.
    pub fn start(&mut self, member: usize) {
        if self.members[member].agent.is_some() {
            return;
        }
        let mut actions = Vec::new();
        let settings = self.settings;
        self.members[member].start(&settings, member, self.now, &mut actions);
        self.check.agent_started(self.now, member);
        let agent = self.members[member].agent.take().expect("started");
        self.perform(member, agent, actions);
        self.members[member].wake_at = 0;
        self.turn(member);
    }

    /// Ends the agent of a member without a word, and its kernel table unless that survives.
    pub fn crash(&mut self, member: usize, table_survives: bool) {
        if self.members[member].agent.is_some() {
            self.members[member].stop();
            self.check.agent_gone(self.now, member, "died");
        }
        let m = &mut self.members[member];
        // Links go down with the member: nothing is forwarded.
        m.kernel.lease_until = 0;
        m.kernel.addresses = false;
        if !table_survives {
            let events_max = m.kernel.events_max;
            m.kernel = Kernel::new(self.rng.draw() as u32, events_max);
            m.kernel_boot += 1;
            self.check.kernel_gone(self.now, member);
        }
    }

    fn stop_process(&mut self, member: usize, length: Micros, host_only: bool) {
        let m = &mut self.members[member];
        let until = self.now + length;
        if host_only {
            m.host_paused_until = m.host_paused_until.max(until);
        } else {
            m.paused_until = m.paused_until.max(until);
        }
    }

    /// A fault begins.
    pub(super) fn begin(&mut self, fault: Fault) {
        self.check.note(self.now, format!("begin {fault:?}"));
        // Long enough for every plan: the end of the fault ends it.
        const OPEN_END_US: Micros = 60_000_000;
        match fault {
            Fault::AgentCrash { member } => {
                if self.members[member].agent.is_some() {
                    self.members[member].stop();
                    self.check.agent_gone(self.now, member, "died");
                }
            }
            Fault::MemberCrash { member, table_survives } => self.crash(member, table_survives),
            Fault::Leave { member } => self.feed_running(member, Input::Leave),
            Fault::Pause { member } => self.stop_process(member, OPEN_END_US, false),
            Fault::HostPause { member } => self.stop_process(member, OPEN_END_US, true),
            Fault::Cut { port, a, b, one_way } => {
                self.network.lane_mut(port, a, b).cut = true;
                if !one_way {
                    self.network.lane_mut(port, b, a).cut = true;
                }
            }
            Fault::Partition { member } => self.partition(member, true),
            Fault::Isolate { member } => {
                (0..self.network.ports()).for_each(|port| self.network.attach(member, port, false));
            }
            Fault::Unplug { member, port } => self.network.attach(member, port, false),
            Fault::Bad { port, loss, duplicate, reorder, corrupt } => {
                self.each_lane(port, |lane| {
                    (lane.loss, lane.duplicate, lane.reorder, lane.corrupt) =
                        (loss, duplicate, reorder, corrupt);
                });
            }
            Fault::Lossy { port, from, to, loss } => self.network.lane_mut(port, from, to).loss = loss,
            Fault::SlowWriter { member, operation_us } => self.members[member].operation_us = operation_us,
            Fault::SmallSocket { member, events_max } => self.members[member].kernel.events_max = events_max,
            Fault::Move { to } => {
                if let Some(server) = (0..self.members.len()).find(|m| self.members[*m].serving()) {
                    self.feed_running(server, Input::Move { to: to as u8 });
                }
            }
        }
        self.check.disturbed(self.now, &self.members, &self.network);
    }

    fn feed_running(&mut self, member: usize, input: Input) {
        if !self.members[member].host_paused(self.now) {
            self.feed(member, input);
        }
    }

    fn partition(&mut self, member: usize, cut: bool) {
        for port in 0..self.network.ports() {
            for other in (0..self.members.len()).filter(|other| *other != member) {
                self.network.cut_between(port, member, other, cut);
            }
        }
    }

    fn each_lane(&mut self, port: usize, change: impl Fn(&mut crate::network::Lane)) {
        for from in 0..self.members.len() {
            for to in (0..self.members.len()).filter(|to| *to != from) {
                change(self.network.lane_mut(port, from, to));
            }
        }
    }

    /// A fault ends.
    pub(super) fn end(&mut self, fault: Fault) {
        self.check.disturbed(self.now, &self.members, &self.network);
        self.check.note(self.now, format!("end {fault:?}"));
        match fault {
            Fault::AgentCrash { member } | Fault::MemberCrash { member, .. } => self.start(member),
            Fault::Leave { member } => {
                if self.members[member].agent.is_some() && !self.members[member].paused(self.now) {
                    self.members[member].stop();
                    self.check.agent_gone(self.now, member, "was killed while leaving");
                }
                self.start(member);
            }
            Fault::Pause { member } => self.go_on(member),
            Fault::HostPause { member } => self.go_on(member),
            Fault::Cut { port, a, b, .. } => self.network.cut_between(port, a, b, false),
            Fault::Partition { member } => self.partition(member, false),
            Fault::Isolate { member } => {
                (0..self.network.ports()).for_each(|port| self.network.attach(member, port, true));
            }
            Fault::Unplug { member, port } => self.network.attach(member, port, true),
            Fault::Bad { port, .. } => self.each_lane(port, |lane| {
                (lane.loss, lane.duplicate, lane.reorder, lane.corrupt) = (0, 0, 0, 0);
            }),
            Fault::Lossy { port, from, to, .. } => self.network.lane_mut(port, from, to).loss = 0,
            Fault::SlowWriter { member, .. } => self.members[member].operation_us = 20,
            Fault::SmallSocket { member, .. } => self.members[member].kernel.events_max = 4_096,
            Fault::Move { .. } => {}
        }
    }

    fn go_on(&mut self, member: usize) {
        let m = &mut self.members[member];
        (m.paused_until, m.host_paused_until) = (self.now, self.now);
        m.wake_at = self.now;
        self.schedule(self.now, Event::Wake { member });
    }

    /// Restores everything and stops the load.
    pub fn heal(&mut self) {
        self.check.disturbed(self.now, &self.members, &self.network);
        self.check.note(self.now, "heal everything, the load stops".into());
        self.network.heal();
        self.loading = false;
        for member in 0..self.members.len() {
            let m = &mut self.members[member];
            (m.operation_us, m.kernel.events_max) = (20, 4_096);
            if m.agent.is_some() {
                self.go_on(member);
            } else {
                self.start(member);
            }
        }
    }
}
