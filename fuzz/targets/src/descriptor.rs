//! A slot of a ring, as the other side may have written it.

use formats::descriptor::{Command, Event};
use formats::limits::{COMMAND_SIZE, EVENT_SIZE};

/// Reads the bytes, cut or filled up with zeros to a slot, as a command and as an event.
pub fn run(bytes: &[u8]) {
    const { assert!(COMMAND_SIZE == EVENT_SIZE) };
    let mut slot = [0; COMMAND_SIZE];
    let size = bytes.len().min(COMMAND_SIZE);
    slot[..size].copy_from_slice(&bytes[..size]);
    if let Ok(command) = Command::decode(&slot) {
        let mut again = [0; COMMAND_SIZE];
        command.encode(&mut again);
        assert_eq!(Command::decode(&again), Ok(command));
    }
    if let Ok(event) = Event::decode(&slot) {
        let mut again = [0; EVENT_SIZE];
        event.encode(&mut again);
        assert_eq!(Event::decode(&again), Ok(event));
    }
}
