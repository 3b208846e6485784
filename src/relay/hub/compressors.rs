//! Compressing once for all readers.
//!
//! A message is compressed once for each window that a member of its topic reads, whatever their
//! number; what a sender compressed and what it sent plain is compressed alike. What is small, or
//! would not shrink, stays as it is, which readers can tell by RSV1.

use super::super::limits::Compression;
use crate::metrics::{Counters, Stopwatch};
use crate::proto::deflate::{Deflater, Window};

/// A compressor for each window, made when it is first needed. See the [module](self).
#[derive(Debug)]
pub(super) struct Compressors {
    small_window: Option<Deflater>,
    large_window: Option<Deflater>,
    stopwatch: Stopwatch,
}

impl Compressors {
    pub(super) fn new() -> Self {
        Compressors {
            small_window: None,
            large_window: None,
            stopwatch: || 0,
        }
    }

    pub(super) fn set_stopwatch(&mut self, stopwatch: Stopwatch) {
        self.stopwatch = stopwatch;
    }

    /// Other settings have come into force: compressors are made anew.
    pub(super) fn forget_level(&mut self) {
        (self.small_window, self.large_window) = (None, None);
    }

    /// Gives back what only large messages needed.
    pub(super) fn end_turn(&mut self) {
        let deflaters = [&mut self.small_window, &mut self.large_window];
        deflaters.into_iter().flatten().for_each(Deflater::release);
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
