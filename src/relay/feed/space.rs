//! Space for offers that travel: while there is none, publishers are [held](super::held).

use super::super::Relay;
use super::super::ids::ConnId;
use super::super::peer::Phase;

impl Relay {
    /// Whether there is space for another message that is ordered elsewhere. Always true where the order is made
    /// here.
    #[must_use]
    pub fn takes_offers(&self) -> bool {
        self.space_for_offers() > 0
    }

    /// Memory of messages that are ordered elsewhere and not settled yet.
    #[must_use]
    pub fn unsettled_bytes(&self) -> usize {
        let elsewhere = self.feed.elsewhere.as_ref();
        elsewhere.map_or(0, |elsewhere| elsewhere.offers.bytes())
    }

    /// Bytes that may still be offered before the bound on what is unsettled is reached.
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
            && matches!(self.peers[slot].phase(), Phase::Open | Phase::Body)
            && let Some(elsewhere) = &mut self.feed.elsewhere
        {
            elsewhere.held.insert(id);
        }
    }

    /// The next connection that is to be read again although its socket raises no event.
    pub fn poll_resume(&mut self) -> Option<ConnId> {
        self.peers.poll_resume().or_else(|| self.poll_held())
    }

    /// The next connection that waited for space, if there is any.
    fn poll_held(&mut self) -> Option<ConnId> {
        let space_bytes = self.space_for_offers();
        self.feed.elsewhere.as_mut()?.held.poll(space_bytes)
    }

    /// A connection no longer waits for space. True if it did.
    pub(in super::super) fn let_go(&mut self, id: ConnId) -> bool {
        let elsewhere = self.feed.elsewhere.as_mut();
        elsewhere.is_some_and(|it| it.held.remove(id))
    }

    pub(in super::super) fn is_held(&self, id: ConnId) -> bool {
        let elsewhere = self.feed.elsewhere.as_ref();
        elsewhere.is_some_and(|elsewhere| elsewhere.held.contains(id))
    }
}
