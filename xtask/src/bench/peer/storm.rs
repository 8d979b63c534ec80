//! Events at a rate beyond what a gateway sees, written by netlink, and what each contender makes of
//! them: does it lose any, does the standby's kernel end up with the active one's flows, at what cost?

use super::contender::Contender;
use super::field::{pin_daemon, pin_forwarding, Field};
use super::process::memory_bytes;
use crate::clock::process_cpu_ns;
use crate::demo::plan::MEMBERS;
use crate::demo::process::Process;
use crate::error::{Error, Result};
use crate::interrupt::{pause, wait_for};
use crate::peer::storm::Stormed;
use crate::peer::table::TableSum;
use crate::progress::say;
use std::time::Duration;

/// Most flows at once; four of five slots are taken at a time.
pub(super) const SLOTS: u32 = 250_000;
/// Offered events per second: more than the bar asks for.
const OFFERED_PER_SECOND: u32 = 250_000;
const SECONDS: u32 = 4;
/// How long each step may take.
const GRACE: Duration = Duration::from_secs(60);
/// How long the standby may take to catch up.
const EQUAL_LIMIT: Duration = Duration::from_secs(5);
/// A cache that nobody can look into is filled by then.
const SETTLE: Duration = Duration::from_secs(2);

/// What came out.
#[derive(Clone, Debug)]
pub(super) struct Stormy {
    /// Events per second that the kernel raised.
    pub(super) events_per_second: f64,
    /// Times the active daemon lost some.
    pub(super) overruns: u64,
    /// How far the numbers of flows in both kernels are apart afterwards.
    pub(super) missing: u64,
    /// Whether the tables are the same in all that is replicated.
    pub(super) equal: bool,
    /// CPU time of both daemons per event.
    pub(super) cpu_us: f64,
}

/// Fills the table, storms, compares.
pub(super) fn measure(field: &mut Field, contender: &mut dyn Contender) -> Result<Stormy> {
    field.clear()?;
    contender.start(field)?;
    contender.pids(field).into_iter().try_for_each(pin_daemon)?;
    let stormy = play(field, contender);
    contender.stop(field);
    stormy
}

fn play(field: &mut Field, contender: &dyn Contender) -> Result<Stormy> {
    let mut storm = start(field)?;
    let mut tables = tables(field)?;
    storm.send("fill")?;
    let _: Stormed = storm.answer(GRACE)?;
    wait_equal(&mut tables)?;
    let pids = contender.pids(field);
    let before = cpu_ns(pids)?;
    storm.send(&format!("run {SECONDS} {OFFERED_PER_SECOND}"))?;
    let stormed: Stormed = storm.answer(GRACE)?;
    let sums = wait_equal(&mut tables)?;
    let stormy = Stormy {
        events_per_second: stormed.events as f64 / stormed.seconds,
        overruns: contender.overruns(field)?,
        missing: sums[0].flows.abs_diff(sums[1].flows),
        equal: sums[0].sum == sums[1].sum && sums[0].flows == stormed.alive,
        cpu_us: (cpu_ns(pids)? - before) as f64 / 1e3 / stormed.events as f64,
    };
    say(format!("peer: storm: {stormy:?}"));
    Ok(stormy)
}

/// Memory of both daemons with the flows of a storm in the table, and how many these are.
pub(super) fn memory_filled(field: &mut Field, contender: &dyn Contender) -> Result<([u64; 2], u64)> {
    let mut storm = start(field)?;
    storm.send("fill")?;
    let filled: Stormed = storm.answer(GRACE)?;
    pause(SETTLE)?;
    Ok((memory(contender.pids(field))?, filled.alive))
}

/// Resident memory of both daemons.
pub(super) fn memory(pids: [u32; 2]) -> Result<[u64; 2]> {
    Ok([memory_bytes(pids[0])?, memory_bytes(pids[1])?])
}

fn start(field: &Field) -> Result<Process> {
    let storm = Process::start(&field.stage.net, MEMBERS[0], &["storm", &SLOTS.to_string(), "1"])?;
    pin_forwarding(storm.pid())?;
    Ok(storm)
}

fn tables(field: &Field) -> Result<[Process; 2]> {
    let table = |member| Process::start(&field.stage.net, member, &["table"]);
    Ok([table(MEMBERS[0])?, table(MEMBERS[1])?])
}

/// The sums of both tables once they are the same, or when the time is up.
fn wait_equal(tables: &mut [Process; 2]) -> Result<[TableSum; 2]> {
    let mut last = sums(tables)?;
    wait_for(EQUAL_LIMIT, || {
        last = sums(tables)?;
        Ok((last[0].sum == last[1].sum).then_some(()))
    })?;
    Ok(last)
}

fn sums(tables: &mut [Process; 2]) -> Result<[TableSum; 2]> {
    for table in tables.iter_mut() {
        table.send("sum")?;
    }
    Ok([tables[0].answer(GRACE)?, tables[1].answer(GRACE)?])
}

fn cpu_ns(pids: [u32; 2]) -> Result<u64> {
    let ended = || Error::Unexpected("a daemon ended in the storm".into());
    let [one, other] = pids.map(process_cpu_ns);
    Ok(one.ok_or_else(ended)? + other.ok_or_else(ended)?)
}
