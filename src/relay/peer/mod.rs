//! Peers: connections and their lives, what leaves of their own, and the time that they have.
//!
//! It owns the table of connections; what each of them does ([`Life`]) and is counted by ([`Phase`]); the
//! queues of those with output of their own; the timers; and the memory that connections hold for
//! themselves. It knows neither topics nor logs, and not which connections are let in: what it decides
//! that concerns them it returns.
//!
//! Invariants, of each connection ([`Connection::check`]):
//! - At rest it owns no heap: what its box holds belongs to the part of its life that it is in.
//! - It is a member of a topic only while it is open, or has yet to be sent what it was owed as it closes.
//! - An open one that waits for its socket is blocked, and no other is.
//! - Its timer is armed for its deadline or before it.
//! - It stands in at most one queue, at most once.

mod answering;
mod connection;
mod connections;
mod flags;
mod heads;
mod inflating;
mod life;
mod outbox;
mod output;
mod phase_counts;
mod post;
mod queue;
mod reported;
mod responses;
mod timer_table;
mod timers;

pub(super) use connection::{Close, Connection, Poll};
pub(super) use flags::Flag;
pub(super) use inflating::Inflating;
pub(super) use life::{Life, Peer, Phase};
pub(super) use outbox::write_frame;
pub(super) use post::Post;
pub(super) use responses::Pending;
pub(super) use timers::Due;

use super::action::Action;
use super::ids::{ConnId, Slot};
use super::limits::{LINGER_BYTES_MAX, Limits};
use super::seat::{Seat, Seats};
use crate::metrics::STATES;
use crate::proto::OpCode;
use crate::wheel::Tick;
use connections::Connections;
use life::Wait;
use phase_counts::PhaseCounts;
use queue::Outputs;
use std::collections::VecDeque;
use std::ops::{Index, IndexMut};
use timer_table::Timers;

/// Connections. See the [module](self).
#[derive(Debug)]
pub(super) struct Peers {
    connections: Connections,
    counts: PhaseCounts,
    outputs: Outputs,
    timers: Timers,
    actions: VecDeque<(ConnId, Action)>,
    /// Connections to be read again, though their sockets raise no event for it.
    resumes: Vec<ConnId>,
    /// Slots of this turn's closed connections.
    closed: Vec<Slot>,
    /// Heap that connections hold, as far as it was accounted for.
    private_bytes: usize,
}

/// Slots that are kept, empty, when all connections are gone: 64 KiB.
const SLOTS_AT_REST_MAX: usize = 1024;

impl Peers {
    pub(super) fn new(now: Tick) -> Self {
        Peers {
            connections: Connections::default(),
            counts: PhaseCounts::default(),
            outputs: Outputs::default(),
            timers: Timers::new(now),
            actions: VecDeque::new(),
            resumes: Vec::new(),
            closed: Vec::new(),
            private_bytes: 0,
        }
    }

    pub(super) fn begin_turn(&mut self, limits: &Limits) {
        self.timers.begin_turn(limits);
    }

    /// Ends a turn: slots of closed connections become free. True if the memory of all slots is given back,
    /// since there are none left.
    pub(super) fn end_turn(&mut self) -> bool {
        for slot in self.closed.drain(..) {
            let connection = self.connections.remove(slot);
            self.counts.leave(connection.phase());
        }
        self.connections.shrink_if_empty(SLOTS_AT_REST_MAX)
    }

    /// There is something to do in the next turn, whatever comes.
    pub(super) fn has_work(&self) -> bool {
        self.timers.are_left_over() || !self.outputs.is_empty()
    }

    /// A connection has come.
    pub(super) fn accept(&mut self, generation: u64, now: Tick) -> ConnId {
        let connection = Connection::new(generation, now);
        self.counts.enter(connection.phase());
        let slot = self.connections.insert(connection);
        ConnId { slot, generation }
    }

    /// Connections of all kinds, those that linger among them.
    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Slots beyond which there is no connection.
    pub(super) fn slots(&self) -> usize {
        self.connections.slots()
    }

