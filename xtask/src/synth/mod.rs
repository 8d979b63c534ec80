//! What the RTL costs on real chips: place and route on ECP5, levels of look-up tables on UltraScale+.
//!
//! Every top of `hw` goes through Yosys and nextpnr; `docs/synthesis.md` is the result. A bar that is missed
//! is an error, and under `--check` so is a figure that is worse than the page's. What was measured once is
//! kept by the text it was made from, so that a second run takes seconds.

mod cache;
mod cells;
mod depth;
mod figures;
mod flow;
mod gate;
mod harness;
mod netlist;
mod page;
mod tools;

use crate::command::{capture, cargo};
use crate::error::{Error, Result};
use crate::interrupt::check;
use crate::progress::say;
use crate::workspace::{root, target};
use cache::Cache;
use figures::Figures;
use serde::Serialize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use tools::Tools;

/// What to synthesise.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// These tops alone, named one by one; the others keep their rows.
    #[arg(long, value_name = "NAME")]
    pub(crate) block: Vec<String>,
    /// Map only, which takes seconds: no place and route, no Fmax.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write nothing; fail if a figure is worse than the page's.
    #[arg(long)]
    pub(crate) check: bool,
}

/// A top with its figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Row {
    top: String,
    /// The block and what it was made with.
    block: String,
    figures: Figures,
}

/// A top before that.
struct Top {
    name: String,
    block: String,
    text: String,
}

/// What the workers share.
struct Job<'a> {
    tools: &'a Tools,
    cache: &'a Cache,
    work: &'a Path,
    is_quick: bool,
}

/// Synthesises, prints, and writes the page or compares with it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let target = target()?;
    let tools = tools::ensure(&target)?;
    let work = target.join("synth");
    let tops = exported(&work.join("verilog"))?;
    let names: Vec<&str> = tops.iter().map(|top| top.name.as_str()).collect();
    if let Some(other) = options.block.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(Error::Missing(format!("no block `{other}`; there are: {}", names.join(", "))));
    }
    let is_chosen = |top: &&Top| options.block.is_empty() || options.block.contains(&top.name);
    let chosen: Vec<&Top> = tops.iter().filter(is_chosen).collect();
    let recipe = format!("{}; {}", tools::PINS.join(" "), flow::recipe());
    let cache = Cache::new(work.join("figures"), recipe)?;
    let job = Job { tools: &tools, cache: &cache, work: &work, is_quick: options.quick };
    let (rows, mut missed) = measured(&job, &chosen)?;
    let stored = page::rows(&std::fs::read_to_string(root().join(page::PATH)).unwrap_or_default());
    if !options.check {
        write_page(&tops, &stored, &rows)?;
    }
    missed.extend(rows.iter().flat_map(gate::missed_bars));
    if options.check {
        missed.extend(rows.iter().flat_map(|row| lost(row, &stored)));
    }
    print!("{}", if options.json { json(&rows, &missed) } else { table(&rows, &missed) });
    if missed.is_empty() {
        return Ok(());
    }
    Err(Error::NotMet(format!("synth: missed:\n  {}", missed.join("\n  "))))
}

/// The page as the present program writes it from the figures it holds; the program itself runs no tool.
pub(crate) fn rewritten_page() -> String {
    page::text(&page::rows(&std::fs::read_to_string(root().join(page::PATH)).unwrap_or_default()))
}

/// The page's path in the workspace.
pub(crate) const PAGE: &str = page::PATH;

/// Every top, in the order of `hw`.
fn exported(folder: &Path) -> Result<Vec<Top>> {
    say("synth: exporting the tops");
    // As it comes: optimising the blocks takes minutes, and saves a second of writing them.
    let mut export = cargo(&["run", "--quiet", "--package", "trine-hw", "--example", "verilog", "--"]);
    let paths = capture(export.arg(folder))?;
    paths.lines().map(|path| read_top(Path::new(path))).collect()
}

fn read_top(path: &Path) -> Result<Top> {
    let text = std::fs::read_to_string(path).map_err(Error::system(path.display().to_string()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // The head: `// package version, block path, parameters.`
    let head = text.lines().next().and_then(|head| head.split_once("block "));
    let (_, block) = head.ok_or_else(|| Error::Unexpected(format!("{}: no head", path.display())))?;
    Ok(Top { name, block: block.trim_end_matches('.').to_owned(), text })
}

/// Figures of all, as many at once as there are processors, and in words which tops have none.
fn measured(job: &Job, tops: &[&Top]) -> Result<(Vec<Row>, Vec<String>)> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let take_all = || -> Result<()> {
        while let Some((index, top)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, tops.get(at)?)))
        {
            check()?;
            let figures = figures_of(job, top);
            // What stopped because it was asked to is no finding.
            check()?;
            found.lock().expect("nothing panics while it holds the list").push((index, figures));
        }
        Ok(())
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(tops.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(take_all)).collect();
        let ends = threads.into_iter().map(|thread| thread.join().expect("a worker returns its errors"));
        ends.collect::<Result<Vec<()>>>()
    })?;
    let mut found = found.into_inner().expect("nothing panics while it holds the list");
    found.sort_by_key(|(index, _)| *index);
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (index, figures) in found {
        let Top { name, block, .. } = tops[index];
        match figures {
            Ok(figures) => rows.push(Row { top: name.clone(), block: block.clone(), figures }),
            Err(problem) => failed.push(format!("{name}: {problem}")),
        }
    }
    Ok((rows, failed))
}

