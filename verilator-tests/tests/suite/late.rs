//! Inputs that come some cycles after the request they belong to.

use std::collections::VecDeque;
use verilator_tests::{Input, Value};

/// An input that belongs to the request of some cycles ago.
pub(super) struct Late<T> {
    /// The port.
    pub(super) input: Input<T>,
    coming: VecDeque<T>,
}

impl<T: Copy + Default + Value> Late<T> {
    pub(super) fn new(input: Input<T>, cycles: usize) -> Late<T> {
        Late { input, coming: vec![T::default(); cycles].into() }
    }

    /// What belongs to the request that is shown now.
    pub(super) fn set(&mut self, value: T) {
        self.coming.push_back(value);
        self.input.set(self.coming.pop_front().unwrap_or_default());
    }
}
