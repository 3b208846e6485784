//! One connection: a slab entry of one cache line, which at rest owns no heap.

use super::compression::Inflating;
use super::flags::Flags;
use super::outbox::Outbox;
use super::responses::Pending;
use super::seat::Seat;
use crate::proto::{Gather, HeadScanner, Session};
use crate::wheel::{Tick, TimerLink};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A request head is on its way, the first or, after a response, the next.
    Head,
    /// A response is leaving.
    Respond,
    /// A WebSocket, member of a topic.
    Open,
    /// It will be closed once it has what it was owed; then our close frame leaves.
    Closing,
    /// Our close frame has left, the peer's has not come.
    AwaitClose,
    /// Our side is shut; what still comes is discarded.
    Linger,
    /// Gone; the slot stays taken until the end of the turn.
    Closed,
}

/// What may still come from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Anything.
    Talking,
    /// Nothing that matters: its close frame came.
    Done,
    /// Nothing that has a meaning: it broke a rule.
    Failed,
    /// Nothing at all: its stream has ended.
    Ended,
}

/// A connection. The fields are those that a delivery touches; the rest is in [`Extra`].
#[derive(Debug)]
pub(super) struct Connection {
    /// Its timer: armed for its earliest deadline or before it, never after.
    pub(super) link: TimerLink,
    /// When the peer's last byte came.
    pub(super) heard: Tick,
    /// When the wait began that the phase's timer measures.
    pub(super) since: Tick,
    /// When a message, or a part of one, last went either way.
    pub(super) active: Tick,
    pub(super) generation: u64,
    /// What it reads, and how far it is.
    pub(super) seat: Seat,
    pub(super) extra: Option<Box<Extra>>,
    pub(super) phase: Phase,
    pub(super) flags: Flags,
    pub(super) peer: Peer,
}

/// What only some connections need, and only for a while.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// The beginning of a request head, or of what a proxy says before it.
    pub(super) head: Vec<u8>,
    /// Bytes to be taken in later: what came behind a request before that was answered, or while its
    /// topic had no room.
    pub(super) kept: Vec<u8>,
    pub(super) scanner: HeadScanner,
    pub(super) response: Option<Pending>,
    /// The peer's state in the middle of a frame or of a message.
    pub(super) session: Option<Session>,
    pub(super) gather: Gather,
    /// A message that came whole, and takes more than a turn to inflate.
    pub(super) inflating: Option<Box<Inflating>>,
    pub(super) outbox: Outbox,
    pub(super) close: Option<Close>,
    /// Bytes read while lingering.
    pub(super) discarded: u32,
    /// What of this is counted in the relay's `private_bytes`.
    pub(super) charged: usize,
}

/// A close that waits for what the connection was owed.
#[derive(Debug)]
pub(super) struct Close {
    /// The close frame's payload; `None` once it is in the outbox.
    pub(super) payload: Option<Vec<u8>>,
}

impl Connection {
    pub(super) fn new(generation: u64, now: Tick) -> Self {
        Connection {
            link: TimerLink::default(),
            heard: now,
            since: now,
            active: now,
            generation,
            seat: Seat::empty(),
            extra: None,
            phase: Phase::Head,
            flags: Flags::default(),
            peer: Peer::Talking,
        }
    }

    pub(super) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Some of what it said was kept, to be taken in later.
    pub(super) fn has_kept(&self) -> bool {
        self.extra
            .as_deref()
            .is_some_and(|extra| extra.inflating.is_some() || !extra.kept.is_empty())
    }

    pub(super) fn outbox(&self) -> Option<&Outbox> {
        self.extra
            .as_deref()
            .map(|extra| &extra.outbox)
            .filter(|outbox| !outbox.is_empty())
    }
}

impl Extra {
    /// Heap that this takes.
    pub(super) fn bytes(&self) -> usize {
        let inflating = self.inflating.as_ref().map_or(0, |it| it.heap_bytes());
        self.head.capacity()
            + self.kept.capacity()
            + self.gather.heap_bytes()
            + inflating
            + self.outbox.capacity()
    }

    /// Nothing in it is needed any more.
    pub(super) fn is_idle(&self) -> bool {
        self.bytes() == 0
            && self.session.is_none()
            && self.response.is_none()
            && self.close.is_none()
            && self.discarded == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_one_cache_line() {
        assert_eq!(size_of::<Connection>(), 64);
    }
}
