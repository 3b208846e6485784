//! A connection's own output: when it stands in a [queue](super::queue), which one, and when it comes out.

use super::life::Life;
use super::{Flag, Peers};
use crate::relay::ids::{ConnId, Slot};

impl Peers {
    /// Puts a connection in the queue of those with output of their own.
    pub(in crate::relay) fn queue_output(&mut self, slot: Slot) {
        let id = self.id(slot);
        let connection = &mut self.connections[slot];
        if !connection.flags.has(Flag::Queued) && !connection.seat.is_blocked() {
            connection.flags.set(Flag::Queued);
            match connection.life {
                Life::Respond { .. } => self.outputs.push_response(id),
                _ if connection.seat.is_replaying() => self.outputs.push_replay(id),
                _ if connection.seat.lagging.is_some() => self.outputs.push_lagging(id),
                _ => self.outputs.push_prompt(id),
            }
        }
    }

    pub(in crate::relay) fn begin_flush(&mut self) {
        self.outputs.begin_flush();
    }

    /// The next connection of this turn that comes out of its queue, and whose socket is not full. `sent` bytes
    /// were sent to all connections so far, and `bytes_max` may be to those of a queue.
    pub(in crate::relay) fn next_queued(&mut self, sent: u64, bytes_max: u64) -> Option<Slot> {
        while let Some(id) = self.outputs.pop(sent, bytes_max) {
            if let Some(slot) = self.leave_queue(id) {
                return Some(slot);
            }
        }
        None
    }

    /// The same of those that are sent what they missed.
    pub(in crate::relay) fn next_replay(&mut self, sent: u64, bytes_max: u64) -> Option<Slot> {
        while let Some(id) = self.outputs.pop_replay(sent, bytes_max) {
            if let Some(slot) = self.leave_queue(id) {
                return Some(slot);
            }
        }
        None
    }

    /// A connection comes out of its queue. None if it is gone, or if its socket is full.
    fn leave_queue(&mut self, id: ConnId) -> Option<Slot> {
        let slot = self.slot(id)?;
        let connection = &mut self.connections[slot];
        connection.flags.clear(Flag::Queued);
        (!connection.seat.is_blocked()).then_some(slot)
    }

    /// The connection that has to go on before any other.
    #[inline]
    pub(in crate::relay) fn take_unfinished(&mut self) -> Option<ConnId> {
        let id = self.outputs.take_unfinished()?;
        self.slot(id).map(|_| id)
    }

    /// A connection took all that was offered, and is owed more. It goes on at once, unless it takes a
    /// response, or what it missed: that waits for the others first.
    pub(in crate::relay) fn go_on(&mut self, slot: Slot) {
        match self.connections[slot].life {
            Life::Respond { .. } => self.queue_output(slot),
            _ if self.connections[slot].seat.is_replaying() => self.queue_output(slot),
            _ => self.outputs.set_unfinished(self.id(slot)),
        }
    }

    /// Bytes of a response were sent.
    pub(in crate::relay) fn on_response_bytes(&mut self, bytes: usize) {
        self.outputs.on_response_bytes(bytes);
    }
}
