//! This namespace's connection table as two numbers, fast enough to compare 200,000 flows while a clock
//! runs: how many flows of the storm there are, and the sum of a hash of each.
//!
//! Hashed: tuples and with them the translation, replicated status bits, TCP state, mark, zone. Enters:
//! any line on standard input. Leaves: one [`TableSum`] per line.

use super::control::answer;
use super::storm::{SOURCE_V4, SOURCE_V6};
use crate::clock::mono_us;
use crate::error::{Error, Result};
use formats::{Family, FlowRecord};
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::BufRead;
use trine_daemon::linux::conntrack::Reader;

/// Two equal tables have equal sums.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct TableSum {
    /// Flows counted.
    pub(crate) flows: u64,
    /// Wrapping sum of their hashes.
    pub(crate) sum: u64,
    /// When the table had been read, monotonic microseconds.
    pub(crate) at_us: u64,
}

/// Answers each line until standard input closes.
pub(crate) fn run() -> Result<()> {
    let mut reader = Reader::open().map_err(Error::system("opening a netlink socket"))?;
    for line in std::io::stdin().lock().lines() {
        line.map_err(Error::system("reading a control line"))?;
        let (mut flows, mut sum) = (0u64, 0u64);
        let dumped = reader.dump(|message| {
            if is_storm(&message.record) {
                flows += 1;
                sum = sum.wrapping_add(hash(&message.record));
            }
        });
        dumped.map_err(Error::system("reading the connection table"))?;
        answer(&TableSum { flows, sum, at_us: mono_us() })?;
    }
    Ok(())
}

fn is_storm(record: &FlowRecord) -> bool {
    match record.key.family {
        Family::V4 => record.key.src >> 16 == u128::from(u32::from(SOURCE_V4)) >> 16,
        Family::V6 => record.key.src >> 64 == u128::from(SOURCE_V6) >> 64,
    }
}

fn hash(record: &FlowRecord) -> u64 {
    let mut hasher = DefaultHasher::new();
    (record.key, record.alias(), record.status, record.tcp_state, record.mark).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::FlowKey;

    #[test]
    fn flows_of_the_storm_are_told_from_others() {
        let v4 = |src: u32| FlowRecord {
            key: FlowKey { src: src.into(), ..FlowKey::default() },
            ..FlowRecord::default()
        };
        assert!(is_storm(&v4(u32::from(SOURCE_V4) + 65_535)));
        assert!(!is_storm(&v4(u32::from(SOURCE_V4) + 65_536)));
        assert_ne!(hash(&v4(1)), hash(&FlowRecord { mark: 1, ..v4(1) }));
    }
}
