//! What leaves: which connection is next, what of the log and of its outbox is next for it, and what
//! follows once it was sent.

use super::Relay;
use super::ids::{ConnId, Slot};
use super::peer::{Flag, Pending, Phase};
use super::piece::{Output, Piece, PieceSource};
use crate::log::Position;
use crate::metrics::Cause;
use arrayvec::ArrayVec;

impl Relay {
    /// The next connection to write to; `None` once this turn has written enough.
    pub fn poll_transmit(&mut self) -> Option<ConnId> {
        if let Some(id) = self.peers.take_unfinished() {
            return Some(id);
        }
        if self.serves_queues
            && let Some(id) = self.next_queued()
        {
            return Some(id);
        }
        let (pace, counters) = (&self.limits.pace, &mut self.counters);
        match self.hub.poll_walk(&mut self.peers, pace, counters) {
            Some(slot) => Some(self.peers.id(slot)),
            None => self.next_replay(),
        }
    }

    /// The next connection of this turn that is sent what it missed: all others go before those.
    fn next_replay(&mut self) -> Option<ConnId> {
        let bytes_max = self.limits.pace.replay_bytes_per_turn;
        loop {
            let sent_bytes = self.counters.sent_bytes;
            let slot = self.peers.next_replay(sent_bytes, bytes_max)?;
            self.write_events(slot);
            if self.has_output(slot) {
                return Some(self.peers.id(slot));
            }
            // It was lapped while it waited.
            self.on_all_sent(slot);
            self.settle(slot);
        }
    }

    /// The next connection of this turn with output of its own.
    fn next_queued(&mut self) -> Option<ConnId> {
        let bytes_max = self.limits.pace.output_bytes_per_turn;
        while let Some(slot) = self.peers.next_queued(self.counters.sent_bytes, bytes_max) {
            if self.has_output(slot) {
                return Some(self.peers.id(slot));
            }
            self.on_all_sent(slot);
            self.settle(slot);
        }
        self.serves_queues = false;
        self.hub
            .begin_walk(&self.limits.pace, self.counters.sent_bytes);
        None
    }

