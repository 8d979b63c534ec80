//! The monotonic clock all namespaces of a machine share, in microseconds.

/// Microseconds of CLOCK_MONOTONIC.
pub(crate) fn mono_us() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec to the address of a live local.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    assert_eq!(failed, 0, "CLOCK_MONOTONIC exists on every Linux");
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}
