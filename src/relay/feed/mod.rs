//! The one door and the one order: everything that is published comes through here and gets its number here.
//!
//! ```text
//!                                          order is here
//!   WebSocket ─┐                       ┌─────────────────────────────────────────────► append
//!              ├─► offer ─► checks ─►──┤                                                  ▲
//!   program  ──┘          size, UTF-8, │   poll_offer                     commit          │ in order,
//!                         rate, space  └─► unsettled ────► an engine ─────────────────────┘ once
//!                                          elsewhere        between machines
//! ```
//!
//! The caller has checked what is *offered*: its size, and that text is UTF-8. The relay checks whether its topic has
//! space. What is *committed* is appended; nothing else ever is.
//!
//! **Where this relay orders its messages itself**, which is the default, both are one step, with no copy in between.
//! The rest of this page does not apply then.
//!
//! **Where an engine does** ([`order_elsewhere`](super::Relay::order_elsewhere)), an offer travels, and its message is
//! delivered when it comes back and not before; otherwise two relays would show their readers two orders. The link to
//! the engine calls
//!
//! - [`poll_interest`](super::Relay::poll_interest): a topic got its first reader here, or has lost its last;
//! - [`poll_offer`](super::Relay::poll_offer): what is to travel. An offer is kept until it is settled. After a link
//!   was cut, [`offer_again`](super::Relay::offer_again) has all of them travel again, the oldest first; so the engine
//!   drops an offer if it has seen its party and number before;
//! - [`commit`](super::Relay::commit): a message has its place. A commit of this party's settles its offer: hooks and
//!   receipts are told of it then, and not before;
//! - [`settle_offer`](super::Relay::settle_offer): an offer of this party's has its place, but its commit may never
//!   come;
//! - [`discontinuity`](super::Relay::discontinuity): messages are missing, and won't come;
//! - [`poll_settled`](super::Relay::poll_settled): what became of a message of the embedding program.
//!
//! `commit`, `settle_offer` and `discontinuity` are called in a turn's second part, where events are handled. What they
//! promise:
//!
//! - A topic's readers see what is committed, in that order and each message once: a repeated one is dropped, and one
//!   that would leave a hole is refused until the hole is filled or declared.
//! - A publisher's messages travel in its order, and none is lost: while more is unsettled than
//!   [`unsettled_bytes_max`](super::Limits::unsettled_bytes_max), publishers are not read, and no turn is taken for
//!   them while they wait.
//! - A topic that has no space says [`Committed::Later`], and holds up no other.

mod commit;
mod discontinuity;
mod door;
mod gap;
mod held;
mod interest;
mod offer;
mod offers;
mod space;

pub use interest::Interest;
pub use offer::{Committed, Offer, Offered, Settled};

use super::ids::{ConnId, Origin, Party, Slot, TopicKey};
use crate::proto::MessageKind;
use gap::Gap;
use held::Held;
use interest::Interests;
use offers::{Kept, Offers};
use std::collections::{HashMap, VecDeque};

/// Order, origins, and offers on their way. See the [module](self).
#[derive(Debug)]
pub(super) struct Feed {
    party: Party,
    /// The number of the next origin.
    next: u64,
    /// Only if messages are ordered elsewhere.
    elsewhere: Option<Box<Elsewhere>>,
}

/// Offers on their way, and what is to be told of them.
#[derive(Debug, Default)]
struct Elsewhere {
    offers: Offers,
    interests: Interests,
    held: Held,
    /// Of messages of the program, what became of them.
    settled: VecDeque<Settled>,
    /// Members that don't get their own messages: slots by the number of their origin.
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
    /// A number for a new origin.
    pub(super) fn draw_number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Keeps a message that is to travel to the engine, and returns its offer's number. `None` if it is ordered here.
    fn send(
        &mut self,
        topic: &str,
        kind: MessageKind,
        payload: &[u8],
        sender: Option<ConnId>,
        reference: Option<u64>,
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
            reference,
        }))
    }

    /// There is something to do in the next turn.
    pub(super) fn has_work(&self) -> bool {
        let elsewhere = self.elsewhere.as_ref();
        elsewhere.is_some_and(|elsewhere| !elsewhere.gaps.is_empty())
    }

    /// A connection joined a topic, which `is_new` if it began with this join.
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

    /// The next topic that has members to be closed for a gap.
    fn next_gap(&mut self) -> Option<Gap> {
        self.elsewhere.as_mut()?.gaps.pop_front()
    }

    /// Connections that were released are about to be read.
    pub(super) fn end_turn(&mut self) {
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.held.end_turn();
        }
    }
}

impl Elsewhere {
    /// A topic has a gap. Members that have yet to be closed for an earlier one miss both.
    fn add_gap(&mut self, mut gap: Gap) {
        let earlier = self.gaps.iter_mut().find(|it| it.topic == gap.topic);
        match earlier {
            Some(earlier) => {
                gap.messages += earlier.messages;
                *earlier = gap;
            }
            None => self.gaps.push_back(gap),
        }
    }
}

#[cfg(test)]
mod tests;
