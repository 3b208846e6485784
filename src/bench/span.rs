//! What was measured between two moments.

use super::clock;
use super::probe::ProbeSample;
use super::tally::{RequestTally, Tally};

/// See the [module](self).
pub(super) struct MeasuredSpan {
    pub(super) before: ProbeSample,
    pub(super) after: ProbeSample,
    pub(super) published: u64,
    /// What came in between.
    pub(super) tally: Tally,
    /// Messages went to somebody.
    pub(super) has_receivers: bool,
    /// The same of requests, if messages are published by them.
    pub(super) requests: Option<RequestTally>,
}

impl MeasuredSpan {
    pub(super) fn nanos(&self) -> u64 {
        self.after.at - self.before.at
    }

    /// Messages published in a second.
    pub(super) fn rate(&self) -> f64 {
        self.published as f64 * clock::SECOND as f64 / self.nanos().max(1) as f64
    }
}
