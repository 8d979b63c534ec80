//! The firewall both gateways run, and the kernel settings around it.
//!
//! As strict as an operator would have it: only a connection the table knows, or a new one
//! that begins as it should, may pass. Whatever survives, survives by its restored state.

use super::plan::{CLIENT_V4, FORWARDED_PORT, OUTER_V4};

/// Settings of client, server and bridges.
pub(crate) const HOST_SYSCTLS: &[&str] =
    &["net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0"];

/// Settings of a gateway. Addresses stay when a link goes down, as they do on a gateway whose
/// configuration is managed.
pub(crate) const GATEWAY_SYSCTLS: &[&str] = &[
    "net.ipv6.conf.all.accept_dad=0",
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.all.keep_addr_on_down=1",
    "net.ipv6.conf.default.keep_addr_on_down=1",
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv4.conf.all.send_redirects=0",
    "net.ipv4.conf.default.send_redirects=0",
    "net.netfilter.nf_conntrack_tcp_loose=0",
    "net.netfilter.nf_conntrack_tcp_be_liberal=0",
];

/// The rules, for `nft -f`.
pub(crate) fn ruleset() -> String {
    let only_syn = "tcp flags & (fin|syn|rst|ack) == syn ct state new counter accept";
    format!(
        r#"flush ruleset
table inet firewall {{
  chain input {{
    type filter hook input priority filter; policy accept;
    meta l4proto tcp ct state invalid counter drop
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state invalid counter drop
    ct state established,related counter accept
    iifname "lan" {only_syn}
    iifname "wan" ct status dnat {only_syn}
    iifname "lan" meta l4proto udp ct state new counter accept
  }}
}}
table ip translation {{
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    iifname "wan" ip daddr {OUTER_V4} tcp dport {FORWARDED_PORT} dnat to {CLIENT_V4}
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    oifname "wan" ip saddr 10.1.0.0/24 snat to {OUTER_V4}
  }}
}}
"#
    )
}
