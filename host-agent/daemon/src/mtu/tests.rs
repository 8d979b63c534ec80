//! Two members over a link that drops what is too long, or any frame by turns.

use super::*;
use formats::limits::{FRAME_SIZE_MAX, PORTS_MAX};
use formats::{ClusterSecret, Groups};

fn probe(member: u8) -> MtuProbe {
    MtuProbe::new(&softnic::Config {
        member,
        cluster: 7,
        secret: ClusterSecret([0; 32]),
        session: 100 + u64::from(member),
        peers: vec![1 - member],
        ports: 1,
        macs: [[member; 6]; PORTS_MAX],
        s_tag: 100,
        c_tag: 10,
        frame_size: FRAME_SIZE_MAX,
        set_bits: 10,
        ways: 8,
        overflow_max: 1,
        beat_us: 1,
        late_us: 1,
        silent_us: 1,
        host_alive_us: 1,
        digest_us: 1,
        replicate: Groups::ALL,
        events_max: 16,
        queue_frames_max: 1,
        omissions: Default::default(),
    })
}

/// Runs both for a time; returns the verdicts of the first with their times in µs.
fn run(us: u64, mut passes: impl FnMut(u64, &[u8]) -> bool) -> Vec<(u64, SyncMtu)> {
    let mut members = [probe(0), probe(1)];
    let mut verdicts = Vec::new();
    for now_us in (0..us).step_by(1_000) {
        members.iter_mut().for_each(|member| member.poll(now_us));
        for from in [0, 1, 0, 1] {
            while let Some(frame) = members[from].next_frame() {
                if passes(now_us, &frame) {
                    assert!(members[1 - from].take(now_us, 0, &frame));
                }
            }
        }
        while let Some((_, verdict)) = members[0].next_verdict() {
            verdicts.push((now_us, verdict));
        }
    }
    verdicts
}

#[test]
fn a_link_that_passes_full_frames_is_proven_at_once() {
    assert_eq!(run(3_000_000, |_, _| true), [(0, SyncMtu::Ok)]);
}

#[test]
fn a_link_that_drops_full_frames_is_named_within_half_a_second_and_proven_when_repaired() {
    let verdicts = run(3_000_000, |now_us, frame| now_us > 1_000_000 || frame.len() <= 1_522);
    let [(small_us, SyncMtu::TooSmall { frame_bytes }), (ok_us, SyncMtu::Ok)] = verdicts[..] else {
        panic!("{verdicts:?}")
    };
    assert!(small_us <= 500_000 && ok_us <= 1_300_000);
    assert!(frame_bytes as usize > FRAME_SIZE_MAX - UNIT_SIZE);
}

#[test]
fn an_mtu_that_shrinks_later_is_noticed() {
    let verdicts = run(4_000_000, |now_us, frame| now_us < 500_000 || frame.len() <= 1_522);
    assert!(matches!(verdicts[..], [(0, SyncMtu::Ok), (_, SyncMtu::TooSmall { .. })]), "{verdicts:?}");
}

#[test]
fn loss_alone_is_no_verdict() {
    let mut count = 0u64;
    let mut lossy = |_: u64, _: &[u8]| {
        count += 1;
        count.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63 == 0
    };
    let verdicts = run(10_000_000, &mut lossy);
    assert!(matches!(verdicts[..], [(_, SyncMtu::Ok)]), "{verdicts:?}");
    assert!(run(3_000_000, |_, _| false).is_empty());
}

#[test]
fn frames_of_others_are_dropped_and_frames_of_the_engine_are_left() {
    let (mut ours, mut theirs) = (probe(0), probe(1));
    theirs.poll(0);
    let mut frame = theirs.next_frame().expect("a question");
    assert!(!ours.take(0, 1, &frame), "a data network carries none");
    frame[FRAME_HEADER_SIZE] ^= 1;
    assert!(ours.take(0, 0, &frame) && ours.next_frame().is_none(), "wrong checksum");
    assert!(!ours.take(0, 0, &[0; 80]));
}
