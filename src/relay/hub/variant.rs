//! One encoding of a topic's messages: its log, and the members that read it.
//!
//! Members are served by a walk, in rounds: each visits all members that were there when it began, stops
//! anywhere, and goes on in another turn. What is appended meanwhile does not wait for the round's end: each
//! visit brings all there is, and for members that were visited before, another round follows. So messages
//! that never cease don't keep a round from its end, nor do members that come and go: it settles all that
//! was in the log when it began. Each member is in one of two states:
//! - *with the walk*: at `settled` or later;
//! - *lagging*: on the list of those with a cursor of their own, which are served as their sockets
//!   have space, and which the walk passes over.
//!
//! ```text
//!   members  [ a  b  c | d  e  f | g ]     a, b and c were visited in this round, d, e and f are
//!                      ^         ^         yet to be, and g has come since: all but d, e and f
//!                     next      end        stand at `goal` or later
//! ```

use super::super::ids::{Slot, TopicKey, VariantKey};
use super::super::seat::{MemberIndex, Seat, Seats};
use super::encoding::Encoding;
use super::laggards::Laggards;
use super::place::Next;
use super::visits::Visits;
use crate::log::{Boundary, Log, Pool, Position};
use crate::metrics::Histogram;

/// One encoding of a topic. See the [module](self).
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) topic: TopicKey,
    pub(super) encoding: Encoding,
    /// It stands in the queue of those whose walk is not complete.
    pub(super) dirty: bool,
    /// It stands in the list of those to tidy at the end of the turn.
    pub(super) touched: bool,
    /// It holds more than it may, and stands in the queue of those whose readers are to be lapped.
    pub(super) overfull: bool,
    /// Its index among those with lagging members.
    pub(super) retaining: Option<u32>,
    /// Its members that lagged at the end of the last turn in which something happened.
    pub(super) lagging_noted: u32,
    pub(super) visits: Visits,
    pub(super) log: Log,
    /// Slots of the members, in no order.
    members: Vec<Slot>,
    pub(super) laggards: Laggards,
    /// Index of the member that the walk visits next.
    next: u32,
    /// Members before this one in the list are counted among `visits`.
    counted: u32,
    /// Index of the first one that this round does not visit; `next` when no round is under way.
    end: u32,
    /// The tail when this round began, or the last one.
    goal: Position,
    /// The tail when the last round began that is complete: no member with the walk is behind it.
    settled: Position,
}

impl Variant {
    /// A variant without members, whose next message has that number.
    pub(super) fn new(topic: TopicKey, encoding: Encoding, messages: u64) -> Self {
        Variant {
            topic,
            encoding,
            dirty: false,
            touched: false,
            overfull: false,
            retaining: None,
            lagging_noted: 0,
            visits: Visits::from(messages),
            log: Log::starting_at(messages),
            members: Vec::new(),
            laggards: Laggards::default(),
            next: 0,
            counted: 0,
            end: 0,
            goal: Position(0),
            settled: Position(0),
        }
    }

    /// The first boundary at or after a position: there, a control frame may enter, and a reader may be
    /// moved on.
    pub(super) fn boundary(&self, position: Position) -> Boundary {
        let encoding = self.encoding;
        self.log
            .boundary(position, |bytes| encoding.unit_bytes(bytes))
    }

    /// Where a message begins, or the oldest one that is there.
    pub(super) fn locate(&self, message: u64) -> Position {
        let encoding = self.encoding;
        self.log.locate(message, |bytes| encoding.unit_bytes(bytes))
    }

