//! Request heads that come in pieces: what is kept of them until they are whole.

use super::Peers;
use crate::relay::ids::Slot;
use crate::relay::limits::{GATHER_BYTES_FREE, Limits};

impl Peers {
    /// Puts a piece behind what has come of a request head.
    pub(in crate::relay) fn extend_head(&mut self, slot: Slot, piece: &[u8], limits: &Limits) {
        let free = self.head_bytes_free(slot, limits);
        let head = &mut self.connections[slot].extra().head;
        // Twice as much at a time, so that one that comes byte by byte is not copied for each.
        let doubled = 2 * head.capacity();
        let wanted = doubled.min(limits.head_bytes_max).min(free);
        let more = wanted.saturating_sub(head.len()).max(piece.len());
        head.reserve_exact(more);
        head.extend_from_slice(piece);
    }

    /// A head is not whole yet. False if there is no memory for what has come of it: then that is forgotten.
    pub(in crate::relay) fn keep_head(&mut self, slot: Slot, limits: &Limits) -> bool {
        let free = self.head_bytes_free(slot, limits);
        let head = &mut self.connections[slot].extra().head;
        let is_kept = head.capacity() <= free;
        if !is_kept {
            *head = Vec::new();
        }
        is_kept
    }

    /// Bytes of requests that a connection may hold now.
    pub(in crate::relay) fn head_bytes_free(&self, slot: Slot, limits: &Limits) -> usize {
        let others = self.private_bytes_of_others(slot);
        let left = limits.private_bytes_max.saturating_sub(others);
        left.max(GATHER_BYTES_FREE)
    }
}
