//! What leaves: whose turn it is, what of the log and of its outbox is next for it, and what
//! follows once it was sent.

use super::Relay;
use super::connection::Phase;
use super::flags::Flag;
use super::ids::{ConnId, Slot};
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
        if self.serves_queues
            && let Some(id) = self.next_queued()
        {
            return Some(id);
        }
        let (pace, counters) = (&self.limits.pace, &mut self.counters);
        let slot = self.hub.poll_walk(&mut self.connections, pace, counters)?;
        Some(self.id(slot))
    }

    /// What to write to a connection that [`poll_transmit`](Relay::poll_transmit) named.
    #[must_use]
    pub fn transmit(&self, id: ConnId) -> Output<'_> {
        let connection = &self.connections[id.slot];
        let seat = &connection.seat;
        if connection.extra.is_none()
            && seat.is_member()
            && seat.echo()
            && let Some(bytes) = self.hub.slice(seat)
        {
            let source = Source::Log(seat.variant, seat.cursor());
            return Output::One(Piece { source, bytes });
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
        let (cursor, end) = (connection.seat.cursor(), self.hub.end(&connection.seat));
        let spans = |from, to| {
            let spans = self.hub.spans(&self.connections, id.slot, from, to);
            spans.map(move |span| Piece::of(key, span))
        };
        let Some(outbox) = outbox else {
            return spans(cursor, end).take(Output::PIECES_MAX).collect();
        };
        let at = outbox.at(cursor);
        spans(cursor, at)
            .chain([Piece::own(outbox.pending())])
            .chain(spans(at, end))
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
            if sent > 0 {
                connection.active = self.now;
            }
            if self.hub.advance_to_tail(&mut self.connections, slot, sent) {
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
        self.hub
            .on_sent(&connection.seat, before, &mut self.counters);
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

    pub(super) fn has_output(&mut self, slot: Slot) -> bool {
        let connection = &self.connections[slot];
        if connection.outbox().is_some() {
            return true;
        }
        if connection.seat.is_member() {
            return self.hub.is_owed(&mut self.connections, slot);
        }
        let response = connection
            .extra
            .as_deref()
            .and_then(|extra| extra.response.as_ref());
        response.is_some_and(|response| !response.left.is_empty())
    }

    /// Accounts for `sent` bytes in the order in which [`transmit`](Relay::transmit) offers them.
    fn advance(&mut self, slot: Slot, sent: usize) {
        let mut left = sent;
        if let Some(outbox) = self.connections[slot].outbox() {
            let (seat, at) = (
                self.connections[slot].seat,
                outbox.at(self.connections[slot].seat.cursor()),
            );
            if seat.is_member() {
                let spans = self.hub.spans(&self.connections, slot, seat.cursor(), at);
                let before: usize = spans.map(|span| span.bytes.len()).sum();
                let log_bytes = left.min(before);
                self.advance_in_log(slot, at, log_bytes);
                if left < before {
                    return;
                }
                left -= before;
            }
            left -= self.advance_outbox(slot, left);
            if self.connections[slot].outbox().is_some() {
                return;
            }
        }
        let connection = &mut self.connections[slot];
        if connection.seat.is_member() {
            let end = self.hub.end(&connection.seat);
            self.advance_in_log(slot, end, left);
        } else if let Some(response) = connection.extra().response.as_mut() {
            response.left.start += left;
        }
    }

    /// So many of them were of the log, up to that position.
    fn advance_in_log(&mut self, slot: Slot, to: Position, bytes: usize) {
        self.hub.advance(&mut self.connections, slot, to, bytes);
        if bytes > 0 {
            self.connections[slot].active = self.now;
        }
    }

    /// At most so many of them were of the outbox. Returns how many.
    fn advance_outbox(&mut self, slot: Slot, bytes_max: usize) -> usize {
        let connection = &mut self.connections[slot];
        let outbox = &mut connection.extra().outbox;
        let bytes = bytes_max.min(outbox.pending().len());
        outbox.advance(bytes);
        // The wait for the pong begins now that the ping has left whole.
        let is_pinged = outbox.is_empty() && connection.flags.has(Flag::AwaitingPong);
        if is_pinged && connection.phase == Phase::Open {
            connection.since = self.now;
        }
        bytes
    }

    fn on_blocked(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot];
        if matches!(connection.phase, Phase::Open | Phase::Respond) {
            connection.since = self.now;
        }
        self.hub.on_blocked(&mut self.connections, slot);
    }

    /// Nothing is pending: the connection is at the tail, or at its end.
    pub(super) fn on_all_sent(&mut self, slot: Slot) {
        self.hub.catch_up(&mut self.connections, slot);
        let connection = &mut self.connections[slot];
        connection.flags.clear(Flag::Probing);
        match connection.phase {
            Phase::Respond => self.on_response_sent(slot),
            Phase::Closing => self.on_owed_sent(slot),
            _ => {}
        }
    }
}