    /// What to write to a connection that [`poll_transmit`](Relay::poll_transmit) named.
    #[must_use]
    pub fn transmit(&self, id: ConnId) -> Output<'_> {
        let connection = &self.peers[id.slot];
        let seat = &connection.seat;
        if connection.extra.is_none()
            && seat.is_member()
            && seat.is_common()
            && let Some(bytes) = self.hub.slice(seat)
        {
            let source = PieceSource::Log(seat.variant, seat.cursor());
            return Output::One(Piece { source, bytes });
        }
        Output::Many(self.pieces(id))
    }

    fn pieces(&self, id: ConnId) -> ArrayVec<Piece<'_>, { Output::PIECES_MAX }> {
        let connection = &self.peers[id.slot];
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
        let cursor = connection.seat.cursor();
        let mut end = self.hub.end(&connection.seat);
        if connection.seat.is_replaying() {
            end = match connection.flags.has(Flag::Sse) {
                // That is written for it into its outbox.
                true => cursor,
                false => end.min(cursor.after(self.limits.pace.replay_bytes_per_write)),
            };
        }
        let spans = |from, to| {
            let spans = self.hub.spans(&self.peers, id.slot, from, to);
            spans.map(move |span| Piece::of(key, span))
        };
        let Some(outbox) = outbox else {
            return spans(cursor, end).take(Output::PIECES_MAX).collect();
        };
        let at = outbox.at(cursor);
        if at > end {
            return spans(cursor, end).take(Output::PIECES_MAX).collect();
        }
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
        let connection = &mut self.peers[slot];
        let before = connection.seat.cursor();
        if connection.extra.is_none() && connection.seat.is_member() {
            if sent > 0 {
                connection.active = self.now;
            }
            let excluded = connection.excluded();
            if (self.hub).advance_to_tail(&mut connection.seat, excluded, sent) {
                return;
            }
        } else {
            self.advance(slot, sent);
        }
        let connection = &mut self.peers[slot];
        let is_probed = connection.flags.take(Flag::Probing);
        if connection.phase() == Phase::Respond {
            self.peers.on_response_bytes(sent);
        }
        if is_probed && sent == 0 {
            self.counters.stalled += 1;
            self.abort(slot, Cause::Stalled);
            return;
        }
        let (peers, counters) = (&mut self.peers, &mut self.counters);
        if let Some(missed) = self.hub.on_sent(peers, slot, before, counters) {
            self.on_gap(slot, missed);
        }
        if full {
            self.on_blocked(slot);
        } else if self.has_output(slot) {
            self.peers.go_on(slot);
        } else {
            self.on_all_sent(slot);
        }
        self.settle(slot);
    }

    /// The socket is writable again.
    pub fn handle_writable(&mut self, id: ConnId) {
        let Some(slot) = self.peers.slot(id) else {
            return;
        };
        self.peers.on_writable(slot, self.now);
    }

    pub(super) fn has_output(&mut self, slot: Slot) -> bool {
        let connection = &self.peers[slot];
        if connection.outbox().is_some() {
            return true;
        }
        if connection.seat.is_member() {
            return self.hub.is_owed(&mut self.peers, slot);
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
        let connection = &self.peers[slot];
        if let Some(outbox) = connection.outbox() {
            let seat = connection.seat;
            let at = outbox.at(seat.cursor());
            if seat.is_member() {
                let spans = self.hub.spans(&self.peers, slot, seat.cursor(), at);
                let before: usize = spans.map(|span| span.bytes.len()).sum();
                let log_bytes = left.min(before);
                self.advance_in_log(slot, at, log_bytes);
                if left < before {
                    return;
                }
                left -= before;
            }
            left -= self.advance_outbox(slot, left);
            if self.peers[slot].outbox().is_some() {
                return;
            }
        }
        let connection = &mut self.peers[slot];
        if connection.seat.is_member() {
            let end = self.hub.end(&connection.seat);
            self.advance_in_log(slot, end, left);
        } else if let Some(response) = connection.extra().response.as_mut() {
            response.left.start += left;
        }
    }

    /// This many of them were of the log, up to that position.
    fn advance_in_log(&mut self, slot: Slot, to: Position, bytes: usize) {
        self.hub.advance(&mut self.peers, slot, to, bytes);
        if bytes > 0 {
            self.peers[slot].active = self.now;
        }
    }

    /// At most this many of them were of the outbox. Returns how many.
    fn advance_outbox(&mut self, slot: Slot, bytes_max: usize) -> usize {
        let was_told_enough = self.is_told_enough(slot);
        let connection = &mut self.peers[slot];
        let outbox = &mut connection.extra().outbox;
        let bytes = bytes_max.min(outbox.pending().len());
        outbox.advance(bytes);
        let is_empty = outbox.is_empty();
        if was_told_enough && !self.is_told_enough(slot) {
            // It was not read meanwhile.
            self.peers.resume(slot);
        }
        let connection = &mut self.peers[slot];
        // The wait for the pong begins now that the ping has left whole.
        if is_empty && connection.life().awaits_pong() {
            connection.on_asked(self.now);
        }
        bytes
    }

    fn on_blocked(&mut self, slot: Slot) {
        self.peers.on_blocked(slot, self.now);
        self.hub.on_blocked(&mut self.peers, slot);
    }

    /// Nothing is pending: the connection is at the tail, or at its end.
    pub(super) fn on_all_sent(&mut self, slot: Slot) {
        self.hub.catch_up(&mut self.peers, slot);
        let connection = &mut self.peers[slot];
        connection.flags.clear(Flag::Probing);
        match connection.phase() {
            Phase::Respond => self.on_response_sent(slot),
            Phase::Closing => self.on_owed_sent(slot),
            Phase::Open => self.on_poll_served(slot),
            _ => {}
        }
    }

    /// A reader goes on at another place, maybe of another log: what waits for it enters there, and it is told how
    /// many messages it missed.
    pub(super) fn on_gap(&mut self, slot: Slot, missed: u64) {
        let connection = &mut self.peers[slot];
        if connection.outbox().is_some() {
            let at = connection.seat.cursor();
            connection.extra().outbox.enter_at(at);
        }
        if missed > 0 {
            self.tell_missed(slot, Some(missed));
        }
    }

    /// Makes sure that the outbox knows where it enters the log.
    pub(super) fn enter_outbox(&mut self, slot: Slot) {
        let connection = &mut self.peers[slot];
        if connection.outbox().is_none() {
            let at = self.hub.boundary(&connection.seat);
            connection.extra().outbox.enter_at(at);
        }
    }
}
