//! Brings an agent up: checks, ports, lease, NIC, threads. Nothing of the group passes before the core
//! says so.

use crate::agent::{local_addresses, Pulse};
use crate::config::{AgentConfig, WAYS};
use crate::device::SoftDevice;
use crate::journal::Journal;
use crate::linux::address::{Address, Addresses, Announcer, Prober};
use crate::linux::conntrack::{Reader, Writer};
use crate::linux::lease::{Lease, LeaseConfig, Watch};
use crate::linux::preflight::{self, Requirements, Severity};
use crate::linux::sysctl;
use crate::mtu::MtuProbe;
use crate::source::{Pace, Source};
use crate::wake::{self, Bell};
use crate::wire::Wire;
use crate::workers::{self, Mailbox, Notice, Steerer, DUMPED_MAX};
use crate::{clock, control, realtime};
use driver::{InProcess, Nic, RingOptions, Settings};
use formats::limits::PORTS_MAX;
use formats::{Groups, Tracking};
use serde_json::json;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::Arc;
use trine_core::{Core, Input, SyncMtu};

/// Overflow of the software engine, as a part of its table.
const OVERFLOW_PART: usize = 8;
/// Events the engine holds while the host is slow.
const EVENTS_MAX: usize = 65_536;
/// Frames that wait for a peer before its buckets are repaired instead.
const QUEUE_FRAMES_MAX: usize = 256;

/// Runs an agent until it is told to end.
///
/// # Errors
/// What keeps it from starting, named with its repair; or what the kernel refused later.
pub fn run(config: AgentConfig) -> Result<(), Box<dyn Error>> {
    let signals = wake::termination()?;
    let journal = Journal::start();
    check(&config, &journal)?;
    let wire = Wire::open(&config)?;
    sysctl::CONNTRACK_EVENTS.set(1)?;

    let mut addresses = Addresses::open()?;
    let own = addresses.list()?;
    let lease_config = LeaseConfig {
        interfaces: config.networks.iter().map(|network| network.interface.clone()).collect(),
        addresses_v4: config
            .moving()
            .filter_map(|ip| if let IpAddr::V4(v4) = ip { Some(v4) } else { None })
            .collect(),
        addresses_v6: config
            .moving()
            .filter_map(|ip| if let IpAddr::V6(v6) = ip { Some(v6) } else { None })
            .collect(),
        lease_ms: config.lease_ms,
        events: config.events,
    };
    let watch = Watch::open()?;
    let lease = Lease::install(&lease_config)?;
    let probers = open_probers(&config, &wire, &own)?;

    let (notices_in, notices) = channel();
    let bell = Arc::new(Bell::new()?);
    let mailbox = Mailbox { notices: notices_in, bell: bell.clone() };
    let writer = Writer::open()?;
    let direct = Writer::open()?;
    let source = Source::open(vec![writer.portid(), direct.portid()])?;

    let mut steerer = steerer(&config, &wire, addresses, journal.clone())?;
    // A member that starts owns nothing, whatever an earlier life left on its interfaces.
    steerer.drop_addresses();

    let (ops, ops_out) = channel();
    let (dumps, dumps_out) = channel();
    let (parts_in, parts) = sync_channel(DUMPED_MAX);
    let (steering, orders) = channel();
    let placement = realtime::place(&realtime::allowed()?, config.nic_cpu, config.kernel_cpu);
    let table_cpus = placement.table;
    let (verifier, dumper) = (Reader::open()?, Reader::open()?);
    let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
        std::thread::Builder::new().name(name.into()).spawn(body).map(drop)
    };
    let to = mailbox.clone();
    let settle = move || {
        // Without it a busy host delays copies.
        let _ = realtime::renice(realtime::TABLE_NICE);
        // Checked before; whoever takes the processor away later has a reason.
        let _ = realtime::pin(&table_cpus);
    };
    let settled = settle.clone();
    let write = move || {
        settled();
        workers::write_kernel(writer, verifier, ops_out, to);
    };
    spawn("writer", Box::new(write))?;
    let ring = bell.clone();
    let dump = move || {
        settle();
        workers::dump_kernel(dumper, dumps_out, parts_in, ring);
    };
    spawn("dumps", Box::new(dump))?;
    let steer = std::thread::Builder::new().name("steer".into()).spawn(move || steerer.run(orders))?;
    let to = mailbox.clone();
    control::serve(&config.control, move |query| to.put(Notice::Query(query)))?;

    let engine = engine_config(&config, &wire);
    let mtu = MtuProbe::new(&engine);
    for peer in engine.peers.clone() {
        mailbox.put(Notice::Input(Input::SyncMtu { peer, mtu: SyncMtu::Unproven }));
    }
    let nic = Nic::open(InProcess::new(SoftDevice::new(engine)), &settings(&config), RingOptions::default())?;
    let core = Core::new(config.core(), clock::local_us());
    mailbox.put(Notice::Input(Input::LocalAddresses(local_addresses(&config, &own))));
    realtime::pin(&placement.pulse)?;
    if config.realtime {
        for (what, result) in [
            ("locked memory", realtime::lock_memory()),
            ("priority", realtime::schedule(realtime::PULSE_PRIORITY)),
        ] {
            if let Err(error) = result {
                journal.write("not_realtime", json!({ "what": what, "text": error.to_string() }));
            }
        }
    }
    journal.write("started", json!({ "member": config.names[&config.member] }));
    let control_path = config.control.clone();
    let pulse = Pulse {
        config,
        journal,
        wire,
        nic,
        core,
        lease,
        lease_config,
        watch,
        probers,
        mtu,
        bell,
        notices,
        mailbox,
        signals,
        ops,
        ops_outstanding: 0,
        writer: direct,
        dumps,
        source,
        parts,
        steering,
        actions: Vec::new(),
        commands: std::collections::VecDeque::new(),
        batch: Vec::new(),
        copying: Pace::default(),
        events: Vec::new(),
        engine_due_us: 0,
        part: None,
        drain_us: None,
        listing: None,
        moving: None,
        ended: false,
    };
    pulse.run()?;
    // The steering thread has every order; it ends after the last.
    let _ = steer.join();
    let _ = std::fs::remove_file(control_path);
    Ok(())
}