fn figures_of(job: &Job, top: &Top) -> Result<Figures> {
    let verilog = job.work.join("verilog").join(&top.name).with_extension("v");
    let folder = job.work.join("work").join(&top.name);
    let mut figures = match job.cache.get(&top.name, &top.text) {
        Some(known) => known,
        None => {
            say(format!("synth: {}: mapping", top.name));
            let figures = flow::mapped(job.tools, &top.name, &verilog, &folder)?;
            job.cache.put(&top.name, &top.text, &figures)?;
            figures
        }
    };
    if figures.ecp5.placed.is_none() && figures.ecp5.fits() && !job.is_quick {
        say(format!("synth: {}: placing and routing", top.name));
        figures.ecp5.placed = Some(flow::placed(job.tools, &top.name, &verilog, &folder)?);
        job.cache.put(&top.name, &top.text, &figures)?;
    }
    Ok(figures)
}

/// Writes the page with the new rows, and for tops that were not chosen the rows it has.
fn write_page(tops: &[Top], stored: &[Row], rows: &[Row]) -> Result<()> {
    let row = |top: &Top| rows.iter().chain(stored).find(|row| row.top == top.name).cloned();
    let all: Vec<Row> = tops.iter().filter_map(row).collect();
    std::fs::write(root().join(page::PATH), page::text(&all)).map_err(Error::system(page::PATH))
}

fn lost(row: &Row, stored: &[Row]) -> Vec<String> {
    match stored.iter().find(|stored| stored.top == row.top) {
        Some(stored) => gate::losses(row, stored),
        None => vec![format!("{}: not in {}: run `cargo xtask synth --block {0}`", row.top, page::PATH)],
    }
}

fn json(rows: &[Row], missed: &[String]) -> String {
    let tools = &tools::PINS[..2];
    format!(
        "{}\n",
        serde_json::json!({ "pass": missed.is_empty(), "tools": tools, "tops": rows, "missed": missed })
    )
}

fn table(rows: &[Row], missed: &[String]) -> String {
    let mut text = format!(
        "{:<20}{:>8}{:>8}{:>8}{:>6}{:>5}   {:>7}{:>8}{:>8}{:>8}{:>6}{:>6}{:>5}  {}\n",
        "top",
        "MHz",
        "LUT",
        "FF",
        "EBR",
        "DSP",
        "levels",
        "LUT",
        "memory",
        "FF",
        "RAMB",
        "URAM",
        "DSP",
        "longest path"
    );
    for row in rows {
        let (ecp5, ultrascale) = (&row.figures.ecp5, &row.figures.ultrascale);
        let verdict = if gate::missed_bars(row).is_empty() { "" } else { "  MISSED" };
        text.push_str(&format!(
            "{:<20}{:>8}{:>8}{:>8}{:>6}{:>5}   {:>7}{:>8}{:>8}{:>8}{:>6}{:>6}{:>5}  {} -> {}{verdict}\n",
            row.top,
            ecp5.placed.as_ref().map_or("-".into(), |placed| placed.median_mhz().to_string()),
            ecp5.used.lut,
            ecp5.used.ff,
            ecp5.used.ram,
            ecp5.used.dsp,
            ultrascale.levels,
            ultrascale.used.lut,
            ultrascale.memory_luts,
            ultrascale.used.ff,
            ultrascale.used.ram,
            ultrascale.uram,
            ultrascale.used.dsp,
            ultrascale.path.from,
            ultrascale.path.to,
        ));
    }
    text.push_str(&format!("{} tops, {} missed\n", rows.len(), missed.len()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use figures::{Ecp5, Path, Placed, UltraScale, Used};

    /// A top that meets its bars.
    pub(super) fn row(top: &str) -> Row {
        let used = Used { lut: 100, ff: 50, ram: 2, dsp: 1, not_ram: Vec::new() };
        let path = Path { from: "a_q[3]".into(), to: "port ready".into() };
        let placed = Some(Placed { fmax_mhz: [190, 200, 210], path: path.clone() });
        let ecp5 = Ecp5 { used: used.clone(), placed };
        let ultrascale = UltraScale { levels: 3, used, memory_luts: 8, uram: 7, path };
        Row { top: top.into(), block: "hw::A, W = 2".into(), figures: Figures { ecp5, ultrascale } }
    }

    #[test]
    fn a_top_without_a_stored_row_is_a_loss() {
        assert!(lost(&row("new"), &[row("old")])[0].contains("cargo xtask synth --block new"));
        assert!(lost(&row("old"), &[row("old")]).is_empty());
    }

    #[test]
    fn the_last_line_counts() {
        let text = table(&[row("a"), row("b")], &["reason".into()]);
        assert_eq!(text.lines().last(), Some("2 tops, 1 missed"));
        let value: serde_json::Value = serde_json::from_str(&json(&[row("a")], &[])).expect("JSON");
        assert_eq!(
            (&value["pass"], &value["tops"][0]["figures"]["ultrascale"]["levels"]),
            (&true.into(), &3.into())
        );
    }
}
