//! Where members stand in their logs: what each is owed, and how it moves on.

use super::super::ids::Slot;
use super::super::seat::{Seat, Seats};
use super::logs::Logs;
use crate::log::{Log, Position};
use crate::metrics::Counters;

impl Logs {
    /// The log that a member reads.
    #[inline]
    pub(super) fn log_of(&self, seat: &Seat) -> &Log {
        &self.topics[seat.variant].log
    }

    /// Where the log ends for a member: at its close, otherwise at the tail.
    pub(super) fn end(&self, seat: &Seat) -> Position {
        self.topics[seat.variant].end(seat)
    }

    /// Whether there is something in the log that a connection is yet to be sent.
    pub(super) fn is_owed(&mut self, seats: &mut impl Seats, slot: Slot) -> bool {
        let seat = seats.seat(slot);
        if !seat.is_member() {
            return false;
        }
        let end = self.end(seat);
        self.pass_over_own(seats, slot) < end
    }

    /// Moves a member's cursor over the frames that it sent itself and does not want back.
    pub(super) fn pass_over_own(&mut self, seats: &mut impl Seats, slot: Slot) -> Position {
        let seat = seats.seat(slot);
        let (key, before) = (seat.variant, seat.cursor());
        let Some(reader) = seats.excluded(slot) else {
            return before;
        };
        let variant = &mut self.topics[key];
        let cursor = variant.log.after_own(before, variant.end(seat), reader);
        if cursor == before {
            return before;
        }
        let seat = seats.seat_mut(slot);
        seat.move_to(cursor);
        if seat.lagging.is_some() {
            variant.laggards.on_moved(before);
            self.touch(key);
        }
        cursor
    }

    /// The socket took this many bytes of what a member was offered of its log up to `to`.
    pub(super) fn advance(
        &mut self,
        seats: &mut impl Seats,
        slot: Slot,
        to: Position,
        bytes: usize,
    ) {
        let reader = seats.excluded(slot);
        let seat = seats.seat_mut(slot);
        let log = self.log_of(seat);
        seat.move_to(log.advance(seat.cursor(), to, reader, bytes));
    }

    /// A connection was written to whose cursor was at `before`.
    pub(super) fn on_sent(&mut self, seat: &Seat, before: Position, counters: &mut Counters) {
        if seat.lagging.is_some() && seat.cursor() != before {
            let variant = &mut self.topics[seat.variant];
            variant.laggards.on_moved(before);
            let lag_bytes = variant.log.tail().since(before);
            counters.lag_bytes.observe(lag_bytes, 1);
            self.touch(seat.variant);
        }
    }

    /// A member gets a cursor of its own, and a place among the lagging ones.
    pub(super) fn lag(&mut self, seats: &mut impl Seats, slot: Slot) {
        let key = seats.seat(slot).variant;
        self.topics[key].laggards.insert(seats, slot);
        self.touch(key);
    }

    /// The same, and the log ends for it at what is its tail now.
    pub(super) fn lag_to_tail(&mut self, seats: &mut impl Seats, slot: Slot) {
        self.lag(seats, slot);
        let seat = seats.seat(slot);
        let Some(index) = seat.lagging else { return };
        let next = self.topics[seat.variant].laggards.next(index);
        match next.map(|next| self.topics[next.key].log.tail()) {
            // It does, in the log that it goes over to.
            Some(tail) => {
                let laggards = &mut self.topics[seat.variant].laggards;
                if let Some(next) = laggards.next_mut(index) {
                    next.end = Some(tail);
                }
            }
            None => {
                let variant = &mut self.topics[seat.variant];
                variant.laggards.set_end(index, variant.log.tail());
            }
        }
    }

    /// A member is at its end: if it lagged, it does not any more.
    pub(super) fn catch_up(&mut self, seats: &mut impl Seats, slot: Slot) {
        let seat = seats.seat(slot);
        if seat.lagging.is_some() {
            let key = seat.variant;
            self.topics[key].laggards.remove(seats, slot);
            self.touch(key);
        }
    }
}
