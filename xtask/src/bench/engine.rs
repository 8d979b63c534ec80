//! The connection engine on one core: stages, operations, packets and upserts, memory, bulk sync.
//!
//! "packets" is a stream of data and acknowledgements through the whole engine: parse, track, diff,
//! digest, emit. "upserts" is what a host states of TCP lives: of eight commands one makes a flow, one
//! changes scales and state (UPDATE), four its state (COMPACT), one restates it, one ends it. Both come
//! in random order and include timers, frames and acknowledgements of one copy, as CPU time. The
//! machine's own floors stand first, so that another machine's figures can be read beside these.

use super::{measured, Good, Options, Row};
use crate::error::Result;

const BARS: &[measured::Bar] = &[
    ("packets, 16 k flows", Good::AtLeast, 8.0),
    ("packets, 1 M flows", Good::AtLeast, 3.0),
    ("upserts, 16 k flows", Good::AtLeast, 15.0),
    ("upserts, 1 M flows", Good::AtLeast, 5.0),
    ("memory of a flow, IPv6 and NAT", Good::AtMost, 256.0),
    ("bulk sync of 1 M flows, both sides", Good::AtMost, 1.0),
];

pub(super) fn run(_: &Options) -> Result<Vec<Row>> {
    measured::rows("trine-softnic", "engine_bench", BARS)
}
