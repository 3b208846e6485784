//! Who has output of its own, besides what the walk over a topic's members brings.
//!
//! They go first, each once a turn: those with an outbox; those who lag, and have a place in the log of
//! their own; and those with a response to take. A turn sends a bounded part to each kind, so that a
//! pong does not wait for the flood that some are behind with. Once nobody of them is left, the walk has
//! the turn to itself.

use super::Relay;
use super::connection::Phase;
use super::flags::Flag;
use super::ids::{ConnId, Slot};
use std::collections::VecDeque;

/// Connections that wait for their turn, who has waited longest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<ConnId>,
    /// How many of them this turn still looks at: each once.
    visits: usize,
    /// What this turn may have sent when it leaves the others for the next, once the first was served.
    sent_max: Option<u64>,
}

impl Queue {
    pub(super) fn push(&mut self, id: ConnId) {
        self.waiting.push_back(id);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn begin_flush(&mut self) {
        self.visits = self.waiting.len();
        self.sent_max = None;
    }

    /// The next in this turn, which sends `bytes_max` to all of them; `sent` counts the bytes that were
    /// sent to anybody.
    fn pop(&mut self, sent: u64, bytes_max: u64) -> Option<ConnId> {
        if self.visits == 0 || sent >= *self.sent_max.get_or_insert(sent + bytes_max) {
            return None;
        }
        self.visits -= 1;
        self.waiting.pop_front()
    }
}

impl Relay {
    /// Puts a connection in the queue of those with output of their own.
    pub(super) fn queue_output(&mut self, slot: Slot) {
        let id = self.id(slot);
        let connection = &mut self.connections[slot];
        if !connection.flags.has(Flag::Queued) && !connection.seat.is_blocked() {
            connection.flags.set(Flag::Queued);
            match connection.phase {
                Phase::Respond => self.responses.push(id),
                _ if connection.seat.lagging.is_some() => self.slow_outputs.push(id),
                _ => self.outputs.push(id),
            }
        }
    }

    /// The next of them in this turn.
    pub(super) fn next_queued(&mut self) -> Option<ConnId> {
        let bytes_max = self.limits.pace.output_bytes_per_turn;
        while let Some(id) = self.outputs.pop(self.counters.sent_bytes, bytes_max) {
            if self.has_output_now(id) {
                return Some(id);
            }
        }
        while let Some(id) = self.slow_outputs.pop(self.counters.sent_bytes, bytes_max) {
            if self.has_output_now(id) {
                return Some(id);
            }
        }
        while let Some(id) = self.responses.pop() {
            if self.has_output_now(id) {
                return Some(id);
            }
        }
        self.serves_queues = false;
        let sent_bytes = self.counters.sent_bytes;
        self.hub.begin_walk(&self.limits.pace, sent_bytes);
        None
    }

    /// A connection comes out of its queue: whether there is something to write to it now.
    fn has_output_now(&mut self, id: ConnId) -> bool {
        let Some(slot) = self.slot(id) else {
            return false;
        };
        self.connections[slot].flags.clear(Flag::Queued);
        if self.connections[slot].seat.is_blocked() {
            return false;
        }
        if self.has_output(slot) {
            return true;
        }
        self.on_all_sent(slot);
        if self.connections[slot].phase != Phase::Closed {
            self.settle(slot);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_sends_its_part_and_the_next_goes_on_where_it_ended() {
        let id = |slot| ConnId {
            slot: Slot(slot),
            generation: 0,
        };
        let mut queue = Queue::default();
        (0..5).map(id).for_each(|id| queue.push(id));
        let (mut sent, mut served) = (7, Vec::new());
        for _ in 0..4 {
            queue.begin_flush();
            while let Some(id) = queue.pop(sent, 1000) {
                sent += 400;
                queue.push(id);
                served.push(id.slot.0);
            }
        }
        assert_eq!(served, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]);
        queue.begin_flush();
        let once = std::iter::from_fn(|| queue.pop(sent, 1000).inspect(|&id| queue.push(id)));
        assert_eq!(once.count(), 5, "each once a turn");
    }
}
