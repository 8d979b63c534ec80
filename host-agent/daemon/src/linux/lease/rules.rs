//! The lease's tables as an nft script.
//!
//! Enters: a checked configuration. Leaves: text for `nft -f -` that replaces both tables in one
//! transaction. Pure.

use std::fmt::{Display, Write};

use super::{EventMask, LeaseConfig};

/// Bits of `enum ip_conntrack_events`: related 1, destroy 2, assured 4, helper 6, mark 7, sequence
/// adjustment 8, label 10. As a number, because nft 1.0.6 reads some of the names as other words.
const EVENTS_ASSURED: u32 = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10;

/// Removes both tables whether or not they are there.
pub(super) const REMOVAL: &str = "table inet trine\ndelete table inet trine\n\
                                  table arp trine\ndelete table arp trine\n";

fn list<T: Display>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    items.join(", ")
}

/// A set declaration; nft takes no empty element list.
fn set(name: &str, kind: &str, elements: &str) -> String {
    let elements = if elements.is_empty() { String::new() } else { format!(" elements = {{ {elements} }};") };
    format!("  set {name} {{ type {kind};{elements} }}\n")
}

/// The whole script.
pub(super) fn script(config: &LeaseConfig) -> String {
    let interfaces = list(config.interfaces.iter().map(|name| format!("{name:?}")));
    let group_v4 = list(config.addresses_v4.iter());
    let group_v6 = list(config.addresses_v6.iter());
    // The target of a solicitation, as the raw bits that this nft can compare.
    let targets = list(config.addresses_v6.iter().map(|address| format!("{:#034x}", u128::from(*address))));
    let solicitations = if targets.is_empty() {
        String::new()
    } else {
        format!(
            "    icmpv6 type nd-neighbor-solicit @th,64,128 {{ {targets} }} counter name solicitations drop\n"
        )
    };
    let (set_v4, set_v6) = (set("group4", "ipv4_addr", &group_v4), set("group6", "ipv6_addr", &group_v6));
    let mut script = REMOVAL.to_owned();
    // Priority -300 is before conntrack (-200). Own local traffic and neighbour discovery pass by the
    // type of their destination; the group's addresses are looked at first, for they may be local too.
    // Behind conntrack (-200), before the entry is confirmed.
    let events = match config.events {
        EventMask::All => String::new(),
        EventMask::Assured => format!(
            "  chain events {{\n    type filter hook forward priority -150; policy accept;\n\
             \x20   ct state new ct event set {EVENTS_ASSURED:#x}\n  }}\n"
        ),
    };
    write!(
        script,
        "table inet trine {{\n  set lease {{ type ifname; flags timeout; }}\n{set_v4}{set_v6}\
        \x20 counter traffic {{ }}\n  counter solicitations {{ }}\n\
        \x20 chain gate {{\n    type filter hook prerouting priority -300; policy accept;\n\
        \x20   iifname != {{ {interfaces} }} accept\n    iifname @lease accept\n{solicitations}\
        \x20   ip daddr @group4 counter name traffic drop\n    ip6 daddr @group6 counter name traffic drop\n\
        \x20   fib daddr type {{ local, broadcast, multicast, anycast }} accept\n\
        \x20   counter name traffic drop\n  }}\n{events}}}\n\
        table arp trine {{\n  set lease {{ type ifname; flags timeout; }}\n{set_v4}\
        \x20 counter requests {{ }}\n\
        \x20 chain asked {{\n    type filter hook input priority 0; policy accept;\n\
        \x20   iifname {{ {interfaces} }} iifname != @lease arp daddr ip @group4 counter name requests drop\n  }}\n\
        \x20 chain told {{\n    type filter hook output priority 0; policy accept;\n\
        \x20   oifname {{ {interfaces} }} oifname != @lease arp saddr ip @group4 counter name requests drop\n\
        \x20 }}\n}}\n"
    )
    .expect("writing to a string succeeds");
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_gates_before_conntrack_and_looks_at_the_group_first() {
        let config = LeaseConfig {
            interfaces: vec!["lan0".into(), "wan0".into()],
            addresses_v4: vec!["192.0.2.1".parse().unwrap()],
            addresses_v6: vec!["2001:db8::1".parse().unwrap()],
            lease_ms: 50,
            events: EventMask::All,
        };
        let script = script(&config);
        assert!(script.contains("hook prerouting priority -300"));
        assert!(script.contains(r#"iifname != { "lan0", "wan0" } accept"#));
        assert!(script.contains("@th,64,128 { 0x20010db8000000000000000000000001 }"));
        assert!(script.find("ip daddr @group4").unwrap() < script.find("fib daddr type").unwrap());
        assert!(!script.contains("ct event"));
        let shaped = super::script(&LeaseConfig { events: EventMask::Assured, ..config.clone() });
        assert!(shaped.contains("hook forward") && shaped.contains("ct event set 0x5d6\n"));
        let without_v6 = super::script(&LeaseConfig { addresses_v6: vec![], ..config });
        assert!(!without_v6.contains("nd-neighbor-solicit"));
        assert!(without_v6.contains("set group6 { type ipv6_addr; }"));
    }
}
