//! One top through Yosys and nextpnr.
//!
//! Enters: a file of Verilog. Leaves: figures. The block is mapped alone for both families, so that its
//! counts are its own; for place and route the mapped block goes into a harness.

use super::depth::longest;
use super::figures::{Ecp5, Figures, Path, Placed, UltraScale, Used, SEEDS_COUNT};
use super::harness;
use super::netlist::{Cell, Netlist};
use super::tools::Tools;
use crate::command::capture;
use crate::error::{Error, Result};
use crate::interrupt::check;
use std::fs;
use std::path::Path as File;

/// What the placer aims at: the clock of the design.
const TARGET_MHZ: &str = "250";
/// Options of the place and route: the device, and no pin with a place of its own.
const DEVICE: [&str; 7] =
    ["--85k", "--package", "CABGA756", "--speed", "8", "--lpf-allow-unconstrained", "--timing-allow-fail"];
/// Synthesis for each family; both have the step `map_ffram`, before which what is still a memory fits no RAM.
const FOR_ECP5: &str = "synth_ecp5";
const FOR_ULTRASCALE: &str = "synth_xilinx -family xcup -flatten -noiopad -noclkbuf";
/// A trip through the routing in picoseconds, beside pins of tables of 30 to 200: what is counted is levels, so
/// the mapper must not add one to save a slow pin. With the 300 it takes by itself `flows` has 8 levels, with
/// this 6, and a twentieth more tables.
const ROUTE_PS: u32 = 1200;

/// What decides the figures beside the text of the top and the versions of the tools.
pub(super) fn recipe() -> String {
    // A change to how figures are counted needs a new number.
    format!(
        "3; {FOR_ECP5}; {FOR_ULTRASCALE} at {ROUTE_PS}; {TARGET_MHZ}; {}; {SEEDS_COUNT}",
        DEVICE.join(" ")
    )
}

/// The top in `verilog`, mapped for both families; `folder` is for what the tools write.
pub(super) fn mapped(tools: &Tools, top: &str, verilog: &File, folder: &File) -> Result<Figures> {
    fs::create_dir_all(folder).map_err(Error::system(folder.display().to_string()))?;
    let ultrascale = ultrascale(tools, top, verilog, folder)?;
    Ok(Figures { ecp5: Ecp5 { used: ecp5(tools, top, verilog, folder)?, placed: None }, ultrascale })
}

fn ultrascale(tools: &Tools, top: &str, verilog: &File, folder: &File) -> Result<UltraScale> {
    let (json, not_ram) = synthesised(tools, FOR_ULTRASCALE, top, verilog, folder)?;
    let netlist = Netlist::read(&json, top)?;
    let longest = longest(&netlist)?;
    let luts =
        |cell: &Cell| MEMORY_LUTS.iter().find(|(kind, _)| *kind == cell.kind).map_or(0, |(_, luts)| *luts);
    let memory_luts = netlist.cells.iter().map(luts).sum();
    let tables = count(&netlist, "LUT") + count(&netlist, "INV");
    let used = Used {
        lut: tables + memory_luts,
        ff: count(&netlist, "FD"),
        ram: count(&netlist, "RAMB18") + 2 * count(&netlist, "RAMB36"),
        dsp: count(&netlist, "DSP48E2"),
        not_ram,
    };
    let path = Path { from: longest.from, to: longest.to };
    Ok(UltraScale { levels: longest.levels, used, memory_luts, uram: count(&netlist, "URAM288"), path })
}

/// Tables that each cell for memory takes.
const MEMORY_LUTS: [(&str, u32); 15] = [
    ("RAM32X1S", 1),
    ("RAM32X1D", 2),
    ("RAM32M", 4),
    ("RAM32M16", 8),
    ("RAM64X1S", 1),
    ("RAM64X1D", 2),
    ("RAM64M", 4),
    ("RAM64M8", 8),
    ("RAM128X1S", 2),
    ("RAM128X1D", 4),
    ("RAM256X1S", 4),
    ("RAM256X1D", 8),
    ("RAM512X1S", 8),
    ("SRL16E", 1),
    ("SRLC32E", 1),
];

fn ecp5(tools: &Tools, top: &str, verilog: &File, folder: &File) -> Result<Used> {
    let (json, not_ram) = synthesised(tools, FOR_ECP5, top, verilog, folder)?;
    let netlist = Netlist::read(&json, top)?;
    Ok(Used {
        // A pair of carries takes two tables, a memory of 16 words of 4 bits takes four and two to write.
        lut: count(&netlist, "LUT4") + 2 * count(&netlist, "CCU2C") + 6 * count(&netlist, "TRELLIS_DPR16X4"),
        ff: count(&netlist, "TRELLIS_FF"),
        ram: count(&netlist, "DP16KD") + count(&netlist, "PDPW16KD"),
        dsp: count(&netlist, "MULT18X18D"),
        not_ram,
    })
}

