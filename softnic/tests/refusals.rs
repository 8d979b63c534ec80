//! Each reason to refuse a frame, a record or a command has its counter, and the books close after it.

mod net;

use formats::descriptor::{upsert, Command, Event};
use formats::flow::Direction;
use formats::frame::{encode_header, split, Envelope, FrameHeader};
use formats::limits::*;
use formats::register::Counter;
use formats::unit::*;
use formats::{FlowHasher, FlowId, FlowKey, FlowRecord, Groups, Record, Stamp, Update};
use net::*;

/// A frame of member 0 for member 1, with header and records as asked.
fn frame(adjust: impl Fn(&mut FrameHeader), records: &[Record]) -> Vec<u8> {
    let mut bytes = vec![0; FRAME_HEADER_SIZE];
    for record in records {
        let mut units = [0; RECORD_UNITS_MAX * UNIT_SIZE];
        let count = record.encode(&mut units);
        bytes.extend_from_slice(&units[..count * UNIT_SIZE]);
    }
    let mut header = FrameHeader {
        version: PROTOCOL_VERSION,
        cluster: CLUSTER,
        sender: 0,
        receiver: 1,
        sequence: 1_000_000,
        session: 1000,
        time_us: EPOCH_US,
        units: ((bytes.len() - FRAME_HEADER_SIZE) / UNIT_SIZE) as u16,
        records: records.len() as u16,
        ..FrameHeader::default()
    };
    adjust(&mut header);
    let envelope = Envelope { s_tag: 100, c_tag: 10, ..Envelope::default() };
    encode_header(&envelope, &header, (&mut bytes[..FRAME_HEADER_SIZE]).try_into().unwrap());
    let crc = crc32fast::hash(&bytes[FRAME_CRC_FROM..]);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// Member 0 owns everything, member 1 holds the copy; the latter's engine is under test.
fn pair() -> Net {
    let mut net = Net::new(2, 1, |config| config.digest_us = u64::MAX);
    net.start();
    net.command(0, upsert_new(record(1, 3)));
    net.run(100_000, 1_000);
    assert!(net.engine(1).flow(&key(1)).is_some());
    net
}

/// Gives a frame to member 1 and asserts that exactly this counter rose, by one.
fn assert_counts(net: &mut Net, port: u8, bytes: &[u8], counter: Counter) {
    let before = net.counter(1, counter);
    let now = net.now();
    let engine = &mut net.members[1].engine;
    engine.receive(now, port, bytes);
    assert_eq!(engine.counter(counter), before + 1, "{counter:?}");
    engine.balance().unwrap();
}

fn id(key: &FlowKey) -> FlowId {
    FlowHasher::new(&SECRET).flow_id(key)
}

#[test]
fn every_refused_frame_is_counted_by_its_reason() {
    let mut net = pair();
    let good = frame(|_| {}, &[]);
    let refuse = |net: &mut Net, bytes: &[u8], counter| assert_counts(net, 0, bytes, counter);
    refuse(&mut net, &good[..20], Counter::FrameShort);
    refuse(&mut net, &vec![0; FRAME_SIZE_MAX + 1], Counter::FrameLong);
    refuse(&mut net, &[0; 80], Counter::FrameForeign);
    refuse(&mut net, &frame(|h| h.version = 9, &[]), Counter::FrameVersion);
    refuse(&mut net, &frame(|h| h.units = 3, &[]), Counter::FrameLength);
    let mut broken = good.clone();
    *broken.last_mut().unwrap() ^= 1;
    refuse(&mut net, &broken, Counter::FrameCrc);
    refuse(&mut net, &frame(|h| h.port = 1, &[]), Counter::FrameForeign);
    refuse(&mut net, &frame(|h| h.cluster = 1, &[]), Counter::FrameCluster);
    refuse(&mut net, &frame(|h| h.sender = 1, &[]), Counter::FrameSender);
    refuse(&mut net, &frame(|h| h.sender = 77, &[]), Counter::FrameSender);
    refuse(&mut net, &frame(|h| h.sender = 200, &[]), Counter::FrameSender);
    refuse(&mut net, &frame(|h| h.receiver = 5, &[]), Counter::FrameReceiver);
    refuse(&mut net, &frame(|h| h.session = 999, &[]), Counter::FrameSession);
    refuse(&mut net, &frame(|h| h.sequence = 0, &[]), Counter::FrameSequence);
    refuse(&mut net, &good, Counter::FramesAccepted);
    refuse(&mut net, &good, Counter::FrameSequence);
    assert!(net.counter(1, Counter::FramesMissing) > 900_000, "the jump was counted");
}

#[test]
fn leaps_to_the_end_of_two_sequences_are_taken() {
    let mut net = Net::new(3, 1, |_| {});
    net.start();
    for (sender, session) in [(0, 1000), (2, 1002)] {
        let last = frame(|h| (h.sender, h.session, h.sequence) = (sender, session, u64::MAX), &[]);
        assert_counts(&mut net, 0, &last, Counter::FramesAccepted);
        assert_counts(&mut net, 0, &last, Counter::FrameSequence);
    }
}

#[test]
fn a_higher_session_is_reported_once_per_pause_and_none_before_it_is_welcomed() {
    let mut net = pair();
    let now = net.now();
    let engine = &mut net.members[1].engine;
    (0..9).for_each(|_| engine.receive(now, 0, &frame(|h| h.session = 2000, &[])));
    let sessions = std::iter::from_fn(|| engine.next_event())
        .filter(|event| matches!(event, Event::Session { peer: 0, session: 2000, .. }));
    assert_eq!(sessions.count(), 1);
}

#[test]
fn every_refused_record_is_counted_by_its_reason() {
    let mut net = pair();
    let (FlowRecord { incarnation, .. }, stamp, _) = net.engine(1).flow(&key(1)).unwrap();
    let (flow, flow_id) = (record(1, 3), id(&key(1)));
    let low = stamp.term.0 as u8;
    let mut sequence = 2_000_000;
    let mut give = |record: Record, counter| {
        sequence += 1;
        assert_counts(&mut net, 0, &frame(|h| h.sequence = sequence, &[record]), counter);
    };
    let newer = |n| Stamp { version: stamp.version + n, ..stamp };
    let update = |version, base_distance, term_low| {
        let changed = FlowRecord { key: FlowKey::default(), groups: Groups::STATUS, tcp_state: 4, ..flow };
        Record::Update(Update { flow_id, term_low, version, base_distance, changed })
    };
    let compact = |back: u64| {
        let version_low = (stamp.version + 3 - back) as u16;
        Record::Compact(Compact { term_low: low, flow_id: flow_id.0, version_low, ..Compact::default() })
    };
    let held = FlowRecord { incarnation, ..flow };
    give(Record::Full(held, stamp), Counter::RecordsUnchanged);
    give(Record::Full(FlowRecord { tcp_state: 5, ..held }, newer(1)), Counter::RecordsApplied);
    give(Record::Full(held, stamp), Counter::RecordsStale);
    give(update(stamp.version + 3, 1, low), Counter::RecordsGapped);
    give(update(stamp.version + 2, 1, low), Counter::RecordsApplied);
    give(compact(1), Counter::RecordsGapped);
    give(compact(0), Counter::RecordsApplied);
    let window = |back: u64| {
        let version_low = (stamp.version + 4 - back) as u16;
        let unit = Window { term_low: low, flow_id: flow_id.0, version_low, ..Window::default() };
        Record::Window(Direction::Reply, unit)
    };
    give(window(1), Counter::RecordsGapped);
    // The flow has no edges that a packet could have moved.
    give(window(0), Counter::RecordsMalformed);
    give(update(stamp.version + 4, 1, low + 1), Counter::RecordsTerm);
    let other_term = Stamp { term: term(9, 0), ..newer(9) };
    give(Record::Full(held, other_term), Counter::RecordsTerm);
    give(Record::DeleteKeyed(key(1), stamp), Counter::RecordsStale);
    let end =
        DeleteUnit { term_low: low, flow_id: flow_id.0, version: stamp.version + 9, ..Default::default() };
    give(Record::Delete(end), Counter::RecordsApplied);
    give(Record::Delete(end), Counter::RecordsUnchanged);
    give(Record::Full(held, newer(2)), Counter::RecordsStale);
    give(Record::DeleteKeyed(key(2), newer(1)), Counter::RecordsApplied);
    give(Record::Capabilities(CapabilitiesUnit::default()), Counter::RecordsControl);
    give(
        Record::Term(TermUnit { bucket: 1000, count: 100, ..Default::default() }),
        Counter::RecordsMalformed,
    );
    give(Record::Repair(RepairUnit { bucket: 1024, ..Default::default() }), Counter::RecordsMalformed);
    give(Record::Merge(id(&key(1)).bucket() ^ 1, term(1, 0), held, stamp), Counter::RecordsMalformed);
}

#[test]
fn malformed_and_unknown_units_are_counted_and_the_rest_skipped() {
    let mut net = pair();
    let mut sequence = 2_000_000;
    let mut give = |unit: [u8; 16], counter| {
        sequence += 1;
        let mut bytes = frame(|h| (h.sequence, h.units) = (sequence, 1), &[]);
        bytes.truncate(FRAME_HEADER_SIZE);
        bytes.extend_from_slice(&unit);
        let crc = crc32fast::hash(&bytes[FRAME_CRC_FROM..]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        assert!(split(&bytes).is_ok());
        assert_counts(&mut net, 0, &bytes, counter);
    };
    give([0; 16], Counter::RecordsMalformed);
    give([99, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Counter::RecordsUnknown);
    give([99, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Counter::RecordsMalformed);
}

#[test]
fn a_stranger_may_not_write_and_is_answered_with_the_term() {
    let mut net = Net::new(3, 1, |_| {});
    net.start();
    let stamp = Stamp { term: term(1, 0), version: 5 };
    let bytes =
        frame(|h| (h.sender, h.session, h.sequence) = (2, 1002, 9_000), &[Record::Full(record(7, 3), stamp)]);
    assert_counts(&mut net, 0, &bytes, Counter::RecordsNotOwner);
    assert!(net.engine(1).flow(&key(7)).is_none());
    let now = net.now();
    let engine = &mut net.members[1].engine;
    let events: Vec<_> = std::iter::from_fn(|| engine.next_event()).collect();
    assert!(events.iter().any(|event| matches!(event, Event::NotOwner { peer: 2, .. })));
    let mut answered = false;
    engine.transmit(now, &mut |_, bytes| {
        let (_, header, mut units, _) = split(bytes).unwrap();
        while let Ok((record, count)) = Record::decode(units) {
            answered |= header.receiver == 2 && matches!(record, Record::Term(unit) if unit.owner == 0);
            units = &units[count * UNIT_SIZE..];
        }
    });
    assert!(answered);
}

#[test]
fn data_networks_carry_heartbeats_only() {
    let mut net = pair();
    let digest = Record::Digest(DigestUnit::default());
    let bytes = frame(|h| h.port = 1, &[digest]);
    assert_counts(&mut net, 1, &bytes, Counter::RecordsMalformed);
}

#[test]
fn full_tables_refuse_and_say_so() {
    let small = |config: &mut softnic::Config| (config.ways, config.overflow_max) = (1, 3);
    let mut net = Net::new(2, 1, small);
    net.start();
    (0..4000).for_each(|n| net.command(0, upsert_new(record(n, 3))));
    let engine = net.engine(0);
    assert_eq!(engine.counter(Counter::FlowsOverflow), 3);
    let refused = engine.counter(Counter::FlowsFull);
    assert_eq!(refused + engine.counter(Counter::FlowsHeld), 4000);
    engine.balance().unwrap();
    net.run(50_000, 1_000);
    let told = net.members[0].events.iter().filter(|event| matches!(event, Event::Full { .. })).count();
    assert!(told > 0);
    // The copy has less room still: a flow more than it can take is refused there.
    net.members[1].config.overflow_max = 0;
    net.restart(1);
    net.run(200_000, 1_000);
    assert!(net.counter(1, Counter::RecordsFull) > 0);
    net.engine(1).balance().unwrap();
}

#[test]
fn every_refused_command_is_counted_by_its_reason() {
    let mut net = pair();
    let now = net.now();
    let engine = &mut net.members[0].engine;
    let mut give = |command: Command, counter: Counter| {
        let before = engine.counter(counter);
        engine.command(now, &command);
        assert_eq!(engine.counter(counter), before + 1, "{command:?}");
        engine.balance().unwrap();
    };
    let delete = |cookie, n| Command::Delete { cookie, key: key(n) };
    let upsert = |flags, cookie, n| Command::Upsert { flags, cookie, record: record(n, 3) };
    give(upsert(0, 7, 2), Counter::FlowsMade);
    give(upsert(0, 7, 2), Counter::FlowsUnchanged);
    give(Command::Upsert { flags: 0, cookie: 7, record: record(2, 4) }, Counter::FlowsChanged);
    give(delete(8, 2), Counter::DeletesRefused);
    give(delete(7, 2), Counter::FlowsEnded);
    give(delete(7, 2), Counter::DeletesRefused);
    give(Command::AuditBegin, Counter::Commands);
    give(upsert(0, 1, 3), Counter::FlowsMade);
    give(upsert(upsert::AUDIT, 1, 3), Counter::FlowsAuditLost);
    give(delete(0, 3), Counter::FlowsEnded);
    give(upsert(upsert::AUDIT, 1, 3), Counter::FlowsAuditLost);
    let unknown = Command::Peer { peer: 77, session: 1 };
    give(unknown, Counter::CommandsMalformed);
    give(Command::Scan { token: 1, bucket: 1000, count: 25 }, Counter::CommandsMalformed);
    let mut wide = record(4, 3);
    wide.key.src |= 1 << 40;
    give(Command::Upsert { flags: 0, cookie: 0, record: wide }, Counter::CommandsMalformed);
    give(Command::Map(roles(term(1, 0), 0, 0, 1)), Counter::CommandsMalformed);
    let one = formats::descriptor::Roles { count: 1, ..roles(term(0, 0), 0, 1, MEMBER_NONE) };
    give(Command::Map(one), Counter::CommandsTerm);
    for token in 0..64 {
        engine.command(now, &Command::Scan { token, bucket: 0, count: 1 });
    }
    let mut give = |command: Command, counter: Counter| {
        let before = engine.counter(counter);
        engine.command(now, &command);
        assert_eq!(engine.counter(counter), before + 1, "{command:?}");
    };
    give(Command::Scan { token: 65, bucket: 0, count: 1 }, Counter::CommandsFull);
    let engine = &mut net.members[1].engine;
    engine.command(now, &net::upsert(record(9, 3)));
    assert_eq!(engine.counter(Counter::CommandsNotOwner), 1);
}
