//! What the kernel knows about a process: the CPU time of its threads, and its memory.

use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// CPU time of each thread in nanoseconds, by name; threads of one name are added up.
pub(super) fn threads_cpu_ns(pid: u32) -> BTreeMap<String, u64> {
    let mut threads = BTreeMap::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        // A thread may end while it is read.
        let read = |file: &str| std::fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        let cpu_ns = read("schedstat").split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        *threads.entry(read("comm").trim().to_owned()).or_default() += cpu_ns.unwrap_or(0);
    }
    threads
}

/// `pulse 3.10 events 1.20`: what each thread used since `before`, in microseconds per unit of work.
pub(super) fn shares(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>, work: f64) -> String {
    let used = after.iter().map(|(name, ns)| {
        let since = ns.saturating_sub(before.get(name).copied().unwrap_or(0));
        (name, since as f64 / 1e3 / work)
    });
    // What costs less than that is no part of the story.
    const SHOWN_US: f64 = 0.05;
    let shown: Vec<String> =
        used.filter(|(_, us)| *us >= SHOWN_US).map(|(name, us)| format!("{name} {us:.2}")).collect();
    shown.join(" ")
}

/// Resident memory in bytes.
pub(super) fn memory_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).map_err(Error::system(path.as_str()))?;
    resident_bytes(&text).ok_or_else(|| Error::Unexpected(format!("{path} has no VmRSS")))
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_kib() {
        assert_eq!(resident_bytes("VmPeak:\t 9 kB\nVmRSS:\t     12 kB\n"), Some(12_288));
        assert_eq!(resident_bytes("VmPeak:\t 9 kB\n"), None);
    }

    #[test]
    fn threads_show_what_they_used() {
        let times = |one, other| BTreeMap::from([("events".into(), one), ("idle".into(), other)]);
        assert_eq!(shares(&times(0, 10), &times(2_000_000, 20), 1_000.0), "events 2.00");
    }
}
