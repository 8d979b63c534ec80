//! Golden bytes, groups by what a message states, and a seeded mutation loop.

use super::*;
use crate::linux::netlink::{parse_message, Builder, Messages};
use proptest::prelude::*;

/// `xorshift64*`, so that a failure repeats from its printed seed.
struct Noise(u64);
impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn tcp_record() -> FlowRecord {
    FlowRecord {
        key: FlowKey {
            src: 0x0a01_0032,
            dst: 0x0a02_003c,
            src_port: 2001,
            dst_port: 21,
            zone: 5,
            protocol: protocol::TCP,
            family: Family::V4,
        },
        groups: Groups::STATUS.with(Groups::SCALES).with(Groups::LIFETIME).with(Groups::MARK),
        tcp_state: tcp_state::ESTABLISHED,
        status: status::SEEN_REPLY | status::ASSURED,
        scales: [7, 9],
        tcp_flags: [3, 1],
        class: lifetime_class::ASSURED,
        lifetime_s: 300,
        mark: 0x1234,
        ..Default::default()
    }
}

fn created(record: &FlowRecord) -> Vec<u8> {
    let mut out = Vec::new();
    build::create(&mut out, 1, record, record.lifetime_s, true).unwrap();
    out
}

fn parsed(bytes: &[u8]) -> CtMessage {
    parse(&parse_message(bytes).unwrap().0).unwrap()
}

#[test]
fn a_create_request_reads_back_as_a_new_event() {
    let record = tcp_record();
    let message = parsed(&created(&record));
    assert_eq!(message.kind, CtKind::New);
    assert_eq!(message.record, record);
    assert_eq!((message.zone, message.unsupported), (5, None));
    assert_eq!(message.status_raw, u32::from(record.status) | status_local::CONFIRMED);
}

#[test]
fn a_delete_request_has_golden_bytes_and_always_a_tuple() {
    let mut out = Vec::new();
    build::delete(&mut out, 9, &FlowKey { zone: 0, ..tcp_record().key }, Some(0x0102_0304));
    build::request_ack(&mut out, 0);
    #[rustfmt::skip]
    let golden = [
        80, 0, 0, 0, 2, 1, 5, 0, 9, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0,
        52, 0, 1, 0x80,
        20, 0, 1, 0x80, 8, 0, 1, 0, 10, 1, 0, 50, 8, 0, 2, 0, 10, 2, 0, 60,
        28, 0, 2, 0x80, 5, 0, 1, 0, 6, 0, 0, 0, 6, 0, 2, 0, 0x07, 0xd1, 0, 0, 6, 0, 3, 0, 0, 21, 0, 0,
        8, 0, 12, 0, 1, 2, 3, 4,
    ];
    assert_eq!(out, golden);
    assert_eq!(parsed_kind(&out), Err(ParseError::Missing(attribute::TUPLE_REPLY)));
}

fn parsed_kind(bytes: &[u8]) -> Result<CtKind, ParseError> {
    parse(&parse_message(bytes).unwrap().0).map(|message| message.kind)
}

