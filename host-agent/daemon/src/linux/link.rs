//! Frames on an interface through packet sockets: the sync link with its two tags, heartbeats on data
//! interfaces, and what address moves need.
//!
//! Enters and leaves: whole Ethernet frames, byte-exact as the other side handed them to its port.
//! Invariants: our own outgoing frames never come up; a received outer tag, which the kernel moves into
//! auxiliary data, is put back in place; a device MTU below what frames need is refused at open. Budget:
//! ≤ 1 µs per jumbo frame each way. Reading is recvmmsg, not a TPACKET_V3 ring: a ring hands a block
//! over when it is full or after a timeout of at least 1 ms, and latency counts more than 0.2 µs a
//! frame. Does not build, check or understand frames, and never waits: the caller polls.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use formats::frame::{ETHERTYPE, ETHERTYPE_C_TAG, ETHERTYPE_S_TAG};
use formats::limits::FRAME_SIZE_MAX;

use super::sys::{self, instruction, Batch, Interface, BATCH_MAX};

/// Ethernet header: both addresses and the first ethertype, which no MTU counts.
pub const ETHERNET_HEADER_BYTES: usize = 14;
/// Both addresses; an outer tag stands behind them.
const ADDRESSES_BYTES: usize = 12;
/// One tag.
const TAG_BYTES: usize = 4;
const ETHERTYPE_ALL: u16 = 0x0003;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Largest untagged frame read on a data interface.
const PLAIN_FRAME_BYTES_MAX: usize = 2_048;
/// Receive and send buffer of a sync link in bytes: 64 MiB hold 3,500 jumbo frames.
const SYNC_BUFFER_BYTES: i32 = 64 << 20;
const PLAIN_BUFFER_BYTES: i32 = 1 << 20;

/// Which frames a port receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sync frames: S-tag, C-tag, our ethertype; of at most this many bytes with both tags.
    Sync {
        /// Largest frame in bytes, both tags counted; at most [`FRAME_SIZE_MAX`].
        frame_bytes_max: usize,
    },
    /// Untagged frames of our ethertype: heartbeats on a data interface.
    Data,
    /// ARP.
    Arp,
    /// ICMPv6 neighbour advertisements.
    NeighbourAdvertisement,
    /// None: the port only sends.
    SendOnly,
}

/// The device MTU that a frame of `frame_bytes` (both tags counted) needs.
pub const fn required_mtu(frame_bytes: usize) -> usize {
    frame_bytes.saturating_sub(ETHERNET_HEADER_BYTES)
}

/// Why a port did not open.
#[derive(Debug)]
pub enum PortError {
    /// The interface can't carry the largest frame.
    MtuTooSmall {
        /// Its name.
        interface: String,
        /// Its MTU in bytes.
        mtu: usize,
        /// The MTU it needs.
        mtu_needed: usize,
    },
    /// A system call failed.
    System {
        /// The interface's name.
        interface: String,
        /// What was being done.
        action: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
}

impl std::fmt::Display for PortError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MtuTooSmall { interface, mtu, mtu_needed } => write!(
                f,
                "interface {interface} has MTU {mtu}, sync frames need {mtu_needed}: \
                 ip link set dev {interface} mtu {mtu_needed}"
            ),
            Self::System { interface, action, error } => {
                write!(f, "interface {interface}: {action}: {error}")
            }
        }
    }
}

impl std::error::Error for PortError {}

/// What went through a [`Port`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounters {
    /// Frames the kernel took.
    pub sent: u64,
    /// Frames handed to the caller.
    pub received: u64,
    /// Frames of batches of which the kernel took only the beginning; the caller still has them.
    pub short_sends: u64,
    /// Batches refused because the device's queue was full (`ENOBUFS`, `EAGAIN`).
    pub no_buffer: u64,
    /// Received frames that did not fit, dropped.
    pub truncated: u64,
}

/// A packet socket on one interface.
pub struct Port {
    fd: OwnedFd,
    interface: Interface,
    batch: Batch,
    counters: PortCounters,
}

