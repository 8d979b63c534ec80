//! The client and server processes, asked line by line.

use super::net::Net;
use super::plan::Kind;
use crate::command::spawn;
use crate::error::{Error, Result};
use crate::interrupt::{check, wait_for};
use crate::peer::record::Mark;
use serde::de::DeserializeOwned;
use serde::Deserialize;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long a process may take for an answer; opening a connection takes at most three seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How long all connections may take to carry their first answers.
const FLOWING_LIMIT: Duration = Duration::from_secs(5);

/// The load: both processes.
pub(crate) struct Traffic {
    client: Process,
    server: Process,
}

#[derive(Deserialize)]
struct Opened {
    opened: usize,
    failed: Vec<String>,
}

impl Traffic {
    /// Starts both processes; nothing is open yet.
    pub(crate) fn start(net: &Net) -> Result<Traffic> {
        Ok(Traffic { server: Process::start(net, "server")?, client: Process::start(net, "client")? })
    }

    /// Opens every connection anew and returns when each one carries answers.
    pub(crate) fn open(&mut self) -> Result<()> {
        let client: Opened = self.client.ask("open")?;
        let server: Opened = self.server.ask("forward")?;
        let failed = [client.failed, server.failed].concat();
        if !failed.is_empty() {
            return Err(Error::Unexpected(format!("connections did not open: {}", failed.join("; "))));
        }
        let expected = client.opened + server.opened;
        assert_eq!(expected, Kind::ALL.map(Kind::connections_count).iter().sum::<usize>());
        let flowing = wait_for(FLOWING_LIMIT, || {
            let mark = self.mark("open")?;
            let answering = mark.connections.iter().filter(|report| report.answers_count > 0);
            Ok((answering.count() == expected).then_some(()))
        })?;
        flowing.ok_or_else(|| Error::Unexpected("not every connection carries answers".into()))
    }

    /// The record of all connections since the mark before.
    pub(crate) fn mark(&mut self, name: &str) -> Result<Mark> {
        self.client.ask(&format!("mark {name}"))
    }

    /// Stops the load; the connections stay open.
    pub(crate) fn pause(&mut self) -> Result<()> {
        self.client.ask::<serde_json::Value>("pause")?;
        self.server.ask::<serde_json::Value>("pause").map(drop)
    }
}

struct Process {
    role: &'static str,
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Process {
    fn start(net: &Net, role: &'static str) -> Result<Process> {
        let mut child = spawn(net.peer(role, &[role]).stdin(Stdio::piped()).stdout(Stdio::piped()))?;
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
        Ok(Process { role, child, stdin, lines })
    }

    fn ask<T: DeserializeOwned>(&mut self, line: &str) -> Result<T> {
        writeln!(self.stdin, "{line}").map_err(Error::system(format!("asking the {}", self.role)))?;
        let end = Instant::now() + ANSWER_LIMIT;
        loop {
            check()?;
            match self.lines.recv_timeout(Duration::from_millis(20)) {
                Ok(text) => {
                    return serde_json::from_str(&text).map_err(|problem| {
                        Error::Unexpected(format!("the {} answered `{text}`: {problem}", self.role))
                    })
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < end => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Error::Unexpected(format!("the {} does not answer `{line}`", self.role)))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    check()?;
                    return Err(Error::Unexpected(format!("the {} process ended", self.role)));
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
