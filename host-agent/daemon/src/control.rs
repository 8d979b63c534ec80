//! The control socket: one JSON request a line, answers as JSON lines.
//!
//! Enters: `{"command": "stat"}`, `{"command": "flows"}`, `{"command": "move", "group": …, "to": …}`.
//! Leaves: an object per line; `{"error": …}` for what cannot be. Each connection has a thread, at most
//! [`CONNECTIONS_MAX`] at a time; the pulse thread answers through a channel and never waits for one.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Arc;
use std::time::Duration;

/// Connections served at once.
const CONNECTIONS_MAX: usize = 16;
/// Longest request line in bytes.
const REQUEST_BYTES_MAX: u64 = 4_096;
/// How long a client may take to send its request or to read an answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// State, peers, coverage, counters.
    Stat {},
    /// Every flow, a line each.
    Flows {},
    /// Hand the group to a member.
    Move {
        /// Name of the group.
        group: String,
        /// Name of the member.
        to: String,
    },
}

/// A request and where its answers go; dropping the sender ends the answer.
pub struct Query {
    /// The request.
    pub request: Request,
    /// Answers, a line each.
    pub answers: Sender<Value>,
}

/// Opens the socket and serves it; each query goes through `submit`.
///
/// # Errors
/// When the socket can't be made; one that is left over from a dead agent is replaced.
pub fn serve(path: &Path, submit: impl Fn(Query) + Send + Sync + Clone + 'static) -> std::io::Result<()> {
    if UnixStream::connect(path).is_ok() {
        return Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, "another agent answers on it"));
    }
    let _ = std::fs::remove_file(path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let open = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let (submit, open) = (submit.clone(), open.clone());
            std::thread::spawn(move || {
                // A client that goes away mid-answer is its own affair.
                let _ = answer(stream, &submit);
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    Ok(())
}

fn answer(stream: UnixStream, submit: &impl Fn(Query)) -> std::io::Result<()> {
    stream.set_read_timeout(Some(CLIENT_TIMEOUT))?;
    stream.set_write_timeout(Some(CLIENT_TIMEOUT))?;
    let mut line = String::new();
    BufReader::new((&stream).take(REQUEST_BYTES_MAX)).read_line(&mut line)?;
    let mut out = std::io::BufWriter::new(&stream);
    match serde_json::from_str(&line) {
        Ok(request) => {
            let (answers, inbox): (_, Receiver<Value>) = channel();
            submit(Query { request, answers });
            for value in inbox {
                writeln!(out, "{value}")?;
            }
        }
        Err(error) => writeln!(out, "{}", serde_json::json!({ "error": error.to_string() }))?,
    }
    out.flush()
}

/// Asks the agent behind a control socket and hands each answer on.
///
/// # Errors
/// When nobody answers there; an answer `{"error": …}` is returned as text.
pub fn ask(path: &Path, request: &Request, mut deliver: impl FnMut(Value)) -> Result<(), String> {
    let unreachable = |error: std::io::Error| {
        format!("no agent answers on {}: {error} (is `trine agent` running?)", path.display())
    };
    let mut stream = UnixStream::connect(path).map_err(unreachable)?;
    let line = serde_json::to_string(request).expect("requests are plain");
    writeln!(stream, "{line}").map_err(unreachable)?;
    for line in BufReader::new(stream).lines() {
        let value: Value = serde_json::from_str(&line.map_err(unreachable)?)
            .map_err(|error| format!("the agent's answer is no JSON: {error}"))?;
        match value.get("error").and_then(Value::as_str) {
            Some(error) => return Err(error.to_owned()),
            None => deliver(value),
        }
    }
    Ok(())
}
