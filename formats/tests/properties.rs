//! Every value survives its bytes, and no bytes do harm.
//!
//! Decoding may drop what has no meaning here (spare bits, values of absent groups), so encoding a
//! decoded value again only ever clears bits, and does so once.

mod arbitrary;

use arbitrary::*;
use formats::descriptor::{Command, Event};
use formats::frame::split;
use formats::limits::*;
use formats::unit::*;
use formats::{ClusterSecret, FlowDigester, FlowRecord, Record, RecordError, Stamp, Term};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

const RECORD_SIZE_MAX: usize = RECORD_UNITS_MAX * UNIT_SIZE;

fn encoded(record: &Record) -> Vec<u8> {
    let mut bytes = [0; RECORD_SIZE_MAX];
    let units = record.encode(&mut bytes);
    bytes[..units * UNIT_SIZE].to_vec()
}

/// Where, of `bytes` (by place and new value, wrapped to fit), a stranger wrote.
fn mutated(mut bytes: Vec<u8>, edits: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    for (at, value) in edits {
        let at = at.index(bytes.len());
        bytes[at] = *value;
    }
    bytes
}

fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..6)
}

fn only_clears(before: &[u8], after: &[u8]) -> bool {
    before.iter().zip(after).all(|(before, after)| after & !before == 0)
}

fn flow_of(record: &Record) -> Option<&FlowRecord> {
    match record {
        Record::Update(update) => Some(&update.changed),
        Record::Full(flow, _) | Record::Merge(_, _, flow, _) => Some(flow),
        _ => None,
    }
}

fn check_record_bytes(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok((record, units)) = Record::decode(bytes) else { return Ok(()) };
    prop_assert!((1..=RECORD_UNITS_MAX).contains(&units) && units * UNIT_SIZE <= bytes.len());
    if let Some(flow) = flow_of(&record) {
        prop_assert_eq!(*flow, without_absent(flow));
    }
    let again = encoded(&record);
    prop_assert_eq!(again.len(), units * UNIT_SIZE);
    prop_assert!(only_clears(bytes, &again), "{:02x?} became {:02x?}", bytes, again);
    prop_assert_eq!(Record::decode(&again), Ok((record, units)));
    prop_assert_eq!(encoded(&record), again);
    if flow_of(&record).is_none() && !matches!(record, Record::DeleteKeyed(..)) {
        prop_assert_eq!(&bytes[..units * UNIT_SIZE], &encoded(&record)[..]);
    }
    Ok(())
}

fn flows_of(event: &Event) -> Vec<&FlowRecord> {
    match event {
        Event::Applied { record, .. } | Event::Row { record, .. } | Event::AuditMissing { record, .. } => {
            vec![record]
        }
        Event::Merge { theirs, ours, .. } => std::iter::once(theirs).chain(ours).collect(),
        _ => Vec::new(),
    }
}

fn check_command_slot(slot: &[u8; COMMAND_SIZE]) -> Result<(), TestCaseError> {
    let Ok(command) = Command::decode(slot) else { return Ok(()) };
    if let Command::Upsert { record, .. } = &command {
        prop_assert_eq!(*record, without_absent(record));
    }
    let mut again = [0; COMMAND_SIZE];
    command.encode(&mut again);
    prop_assert!(only_clears(slot, &again), "{:?}", command);
    prop_assert_eq!(Command::decode(&again), Ok(command));
    Ok(())
}

