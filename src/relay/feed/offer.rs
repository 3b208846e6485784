//! A message that is offered, and what can become of it.

use super::super::ids::{MessageId, Origin};
use crate::proto::MessageKind;

/// What became of a message that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It has its number, and is on its way to everybody in its topic.
    Committed(MessageId),
    /// There is no such topic: nobody is in it. The message has come to everybody who is.
    Nobody,
    /// There is no space before the topic's members were served, or what travels is settled: offer it again once the
    /// topic [has space](super::super::Relay::has_space), and what follows it in that topic after it.
    Later,
    /// It gets its number elsewhere: [`Relay::poll_settled`](super::super::Relay::poll_settled) tells of it by this one.
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

/// What became of a message that was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is on its way to everybody in its topic.
    Appended,
    /// There is no such topic: nobody here is in it.
    Nobody,
    /// The topic's readers are past it. It was committed before, or said to be missing.
    Repeated,
    /// The topic has no space before its members were served: commit it again in the next turn, and what follows it in
    /// that topic after it, discontinuities too. Other topics go on.
    Later,
    /// It is not the one after the topic's last, which is this. Nothing has changed: commit what is missing, or say with
    /// [`Relay::discontinuity`](super::super::Relay::discontinuity) that it won't come, and then commit this again.
    Missing(MessageId),
}

/// A message of the program that embeds the relay has its place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The number of its offer.
    pub offer: u64,
    /// Which message it is, if that is known.
    pub id: Option<MessageId>,
}
