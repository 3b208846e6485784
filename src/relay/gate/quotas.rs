//! Quotas: how many messages and bytes each WebSocket may send in a second, if that is bounded.
//!
//! Kept beside the slab, and only while a bound is in force. What is over a quota ends in 1008: the rest
//! of what the client sends has no meaning any more.

use super::by_slot::BySlot;
use super::token_bucket::TokenBucket;
use crate::relay::ids::Slot;
use crate::relay::limits::Rates;
use crate::wheel::Tick;
use std::fmt;

/// What was taken of one connection's quota, in tenths: see [`TokenBucket`].
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    bytes: u64,
    messages: u32,
    at: Tick,
}

/// What was taken of quotas, by slot.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    taken: BySlot<Taken>,
    rates: Rates,
    message_bytes_max: usize,
}

/// A WebSocket sent more than it may: the bound that it exceeded, in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) enum OverQuota {
    Messages(u32),
    Bytes(u64),
}

impl fmt::Display for OverQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OverQuota::Messages(max) => write!(f, "over {max} messages a second")?,
            OverQuota::Bytes(max) => write!(f, "over {max} bytes a second")?,
        }
        f.write_str(": send less, or spread it, or ask for a higher limit")
    }
}

impl Quotas {
    /// Begins to count, if a bound is in force, or forgets all.
    pub(super) fn set_limits(&mut self, rates: Rates, message_bytes_max: usize) {
        (self.rates, self.message_bytes_max) = (rates, message_bytes_max);
        if !self.are_kept() {
            self.taken.clear();
        }
    }

    #[inline]
    pub(super) fn are_kept(&self) -> bool {
        self.rates.messages_per_second_max.is_some() || self.rates.bytes_per_second_max.is_some()
    }

    pub(super) fn messages_per_second_max(&self) -> Option<u32> {
        self.rates.messages_per_second_max
    }

    /// Gives back what many connections took. There are none left.
    pub(super) fn shrink(&mut self) {
        self.taken.clear();
    }

    /// Another connection takes a slot.
    pub(super) fn open(&mut self, slot: Slot) {
        if let Some(taken) = self.taken.get_mut(slot) {
            *taken = Taken::default();
        }
    }

    // Apart from the path of messages that are not counted, which is longer for each of its branches.
    #[inline(never)]
    pub(super) fn take_message(&mut self, slot: Slot, now: Tick) -> Result<(), OverQuota> {
        let Some(max) = self.rates.messages_per_second_max else {
            return Ok(());
        };
        let taken = self.refill(slot, now);
        let messages = TokenBucket::of(max).take(u64::from(taken.messages), 1);
        taken.messages = messages.ok_or(OverQuota::Messages(max))? as u32;
        Ok(())
    }

    #[inline(never)]
    pub(super) fn take_bytes(
        &mut self,
        slot: Slot,
        bytes: usize,
        now: Tick,
    ) -> Result<(), OverQuota> {
        let Some(max) = self.rates.bytes_per_second_max else {
            return Ok(());
        };
        let bucket = self.byte_bucket(max);
        let taken = self.refill(slot, now);
        let bytes = bucket.take(taken.bytes, bytes as u64);
        taken.bytes = bytes.ok_or(OverQuota::Bytes(max))?;
        Ok(())
    }

    /// Time has passed.
    fn refill(&mut self, slot: Slot, now: Tick) -> &mut Taken {
        let messages = self.rates.messages_per_second_max.map(TokenBucket::of);
        let bytes = self.rates.bytes_per_second_max;
        let bytes = bytes.map(|max| self.byte_bucket(max));
        let taken = self.taken.place(slot);
        let ticks = now.since(taken.at);
        let left = |bucket: Option<TokenBucket>, taken| {
            bucket.map_or(0, |bucket| bucket.left_of(taken, ticks))
        };
        *taken = Taken {
            bytes: left(bytes, taken.bytes),
            messages: left(messages, u64::from(taken.messages)) as u32,
            at: now,
        };
        taken
    }

    /// The largest message may come at once, after silence.
    fn byte_bucket(&self, per_second: u64) -> TokenBucket {
        let message = self.message_bytes_max as u64;
        TokenBucket::with_burst(per_second, message.saturating_add(MESSAGE_OVERHEAD_BYTES))
    }
}

/// What the largest message takes besides its payload, be it in many fragments, and what else may
/// stand in the same read.
const MESSAGE_OVERHEAD_BYTES: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_takes_16_bytes() {
        assert_eq!(size_of::<Taken>(), 16);
    }
}
