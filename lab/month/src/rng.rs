//! Chance that is the same for the same seed.

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
#[derive(Clone, Debug)]
pub struct Rng(u64);

/// The 64 bits that `n` is mixed to.
pub const fn mix(n: u64) -> u64 {
    let z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rng {
    /// The chance of a seed.
    pub const fn new(seed: u64) -> Self {
        Rng(seed)
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        let out = mix(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        out
    }

    /// Below `n`; 0 where `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// From 0 to 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True in `share` of all calls.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// One of a list.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }

    /// A place below `n`, the first far more often than the last (the n-th about 1/n as often).
    pub fn skewed(&mut self, n: usize) -> usize {
        let u = self.unit();
        (((n as f64 + 1.0).powf(u)) as usize).saturating_sub(1).min(n.saturating_sub(1))
    }

    /// Around `median`, with a long tail: two thirds of all within a factor of `spread`.
    pub fn long_tailed(&mut self, median: f64, spread: f64) -> f64 {
        // The sum of twelve is close enough to a bell (its variance is one).
        let bell: f64 = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        median * (bell * spread.ln()).exp()
    }

    /// How many of what comes `mean` times on average came.
    pub fn count(&mut self, mean: f64) -> u64 {
        if mean > 50.0 {
            let bell: f64 = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
            return (mean + bell * mean.sqrt()).round().max(0.0) as u64;
        }
        let (limit, mut product, mut n) = ((-mean).exp(), self.unit(), 0);
        while product > limit {
            product *= self.unit();
            n += 1;
        }
        n
    }
}
