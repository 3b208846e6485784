//! A connection's life: what it is doing, and since when. Each deadline has one name here.
//!
//! ```text
//!                     a request                       it opens a WebSocket
//!   FirstHead ──┬──► Body ──────────► Respond     ──────────────────────────────► Open
//!   NextHead  ◄─┘◄──────────────────┘   │                                           │ its end is decided
//!                response left          │                                           ▼
//!                                       │            ┌──────────────────────── Closing
//!                                       │            │  peer's close frame came    │ our close frame left
//!                         not kept alive│            ▼                             ▼
//!                                       └────────► Linger ◄────────────────── AwaitClose
//!                                                            peer's close frame
//! ```
//!
//! From each of them it can be `Closed` at once.

use crate::relay::limits::{LINGER_TICKS, Limits};
use crate::wheel::Tick;

/// What a connection is doing. What else is true of it then, [`Connection`](super::Connection) says.
#[derive(Clone, Copy, Debug)]
pub(in crate::relay) enum Life {
    /// The first request's head is on its way.
    FirstHead { accepted: Moment },
    /// A response has left, and the next request's head is on its way.
    NextHead { answered: Moment, is_ended: bool },
    /// The body of a request that publishes is on its way; or what came of it waits until its topic has space, or for
    /// its place in an order that is made elsewhere.
    Body { since: Moment, is_ended: bool },
    /// A response is leaving, or being prepared. `progress` is when its socket last took some of it, had
    /// space for more, or was asked whether it has.
    Respond { progress: Moment, is_ended: bool },
    /// A WebSocket, member of a topic.
    Open(Wait),
    /// It will be closed once it has what it was owed; then our close frame leaves.
    Closing { began: Moment, peer: Peer },
    /// Our close frame has left, the peer's has not come.
    AwaitClose { began: Moment },
    /// Our side is shut; what still comes is discarded.
    Linger { shut: Moment },
    /// Gone; the slot stays taken until the end of the turn.
    Closed,
}

/// What an open WebSocket has to show for it to be taken as alive.
#[derive(Clone, Copy, Debug)]
pub(in crate::relay) enum Wait {
    /// Nothing yet: it is asked once it has been silent for too long.
    Nothing,
    /// A sign of life, since a ping has left.
    Pong { asked: Moment },
    /// That its socket, which is full since then, is writable; and after that, maybe, a sign of life.
    Writable { blocked: Moment, then_pong: bool },
}

/// What may still come from the peer of a connection that closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) enum Peer {
    /// Anything.
    Talking,
    /// Nothing that matters: its close frame came.
    Done,
    /// Nothing that has a meaning: it broke a rule.
    Failed,
    /// Nothing at all: its stream has ended.
    Ended,
}

/// The part of life that a connection is in, without what is known of it: as they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) enum Phase {
    /// A request head is on its way.
    Head,
    Body,
    Respond,
    Open,
    Closing,
    AwaitClose,
    Linger,
    Closed,
}

/// A tick, packed: so that a life takes 6 bytes and not 8, and a connection has bytes for flags beside it.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed)]
pub(in crate::relay) struct Moment(Tick);

impl From<Tick> for Moment {
    fn from(tick: Tick) -> Self {
        Moment(tick)
    }
}

impl Moment {
    fn after(self, ticks: u32) -> Tick {
        let tick = self.0;
        tick.after(ticks)
    }
}

impl Life {
    #[inline]
    pub(in crate::relay) fn phase(self) -> Phase {
        match self {
            Life::FirstHead { .. } | Life::NextHead { .. } => Phase::Head,
            Life::Body { .. } => Phase::Body,
            Life::Respond { .. } => Phase::Respond,
            Life::Open(_) => Phase::Open,
            Life::Closing { .. } => Phase::Closing,
            Life::AwaitClose { .. } => Phase::AwaitClose,
            Life::Linger { .. } => Phase::Linger,
            Life::Closed => Phase::Closed,
        }
    }

    /// The peer's stream has ended: it says nothing more, but may still read.
    pub(in crate::relay) fn is_ended(self) -> bool {
        match self {
            Life::NextHead { is_ended, .. }
            | Life::Body { is_ended, .. }
            | Life::Respond { is_ended, .. } => is_ended,
            Life::Closing { peer, .. } => peer == Peer::Ended,
            _ => false,
        }
    }

