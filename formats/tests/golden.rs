//! Golden bytes of the current version: every record, frame header, command, event and keyed hash with
//! fixed values.
//!
//! `tests/golden/v0.txt` holds a name and hex bytes a line; trailing zeros of a descriptor are left out.
//! A difference is a change of format: rewrite the file with `TRINE_REWRITE_GOLDEN=1` and review the
//! diff. Files of released versions are never rewritten.

#[path = "golden/values.rs"]
mod values;

use formats::descriptor::{Command, Event, Head};
use formats::frame::{encode_header, split, Envelope, FrameHeader};
use formats::limits::*;
use formats::{ClusterSecret, FlowDigester, FlowHasher, Record, RecordError};
use std::collections::BTreeSet;
use std::fmt::Write;
use values::*;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/v0.txt");

fn header() -> [u8; FRAME_HEADER_SIZE] {
    let envelope = Envelope { dst: [0xd1; 6], src: [0x02, 1, 2, 3, 4, 5], s_tag: 0x0123, c_tag: 0x0456 };
    let header = FrameHeader {
        version: PROTOCOL_VERSION,
        flags: 1,
        cluster: 0x1718_191a,
        sender: 1,
        receiver: 2,
        key_id: 3,
        port: 4,
        sequence: SEQUENCE,
        session: SESSION,
        time_us: 0x0102_0304_0506,
        peer_session: 0xe1e2_e3e4,
        units: 0,
        records: 0x0203,
    };
    let mut bytes = [0; FRAME_HEADER_SIZE];
    encode_header(&envelope, &header, &mut bytes);
    let frame: Vec<u8> = bytes.into_iter().chain([0; FRAME_CRC_SIZE]).collect();
    assert_eq!(split(&frame), Ok((envelope, header, &[][..], 0)));
    bytes
}

fn encoded(record: &Record) -> Vec<u8> {
    let mut bytes = [0; RECORD_UNITS_MAX * UNIT_SIZE];
    let units = record.encode(&mut bytes);
    bytes[..units * UNIT_SIZE].to_vec()
}

fn command_slot(command: &Command) -> [u8; COMMAND_SIZE] {
    let mut slot = [0; COMMAND_SIZE];
    command.encode(&mut slot);
    slot
}

fn event_slot(event: &Event) -> [u8; EVENT_SIZE] {
    let mut slot = [0; EVENT_SIZE];
    event.encode(&mut slot);
    slot
}

fn line(text: &mut String, name: &str, bytes: &[u8]) {
    write!(text, "{name} ").unwrap();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text.push('\n');
}

/// A slot up to its last byte that is not zero.
fn trimmed(slot: &[u8]) -> &[u8] {
    &slot[..slot.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
}

#[test]
fn every_format_has_its_golden_bytes() {
    let mut text = String::new();
    line(&mut text, "frame header", &header());
    for (name, record) in records() {
        line(&mut text, &format!("record {name}"), &encoded(&record));
    }
    for (name, command) in commands() {
        line(&mut text, &format!("command {name}"), trimmed(&command_slot(&command)));
    }
    for (name, event) in events() {
        line(&mut text, &format!("event {name}"), trimmed(&event_slot(&event)));
    }
    let secret = ClusterSecret(core::array::from_fn(|i| i as u8));
    let (hasher, digester) = (FlowHasher::new(&secret), FlowDigester::new(&secret));
    for (name, record) in records() {
        // Hashes are no bytes of a frame, but members that hash differently disagree about every flow.
        if let Record::Full(record, _) = record {
            line(&mut text, &format!("flow id of {name}"), &hasher.flow_id(&record.key).0.to_be_bytes());
            line(&mut text, &format!("flow digest of {name}"), &digester.flow_digest(&record).to_be_bytes());
        }
    }
    if std::env::var_os("TRINE_REWRITE_GOLDEN").is_some() {
        std::fs::write(PATH, &text).unwrap();
    }
    let golden = std::fs::read_to_string(PATH).unwrap();
    for (golden, now) in golden.lines().zip(text.lines()) {
        assert_eq!(golden, now, "a format changed; TRINE_REWRITE_GOLDEN=1 if that is meant");
    }
    assert_eq!(golden.lines().count(), text.lines().count());
}

#[test]
fn golden_values_come_back_from_their_bytes() {
    for (name, record) in records() {
        let bytes = encoded(&record);
        assert_eq!(Record::decode(&bytes), Ok((record, bytes.len() / UNIT_SIZE)), "{name}");
    }
    for (name, command) in commands() {
        assert_eq!(Command::decode(&command_slot(&command)), Ok(command), "{name}");
    }
    for (name, event) in events() {
        assert_eq!(Event::decode(&event_slot(&event)), Ok(event), "{name}");
    }
}

#[test]
fn every_kind_and_operation_that_decodes_is_golden() {
    let golden: BTreeSet<u8> = records().iter().map(|(_, record)| encoded(record)[0]).collect();
    for kind in 0..=u8::MAX {
        let mut unit = [0; UNIT_SIZE];
        unit[..2].copy_from_slice(&[kind, 1]);
        let known = Record::decode(&unit) != Err(RecordError::Unknown(1));
        assert_eq!(known, golden.contains(&kind), "record kind {kind}");
    }
    let golden: BTreeSet<u8> = commands().iter().map(|(_, command)| command_slot(command)[0]).collect();
    let base = command_slot(&commands()[0].1);
    for operation in 0..=u8::MAX {
        let known = slots_of(base, operation).iter().any(|slot| Command::decode(slot).is_ok());
        assert_eq!(known, golden.contains(&operation), "command {operation}");
    }
    let golden: BTreeSet<u8> = events().iter().map(|(_, event)| event_slot(event)[0]).collect();
    let base = event_slot(&events()[0].1);
    for operation in 0..=u8::MAX {
        let known = slots_of(base, operation).iter().any(|slot| Event::decode(slot).is_ok());
        assert_eq!(known, golden.contains(&operation), "event {operation}");
    }
}

/// A slot of this operation, with its records and without any.
fn slots_of(mut slot: [u8; COMMAND_SIZE], operation: u8) -> [[u8; COMMAND_SIZE]; 2] {
    let place = |name| Head::LAYOUT.fields.iter().find(|field| field.name == name).expect("a field").offset;
    slot[place("operation")] = operation;
    let mut bare = slot;
    bare[place("records")] = 0;
    [slot, bare]
}
