//! Networks: CIDR blocks and sets of them, in the notation of Suricata's address groups.

use crate::Ip;
use std::fmt;
use std::str::FromStr;

/// A block of addresses: `10.0.0.0/8`, `fe80::/10`, `192.0.2.1`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Cidr {
    first: u128,
    last: u128,
    /// Prefix length in the 128-bit form (an IPv4 /8 is 104).
    bits: u8,
}

impl Cidr {
    /// The block of `ip` with a prefix of `len` bits of its own family (0 to 32, 0 to 128).
    pub fn new(ip: Ip, len: u8) -> Option<Self> {
        let bits = if ip.is_v4() { len.checked_add(96)? } else { len };
        if bits > 128 {
            return None;
        }
        let mask = if bits == 0 { 0 } else { u128::MAX << (128 - bits) };
        let first = ip.bits() & mask;
        Some(Cidr { first, last: first | !mask, bits })
    }

    /// Whether `ip` is inside.
    #[inline]
    pub fn contains(&self, ip: Ip) -> bool {
        (self.first..=self.last).contains(&ip.bits())
    }

    /// The first address.
    pub fn first(&self) -> Ip {
        Ip(self.first.to_be_bytes())
    }

    /// The last address.
    pub fn last(&self) -> Ip {
        Ip(self.last.to_be_bytes())
    }
}

impl FromStr for Cidr {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let (ip, len) = match s.split_once('/') {
            Some((ip, len)) => (ip, Some(len)),
            None => (s, None),
        };
        let ip: Ip = ip.trim().parse().map_err(|_| format!("\"{s}\" is not an address or a network such as 10.0.0.0/8"))?;
        let widest = if ip.is_v4() { 32 } else { 128 };
        let len = match len {
            None => widest,
            Some(t) => {
                t.trim().parse().ok().filter(|l| *l <= widest).ok_or_else(|| format!("\"{s}\": the prefix goes from 0 to {widest}"))?
            }
        };
        Cidr::new(ip, len).ok_or_else(|| format!("\"{s}\" is not a network"))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ip = self.first();
        let len = if ip.is_v4() && self.bits >= 96 { self.bits - 96 } else { self.bits };
        write!(f, "{ip}/{len}")
    }
}

/// A set of networks with exclusions: `[10.0.0.0/8,!10.1.0.0/16,fe80::/10]` or `any`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NetSet {
    /// Disjoint ranges in order.
    ranges: Vec<(u128, u128)>,
    text: String,
}

impl NetSet {
    /// Whether `ip` is in the set.
    #[inline]
    pub fn contains(&self, ip: Ip) -> bool {
        let v = ip.bits();
        let i = self.ranges.partition_point(|r| r.1 < v);
        self.ranges.get(i).is_some_and(|r| r.0 <= v)
    }

    /// The text it was made from.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl FromStr for NetSet {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let inner = s.trim().trim_start_matches('[').trim_end_matches(']');
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for item in inner.split(',').map(str::trim).filter(|i| !i.is_empty()) {
            let (list, item) = match item.strip_prefix('!') {
                Some(rest) => (&mut without, rest.trim()),
                None => (&mut with, item),
            };
            if item.eq_ignore_ascii_case("any") {
                list.push((0, u128::MAX));
            } else {
                let c: Cidr = item.parse()?;
                list.push((c.first, c.last));
            }
        }
        if with.is_empty() && !without.is_empty() {
            with.push((0, u128::MAX));
        }
        let mut ranges = merge(with);
        for (lo, hi) in merge(without) {
            ranges = ranges
                .into_iter()
                .flat_map(|(a, b)| {
                    let left = (a < lo).then(|| (a, b.min(lo.wrapping_sub(1))));
                    let right = (b > hi).then(|| (a.max(hi.wrapping_add(1)), b));
                    [left.filter(|r| r.0 <= r.1), right.filter(|r| r.0 <= r.1)].into_iter().flatten()
                })
                .collect();
        }
        Ok(NetSet { ranges, text: s.trim().to_owned() })
    }
}

fn merge(mut v: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    v.sort_unstable();
    let mut out: Vec<(u128, u128)> = Vec::with_capacity(v.len());
    for (a, b) in v {
        match out.last_mut() {
            Some(last) if a <= last.1.saturating_add(1) => last.1 = last.1.max(b),
            _ => out.push((a, b)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        let s: NetSet = "[10.0.0.0/8, !10.1.0.0/16, fe80::/10]".parse().unwrap();
        assert!(s.contains("10.0.0.1".parse().unwrap()));
        assert!(!s.contains("10.1.2.3".parse().unwrap()));
        assert!(s.contains("10.2.0.0".parse().unwrap()));
        assert!(s.contains("fe80::1".parse().unwrap()));
        assert!(!s.contains("8.8.8.8".parse().unwrap()));
        let not: NetSet = "!10.0.0.0/8".parse().unwrap();
        assert!(not.contains("8.8.8.8".parse().unwrap()) && !not.contains("10.0.0.1".parse().unwrap()));
        assert!("10.0.0.0/33".parse::<NetSet>().is_err());
        assert_eq!("10.9.0.0/8".parse::<Cidr>().unwrap().to_string(), "10.0.0.0/8");
    }
}
