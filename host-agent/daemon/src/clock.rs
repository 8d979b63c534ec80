//! The two clocks of the agent: monotonic local time and cluster time.

use formats::limits::VERSION_BITS;

/// 2026-01-01T00:00:00Z in Unix seconds: the epoch of cluster time.
const CLUSTER_EPOCH_S: u64 = 1_767_225_600;

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the kernel to fill.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(result, 0, "the kernel has this clock");
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

/// Monotonic time in µs, common to every process and network namespace of the host.
pub fn local_us() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Cluster time in µs since 2026; may step with the wall clock, engines keep their own maximum.
pub fn cluster_us() -> u64 {
    let since = read(libc::CLOCK_REALTIME).saturating_sub(CLUSTER_EPOCH_S * 1_000_000);
    since.max(1) & ((1 << VERSION_BITS) - 1)
}
