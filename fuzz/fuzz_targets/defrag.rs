//! Any sequence of IP fragments.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| vigie_flow::defrag::fuzz(data));
