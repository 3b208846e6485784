//! Connections that may have something to read, in the order in which they are read: round robin, in which a
//! connection that had to wait, because its topic was full, keeps its place before those that were read.

use crate::relay::ConnId;
use std::collections::VecDeque;

/// How much a turn reads, and how much of each connection.
#[derive(Clone, Copy, Debug)]
pub struct Shares {
    /// Bytes that a turn takes in before it goes on to writing.
    pub turn_bytes_max: usize,
    /// Bytes that one read may bring: a connection is read once a turn. What a busy publisher sent at
    /// once should come at once, or it is delivered in two writes per reader: four messages of 16 KiB
    /// are more than 64 KiB.
    pub read_bytes_max: usize,
    /// Bytes that one read may bring when very many are ready: when that many flood the relay, others wait
    /// until each of them was read once.
    pub read_bytes_min: usize,
}

impl Shares {
    /// Bytes that a turn of a server takes in.
    pub const TURN_BYTES_MAX: usize = 1 << 20;
}

impl Default for Shares {
    fn default() -> Self {
        Shares {
            turn_bytes_max: Self::TURN_BYTES_MAX,
            read_bytes_max: 256 << 10,
            read_bytes_min: 16 << 10,
        }
    }
}

impl Shares {
    /// Bytes that each of this many connections may bring in this turn.
    pub(super) fn of(&self, connections: usize) -> usize {
        (self.turn_bytes_max / connections.max(1)).max(self.read_bytes_min)
    }
}

/// What the loop keeps of a connection's socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readiness {
    /// It stands on the ready list.
    pub is_listed: bool,
    /// The poller said that the stream has ended: no other event will come.
    pub read_to_end: bool,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Ready {
    queue: VecDeque<ConnId>,
    /// Those that have to wait for the next turn, in their order.
    waiting: Vec<ConnId>,
}

impl Ready {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next one.
    pub(super) fn pop(&mut self) -> Option<ConnId> {
        self.queue.pop_front()
    }

    /// Puts a connection behind all others.
    pub(super) fn push(&mut self, id: ConnId) {
        self.queue.push_back(id);
    }

    /// Has a connection wait for the next turn.
    pub(super) fn put_off(&mut self, id: ConnId) {
        self.waiting.push(id);
    }

    /// No connection is read in this turn any more.
    pub(super) fn end_turn(&mut self) {
        for id in self.waiting.drain(..).rev() {
            self.queue.push_front(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Slot;

    #[test]
    fn connections_that_had_to_wait_come_first() {
        let mut ready = Ready::default();
        let ids = [1, 2, 3, 4, 5].map(|slot| ConnId {
            slot: Slot(slot),
            generation: 0,
        });
        ids.into_iter().for_each(|id| ready.push(id));
        let read = ready.pop().unwrap();
        ready.push(read);
        for _ in 0..2 {
            let id = ready.pop().unwrap();
            ready.put_off(id);
        }
        ready.end_turn();
        let order = std::iter::from_fn(|| ready.pop()).map(|id| id.slot.0);
        assert_eq!(order.collect::<Vec<_>>(), [2, 3, 4, 5, 1]);
        assert!(ready.is_empty());
    }
}
