//! Any sequence of TCP segments.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| vigie_stream::fuzz(data));
