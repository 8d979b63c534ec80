//! What an engine is told when it is made, and the time it is given.

use formats::limits::*;
use formats::{ClusterSecret, Groups};

/// Both clocks at the moment of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic local time in µs; timers run on it.
    pub local_us: u64,
    /// Cluster time in µs; may step, the engine keeps its maximum.
    pub cluster_us: u64,
}

/// Configuration of an engine.
#[derive(Clone, Debug)]
pub struct Config {
    /// Own member number.
    pub member: u8,
    /// Cluster number.
    pub cluster: u32,
    /// Secret that keys flow ids and digests.
    pub secret: ClusterSecret,
    /// Own start, cluster time in µs; rises from start to start.
    pub session: u64,
    /// Members of the cluster besides this one.
    pub peers: Vec<u8>,
    /// Ports of the NIC; 0 is the sync link.
    pub ports: u8,
    /// Own MAC address per port.
    pub macs: [[u8; 6]; PORTS_MAX],
    /// Service tag of sync frames.
    pub s_tag: u16,
    /// Customer tag of sync frames.
    pub c_tag: u16,
    /// Largest frame to send, from the MAC addresses to the checksum, in bytes.
    pub frame_size: usize,
    /// Bits of a flow id that name its table set, at least 10.
    pub set_bits: u32,
    /// Entries of a set.
    pub ways: usize,
    /// Flows the overflow store holds.
    pub overflow_max: usize,
    /// Interval of heartbeats in µs.
    pub beat_us: u64,
    /// Silence after which a path is late, in µs.
    pub late_us: u64,
    /// Silence after which a path is silent, in µs.
    pub silent_us: u64,
    /// Time after which a host that does not renew its liveness counts as dead, in µs.
    pub host_alive_us: u64,
    /// Interval in which each bucket's digest is sent, in µs.
    pub digest_us: u64,
    /// Field groups that replicate; equal in the whole cluster.
    pub replicate: Groups,
    /// Events that may wait for the host.
    pub events_max: usize,
    /// Closed frames per peer that may wait for [`crate::Softnic::transmit`].
    pub queue_frames_max: usize,
    /// Rules left out on purpose; empty but in simulations.
    pub omissions: Omissions,
}

/// Without the feature `omissions` there is nothing to leave out.
#[cfg(not(feature = "omissions"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Omissions {}

/// Rules of the protocol that a simulation takes out, to show that it finds what they prevent.
#[cfg(feature = "omissions")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Omissions {
    /// An UPDATE applies when it is merely newer, whatever its base.
    pub newer_wins_partial: bool,
    /// Deletes leave no tombstone.
    pub no_tombstone: bool,
    /// Any sender's records apply.
    pub no_authority: bool,
    /// A snapshot sends a host's copy of the bucket, taken at its begin and stamped as it leaves.
    pub host_copy_snapshot: bool,
    /// The digest is a plain sum of words.
    pub linear_digest: bool,
    /// A snapshot counts as equal at its begin.
    pub early_in_sync: bool,
}

/// The smallest frame holds the largest record and room for authentication.
const FRAME_SIZE_MIN: usize =
    FRAME_HEADER_SIZE + (RECORD_UNITS_MAX + AUTHENTICATION_UNITS) * UNIT_SIZE + FRAME_CRC_SIZE;
/// Slots of a table are numbered with 32 bits.
const SLOTS_BITS_MAX: u32 = 31;
const _: () = assert!(FRAME_SIZE_MIN <= FRAME_SIZE_MAX);

impl Config {
    /// Asserts what the engine relies on: these values come from our own agent, not from outside.
    pub(crate) fn checked(mut self) -> Self {
        self.peers.sort_unstable();
        self.peers.dedup();
        assert!((self.member as usize) < MEMBERS_MAX, "member number");
        assert!(self.peers.iter().all(|peer| (*peer as usize) < MEMBERS_MAX), "peer numbers");
        assert!(!self.peers.contains(&self.member), "a member is no peer of its own");
        assert!(self.session != 0, "session 0 means none");
        assert!(self.ports >= 1 && self.ports as usize <= PORTS_MAX, "ports");
        assert!((FRAME_SIZE_MIN..=FRAME_SIZE_MAX).contains(&self.frame_size), "frame size");
        assert!((BUCKET_BITS..=SLOTS_BITS_MAX).contains(&self.set_bits), "set bits");
        assert!(self.ways >= 1 && self.ways <= 1 << (SLOTS_BITS_MAX - self.set_bits), "ways");
        assert!(self.beat_us > 0 && self.digest_us > 0, "intervals");
        assert!(self.events_max >= 16 && self.queue_frames_max >= 1, "queues");
        self
    }

    /// Units of records that fit a frame.
    pub(crate) fn frame_units(&self) -> usize {
        (self.frame_size - FRAME_HEADER_SIZE - FRAME_CRC_SIZE) / UNIT_SIZE - AUTHENTICATION_UNITS
    }
}

macro_rules! omission {
    ($name:ident) => {
        /// Whether the rule is left out; always `false` in the default build.
        #[inline(always)]
        pub(crate) fn $name(&self) -> bool {
            #[cfg(feature = "omissions")]
            return self.omissions.$name;
            #[cfg(not(feature = "omissions"))]
            false
        }
    };
}

impl Config {
    omission!(newer_wins_partial);
    omission!(no_tombstone);
    omission!(no_authority);
    #[cfg(feature = "omissions")]
    omission!(host_copy_snapshot);
    omission!(linear_digest);
    omission!(early_in_sync);
}