/// The top in `verilog`, placed and routed with each seed.
pub(super) fn placed(tools: &Tools, top: &str, verilog: &File, folder: &File) -> Result<Placed> {
    fs::create_dir_all(folder).map_err(Error::system(folder.display().to_string()))?;
    let (json, _) = synthesised(tools, FOR_ECP5, top, verilog, folder)?;
    let file = folder.join("harness.json");
    fs::write(&file, harness::around(&json, top)?).map_err(Error::system(file.display().to_string()))?;
    let mut runs = Vec::new();
    for seed in 1..=SEEDS_COUNT {
        check()?;
        runs.push(run(tools, &file, seed, folder)?);
    }
    runs.sort_by_key(|run| run.fmax_mhz);
    let path = runs[SEEDS_COUNT / 2].path.clone();
    Ok(Placed { fmax_mhz: std::array::from_fn(|seed| runs[seed].fmax_mhz), path })
}

fn count(netlist: &Netlist, kind: &str) -> u32 {
    netlist.count(kind) as u32
}

/// The mapped block as JSON, and its memories that fitted no RAM.
fn synthesised(
    tools: &Tools,
    synth: &str,
    top: &str,
    verilog: &File,
    folder: &File,
) -> Result<(String, Vec<String>)> {
    check()?;
    let file = |name: &str| folder.join(name);
    let (left, log, json) = (file("left.txt"), file("yosys.log"), file("block.json"));
    let script = format!(
        "scratchpad -set synth_xilinx.abc9.W {ROUTE_PS}; read_verilog {}; {synth} -top {top} -run :map_ffram; \
         tee -o {} select -list t:$mem* r:WR_PORTS>0 %i; {synth} -top {top} -run map_ffram:; \
         delete t:$scopeinfo; select {top}; write_json -selected {}",
        verilog.display(),
        left.display(),
        json.display(),
    );
    capture(tools.yosys().arg("-q").arg("-l").arg(&log).args(["-p", &script]))?;
    let not_ram = not_ram(&read(&left)?, &read(&log)?);
    Ok((read(&json)?, not_ram))
}

/// Names of memories from the list of those left over, and from the log of the reader.
fn not_ram(left: &str, log: &str) -> Vec<String> {
    let left = left.lines().filter_map(|line| line.split_once('/')).map(|(_, name)| name);
    let replaced = log.lines().filter_map(|line| {
        let (_, rest) = line.split_once("Replacing memory \\")?;
        rest.split_once(" with list of registers").map(|(name, _)| name)
    });
    let mut names: Vec<String> = left.chain(replaced).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// One placement.
struct Run {
    fmax_mhz: u32,
    path: Path,
}

fn run(tools: &Tools, netlist: &File, seed: usize, folder: &File) -> Result<Run> {
    let report = folder.join("report.json");
    let mut place = tools.nextpnr();
    place.args(DEVICE).args(["--quiet", "--freq", TARGET_MHZ, "--top", harness::NAME]);
    place.args(["--seed", &seed.to_string()]).arg("--json").arg(netlist).arg("--report").arg(&report);
    capture(&mut place)?;
    run_of(&read(&report)?)
}

fn run_of(report: &str) -> Result<Run> {
    let unread = |what: &str| Error::Unexpected(format!("report of nextpnr: {what}"));
    let report: serde_json::Value =
        serde_json::from_str(report).map_err(|problem| unread(&problem.to_string()))?;
    let clocks = report["fmax"].as_object().into_iter().flat_map(|clocks| clocks.values());
    let fmax = clocks.filter_map(|clock| clock["achieved"].as_f64()).fold(f64::INFINITY, f64::min);
    if !fmax.is_finite() {
        return Err(unread("no clock"));
    }
    let path = report["critical_paths"].as_array().into_iter().flatten().filter_map(path_of).next();
    Ok(Run { fmax_mhz: fmax as u32, path: path.unwrap_or_default() })
}

/// Ends of a path inside the clock; those to and from pins are not what is measured.
fn path_of(path: &serde_json::Value) -> Option<Path> {
    let is_inside =
        path["from"] == path["to"] && path["from"].as_str().is_some_and(|from| from.contains("clock"));
    let steps = path["path"].as_array().filter(|_| is_inside)?;
    let cell = |at: &serde_json::Value, end: &str| at[end]["cell"].as_str().unwrap_or_default().to_owned();
    Some(Path { from: cell(steps.first()?, "from"), to: cell(steps.last()?, "to") })
}

fn read(file: &File) -> Result<String> {
    fs::read_to_string(file).map_err(Error::system(file.display().to_string()))
}
