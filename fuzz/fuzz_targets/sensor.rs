//! Any bytes as a capture, all the way to events.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| vigie_sensor::fuzz(data));
