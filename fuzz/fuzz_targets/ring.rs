//! Any bytes as a block of a packet ring.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    vigie_capture::live::fuzz(data);
});
