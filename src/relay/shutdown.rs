//! The end of the relay: every connection is closed, a part in each tick, and told when to come back.
//!
//! Clients that are closed together come back together, to whatever takes over. So the closes are
//! spread over the drain time, and each carries a delay of its own in its reason (`retry-ms=1234`).
//! A few connections need no spreading: they are closed at once.

use super::Relay;
use super::drain::{Drain, Retries};
use super::ids::Slot;
use super::peer::{Connection, Flag, Peer, Phase};
use crate::metrics::Cause;
use crate::wheel::Tick;

impl Relay {
    /// Closes every WebSocket with 1012, and ends every stream of events, evenly over `drain` ticks if there are many,
    /// and returns the ticks that this takes. A connection that is neither may finish what it has begun, unless that
    /// is lines without an end; new ones of both kinds are refused.
    pub fn handle_shutdown(&mut self, drain: u32) -> u32 {
        let open = self.peers.count(Phase::Open);
        let per_tick = open
            .div_ceil(drain.max(1) as usize)
            .max(self.limits.pace.closes_per_tick);
        self.shutdown
            .get_or_insert(Drain::new(self.now, open, per_tick));
        self.step_shutdown();
        open.div_ceil(per_tick) as u32
    }

    /// When the next part of the shutdown is due.
    pub(super) fn shutdown_due(&self) -> Option<Tick> {
        let shutdown = self.shutdown.as_ref()?;
        let is_done = shutdown.next_slot >= self.peers.slots();
        (!is_done).then(|| self.now.after(1))
    }

    /// Goes on with a shutdown, if one is under way.
    pub(super) fn step_shutdown(&mut self) {
        let Some(shutdown) = &self.shutdown else {
            return;
        };
        let due = shutdown.closes_due(self.now);
        // Whatever is closed below sees that a shutdown is under way.
        let (mut slot, mut closed) = (shutdown.next_slot, shutdown.closed);
        let retries = shutdown.retries;
        while slot < self.peers.slots() && closed < due {
            closed += usize::from(self.close_for_shutdown(Slot(slot as u32), retries));
            slot += 1;
        }
        if let Some(shutdown) = &mut self.shutdown {
            (shutdown.next_slot, shutdown.closed) = (slot, closed);
        }
    }

    /// Whether it was a WebSocket or a stream of events, and so counts.
    fn close_for_shutdown(&mut self, slot: Slot, retries: Retries) -> bool {
        let Some(connection) = self.peers.get(slot) else {
            return false;
        };
        match connection.phase() {
            Phase::Open => {
                let retry_ms = retries.delay_ms(slot);
                if connection.flags.has(Flag::Sse) {
                    let last_words = Some(retry_ms);
                    self.end_stream_with(slot, Cause::Shutdown, "", Peer::Done, last_words);
                    self.settle(slot);
                    return true;
                }
                let reason = format!("retry-ms={retry_ms} the relay goes down or restarts");
                self.close_because(slot, Cause::Shutdown, &reason);
                self.settle(slot);
                return true;
            }
            Phase::Head if !has_input(connection) => self.drop_now(slot),
            Phase::Body => self.end_lines_for_shutdown(slot),
            Phase::Linger => self.drop_now(slot),
            _ => {}
        }
        false
    }
}

fn has_input(connection: &Connection) -> bool {
    connection
        .extra
        .as_deref()
        .is_some_and(|extra| !extra.head.is_empty() || !extra.kept.is_empty())
}
