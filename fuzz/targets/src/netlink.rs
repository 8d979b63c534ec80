//! A datagram of conntrack messages, as the kernel (or whoever speaks in its name) sends it.

use formats::limits::{RECORD_UNITS_MAX, UNIT_SIZE};
use formats::{Record, Stamp};
use trine_daemon::linux::ctnetlink::parse;
use trine_daemon::linux::netlink::Messages;

/// Reads every message of the datagram; a flow that parses must survive the sync link.
pub fn run(bytes: &[u8]) {
    let mut payload_size = 0;
    for message in Messages::new(bytes) {
        let Ok(message) = message else { break };
        payload_size += message.payload.len();
        assert!(payload_size <= bytes.len());
        let _ = (message.error_code(), message.is_done());
        let Ok(flow) = parse(&message) else { continue };
        check(Record::Full(flow.record, Stamp::default()));
    }
}

fn check(record: Record) {
    let mut bytes = [0; RECORD_UNITS_MAX * UNIT_SIZE];
    let units = record.encode(&mut bytes);
    assert_eq!(Record::decode(&bytes[..units * UNIT_SIZE]), Ok((record, units)));
}
