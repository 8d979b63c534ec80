//! Frames between two namespaces.

use std::time::{Duration, Instant};

use formats::limits::FRAME_SIZE_MAX;
use trine_daemon::linux::link::{required_mtu, Mode, Port, PortError};

use super::namespace::{await_readable, stays_silent, veth, Namespace};

const SYNC: Mode = Mode::Sync { frame_bytes_max: FRAME_SIZE_MAX };

fn linked(mtu: usize) -> (Namespace, Namespace) {
    let (a, b) = (Namespace::new(), Namespace::new());
    veth(&a, "left", &b, "right", mtu);
    (a, b)
}

fn opened(mode: Mode, mtu: usize) -> (Port, Port, (Namespace, Namespace)) {
    let (a, b) = linked(mtu);
    let left = a.run(|| Port::open("left", mode).unwrap());
    let right = b.run(|| Port::open("right", mode).unwrap());
    (left, right, (a, b))
}

fn sync_frame(from: &Port, to: &Port, bytes: usize) -> Vec<u8> {
    let mut frame =
        [&to.mac()[..], &from.mac(), &[0x88, 0xa8, 0xe0, 100, 0x81, 0, 0x60, 200, 0x88, 0xb5]].concat();
    frame.extend((frame.len()..bytes).map(|at| (at * 7) as u8));
    frame
}

fn receive(port: &mut Port, count: usize) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    await_readable(port, |port| {
        port.recv_batch(&mut |frame| frames.push(frame.to_vec())).unwrap();
        (frames.len() >= count).then_some(())
    });
    frames
}

#[test]
fn a_jumbo_frame_with_two_tags_arrives_byte_for_byte() {
    let (mut left, mut right, _namespaces) = opened(SYNC, required_mtu(FRAME_SIZE_MAX));
    assert_eq!((FRAME_SIZE_MAX, left.mtu()), (9_022, 9_008));
    let frames: Vec<Vec<u8>> =
        (0..100).map(|step| sync_frame(&left, &right, FRAME_SIZE_MAX - 89 * step)).collect();
    let slices: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    assert_eq!(left.send_batch(&slices).unwrap(), frames.len());
    assert_eq!(receive(&mut right, frames.len()), frames);
    assert_eq!((left.counters().sent, right.counters().received), (100, 100));
    assert!(
        stays_silent(&mut left, Duration::from_millis(20), |port| port.recv_batch(&mut |_| {}).unwrap() > 0)
    );
}

#[test]
fn only_sync_frames_come_up() {
    let (mut left, mut right, _namespaces) = opened(SYNC, required_mtu(FRAME_SIZE_MAX));
    let good = sync_frame(&left, &right, 100);
    let altered = |at: usize, byte: u8| {
        let mut frame = good.clone();
        frame[at] = byte;
        frame
    };
    let strange = [altered(12, 0x91), altered(17, 1), altered(21, 0xb6), altered(20, 8)];
    for frame in &strange {
        assert_eq!(left.send_batch(&[frame]).unwrap(), 1);
    }
    assert_eq!(left.send_batch(&[&good]).unwrap(), 1);
    assert_eq!(receive(&mut right, 1), [good]);
}

#[test]
fn too_small_an_mtu_is_refused_with_its_repair() {
    let (a, _b) = linked(9_000);
    let error = a.run(|| Port::open("left", SYNC).err().expect("9,000 B are 8 too few"));
    assert!(matches!(error, PortError::MtuTooSmall { mtu: 9_000, mtu_needed: 9_008, .. }));
    assert!(error.to_string().ends_with("ip link set dev left mtu 9008"), "{error}");
    let missing = a.run(|| Port::open("nowhere", SYNC).err().expect("no such interface"));
    assert!(missing.to_string().contains("nowhere"), "{missing}");
}

#[test]
fn heartbeats_travel_untagged() {
    let (mut left, mut right, _namespaces) = opened(Mode::Data, 1_500);
    let mut frame = [&right.mac()[..], &left.mac(), &[0x88, 0xb5]].concat();
    frame.extend((0..100).map(|at| at as u8));
    let tagged = sync_frame(&left, &right, 100);
    assert_eq!(left.send_batch(&[&tagged, &frame]).unwrap(), 2);
    let received = receive(&mut right, 1);
    assert_eq!(received, [frame]);
}

#[test]
fn a_frame_waits_for_no_timer() {
    let (mut left, mut right, _namespaces) = opened(SYNC, required_mtu(FRAME_SIZE_MAX));
    let frame = sync_frame(&left, &right, 256);
    let mut times: Vec<Duration> = (0..500)
        .map(|_| {
            let begin = Instant::now();
            left.send_batch(&[&frame]).unwrap();
            receive(&mut right, 1);
            begin.elapsed()
        })
        .collect();
    times.sort();
    println!("frame sent to frame read: p50 {:?}, p99 {:?}", times[250], times[495]);
    assert!(times[250] < Duration::from_millis(1));
}
