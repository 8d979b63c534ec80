//! Waking a thread that waits in poll: an event counter, and the wait itself.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A counter that makes a poll return (eventfd).
pub struct Bell {
    fd: OwnedFd,
}

impl Bell {
    /// Makes a silent one.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes numbers only; the result is checked before it is owned.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Rings; rings that nobody heard yet are one.
    pub fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: eight valid bytes, as an eventfd takes them. Full (EAGAIN) means it rings already.
        unsafe { libc::write(self.fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Silences it.
    pub fn silence(&self) {
        let mut count = [0u8; 8];
        // SAFETY: room for the eight bytes an eventfd gives. Empty (EAGAIN) means nobody rang.
        unsafe { libc::read(self.fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Descriptors of which one thread waits for any.
pub struct Poller {
    polled: Vec<libc::pollfd>,
}

impl Poller {
    /// Watches `fds`, which must stay open as long as this lives; they are known by their place.
    pub fn new<'a>(fds: impl IntoIterator<Item = BorrowedFd<'a>>) -> Self {
        let polled = fds
            .into_iter()
            .map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 })
            .collect();
        Self { polled }
    }

    /// Watches a descriptor or looks away from it until told otherwise.
    pub fn watch(&mut self, place: usize, on: bool) {
        self.polled[place].events = if on { libc::POLLIN } else { 0 };
    }

    /// Waits until a watched descriptor is readable, at most `timeout_us`.
    ///
    /// # Errors
    /// Anything but an interruption by a signal.
    pub fn wait(&mut self, timeout_us: u64) -> io::Result<()> {
        let timeout = libc::timespec {
            tv_sec: (timeout_us / 1_000_000) as libc::time_t,
            tv_nsec: (timeout_us % 1_000_000 * 1_000) as libc::c_long,
        };
        let (polled, count) = (self.polled.as_mut_ptr(), self.polled.len() as libc::nfds_t);
        // SAFETY: `polled` and `timeout` live through the call, no signal mask is given. A descriptor
        // closed meanwhile is reported, not followed.
        let result = unsafe { libc::ppoll(polled, count, &timeout, std::ptr::null()) };
        if result >= 0 {
            return Ok(());
        }
        // An interrupted call says nothing of any descriptor.
        self.polled.iter_mut().for_each(|polled| polled.revents = 0);
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            error => Err(error),
        }
    }

    /// Whether the last wait found something to read there, or an error that reading will tell.
    pub fn is_ready(&self, place: usize) -> bool {
        self.polled[place].revents != 0
    }
}

/// A descriptor that becomes readable when SIGTERM or SIGINT arrives; they no longer end the process.
///
/// # Errors
/// When the process has no descriptor left.
pub fn termination() -> io::Result<OwnedFd> {
    // SAFETY: `mask` is initialised by sigemptyset before use, and the calls take valid pointers to it.
    // Threads started later inherit the blocked mask.
    let fd = unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut mask);
        libc::sigaddset(&mut mask, libc::SIGTERM);
        libc::sigaddset(&mut mask, libc::SIGINT);
        libc::pthread_sigmask(libc::SIG_BLOCK, &mask, std::ptr::null_mut());
        libc::signalfd(-1, &mask, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC)
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether a signal waits in a descriptor made by [`termination`].
pub fn terminated(fd: BorrowedFd<'_>) -> bool {
    let mut info = [0u8; 128];
    // SAFETY: room for one signalfd_siginfo (128 bytes).
    let read = unsafe { libc::read(fd.as_raw_fd(), info.as_mut_ptr().cast(), info.len()) };
    read > 0
}
