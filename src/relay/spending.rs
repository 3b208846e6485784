//! How much each client sends: messages and bytes in a second, if that is bounded.
//!
//! Kept beside the slab, and only while a bound is in force. What is over it ends in 1008: the rest
//! of what the client sends has no meaning any more.

use super::Relay;
use super::by_slot::BySlot;
use super::connection::Peer;
use super::ids::Slot;
use super::rate::Rate;
use crate::metrics::Cause;
use crate::proto::CloseCode;
use crate::wheel::Tick;

/// What one connection sent lately, in tenths: see [`Rate`].
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    bytes: u64,
    messages: u32,
    at: Tick,
}

/// What connections sent lately, by slot.
#[derive(Debug, Default)]
pub(super) struct Spending {
    spent: BySlot<Spent>,
    is_kept: bool,
}

impl Spending {
    /// Begins to count, or forgets all.
    pub(super) fn keep(&mut self, is_kept: bool) {
        self.is_kept = is_kept;
        if !is_kept {
            self.spent.clear();
        }
    }

    /// Gives back what a crowd took. Nobody is there.
    pub(super) fn shrink(&mut self) {
        self.spent.clear();
    }

    /// Somebody new takes a slot.
    pub(super) fn enter(&mut self, slot: Slot) {
        if let Some(spent) = self.spent.get_mut(slot) {
            *spent = Spent::default();
        }
    }
}

impl Spent {
    /// Time has passed.
    fn roll(&mut self, now: Tick, messages: Option<Rate>, bytes: Option<Rate>) {
        let ticks = now.since(self.at);
        self.at = now;
        let left = |rate: Option<Rate>, spent| rate.map_or(0, |rate| rate.left_of(spent, ticks));
        self.messages = left(messages, u64::from(self.messages)) as u32;
        self.bytes = left(bytes, self.bytes);
    }
}

impl Relay {
    /// Counts what clients send, if anything in force asks for it.
    pub(super) fn keep_spending(&mut self) {
        let rates = &self.limits.rates;
        let is_kept =
            rates.messages_per_second_max.is_some() || rates.bytes_per_second_max.is_some();
        self.spending.keep(is_kept);
    }

    /// An open WebSocket sent a message, or a ping. False if it is one too many: then it begins to
    /// close, and is not to be heard.
    #[inline]
    pub(super) fn spend_message(&mut self, slot: Slot) -> bool {
        !self.spending.is_kept || self.spend_counted_message(slot)
    }

    // Apart from the path of messages that nobody counts, which is longer for each of its branches.
    #[inline(never)]
    fn spend_counted_message(&mut self, slot: Slot) -> bool {
        let Some(max) = self.limits.rates.messages_per_second_max else {
            return true;
        };
        let spent = self.roll(slot);
        if let Some(messages) = Rate::of(max).take(u64::from(spent.messages), 1) {
            spent.messages = messages as u32;
            return true;
        }
        self.end_over_rate(slot, &format!("{max} messages a second"));
        false
    }

    /// An open WebSocket sent bytes. False if they are too many: then it begins to close, and what is
    /// in them is not to be heard, but for a close frame.
    #[inline]
    pub(super) fn spend_bytes(&mut self, slot: Slot, bytes: usize) -> bool {
        !self.spending.is_kept || self.spend_counted_bytes(slot, bytes)
    }

    #[inline(never)]
    fn spend_counted_bytes(&mut self, slot: Slot, bytes: usize) -> bool {
        let Some(max) = self.limits.rates.bytes_per_second_max else {
            return true;
        };
        let rate = self.byte_rate(max);
        let spent = self.roll(slot);
        if let Some(bytes) = rate.take(spent.bytes, bytes as u64) {
            spent.bytes = bytes;
            return true;
        }
        self.end_over_rate(slot, &format!("{max} bytes a second"));
        false
    }

    fn roll(&mut self, slot: Slot) -> &mut Spent {
        let rates = &self.limits.rates;
        let messages = rates.messages_per_second_max.map(Rate::of);
        let bytes = rates.bytes_per_second_max.map(|max| self.byte_rate(max));
        let spent = self.spending.spent.place(slot);
        spent.roll(self.now, messages, bytes);
        spent
    }

    /// The largest message may come at once, after silence.
    fn byte_rate(&self, per_second: u64) -> Rate {
        let message = self.limits.message_bytes_max as u64;
        Rate::with_burst(per_second, message.saturating_add(MESSAGE_OVERHEAD_BYTES))
    }

    fn end_over_rate(&mut self, slot: Slot, rate: &str) {
        let reason = format!("over {rate}: send less, or spread it, or ask for a higher limit");
        let code = CloseCode::POLICY_VIOLATION;
        self.start_close(slot, Cause::Rate, code, &reason, Peer::Talking);
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
        assert_eq!(size_of::<Spent>(), 16);
    }
}
