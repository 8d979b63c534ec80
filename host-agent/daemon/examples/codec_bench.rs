//! ns per message of the kernel and per record of the wire, read and written: `cargo xtask bench codec`
//! reads the lines. A median is that of all rounds, the best is the best round's.

use formats::limits::{RECORD_UNITS_MAX, UNIT_SIZE};
use formats::unit::{kind, Compact};
use formats::{FlowId, FlowKey, FlowRecord, Groups, Nat, Record, Stamp, Term, Update};
use std::hint::black_box;
use std::time::Instant;
use trine_daemon::linux::ctnetlink::{build, parse};
use trine_daemon::linux::netlink::Messages;

const MESSAGES: u32 = 20_000;
const ROUNDS: usize = 31;

fn measure(name: &str, mut one: impl FnMut()) {
    let round = |_| {
        let start = Instant::now();
        (0..MESSAGES).for_each(|_| one());
        start.elapsed().as_nanos() as f64 / f64::from(MESSAGES)
    };
    let mut rounds: Vec<f64> = (0..ROUNDS).map(round).collect();
    rounds.sort_unstable_by(f64::total_cmp);
    let (median, best) = (rounds[ROUNDS / 2], rounds[0]);
    println!(r#"{{"name":"{name}","unit":"ns","median":{median:.3},"best":{best:.3}}}"#);
}

fn flow(translated: bool) -> FlowRecord {
    let key = FlowKey {
        src: 0x0a01_0002,
        dst: 0x0a02_000a,
        src_port: 4_000,
        dst_port: 443,
        protocol: 6,
        ..FlowKey::default()
    };
    let nat = Nat { reply_src: key.dst, reply_dst: 0xc000_0201, reply_src_port: 443, reply_dst_port: 50_000 };
    let groups = Groups::STATUS.with(Groups::LIFETIME).with(Groups::SCALES);
    FlowRecord {
        key,
        groups: if translated { groups.with(Groups::NAT) } else { groups },
        tcp_state: 3,
        status: 6,
        class: 3,
        lifetime_s: 432_000,
        scales: [7, 7],
        tcp_flags: [3, 3],
        nat: if translated { nat } else { Nat::default() },
        ..FlowRecord::default()
    }
}

fn kernel_messages() {
    let record = flow(false);
    let mut out = Vec::with_capacity(4096);
    build::create(&mut out, 1, &record, 60, true).expect("TCP has an inverse");
    let message = out.clone();
    // What we ask the kernel to make has the tuples, status and state of what it tells.
    measure("ctnetlink: read", || {
        let message = Messages::new(black_box(&message)).next().expect("one message").expect("whole");
        black_box(parse(&message).expect("a flow"));
    });
    measure("ctnetlink: write a create", || {
        out.clear();
        build::create(&mut out, 1, black_box(&record), 60, true).expect("TCP has an inverse");
        black_box(&out);
    });
    measure("ctnetlink: write an update", || {
        out.clear();
        build::update(&mut out, 1, black_box(&record), Some(60));
        black_box(&out);
    });
    measure("ctnetlink: write a delete", || {
        out.clear();
        build::delete(&mut out, 1, black_box(&record.key), Some(7));
        black_box(&out);
    });
}

fn wire_records() {
    let stamp = Stamp { term: Term(256), version: 7 };
    let compact = Compact { kind: kind::COMPACT, units: 1, tcp_state: 3, ..Compact::default() };
    let update =
        Update { flow_id: FlowId(5), term_low: 0, version: 7, base_distance: 1, changed: flow(false) };
    for (name, record) in [
        ("COMPACT", Record::Compact(compact)),
        ("UPDATE", Record::Update(update)),
        ("FULL", Record::Full(flow(false), stamp)),
        ("FULL, translated", Record::Full(flow(true), stamp)),
    ] {
        let mut bytes = [0; RECORD_UNITS_MAX * UNIT_SIZE];
        measure(&format!("record: write {name}"), || {
            black_box(black_box(&record).encode(&mut bytes));
        });
        let units = record.encode(&mut bytes);
        measure(&format!("record: read {name}"), || {
            black_box(Record::decode(black_box(&bytes[..units * UNIT_SIZE])).expect("a record"));
        });
    }
}

fn main() {
    kernel_messages();
    wire_records();
}
