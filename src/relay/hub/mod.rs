//! The hub: which message goes to which reader, and how far each of them is.
//!
//! It owns topics and their logs in each encoding that is read, and the members of these. It knows
//! neither connections nor sockets: of a reader it has the slot and the [`Seat`], and of everything else
//! what it is told. What it does to a reader that concerns its connection, it says as a value
//! ([`Lapped`]).
//!
//! ```text
//!   append ─► log ─► dirty ─► walk: each member once a round ──► a slot to write to ─► advance
//!              │                └─► socket full: lagging, a cursor of its own ──┘
//!              └──► over its bound: overfull ─► laps ─► Lapped
//!
//!   end of the turn: logs are trimmed to what members need and readers that come may ask for, and topics end that
//!   have no member and retain nothing
//! ```
//!
//! Invariants:
//! - A member sees a contiguous run of its topic's messages, or is lapped.
//! - head ≤ settled ≤ the cursor of each member with the walk ≤ tail; head ≤ each lagging member's.
//! - At most a quarter of what a topic retains is appended before every unblocked member was served, and
//!   nothing while its log is over its bound: so only a reader whose socket is full is ever lapped.
//! - Nothing is trimmed between laps and the end of the turn.
//! - A member that is to have no more than was there at its close lags until it leaves.

mod compressors;
mod elsewhere;
mod encoding;
mod figures;
mod histories;
mod history;
mod laggards;
mod lapping;
mod logs;
mod meter;
mod numbers;
mod reading;
mod replay;
mod retention;
mod rules;
mod topics;
mod variant;
mod visits;
mod walk;

pub(super) use encoding::Encoding;
pub(super) use figures::TopicFigures;
pub(super) use lapping::{Fate, Lapped};
pub(super) use logs::Publication;
pub(super) use numbers::{Missing, Place};
pub(super) use replay::{Joined, Since};

use super::ids::{MessageId, Slot, TopicKey, VariantKey};
use super::limits::{Limits, Pace};
use super::policy::Policy;
use super::seat::{Seat, Seats};
use crate::log::{Position, Span};
use crate::metrics::{Counters, Stopwatch};
use crate::wheel::Tick;
use compressors::Compressors;
use encoding::COMPRESSED;
use lapping::Lapping;
use logs::Logs;
use walk::Walk;

/// The hub. See the [module](self).
#[derive(Debug)]
pub(super) struct Hub {
    logs: Logs,
    compressors: Compressors,
    walk: Walk,
    lapping: Lapping,
}

impl Hub {
    /// A hub without topics.
    pub(super) fn new(limits: &Limits, now: Tick) -> Self {
        Hub {
            logs: Logs::new(limits, now),
            compressors: Compressors::new(),
            walk: Walk::new(),
            lapping: Lapping::default(),
        }
    }

    /// Other bounds are in force.
    pub(super) fn set_limits(&mut self, limits: &Limits) {
        self.logs.set_limits(limits);
        self.compressors.forget_level();
    }

    /// Sets the clock that times compression.
    pub(super) fn set_stopwatch(&mut self, stopwatch: Stopwatch) {
        self.compressors.set_stopwatch(stopwatch);
    }

    /// Begins a turn: what topics retain expires.
    pub(super) fn begin_turn(&mut self, now: Tick) {
        self.logs.begin_turn(now);
    }

    /// Ends a turn: logs give back what is not needed any more, and topics end, which `on_end` is told.
    pub(super) fn end_turn(
        &mut self,
        seats: &impl Seats,
        now: Tick,
        on_end: impl FnMut(TopicKey, &str),
    ) {
        self.logs.tidy(seats, now, on_end);
        self.compressors.end_turn();
    }

    /// There is something to do in the next turn, whatever comes.
    pub(super) fn has_work(&self, limits: &Limits) -> bool {
        !self.walk.is_complete()
            || !self.lapping.is_complete()
            || self.logs.is_overfull(limits)
            || !self.logs.rules.are_settled()
    }

    /// When something that topics retain expires next.
    pub(super) fn next_due(&self) -> Option<Tick> {
        self.logs.next_due()
    }
}

