//! How many messages a visit of the walk brings: for the metrics, and counted by the round, so that a
//! delivery costs nothing more.

use crate::metrics::Histogram;

/// The visits of a round. Members stand at different messages when a round has taken several turns: so
/// what they gained is counted from where they stood on the average.
#[derive(Debug)]
pub(super) struct Visits {
    /// The number of the next message where members stood after the last round, on the average.
    from: u64,
    /// Messages that members gained since, all together, in those of this round's visits that are counted.
    gained: u64,
    counted: u64,
    /// Visits to members that were at the tail already.
    pub(super) idle: u64,
    /// Visits to members that the walk has nothing for: they lag, and are served apart, or all that came
    /// was their own.
    pub(super) passed: u64,
}

impl Visits {
    /// None yet, to members that stand at that message.
    pub(super) fn from(message: u64) -> Self {
        Visits {
            from: message,
            gained: 0,
            counted: 0,
            idle: 0,
            passed: 0,
        }
    }

    /// Counts visits since the last ones, which brought everything before that message.
    pub(super) fn count(&mut self, visits: u64, message: u64) {
        self.counted += visits;
        self.gained += visits * (message - self.from);
    }

    /// A round is over, in which this many more visits than were counted brought everything before that
    /// message; if it `is_last`, all members stand there.
    #[inline]
    pub(super) fn end_round(
        &mut self,
        per_write: &mut Histogram<0>,
        visits: u64,
        message: u64,
        is_last: bool,
    ) {
        // Most take one turn.
        if self.counted == 0 && self.idle == 0 {
            per_write.observe(message - self.from, visits.saturating_sub(self.passed));
            (self.from, self.passed) = (message, 0);
            return;
        }
        self.count(visits, message);
        self.end_long_round(per_write);
        if is_last {
            self.from = message;
        }
    }

    #[cold]
    fn end_long_round(&mut self, per_write: &mut Histogram<0>) {
        let mean = |sum: u64, count: u64| (sum + count / 2).checked_div(count).unwrap_or(0);
        let members = self.counted.saturating_sub(self.passed);
        let writes = members.saturating_sub(self.idle);
        let gained_each = mean(self.gained, self.counted);
        if writes > 0 {
            let gained = u128::from(self.gained) * u128::from(members) / u128::from(self.counted);
            per_write.observe(mean(gained as u64, writes), writes);
        }
        *self = Visits::from(self.from + gained_each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_over_several_turns_counts_what_each_write_carried() {
        let mut per_write = Histogram::default();
        let mut visits = Visits::from(100);
        // 10 messages come; 1,000 of 1,500 members are visited, and then 4 more messages come.
        visits.count(1000, 110);
        visits.end_round(&mut per_write, 500, 114, false);
        let written = 1000 * 10 + 500 * 14;
        assert_eq!(per_write.count(), 1500);
        assert!(per_write.sum().abs_diff(written) <= 750, "{per_write:?}");
        // The first 1,000 get those in the next round; the others are at the tail.
        visits.idle = 500;
        visits.end_round(&mut per_write, 1500, 114, true);
        assert_eq!(per_write.count(), 2500);
        let written = written + 1000 * 4;
        assert!(per_write.sum().abs_diff(written) <= 1500, "{per_write:?}");
        // Lagging members are left out.
        visits.passed = 1400;
        visits.end_round(&mut per_write, 1500, 120, true);
        assert_eq!(per_write.count(), 2600);
        assert!(
            per_write.sum().abs_diff(written + 600) <= 1500,
            "{per_write:?}"
        );
    }

    #[test]
    fn a_mean_is_rounded_to_the_next_message() {
        let mut per_write = Histogram::default();
        let mut visits = Visits::from(100);
        visits.count(1, 101);
        visits.end_round(&mut per_write, 1, 102, false);
        // One was brought 1, the other 2.
        assert_eq!((per_write.count(), per_write.sum()), (2, 4));
    }

    #[test]
    fn members_that_are_passed_over_are_not_counted_as_served() {
        let mut per_write = Histogram::default();
        let mut visits = Visits::from(100);
        visits.count(2, 102);
        visits.passed = 2;
        visits.end_round(&mut per_write, 2, 102, true);
        assert_eq!((per_write.count(), per_write.sum()), (2, 4));
    }
}
