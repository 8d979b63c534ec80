//! The descriptor rings between host and NIC, in this process: descriptors a second in each direction,
//! codec on both sides counted, and how long one descriptor is on its way.

use super::{measured, Good, Options, Row};
use crate::error::Result;

/// `driver`'s budget: 250 ns per descriptor.
const BARS: &[measured::Bar] = &[("commands", Good::AtLeast, 4.0), ("events", Good::AtLeast, 4.0)];

pub(super) fn run(_: &Options) -> Result<Vec<Row>> {
    measured::rows("trine-driver", "ring_bench", BARS)
}
