//! What can go wrong in a task, in the words printed to the person who started it.

use std::fmt;
use std::io;

/// The result of every task.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why a task stopped.
#[derive(Debug)]
pub(crate) enum Error {
    /// Something the task needs is not there; the text says what, and how to get it.
    Missing(String),
    /// A command ended with a failure.
    Command {
        /// The command line.
        line: String,
        /// Its exit status or the reason it did not start.
        status: String,
        /// What it wrote to standard error, where that was captured.
        stderr: String,
    },
    /// An operating system call failed.
    System {
        /// What was being done.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A process answered something else than agreed, or not in time.
    Unexpected(String),
    /// Checks or bars were not met; each one was already printed.
    NotMet(String),
    /// It was not met, and the task's last line already says so.
    Shown,
    /// A signal asked the task to end.
    Interrupted,
}

impl Error {
    /// Wraps a failed system call together with what it was meant to do.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let what = what.into();
        move |source| Error::System { what, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Missing(text) | Error::Unexpected(text) | Error::NotMet(text) => f.write_str(text),
            Error::Command { line, status, stderr } => {
                write!(f, "`{line}` failed: {status}")?;
                if !stderr.trim().is_empty() {
                    write!(f, "\n{}", stderr.trim_end())?;
                }
                Ok(())
            }
            Error::System { what, source } => write!(f, "{what}: {source}"),
            Error::Shown => Ok(()),
            Error::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {}
