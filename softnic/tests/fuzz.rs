//! Whatever arrives, the engine neither panics nor loses count.

mod net;

use formats::descriptor::Command;
use formats::frame::split;
use formats::limits::*;
use net::*;
use proptest::prelude::*;
use softnic::Softnic;

/// Sets the checksum, so that a mutation reaches the records.
fn seal(bytes: &mut [u8]) {
    if bytes.len() >= FRAME_HEADER_SIZE + FRAME_CRC_SIZE {
        let end = bytes.len() - FRAME_CRC_SIZE;
        let crc = crc32fast::hash(&bytes[FRAME_CRC_FROM..end]);
        bytes[end..].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Real frames of a busy pair, for member 1.
fn corpus() -> (Net, Vec<(u8, Vec<u8>)>) {
    let mut net = Net::new(3, 3, |_| {});
    net.start();
    let mut frames = Vec::new();
    for n in 0..400u32 {
        net.command(0, upsert_new(record(n % 150, 3)));
        net.command(0, upsert(record(n % 130, 4)));
        net.command(0, Command::Delete { cookie: 0, key: key(n % 50) });
        net.now_us += 1_000;
        let now = net.now();
        net.members[0].engine.poll(now);
        net.members[0].engine.transmit(now, &mut |port, bytes| {
            if split(bytes).unwrap().1.receiver == 1 {
                frames.push((port, bytes.to_vec()));
            }
        });
    }
    (net, frames)
}

fn drain(engine: &mut Softnic) {
    while engine.next_event().is_some() {}
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_frames_never_panic(seed in any::<u64>(), flips in 1u64..6) {
        let (mut net, frames) = corpus();
        let mut chance = Chance(seed);
        let now = net.now();
        let engine = &mut net.members[1].engine;
        let mut sequence = 10_000u64;
        for (port, bytes) in &frames {
            let mut bytes = bytes.clone();
            for _ in 0..flips {
                let from = FRAME_HEADER_SIZE as u64;
                let at = from + chance.below(bytes.len() as u64 - from);
                bytes[at as usize] = if chance.percent(50) { chance.next() as u8 } else { 0xff };
            }
            sequence += 1 + chance.below(2);
            // Sequence: bytes 9 to 16 of the header's own fields.
            bytes[32..40].copy_from_slice(&sequence.to_le_bytes());
            seal(&mut bytes);
            engine.receive(now, *port, &bytes);
            if chance.percent(10) {
                engine.poll(now);
                engine.transmit(now, &mut |_, bytes| assert!(split(bytes).is_ok()));
                drain(engine);
            }
        }
        prop_assert_eq!(engine.balance(), Ok(()));
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000), port in any::<u8>()) {
        let mut net = Net::new(2, 1, |_| {});
        let now = net.now();
        let engine = &mut net.members[0].engine;
        engine.receive(now, port, &bytes);
        let mut bytes = bytes;
        seal(&mut bytes);
        engine.receive(now, port, &bytes);
        prop_assert_eq!(engine.balance(), Ok(()));
    }

    #[test]
    fn random_commands_never_panic(seed in any::<u64>()) {
        let mut net = Net::new(3, 1, |config| config.events_max = 16);
        net.start();
        let mut chance = Chance(seed);
        let now = net.now();
        for _ in 0..2000 {
            let mut slot = [0u8; COMMAND_SIZE];
            let filled = chance.below(512) as usize;
            slot[..filled].iter_mut().for_each(|byte| {
                let value = chance.next();
                *byte = if value & 0x300 == 0 { value as u8 } else { 0 };
            });
            slot[0] = chance.below(16) as u8;
            slot[2] = chance.below(5) as u8;
            let Ok(command) = Command::decode(&slot) else { continue };
            let engine = &mut net.members[0].engine;
            engine.command(now, &command);
            if chance.percent(5) {
                engine.poll(now);
                engine.transmit(now, &mut |_, bytes| assert!(split(bytes).is_ok()));
            }
        }
        prop_assert_eq!(net.engine(0).balance(), Ok(()));
    }
}
