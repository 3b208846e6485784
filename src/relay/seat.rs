//! What the hub keeps of one reader, and how it reaches it.
//!
//! A reader's seat is a part of its connection: the owner of the connections lets the hub reach the seats
//! in them through [`Seats`], and nothing else of theirs. What stands in a seat is for the hub to say, but
//! for two of the flags, which it is told: whether the reader wants its own messages back, and whether its
//! socket is full.

use super::ids::{Slot, VariantKey};
use crate::log::Position;
use std::num::NonZeroU32;

/// A reader's seat. Packed to the alignment of its small fields, so that a connection, which has a seat
/// and much else, is one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(4))]
pub(super) struct Seat {
    /// What it has yet to be sent of the variant's log begins here.
    cursor: Position,
    /// What it reads of its topic, `NONE` before it joined and after it left.
    pub(super) variant: VariantKey,
    /// Its index among the variant's lagging members; none while it is at the tail or will be served by
    /// the walk.
    pub(super) lagging: Option<LagIndex>,
    /// Its index among the variant's members, and above it three flags.
    member: u32,
}

/// An index among the members of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(super) struct MemberIndex(pub(super) u32);

/// An index among the lagging members of a variant. One more than it is stored, so that none is a number
/// too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct LagIndex(NonZeroU32);

/// Where the hub finds the seats of the slots that it was told of.
pub(super) trait Seats {
    /// The seat of a connection that exists.
    fn seat(&self, slot: Slot) -> &Seat;
    /// The same, to change it.
    fn seat_mut(&mut self, slot: Slot) -> &mut Seat;
    /// The origin whose messages its log passes over: its own, if it does not want them back.
    fn excluded(&self, slot: Slot) -> Option<u64>;
}

const BLOCKED: u32 = 1 << 31;
const ECHO: u32 = 1 << 30;
const REPLAYING: u32 = 1 << 29;
/// A variant has fewer members than that: half a billion.
const INDEX: u32 = REPLAYING - 1;

impl Seat {
    /// The seat of a connection that has not joined a topic.
    pub(super) fn empty() -> Self {
        Seat {
            cursor: Position(0),
            variant: VariantKey::NONE,
            lagging: None,
            member: ECHO,
        }
    }

    pub(super) fn is_member(&self) -> bool {
        self.variant != VariantKey::NONE
    }

    /// What it has yet to be sent begins here.
    pub(super) fn cursor(&self) -> Position {
        self.cursor
    }

    pub(super) fn move_to(&mut self, position: Position) {
        self.cursor = position;
    }

    /// Its index among the variant's members, while it is one.
    pub(super) fn member(&self) -> MemberIndex {
        debug_assert!(self.is_member());
        MemberIndex(self.member & INDEX)
    }

    pub(super) fn set_member(&mut self, index: MemberIndex) {
        debug_assert!(index.0 <= INDEX);
        self.member = self.member & !INDEX | index.0;
    }

    /// Its socket took less than was offered, and has not become writable again.
    pub(super) fn is_blocked(&self) -> bool {
        self.member & BLOCKED != 0
    }

    pub(super) fn set_blocked(&mut self, is_blocked: bool) {
        self.set(BLOCKED, is_blocked);
    }

    /// It wants its own messages back.
    pub(super) fn echo(&self) -> bool {
        self.member & ECHO != 0
    }

    pub(super) fn set_echo(&mut self, echo: bool) {
        self.set(ECHO, echo);
    }

    /// It is being sent what it missed before it joined.
    pub(super) fn is_replaying(&self) -> bool {
        self.member & REPLAYING != 0
    }

    pub(super) fn set_replaying(&mut self, is_replaying: bool) {
        self.set(REPLAYING, is_replaying);
    }

    /// It wants its own messages back, and is not being sent what it missed: as almost all.
    #[inline]
    pub(super) fn is_common(&self) -> bool {
        self.member & (ECHO | REPLAYING) == ECHO
    }

    fn set(&mut self, flag: u32, is_set: bool) {
        self.member = self.member & !flag | if is_set { flag } else { 0 };
    }
}

impl LagIndex {
    /// The index after that many others.
    pub(super) fn after(others: usize) -> Option<Self> {
        NonZeroU32::new(others as u32 + 1).map(LagIndex)
    }

    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Seats by themselves, for tests.
#[cfg(test)]
impl Seats for Vec<Seat> {
    fn seat(&self, slot: Slot) -> &Seat {
        &self[slot.index()]
    }

    fn seat_mut(&mut self, slot: Slot) -> &mut Seat {
        &mut self[slot.index()]
    }

    fn excluded(&self, slot: Slot) -> Option<u64> {
        (!self.seat(slot).echo()).then_some(u64::from(slot.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_leaves_most_of_a_cache_line() {
        assert_eq!((size_of::<Seat>(), align_of::<Seat>()), (20, 4));
    }

    #[test]
    fn flags_and_index_leave_each_other_alone() {
        let mut seat = Seat {
            variant: VariantKey(7),
            ..Seat::empty()
        };
        for index in [0, 1, INDEX] {
            for (is_blocked, echo) in [(false, true), (true, true), (true, false)] {
                seat.set_member(MemberIndex(index));
                seat.set_blocked(is_blocked);
                seat.set_echo(echo);
                assert_eq!(seat.member(), MemberIndex(index));
                assert_eq!((seat.is_blocked(), seat.echo()), (is_blocked, echo));
            }
        }
    }

    #[test]
    fn an_index_is_what_it_was_made_of() {
        assert_eq!(LagIndex::after(0).map(LagIndex::index), Some(0));
        assert_eq!(LagIndex::after(41).map(LagIndex::index), Some(41));
        assert_eq!(size_of::<Option<LagIndex>>(), 4);
    }
}
