//! Connections with output of their own, besides what the walk over a topic's members brings.
//!
//! They go first, each once a turn: those with an outbox; those that lag, and have a place in the log of
//! their own; and those with a response to take. A turn sends a bounded part to each kind, so that a
//! pong does not wait for the flood that some are behind with. Once none of them is left, the walk has
//! the turn to itself. Those that are sent what they missed before they joined have what it leaves.

use super::responses::Responses;
use crate::relay::ids::ConnId;
use std::collections::VecDeque;

/// Connections that wait for their turn, the one that has waited longest first.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<ConnId>,
    /// How many of them this turn still looks at: each once.
    visits: usize,
    /// What this turn may have sent when it leaves the others for the next, once the first was served.
    sent_max: Option<u64>,
}

impl Queue {
    fn push(&mut self, id: ConnId) {
        self.waiting.push_back(id);
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn begin_flush(&mut self) {
        self.visits = self.waiting.len();
        self.sent_max = None;
    }

    /// The next in this turn, which sends `bytes_max` to all of them; `sent` counts the bytes that were
    /// sent to all connections.
    fn pop(&mut self, sent: u64, bytes_max: u64) -> Option<ConnId> {
        if self.visits == 0 || sent >= *self.sent_max.get_or_insert(sent + bytes_max) {
            return None;
        }
        self.visits -= 1;
        self.waiting.pop_front()
    }
}

/// The queues of connections with output of their own.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    /// Those that keep up.
    prompt: Queue,
    /// Those that lag.
    lagging: Queue,
    responses: Responses,
    /// Those that are sent what they missed.
    replays: Queue,
    /// One that took all that fits into one write, and is owed more: it goes on before any other, for only
    /// a connection whose socket is full may lag.
    unfinished: Option<ConnId>,
}

impl Outputs {
    pub(super) fn is_empty(&self) -> bool {
        self.prompt.is_empty()
            && self.lagging.is_empty()
            && self.responses.is_empty()
            && self.replays.is_empty()
    }

    pub(super) fn push_prompt(&mut self, id: ConnId) {
        self.prompt.push(id);
    }

    pub(super) fn push_lagging(&mut self, id: ConnId) {
        self.lagging.push(id);
    }

    /// It has a response to take.
    pub(super) fn push_response(&mut self, id: ConnId) {
        self.responses.push(id);
    }

    /// It is sent what it missed.
    pub(super) fn push_replay(&mut self, id: ConnId) {
        self.replays.push(id);
    }

    pub(super) fn begin_flush(&mut self) {
        self.replays.begin_flush();
        self.prompt.begin_flush();
        self.lagging.begin_flush();
        self.responses.begin_flush();
    }

    /// The next in this turn, of any kind; of the bytes as [`Queue::pop`] has them.
    pub(super) fn pop(&mut self, sent: u64, bytes_max: u64) -> Option<ConnId> {
        let prompt = self.prompt.pop(sent, bytes_max);
        prompt
            .or_else(|| self.lagging.pop(sent, bytes_max))
            .or_else(|| self.responses.pop())
    }

    /// The next in this turn of those that are sent what they missed.
    pub(super) fn pop_replay(&mut self, sent: u64, bytes_max: u64) -> Option<ConnId> {
        self.replays.pop(sent, bytes_max)
    }

    /// Bytes of a response were sent.
    pub(super) fn on_response_bytes(&mut self, bytes: usize) {
        self.responses.on_sent(bytes);
    }

    /// It goes on before any other.
    pub(super) fn set_unfinished(&mut self, id: ConnId) {
        self.unfinished = Some(id);
    }

    #[inline]
    pub(super) fn take_unfinished(&mut self) -> Option<ConnId> {
        self.unfinished.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::ids::Slot;

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
