//! conntrackd of the distribution: its configuration, its process, its own figures.

use super::field::{sync_address, UDP_PORT};
use crate::command::{capture, spawn};
use crate::demo::net::Net;
use crate::demo::plan::{MEMBERS, MOVING};
use crate::error::{Error, Result};
use crate::interrupt::{pause, wait_for};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// How long it may take to answer on its control socket.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Its two ends find each other within a heartbeat or two of theirs.
const SETTLE: Duration = Duration::from_secs(2);

/// How it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Reliable replication with a cache of the own flows (FTFW), or neither (NOTRACK).
    pub(super) reliable: bool,
    /// Whether the standby keeps copies to itself until told to commit, or writes its kernel at once.
    pub(super) keeps_copies: bool,
}

/// One running daemon; ends with this value.
pub(super) struct Conntrackd {
    index: usize,
    file: PathBuf,
    child: Child,
}

impl Conntrackd {
    /// Starts the daemon of member `index`.
    pub(super) fn start(net: &Net, index: usize, settings: &Settings) -> Result<Conntrackd> {
        let path = |suffix: &str| net.folder().join(format!("conntrackd{index}.{suffix}"));
        let file = path("conf");
        std::fs::write(&file, config(index, settings, net.folder()))
            .map_err(Error::system("writing conntrackd's configuration"))?;
        // A daemon that was killed leaves its lock behind.
        let _ = std::fs::remove_file(path("lock"));
        let output = || {
            let log = std::fs::OpenOptions::new().create(true).append(true).open(path("out"));
            log.map(Stdio::from).map_err(Error::system("opening conntrackd's output"))
        };
        let words = ["conntrackd", "-C", &file.display().to_string()];
        let mut daemon = net.inside(MEMBERS[index], &words);
        let child = spawn(daemon.stdin(Stdio::null()).stdout(output()?).stderr(output()?))?;
        Ok(Conntrackd { index, file, child })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it answers and both ends had time to meet.
    pub(super) fn wait_ready(&self, net: &Net) -> Result<()> {
        let answered = wait_for(START_LIMIT, || Ok(self.ask(net, &["-s"]).ok()))?;
        if answered.is_none() {
            let text = std::fs::read_to_string(self.file.with_extension("out")).unwrap_or_default();
            return Err(Error::Unexpected(format!("conntrackd does not answer: {}", text.trim())));
        }
        pause(SETTLE)
    }

    /// Times that it lost kernel events.
    pub(super) fn overruns(&self, net: &Net) -> Result<u64> {
        let text = self.ask(net, &["-s", "runtime"])?;
        overruns(&text).ok_or_else(|| Error::Unexpected(format!("conntrackd names no overruns: {text}")))
    }

    /// Copies of the other's flows that it keeps to itself.
    pub(super) fn copies_count(&self, net: &Net) -> Result<u64> {
        let text = self.ask(net, &["-s"])?;
        copies(&text).ok_or_else(|| Error::Unexpected(format!("conntrackd names no cache: {text}")))
    }

    /// Asks it over its control socket.
    pub(super) fn ask(&self, net: &Net, words: &[&str]) -> Result<String> {
        let file = self.file.display().to_string();
        let mut all = vec!["conntrackd", "-C", file.as_str()];
        all.extend(words);
        capture(&mut net.inside(MEMBERS[self.index], &all))
    }
}

impl Drop for Conntrackd {
    fn drop(&mut self) {
        // Both fail only if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn overruns(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("overrun"))?;
    line.split_whitespace().rev().find_map(|word| word.parse().ok())
}

/// The second of the two caches, the external one.
fn copies(text: &str) -> Option<u64> {
    let external = text.split("cache external").nth(1)?;
    let line = external.lines().find(|line| line.contains("current active connections"))?;
    line.split_whitespace().last()?.parse().ok()
}

/// As its manual advises for speed: a real-time priority and an event buffer as large as ours.
fn config(index: usize, settings: &Settings, folder: &Path) -> String {
    let file = |suffix: &str| folder.join(format!("conntrackd{index}.{suffix}")).display().to_string();
    let direct = if settings.keeps_copies { "no" } else { "yes" };
    let mode = if settings.reliable {
        format!("Mode FTFW {{ DisableExternalCache {direct}\n StartupResync yes }}")
    } else {
        format!("Mode NOTRACK {{ DisableInternalCache yes\n DisableExternalCache {direct} }}")
    };
    let (own, other) = (sync_address(index), sync_address(1 - index));
    let mut ignored = format!("IPv4_address 127.0.0.1\nIPv4_address {own}\nIPv4_address {other}\n");
    for moving in MOVING.iter().filter(|moving| moving.network == "lan") {
        let family = if moving.address.is_ipv4() { "IPv4" } else { "IPv6" };
        writeln!(ignored, "{family}_address {}", moving.address).expect("text grows");
    }
    format!(
        r#"Sync {{
  {mode}
  UDP {{
    IPv4_address {own}
    IPv4_Destination_Address {other}
    Port {UDP_PORT}
    Interface sync
    SndSocketBuffer 24985600
    RcvSocketBuffer 24985600
    Checksum on
  }}
}}
General {{
  HashSize 262144
  HashLimit 4000000
  LogFile {log}
  LockFile {lock}
  UNIX {{ Path {socket} }}
  Scheduler {{ Type FIFO
    Priority 20 }}
  NetlinkBufferSize 268435456
  NetlinkBufferSizeMaxGrowth 268435456
  NetlinkOverrunResync On
  NetlinkEventsReliable Off
  Filter From Kernelspace {{
    Protocol Accept {{ TCP
      UDP }}
    Address Ignore {{
{ignored}    }}
  }}
}}
"#,
        log = file("log"),
        lock = file("lock"),
        socket = file("ctl"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overruns_are_read_from_its_statistics() {
        let text = "daemon uptime: 1 sec\nnetlink stats:\n\tevents received:\t3\n\tnetlink overruns:\t\t17\n";
        assert_eq!(overruns(text), Some(17));
        assert_eq!(overruns("daemon uptime: 1 sec"), None);
    }

    #[test]
    fn copies_are_those_of_the_external_cache() {
        let text = "cache internal:\ncurrent active connections:\t\t5\n\ncache external:\n\
            current active connections:\t\t7\nconnections created:\t\t9\tfailed:\t0\n";
        assert_eq!(copies(text), Some(7));
        assert_eq!(copies("cache internal:\n"), None);
    }
}
