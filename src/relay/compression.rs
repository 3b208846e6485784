//! Compressing once for everybody who reads, and inflating for everybody who sends.
//!
//! A message is compressed once for each window that a member of its topic reads, whatever their
//! number; what a sender compressed and what it sent plain is compressed alike. What is small, or
//! would not shrink, stays as it is, which readers can tell by RSV1.
//!
//! A few bytes may inflate to a thousand times as many, and many bytes to none. So what was inflated
//! counts like what was read, as the larger of its two sizes: once a turn has inflated its part, whoever
//! sends compressed messages is not heard again before the next one, in which they come first.

use super::Relay;
use super::limits::Compression;
use crate::metrics::Counters;
use crate::proto::deflate::{Deflater, Inflater, Window};
use crate::proto::{Message, ProtocolError};

/// A clock in nanoseconds, to measure with. Nothing is decided by it.
pub type Stopwatch = fn() -> u64;

/// Compressors and inflater, each made when it is first needed. See the [module](self).
#[derive(Debug)]
pub(super) struct Codec {
    small_window: Option<Deflater>,
    large_window: Option<Deflater>,
    inflater: Option<Box<Inflater>>,
    /// What was inflated in this turn.
    inflated_bytes: usize,
    stopwatch: Stopwatch,
}

impl Default for Codec {
    fn default() -> Self {
        Codec {
            small_window: None,
            large_window: None,
            inflater: None,
            inflated_bytes: 0,
            stopwatch: || 0,
        }
    }
}

impl Codec {
    pub(super) fn set_stopwatch(&mut self, stopwatch: Stopwatch) {
        self.stopwatch = stopwatch;
    }

    /// Other settings have come into force: compressors are made anew.
    pub(super) fn forget_level(&mut self) {
        (self.small_window, self.large_window) = (None, None);
    }

    pub(super) fn begin_turn(&mut self) {
        self.inflated_bytes = 0;
    }

    /// Gives back what only large messages needed.
    pub(super) fn end_turn(&mut self) {
        let deflaters = [&mut self.small_window, &mut self.large_window];
        deflaters.into_iter().flatten().for_each(Deflater::release);
        if let Some(inflater) = &mut self.inflater {
            inflater.release();
        }
    }

    /// What was inflated in this turn.
    pub(super) fn inflated_bytes(&self) -> usize {
        self.inflated_bytes
    }

    /// The message's payload compressed, unless it is better left as it is.
    pub(super) fn deflate(
        &mut self,
        window: Window,
        payload: &[u8],
        settings: Option<Compression>,
        counters: &mut Counters,
    ) -> Option<&[u8]> {
        let settings = settings?;
        if payload.len() < settings.bytes_min {
            counters.deflate_small += 1;
            return None;
        }
        let deflater = match window {
            Window::Bits9 => &mut self.small_window,
            Window::Bits15 => &mut self.large_window,
        };
        let began = (self.stopwatch)();
        let compressed = deflater
            .get_or_insert_with(|| Deflater::new(window, settings.level))
            .deflate(payload);
        counters.deflate_nanoseconds += (self.stopwatch)().saturating_sub(began);
        match compressed {
            Some(compressed) => counters.deflated.count(payload.len(), compressed.len()),
            None => counters.deflate_vain += 1,
        }
        compressed
    }
}

impl Relay {
    /// Sets the clock that times compression; without it, no time is counted.
    pub fn set_stopwatch(&mut self, stopwatch: Stopwatch) {
        self.codec.set_stopwatch(stopwatch);
    }

    /// Inflates a message, and publishes it as if it had come plain.
    pub(super) fn on_compressed(
        &mut self,
        slot: u32,
        message: Message,
    ) -> Result<(), ProtocolError> {
        // It is put back below: what it inflated is borrowed from it until then.
        let mut inflater = self.codec.inflater.take().unwrap_or_default();
        let bytes_before = message.payload.len();
        let began = (self.codec.stopwatch)();
        let opened = inflater.open(message, self.limits.message_bytes_max);
        let nanoseconds = (self.codec.stopwatch)().saturating_sub(began);
        self.counters.inflate_nanoseconds += nanoseconds;
        let opened = opened.map(|message| {
            let bytes_after = message.payload.len();
            self.codec.inflated_bytes += bytes_before.max(bytes_after);
            self.counters.inflated.count(bytes_before, bytes_after);
            // Readers have to take it as it was meant, not as it came.
            if self.spend_bytes(slot, bytes_after.saturating_sub(bytes_before)) {
                self.publish(slot, message.kind, message.payload);
            }
        });
        if opened.is_err() {
            // It took no more than that to find out.
            self.codec.inflated_bytes += self.limits.message_bytes_max;
        }
        self.codec.inflater = Some(inflater);
        opened
    }
}

#[cfg(test)]
mod tests;
