//! The canary: a frame of Vigie's own that takes the way of every other one, from behind the ring to a finding. While it arrives, silence
//! means that nothing happened.
//!
//! It asks by DNS for a name that says when it was made, between documentation addresses (RFC 5737, RFC 7042). No frame off a wire can
//! pass for one: it is marked by where it came from ([`TUNNEL`]) and never by what it says.

use crate::Time;

/// The `tunnel` of its events: no decoder gives it.
pub const TUNNEL: &str = "canary";
/// What the name that it asks for ends in (RFC 2606).
const ZONE: &str = ".canary.vigie.invalid";
/// Nanoseconds after which one that has not arrived is missing.
pub const OVERDUE: u64 = 120 * crate::time::SECOND;

/// The name that a canary made at `at` asks for.
pub fn name(at: Time) -> String {
    format!("{:016x}{ZONE}", at.0)
}

/// When the canary was made that asks for `name`; none where it is no such name.
pub fn made(name: &[u8]) -> Option<Time> {
    let label = std::str::from_utf8(name).ok()?.strip_suffix(ZONE)?;
    u64::from_str_radix(label, 16).ok().map(Time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_when() {
        let at = Time::from_secs(1_700_000_000);
        assert_eq!(made(name(at).as_bytes()), Some(at));
        assert_eq!((made(b"www.example.org"), made(b".canary.vigie.invalid"), made(b"\xff.canary.vigie.invalid")), (None, None, None));
    }
}
