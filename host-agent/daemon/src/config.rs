//! The agent's configuration file: TOML in, checked values out.
//!
//! Enters: the text of a file. Leaves: [`AgentConfig`], or an error that names the key and what is
//! allowed. Unknown keys are errors. Nothing is read from the system here.

use crate::linux::lease::EventMask;
use crate::realtime::CPU_MAX;
use formats::limits::{BUCKET_BITS, FRAME_SIZE_MAX, SITE_MEMBERS_MAX};
use formats::{ClusterSecret, Family};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::net::IpAddr;
use std::path::PathBuf;
use trine_core::Takeover;

/// A key with a value that cannot be, and what can.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for ConfigError {}

fn wrong<T>(key: &str, value: impl Display, allowed: impl Display) -> Result<T, ConfigError> {
    Err(ConfigError(format!("{key} = {value}: allowed is {allowed}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    cluster: ClusterSection,
    member: MemberSection,
    #[serde(default)]
    peer: Vec<PeerSection>,
    sync: SyncSection,
    #[serde(default)]
    network: Vec<NetworkSection>,
    group: GroupSection,
    #[serde(default)]
    timers: TimersSection,
    #[serde(default)]
    nic: NicSection,
    #[serde(default)]
    kernel: KernelSection,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterSection {
    id: u32,
    secret: String,
    #[serde(default)]
    takeover: Option<String>,
    #[serde(default)]
    power_hook: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberSection {
    id: u8,
    name: String,
    control: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeerSection {
    id: u8,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SyncSection {
    interface: String,
    #[serde(default = "default_s_tag")]
    s_tag: u16,
    #[serde(default = "default_c_tag")]
    c_tag: u16,
    #[serde(default = "default_mtu")]
    mtu: usize,
}
fn default_s_tag() -> u16 {
    100
}
fn default_c_tag() -> u16 {
    10
}
fn default_mtu() -> usize {
    9000
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkSection {
    name: String,
    interface: String,
    #[serde(default)]
    probes: Vec<IpAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupSection {
    name: String,
    order: Vec<String>,
    #[serde(default)]
    snat: Vec<IpAddr>,
    #[serde(default)]
    address: Vec<AddressSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressSection {
    network: String,
    address: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TimersSection {
    beat_ms: u64,
    silent_ms: u64,
    lease_ms: u64,
    boot_ms: u64,
    digest_ms: u64,
    audit_s: u64,
    copy_timeout_s: u32,
}
impl Default for TimersSection {
    fn default() -> Self {
        Self {
            beat_ms: 2,
            silent_ms: 30,
            lease_ms: 50,
            boot_ms: 500,
            digest_ms: 500,
            audit_s: 60,
            copy_timeout_s: 3600,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NicSection {
    flows_max: usize,
    realtime: bool,
    cpu: Option<usize>,
}
impl Default for NicSection {
    fn default() -> Self {
        Self { flows_max: 262_144, realtime: true, cpu: None }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct KernelSection {
    events: Option<String>,
    cpu: Option<usize>,
}

/// A data network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Name in views.
    pub name: String,
    /// Interface.
    pub interface: String,
    /// Addresses whose answers show that the network works.
    pub probes: Vec<IpAddr>,
}

/// A virtual address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualAddress {
    /// Index of its network.
    pub network: usize,
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix: u8,
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Cluster number.
    pub cluster: u32,
    /// Cluster secret.
    pub secret: ClusterSecret,
    /// Policy of takeovers.
    pub takeover: Takeover,
    /// Program that switches a member off; its argument is the member's name, success means off.
    pub power_hook: Option<PathBuf>,
    /// Own number.
    pub member: u8,
    /// Name of each member by number, the own one included.
    pub names: std::collections::BTreeMap<u8, String>,
    /// Control socket.
    pub control: PathBuf,
    /// Interface of the sync link.
    pub sync_interface: String,
    /// Tags of sync frames.
    pub s_tag: u16,
    /// See `s_tag`.
    pub c_tag: u16,
    /// Largest sync frame in bytes, from the MAC addresses to the checksum.
    pub frame_size: usize,
    /// Data networks.
    pub networks: Vec<Network>,
    /// Name of the group.
    pub group: String,
    /// Order in which members serve.
    pub order: Vec<u8>,
    /// Translated sources that move with the group.
    pub snat: Vec<IpAddr>,
    /// Virtual addresses.
    pub addresses: Vec<VirtualAddress>,
    /// Heartbeat interval in µs.
    pub beat_us: u64,
    /// Silence that counts as down, in µs.
    pub silent_us: u64,
    /// Bound of the lease in ms.
    pub lease_ms: u32,
    /// How long a starting member listens, in µs.
    pub boot_us: u64,
    /// Interval of each bucket's digest, in µs.
    pub digest_us: u64,
    /// Interval of the rolling audit, in µs.
    pub audit_us: u64,
    /// Lease of a copy's kernel entry in s.
    pub copy_timeout_s: u32,
    /// Flows the software engine makes room for.
    pub flows_max: usize,
    /// Whether to ask for real-time scheduling and locked memory.
    pub realtime: bool,
    /// Processor of the pulse thread; see [`crate::realtime::place`] if left out.
    pub nic_cpu: Option<usize>,
    /// Which events the kernel raises for forwarded flows.
    pub events: EventMask,
    /// Processor of the threads that write and dump the kernel's table; any but the pulse's if left out.
    pub kernel_cpu: Option<usize>,
}

/// Address as the formats hold it.
pub fn plain(address: IpAddr) -> (Family, u128) {
    match address {
        IpAddr::V4(v4) => (Family::V4, u32::from(v4).into()),
        IpAddr::V6(v6) => (Family::V6, u128::from(v6)),
    }
}

fn parse_secret(text: &str) -> Result<ClusterSecret, ConfigError> {
    let nibble = |digit: u8| (digit as char).to_digit(16).map(|value| value as u8);
    let byte = |pair: &[u8]| Some(nibble(pair[0])? << 4 | nibble(pair[1])?);
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks_exact(2).map(byte).collect();
    if let Some(secret) = bytes.filter(|_| text.len() == 64).and_then(|bytes| bytes.try_into().ok()) {
        return Ok(ClusterSecret(secret));
    }
    // The value itself stays out of logs.
    wrong("cluster.secret", "(hidden)", "64 hexadecimal digits")
}

fn parse_prefix(key: &str, text: &str) -> Result<(IpAddr, u8), ConfigError> {
    let parsed = text.split_once('/').and_then(|(address, prefix)| {
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Some((address, prefix.parse().ok().filter(|prefix: &u8| *prefix <= bits)?))
    });
    match parsed {
        Some(parsed) => Ok(parsed),
        None => wrong(key, text, "an address with its prefix, such as 10.1.0.254/24 or fd00::1/64"),
    }
}

fn in_range(key: &str, value: u64, low: u64, high: u64, unit: &str) -> Result<u64, ConfigError> {
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        wrong(key, value, format!("{low} to {high} {unit}"))
    }
}

fn parse_takeover(text: Option<&str>) -> Result<Takeover, ConfigError> {
    match text {
        None | Some("available") => Ok(Takeover::Available),
        Some("safe") => Ok(Takeover::Safe),
        Some(other) => wrong("cluster.takeover", format!("{other:?}"), "\"available\" or \"safe\""),
    }
}

fn parse_events(text: Option<&str>) -> Result<EventMask, ConfigError> {
    match text {
        None | Some("assured") => Ok(EventMask::Assured),
        Some("all") => Ok(EventMask::All),
        Some(other) => wrong("kernel.events", format!("{other:?}"), "\"assured\" or \"all\""),
    }
}

fn parse_cpu(key: &str, cpu: Option<usize>) -> Result<Option<usize>, ConfigError> {
    let checked = |cpu: usize| in_range(key, cpu as u64, 0, CPU_MAX as u64, "(number of a processor)");
    cpu.map(|cpu| checked(cpu).map(|_| cpu)).transpose()
}

impl AgentConfig {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// The first key that is unknown, missing or out of range, and what is allowed.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text).map_err(|error| ConfigError(error.to_string()))?;
        let names = member_names(&file)?;
        let order = parse_order(&file, &names)?;
        let networks: Vec<Network> = file
            .network
            .iter()
            .map(|n| Network {
                name: n.name.clone(),
                interface: n.interface.clone(),
                probes: n.probes.clone(),
            })
            .collect();
        in_range("network (blocks)", networks.len() as u64, 1, 7, "data networks")?;
        let mut addresses = Vec::new();
        for section in &file.group.address {
            let Some(network) = networks.iter().position(|n| n.name == section.network) else {
                let allowed: Vec<&str> = networks.iter().map(|n| n.name.as_str()).collect();
                return wrong("group.address.network", &section.network, format!("one of {allowed:?}"));
            };
            let (address, prefix) = parse_prefix("group.address.address", &section.address)?;
            addresses.push(VirtualAddress { network, address, prefix });
        }
        let t = &file.timers;
        let beat_ms = in_range("timers.beat_ms", t.beat_ms, 1, 1_000, "ms")?;
        let silent_ms =
            in_range("timers.silent_ms", t.silent_ms, 5 * beat_ms, 60_000, "ms (5 beats or more)")?;
        let lease_ms = in_range("timers.lease_ms", t.lease_ms, 8 + 4 * beat_ms, 60_000, "ms")?;
        let mtu = in_range("sync.mtu", file.sync.mtu as u64, 1_000, FRAME_SIZE_MAX as u64 - 22, "bytes")?;
        for (key, tag) in [("sync.s_tag", file.sync.s_tag), ("sync.c_tag", file.sync.c_tag)] {
            in_range(key, tag.into(), 1, 4_094, "(VLAN id)")?;
        }
        Ok(Self {
            cluster: file.cluster.id,
            secret: parse_secret(&file.cluster.secret)?,
            takeover: parse_takeover(file.cluster.takeover.as_deref())?,
            power_hook: file.cluster.power_hook,
            member: file.member.id,
            names,
            control: file.member.control,
            sync_interface: file.sync.interface,
            s_tag: file.sync.s_tag,
            c_tag: file.sync.c_tag,
            frame_size: mtu as usize + 22,
            networks,
            group: file.group.name,
            order,
            snat: file.group.snat,
            addresses,
            beat_us: beat_ms * 1_000,
            silent_us: silent_ms * 1_000,
            lease_ms: lease_ms as u32,
            boot_us: 1_000 * in_range("timers.boot_ms", t.boot_ms, 2 * silent_ms, 600_000, "ms")?,
            digest_us: 1_000 * in_range("timers.digest_ms", t.digest_ms, 10, 5_000, "ms")?,
            audit_us: 1_000_000 * in_range("timers.audit_s", t.audit_s, 1, 86_400, "s")?,
            copy_timeout_s: in_range("timers.copy_timeout_s", t.copy_timeout_s.into(), 60, 86_400, "s")?
                as u32,
            flows_max: in_range("nic.flows_max", file.nic.flows_max as u64, 4_096, 16_777_216, "flows")?
                as usize,
            realtime: file.nic.realtime,
            nic_cpu: parse_cpu("nic.cpu", file.nic.cpu)?,
            events: parse_events(file.kernel.events.as_deref())?,
            kernel_cpu: parse_cpu("kernel.cpu", file.kernel.cpu)?,
        })
    }

    /// Bits of the set number that make room for `flows_max` flows in sets of [`WAYS`].
    pub fn set_bits(&self) -> u32 {
        (self.flows_max / WAYS).next_power_of_two().ilog2().max(BUCKET_BITS)
    }

    /// Addresses that move with the group: virtual ones and translated sources.
    pub fn moving(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.iter().map(|a| a.address).chain(self.snat.iter().copied())
    }

    /// The core's part of the configuration.
    pub fn core(&self) -> trine_core::Config {
        let probed =
            |(index, network): (usize, &Network)| (!network.probes.is_empty()).then_some(index as u8);
        trine_core::Config {
            member: self.member,
            order: self.order.clone(),
            remote: Vec::new(),
            networks_count: self.networks.len() as u8,
            probed_networks: self.networks.iter().enumerate().filter_map(probed).collect(),
            takeover: self.takeover,
            power_hook: self.power_hook.is_some(),
            silent_us: self.silent_us,
            lease_us: u64::from(self.lease_ms) * 1_000,
            // Renewing costs 60 µs: often enough for lease and liveness, and not with every heartbeat.
            renew_us: (2 * self.beat_us).max((u64::from(self.lease_ms) * 1_000 / 6).min(self.silent_us / 4)),
            boot_us: self.boot_us,
            probe_us: 200_000,
            probe_suspect_us: 2 * self.beat_us,
            audit_us: self.audit_us,
            copy_timeout_s: self.copy_timeout_s,
            moving: self.moving().map(plain).collect(),
            secret: self.secret,
        }
    }
}

/// Ways of a set of the software engine's table.
pub const WAYS: usize = 8;

fn member_names(file: &File) -> Result<std::collections::BTreeMap<u8, String>, ConfigError> {
    let own = (file.member.id, &file.member.name);
    let mut names = std::collections::BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (key, (id, name)) in
        std::iter::once(("member", own)).chain(file.peer.iter().map(|peer| ("peer", (peer.id, &peer.name))))
    {
        if id as usize >= SITE_MEMBERS_MAX {
            return wrong(&format!("{key}.id"), id, format!("0 to {}", SITE_MEMBERS_MAX - 1));
        }
        if names.insert(id, name.clone()).is_some() {
            return wrong(&format!("{key}.id"), id, "a number of its own for each member");
        }
        if !seen.insert(name) {
            return wrong(&format!("{key}.name"), name, "a name of its own for each member");
        }
    }
    Ok(names)
}

fn parse_order(file: &File, names: &std::collections::BTreeMap<u8, String>) -> Result<Vec<u8>, ConfigError> {
    let known: Vec<&str> = names.values().map(String::as_str).collect();
    let mut order = Vec::new();
    for name in &file.group.order {
        match names.iter().find(|(_, known)| *known == name) {
            Some((id, _)) if !order.contains(id) => order.push(*id),
            Some(_) | None => return wrong("group.order", name, format!("each of {known:?} once")),
        }
    }
    if order.len() != names.len() {
        return wrong("group.order", format!("{:?}", file.group.order), format!("each of {known:?} once"));
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../example.toml");

    fn with(from: &str, to: &str) -> String {
        let changed = EXAMPLE.replacen(from, to, 1);
        assert_ne!(changed, EXAMPLE, "{from} is in the example");
        AgentConfig::parse(&changed).unwrap_err().to_string()
    }

    #[test]
    fn the_example_is_valid() {
        let config = AgentConfig::parse(EXAMPLE).unwrap();
        assert_eq!((config.member, config.order.as_slice()), (0, [0, 1].as_slice()));
        assert_eq!(config.core().probed_networks, [0, 1]);
    }

    #[test]
    fn every_error_names_the_key_and_what_is_allowed() {
        for (from, to, key, allowed) in [
            ("id = 7", "id = 7\ncolour = 1", "colour", "expected one of"),
            ("takeover = \"available\"", "takeover = \"maybe\"", "cluster.takeover", "\"safe\""),
            ("secret = \"00", "secret = \"zz", "cluster.secret", "64 hexadecimal digits"),
            ("beat_ms = 2", "beat_ms = 0", "timers.beat_ms", "1 to 1000"),
            ("silent_ms = 30", "silent_ms = 3", "timers.silent_ms", "5 beats"),
            ("mtu = 9000", "mtu = 90000", "sync.mtu", "9000"),
            ("s_tag = 100", "s_tag = 5000", "sync.s_tag", "4094"),
            ("10.1.0.254/24", "10.1.0.254", "group.address.address", "prefix"),
            ("network = \"lan\"", "network = \"dmz\"", "group.address.network", "lan"),
            ("order = [\"gw1\", \"gw2\"]", "order = [\"gw1\"]", "group.order", "gw2"),
            ("id = 1\nname", "id = 0\nname", "peer.id", "of its own"),
            ("probes = [\"10.1", "probes = [\"x10.1", "probes", "IP address"),
        ] {
            let error = with(from, to);
            assert!(error.contains(key) && error.contains(allowed), "{from} -> {to}: {error}");
        }
    }

    #[test]
    fn a_wrong_secret_is_not_repeated() {
        assert!(!with("secret = \"00", "secret = \"zz").contains("zz"));
    }
}
