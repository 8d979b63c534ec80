//! Deterministic cluster simulator on the shipped core and engine
