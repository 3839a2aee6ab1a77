//! Any bytes as a batch from another machine.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| vigie_link::fuzz(data, &vigie_sensor::batches::schemas()));
