//! Plain names: of connections and their slots, of topics and variants, of messages, and of origins, where
//! messages come from.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

pub use crate::proto::{Epoch, InvalidId, MessageId};

/// Index of a connection in the relay's slab, and in the tables that stand beside it. It is used again only
/// after the turn in which its connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Slot(pub u32);

impl Slot {
    /// The slot's place in a table.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// A number below `bound`, the same for a slot every time, and far apart for slots that follow one another.
    pub(super) fn spread(self, bound: u32) -> u32 {
        // 2³² / φ.
        let spread = self.0.wrapping_mul(0x9E37_79B9);
        ((u64::from(bound) * u64::from(spread)) >> 32) as u32
    }
}

/// Names a connection for ever: a slot is used again, a generation never. It is the number of the connection's
/// [`Origin`], too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// Index into the relay's slab, and into a table that stands beside it.
    pub slot: Slot,
    /// Which of all origins it is: they are counted as they come.
    pub generation: u64,
}

/// Names a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct TopicKey(pub(super) u32);

/// Names one encoding of a topic, and its log, for as long as it has a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct VariantKey(pub(super) u32);

impl VariantKey {
    /// No variant.
    pub(super) const NONE: Self = Self(u32::MAX);
}

/// A relay, among those that share an order, for as long as it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party(pub u64);

/// Where a message came from: a connection, or a request of the program that embeds the relay. No origin's
/// name is used again, neither when it has gone nor when its relay was started anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The relay that it came to.
    pub party: Party,
    /// Which of that relay's origins it is: they are counted as they come.
    pub number: u64,
}

impl Party {
    /// A random party, which cannot be guessed.
    pub(super) fn draw() -> Self {
        Party(RandomState::new().hash_one(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parties_differ() {
        assert_ne!(Party::draw(), Party::draw());
    }
}
