//! A process of this binary inside a namespace, asked line by line, answering in JSON lines.
//!
//! It ends with this value, and with this process.

use super::net::Net;
use crate::command::spawn;
use crate::error::{Error, Result};
use crate::interrupt::check;
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long a process may take for an answer; opening a connection takes at most three seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// The process and its two ends.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Process {
    /// Starts the hidden subcommand `words` in the namespace of `role`.
    pub(crate) fn start(net: &Net, role: &str, words: &[&str]) -> Result<Process> {
        let mut child = spawn(net.peer(role, words).stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let stdin = child.stdin.take().expect("standard input was asked for");
        let stdout = child.stdout.take().expect("standard output was asked for");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Process { name: words[0].to_owned(), child, stdin, lines })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a line and waits for its answer.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, line: &str) -> Result<T> {
        self.send(line)?;
        self.answer(ANSWER_LIMIT)
    }

    /// Sends a line; its answer is taken by [`answer`](Self::answer).
    pub(crate) fn send(&mut self, line: &str) -> Result<()> {
        writeln!(self.stdin, "{line}").map_err(Error::system(format!("asking the {} process", self.name)))
    }

    /// Waits for the answer to the line sent last.
    pub(crate) fn answer<T: DeserializeOwned>(&mut self, limit: Duration) -> Result<T> {
        let end = Instant::now() + limit;
        loop {
            check()?;
            match self.lines.recv_timeout(Duration::from_millis(20)) {
                Ok(text) => {
                    return serde_json::from_str(&text).map_err(|problem| {
                        Error::Unexpected(format!("the {} process answered `{text}`: {problem}", self.name))
                    })
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < end => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Error::Unexpected(format!("the {} process does not answer", self.name)))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    check()?;
                    return Err(Error::Unexpected(format!("the {} process ended", self.name)));
                }
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
