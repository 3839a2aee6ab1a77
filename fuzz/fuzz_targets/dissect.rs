//! Any conversation in one protocol: the one that VIGIE_FUZZ_PROTOCOL names, or that the first byte picks. Also asserts that the
//! events do not depend on where the streams are cut.
#![no_main]
use std::sync::OnceLock;
use vigie_dissect::Proto;

static CHOSEN: OnceLock<Option<Proto>> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let chosen = CHOSEN.get_or_init(|| {
        let name = std::env::var("VIGIE_FUZZ_PROTOCOL").ok().filter(|n| n != "dissect")?;
        Some(*Proto::ALL.iter().find(|p| p.name() == name).expect("VIGIE_FUZZ_PROTOCOL names a protocol"))
    });
    let Some((first, rest)) = data.split_first() else { return };
    let proto = chosen.unwrap_or(Proto::ALL[usize::from(*first) % Proto::ALL.len()]);
    vigie_dissect::fuzz(proto, rest);
});
