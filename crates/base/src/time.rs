//! Packet time: nanoseconds since 1970-01-01 UTC, as data.

use std::fmt;

/// A moment, in nanoseconds since the Unix epoch (UTC). Range: 1970 to 2554.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// Nanoseconds in one second.
pub const SECOND: u64 = 1_000_000_000;
/// Nanoseconds in one millisecond.
pub const MILLISECOND: u64 = 1_000_000;

impl Time {
    /// The end of time: later than any packet.
    pub const MAX: Time = Time(u64::MAX);

    /// From whole seconds; saturates.
    pub const fn from_secs(secs: u64) -> Self {
        Time(secs.saturating_mul(SECOND))
    }

    /// From microseconds; saturates.
    pub const fn from_micros(us: u64) -> Self {
        Time(us.saturating_mul(1000))
    }

    /// Whole seconds since the epoch.
    pub const fn secs(self) -> u64 {
        self.0 / SECOND
    }

    /// Microseconds within the second.
    pub const fn subsec_micros(self) -> u32 {
        ((self.0 % SECOND) / 1000) as u32
    }

    /// Nanoseconds from `earlier` to `self`; 0 where `earlier` is later.
    pub const fn since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Later by `nanos`; saturates.
    pub const fn plus(self, nanos: u64) -> Self {
        Time(self.0.saturating_add(nanos))
    }

    /// `2026-11-25T06:56:06.123456+0000`, as EVE writes it, into `out`.
    pub fn write_eve(self, out: &mut Vec<u8>) {
        let mut b = *b"0000-00-00T00:00:00.000000+0000";
        let (y, m, d) = civil(self.secs() / 86_400);
        let s = (self.secs() % 86_400) as u32;
        digits(&mut b[0..4], y);
        digits(&mut b[5..7], m);
        digits(&mut b[8..10], d);
        digits(&mut b[11..13], s / 3600);
        digits(&mut b[14..16], s / 60 % 60);
        digits(&mut b[17..19], s % 60);
        digits(&mut b[20..26], self.subsec_micros());
        out.extend_from_slice(&b);
    }

    /// From `2026-11-25T06:56:06[.123][Z]`, `2026-11-25 06:56:06`, `2026-11-25` or seconds since the epoch (`1732517766.5`), all UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let t = text.trim().trim_end_matches('Z').trim_end_matches("+0000").trim_end_matches("+00:00");
        if let Some((date, clock)) = t.split_once(['T', ' ']) {
            return Some(Time(parse_date(date)?.checked_add(parse_clock(clock)?)?));
        }
        if t.contains('-') {
            return Some(Time(parse_date(t)?));
        }
        let (s, frac) = t.split_once('.').unwrap_or((t, ""));
        let secs: u64 = s.parse().ok()?;
        Some(Time(secs.checked_mul(SECOND)?.checked_add(parse_fraction(frac)?)?))
    }
}

fn parse_date(text: &str) -> Option<u64> {
    let mut parts = text.split('-');
    let (y, m, d) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    if parts.next().is_some() || !(1970..2500).contains(&y) || !(1..=12).contains(&m) || !(1..=31).contains(&d) {
        return None;
    }
    days(y, m, d).checked_mul(86_400 * SECOND)
}

fn parse_clock(text: &str) -> Option<u64> {
    let mut parts = text.split(':');
    let h: u64 = parts.next()?.parse().ok()?;
    let m: u64 = parts.next()?.parse().ok()?;
    let (s, frac) = match parts.next() {
        Some(s) => s.split_once('.').unwrap_or((s, "")),
        None => ("0", ""),
    };
    let s: u64 = s.parse().ok()?;
    if parts.next().is_some() || h > 23 || m > 59 || s > 60 {
        return None;
    }
    Some((h * 3600 + m * 60 + s) * SECOND + parse_fraction(frac)?)
}

/// Digits after the point as nanoseconds; digits past the ninth are dropped.
fn parse_fraction(text: &str) -> Option<u64> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nine = &text[..text.len().min(9)];
    let value: u64 = if nine.is_empty() { 0 } else { nine.parse().ok()? };
    Some(value * 10u64.pow(9 - nine.len() as u32))
}

fn digits(out: &mut [u8], mut value: u32) {
    for slot in out.iter_mut().rev() {
        *slot = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Year, month, day of a number of days since 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u32, u32, u32) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    ((yoe + era * 400 + u64::from(month <= 2)) as u32, month, day)
}

/// The inverse of [`civil`].
fn days(y: u64, m: u64, d: u64) -> u64 {
    let y = if m <= 2 { y - 1 } else { y };
    let era = y / 400;
    let yoe = y % 400;
    let mp = (m + 9) % 12;
    let doy = (153 * mp + 2) / 5 + d - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut b = Vec::with_capacity(32);
        self.write_eve(&mut b);
        f.write_str(std::str::from_utf8(&b).unwrap_or(""))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_dates() {
        assert_eq!(Time(0).to_string(), "1970-01-01T00:00:00.000000+0000");
        assert_eq!(Time::from_secs(951_782_400).to_string(), "2000-02-29T00:00:00.000000+0000");
        assert_eq!(Time::from_micros(4_294_967_295_999_999).to_string(), "2106-02-07T06:28:15.999999+0000");
        for secs in [0, 951_782_400, 1_732_517_766, 4_294_967_295] {
            let t = Time(secs * SECOND + 123_456_000);
            assert_eq!(Time::parse(&t.to_string()), Some(t));
        }
        assert_eq!(Time::parse("2026-11-25"), Time::parse("2026-11-25T00:00:00Z"));
        assert_eq!(Time::parse("1.5"), Some(Time(1_500_000_000)));
        assert_eq!(Time::parse("yesterday"), None);
        assert_eq!(Time::parse("2026-13-01"), None);
    }
}
