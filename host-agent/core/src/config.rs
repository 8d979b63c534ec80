//! What the core must know before it starts; checked by whoever reads it from outside.

use formats::Family;

/// How far a takeover may rely on silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// Silence and answered probes suffice: never down because of one failure, may split.
    Available,
    /// Needs a release, an expired lease or a power hook: never two owners, may stop.
    Safe,
}

/// Configuration of one member's core.
#[derive(Clone, Debug)]
pub struct Config {
    /// Own number.
    pub member: u8,
    /// Members in the order in which they serve, this one included.
    pub order: Vec<u8>,
    /// Members of another site than ours.
    pub remote: Vec<u8>,
    /// Data networks; network n is port n + 1 of the NIC.
    pub networks_count: u8,
    /// Data networks that have probe targets; a takeover on silence needs an answer from each.
    pub probed_networks: Vec<u8>,
    /// Policy of takeovers.
    pub takeover: Takeover,
    /// Whether an operator's power hook exists; it is asked before `assumed`.
    pub power_hook: bool,
    /// Silence on all paths after which a member counts as down, in µs.
    pub silent_us: u64,
    /// Bound of the forwarding lease, in µs.
    pub lease_us: u64,
    /// How often the lease and the NIC's liveness are renewed, in µs.
    pub renew_us: u64,
    /// How long a starting member listens for an owner before it may serve, in µs.
    pub boot_us: u64,
    /// Interval of probes when all is well, and when a peer is overdue, in µs.
    pub probe_us: u64,
    /// See `probe_us`.
    pub probe_suspect_us: u64,
    /// Interval of the rolling audit of the kernel's table, in µs.
    pub audit_us: u64,
    /// Lease of a copy's kernel entry, in s; renewed at half.
    pub copy_timeout_s: u32,
    /// Addresses that move with the group: virtual addresses and translated sources.
    pub moving: Vec<(Family, u128)>,
    /// Cluster secret's flow hash places flows in buckets.
    pub secret: formats::ClusterSecret,
}

impl Config {
    /// The other members, in order.
    pub fn peers(&self) -> impl Iterator<Item = u8> + '_ {
        self.order.iter().copied().filter(|member| *member != self.member)
    }
    /// Ports that heartbeats arrive on: the sync link and every data network.
    pub fn ports_count(&self) -> usize {
        1 + self.networks_count as usize
    }
}
