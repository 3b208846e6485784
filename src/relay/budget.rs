//! What a turn may still send: in visits, since each takes a system call, and in bytes, since the kernel
//! copies them. So a flood to some delays the others by a part of itself, in the next turn again.

use super::Relay;

/// What a turn may still send. The bounds in bytes are those that [`sent_bytes`] may reach; what one
/// connection is owed may exceed them.
///
/// [`sent_bytes`]: crate::metrics::Counters::sent_bytes
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// There may be connections with output of their own, which go first.
    pub(super) queued: bool,
    /// Topics that may still have a share.
    pub(super) topics: usize,
    /// Members of the topic whose turn it is that may still be visited.
    pub(super) topic_visits: u32,
    /// The end of what may be sent to them.
    pub(super) topic_sent_max: u64,
    /// Members of the topics after this one that may be visited, and the end of what may be sent to all.
    visits: u32,
    sent_max: u64,
}

impl Relay {
    /// Begins the writing part of a turn.
    pub fn begin_flush(&mut self) {
        self.lap_laggards();
        self.peers.begin_flush();
        self.budget.queued = true;
    }

    /// Nobody has output of its own any more: what is left of the turn is for the walks.
    pub(super) fn begin_walks(&mut self) {
        let pace = &self.limits.pace;
        self.budget = Budget {
            topics: self.dirty.len(),
            visits: pace.visits_per_turn,
            sent_max: self.counters.sent_bytes + pace.flush_bytes_per_turn,
            ..Budget::default()
        };
        self.grant_share();
    }

    fn grant_share(&mut self) {
        let (pace, budget) = (&self.limits.pace, &mut self.budget);
        let sent_max = self.counters.sent_bytes + pace.topic_flush_bytes_per_turn;
        budget.topic_visits = budget.visits.min(pace.topic_visits_per_turn);
        budget.topic_sent_max = budget.sent_max.min(sent_max);
        budget.visits -= budget.topic_visits;
    }

    /// A topic has had its share, or its members don't need more of it.
    pub(super) fn next_topic(&mut self) {
        let budget = &mut self.budget;
        budget.visits += std::mem::take(&mut budget.topic_visits);
        let is_over = budget.visits == 0 || self.counters.sent_bytes >= budget.sent_max;
        budget.topics = if is_over { 0 } else { budget.topics - 1 };
        self.grant_share();
    }

    /// The share of a topic is spent, and the walk over its members is not complete: it goes on in the
    /// next turn, after those of the topics that have had less of this one.
    pub(super) fn put_off_walk(&mut self) {
        self.dirty.rotate_left(1);
        self.next_topic();
    }
}
