//! Speed of the engine, one JSON object a line: `cargo xtask bench engine` holds the lines to its bars.
//!
//! Each line has the median and the best of [`RUNS`] runs over all flows, in random order, as CPU time
//! of this thread: what else the machine does shows only through the caches it shares. What the copy
//! does with the frames is measured by itself.

mod floor;
mod operations;
mod packets;
mod sync;
mod table;

/// Runs of each measure.
const RUNS: usize = 7;
/// Flows of a table that fits the caches, and of one that does not.
const SIZES: [(u32, &str); 2] = [(16 << 10, "16 k"), (1 << 20, "1 M")];

/// CPU time of this thread.
fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec that lives across the call.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(outcome, 0, "the clock exists since Linux 2.6.12");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Runs it; returns what it returns, and adds its CPU time.
fn timed<T>(total_ns: &mut u64, run: impl FnOnce() -> T) -> T {
    let start = cpu_ns();
    let value = run();
    *total_ns += cpu_ns() - start;
    value
}

/// Prints a measure; returns its median.
fn print(name: &str, unit: &str, runs: &[f64]) -> f64 {
    let mut sorted = runs.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let (median, least, most) = (sorted[sorted.len() / 2], sorted[0], sorted[sorted.len() - 1]);
    // Of a rate the highest is the best.
    let best = if unit.ends_with("/s") { most } else { least };
    println!(r#"{{"name":"{name}","unit":"{unit}","median":{median:.3},"best":{best:.3}}}"#);
    median
}

fn main() {
    let only = std::env::args().nth(1);
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    if wanted("floor") {
        floor::measure();
    }
    for (flows, size) in SIZES {
        if wanted("operations") || wanted(&format!("operations {size}")) {
            operations::measure(flows, size);
        }
        if wanted("packets") || wanted(&format!("packets {size}")) {
            packets::measure(flows, size);
        }
    }
    if wanted("sync") {
        sync::measure();
    }
}
