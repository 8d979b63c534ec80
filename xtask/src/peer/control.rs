//! Control lines on standard input, answers as JSON lines on standard output, and the wait
//! for sockets and lines together.

use crate::error::{Error, Result};
use std::io::{Read, Write};
use std::os::fd::RawFd;

/// Longest control text kept while waiting for the end of its line.
const LINE_BYTES_MAX: usize = 16_384;

/// Standard input without blocking.
pub(crate) struct Control {
    text: Vec<u8>,
    closed: bool,
}

impl Control {
    /// Nothing read yet.
    pub(crate) fn new() -> Control {
        Control { text: Vec::new(), closed: false }
    }

    /// Whether the other side is gone, which ends the process.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Reads what has come (standard input was reported readable) and returns whole lines.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        // As large as the buffer of standard input, which is then bypassed: nothing that poll
        // cannot see stays behind in it.
        let mut bytes = [0; 8192];
        match std::io::stdin().lock().read(&mut bytes) {
            Ok(0) | Err(_) => self.closed = true,
            Ok(count) => self.text.extend_from_slice(&bytes[..count]),
        }
        if self.text.len() > LINE_BYTES_MAX {
            self.closed = true;
        }
        let mut lines = Vec::new();
        while let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.text.drain(..=end).collect();
            lines.push(String::from_utf8_lossy(&line).trim().to_owned());
        }
        lines
    }
}

/// Answers one control line.
pub(crate) fn answer(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string(value).expect("answers are plain values");
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Error::system("answering a control line"))
}

/// What one wait watches.
pub(crate) struct Watch {
    descriptors: Vec<libc::pollfd>,
}

impl Watch {
    /// Watches standard input as entry 0.
    pub(crate) fn new() -> Watch {
        Watch { descriptors: vec![entry(libc::STDIN_FILENO, true, false)] }
    }

    /// Adds a socket and returns its place.
    pub(crate) fn add(&mut self, descriptor: RawFd, read: bool, write: bool) -> usize {
        self.descriptors.push(entry(descriptor, read, write));
        self.descriptors.len() - 1
    }

    /// Waits until something is ready or the time has passed.
    pub(crate) fn wait(&mut self, timeout_us: u64) {
        let timeout = libc::timespec {
            tv_sec: (timeout_us / 1_000_000) as libc::time_t,
            tv_nsec: (timeout_us % 1_000_000 * 1_000) as libc::c_long,
        };
        let count = self.descriptors.len() as libc::nfds_t;
        // SAFETY: the vector holds `count` valid entries for the time of the call; the kernel
        // writes only their `revents`. An error (a signal) leaves them zero, which reads as
        // "nothing ready".
        unsafe { libc::ppoll(self.descriptors.as_mut_ptr(), count, &timeout, std::ptr::null()) };
    }

    /// Whether entry `index` can be read, or has ended.
    pub(crate) fn readable(&self, index: usize) -> bool {
        self.descriptors[index].revents & (libc::POLLIN | libc::POLLHUP | libc::POLLERR) != 0
    }
}

fn entry(descriptor: RawFd, read: bool, write: bool) -> libc::pollfd {
    let mut events = 0;
    if read {
        events |= libc::POLLIN;
    }
    if write {
        events |= libc::POLLOUT;
    }
    libc::pollfd { fd: descriptor, events, revents: 0 }
}
