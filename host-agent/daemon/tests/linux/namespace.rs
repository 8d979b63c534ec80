//! Fixtures: nameless network namespaces that vanish with their last descriptor.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::time::{Duration, Instant};

use trine_daemon::linux::sys;

/// Longest wait for something that should happen at once.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// A network namespace.
pub(crate) struct Namespace {
    file: File,
}

impl Namespace {
    /// Makes one, with its loopback up and IPv6 detection of duplicates off.
    pub(crate) fn new() -> Self {
        let file = std::thread::spawn(|| {
            // SAFETY: no memory is passed; only this short-lived thread changes its namespace.
            let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
            assert_eq!(
                result,
                0,
                "these tests need root (CAP_SYS_ADMIN) to make network namespaces: {}; run `sudo -E cargo test -p trine-daemon`",
                std::io::Error::last_os_error()
            );
            File::open("/proc/thread-self/ns/net").expect("the namespace of this thread")
        })
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let namespace = Self { file };
        namespace.shell("ip link set lo up");
        // Quiet: no packets but those of the test.
        for setting in ["all/accept_dad", "default/accept_dad", "default/router_solicitations"] {
            namespace.run(|| std::fs::write(format!("/proc/sys/net/ipv6/conf/{setting}"), "0").unwrap());
        }
        namespace
    }

    /// Runs `body` on a thread inside.
    pub(crate) fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                // SAFETY: the descriptor is a live namespace; only this thread enters it.
                let result = unsafe { libc::setns(self.file.as_raw_fd(), libc::CLONE_NEWNET) };
                assert_eq!(result, 0, "setns: {}", std::io::Error::last_os_error());
                body()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs commands inside; they must succeed.
    pub(crate) fn shell(&self, script: &str) -> String {
        let output = self.run(|| Command::new("sh").args(["-ec", script]).output().expect("sh runs"));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {text}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A path by which another process finds this namespace.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}

/// Joins two namespaces by a veth pair of this MTU, both ends up.
pub(crate) fn veth(a: &Namespace, name_a: &str, b: &Namespace, name_b: &str, mtu: usize) {
    a.shell(&format!(
        "ip link add {name_a} mtu {mtu} type veth peer name {name_b} mtu {mtu} netns {}",
        b.path()
    ));
    a.shell(&format!("ip link set dev {name_a} up"));
    b.shell(&format!("ip link set dev {name_b} up"));
}

/// Calls `attempt` each time `source` can be read until it yields something; fails at the deadline.
pub(crate) fn await_readable<S: AsFd, T>(source: &mut S, attempt: impl FnMut(&mut S) -> Option<T>) -> T {
    await_readable_within(DEADLINE, source, attempt)
}

/// As [`await_readable`], with another deadline.
pub(crate) fn await_readable_within<S: AsFd, T>(
    deadline: Duration,
    source: &mut S,
    attempt: impl FnMut(&mut S) -> Option<T>,
) -> T {
    await_readable_or_none(deadline, source, attempt)
        .unwrap_or_else(|| panic!("nothing came within {deadline:?}"))
}

/// As [`await_readable_within`]; nothing at the deadline.
pub(crate) fn await_readable_or_none<S: AsFd, T>(
    deadline: Duration,
    source: &mut S,
    mut attempt: impl FnMut(&mut S) -> Option<T>,
) -> Option<T> {
    let begin = Instant::now();
    while begin.elapsed() < deadline {
        if let Some(found) = attempt(source) {
            return Some(found);
        }
        sys::wait_readable(source.as_fd(), 20).unwrap();
    }
    None
}

/// Whether nothing comes of `attempt` for `wait`.
pub(crate) fn stays_silent<S: AsFd>(
    source: &mut S,
    wait: Duration,
    mut attempt: impl FnMut(&mut S) -> bool,
) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < wait {
        if attempt(source) {
            return false;
        }
        sys::wait_readable(source.as_fd(), 5).unwrap();
    }
    true
}

/// Seconds of processor time this thread has used.
pub(crate) fn thread_cpu_s() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec, which outlives the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
