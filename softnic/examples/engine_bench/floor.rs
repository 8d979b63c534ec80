//! What the machine itself allows: a read that waits for memory, and copying.

use super::{cpu_ns, print, RUNS};
use std::hint::black_box;

/// Far larger than the caches.
const BYTES: usize = 256 << 20;
const READS: usize = 2_000_000;

pub(super) fn measure() {
    let count = BYTES / 8;
    // A full cycle through the odd multiples: each read says where the next one is.
    let next: Vec<u64> =
        (0..count as u64).map(|n| n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)).collect();
    let mut at = 0;
    let reads: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = cpu_ns();
            for _ in 0..READS {
                at = next[at] as usize % count;
            }
            black_box(at);
            (cpu_ns() - start) as f64 / READS as f64
        })
        .collect();
    print("random read of memory", "ns", &reads);
    let mut copy = vec![1u64; count];
    let copies: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = cpu_ns();
            copy.copy_from_slice(&next);
            black_box(&copy);
            BYTES as f64 / (cpu_ns() - start) as f64
        })
        .collect();
    print("copying memory", "GB/s", &copies);
}
