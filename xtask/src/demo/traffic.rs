//! The client and server processes, asked line by line.

use super::net::Net;
use super::plan::Kind;
use super::process::Process;
use crate::error::{Error, Result};
use crate::interrupt::wait_for;
use crate::peer::record::Mark;
use serde::Deserialize;
use std::time::Duration;

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
        Ok(Traffic {
            server: Process::start(net, "server", &["server"])?,
            client: Process::start(net, "client", &["client"])?,
        })
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
