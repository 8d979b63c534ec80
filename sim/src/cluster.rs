//! The cluster: members, media and load, one event after the other in simulated time.
//!
//! Nothing happens between events. Events of one time keep the order in which they were scheduled.

use crate::check::Check;
use crate::clock::Micros;
use crate::faults::Fault;
use crate::member::{Agent, Dump, Member, Settings, INBOX_MAX};
use crate::network::Network;
use crate::rng::Rng;
use crate::workload::{Happening, Workload};
use formats::FlowHasher;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use trine_core::{Action, Input, KernelError, KernelOp};

/// What a frame claims about buckets: number, sum on the wire, true sum at the sender.
pub type Claims = Vec<(u16, u64, u64)>;

/// Interval in which checkers look at the whole cluster.
const WATCH_US: Micros = 10_000;
/// Interval in which kernels end what has lived its time.
const EXPIRE_US: Micros = 40_000;
/// How long a member stays off when another one had it switched off.
const POWER_OFF_US: Micros = 400_000;
/// What was due for a stopped process is tried again after this time.
const STOPPED_US: Micros = 500;
/// Rows of a dump that are read at a time.
const DUMP_ROWS: usize = 16;

enum Event {
    Frame { to: usize, port: u8, bytes: Vec<u8>, claims: Claims },
    Wake { member: usize },
    ReadKernel { member: usize, boot: u64 },
    Write { member: usize, boot: u64 },
    Dump { member: usize, boot: u64 },
    Probed { member: usize, boot: u64, network: u8 },
    Power { member: usize, boot: u64, victim: usize },
    Begin(Fault),
    End(Fault),
    Load,
    Expire,
    Watch,
}

struct Due {
    at: Micros,
    number: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// The whole of a run.
pub struct Cluster {
    /// Simulated time.
    pub now: Micros,
    /// What all members share.
    pub settings: Settings,
    /// The members.
    pub members: Vec<Member>,
    /// The media.
    pub network: Network,
    /// The load.
    pub load: Workload,
    /// Packets still come.
    pub loading: bool,
    /// The checkers.
    pub check: Check,
    rng: Rng,
    due: BinaryHeap<Reverse<Due>>,
    number: u64,
    happenings: Vec<Happening>,
}

impl Cluster {
    /// A cluster whose agents start at once.
    pub fn new(seed: u64, settings: Settings) -> Self {
        let mut rng = Rng::new(seed, 3);
        let hasher = FlowHasher::new(&Settings::secret());
        let members = (0..settings.members).map(|_| Member::new(&mut rng)).collect();
        let mut cluster = Self {
            now: 0,
            members,
            network: Network::new(settings.members, settings.ports(), &mut rng),
            load: Workload::new(&mut rng, &hasher),
            loading: true,
            check: Check::new(&settings),
            rng: Rng::new(seed, 4),
            due: BinaryHeap::new(),
            number: 0,
            happenings: Vec::new(),
            settings,
        };
        for member in 0..settings.members {
            cluster.start(member);
        }
        cluster.schedule(0, Event::Load);
        cluster.schedule(EXPIRE_US, Event::Expire);
        cluster.schedule(WATCH_US, Event::Watch);
        cluster
    }

    /// Lets a fault begin and end.
    pub fn plan(&mut self, at: Micros, until: Micros, fault: Fault) {
        self.schedule(at, Event::Begin(fault));
        self.schedule(until, Event::End(fault));
    }

    fn schedule(&mut self, at: Micros, event: Event) {
        self.number += 1;
        self.due.push(Reverse(Due { at: at.max(self.now), number: self.number, event }));
    }

