//! The network of the demonstration: six namespaces, two bridges, one sync link, which benches
//! may lead through a seventh namespace.
//!
//! Invariants: every name carries this process' id, so that runs stand side by side; dropping
//! the value, or starting the next run after a crash, removes processes and namespaces alike.

use super::plan::{
    gateway_mac, host_mac, mac_text, Moving, CLIENT_V4, CLIENT_V6, MEMBERS, MOVING, OUTER_V4, SERVER_V4,
    SERVER_V6,
};
use super::rules::{ruleset, GATEWAY_SYSCTLS, HOST_SYSCTLS};
use crate::command::{capture, command, feed, spawn};
use crate::error::{Error, Result};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Prefix of every namespace and of the folder under `/run`.
const PREFIX: &str = "trine-demo-";
/// Largest frame of the sync link: 9,000 bytes inside two tags.
pub(crate) const SYNC_MTU: u32 = 9008;
/// Group number of a gateway's links, so that one command cuts them all.
const LINK_GROUP: u32 = 7;
/// Namespaces, by their role.
const ROLES: [&str; 7] = ["client", "server", "gw1", "gw2", "lan", "wan", RELAY];
/// Where the sync link is relayed; stands only if it is.
pub(crate) const RELAY: &str = "relay";

/// How the gateways' sync ports meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncPath {
    /// One cable.
    Direct,
    /// Through a namespace whose interfaces are named like the gateways. Frames above its MTU are
    /// lost in silence, as in a switch; both gateways' own ports carry full frames.
    Relayed {
        /// MTU of both relay interfaces.
        mtu: u32,
    },
}

/// The standing topology.
pub(crate) struct Net {
    prefix: String,
    folder: PathBuf,
}

impl Net {
    /// Builds everything: namespaces, links, addresses, rules.
    pub(crate) fn build(sync: SyncPath) -> Result<Net> {
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let folder = PathBuf::from(format!("/run/{PREFIX}{}", std::process::id()));
        // From here on a failure drops the value, which removes what was made so far.
        let net = Net { prefix, folder };
        std::fs::create_dir_all(&net.folder)
            .map_err(Error::system("making the folder of sockets and logs"))?;
        let stands = |role: &&str| *role != RELAY || sync != SyncPath::Direct;
        for role in ROLES.into_iter().filter(stands) {
            capture(&mut command(&["ip", "netns", "add", &net.namespace(role)]))?;
            net.batch(role, "link set lo up\n")?;
            let sysctls = if MEMBERS.contains(&role) { GATEWAY_SYSCTLS } else { HOST_SYSCTLS };
            let mut words = vec!["sysctl", "-qw"];
            words.extend(sysctls);
            capture(&mut net.inside(role, &words))?;
        }
        for segment in ["lan", "wan"] {
            net.batch(segment, "link add br0 type bridge mcast_snooping 0\nlink set br0 up\n")?;
        }
        net.attach("client", "eth0", host_mac(1), "lan")?;
        net.attach("server", "eth0", host_mac(2), "wan")?;
        for (index, member) in MEMBERS.into_iter().enumerate() {
            net.attach(member, "lan", gateway_mac("lan", index), "lan")?;
            net.attach(member, "wan", gateway_mac("wan", index), "wan")?;
        }
        net.connect_gateways(sync)?;
        net.assign_addresses()?;
        for member in MEMBERS {
            feed(&mut net.inside(member, &["nft", "-f", "-"]), &ruleset())?;
        }
        Ok(net)
    }

    /// The namespace of a role.
    pub(crate) fn namespace(&self, role: &str) -> String {
        format!("{}{role}", self.prefix)
    }

    /// Sockets, configuration and logs of this run.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command inside a namespace.
    pub(crate) fn inside(&self, role: &str, words: &[&str]) -> Command {
        let namespace = self.namespace(role);
        let mut all = vec!["ip", "netns", "exec", namespace.as_str()];
        all.extend(words);
        command(&all)
    }

