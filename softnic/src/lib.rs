//! The connection engine in Rust
