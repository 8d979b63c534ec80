//! Memory of a flow, and a table sent to a member that starts.

use super::table::{Pair, BATCH};
use super::{print, RUNS};
use formats::descriptor::{upsert, Command};
use formats::limits::BUCKETS_COUNT;
use formats::register::Counter;
use formats::{Family, FlowKey, FlowRecord, Groups, Nat};
use softnic::Tracking;

const FLOWS: u32 = 1 << 20;

/// A translated IPv6 flow with every group.
fn record(n: u32) -> FlowRecord {
    let key = FlowKey {
        src: 0x2001_0db8 << 96 | u128::from(n >> 4),
        dst: 0x2001_0db8 << 96 | 1 << 64,
        src_port: 1024 + (n & 15) as u16,
        dst_port: 443,
        protocol: 6,
        family: Family::V6,
        ..FlowKey::default()
    };
    let nat = Nat {
        reply_src: key.dst,
        reply_dst: 0x2001_0db8 << 96 | 2 << 64 | u128::from(n >> 15),
        reply_src_port: 443,
        reply_dst_port: 1024 + (n & 0x7fff) as u16,
    };
    FlowRecord { key, groups: Groups::ALL, nat, tcp_state: 3, class: 3, mark: n, ..FlowRecord::default() }
}

pub(super) fn measure() {
    let tracking = Tracking { ports: 1, aliases_max: FLOWS, ..Tracking::default() };
    let mut memory = Vec::new();
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        let mut pair = Pair::apart(FLOWS, Some(&tracking));
        let numbers: Vec<u32> = (0..FLOWS).collect();
        for batch in numbers.chunks(BATCH) {
            let made = |n: &u32| Command::Upsert { flags: upsert::NEW, cookie: 1, record: record(*n) };
            let commands: Vec<_> = batch.iter().map(made).collect();
            pair.owner.commands(pair.now(), &commands);
        }
        assert_eq!(pair.owner.counter(Counter::FlowsHeld), u64::from(FLOWS));
        assert_eq!(pair.owner.counter(Counter::AliasesHeld), u64::from(FLOWS));
        memory.push(pair.owner.memory_bytes() as f64 / f64::from(FLOWS));
        let mut owner_ns = 0;
        pair.introduce();
        pair.receive_ns = 0;
        let in_sync = |pair: &Pair| {
            let done = pair.owner.counter(Counter::SnapshotsSent) == BUCKETS_COUNT as u64;
            done && pair.copy.counter(Counter::FlowsHeld) == u64::from(FLOWS)
        };
        while !in_sync(&pair) {
            pair.turn(&mut owner_ns);
        }
        seconds.push((owner_ns + pair.receive_ns) as f64 / 1e9);
        pair.check();
    }
    print("memory of a flow, IPv6 and NAT", "B", &memory);
    print("bulk sync of 1 M flows, both sides", "s", &seconds);
}
