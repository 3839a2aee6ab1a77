//! Counts distinct things in bounded memory: exact while few, then HyperLogLog (Flajolet and others, 2007).

use vigie_base::Ip;
use vigie_base::hash::Stable;

/// Exact up to here.
const FEW: usize = 7;
/// Registers of the estimate: standard error 1.04 / sqrt(256) = 6.5 %.
const REGISTERS: usize = 256;

/// A count of distinct addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sketch {
    few: [u32; FEW],
    len: u8,
    many: Option<Box<[u8; REGISTERS]>>,
}

impl Sketch {
    /// Most bytes beyond the struct itself.
    pub(crate) const HEAP_MAX: usize = REGISTERS;

    /// Notes one address.
    #[inline]
    pub(crate) fn add(&mut self, ip: Ip) {
        let v = ip.bits();
        let h = Stable::default().word(v as u64 ^ (v >> 64) as u64).finish();
        if self.many.is_none() {
            let short = (h >> 32) as u32;
            let known = &self.few[..usize::from(self.len)];
            if known.contains(&short) {
                return;
            }
            if usize::from(self.len) < FEW {
                self.few[usize::from(self.len)] = short;
                self.len += 1;
                return;
            }
            let mut registers = Box::new([0; REGISTERS]);
            known.iter().for_each(|h| note(&mut registers, *h));
            self.many = Some(registers);
        }
        if let Some(registers) = &mut self.many {
            note(registers, (h >> 32) as u32);
        }
    }

    /// Takes in what another has noted.
    pub(crate) fn merge(&mut self, other: &Sketch) {
        if let Some(theirs) = &other.many {
            let mine = self.many.get_or_insert_with(|| Box::new([0; REGISTERS]));
            self.few[..usize::from(self.len)].iter().for_each(|h| note(mine, *h));
            self.len = 0;
            mine.iter_mut().zip(theirs.iter()).for_each(|(a, b)| *a = (*a).max(*b));
            return;
        }
        for h in &other.few[..usize::from(other.len)] {
            match &mut self.many {
                Some(registers) => note(registers, *h),
                None if self.few[..usize::from(self.len)].contains(h) => {}
                None if usize::from(self.len) < FEW => {
                    self.few[usize::from(self.len)] = *h;
                    self.len += 1;
                }
                None => {
                    let mut registers = Box::new([0; REGISTERS]);
                    self.few.iter().chain([h]).for_each(|h| note(&mut registers, *h));
                    self.many = Some(registers);
                }
            }
        }
    }

    /// How many distinct addresses: exact up to seven.
    pub(crate) fn count(&self) -> u64 {
        let Some(registers) = &self.many else { return u64::from(self.len) };
        let m = REGISTERS as f64;
        let sum: f64 = registers.iter().map(|r| 0.5f64.powi(i32::from(*r))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let empty = registers.iter().filter(|r| **r == 0).count();
        let estimate = if raw <= 2.5 * m && empty > 0 { m * (m / empty as f64).ln() } else { raw };
        (estimate.round() as u64).max(FEW as u64 + 1)
    }
}

fn note(registers: &mut [u8; REGISTERS], hash: u32) {
    let at = (hash as usize) % REGISTERS;
    // 24 bits are left: a rank of 1 to 25.
    let rank = ((hash >> 8) << 8).leading_zeros().min(24) as u8 + 1;
    registers[at] = registers[at].max(rank);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: std::ops::Range<u32>) -> Sketch {
        let mut s = Sketch::default();
        range.for_each(|i| s.add(Ip::v4(i.to_be_bytes())));
        s
    }

    #[test]
    fn exact_then_near() {
        assert_eq!(of(0..7).count(), 7);
        for n in [20u32, 300, 5000, 60_000] {
            let got = of(0..n).count() as f64;
            assert!((got / f64::from(n) - 1.0).abs() < 0.2, "{n}: {got}");
        }
        let mut twice = of(0..5000);
        (0..5000u32).for_each(|i| twice.add(Ip::v4(i.to_be_bytes())));
        assert_eq!(twice.count(), of(0..5000).count());
    }

    #[test]
    fn merged_is_as_if_seen_together() {
        for (a, b) in [(3, 6), (3, 12), (12, 3), (100, 400)] {
            let mut left = of(0..a);
            left.merge(&of(a / 2..b));
            assert_eq!(left.count(), of(0..a.max(b)).count(), "{a} {b}");
        }
    }
}
