//! Publishers that are not read while as much is unsettled as may be.
//!
//! A topic without room gets it within turns, and its publishers wait for it on the ready list. An engine may be away
//! for as long as it likes: so publishers that wait for one stand in no list of the loop's, and no turn is taken for
//! them. What they say stays in their sockets, and may be a pong: so they are not taken for dead or idle meanwhile.

use super::super::Relay;
use super::super::ids::{ConnId, Slot};
use std::collections::BTreeSet;

/// Room that is taken to suffice for one of them: not all are to be read for the sake of one message's.
const ROOM_BYTES: usize = 16 << 10;

/// Connections that wait, and are let go round robin by their generations.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Generation and slot.
    waiting: BTreeSet<(u64, Slot)>,
    /// Generation of the last one that was let go.
    last: u64,
    /// Room that those may take up that were let go in this turn.
    promised_bytes: usize,
}

impl Held {
    fn pop(&mut self) -> Option<ConnId> {
        let after = (self.last + 1, Slot(0));
        let next = self.waiting.range(after..).next();
        let next = *next.or_else(|| self.waiting.first())?;
        self.waiting.remove(&next);
        let (generation, slot) = next;
        self.last = generation;
        Some(ConnId { slot, generation })
    }

    fn contains(&self, id: ConnId) -> bool {
        self.waiting.contains(&(id.generation, id.slot))
    }
}

impl Relay {
    /// Whether there is room for another message that is ordered elsewhere. There always is where they are ordered
    /// here.
    #[must_use]
    pub fn takes_offers(&self) -> bool {
        self.room_for_offers() > 0
    }

    /// Memory of messages that are ordered elsewhere and are not settled.
    #[must_use]
    pub fn unsettled_bytes(&self) -> usize {
        let elsewhere = self.feed.elsewhere.as_ref();
        elsewhere.map_or(0, |elsewhere| elsewhere.offers.bytes())
    }

    /// Bytes that may be offered until as much is unsettled as may be.
    pub(in super::super) fn room_for_offers(&self) -> usize {
        match &self.feed.elsewhere {
            None => usize::MAX,
            Some(elsewhere) => {
                let bytes_max = self.limits.unsettled_bytes_max;
                bytes_max.saturating_sub(elsewhere.offers.bytes())
            }
        }
    }

    /// A connection that is [held](super::super::Reading::Held) is not read until
    /// [`poll_resume`](Relay::poll_resume) names it.
    pub fn handle_held(&mut self, id: ConnId) {
        if let Some(slot) = self.peers.slot(id)
            && self.peers[slot].is_open()
            && let Some(elsewhere) = &mut self.feed.elsewhere
        {
            elsewhere.held.waiting.insert((id.generation, id.slot));
        }
    }

    /// The next connection to be read again, though its socket raises no event for it.
    pub fn poll_resume(&mut self) -> Option<ConnId> {
        self.peers.poll_resume().or_else(|| self.poll_held())
    }

    /// The next of those that waited for room, as far as there is some.
    fn poll_held(&mut self) -> Option<ConnId> {
        let room_bytes = self.room_for_offers();
        let held = &mut self.feed.elsewhere.as_mut()?.held;
        if held.promised_bytes >= room_bytes {
            return None;
        }
        let id = held.pop()?;
        held.promised_bytes += ROOM_BYTES;
        Some(id)
    }

    /// A connection waits for room no longer. True if it did.
    pub(in super::super) fn let_go(&mut self, id: ConnId) -> bool {
        let elsewhere = self.feed.elsewhere.as_mut();
        elsewhere.is_some_and(|it| it.held.waiting.remove(&(id.generation, id.slot)))
    }

    pub(in super::super) fn is_held(&self, id: ConnId) -> bool {
        let elsewhere = self.feed.elsewhere.as_ref();
        elsewhere.is_some_and(|elsewhere| elsewhere.held.contains(id))
    }
}

impl super::Feed {
    /// Connections that were let go are about to be read.
    pub(in super::super) fn end_turn(&mut self) {
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.held.promised_bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_let_go_in_its_turn() {
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
