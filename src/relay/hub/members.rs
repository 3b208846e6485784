//! Topics, and their members that come and go.

use super::super::ids::{MessageId, Slot, TopicKey};
use super::super::policy::{Policy, Publish};
use super::super::seat::{Seat, Seats};
use super::figures::{Standing, TopicFigures};
use super::logs::Logs;
use super::since::{Joined, Start};
use super::{Encoding, Hub};
use crate::wheel::Tick;

impl Hub {
    /// Topics that exist.
    pub(in crate::relay) fn topics(&self) -> usize {
        self.logs.topics.len()
    }

    /// The topic of that name, if it exists.
    pub(in crate::relay) fn find(&self, topic: &str) -> Option<TopicKey> {
        self.logs.topics.find(topic)
    }

    /// A topic has no member, and retains nothing for one that comes: it ends as soon as a turn is at it.
    pub(in crate::relay) fn is_ending(&self, topic: TopicKey) -> bool {
        self.logs.topics.members(topic) == 0 && self.logs.histories.get(topic).is_none()
    }

    pub(in crate::relay) fn name(&self, topic: TopicKey) -> &str {
        self.logs.topics[topic].name()
    }

    /// The topic that a member is in.
    pub(in crate::relay) fn topic_of(&self, seat: &Seat) -> TopicKey {
        self.logs.topics[seat.variant].topic
    }

    /// The message of a topic that was appended last.
    pub(in crate::relay) fn last_message(&self, topic: TopicKey) -> MessageId {
        self.logs.topics[topic].last_message()
    }

    /// A reader joins a topic, which begins if it did not exist: at its live end, or since where it asks for.
    pub(in crate::relay) fn join(
        &mut self,
        seats: &mut impl Seats,
        slot: Slot,
        topic: &str,
        encoding: Encoding,
        since: Option<Start>,
        now: Tick,
    ) -> Joined {
        let (key, is_new) = self.logs.find_or_begin(topic, now);
        let (after, missing) = self.logs.join(seats, slot, key, encoding, since, now);
        let replayed = self.last_message(key).number.wrapping_sub(after.number);
        Joined {
            is_new,
            after,
            replayed,
            missing,
        }
    }

    /// A topic of that name would retain what is published to it.
    pub(in crate::relay) fn would_retain(&mut self, topic: &str) -> bool {
        let policy = self.logs.rules.find(topic);
        self.logs.rules.get(policy).retention.is_some()
    }

    /// Which publishers may publish into a topic of that name.
    pub(in crate::relay) fn publishers_of(&mut self, topic: &str) -> Publish {
        let policy = self.logs.rules.find(topic);
        self.logs.rules.get(policy).publish
    }

    /// Members of the topic of that name.
    pub(in crate::relay) fn readers(&self, topic: &str) -> usize {
        self.find(topic)
            .map_or(0, |topic| self.logs.topics.members(topic))
    }

    /// The message of a topic that was published with that key, as long as it is retained.
    pub(in crate::relay) fn find_key(
        &mut self,
        topic: &str,
        key: &str,
        now: Tick,
    ) -> Option<MessageId> {
        self.logs.find_key(self.find(topic)?, key, now)
    }

    /// The last message of a topic was published with that key.
    pub(in crate::relay) fn remember_key(
        &mut self,
        topic: &str,
        key: &str,
        id: MessageId,
        now: Tick,
    ) {
        if let Some(topic) = self.find(topic) {
            self.logs.remember_key(topic, key, id, now);
        }
    }

    /// How a topic stands, for a client that asks.
    pub(in crate::relay) fn standing(&self, topic: TopicKey, now: Tick) -> Standing<'_> {
        self.logs.standing(topic, now)
    }

    /// A topic begins without a member, or goes on to retain what is published to it if it was about to end.
    pub(in crate::relay) fn begin(&mut self, topic: &str, now: Tick) -> TopicKey {
        self.logs.find_or_begin(topic, now).0
    }

    /// A topic without members makes place for another one. False if there is none.
    pub(in crate::relay) fn make_place(&mut self, seats: &impl Seats, now: Tick) -> bool {
        self.logs.make_place(seats, now)
    }

    /// Which publishers may publish into a topic.
    #[inline]
    pub(in crate::relay) fn publishers(&self, topic: TopicKey) -> Publish {
        self.logs.topics[topic].publish
    }

    /// What holds for a topic.
    #[inline]
    pub(in crate::relay) fn policy(&self, topic: TopicKey) -> &Policy {
        self.logs.policy(topic)
    }

    /// A reader leaves the topic that it is in, if it is in one.
    pub(in crate::relay) fn leave(
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
    pub(in crate::relay) fn topic_slots(&self) -> usize {
        self.logs.topics.slots()
    }

    /// How the topic in that slot stands, if there is one.
    pub(in crate::relay) fn figures_at(&self, slot: usize, now: Tick) -> Option<TopicFigures<'_>> {
        let key = self.logs.topics.at(slot)?;
        Some(self.figures(key, now))
    }

    /// How a topic stands.
    pub(in crate::relay) fn figures(&self, topic: TopicKey, now: Tick) -> TopicFigures<'_> {
        TopicFigures::of(&self.logs.topics, topic, now)
    }

    /// Memory that logs hold, in bytes.
    pub(in crate::relay) fn log_bytes(&self) -> usize {
        self.logs.pool.bytes_in_use()
    }

    /// Members that lag, as of the end of the last turn.
    pub(in crate::relay) fn lagging(&self) -> usize {
        self.logs.lagging()
    }

    /// How far the last of them is behind.
    pub(in crate::relay) fn lag_bytes_max(&self) -> u64 {
        self.logs.lag_bytes_max()
    }
}
