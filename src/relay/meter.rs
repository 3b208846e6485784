//! How many messages and bytes a second a topic takes in, at no cost to those that are quiet.
//!
//! There are two windows of time: the one before, and this one so far. The rate is that of the last
//! ten seconds, as far as they reach into the window before its messages are taken as evenly
//! spread. Nothing is counted here: the log counts, and the meter remembers what it had counted
//! when the window began.

use crate::wheel::Tick;

/// A window: 10 s.
const WINDOW_TICKS: u32 = 100;
const TICKS_PER_SECOND: f64 = 10.0;

/// Meters what a topic's log counts anyway.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    /// When this window began, and what the log had counted by then.
    began: Tick,
    /// Wraps around.
    messages_at: u32,
    bytes_at: u64,
    /// What came in the window before.
    messages_before: f32,
    bytes_before: f32,
}

/// What comes in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    pub(super) messages: f64,
    pub(super) bytes: f64,
}

impl Meter {
    pub(super) fn new(now: Tick) -> Self {
        Meter {
            began: now,
            messages_at: 0,
            bytes_at: 0,
            messages_before: 0.0,
            bytes_before: 0.0,
        }
    }

    /// Something is about to come: begins another window if this one is over.
    pub(super) fn roll(&mut self, now: Tick, messages: u64, bytes: u64) {
        let age = now.since(self.began);
        if age < WINDOW_TICKS {
            return;
        }
        // Whatever came after the window's end would have begun another.
        let is_next = age < 2 * WINDOW_TICKS;
        let (messages_before, bytes_before) = self.since(messages, bytes);
        *self = Meter {
            began: now,
            messages_at: messages as u32,
            bytes_at: bytes,
            messages_before: if is_next { messages_before as f32 } else { 0.0 },
            bytes_before: if is_next { bytes_before as f32 } else { 0.0 },
        };
    }

    /// The rate at the moment.
    pub(super) fn rate(&self, now: Tick, messages: u64, bytes: u64) -> Rate {
        let age = f64::from(now.since(self.began)) / f64::from(WINDOW_TICKS);
        let (messages, bytes) = self.since(messages, bytes);
        let seconds = f64::from(WINDOW_TICKS) / TICKS_PER_SECOND;
        // This window counts whole until it is as long as a window, and then fades as the one
        // before it does.
        let of_before = (1.0 - age).clamp(0.0, 1.0);
        let of_this = (2.0 - age).clamp(0.0, 1.0);
        let rate =
            |this: f64, before: f32| (this * of_this + f64::from(before) * of_before) / seconds;
        Rate {
            messages: rate(messages, self.messages_before),
            bytes: rate(bytes, self.bytes_before),
        }
    }

    /// What came since this window began.
    fn since(&self, messages: u64, bytes: u64) -> (f64, f64) {
        let messages = (messages as u32).wrapping_sub(self.messages_at);
        (f64::from(messages), (bytes - self.bytes_at) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that counts, and its meter.
    struct Metered {
        meter: Meter,
        messages: u64,
    }

    impl Metered {
        fn new() -> Self {
            let meter = Meter::new(Tick(0));
            Metered { meter, messages: 0 }
        }

        fn publish(&mut self, now: u32, messages: u64) {
            let bytes = self.messages * 100;
            self.meter.roll(Tick(now), self.messages, bytes);
            self.messages += messages;
        }

        fn rate(&self, now: u32) -> f64 {
            let rate = self
                .meter
                .rate(Tick(now), self.messages, self.messages * 100);
            assert!((rate.bytes - rate.messages * 100.0).abs() < 1e-3);
            rate.messages
        }
    }

    #[test]
    fn a_steady_rate_is_seen_as_it_is() {
        let mut topic = Metered::new();
        for tick in 0..1000 {
            topic.publish(tick, 5);
            if tick > WINDOW_TICKS {
                let rate = topic.rate(tick);
                assert!((rate - 50.0).abs() < 1.0, "{rate} at {tick}");
            }
        }
    }

    #[test]
    fn what_was_is_forgotten() {
        let mut topic = Metered::new();
        topic.publish(0, 1000);
        assert_eq!(topic.rate(0), 100.0);
        assert_eq!(topic.rate(100), 100.0);
        assert_eq!(topic.rate(150), 50.0);
        assert_eq!(topic.rate(200), 0.0);
        assert_eq!(topic.rate(100_000), 0.0);
    }

    #[test]
    fn a_burst_after_a_long_silence_counts() {
        let mut topic = Metered::new();
        topic.publish(0, 1_000_000);
        topic.publish(5000, 1000);
        assert_eq!(topic.rate(5000), 100.0);
        topic.publish(5120, 10);
        assert!((topic.rate(5120) - 101.0).abs() < 1e-3);
    }
}
