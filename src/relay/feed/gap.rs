//! Messages that are missing, and won't come: what becomes of the topic's readers.
//!
//! A raw socket has no place where it could be told of a gap. So it is for the slow policy to say, as when a reader is
//! lapped: they are sent what is before the gap and closed with 1013, or go on behind it. To close them may take more
//! than a turn has time for; until the last of them is closed the topic has no room, so that none sees what is behind
//! the gap. Members that join meanwhile miss nothing.

use super::super::Relay;
use super::super::connection::Phase;
use super::super::ids::{MessageId, Slot, TopicKey, VariantKey};
use super::super::limits::SlowPolicy;
use super::numbers::Missing;
use crate::metrics::Cause;

/// What a reader is told that misses messages, though it was not too slow.
const LOST: &str = "messages were lost on their way between machines";

/// Members that are to be closed, since they miss messages.
#[derive(Debug)]
pub(in super::super) struct Gap {
    /// Slots of all that were members, some of which may have gone.
    slots: Vec<Slot>,
    /// A connection that got one of these slots since has no smaller generation, and is not meant.
    until: u64,
    messages: u64,
}

impl Relay {
    /// Messages of a topic are missing, and won't come: the next one is that after `id`. It may be ahead of the topic's
    /// last, whose readers then miss as many. It may be behind, or of another epoch: then it is not known how many they
    /// miss. If it is the last, or none is known, they miss none.
    ///
    /// Members are dealt with by the [slow policy](super::super::SlowPolicy), and counted as lapped ones are.
    pub fn discontinuity(&mut self, topic: &str, id: MessageId) {
        let Some(key) = self.topics.find(topic) else {
            return;
        };
        let Some(Missing { messages }) = self.topics[key].go_on_after(id) else {
            return;
        };
        // Members that have yet to be closed for an earlier gap miss both.
        let earlier = self.topics[key].gap.as_ref().map_or(0, |gap| gap.messages);
        let messages = messages.unwrap_or(0) + earlier;
        let keys = self.topics[key].variants();
        if self.limits.slow_policy == SlowPolicy::Skip {
            let open: usize = keys.map(|key| self.open_members(key)).sum();
            self.counters.skips += open as u64;
            self.counters.messages_skipped += messages * open as u64;
            return;
        }
        let slots = keys.flat_map(|key| self.topics[key].slots()).copied();
        let gap = Gap {
            slots: slots.collect(),
            until: self.feed.next,
            messages,
        };
        if let Some(elsewhere) = &mut self.feed.elsewhere {
            self.topics[key].gap = Some(Box::new(gap));
            elsewhere.gaps.push_back(key);
        }
    }

    /// Members that have not begun to close. Those that have, and are members still, lag.
    fn open_members(&self, key: VariantKey) -> usize {
        let variant = &self.topics[key];
        let is_closing = |&&slot: &&Slot| self.connections[slot].phase != Phase::Open;
        variant.members() - variant.lagging().iter().filter(is_closing).count()
    }

    /// Closes members that miss messages, as many as a turn may.
    pub(in super::super) fn close_gaps(&mut self, laps_left: &mut usize) {
        while *laps_left > 0
            && let Some(key) = self.next_gap()
        {
            let Some(mut gap) = self.topics[key].gap.take() else {
                continue;
            };
            while *laps_left > 0
                && let Some(slot) = gap.slots.pop()
            {
                *laps_left -= 1;
                self.close_at_gap(key, slot, &gap);
            }
            if !gap.slots.is_empty()
                && let Some(elsewhere) = &mut self.feed.elsewhere
            {
                self.topics[key].gap = Some(gap);
                elsewhere.gaps.push_front(key);
            }
        }
    }

    /// The next topic that may have a gap to be worked off.
    fn next_gap(&mut self) -> Option<TopicKey> {
        let gaps = &mut self.feed.elsewhere.as_mut()?.gaps;
        while let Some(key) = gaps.pop_front() {
            // It may have ended, and its key be another's.
            if self.topics.exists(key) {
                return Some(key);
            }
        }
        None
    }

    fn close_at_gap(&mut self, key: TopicKey, slot: Slot, gap: &Gap) {
        let Some(connection) = self.connections.get(slot) else {
            return;
        };
        let is_meant = connection.generation < gap.until
            && connection.phase == Phase::Open
            && self.topics[connection.seat.variant].topic == key;
        if !is_meant {
            return;
        }
        self.counters.lapped += 1;
        self.counters.messages_lost += gap.messages;
        self.close_because(slot, Cause::Lapped, LOST);
        self.settle(slot);
    }
}
