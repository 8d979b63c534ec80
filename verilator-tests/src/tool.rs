//! Verilator and the C++ compiler: where they are, which ones they are, how they are called.
//!
//! The environment variables `VERILATOR` and `CXX` name others than those on the path.

use crate::cache;
use crate::error::{Error, Result};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::UNIX_EPOCH;

/// Of the code that runs each cycle. `-fno-gnu-unique` keeps the statics of two models apart in one process.
const FLAGS: &[&str] = &[
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-gnu-unique",
    "-fno-strict-aliasing",
    "-w",
    "-DVM_COVERAGE=0",
    "-DVM_SC=0",
    "-DVM_TRACE_FST=0",
    "-DVL_USER_FINISH",
    "-DVL_USER_STOP",
    "-DVL_USER_FATAL",
];

/// The headers that every model reads; the compiler finds the compiled form beside the file.
const HEADERS: &str = "headers.h";

/// The programs that a build needs.
pub(crate) struct Tools {
    verilator: PathBuf,
    compiler: PathBuf,
    fingerprint: String,
}

impl Tools {
    /// Finds them, or says how to install what is missing.
    pub(crate) fn find() -> Result<Tools> {
        let verilator = found(
            "VERILATOR",
            "verilator",
            "as root: apt-get update && apt-get install --yes --no-install-recommends verilator",
        )?;
        let compiler = found(
            "CXX",
            "g++",
            "as root: apt-get update && apt-get install --yes --no-install-recommends g++",
        )?;
        // `verilator` is a script; the program lies beside it. Asking for versions would cost each test
        // process 60 ms.
        let program = verilator.with_file_name("verilator_bin");
        let fingerprint =
            [&verilator, &program, &compiler].map(|path| identity(path)).join(" ").trim().to_owned();
        Ok(Tools { verilator, compiler, fingerprint })
    }

    /// What changes when a tool does.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn flags(&self) -> &'static [&'static str] {
        FLAGS
    }

    /// Runs Verilator on `source` in `folder`.
    pub(crate) fn verilate(
        &self,
        folder: &Path,
        top: &str,
        arguments: &[String],
        source: &str,
    ) -> Result<()> {
        let mut command = Command::new(&self.verilator);
        command.args(arguments).arg(source).current_dir(folder);
        let output = command.output().map_err(Error::system(line(&command)))?;
        if output.status.success() {
            return Ok(());
        }
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Error::Refused { top: top.into(), messages })
    }

    /// What all models share, in a folder: the runtime of Verilator as objects, and its headers compiled,
    /// which are most of what a small model would wait for.
    pub(crate) fn runtime(&self, trace: bool) -> Result<PathBuf> {
        let include = self.include()?;
        let name = cache::key(&["runtime", &self.fingerprint, &FLAGS.join(" "), &trace.to_string()]);
        cache::get(&name, |folder| {
            let (mut sources, mut headers) = (vec!["verilated", "verilated_threads"], String::new());
            headers.push_str("#include <verilated.h>\n");
            if trace {
                sources.push("verilated_vcd_c");
                headers.push_str("#include <verilated_vcd_c.h>\n");
            }
            let header = folder.join(HEADERS);
            fs::write(&header, headers).map_err(Error::system("writing the list of headers"))?;
            let mut commands: Vec<Command> = sources.iter().map(|_| self.compile(&include, trace)).collect();
            for (command, source) in commands.iter_mut().zip(sources) {
                command.args(["-c", "-o"]).arg(folder.join(source).with_extension("o"));
                command.arg(include.join(source).with_extension("cpp"));
            }
            let mut compiled = self.compile(&include, trace);
            compiled.args(["-x", "c++-header"]).arg(&header);
            commands.push(compiled);
            let running = commands.into_iter().map(spawn).collect::<Result<Vec<_>>>()?;
            running.into_iter().try_for_each(finish)
        })
    }

    /// Compiles the unit in `folder/cpp` and links it with the runtime to `folder/library`.
    pub(crate) fn link(&self, folder: &Path, runtime: &Path, trace: bool, library: &str) -> Result<()> {
        let cpp = folder.join("cpp");
        let mut command = self.compile(&self.include()?, trace);
        command.arg("-include").arg(runtime.join(HEADERS)).args(["-c", "unit.cpp"]).current_dir(&cpp);
        finish(spawn(command)?)?;
        let mut command = Command::new(&self.compiler);
        command.args(["-shared", "-Wl,-Bsymbolic", "-Wl,-z,defs", "-o"]).arg(folder.join(library));
        command.arg(cpp.join("unit.o")).args(objects(runtime)?).arg("-pthread");
        finish(spawn(command)?)
    }

    fn compile(&self, include: &Path, trace: bool) -> Command {
        let mut command = Command::new(&self.compiler);
        command.args(FLAGS).arg("-I").arg(include).arg("-I").arg(include.join("vltstd"));
        let trace = u8::from(trace);
        command.arg(format!("-DVM_TRACE={trace}")).arg(format!("-DVM_TRACE_VCD={trace}"));
        command
    }

    /// The folder of the runtime's sources.
    fn include(&self) -> Result<PathBuf> {
        let mut command = Command::new(&self.verilator);
        command.args(["--getenv", "VERILATOR_ROOT"]);
        let output = command.output().map_err(Error::system(line(&command)))?;
        Ok(Path::new(String::from_utf8_lossy(&output.stdout).trim()).join("include"))
    }
}

fn objects(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(Error::system("listing the runtime"))?;
    let files = entries.flatten().map(|entry| entry.path());
    Ok(files.filter(|path| path.extension().is_some_and(|end| end == "o")).collect())
}

/// A command at work, and its line for the message if it fails.
type Running = (Child, String);

fn spawn(mut command: Command) -> Result<Running> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let line = line(&command);
    let child = command.spawn().map_err(Error::system(line.clone()))?;
    Ok((child, line))
}

fn finish((child, line): Running) -> Result<()> {
    let output = child.wait_with_output().map_err(Error::system(line.clone()))?;
    if output.status.success() {
        return Ok(());
    }
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::Compiler { command: line, messages })
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The program that `variable` names, or `name`, looked up on the path.
fn found(variable: &str, name: &str, remedy: &'static str) -> Result<PathBuf> {
    let program = env::var(variable).unwrap_or_else(|_| name.to_owned());
    let path = env::var("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).map(|folder| folder.join(&program));
    places.find(|file| file.is_file()).ok_or(Error::ToolMissing { program, remedy })
}

/// Path, size and time of change of a program.
fn identity(path: &Path) -> String {
    let Ok(real) = fs::canonicalize(path) else { return String::new() };
    let Ok(about) = fs::metadata(&real) else { return String::new() };
    let changed = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{} {} {:?}", real.display(), about.len(), changed.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_comes_with_its_remedy() {
        let problem = found("NO_SUCH_VARIABLE", "no-such-program", "as root: apt-get install x");
        let text = problem.expect_err("not there").to_string();
        assert_eq!(text, "`no-such-program` is not installed; as root: apt-get install x");
    }
}