    /// Connections in a phase: those in [`Phase::Open`] are WebSockets that have not begun to close.
    pub(super) fn count(&self, phase: Phase) -> usize {
        self.counts.count(phase)
    }

    /// Connections as they are shown: in the order of [`STATES`].
    pub(super) fn states(&self) -> [usize; STATES.len()] {
        self.counts.states()
    }

    /// Memory that connections hold for themselves beyond their slots, in bytes.
    pub(super) fn private_bytes(&self) -> usize {
        self.private_bytes
    }

    /// What all other connections hold for themselves.
    pub(super) fn private_bytes_of_others(&self, slot: Slot) -> usize {
        let extra = self.connections[slot].extra.as_deref();
        self.private_bytes - extra.map_or(0, |extra| extra.charged)
    }

    /// The connection in a slot, if there is one, be it closed.
    pub(super) fn get(&self, slot: Slot) -> Option<&Connection> {
        self.connections.get(slot)
    }

    /// The slot of a connection that still exists.
    pub(super) fn slot(&self, id: ConnId) -> Option<Slot> {
        let connection = self.connections.get(id.slot)?;
        let exists = connection.generation == id.generation && !connection.is_closed();
        exists.then_some(id.slot)
    }

    pub(super) fn id(&self, slot: Slot) -> ConnId {
        let generation = self.connections[slot].generation;
        ConnId { slot, generation }
    }

    pub(super) fn poll_action(&mut self) -> Option<(ConnId, Action)> {
        self.actions.pop_front()
    }

    pub(super) fn push_action(&mut self, slot: Slot, action: Action) {
        self.actions.push_back((self.id(slot), action));
    }

    pub(super) fn poll_resume(&mut self) -> Option<ConnId> {
        self.resumes.pop()
    }

    /// A connection is to be read again, though its socket may raise no event for it.
    pub(super) fn resume(&mut self, slot: Slot) {
        self.resumes.push(self.id(slot));
    }

    /// After whatever happened to a connection: its memory is accounted for, and its timer armed, unless it is
    /// closed.
    pub(super) fn settle(&mut self, slot: Slot, limits: &Limits) {
        let connection = &mut self.connections[slot];
        connection.check();
        if connection.is_closed() {
            return;
        }
        if let Some(extra) = connection.extra.as_deref_mut() {
            let bytes = extra.bytes();
            self.private_bytes = self.private_bytes - extra.charged + bytes;
            extra.charged = bytes;
            if extra.is_idle() {
                connection.extra = None;
            }
        }
        self.rearm(slot, limits);
    }

    fn set_life(&mut self, slot: Slot, life: Life) {
        let connection = &mut self.connections[slot];
        self.counts.change(connection.phase(), life.phase());
        connection.life = life;
    }

    /// Something came from a peer. Of one that has nothing to say, it shows nothing.
    pub(super) fn on_received(&mut self, slot: Slot, now: Tick) {
        let connection = &mut self.connections[slot];
        if connection.flags.has(Flag::Sse) && connection.is_open() {
            return;
        }
        connection.last_byte = now;
        connection.life.on_received();
    }

    /// A connection becomes a WebSocket.
    pub(super) fn open(&mut self, slot: Slot, now: Tick) {
        self.set_life(slot, Life::Open(Wait::Nothing));
        self.connections[slot].active = now;
    }

    /// Its socket took less than was offered, and its seat is blocked.
    pub(super) fn on_blocked(&mut self, slot: Slot, now: Tick) {
        self.connections[slot].life.on_blocked(now);
    }

    /// Its socket is writable again. That is progress: a timer that is due in this very turn sees it.
    pub(super) fn on_writable(&mut self, slot: Slot, now: Tick) {
        let connection = &mut self.connections[slot];
        if connection.seat.is_blocked() {
            connection.seat.set_blocked(false);
            connection.life.on_writable(now);
            self.queue_output(slot);
        }
    }