fn check(config: &AgentConfig, journal: &Journal) -> Result<(), Box<dyn Error>> {
    let ipv6 = config.moving().any(|ip| ip.is_ipv6());
    let requirements = Requirements { conntrack_entries: config.flows_max as u64, ipv6 };
    let mut errors = Vec::new();
    let allowed = realtime::allowed()?;
    for (key, cpu) in [("nic.cpu", config.nic_cpu), ("kernel.cpu", config.kernel_cpu)] {
        if let Some(cpu) = cpu.filter(|cpu| !allowed.contains(cpu)) {
            errors.push(format!("{key}: this process may not run on processor {cpu}"));
        }
    }
    for finding in preflight::run(&requirements) {
        let fields = json!({ "name": finding.name, "text": finding.text, "fix": finding.fix });
        journal.write("preflight", fields);
        if finding.severity == Severity::Error {
            errors.push(format!("{}: {} (repair: {})", finding.name, finding.text, finding.fix));
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.join("\n").into())
    }
}

/// The member's own address on an interface that a target can answer to.
fn own_address(own: &[Address], interface_index: u32, target: IpAddr, config: &AgentConfig) -> IpAddr {
    let moving: Vec<IpAddr> = config.moving().collect();
    let usable = |address: &&Address| {
        address.interface_index == interface_index
            && address.ip.is_ipv4() == target.is_ipv4()
            && !moving.contains(&address.ip)
    };
    // An ARP probe without a sender address is answered as well (RFC 5227).
    let unspecified: IpAddr = match target {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    own.iter().find(usable).map_or(unspecified, |address| address.ip)
}

fn open_probers(
    config: &AgentConfig,
    wire: &Wire,
    own: &[Address],
) -> Result<Vec<(u8, Prober)>, Box<dyn Error>> {
    let mut probers = Vec::new();
    for (number, network) in config.networks.iter().enumerate() {
        let index = wire.ports()[number + 1].interface_index();
        for target in &network.probes {
            let source = own_address(own, index, *target, config);
            probers.push((number as u8, Prober::open(&network.interface, source, *target)?));
        }
    }
    Ok(probers)
}

fn steerer(
    config: &AgentConfig,
    wire: &Wire,
    addresses: Addresses,
    journal: Journal,
) -> Result<Steerer, Box<dyn Error>> {
    let moving = config
        .addresses
        .iter()
        .map(|virtual_address| Address {
            interface_index: wire.ports()[virtual_address.network + 1].interface_index(),
            ip: virtual_address.address,
            prefix_bits: virtual_address.prefix,
        })
        .collect();
    let mut announcers = Vec::new();
    for (number, network) in config.networks.iter().enumerate() {
        let here = config.addresses.iter().filter(|a| a.network == number).map(|a| a.address).collect();
        announcers.push((Announcer::open(&network.interface)?, here));
    }
    Ok(Steerer { addresses, moving, announcers, group: config.group.clone(), journal })
}

fn settings(config: &AgentConfig) -> Settings {
    Settings {
        member: config.member,
        cluster: config.cluster,
        session: clock::cluster_us(),
        secret: config.secret,
        beat_us: config.beat_us as u32,
        late_us: (config.silent_us / 3) as u32,
        silent_us: config.silent_us as u32,
        host_alive_us: (config.silent_us / 2) as u32,
        replicate_groups: Groups::ALL,
        frame_size: config.frame_size as u32,
        digest_us: config.digest_us as u32,
        s_tag: config.s_tag,
        c_tag: config.c_tag,
        // The kernel tracks: no packet reaches this engine.
        tracking: Tracking::default(),
    }
}

fn engine_config(config: &AgentConfig, wire: &Wire) -> softnic::Config {
    let mut macs = [[0; 6]; PORTS_MAX];
    for (mac, port) in macs.iter_mut().zip(wire.ports()) {
        *mac = port.mac();
    }
    let settings = settings(config);
    softnic::Config {
        member: config.member,
        cluster: config.cluster,
        secret: config.secret,
        session: settings.session,
        ports: wire.ports().len() as u8,
        macs,
        s_tag: config.s_tag,
        c_tag: config.c_tag,
        peers: config.order.iter().copied().filter(|member| *member != config.member).collect(),
        frame_size: config.frame_size,
        set_bits: config.set_bits(),
        ways: WAYS,
        overflow_max: config.flows_max / OVERFLOW_PART,
        beat_us: config.beat_us,
        late_us: config.silent_us / 3,
        silent_us: config.silent_us,
        host_alive_us: config.silent_us / 2,
        digest_us: config.digest_us,
        replicate: Groups::ALL,
        events_max: EVENTS_MAX,
        queue_frames_max: QUEUE_FRAMES_MAX,
        omissions: softnic::Omissions::default(),
    }
}
