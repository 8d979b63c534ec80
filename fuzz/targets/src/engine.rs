//! Frames into the connection engine, as a welcomed peer may send them.
//!
//! The input is the records of frames, cut where the input says so. Envelope, header and checksum are
//! made right, so that the bytes reach what lies behind those checks (`sync_frame` tests them).

use formats::descriptor::{Command, Roles};
use formats::frame::{encode_header, Envelope, FrameHeader};
use formats::limits::*;
use formats::{ClusterSecret, Groups, Term};
use softnic::{Config, Now, Softnic};

const MEMBER: u8 = 1;
const PEER: u8 = 2;
const CLUSTER: u32 = 7;
const SESSION: u64 = 5;
const PEER_SESSION: u64 = 9;
/// Flows the small table holds; more go to the overflow, and more than that are refused.
const OVERFLOW_MAX: usize = 16;
const FRAMES_MAX: usize = 8;
const FRAME_TICK_US: u64 = 700;

/// The engine that targets run; each states what it needs otherwise.
pub(crate) fn config() -> Config {
    Config {
        member: MEMBER,
        cluster: CLUSTER,
        secret: ClusterSecret([0x5a; 32]),
        session: SESSION,
        peers: vec![PEER],
        ports: 1,
        macs: [[2; 6]; PORTS_MAX],
        s_tag: 100,
        c_tag: 10,
        frame_size: FRAME_SIZE_MAX,
        set_bits: BUCKET_BITS,
        ways: 1,
        overflow_max: OVERFLOW_MAX,
        beat_us: 1_000,
        late_us: 3_000,
        silent_us: 9_000,
        host_alive_us: 50_000,
        digest_us: 10_000,
        replicate: Groups::ALL,
        events_max: 64,
        queue_frames_max: 2,
        omissions: Default::default(),
    }
}

/// Half of the buckets are the engine's, half are copies of the peer's.
fn roles(bucket: u16, owner: u8, backup: u8) -> Command {
    let term = Term::new(1, owner).expect("a small counter");
    let count = BUCKETS_COUNT as u16 / 2;
    let remote = MEMBER_NONE;
    Command::Map(Roles { bucket, count, term, owner, backup, remote, successor: backup })
}

fn frame(units: &[u8], sequence: u64, time_us: u64) -> Vec<u8> {
    let header = FrameHeader {
        version: PROTOCOL_VERSION,
        cluster: CLUSTER,
        sender: PEER,
        receiver: MEMBER,
        sequence,
        session: PEER_SESSION,
        time_us,
        peer_session: SESSION as u32,
        units: (units.len() / UNIT_SIZE) as u16,
        records: 1,
        ..FrameHeader::default()
    };
    let mut bytes = vec![0; FRAME_HEADER_SIZE];
    encode_header(&Envelope::default(), &header, (&mut bytes[..]).try_into().expect("64 bytes"));
    bytes.extend_from_slice(units);
    let crc = crc32fast::hash(&bytes[FRAME_CRC_FROM..]);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// Runs the frames of one input through a new engine; its books must close.
pub fn run(bytes: &[u8]) {
    let mut now = Now { local_us: 1_000, cluster_us: 2_000 };
    let mut engine = Softnic::new(config(), now);
    let half = BUCKETS_COUNT as u16 / 2;
    engine.command(now, &Command::Peer { peer: PEER, session: PEER_SESSION });
    engine.command(now, &roles(0, MEMBER, PEER));
    engine.command(now, &roles(half, PEER, MEMBER));
    let mut rest = bytes;
    for sequence in 1..=FRAMES_MAX as u64 {
        let [units, ..] = rest else { break };
        let size = (usize::from(*units) * UNIT_SIZE).min((rest.len() - 1) / UNIT_SIZE * UNIT_SIZE);
        engine.receive(now, 0, &frame(&rest[1..1 + size], sequence, now.cluster_us));
        rest = &rest[1 + size..];
        engine.poll(now);
        engine.transmit(now, &mut |port, frame| assert!(port == 0 && frame.len() <= FRAME_SIZE_MAX));
        while engine.next_event().is_some() {}
        now.local_us += FRAME_TICK_US;
        now.cluster_us += FRAME_TICK_US;
    }
    assert_eq!(engine.balance(), Ok(()));
}
