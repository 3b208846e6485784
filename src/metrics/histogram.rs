//! A histogram that costs a few instructions to add to: its bounds are powers of two.

/// Buckets: one for each bound, and one for what is above all of them.
pub const BUCKETS: usize = 18;

/// Counts values by size. The bounds are 2ᵏ for `FIRST` ≤ k < `FIRST` + 17, each inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram<const FIRST: u32> {
    counts: [u64; BUCKETS],
    sum: u64,
}

impl<const FIRST: u32> Histogram<FIRST> {
    /// Counts a value `times` times.
    pub fn observe(&mut self, value: u64, times: u64) {
        // The exponent of the smallest power of two that is no less than the value.
        let exponent = u64::BITS - value.saturating_sub(1).leading_zeros();
        let bucket = exponent.saturating_sub(FIRST) as usize;
        self.counts[bucket.min(BUCKETS - 1)] += times;
        self.sum += value * times;
    }

    /// Values counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All values together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The upper bound of each bucket, and how many values lie between it and the one before.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bound = |bucket: usize| match bucket {
            bucket if bucket + 1 == BUCKETS => f64::INFINITY,
            bucket => (1u64 << (FIRST as usize + bucket)) as f64,
        };
        let counts = self.counts.iter().enumerate();
        counts.map(move |(bucket, &count)| (bound(bucket), count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_counted_below_its_bound() {
        let values = [0, 1, 2, 15, 16, 17, 32, 33, 1 << 20, (1 << 20) + 1, 1 << 40];
        let mut histogram = Histogram::<4>::default();
        for value in values {
            histogram.observe(value, 1);
        }
        let mut counted = 0;
        for (bound, count) in histogram.buckets() {
            counted += count;
            let expected = values.iter().filter(|&&value| value as f64 <= bound);
            assert_eq!(counted, expected.count() as u64, "up to {bound}");
        }
        assert_eq!(histogram.count(), values.len() as u64);
        assert_eq!(histogram.sum(), values.iter().sum::<u64>());
        assert_eq!(histogram.buckets().next(), Some((16.0, 5)));
    }

    #[test]
    fn a_value_may_count_for_many() {
        let mut histogram = Histogram::<0>::default();
        histogram.observe(3, 1000);
        assert_eq!((histogram.count(), histogram.sum()), (1000, 3000));
        assert!(histogram.buckets().any(|bucket| bucket == (4.0, 1000)));
    }
}
