//! A sync frame from the wire: split, then its records one by one.
//!
//! What decodes must encode to bytes that decode to the same, and an unknown kind must be skippable.

use formats::frame::split;
use formats::limits::{RECORD_UNITS_MAX, UNIT_SIZE};
use formats::{Record, RecordError};

/// Reads the bytes as a frame, and as the records of one: most mutated frames stop at their length.
pub fn run(bytes: &[u8]) {
    if let Ok((_, header, units, _)) = split(bytes) {
        assert_eq!(units.len(), header.units as usize * UNIT_SIZE);
        records(units);
    }
    records(bytes);
}

fn records(mut units: &[u8]) {
    while !units.is_empty() {
        let count = match Record::decode(units) {
            Ok((record, count)) => {
                check(&record, count);
                count
            }
            Err(RecordError::Unknown(count)) => count,
            Err(RecordError::Length | RecordError::Value) => return,
        };
        assert!((1..=RECORD_UNITS_MAX).contains(&count));
        units = &units[count * UNIT_SIZE..];
    }
}

fn check(record: &Record, count: usize) {
    let mut bytes = [0; RECORD_UNITS_MAX * UNIT_SIZE];
    assert_eq!(record.encode(&mut bytes), count);
    assert_eq!(Record::decode(&bytes[..count * UNIT_SIZE]), Ok((*record, count)));
}
