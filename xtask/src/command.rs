//! Runs other programs and turns their failure into an [`Error`] that shows the command line.

use crate::error::{Error, Result};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A command from its words.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// The cargo that started us, so that a toolchain override reaches the children.
pub(crate) fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).current_dir(crate::workspace::root());
    command
}

/// The command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// Runs with our own output; fails if the command fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|source| not_started(command, &source))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Command { line: line(command), status: status.to_string(), stderr: String::new() })
}

/// Runs and returns what the command wrote to standard output.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|source| not_started(command, &source))?;
    finished(command, output)
}

/// Runs with `input` on standard input and returns what it wrote to standard output.
pub(crate) fn feed(command: &mut Command, input: &str) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| not_started(command, &source))?;
    let mut stdin = child.stdin.take().expect("standard input was asked for");
    // A command that fails early closes the pipe: its exit status tells the better story.
    let written = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().map_err(|source| not_started(command, &source))?;
    let text = finished(command, output)?;
    written.map_err(Error::system(format!("writing to `{}`", line(command))))?;
    Ok(text)
}

/// Starts a command that dies with this process, whatever ends it.
pub(crate) fn spawn(command: &mut Command) -> Result<Child> {
    // SAFETY: between fork and exec only prctl is called, which is async-signal-safe and
    // touches no memory of the parent.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    command.spawn().map_err(|source| not_started(command, &source))
}

fn finished(command: &Command, output: std::process::Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Command {
        line: line(command),
        status: output.status.to_string(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn not_started(command: &Command, source: &std::io::Error) -> Error {
    Error::Command { line: line(command), status: source.to_string(), stderr: String::new() }
}
