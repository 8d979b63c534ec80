//! Writing and reading the connection table.

use formats::flow::{lifetime_class, protocol, status, tcp_state};
use formats::{Family, FlowKey, FlowRecord, Groups, Nat};
use trine_daemon::linux::conntrack::{Completion, Op, Outcome, Reader, Writer};
use trine_daemon::linux::ctnetlink::{CtMessage, TCP_FLAG_BE_LIBERAL};
use trine_daemon::linux::sysctl;

use super::namespace::{thread_cpu_s, Namespace};

/// A namespace whose conntrack reports every flow.
pub(crate) fn tracking_namespace() -> Namespace {
    let namespace = Namespace::new();
    namespace.run(|| sysctl::CONNTRACK_EVENTS.set(1).unwrap());
    namespace
}

/// Flow `number`: TCP, established, in zone 5, marked, with its address and port translated both ways.
pub(crate) fn translated(number: u16) -> FlowRecord {
    let key = FlowKey {
        src: 0x0a01_0032,
        dst: 0xcb00_7101,
        src_port: 1_024 + number,
        dst_port: 443,
        zone: 5,
        protocol: protocol::TCP,
        family: Family::V4,
    };
    FlowRecord {
        key,
        groups: Groups::STATUS
            .with(Groups::SCALES)
            .with(Groups::LIFETIME)
            .with(Groups::MARK)
            .with(Groups::NAT),
        tcp_state: tcp_state::ESTABLISHED,
        status: status::SEEN_REPLY | status::ASSURED,
        scales: [7, 9],
        tcp_flags: [3, 3],
        class: lifetime_class::ASSURED,
        lifetime_s: 300,
        mark: 0x1234,
        nat: Nat {
            reply_src: 0x0a02_003c,
            reply_dst: 0xc633_6409,
            reply_src_port: 8_443,
            reply_dst_port: 40_000 + number,
        },
        ..Default::default()
    }
}

/// A flow of two IPv6 hosts over UDP, its source address translated and its port kept.
fn translated_v6() -> FlowRecord {
    let [src, dst, outside] =
        [0x2001_0db8_u128 << 96 | 1, 0x2001_0db8_u128 << 96 | 2, 0x2001_0db8_u128 << 96 | 3];
    let key = FlowKey {
        src,
        dst,
        src_port: 5_353,
        dst_port: 53,
        protocol: protocol::UDP,
        family: Family::V6,
        zone: 0,
    };
    FlowRecord {
        key,
        tcp_state: 0,
        groups: Groups::STATUS.with(Groups::LIFETIME).with(Groups::NAT),
        nat: Nat { reply_src: dst, reply_dst: outside, reply_src_port: 53, reply_dst_port: 5_353 },
        mark: 0,
        scales: [0; 2],
        tcp_flags: [0; 2],
        ..translated(0)
    }
}

/// An echo request in flight whose identifier was translated.
fn translated_echo() -> FlowRecord {
    let key =
        FlowKey { src_port: 77, dst_port: 8 << 8, protocol: protocol::ICMP, zone: 0, ..translated(0).key };
    FlowRecord {
        key,
        groups: Groups::STATUS.with(Groups::LIFETIME).with(Groups::NAT),
        tcp_state: 0,
        status: 0,
        class: lifetime_class::NEW,
        lifetime_s: 30,
        nat: Nat { reply_src: key.dst, reply_dst: 0xc633_6409, reply_src_port: 999, reply_dst_port: 0 },
        ..Default::default()
    }
}

pub(crate) fn execute(writer: &mut Writer, op: Op<'_>) -> Outcome {
    let mut outcome = None;
    writer.push(7, op);
    writer.flush(|Completion { token, outcome: found }| outcome = Some((token, found))).unwrap();
    let (token, found) = outcome.expect("one operation completes once");
    assert_eq!(token, 7);
    found
}

fn create(writer: &mut Writer, record: &FlowRecord) -> Outcome {
    execute(writer, Op::Create { record, timeout_s: record.lifetime_s })
}

/// Asserts that two records say the same, the seconds left apart.
pub(crate) fn assert_same(found: &FlowRecord, expected: &FlowRecord) {
    assert_eq!(found.key, expected.key);
    assert_eq!(expected.difference(found).without(Groups::MARK), Groups::NONE, "{found:?}");
    assert_eq!(found.difference(expected), Groups::NONE, "{found:?}");
    assert!(expected.lifetime_s.abs_diff(found.lifetime_s) <= 1);
}

