//! One gateway: core, engine and kernel, and the shell between them.
//!
//! The shell holds what the daemon holds outside the core: the queue to the kernel's writer, a dump under
//! way, frames that wait while the process is stopped. It decides nothing.

use crate::clock::{Clock, Micros};
use crate::kernel::Kernel;
use crate::rng::Rng;
use formats::limits::PORTS_MAX;
use formats::{ClusterSecret, Family, FlowKey, Groups};
use softnic::{Omissions, Softnic};
use std::collections::VecDeque;
use trine_core::{Action, Core, Input, KernelOp, Takeover};

/// Frames a stopped process finds in its socket afterwards.
pub const INBOX_MAX: usize = 2_048;

/// What all members of a run share, drawn from the seed.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Members.
    pub members: usize,
    /// Data networks.
    pub networks: u8,
    /// Whether a takeover may rely on silence.
    pub takeover: Takeover,
    /// Whether a member may have another one switched off.
    pub power_hook: bool,
    /// The third member is at another site.
    pub remote: bool,
    /// Silence that counts as down.
    pub silent_us: u64,
    /// Forwarding lease.
    pub lease_us: u64,
    /// Interval of digests.
    pub digest_us: u64,
    /// Interval of audits.
    pub audit_us: u64,
    /// Largest frame.
    pub frame_size: usize,
    /// Events the engine holds for a host.
    pub events_max: usize,
    /// Closed frames the engine holds per peer.
    pub queue_frames_max: usize,
    /// Ways of the flow table.
    pub ways: usize,
    /// Rules left out.
    pub omissions: Omissions,
}

impl Settings {
    /// Draws them.
    pub fn draw(rng: &mut Rng, members: usize, omissions: Omissions) -> Self {
        let silent_us = rng.pick(&[40_000, 60_000, 100_000]);
        Self {
            members,
            networks: rng.pick(&[1, 2, 2]),
            takeover: if rng.chance(700) { Takeover::Available } else { Takeover::Safe },
            power_hook: rng.chance(150),
            remote: rng.chance(400),
            silent_us,
            lease_us: silent_us * 4 / 5,
            digest_us: rng.pick(&[100_000, 300_000, 1_000_000]),
            audit_us: rng.pick(&[500_000, 2_000_000]),
            frame_size: rng.pick(&[500, 1_500, 9_000]),
            events_max: rng.pick(&[32, 256, 4_096]),
            queue_frames_max: rng.pick(&[2, 16, 256]),
            ways: rng.pick(&[2, 4, 8]),
            omissions,
        }
    }

    /// Ports of each member.
    pub fn ports(&self) -> usize {
        1 + self.networks as usize
    }

    /// Secret of the cluster.
    pub fn secret() -> ClusterSecret {
        ClusterSecret(*b"a secret shared by the simulated")
    }

    fn core(&self, member: usize) -> trine_core::Config {
        trine_core::Config {
            member: member as u8,
            order: (0..self.members as u8).collect(),
            remote: if self.remote && self.members == 3 { vec![2] } else { Vec::new() },
            networks_count: self.networks,
            probed_networks: (0..self.networks).collect(),
            takeover: self.takeover,
            power_hook: self.power_hook,
            silent_us: self.silent_us,
            lease_us: self.lease_us,
            renew_us: self.lease_us / 5,
            boot_us: 3 * self.silent_us,
            probe_us: 100_000,
            probe_suspect_us: 5_000,
            audit_us: self.audit_us,
            copy_timeout_s: 3_600,
            moving: vec![(Family::V4, crate::workload::VIRTUAL)],
            secret: Self::secret(),
        }
    }

    fn nic(&self, member: usize, session: u64) -> softnic::Config {
        let mac = |port: usize| [2, 0, 0, 0, member as u8, port as u8];
        softnic::Config {
            member: member as u8,
            cluster: 77,
            secret: Self::secret(),
            session,
            peers: (0..self.members as u8).filter(|peer| *peer as usize != member).collect(),
            ports: self.ports() as u8,
            macs: std::array::from_fn::<_, PORTS_MAX, _>(mac),
            s_tag: 100,
            c_tag: 10,
            frame_size: self.frame_size,
            set_bits: 10,
            ways: self.ways,
            overflow_max: 1_024,
            beat_us: self.silent_us / 20,
            late_us: self.silent_us / 4,
            silent_us: self.silent_us,
            host_alive_us: self.silent_us / 2,
            digest_us: self.digest_us,
            replicate: Groups::ALL,
            events_max: self.events_max,
            queue_frames_max: self.queue_frames_max,
            omissions: self.omissions,
        }
    }
}

