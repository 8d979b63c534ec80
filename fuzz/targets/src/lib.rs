//! Bodies of the fuzz targets: what reads bytes from outside must refuse or read them, and no more.
//!
//! Enters: arbitrary bytes. Leaves: nothing; a body panics when a property breaks. The same bodies run
//! under libFuzzer (`cargo +nightly fuzz run <target>` in this repository) and, replaying the corpus
//! and mutating it from a printed seed, in `tests/smoke.rs` on the stable toolchain.
#![forbid(unsafe_code)]

pub mod config;
pub mod descriptor;
pub mod engine;
pub mod mutator;
pub mod netlink;
pub mod packet;
pub mod pcap;
pub mod sync_frame;

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the libFuzzer binary and of the corpus folder.
    pub name: &'static str,
    /// The body.
    pub run: fn(&[u8]),
    /// How much slower than the fastest one; the smoke test gives it as many inputs less.
    pub cost: u64,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "sync_frame", run: sync_frame::run, cost: 1 },
    Target { name: "descriptor", run: descriptor::run, cost: 1 },
    Target { name: "netlink", run: netlink::run, cost: 1 },
    Target { name: "config", run: config::run, cost: 20 },
    Target { name: "pcap", run: pcap::run, cost: 2 },
    Target { name: "packet", run: packet::run, cost: 100 },
    Target { name: "engine", run: engine::run, cost: 100 },
];
