//! One timer for each connection, armed for its earliest deadline or earlier, and the time that they go by.

use super::connections::Connections;
use super::reported::Reported;
use crate::relay::ids::Slot;
use crate::relay::limits::Limits;
use crate::wheel::{Tick, Wheel};

/// Sockets that are polled besides connections: listeners, signals, what wakes the loop. Should there be
/// more, the silence of many peers is judged a poll too early.
const SOCKETS_BESIDES_MAX: usize = 1024;

/// The timers of all connections, one each.
#[derive(Debug)]
pub(super) struct Timers {
    wheel: Wheel,
    reported: Reported,
    /// Timers that this turn may still look at. At 0, some may be left over for the next one.
    left: u32,
}

impl Timers {
    pub(super) fn new(now: Tick) -> Self {
        Timers {
            wheel: Wheel::new(now),
            reported: Reported::new(now),
            left: u32::MAX,
        }
    }

    pub(super) fn begin_turn(&mut self, limits: &Limits) {
        self.left = limits.pace.timers_per_turn;
    }

    pub(super) fn are_left_over(&self) -> bool {
        self.left == 0
    }

    /// A poll that began then brought this many events of that many connections. A full one may have left
    /// some over.
    pub(super) fn on_poll(
        &mut self,
        began: Tick,
        events: usize,
        is_full: bool,
        connections: usize,
    ) {
        let sockets = connections + SOCKETS_BESIDES_MAX;
        self.reported.on_poll(began, events, is_full, sockets);
    }

    /// The time that timers go by.
    pub(super) fn reported_until(&self) -> Tick {
        self.reported.until()
    }

    pub(super) fn next_due(&self) -> Option<Tick> {
        self.wheel.next_due()
    }

    /// The next timer that fires, as far as a turn goes.
    pub(super) fn poll(&mut self, connections: &mut Connections) -> Option<Slot> {
        if self.left == 0 {
            return None;
        }
        let slot = self.wheel.poll(connections, self.reported.until())?;
        self.left -= 1;
        Some(Slot(slot))
    }

    pub(super) fn arm(&mut self, connections: &mut Connections, slot: Slot, deadline: Tick) {
        self.wheel.arm(connections, slot.0, deadline);
    }

    pub(super) fn disarm(&mut self, connections: &mut Connections, slot: Slot) {
        self.wheel.disarm(connections, slot.0);
    }
}
