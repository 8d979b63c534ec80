//! The monotonic clock all namespaces of a machine share, and the CPU time of threads and processes.

/// Microseconds of CLOCK_MONOTONIC.
pub(crate) fn mono_us() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec to the address of a live local.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    assert_eq!(failed, 0, "CLOCK_MONOTONIC exists on every Linux");
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

/// CPU time of the calling thread, in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    cpu_ns(libc::CLOCK_THREAD_CPUTIME_ID).expect("every thread has a CPU clock")
}

/// CPU time of a process, its threads that ended included, in nanoseconds; `None` once it is gone.
pub(crate) fn process_cpu_ns(pid: u32) -> Option<u64> {
    let mut clock = 0;
    // SAFETY: the call writes one clockid_t to the address of a live local.
    let failed = unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &mut clock) };
    if failed != 0 {
        return None;
    }
    cpu_ns(clock)
}

fn cpu_ns(clock: libc::clockid_t) -> Option<u64> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec to the address of a live local.
    let failed = unsafe { libc::clock_gettime(clock, &mut now) };
    (failed == 0).then_some(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}
