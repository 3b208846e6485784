//! The one door and the one order: whatever is published comes through here, from whomever, and gets
//! its number here.
//!
//! What is *offered* has been checked by whoever brings it: its size, and that text is UTF-8. The relay
//! looks whether its topic has room. What is *committed* is appended, which gives it its number; nothing
//! else ever is. Since this relay orders its messages itself, both are one step, with no copy in between.

use super::Relay;
use super::hooks::Published;
use super::hub::Publication;
use super::ids::{ConnId, MessageId, Origin, Party, Slot, TopicKey, VariantKey};
use crate::proto::MessageKind;

/// What became of a message that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It has its number, and is on its way to everybody in its topic.
    Committed(MessageId),
    /// There is no such topic: nobody is in it. The message has come to everybody who is.
    Nobody,
    /// The topic has no room before its members were served: offer it again in the next turn, and what
    /// follows it in that topic after it.
    Later,
}

/// Numbers the origins of messages: none of them twice.
#[derive(Debug)]
pub(super) struct Feed {
    party: Party,
    /// The number that is drawn next.
    next: u64,
}

impl Default for Feed {
    fn default() -> Self {
        Feed {
            party: Party::draw(),
            next: 0,
        }
    }
}

impl Feed {
    /// A number for an origin that has just come.
    pub(super) fn draw_number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }
}

impl Relay {
    /// Where a connection's messages come from.
    #[must_use]
    pub fn origin(&self, id: ConnId) -> Origin {
        Origin {
            party: self.feed.party,
            number: id.generation,
        }
    }

    /// Offers a message that comes from elsewhere than a connection. It is within
    /// [`message_bytes_max`](super::Limits::message_bytes_max), and text is UTF-8.
    pub fn offer(&mut self, topic: &str, kind: MessageKind, payload: &[u8]) -> Offered {
        let Some(topic) = self.hub.find(topic) else {
            return Offered::Nobody;
        };
        if self.hub.free_bytes(topic, &self.limits) == 0 {
            return Offered::Later;
        }
        self.commit(topic, None, kind, payload);
        Offered::Committed(self.hub.last_message(topic))
    }

    /// A message that is offered for this topic is not put off.
    #[must_use]
    pub fn has_room(&self, topic: &str) -> bool {
        let topic = self.hub.find(topic);
        topic.is_none_or(|topic| self.hub.free_bytes(topic, &self.limits) > 0)
    }

    /// A connection publishes a message into its topic. There is room for it: its bytes were read only as
    /// far as there was.
    pub(super) fn publish(&mut self, slot: Slot, kind: MessageKind, payload: &[u8]) {
        let id = self.peers.id(slot);
        let sender = &mut self.peers[slot];
        sender.active = self.now;
        let topic = self.hub.topic_of(&sender.seat);
        let (variant, own) = (sender.seat.variant, sender.excluded());
        self.commit(topic, own.map(|own| (variant, own)), kind, payload);
        if self.hooks.0.is_some() {
            self.tell_of_message(id, topic, kind, payload);
        }
    }

    fn tell_of_message(&mut self, id: ConnId, topic: TopicKey, kind: MessageKind, payload: &[u8]) {
        let message = self.hub.last_message(topic);
        if let Some(hooks) = &mut self.hooks.0 {
            let topic = self.hub.name(topic);
            let message = Published {
                id: message,
                topic,
                kind,
                payload,
            };
            hooks.on_message(id, &message);
        }
    }

    /// A message gets its number, and is on its way.
    #[inline]
    fn commit(
        &mut self,
        topic: TopicKey,
        excluded: Option<(VariantKey, u64)>,
        kind: MessageKind,
        payload: &[u8],
    ) {
        let message = Publication {
            excluded,
            kind,
            payload,
        };
        self.hub
            .append(topic, message, self.now, &self.limits, &mut self.counters);
    }
}
