//! One connection: a slab entry of one cache line, which at rest owns no heap.

use super::flags::FlagSet;
use super::inflating::Inflating;
use super::life::{Life, Phase, Wait};
use super::outbox::Outbox;
use super::post::Post;
use super::responses::Pending;
use crate::log::Position;
use crate::proto::{Gather, HeadScanner, Session};
use crate::relay::seat::Seat;
use crate::wheel::{Tick, TimerLink};

/// A connection. The fields are those that a delivery touches; the rest is in [`Extra`].
#[derive(Debug)]
pub(in crate::relay) struct Connection {
    /// Its timer: armed for its earliest deadline or before it, never after.
    pub(super) link: TimerLink,
    /// When the peer's last byte came.
    pub(in crate::relay) last_byte: Tick,
    /// When a message, or a part of one, last went either way.
    pub(in crate::relay) active: Tick,
    pub(in crate::relay) generation: u64,
    /// What it reads, and how far it is.
    pub(in crate::relay) seat: Seat,
    pub(in crate::relay) extra: Option<Box<Extra>>,
    /// Changed by [`Peers`](super::Peers) alone, which counts connections by phase.
    pub(super) life: Life,
    pub(in crate::relay) flags: FlagSet,
}

/// What only some connections need, and only for a while: each of them in some parts of its life.
#[derive(Debug, Default)]
pub(in crate::relay) struct Extra {
    /// In `FirstHead` and `NextHead`: the beginning of a request head, or of what a proxy says before it.
    pub(in crate::relay) head: Vec<u8>,
    /// Bytes to be taken in later: what came behind a request before that was answered, or while its
    /// topic was full.
    pub(in crate::relay) kept: Vec<u8>,
    pub(in crate::relay) scanner: HeadScanner,
    /// In `Body`.
    pub(in crate::relay) post: Option<Box<Post>>,
    /// In `Respond`, once it is known.
    pub(in crate::relay) response: Option<Pending>,
    /// From `Open` to `AwaitClose`: the peer's state in the middle of a frame or of a message.
    pub(in crate::relay) session: Option<Session>,
    /// In `Open`: the beginning of a message.
    pub(in crate::relay) gather: Gather,
    /// In `Open`: a message that came whole, and takes more than a turn to inflate.
    pub(in crate::relay) inflating: Option<Box<Inflating>>,
    pub(in crate::relay) outbox: Outbox,
    /// In `Closing`.
    pub(in crate::relay) close: Option<Close>,
    /// In `Open`: a stream of events that ends once there was something to say.
    pub(in crate::relay) poll: Option<Poll>,
    /// In `Linger`: bytes read since.
    pub(super) discarded: u32,
    /// What of this is counted among all connections' `private_bytes`.
    pub(super) charged: usize,
}

/// What ends a stream of events that is a poll.
#[derive(Clone, Copy, Debug)]
pub(in crate::relay) struct Poll {
    /// It has had news once it has moved on from there.
    pub(in crate::relay) from: Position,
    /// It does not wait for longer.
    pub(in crate::relay) until: Tick,
}

/// A close that waits for what the connection was owed.
#[derive(Debug)]
pub(in crate::relay) struct Close {
    /// The close frame's payload, or the last words of a stream of events; `None` once it is in the outbox, or if there
    /// are no such words.
    pub(in crate::relay) payload: Option<Vec<u8>>,
}

impl Connection {
    pub(in crate::relay) fn new(generation: u64, now: Tick) -> Self {
        Connection {
            link: TimerLink::default(),
            last_byte: now,
            active: now,
            generation,
            seat: Seat::empty(),
            extra: None,
            life: Life::FirstHead {
                accepted: now.into(),
            },
            flags: FlagSet::default(),
        }
    }

    pub(in crate::relay) fn life(&self) -> Life {
        self.life
    }

    #[inline]
    pub(in crate::relay) fn phase(&self) -> Phase {
        self.life.phase()
    }

    /// It is a WebSocket that has not begun to close.
    #[inline]
    pub(in crate::relay) fn is_open(&self) -> bool {
        matches!(self.life, Life::Open(_))
    }

    #[inline]
    pub(in crate::relay) fn is_closed(&self) -> bool {
        matches!(self.life, Life::Closed)
    }

    /// A ping was sent to it, or has left whole only now.
    pub(in crate::relay) fn on_asked(&mut self, now: Tick) {
        self.life.on_asked(now);
    }

    pub(in crate::relay) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Some of what it said was kept, to be taken in later.
    pub(in crate::relay) fn has_kept(&self) -> bool {
        self.extra
            .as_deref()
            .is_some_and(|extra| extra.inflating.is_some() || !extra.kept.is_empty())
    }

    /// The origin whose messages its log passes over: its own, if it does not want them back.
    #[inline]
    pub(in crate::relay) fn excluded(&self) -> Option<u64> {
        (!self.seat.echo()).then_some(self.generation)
    }

    /// The request that publishes, whose body is on its way or waits.
    pub(in crate::relay) fn post(&self) -> Option<&Post> {
        self.extra.as_deref()?.post.as_deref()
    }

    /// What ends it, if it is a poll.
    pub(in crate::relay) fn poll(&self) -> Option<Poll> {
        self.extra.as_deref()?.poll
    }

    pub(in crate::relay) fn outbox(&self) -> Option<&Outbox> {
        self.extra
            .as_deref()
            .map(|extra| &extra.outbox)
            .filter(|outbox| !outbox.is_empty())
    }
}

impl Connection {
    /// What is true of it in each part of its life.
    pub(super) fn check(&self) {
        let phase = self.phase();
        let is_one_of = |phases: &[Phase]| phases.contains(&phase);
        debug_assert!(!self.seat.is_member() || is_one_of(&[Phase::Open, Phase::Closing]));
        if let Life::Open(wait) = self.life {
            let waits_for_socket = matches!(wait, Wait::Writable { .. });
            debug_assert_eq!(self.seat.is_blocked(), waits_for_socket);
            debug_assert!(self.seat.is_member());
        }
        let Some(extra) = self.extra.as_deref() else {
            return;
        };
        debug_assert!(!self.is_closed());
        debug_assert_eq!(extra.post.is_some(), is_one_of(&[Phase::Body]));
        debug_assert!(extra.response.is_none() || is_one_of(&[Phase::Respond]));
        debug_assert!(extra.poll.is_none() || is_one_of(&[Phase::Open]));
        debug_assert!(extra.inflating.is_none() || is_one_of(&[Phase::Open]));
        debug_assert!(extra.gather.bytes() == 0 || is_one_of(&[Phase::Open]));
        debug_assert_eq!(extra.close.is_some(), is_one_of(&[Phase::Closing]));
        debug_assert!(extra.discarded == 0 || is_one_of(&[Phase::Linger]));
        let has_frames = is_one_of(&[Phase::Open, Phase::Closing, Phase::AwaitClose]);
        debug_assert!(extra.session.is_none() || has_frames);
    }
}

impl Extra {
    /// Heap that this takes.
    pub(in crate::relay) fn bytes(&self) -> usize {
        let inflating = self.inflating.as_ref().map_or(0, |it| it.heap_bytes());
        let post = self.post.as_ref().map_or(0, |it| it.heap_bytes());
        self.head.capacity()
            + post
            + self.kept.capacity()
            + self.gather.heap_bytes()
            + inflating
            + self.outbox.capacity()
    }

    /// Nothing in it is needed any more.
    pub(in crate::relay) fn is_idle(&self) -> bool {
        self.bytes() == 0
            && self.session.is_none()
            && self.response.is_none()
            && self.close.is_none()
            && self.poll.is_none()
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
