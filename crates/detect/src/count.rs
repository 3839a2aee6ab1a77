//! Counting distinct things and rates in little, bounded memory.

use std::hash::Hash;
use vigie_base::Time;
use vigie_base::hash::{hash_one, table_state};

/// Distinct things counted exactly up to this many.
pub const EXACT_MAX: usize = 192;
/// Bits of the estimate that takes over: about 1 % of error at 1,000 things, 4 % at 30,000.
const BITS: usize = 8192;

/// How many different things were seen: exact up to [`EXACT_MAX`], then an estimate (linear counting, Whang 1990).
#[derive(Clone, Debug)]
pub enum Distinct {
    /// Their hashes, in order.
    Few(Vec<u32>),
    /// One bit a hash.
    Many(Box<[u64; BITS / 64]>),
}

impl Default for Distinct {
    fn default() -> Self {
        Distinct::Few(Vec::new())
    }
}

impl Distinct {
    /// Most bytes that one takes.
    pub const BYTES_MAX: u64 = (BITS / 8) as u64 + 32;

    /// Adds a thing; says whether it is (as far as is known) new.
    pub fn add<T: Hash>(&mut self, thing: &T) -> bool {
        self.add_hash(hash_one(&table_state(1), thing) as u32)
    }

    fn add_hash(&mut self, h: u32) -> bool {
        match self {
            Distinct::Few(v) => match v.binary_search(&h) {
                Ok(_) => false,
                Err(at) if v.len() < EXACT_MAX => {
                    v.insert(at, h);
                    true
                }
                Err(_) => {
                    let mut bits = Box::new([0; BITS / 64]);
                    for x in v.iter() {
                        set(&mut bits, *x);
                    }
                    let new = set(&mut bits, h);
                    *self = Distinct::Many(bits);
                    new
                }
            },
            Distinct::Many(bits) => set(bits, h),
        }
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Distinct) {
        match other {
            Distinct::Few(v) => v.iter().for_each(|h| _ = self.add_hash(*h)),
            Distinct::Many(theirs) => {
                if let Distinct::Few(v) = self {
                    let mut bits = Box::new([0; BITS / 64]);
                    v.iter().for_each(|h| _ = set(&mut bits, *h));
                    *self = Distinct::Many(bits);
                }
                if let Distinct::Many(mine) = self {
                    mine.iter_mut().zip(theirs.iter()).for_each(|(m, t)| *m |= t);
                }
            }
        }
    }

    /// How many.
    pub fn count(&self) -> u64 {
        match self {
            Distinct::Few(v) => v.len() as u64,
            Distinct::Many(bits) => {
                let zero = bits.iter().map(|w| u64::from(w.count_zeros())).sum::<u64>().max(1);
                let m = BITS as f64;
                (m * (m / zero as f64).ln()).round() as u64
            }
        }
    }

    /// Whether [`Distinct::count`] is exact.
    pub fn is_exact(&self) -> bool {
        matches!(self, Distinct::Few(_))
    }
}

fn set(bits: &mut [u64; BITS / 64], h: u32) -> bool {
    let at = h as usize % BITS;
    let new = bits[at / 64] & (1 << (at % 64)) == 0;
    bits[at / 64] |= 1 << (at % 64);
    new
}

/// A level that each event raises and that drains with time: a rate and a burst in one number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leaky {
    level: f64,
    last: Time,
}

impl Leaky {
    /// Adds `amount` at `now`, after draining `per_second` since the last time; gives the level.
    pub fn add(&mut self, now: Time, amount: f64, per_second: f64) -> f64 {
        let passed = now.since(self.last) as f64 / 1e9;
        self.level = (self.level - passed * per_second).max(0.0) + amount;
        self.last = self.last.max(now);
        self.level
    }

    /// Takes `amount` away.
    pub fn lower(&mut self, amount: f64) {
        self.level = (self.level - amount).max(0.0);
    }

    /// The level when last touched.
    pub fn level(&self) -> f64 {
        self.level
    }
}

/// Shannon entropy of bytes, in bits per byte (0 to 8).
pub fn entropy(bytes: impl IntoIterator<Item = u8>) -> f64 {
    let mut seen = [0u32; 256];
    let mut total = 0u32;
    for b in bytes {
        seen[usize::from(b)] += 1;
        total += 1;
    }
    let n = f64::from(total.max(1));
    seen.iter().filter(|c| **c > 0).map(|c| f64::from(*c) / n).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_exact_then_near() {
        let mut d = Distinct::default();
        for i in 0..150u32 {
            d.add(&(i % 100));
        }
        assert_eq!((d.count(), d.is_exact()), (100, true));
        for i in 0..1000u32 {
            d.add(&i);
        }
        let n = d.count();
        assert!((960..=1040).contains(&n) && !d.is_exact(), "{n}");
        for i in 0..1_000_000u32 {
            d.add(&i);
        }
        assert!(d.count() > 30_000, "full, and still a number");
    }

    #[test]
    fn a_level_drains() {
        let mut l = Leaky::default();
        for s in 0..5 {
            l.add(Time::from_secs(s), 1.0, 0.1);
        }
        assert!((l.level() - 4.6).abs() < 1e-9);
        assert!((l.add(Time::from_secs(1000), 1.0, 0.1) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn entropies() {
        assert_eq!(entropy([]), 0.0);
        assert_eq!(entropy(*b"aaaa"), 0.0);
        assert_eq!(entropy(*b"abcd"), 2.0);
    }
}
