//! Other flows of the gateway, present in both kernels before the fault.

use super::dumps::count;
use super::net::Net;
use super::plan::MEMBERS;
use crate::command::capture;
use crate::error::{Error, Result};
use crate::interrupt::wait_for;
use std::time::Duration;

const LIMIT_FILE: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
const BUCKETS_FILE: &str = "/sys/module/nf_conntrack/parameters/hashsize";
/// Room for everything else in the table.
const ROOM: u64 = 50_000;
/// How long the standby may take to hold them as well.
const COPIED_LIMIT: Duration = Duration::from_secs(60);

/// The machine's table limit and its hash buckets, raised as far as needed and put back on drop. All
/// namespaces share them.
pub(crate) struct TableLimit {
    before: Vec<(&'static str, u64)>,
}

impl TableLimit {
    /// Raises what `flows` would not fit. Both gateways' entries, with two tuples each, share the buckets:
    /// long chains would slow every kernel down that a gateway of its own does not have.
    pub(crate) fn raise(flows: u32) -> Result<TableLimit> {
        let needed = u64::from(flows) + ROOM;
        let mut limit = TableLimit { before: Vec::new() };
        for (file, wanted) in [(LIMIT_FILE, needed), (BUCKETS_FILE, 2 * needed)] {
            let text = std::fs::read_to_string(file).map_err(Error::system(file))?;
            let found: u64 = text.trim().parse().unwrap_or(0);
            if flows > 0 && found < wanted {
                std::fs::write(file, wanted.to_string()).map_err(Error::system(file))?;
                limit.before.push((file, found));
            }
        }
        Ok(limit)
    }
}

impl Drop for TableLimit {
    fn drop(&mut self) {
        for (file, found) in &self.before {
            // Nothing better is left to do if the kernel refuses its own former value.
            let _ = std::fs::write(file, found.to_string());
        }
    }
}

/// Inserts the flows at gw1 and waits until both kernels hold them.
pub(crate) fn insert(net: &Net, flows: u32) -> Result<()> {
    let refused = capture(&mut net.peer(MEMBERS[0], &["flows", &flows.to_string()]))?;
    if refused.trim() != "0" {
        return Err(Error::Unexpected(format!("the kernel refused {} of {flows} flows", refused.trim())));
    }
    let copied = wait_for(COPIED_LIMIT, || {
        let held = [count(net, MEMBERS[0])?, count(net, MEMBERS[1])?];
        Ok(held.into_iter().all(|held| held >= u64::from(flows)).then_some(()))
    })?;
    copied.ok_or_else(|| {
        let held = MEMBERS.map(|member| count(net, member).unwrap_or(0).to_string()).join(" and ");
        Error::Unexpected(format!("{flows} flows are not in both kernels after {COPIED_LIMIT:?}: {held}"))
    })
}
