//! AXI-Stream: ports by prefix, and what drives, takes and checks them.

mod monitor;
mod sink;
mod source;

pub use monitor::{Monitor, Rules};
pub use sink::{Received, Sink};
pub use source::{Sent, Source};

/// Bytes of the widest stream.
pub const BEAT_BYTES_MAX: usize = 128;

/// What one beat carries. Bytes beyond the stream's width are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// `tdata`, byte 0 first.
    pub data: [u8; BEAT_BYTES_MAX],
    /// `tkeep`; all of the stream's bytes where there is none.
    pub keep: u128,
    /// `tlast`; true where there is none.
    pub last: bool,
    /// `tuser`; 0 where there is none.
    pub user: u64,
}

impl Beat {
    /// Bytes kept, if they are the first ones without a gap.
    pub fn bytes_count(&self) -> Option<usize> {
        let count = self.keep.trailing_ones();
        (self.keep.count_ones() == count).then_some(count as usize)
    }

    /// The bytes kept; contiguity is the monitor's matter.
    pub fn bytes(&self) -> &[u8] {
        &self.data[..self.keep.count_ones() as usize]
    }
}

/// All of so many bytes.
fn keep_of(bytes: usize) -> u128 {
    match bytes {
        0 => 0,
        bytes => u128::MAX >> (BEAT_BYTES_MAX - bytes),
    }
}