/// A dump of the kernel's table under way.
#[derive(Clone, Copy, Debug)]
pub struct Dump {
    /// Last key read.
    pub after: Option<FlowKey>,
    /// It breaks off at the next step.
    pub breaks: bool,
}

/// The agent's process.
pub struct Agent {
    /// Decisions.
    pub core: Core,
    /// Engine.
    pub nic: Softnic,
    /// Operations that wait for the kernel.
    pub writer: VecDeque<KernelOp>,
    /// Operations the writer has in hand.
    pub writing: usize,
    /// Dump under way.
    pub dump: Option<Dump>,
    /// A read of the event socket is scheduled.
    pub reading: bool,
    /// Tell when the event socket is empty.
    pub drain: bool,
    /// Local time of the next tick of the core.
    pub tick_us: u64,
}

/// One gateway.
pub struct Member {
    /// Its clocks.
    pub clock: Clock,
    /// Its connection table, lease and addresses.
    pub kernel: Kernel,
    /// Its agent, while it runs.
    pub agent: Option<Agent>,
    /// Number of the agent's start; what was scheduled for an earlier one is void.
    pub boot: u64,
    /// The process is stopped until then.
    pub paused_until: Micros,
    /// Its host side is stopped until then.
    pub host_paused_until: Micros,
    /// Frames that arrived while it was stopped.
    pub inbox: VecDeque<(u8, Vec<u8>, crate::cluster::Claims)>,
    /// Time of one kernel operation.
    pub operation_us: Micros,
    /// Longest time from a kernel event to its reading.
    pub event_delay_us: Micros,
    /// How late the kernel's timer ends the lease.
    pub lease_lag_us: Micros,
    /// Number of the kernel's start.
    pub kernel_boot: u64,
    /// Scheduled wake, to tell stale ones.
    pub wake_at: Micros,
    last_session: u64,
}

impl Member {
    /// A gateway whose agent does not run yet.
    pub fn new(rng: &mut Rng) -> Self {
        let spread = rng.pick(&[10, 2_000, 200_000]);
        let clock = Clock {
            offset_us: rng.between(1_000_000, 50_000_000),
            drift_ppm: rng.below(401) as i64 - 200,
            cluster_offset_us: rng.below(2 * spread) as i64 - spread as i64,
        };
        Self {
            clock,
            kernel: Kernel::new(rng.draw() as u32, 4_096),
            agent: None,
            boot: 0,
            paused_until: 0,
            host_paused_until: 0,
            inbox: VecDeque::new(),
            operation_us: rng.pick(&[5, 20, 100]),
            event_delay_us: rng.pick(&[50, 300, 3_000]),
            lease_lag_us: rng.below(8_000),
            kernel_boot: 0,
            wake_at: 0,
            last_session: 0,
        }
    }

    /// Starts the agent over the kernel table that is there.
    pub fn start(&mut self, settings: &Settings, index: usize, now: Micros, actions: &mut Vec<Action>) {
        assert!(self.agent.is_none(), "an agent starts once");
        let both = self.clock.now(now);
        let session = both.cluster_us.max(self.last_session + 1);
        self.last_session = session;
        self.boot += 1;
        (self.paused_until, self.host_paused_until) = (0, 0);
        self.inbox.clear();
        self.kernel.listen(true);
        // An agent that starts owns nothing.
        self.kernel.addresses = false;
        self.kernel.lease_until = 0;
        let mut core = Core::new(settings.core(index), both.local_us);
        let addresses = vec![(Family::V4, 0x0a00_00fe + index as u128)];
        core.handle(both.local_us, Input::LocalAddresses(addresses), actions);
        self.agent = Some(Agent {
            tick_us: core.next_deadline_us(),
            core,
            nic: Softnic::new(settings.nic(index, session), both),
            writer: VecDeque::new(),
            writing: 0,
            dump: None,
            reading: false,
            drain: false,
        });
    }

    /// The agent is gone; lease and addresses stay as they are.
    pub fn stop(&mut self) {
        self.agent = None;
        self.inbox.clear();
        self.kernel.listen(false);
    }

    /// Whether the process is stopped.
    pub fn paused(&self, now: Micros) -> bool {
        now < self.paused_until
    }

    /// Whether its host side is stopped.
    pub fn host_paused(&self, now: Micros) -> bool {
        now < self.paused_until.max(self.host_paused_until)
    }

    /// Whether the core serves.
    pub fn serving(&self) -> bool {
        self.agent.as_ref().is_some_and(|agent| agent.core.serving())
    }
}