    /// An open WebSocket begins to close.
    pub(super) fn begin_close(&mut self, slot: Slot, close: Close, peer: Peer, now: Tick) {
        debug_assert!(self.connections[slot].is_open());
        let began = now.into();
        self.set_life(slot, Life::Closing { began, peer });
        let extra = self.connections[slot].extra();
        extra.close = Some(close);
        if peer != Peer::Talking {
            extra.session = None;
            extra.kept = Vec::new();
        }
        (extra.gather, extra.inflating, extra.poll) = (Default::default(), None, None);
    }

    /// What the peer says has no meaning any more, or nothing comes of it.
    pub(super) fn set_peer(&mut self, slot: Slot, to: Peer) {
        if let Life::Closing { peer, .. } = &mut self.connections[slot].life {
            *peer = to;
        }
    }

    /// The stream has ended of a peer that is sent a response, or of a connection that closes.
    pub(super) fn end(&mut self, slot: Slot) {
        match &mut self.connections[slot].life {
            Life::Body { is_ended, .. } | Life::Respond { is_ended, .. } => *is_ended = true,
            Life::Closing { peer, .. } => *peer = Peer::Ended,
            _ => {}
        }
    }

    /// A closing connection was sent all that it was owed: its close frame follows, or the last words of a stream of
    /// events. False if that was sent, too.
    pub(super) fn push_close_frame(&mut self, slot: Slot) -> bool {
        let is_sse = self.connections[slot].flags.has(Flag::Sse);
        let extra = self.connections[slot].extra();
        let payload = extra.close.as_mut().and_then(|close| close.payload.take());
        let Some(payload) = payload else {
            extra.close = None;
            return false;
        };
        match is_sse {
            true => extra.outbox.push(&payload),
            false => extra.outbox.push_control(OpCode::Close, &payload),
        }
        self.queue_output(slot);
        true
    }

    /// Our close frame has left. True if the peer's is yet to come, which is waited for.
    pub(super) fn await_close(&mut self, slot: Slot) -> bool {
        let Life::Closing { began, peer } = self.connections[slot].life else {
            return false;
        };
        let awaits = peer == Peer::Talking;
        if awaits {
            self.set_life(slot, Life::AwaitClose { began });
        }
        awaits
    }

    /// All that we had to say is said: our side is shut, and what still comes is discarded.
    pub(super) fn linger(&mut self, slot: Slot, limits: &Limits, now: Tick) {
        self.set_life(slot, Life::Linger { shut: now.into() });
        let extra = self.connections[slot].extra();
        (extra.session, extra.kept) = (None, Vec::new());
        self.push_action(slot, Action::ShutdownWrite);
        // It may have been waiting, unread, for this.
        self.resume(slot);
        self.rearm(slot, limits);
    }

    /// Bytes that have no meaning any more. False if the peer goes on and on.
    pub(super) fn discard(&mut self, slot: Slot, bytes: usize) -> bool {
        let discarded = &mut self.connections[slot].extra().discarded;
        *discarded = discarded.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        *discarded <= LINGER_BYTES_MAX
    }

    /// A connection is gone, which is no member of a topic any more. Its slot stays taken until the end of
    /// the turn.
    pub(super) fn close(&mut self, slot: Slot) {
        self.timers.disarm(&mut self.connections, slot);
        if let Some(extra) = self.connections[slot].extra.take() {
            self.private_bytes -= extra.charged;
        }
        self.set_life(slot, Life::Closed);
        self.push_action(slot, Action::Close);
        self.closed.push(slot);
    }
}

impl Index<Slot> for Peers {
    type Output = Connection;
    #[inline]
    fn index(&self, slot: Slot) -> &Connection {
        &self.connections[slot]
    }
}

impl IndexMut<Slot> for Peers {
    #[inline]
    fn index_mut(&mut self, slot: Slot) -> &mut Connection {
        &mut self.connections[slot]
    }
}

impl Seats for Peers {
    #[inline]
    fn seat(&self, slot: Slot) -> &Seat {
        &self.connections[slot].seat
    }

    #[inline]
    fn seat_mut(&mut self, slot: Slot) -> &mut Seat {
        &mut self.connections[slot].seat
    }

    #[inline]
    fn excluded(&self, slot: Slot) -> Option<u64> {
        self.connections[slot].excluded()
    }
}
