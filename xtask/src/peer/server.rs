//! The server process: answers requests, feeds the download, drains the upload.
//!
//! Control lines: `forward` (drops the old forwarded connections and opens new ones to the
//! moving address), `pause` and `resume` (the download), end of input (ends).

use super::connection::PIECE_BYTES;
use super::control::{answer, Control, Watch};
use crate::clock::mono_us;
use crate::demo::plan::{Kind, DOWNLOAD_PORT, ECHO_PORT, FORWARDED_PORT, OUTER_V4, UDP_PORT, UPLOAD_PORT};
use crate::error::{Error, Result};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Time between two pieces of the download, 8 MB/s.
const DOWNLOAD_INTERVAL_US: u64 = 2_000;
/// Longest wait when nothing is due.
const IDLE_US: u64 = 100_000;
/// Answers that may wait for a full socket; a peer that never reads is dropped beyond it.
const UNSENT_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, Copy, PartialEq)]
enum Role {
    /// Sends back what it receives.
    Echo,
    /// The same on a connection the server opened.
    Forwarded,
    /// Sends a piece at every interval.
    Download,
    /// Reads, and sends eight bytes of progress for what it read.
    Upload,
}

struct Served {
    role: Role,
    stream: TcpStream,
    unsent: Vec<u8>,
    received_bytes: u64,
    open: bool,
}

struct Server {
    listeners: Vec<(TcpListener, Role)>,
    datagrams: UdpSocket,
    served: Vec<Served>,
    download_due_us: u64,
    paused: bool,
}

/// Runs until standard input ends.
pub(crate) fn run() -> Result<()> {
    let mut server = Server::bind().map_err(Error::system("listening"))?;
    let mut control = Control::new();
    let mut buffer = vec![0; 4 * PIECE_BYTES];
    while !control.is_closed() {
        if server.turn(&mut buffer) {
            for line in control.lines() {
                server.obey(&line)?;
            }
        }
    }
    Ok(())
}

impl Server {
    fn bind() -> std::io::Result<Server> {
        let mut listeners = Vec::new();
        let ports = [(ECHO_PORT, Role::Echo), (DOWNLOAD_PORT, Role::Download), (UPLOAD_PORT, Role::Upload)];
        for (port, role) in ports {
            let listener = TcpListener::bind(("::", port))?;
            listener.set_nonblocking(true)?;
            listeners.push((listener, role));
        }
        let datagrams = UdpSocket::bind(("0.0.0.0", UDP_PORT))?;
        datagrams.set_nonblocking(true)?;
        Ok(Server { listeners, datagrams, served: Vec::new(), download_due_us: 0, paused: false })
    }

    fn turn(&mut self, buffer: &mut [u8]) -> bool {
        let mut watch = Watch::new();
        let datagrams = watch.add(self.datagrams.as_raw_fd(), true, false);
        let first_listener = datagrams + 1;
        for (listener, _) in &self.listeners {
            watch.add(listener.as_raw_fd(), true, false);
        }
        let first_served = first_listener + self.listeners.len();
        for served in &self.served {
            watch.add(served.stream.as_raw_fd(), true, !served.unsent.is_empty());
        }
        watch.wait(self.until_due_us());
        if watch.readable(datagrams) {
            if let Ok((count, from)) = self.datagrams.recv_from(buffer) {
                // A lost answer is what the client's record is there to see.
                let _ = self.datagrams.send_to(&buffer[..count], from);
            }
        }
        for (index, served) in self.served.iter_mut().enumerate() {
            if watch.readable(first_served + index) {
                served.receive(buffer);
            }
            served.flush();
        }
        for (index, (listener, role)) in self.listeners.iter().enumerate() {
            if watch.readable(first_listener + index) {
                if let Ok((stream, _)) = listener.accept() {
                    self.served.extend(Served::new(*role, stream));
                }
            }
        }
        self.feed_downloads();
        self.served.retain(|served| served.open);
        watch.readable(0)
    }

    fn until_due_us(&self) -> u64 {
        let feeding = !self.paused && self.served.iter().any(|served| served.role == Role::Download);
        if !feeding {
            return IDLE_US;
        }
        self.download_due_us.saturating_sub(mono_us()).min(IDLE_US)
    }

    fn feed_downloads(&mut self) {
        let now_us = mono_us();
        if self.paused || now_us < self.download_due_us {
            return;
        }
        self.download_due_us = (self.download_due_us + DOWNLOAD_INTERVAL_US).max(now_us);
        for served in self.served.iter_mut().filter(|served| served.role == Role::Download) {
            if served.unsent.is_empty() {
                served.unsent.resize(PIECE_BYTES, b'd');
                served.flush();
            }
        }
    }

    fn obey(&mut self, line: &str) -> Result<()> {
        match line {
            "forward" => answer(&self.forward()),
            "pause" | "resume" => {
                self.paused = line == "pause";
                answer(&serde_json::json!({ "paused": self.paused }))
            }
            other => answer(&serde_json::json!({ "error": format!("unknown command `{other}`") })),
        }
    }

    fn forward(&mut self) -> serde_json::Value {
        self.served.retain(|served| served.role != Role::Forwarded);
        let target = SocketAddr::from((OUTER_V4, FORWARDED_PORT));
        let mut opened = 0;
        let mut failed = Vec::new();
        for _ in 0..Kind::Dnat.connections_count() {
            let stream = TcpStream::connect_timeout(&target, Duration::from_secs(3));
            match stream.and_then(|stream| Served::new(Role::Forwarded, stream)) {
                Ok(served) => {
                    self.served.push(served);
                    opened += 1;
                }
                Err(problem) => failed.push(format!("{}: {problem}", Kind::Dnat.name())),
            }
        }
        serde_json::json!({ "opened": opened, "failed": failed })
    }
}

impl Served {
    fn new(role: Role, stream: TcpStream) -> std::io::Result<Served> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Served { role, stream, unsent: Vec::new(), received_bytes: 0, open: true })
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        match self.stream.read(buffer) {
            Ok(0) => self.open = false,
            Ok(count) => self.take(&buffer[..count]),
            Err(problem) => self.note(&problem),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.received_bytes += bytes.len() as u64;
        match self.role {
            Role::Echo | Role::Forwarded => self.unsent.extend_from_slice(bytes),
            Role::Upload => self.unsent.extend_from_slice(&self.received_bytes.to_le_bytes()),
            Role::Download => {}
        }
        self.open &= self.unsent.len() <= UNSENT_BYTES_MAX;
    }

    fn flush(&mut self) {
        if self.unsent.is_empty() {
            return;
        }
        match self.stream.write(&self.unsent) {
            Ok(count) => drop(self.unsent.drain(..count)),
            Err(problem) => self.note(&problem),
        }
    }

    fn note(&mut self, problem: &std::io::Error) {
        let waits = matches!(problem.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
        self.open &= waits;
    }
}
