//! Token buckets: a rate of tokens per second, and a burst of several seconds' worth at once.
//!
//! The state of one is what was taken from it, which its owner keeps: 0 is a full one. So one that is at
//! rest is all zeros, whatever the rate. Tokens are counted in tenths, since a tick is a tenth of a second: each
//! tick gives back as many tenths as there are tokens in a second.

/// Seconds whose tokens may be taken at once. A client that keeps to a rate on the average must not be
/// held up for it when the network stalls for a moment and delivers all at once; and browsers open
/// several connections for one page.
const BURST_SECONDS: u64 = 5;

/// Tenths of a token that a bucket of 32 bits can hold.
const PER_SECOND_MAX: u32 = u32::MAX / (10 * BURST_SECONDS as u32);

/// A rate, and the burst that goes with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenBucket {
    per_second: u64,
    burst: u64,
}

impl TokenBucket {
    /// This many in a second. What was taken fits into 32 bits.
    pub(super) fn of(per_second: u32) -> Self {
        TokenBucket::with_burst(u64::from(per_second.min(PER_SECOND_MAX)), 0)
    }

    /// This many in a second, and at least this many at once.
    pub(super) fn with_burst(per_second: u64, burst_min: u64) -> Self {
        TokenBucket {
            per_second,
            burst: per_second.saturating_mul(BURST_SECONDS).max(burst_min),
        }
    }

    /// What is left of what was `taken`, this many ticks later. Of a larger burst, that another bucket allowed
    /// before, no more counts than this one has: or its taker would pay for it too long.
    pub(super) fn left_of(self, taken: u64, ticks: u32) -> u64 {
        let taken = taken.min(self.burst.saturating_mul(10));
        taken.saturating_sub(self.per_second.saturating_mul(u64::from(ticks)))
    }

    /// What was taken when this many tokens are taken as well; `None` if there aren't as many.
    pub(super) fn take(self, taken: u64, tokens: u64) -> Option<u64> {
        let taken = taken.saturating_add(tokens.saturating_mul(10));
        (taken <= self.burst.saturating_mul(10)).then_some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_is_five_seconds_worth_and_then_the_rate_counts() {
        let bucket = TokenBucket::of(2);
        let mut taken = 0;
        for _ in 0..10 {
            taken = bucket.take(taken, 1).expect("within the burst");
        }
        assert_eq!(bucket.take(taken, 1), None);
        assert_eq!(bucket.take(bucket.left_of(taken, 4), 1), None);
        taken = bucket
            .take(bucket.left_of(taken, 5), 1)
            .expect("half a second later");
        assert_eq!(bucket.take(taken, 1), None);
        assert_eq!(bucket.left_of(taken, 50), 0);
    }

    #[test]
    fn one_that_took_a_larger_burst_has_rested_after_five_seconds_all_the_same() {
        let before = TokenBucket::of(1000);
        let taken = before.take(0, 5000).expect("a burst");
        let bucket = TokenBucket::of(2);
        assert_eq!(bucket.take(bucket.left_of(taken, 4), 1), None);
        assert!(bucket.take(bucket.left_of(taken, 5), 1).is_some());
        assert_eq!(bucket.left_of(taken, 50), 0);
    }

    #[test]
    fn the_burst_may_be_larger() {
        let bucket = TokenBucket::with_burst(10, 1000);
        assert!(bucket.take(0, 1000).is_some() && bucket.take(0, 1001).is_none());
    }

    proptest! {
        #[test]
        fn over_any_time_no_more_than_rate_and_burst(
            per_second in 0u32..5,
            steps in proptest::collection::vec((0u32..30, 1u64..4), 0..60),
        ) {
            let bucket = TokenBucket::of(per_second);
            let (mut taken, mut ticks, mut passed) = (0, 0, 0);
            for (wait, tokens) in steps {
                ticks += u64::from(wait);
                taken = bucket.left_of(taken, wait);
                if let Some(now) = bucket.take(taken, tokens) {
                    taken = now;
                    passed += tokens;
                }
                let per_second = u64::from(per_second);
                prop_assert!(passed * 10 <= per_second * BURST_SECONDS * 10 + per_second * ticks);
            }
        }

        #[test]
        fn a_client_that_keeps_to_the_rate_passes(per_second in 1u32..1000, ticks in 1u32..500) {
            let bucket = TokenBucket::of(per_second);
            let mut taken = 0;
            for tick in 0..ticks {
                let tokens = u64::from(per_second) * u64::from(tick + 1) / 10
                    - u64::from(per_second) * u64::from(tick) / 10;
                taken = bucket.left_of(taken, 1);
                taken = bucket.take(taken, tokens).expect("it keeps to the rate");
            }
        }

        #[test]
        fn what_was_taken_fits(per_second: u32, tokens: u64) {
            let taken = TokenBucket::of(per_second).take(0, tokens).unwrap_or_default();
            prop_assert!(u32::try_from(taken).is_ok());
        }
    }
}