fn dumped(reader: &mut Reader) -> Vec<CtMessage> {
    let mut rows = Vec::new();
    let summary = reader.dump(|row| rows.push(row)).unwrap();
    assert_eq!((summary.rows, summary.malformed), (rows.len() as u64, 0));
    rows
}

#[test]
fn a_flow_comes_back_as_it_was_written_with_its_exact_translation() {
    tracking_namespace().run(|| {
        let (mut writer, mut reader) = (Writer::open().unwrap(), Reader::open().unwrap());
        for record in [translated(1), translated_v6(), translated_echo()] {
            assert_eq!(create(&mut writer, &record), Outcome::Ok, "{record:?}");
            let row = reader.get(&record.key).unwrap().expect("the flow just made");
            assert_same(&row.record, &record);
            assert_eq!(row.unsupported, None);
            assert_eq!(dumped(&mut reader).iter().filter(|one| one.ct_id == row.ct_id).count(), 1);
        }
        assert_eq!(dumped(&mut reader).len(), 3);
        assert_eq!(sysctl::CONNTRACK_COUNT.read().unwrap(), 3);
        let elsewhere = FlowKey { zone: 6, ..translated(1).key };
        assert!(reader.get(&elsewhere).unwrap().is_none());
    });
}

#[test]
fn an_existing_flow_is_named_and_recreated_on_request() {
    tracking_namespace().run(|| {
        let (mut writer, mut reader) = (Writer::open().unwrap(), Reader::open().unwrap());
        let record = translated(1);
        assert_eq!(create(&mut writer, &record), Outcome::Ok);
        assert_eq!(create(&mut writer, &record), Outcome::Exists);
        // Another flow may not take the same translated port either.
        let thief = FlowRecord { key: FlowKey { src: 0x0a01_0099, ..record.key }, ..record };
        assert_eq!(create(&mut writer, &thief), Outcome::Exists);
        // A closed flow is open again afterwards. Its id proves nothing: the kernel derives it from
        // tuple and memory, and the new life may get the memory of the old one.
        let closed = FlowRecord { tcp_state: tcp_state::CLOSE, groups: Groups::STATUS, ..record };
        assert_eq!(execute(&mut writer, Op::Update { record: &closed, timeout_s: None }), Outcome::Ok);
        let op = Op::Recreate { record: &record, timeout_s: 300 };
        assert_eq!(execute(&mut writer, op), Outcome::Ok);
        let new = reader.get(&record.key).unwrap().unwrap();
        assert_same(&new.record, &record);
        let counters = writer.counters();
        assert_eq!((counters.pushed, counters.done, counters.failed), (5, 3, 2));
    });
}

#[test]
fn a_delete_ends_only_the_life_it_names() {
    tracking_namespace().run(|| {
        let (mut writer, mut reader) = (Writer::open().unwrap(), Reader::open().unwrap());
        let key = translated(1).key;
        assert_eq!(create(&mut writer, &translated(1)), Outcome::Ok);
        let ct_id = reader.get(&key).unwrap().unwrap().ct_id;
        let stale = Op::Delete { key: &key, ct_id: Some(ct_id ^ 1) };
        assert_eq!(execute(&mut writer, stale), Outcome::Missing);
        assert!(reader.get(&key).unwrap().is_some());
        assert_eq!(execute(&mut writer, Op::Delete { key: &key, ct_id: Some(ct_id) }), Outcome::Ok);
        assert_eq!(execute(&mut writer, Op::Delete { key: &key, ct_id: None }), Outcome::Missing);
        assert_eq!(dumped(&mut reader).len(), 0);
    });
}