/// A row as the kernel would send it, with a part left out or added.
fn row(record: &FlowRecord, extra: impl FnOnce(&mut Builder<'_>)) -> CtMessage {
    let mut out = Vec::new();
    let mut message = Builder::new(&mut out, MESSAGE_NEW, 0, 0, &[2, 0, 0, 0]);
    // The tuples alone, taken from a create of the same flow.
    let create = created(&FlowRecord { groups: Groups::NONE, ..*record });
    let (source, _) = parse_message(&create).unwrap();
    for part in Attributes::new(&source.payload[4..]).flatten() {
        if matches!(part.kind, attribute::TUPLE_ORIGINAL | attribute::TUPLE_REPLY) {
            message.put(part.kind, part.value);
        }
    }
    extra(&mut message);
    message.finish();
    parsed(&out)
}

#[test]
fn a_group_is_set_only_when_all_of_it_is_known() {
    let record = tcp_record();
    let bare = row(&record, |_| {});
    assert_eq!((bare.kind, bare.record.groups), (CtKind::Update, Groups::NONE));
    let no_state = row(&record, |message| {
        message.put_be32(attribute::STATUS, 0xe);
        message.put_be32(attribute::TIMEOUT, 60);
    });
    assert_eq!((no_state.record.groups, no_state.status_raw), (Groups::NONE, 0xe));
    let half_scales = row(&record, |message| {
        message.nest(attribute::PROTOINFO, |info| {
            info.nest(attribute::PROTOINFO_TCP, |tcp| {
                tcp.put(attribute::TCP_STATE, &[3]);
                tcp.put(attribute::TCP_WSCALE_ORIGINAL, &[7]);
                tcp.put(attribute::TCP_FLAGS_ORIGINAL, &[0x0b, 0]);
            });
        });
        message.put_be32(attribute::STATUS, 0xe);
    });
    assert_eq!(half_scales.record.groups, Groups::STATUS);
}

#[test]
fn local_bits_never_leave_the_kernel() {
    let message = row(&tcp_record(), |message| {
        message.put_be32(attribute::STATUS, 0xffff_07ff & !0x41);
        message.nest(attribute::PROTOINFO, |info| {
            info.nest(attribute::PROTOINFO_TCP, |tcp| {
                tcp.put(attribute::TCP_STATE, &[3]);
                for kind in [attribute::TCP_WSCALE_ORIGINAL, attribute::TCP_WSCALE_REPLY] {
                    tcp.put(kind, &[1]);
                }
                for kind in [attribute::TCP_FLAGS_ORIGINAL, attribute::TCP_FLAGS_REPLY] {
                    tcp.put(kind, &[0xff, 0]);
                }
            });
        });
    });
    assert_eq!(message.record.tcp_flags, [TCP_FLAGS_REPLICATED; 2]);
    assert_eq!(message.record.tcp_flags[0] & TCP_FLAG_BE_LIBERAL, 0);
    assert_eq!(message.record.status, status::REPLICATED);
}

#[test]
fn what_a_copy_cannot_honour_is_named() {
    let with = |extra: &dyn Fn(&mut Builder<'_>)| row(&tcp_record(), |message| extra(message)).unsupported;
    assert_eq!(with(&|m| m.put(attribute::HELP, &[])), Some(Unsupported::Helper));
    let synproxy = |value| with(&|m| m.nest(attribute::SYNPROXY, |fields| fields.put_be32(1, value)));
    assert_eq!((synproxy(0), synproxy(7)), (None, Some(Unsupported::Synproxy)));
    assert_eq!(with(&|m| m.put(attribute::SEQ_ADJ_REPLY, &[])), Some(Unsupported::SequenceAdjustment));
    assert_eq!(with(&|m| m.put(attribute::TUPLE_MASTER, &[])), Some(Unsupported::Expected));
    assert_eq!(with(&|m| m.put_be32(attribute::STATUS, 1 << 14)), Some(Unsupported::Offload));
    assert_eq!(with(&|m| m.put_be32(attribute::STATUS, 0xe)), None);
}

#[test]
fn an_answered_echo_is_no_translation_but_another_identifier_is() {
    let key = FlowKey { src_port: 77, dst_port: 8 << 8, protocol: protocol::ICMP, ..tcp_record().key };
    let echo = FlowRecord { key, groups: Groups::NONE, ..Default::default() };
    assert_eq!(row(&echo, |_| {}).record.groups, Groups::NONE);
    let answer = FlowKey { src: key.dst, dst: key.src, dst_port: 0, ..key };
    assert!(!is_translated(&key, &answer));
    assert!(is_translated(&key, &FlowKey { src_port: 78, ..answer }));
    let unanswered = FlowRecord { key: FlowKey { dst_port: 5 << 8, ..key }, ..echo };
    assert_eq!(build::create(&mut Vec::new(), 1, &unanswered, 1, true), Err(BuildError::NoAnswerType(5)));
}

#[test]
fn mutated_messages_never_panic() {
    let seed = 0x7269_6e65_0001;
    println!("seed {seed:#x}; repeat: cargo test -p trine-daemon mutated_messages_never_panic");
    let mut noise = Noise(seed);
    let nat = Nat { reply_src: 1, reply_dst: 2, reply_src_port: 3, reply_dst_port: 4 };
    let source = created(&FlowRecord { groups: Groups::ALL, labels: 1 << 100, nat, ..tcp_record() });
    for _ in 0..200_000 {
        let mut bytes = source.clone();
        for _ in 0..noise.next() % 6 + 1 {
            let at = noise.next() as usize % bytes.len();
            bytes[at] = noise.next() as u8;
        }
        bytes.truncate(noise.next() as usize % (bytes.len() + 1));
        for message in Messages::new(&bytes).flatten() {
            let _ = parse(&message);
        }
    }
}

proptest! {
    #[test]
    fn any_flow_survives_the_codec(
        src: u128, dst: u128, src_port: u16, dst_port: u16, zone: u16, v6: bool,
        number in prop::sample::select(vec![1u8, 6, 17, 47, 50, 58, 132]), mark: u32, labels in 1u128..,
    ) {
        let narrow = |address: u128| if v6 { address } else { address as u32 as u128 };
        let family = if v6 { Family::V6 } else { Family::V4 };
        let (src_port, dst_port) = match number {
            1 => (src_port, 8 << 8),
            58 => (src_port, 128 << 8),
            50 => (0, 0),
            _ => (src_port, dst_port),
        };
        let key = FlowKey { src: narrow(src), dst: narrow(dst), src_port, dst_port, zone, protocol: number, family };
        let groups = Groups::MARK.with(Groups::LABELS);
        let record = FlowRecord { key, groups, mark, labels, ..Default::default() };
        prop_assert_eq!(parsed(&created(&record)).record, record);
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        for message in Messages::new(&bytes).flatten() {
            let _ = parse(&message);
        }
        let _ = parse(&Message { kind: MESSAGE_NEW, flags: 0, sequence: 0, portid: 0, payload: &bytes });
    }
}
