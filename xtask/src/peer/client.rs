//! The client process: opens every connection, keeps them busy, reports on request.
//!
//! Control lines: `open` (drops the old connections, opens all anew, answers how many are open
//! and why others are not), `mark NAME` (answers a [`Mark`]), `pause` and `resume` (the load),
//! end of input (ends). Connections the server opens arrive through the forwarded port and are
//! driven from here as well, so that one clock times all answers.

use super::connection::{Connection, PIECE_BYTES};
use super::control::{answer, Control, Watch};
use super::record::Mark;
use crate::clock::mono_us;
use crate::demo::plan::{Kind, CLIENT_V4, FORWARDED_PORT};
use crate::error::{Error, Result};
use std::net::TcpListener;
use std::os::fd::AsRawFd;

/// Longest wait when nothing is due.
const IDLE_US: u64 = 100_000;

struct Client {
    listener: TcpListener,
    connections: Vec<Connection>,
    paused: bool,
}

/// Runs until standard input ends.
pub(crate) fn run() -> Result<()> {
    let listener = TcpListener::bind((CLIENT_V4, FORWARDED_PORT)).map_err(Error::system("listening"))?;
    listener.set_nonblocking(true).map_err(Error::system("listening"))?;
    let mut client = Client { listener, connections: Vec::new(), paused: false };
    let mut control = Control::new();
    let mut buffer = vec![0; 4 * PIECE_BYTES];
    while !control.is_closed() {
        if client.turn(&mut buffer) {
            for line in control.lines() {
                client.obey(&line)?;
            }
        }
    }
    Ok(())
}

impl Client {
    /// One wait and the work it brought; tells whether control lines are waiting.
    fn turn(&mut self, buffer: &mut [u8]) -> bool {
        let mut watch = Watch::new();
        let listening = watch.add(self.listener.as_raw_fd(), true, false);
        // A failed connection stays in the list for the report but is not watched: entry -1
        // is ignored by the kernel and keeps the places equal.
        for connection in &self.connections {
            let alive = connection.record.is_alive();
            watch.add(if alive { connection.descriptor() } else { -1 }, true, false);
        }
        watch.wait(self.until_due_us());
        let known = self.connections.len();
        if watch.readable(listening) {
            if let Ok((stream, _)) = self.listener.accept() {
                self.connections.extend(Connection::accepted(Kind::Dnat, stream));
            }
        }
        for (index, connection) in self.connections[..known].iter_mut().enumerate() {
            if watch.readable(listening + 1 + index) {
                connection.receive(buffer);
            }
        }
        if !self.paused {
            let now_us = mono_us();
            self.connections.iter_mut().for_each(|connection| connection.send_due(now_us));
        }
        watch.readable(0)
    }

    fn until_due_us(&self) -> u64 {
        if self.paused {
            return IDLE_US;
        }
        let due_us = self.connections.iter().filter_map(Connection::due_us).min();
        due_us.map_or(IDLE_US, |due_us| due_us.saturating_sub(mono_us()).min(IDLE_US))
    }

    fn obey(&mut self, line: &str) -> Result<()> {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("open", _) => answer(&self.open()),
            ("mark", name) => answer(&self.mark(name)),
            ("pause", _) => {
                self.paused = true;
                answer(&serde_json::json!({ "paused": true }))
            }
            ("resume", _) => {
                self.paused = false;
                let now_us = mono_us();
                self.connections.iter_mut().for_each(|connection| connection.record.resume(now_us));
                answer(&serde_json::json!({ "paused": false }))
            }
            (other, _) => answer(&serde_json::json!({ "error": format!("unknown command `{other}`") })),
        }
    }

    fn open(&mut self) -> serde_json::Value {
        self.connections.clear();
        let mut failed = Vec::new();
        for kind in Kind::ALL {
            let Some(target) = kind.target() else { continue };
            for _ in 0..kind.connections_count() {
                match Connection::open(kind, target) {
                    Ok(connection) => self.connections.push(connection),
                    Err(problem) => failed.push(format!("{}: {problem}", kind.name())),
                }
            }
        }
        serde_json::json!({ "opened": self.connections.len(), "failed": failed })
    }

    fn mark(&mut self, name: &str) -> Mark {
        let at_us = mono_us();
        let connections = self.connections.iter_mut().enumerate();
        let connections =
            connections.map(|(id, connection)| connection.record.mark(id, connection.kind, at_us)).collect();
        Mark { name: name.to_owned(), at_us, connections }
    }
}
