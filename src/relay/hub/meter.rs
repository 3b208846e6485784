//! How many messages and bytes a topic takes in, in all and in a second, at no cost to those that
//! are quiet.
//!
//! There are two windows of time: the one before, and this one so far. The rate is that of the last
//! ten seconds, as far as they reach into the window before its messages are taken as evenly
//! spread.

use crate::wheel::Tick;

/// A window: 10 s.
const WINDOW_TICKS: u32 = 100;
const TICKS_PER_SECOND: f64 = 10.0;

/// Counts a topic's messages, and the bytes of their payloads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    messages: u64,
    bytes: u64,
    /// When this window began, and what had come by then.
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
            messages: 0,
            bytes: 0,
            began: now,
            messages_at: 0,
            bytes_at: 0,
            messages_before: 0.0,
            bytes_before: 0.0,
        }
    }

    /// A message has come.
    pub(super) fn count(&mut self, now: Tick, payload_bytes: usize) {
        let age = now.since(self.began);
        if age >= WINDOW_TICKS {
            self.begin_window(now, age);
        }
        self.messages += 1;
        self.bytes += payload_bytes as u64;
    }

    #[cold]
    fn begin_window(&mut self, now: Tick, age: u32) {
        // Whatever came after the window's end would have begun another.
        let is_next = age < 2 * WINDOW_TICKS;
        let (messages_before, bytes_before) = self.in_window();
        *self = Meter {
            began: now,
            messages_at: self.messages as u32,
            bytes_at: self.bytes,
            messages_before: if is_next { messages_before as f32 } else { 0.0 },
            bytes_before: if is_next { bytes_before as f32 } else { 0.0 },
            ..*self
        };
    }

    /// Messages since the topic exists.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes of their payloads.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The rate at the moment.
    pub(super) fn rate(&self, now: Tick) -> Rate {
        let age = f64::from(now.since(self.began)) / f64::from(WINDOW_TICKS);
        let (messages, bytes) = self.in_window();
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
    fn in_window(&self) -> (f64, f64) {
        let messages = (self.messages as u32).wrapping_sub(self.messages_at);
        (f64::from(messages), (self.bytes - self.bytes_at) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(topic: &mut Meter, now: u32, messages: u64) {
        for _ in 0..messages {
            topic.count(Tick(now), 100);
        }
    }

    fn rate(topic: &Meter, now: u32) -> f64 {
        let rate = topic.rate(Tick(now));
        assert!((rate.bytes - rate.messages * 100.0).abs() < 1e-3);
        rate.messages
    }

    #[test]
    fn a_steady_rate_is_seen_as_it_is() {
        let mut topic = Meter::new(Tick(0));
        for tick in 0..1000 {
            publish(&mut topic, tick, 5);
            if tick > WINDOW_TICKS {
                let rate = rate(&topic, tick);
                assert!((rate - 50.0).abs() < 1.0, "{rate} at {tick}");
            }
        }
    }

    #[test]
    fn what_was_is_forgotten() {
        let mut topic = Meter::new(Tick(0));
        publish(&mut topic, 0, 1000);
        assert_eq!(rate(&topic, 0), 100.0);
        assert_eq!(rate(&topic, 100), 100.0);
        assert_eq!(rate(&topic, 150), 50.0);
        assert_eq!(rate(&topic, 200), 0.0);
        assert_eq!(rate(&topic, 100_000), 0.0);
    }

    #[test]
    fn a_burst_after_a_long_silence_counts() {
        let mut topic = Meter::new(Tick(0));
        publish(&mut topic, 0, 1_000_000);
        publish(&mut topic, 5000, 1000);
        assert_eq!(rate(&topic, 5000), 100.0);
        publish(&mut topic, 5120, 10);
        assert!((rate(&topic, 5120) - 101.0).abs() < 1e-3);
    }
}
