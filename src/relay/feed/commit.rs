//! What the link to an engine brings, and what it polls.

use super::super::Relay;
use super::super::hooks::Published;
use super::super::hub::Place;
use super::super::ids::{MessageId, Origin, VariantKey};
use super::super::peer::Phase;
use super::interest::Interest;
use super::offer::{Committed, Offer, Settled};

impl Relay {
    /// A message has its place in its topic's order: the next one. Messages are appended in no other way, and each
    /// once.
    ///
    /// Its offer is settled if it was this relay's, even if the topic has no readers here or they are past it, but not
    /// if it is to be committed again.
    pub fn commit(&mut self, id: MessageId, message: &Offer<'_>) -> Committed {
        debug_assert!(self.feed.elsewhere.is_some(), "messages are ordered here");
        let committed = match self.hub.find(message.topic) {
            None => Committed::NoMembers,
            Some(key) => match self.hub.place(key, id) {
                Place::Past => Committed::Repeated,
                Place::Beyond => return Committed::Missing(self.hub.last_message(key)),
                Place::Next if self.hub.free_bytes(key, &self.limits) == 0 => {
                    return Committed::Later;
                }
                Place::Next => {
                    self.hub.expect(key, id);
                    let excluded = self.excluded_by(message.origin);
                    self.append(key, excluded, message.kind, message.payload);
                    debug_assert_eq!(self.hub.last_message(key), id);
                    Committed::Appended
                }
            },
        };
        if message.origin.party == self.feed.party {
            self.settle_offer(message.number, Some(id));
        }
        committed
    }

    /// An offer of this relay's has its place, and is the message `id` if that is known. Its commit may come later or
    /// not at all. Hooks are not told of a message without an id.
    pub fn settle_offer(&mut self, number: u64, id: Option<MessageId>) {
        let Some(elsewhere) = &mut self.feed.elsewhere else {
            return;
        };
        let Some(kept) = elsewhere.offers.settle(number) else {
            return;
        };
        let Some(sender) = kept.sender else {
            elsewhere.settled.push_back(Settled { offer: number, id });
            return;
        };
        if let (Some(reference), Some(id)) = (kept.reference, id)
            && let Some(slot) = self.peers.slot(sender)
            && self.is_slot_open(slot)
        {
            self.acknowledge(slot, reference, id);
            self.settle(slot);
        }
        if let Some(slot) = self.peers.slot(sender)
            && self.peers[slot].phase() == Phase::Body
        {
            self.on_post_settled(slot, id);
            self.settle(slot);
        }
        if let (Some(hooks), Some(id)) = (&mut self.hooks.0, id) {
            let message = Published {
                id,
                topic: &kept.topic,
                kind: kept.kind,
                payload: &kept.payload,
            };
            hooks.on_message(sender, &message);
        }
    }

    /// The next topic that has got its first reader here, or lost its last, since it was reported before.
    pub fn poll_interest(&mut self) -> Option<Interest> {
        self.feed.elsewhere.as_mut()?.interests.poll()
    }

    /// The next message that is to travel.
    pub fn poll_offer(&mut self) -> Option<Offer<'_>> {
        self.feed.elsewhere.as_mut()?.offers.poll()
    }

    /// All unsettled offers are to travel again, the oldest first: they may be lost.
    pub fn offer_again(&mut self) {
        if let Some(elsewhere) = &mut self.feed.elsewhere {
            elsewhere.offers.rewind();
        }
    }

    /// What became of messages that were [offered](Relay::offer), in the order in which they were settled.
    pub fn poll_settled(&mut self) -> Option<Settled> {
        self.feed.elsewhere.as_mut()?.settled.pop_front()
    }

    /// The variant that a message's sender reads, if the sender is a connection of this relay that is still here and
    /// does not want its messages back.
    fn excluded_by(&self, origin: Origin) -> Option<(VariantKey, u64)> {
        let elsewhere = self.feed.elsewhere.as_ref()?;
        if origin.party != self.feed.party {
            return None;
        }
        let &slot = elsewhere.excluded.get(&origin.number)?;
        Some((self.hub.reads(&self.peers[slot].seat), origin.number))
    }
}
