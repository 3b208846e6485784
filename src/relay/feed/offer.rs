//! A message that is offered, and what can become of it.

use super::super::ids::{MessageId, Origin};
use crate::proto::MessageKind;

/// What became of a message that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It has its number, and is on its way to every member of its topic.
    Committed(MessageId),
    /// There is no such topic, since it has no members. Nothing is left to do.
    NoMembers,
    /// There is no space until the topic's members were served, or what travels is settled. Offer it again once the
    /// topic [has space](super::super::Relay::has_space), and then what follows it in that topic.
    Later,
    /// It gets its number elsewhere: [`Relay::poll_settled`](super::super::Relay::poll_settled) refers to it by this
    /// one.
    Travels(u64),
}

/// A message that is to have a place in its topic's order, as it travels to the engine and comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// Which offer of its party it is, counted from 1 without a hole. By this number it is settled, and recognised if
    /// it travels twice.
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

/// What became of a message that was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is on its way to every member of its topic.
    Appended,
    /// There is no such topic here, since it has no members here.
    NoMembers,
    /// The topic's readers are past it: it was committed before, or declared missing.
    Repeated,
    /// The topic has no space until its members were served. Commit it again in the next turn, and then what follows it
    /// in that topic, discontinuities too. Other topics go on.
    Later,
    /// It does not follow the topic's last message, which is this one. Nothing has changed: commit what is missing, or
    /// say with [`Relay::discontinuity`](super::super::Relay::discontinuity) that it won't come, and then commit this
    /// again.
    Missing(MessageId),
}

/// A message of the embedding program has its place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The number of its offer.
    pub offer: u64,
    /// Which message it is, if that is known.
    pub id: Option<MessageId>,
}
