//! Latencies, counted in buckets whose width grows with the value: 128 to each doubling, so that a
//! percentile is at most 0.8 % off, from a nanosecond to centuries, in a few KiB.

use serde::{Deserialize, Serialize};

/// Buckets to each doubling, as a power of two.
const PRECISION: u32 = 7;
const BUCKETS_PER_DOUBLING: usize = 1 << PRECISION;

/// A histogram of nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Histogram {
    /// By [`bucket`]; as long as the largest value needs.
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Histogram {
    /// Counts a value this many times.
    #[inline]
    pub(super) fn record(&mut self, value: u64, times: u64) {
        let bucket = bucket(value);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += times;
        self.min = if self.count == 0 {
            value
        } else {
            self.min.min(value)
        };
        self.max = self.max.max(value);
        self.count += times;
        self.sum += u128::from(value) * u128::from(times);
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn max(&self) -> u64 {
        self.max
    }

    pub(super) fn min(&self) -> u64 {
        self.min
    }

    pub(super) fn mean(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }

    /// The value that this share of all values does not exceed; 0 of none.
    pub(super) fn percentile(&self, percent: f64) -> u64 {
        let rank =
            ((percent / 100.0 * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (bucket, &count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return largest(bucket).clamp(self.min, self.max);
            }
        }
        self.max
    }

    /// Adds the values of another one.
    pub(super) fn merge(&mut self, other: &Histogram) {
        if other.count == 0 {
            return;
        }
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.min = if self.count == 0 {
            other.min
        } else {
            self.min.min(other.min)
        };
        self.max = self.max.max(other.max);
        self.count += other.count;
        self.sum += other.sum;
    }

    /// The buckets that hold something: their largest value, and how many.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let filled = self.counts.iter().enumerate();
        filled
            .filter(|&(_, &count)| count > 0)
            .map(|(bucket, &count)| (largest(bucket), count))
    }
}

/// Values below 128 have a bucket each; of every later doubling, the seven bits that follow the
/// highest one tell the bucket.
fn bucket(value: u64) -> usize {
    let doublings = (u64::BITS - value.leading_zeros()).saturating_sub(PRECISION + 1);
    doublings as usize * BUCKETS_PER_DOUBLING + (value >> doublings) as usize
}

/// The largest value of a bucket.
fn largest(bucket: usize) -> u64 {
    if bucket < 2 * BUCKETS_PER_DOUBLING {
        return bucket as u64;
    }
    let doublings = bucket / BUCKETS_PER_DOUBLING - 1;
    let above = (bucket - doublings * BUCKETS_PER_DOUBLING) as u64 + 1;
    // The last bucket of all ends at the largest value that there is.
    (above << doublings).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_follow_each_other() {
        for value in (0..100_000).chain([u64::MAX / 2, u64::MAX - 1]) {
            let here = bucket(value);
            assert!(value <= largest(here), "{value}");
            assert!(here == 0 || largest(here - 1) < value, "{value}");
        }
        assert_eq!(largest(bucket(u64::MAX)), u64::MAX);
    }

    #[test]
    fn nothing_was_recorded() {
        let empty = Histogram::default();
        assert_eq!(
            (empty.percentile(50.0), empty.max(), empty.count()),
            (0, 0, 0)
        );
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_sorted_values(
            mut values in proptest::collection::vec(0..10_000_000_000_u64, 1..500),
            percent in 0.0..=100.0_f64,
        ) {
            let mut halves = [Histogram::default(), Histogram::default()];
            for (i, &value) in values.iter().enumerate() {
                halves[i % 2].record(value, 1);
            }
            let [mut all, other] = halves;
            all.merge(&other);
            values.sort_unstable();
            let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
            let exact = values[rank.max(1) - 1];
            let found = all.percentile(percent);
            prop_assert!(found >= exact && found as f64 <= exact as f64 * 1.008);
            prop_assert_eq!((all.min(), all.max()), (values[0], values[values.len() - 1]));
            prop_assert_eq!(all.buckets().map(|(_, count)| count).sum::<u64>(), all.count());
        }
    }
}
