//! What a client may send: a bucket of tokens beside the relay's own, told by what is left in it.

use fanfare::relay::Limits;
use fanfare::wheel::Tick;

/// Seconds whose tokens may be taken at once.
const BURST_SECONDS: u64 = 5;
/// What the largest message may take besides its payload.
const OVERHEAD_BYTES: u64 = 4096;
const TICKS_PER_SECOND: u64 = 10;

/// What one client may still send, as far as that is bounded.
pub(crate) struct Allowance {
    messages: Option<Bucket>,
    bytes: Option<Bucket>,
}

struct Bucket {
    per_second: u64,
    /// In tenths, as the rate brings them: so many a tick.
    tenths: u64,
    tenths_max: u64,
    at: Tick,
}

impl Allowance {
    pub(crate) fn of(limits: &Limits) -> Self {
        let bucket = |per_second: u64, burst_min: u64| {
            let tenths_max = (per_second * BURST_SECONDS).max(burst_min) * TICKS_PER_SECOND;
            Bucket {
                per_second,
                tenths: tenths_max,
                tenths_max,
                at: Tick(0),
            }
        };
        let largest_bytes = limits.message_bytes_max as u64 + OVERHEAD_BYTES;
        let rates = &limits.rates;
        Allowance {
            messages: (rates.messages_per_second_max).map(|max| bucket(max.into(), 0)),
            bytes: (rates.bytes_per_second_max).map(|max| bucket(max, largest_bytes)),
        }
    }

    /// A message comes, or a ping: whether it is heard.
    pub(crate) fn take_message(&mut self, now: Tick) -> bool {
        self.messages
            .as_mut()
            .is_none_or(|bucket| bucket.take(now, 1))
    }

    /// So many bytes come: whether they are heard.
    pub(crate) fn take_bytes(&mut self, now: Tick, bytes: usize) -> bool {
        self.bytes
            .as_mut()
            .is_none_or(|bucket| bucket.take(now, bytes as u64))
    }
}

impl Bucket {
    fn take(&mut self, now: Tick, tokens: u64) -> bool {
        let gained = u64::from(now.since(self.at)) * self.per_second;
        self.tenths = (self.tenths + gained).min(self.tenths_max);
        self.at = now;
        let left = self.tenths.checked_sub(tokens * TICKS_PER_SECOND);
        self.tenths = left.unwrap_or(self.tenths);
        left.is_some()
    }
}
