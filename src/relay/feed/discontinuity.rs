//! Messages that are missing and won't come, and what becomes of the topic's readers.
//!
//! Most WebSockets have no message that could tell their reader of a gap, and those that speak `fanfare.v1` are not told
//! of this one. So the slow policy decides, as it does for a lapped reader: readers are sent what is before the gap and
//! closed with 1013, or go on behind it. Closing them may take several turns. Until the last one is closed the topic
//! takes nothing in, so that none of them sees what is behind the gap. Members that join meanwhile miss nothing.

use super::super::Relay;
use super::super::hub::Missing;
use super::super::ids::{MessageId, Slot};
use super::super::policy::SlowPolicy;
use super::gap::Gap;
use crate::metrics::Cause;

/// Close reason for a reader that misses messages without having been too slow.
const LOST: &str = "messages were lost on their way between machines";

impl Relay {
    /// Messages of a topic are missing and won't come: the next one is the one after `id`. If `id` is ahead of the
    /// topic's last message, readers miss the difference. If it is behind, or of another epoch, it is not known how
    /// many they miss. If it is the last, or no last one is known, they miss none.
    ///
    /// The [slow policy](super::super::SlowPolicy) applies to members, and they are counted as lapped ones are.
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
