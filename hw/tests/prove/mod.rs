//! Unbounded proofs on exported Verilog: what holds in every run, however long.
//!
//! Enters: a block's text and a module of claims around it, in which each output is a property that fails.
//! Yosys makes one circuit of gates of both; ABC looks for a run that raises an output, or for an invariant
//! that excludes every such run (property-directed reachability). Registers of a block hold anything
//! before the first clock, which is a reset. Blocks are narrow copies: few bits and places keep it quick.

use hw::csr::{Csr, Words};
use hw::framer::OutBuffer;
use hw::pool::Pages;
use hw::prim::{Arbiter, Fifo, Rows, SkidBuffer, XorMatrix};
use std::path::{Path, PathBuf};
use std::process::{id, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// Seconds after which a property counts as open.
const SECONDS_MAX: u32 = 60;

/// A block and what is claimed of it.
pub(crate) struct Subject {
    /// Of the block; its modules' names begin so.
    pub(crate) name: &'static str,
    /// The block's text.
    pub(crate) text: fn() -> String,
    claims: &'static str,
}

/// Every block of which something is proven.
pub(crate) const SUBJECTS: [Subject; 7] = [
    Subject {
        name: "fifo",
        text: || hw::export("fifo", &mut Fifo::<2, 2, 3>::default()),
        claims: include_str!("fifo.v"),
    },
    Subject {
        name: "skid",
        text: || hw::export("skid", &mut SkidBuffer::<2>::default()),
        claims: include_str!("skid.v"),
    },
    Subject {
        name: "arbiter",
        text: || hw::export("arbiter", &mut Arbiter::default()),
        claims: include_str!("arbiter.v"),
    },
    Subject { name: "matrix", text: bodies, claims: include_str!("matrix.v") },
    Subject { name: "csr", text: registers, claims: include_str!("csr.v") },
    Subject {
        name: "out_buffer",
        text: || hw::export("out_buffer", &mut OutBuffer::<1, 8, 2>::default()),
        claims: include_str!("out_buffer.v"),
    },
    Subject {
        name: "pages",
        text: || hw::export("pages", &mut Pages::<1, 2>::default()),
        claims: include_str!("pages.v"),
    },
];

/// Both bodies of one matrix, each as a module. 13 inputs leave a byte that is not whole; Yosys takes
/// 3 s for two bytes of tables, and had not finished six after 100 s.
fn bodies() -> String {
    let mut random = 88_172_645_463_325_252_u64;
    let mut draw = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random & 1 == 1
    };
    let rows: Rows = (0..5).map(|_| (0..13).filter(|_| draw()).collect()).collect();
    let body = |name| hw::export(name, &mut XorMatrix::<13, 5>::new(rows.clone()));
    format!("`define VERILATOR\n{}`undef VERILATOR\n{}", body("tables"), body("sums"))
}

/// Registers of which each kind has one or two.
fn registers() -> String {
    let words = Words { stored: [(0x40, true), (0x180, false)], said: [0], enable: 0, counters: 2 };
    hw::export("csr", &mut Csr::<2, 64, 1, 32>::new(&words))
}

/// What became of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It holds in every run.
    Proven,
    /// There is a run in which it fails.
    Refuted,
    /// Neither was found in time.
    Open,
}

/// A block and its claims as gates, in a folder that goes with it.
pub(crate) struct Circuit {
    folder: PathBuf,
    /// The properties, in the order of the outputs.
    pub(crate) properties: Vec<String>,
}

impl Subject {
    /// Makes gates of `text`, which is the block's own or one with a fault, and of the claims.
    ///
    /// # Errors
    /// If Yosys is not there or refuses the text.
    pub(crate) fn circuit(&self, text: &str) -> Result<Circuit, String> {
        // Tests run at once, as threads and as processes.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("prove-{}-{number}-{}", id(), self.name));
        std::fs::create_dir(&folder).map_err(|problem| format!("{}: {problem}", folder.display()))?;
        let mut circuit = Circuit { folder, properties: Vec::new() };
        write(&circuit.folder.join("block.v"), text)?;
        write(&circuit.folder.join("claims.v"), self.claims)?;
        // Values of registers before the first clock are struck out: a power-up may give anything.
        let script = format!(
            "read_verilog block.v claims.v; hierarchy -check -top claims; proc; \
             setattr -unset init {}*/w:*; flatten; opt; memory -nomap; memory_map; opt -full; techmap; \
             opt -fast; dffunmap; aigmap; opt_clean; write_aiger -zinit -symbols circuit.aig",
            self.name
        );
        run("yosys", "yosys", &["-q", "-p", &script], &circuit.folder)?;
        let file = circuit.folder.join("circuit.aig");
        let bytes = std::fs::read(&file).map_err(|problem| format!("{}: {problem}", file.display()))?;
        circuit.properties = output_names(&bytes);
        Ok(circuit)
    }
}

impl Circuit {
    /// Decides the property of that number, and says how long it took in seconds.
    ///
    /// # Errors
    /// If ABC is not there or fails.
    pub(crate) fn decide(&self, number: usize) -> Result<(Verdict, f64), String> {
        let start = Instant::now();
        // One output alone, without what it does not depend on.
        let script = format!("read_aiger circuit.aig; cone -s -O {number}; strash; pdr -T {SECONDS_MAX}");
        let said = run("berkeley-abc", "berkeley-abc", &["-c", &script], &self.folder)?;
        let verdict = if said.contains("Property proved.") {
            Verdict::Proven
        } else if said.contains("was asserted in frame") {
            Verdict::Refuted
        } else if said.contains("Property UNDECIDED.") {
            Verdict::Open
        } else {
            return Err(format!("ABC on `{}`:\n{said}", self.properties[number]));
        };
        Ok((verdict, start.elapsed().as_secs_f64()))
    }
}

impl Drop for Circuit {
    fn drop(&mut self) {
        // Scratch: what cannot be removed does not change a verdict.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|problem| format!("{}: {problem}", file.display()))
}

/// Names of the outputs from the symbols behind the gates: `o0 name`.
fn output_names(circuit: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(circuit);
    let mut names = Vec::new();
    for line in text.lines() {
        // A line of the gates' bytes may be anything, but hardly the next number in order.
        if let Some(name) = line.strip_prefix(&format!("o{} ", names.len())) {
            names.push(name.split(' ').next().unwrap_or_default().to_owned());
        }
    }
    names
}

/// What the program wrote, or why it could not.
fn run(program: &str, package: &str, arguments: &[&str], folder: &Path) -> Result<String, String> {
    let output = Command::new(program).args(arguments).current_dir(folder).output().map_err(|problem| {
        format!(
            "`{program}` does not start ({problem}); as root: \
             apt-get update && apt-get install --yes --no-install-recommends {package}"
        )
    })?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("`{program}` fails ({}):\n{said}", output.status));
    }
    Ok(said)
}
