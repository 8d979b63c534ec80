//! From a Verilog text to a loaded model: Verilate, compile, link, load, once per text.
//!
//! Enters: text, name of the top, options. Leaves: a [`Model`]. Verilator's own makefile is not used: it
//! compiles for size, which halves the speed, and compiles the runtime anew for each model. Lints that
//! generated text cannot avoid are off; latches, several drivers, loops and undeclared names are refused.

use crate::cache;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::tool::Tools;
use crate::{header, shim};
use std::fs;
use std::path::Path;

/// What a register holds before its reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// Zero, the fastest.
    Zero,
    /// Drawn from the seed of the instance: shows what depends on a register that no reset reaches.
    Random,
}

/// A Verilog text with a top, and how to build it.
#[derive(Clone, Debug)]
pub struct Design {
    pub(crate) top: String,
    pub(crate) text: String,
    initial: Initial,
    trace: bool,
    arguments: Vec<String>,
    pub(crate) clock: String,
    pub(crate) reset: Option<Reset>,
}

/// The reset of a top.
#[derive(Clone, Debug)]
pub(crate) struct Reset {
    pub(crate) port: String,
    /// The level that resets.
    pub(crate) level: bool,
}

impl Design {
    /// The top named `top` in `text`. Clock and reset are ports `clock` and `reset` (high resets).
    pub fn new(top: impl Into<String>, text: impl Into<String>) -> Design {
        Design {
            top: top.into(),
            text: text.into(),
            initial: Initial::Zero,
            trace: false,
            arguments: Vec::new(),
            clock: "clock".into(),
            reset: Some(Reset { port: "reset".into(), level: true }),
        }
    }

    /// The port that clocks the top; an empty name where there is none.
    pub fn clock(mut self, port: &str) -> Design {
        self.clock = port.into();
        self
    }

    /// The port that resets the top, and the level that does.
    pub fn reset(mut self, port: &str, level: bool) -> Design {
        self.reset = Some(Reset { port: port.into(), level });
        self
    }

    /// A top that needs no reset.
    pub fn without_reset(mut self) -> Design {
        self.reset = None;
        self
    }

    /// What registers hold before reset.
    pub fn initial(mut self, initial: Initial) -> Design {
        self.initial = initial;
        self
    }

    /// Whether the model can write waveforms; one that can is slower.
    pub fn trace(mut self, trace: bool) -> Design {
        self.trace = trace;
        self
    }

    /// One more argument for Verilator, such as `-Gdepth=4` or `-Wno-UNOPTFLAT`.
    pub fn argument(mut self, argument: impl Into<String>) -> Design {
        self.arguments.push(argument.into());
        self
    }

    /// The same with another text, such as one with a planted fault.
    pub fn with_text(mut self, text: impl Into<String>) -> Design {
        self.text = text.into();
        self
    }

    /// The name of the top.
    pub fn top(&self) -> &str {
        &self.top
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Builds and loads; quick if it was built before.
    pub fn build(&self) -> Result<Model> {
        let tools = Tools::find()?;
        let arguments = self.verilator_arguments();
        let trace = if self.trace { "trace" } else { "" };
        let shim = shim::source(&[]);
        let key = cache::key(&[
            &self.text,
            &arguments.join(" "),
            trace,
            tools.fingerprint(),
            &shim,
            &tools.flags().join(" "),
        ]);
        let folder = cache::get(&key, |folder| self.build_in(folder, &tools, &arguments))?;
        Model::load(&folder.join(LIBRARY), self.initial)
    }

    fn verilator_arguments(&self) -> Vec<String> {
        let unknown = match self.initial {
            Initial::Zero => "fast",
            Initial::Random => "unique",
        };
        let fixed = "--cc -O3 --assert --prefix Vmodel --Mdir cpp -Wno-lint -Wno-style -Wwarn-IMPLICIT -Wwarn-LATCH -Wwarn-PINMISSING";
        let mut arguments: Vec<String> = fixed.split(' ').map(str::to_owned).collect();
        let initial = ["--top-module", &self.top, "--x-assign", unknown, "--x-initial", unknown];
        arguments.extend(initial.map(str::to_owned));
        if self.trace {
            arguments.push("--trace".into());
        }
        arguments.extend(self.arguments.iter().cloned());
        arguments
    }

    fn build_in(&self, folder: &Path, tools: &Tools, arguments: &[String]) -> Result<()> {
        let write = |name: &str, text: &str| {
            fs::write(folder.join(name), text).map_err(Error::system(format!("writing {name}")))
        };
        let source = format!("{}.v", file_stem(&self.top));
        write(&source, &self.text)?;
        tools.verilate(folder, &self.top, arguments, &source)?;
        let header = fs::read_to_string(folder.join("cpp/Vmodel.h"));
        let ports = header::ports(&header.map_err(Error::system("reading the generated class"))?);
        write("cpp/shim.cpp", &shim::source(&ports))?;
        write("cpp/unit.cpp", &unit(&folder.join("cpp"))?)?;
        let runtime = tools.runtime(self.trace)?;
        tools.link(folder, &runtime, self.trace, LIBRARY)?;
        // What was generated can be generated again; the text stays to be read beside a waveform.
        fs::remove_dir_all(folder.join("cpp")).map_err(Error::system("removing the generated sources"))
    }
}

const LIBRARY: &str = "model.so";

/// A module's name without what a file name should not hold.
fn file_stem(top: &str) -> String {
    top.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

/// The generated sources as one unit: what runs each cycle, what runs once, the shim.
///
/// In one unit the compiler sees through all calls of a cycle, and reads the headers once; what runs once
/// is not worth its time.
fn unit(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder).map_err(Error::system("listing the generated sources"))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("Vmodel") && name.ends_with(".cpp"))
        .collect();
    names.sort();
    let is_slow = |name: &String| ["Slow.cpp", "__Syms.cpp"].iter().any(|end| name.ends_with(end));
    let (slow, fast): (Vec<String>, Vec<String>) = names.into_iter().partition(is_slow);
    let all = |names: Vec<String>| -> String {
        names.iter().map(|name| format!("#include \"{name}\"\n")).collect()
    };
    let (fast, slow) = (all(fast), all(slow));
    let once =
        format!("#pragma GCC push_options\n#pragma GCC optimize(\"O0\")\n{slow}#pragma GCC pop_options\n");
    Ok(format!("{fast}{once}#include \"shim.cpp\"\n"))
}
