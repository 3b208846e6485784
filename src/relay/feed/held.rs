//! Publishers that are not read while the bound on unsettled messages is reached.
//!
//! A full topic has space again within a few turns, and its publishers wait on the ready list. An engine may be away
//! for any time, so publishers that wait for it are on no list of the loop's, and no turn is taken for them. What they
//! send stays in their sockets, and may be a pong: so they are not taken for dead or idle meanwhile.

use super::super::ids::{ConnId, Slot};
use std::collections::BTreeSet;

/// Space that is assumed for each connection released: space for one message must not have all of them read.
const SPACE_BYTES: usize = 16 << 10;

/// Connections that wait. They are released round robin, by their generations.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Generation and slot.
    waiting: BTreeSet<(u64, Slot)>,
    /// Generation of the last one that was released.
    last: u64,
    /// Space that is assumed for those released in this turn.
    promised_bytes: usize,
}

impl Held {
    /// It waits from now on.
    pub(super) fn insert(&mut self, id: ConnId) {
        self.waiting.insert((id.generation, id.slot));
    }

    /// It no longer waits. True if it did.
    pub(super) fn remove(&mut self, id: ConnId) -> bool {
        self.waiting.remove(&(id.generation, id.slot))
    }

    /// The next to be released, as long as there is space.
    pub(super) fn poll(&mut self, space_bytes: usize) -> Option<ConnId> {
        if self.promised_bytes >= space_bytes {
            return None;
        }
        let id = self.pop()?;
        self.promised_bytes += SPACE_BYTES;
        Some(id)
    }

    /// Those that were released are about to be read.
    pub(super) fn end_turn(&mut self) {
        self.promised_bytes = 0;
    }

    fn pop(&mut self) -> Option<ConnId> {
        let after = (self.last + 1, Slot(0));
        let next = self.waiting.range(after..).next();
        let next = *next.or_else(|| self.waiting.first())?;
        self.waiting.remove(&next);
        let (generation, slot) = next;
        self.last = generation;
        Some(ConnId { slot, generation })
    }

    pub(super) fn contains(&self, id: ConnId) -> bool {
        self.waiting.contains(&(id.generation, id.slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_released_in_its_turn() {
        let mut held = Held::default();
        held.waiting
            .extend([(7, 1), (3, 5), (9, 0)].map(|(generation, slot)| (generation, Slot(slot))));
        let order = std::array::from_fn(|_| {
            let id = held.pop().expect("one waits");
            held.waiting.insert((id.generation, id.slot));
            id.generation
        });
        assert_eq!(order, [3, 7, 9, 3, 7]);
    }
}
