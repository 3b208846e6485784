//! What leaves: whose turn it is, what of the log and of its outbox is next for it, and what
//! follows once it was sent.

use super::Relay;
use super::connection::Phase;
use super::flags::Flag;
use super::ids::{ConnId, Slot, VariantKey};
use super::piece::{Output, Piece, Source};
use super::responses::Pending;
use crate::log::Position;
use crate::metrics::Cause;
use arrayvec::ArrayVec;

impl Relay {
    /// The next connection to write to; `None` once this turn has written enough.
    pub fn poll_transmit(&mut self) -> Option<ConnId> {
        if let Some(id) = self.unfinished.take()
            && self.slot(id).is_some()
        {
            return Some(id);
        }
        if self.budget.queued
            && let Some(id) = self.next_queued()
        {
            return Some(id);
        }
        while self.budget.topics > 0 {
            let key = *self.dirty.front()?;
            let variant = &mut self.topics[key];
            // The last visit that there was time for may be the last of all: so this is asked first.
            if !variant.is_walk_due(&mut self.counters.messages_per_write) {
                self.dirty.pop_front();
                self.on_walk_complete(key);
                self.next_topic();
                continue;
            }
            let is_sent = self.counters.sent_bytes >= self.budget.topic_sent_max;
            if self.budget.topic_visits == 0 || is_sent {
                self.put_off_walk();
                continue;
            }
            let slot = variant.visit();
            self.budget.topic_visits -= 1;
            if self.is_served_by_walk(slot) {
                return Some(self.id(slot));
            }
        }
        None
    }

