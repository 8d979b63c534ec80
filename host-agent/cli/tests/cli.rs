//! What an operator sees when something is wrong: an error that names it, exit code 1, no panic.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};

const EXAMPLE: &str = include_str!("../../daemon/example.toml");

/// A scratch file of this test process that goes when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8], mode: u32) -> Self {
        let path = std::env::temp_dir().join(format!("trine-cli-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Self(path)
    }
    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn trine(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trine")).args(arguments).output().unwrap()
}

fn error(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn the_example_is_a_valid_configuration() {
    let file = Scratch::new("example.toml", EXAMPLE.as_bytes(), 0o644);
    let output = trine(&["agent", "--config", file.text(), "--check"]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn an_unknown_key_is_named_with_what_is_allowed() {
    let text = EXAMPLE.replace("beat_ms = 2", "beet_ms = 2");
    let file = Scratch::new("unknown.toml", text.as_bytes(), 0o644);
    let text = error(&trine(&["agent", "--config", file.text()]));
    assert!(text.contains("beet_ms") && text.contains("beat_ms"), "{text}");
}

#[test]
fn a_missing_file_and_a_missing_agent_are_named() {
    let text = error(&trine(&["agent", "--config", "/nonexistent/trine.toml"]));
    assert!(text.contains("/nonexistent/trine.toml"), "{text}");
    for verb in [["stat"].as_slice(), &["flows"], &["move", "--group", "gateway", "--to", "gw2"]] {
        let arguments = [verb, &["--control", "/nonexistent/trine.sock"]].concat();
        let text = error(&trine(&arguments));
        assert!(text.contains("/nonexistent/trine.sock") && text.contains("trine agent"), "{text}");
    }
}

#[test]
fn missing_privileges_are_named() {
    const NOBODY: u32 = 65_534;
    let binary = std::fs::read(env!("CARGO_BIN_EXE_trine")).unwrap();
    let binary = Scratch::new("binary", &binary, 0o755);
    let file = Scratch::new("unprivileged.toml", EXAMPLE.as_bytes(), 0o644);
    let mut command = Command::new(&binary.0);
    command.args(["agent", "--config", file.text()]);
    // SAFETY: geteuid has no precondition.
    if unsafe { libc::geteuid() } == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let text = error(&command.output().unwrap());
    assert!(text.contains("CAP_NET_ADMIN") && text.contains("CAP_NET_RAW"), "{text}");
}