    /// It has no member, and will have none unless a reader joins.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.laggards.first_place().is_none()
    }

    /// Slots of the members.
    pub(super) fn slots(&self) -> &[Slot] {
        &self.members
    }

    /// Members that are not to leave once they have what they are owed: those that are lag.
    pub(super) fn open_members(&self, seats: &impl Seats) -> usize {
        let is_closing = |&slot: &Slot| self.is_closing(seats.seat(slot));
        self.members.len() - self.laggards.slots().filter(is_closing).count()
    }

    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    /// How far the last of the lagging members is behind. As of the end of the last turn in which
    /// something happened.
    pub(super) fn lag_bytes_max(&self) -> u64 {
        let floor = self.laggards.floor_noted();
        floor.map_or(0, |floor| self.log.tail().since(floor))
    }

    /// Where the log ends for a member: at its close, otherwise at the tail.
    #[inline]
    pub(super) fn end(&self, seat: &Seat) -> Position {
        let tail = self.log.tail();
        let end = seat.lagging.map(|index| self.laggards.end(index));
        end.map_or(tail, |end| end.min(tail))
    }

    /// A member is to have what was there at its close, and no more.
    pub(super) fn is_closing(&self, seat: &Seat) -> bool {
        seat.lagging
            .is_some_and(|index| self.laggards.is_closing(index))
    }

    /// What may still be appended of a quarter of what is retained, before members with the walk were served.
    /// Nothing while it holds more than it may.
    #[inline]
    pub(super) fn free_bytes(&self, quarter: usize) -> usize {
        let unsettled_bytes = usize::try_from(self.log.tail().since(self.settled));
        match unsettled_bytes {
            Ok(unsettled_bytes) if !self.overfull => quarter.saturating_sub(unsettled_bytes),
            _ => 0,
        }
    }

    /// Takes in a member at the tail, where no round under way has anything for it.
    pub(super) fn join(&mut self, seats: &mut impl Seats, slot: Slot, key: VariantKey) {
        let seat = seats.seat_mut(slot);
        seat.variant = key;
        seat.move_to(self.log.tail());
        seat.set_member(MemberIndex(self.members.len() as u32));
        self.members.push(slot);
    }

    /// Removes a member. Returns the place that was kept for it in another variant. Each part of the list closes its gap with its last: members that were visited,
    /// those that are yet to be, and those that have come since.
    pub(super) fn leave(&mut self, seats: &mut impl Seats, slot: Slot) -> Option<Next> {
        let next = self.laggards.remove(seats, slot);
        let seat = seats.seat_mut(slot);
        let mut hole = seat.member().0;
        seat.variant = VariantKey::NONE;
        if hole < self.next {
            self.next -= 1;
            self.counted = self.counted.min(self.next);
            self.place(seats, self.next, hole);
            hole = self.next;
        }
        if hole < self.end {
            self.end -= 1;
            self.place(seats, self.end, hole);
            hole = self.end;
            if self.end == 0 {
                // All members of this round have left, and the others have come since.
                self.settled = self.goal;
            }
        }
        let last = self.members.len() as u32 - 1;
        self.place(seats, last, hole);
        self.members.pop();
        next
    }

    fn place(&mut self, seats: &mut impl Seats, from: u32, to: u32) {
        if from != to {
            let slot = self.members[from as usize];
            self.members[to as usize] = slot;
            seats.seat_mut(slot).set_member(MemberIndex(to));
        }
    }

    /// A message is about to be appended, which members that were visited until now were not sent.
    pub(super) fn count_visits(&mut self) {
        if self.counted != self.next {
            let visits = u64::from(self.next - self.counted);
            self.visits.count(visits, self.log.messages());
            self.counted = self.next;
        }
    }

    /// Whether there is something to visit members for. A round that has visited them all is over, once
    /// they were served.
    #[inline]
    pub(super) fn is_walk_due(&mut self, per_write: &mut Histogram<0>) -> bool {
        if self.next < self.end {
            return true;
        }
        if self.end > 0 || self.members.is_empty() {
            self.settle(per_write);
        }
        !self.is_walk_complete()
    }

    /// The member to visit next, if the walk is due. It may be the first of a round.
    #[inline]
    pub(super) fn visit(&mut self) -> Slot {
        if self.next == self.end {
            self.goal = self.log.tail();
            self.end = self.members.len() as u32;
        }
        let slot = self.members[self.next as usize];
        self.next += 1;
        slot
    }

    /// A message was appended that no member reads: it is there for readers that come.
    pub(super) fn settle_unread(&mut self, per_write: &mut Histogram<0>) {
        if !self.dirty {
            self.settle(per_write);
        }
    }

    /// Ends a round.
    fn settle(&mut self, per_write: &mut Histogram<0>) {
        if self.members.is_empty() {
            self.goal = self.log.tail();
        }
        self.settled = self.goal;
        let visits = u64::from(self.next - self.counted);
        let (message, is_last) = (self.log.messages(), self.is_walk_complete());
        self.visits.end_round(per_write, visits, message, is_last);
        (self.next, self.counted, self.end) = (0, 0, 0);
    }

    /// All members with the walk are at the tail.
    fn is_walk_complete(&self) -> bool {
        self.settled == self.log.tail()
    }

    /// Gives back what of the log no member needs, up to where it is kept for readers that come.
    pub(super) fn trim(&mut self, pool: &mut Pool, seats: &impl Seats, kept_from: Position) {
        let floor = self.laggards.floor(seats);
        let needed_from = floor.map_or(self.settled, |floor| floor.min(self.settled));
        self.log.trim(pool, needed_from.min(kept_from));
    }

    /// The oldest position that a member with the walk may stand at.
    pub(super) fn settled(&self) -> Position {
        self.settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_round_counts_what_its_visits_brought() {
        let mut variant = Variant::new(TopicKey::default(), Encoding::Plain, 0);
        let (mut seats, mut pool) = (vec![Seat::empty(); 4], Pool::new(64 << 10, 1 << 20));
        (0..4).for_each(|slot| variant.join(&mut seats, Slot(slot), VariantKey(0)));
        let mut per_write = Histogram::default();
        // Messages come while it is under way: the first visit brings one, the last two bring three each.
        for visits in [1, 1, 2] {
            variant.count_visits();
            variant.log.append(&mut pool, &[1, 2], &[3], None);
            for _ in 0..visits {
                assert!(variant.is_walk_due(&mut per_write));
                variant.visit();
            }
        }
        assert!(
            variant.is_walk_due(&mut per_write),
            "there is more for the first ones"
        );
        // On the average, 9 messages in 4 writes are 2.
        assert_eq!((per_write.count(), per_write.sum()), (4, 4 * 2));
    }

    proptest! {
        /// However members come and go, and messages with them: none of them stands behind what is settled;
        /// and a round settles what was there when it began, after one visit to each at most.
        #[test]
        fn a_round_settles_what_was_there_when_it_began(
            ops in prop::collection::vec((0u8..8, any::<prop::sample::Index>()), 1..300)
        ) {
            let mut seats: Vec<Seat> = Vec::new();
            let mut variant = Variant::new(TopicKey::default(), Encoding::Plain, 0);
            let mut pool = Pool::new(64 << 10, 1 << 20);
            let mut per_write = Histogram::default();
            let mut members: Vec<Slot> = Vec::new();
            let (mut goal, mut visits_left) = (Position(0), 0);
            for (op, pick) in ops {
                match op {
                    0 | 1 => {
                        let slot = Slot(seats.len() as u32);
                        seats.push(Seat::empty());
                        variant.join(&mut seats, slot, VariantKey(0));
                        members.push(slot);
                    }
                    2 if !members.is_empty() => {
                        let slot = members.swap_remove(pick.index(members.len()));
                        variant.leave(&mut seats, slot);
                    }
                    3 => variant.log.append(&mut pool, &[1, 2], &[3], None),
                    _ => {
                        if !variant.is_walk_due(&mut per_write) {
                            prop_assert_eq!(variant.settled(), variant.log.tail());
                            continue;
                        }
                        if variant.settled() >= goal {
                            (goal, visits_left) = (variant.log.tail(), members.len());
                        }
                        prop_assert!(visits_left > 0, "a round is longer than the list");
                        visits_left -= 1;
                        let slot = variant.visit();
                        seats.seat_mut(slot).move_to(variant.log.tail());
                    }
                }
                for (index, &slot) in variant.members.iter().enumerate() {
                    prop_assert_eq!(seats.seat(slot).member(), MemberIndex(index as u32));
                    prop_assert!(seats.seat(slot).cursor() >= variant.settled());
                }
                prop_assert_eq!(variant.members.len(), members.len());
            }
        }
    }
}
