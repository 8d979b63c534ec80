//! `docs/synthesis.md`: the figures of every top, for readers and as what the next run is compared with.
//!
//! Enters: figures, or the page. Leaves: the page, or its figures: nothing in the tables is lost, so that
//! the page is the only place where they are stored.

use super::figures::{Ecp5, Figures, Path, Placed, UltraScale, Used};
use super::tools::PINS;
use super::{gate, Row};

/// The page's path in the workspace.
pub(super) const PATH: &str = "docs/synthesis.md";

const ECP5: [&str; 9] =
    ["top", "block", "Fmax MHz", "of each seed", "LUT", "FF", "EBR", "DSP", "memories in flip-flops"];
const ULTRASCALE: [&str; 10] = [
    "top",
    "levels",
    "LUT",
    "of them memory",
    "FF",
    "RAMB18",
    "URAM",
    "DSP",
    "memories in flip-flops",
    "bars",
];
const PATHS: [&str; 5] = ["top", "ECP5 from", "ECP5 to", "UltraScale+ from", "UltraScale+ to"];

/// Stands for a list without members.
const NONE: &str = "-";

/// The whole page.
pub(super) fn text(rows: &[Row]) -> String {
    let mut text = format!(
        "# Synthesis

What each top of `hw` costs and how fast it is, written by `cargo xtask synth` with `{}` and `{}`.

## ECP5

Mapped by `synth_ecp5`, then placed and routed by nextpnr on an LFE5U-85F of speed grade 8 between registers: each input bit comes from a register, each output bit goes to one, pins are not measured. Fmax is the median of seeds 1, 2 and 3; all three stand beside it; a row without was mapped only (`--quick`), unless it does not fit that chip. Counts are the block's own, without the registers around it. EBR are 18 kbit; LUTs are tables of four inputs, two for each pair of carries and six for each memory of 16 words of 4 bits.

{}
## UltraScale+

Mapped by `synth_xilinx -family xcup`; there is no open place and route. Levels stand in for it, and the mapper is told that a trip through the routing costs 1,200 ps, so that it saves levels rather than slow pins: the longest path between registers, RAMs and ports in trips through the routing into a look-up table. An inverter is a table. A carry chain is one level for each 32 bits begun, beside the table in front of it. Reading a table used as memory is a level. The wide multiplexers behind tables of one slice are none at their data pins, one at their select pin. A multiplier without registers of its own is three. A RAMB36 counts as two RAMB18.

The bars: at most {} levels, and no memory in flip-flops on either family.

{}
## Where the longest paths run

Names are those of the source where the tools kept them; a register goes by its output, on the ECP5 by its cell.

{}",
        PINS[0],
        PINS[1],
        table(&ECP5, rows, ecp5_cells),
        gate::LEVELS_MAX,
        table(&ULTRASCALE, rows, ultrascale_cells),
        table(&PATHS, rows, path_cells),
    );
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn table(head: &[&str], rows: &[Row], cells: fn(&Row) -> Vec<String>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head.iter().map(|cell| (*cell).to_owned()).collect());
    text.push_str(&line(vec!["---".into(); head.len()]));
    rows.iter().for_each(|row| text.push_str(&line(cells(row))));
    text
}

fn ecp5_cells(row: &Row) -> Vec<String> {
    let Ecp5 { used, placed } = &row.figures.ecp5;
    let (fmax, seeds) = match placed {
        Some(placed) => {
            (placed.median_mhz().to_string(), placed.fmax_mhz.map(|seed| seed.to_string()).join(", "))
        }
        None if row.figures.ecp5.fits() => (NONE.into(), NONE.into()),
        None => ("does not fit".into(), NONE.into()),
    };
    let mut cells = vec![code(&row.top), row.block.clone(), fmax, seeds];
    cells.extend([used.lut, used.ff, used.ram, used.dsp].map(|number| number.to_string()));
    cells.push(list(&used.not_ram));
    cells
}

fn ultrascale_cells(row: &Row) -> Vec<String> {
    let UltraScale { levels, used, memory_luts, uram, .. } = &row.figures.ultrascale;
    let numbers = [*levels, used.lut, *memory_luts, used.ff, used.ram, *uram, used.dsp];
    let mut cells = vec![code(&row.top)];
    cells.extend(numbers.map(|number| number.to_string()));
    cells.push(list(&used.not_ram));
    cells.push(if gate::missed_bars(row).is_empty() { "met" } else { "MISSED" }.into());
    cells
}

