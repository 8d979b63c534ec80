//! Unbounded proofs on exported Verilog: what holds in every run, however long.
//!
//! Enters: a block's text and a module of claims around it, in which each output is a property that fails.
//! Yosys makes one circuit of gates of both; ABC looks for a run that raises an output, or for an invariant
//! that excludes every such run (property-directed reachability). Registers of a block hold anything
//! before the first clock, which is a reset. Blocks are narrow copies: few bits and places keep it quick. Of a
//! card only the parts behind a port are there ([`card`]).

mod card;
mod table;

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
    /// Of the block.
    pub(crate) name: &'static str,
    /// The block's text.
    pub(crate) text: fn() -> String,
    claims: &'static str,
    /// Macros of the claims.
    defines: &'static str,
    /// Wires of the claims that nothing drives there, and those of the block that do.
    looks: &'static [(&'static str, &'static str)],
    /// What the names of the latter begin with.
    at: &'static str,
}

const fn plain(name: &'static str, text: fn() -> String, claims: &'static str) -> Subject {
    Subject { name, text, claims, defines: "", looks: &[], at: "" }
}

/// Every block of which something is proven.
pub(crate) const SUBJECTS: [Subject; 13] = {
    let [frames_512, frames_256, frames_128] = card::FRAMES;
    let [host, driver] = card::ANSWERS;
    [
        plain("fifo", || hw::export("fifo", &mut Fifo::<2, 2, 3>::default()), include_str!("fifo.v")),
        plain("skid", || hw::export("skid", &mut SkidBuffer::<2>::default()), include_str!("skid.v")),
        plain("arbiter", || hw::export("arbiter", &mut Arbiter::default()), include_str!("arbiter.v")),
        plain("matrix", bodies, include_str!("matrix.v")),
        plain("csr", registers, include_str!("csr.v")),
        plain(
            "out_buffer",
            || hw::export("out_buffer", &mut OutBuffer::<1, 8, 2>::default()),
            include_str!("out_buffer.v"),
        ),
        plain("pages", || hw::export("pages", &mut Pages::<1, 2>::default()), include_str!("pages.v")),
        table::TAGS,
        frames_512,
        frames_256,
        frames_128,
        host,
        driver,
    ]
};

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
        let looks: String = self
            .looks
            .iter()
            .map(|(to, from)| format!("connect -nounset -set {to} {}{from}; ", self.at))
            .collect();
        // Values of registers before the first clock are struck out, but for those of the claims: a power-up
        // may give anything. So does what nothing drives.
        let script = format!(
            "read_verilog -noblackbox {} block.v claims.v; hierarchy -check -top claims; proc; \
             setattr -unset init */w:* claims/* %d; flatten; {looks}setundef -undriven -anyseq; \
             opt_clean; opt; memory -nomap; memory_map; opt -full; techmap; opt -fast; \
             setundef -undriven -anyseq; setundef -anyseq; dffunmap; aigmap; opt_clean; \
             write_aiger -zinit -symbols circuit.aig",
            self.defines
        );
        run("yosys", "yosys", &["-q", "-p", &script], &circuit.folder)?;
        let file = circuit.folder.join("circuit.aig");
        let bytes = std::fs::read(&file).map_err(|problem| format!("{}: {problem}", file.display()))?;
        circuit.properties = output_names(&bytes)?;
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

/// Names of the outputs from the symbols behind the gates: `o0 name`, which Yosys sorts as words.
fn output_names(circuit: &[u8]) -> Result<Vec<String>, String> {
    let text = String::from_utf8_lossy(circuit);
    let mut lines = text.lines();
    // `aig`, then numbers: variables, inputs, registers, outputs, gates.
    let count = lines.next().and_then(|head| head.split(' ').nth(4)?.parse().ok());
    let count: usize = count.ok_or("no head before the gates")?;
    let mut names = vec![None; count];
    for line in lines {
        // A line of the gates' bytes may be anything, but hardly this.
        let symbol = line.strip_prefix('o').and_then(|line| line.split_once(' '));
        let Some((number, name)) = symbol else { continue };
        if let Some(place) = number.parse().ok().and_then(|number: usize| names.get_mut(number)) {
            *place = Some(name.split(' ').next().unwrap_or_default().to_owned());
        }
    }
    let names: Option<Vec<String>> = names.into_iter().collect();
    names.ok_or_else(|| "an output without a name".to_owned())
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