/// Topics and their members.
impl Hub {
    /// Topics that exist.
    pub(super) fn topics(&self) -> usize {
        self.logs.topics.len()
    }

    /// The topic of that name, if it exists.
    pub(super) fn find(&self, topic: &str) -> Option<TopicKey> {
        self.logs.topics.find(topic)
    }

    pub(super) fn name(&self, topic: TopicKey) -> &str {
        self.logs.topics[topic].name()
    }

    /// The topic that a member is in.
    pub(super) fn topic_of(&self, seat: &Seat) -> TopicKey {
        self.logs.topics[seat.variant].topic
    }

    /// The message of a topic that was appended last.
    pub(super) fn last_message(&self, topic: TopicKey) -> MessageId {
        self.logs.topics[topic].last_message()
    }

    /// A reader joins a topic, which begins if it did not exist: at its live end, or since where it asks for.
    pub(super) fn join(
        &mut self,
        seats: &mut impl Seats,
        slot: Slot,
        topic: &str,
        encoding: Encoding,
        since: Option<Since>,
        now: Tick,
    ) -> Joined {
        let (key, is_new) = self.logs.find_or_begin(topic, now);
        let (after, missing) = self.logs.join(seats, slot, key, encoding, since, now);
        Joined {
            is_new,
            after,
            missing,
        }
    }

    /// A topic begins without a member, if it would retain what is published to it.
    pub(super) fn begin(&mut self, topic: &str, now: Tick) -> Option<TopicKey> {
        let policy = self.logs.rules.find(topic);
        let retention = self.logs.rules.get(policy).retention;
        retention.map(|_| self.logs.find_or_begin(topic, now).0)
    }

    /// A topic without members makes place for another one. False if there is none.
    pub(super) fn make_place(&mut self, seats: &impl Seats, now: Tick) -> bool {
        self.logs.make_place(seats, now)
    }

    /// What holds for a topic.
    #[inline]
    pub(super) fn policy(&self, topic: TopicKey) -> Policy {
        self.logs.policy(topic)
    }

    /// A reader leaves the topic that it is in, if it is in one.
    pub(super) fn leave(
        &mut self,
        seats: &mut impl Seats,
        slot: Slot,
        now: Tick,
    ) -> Option<TopicKey> {
        let seat = seats.seat(slot);
        let key = seat.is_member().then_some(seat.variant)?;
        let topic = self.logs.topics[key].topic;
        self.logs.leave(seats, slot);
        if self.logs.topics.members(topic) == 0 {
            let Logs {
                histories, pool, ..
            } = &mut self.logs;
            histories.on_left(topic, now, pool);
        }
        Some(topic)
    }

    /// Topics that exist are in slots before that one.
    pub(super) fn topic_slots(&self) -> usize {
        self.logs.topics.slots()
    }

    /// How the topic in that slot stands, if there is one.
    pub(super) fn figures_at(&self, slot: usize, now: Tick) -> Option<TopicFigures<'_>> {
        let key = self.logs.topics.at(slot)?;
        Some(self.figures(key, now))
    }

    /// How a topic stands.
    pub(super) fn figures(&self, topic: TopicKey, now: Tick) -> TopicFigures<'_> {
        TopicFigures::of(&self.logs.topics, topic, now)
    }

    /// Memory that logs hold, in bytes.
    pub(super) fn log_bytes(&self) -> usize {
        self.logs.pool.bytes_in_use()
    }

    /// Members that lag, as of the end of the last turn.
    pub(super) fn lagging(&self) -> usize {
        self.logs.lagging()
    }

    /// How far the last of them is behind.
    pub(super) fn lag_bytes_max(&self) -> u64 {
        self.logs.lag_bytes_max()
    }
}

