#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trine_fuzz_targets::pcap::run(bytes));
