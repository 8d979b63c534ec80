//! One gateway's agent: its process, its log as events, its control socket.
//!
//! The log is read as JSON lines; a line that is none, and an event nobody here knows, is kept
//! in the log file and otherwise ignored.

use super::config::{config, GROUP};
use super::net::Net;
use super::plan::MEMBERS;
use crate::command::{capture, command, line, spawn};
use crate::error::{Error, Result};
use crate::interrupt::wait_for;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long an agent may take to say that it started.
const START_LIMIT: Duration = Duration::from_secs(5);

/// Unit of `/proc/PID/stat` (USER_HZ, the same on every common architecture).
const TICKS_PER_SECOND: u64 = 100;

/// A line of the agent's log.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// When, monotonic microseconds.
    pub(crate) mono_us: u64,
    /// Its name.
    pub(crate) name: String,
    /// All its fields.
    pub(crate) fields: serde_json::Value,
}

impl Event {
    /// An event from a log line; `None` if it is no event.
    fn parse(text: &str) -> Option<Event> {
        let fields: serde_json::Value = serde_json::from_str(text).ok()?;
        let mono_us = fields["mono_us"].as_u64()?;
        let name = fields["event"].as_str()?.to_owned();
        Some(Event { mono_us, name, fields })
    }

    /// A text field, or a dash.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.fields[field].as_str().unwrap_or("-")
    }

    /// A number field.
    pub(crate) fn number(&self, field: &str) -> Option<u64> {
        self.fields[field].as_u64()
    }
}

/// What `trine stat --json` answers, as far as the acts need it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Stat {
    /// The member's state in one word.
    pub(crate) state: String,
    /// Whether full frames pass the sync link; `None` while that is not known.
    #[serde(default)]
    pub(crate) sync_mtu_ok: Option<bool>,
    /// Its groups.
    pub(crate) groups: Vec<GroupStat>,
    /// How many flows have their copies.
    #[serde(default)]
    pub(crate) flows: FlowsStat,
    /// Named counters.
    #[serde(default)]
    pub(crate) counters: BTreeMap<String, u64>,
}

/// One group in a [`Stat`].
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct GroupStat {
    /// Who serves it.
    pub(crate) owner: String,
    /// Its term, counter and member.
    pub(crate) term: String,
    /// What this member is in it.
    pub(crate) role: String,
    /// Whether both copies were proven equal.
    pub(crate) in_sync: bool,
    /// Buckets of this copy that were proven equal lately.
    #[serde(default)]
    pub(crate) verified_buckets: u64,
    /// Age of the oldest of these proofs.
    #[serde(default)]
    pub(crate) oldest_proof_ms: u64,
}

/// Coverage in a [`Stat`].
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct FlowsStat {
    /// Flows tracked.
    #[serde(default)]
    pub(crate) total: u64,
    /// Flows every required copy has installed.
    #[serde(default)]
    pub(crate) protected: u64,
    /// Flows every required copy has installed at their newest version.
    #[serde(default)]
    pub(crate) current: u64,
    /// Buckets that some copy still waits for.
    #[serde(default)]
    pub(crate) dirty_buckets: u64,
}

impl Stat {
    /// The one group of the demonstration.
    pub(crate) fn group(&self) -> Result<&GroupStat> {
        self.groups.first().ok_or_else(|| Error::Unexpected("`trine stat` lists no group".into()))
    }

    /// A counter that may not exist yet.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }
}

/// The agent of one member, running or not.
pub(crate) struct Agent {
    index: usize,
    binary: PathBuf,
    folder: PathBuf,
    child: Option<Child>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Agent {
    /// Writes the configuration; starts nothing. `lines` follow its last section, `[timers]`.
    pub(crate) fn prepare(net: &Net, binary: &Path, index: usize, lines: &str) -> Result<Agent> {
        let folder = net.folder().to_path_buf();
        let agent = Agent { index, binary: binary.into(), folder, child: None, events: Arc::default() };
        std::fs::write(agent.file("toml"), config(index, &agent.file("sock")) + lines)
            .map_err(Error::system("writing the agent's configuration"))?;
        Ok(agent)
    }

    /// The member's name.
    pub(crate) fn name(&self) -> &'static str {
        MEMBERS[self.index]
    }

