//! Inflating what senders have compressed.
//!
//! A few bytes may inflate to a thousand times as many, and many bytes to none. So what a turn inflates
//! is counted, by the larger of a message's two sizes and by its blocks. Once a turn has inflated its
//! part, a sender of compressed messages is not read again before the next one, in which such senders come
//! first.
//!
//! A message that takes more than what is left of a turn's part goes on in the next one. Until its end it
//! has the inflater for itself, and its connection is not read; others are, with another inflater.

use super::Relay;
use super::ids::Slot;
use super::peer::Inflating;
use crate::metrics::{Cause, Stopwatch};
use crate::proto::deflate::Inflater;
use crate::proto::{Message, MessageKind, ProtocolError};

impl Relay {
    /// Sets the clock that times compression; without it, no time is counted.
    pub fn set_stopwatch(&mut self, stopwatch: Stopwatch) {
        self.hub.set_stopwatch(stopwatch);
        self.inflation.set_stopwatch(stopwatch);
    }

    /// Inflates a message, and publishes it as if it had come plain; or begins to.
    pub(super) fn on_compressed(
        &mut self,
        slot: Slot,
        message: Message,
    ) -> Result<(), ProtocolError> {
        let Message { kind, payload, .. } = message;
        // It is put back below: what it inflated is borrowed from it until then.
        let mut inflater = self.inflation.take_inflater();
        inflater.begin(payload.len(), self.received_bytes_max(slot));
        let inflated = self.inflate(slot, kind, payload, &mut inflater);
        if let Ok(false) = inflated {
            let compressed = payload.to_vec();
            self.suspend(
                slot,
                Inflating {
                    inflater,
                    kind,
                    compressed,
                }
                .into(),
            );
        } else {
            self.inflation.put_back(inflater);
        }
        inflated.map(drop)
    }

    /// Goes on with the message that is being inflated of this connection.
    pub(super) fn on_inflating(
        &mut self,
        slot: Slot,
        mut inflating: Box<Inflating>,
    ) -> Result<(), ProtocolError> {
        let Inflating {
            inflater,
            kind,
            compressed,
        } = &mut *inflating;
        // It has sent a message all the while.
        self.peers[slot].active = self.now;
        let inflated = self.inflate(slot, *kind, compressed, inflater);
        if let Ok(false) = inflated {
            self.suspend(slot, inflating);
        }
        inflated.map(drop)
    }

    /// Inflates a message as far as the turn's part goes. True if it is whole, and published.
    fn inflate(
        &mut self,
        slot: Slot,
        kind: MessageKind,
        compressed: &[u8],
        inflater: &mut Inflater,
    ) -> Result<bool, ProtocolError> {
        let pace = &self.limits.pace;
        let left = pace
            .inflated_bytes_per_turn
            .saturating_sub(self.inflation.bytes());
        let work_max = left.max(pace.inflated_bytes_per_step_min);
        let work_before = inflater.work();
        let began = self.inflation.nanoseconds();
        let advanced = inflater.advance(compressed, self.received_bytes_max(slot), work_max);
        let is_whole = advanced.and_then(|is_whole| match is_whole {
            true => inflater.message(kind).map(Some),
            false => Ok(None),
        });
        let nanoseconds = self.inflation.nanoseconds().saturating_sub(began);
        self.counters.inflate_nanoseconds += nanoseconds;
        self.inflation.count(inflater.work() - work_before);
        let Some(message) = is_whole? else {
            return Ok(false);
        };
        let (bytes_before, bytes_after) = (compressed.len(), message.payload.len());
        self.counters.inflated.count(bytes_before, bytes_after);
        // Readers have to take it as it was meant, not as it came.
        if self.take_bytes(slot, bytes_after.saturating_sub(bytes_before)) {
            self.on_plain_message(slot, message.kind, message.payload)?;
        }
        Ok(true)
    }

    /// Keeps a message that goes on in the next turn, unless the relay has no memory for it.
    fn suspend(&mut self, slot: Slot, inflating: Box<Inflating>) {
        let others = self.peers.private_bytes_of_others(slot);
        if inflating.heap_bytes() + others > self.limits.private_bytes_max {
            return self.close(slot, Cause::Memory);
        }
        self.peers[slot].extra().inflating = Some(inflating);
    }
}

#[cfg(test)]
mod tests;
