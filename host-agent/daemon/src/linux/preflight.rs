//! Checks before a start, each with a name and the command that repairs it.
//!
//! Enters: what this host is asked to carry; settings, capabilities and the ruleset of the calling
//! thread's network namespace. Leaves: findings. Changes nothing, and a check that can't be made is a
//! finding itself.

use std::io;
use std::process::Command;

use super::sysctl::{self, Setting};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Works; some flows or cases do not.
    Warning,
    /// Replication would be wrong or impossible.
    Error,
}

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable name of the check.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found and what follows from it.
    pub text: String,
    /// The command that repairs it, or what to change.
    pub fix: String,
}

/// What the host is asked to carry.
#[derive(Clone, Copy, Debug, Default)]
pub struct Requirements {
    /// Entries the table must hold: own flows and all copies.
    pub conntrack_entries: u64,
    /// Whether the group has IPv6 addresses.
    pub ipv6: bool,
}

const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;

/// Runs every check.
pub fn run(requirements: &Requirements) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_capabilities(&mut findings);
    check_settings(requirements, &mut findings);
    match Command::new("nft").args(["list", "ruleset"]).output() {
        Ok(output) if output.status.success() => {
            findings.extend(check_ruleset(&String::from_utf8_lossy(&output.stdout)));
        }
        Ok(output) => findings.push(Finding {
            name: "nft",
            severity: Severity::Error,
            text: format!("nft can't list the ruleset: {}", String::from_utf8_lossy(&output.stderr).trim()),
            fix: "nft list ruleset".into(),
        }),
        Err(error) => findings.push(Finding {
            name: "nft",
            severity: Severity::Error,
            text: format!("nft does not run ({error}): the lease can't be installed"),
            fix: "apt-get install nftables".into(),
        }),
    }
    findings
}

fn check_capabilities(findings: &mut Vec<Finding>) {
    let effective =
        std::fs::read_to_string("/proc/thread-self/status").ok().and_then(|text| effective(&text));
    for (bit, name) in [(CAP_NET_ADMIN, "CAP_NET_ADMIN"), (CAP_NET_RAW, "CAP_NET_RAW")] {
        if effective.is_none_or(|set| set >> bit & 1 == 0) {
            findings.push(Finding {
                name: "capabilities",
                severity: Severity::Error,
                text: format!("the process lacks {name}"),
                fix: "setcap cap_net_admin,cap_net_raw,cap_ipc_lock,cap_sys_nice+ep $(command -v trined)"
                    .into(),
            });
        }
    }
}

/// The effective capability set in the text of `/proc/.../status`.
fn effective(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn check_settings(requirements: &Requirements, findings: &mut Vec<Finding>) {
    let mut slow = Vec::new();
    let mut expect = |name, setting: Setting, holds: &dyn Fn(u64) -> bool, wanted: u64, why: &str| {
        let found = match setting.read() {
            Ok(value) if holds(value) => return,
            Ok(value) => format!("is {value}"),
            Err(error) => format!("can't be read ({error})"),
        };
        findings.push(Finding {
            name,
            severity: Severity::Error,
            text: format!("{} {found}: {why}", setting.name()),
            fix: format!("sysctl -w {}={wanted}", setting.name()),
        });
    };
    let loose = "a flow would be picked up in the middle, without its translation and windows";
    expect("tcp_loose", sysctl::CONNTRACK_TCP_LOOSE, &|value| value == 0, 0, loose);
    let entries = requirements.conntrack_entries;
    let full = format!("the table must hold {entries} entries, own flows and copies");
    expect("conntrack_max", sysctl::CONNTRACK_MAX, &|value| value >= entries, entries, &full);
    // Two tuples an entry: beyond two entries a bucket the kernel walks chains, with its processor held.
    if sysctl::CONNTRACK_BUCKETS.read().is_ok_and(|buckets| buckets * 2 < entries) {
        slow.push(Finding {
            name: "conntrack_buckets",
            severity: Severity::Warning,
            text: format!("the table's hash is too small for {entries} entries: dumps and inserts slow down"),
            fix: format!("echo {entries} > /sys/module/nf_conntrack/parameters/hashsize"),
        });
    }
    expect("ip_forward", sysctl::IPV4_FORWARD, &|value| value == 1, 1, "nothing would be forwarded");
    if requirements.ipv6 {
        let why = "IPv6 would not be forwarded";
        expect("ipv6_forward", sysctl::IPV6_FORWARD, &|value| value == 1, 1, why);
    }
    findings.append(&mut slow);
    if let Err(error) = events_settable() {
        findings.push(Finding {
            name: "conntrack_events",
            severity: Severity::Error,
            text: format!("{} can't be set to 1: {error}", sysctl::CONNTRACK_EVENTS.name()),
            fix: "run as root in the gateway's network namespace, on a kernel with NF_CONNTRACK_EVENTS"
                .into(),
        });
    }
}

/// Whether conntrack events are on, or could be switched on: opening for writing changes nothing.
fn events_settable() -> io::Result<()> {
    if sysctl::CONNTRACK_EVENTS.read()? == 1 {
        Ok(())
    } else {
        sysctl::CONNTRACK_EVENTS.probe_writable()
    }
}

/// Findings in the text of `nft list ruleset`.
pub fn check_ruleset(ruleset: &str) -> Vec<Finding> {
    // Words outside comments and quoted names.
    let has = |word: &str| {
        ruleset.lines().any(|line| {
            let unquoted: String = line.split('"').step_by(2).collect();
            let code = unquoted.split('#').next().unwrap_or("");
            code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|found| found == word)
        })
    };
    let mut findings = Vec::new();
    let mut add = |name, text: &str, fix: &str| {
        let (text, fix) = (text.to_owned(), fix.to_owned());
        findings.push(Finding { name, severity: Severity::Warning, text, fix });
    };
    if has("masquerade") {
        add(
            "masquerade",
            "flows translated by masquerade can't move: it takes the address of whichever member translates",
            "replace `masquerade` by `snat to <group address>` in the ruleset",
        );
    }
    if has("helper") {
        add(
            "helpers",
            "flows followed by a connection tracking helper are not replicated",
            "remove `ct helper` rules, or accept that these flows break at a takeover",
        );
    }
    if has("flowtable") || has("offload") {
        add(
            "flowtable",
            "flows in a flow table pass unseen by conntrack: their state can't be replicated",
            "remove the flowtable and its `flow add` rules",
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ruleset_is_read_by_words() {
        let names = |text: &str| check_ruleset(text).iter().map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(names("chain post { oifname \"wan0\" masquerade }"), ["masquerade"]);
        assert_eq!(names("ct helper set \"ftp\"\nflowtable f {"), ["helpers", "flowtable"]);
        assert_eq!(names("iifname \"offload\" accept comment \"no masquerade\" # helper"), [""; 0]);
    }

    #[test]
    fn capabilities_are_read_from_the_status_text() {
        assert_eq!(effective("Name:\tx\nCapEff:\t000001ffffffffff\n"), Some(0x1ff_ffff_ffff));
        assert_eq!(effective("Name:\tx\n"), None);
    }
}