impl Port {
    /// Opens a port in the calling thread's network namespace.
    ///
    /// # Errors
    /// [`PortError::MtuTooSmall`]; [`PortError::System`] with `ENODEV` for an unknown interface, `EPERM`
    /// without `CAP_NET_RAW`.
    ///
    /// # Panics
    /// If sync frames are to be larger than [`FRAME_SIZE_MAX`].
    pub fn open(name: &str, mode: Mode) -> Result<Self, PortError> {
        let failed = |action| move |error| PortError::System { interface: name.to_owned(), action, error };
        let interface = sys::interface(name).map_err(failed("look-up"))?;
        let mtu_needed = match mode {
            Mode::Sync { frame_bytes_max } => {
                assert!(frame_bytes_max <= FRAME_SIZE_MAX, "no sync frame is larger");
                required_mtu(frame_bytes_max)
            }
            Mode::Data | Mode::Arp | Mode::NeighbourAdvertisement | Mode::SendOnly => 0,
        };
        if interface.mtu < mtu_needed {
            let (interface, mtu) = (name.to_owned(), interface.mtu);
            return Err(PortError::MtuTooSmall { interface, mtu, mtu_needed });
        }
        let fd = open_socket(&interface, mode).map_err(failed("packet socket"))?;
        let (count, bytes) = match mode {
            Mode::Sync { .. } => (BATCH_MAX, FRAME_SIZE_MAX),
            Mode::Data | Mode::Arp | Mode::NeighbourAdvertisement => (BATCH_MAX / 4, PLAIN_FRAME_BYTES_MAX),
            Mode::SendOnly => (1, ETHERNET_HEADER_BYTES),
        };
        let batch = Batch::new(count, bytes, TAG_BYTES);
        Ok(Self { fd, interface, batch, counters: PortCounters::default() })
    }

    /// The interface's hardware address.
    pub fn mac(&self) -> [u8; 6] {
        self.interface.mac
    }

    /// The interface's MTU in bytes when the port was opened.
    pub fn mtu(&self) -> usize {
        self.interface.mtu
    }

    /// The interface's index.
    pub fn interface_index(&self) -> u32 {
        self.interface.index
    }

    /// Frames that one call of [`recv_batch`](Self::recv_batch) brings at most.
    pub fn batch_max(&self) -> usize {
        self.batch.capacity()
    }

    /// What went through so far.
    pub fn counters(&self) -> PortCounters {
        self.counters
    }

    /// Sends whole frames, at most [`BATCH_MAX`] per system call; returns how many the kernel took.
    ///
    /// Fewer than given means the device's queue is full: the caller keeps the rest or drops it.
    ///
    /// # Errors
    /// `EMSGSIZE` for a frame beyond the MTU, `ENETDOWN` when the interface is down.
    pub fn send_batch(&mut self, frames: &[&[u8]]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < frames.len() {
            match sys::send_batch(self.fd.as_fd(), &frames[taken..]) {
                Ok(count) => {
                    taken += count;
                    self.counters.sent += count as u64;
                }
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::ENOBUFS | libc::EAGAIN) => {
                        self.counters.no_buffer += 1;
                        self.counters.short_sends += (frames.len() - taken) as u64;
                        return Ok(taken);
                    }
                    _ => return Err(error),
                },
            }
        }
        Ok(taken)
    }

    /// Hands at most one batch of waiting frames to `deliver`, without blocking; returns how many.
    ///
    /// # Errors
    /// `ENETDOWN` once, when the interface goes down.
    pub fn recv_batch(&mut self, deliver: &mut dyn FnMut(&[u8])) -> io::Result<usize> {
        let count = match self.batch.receive(self.fd.as_fd()) {
            Ok(count) => count,
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EINTR) => return Ok(0),
                _ => return Err(error),
            },
        };
        let mut delivered = 0;
        for index in 0..count {
            if self.batch.truncated(index) {
                self.counters.truncated += 1;
                continue;
            }
            let tag = self.batch.auxiliary(index).and_then(outer_tag);
            deliver(with_tag(self.batch.with_headroom(index), tag));
            delivered += 1;
        }
        self.counters.received += delivered as u64;
        Ok(delivered)
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn open_socket(interface: &Interface, mode: Mode) -> io::Result<OwnedFd> {
    // Protocol 0 receives nothing until the bind, so no frame slips in before the filter stands.
    let fd = sys::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
    let socket = fd.as_fd();
    let (protocol, program, buffer_bytes) = match mode {
        // Bound to 0x88a8 a socket sees nothing, bound to 0x8100 it loses the outer tag.
        Mode::Sync { .. } => (ETHERTYPE_ALL, Some(sync_filter()), SYNC_BUFFER_BYTES),
        Mode::Data => (ETHERTYPE, None, PLAIN_BUFFER_BYTES),
        Mode::Arp => (ETHERTYPE_ARP, None, PLAIN_BUFFER_BYTES),
        Mode::NeighbourAdvertisement => (ETHERTYPE_IPV6, Some(advertisement_filter()), PLAIN_BUFFER_BYTES),
        Mode::SendOnly => (0, None, PLAIN_BUFFER_BYTES),
    };
    if let Some(program) = program {
        sys::attach_filter(socket, &program)?;
    }
    sys::set_option(socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
    sys::set_option(socket, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)?;
    sys::set_option(socket, libc::SOL_PACKET, libc::PACKET_AUXDATA, 1)?;
    // The kernel doubles the value it is given.
    sys::set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, buffer_bytes / 2)?;
    sys::set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, buffer_bytes / 2)?;
    sys::bind_packet(socket, interface.index, protocol)?;
    Ok(fd)
}

