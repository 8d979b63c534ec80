//! What a top must reach, and what it must not lose.

use super::Row;

/// Levels that the clock of the boards, 250 MHz, leaves on UltraScale+.
pub(super) const LEVELS_MAX: u32 = 6;
/// Share of the stored Fmax that must be left. The tools give the same text the same figure, but any change
/// draws a new placement: three seeds of one block lie up to a tenth apart.
const FMAX_SHARE: f64 = 0.9;
/// Above the clock of the design a lower Fmax is no loss.
const FMAX_ENOUGH_MHZ: u32 = 250;
/// Share of the stored tables and registers that may come on top, and a number for small blocks. Counts do
/// not vary by themselves: the margin is for changes that are not worth a new page.
const GROWTH_SHARE: f64 = 0.05;
const GROWTH: u32 = 16;

/// Every bar that the row misses, in words.
pub(super) fn missed_bars(row: &Row) -> Vec<String> {
    let mut missed = Vec::new();
    let ultrascale = &row.figures.ultrascale;
    if ultrascale.levels > LEVELS_MAX {
        missed.push(format!(
            "{}: {} levels, more than {LEVELS_MAX}, from `{}` to `{}`",
            row.top, ultrascale.levels, ultrascale.path.from, ultrascale.path.to
        ));
    }
    for (family, used) in [("ECP5", &row.figures.ecp5.used), ("UltraScale+", &ultrascale.used)] {
        let memories = used.not_ram.iter();
        missed.extend(
            memories.map(|name| format!("{}: memory `{name}` became flip-flops on {family}", row.top)),
        );
    }
    missed
}

/// Everything that is worse than stored by more than its margin, in words.
pub(super) fn losses(row: &Row, stored: &Row) -> Vec<String> {
    let mut losses = Vec::new();
    let (now, before) = (&row.figures, &stored.figures);
    if let (Some(now), Some(before)) = (&now.ecp5.placed, &before.ecp5.placed) {
        let (fmax, fmax_before) = (now.median_mhz(), before.median_mhz());
        if fmax < FMAX_ENOUGH_MHZ && f64::from(fmax) < FMAX_SHARE * f64::from(fmax_before) {
            losses.push(format!("{}: Fmax {fmax} MHz, was {fmax_before}", row.top));
        }
    }
    let families = [
        ("ECP5", &now.ecp5.used, &before.ecp5.used),
        ("UltraScale+", &now.ultrascale.used, &before.ultrascale.used),
    ];
    let mut counts = vec![
        ("UltraScale+ levels", now.ultrascale.levels, before.ultrascale.levels, false),
        ("UltraScale+ URAM", now.ultrascale.uram, before.ultrascale.uram, false),
    ];
    let names: Vec<[String; 4]> = families
        .iter()
        .map(|(family, ..)| ["LUT", "FF", "block RAM", "DSP"].map(|part| format!("{family} {part}")))
        .collect();
    for ((_, now, before), names) in families.iter().zip(&names) {
        let parts = [
            (now.lut, before.lut, true),
            (now.ff, before.ff, true),
            (now.ram, before.ram, false),
            (now.dsp, before.dsp, false),
        ];
        let named = names.iter().zip(parts);
        counts
            .extend(named.map(|(name, (now, before, has_margin))| (name.as_str(), now, before, has_margin)));
    }
    for (name, now, before, has_margin) in counts {
        let margin = if has_margin { GROWTH + (GROWTH_SHARE * f64::from(before)) as u32 } else { 0 };
        if now > before + margin {
            losses.push(format!("{}: {name} {now}, was {before}", row.top));
        }
    }
    losses
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;

    #[test]
    fn a_bar_is_missed_above_it() {
        let mut deep = row("deep");
        deep.figures.ultrascale.levels = LEVELS_MAX;
        assert!(missed_bars(&deep).is_empty());
        deep.figures.ultrascale.levels += 1;
        let missed = missed_bars(&deep);
        assert!(
            missed.len() == 1 && missed[0].contains("7 levels, more than 6, from `a_q[3]`"),
            "{missed:?}"
        );
    }

    #[test]
    fn a_memory_in_flip_flops_is_named() {
        let mut wide = row("wide");
        wide.figures.ecp5.used.not_ram.push("queue.held".into());
        assert_eq!(missed_bars(&wide), ["wide: memory `queue.held` became flip-flops on ECP5"]);
    }

    fn placed(row: &mut Row, fmax_mhz: [u32; 3]) {
        row.figures.ecp5.placed.as_mut().expect("a placed row").fmax_mhz = fmax_mhz;
    }

    #[test]
    fn losses_are_found_beyond_their_margin() {
        let stored = row("top");
        let lost = |change: fn(&mut Row)| {
            let mut now = stored.clone();
            change(&mut now);
            losses(&now, &stored).len()
        };
        assert_eq!(lost(|_| {}), 0);
        // Stored: 200 MHz and 100 LUTs.
        assert_eq!(lost(|row| placed(row, [170, 180, 190])), 0);
        assert_eq!(lost(|row| placed(row, [170, 179, 190])), 1);
        assert_eq!(lost(|row| row.figures.ecp5.used.lut += 21), 0);
        assert_eq!(lost(|row| row.figures.ecp5.used.lut += 22), 1);
        assert_eq!(lost(|row| row.figures.ultrascale.used.ff += 1_000), 1);
        assert_eq!(lost(|row| row.figures.ultrascale.used.ram += 1), 1);
        assert_eq!(lost(|row| row.figures.ultrascale.levels += 1), 1);
    }

    #[test]
    fn above_the_clock_of_the_design_a_slower_placement_is_no_loss() {
        let (mut stored, mut now) = (row("top"), row("top"));
        placed(&mut stored, [400; 3]);
        placed(&mut now, [250; 3]);
        assert!(losses(&now, &stored).is_empty());
        placed(&mut now, [249; 3]);
        assert_eq!(losses(&now, &stored).len(), 1);
    }
}
