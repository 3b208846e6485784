//! Request heads that come in pieces: what is kept of them until they are whole.

use super::Relay;
use super::ids::Slot;
use super::limits::GATHER_BYTES_FREE;
use crate::http::{Reason, Response};

impl Relay {
    /// Puts a piece behind what has come of a request head.
    pub(super) fn extend_head(&mut self, slot: Slot, piece: &[u8]) {
        let room = self.head_room(slot);
        let head = &mut self.connections[slot].extra().head;
        // Twice as much at a time, so that one that comes byte by byte is not copied for each.
        let doubled = 2 * head.capacity();
        let wanted = doubled.min(self.limits.head_bytes_max).min(room);
        let more = wanted.saturating_sub(head.len()).max(piece.len());
        head.reserve_exact(more);
        head.extend_from_slice(piece);
    }

    /// A head is not whole yet. If the relay has no memory for what has come of it, it is refused.
    pub(super) fn keep_head(&mut self, slot: Slot) {
        let room = self.head_room(slot);
        let head = &mut self.connections[slot].extra().head;
        if head.capacity() <= room {
            return;
        }
        *head = Vec::new();
        let why = "The relay has no memory for so large a request now. Try again later.";
        let headers = [("Retry-After", "10")];
        self.respond(slot, Response::refusal(Reason::Full, why, &headers));
    }

    /// Bytes of requests that a connection may hold now.
    pub(super) fn head_room(&self, slot: Slot) -> usize {
        let extra = self.connections[slot].extra.as_deref();
        let others = self.private_bytes - extra.map_or(0, |extra| extra.charged);
        let left = self.limits.private_bytes_max.saturating_sub(others);
        left.max(GATHER_BYTES_FREE)
    }
}
