//! Messages that get their numbers elsewhere: which is next, and what becomes of a topic that misses some.

use super::super::ids::{MessageId, Slot, TopicKey};
use super::super::seat::Seats;
use super::Hub;
use super::numbers::{Missing, Place};

impl Hub {
    /// Where such a message stands in its topic.
    pub(in crate::relay) fn place(&self, topic: TopicKey, id: MessageId) -> Place {
        self.logs.topics[topic].place(id)
    }

    /// The message that is appended to a topic next is that one.
    pub(in crate::relay) fn expect(&mut self, topic: TopicKey, id: MessageId) {
        self.logs.renumber(topic, |topic| topic.expect(id));
    }

    /// The message that is appended to a topic next is the one after that.
    pub(in crate::relay) fn go_on_after(
        &mut self,
        topic: TopicKey,
        id: MessageId,
    ) -> Option<Missing> {
        self.logs.renumber(topic, |topic| topic.go_on_after(id))
    }

    /// A topic takes nothing in, or does again.
    pub(in crate::relay) fn halt(&mut self, topic: TopicKey, is_halted: bool) {
        self.logs.topics[topic].is_halted = is_halted;
    }

    /// Slots of a topic's members.
    pub(in crate::relay) fn slots(&self, topic: TopicKey) -> impl Iterator<Item = Slot> {
        let topics = &self.logs.topics;
        let variants = topics[topic].variants();
        variants.flat_map(|key| topics[key].slots()).copied()
    }

    /// Members of a topic that are not to leave once they have what they are owed.
    pub(in crate::relay) fn open_members(&self, seats: &impl Seats, topic: TopicKey) -> usize {
        let topics = &self.logs.topics;
        let variants = topics[topic].variants();
        variants.map(|key| topics[key].open_members(seats)).sum()
    }
}
