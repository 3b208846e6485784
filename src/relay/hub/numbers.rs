//! Which message of its topic comes next.
//!
//! A topic counts what it takes in anyway, and a message's number is that count plus a constant. Where this relay
//! orders, the constant is 0. Where an engine does, it follows from the first commit, and changes only with a
//! discontinuity: in between, numbers have no holes by construction.

use super::super::ids::{Epoch, MessageId};

/// How the messages of a topic are numbered. See the [module](self). Packed, so that a topic has space for the key of
/// one more variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(Rust, packed)]
pub(super) struct Numbers {
    epoch: Epoch,
    /// What is added to the count of messages that were taken in; wraps around.
    ahead: u64,
    /// The engine has said which is next.
    is_known: bool,
}

/// Where a message that comes from elsewhere stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) enum Place {
    /// It is the next.
    Next,
    /// It was committed, or declared missing, before.
    Past,
    /// Messages are missing before it.
    Beyond,
}

/// Messages that are missing at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) struct Missing {
    /// How many, if that can be known.
    pub(in crate::relay) messages: Option<u64>,
}

impl Numbers {
    /// Numbers of a topic that begins, and of a life of it that is drawn here.
    pub(super) fn begin(epoch: Epoch) -> Self {
        Numbers {
            epoch,
            ahead: 0,
            is_known: false,
        }
    }

    /// The last message of `count` that were taken in.
    pub(super) fn last(&self, count: u64) -> MessageId {
        MessageId {
            epoch: self.epoch,
            number: count.wrapping_add(self.ahead),
        }
    }

    /// Where a reader goes on that has had everything up to a message, where `count` messages were taken in, and
    /// the first `oldest` of them are not there any more: after how many, and what it misses.
    pub(super) fn first_after(
        &self,
        count: u64,
        id: MessageId,
        oldest: u64,
    ) -> (u64, Option<Missing>) {
        let (last, before) = (self.last(count), self.last(oldest));
        if id.epoch != last.epoch || id.number > last.number {
            return (oldest, Some(Missing { messages: None }));
        }
        match id.number.checked_sub(before.number) {
            Some(had) => (oldest + had, None),
            None => {
                let messages = Some(before.number - id.number);
                (oldest, Some(Missing { messages }))
            }
        }
    }

    /// Where a message stands, after `count` that were taken in.
    pub(super) fn place(&self, count: u64, id: MessageId) -> Place {
        let last = self.last(count);
        match id.number {
            // Numbers begin at 1.
            0 => Place::Past,
            _ if !self.is_known => Place::Next,
            _ if id.epoch != last.epoch => Place::Beyond,
            number if number <= last.number => Place::Past,
            number if number - last.number == 1 => Place::Next,
            _ => Place::Beyond,
        }
    }

    /// The next message is that one, after `count` that were taken in.
    pub(super) fn expect(&mut self, count: u64, id: MessageId) {
        *self = Numbers {
            epoch: id.epoch,
            ahead: id.number.wrapping_sub(1).wrapping_sub(count),
            is_known: true,
        };
    }

    /// After `count` that were taken in, the next message is the one after `id`. `None` if none are missing: of a
    /// topic whose last message was not known, readers miss nothing.
    pub(super) fn go_on_after(&mut self, count: u64, id: MessageId) -> Option<Missing> {
        let last = self.last(count);
        let was_known = self.is_known;
        *self = Numbers {
            epoch: id.epoch,
            ahead: id.number.wrapping_sub(count),
            is_known: true,
        };
        (was_known && id != last).then(|| Missing {
            messages: match id.epoch == last.epoch {
                true => id.number.checked_sub(last.number),
                false => None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(epoch: u64, number: u64) -> MessageId {
        let epoch = Epoch::of(epoch << 60);
        MessageId { epoch, number }
    }

    #[test]
    fn what_comes_first_says_where_it_begins() {
        let mut numbers = Numbers::begin(id(1, 0).epoch);
        assert_eq!(numbers.last(3), id(1, 3));
        assert_eq!(numbers.place(0, id(2, 40)), Place::Next);
        assert_eq!(numbers.place(0, id(2, 0)), Place::Past);
        assert_eq!(numbers.go_on_after(0, id(2, 39)), None);
        for (number, place) in [
            (0, Place::Past),
            (1, Place::Past),
            (39, Place::Past),
            (40, Place::Next),
            (41, Place::Beyond),
        ] {
            assert_eq!(numbers.place(0, id(2, number)), place, "{number}");
            assert_eq!(numbers.place(7, id(2, number + 7)), place, "{number}");
        }
        assert_eq!(numbers.place(0, id(1, 40)), Place::Beyond);
    }

    #[test]
    fn a_reader_goes_on_where_it_was_or_is_told_what_it_misses() {
        let mut numbers = Numbers::begin(id(1, 0).epoch);
        let missing = |messages| Some(Missing { messages });
        for (number, expected) in [
            (0, (4, missing(Some(4)))),
            (3, (4, missing(Some(1)))),
            (4, (4, None)),
            (9, (9, None)),
            (10, (10, None)),
            (11, (4, missing(None))),
            (u64::MAX, (4, missing(None))),
        ] {
            assert_eq!(
                numbers.first_after(10, id(1, number), 4),
                expected,
                "{number}"
            );
        }
        assert_eq!(numbers.first_after(10, id(2, 7), 4), (4, missing(None)));
        // The engine was there before: what it counted is known, and not here.
        numbers.go_on_after(0, id(2, 100));
        assert_eq!(
            numbers.first_after(10, id(2, 90), 4),
            (4, missing(Some(14)))
        );
        assert_eq!(numbers.first_after(10, id(2, 105), 4), (5, None));
        assert_eq!(numbers.first_after(10, id(2, 111), 4), (4, missing(None)));
    }

    #[test]
    fn how_many_are_missing() {
        let mut numbers = Numbers::begin(id(1, 0).epoch);
        numbers.go_on_after(0, id(2, 10));
        assert_eq!(numbers.last(5), id(2, 15));
        assert_eq!(numbers.go_on_after(5, id(2, 15)), None);
        let missing = |messages| Some(Missing { messages });
        assert_eq!(numbers.go_on_after(5, id(2, 18)), missing(Some(3)));
        assert_eq!(numbers.go_on_after(5, id(2, 4)), missing(None));
        assert_eq!(numbers.go_on_after(5, id(3, 9)), missing(None));
        assert_eq!(numbers.last(6), id(3, 10));
    }
}