fn check_event_slot(slot: &[u8; EVENT_SIZE]) -> Result<(), TestCaseError> {
    let Ok(event) = Event::decode(slot) else { return Ok(()) };
    for flow in flows_of(&event) {
        prop_assert_eq!(*flow, without_absent(flow));
    }
    let mut again = [0; EVENT_SIZE];
    event.encode(&mut again);
    prop_assert!(only_clears(slot, &again), "{:?}", event);
    prop_assert_eq!(Event::decode(&again), Ok(event));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_digest_follows_the_groups_that_change(old in flow(), new in flow()) {
        let digester = FlowDigester::new(&ClusterSecret([7; 32]));
        let changed = old.difference(&new);
        let mut merged = old;
        merged.merge_groups(&new);
        let [before, now] = [&old, &merged].map(|flow| digester.part(flow, changed));
        let digest = FlowDigester::changed(digester.flow_digest(&old), before, now);
        prop_assert_eq!(digest, digester.flow_digest(&merged));
    }

    #[test]
    fn records_round_trip(record in record()) {
        let bytes = encoded(&record);
        prop_assert_eq!(Record::decode(&bytes), Ok((record, bytes.len() / UNIT_SIZE)));
    }

    #[test]
    fn records_in_a_row_are_read_one_by_one(records in prop::collection::vec(record(), 1..8)) {
        let bytes: Vec<u8> = records.iter().flat_map(encoded).collect();
        let mut at = 0;
        for record in records {
            let (read, units) = Record::decode(&bytes[at..]).unwrap();
            prop_assert_eq!(read, record);
            at += units * UNIT_SIZE;
        }
        prop_assert_eq!(at, bytes.len());
    }

    #[test]
    fn commands_round_trip(command in command()) {
        let mut slot = [0; COMMAND_SIZE];
        command.encode(&mut slot);
        prop_assert_eq!(Command::decode(&slot), Ok(command));
    }

    #[test]
    fn events_round_trip(event in event()) {
        let mut slot = [0; EVENT_SIZE];
        event.encode(&mut slot);
        prop_assert_eq!(Event::decode(&slot), Ok(event));
    }

    #[test]
    fn a_slot_used_before_reads_as_the_last_value(first in event(), last in event()) {
        let mut slot = [0; EVENT_SIZE];
        first.encode(&mut slot);
        last.encode(&mut slot);
        prop_assert_eq!(Event::decode(&slot), Ok(last));
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_read_once(
        kind in 0u8..20,
        v6 in any::<bool>(),
        units in 0u8..18,
        mut bytes in prop::collection::vec(any::<u8>(), 0..RECORD_SIZE_MAX + 32),
    ) {
        check_record_bytes(&bytes)?;
        if let [first, second, ..] = &mut bytes[..] {
            (*first, *second) = (kind | u8::from(v6) << 7, units);
        }
        check_record_bytes(&bytes)?;
    }

    #[test]
    fn mutated_records_are_refused_or_read_once(
        record in record(),
        edits in edits(),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = mutated(encoded(&record), &edits);
        check_record_bytes(&bytes)?;
        check_record_bytes(&bytes[..cut.index(bytes.len())])?;
    }

    #[test]
    fn mutated_slots_are_refused_or_read_once(command in command(), event in event(), edits in edits()) {
        let mut slot = [0; COMMAND_SIZE];
        command.encode(&mut slot);
        check_command_slot(mutated(slot.to_vec(), &edits)[..].try_into().unwrap())?;
        let mut slot = [0; EVENT_SIZE];
        event.encode(&mut slot);
        check_event_slot(mutated(slot.to_vec(), &edits)[..].try_into().unwrap())?;
    }

    #[test]
    fn arbitrary_slots_are_refused_or_read_once(
        operation in 0u8..17,
        records in 0u8..4,
        bytes in prop::collection::vec(any::<u8>(), COMMAND_SIZE),
    ) {
        let mut slot: [u8; COMMAND_SIZE] = bytes[..].try_into().unwrap();
        slot[0] = operation;
        check_command_slot(&slot)?;
        check_event_slot(&slot)?;
        let records_at = formats::descriptor::Head::LAYOUT.fields.iter().find(|f| f.name == "records");
        slot[records_at.unwrap().offset] = records;
        check_command_slot(&slot)?;
        check_event_slot(&slot)?;
    }

    #[test]
    fn arbitrary_frames_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = split(&bytes);
    }
}

#[test]
fn records_of_buckets_outside_the_table_are_refused() {
    let end = BUCKETS_COUNT as u16;
    let merge = |bucket| Record::Merge(bucket, Term(1), FlowRecord::default(), Stamp::default());
    let repair = |bucket| Record::Repair(RepairUnit { bucket, ..Default::default() });
    let digest = |bucket| Record::Digest(DigestUnit { bucket, ..Default::default() });
    let begin = |bucket| Record::SnapshotBegin(SnapshotBegin { bucket, ..Default::default() });
    let last = |bucket| Record::SnapshotEnd(SnapshotEnd { bucket, ..Default::default() });
    let term = |bucket| Record::Term(TermUnit { bucket, count: 1, ..Default::default() });
    for make in [&merge as &dyn Fn(u16) -> Record, &repair, &digest, &begin, &last, &term] {
        assert!(Record::decode(&encoded(&make(end - 1))).is_ok());
        assert_eq!(Record::decode(&encoded(&make(end))), Err(RecordError::Value));
    }
    let run = Record::Term(TermUnit { bucket: 1, count: end, ..Default::default() });
    assert_eq!(Record::decode(&encoded(&run)), Err(RecordError::Value));
}

#[test]
fn a_record_s_kind_comes_from_its_variant() {
    let mistaken = RepairUnit { kind: kind::ACK | 0x40, units: 9, ..Default::default() };
    let bytes = encoded(&Record::Repair(mistaken));
    assert_eq!(bytes[..2], [kind::REPAIR, 1]);
}

#[test]
fn every_group_mask_round_trips_in_both_families() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for groups in 0..=u8::MAX {
        for family in [formats::Family::V4, formats::Family::V6] {
            let (full, stamp) = (flow(), stamp()).new_tree(&mut runner).unwrap().current();
            let mask = u128::from(u32::MAX);
            let mut all = FlowRecord { groups: formats::Groups(groups), ..full };
            all.key.family = family;
            if family == formats::Family::V4 {
                (all.key.src, all.key.dst) = (all.key.src & mask, all.key.dst & mask);
                (all.nat.reply_src, all.nat.reply_dst) = (all.nat.reply_src & mask, all.nat.reply_dst & mask);
            }
            let record = Record::Full(without_absent(&all), stamp);
            assert_eq!(Record::decode(&encoded(&Record::Full(all, stamp))).unwrap().0, record);
        }
    }
}
