//! The stream of conntrack events.

use std::time::Duration;

use trine_daemon::linux::conntrack::{EventConfig, EventSource, Op, Outcome, Writer};
use trine_daemon::linux::ctnetlink::{CtKind, CtMessage};
use trine_daemon::linux::netlink::Received;

use super::namespace::{await_readable, stays_silent, thread_cpu_s};
use super::table::{assert_same, execute, tracking_namespace, translated};

fn next(source: &mut EventSource) -> Vec<CtMessage> {
    let mut events = Vec::new();
    let received = source.receive(|event| events.push(event)).unwrap();
    assert_ne!(received, Received::Overrun);
    events
}

fn source(ignored: &[u32]) -> EventSource {
    EventSource::open(&EventConfig { ignored_portids: ignored.to_vec(), ..Default::default() }).unwrap()
}

#[test]
fn a_new_flow_and_its_change_are_told_with_their_causer() {
    tracking_namespace().run(|| {
        let (mut writer, mut source, record) = (Writer::open().unwrap(), source(&[]), translated(1));
        let mut await_one = || await_readable(&mut source, |source| next(source).pop());
        assert_eq!(execute(&mut writer, Op::Create { record: &record, timeout_s: 300 }), Outcome::Ok);
        let new = await_one();
        assert_eq!((new.kind, new.portid, new.zone), (CtKind::New, writer.portid(), 5));
        assert_same(&new.record, &record);
        assert_eq!(execute(&mut writer, Op::Update { record: &record, timeout_s: Some(99) }), Outcome::Ok);
        let update = await_one();
        assert_eq!((update.kind, update.ct_id), (CtKind::Update, new.ct_id));
    });
}

#[test]
fn an_end_carries_the_id_of_the_life() {
    tracking_namespace().run(|| {
        let (mut writer, mut source, record) = (Writer::open().unwrap(), source(&[]), translated(1));
        assert_eq!(execute(&mut writer, Op::Create { record: &record, timeout_s: 300 }), Outcome::Ok);
        let new = await_readable(&mut source, |source| next(source).pop());
        let op = Op::Delete { key: &record.key, ct_id: Some(new.ct_id) };
        assert_eq!(execute(&mut writer, op), Outcome::Ok);
        let end = await_readable(&mut source, |source| next(source).pop());
        assert_eq!((end.kind, end.ct_id, end.record.key), (CtKind::Destroy, new.ct_id, record.key));
        assert_eq!(end.record.nat, record.nat);
    });
}

#[test]
fn own_echoes_are_dropped_and_another_writers_events_are_seen() {
    tracking_namespace().run(|| {
        let (mut own, mut other) = (Writer::open().unwrap(), Writer::open().unwrap());
        let mut source = source(&[own.portid()]);
        let (first, second) = (translated(1), translated(2));
        let op = |record| Op::Create { record, timeout_s: 300 };
        assert_eq!(execute(&mut own, op(&first)), Outcome::Ok);
        let key = first.key;
        assert_eq!(execute(&mut own, Op::Delete { key: &key, ct_id: None }), Outcome::Ok);
        assert!(stays_silent(&mut source, Duration::from_millis(50), |source| !next(source).is_empty()));
        assert_eq!(execute(&mut other, op(&second)), Outcome::Ok);
        let event = await_readable(&mut source, |source| next(source).pop());
        assert_eq!((event.portid, event.record.key), (other.portid(), second.key));
    });
}

#[test]
fn a_copy_hears_ends_only() {
    tracking_namespace().run(|| {
        let (mut writer, mut source, record) = (Writer::open().unwrap(), source(&[]), translated(1));
        source.listen(false).unwrap();
        assert_eq!(execute(&mut writer, Op::Create { record: &record, timeout_s: 300 }), Outcome::Ok);
        assert_eq!(execute(&mut writer, Op::Update { record: &record, timeout_s: Some(99) }), Outcome::Ok);
        assert_eq!(execute(&mut writer, Op::Delete { key: &record.key, ct_id: None }), Outcome::Ok);
        let first = await_readable(&mut source, |source| next(source).first().copied());
        assert_eq!((first.kind, first.record.key), (CtKind::Destroy, record.key));
        source.listen(true).unwrap();
        assert_eq!(execute(&mut writer, Op::Create { record: &record, timeout_s: 300 }), Outcome::Ok);
        assert_eq!(await_readable(&mut source, |source| next(source).pop()).kind, CtKind::New);
    });
}

#[test]
fn an_overrun_is_never_hidden() {
    tracking_namespace().run(|| {
        let config = EventConfig { receive_buffer_bytes: 16 << 10, ..Default::default() };
        let (mut source, mut writer) = (EventSource::open(&config).unwrap(), Writer::open().unwrap());
        for number in 0..200 {
            writer.push(0, Op::Create { record: &translated(number), timeout_s: 300 });
        }
        writer.flush(|_| {}).unwrap();
        let mut delivered = 0;
        await_readable(&mut source, |source| {
            (source.receive(|_| delivered += 1).unwrap() == Received::Overrun).then_some(())
        });
        assert!(delivered < 200);
        assert_eq!(source.counters().overruns, 1);
    });
}

#[test]
fn a_core_keeps_up_with_200_000_events_per_second() {
    const FLOWS: u16 = 50_000;
    tracking_namespace().run(|| {
        let (mut source, mut writer) = (source(&[]), Writer::open().unwrap());
        let begin = thread_cpu_s();
        let mut refused = 0;
        for number in 0..FLOWS {
            if writer.is_full() {
                writer.flush(|done| refused += u32::from(done.outcome != Outcome::Ok)).unwrap();
            }
            let record = translated(0);
            let mut record =
                formats::FlowRecord { groups: record.groups.without(formats::Groups::NAT), ..record };
            (record.key.src_port, record.key.src) = (number, 0x0a01_0000);
            writer.push(0, Op::Create { record: &record, timeout_s: 300 });
        }
        writer.flush(|done| refused += u32::from(done.outcome != Outcome::Ok)).unwrap();
        let write_us = (thread_cpu_s() - begin) * 1e6 / f64::from(FLOWS);
        let (begin, mut count) = (thread_cpu_s(), 0_u32);
        while source.receive(|event| count += u32::from(event.ct_id != 0)).unwrap() != Received::Empty {}
        let read_us = (thread_cpu_s() - begin) * 1e6 / f64::from(FLOWS);
        println!("create {write_us:.2} µs (with 1 listener), event {read_us:.2} µs of one core each");
        assert_eq!((count, refused), (u32::from(FLOWS), 0));
        assert!(read_us < 5.0, "{read_us} µs per event");
    });
}
