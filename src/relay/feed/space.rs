//! Space for what travels: as long as there is none, publishers are [held](super::held).

use super::super::Relay;
use super::super::ids::ConnId;

impl Relay {
    /// Whether there is space for another message that is ordered elsewhere. There always is where they are ordered
    /// here.
    #[must_use]
    pub fn takes_offers(&self) -> bool {
        self.space_for_offers() > 0
    }

    /// Memory of messages that are ordered elsewhere and are not settled.
    #[must_use]
    pub fn unsettled_bytes(&self) -> usize {
        let elsewhere = self.feed.elsewhere.as_ref();
        elsewhere.map_or(0, |elsewhere| elsewhere.offers.bytes())
    }

    /// Bytes that may be offered until as much is unsettled as may be.
    pub(in super::super) fn space_for_offers(&self) -> usize {
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
            elsewhere.held.insert(id);
        }
    }

    /// The next connection to be read again, though its socket raises no event for it.
    pub fn poll_resume(&mut self) -> Option<ConnId> {
        self.peers.poll_resume().or_else(|| self.poll_held())
    }

    /// The next of those that waited for space, as far as there is some.
    fn poll_held(&mut self) -> Option<ConnId> {
        let space_bytes = self.space_for_offers();
        self.feed.elsewhere.as_mut()?.held.poll(space_bytes)
    }

    /// A connection waits for space no longer. True if it did.
    pub(in super::super) fn let_go(&mut self, id: ConnId) -> bool {
        let elsewhere = self.feed.elsewhere.as_mut();
        elsewhere.is_some_and(|it| it.held.remove(id))
    }

    pub(in super::super) fn is_held(&self, id: ConnId) -> bool {
        let elsewhere = self.feed.elsewhere.as_ref();
        elsewhere.is_some_and(|elsewhere| elsewhere.held.contains(id))
    }
}
