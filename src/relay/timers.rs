//! What happens when nothing happens: heartbeats, and the end of those who keep us waiting.
//!
//! The wheel holds one entry per connection, armed for its earliest deadline or earlier. What puts
//! a deadline off, such as hearing from a peer, only stores a tick; the entry finds out when it
//! fires, and arms itself again.
//!
//! Nobody is judged for what they may have said and were not heard for: timers go by the time up to
//! which everything that came was [reported](super::reported), and whoever has something to be read is
//! read first.

use super::connection::Phase;
use super::flags::Flag;
use super::ids::Slot;
use super::limits::LINGER_TICKS;
use super::{ConnId, Relay};
use crate::http::{Reason, Response};
use crate::metrics::Cause;
use crate::wheel::Tick;

impl Relay {
    /// A poll that began at that time, before the turn did, brought so many events. A full one may
    /// have left some over. One that was interrupted says nothing, and is not to be told of.
    pub fn handle_poll(&mut self, began: Tick, events: usize, is_full: bool) {
        let sockets = self.connections.len() + SOCKETS_BESIDES_MAX;
        self.reported.on_poll(began, events, is_full, sockets);
    }

    /// The next connection for whose [`timer`](Relay::handle_timer) it is time, as far as a turn goes.
    pub fn poll_timer(&mut self) -> Option<ConnId> {
        let now = self.reported.until();
        while self.timers_left > 0
            && let Some(slot) = self.wheel.poll(&mut self.connections, now).map(Slot)
        {
            self.timers_left -= 1;
            let deadline = self.deadline(slot);
            if deadline <= now {
                return Some(self.id(slot));
            }
            self.wheel.arm(&mut self.connections, slot.0, deadline);
        }
        None
    }

    /// Makes sure that the connection's timer fires no later than its deadline.
    pub(super) fn rearm(&mut self, slot: Slot) {
        let deadline = self.deadline(slot);
        let connection = &self.connections[slot];
        if connection
            .link
            .deadline()
            .is_none_or(|armed| deadline < armed)
        {
            self.wheel.arm(&mut self.connections, slot.0, deadline);
        }
    }

    fn deadline(&self, slot: Slot) -> Tick {
        let connection = &self.connections[slot];
        let limits = &self.limits;
        let since = connection.since;
        match connection.phase {
            Phase::Head if connection.flags.has(Flag::Served) => {
                since.after(limits.keep_alive_timeout)
            }
            Phase::Head => since.after(limits.handshake_timeout),
            Phase::Respond => since.after(limits.stalled_write_timeout),
            Phase::Open => {
                let liveness = if connection.seat.is_blocked() {
                    since.after(limits.stalled_write_timeout)
                } else if connection.flags.has(Flag::AwaitingPong) {
                    since.after(limits.pong_timeout)
                } else {
                    connection.heard.after(self.silence(slot))
                };
                let idle = limits
                    .idle_timeout
                    .map(|idle| connection.active.after(idle));
                idle.map_or(liveness, |idle| idle.min(liveness))
            }
            Phase::Closing | Phase::AwaitClose => since.after(limits.close_timeout),
            Phase::Linger | Phase::Closed => since.after(LINGER_TICKS),
        }
    }

    /// Ticks of silence until this connection is pinged: the interval less up to a quarter, which
    /// spreads those who came together.
    fn silence(&self, slot: Slot) -> u32 {
        let interval = self.limits.heartbeat_interval;
        // Multiplying by 2³² / φ sends slots that follow one another far apart.
        let spread = slot.0.wrapping_mul(0x9E37_79B9);
        interval - ((u64::from(interval / 4) * u64::from(spread)) >> 32) as u32
    }

    /// Time is up for a connection, unless it `is_unread`, which says that it stands in line to be read.
    pub fn handle_timer(&mut self, id: ConnId, is_unread: bool) {
        let Some(slot) = self.slot(id) else { return };
        let now = self.reported.until();
        if is_unread && self.may_be_excused(slot) {
            self.wheel.arm(&mut self.connections, slot.0, now.after(1));
            return;
        }
        let connection = &self.connections[slot];
        match connection.phase {
            Phase::Head if connection.flags.has(Flag::Served) && connection.extra.is_none() => {
                self.drop_now(slot)
            }
            Phase::Head => {
                let why = "The request did not come in time.";
                self.respond(slot, Response::refusal(Reason::Timeout, why, &[]));
            }
            Phase::Respond if connection.seat.is_blocked() => self.probe(slot),
            // It waits for its turn: that is not its fault.
            Phase::Respond => self.connections[slot].since = self.now,
            Phase::Open => self.on_open_timer(slot, now),
            Phase::Closing | Phase::AwaitClose | Phase::Linger | Phase::Closed => {
                self.drop_now(slot);
            }
        }
        self.settle(slot);
    }

    /// Whether what a connection has to say may show that it is in time. A head ends sooner or later;
    /// whoever else goes on and on is read once after its deadline.
    fn may_be_excused(&self, slot: Slot) -> bool {
        let deadline = self.deadline(slot);
        let connection = &self.connections[slot];
        match connection.phase {
            Phase::Head => true,
            Phase::Open | Phase::Closing | Phase::AwaitClose => connection.heard < deadline,
            Phase::Respond | Phase::Linger | Phase::Closed => false,
        }
    }

    fn on_open_timer(&mut self, slot: Slot, now: Tick) {
        if self.is_held(self.id(slot)) {
            // It has something to say, and is not read.
            self.connections[slot].active = self.now;
        }
        let connection = &self.connections[slot];
        let is_idle = self
            .limits
            .idle_timeout
            .is_some_and(|idle| connection.active.after(idle) <= now);
        if is_idle {
            self.close(slot, Cause::Idle);
        } else if connection.seat.is_blocked() {
            self.probe(slot);
        } else if connection.flags.has(Flag::AwaitingPong)
            && (connection.outbox().is_some() || self.is_held(self.id(slot)))
        {
            // The ping waits for its turn, and the peer for the ping; or the pong waits to be read.
            self.connections[slot].since = self.now;
        } else if connection.flags.has(Flag::AwaitingPong) {
            self.counters.dead += 1;
            self.abort(slot, Cause::Dead);
        } else {
            self.ping(slot);
        }
    }

    /// Finds out whether a reader takes anything. A socket says that it has room only when a third of
    /// its buffer is free, which takes a slow reader longer than the timeout; a write fits into less.
    fn probe(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot];
        connection.since = self.now;
        connection.flags.set(Flag::Probing);
        connection.seat.set_blocked(false);
        self.queue_output(slot);
    }
}

/// Sockets that are polled besides connections: listeners, signals, what wakes the loop. Should there be
/// more, a crowd's silence is judged a poll too early.
const SOCKETS_BESIDES_MAX: usize = 1024;
