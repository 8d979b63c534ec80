//! Every way the driver fails, typed, with cause and values. Bad slots are errors of one event; a
//! transport that fails is an error of the operation; nothing here is a panic.

use std::{error, fmt, io};

/// What a transport was asked for when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reading the register at this offset.
    Read {
        /// Byte offset in the BAR.
        offset: u32,
    },
    /// Writing the register at this offset.
    Write {
        /// Byte offset in the BAR.
        offset: u32,
    },
    /// Mapping DMA memory.
    Map {
        /// Bytes asked for.
        size: usize,
    },
    /// Waiting for an interrupt.
    Wait,
}

/// A transport could not do what it was asked.
#[derive(Debug)]
pub struct TransportError {
    /// What was asked.
    pub operation: Operation,
    /// Why it failed.
    pub cause: io::Error,
}

impl TransportError {
    /// An error with its cause.
    pub fn new(operation: Operation, cause: io::Error) -> Self {
        Self { operation, cause }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operation {
            Operation::Read { offset } => write!(f, "reading register {offset:#05x}"),
            Operation::Write { offset } => write!(f, "writing register {offset:#05x}"),
            Operation::Map { size } => write!(f, "mapping {size} B of DMA memory"),
            Operation::Wait => f.write_str("waiting for an interrupt"),
        }?;
        write!(f, " failed: {}", self.cause)
    }
}

impl error::Error for TransportError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// A setting that no NIC can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// Not below [`MEMBERS_MAX`](formats::limits::MEMBERS_MAX).
    Member(u8),
    /// Session 0 means "none" on the wire.
    SessionZero,
    /// Timers must be above zero and rise: beat, late, silent.
    Timers {
        /// Interval of heartbeats.
        beat_us: u32,
        /// Silence until late.
        late_us: u32,
        /// Silence until silent.
        silent_us: u32,
    },
    /// The host's liveness and the digest interval must be above zero.
    Interval(&'static str),
    /// Too small for one record, or above [`FRAME_SIZE_MAX`](formats::limits::FRAME_SIZE_MAX).
    FrameSize(u32),
    /// A setting of how packets are tracked, by name.
    Tracking(&'static str),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(member) => write!(f, "member {member} is not a member number"),
            Self::SessionZero => f.write_str("session 0 means none"),
            Self::Timers { beat_us, late_us, silent_us } => {
                write!(f, "timers must rise: beat {beat_us} µs, late {late_us} µs, silent {silent_us} µs")
            }
            Self::Interval(name) => write!(f, "{name} must be above zero"),
            Self::FrameSize(size) => write!(f, "frames of {size} B are impossible"),
            Self::Tracking(name) => write!(f, "tracking with this {name} is impossible"),
        }
    }
}

impl error::Error for SettingsError {}

/// Why a NIC was not brought up.
#[derive(Debug)]
pub enum OpenError {
    /// The transport failed.
    Transport(TransportError),
    /// The block is no NIC of ours.
    BlockType {
        /// What the identity register reads.
        found: u32,
    },
    /// The register map has another major version.
    BlockVersion {
        /// The NIC's version, major << 16 | minor.
        nic: u32,
        /// This driver's version.
        driver: u32,
    },
    /// The NIC was built from other formats.
    FormatsDigest {
        /// The NIC's digest.
        nic: u64,
        /// This driver's digest.
        driver: u64,
    },
    /// A setting that no NIC can hold.
    Settings(SettingsError),
    /// Slots of a ring must be a power of two between the limits of [`RingSize`](crate::RingSize).
    RingSlots(u32),
    /// A register does not hold what was written.
    ReadBack {
        /// The register's name.
        register: &'static str,
        /// What was written.
        written: u32,
        /// What it reads.
        read: u32,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(cause) => cause.fmt(f),
            Self::BlockType { found } => write!(f, "no NIC: block type {found:#010x}"),
            Self::BlockVersion { nic, driver } => {
                write!(f, "register map version {nic:#010x} of the NIC, {driver:#010x} of the driver")
            }
            Self::FormatsDigest { nic, driver } => {
                write!(f, "formats digest {nic:016x} of the NIC, {driver:016x} of the driver")
            }
            Self::Settings(cause) => cause.fmt(f),
            Self::RingSlots(slots) => write!(f, "a ring cannot have {slots} slots"),
            Self::ReadBack { register, written, read } => {
                write!(f, "{register} reads {read:#x} after {written:#x} was written")
            }
        }
    }
}

impl error::Error for OpenError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Transport(cause) => Some(cause),
            Self::Settings(cause) => Some(cause),
            Self::BlockType { .. }
            | Self::BlockVersion { .. }
            | Self::FormatsDigest { .. }
            | Self::RingSlots(_)
            | Self::ReadBack { .. } => None,
        }
    }
}

impl From<TransportError> for OpenError {
    fn from(cause: TransportError) -> Self {
        Self::Transport(cause)
    }
}

impl From<SettingsError> for OpenError {
    fn from(cause: SettingsError) -> Self {
        Self::Settings(cause)
    }
}

/// The command ring has no free slot; ring the doorbell and try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("command ring full")
    }
}

impl error::Error for Full {}

/// Why a slot of the event ring gave no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventError {
    /// The slot holds no event; it was skipped and counted.
    Descriptor {
        /// Index of the event, modulo 2^32.
        index: u32,
    },
    /// The slot belongs to a pass that cannot be: the NIC lost its place. The ring is halted.
    Phase {
        /// Index of the event, modulo 2^32.
        index: u32,
        /// The phase the next event will have.
        expected: u32,
        /// The phase in memory.
        found: u32,
    },
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Descriptor { index } => write!(f, "slot {index:#x} of the event ring holds no event"),
            Self::Phase { index, expected, found } => {
                write!(f, "event ring halted: slot {index:#x} has phase {found:#x}, not {expected:#x}")
            }
        }
    }
}

impl error::Error for EventError {}