    /// The process' id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts the process and waits until it says so.
    pub(crate) fn start(&mut self, net: &Net) -> Result<()> {
        assert!(self.child.is_none(), "one agent per member");
        let since = self.events_count();
        let binary = self.binary.display().to_string();
        let file = self.file("toml").display().to_string();
        let mut agent = net.inside(self.name(), &[&binary, "agent", "--config", &file]);
        agent.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = spawn(&mut agent)?;
        let stderr = child.stderr.take().expect("standard error was asked for");
        let log = OpenOptions::new().create(true).append(true).open(self.file("log"));
        let log = log.map_err(Error::system("opening the agent's log"))?;
        let events = Arc::clone(&self.events);
        std::thread::spawn(move || follow(stderr, log, &events));
        self.child = Some(child);
        let started = wait_for(START_LIMIT, || {
            if let Some(status) = self.ended()? {
                return Err(self.died(&line(&agent), &status));
            }
            Ok(self.events_from(since).into_iter().find(|event| event.name == "started"))
        })?;
        match started {
            Some(_) => Ok(()),
            None => Err(Error::Unexpected(format!("{} did not start in {START_LIMIT:?}", self.name()))),
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&mut self, signal: i32) {
        if let Some(child) = &self.child {
            // SAFETY: a signal to our own child, which was not yet waited for.
            unsafe { libc::kill(child.id() as i32, signal) };
        }
    }

    /// SIGKILL, without waiting.
    pub(crate) fn kill(&mut self) {
        self.signal(libc::SIGKILL);
    }

    /// Collects the killed process.
    pub(crate) fn reap(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only if the process is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// How many events there are by now.
    pub(crate) fn events_count(&self) -> usize {
        self.lock().len()
    }

    /// Events after the first `from`.
    pub(crate) fn events_from(&self, from: usize) -> Vec<Event> {
        self.lock()[from..].to_vec()
    }

    /// CPU time of the process since its start, in microseconds; 0 while it does not run.
    pub(crate) fn cpu_us(&self) -> u64 {
        let Some(child) = &self.child else { return 0 };
        let text = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
        cpu_ticks(&text) * (1_000_000 / TICKS_PER_SECOND)
    }

    /// Asks the agent over its control socket.
    pub(crate) fn stat(&self) -> Result<Stat> {
        let text = capture(&mut self.control("stat", &["--json"]))?;
        serde_json::from_str(&text)
            .map_err(|problem| Error::Unexpected(format!("`trine stat` of {}: {problem}", self.name())))
    }

    /// Moves the group to `target`, as an operator would.
    pub(crate) fn move_to(&self, target: &str) -> Result<()> {
        capture(&mut self.control("move", &["--group", GROUP, "--to", target])).map(drop)
    }

    /// The log so far.
    pub(crate) fn log(&self) -> PathBuf {
        self.file("log")
    }

    fn control(&self, verb: &str, words: &[&str]) -> std::process::Command {
        let binary = self.binary.display().to_string();
        let socket = self.file("sock").display().to_string();
        let mut all = vec![binary.as_str(), verb, "--control", socket.as_str()];
        all.extend(words);
        command(&all)
    }

    fn file(&self, suffix: &str) -> PathBuf {
        self.folder.join(format!("{}.{suffix}", MEMBERS[self.index]))
    }

    fn ended(&mut self) -> Result<Option<String>> {
        let child = self.child.as_mut().expect("asked only while it should run");
        let status = child.try_wait().map_err(Error::system("looking after an agent"))?;
        Ok(status.map(|status| status.to_string()))
    }

    fn died(&self, line: &str, status: &str) -> Error {
        let log = std::fs::read_to_string(self.file("log")).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        let stderr = last.into_iter().rev().collect::<Vec<_>>().join("\n");
        Error::Command { line: line.to_owned(), status: status.to_owned(), stderr }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Event>> {
        self.events.lock().expect("the reader does not panic")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.reap();
    }
}

/// Ticks in user and kernel mode in the text of `/proc/PID/stat`; the name before them may hold blanks.
fn cpu_ticks(text: &str) -> u64 {
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn follow(stderr: ChildStderr, mut log: File, events: &Mutex<Vec<Event>>) {
    for text in BufReader::new(stderr).lines().map_while(std::result::Result::ok) {
        // A full disk must not stop the run; the events are kept in memory.
        let _ = writeln!(log, "{text}");
        if let Some(event) = Event::parse(&text) {
            events.lock().expect("nobody panics with the lock held").push(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_event_lines_are_events() {
        let event =
            Event::parse(r#"{"mono_us":12,"event":"takeover","fence":"lease","last_heartbeat_us":7}"#)
                .expect("an event");
        assert_eq!((event.mono_us, event.name.as_str()), (12, "takeover"));
        assert_eq!((event.text("fence"), event.text("term")), ("lease", "-"));
        assert_eq!(event.number("last_heartbeat_us"), Some(7));
        assert!(Event::parse("thread 'main' panicked").is_none());
        assert!(Event::parse(r#"{"event":"started"}"#).is_none());
    }

    #[test]
    fn cpu_time_is_user_and_kernel_mode() {
        let text = "7 (a b) c) S 1 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 4 0 1 1 1";
        assert_eq!((cpu_ticks(text), cpu_ticks("")), (300, 0));
    }

    #[test]
    fn stat_reads_what_it_needs_and_ignores_the_rest() {
        let text = r#"{"member":"gw1","state":"serving","groups":[{"name":"gateway","owner":"gw1",
            "term":"3.0","role":"owner","in_sync":true,"verified_buckets":1024,"oldest_proof_ms":12}],
            "peers":[],"flows":{"total":3,"protected":3,"current":2,"unprotected":{"no event":1}},
            "counters":{"not_owner":4}}"#;
        let stat: Stat = serde_json::from_str(text).expect("the agreed shape");
        assert_eq!(stat.group().expect("one group").owner, "gw1");
        assert_eq!((stat.counter("not_owner"), stat.counter("other")), (4, 0));
        assert_eq!(stat.flows.protected, 3);
    }
}