    /// This binary with a hidden subcommand, inside a namespace. The path goes through /proc,
    /// because a rebuild may replace the file under our feet.
    pub(crate) fn peer(&self, role: &str, words: &[&str]) -> Command {
        let own = format!("/proc/{}/exe", std::process::id());
        let mut all = vec![own.as_str(), "peer"];
        all.extend(words);
        self.inside(role, &all)
    }

    /// Runs lines of `ip` in one process.
    pub(crate) fn batch(&self, role: &str, lines: &str) -> Result<()> {
        let namespace = self.namespace(role);
        feed(&mut command(&["ip", "-n", &namespace, "-batch", "-"]), lines).map(drop)
    }

    /// Sets all links of a gateway up, or adds back what going down took from them.
    pub(crate) fn links_up(&self, member: &str) -> Result<()> {
        self.batch(member, &format!("link set group {LINK_GROUP} up\n"))
    }

    /// A switch that sets all links of a gateway down the moment it is pulled.
    pub(crate) fn links_switch(&self, member: &str) -> Result<Switch> {
        let namespace = self.namespace(member);
        let mut ip = command(&["ip", "-n", &namespace, "-batch", "-"]);
        let child = spawn(ip.stdin(Stdio::piped()))?;
        Ok(Switch { child, line: format!("link set group {LINK_GROUP} down\n") })
    }

    /// Sets the sync link up or down.
    pub(crate) fn sync_link(&self, up: bool) -> Result<()> {
        self.batch("gw1", if up { "link set sync up\n" } else { "link set sync down\n" })
    }

    /// Puts the moving addresses on a member by hand and announces them.
    pub(crate) fn add_moving(&self, member: &str) -> Result<()> {
        self.batch(member, &moving_lines("add", " nodad"))?;
        for network in ["lan", "wan"] {
            let addresses: Vec<String> = MOVING
                .iter()
                .filter(|moving| moving.network == network)
                .map(|moving| moving.address.to_string())
                .collect();
            let mut words = vec!["announce", network];
            words.extend(addresses.iter().map(String::as_str));
            capture(&mut self.peer(member, &words))?;
        }
        Ok(())
    }

    /// Takes the moving addresses from a member by hand.
    pub(crate) fn remove_moving(&self, member: &str) -> Result<()> {
        self.batch(member, &moving_lines("del", ""))
    }

    fn attach(&self, role: &str, interface: &str, mac: [u8; 6], segment: &str) -> Result<()> {
        let bridge = self.namespace(segment);
        let mac = mac_text(mac);
        self.batch(
            role,
            &format!(
                "link add {interface} address {mac} type veth peer name p-{role} netns {bridge}\n\
                 link set {interface} up\n"
            ),
        )?;
        if MEMBERS.contains(&role) {
            self.batch(role, &format!("link set {interface} group {LINK_GROUP}\n"))?;
        }
        self.batch(segment, &format!("link set p-{role} master br0 up\n"))
    }

    fn connect_gateways(&self, sync: SyncPath) -> Result<()> {
        let port = format!("link add sync mtu {SYNC_MTU} type veth peer");
        match sync {
            SyncPath::Direct => {
                let second = self.namespace(MEMBERS[1]);
                self.batch(MEMBERS[0], &format!("{port} name sync mtu {SYNC_MTU} netns {second}\n"))?;
            }
            SyncPath::Relayed { mtu } => {
                let relay = self.namespace(RELAY);
                for member in MEMBERS {
                    self.batch(member, &format!("{port} name {member} mtu {mtu} netns {relay}\n"))?;
                    self.batch(RELAY, &format!("link set {member} up\n"))?;
                }
            }
        }
        for member in MEMBERS {
            self.batch(member, &format!("link set sync group {LINK_GROUP} up\n"))?;
        }
        Ok(())
    }