/// Tag control and ethertype of the tag that the kernel took off, if it did.
fn outer_tag((status, control, kind): (u32, u16, u16)) -> Option<[u8; TAG_BYTES]> {
    if status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let kind = if status & libc::TP_STATUS_VLAN_TPID_VALID == 0 { ETHERTYPE_C_TAG } else { kind };
    let ([k0, k1], [c0, c1]) = (kind.to_be_bytes(), control.to_be_bytes());
    Some([k0, k1, c0, c1])
}

/// The frame in `slot`, whose first [`TAG_BYTES`] are headroom, with the tag put back.
fn with_tag(slot: &mut [u8], tag: Option<[u8; TAG_BYTES]>) -> &[u8] {
    match tag {
        Some(tag) if slot.len() >= TAG_BYTES + ADDRESSES_BYTES => {
            slot.copy_within(TAG_BYTES..TAG_BYTES + ADDRESSES_BYTES, 0);
            slot[ADDRESSES_BYTES..ADDRESSES_BYTES + TAG_BYTES].copy_from_slice(&tag);
            slot
        }
        Some(_) | None => &slot[TAG_BYTES..],
    }
}

const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
/// Offset of the kernel's own fields about a packet (`SKF_AD_OFF`).
const KERNEL_FIELDS: u32 = -0x1000i32 as u32;
const FIELD_TAG_PRESENT: u32 = KERNEL_FIELDS + 48;
const FIELD_TAG_ETHERTYPE: u32 = KERNEL_FIELDS + 60;

/// Passes frames with S-tag, C-tag and our ethertype, the outer tag stripped or in place.
fn sync_filter() -> Vec<libc::sock_filter> {
    let [s_tag, c_tag, ours] = [ETHERTYPE_S_TAG, ETHERTYPE_C_TAG, ETHERTYPE].map(u32::from);
    vec![
        instruction(LOAD_HALF, 0, 0, FIELD_TAG_PRESENT),
        instruction(EQUAL, 6, 0, 0),
        // Outer tag stripped: its ethertype, then inner tag and ethertype at 12 and 16.
        instruction(LOAD_HALF, 0, 0, FIELD_TAG_ETHERTYPE),
        instruction(EQUAL, 0, 11, s_tag),
        instruction(LOAD_HALF, 0, 0, 12),
        instruction(EQUAL, 0, 9, c_tag),
        instruction(LOAD_HALF, 0, 0, 16),
        instruction(EQUAL, 6, 7, ours),
        // Outer tag in place: at 12, 16 and 20.
        instruction(LOAD_HALF, 0, 0, 12),
        instruction(EQUAL, 0, 5, s_tag),
        instruction(LOAD_HALF, 0, 0, 16),
        instruction(EQUAL, 0, 3, c_tag),
        instruction(LOAD_HALF, 0, 0, 20),
        instruction(EQUAL, 0, 1, ours),
        instruction(RETURN, 0, 0, u32::MAX),
        instruction(RETURN, 0, 0, 0),
    ]
}

/// Passes ICMPv6 neighbour advertisements without extension headers.
fn advertisement_filter() -> Vec<libc::sock_filter> {
    vec![
        instruction(LOAD_BYTE, 0, 0, ETHERNET_HEADER_BYTES as u32 + 6),
        instruction(EQUAL, 0, 3, libc::IPPROTO_ICMPV6 as u32),
        instruction(LOAD_BYTE, 0, 0, ETHERNET_HEADER_BYTES as u32 + 40),
        instruction(EQUAL, 0, 1, super::neighbour::ADVERTISEMENT.into()),
        instruction(RETURN, 0, 0, u32::MAX),
        instruction(RETURN, 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stripped_tag_returns_to_its_place() {
        let mut slot: Vec<u8> = (0..30).collect();
        let tag =
            outer_tag((libc::TP_STATUS_VLAN_VALID | libc::TP_STATUS_VLAN_TPID_VALID, 100, 0x88a8)).unwrap();
        let frame = with_tag(&mut slot, Some(tag));
        assert_eq!(frame[..12], (4..16).collect::<Vec<u8>>()[..]);
        assert_eq!(frame[12..16], [0x88, 0xa8, 0, 100]);
        assert_eq!(frame[16..], (16..30).collect::<Vec<u8>>()[..]);
        assert_eq!(with_tag(&mut [1; 9], None).len(), 5);
        assert_eq!(with_tag(&mut [1; 9], Some(tag)).len(), 5);
    }

    #[test]
    fn the_mtu_error_names_the_repair() {
        let error = PortError::MtuTooSmall {
            interface: "sync0".into(),
            mtu: 1500,
            mtu_needed: required_mtu(FRAME_SIZE_MAX),
        };
        assert_eq!(
            error.to_string(),
            "interface sync0 has MTU 1500, sync frames need 9008: ip link set dev sync0 mtu 9008"
        );
    }
}