/// Messages.
impl Hub {
    /// Appends a message to a topic. Costs the same whatever the number of members.
    #[inline]
    pub(super) fn append(
        &mut self,
        topic: TopicKey,
        message: Publication<'_>,
        now: Tick,
        limits: &Limits,
        counters: &mut Counters,
    ) {
        let key = topic;
        let topic = &mut self.logs.topics[key];
        topic.meter.count(now, message.payload.len());
        let number = topic.messages() - 1;
        let [plain, compressed @ ..] = topic.variants_by_encoding();
        self.logs
            .histories
            .note(key, now, number, &mut self.logs.pool);
        if plain != VariantKey::NONE {
            let variant = self.logs.append(plain, message, None, counters);
            self.walk.mark_dirty(variant, plain);
            self.lapping.note(variant, plain, limits);
        }
        if compressed != [VariantKey::NONE; COMPRESSED.len()] {
            self.append_compressed(compressed, message, limits, counters);
        }
        counters.messages += 1;
        counters.message_bytes += message.payload.len() as u64;
    }

    /// Appends a message, compressed, to those of these variants that exist.
    fn append_compressed(
        &mut self,
        variants: [VariantKey; COMPRESSED.len()],
        message: Publication<'_>,
        limits: &Limits,
        counters: &mut Counters,
    ) {
        for (key, encoding) in variants.into_iter().zip(COMPRESSED) {
            if key == VariantKey::NONE {
                continue;
            }
            let compressed = encoding.window().and_then(|window| {
                let settings = limits.compression;
                (self.compressors).deflate(window, message.payload, settings, counters)
            });
            let variant = self.logs.append(key, message, compressed, counters);
            self.walk.mark_dirty(variant, key);
            self.lapping.note(variant, key, limits);
        }
    }

    /// Bytes that may still be appended to a topic before all of its members were served: a quarter of what it
    /// retains, so that what a turn brings never laps a reader whose socket is not full. None while its
    /// log, or all logs, are over their bound: so what one read brings is all that may exceed it. None
    /// either while the topic is halted.
    pub(super) fn free_bytes(&self, topic: TopicKey, limits: &Limits) -> usize {
        let topic = &self.logs.topics[topic];
        if self.logs.is_overfull(limits) || topic.is_halted {
            return 0;
        }
        let variants = topic.variants().map(|key| &self.logs.topics[key]);
        let quarter = limits.topic_log_bytes_max / 4;
        variants.fold(quarter, |free_bytes, variant| {
            free_bytes.min(variant.free_bytes(quarter))
        })
    }
}

/// What members are owed, and what they were sent.
impl Hub {
    /// All that a member is owed up to the tail, if it lies together. It is a member that keeps nothing back
    /// of its own and does not close.
    #[inline]
    pub(super) fn slice(&self, seat: &Seat) -> Option<&[u8]> {
        let log = self.logs.log_of(seat);
        let bytes = log.read(seat.cursor());
        (seat.cursor().after(bytes.len()) == log.tail()).then_some(bytes)
    }

