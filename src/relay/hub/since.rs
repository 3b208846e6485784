//! Where a reader begins that asks for messages of before it came, and what a topic offers to it.
//!
//! | asked for | answer |
//! |---|---|
//! | what is retained, or what comes | exactly that |
//! | what is not retained any more | how many messages are missing, then all that is retained |
//! | another epoch, or a message of the future | that it is not known how many are missing, then all that is retained |

use super::super::ids::{MessageId, TopicKey, VariantKey};
use super::encoding::Encoding;
use super::logs::Logs;
use super::numbers::Missing;
use crate::log::Position;
use crate::wheel::Tick;

/// Where a reader wants to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) enum Start {
    /// With all that is retained.
    All,
    /// With what came within so many ticks.
    Age(u32),
    /// With so many of the last messages.
    Last(u64),
    /// With what came after that message.
    After(MessageId),
}

/// Where a reader has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) struct Joined {
    /// The topic began with it.
    pub(in crate::relay) is_new: bool,
    /// The message before the first that it is sent.
    pub(in crate::relay) after: MessageId,
    /// How many messages of before it is sent.
    pub(in crate::relay) replayed: u64,
    /// What of that which it asked for is not retained.
    pub(in crate::relay) missing: Option<Missing>,
}

impl Logs {
    /// The first message that is offered to a reader that asks so, and what it misses of that which it asked for.
    pub(super) fn first_since(
        &self,
        topic: TopicKey,
        since: Start,
        now: Tick,
    ) -> (u64, Option<Missing>) {
        let messages = self.topics[topic].messages();
        let oldest = self.oldest(topic, now);
        let first = match since {
            Start::All => oldest,
            Start::Age(ticks) => self.histories.get(topic).map_or(messages, |history| {
                history.younger_than(ticks, now, messages)
            }),
            Start::Last(count) => messages.saturating_sub(count),
            Start::After(id) => return self.topics[topic].first_after(id, oldest),
        };
        (first.max(oldest), None)
    }

    /// The oldest message of a topic that is offered; the next one if none is.
    pub(super) fn oldest(&self, topic: TopicKey, now: Tick) -> u64 {
        let messages = self.topics[topic].messages();
        let Some(history) = self.histories.get(topic) else {
            return messages;
        };
        let plain = self.topics[topic].plain();
        let variant = &self.topics[plain];
        let (head, tail) = (variant.log.head(), variant.log.tail());
        let bytes_max = history.bounds().bytes_max as u64;
        let within = head.max(Position(tail.0.saturating_sub(bytes_max)));
        let oldest = history.oldest(now, messages);
        oldest.max(variant.boundary(within).message)
    }

    /// What of a log is retained for readers that come: from that position on.
    pub(super) fn kept_from(&self, key: VariantKey, now: Tick) -> Position {
        let variant = &self.topics[key];
        let tail = variant.log.tail();
        if variant.encoding != Encoding::Plain {
            return tail;
        }
        let Some(history) = self.histories.get(variant.topic) else {
            return tail;
        };
        let bytes_max = history.bounds().bytes_max;
        let oldest = history.oldest(now, variant.log.messages());
        // Messages that are half as long as a segment leave as much of it empty: so the memory is bounded, too.
        let by_memory = variant.log.cut(2 * bytes_max);
        let by_bytes = Position(tail.0.saturating_sub(bytes_max as u64));
        variant
            .log
            .segment_start(oldest)
            .max(by_bytes)
            .max(by_memory)
    }
}