    /// What to write to a connection that [`poll_transmit`](Relay::poll_transmit) named.
    #[must_use]
    pub fn transmit(&self, id: ConnId) -> Output<'_> {
        let connection = &self.connections[id.slot];
        if connection.extra.is_none() && connection.seat.is_member() && connection.seat.echo() {
            let log = &self.topics[connection.seat.variant].log;
            let bytes = log.read(connection.seat.cursor());
            if connection.seat.cursor().after(bytes.len()) == log.tail() {
                let source = Source::Log(connection.seat.variant, connection.seat.cursor());
                return Output::One(Piece { source, bytes });
            }
        }
        Output::Many(self.pieces(id))
    }

    fn pieces(&self, id: ConnId) -> ArrayVec<Piece<'_>, { Output::PIECES_MAX }> {
        let connection = &self.connections[id.slot];
        let outbox = connection.outbox();
        if !connection.seat.is_member() {
            let response = connection
                .extra
                .as_deref()
                .and_then(|extra| extra.response.as_ref());
            let body = response.map(Pending::slice);
            let parts = outbox
                .map(|outbox| outbox.pending())
                .into_iter()
                .chain(body);
            return parts
                .filter(|part| !part.is_empty())
                .map(Piece::own)
                .collect();
        }
        let key = connection.seat.variant;
        let log = &self.topics[key].log;
        let reader = connection.excluded();
        let end = connection.end(log.tail());
        let spans = |from, to| {
            let spans = log.spans(from, to, reader);
            spans.map(move |span| Piece::of(key, span))
        };
        let Some(outbox) = outbox else {
            let pieces = spans(connection.seat.cursor(), end);
            return pieces.take(Output::PIECES_MAX).collect();
        };
        spans(connection.seat.cursor(), outbox.at())
            .chain([Piece::own(outbox.pending())])
            .chain(spans(outbox.at(), end))
            .take(Output::PIECES_MAX)
            .collect()
    }

    /// The socket took `sent` bytes. If it is `full`, [`handle_writable`](Relay::handle_writable) is
    /// expected when it is not any more.
    pub fn handle_sent(&mut self, id: ConnId, sent: usize, full: bool) {
        let slot = id.slot;
        self.counters.sent_bytes += sent as u64;
        let connection = &mut self.connections[slot];
        let before = connection.seat.cursor();
        if connection.extra.is_none() && connection.seat.is_member() {
            let log = &self.topics[connection.seat.variant].log;
            let tail = log.tail();
            let cursor = log.advance(before, tail, connection.excluded(), sent);
            connection.seat.move_to(cursor);
            if sent > 0 {
                connection.active = self.now;
            }
            if connection.seat.cursor() == tail && connection.seat.lagging.is_none() {
                return;
            }
        } else {
            self.advance(slot, sent);
        }
        let connection = &mut self.connections[slot];
        let is_response = connection.phase == Phase::Respond;
        if is_response {
            self.responses.on_sent(sent);
        }
        if connection.flags.take(Flag::Probing) && sent == 0 {
            self.counters.stalled += 1;
            self.abort(slot, Cause::Stalled);
            return;
        }
        let key = connection.seat.variant;
        if connection.seat.lagging.is_some() && connection.seat.cursor() != before {
            let variant = &mut self.topics[key];
            variant.moved(before);
            let lag_bytes = variant.log.tail().since(before);
            self.counters.lag_bytes.observe(lag_bytes, 1);
            self.touch(key);
        }
        if full {
            self.on_blocked(slot);
        } else if self.has_output(slot) {
            // A member goes on at once; who downloads waits for the others first.
            match is_response {
                true => self.queue_output(slot),
                false => self.unfinished = Some(id),
            }
        } else {
            self.on_all_sent(slot);
        }
        if self.connections[slot].phase != Phase::Closed {
            self.settle(slot);
        }
    }

    /// The socket has room again.
    pub fn handle_writable(&mut self, id: ConnId) {
        let Some(slot) = self.slot(id) else { return };
        let connection = &mut self.connections[slot];
        if connection.seat.is_blocked() {
            connection.seat.set_blocked(false);
            // That there is room is progress: a timer that is due in this very turn sees it.
            if matches!(connection.phase, Phase::Open | Phase::Respond) {
                connection.since = self.now;
            }
            self.queue_output(slot);
        }
    }

    /// A member has a cursor, and a place on its topic's list, of its own.
    pub(super) fn lag(&mut self, slot: Slot) {
        let key = self.connections[slot].seat.variant;
        if key != VariantKey::NONE {
            self.topics[key].lag(&mut self.connections, slot);
            self.touch(key);
        }
    }

    /// Moves a member's cursor over the frames that it sent itself and does not want back. What
    /// waits for a boundary among them goes along: a cursor never stands beyond it.
    pub(super) fn pass_over_own(&mut self, slot: Slot) -> Position {
        let connection = &mut self.connections[slot];
        let (key, before) = (connection.seat.variant, connection.seat.cursor());
        let Some(own) = connection.excluded() else {
            return before;
        };
        let variant = &mut self.topics[key];
        let end = connection.end(variant.log.tail());
        let cursor = variant.log.after_own(before, end, own);
        if cursor == before {
            return before;
        }
        connection.seat.move_to(cursor);
        if let Some(extra) = connection.extra.as_deref_mut() {
            extra.outbox.enter_at(extra.outbox.at().max(cursor));
        }
        if connection.seat.lagging.is_some() {
            variant.moved(before);
            self.touch(key);
        }
        cursor
    }

    /// The walk has come to a member: whether there is something to write to it now.
    fn is_served_by_walk(&mut self, slot: Slot) -> bool {
        let connection = &self.connections[slot];
        if connection.seat.lagging.is_some() {
            self.topics[connection.seat.variant].visits.passed += 1;
            return false;
        }
        let key = connection.seat.variant;
        let tail = self.topics[connection.seat.variant].log.tail();
        let (cursor, is_blocked) = (connection.seat.cursor(), connection.seat.is_blocked());
        if cursor == tail {
            self.topics[key].visits.idle += 1;
            return false;
        }
        if !connection.seat.echo() && self.pass_over_own(slot) == tail {
            self.topics[key].visits.passed += 1;
            return false;
        }
        if is_blocked {
            self.topics[key].visits.passed += 1;
            self.lag(slot);
            return false;
        }
        true
    }

    pub(super) fn has_output(&mut self, slot: Slot) -> bool {
        let connection = &self.connections[slot];
        if connection.outbox().is_some() {
            return true;
        }
        if connection.seat.is_member() {
            return self.has_output_of_log(slot);
        }
        let response = connection
            .extra
            .as_deref()
            .and_then(|extra| extra.response.as_ref());
        response.is_some_and(|response| !response.left.is_empty())
    }

    /// Accounts for `sent` bytes in the order in which [`transmit`](Relay::transmit) offers them.
    fn advance(&mut self, slot: Slot, sent: usize) {
        let connection = &mut self.connections[slot];
        let reader = connection.excluded();
        let mut left = sent;
        let log = match connection.seat.variant {
            VariantKey::NONE => None,
            key => Some(&self.topics[key].log),
        };
        let end = log.map(|log| connection.end(log.tail()));
        let cursor = connection.seat.cursor();
        let extra = connection.extra.get_or_insert_default();
        if !extra.outbox.is_empty() {
            let at = extra.outbox.at();
            if let Some(log) = log {
                let spans = log.spans(cursor, at, reader);
                let before: usize = spans.map(|span| span.bytes.len()).sum();
                if left.min(before) > 0 {
                    connection.active = self.now;
                }
                if left < before {
                    connection
                        .seat
                        .move_to(log.advance(cursor, at, reader, left));
                    return;
                }
                left -= before;
                connection.seat.move_to(at);
            }
            let outbox_bytes = left.min(extra.outbox.pending().len());
            left -= outbox_bytes;
            extra.outbox.advance(outbox_bytes);
            if !extra.outbox.is_empty() {
                return;
            }
            // The wait for the pong begins now that the ping has left whole.
            if connection.flags.has(Flag::AwaitingPong) && connection.phase == Phase::Open {
                connection.since = self.now;
            }
        }
        if let (Some(log), Some(end)) = (log, end) {
            connection
                .seat
                .move_to(log.advance(connection.seat.cursor(), end, reader, left));
            if left > 0 {
                connection.active = self.now;
            }
        } else if let Some(response) = extra.response.as_mut() {
            response.left.start += left;
        }
    }

    fn on_blocked(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot];
        connection.seat.set_blocked(true);
        if matches!(connection.phase, Phase::Open | Phase::Respond) {
            connection.since = self.now;
        }
        if self.has_output_of_log(slot) {
            self.lag(slot);
        }
    }

    fn has_output_of_log(&mut self, slot: Slot) -> bool {
        let connection = &self.connections[slot];
        if !connection.seat.is_member() {
            return false;
        }
        let end = connection.end(self.topics[connection.seat.variant].log.tail());
        self.pass_over_own(slot) < end
    }

    /// Nothing is pending: the connection is at the tail, or at its end.
    pub(super) fn on_all_sent(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot];
        connection.flags.clear(Flag::Probing);
        let key = connection.seat.variant;
        if connection.seat.lagging.is_some() {
            self.topics[key].catch_up(&mut self.connections, slot);
            self.touch(key);
        }
        let connection = &mut self.connections[slot];
        match connection.phase {
            Phase::Respond => self.on_response_sent(slot),
            Phase::Closing => self.on_owed_sent(slot),
            _ => {}
        }
    }
}
