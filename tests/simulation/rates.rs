//! Rates, of what a client sends and of new connections: token buckets beside the relay's own, by what was
//! taken of each.

use fanfare::relay::{Limits, Rates};
use fanfare::wheel::Tick;

/// Seconds whose tokens may be taken at once.
pub(crate) const BURST_SECONDS: u64 = 5;
/// What the largest message may take besides its payload.
const OVERHEAD_BYTES: u64 = 4096;
pub(crate) const TICKS_PER_SECOND: u64 = 10;

/// What one client has sent lately, as far as that is bounded.
#[derive(Default)]
pub(crate) struct Allowance {
    messages: Bucket,
    bytes: Bucket,
}

/// What was taken, in tenths of a token: each tick gives back as many as a second has tokens.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bucket {
    per_second: u64,
    tenths_max: u64,
    taken: u64,
    at: Tick,
}

impl Allowance {
    /// A message comes, or a ping: whether it is within the rate.
    pub(crate) fn take_message(&mut self, now: Tick, limits: &Limits) -> bool {
        if limits.rates.messages_per_second_max.is_none() {
            return true;
        }
        self.roll(now, limits);
        self.messages.spend(1)
    }

    /// This many bytes come: whether they are within the rate.
    pub(crate) fn take_bytes(&mut self, now: Tick, limits: &Limits, bytes: usize) -> bool {
        if limits.rates.bytes_per_second_max.is_none() {
            return true;
        }
        self.roll(now, limits);
        self.bytes.spend(bytes as u64)
    }

    /// Other rates are in force. While nothing is bounded, nothing is counted.
    pub(crate) fn on_reload(&mut self, rates: &Rates) {
        if rates.messages_per_second_max.is_none() && rates.bytes_per_second_max.is_none() {
            *self = Allowance::default();
        }
    }

    /// Time has passed, for both of them, at the rates that are in force now.
    fn roll(&mut self, now: Tick, limits: &Limits) {
        let rates = &limits.rates;
        let largest_bytes = limits.message_bytes_max as u64 + OVERHEAD_BYTES;
        let messages = rates.messages_per_second_max.map(u64::from);
        self.messages.set_rate(messages.unwrap_or(0), 0);
        let bytes = rates.bytes_per_second_max;
        let burst_min = bytes.map_or(0, |_| largest_bytes);
        self.bytes.set_rate(bytes.unwrap_or(0), burst_min);
        self.messages.roll(now);
        self.bytes.roll(now);
    }
}

impl Bucket {
    /// This many come in each second, and this many at once, at least. Of what was taken by another rate
    /// no more counts than that.
    pub(crate) fn set_rate(&mut self, per_second: u64, burst_min: u64) {
        self.per_second = per_second;
        self.tenths_max = (per_second * BURST_SECONDS).max(burst_min) * TICKS_PER_SECOND;
    }

    /// Takes one, if there is one. What is refused changes nothing.
    pub(crate) fn take(&mut self, now: Tick) -> bool {
        let mut rolled = *self;
        rolled.roll(now);
        let is_taken = rolled.spend(1);
        if is_taken {
            *self = rolled;
        }
        is_taken
    }

    fn roll(&mut self, now: Tick) {
        let gained = u64::from(now.since(self.at)) * self.per_second;
        self.taken = self.taken.min(self.tenths_max).saturating_sub(gained);
        self.at = now;
    }

    fn spend(&mut self, tokens: u64) -> bool {
        let taken = self.taken + tokens * TICKS_PER_SECOND;
        let is_left = taken <= self.tenths_max;
        self.taken = if is_left { taken } else { self.taken };
        is_left
    }
}