fn path_cells(row: &Row) -> Vec<String> {
    let unplaced = Path::default();
    let ecp5 = row.figures.ecp5.placed.as_ref().map_or(&unplaced, |placed| &placed.path);
    let ultrascale = &row.figures.ultrascale.path;
    let ends = [&ecp5.from, &ecp5.to, &ultrascale.from, &ultrascale.to];
    std::iter::once(&row.top).chain(ends).map(|cell| code(cell)).collect()
}

fn code(text: &str) -> String {
    if text.is_empty() {
        return NONE.into();
    }
    // A bar would end the cell, a grave accent the code.
    format!("`{}`", text.replace(['|', '`'], "/"))
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return NONE.into();
    }
    names.iter().map(|name| code(name)).collect::<Vec<_>>().join(", ")
}

/// The rows that a page of ours holds; nothing where it is none.
pub(super) fn rows(page: &str) -> Vec<Row> {
    let tables: Vec<Vec<Vec<String>>> = page.split("\n## ").skip(1).map(cells_of).collect();
    let [ecp5, ultrascale, paths] = &tables[..] else { return Vec::new() };
    let row = |first: &Vec<String>| {
        let same = |table: &Vec<Vec<String>>| table.iter().find(|cells| cells[0] == first[0]).cloned();
        row_of(first, &same(ultrascale)?, &same(paths)?)
    };
    ecp5.iter().filter_map(row).collect()
}

/// Cells of each line of a table behind its head.
fn cells_of(section: &str) -> Vec<Vec<String>> {
    let lines = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    lines.skip(2).map(|line| line.split(" | ").map(str::to_owned).collect()).collect()
}

fn row_of(ecp5: &[String], ultrascale: &[String], paths: &[String]) -> Option<Row> {
    let number = |cells: &[String], at: usize| cells.get(at)?.parse::<u32>().ok();
    let names = |cells: &[String], at: usize| Some(names_of(cells.get(at)?));
    let path = |at: usize| Some(Path { from: plain(paths.get(at)?), to: plain(paths.get(at + 1)?) });
    let used = |cells: &[String], [lut, ff, ram, dsp, list]: [usize; 5]| {
        Some(Used {
            lut: number(cells, lut)?,
            ff: number(cells, ff)?,
            ram: number(cells, ram)?,
            dsp: number(cells, dsp)?,
            not_ram: names(cells, list)?,
        })
    };
    let figures = Figures {
        ecp5: Ecp5 { used: used(ecp5, [4, 5, 6, 7, 8])?, placed: placed(ecp5.get(3)?, path(1)?)? },
        ultrascale: UltraScale {
            levels: number(ultrascale, 1)?,
            used: used(ultrascale, [2, 4, 5, 7, 8])?,
            memory_luts: number(ultrascale, 3)?,
            uram: number(ultrascale, 6)?,
            path: path(3)?,
        },
    };
    Some(Row { top: plain(&ecp5[0]), block: ecp5.get(1)?.clone(), figures })
}

/// What was placed, where anything was; nothing at all for a cell that is not ours.
fn placed(seeds: &str, path: Path) -> Option<Option<Placed>> {
    if seeds == NONE {
        return Some(None);
    }
    let seeds: Option<Vec<u32>> = seeds.split(", ").map(|seed| seed.parse().ok()).collect();
    Some(Some(Placed { fmax_mhz: seeds?.try_into().ok()?, path }))
}

fn names_of(cell: &str) -> Vec<String> {
    if cell == NONE {
        return Vec::new();
    }
    cell.split(", ").map(plain).collect()
}

fn plain(cell: &str) -> String {
    if cell == NONE {
        return String::new();
    }
    cell.trim_matches('`').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;

    #[test]
    fn a_page_holds_every_figure() {
        let mut second = row("second");
        second.figures.ecp5.used.not_ram = vec!["a.held".into(), "b".into()];
        second.figures.ecp5.placed = None;
        second.figures.ecp5.used.ram = 209;
        second.figures.ultrascale.path = Path::default();
        let rows = [row("first"), second];
        let page = text(&rows);
        assert!(page.contains("| does not fit | - |"), "{page}");
        assert_eq!(super::rows(&page), rows);
    }

    #[test]
    fn what_is_no_page_has_no_rows() {
        assert!(rows("").is_empty());
        assert!(rows("# Synthesis\n\n## ECP5\n\n| `a` | b |\n").is_empty());
        let broken = text(&[row("first")]).replace("| 7 |", "| seven |");
        assert!(rows(&broken).is_empty());
    }

    #[test]
    fn a_missed_bar_stands_in_the_page() {
        let mut missed = row("deep");
        missed.figures.ultrascale.levels = gate::LEVELS_MAX + 1;
        assert!(text(&[missed]).contains("MISSED") && !text(&[row("met")]).contains("MISSED"));
    }
}
