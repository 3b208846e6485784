//! The walk over the members of each topic that has something for them, and what of it a turn does.
//!
//! Each visit takes a system call, and the kernel copies what it sends: so a turn is bounded in both, for
//! each topic and for all. A flood to some delays the others by a part of itself, in the next turn again.

use super::super::ids::{Slot, VariantKey};
use super::super::limits::Pace;
use super::super::seat::Seats;
use super::logs::Logs;
use super::variant::Variant;
use crate::metrics::Counters;
use std::collections::VecDeque;

/// Variants whose walk is not complete, and what this turn may still do of it. The bounds in bytes are those that
/// [`sent_bytes`] may reach; what one connection is owed may exceed them.
///
/// [`sent_bytes`]: Counters::sent_bytes
#[derive(Debug)]
pub(super) struct Walk {
    /// Variants whose walk is not complete, each once.
    dirty: VecDeque<VariantKey>,
    /// Those of them that may still have a share of this turn.
    shares: usize,
    /// The first of them, while there are any: it is asked for at each visit.
    share_of: VariantKey,
    /// Members of it that may still be visited.
    share_visits: u32,
    /// The end of what may be sent to them.
    share_sent_max: u64,
    /// Members of those after this one that may be visited, and the end of what may be sent to all.
    visits: u32,
    sent_max: u64,
}

impl Walk {
    pub(super) fn new() -> Self {
        Walk {
            dirty: VecDeque::new(),
            shares: 0,
            share_of: VariantKey::NONE,
            share_visits: 0,
            share_sent_max: 0,
            visits: 0,
            sent_max: 0,
        }
    }

    /// Something was appended to a variant.
    #[inline]
    pub(super) fn mark_dirty(&mut self, variant: &mut Variant, key: VariantKey) {
        if !std::mem::replace(&mut variant.dirty, true) {
            self.dirty.push_back(key);
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.dirty.is_empty()
    }

    /// What is left of a turn is for the walk. This many bytes were sent until now.
    pub(super) fn begin(&mut self, pace: &Pace, sent_bytes: u64) {
        self.shares = self.dirty.len();
        self.visits = pace.visits_per_turn;
        self.sent_max = sent_bytes + pace.flush_bytes_per_turn;
        self.grant_share(pace, sent_bytes);
    }

    fn grant_share(&mut self, pace: &Pace, sent_bytes: u64) {
        self.share_of = self.dirty.front().map_or(VariantKey::NONE, |&key| key);
        self.share_visits = self.visits.min(pace.topic_visits_per_turn);
        self.share_sent_max = self
            .sent_max
            .min(sent_bytes + pace.topic_flush_bytes_per_turn);
        self.visits -= self.share_visits;
    }

    /// A variant has had its share, or its members don't need more of it. Kept out of the loop over visits, which
    /// would load for each of them what only this needs.
    #[inline(never)]
    fn next_share(&mut self, pace: &Pace, sent_bytes: u64) {
        self.visits += std::mem::take(&mut self.share_visits);
        let is_over = self.visits == 0 || sent_bytes >= self.sent_max;
        self.shares = if is_over { 0 } else { self.shares - 1 };
        self.grant_share(pace, sent_bytes);
    }

    /// The next member to write to in this turn.
    #[inline]
    pub(super) fn poll(
        &mut self,
        logs: &mut Logs,
        seats: &mut impl Seats,
        pace: &Pace,
        counters: &mut Counters,
    ) -> Option<Slot> {
        while self.shares > 0 {
            let key = self.share_of;
            let variant = &mut logs.topics[key];
            // The last visit that there was time for may be the last of all: so this is asked first.
            if !variant.is_walk_due(&mut counters.messages_per_write) {
                self.dirty.pop_front();
                variant.dirty = false;
                logs.touch(key);
                self.next_share(pace, counters.sent_bytes);
                continue;
            }
            if self.share_visits == 0 || counters.sent_bytes >= self.share_sent_max {
                // It goes on in the next turn, after those that have had less of this one.
                self.dirty.rotate_left(1);
                self.next_share(pace, counters.sent_bytes);
                continue;
            }
            let slot = variant.visit();
            self.share_visits -= 1;
            let seat = seats.seat(slot);
            if seat.lagging.is_some() {
                variant.visits.passed += 1;
                continue;
            }
            if seat.cursor() == variant.log.tail() {
                variant.visits.idle += 1;
                continue;
            }
            if seat.echo() && !seat.is_blocked() || is_served(logs, seats, key, slot) {
                return Some(slot);
            }
        }
        None
    }
}

/// The walk has come to a member that may have to pass over messages of its own, or whose socket may be full:
/// whether there is something to write to it now.
fn is_served(logs: &mut Logs, seats: &mut impl Seats, key: VariantKey, slot: Slot) -> bool {
    let cursor = logs.pass_over_own(seats, slot);
    let variant = &mut logs.topics[key];
    let is_at_tail = cursor == variant.log.tail();
    let is_blocked = seats.seat(slot).is_blocked();
    if is_at_tail || is_blocked {
        variant.visits.passed += 1;
    }
    if is_blocked && !is_at_tail {
        logs.lag(seats, slot);
    }
    !is_at_tail && !is_blocked
}
