//! The software engine behind the driver's rings: what a board is to the agent without a board.

use driver::{Device, Settings};
use formats::descriptor::{Command, Event};
use formats::register::Counter;
use softnic::{Config, Now, Softnic};

use crate::clock;

/// Both clocks now.
pub fn now() -> Now {
    Now { local_us: clock::local_us(), cluster_us: clock::cluster_us() }
}

/// A software NIC; its wire side is [`engine`](Self::engine).
pub struct SoftDevice {
    /// What registers do not say: peers, MAC addresses, geometry.
    template: Config,
    engine: Softnic,
    commands_malformed: u64,
}

impl SoftDevice {
    /// A NIC that runs with the template until the driver writes its settings.
    pub fn new(template: Config) -> Self {
        Self { engine: Softnic::new(template.clone(), now()), template, commands_malformed: 0 }
    }

    /// When the engine next wants to be polled, local µs.
    pub fn next_deadline_us(&self) -> u64 {
        self.engine.next_deadline_us()
    }

    /// The wire side.
    pub fn engine(&mut self) -> &mut Softnic {
        &mut self.engine
    }
}

impl Device for SoftDevice {
    fn command(&mut self, command: &Command) {
        self.engine.command(now(), command);
    }

    fn commands(&mut self, commands: &[Command]) {
        self.engine.commands(now(), commands);
    }

    fn command_malformed(&mut self) {
        self.commands_malformed += 1;
    }

    fn next_event(&mut self) -> Option<Event> {
        self.engine.next_event()
    }

    fn counter(&self, counter: Counter) -> u64 {
        match counter {
            Counter::CommandsMalformed => self.commands_malformed,
            other => self.engine.counter(other),
        }
    }

    fn flows_max(&self) -> u32 {
        let flows = (self.template.ways << self.template.set_bits) + self.template.overflow_max;
        u32::try_from(flows).unwrap_or(u32::MAX)
    }

    fn ports_count(&self) -> u32 {
        self.template.ports.into()
    }

    fn start(&mut self, settings: &Settings) {
        let config = Config {
            member: settings.member,
            cluster: settings.cluster,
            secret: settings.secret,
            session: settings.session,
            s_tag: settings.s_tag,
            c_tag: settings.c_tag,
            frame_size: settings.frame_size as usize,
            beat_us: settings.beat_us.into(),
            late_us: settings.late_us.into(),
            silent_us: settings.silent_us.into(),
            host_alive_us: settings.host_alive_us.into(),
            digest_us: settings.digest_us.into(),
            replicate: settings.replicate_groups,
            ..self.template.clone()
        };
        self.engine = Softnic::new(config, now());
    }
}
