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
//!
//! A reader of events goes the same way. What it reads of the plain log is written as [events](super::events) for it.

use super::super::ids::{MessageId, Slot, TopicKey};
use super::super::seat::Seats;
use super::encoding::Encoding;
use super::logs::Logs;
use super::numbers::Missing;
use super::place::{Events, Next, Replay};
use super::since::Start;
use crate::wheel::Tick;

impl Logs {
    /// A reader joins a topic that exists, and is sent what it asks for: then it lags until it has that.
    pub(super) fn join(
        &mut self,
        seats: &mut impl Seats,
        slot: Slot,
        topic: TopicKey,
        encoding: Encoding,
        since: Option<Start>,
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
                other.laggards.take_place(from);
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
                let events = (encoding == Encoding::Events).then(|| Events::after(after));
                let replay = Replay {
                    until,
                    next,
                    events,
                };
                laggards.set_replay(index, replay);
            }
            self.touch(plain);
        }
        self.histories.on_joined(topic, &mut self.pool);
        (after, missing)
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

    /// Messages that a reader is owed from its place in another log on, but for those that it passes over as its own.
    pub(super) fn owed_at_place(&self, next: Next, own: Option<u64>) -> u64 {
        let variant = &self.topics[next.key];
        let end = next.end.unwrap_or(variant.log.tail());
        let own = own.map_or(0, |own| variant.log.own_messages(next.from, end, own));
        variant.boundary(end).message - variant.boundary(next.from).message - own
    }

    /// A place is not needed any more.
    pub(super) fn give_back(&mut self, next: Next) {
        self.topics[next.key].laggards.give_back(next.from);
        self.touch(next.key);
    }
}
