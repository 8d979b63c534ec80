//! The system calls of this layer behind safe functions; every `unsafe` of the daemon's Linux side.
//!
//! Enters: descriptors, byte slices, plain numbers. Leaves: `io::Error` with the kernel's errno, never
//! a bare -1. Invariant: a buffer handed to the kernel is borrowed for the whole call and its length is
//! taken from the slice. Does not retry, wait (except [`wait_readable`]) or interpret anything.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Datagrams per batch call.
pub const BATCH_MAX: usize = 64;
/// Control bytes kept per received datagram, in 8-byte words: one `tpacket_auxdata`.
const CONTROL_WORDS: usize = 6;
/// `struct cmsghdr` on 64-bit Linux: length (8), level (4), type (4).
const CONTROL_HEADER_BYTES: usize = size_of::<libc::cmsghdr>();
const _: () = assert!(CONTROL_HEADER_BYTES + size_of::<libc::tpacket_auxdata>() <= CONTROL_WORDS * 8);

fn check(result: libc::c_int) -> io::Result<usize> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result as usize)
    }
}

fn check_size(result: libc::ssize_t) -> io::Result<usize> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result as usize)
    }
}

/// Opens a non-blocking, close-on-exec socket.
pub fn socket(domain: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd =
        check(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, protocol) })?;
    // SAFETY: the descriptor is new, valid and owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Binds a netlink socket without groups and returns the port id the kernel chose.
pub fn bind_netlink(fd: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: sockaddr_nl is plain data, all zero is a valid value.
    let mut address: libc::sockaddr_nl = unsafe { zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    let mut length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
    // SAFETY: pointer and length describe `address`, which outlives the call.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) })?;
    // SAFETY: the kernel writes at most `length` bytes into `address`.
    check(unsafe { libc::getsockname(fd.as_raw_fd(), (&raw mut address).cast(), &mut length) })?;
    Ok(address.nl_pid)
}

/// Binds a packet socket to an interface; `protocol` is an ethertype in host order, 0 for none.
pub fn bind_packet(fd: BorrowedFd<'_>, interface_index: u32, protocol: u16) -> io::Result<()> {
    // SAFETY: sockaddr_ll is plain data, all zero is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = interface_index as i32;
    address.sll_protocol = protocol.to_be();
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: pointer and length describe `address`, which outlives the call.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) }).map(drop)
}

/// Sets an integer socket option.
pub fn set_option(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    let length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: pointer and length describe `value`, which outlives the call.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), length) })
        .map(drop)
}

/// Attaches a classic BPF program; the kernel copies and verifies it.
pub fn attach_filter(fd: BorrowedFd<'_>, program: &[libc::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    let size = size_of::<libc::sock_fprog>() as libc::socklen_t;
    // SAFETY: `program` names `len` instructions of a live slice, which the kernel only reads.
    check(unsafe {
        let option = (&raw const program).cast();
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, option, size)
    })
    .map(drop)
}

/// One instruction of a classic BPF program.
pub const fn instruction(code: u32, on_true: u8, on_false: u8, value: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: on_true, jf: on_false, k: value }
}

/// Sends one datagram; returns the bytes taken.
pub fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: pointer and length describe `bytes`.
    check_size(unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) })
}

/// Receives one datagram without waiting; the returned length may exceed the buffer (truncated).
pub fn recv(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: pointer and length describe `buffer`, which is borrowed exclusively.
    check_size(unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) })
}

/// Sends up to [`BATCH_MAX`] datagrams in one call; returns how many the kernel took.
pub fn send_batch(fd: BorrowedFd<'_>, datagrams: &[&[u8]]) -> io::Result<usize> {
    let count = datagrams.len().min(BATCH_MAX);
    // SAFETY: both are plain data, all zero is a valid value.
    let (mut vectors, mut headers): ([libc::iovec; BATCH_MAX], [libc::mmsghdr; BATCH_MAX]) =
        unsafe { (zeroed(), zeroed()) };
    for (index, datagram) in datagrams[..count].iter().enumerate() {
        vectors[index] =
            libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() };
        headers[index].msg_hdr.msg_iov = &raw mut vectors[index];
        headers[index].msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: the first `count` headers point to vectors on this stack and those to live slices, which
    // sendmmsg only reads.
    check(unsafe { libc::sendmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), count as u32, 0) })
}

/// What is known of one received datagram.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    length: usize,
    control_bytes: usize,
    truncated: bool,
}

/// Buffers for one batch of received datagrams, each with `headroom` free bytes before it.
pub struct Batch {
    bytes: Vec<u8>,
    control: Vec<[u64; CONTROL_WORDS]>,
    slots: Vec<Slot>,
    slot_bytes: usize,
    headroom: usize,
    filled: usize,
}

impl Batch {
    /// Room for `count` (at most [`BATCH_MAX`]) datagrams of `datagram_bytes`.
    ///
    /// # Panics
    /// If `count` is zero or above [`BATCH_MAX`].
    pub fn new(count: usize, datagram_bytes: usize, headroom: usize) -> Self {
        assert!((1..=BATCH_MAX).contains(&count));
        let slot_bytes = (headroom + datagram_bytes).next_multiple_of(64);
        Self {
            bytes: vec![0; count * slot_bytes],
            control: vec![[0; CONTROL_WORDS]; count],
            slots: vec![Slot::default(); count],
            slot_bytes,
            headroom,
            filled: 0,
        }
    }

