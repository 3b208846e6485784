//! Where messages are offered: each is checked for space, and then appended at once, or kept to travel.

use super::super::Relay;
use super::super::hooks::Published;
use super::super::hub::Publication;
use super::super::ids::{ConnId, Origin, Slot, TopicKey, VariantKey};
use super::super::policy::Publish;
use super::offer::Offered;
use crate::proto::MessageKind;

impl Relay {
    /// From now on, messages get their numbers from an engine, to which the caller is the link: it polls
    /// [interest](Relay::poll_interest) and [offers](Relay::poll_offer), and brings [commits](Relay::commit). To be
    /// called before the first connection.
    pub fn order_elsewhere(&mut self) {
        debug_assert_eq!(self.peers.len(), 0);
        self.feed.elsewhere.get_or_insert_default();
    }

    /// Where a connection's messages come from.
    #[must_use]
    pub fn origin(&self, id: ConnId) -> Origin {
        Origin {
            party: self.feed.party,
            number: id.generation,
        }
    }

    /// Offers a message that does not come from a connection. It is within
    /// [`message_bytes_max`](super::super::Limits::message_bytes_max), and text is UTF-8.
    pub fn offer(&mut self, topic: &str, kind: MessageKind, payload: &[u8]) -> Offered {
        self.offer_from(None, topic, kind, payload)
    }

    /// Offers a message that a connection publishes by HTTP.
    pub(in super::super) fn offer_of(
        &mut self,
        slot: Slot,
        topic: &str,
        kind: MessageKind,
        payload: &[u8],
    ) -> Offered {
        let id = self.peers.id(slot);
        let offered = self.offer_from(Some(id), topic, kind, payload);
        self.counters.posted += u64::from(offered != Offered::Later);
        if let (Offered::Committed(message), Some(hooks)) = (offered, &mut self.hooks.0) {
            let message = Published {
                id: message,
                topic,
                kind,
                payload,
            };
            hooks.on_message(id, &message);
        }
        offered
    }

    /// Messages get their numbers here.
    pub(in super::super) fn orders_here(&self) -> bool {
        self.feed.elsewhere.is_none()
    }

    fn offer_from(
        &mut self,
        publisher: Option<ConnId>,
        topic: &str,
        kind: MessageKind,
        payload: &[u8],
    ) -> Offered {
        let key = self.hub.find(topic);
        if !self.takes_another(key) {
            return Offered::Later;
        }
        if let Some(number) = self.feed.send(topic, kind, payload, publisher, None) {
            return Offered::Travels(number);
        }
        let live = key.filter(|&key| !self.hub.is_ending(key));
        let Some(key) = live.or_else(|| self.begin_topic(topic)) else {
            return Offered::NoMembers;
        };
        self.append(key, None, kind, payload);
        Offered::Committed(self.hub.last_message(key))
    }

    /// A message that is offered for this topic would not be put off.
    #[must_use]
    pub fn has_space(&self, topic: &str) -> bool {
        self.takes_another(self.hub.find(topic))
    }

    /// A topic without members begins, or goes on, if it would retain what is published to it and there may be
    /// another.
    fn begin_topic(&mut self, topic: &str) -> Option<TopicKey> {
        let may_begin = self.hub.would_retain(topic) && self.has_topic_for(topic);
        may_begin.then(|| self.hub.begin(topic, self.now))
    }

    fn takes_another(&self, topic: Option<TopicKey>) -> bool {
        let has_space = |topic| self.hub.free_bytes(topic, &self.limits) > 0;
        let may_begin = || !self.hub.is_overfull(&self.limits);
        self.takes_offers() && topic.map_or_else(may_begin, has_space)
    }

    /// A connection publishes a message into its topic. There is space for it: its bytes were read only as
    /// far as there was. If it has a `reference`, the connection is told by that which message it is. False if the
    /// topic takes no messages of WebSockets.
    #[inline(always)]
    pub(in super::super) fn publish(
        &mut self,
        slot: Slot,
        kind: MessageKind,
        payload: &[u8],
        reference: Option<u64>,
    ) -> bool {
        let sender = &mut self.peers[slot];
        sender.active = self.now;
        let key = self.hub.topic_of(&sender.seat);
        if self.hub.publishers(key) != Publish::Anybody {
            return false;
        }
        let generation = sender.generation;
        let id = ConnId { slot, generation };
        let own = sender
            .excluded()
            .map(|own| (self.hub.reads(&sender.seat), own));
        if self.feed.elsewhere.is_some() {
            let topic = self.hub.name(key);
            self.feed.send(topic, kind, payload, Some(id), reference);
            return true;
        }
        self.append(key, own, kind, payload);
        if let Some(hooks) = &mut self.hooks.0 {
            let message = Published {
                id: self.hub.last_message(key),
                topic: self.hub.name(key),
                kind,
                payload,
            };
            hooks.on_message(id, &message);
        }
        if let Some(reference) = reference {
            self.acknowledge(slot, reference, self.hub.last_message(key));
        }
        true
    }

    /// A message is on its way to its topic's members, except the excluded origin in the variant that it reads.
    #[inline]
    pub(super) fn append(
        &mut self,
        topic: TopicKey,
        excluded: Option<(VariantKey, u64)>,
        kind: MessageKind,
        payload: &[u8],
    ) {
        let (excluded_from, origin) = excluded.unwrap_or((VariantKey::NONE, 0));
        let message = Publication {
            excluded_from,
            origin,
            kind,
            payload,
        };
        self.hub
            .append(topic, message, self.now, &self.limits, &mut self.counters);
    }
}
