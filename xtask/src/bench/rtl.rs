//! RTL under Verilator: cycles a second with their tests around them, latencies, and what a build costs.

use super::{measured, Good, Options, Row};
use crate::error::Result;
use crate::setup;

const BARS: &[measured::Bar] = &[
    ("slice of 512 bit with source and sink", Good::AtLeast, 2.0),
    ("card_512 under load", Good::AtLeast, 2.0),
    ("card_128 under load", Good::AtLeast, 3.0),
];

pub(super) fn run(_: &Options) -> Result<Vec<Row>> {
    setup::ensure_rtl()?;
    measured::rows("trine-verilator-tests", "rtl_bench", BARS)
}
