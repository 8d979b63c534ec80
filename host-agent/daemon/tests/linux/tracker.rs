//! The engine's tracker against the kernel's own: the same captures through both, flow by flow.
//!
//! Every packet of a capture enters a namespace with connection tracking through a TAP device, and an
//! engine through its data port, without the capture's pauses. TCP flows then must have the same
//! original direction and the same state; what differs is printed with the reason this test knows.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use formats::descriptor::{Command, Roles};
use formats::flow::{protocol, status, tcp_state};
use formats::limits::*;
use formats::{ClusterSecret, FlowKey, Groups, Term};
use softnic::{Config, Now, Softnic, Tracking};
use trine_daemon::linux::conntrack::Reader;
use trine_daemon::replay::capture::Capture;
use trine_daemon::replay::link::to_ethernet;

use super::namespace::Namespace;

/// Share of TCP flows that must agree.
const AGREEMENT_MIN: f64 = 0.99;

/// Captures in `TRINE_TRACES`, by default `shared/traces` beside the repository.
fn traces() -> Vec<PathBuf> {
    let folder = std::env::var_os("TRINE_TRACES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces"), PathBuf::from);
    let is_capture =
        |path: &PathBuf| [".pcap", ".pcapng", ".cap"].iter().any(|end| path.to_string_lossy().ends_with(end));
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(is_capture).collect();
    paths.sort();
    if paths.is_empty() {
        // Not by the macro, whose text a passing test keeps to itself.
        let text = format!("NOT TESTED: no captures in {} (set TRINE_TRACES)\n", folder.display());
        std::io::stderr().write_all(text.as_bytes()).expect("standard error takes text");
    }
    paths
}

fn frames(path: &Path) -> Vec<Vec<u8>> {
    let mut capture = Capture::open(File::open(path).expect("a readable capture")).expect("a capture");
    let mut frames = Vec::new();
    while let Ok(Some(packet)) = capture.next_packet() {
        let mut frame = Vec::new();
        if to_ethernet(&packet, &mut frame) {
            frames.push(frame);
        }
    }
    frames
}

/// The frame as a router would let it in: for this MAC, without tags, with hops left.
fn routable(frame: &[u8], mac: [u8; 6]) -> Option<Vec<u8>> {
    let mut at = 12;
    while matches!(frame.get(at..at + 2)?, [0x81, 0] | [0x88, 0xa8]) {
        at += 4;
    }
    let mut bytes = [&mac[..], &[2, 9, 9, 9, 9, 9], &frame[at..]].concat();
    let ip = 14;
    match bytes.get(12..14)? {
        [0x08, 0] if bytes.len() >= ip + 20 => {
            bytes[ip + 8] = 64;
            let header = usize::from(bytes[ip] & 15) * 4;
            let end = (ip + header.max(20)).min(bytes.len());
            bytes[ip + 10..ip + 12].fill(0);
            let mut sum: u32 = bytes[ip..end]
                .chunks(2)
                .map(|w| u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0)))
                .sum();
            while sum >> 16 != 0 {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            bytes[ip + 10..ip + 12].copy_from_slice(&(!sum as u16).to_be_bytes());
        }
        [0x86, 0xdd] if bytes.len() >= ip + 40 => bytes[ip + 7] = 64,
        _ => return None,
    }
    Some(bytes)
}

