//! The one door and the one order: everything that is published comes through here and gets its number here.
//!
//! ```text
//!                                          order is here
//!   WebSocket ─┐                       ┌─────────────────────────────────────────────► append
//!              ├─► offer ─► checks ─►──┤                                                  ▲
//!   program  ──┘          size, UTF-8, │   poll_offer                     commit          │ in order,
//!                         rate, room   └─► unsettled ────► an engine ─────────────────────┘ once
//!                                          elsewhere        between machines
//! ```
//!
//! What is *offered* was checked by its bringer: its size, and that text is UTF-8. The relay looks whether its topic
//! has room. What is *committed* is appended; nothing else ever is.
//!
//! **Where this relay orders its messages itself**, which is the default, both are one step, with no copy in
//! between. What follows has no part in it.
//!
//! **Where an engine does** ([`order_elsewhere`](Relay::order_elsewhere)), an offer travels, and its message is
//! delivered when it comes back, never before: or two relays would show their readers two orders. The link to the
//! engine calls
//!
//! - [`poll_interest`](Relay::poll_interest): a topic got its first reader here, or has lost its last;
//! - [`poll_offer`](Relay::poll_offer): what is to travel. It stays until it is settled, and travels again from the
//!   oldest on after [`offer_again`](Relay::offer_again), for a link that was cut. So the engine drops an offer whose
//!   number it has seen of that party;
//! - [`commit`](Relay::commit): a message has its place. A commit of this party's settles the offer that it was:
//!   hooks and receipts hear of it then, and not before;
//! - [`settle_offer`](Relay::settle_offer): an offer of this party's has its place, though its commit may never come;
//! - [`discontinuity`](Relay::discontinuity): messages are missing, and won't come;
//! - [`poll_settled`](Relay::poll_settled): what became of a message of the program that embeds the relay.
//!
//! The three that bring something belong to a turn's second part, where events are handled. What they promise:
//!
//! - A topic's readers see what is committed, in that order and each message once: one whose number they are past is
//!   dropped, and one that leaves a hole is refused, until the hole is filled or declared.
//! - A publisher's messages travel in its order, and none is lost: while more is unsettled than
//!   [`unsettled_bytes_max`](super::Limits::unsettled_bytes_max), publishers are not read, and wait without a turn
//!   being taken for them.
//! - A topic that has no room says [`Committed::Later`], and holds up no other.

mod commit;
mod gap;
mod held;
mod interest;
mod offers;

pub use commit::{Committed, Settled};
pub use interest::Interest;

use super::Relay;
use super::hooks::Published;
use super::hub::Publication;
use super::ids::{ConnId, MessageId, Origin, Party, Slot, TopicKey, VariantKey};
use crate::proto::MessageKind;
use gap::Gap;
use held::Held;
use interest::Interests;
use offers::{Kept, Offers};
use std::collections::{HashMap, VecDeque};

/// What became of a message that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It has its number, and is on its way to everybody in its topic.
    Committed(MessageId),
    /// There is no such topic: nobody is in it. The message has come to everybody who is.
    Nobody,
    /// There is no room before the topic's members were served, or what travels is settled: offer it again once the
    /// topic [has room](Relay::has_room), and what follows it in that topic after it.
    Later,
    /// It gets its number elsewhere: [`Relay::poll_settled`] tells of it by this one.
    Travels(u64),
}

/// A message that is to have a place in its topic's order, as it travels to the engine and comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// Which offer of its party it is, from 1 on without a hole: by this number it is settled, and known again if it
    /// travels twice.
    pub number: u64,
    /// The topic's name.
    pub topic: &'a str,
    /// Text, which is UTF-8, or binary.
    pub kind: MessageKind,
    /// The message, inflated.
    pub payload: &'a [u8],
    /// Where it came from.
    pub origin: Origin,
}

/// What passes through the door. See the [module](self).
#[derive(Debug)]
pub(super) struct Feed {
    party: Party,
    /// The number of the next origin.
    next: u64,
    /// What there is to know if messages are ordered elsewhere.
    elsewhere: Option<Box<Elsewhere>>,
}

