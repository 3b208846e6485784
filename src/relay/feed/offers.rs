//! Offers that are on their way to the engine, until they are settled.
//!
//! ```text
//!   number   4     7  8  |  9  10            5 and 6 are settled, 4 is not
//!            travelling  |  yet to travel
//!            ^ oldest      ^ next            after an interruption, next goes back to oldest
//! ```
//!
//! Numbers count this party's offers from 1, so that the engine can drop what was offered twice. Offers leave in
//! order, and are settled in any order, since topics are ordered independently. A settled one is taken out at once, so
//! that no more is held than is unsettled.

use super::super::ids::{ConnId, Origin};
use super::offer::Offer;
use crate::proto::MessageKind;
use std::collections::BTreeMap;

/// The most that an offer takes besides its topic's name and its payload.
const OFFER_BYTES: usize = 128;

/// A message that was offered, as it is kept until it is settled.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) topic: Box<str>,
    pub(super) kind: MessageKind,
    pub(super) payload: Box<[u8]>,
    pub(super) origin: Origin,
    /// The connection that it came from, if it came from one.
    pub(super) sender: Option<ConnId>,
    /// What that connection calls it, if it is to be told its number.
    pub(super) reference: Option<u64>,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Offers {
    unsettled: BTreeMap<u64, Kept>,
    /// Number of the offer that was taken last; the next to travel has the number `next` or a larger one.
    last: u64,
    next: u64,
    bytes: usize,
}

impl Default for Offers {
    fn default() -> Self {
        Offers {
            unsettled: BTreeMap::new(),
            last: 0,
            next: 1,
            bytes: 0,
        }
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        OFFER_BYTES + self.topic.len() + self.payload.len()
    }
}

impl Offers {
    /// Memory of all that is unsettled.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a message, and returns its number.
    pub(super) fn push(&mut self, message: Kept) -> u64 {
        self.last += 1;
        self.bytes += message.bytes();
        self.unsettled.insert(self.last, message);
        self.last
    }

    /// What travels next.
    pub(super) fn poll(&mut self) -> Option<Offer<'_>> {
        let (&number, kept) = self.unsettled.range(self.next..).next()?;
        self.next = number + 1;
        Some(Offer {
            number,
            topic: &kept.topic,
            kind: kept.kind,
            payload: &kept.payload,
            origin: kept.origin,
        })
    }

    /// All unsettled offers are to travel again.
    pub(super) fn rewind(&mut self) {
        self.next = 1;
    }

    /// Takes out an offer that has its place in the order. `None` if it was settled before.
    pub(super) fn settle(&mut self, number: u64) -> Option<Kept> {
        let kept = self.unsettled.remove(&number)?;
        self.bytes -= kept.bytes();
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ids::Party;
    use super::*;
    use proptest::prelude::*;

    fn kept(payload_bytes: usize) -> Kept {
        let party = Party(7);
        Kept {
            topic: "t".into(),
            kind: MessageKind::Binary,
            payload: vec![0; payload_bytes].into(),
            origin: Origin { party, number: 1 },
            sender: None,
            reference: None,
        }
    }

    proptest! {
        /// Against a list: each is polled once, in order, until they are to travel again; and what is settled is no
        /// longer held.
        #[test]
        fn they_leave_in_order_and_stay_until_they_are_settled(
            ops in prop::collection::vec((0u8..6, any::<prop::sample::Index>(), 0usize..100), 1..200)
        ) {
            let mut offers = Offers::default();
            let (mut model, mut last, mut next) = (Vec::<(u64, usize)>::new(), 0, 0);
            for (op, pick, bytes) in ops {
                match op {
                    0 | 1 => {
                        last += 1;
                        prop_assert_eq!(offers.push(kept(bytes)), last);
                        model.push((last, bytes));
                    }
                    2 | 3 => {
                        let expected = model.iter().map(|one| one.0).find(|&number| number > next);
                        next = expected.unwrap_or(next);
                        prop_assert_eq!(offers.poll().map(|offer| offer.number), expected);
                    }
                    4 if !model.is_empty() => {
                        let (number, _) = model.remove(pick.index(model.len()));
                        prop_assert!(offers.settle(number).is_some());
                        prop_assert!(offers.settle(number).is_none());
                    }
                    _ => {
                        offers.rewind();
                        next = 0;
                    }
                }
                let bytes = model.iter().map(|&(_, bytes)| OFFER_BYTES + 1 + bytes);
                prop_assert_eq!(offers.bytes(), bytes.sum::<usize>());
                prop_assert_eq!(offers.unsettled.len(), model.len());
            }
        }
    }

    #[test]
    fn the_memory_of_an_offer_is_counted() {
        // A tree's node is half full at least, and has an eleventh of a parent's edge.
        assert!(2 * size_of::<(u64, Kept)>() <= OFFER_BYTES + size_of::<Kept>());
    }
}
