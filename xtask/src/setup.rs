//! Finds which system tools are missing and installs them, or says how.
//!
//! Enters: nothing but the search path. Leaves: a machine on which tests and demonstration can run,
//! or an error with the exact command. It never installs without being root.

use crate::command::{capture, command, run};
use crate::error::{Error, Result};
use crate::progress::say;
use std::path::Path;

/// A program we start and the Debian package that brings it.
struct Tool {
    program: &'static str,
    package: &'static str,
}

const TOOLS: [Tool; 4] = [
    Tool { program: "ip", package: "iproute2" },
    Tool { program: "nft", package: "nftables" },
    Tool { program: "conntrack", package: "conntrack" },
    Tool { program: "sysctl", package: "procps" },
];

/// What the tests and proofs of RTL need beside.
const RTL_TOOLS: [Tool; 5] = [
    Tool { program: "verilator", package: "verilator" },
    Tool { program: "g++", package: "g++" },
    Tool { program: "yosys", package: "yosys" },
    Tool { program: "iverilog", package: "iverilog" },
    Tool { program: "berkeley-abc", package: "berkeley-abc" },
];

/// The peer that one bench measures beside ours.
const CONNTRACKD: Tool = Tool { program: "conntrackd", package: "conntrackd" };

/// Makes sure that everything is there that the demonstration and the tests need.
pub(crate) fn run_setup() -> Result<()> {
    ensure_demo()?;
    ensure_rtl()?;
    say("setup: every tool is present");
    Ok(())
}

/// Makes sure that the demonstration can run.
pub(crate) fn ensure_demo() -> Result<()> {
    install(&TOOLS)
}

/// Makes sure that RTL can be tested.
pub(crate) fn ensure_rtl() -> Result<()> {
    install(&RTL_TOOLS)
}

/// Makes sure that conntrackd is there, and that installing it leaves no service of its own behind.
pub(crate) fn ensure_conntrackd() -> Result<()> {
    if present(CONNTRACKD.program) {
        return Ok(());
    }
    install(&[CONNTRACKD])?;
    if present("systemctl") {
        // The package starts it at once; where there is no systemd at work, nothing was started.
        let _ = capture(&mut command(&["systemctl", "disable", "--now", "conntrackd.service"]));
    }
    Ok(())
}

/// Makes sure that Python can make environments of its own. Debian has the module apart from Python, and a
/// program of that name does not exist: the module itself is asked for.
pub(crate) fn ensure_venv() -> Result<()> {
    let has_venv = |_: &str| capture(&mut command(&["python3", "-c", "import ensurepip, venv"])).is_ok();
    install_unless(&[Tool { program: "python3", package: "python3-venv" }], has_venv)
}

fn install(tools: &[Tool]) -> Result<()> {
    install_unless(tools, present)
}

fn install_unless(tools: &[Tool], present: impl Fn(&str) -> bool) -> Result<()> {
    let packages = missing(tools, &present);
    if packages.is_empty() {
        return Ok(());
    }
    if !is_root() || find("apt-get").is_none() {
        return Err(Error::Missing(format!(
            "missing system packages; as root run:\n  {}",
            install_line(&packages)
        )));
    }
    say(format!("setup: installing {}", packages.join(" ")));
    let mut install = vec!["apt-get", "install", "--yes", "--no-install-recommends"];
    install.extend(&packages);
    let installed = run(command(&install).env("DEBIAN_FRONTEND", "noninteractive"));
    if installed.is_err() {
        // A fresh image has no package lists yet.
        run(&mut command(&["apt-get", "update"]))?;
        run(command(&install).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    let left = missing(tools, &present);
    if left.is_empty() {
        return Ok(());
    }
    Err(Error::Missing(format!("still missing after the installation: {}", left.join(" "))))
}

/// Whether we may make namespaces, rules and addresses.
pub(crate) fn is_root() -> bool {
    // SAFETY: geteuid has no arguments and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn present(program: &str) -> bool {
    find(program).is_some()
}

fn missing(tools: &[Tool], present: impl Fn(&str) -> bool) -> Vec<&'static str> {
    tools.iter().filter(|tool| !present(tool.program)).map(|tool| tool.package).collect()
}

fn install_line(packages: &[&str]) -> String {
    format!("apt-get update && apt-get install --yes --no-install-recommends {}", packages.join(" "))
}

/// The program's path; the system folders are searched even when a user's PATH lacks them.
fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut folders = path.split(':').chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"]);
    folders.find_map(|folder| Some(Path::new(folder).join(program)).filter(|file| file.is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_tools_become_packages() {
        assert_eq!(missing(&TOOLS, |program| program != "nft" && program != "ip"), ["iproute2", "nftables"]);
        assert!(missing(&TOOLS, |_| true).is_empty());
        assert!(install_line(&["nftables"]).ends_with("recommends nftables"));
    }
}
