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

/// Keeps every page of the process in memory, also those still to come.
///
/// # Errors
/// `ENOMEM` or `EPERM` when the limit on locked memory is too low.
pub fn lock_memory() -> io::Result<()> {
    // SAFETY: takes flags only.
    let result = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
