//! Any bytes as a batch from another machine, and as words of another process.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let schemas = vigie_sensor::batches::schemas();
    vigie_link::fuzz(data, &schemas);
    vigie_link::local::fuzz(data, &schemas);
});
