//! What synthesis says of one top.

use serde::{Deserialize, Serialize};

/// Placements of each top, one per seed from 1 on.
pub(super) const SEEDS_COUNT: usize = 3;

/// One top on both families.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Figures {
    pub(super) ecp5: Ecp5,
    pub(super) ultrascale: UltraScale,
}

/// Mapped for ECP5.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ecp5 {
    pub(super) used: Used,
    /// Nothing where only the quick part was done, and for what does not fit.
    pub(super) placed: Option<Placed>,
}

/// Placed and routed on an ECP5-85 of speed 8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Placed {
    /// Of each seed, lowest first, in MHz.
    pub(super) fmax_mhz: [u32; SEEDS_COUNT],
    /// The slowest path of the seed in the middle.
    pub(super) path: Path,
}

/// Mapped for UltraScale+.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UltraScale {
    pub(super) levels: u32,
    pub(super) used: Used,
    /// Tables used as memory, counted in `used` too.
    pub(super) memory_luts: u32,
    /// Large memories.
    pub(super) uram: u32,
    pub(super) path: Path,
}

/// Parts of a chip.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Used {
    pub(super) lut: u32,
    pub(super) ff: u32,
    /// Block RAMs: of 18 kbit on both families, a RAMB36 being two.
    pub(super) ram: u32,
    pub(super) dsp: u32,
    /// Memories that became flip-flops.
    pub(super) not_ram: Vec<String>,
}

/// Where a path begins and ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Path {
    pub(super) from: String,
    pub(super) to: String,
}

/// Tables, block RAMs and multipliers of an ECP5-85.
const ECP5_85: (u32, u32, u32) = (83_640, 208, 156);

impl Ecp5 {
    /// Whether the chip has as much as the block takes.
    pub(super) fn fits(&self) -> bool {
        let (lut, ram, dsp) = ECP5_85;
        self.used.lut.max(self.used.ff) <= lut && self.used.ram <= ram && self.used.dsp <= dsp
    }
}

impl Placed {
    /// The median of the seeds.
    pub(super) fn median_mhz(&self) -> u32 {
        self.fmax_mhz[SEEDS_COUNT / 2]
    }
}