    /// Datagrams of the last call.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// Whether the last call brought nothing.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Datagrams one call can bring.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of datagram `index`; never more than its buffer.
    ///
    /// # Panics
    /// If `index` is not below [`Batch::len`].
    pub fn datagram(&self, index: usize) -> &[u8] {
        assert!(index < self.filled);
        let start = index * self.slot_bytes + self.headroom;
        &self.bytes[start..start + self.slots[index].length]
    }

    /// Headroom and bytes of datagram `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Batch::len`].
    pub fn with_headroom(&mut self, index: usize) -> &mut [u8] {
        assert!(index < self.filled);
        let start = index * self.slot_bytes;
        &mut self.bytes[start..start + self.headroom + self.slots[index].length]
    }

    /// Whether datagram `index` was longer than its buffer.
    pub fn truncated(&self, index: usize) -> bool {
        self.slots[index].truncated
    }

    /// The packet socket's auxiliary data of datagram `index`: status, tag control, tag ethertype.
    pub fn auxiliary(&self, index: usize) -> Option<(u32, u16, u16)> {
        let slot = &self.slots[index];
        let data = CONTROL_HEADER_BYTES;
        if slot.control_bytes < data + size_of::<libc::tpacket_auxdata>() {
            return None;
        }
        let words = self.control[index];
        // Second word of a control header: level and type; then tpacket_auxdata: status, len, snaplen
        // (4 each), mac, net, tci, tpid (2 each).
        let kind = words[1].to_ne_bytes();
        let level = i32::from_ne_bytes([kind[0], kind[1], kind[2], kind[3]]);
        let kind = i32::from_ne_bytes([kind[4], kind[5], kind[6], kind[7]]);
        if (level, kind) != (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
            return None;
        }
        let status = words[2].to_ne_bytes();
        let status = u32::from_ne_bytes([status[0], status[1], status[2], status[3]]);
        let tag = words[4].to_ne_bytes();
        Some((status, u16::from_ne_bytes([tag[0], tag[1]]), u16::from_ne_bytes([tag[2], tag[3]])))
    }

    /// Fills the batch without waiting; `EAGAIN` when nothing is there.
    pub fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        self.filled = 0;
        let count = self.slots.len();
        let room = self.slot_bytes - self.headroom;
        // SAFETY: both are plain data, all zero is a valid value.
        let (mut vectors, mut headers): ([libc::iovec; BATCH_MAX], [libc::mmsghdr; BATCH_MAX]) =
            unsafe { (zeroed(), zeroed()) };
        let slots = self.bytes.chunks_exact_mut(self.slot_bytes).zip(&mut self.control);
        for (index, (slot, control)) in slots.enumerate() {
            let base = slot[self.headroom..].as_mut_ptr().cast();
            vectors[index] = libc::iovec { iov_base: base, iov_len: room };
            let header = &mut headers[index].msg_hdr;
            header.msg_iov = &raw mut vectors[index];
            header.msg_iovlen = 1;
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_WORDS * 8;
        }
        // SAFETY: `count` headers point to vectors on this stack, those to disjoint parts of `bytes`
        // and `control`, which this call borrows exclusively; lengths are those of the parts.
        let received = check(unsafe {
            let (headers, no_timeout) = (headers.as_mut_ptr(), std::ptr::null_mut());
            libc::recvmmsg(fd.as_raw_fd(), headers, count as u32, libc::MSG_DONTWAIT as _, no_timeout)
        })?;
        for (slot, header) in self.slots.iter_mut().zip(&headers[..received]) {
            *slot = Slot {
                length: (header.msg_len as usize).min(room),
                control_bytes: header.msg_hdr.msg_controllen,
                truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            };
        }
        self.filled = received;
        Ok(received)
    }
}

/// Waits until `fd` can be read, at most `timeout_ms`; whether it can.
pub fn wait_readable(fd: BorrowedFd<'_>, timeout_ms: i32) -> io::Result<bool> {
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry is passed and it outlives the call.
    match check(unsafe { libc::poll(&mut entry, 1, timeout_ms) }) {
        Ok(count) => Ok(count > 0),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
    }
}

/// What the kernel says about an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Index in this namespace.
    pub index: u32,
    /// Hardware address.
    pub mac: [u8; 6],
    /// MTU in bytes, without the Ethernet header.
    pub mtu: usize,
}

/// Longest interface name.
pub const INTERFACE_NAME_BYTES_MAX: usize = libc::IFNAMSIZ - 1;

/// Looks an interface up by name; `ENODEV` if there is none.
pub fn interface(name: &str) -> io::Result<Interface> {
    if name.is_empty() || name.len() > INTERFACE_NAME_BYTES_MAX {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    let fd = socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    // SAFETY: ifreq is plain data, all zero is a valid value.
    let mut request: libc::ifreq = unsafe { zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    let mut ask = |what: libc::c_ulong| {
        // SAFETY: these requests read the name from and write one value into `request`, a whole ifreq.
        check(unsafe { libc::ioctl(fd.as_raw_fd(), what as _, &raw mut request) })?;
        // SAFETY: every member of the union is plain data that the kernel or the zeroing initialised.
        let (number, address) = unsafe { (request.ifr_ifru.ifru_ifindex, request.ifr_ifru.ifru_hwaddr) };
        io::Result::Ok((number, address.sa_data))
    };
    let index = ask(libc::SIOCGIFINDEX as libc::c_ulong)?.0 as u32;
    let mtu = ask(libc::SIOCGIFMTU as libc::c_ulong)?.0 as usize;
    let hardware = ask(libc::SIOCGIFHWADDR as libc::c_ulong)?.1;
    Ok(Interface { index, mac: std::array::from_fn(|at| hardware[at] as u8), mtu })
}
