//! What it takes to read and write one message of the kernel, and one record of the wire.

use super::{measured, Options, Row};
use crate::error::Result;

pub(super) fn run(_: &Options) -> Result<Vec<Row>> {
    measured::rows("trine-daemon", "codec_bench", &[])
}
