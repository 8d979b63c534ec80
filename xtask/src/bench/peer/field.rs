//! The ground both contenders stand on: the demonstration's network, with connections made of frames
//! instead of real hosts, and everything a contender leaves behind removed before the next one starts.

use crate::command::{capture, feed};
use crate::demo::dumps::flush;
use crate::demo::net::SyncPath;
use crate::demo::plan::{gateway_mac, host_mac, mac_text, CLIENT_V4, MEMBERS, MOVING, SERVER_V4};
use crate::demo::process::Process;
use crate::demo::rules::ruleset;
use crate::demo::stage::Stage;
use crate::demo::stand;
use crate::error::{Error, Result};
use crate::peer::lives::{LOAD_PORT, PROBE_PORT};
use std::fmt::Write;

/// Processor of the frames' sender, and with it of the forwarding.
const FORWARDING_PROCESSOR: usize = 0;
/// Processor of both gateways' daemons. Spread over both, conntrackd takes each event by itself, at twice
/// the cost per event, and its standby displaces the forwarding.
const DAEMON_PROCESSOR: usize = 1;
/// UDP port of conntrackd on the sync link.
pub(super) const UDP_PORT: u16 = 3780;
/// Longer than a bench takes: ended connections leave the table only for new ones.
const ENDED_SECONDS: u32 = 1_200;

/// The topology and the sender of frames.
pub(super) struct Field {
    // Ends before the namespaces of the stage.
    pub(super) lives: Process,
    pub(super) stage: Stage,
}

impl Field {
    /// Builds it; nobody runs yet.
    pub(super) fn raise() -> Result<Field> {
        let stage = stand(SyncPath::Direct, false)?;
        let net = &stage.net;
        for role in ["client", "server"] {
            let mut rules = String::from(
                "table netdev frames {\nchain ingress {\ntype filter hook ingress device eth0 priority -500;\n",
            );
            for port in [LOAD_PORT, PROBE_PORT] {
                writeln!(rules, "tcp dport {port} drop\ntcp sport {port} drop").expect("text grows");
            }
            feed(&mut net.inside(role, &["nft", "-f", "-"]), &(rules + "}\n}\n"))?;
        }
        for (index, member) in MEMBERS.into_iter().enumerate() {
            assert_ne!(gateway_mac("lan", index), host_mac(1), "hosts and gateways have their own addresses");
            net.batch(
                member,
                &format!(
                    "addr add {}/24 dev sync\n\
                     neigh replace {CLIENT_V4} lladdr {} dev lan nud permanent\n\
                     neigh replace {SERVER_V4} lladdr {} dev wan nud permanent\n\
                     route add 10.2.16.0/24 via {SERVER_V4}\n",
                    sync_address(index),
                    mac_text(host_mac(1)),
                    mac_text(host_mac(2)),
                ),
            )?;
            let ended = format!("net.netfilter.nf_conntrack_tcp_timeout_time_wait={ENDED_SECONDS}");
            capture(&mut net.inside(member, &["sysctl", "-qw", &ended]))?;
        }
        let namespaces = [net.namespace("server"), net.namespace(MEMBERS[1])];
        let lives = Process::start(net, "client", &["lives", &namespaces[0], &namespaces[1]])?;
        pin_forwarding(lives.pid())?;
        Ok(Field { lives, stage })
    }

    /// Makes both gateways as if nobody had ever run there.
    pub(super) fn clear(&mut self) -> Result<()> {
        let net = &self.stage.net;
        for member in MEMBERS {
            let untracked = format!(
                "table ip sync {{\n\
                 chain in {{ type filter hook prerouting priority raw; udp dport {UDP_PORT} notrack; }}\n\
                 chain out {{ type filter hook output priority raw; udp dport {UDP_PORT} notrack; }}\n}}\n"
            );
            feed(&mut net.inside(member, &["nft", "-f", "-"]), &(ruleset() + &untracked))?;
            let listing = capture(&mut net.inside(member, &["ip", "-o", "addr", "show"]))?;
            let mut lines = String::new();
            for moving in &MOVING {
                let address = format!("{}/{}", moving.address, moving.prefix);
                if listing.contains(&format!(" {address} ")) {
                    writeln!(lines, "addr del {address} dev {}", moving.network).expect("text grows");
                }
            }
            net.batch(member, &lines)?;
            // As the kernel comes up: events only while somebody listens.
            capture(&mut net.inside(member, &["sysctl", "-qw", "net.netfilter.nf_conntrack_events=2"]))?;
            flush(net, member)?;
        }
        Ok(())
    }

    /// Bytes that crossed the sync link so far, both ways.
    pub(super) fn wire_bytes(&self) -> Result<u64> {
        let text =
            capture(&mut self.stage.net.inside(MEMBERS[0], &["ip", "-j", "-s", "link", "show", "sync"]))?;
        let value: serde_json::Value = serde_json::from_str(&text)
            .map_err(|problem| Error::Unexpected(format!("`ip -j -s link`: {problem}")))?;
        let bytes = |way: &str| value[0]["stats64"][way]["bytes"].as_u64();
        match (bytes("rx"), bytes("tx")) {
            (Some(received), Some(sent)) => Ok(received + sent),
            _ => Err(Error::Unexpected("`ip -j -s link` names no bytes".into())),
        }
    }
}

/// conntrackd's address on the sync link.
pub(super) fn sync_address(index: usize) -> String {
    format!("10.9.0.{}", index + 1)
}

/// Pins every thread of a process that stands for the forwarding.
pub(super) fn pin_forwarding(pid: u32) -> Result<()> {
    pin(pid, FORWARDING_PROCESSOR)
}

/// Pins every thread of a daemon.
pub(super) fn pin_daemon(pid: u32) -> Result<()> {
    pin(pid, DAEMON_PROCESSOR)
}

fn pin(pid: u32, processor: usize) -> Result<()> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    // SAFETY: an all-zero set is a valid, empty one; the index is below the machine's processors.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor % processors, &mut set);
        set
    };
    let folder = format!("/proc/{pid}/task");
    for thread in std::fs::read_dir(&folder).map_err(Error::system(folder.as_str()))?.flatten() {
        let Ok(thread) = thread.file_name().to_string_lossy().parse::<libc::pid_t>() else { continue };
        // SAFETY: the set lives through the call. A thread that just ended needs no place.
        unsafe { libc::sched_setaffinity(thread, std::mem::size_of_val(&set), &set) };
    }
    Ok(())
}
