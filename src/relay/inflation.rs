//! What a turn inflates is counted here, and one inflater serves all messages that it inflates whole.

use crate::metrics::Stopwatch;
use crate::proto::deflate::Inflater;

/// The inflater, made when it is first needed, and what a turn did with it.
#[derive(Debug)]
pub(super) struct Inflation {
    inflater: Option<Box<Inflater>>,
    /// What inflating took in this turn, as [`Inflater::work`] counts it.
    bytes: usize,
    stopwatch: Stopwatch,
}

impl Default for Inflation {
    fn default() -> Self {
        Inflation {
            inflater: None,
            bytes: 0,
            stopwatch: || 0,
        }
    }
}

impl Inflation {
    pub(super) fn set_stopwatch(&mut self, stopwatch: Stopwatch) {
        self.stopwatch = stopwatch;
    }

    /// What the stopwatch says, of which only differences mean something.
    pub(super) fn nanoseconds(&self) -> u64 {
        (self.stopwatch)()
    }

    pub(super) fn begin_turn(&mut self) {
        self.bytes = 0;
    }

    /// Gives back what only large messages needed.
    pub(super) fn end_turn(&mut self) {
        if let Some(inflater) = &mut self.inflater {
            inflater.release();
        }
    }

    /// What inflating took in this turn.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Inflating took this much more.
    pub(super) fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// The inflater, or a new one if it is not there.
    pub(super) fn take_inflater(&mut self) -> Box<Inflater> {
        self.inflater.take().unwrap_or_default()
    }

    /// It is free again for the next message.
    pub(super) fn put_back(&mut self, inflater: Box<Inflater>) {
        self.inflater = Some(inflater);
    }
}
