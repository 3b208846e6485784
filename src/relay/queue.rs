//! Who has output of its own, besides what the walk over a topic's members brings.
//!
//! They go first, each once a turn: those with an outbox or a place in the log of their own, and then
//! those with a response to take. Once nobody of them is left, the walk has the turn to itself.

use super::Relay;
use super::connection::{ConnId, Phase};

impl Relay {
    /// Puts a connection in the queue of those with output of their own.
    pub(super) fn queue_output(&mut self, slot: u32) {
        let id = self.id(slot);
        let connection = &mut self.connections[slot as usize];
        if !connection.queued && !connection.blocked {
            connection.queued = true;
            match connection.phase {
                Phase::Respond => self.responses.push(id),
                _ => self.outputs.push_back(id),
            }
        }
    }

    /// The next of them in this turn.
    pub(super) fn next_queued(&mut self) -> Option<ConnId> {
        while self.budget.outputs > 0
            && let Some(id) = self.outputs.pop_front()
        {
            self.budget.outputs -= 1;
            if self.has_output_now(id) {
                return Some(id);
            }
        }
        while let Some(id) = self.responses.pop() {
            if self.has_output_now(id) {
                return Some(id);
            }
        }
        self.budget.queued = false;
        None
    }

    /// A connection comes out of its queue: whether there is something to write to it now.
    fn has_output_now(&mut self, id: ConnId) -> bool {
        let Some(slot) = self.slot(id) else {
            return false;
        };
        self.connections[slot as usize].queued = false;
        if self.connections[slot as usize].blocked {
            return false;
        }
        if self.has_output(slot) {
            return true;
        }
        self.on_all_sent(slot);
        if self.connections[slot as usize].phase != Phase::Closed {
            self.settle(slot);
        }
        false
    }
}
