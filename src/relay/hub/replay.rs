//! Readers that are sent what they missed: where each begins, and how it comes to what all others read.
//!
//! A reader of the plain log begins at an older position of it, and then is like any that lags. One that reads a
//! compressed log first reads the plain one, since nothing else retains messages, and to send plain frames on a
//! compressed connection is allowed (RFC 7692 §6): up to the message at which it joined. From there on its own
//! log waits for it.
//!
//! ```text
//!   plain        [ ......  since ────────────► until ]
//!                                                │  goes over
//!   compressed                    [ ........    from ────────────► tail ]
//! ```
//!
//! So what it is sent of the plain log is finite, however slowly it reads: a link that is too slow for that log,
//! but not for the compressed one, arrives.

use super::super::ids::{MessageId, Slot, TopicKey, VariantKey};
use super::super::seat::Seats;
use super::encoding::Encoding;
use super::logs::Logs;
use super::numbers::Missing;
use crate::log::Position;
use crate::wheel::Tick;
use std::collections::VecDeque;

/// Where a reader wants to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) enum Since {
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
    /// What of that which it asked for is not retained.
    pub(in crate::relay) missing: Option<Missing>,
}

/// A reader that is being sent what it missed.
#[derive(Debug)]
pub(super) struct Replay {
    /// What it reads now is old up to there.
    pub(super) until: Position,
    /// Where it goes over to then, if that is another log.
    pub(super) next: Option<Next>,
}

/// A place that is kept in a log for a reader that reads another one first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    pub(super) key: VariantKey,
    pub(super) from: Position,
    /// The log ends there for it; [`None`] if it is to have all that comes.
    pub(super) end: Option<Position>,
    /// Messages before `from` that it is not sent, as its log outgrew its bound meanwhile.
    pub(super) missed: u64,
}

/// Places that are kept in a log for readers that read another one first. They are taken at its tail, and so are
/// in order.
#[derive(Debug, Default)]
pub(super) struct Places(VecDeque<(Position, u32)>);

impl Places {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first of them.
    pub(super) fn first(&self) -> Option<Position> {
        self.0.front().map(|&(position, _)| position)
    }

    pub(super) fn take(&mut self, tail: Position) {
        match self.0.back_mut() {
            Some((position, count)) if *position == tail => *count += 1,
            _ => self.0.push_back((tail, 1)),
        }
    }

    pub(super) fn give_back(&mut self, place: Position) {
        if let Ok(index) = self
            .0
            .binary_search_by_key(&place, |&(position, _)| position)
        {
            self.0[index].1 -= 1;
        }
        while self.0.front().is_some_and(|&(_, count)| count == 0) {
            self.0.pop_front();
        }
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
    }
}

impl Logs {
    /// A reader joins a topic that exists, and is sent what it asks for: then it lags until it has that.
    pub(super) fn join(
        &mut self,
        seats: &mut impl Seats,
        slot: Slot,
        topic: TopicKey,
        encoding: Encoding,
        since: Option<Since>,
        now: Tick,
    ) -> (MessageId, Option<Missing>) {
        let key = self.topics.variant_or_insert(topic, encoding);
        let plain = self.topics[topic].plain();
        let messages = self.topics[topic].messages();
        let (first, missing) = match since {
            Some(since) => self.first_since(topic, since, now),
            None => (messages, None),
        };
        let after = self.topics[topic].last_before(first);
        if first == messages {
            self.topics[key].join(seats, slot, key);
        } else {
            self.topics[plain].join(seats, slot, plain);
            let variant = &mut self.topics[plain];
            let (from, until) = (variant.locate(first), variant.log.tail());
            seats.seat_mut(slot).move_to(from);
            seats.seat_mut(slot).set_replaying(true);
            variant.laggards.insert(seats, slot);
            let next = (key != plain).then(|| {
                let other = &mut self.topics[key];
                let from = other.log.tail();
                other.places.take(from);
                let (end, missed) = (None, 0);
                Next {
                    key,
                    from,
                    end,
                    missed,
                }
            });
            if let Some(index) = seats.seat(slot).lagging {
                let laggards = &mut self.topics[plain].laggards;
                laggards.set_replay(index, Replay { until, next });
            }
            self.touch(plain);
        }
        self.histories.on_joined(topic, &mut self.pool);
        (after, missing)
    }

    /// The first message that is offered to a reader that asks so, and what it misses of that which it asked for.
    fn first_since(&self, topic: TopicKey, since: Since, now: Tick) -> (u64, Option<Missing>) {
        let messages = self.topics[topic].messages();
        let oldest = self.oldest(topic, now);
        let first = match since {
            Since::All => oldest,
            Since::Age(ticks) => self.histories.get(topic).map_or(messages, |history| {
                history.younger_than(ticks, now, messages)
            }),
            Since::Last(count) => messages.saturating_sub(count),
            Since::After(id) => return self.topics[topic].first_after(id, oldest),
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

    /// A reader that is being sent what it missed has moved: if it has it all, it goes on with the others. Then true,
    /// and the messages before its place that are lost.
    pub(super) fn end_replay(&mut self, seats: &mut impl Seats, slot: Slot) -> Option<u64> {
        let seat = seats.seat(slot);
        let variant = &mut self.topics[seat.variant];
        let index = seat.lagging?;
        let replay = variant.laggards.replay(index)?;
        if seat.cursor() < replay.until {
            return None;
        }
        let replay = variant.laggards.take_replay(index)?;
        seats.seat_mut(slot).set_replaying(false);
        let Some(next) = replay.next else {
            return Some(0);
        };
        self.go_over(seats, slot, next);
        Some(next.missed)
    }

    /// A member leaves its variant, and gives back the place that was kept for it in another one.
    pub(super) fn leave(&mut self, seats: &mut impl Seats, slot: Slot) {
        let key = seats.seat(slot).variant;
        if let Some(next) = self.topics[key].leave(seats, slot) {
            self.give_back(next);
        }
        self.touch(key);
    }

    /// A reader goes over to the place that was kept for it.
    pub(super) fn go_over(&mut self, seats: &mut impl Seats, slot: Slot, next: Next) {
        self.leave(seats, slot);
        let variant = &mut self.topics[next.key];
        variant.join(seats, slot, next.key);
        if next.from < variant.log.tail() || next.end.is_some() {
            seats.seat_mut(slot).move_to(next.from);
            variant.laggards.insert(seats, slot);
            if let (Some(end), Some(index)) = (next.end, seats.seat(slot).lagging) {
                variant.laggards.set_end(index, end);
            }
        }
        self.give_back(next);
    }

    /// A reader was lapped before it came to the place that was kept for it: it goes over now, unless it ends.
    pub(super) fn end_at_place(
        &mut self,
        seats: &mut impl Seats,
        slot: Slot,
        next: Next,
        goes_on: bool,
    ) {
        match goes_on {
            true => self.go_over(seats, slot, next),
            false => self.give_back(next),
        }
    }

    /// A place is not needed any more.
    pub(super) fn give_back(&mut self, next: Next) {
        self.topics[next.key].places.give_back(next.from);
        self.touch(next.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back_in_any_order() {
        let mut places = Places::default();
        for position in [1, 1, 5, 7] {
            places.take(Position(position));
        }
        for (back, first) in [(5, Some(1)), (1, Some(1)), (1, Some(7)), (7, None)] {
            places.give_back(Position(back));
            assert_eq!(places.first(), first.map(Position), "{back}");
        }
        assert!(places.is_empty());
    }
}
