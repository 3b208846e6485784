//! What leaves: whose turn it is, what of the log and of its outbox is next for it, and what
//! follows once it was sent.

use super::Relay;
use super::connection::{ConnId, NONE, Phase};
use super::flags::Flag;
use super::piece::{Output, Piece, Source};
use super::responses::Pending;
use super::topic::VariantKey;
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
        let connection = &self.connections[id.slot as usize];
        if connection.extra.is_none() && connection.is_member() && connection.flags.has(Flag::Echo)
        {
            let log = &self.topics[connection.variant].log;
            let bytes = log.read(connection.cursor);
            if connection.cursor.after(bytes.len()) == log.tail() {
                let source = Source::Log(connection.variant, connection.cursor);
                return Output::One(Piece { source, bytes });
            }
        }
        Output::Many(self.pieces(id))
    }

    fn pieces(&self, id: ConnId) -> ArrayVec<Piece<'_>, { Output::PIECES_MAX }> {
        let connection = &self.connections[id.slot as usize];
        let outbox = connection.outbox();
        if !connection.is_member() {
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
        let key = connection.variant;
        let log = &self.topics[key].log;
        let reader = connection.excluded();
        let end = connection.end(log.tail());
        let spans = |from, to| {
            let spans = log.spans(from, to, reader);
            spans.map(move |span| Piece::of(key, span))
        };
        let Some(outbox) = outbox else {
            let pieces = spans(connection.cursor, end);
            return pieces.take(Output::PIECES_MAX).collect();
        };
        spans(connection.cursor, outbox.at())
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
        let connection = &mut self.connections[slot as usize];
        let before = connection.cursor;
        if connection.extra.is_none() && connection.is_member() {
            let log = &self.topics[connection.variant].log;
            let tail = log.tail();
            connection.cursor = log.advance(before, tail, connection.excluded(), sent);
            if sent > 0 {
                connection.active = self.now;
            }
            if connection.cursor == tail && connection.lagging == NONE {
                return;
            }
        } else {
            self.advance(slot, sent);
        }
        let connection = &mut self.connections[slot as usize];
        let is_response = connection.phase == Phase::Respond;
        if is_response {
            self.responses.on_sent(sent);
        }
        if connection.flags.take(Flag::Probing) && sent == 0 {
            self.counters.stalled += 1;
            self.abort(slot, Cause::Stalled);
            return;
        }
        let key = connection.variant;
        if connection.lagging != NONE && connection.cursor != before {
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
        if self.connections[slot as usize].phase != Phase::Closed {
            self.settle(slot);
        }
    }

    /// The socket has room again.
    pub fn handle_writable(&mut self, id: ConnId) {
        let Some(slot) = self.slot(id) else { return };
        let connection = &mut self.connections[slot as usize];
        if connection.flags.take(Flag::Blocked) {
            // That there is room is progress: a timer that is due in this very turn sees it.
            if matches!(connection.phase, Phase::Open | Phase::Respond) {
                connection.since = self.now;
            }
            self.queue_output(slot);
        }
    }

    /// A member has a cursor, and a place on its topic's list, of its own.
    pub(super) fn lag(&mut self, slot: u32) {
        let key = self.connections[slot as usize].variant;
        if key != VariantKey::NONE {
            self.topics[key].lag(&mut self.connections, slot);
            self.touch(key);
        }
    }

    /// Moves a member's cursor over the frames that it sent itself and does not want back. What
    /// waits for a boundary among them goes along: a cursor never stands beyond it.
    pub(super) fn pass_over_own(&mut self, slot: u32) -> Position {
        let connection = &mut self.connections[slot as usize];
        let (key, before) = (connection.variant, connection.cursor);
        let Some(own) = connection.excluded() else {
            return before;
        };
        let variant = &mut self.topics[key];
        let end = connection.end(variant.log.tail());
        let cursor = variant.log.after_own(before, end, own);
        if cursor == before {
            return before;
        }
        connection.cursor = cursor;
        if let Some(extra) = connection.extra.as_deref_mut() {
            extra.outbox.enter_at(extra.outbox.at().max(cursor));
        }
        if connection.lagging != NONE {
            variant.moved(before);
            self.touch(key);
        }
        cursor
    }

    /// The walk has come to a member: whether there is something to write to it now.
    fn is_served_by_walk(&mut self, slot: u32) -> bool {
        let connection = &self.connections[slot as usize];
        if connection.lagging != NONE {
            self.topics[connection.variant].visits.passed += 1;
            return false;
        }
        let key = connection.variant;
        let tail = self.topics[connection.variant].log.tail();
        let (cursor, is_blocked) = (connection.cursor, connection.flags.has(Flag::Blocked));
        if cursor == tail {
            self.topics[key].visits.idle += 1;
            return false;
        }
        if !connection.flags.has(Flag::Echo) && self.pass_over_own(slot) == tail {
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

    pub(super) fn has_output(&mut self, slot: u32) -> bool {
        let connection = &self.connections[slot as usize];
        if connection.outbox().is_some() {
            return true;
        }
        if connection.is_member() {
            return self.has_output_of_log(slot);
        }
        let response = connection
            .extra
            .as_deref()
            .and_then(|extra| extra.response.as_ref());
        response.is_some_and(|response| !response.left.is_empty())
    }

    /// Accounts for `sent` bytes in the order in which [`transmit`](Relay::transmit) offers them.
    fn advance(&mut self, slot: u32, sent: usize) {
        let connection = &mut self.connections[slot as usize];
        let reader = connection.excluded();
        let mut left = sent;
        let log = match connection.variant {
            VariantKey::NONE => None,
            key => Some(&self.topics[key].log),
        };
        let end = log.map(|log| connection.end(log.tail()));
        let cursor = connection.cursor;
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
                    connection.cursor = log.advance(cursor, at, reader, left);
                    return;
                }
                left -= before;
                connection.cursor = at;
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
            connection.cursor = log.advance(connection.cursor, end, reader, left);
            if left > 0 {
                connection.active = self.now;
            }
        } else if let Some(response) = extra.response.as_mut() {
            response.left.start += left;
        }
    }

    fn on_blocked(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        connection.flags.set(Flag::Blocked);
        if matches!(connection.phase, Phase::Open | Phase::Respond) {
            connection.since = self.now;
        }
        if self.has_output_of_log(slot) {
            self.lag(slot);
        }
    }

    fn has_output_of_log(&mut self, slot: u32) -> bool {
        let connection = &self.connections[slot as usize];
        if !connection.is_member() {
            return false;
        }
        let end = connection.end(self.topics[connection.variant].log.tail());
        self.pass_over_own(slot) < end
    }

    /// Nothing is pending: the connection is at the tail, or at its end.
    pub(super) fn on_all_sent(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        connection.flags.clear(Flag::Probing);
        let key = connection.variant;
        if connection.lagging != NONE {
            self.topics[key].catch_up(&mut self.connections, slot);
            self.touch(key);
        }
        let connection = &mut self.connections[slot as usize];
        match connection.phase {
            Phase::Respond => self.on_response_sent(slot),
            Phase::Closing => self.on_owed_sent(slot),
            _ => {}
        }
    }
}
