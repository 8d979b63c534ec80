//! Asks for cache lines ahead of their use: the only `unsafe` code of the engine.
//!
//! A lookup in a table of a million flows waits for memory three times. The engine takes packets and
//! commands in batches, asks for what all of a batch will need, and the waits overlap.
#![allow(unsafe_code)]

const LINE_BYTES: usize = 64;

/// Asks for the first `bytes` of what `value` refers to; changes nothing but time.
#[inline(always)]
pub(crate) fn prefetch<T>(value: &T, bytes: usize) {
    let first: *const u8 = std::ptr::from_ref(value).cast();
    (0..bytes).step_by(LINE_BYTES).for_each(|from| ask(first.wrapping_add(from)));
    // It rarely begins with a line.
    ask(first.wrapping_add(bytes - 1));
}

/// Asks for the line in which `value` begins.
#[inline(always)]
pub(crate) fn prefetch_line<T>(value: &T) {
    ask(std::ptr::from_ref(value).cast());
}

#[inline(always)]
fn ask(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction reads no memory as far as the program can see and never faults, whatever
    // the address; SSE is part of every x86-64.
    unsafe {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