    /// Runs until a time, or until a rule is violated.
    pub fn run(&mut self, until: Micros) {
        while self.check.violation.is_none() {
            match self.due.peek() {
                Some(Reverse(due)) if due.at <= until => {}
                Some(_) | None => break,
            }
            let Reverse(due) = self.due.pop().expect("peeked");
            self.now = due.at;
            self.take(due.event);
        }
        self.now = self.now.max(until);
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Frame { to, port, bytes, claims } => self.frame(to, port, bytes, claims),
            Event::Wake { member } => {
                if self.members[member].wake_at == self.now {
                    self.wake(member);
                }
            }
            Event::ReadKernel { member, boot } => {
                self.when_running(member, boot, Self::read_kernel, |boot| Event::ReadKernel { member, boot })
            }
            Event::Write { member, boot } => {
                self.when_running(member, boot, Self::write, |boot| Event::Write { member, boot })
            }
            Event::Dump { member, boot } => {
                self.when_running(member, boot, Self::dump, |boot| Event::Dump { member, boot })
            }
            Event::Probed { member, boot, network } => {
                if self.network.attached(member, network as usize + 1) {
                    self.when_running(
                        member,
                        boot,
                        |cluster, member| cluster.feed(member, Input::Probed { network }),
                        |boot| Event::Probed { member, boot, network },
                    );
                }
            }
            Event::Power { member, boot, victim } => {
                let off = Fault::MemberCrash { member: victim, table_survives: false };
                self.crash(victim, false);
                self.schedule(self.now + POWER_OFF_US, Event::End(off));
                self.when_running(
                    member,
                    boot,
                    |cluster, member| {
                        cluster.feed(member, Input::Power { member: victim as u8, off: true });
                    },
                    |boot| Event::Power { member, boot, victim },
                );
            }
            Event::Begin(fault) => self.begin(fault),
            Event::End(fault) => self.end(fault),
            Event::Load => self.step_load(),
            Event::Expire => self.expire(),
            Event::Watch => {
                self.watch();
                self.schedule(self.now + WATCH_US, Event::Watch);
            }
        }
    }

    /// Calls `run` if the same agent runs; later, if it is stopped.
    fn when_running(
        &mut self,
        member: usize,
        boot: u64,
        run: impl FnOnce(&mut Self, usize),
        again: impl FnOnce(u64) -> Event,
    ) {
        let m = &self.members[member];
        if m.boot != boot || m.agent.is_none() {
            return;
        }
        if m.host_paused(self.now) {
            return self.schedule(self.now + STOPPED_US, again(boot));
        }
        run(self, member);
    }

    fn frame(&mut self, to: usize, port: u8, bytes: Vec<u8>, claims: Claims) {
        let member = &mut self.members[to];
        if member.agent.is_none() {
            return;
        }
        if member.paused(self.now) {
            if member.inbox.len() < INBOX_MAX {
                member.inbox.push_back((port, bytes, claims));
            }
            return;
        }
        self.receive(to, port, &bytes, &claims);
        self.turn(to);
    }

    fn receive(&mut self, to: usize, port: u8, bytes: &[u8], claims: &Claims) {
        let member = &mut self.members[to];
        let agent = member.agent.as_mut().expect("checked by the caller");
        agent.nic.receive(member.clock.now(self.now), port, bytes);
        if !claims.is_empty() {
            self.check.judge_claims(to, &agent.nic, claims);
        }
    }

    fn wake(&mut self, member: usize) {
        if self.members[member].agent.is_none() || self.members[member].paused(self.now) {
            return;
        }
        // A shell reads its sockets before it looks at its timers.
        while let Some((port, bytes, claims)) = self.members[member].inbox.pop_front() {
            self.receive(member, port, &bytes, &claims);
        }
        self.turn(member);
    }

    /// Gives the core an input, does what it asks for, and lets engine and core go on.
    fn feed(&mut self, member: usize, input: Input) {
        let Some(mut agent) = self.members[member].agent.take() else { return };
        let mut actions = Vec::new();
        let local_us = self.members[member].clock.local(self.now);
        self.check.input(self.now, member, &input, &agent);
        agent.core.handle(local_us, input, &mut actions);
        agent.tick_us = agent.core.next_deadline_us();
        self.perform(member, agent, actions);
        self.turn(member);
    }

