//! Real-time scheduling and locked memory: a heartbeat must not wait for a page or for a batch job.

use std::io;

/// Priority of the thread that beats, renews and forwards; below the kernel's own interrupt threads.
pub const PULSE_PRIORITY: i32 = 20;
/// Priority of the thread that moves addresses.
pub const STEER_PRIORITY: i32 = 15;

/// Nice value of the threads that read and write the kernel's table: next to other work they get nearly
/// all of a processor, and never more than fair scheduling lets them take from the kernel's own threads.
pub const TABLE_NICE: i32 = -15;

/// Gives the calling thread a nice value.
///
/// # Errors
/// `EACCES` without `CAP_SYS_NICE`.
pub fn renice(nice: i32) -> io::Result<()> {
    // SAFETY: takes numbers only; 0 names the calling thread, because Linux keeps the value per thread.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Highest processor number a configuration can name.
pub const CPU_MAX: usize = libc::CPU_SETSIZE as usize - 1;

/// Whether this process may run on a processor.
///
/// # Errors
/// What the kernel says.
pub fn is_allowed(cpu: usize) -> io::Result<bool> {
    assert!(cpu <= CPU_MAX);
    // SAFETY: cpu_set_t is plain data that the kernel fills; the number is within it (checked above).
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(libc::CPU_ISSET(cpu, &set))
    }
}

/// Keeps the calling thread on one processor.
///
/// # Errors
/// `EINVAL` if this process may not run there, or there is none of that number.
pub fn pin(cpu: usize) -> io::Result<()> {
    assert!(cpu <= CPU_MAX);
    // SAFETY: cpu_set_t is plain data, all zero is the empty set; the number is within it (checked above).
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Gives the calling thread a fixed real-time priority.
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE`, or in a control group without real-time budget.
pub fn schedule(priority: i32) -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: `parameter` is a valid sched_param; 0 names the calling thread.
    let result =
        unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &parameter) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Keeps every page of the process in memory, also those still to come once they were touched.
///
/// Pages to come are not made in advance: a table of a million flows that doubles would stop its thread
/// for as long as the kernel takes to clear 128 MiB (30 to 70 ms, longer than a lease).
///
/// # Errors
/// `ENOMEM` or `EPERM` when the limit on locked memory is too low.
pub fn lock_memory() -> io::Result<()> {
    let lock = |flags| {
        // SAFETY: takes flags only.
        unsafe { libc::mlockall(flags) }
    };
    let result = lock(libc::MCL_CURRENT).min(lock(libc::MCL_FUTURE | libc::MCL_ONFAULT));
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
