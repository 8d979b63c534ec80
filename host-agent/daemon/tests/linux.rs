//! The Linux layer against a real kernel, each test in network namespaces of its own.
//!
//! Needs root (`CAP_SYS_ADMIN`, `CAP_NET_ADMIN`, `CAP_NET_RAW`), `ip` and `nft`; without them every test
//! fails and says so. Measured figures are printed with `--nocapture`.

#[path = "linux/addresses.rs"]
mod addresses;
#[path = "linux/agents.rs"]
mod agents;
#[path = "linux/events.rs"]
mod events;
#[path = "linux/gate.rs"]
mod gate;
#[path = "linux/namespace.rs"]
mod namespace;
#[path = "linux/ports.rs"]
mod ports;
#[path = "linux/table.rs"]
mod table;
#[path = "linux/tracker.rs"]
mod tracker;
