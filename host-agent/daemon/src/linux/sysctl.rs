//! The kernel settings of the calling thread's network namespace that this layer reads or sets.
//!
//! Enters and leaves: whole numbers in `/proc/sys`. Does not cache. A setting the kernel lacks is
//! `NotFound`; one that may not be written is `PermissionDenied`.

use std::io;

/// A setting by its path below `/proc/sys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting(&'static str);

/// Whether conntrack emits events; must be 1: with 2 a flow made while nobody listens never emits any.
pub const CONNTRACK_EVENTS: Setting = Setting("net/netfilter/nf_conntrack_events");
/// Whether conntrack picks up TCP flows in the middle; must be 0.
pub const CONNTRACK_TCP_LOOSE: Setting = Setting("net/netfilter/nf_conntrack_tcp_loose");
/// Entries the table may hold; one number for the whole host.
pub const CONNTRACK_MAX: Setting = Setting("net/netfilter/nf_conntrack_max");
/// Hash buckets of the table; one number for the whole host, set through
/// `/sys/module/nf_conntrack/parameters/hashsize`.
pub const CONNTRACK_BUCKETS: Setting = Setting("net/netfilter/nf_conntrack_buckets");
/// Entries the table of this namespace holds.
pub const CONNTRACK_COUNT: Setting = Setting("net/netfilter/nf_conntrack_count");
/// Whether IPv4 is forwarded.
pub const IPV4_FORWARD: Setting = Setting("net/ipv4/ip_forward");
/// Whether IPv6 is forwarded.
pub const IPV6_FORWARD: Setting = Setting("net/ipv6/conf/all/forwarding");

impl Setting {
    /// The name `sysctl` uses.
    pub fn name(self) -> String {
        self.0.replace('/', ".")
    }

    fn path(self) -> String {
        format!("/proc/sys/{}", self.0)
    }

    /// The present value; a value that is no whole number is `InvalidData`.
    pub fn read(self) -> io::Result<u64> {
        let text = std::fs::read_to_string(self.path())?;
        text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, text))
    }

    /// Whether the setting could be written; changes nothing.
    pub fn probe_writable(self) -> io::Result<()> {
        std::fs::OpenOptions::new().write(true).open(self.path()).map(drop)
    }

    /// Sets the value.
    pub fn set(self, value: u64) -> io::Result<()> {
        std::fs::write(self.path(), value.to_string())
    }
}
