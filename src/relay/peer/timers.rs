//! What happens when nothing happens: which deadlines have passed, and what that means.
//!
//! Whatever puts a deadline off, such as a byte from a peer, only stores a tick; the connection's timer reads
//! it when it fires, and is armed again.
//!
//! No peer is ended for silence while bytes of it wait to be read: timers go by the time up to
//! which everything that came was [reported](super::reported), and a connection with something to be
//! read is read first.

use super::life::{Life, Wait};
use super::{Flag, Peers, Post};
use crate::relay::ids::{ConnId, Slot};
use crate::relay::limits::Limits;
use crate::wheel::Tick;

/// What is to be done with a connection whose time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) enum Due {
    /// It is to be read first, and its timer is armed for the next tick.
    Later,
    /// Nothing: it is not its fault, or it was asked whether it takes anything.
    Nothing,
    /// It is to be dropped.
    Drop,
    /// Its request did not come in time.
    Request,
    /// No message went either way for too long.
    Idle,
    /// It is to be asked for a sign of life.
    Ping,
    /// It was asked for one, and gave none.
    Dead,
    /// It is a stream of events, and was silent for long enough.
    Comment,
    /// It is a poll, and has waited for long enough.
    Answered,
}

impl Peers {
    /// A poll that began then brought this many events. A full one may have left some over.
    pub(in crate::relay) fn on_poll(&mut self, began: Tick, events: usize, is_full: bool) {
        let connections = self.connections.len();
        self.timers.on_poll(began, events, is_full, connections);
    }

    /// When a timer is due next.
    pub(in crate::relay) fn next_due(&self) -> Option<Tick> {
        self.timers.next_due()
    }

    /// The next connection whose time is up, as far as a turn goes.
    pub(in crate::relay) fn poll_timer(&mut self, limits: &Limits) -> Option<ConnId> {
        let now = self.timers.reported_until();
        while let Some(slot) = self.timers.poll(&mut self.connections) {
            let deadline = self.deadline(slot, limits);
            if deadline <= now {
                return Some(self.id(slot));
            }
            self.arm(slot, deadline);
        }
        None
    }

    /// What is to be done with a connection whose time is up, unless it `is_unread`, which says that it
    /// stands in line to be read.
    pub(in crate::relay) fn on_timer(
        &mut self,
        slot: Slot,
        is_unread: bool,
        limits: &Limits,
        now: Tick,
    ) -> Due {
        let until = self.timers.reported_until();
        if is_unread && self.may_be_excused(slot, limits) {
            self.arm(slot, until.after(1));
            return Due::Later;
        }
        let connection = &mut self.connections[slot];
        let is_ping_left = connection.outbox().is_none();
        let is_patient = connection.post().is_some_and(Post::is_patient);
        let is_answered = connection.poll().is_some_and(|poll| poll.until <= until);
        let is_idle = |idle| connection.active.after(idle) <= until;
        match &mut connection.life {
            Life::NextHead { .. } if connection.extra.is_none() => Due::Drop,
            Life::FirstHead { .. } | Life::NextHead { .. } => Due::Request,
            // It may take its time, or it is not its fault.
            Life::Body { since, .. } if is_patient => {
                *since = now.into();
                Due::Nothing
            }
            Life::Body { .. } => Due::Request,
            Life::Respond { .. } if connection.seat.is_blocked() => self.probe(slot, now),
            // It waits for its turn: that is not its fault.
            Life::Respond { progress, .. } => {
                *progress = now.into();
                Due::Nothing
            }
            Life::Open(_) if limits.idle_timeout.is_some_and(is_idle) => Due::Idle,
            Life::Open(_) if is_answered => Due::Answered,
            Life::Open(Wait::Writable { .. }) => self.probe(slot, now),
            Life::Open(_) if connection.flags.has(Flag::Sse) => {
                connection.last_byte = now;
                Due::Comment
            }
            Life::Open(Wait::Pong { .. }) if is_ping_left => Due::Dead,
            // The ping waits for its turn, and the peer for the ping.
            Life::Open(Wait::Pong { asked }) => {
                *asked = now.into();
                Due::Nothing
            }
            Life::Open(Wait::Nothing) => Due::Ping,
            Life::Closing { .. } | Life::AwaitClose { .. } => Due::Drop,
            Life::Linger { .. } | Life::Closed => Due::Drop,
        }
    }

    /// Makes sure that the connection's timer fires no later than its deadline.
    pub(super) fn rearm(&mut self, slot: Slot, limits: &Limits) {
        let deadline = self.deadline(slot, limits);
        let armed = self.connections[slot].link.deadline();
        if armed.is_none_or(|armed| deadline < armed) {
            self.arm(slot, deadline);
        }
    }

    fn arm(&mut self, slot: Slot, deadline: Tick) {
        self.timers.arm(&mut self.connections, slot, deadline);
    }

    #[inline]
    fn deadline(&self, slot: Slot, limits: &Limits) -> Tick {
        let connection = &self.connections[slot];
        let (last_byte, active) = (connection.last_byte, connection.active);
        if connection.flags.has(Flag::Sse) && connection.is_open() {
            // Its peer says nothing: what counts is when it was sent something, or a comment.
            let said = last_byte.max(active);
            let silence = SSE_SILENCE_TICKS_MIN + slot.spread(SSE_SILENCE_SPREAD_TICKS);
            let deadline = connection.life.deadline(limits, said, active, silence);
            return connection
                .poll()
                .map_or(deadline, |poll| deadline.min(poll.until));
        }
        let silence = silence(slot, limits.heartbeat_interval);
        connection.life.deadline(limits, last_byte, active, silence)
    }

    /// Whether what a connection has to say may show that it is in time. A head ends sooner or later;
    /// anything else that goes on and on is read once after its deadline.
    fn may_be_excused(&self, slot: Slot, limits: &Limits) -> bool {
        let deadline = self.deadline(slot, limits);
        let connection = &self.connections[slot];
        match connection.life {
            Life::FirstHead { .. } | Life::NextHead { .. } | Life::Body { .. } => true,
            Life::Open(_) if connection.flags.has(Flag::Sse) => false,
            Life::Open(_) | Life::Closing { .. } | Life::AwaitClose { .. } => {
                connection.last_byte < deadline
            }
            Life::Respond { .. } | Life::Linger { .. } | Life::Closed => false,
        }
    }

    /// Finds out whether a reader takes anything. A socket says that it is writable only when a third of
    /// its buffer is free, which takes a slow reader longer than the timeout; a write fits into less.
    fn probe(&mut self, slot: Slot, now: Tick) -> Due {
        self.connections[slot].flags.set(Flag::Probing);
        self.on_writable(slot, now);
        Due::Nothing
    }
}

/// Silence of a stream of events that a comment ends, so that no proxy on the way takes it for dead: 15 s, and up to
/// 10 s more, which spreads those that came together.
const SSE_SILENCE_TICKS_MIN: u32 = 150;
const SSE_SILENCE_SPREAD_TICKS: u32 = 100;

/// Ticks of silence until a connection is pinged: the interval less up to a quarter, which spreads those that
/// came together.
fn silence(slot: Slot, interval: u32) -> u32 {
    interval - slot.spread(interval / 4)
}
