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
        self.engine.track(settings.tracking);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driver::{InProcess, Nic, RingOptions};
    use formats::descriptor::Roles;
    use formats::limits::*;
    use formats::{ClusterSecret, FlowKey, Groups, Term, Tracking};

    /// Addresses, an IPv4 header without options and its checksum, a UDP header without one, no data.
    fn udp_packet() -> Vec<u8> {
        let ethernet = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &0x0800u16.to_be_bytes()].concat();
        let ip = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 0, 10, 10, 2, 0, 10];
        let udp = [&4000u16.to_be_bytes()[..], &53u16.to_be_bytes(), &8u16.to_be_bytes(), &[0, 0]].concat();
        let mut packet = [&ethernet[..], &ip, &udp].concat();
        packet.resize(60, 0);
        packet
    }

    fn template() -> Config {
        Config {
            member: 0,
            cluster: 1,
            secret: ClusterSecret([1; 32]),
            session: 1,
            peers: vec![1],
            ports: 3,
            macs: [[0; 6]; PORTS_MAX],
            s_tag: 0,
            c_tag: 0,
            frame_size: 1_500,
            set_bits: 10,
            ways: 2,
            overflow_max: 0,
            beat_us: 1_000,
            late_us: 3_000,
            silent_us: 9_000,
            host_alive_us: 9_000,
            digest_us: 1_000_000,
            replicate: Groups::ALL,
            events_max: 64,
            queue_frames_max: 4,
            omissions: softnic::Omissions::default(),
        }
    }

    #[test]
    fn tracking_settings_pass_the_registers_and_are_obeyed() {
        let settings = Settings {
            member: 2,
            cluster: 1,
            session: 5,
            secret: ClusterSecret([1; 32]),
            beat_us: 1_000,
            late_us: 3_000,
            silent_us: 9_000,
            host_alive_us: 9_000,
            replicate_groups: Groups::ALL,
            frame_size: 1_500,
            digest_us: 100_000,
            s_tag: 100,
            c_tag: 10,
            tracking: Tracking {
                ports: 1 << 2,
                zones: [0, 0, 9, 0, 0, 0, 0, 0],
                trust: true,
                ..Tracking::default()
            },
        };
        let device = InProcess::new(SoftDevice::new(template()));
        let mut nic = Nic::open(device, &settings, RingOptions::default()).expect("it opens");
        let (count, term) = (BUCKETS_COUNT as u16, Term::new(1, 2).expect("small"));
        let none = MEMBER_NONE;
        let roles = Roles { bucket: 0, count, term, owner: 2, backup: none, remote: none, successor: none };
        nic.device_mut().command(&Command::Map(roles));
        let engine = nic.device_mut().engine();
        let packet = udp_packet();
        assert_eq!(engine.packet(now(), 1, &packet), Err(softnic::Untracked::Port));
        assert_eq!(engine.packet(now(), 2, &packet), Ok(()));
        let key = FlowKey {
            src: 0x0a01_000a,
            dst: 0x0a02_000a,
            src_port: 4000,
            dst_port: 53,
            zone: 9,
            protocol: 17,
            ..FlowKey::default()
        };
        let (record, ..) = engine.flow(&key).expect("trusted, in the port's zone");
        assert!(record.groups.has(Groups::STATUS));
    }
}