    /// Engine and core take what waits for them; frames leave.
    fn turn(&mut self, member: usize) {
        let Some(mut agent) = self.members[member].agent.take() else { return };
        let clocks = self.members[member].clock.now(self.now);
        agent.nic.poll(clocks);
        let stopped = self.members[member].host_paused(self.now);
        loop {
            if stopped {
                break;
            }
            let mut actions = Vec::new();
            if let Some(event) = agent.nic.next_event() {
                self.check.nic_event(self.now, member, &event, &agent);
                agent.core.handle(clocks.local_us, Input::Nic(event), &mut actions);
            } else if clocks.local_us >= agent.tick_us {
                agent.core.handle(clocks.local_us, Input::Tick, &mut actions);
            } else {
                break;
            }
            agent.tick_us = agent.core.next_deadline_us();
            self.perform(member, agent, actions);
            match self.members[member].agent.take() {
                Some(same) => agent = same,
                None => return,
            }
        }
        if !stopped {
            self.check.forget_claims(member);
        }
        self.transmit(member, &mut agent);
        let clock = self.members[member].clock;
        let mut at = clock.when(agent.nic.next_deadline_us(), self.now + 10);
        if stopped {
            at = at.min(self.members[member].host_paused_until);
        } else {
            at = at.min(clock.when(agent.tick_us, self.now + 10));
        }
        self.members[member].agent = Some(agent);
        self.wake_at(member, at);
    }

    fn wake_at(&mut self, member: usize, at: Micros) {
        let m = &mut self.members[member];
        if m.wake_at <= self.now || at < m.wake_at {
            m.wake_at = at;
            self.schedule(at, Event::Wake { member });
        }
    }

    fn transmit(&mut self, member: usize, agent: &mut Agent) {
        let mut frames = Vec::new();
        let clocks = self.members[member].clock.now(self.now);
        agent.nic.transmit(clocks, &mut |port, bytes| frames.push((port, bytes.to_vec())));
        for (port, bytes) in frames {
            let Ok((_, header, units, _)) = formats::frame::split(&bytes) else {
                self.check.fail(
                    self.now,
                    "frames are well formed",
                    format!("member {member} sent {bytes:02x?}"),
                );
                continue;
            };
            let claims = if port == 0 { self.check.claims(units, &agent.nic) } else { Claims::new() };
            for to in 0..self.members.len() {
                if to == member || (header.receiver != 255 && header.receiver as usize != to) {
                    continue;
                }
                let mut arrivals = Vec::new();
                let way = (port as usize, member, to);
                self.network
                    .carry(&mut self.rng, self.now, way, &bytes, |at, bytes| arrivals.push((at, bytes)));
                for (at, bytes) in arrivals {
                    let claims = claims.clone();
                    self.schedule(at, Event::Frame { to, port, bytes, claims });
                }
            }
        }
    }

    /// Does what the core asks for; puts the agent back unless it ends.
    fn perform(&mut self, member: usize, mut agent: Agent, actions: Vec<Action>) {
        let clocks = self.members[member].clock.now(self.now);
        let boot = self.members[member].boot;
        let now = self.now;
        for action in actions {
            match action {
                Action::Nic(command) => {
                    self.check.command(now, member, &command, &agent);
                    agent.nic.command(clocks, &command);
                    self.check.commanded(now, member, &command, &agent);
                }
                Action::Kernel(op) => {
                    agent.writer.push_back(op);
                    self.start_writer(member, &mut agent);
                }
                Action::RenewLease => {
                    let m = &mut self.members[member];
                    m.kernel.lease_until = now + self.settings.lease_us + m.lease_lag_us;
                }
                Action::ReleaseLease => self.members[member].kernel.lease_until = now,
                Action::TakeAddresses => self.members[member].kernel.addresses = true,
                Action::DropAddresses => self.members[member].kernel.addresses = false,
                Action::Probe { network } => {
                    if self.network.attached(member, network as usize + 1) {
                        let at = now + self.rng.between(200, 1_500);
                        self.schedule(at, Event::Probed { member, boot, network });
                    }
                }
                Action::PowerOff { member: victim } => {
                    let at = now + self.rng.between(2_000, 20_000);
                    self.schedule(at, Event::Power { member, boot, victim: victim as usize });
                }
                Action::Listen(all) => self.members[member].kernel.hear_all(all),
                Action::Drain => {
                    agent.drain = true;
                    agent.reading = true;
                    self.schedule(now + 50, Event::ReadKernel { member, boot });
                }
                Action::Dump => {
                    agent.dump = Some(Dump { after: None, breaks: self.rng.chance(30) });
                    let at = now + self.rng.between(100, 3_000);
                    self.schedule(at, Event::Dump { member, boot });
                }
                Action::Log(log) => self.check.log(now, member, &log),
                Action::Row(_) | Action::RowsEnd => {}
                Action::Exit => {
                    self.members[member].stop();
                    self.check.agent_gone(now, member, "left");
                    return;
                }
            }
        }
        self.members[member].agent = Some(agent);
    }

