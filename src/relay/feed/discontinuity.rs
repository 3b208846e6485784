//! Messages that are missing, and won't come: what becomes of the topic's readers.
//!
//! A raw socket has no place where it could be told of a gap. So it is for the slow policy to say, as when a reader is
//! lapped: they are sent what is before the gap and closed with 1013, or go on behind it. To close them may take more
//! than a turn has time for; until the last of them is closed the topic has no room, so that none sees what is behind
//! the gap. Members that join meanwhile miss nothing.

use super::super::Relay;
use super::super::hub::Missing;
use super::super::ids::{MessageId, Slot};
use super::super::policy::SlowPolicy;
use super::gap::Gap;
use crate::metrics::Cause;

/// What a reader is told that misses messages, though it was not too slow.
const LOST: &str = "messages were lost on their way between machines";

impl Relay {
    /// Messages of a topic are missing, and won't come: the next one is that after `id`. It may be ahead of the topic's
    /// last, whose readers then miss as many. It may be behind, or of another epoch: then it is not known how many they
    /// miss. If it is the last, or none is known, they miss none.
    ///
    /// Members are dealt with by the [slow policy](super::super::SlowPolicy), and counted as lapped ones are.
    pub fn discontinuity(&mut self, topic: &str, id: MessageId) {
        let Some(topic) = self.hub.find(topic) else {
            return;
        };
        let Some(Missing { messages }) = self.hub.go_on_after(topic, id) else {
            return;
        };
        let messages = messages.unwrap_or(0);
        if self.hub.policy(topic).slow_policy == SlowPolicy::Skip {
            let members = self.hub.open_members(&self.peers, topic) as u64;
            self.counters.skips += members;
            self.counters.messages_skipped += messages * members;
            return;
        }
        let gap = Gap {
            topic,
            slots: self.hub.slots(topic).collect(),
            until: self.feed.next,
            messages,
        };
        if let Some(elsewhere) = &mut self.feed.elsewhere {
            self.hub.halt(topic, true);
            elsewhere.add_gap(gap);
        }
    }

    /// Closes members that miss messages, as many as a turn laps.
    pub(in super::super) fn close_gaps(&mut self) {
        let mut closes_left = self.limits.pace.laps_per_turn;
        while closes_left > 0
            && let Some(mut gap) = self.feed.next_gap()
        {
            while closes_left > 0
                && let Some(slot) = gap.slots.pop()
            {
                closes_left -= 1;
                self.close_at_gap(slot, &gap);
            }
            match (gap.slots.is_empty(), &mut self.feed.elsewhere) {
                (false, Some(elsewhere)) => elsewhere.gaps.push_front(gap),
                _ => self.hub.halt(gap.topic, false),
            }
        }
    }

    fn close_at_gap(&mut self, slot: Slot, gap: &Gap) {
        let Some(connection) = self.peers.get(slot) else {
            return;
        };
        let is_meant = connection.generation < gap.until
            && connection.is_open()
            && self.hub.topic_of(&connection.seat) == gap.topic;
        if !is_meant {
            return;
        }
        self.counters.lapped += 1;
        self.counters.messages_lost += gap.messages;
        self.close_because(slot, Cause::Lapped, LOST);
        self.settle(slot);
    }
}