/// A TAP device of the calling thread's namespace, up.
fn tap(name: &str) -> File {
    const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun").expect("/dev/net/tun");
    let mut request = [0u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    let flags = (libc::IFF_TAP | libc::IFF_NO_PI) as u16;
    request[16..18].copy_from_slice(&flags.to_ne_bytes());
    // SAFETY: the request is an ifreq of 40 bytes, which outlives the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF as _, request.as_mut_ptr()) };
    assert_eq!(result, 0, "TUNSETIFF: {}", std::io::Error::last_os_error());
    file
}

type Flows = BTreeMap<FlowKey, (FlowKey, u8, u16)>;

/// What the kernel's tracker makes of the frames.
fn by_kernel(frames: &[Vec<u8>]) -> Flows {
    let namespace = Namespace::new();
    let mac = [2, 0, 0, 0, 0, 1];
    // What is forwarded ends in the queue of a second device that nobody reads.
    let (mut device, _out) = namespace.run(|| (tap("in"), tap("out")));
    namespace.shell(
        "ip link set dev in address 02:00:00:00:00:01 mtu 65521
         ip link set dev out mtu 65521 arp off
         sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0
         sysctl -qw net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.in.rp_filter=0
         sysctl -qw net.ipv4.conf.all.route_localnet=1
         ip link set in up
         ip link set out up
         ip addr add 198.18.255.254/32 dev out
         ip route add default dev out
         ip -6 route add default dev out
         nft add table inet watch
         nft add chain inet watch pass '{ type filter hook forward priority 0; }'
         nft add rule inet watch pass ct state new counter
         sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0 net.netfilter.nf_conntrack_checksum=0",
    );
    namespace.run(|| {
        for frame in frames {
            if let Some(frame) = routable(frame, mac) {
                // What the device refuses, the kernel would drop.
                let _ = device.write(&frame);
            }
        }
        let mut flows = Flows::new();
        let mut take = |row: trine_daemon::linux::ctnetlink::CtMessage| {
            let record = row.record;
            if record.key.protocol == protocol::TCP {
                let state =
                    (record.key, record.tcp_state, record.status & (status::SEEN_REPLY | status::ASSURED));
                flows.insert(record.key.canonical().0, state);
            }
        };
        Reader::open().expect("a reader").dump(&mut take).expect("a dump");
        flows
    })
}

/// What the engine makes of them.
fn by_engine(frames: &[Vec<u8>]) -> Flows {
    let config = Config {
        member: 0,
        cluster: 1,
        secret: ClusterSecret([7; 32]),
        session: 1,
        peers: Vec::new(),
        ports: 1,
        macs: [[2; 6]; PORTS_MAX],
        s_tag: 1,
        c_tag: 1,
        frame_size: FRAME_SIZE_MAX,
        set_bits: 12,
        ways: 8,
        overflow_max: 10_000,
        beat_us: 1_000_000,
        late_us: 3_000_000,
        silent_us: 9_000_000,
        host_alive_us: 1_000_000,
        digest_us: 1_000_000,
        replicate: Groups::ALL,
        events_max: 1024,
        queue_frames_max: 64,
        omissions: Default::default(),
    };
    let now = Now { local_us: 1, cluster_us: 1 };
    let mut engine = Softnic::new(config, now);
    engine.track(Tracking { ports: 1, trust: true, ..Tracking::default() });
    let term = Term::new(1, 0).expect("a small counter");
    let (backup, remote, successor) = (MEMBER_NONE, MEMBER_NONE, MEMBER_NONE);
    let count = BUCKETS_COUNT as u16;
    engine.command(now, &Command::Map(Roles { bucket: 0, count, term, owner: 0, backup, remote, successor }));
    for frame in frames {
        // Counted by reason; only the table matters here.
        let _ = engine.packet(now, 0, frame);
    }
    let flows =
        engine.flows().map(|(record, ..)| *record).filter(|record| record.key.protocol == protocol::TCP);
    flows
        .map(|r| {
            (r.key.canonical().0, (r.key, r.tcp_state, r.status & (status::SEEN_REPLY | status::ASSURED)))
        })
        .collect()
}

/// Why both may differ, as far as it is known.
fn explained(
    engine: Option<&(FlowKey, u8, u16)>,
    kernel: Option<&(FlowKey, u8, u16)>,
) -> Option<&'static str> {
    match (engine, kernel) {
        (Some((_, tcp_state::CLOSE, bits)), None) if bits & status::ASSURED == 0 => {
            Some("the kernel removes a flow that was answered by a reset alone")
        }
        _ => None,
    }
}

#[test]
fn tcp_flows_have_the_kernels_direction_and_state() {
    let (mut total, mut same, mut known) = (0u32, 0u32, 0u32);
    for path in traces() {
        let frames = frames(&path);
        let (engine, kernel) = (by_engine(&frames), by_kernel(&frames));
        let keys: std::collections::BTreeSet<_> = engine.keys().chain(kernel.keys()).collect();
        for key in keys {
            total += 1;
            let (ours, theirs) = (engine.get(key), kernel.get(key));
            if ours == theirs {
                same += 1;
                continue;
            }
            let why = explained(ours, theirs);
            known += u32::from(why.is_some());
            let short = |flow: Option<&(FlowKey, u8, u16)>| {
                flow.map(|(k, state, bits)| (k.src_port, k.dst_port, *state, *bits))
            };
            println!(
                "{}: engine {:?}, kernel {:?}: {}",
                path.display(),
                short(ours),
                short(theirs),
                why.unwrap_or("?")
            );
        }
    }
    println!("{same} of {total} TCP flows agree, {known} more differ for a known reason");
    let agreement = f64::from(same + known) / f64::from(total.max(1));
    assert!(total == 0 || agreement >= AGREEMENT_MIN, "{agreement:.4} agree");
}