#[test]
fn updates_change_only_their_groups_and_refusals_keep_their_reason() {
    tracking_namespace().run(|| {
        let (mut writer, mut reader) = (Writer::open().unwrap(), Reader::open().unwrap());
        let record = translated(1);
        let update = |writer: &mut Writer, record: &FlowRecord, timeout_s| {
            execute(writer, Op::Update { record, timeout_s })
        };
        assert_eq!(update(&mut writer, &record, None), Outcome::Missing);
        assert_eq!(create(&mut writer, &record), Outcome::Ok);
        let closing = FlowRecord {
            tcp_state: tcp_state::FIN_WAIT,
            mark: 9,
            groups: Groups::STATUS.with(Groups::MARK),
            ..record
        };
        assert_eq!(update(&mut writer, &closing, Some(60)), Outcome::Ok);
        let found = reader.get(&record.key).unwrap().unwrap().record;
        assert_eq!((found.tcp_state, found.mark, found.nat, found.scales), (4, 9, record.nat, record.scales));
        assert!(found.lifetime_s <= 60);
        let taken_back = FlowRecord { status: status::SEEN_REPLY, groups: Groups::STATUS, ..record };
        assert_eq!(update(&mut writer, &taken_back, None), Outcome::Refused(libc::EBUSY));
        let fixed =
            FlowRecord { status: record.status | status::FIXED_TIMEOUT, groups: Groups::STATUS, ..record };
        assert_eq!(update(&mut writer, &fixed, None), Outcome::Ok);
        assert_eq!(update(&mut writer, &fixed, Some(9)), Outcome::Refused(libc::EPERM));
    });
}

#[test]
fn a_liberal_flow_says_so_in_the_kernel_and_nowhere_else() {
    let namespace = tracking_namespace();
    namespace.run(|| {
        let mut writer = Writer::open().unwrap();
        let record = FlowRecord { key: FlowKey { zone: 0, ..translated(1).key }, ..translated(1) };
        assert_eq!(create(&mut writer, &record), Outcome::Ok);
        assert_eq!(execute(&mut writer, Op::Liberal { key: &record.key }), Outcome::Ok);
        let found = Reader::open().unwrap().get(&record.key).unwrap().unwrap();
        assert_same(&found.record, &record);
        assert_eq!(found.record.tcp_flags[0] & TCP_FLAG_BE_LIBERAL, 0);
    });
}

#[test]
fn a_full_batch_completes_in_order() {
    use trine_daemon::linux::conntrack::writer::OPERATIONS_MAX;
    tracking_namespace().run(|| {
        let mut writer = Writer::open().unwrap();
        let mut number = 0;
        while !writer.is_full() {
            let record = translated(number / 2);
            writer.push(u64::from(number), Op::Create { record: &record, timeout_s: 300 });
            number += 1;
        }
        let mut completions = Vec::new();
        writer.flush(|completion| completions.push(completion)).unwrap();
        assert_eq!((completions.len(), writer.queued()), (OPERATIONS_MAX, 0));
        for (index, completion) in completions.iter().enumerate() {
            let expected = if index % 2 == 0 { Outcome::Ok } else { Outcome::Exists };
            assert_eq!(*completion, Completion { token: index as u64, outcome: expected });
        }
    });
}

#[test]
fn writing_and_reading_stay_within_their_cost() {
    const FLOWS: u16 = 50_000;
    tracking_namespace().run(|| {
        let (mut writer, mut reader) = (Writer::open().unwrap(), Reader::open().unwrap());
        let plain = |number| {
            let record = translated(0);
            let groups = record.groups.without(Groups::NAT);
            FlowRecord { key: FlowKey { src_port: number, zone: 0, ..record.key }, groups, ..record }
        };
        let mut measure = |name: &str, push: &dyn Fn(&mut Writer, &FlowRecord)| {
            let (mut refused, begin) = (0, thread_cpu_s());
            for number in 0..FLOWS {
                push(&mut writer, &plain(number));
                if writer.is_full() || number + 1 == FLOWS {
                    writer.flush(|done| refused += u32::from(done.outcome != Outcome::Ok)).unwrap();
                }
            }
            let cost_us = (thread_cpu_s() - begin) * 1e6 / f64::from(FLOWS);
            println!("{name}: {cost_us:.2} µs each");
            assert_eq!(refused, 0);
            assert!(cost_us < 20.0);
        };
        measure("create", &|writer, record| writer.push(0, Op::Create { record, timeout_s: 300 }));
        measure("update", &|writer, record| writer.push(0, Op::Update { record, timeout_s: Some(300) }));
        let begin = thread_cpu_s();
        assert_eq!(dumped(&mut reader).len(), usize::from(FLOWS));
        println!("dump: {:.2} µs each", (thread_cpu_s() - begin) * 1e6 / f64::from(FLOWS));
        measure("recreate", &|writer, record| writer.push(0, Op::Recreate { record, timeout_s: 300 }));
        measure("delete", &|writer, record| writer.push(0, Op::Delete { key: &record.key, ct_id: None }));
        assert_eq!(sysctl::CONNTRACK_COUNT.read().unwrap(), 0);
    });
}
