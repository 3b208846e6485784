//! Responses on their way: they wait apart from everything else that leaves, and a turn sends a
//! bounded part of them.
//!
//! A body is shared, and a peer that is slow to take it holds a position in it. Each write offers a
//! slice; then the others have their turn. So however many download, and however fast, a message, a
//! pong or a close frame waits for one turn's part at most.

use crate::http::{Body, Response};
use crate::relay::ids::ConnId;
use std::collections::VecDeque;
use std::ops::Range;

/// Bytes of a body that one write offers.
const BYTES_PER_WRITE: usize = 64 * 1024;

/// Bytes that a turn sends of all responses.
const BYTES_PER_TURN: usize = 1024 * 1024;

/// What a write counts at least: to call the kernel takes as long as to copy this many bytes.
const BYTES_COUNTED_MIN: usize = 4 * 1024;

/// A response's body on its way; its head leaves by the outbox.
#[derive(Debug)]
pub(in crate::relay) struct Pending {
    /// Nothing, if it leaves by the outbox, too.
    body: Option<Body>,
    /// What of it is still to be sent.
    pub(in crate::relay) left: Range<usize>,
    pub(in crate::relay) keep_alive: bool,
    /// The connection was refused before it said anything.
    pub(in crate::relay) at_accept: bool,
}

impl Pending {
    pub(super) fn new(response: Response) -> Self {
        Pending {
            left: match response.head_only {
                true => 0..0,
                false => response.part,
            },
            body: Some(response.body),
            keep_alive: response.keep_alive,
            at_accept: false,
        }
    }

    /// A response all of which leaves by the outbox.
    pub(super) fn bare(keep_alive: bool) -> Self {
        Pending {
            left: 0..0,
            body: None,
            keep_alive,
            at_accept: false,
        }
    }

    /// What the next write offers.
    pub(in crate::relay) fn slice(&self) -> &[u8] {
        let body = self.body.as_deref().unwrap_or_default();
        let rest = &body[self.left.clone()];
        &rest[..rest.len().min(BYTES_PER_WRITE)]
    }
}

/// Connections with a response to take, the one that has waited longest first.
#[derive(Debug, Default)]
pub(super) struct Responses {
    waiting: VecDeque<ConnId>,
    /// How many of them this turn still looks at: each once.
    visits: usize,
    /// What this turn may still send.
    bytes_left: usize,
}

impl Responses {
    pub(super) fn push(&mut self, id: ConnId) {
        self.waiting.push_back(id);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn begin_flush(&mut self) {
        self.visits = self.waiting.len();
        self.bytes_left = BYTES_PER_TURN;
    }

    /// The next in this turn.
    pub(super) fn pop(&mut self) -> Option<ConnId> {
        if self.visits == 0 || self.bytes_left == 0 {
            return None;
        }
        self.visits -= 1;
        self.waiting.pop_front()
    }

    /// One of them was written to.
    pub(super) fn on_sent(&mut self, bytes: usize) {
        self.bytes_left = self.bytes_left.saturating_sub(bytes.max(BYTES_COUNTED_MIN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::ids::Slot;

    fn id(slot: u32) -> ConnId {
        let generation = 0;
        ConnId {
            slot: Slot(slot),
            generation,
        }
    }

    #[test]
    fn a_body_leaves_in_slices() {
        let body: Body = (0..=255).cycle().take(150_000).collect();
        let mut pending = Pending {
            body: Some(body.clone()),
            left: 1000..149_000,
            keep_alive: true,
            at_accept: false,
        };
        let mut taken = Vec::new();
        while !pending.left.is_empty() {
            let slice = pending.slice();
            assert!((1..=BYTES_PER_WRITE).contains(&slice.len()));
            taken.extend_from_slice(slice);
            pending.left.start += slice.len();
        }
        assert_eq!(taken[..], body[1000..149_000]);
        assert!(pending.slice().is_empty());
    }

    #[test]
    fn a_turn_sends_its_part_and_the_next_goes_on_where_it_ended() {
        let mut responses = Responses::default();
        for slot in 0..40 {
            responses.push(id(slot));
        }
        let mut served = Vec::new();
        for _ in 0..5 {
            responses.begin_flush();
            while let Some(id) = responses.pop() {
                responses.on_sent(BYTES_PER_WRITE);
                responses.push(id);
                served.push(id.slot.0);
            }
        }
        assert_eq!(served, (0..40).chain(0..40).collect::<Vec<_>>());
    }

    #[test]
    fn a_turn_looks_at_each_once() {
        let mut responses = Responses::default();
        responses.push(id(1));
        responses.begin_flush();
        assert_eq!(responses.pop(), Some(id(1)));
        responses.push(id(1));
        assert_eq!(responses.pop(), None);
    }

    #[test]
    fn tiny_ones_count_too() {
        let mut responses = Responses::default();
        for slot in 0..1000 {
            responses.push(id(slot));
        }
        responses.begin_flush();
        let mut count = 0;
        while responses.pop().is_some() {
            responses.on_sent(100);
            count += 1;
        }
        assert_eq!(count, BYTES_PER_TURN / BYTES_COUNTED_MIN);
    }
}