    /// What may still come, of a connection that closes.
    pub(in crate::relay) fn peer(self) -> Option<Peer> {
        match self {
            Life::Closing { peer, .. } => Some(peer),
            _ => None,
        }
    }

    /// The socket took less than was offered.
    pub(super) fn on_blocked(&mut self, now: Tick) {
        match self {
            Life::Respond { progress, .. } => *progress = now.into(),
            Life::Open(wait) => {
                let then_pong = match *wait {
                    Wait::Nothing => false,
                    Wait::Pong { .. } => true,
                    Wait::Writable { then_pong, .. } => then_pong,
                };
                let blocked = now.into();
                *wait = Wait::Writable { blocked, then_pong };
            }
            _ => {}
        }
    }

    /// The socket is writable again, or is asked whether it is.
    pub(super) fn on_writable(&mut self, now: Tick) {
        match self {
            Life::Respond { progress, .. } => *progress = now.into(),
            Life::Open(wait) => {
                *wait = match *wait {
                    Wait::Nothing
                    | Wait::Writable {
                        then_pong: false, ..
                    } => Wait::Nothing,
                    Wait::Pong { .. } | Wait::Writable { .. } => Wait::Pong { asked: now.into() },
                }
            }
            _ => {}
        }
    }

    /// The peer is asked for a sign of life; or the question, which had to wait, has left only now.
    pub(super) fn on_asked(&mut self, now: Tick) {
        if let Life::Open(wait) = self {
            *wait = Wait::Pong { asked: now.into() };
        }
    }

    /// Whether a sign of life was asked for and has not come.
    pub(in crate::relay) fn awaits_pong(self) -> bool {
        matches!(self, Life::Open(Wait::Pong { .. }))
    }

    /// Something came from the peer.
    #[inline]
    pub(super) fn on_received(&mut self) {
        match self {
            Life::Open(wait @ Wait::Pong { .. }) => *wait = Wait::Nothing,
            Life::Open(Wait::Writable { then_pong, .. }) => *then_pong = false,
            _ => {}
        }
    }

    /// When the time is up for a connection, whose last byte came at `last_byte` and whose last message went
    /// either way at `active`. `silence` are the ticks until it is asked for a sign of life.
    pub(super) fn deadline(
        self,
        limits: &Limits,
        last_byte: Tick,
        active: Tick,
        silence: u32,
    ) -> Tick {
        match self {
            Life::FirstHead { accepted } => accepted.after(limits.handshake_timeout),
            Life::NextHead { answered, .. } => answered.after(limits.keep_alive_timeout),
            Life::Body { since, .. } => since.after(limits.body_timeout),
            Life::Respond { progress, .. } => progress.after(limits.stalled_write_timeout),
            Life::Open(wait) => {
                let alive = match wait {
                    Wait::Nothing => last_byte.after(silence),
                    Wait::Pong { asked } => asked.after(limits.pong_timeout),
                    Wait::Writable { blocked, .. } => blocked.after(limits.stalled_write_timeout),
                };
                let idle = limits.idle_timeout.map(|idle| active.after(idle));
                idle.map_or(alive, |idle| idle.min(alive))
            }
            Life::Closing { began, .. } | Life::AwaitClose { began } => {
                began.after(limits.close_timeout)
            }
            Life::Linger { shut } => shut.after(LINGER_TICKS),
            Life::Closed => Tick(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_takes_six_bytes() {
        assert_eq!((size_of::<Life>(), align_of::<Life>()), (6, 1));
    }

    #[test]
    fn what_an_open_one_waits_for() {
        let mut life = Life::Open(Wait::Nothing);
        life.on_asked(Tick(1));
        life.on_blocked(Tick(2));
        assert!(matches!(
            life,
            Life::Open(Wait::Writable {
                then_pong: true,
                ..
            })
        ));
        assert!(!life.awaits_pong());
        // A ping that could not be read is asked anew once there is space for the answer.
        life.on_writable(Tick(3));
        assert!(life.awaits_pong());
        life.on_received();
        assert!(matches!(life, Life::Open(Wait::Nothing)));
        life.on_blocked(Tick(4));
        life.on_writable(Tick(5));
        assert!(matches!(life, Life::Open(Wait::Nothing)));
        life.on_asked(Tick(6));
        life.on_blocked(Tick(7));
        life.on_received();
        life.on_writable(Tick(8));
        assert!(matches!(life, Life::Open(Wait::Nothing)));
    }
}
