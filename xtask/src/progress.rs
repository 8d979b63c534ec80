//! Progress lines on standard error, so that standard output holds only results.

use std::sync::OnceLock;
use std::time::Instant;

static START: OnceLock<Instant> = OnceLock::new();

/// Prints one line with the seconds since the task's first line.
pub(crate) fn say(text: impl AsRef<str>) {
    let seconds = START.get_or_init(Instant::now).elapsed().as_secs_f64();
    eprintln!("[{seconds:7.1} s] {}", text.as_ref());
}
