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

/// Processors that the calling thread may run on, lowest first.
///
/// # Errors
/// What the kernel says.
pub fn allowed() -> io::Result<Vec<usize>> {
    // SAFETY: cpu_set_t is plain data that the kernel fills; every number asked for is within it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((0..=CPU_MAX).filter(|cpu| libc::CPU_ISSET(*cpu, &set)).collect())
    }
}

/// Keeps the calling thread on these processors.
///
/// # Errors
/// `EINVAL` if this process may run on none of them.
pub fn pin(cpus: &[usize]) -> io::Result<()> {
    assert!(cpus.iter().all(|cpu| *cpu <= CPU_MAX));
    // SAFETY: cpu_set_t is plain data, all zero is the empty set; each number is within it (checked above).
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        cpus.iter().for_each(|cpu| libc::CPU_SET(*cpu, &mut set));
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Processors of the pulse, and of the threads that write and dump the kernel's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Of the pulse.
    pub pulse: Vec<usize>,
    /// Of the others.
    pub table: Vec<usize>,
}

/// Places them: a dump holds its processor for long on a kernel without preemption, so wherever there is a
/// choice the pulse shares none with it. Left to itself the pulse takes the last processor, because most
/// interrupts go to the first.
pub fn place(allowed: &[usize], pulse: Option<usize>, table: Option<usize>) -> Placement {
    let others = |cpu: usize| {
        let others: Vec<usize> = allowed.iter().copied().filter(|other| *other != cpu).collect();
        if others.is_empty() {
            allowed.to_vec()
        } else {
            others
        }
    };
    let pulse = match (pulse, table) {
        (Some(cpu), _) => vec![cpu],
        (None, Some(table)) => others(table),
        (None, None) => allowed.last().copied().into_iter().collect(),
    };
    let table = match (table, &pulse[..]) {
        (Some(cpu), _) => vec![cpu],
        (None, [cpu]) => others(*cpu),
        (None, _) => allowed.to_vec(),
    };
    Placement { pulse, table }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pulse_shares_no_processor_with_dumps_where_there_is_a_choice() {
        let placed = |allowed: &[usize], pulse, table| {
            let Placement { pulse, table } = place(allowed, pulse, table);
            (pulse, table)
        };
        assert_eq!(placed(&[0, 2, 5], None, None), (vec![5], vec![0, 2]));
        assert_eq!(placed(&[0, 2, 5], Some(2), None), (vec![2], vec![0, 5]));
        assert_eq!(placed(&[0, 2, 5], None, Some(0)), (vec![2, 5], vec![0]));
        assert_eq!(placed(&[0, 2, 5], Some(0), Some(5)), (vec![0], vec![5]));
        // What is configured is done, wise or not; with one processor there is no choice.
        assert_eq!(placed(&[0, 2, 5], Some(2), Some(2)), (vec![2], vec![2]));
        assert_eq!(placed(&[3], None, None), (vec![3], vec![3]));
        assert_eq!(placed(&[3], None, Some(3)), (vec![3], vec![3]));
    }

    #[test]
    fn a_thread_runs_where_it_was_placed() {
        let pinned = std::thread::spawn(|| {
            let placement = place(&allowed().unwrap(), None, None);
            pin(&placement.table).unwrap();
            let table = allowed().unwrap();
            // Another thread may go where this one may not: the limit is the thread's own.
            let pulse = placement.pulse.clone();
            pin(&pulse).unwrap();
            (placement, allowed().unwrap(), table)
        });
        let (placement, pulse, table) = pinned.join().unwrap();
        assert_eq!((pulse, table), (placement.pulse, placement.table));
    }
}
