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
//!   nothing while its log is over its bound: so only a reader whose socket is full is ever lapped, or one that is being
//!   sent what it missed before it joined.
//! - Nothing is trimmed between laps and the end of the turn.
//! - A member that is to have no more than was there at its close lags until it leaves.

mod compressors;
mod elsewhere;
mod encoding;
mod events;
mod figures;
mod histories;
mod history;
mod keys;
mod laggards;
mod lapping;
mod logs;
mod members;
mod meter;
mod numbers;
mod owed;
mod place;
mod reading;
mod replay;
mod retention;
mod rules;
mod since;
mod topics;
mod variant;
mod visits;
mod walk;

pub(super) use encoding::Encoding;
pub(super) use figures::TopicFigures;
pub(super) use lapping::{Fate, Lapped};
pub(super) use logs::Publication;
pub(super) use numbers::{Missing, Place};
pub(super) use since::{Joined, Start};

use super::ids::{Slot, TopicKey, VariantKey};
use super::limits::{Limits, Pace};
use super::seat::Seats;
use crate::metrics::{Counters, Stopwatch};
use crate::wheel::Tick;
use compressors::Compressors;
use encoding::NOT_PLAIN;
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
    pub(super) fn set_limits(&mut self, limits: &Limits, now: Tick) {
        self.logs.set_limits(limits);
        self.logs.follow_rules(now);
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

/// Messages.
impl Hub {
    /// Appends a message to a topic. Costs the same whatever the number of members.
    #[inline]
    pub(super) fn append(
        &mut self,
        key: TopicKey,
        message: Publication<'_>,
        now: Tick,
        limits: &Limits,
        counters: &mut Counters,
    ) {
        let topic = &mut self.logs.topics[key];
        topic.meter.count(now, message.payload.len());
        let number = topic.messages() - 1;
        let (plain, is_plain_only) = (topic.plain(), topic.is_plain_only());
        self.logs
            .histories
            .note(key, now, number, &mut self.logs.pool);
        if plain != VariantKey::NONE {
            let variant = self.logs.append(plain, message, None, counters);
            let is_read = variant.members() > 0;
            match is_read {
                true => self.walk.mark_dirty(variant, plain),
                false => variant.settle_unread(&mut counters.messages_per_write),
            }
            self.lapping.note(variant, plain, limits);
            if !is_read && variant.log.has_begun_segment() {
                self.logs.touch(plain);
            }
        }
        if !is_plain_only {
            self.append_encoded(key, message, limits, counters);
        }
        counters.messages += 1;
        counters.message_bytes += message.payload.len() as u64;
    }

    /// Appends a message to those of these variants that exist, as it is encoded there.
    fn append_encoded(
        &mut self,
        topic: TopicKey,
        message: Publication<'_>,
        limits: &Limits,
        counters: &mut Counters,
    ) {
        let [_, variants @ ..] = self.logs.topics[topic].variants_by_encoding();
        for (key, encoding) in variants.into_iter().zip(NOT_PLAIN) {
            if key == VariantKey::NONE {
                continue;
            }
            let variant = match encoding.window() {
                Some(window) => {
                    let settings = limits.compression;
                    let compressed =
                        (self.compressors).deflate(window, message.payload, settings, counters);
                    self.logs.append(key, message, compressed, counters)
                }
                None => self.logs.append_event(key, message, counters),
            };
            self.walk.mark_dirty(variant, key);
            self.lapping.note(variant, key, limits);
        }
    }

    /// All logs together, and all that topics without members take, are over their bound.
    pub(super) fn is_overfull(&self, limits: &Limits) -> bool {
        self.logs.is_overfull(limits)
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
        let quarter = limits.topic_log_bytes_max / 4;
        if topic.is_plain_only() && topic.plain() != VariantKey::NONE {
            return self.logs.topics[topic.plain()].free_bytes(quarter);
        }
        let variants = topic.variants().map(|key| &self.logs.topics[key]);
        variants.fold(quarter, |free_bytes, variant| {
            let free = variant.encoding.taken_bytes(variant.free_bytes(quarter));
            free_bytes.min(free)
        })
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