/// What travels, and what is to be told of it.
#[derive(Debug, Default)]
struct Elsewhere {
    offers: Offers,
    interests: Interests,
    held: Held,
    /// Of messages of the program, what became of them.
    settled: VecDeque<Settled>,
    /// Members that don't hear themselves: slots by the number of their origin.
    excluded: HashMap<u64, Slot>,
    /// Of topics in which messages are missing, members that have yet to be closed for it. Each topic once.
    gaps: VecDeque<Gap>,
}

impl Default for Feed {
    fn default() -> Self {
        Feed {
            party: Party::draw(),
            next: 0,
            elsewhere: None,
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

    /// Has a message travel to the engine, and returns its offer's number. `None` if it is ordered here.
    fn send(
        &mut self,
        topic: &str,
        kind: MessageKind,
        payload: &[u8],
        sender: Option<ConnId>,
    ) -> Option<u64> {
        let elsewhere = self.elsewhere.as_mut()?;
        let number = sender.map_or(self.next, |id| id.generation);
        self.next += u64::from(sender.is_none());
        Some(elsewhere.offers.push(Kept {
            topic: topic.into(),
            kind,
            payload: payload.into(),
            origin: Origin {
                party: self.party,
                number,
            },
            sender,
        }))
    }

    /// There is something to do in the next turn.
    pub(super) fn has_work(&self) -> bool {
        let elsewhere = self.elsewhere.as_ref();
        elsewhere.is_some_and(|elsewhere| !elsewhere.gaps.is_empty())
    }

    /// A connection joined a topic, which `is_new` if it began for that.
    pub(super) fn on_join(&mut self, topic: &str, is_new: bool, id: ConnId, echo: bool) {
        if let Some(elsewhere) = &mut self.elsewhere {
            if is_new {
                elsewhere.interests.set(topic, true);
            }
            if !echo {
                elsewhere.excluded.insert(id.generation, id.slot);
            }
        }
    }

    pub(super) fn on_leave(&mut self, id: ConnId) {
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.excluded.remove(&id.generation);
        }
    }

    /// A topic has ended with its last member.
    pub(super) fn on_topic_end(&mut self, key: TopicKey, topic: &str) {
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.gaps.retain(|gap| gap.topic != key);
            elsewhere.interests.set(topic, false);
        }
    }
}

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

    /// Offers a message that comes from elsewhere than a connection. It is within
    /// [`message_bytes_max`](super::Limits::message_bytes_max), and text is UTF-8.
    pub fn offer(&mut self, topic: &str, kind: MessageKind, payload: &[u8]) -> Offered {
        let key = self.hub.find(topic);
        if !self.takes_offers()
            || key.is_some_and(|key| self.hub.free_bytes(key, &self.limits) == 0)
        {
            return Offered::Later;
        }
        if let Some(number) = self.feed.send(topic, kind, payload, None) {
            return Offered::Travels(number);
        }
        let Some(key) = key else {
            return Offered::Nobody;
        };
        self.append(key, None, kind, payload);
        Offered::Committed(self.hub.last_message(key))
    }

    /// A message that is offered for this topic is not put off.
    #[must_use]
    pub fn has_room(&self, topic: &str) -> bool {
        let key = self.hub.find(topic);
        self.takes_offers() && key.is_none_or(|key| self.hub.free_bytes(key, &self.limits) > 0)
    }

    /// A connection publishes a message into its topic. There is room for it: its bytes were read only as
    /// far as there was.
    pub(super) fn publish(&mut self, slot: Slot, kind: MessageKind, payload: &[u8]) {
        let sender = &mut self.peers[slot];
        sender.active = self.now;
        let key = self.hub.topic_of(&sender.seat);
        let generation = sender.generation;
        let id = ConnId { slot, generation };
        let own = sender.excluded().map(|own| (sender.seat.variant, own));
        if self.feed.elsewhere.is_some() {
            let topic = self.hub.name(key);
            self.feed.send(topic, kind, payload, Some(id));
            return;
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
    }

    /// A message is on its way to its topic's members, but for the origin that does not want it back in what
    /// it reads.
    #[inline]
    fn append(
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

#[cfg(test)]
mod tests;
