//! One connection of the client: what it sends when it is due, and what counts as an answer.
//!
//! Requests leave on a clock and never wait for the answer before: after an outage the next
//! request finds the new gateway within one interval, where a lone retransmission would wait
//! for TCP's timer. Answers must come back in order and complete, so that a translation mixed
//! up between two connections is noticed.

use super::record::Record;
use crate::clock::mono_us;
use crate::demo::plan::Kind;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// A request and its answer.
pub(crate) const MESSAGE_BYTES: usize = 64;
/// Time between two requests.
const REQUEST_INTERVAL_US: u64 = 5_000;
/// Time between two pieces of the upload, 8 MB/s.
const UPLOAD_INTERVAL_US: u64 = 2_000;
/// One piece of a bulk stream.
pub(crate) const PIECE_BYTES: usize = 16 * 1024;
/// How long an opening may take.
const OPEN_LIMIT: Duration = Duration::from_secs(3);

enum Socket {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

/// An open connection, what it owes and what it has seen.
pub(crate) struct Connection {
    /// What it carries.
    pub(crate) kind: Kind,
    /// Its history.
    pub(crate) record: Record,
    socket: Socket,
    due_us: u64,
    sent_count: u64,
    answered_count: u64,
    /// Bytes accepted for sending that the socket has not taken yet.
    unsent: Vec<u8>,
    /// Bytes of an answer that is not complete yet.
    partial: Vec<u8>,
}

impl Connection {
    /// Opens a connection towards the server.
    pub(crate) fn open(kind: Kind, target: SocketAddr) -> std::io::Result<Connection> {
        if kind == Kind::Udp {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect(target)?;
            socket.set_nonblocking(true)?;
            return Ok(Connection::with(kind, Socket::Udp(socket)));
        }
        Connection::accepted(kind, TcpStream::connect_timeout(&target, OPEN_LIMIT)?)
    }

    /// Takes over a stream that is already open.
    pub(crate) fn accepted(kind: Kind, stream: TcpStream) -> std::io::Result<Connection> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection::with(kind, Socket::Tcp(stream)))
    }

    fn with(kind: Kind, socket: Socket) -> Connection {
        let now_us = mono_us();
        Connection {
            kind,
            record: Record::open(now_us),
            socket,
            // Spread, so that thirty connections do not speak in one burst.
            due_us: now_us + now_us % REQUEST_INTERVAL_US,
            sent_count: 0,
            answered_count: 0,
            unsent: Vec::new(),
            partial: Vec::new(),
        }
    }

    /// The descriptor to wait on.
    pub(crate) fn descriptor(&self) -> RawFd {
        match &self.socket {
            Socket::Tcp(stream) => stream.as_raw_fd(),
            Socket::Udp(socket) => socket.as_raw_fd(),
        }
    }

    /// When it wants to send next; `None` if it only listens.
    pub(crate) fn due_us(&self) -> Option<u64> {
        (self.record.is_alive() && self.kind != Kind::Download).then_some(self.due_us)
    }

    /// Sends what is due at `now_us`.
    pub(crate) fn send_due(&mut self, now_us: u64) {
        if self.due_us().is_none_or(|due_us| due_us > now_us) {
            return;
        }
        let upload = self.kind == Kind::Upload;
        self.due_us += if upload { UPLOAD_INTERVAL_US } else { REQUEST_INTERVAL_US };
        // After a pause of the process the missed requests are left out, not sent in a burst.
        self.due_us = self.due_us.max(now_us);
        if self.unsent.is_empty() {
            if upload {
                self.unsent.resize(PIECE_BYTES, b'u');
            } else {
                self.unsent.extend_from_slice(&request(self.sent_count));
                self.sent_count += 1;
            }
        }
        let sent = match &mut self.socket {
            Socket::Tcp(stream) => stream.write(&self.unsent),
            Socket::Udp(socket) => socket.send(&self.unsent),
        };
        match sent {
            Ok(count) => drop(self.unsent.drain(..count)),
            Err(problem) => self.note(&problem),
        }
    }

    /// Reads what has come; called when the socket is readable.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) {
        let received = match &mut self.socket {
            Socket::Tcp(stream) => stream.read(buffer),
            Socket::Udp(socket) => socket.recv(buffer),
        };
        match received {
            Ok(0) if self.kind.is_tcp() => self.record.fail("eof"),
            Ok(count) => self.take(&buffer[..count]),
            Err(problem) => self.note(&problem),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        match self.kind {
            // Bulk streams answer with progress; a datagram may be lost and is whole.
            Kind::Download | Kind::Upload | Kind::Udp => self.record.answer(mono_us()),
            Kind::Ipv4 | Kind::Ipv6 | Kind::Dnat => {
                self.partial.extend_from_slice(bytes);
                while self.partial.len() >= MESSAGE_BYTES {
                    if self.partial[..MESSAGE_BYTES] != request(self.answered_count) {
                        self.record.fail("an answer differs from its request");
                    }
                    self.partial.drain(..MESSAGE_BYTES);
                    self.answered_count += 1;
                    self.record.answer(mono_us());
                }
            }
        }
    }

    fn note(&mut self, problem: &std::io::Error) {
        match problem.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => {}
            ErrorKind::ConnectionReset => self.record.fail("reset"),
            // A datagram flow has no connection to lose: silence is what judges it.
            _ if self.kind == Kind::Udp => {}
            _ => self.record.fail(problem.to_string()),
        }
    }
}

/// Request number `number`: its number, then a pattern that depends on it.
fn request(number: u64) -> [u8; MESSAGE_BYTES] {
    let mut message = [number as u8; MESSAGE_BYTES];
    message[..8].copy_from_slice(&number.to_le_bytes());
    message
}
