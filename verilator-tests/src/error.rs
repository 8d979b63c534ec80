//! Everything that can go wrong between a Verilog text and a finished test, in words for its reader.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a model could not be built, or what it did wrong.
pub enum Error {
    /// A program that is needed is not installed.
    ToolMissing {
        /// Its name.
        program: String,
        /// How to get it.
        remedy: &'static str,
    },
    /// Verilator did not accept the text; its own messages.
    Refused {
        /// The top module.
        top: String,
        /// What Verilator wrote.
        messages: String,
    },
    /// The generated C++ did not compile.
    Compiler {
        /// The command.
        command: String,
        /// What the compiler wrote.
        messages: String,
    },
    /// A file or lock could not be used.
    System {
        /// What was being done.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A finished library could not be loaded.
    Load {
        /// The file.
        path: PathBuf,
        /// The loader's answer.
        source: libloading::Error,
    },
    /// The top has no such port.
    NoPort {
        /// The name asked for.
        port: String,
        /// The ports there are.
        present: String,
    },
    /// A port is wider than the type asked for.
    Width {
        /// The port.
        port: String,
        /// Its bits.
        width: u32,
        /// Bits of the type.
        value: u32,
    },
    /// An output was asked for as an input.
    Direction {
        /// The port.
        port: String,
    },
    /// The model ended itself: `$finish`, `$stop`, a failed assertion, a loop that does not settle.
    Stopped {
        /// The reason with its place in the text.
        message: String,
    },
    /// A port broke a rule of its protocol.
    Violation {
        /// The cycle, counted from the first.
        cycle: u64,
        /// The port or stream.
        port: String,
        /// What happened.
        rule: String,
    },
    /// What was waited for did not come.
    Timeout {
        /// What.
        what: String,
        /// The cycles that passed.
        cycles: u64,
    },
    /// A capture file could not be read or written.
    Capture {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A beginning had its cycles: not a fault, see [`Bench::begin`](crate::Bench::begin).
    Over,
    /// A test's own finding.
    Found(String),
}

impl Error {
    /// Wraps a failed system call together with what it was meant to do.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let what = what.into();
        move |source| Error::System { what, source }
    }
}

/// An error if `found` is not what was expected: an assertion for tests that return their findings.
pub fn expect_same<T: PartialEq + fmt::Debug>(what: &str, found: T, expected: T) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::Found(format!("{what} is {found:?}, expected {expected:?}"))),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::ToolMissing { program, remedy } => write!(f, "`{program}` is not installed; {remedy}"),
            Error::Refused { top, messages } => {
                write!(f, "Verilator refused `{top}`:\n{}", messages.trim_end())
            }
            Error::Compiler { command, messages } => {
                write!(f, "`{command}` failed:\n{}", messages.trim_end())
            }
            Error::System { what, source } => write!(f, "{what}: {source}"),
            Error::Load { path, source } => write!(f, "loading {}: {source}", path.display()),
            Error::NoPort { port, present } => write!(f, "no port `{port}`; there are: {present}"),
            Error::Width { port, width, value } => {
                write!(f, "port `{port}` has {width} bits, the type asked for holds {value}")
            }
            Error::Direction { port } => write!(f, "port `{port}` is an output and cannot be driven"),
            Error::Stopped { message } => write!(f, "the model stopped: {message}"),
            Error::Violation { cycle, port, rule } => write!(f, "cycle {cycle}: {port}: {rule}"),
            Error::Timeout { what, cycles } => write!(f, "{what}: not after {cycles} cycles"),
            Error::Capture { path, reason } => write!(f, "{}: {reason}", path.display()),
            Error::Over => f.write_str("the cycles of a beginning are over"),
            Error::Found(text) => f.write_str(text),
        }
    }
}

/// As [`fmt::Display`], so that a test that returns it prints lines and no structure.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
