//! Replays of made captures, and of the real ones where they are.

use super::*;
use std::io::Write;
use std::path::PathBuf;

fn run(bytes: &[u8]) -> Report {
    replay(bytes, &Options::default(), &mut |_, _| {})
}

/// A capture of one DNS exchange over bare IP, and a packet of another protocol.
fn exchange() -> Vec<u8> {
    let ip = |src: [u8; 4], dst: [u8; 4], ports: [u16; 2], protocol: u8| {
        let mut bytes = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, protocol, 0, 0];
        bytes.extend(src.into_iter().chain(dst));
        ports.iter().for_each(|port| bytes.extend(port.to_be_bytes()));
        bytes.extend([0, 8, 0, 0]);
        bytes
    };
    let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let packets = [ip(a, b, [5000, 53], 17), ip(b, a, [53, 5000], 17), ip(a, b, [0, 0], 89)];
    let mut bytes =
        vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
    for (n, packet) in packets.iter().enumerate() {
        for word in [n as u32, 0, 28, 28] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(packet);
    }
    bytes
}

#[test]
fn a_capture_ends_in_equal_tables() {
    let report = run(&exchange());
    assert!(report.passed(), "{}", report.text());
    assert_eq!((report.intake.packets, report.tracked), (3, 2));
    assert_eq!(report.untracked.get("Protocol"), Some(&1));
    assert_eq!(report.flows.get(&("UDP".into(), "answered")), Some(&1));
    assert_eq!(report.digests[0], report.digests[1]);
    assert_eq!(report.json()["passed"], true);
    assert!(report.text().contains("books closed"));
}

#[test]
fn a_cut_capture_is_proven_as_far_as_it_goes_but_does_not_pass() {
    let whole = exchange();
    let report = run(&whole[..whole.len() - 5]);
    assert!(report.proven() && !report.passed());
    assert_eq!(report.intake.packets, 2);
    assert!(report.text().contains("FAULT after 2 packets: the capture is cut short"), "{}", report.text());
    assert!(!run(b"not a capture").passed());
}

#[test]
fn times_may_jump_both_ways() {
    let mut bytes = exchange();
    bytes[24..28].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(run(&bytes).proven());
    let mut bytes = exchange();
    bytes[24 + 44..28 + 44].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(run(&bytes).proven());
}

/// Real captures: the folder in `TRINE_TRACES`, by default `shared/traces` beside the repository.
fn traces() -> Vec<PathBuf> {
    let folder = std::env::var_os("TRINE_TRACES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/traces")),
        PathBuf::from,
    );
    let ends = [".pcap", ".pcapng", ".cap"];
    let is_capture = |path: &PathBuf| ends.iter().any(|end| path.to_string_lossy().ends_with(end));
    let mut paths: Vec<_> = folder
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(is_capture)
        .collect();
    paths.sort();
    if paths.is_empty() {
        // Not by the macro, whose text a passing test keeps to itself.
        let text = format!("NOT TESTED: no captures in {} (set TRINE_TRACES)\n", folder.display());
        std::io::stderr().write_all(text.as_bytes()).expect("standard error takes text");
    }
    paths
}

#[test]
fn every_trace_ends_in_equal_tables_and_closed_books() {
    for path in traces() {
        let file = std::fs::File::open(&path).expect("a readable capture");
        let report = replay(std::io::BufReader::new(file), &Options::default(), &mut |_, _| {});
        assert!(report.passed(), "{}\n{}", path.display(), report.text());
        assert!(report.trouble.is_empty(), "{}\n{}", path.display(), report.text());
    }
}

/// Deterministic chance (SplitMix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut x = *state;
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

#[test]
fn a_hundred_thousand_mutated_packets_break_nothing() {
    const PACKETS: usize = 100_000;
    let seed: u64 =
        std::env::var("TRINE_SEED").map_or(1, |seed| seed.parse().expect("TRINE_SEED is a number"));
    println!("repeat with TRINE_SEED={seed}");
    let mut chance = seed;
    let mut frames = Vec::new();
    let mut keep = |bytes: &[u8]| {
        let Ok(mut capture) = Capture::open(bytes) else { return };
        while let Ok(Some(packet)) = capture.next_packet() {
            let mut frame = Vec::new();
            if link::to_ethernet(&packet, &mut frame) {
                frames.push((packet.time_us, frame));
            }
        }
    };
    keep(&exchange());
    traces().iter().for_each(|path| keep(&std::fs::read(path).expect("a readable capture")));
    let mut pair = Pair::new(&Options::default());
    for n in 0..PACKETS {
        // In their order, so that flows live on; one in two with a few bits or bytes changed.
        let (_, frame) = &frames[n % frames.len()];
        let mut frame = frame.clone();
        for _ in 0..next(&mut chance) % 4 {
            let at = next(&mut chance) as usize % frame.len().clamp(1, 90);
            match next(&mut chance) % 3 {
                0 => frame[at] ^= 1 << (next(&mut chance) % 8),
                1 => frame[at] = next(&mut chance) as u8,
                _ => frame.truncate(at.max(1)),
            }
        }
        pair.packet(n as u64 * 500, &frame);
    }
    pair.settle();
    let report = Report::new(&pair, Intake { packets: PACKETS as u64, ..Intake::default() });
    assert!(report.passed(), "{}", report.text());
}