    /// What a member is owed of its log between two positions, in spans that each lie together.
    pub(super) fn spans(
        &self,
        seats: &impl Seats,
        slot: Slot,
        from: Position,
        to: Position,
    ) -> impl Iterator<Item = Span<'_>> {
        let log = self.logs.log_of(seats.seat(slot));
        log.spans(from, to, seats.excluded(slot))
    }

    /// Where the log ends for a member: at its close, otherwise at the tail.
    pub(super) fn end(&self, seat: &Seat) -> Position {
        self.logs.end(seat)
    }

    /// The first frame boundary that a reader comes to: where it stands, unless it is in the middle of a
    /// frame, and so lags.
    pub(super) fn boundary(&self, seat: &Seat) -> Position {
        match seat.lagging {
            Some(_) => {
                self.logs.topics[seat.variant]
                    .boundary(seat.cursor())
                    .position
            }
            None => seat.cursor(),
        }
    }

    /// Whether there is something in the log that a connection is yet to be sent.
    pub(super) fn is_owed(&mut self, seats: &mut impl Seats, slot: Slot) -> bool {
        self.logs.is_owed(seats, slot)
    }

    /// The socket took so many bytes of what a member was offered of its log up to `to`.
    pub(super) fn advance(
        &mut self,
        seats: &mut impl Seats,
        slot: Slot,
        to: Position,
        bytes: usize,
    ) {
        self.logs.advance(seats, slot, to, bytes);
    }

    /// The same of a member that is owed all up to the tail, and nothing besides, but for the messages that
    /// it is `excluded` from. True if it keeps up, and has it all: then there is nothing else to do.
    #[inline]
    pub(super) fn advance_to_tail(
        &self,
        seat: &mut Seat,
        excluded: Option<u64>,
        bytes: usize,
    ) -> bool {
        let log = self.logs.log_of(seat);
        let cursor = log.advance(seat.cursor(), log.tail(), excluded, bytes);
        seat.move_to(cursor);
        cursor == log.tail() && seat.lagging.is_none()
    }

    /// A connection was written to whose cursor was at `before`: if it lags, and has moved, that is noted. If it now
    /// has what it had missed, it goes on with all others, maybe in another log: then that is returned, and how
    /// many messages before its place there are lost.
    pub(super) fn on_sent(
        &mut self,
        seats: &mut impl Seats,
        slot: Slot,
        before: Position,
        counters: &mut Counters,
    ) -> Option<u64> {
        self.logs.on_sent(seats.seat(slot), before, counters);
        match seats.seat(slot).is_replaying() {
            true => self.logs.end_replay(seats, slot),
            false => None,
        }
    }

    /// The log that a reader will have its messages in, once it has what it missed.
    pub(super) fn reads(&self, seat: &Seat) -> VariantKey {
        let laggards = &self.logs.topics[seat.variant].laggards;
        let next = seat.lagging.and_then(|index| laggards.next(index));
        next.map_or(seat.variant, |next| next.key)
    }

    /// The message before the one that a member is sent next, from a boundary on.
    pub(super) fn last_sent(&self, seat: &Seat) -> MessageId {
        let variant = &self.logs.topics[seat.variant];
        let boundary = variant.boundary(seat.cursor());
        self.logs.topics[variant.topic].last_before(boundary.message)
    }

    /// A connection's socket is full. What it is owed, the walk can't bring it any more.
    pub(super) fn on_blocked(&mut self, seats: &mut impl Seats, slot: Slot) {
        seats.seat_mut(slot).set_blocked(true);
        if self.logs.is_owed(seats, slot) {
            self.logs.lag(seats, slot);
        }
    }

    /// A connection has had all that it was owed: if it lagged, it does not any more.
    pub(super) fn catch_up(&mut self, seats: &mut impl Seats, slot: Slot) {
        self.logs.catch_up(seats, slot);
    }

    /// A member is to have what has been appended, and no more. False if it has had that. Otherwise the walk
    /// goes on without it: it has a cursor, and an end, of its own, until it leaves.
    pub(super) fn end_at_tail(&mut self, seats: &mut impl Seats, slot: Slot) -> bool {
        let is_owed = self.logs.is_owed(seats, slot);
        if is_owed {
            self.logs.lag_to_tail(seats, slot);
        }
        is_owed
    }
}

/// What a turn does: laps, then the walk.
impl Hub {
    /// Begins a turn's laps: what is retained for readers that come yields before.
    pub(super) fn begin_laps(&mut self, seats: &impl Seats, limits: &Limits, now: Tick) {
        self.logs.relieve(seats, limits, now);
        self.lapping.begin(limits, now);
    }

    /// The next reader that is lapped in this turn. Of a frame that it is in the middle of, at most
    /// `rest_bytes_max` can be saved; without that, not even that nothing has to be.
    pub(super) fn poll_lap(
        &mut self,
        seats: &mut impl Seats,
        limits: &Limits,
        counters: &mut Counters,
        rest_bytes_max: Option<usize>,
    ) -> Option<Lapped<'_>> {
        let logs = &mut self.logs;
        self.lapping
            .poll(logs, seats, limits, counters, rest_bytes_max)
    }

    /// What is left of a turn is for the walk. So many bytes were sent until now.
    pub(super) fn begin_walk(&mut self, pace: &Pace, sent_bytes: u64) {
        self.walk.begin(pace, sent_bytes);
    }

    /// The next member to write to in this turn.
    #[inline]
    pub(super) fn poll_walk(
        &mut self,
        seats: &mut impl Seats,
        pace: &Pace,
        counters: &mut Counters,
    ) -> Option<Slot> {
        self.walk.poll(&mut self.logs, seats, pace, counters)
    }
}

#[cfg(test)]
mod tests;
