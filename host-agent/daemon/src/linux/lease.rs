//! The forwarding lease: traffic of the group passes only while the agent keeps renewing.
//!
//! Enters: interfaces, group addresses and a mask of events once, then renewals. Leaves: two nft tables of our own
//! (`inet trine`, `arp trine`) whose rules drop the group's traffic, neighbour requests included,
//! unless the ingress interface is in the set `lease`, whose elements time out by themselves.
//! Invariants: with the lease dead nothing of the group reaches conntrack (the hook stands before it, so
//! strays never move a standby's windows); with it alive everything goes on to the operator's own
//! rules; a renewal is one transaction without a gap; nothing here removes the gate when the agent dies
//! or is dropped. Does not decide who holds the lease and does not fence a partition by itself.
//!
//! A renewal adds, deletes and adds each element: an add alone does not restart a timeout on the kernels
//! from 6.1 on that we support. Renewals wait for other nft transactions: replacing an operator's table of
//! 10,000 elements and 1,000 rules held one up for 23 ms, ten times as much for 272 ms (measured), and a
//! wait beyond the lease interrupts the group's traffic until it ends. `nft flush ruleset` removes the
//! gate: a [`Watch`] tells that something changed, and the next renewal or release reports
//! [`LeaseError::Gone`].

mod elements;
mod rules;
mod watch;

use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};

use super::sys::INTERFACE_NAME_BYTES_MAX;
use elements::Elements;

pub use elements::LeaseDrops;
pub use watch::Watch;

/// Shortest lease in ms: the kernel counts in ticks of 4 ms (HZ = 250) and rounds up.
pub const LEASE_MS_MIN: u32 = 8;
/// Data interfaces of a lease; their elements fill two pages of one transaction.
pub const INTERFACES_MAX: usize = 16;

/// Which events the kernel raises for a flow that is forwarded: each costs the forwarding processor 1.3 to
/// 2 µs (measured), and a TCP connection raises seven in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventMask {
    /// Every one.
    #[default]
    All,
    /// That it is assured (answered and lasting), marked, related, helped, adjusted, and its end. What
    /// happens before and between, the rolling audit finds.
    Assured,
}

/// What a lease covers.
#[derive(Clone, Debug, Default)]
pub struct LeaseConfig {
    /// Data interfaces.
    pub interfaces: Vec<String>,
    /// The group's IPv4 addresses.
    pub addresses_v4: Vec<Ipv4Addr>,
    /// The group's IPv6 addresses.
    pub addresses_v6: Vec<Ipv6Addr>,
    /// How long traffic passes after a renewal, in ms.
    pub lease_ms: u32,
    /// Set on forwarded flows by the lease's table.
    pub events: EventMask,
}

/// Why a lease could not be installed or renewed.
#[derive(Debug)]
pub enum LeaseError {
    /// No interface, too many, or a name that is no interface name.
    Interfaces(String),
    /// Shorter than [`LEASE_MS_MIN`].
    TooShort(u32),
    /// `nft` refused the rules; its own words.
    Nft(String),
    /// The tables are gone: somebody flushed the ruleset and the gate stands open. Install again.
    Gone,
    /// A system call failed.
    System(io::Error),
}

impl std::fmt::Display for LeaseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Interfaces(name) => write!(f, "lease: {name:?} is no usable list or name of interfaces"),
            Self::TooShort(ms) => write!(f, "lease of {ms} ms is shorter than {LEASE_MS_MIN} ms"),
            Self::Nft(text) => write!(f, "nft refused the lease's rules: {text}"),
            Self::Gone => f.write_str("the lease's tables are gone: the gate is open until installed again"),
            Self::System(error) => write!(f, "lease: {error}"),
        }
    }
}

impl std::error::Error for LeaseError {}

impl From<io::Error> for LeaseError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOENT) => Self::Gone,
            _ => Self::System(error),
        }
    }
}

/// An installed lease; dead until the first renewal.
pub struct Lease {
    elements: Elements,
}

impl Lease {
    /// Installs the tables, in place of those of an earlier run, and leaves the lease dead.
    pub fn install(config: &LeaseConfig) -> Result<Self, LeaseError> {
        check(config)?;
        nft(&rules::script(config))?;
        let elements = Elements::open(&config.interfaces, config.lease_ms)?;
        Ok(Self { elements })
    }

    /// Lets traffic pass for the lease's time from now.
    ///
    /// Meant for a real-time thread: allocates nothing, makes two system calls.
    pub fn renew(&mut self) -> Result<(), LeaseError> {
        Ok(self.elements.renew()?)
    }

    /// Ends the lease at once.
    pub fn release(&mut self) -> Result<(), LeaseError> {
        Ok(self.elements.release()?)
    }

    /// Whether every interface's element is alive in both tables, as the kernel says.
    pub fn is_alive(&mut self) -> Result<bool, LeaseError> {
        Ok(self.elements.is_alive()?)
    }

    /// What the gate dropped since it was installed.
    pub fn drops(&mut self) -> Result<LeaseDrops, LeaseError> {
        Ok(self.elements.drops()?)
    }

    /// Removes the tables: traffic is no longer gated. For a clean exit only.
    pub fn remove(self) -> Result<(), LeaseError> {
        nft(rules::REMOVAL)
    }
}

fn check(config: &LeaseConfig) -> Result<(), LeaseError> {
    if config.lease_ms < LEASE_MS_MIN {
        return Err(LeaseError::TooShort(config.lease_ms));
    }
    if config.interfaces.is_empty() || config.interfaces.len() > INTERFACES_MAX {
        return Err(LeaseError::Interfaces(config.interfaces.join(",")));
    }
    // What nft would read as a pattern or as the end of the name is refused.
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:@".contains(&byte);
    let is_name =
        |name: &String| (1..=INTERFACE_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(usable);
    match config.interfaces.iter().find(|name| !is_name(name)) {
        Some(name) => Err(LeaseError::Interfaces(name.clone())),
        None => Ok(()),
    }
}

/// Runs `nft -f -` on a script, which it applies whole or not at all.
fn nft(script: &str) -> Result<(), LeaseError> {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| LeaseError::Nft(error.to_string()))?;
    // Taken and dropped, so that nft sees the end of its input.
    let written = child.stdin.take().expect("stdin is piped").write_all(script.as_bytes());
    let output = child.wait_with_output().map_err(LeaseError::System)?;
    if !output.status.success() {
        return Err(LeaseError::Nft(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    written.map_err(LeaseError::System)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_smuggle_rules() {
        let config =
            |name: &str| LeaseConfig { interfaces: vec![name.into()], lease_ms: 50, ..Default::default() };
        assert!(check(&config("eth0.100")).is_ok());
        for name in ["", "eth*", "a\" } accept", "sixteen_letters_", "a b"] {
            assert!(matches!(check(&config(name)), Err(LeaseError::Interfaces(_))), "{name:?}");
        }
        let short = LeaseConfig { lease_ms: 4, ..config("eth0") };
        assert!(matches!(check(&short), Err(LeaseError::TooShort(4))));
    }
}
