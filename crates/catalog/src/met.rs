//! Whom a device has met, and when first: one compact value a device, since half a million pairs as rows and their indexes were two
//! thirds of the catalog.
//!
//! The value is the earliest first meeting (whole seconds since 1970, LEB128), then for each peer in the order of addresses: how many
//! leading bytes its address shares with the one before (one byte; the first's are those of 0.0.0.0), the other bytes, and the seconds
//! from the earliest (LEB128).

use vigie_base::time::SECOND;
use vigie_base::{Ip, Time};

/// Before the first address.
const START: Ip = Ip::v4([0; 4]);

/// Peers, in order, each with the second in which it was first met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Met(Vec<(Ip, u64)>);

impl Met {
    /// From its bytes; what cannot be read ends it.
    pub(crate) fn of(bytes: &[u8]) -> Met {
        Met(Reader::new(bytes).collect())
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// When the last was first met.
    pub(crate) fn latest(&self) -> Time {
        Time(self.0.iter().map(|p| p.1).max().unwrap_or(0).saturating_mul(SECOND))
    }

    /// Notes meetings: of two with one peer the earlier stays, and of new peers, the earliest first, as many as there is room for up to
    /// `max` in all. The peers that are new.
    pub(crate) fn add(&mut self, mut met: Vec<(Ip, Time)>, max: usize) -> Vec<(Ip, Time)> {
        met.sort_unstable_by_key(|m| (m.1, m.0));
        let (known, mut new) = (self.0.len(), Vec::new());
        for (ip, first) in met {
            let second = first.0 / SECOND;
            match self.0[..known].binary_search_by_key(&ip, |p| p.0) {
                Ok(at) => self.0[at].1 = self.0[at].1.min(second),
                Err(_) if known + new.len() < max && !self.0[known..].iter().any(|p| p.0 == ip) => {
                    self.0.push((ip, second));
                    new.push((ip, first));
                }
                Err(_) => {}
            }
        }
        self.0.sort_unstable();
        new
    }

    /// As bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let base = self.0.iter().map(|p| p.1).min().unwrap_or(0);
        let mut out = Vec::with_capacity(8 + 8 * self.0.len());
        put(&mut out, base);
        let mut before = START;
        for (ip, second) in &self.0 {
            let shared = before.0.iter().zip(ip.0).take_while(|(a, b)| **a == *b).count();
            out.push(shared as u8);
            out.extend_from_slice(&ip.0[shared..]);
            put(&mut out, second - base);
            before = *ip;
        }
        out
    }

    /// Each peer, with when it was first met.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Ip, Time)> + '_ {
        self.0.iter().map(|(ip, second)| (*ip, Time(second.saturating_mul(SECOND))))
    }
}

fn put(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

struct Reader<'b> {
    rest: &'b [u8],
    base: u64,
    before: Ip,
}

impl<'b> Reader<'b> {
    fn new(bytes: &'b [u8]) -> Self {
        let mut r = Reader { rest: bytes, base: 0, before: START };
        match r.number() {
            Some(base) => r.base = base,
            None => r.rest = &[],
        }
        r
    }

    fn number(&mut self) -> Option<u64> {
        let mut v = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.rest.split_first()?;
            self.rest = rest;
            v |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(v);
            }
        }
        None
    }
}

impl Iterator for Reader<'_> {
    type Item = (Ip, u64);

    fn next(&mut self) -> Option<(Ip, u64)> {
        let (shared, rest) = self.rest.split_first()?;
        let own = self.before.0.get_mut(usize::from(*shared)..)?;
        let (bytes, rest) = rest.split_at_checked(own.len())?;
        own.copy_from_slice(bytes);
        self.rest = rest;
        let after = self.number()?;
        Some((self.before, self.base.saturating_add(after)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip() -> impl Strategy<Value = Ip> {
        prop_oneof![
            any::<[u8; 4]>().prop_map(Ip::v4),
            (0u8..3, any::<u8>()).prop_map(|(a, b)| Ip::v4([10, 0, a, b])),
            any::<[u8; 16]>().prop_map(Ip)
        ]
    }

    proptest! {
        #[test]
        fn what_is_kept_is_read(met in prop::collection::vec((ip(), 0u64..u64::MAX), 0..60), max in 1usize..80) {
            let mut all = Met::default();
            let met: Vec<_> = met.into_iter().map(|(ip, t)| (ip, Time(t))).collect();
            let new = all.add(met.clone(), max);
            prop_assert_eq!(all.len(), new.len());
            prop_assert!(all.len() <= max);
            prop_assert_eq!(&Met::of(&all.bytes()), &all);
            for (ip, first) in all.each() {
                let earliest = met.iter().filter(|m| m.0 == ip).map(|m| m.1.0 / SECOND).min();
                prop_assert_eq!(earliest, Some(first.0 / SECOND));
            }
            prop_assert!(all.add(met, all.len()).is_empty());
            prop_assert_eq!(&Met::of(&all.bytes()), &all);
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let met = Met::of(&bytes);
            prop_assert!(met.len() <= bytes.len());
        }
    }

    #[test]
    fn a_peer_takes_few_bytes() {
        let mut all = Met::default();
        let start = 1_790_000_000 * SECOND;
        all.add((0..200u8).map(|i| (Ip::v4([10, 3, 7, i]), Time(start + u64::from(i) * 3600 * SECOND))).collect(), 1000);
        assert!(all.bytes().len() <= 200 * 5 + 12, "{}", all.bytes().len());
    }
}
