//! What `trine stat` and `trine flows` print, as JSON.

use crate::config::AgentConfig;
use formats::flow::Family;
use formats::FlowRecord;
use serde_json::{json, Map, Value};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use trine_core::status::Status;
use trine_core::SyncMtu;

/// Name of a member.
pub fn member_name(config: &AgentConfig, member: u8) -> String {
    config.names.get(&member).cloned().unwrap_or_else(|| format!("#{member}"))
}

/// Name of a port: the sync link or a data network.
pub fn port_name(config: &AgentConfig, port: u8) -> String {
    match port.checked_sub(1) {
        None => "sync".into(),
        Some(network) => config
            .networks
            .get(network as usize)
            .map_or_else(|| format!("port {port}"), |network| network.name.clone()),
    }
}

/// The answer to `stat`; `counters` are the NIC's.
pub fn stat(
    config: &AgentConfig,
    status: &Status,
    counters: impl Iterator<Item = (&'static str, u64)>,
) -> Value {
    let name = |member: u8| member_name(config, member);
    let serving = status.owner == Some(config.member);
    let peers: Vec<Value> = status
        .peers
        .iter()
        .map(|peer| {
            let paths: Map<String, Value> = peer
                .paths
                .iter()
                .enumerate()
                .map(|(port, up)| (port_name(config, port as u8), json!(up)))
                .collect();
            json!({
                "name": name(peer.member),
                "up": peer.up,
                "reloading": peer.reloading,
                "sync_mtu_ok": mtu_ok([peer.mtu].into_iter()),
                "paths": paths,
            })
        })
        .collect();
    let mut all: Map<String, Value> = counters.map(|(name, value)| (snake(name), json!(value))).collect();
    all.extend(status.counters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    let coverage = status.coverage;
    json!({
        "member": name(config.member),
        "state": if status.sync_lost { "sync-lost" } else { status.state.name() },
        "serving": serving,
        "sync_mtu_ok": mtu_ok(status.peers.iter().map(|peer| peer.mtu)),
        "groups": [{
            "name": config.group,
            "owner": status.owner.map(name),
            "term": format!("{}.{}", status.term.0, status.term.1),
            "role": if serving { "owner" } else { "standby" },
            "in_sync": status.in_sync,
            "verified_buckets": status.verified_buckets,
            "oldest_proof_ms": status.oldest_proof_us / 1_000,
        }],
        "peers": peers,
        "flows": {
            "total": coverage.flows,
            "protected": coverage.protected,
            "current": coverage.current,
            "dirty_buckets": coverage.dirty_buckets,
            "unprotected": status.unprotected,
        },
        "counters": all,
    })
}

/// Whether full frames pass to all; nothing while that is not known.
fn mtu_ok(mut peers: impl Iterator<Item = SyncMtu> + Clone) -> Option<bool> {
    if peers.clone().any(|mtu| matches!(mtu, SyncMtu::TooSmall { .. })) {
        return Some(false);
    }
    peers.all(|mtu| mtu == SyncMtu::Ok).then_some(true)
}

/// `FramesReceived` -> `frames_received`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for (index, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    // The counter of records from a member that does not own the bucket is what operators look for.
    if out == "records_not_owner" {
        "not_owner".into()
    } else {
        out
    }
}

fn address(family: Family, value: u128) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::from(value as u32)),
        Family::V6 => IpAddr::V6(Ipv6Addr::from(value)),
    }
}

/// A line of the answer to `flows`.
pub fn flow(record: &FlowRecord) -> Value {
    let key = &record.key;
    let end = |value, port| format!("{} {port}", address(key.family, value));
    let nat = record.alias().map(|alias| {
        json!({ "reply_src": end(alias.src, alias.src_port), "reply_dst": end(alias.dst, alias.dst_port) })
    });
    json!({
        "protocol": key.protocol,
        "zone": key.zone,
        "src": end(key.src, key.src_port),
        "dst": end(key.dst, key.dst_port),
        "groups": format!("{:?}", record.groups),
        "tcp_state": record.tcp_state,
        "status": record.status,
        "lifetime_s": record.lifetime_s,
        "mark": record.mark,
        "nat": nat,
    })
}
