//! Connections that may have something to say, in the order in which they are to be heard: round robin,
//! in which whoever had to wait for want of room keeps its place before those who were heard.

use crate::relay::ConnId;
use std::collections::VecDeque;

/// Bytes that a turn takes in before it goes on to writing.
pub(super) const TURN_BYTES_MAX: usize = 1024 * 1024;
/// Bytes that one read may bring when very many are ready: among as many who flood the relay, others
/// wait until each of them was read once.
const READ_BYTES_SHARE_MIN: usize = 16 * 1024;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Ready {
    queue: VecDeque<ConnId>,
    /// Those who have to wait for the next turn, in their order.
    waiting: Vec<ConnId>,
}

impl Ready {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Bytes that each may bring in this turn.
    pub(super) fn share(&self) -> usize {
        (TURN_BYTES_MAX / self.len().max(1)).max(READ_BYTES_SHARE_MIN)
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

    /// Nobody is heard in this turn any more.
    pub(super) fn end_turn(&mut self) {
        for id in self.waiting.drain(..).rev() {
            self.queue.push_front(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_had_to_wait_comes_first() {
        let mut ready = Ready::default();
        let ids = [1, 2, 3, 4, 5].map(|slot| ConnId {
            slot,
            generation: 0,
        });
        ids.into_iter().for_each(|id| ready.push(id));
        let heard = ready.pop().unwrap();
        ready.push(heard);
        for _ in 0..2 {
            let id = ready.pop().unwrap();
            ready.put_off(id);
        }
        ready.end_turn();
        let order = std::iter::from_fn(|| ready.pop()).map(|id| id.slot);
        assert_eq!(order.collect::<Vec<_>>(), [2, 3, 4, 5, 1]);
        assert!(ready.is_empty());
    }
}
