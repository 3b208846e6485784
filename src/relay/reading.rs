//! Whether a connection is to be read now, and what of its input has to wait.

use super::Relay;
use super::ids::{ConnId, Slot};
use super::peer::{Flag, Peer, Phase};

/// Whether a connection's socket is to be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Yes, at most this many bytes.
    Now(usize),
    /// Its topic takes no more in this turn: ask in the next one, before connections that were read in this.
    NextTurn,
    /// First what was kept of it, in [`Relay::handle_kept`]; then ask again in the next turn, after the
    /// others.
    Kept,
    /// Not until [`Relay::poll_resume`] names it.
    Later,
    /// The same, and the relay is to be told so, with [`Relay::handle_held`]: as much as may be has yet to be
    /// ordered elsewhere.
    Held,
}

impl Relay {
    /// Whether, and how much of, a connection's socket is to be read now. Asking changes nothing.
    #[must_use]
    pub fn reading(&self, id: ConnId) -> Reading {
        let Some(slot) = self.peers.slot(id) else {
            return Reading::Later;
        };
        let connection = &self.peers[slot];
        match connection.phase() {
            Phase::Respond | Phase::Closed => Reading::Later,
            Phase::Closing if connection.life().peer() != Some(Peer::Talking) => Reading::Later,
            Phase::Head if connection.has_kept() => Reading::Kept,
            Phase::Body => self.reading_body(slot),
            // What follows a request may have to wait for its answer: it is kept meanwhile.
            Phase::Head => Reading::Now(self.limits.head_bytes_max),
            // What it says is discarded.
            Phase::Open if connection.flags.has(Flag::Sse) => Reading::Now(usize::MAX),
            Phase::Open if self.is_told_enough(slot) => Reading::Later,
            Phase::Open if !self.takes_offers() => Reading::Held,
            Phase::Open | Phase::Closing | Phase::AwaitClose => match self.free_bytes_for(slot) {
                0 => Reading::NextTurn,
                _ if connection.has_kept() => Reading::Kept,
                bytes_max => Reading::Now(bytes_max),
            },
            Phase::Linger => Reading::Now(usize::MAX),
        }
    }

    /// Bytes that may be taken in of a WebSocket now. One that closes publishes none of them.
    #[inline]
    pub(super) fn free_bytes_for(&self, slot: Slot) -> usize {
        let connection = &self.peers[slot];
        if !connection.is_open() {
            return usize::MAX;
        }
        let has_inflated = self.inflation.bytes() >= self.limits.pace.inflated_bytes_per_turn;
        if connection.flags.has(Flag::Compression) && has_inflated {
            return 0;
        }
        let topic = self.hub.topic_of(&connection.seat);
        let free_bytes = self.hub.free_bytes(topic, &self.limits);
        free_bytes.min(self.space_for_offers())
    }

    /// Whether what follows a message has to wait: the read may bring more than the topic takes, since it was
    /// inflated, or travels.
    #[inline]
    pub(super) fn is_to_wait(&self, slot: Slot, was_compressed: bool) -> bool {
        let is_full = !self.takes_offers() && self.is_slot_open(slot);
        is_full || was_compressed && self.free_bytes_for(slot) == 0
    }

    /// Keeps bytes of a member until its topic takes what they may inflate to, or until the message
    /// before them is inflated.
    pub(super) fn keep_input(&mut self, slot: Slot, input: &[u8]) {
        let is_inflating =
            (self.peers[slot].extra.as_deref()).is_some_and(|extra| extra.inflating.is_some());
        if is_inflating || !input.is_empty() {
            self.peers[slot].extra().kept = input.to_vec();
            self.peers.resume(slot);
        }
    }
}