    fn assign_addresses(&self) -> Result<()> {
        for (index, member) in MEMBERS.into_iter().enumerate() {
            let host = index + 1;
            self.batch(
                member,
                &format!(
                    "addr add 10.1.0.{host}/24 dev lan\naddr add fd00:1::{host}/64 dev lan nodad\n\
                     addr add 10.2.0.{host}/24 dev wan\naddr add fd00:2::{host}/64 dev wan nodad\n"
                ),
            )?;
        }
        self.batch(
            "client",
            &format!(
                "addr add {CLIENT_V4}/24 dev eth0\naddr add {CLIENT_V6}/64 dev eth0 nodad\n\
                 route add default via 10.1.0.254\nroute add ::/0 via fd00:1::254\n"
            ),
        )?;
        self.batch(
            "server",
            &format!(
                "addr add {SERVER_V4}/24 dev eth0\naddr add {SERVER_V6}/64 dev eth0 nodad\n\
                 route add default via {OUTER_V4}\nroute add ::/0 via fd00:2::254\n"
            ),
        )
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for role in ROLES {
            remove_namespace(&self.namespace(role));
        }
        // The folder may never have been made.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Cuts all links of a gateway at once, without waiting for a process to start.
pub(crate) struct Switch {
    child: Child,
    line: String,
}

impl Switch {
    /// Pulls the switch; returns when the links are down.
    pub(crate) fn pull(mut self) -> Result<()> {
        let mut stdin = self.child.stdin.take().expect("standard input was asked for");
        stdin.write_all(self.line.as_bytes()).map_err(Error::system("cutting the links"))?;
        drop(stdin);
        let status = self.child.wait().map_err(Error::system("cutting the links"))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Unexpected(format!("cutting the links failed: {status}")))
    }
}

/// Removes what earlier runs left behind when nothing let them clean up.
pub(crate) fn remove_leftovers() -> Result<usize> {
    let listing = capture(&mut command(&["ip", "netns", "list"]))?;
    let mut removed_count = 0;
    for name in listing.lines().filter_map(|line| line.split_whitespace().next()) {
        if owner(name).is_some_and(|pid| !is_running(pid)) {
            remove_namespace(name);
            removed_count += 1;
        }
    }
    for entry in std::fs::read_dir("/run").into_iter().flatten().flatten() {
        let name = entry.file_name();
        if owner(&name.to_string_lossy()).is_some_and(|pid| !is_running(pid)) {
            // Another run may be removing it at the same time.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    Ok(removed_count)
}

/// The process id in a name of ours.
fn owner(name: &str) -> Option<u32> {
    let rest = name.strip_prefix(PREFIX)?;
    rest.split('-').next()?.parse().ok()
}

/// Whether that process is still a run of ours; ids are reused by others.
fn is_running(pid: u32) -> bool {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).contains("xtask")
}

fn remove_namespace(namespace: &str) {
    // Each step may find its work already done; what counts is that nothing stays.
    if let Ok(pids) = capture(&mut command(&["ip", "netns", "pids", namespace])) {
        for pid in pids.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()) {
            // SAFETY: a plain signal to a process inside a namespace this tool made.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }
    let _ = capture(&mut command(&["ip", "netns", "del", namespace]));
}

fn moving_lines(verb: &str, suffix: &str) -> String {
    let mut lines = String::new();
    for Moving { network, address, prefix } in &MOVING {
        let suffix = if address.is_ipv6() { suffix } else { "" };
        writeln!(lines, "addr {verb} {address}/{prefix} dev {network}{suffix}").expect("text grows");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_have_an_owner() {
        assert_eq!(owner("trine-demo-123-gw1"), Some(123));
        assert_eq!(owner("trine-demo-123"), Some(123));
        assert_eq!(owner("trine-demo-x-gw1"), None);
        assert_eq!(owner("other-123-gw1"), None);
    }

    #[test]
    fn moving_addresses_cover_both_networks_and_families() {
        let lines = moving_lines("add", " nodad");
        assert!(lines.contains("addr add 10.2.0.100/24 dev wan\n"));
        assert!(lines.contains("addr add fd00:1::254/64 dev lan nodad\n"));
        assert_eq!(lines.lines().count(), MOVING.len());
    }
}
