//! Any bytes as a frame of any link type.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| vigie_decode::fuzz(data));
