//! How far a shutdown is: which closes are due, and when the closed clients are to come back.

use super::ids::Slot;
use crate::wheel::Tick;

/// Connections that may come back within a millisecond, at most: 2,000 a second.
const RETURNS_PER_MS: f32 = 2.0;
/// No client comes back before that: the relay that takes over has to start.
const RETRY_MS_MIN: u32 = 100;

/// A shutdown under way.
#[derive(Debug)]
pub(super) struct Drain {
    began: Tick,
    per_tick: usize,
    /// Slots before this one are done.
    pub(super) next_slot: usize,
    /// WebSockets that were closed so far.
    pub(super) closed: usize,
    pub(super) retries: Retries,
}

/// When clients come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retries {
    /// The delays until then lie within this many milliseconds.
    spread_ms: u32,
}

impl Drain {
    /// It begins now, with this many open WebSockets, and closes this many of them in each tick.
    pub(super) fn new(now: Tick, open: usize, per_tick: usize) -> Self {
        Drain {
            began: now,
            per_tick,
            next_slot: 0,
            closed: 0,
            retries: Retries {
                spread_ms: (open as f32 / RETURNS_PER_MS) as u32,
            },
        }
    }

    /// How many are to be closed by then, since it began.
    pub(super) fn closes_due(&self, now: Tick) -> usize {
        let ticks = now.since(self.began) as usize + 1;
        ticks.saturating_mul(self.per_tick)
    }
}

impl Retries {
    /// Milliseconds after which the client of this slot is to come back.
    pub(super) fn delay_ms(self, slot: Slot) -> u64 {
        u64::from(RETRY_MS_MIN) + u64::from(slot.spread(self.spread_ms))
    }
}
