//! Watches one stream, on either side of the top, and holds it to its rules.

use super::{keep_of, Beat, BEAT_BYTES_MAX};
use crate::bench::{Agent, Bench};
use crate::error::{Error, Result};
use crate::port::Port;

/// Rules beyond those of AXI-Stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// `tvalid` does not fall between the first and the last beat of a frame (a MAC demands that).
    pub gapless: bool,
    /// Only the last beat of a frame may be partly filled.
    pub packed: bool,
}

/// The ports of one stream, read only, with the checks of each cycle.
///
/// Held: `tvalid` and everything with it until `tready`; `tkeep` contiguous from byte 0 and never empty.
pub struct Monitor {
    name: String,
    valid: Port<bool>,
    ready: Option<Port<bool>>,
    data: Port<[u8; BEAT_BYTES_MAX]>,
    keep: Option<Port<u128>>,
    last: Option<Port<bool>>,
    user: Option<Port<u64>>,
    rules: Rules,
    bytes_max: usize,
    /// The beat that was not taken in the cycle before.
    waiting: Option<Beat>,
    in_frame: bool,
    beats_count: u64,
}

impl Monitor {
    /// The stream whose ports begin with `prefix` and `_t`. All but `tvalid` and `tdata` may be absent.
    pub fn new(bench: &Bench, prefix: &str, rules: Rules) -> Result<Monitor> {
        let top = bench.top();
        let name = |suffix: &str| format!("{prefix}_{suffix}");
        let bit = |suffix: &str| top.has(&name(suffix)).then(|| top.port(&name(suffix))).transpose();
        let data: Port<[u8; BEAT_BYTES_MAX]> = top.port(&name("tdata"))?;
        if data.width() % 8 != 0 {
            let rule = format!("tdata has {} bits, not whole bytes", data.width());
            return Err(Error::Violation { cycle: 0, port: prefix.into(), rule });
        }
        let has_keep = top.has(&name("tkeep"));
        Ok(Monitor {
            valid: top.port(&name("tvalid"))?,
            ready: bit("tready")?,
            keep: has_keep.then(|| top.port(&name("tkeep"))).transpose()?,
            last: bit("tlast")?,
            user: top.has(&name("tuser")).then(|| top.port(&name("tuser"))).transpose()?,
            bytes_max: data.width() as usize / 8,
            name: prefix.into(),
            data,
            rules,
            waiting: None,
            in_frame: false,
            beats_count: 0,
        })
    }

    /// Bytes of a full beat.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Beats that passed.
    pub fn beats_count(&self) -> u64 {
        self.beats_count
    }

    /// Whether something is offered now.
    #[inline]
    pub fn is_valid(&self) -> bool {
        self.valid.get()
    }

    /// Checks this cycle; the beat that passes in it.
    #[inline]
    pub fn check(&mut self, cycle: u64) -> Result<Option<Beat>> {
        if !self.valid.get() {
            if self.waiting.is_some() {
                return Err(self.violation(cycle, "tvalid fell before tready"));
            }
            if self.in_frame && self.rules.gapless {
                return Err(self.violation(cycle, "tvalid fell inside a frame"));
            }
            return Ok(None);
        }
        let beat = self.beat();
        if self.waiting.is_some_and(|waiting| waiting != beat) {
            return Err(self.violation(cycle, "a waiting beat changed before tready"));
        }
        if self.ready.as_ref().is_some_and(|ready| !ready.get()) {
            self.waiting = Some(beat);
            return Ok(None);
        }
        self.waiting = None;
        match beat.bytes_count() {
            None | Some(0) => return Err(self.violation(cycle, "tkeep is empty or has a gap")),
            Some(bytes) if self.rules.packed && !beat.last && bytes < self.bytes_max => {
                return Err(self.violation(cycle, "a beat before the last is not full"));
            }
            Some(_) => {}
        }
        self.in_frame = !beat.last;
        self.beats_count += 1;
        Ok(Some(beat))
    }

    #[inline]
    fn beat(&self) -> Beat {
        Beat {
            data: self.data.get(),
            keep: self.keep.as_ref().map_or(keep_of(self.bytes_max), Port::get),
            last: self.last.as_ref().is_none_or(Port::get),
            user: self.user.as_ref().map_or(0, Port::get),
        }
    }

    #[cold]
    fn violation(&self, cycle: u64, rule: &str) -> Error {
        Error::Violation { cycle, port: self.name.clone(), rule: rule.into() }
    }
}

impl Agent for Monitor {
    fn drive(&mut self) {}
    #[inline]
    fn sample(&mut self, cycle: u64) -> Result<()> {
        self.check(cycle).map(drop)
    }
}
