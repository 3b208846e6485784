//! What members are owed, and what they were sent.

use super::super::ids::{MessageId, Slot, VariantKey};
use super::super::seat::{Seat, Seats};
use super::Hub;
use crate::log::{Position, Span};
use crate::metrics::Counters;

impl Hub {
    /// All that a member is owed up to the tail, if it lies together. It is a member that keeps nothing back
    /// of its own and does not close.
    #[inline]
    pub(in crate::relay) fn slice(&self, seat: &Seat) -> Option<&[u8]> {
        let log = self.logs.log_of(seat);
        let bytes = log.read(seat.cursor());
        (seat.cursor().after(bytes.len()) == log.tail()).then_some(bytes)
    }

    /// What a member is owed of its log between two positions, in spans that each lie together.
    pub(in crate::relay) fn spans(
        &self,
        seats: &impl Seats,
        slot: Slot,
        from: Position,
        to: Position,
    ) -> impl Iterator<Item = Span<'_>> {
        let log = self.logs.log_of(seats.seat(slot));
        log.spans(from, to, seats.excluded(slot))
    }

    /// Where the log ends for a member: at its close, otherwise at the tail.
    pub(in crate::relay) fn end(&self, seat: &Seat) -> Position {
        self.logs.end(seat)
    }

    /// The first frame boundary that a reader comes to: where it stands, unless it is in the middle of a
    /// frame, and so lags.
    pub(in crate::relay) fn boundary(&self, seat: &Seat) -> Position {
        match seat.lagging {
            Some(_) => {
                self.logs.topics[seat.variant]
                    .boundary(seat.cursor())
                    .position
            }
            None => seat.cursor(),
        }
    }

    /// Whether there is something in the log that a connection is yet to be sent.
    pub(in crate::relay) fn is_owed(&mut self, seats: &mut impl Seats, slot: Slot) -> bool {
        self.logs.is_owed(seats, slot)
    }

    /// The socket took so many bytes of what a member was offered of its log up to `to`.
    pub(in crate::relay) fn advance(
        &mut self,
        seats: &mut impl Seats,
        slot: Slot,
        to: Position,
        bytes: usize,
    ) {
        self.logs.advance(seats, slot, to, bytes);
    }

    /// The same of a member that is owed all up to the tail, and nothing besides, but for the messages that
    /// it is `excluded` from. True if it keeps up, and has it all: then there is nothing else to do.
    #[inline]
    pub(in crate::relay) fn advance_to_tail(
        &self,
        seat: &mut Seat,
        excluded: Option<u64>,
        bytes: usize,
    ) -> bool {
        let log = self.logs.log_of(seat);
        let cursor = log.advance(seat.cursor(), log.tail(), excluded, bytes);
        seat.move_to(cursor);
        cursor == log.tail() && seat.lagging.is_none()
    }

    /// A connection was written to whose cursor was at `before`: if it lags, and has moved, that is noted. If it now
    /// has what it had missed, it goes on with all others, maybe in another log: then that is returned, and how
    /// many messages before its place there are lost.
    pub(in crate::relay) fn on_sent(
        &mut self,
        seats: &mut impl Seats,
        slot: Slot,
        before: Position,
        counters: &mut Counters,
    ) -> Option<u64> {
        self.logs.on_sent(seats.seat(slot), before, counters);
        match seats.seat(slot).is_replaying() {
            true => self.logs.end_replay(seats, slot),
            false => None,
        }
    }

    /// A reader of events is sent what it missed: some of it is written into `out`, until that has `bytes_max` bytes.
    /// If that is all, it goes on with all others: then how many messages before its place among them are lost.
    pub(in crate::relay) fn write_events(
        &mut self,
        seats: &mut impl Seats,
        slot: Slot,
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Option<u64> {
        self.logs.write_events(seats, slot, out, bytes_max);
        self.logs.end_replay(seats, slot)
    }

    /// The log that a reader will have its messages in, once it has what it missed.
    pub(in crate::relay) fn reads(&self, seat: &Seat) -> VariantKey {
        let laggards = &self.logs.topics[seat.variant].laggards;
        let next = seat.lagging.and_then(|index| laggards.next(index));
        next.map_or(seat.variant, |next| next.key)
    }

    /// The message before the one that a member is sent next, from a boundary on.
    pub(in crate::relay) fn last_sent(&self, seat: &Seat) -> MessageId {
        let variant = &self.logs.topics[seat.variant];
        let boundary = variant.boundary(seat.cursor());
        self.logs.topics[variant.topic].last_before(boundary.message)
    }

    /// A connection's socket is full. What it is owed, the walk can't bring it any more.
    pub(in crate::relay) fn on_blocked(&mut self, seats: &mut impl Seats, slot: Slot) {
        seats.seat_mut(slot).set_blocked(true);
        if self.logs.is_owed(seats, slot) {
            self.logs.lag(seats, slot);
        }
    }

    /// A connection has had all that it was owed: if it lagged, it does not any more.
    pub(in crate::relay) fn catch_up(&mut self, seats: &mut impl Seats, slot: Slot) {
        self.logs.catch_up(seats, slot);
    }

    /// A member is to have what has been appended, and no more. False if it has had that. Otherwise the walk
    /// goes on without it: it has a cursor, and an end, of its own, until it leaves.
    pub(in crate::relay) fn end_at_tail(&mut self, seats: &mut impl Seats, slot: Slot) -> bool {
        let is_owed = self.logs.is_owed(seats, slot);
        if is_owed {
            self.logs.lag_to_tail(seats, slot);
        }
        is_owed
    }
}