    fn start_writer(&mut self, member: usize, agent: &mut Agent) {
        if agent.writing > 0 || agent.writer.is_empty() {
            return;
        }
        let m = &self.members[member];
        let count = (1_000 / m.operation_us).clamp(1, agent.writer.len() as u64);
        agent.writing = count as usize;
        let (at, boot) = (self.now + count * m.operation_us, m.boot);
        self.schedule(at, Event::Write { member, boot });
    }

    fn write(&mut self, member: usize) {
        let mut agent = self.members[member].agent.take().expect("it runs");
        let (mut failed, mut gone) = (Vec::new(), Vec::new());
        let performed = std::mem::take(&mut agent.writing);
        for op in agent.writer.drain(..performed) {
            self.check.operation(self.now, member, &op);
            match (self.members[member].kernel.perform(self.now, &op), op) {
                (Ok(()), _) => {}
                (Err(KernelError::Missing), KernelOp::Verify { key, ct_id }) => gone.push((key, ct_id)),
                (Err(error), op) => failed.push((op, error)),
            }
        }
        self.start_writer(member, &mut agent);
        self.members[member].agent = Some(agent);
        self.feed(member, Input::KernelDone { performed: performed as u64, failed });
        for (key, ct_id) in gone {
            self.feed(member, Input::Gone { key, ct_id });
        }
    }

    fn read_kernel(&mut self, member: usize) {
        if let Some(agent) = &mut self.members[member].agent {
            agent.reading = false;
        }
        if self.members[member].kernel.take_overrun() {
            self.feed(member, Input::Overrun);
        }
        while let Some((change, flow)) = self.members[member].kernel.next_event() {
            self.feed(member, Input::Kernel(change, flow));
        }
        if self.members[member].agent.as_mut().is_some_and(|agent| std::mem::take(&mut agent.drain)) {
            self.feed(member, Input::Drained);
        }
    }

    fn dump(&mut self, member: usize) {
        // A shell hands a row over behind every event raised before the row was read.
        self.read_kernel(member);
        let m = &mut self.members[member];
        let Some(dump) = m.agent.as_ref().and_then(|agent| agent.dump) else { return };
        let (rows, more) = m.kernel.dump(dump.after, DUMP_ROWS);
        let after = rows.last().map(|flow| flow.record.key);
        for row in rows {
            self.feed(member, Input::AuditRow(row));
        }
        let done = if dump.breaks && dump.after.is_some() { Some(false) } else { (!more).then_some(true) };
        let next = done.is_none().then_some(Dump { after, ..dump });
        if let Some(agent) = &mut self.members[member].agent {
            agent.dump = next;
        }
        match done {
            Some(complete) => self.feed(member, Input::AuditDone(complete)),
            None => {
                let (at, boot) = (self.now + self.rng.between(50, 1_000), self.members[member].boot);
                self.schedule(at, Event::Dump { member, boot });
            }
        }
    }
}

mod life;
