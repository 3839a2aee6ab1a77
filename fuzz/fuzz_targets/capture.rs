//! Any bytes as a capture file.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    vigie_capture::fuzz(data);
});
