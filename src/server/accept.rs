//! Accepting, and when not to: while the process has no descriptor left, connections wait in the backlog
//! until one closes. It never spins, and it never ends the process.

use super::table::{self, Table};
use crate::relay::{ConnId, Relay, Side};
use crate::sys::accept::{AcceptOutcome, accept};
use crate::sys::listen::Listener;
use crate::sys::socket::Stream;
use crate::wheel::Tick;
use mio::{Interest, Registry, Token};
use std::io;

/// Connections that a turn accepts, so that many new ones don't keep the others waiting.
const ACCEPTS_PER_TURN: usize = 256;

/// When the system as a whole is exhausted, the end of that need not show in a socket of ours that closes;
/// so accepting is tried again after a second.
const RETRY_TICKS: u32 = 10;

/// Connections in a row that were gone before they were accepted. When very many come, some are; but a
/// permanent error, such as that of a security policy that forbids accepting, would keep the loop busy for
/// ever.
const GONE_MAX: usize = 64;

/// The pause after this many: short, since connections that are still there wait for it too. 640 tries a
/// second cost nothing.
const GONE_RETRY_TICKS: u32 = 1;

/// How often that is logged: once a minute. Otherwise clients that come and go would set the pace.
const WARN_TICKS: u32 = 600;

/// The tokens of the listeners lie just below the highest, which are the signals' and the waker's.
const FIRST_TOKEN: usize = usize::MAX - 2;

/// The listeners, and whether they may be accepted from.
#[derive(Debug)]
pub(super) struct Acceptor {
    /// The operator's first: they are served however many connections come by the public ones, and stay when
    /// those are closed.
    listeners: Vec<Listening>,
    /// Sockets that may be open before clients have to wait. The operator does not have to: descriptors are
    /// set aside for those few connections.
    sockets_max: usize,
    /// As many are open.
    is_full: bool,
    /// Connections in a row that were gone.
    gone: usize,
    /// When to try again, after the system had no descriptor or memory left, or nothing but errors.
    exhausted_until: Option<Tick>,
    /// Before this time it is not logged again.
    silent_until: Option<Tick>,
}

#[derive(Debug)]
struct Listening {
    listener: Listener,
    side: Side,
    /// Only this machine reaches it.
    is_loopback: bool,
    /// There may be connections in its backlog.
    ready: bool,
}

impl Acceptor {
    pub(super) fn new(
        public: Vec<Listener>,
        admin: Vec<Listener>,
        registry: &Registry,
        sockets_max: usize,
    ) -> io::Result<Self> {
        let listening = |side| {
            move |listener: Listener| {
                Ok(Listening {
                    is_loopback: listener.local_address()?.is_loopback(),
                    listener,
                    side,
                    ready: false,
                })
            }
        };
        let admin = admin.into_iter().map(listening(Side::Admin));
        let public = public.into_iter().map(listening(Side::Public));
        let mut listeners: Vec<Listening> = admin.chain(public).collect::<io::Result<_>>()?;
        for (index, listening) in listeners.iter_mut().enumerate() {
            let token = Token(FIRST_TOKEN - index);
            registry.register(&mut listening.listener, token, Interest::READABLE)?;
        }
        Ok(Acceptor {
            listeners,
            sockets_max,
            is_full: false,
            gone: 0,
            exhausted_until: None,
            silent_until: None,
        })
    }

    /// Changes how many sockets may be open at a time. Sockets that are open stay so.
    pub(super) fn set_sockets_max(&mut self, sockets_max: usize) {
        self.sockets_max = sockets_max;
        self.is_full = false;
    }

    /// Notes that a listener is ready; false if the event is of another kind of socket.
    pub(super) fn on_event(&mut self, token: Token) -> bool {
        let listening = FIRST_TOKEN
            .checked_sub(token.0)
            .and_then(|index| self.listeners.get_mut(index));
        let Some(listening) = listening else {
            return false;
        };
        listening.ready = true;
        true
    }

    /// A socket was closed: another one may be opened.
    pub(super) fn on_closed(&mut self) {
        self.is_full = false;
        self.exhausted_until = None;
    }

    /// There are connections to accept, and nothing stands against it.
    pub(super) fn has_work(&self) -> bool {
        let may_accept = |listening: &Listening| listening.side == Side::Admin || !self.is_full;
        let mut listeners = self.listeners.iter();
        self.exhausted_until.is_none()
            && listeners.any(|listening| listening.ready && may_accept(listening))
    }

    /// When to try again, though no connection has closed.
    pub(super) fn retry_at(&self) -> Option<Tick> {
        self.exhausted_until
    }

    /// Accepts waiting connections, as many as a turn may.
    pub(super) fn accept(
        &mut self,
        now: Tick,
        relay: &mut Relay,
        table: &mut Table,
        registry: &Registry,
    ) {
        self.exhausted_until = self.exhausted_until.filter(|&until| now < until);
        let mut budget = ACCEPTS_PER_TURN;
        for index in 0..self.listeners.len() {
            while budget > 0 && self.exhausted_until.is_none() && self.listeners[index].ready {
                let Listening {
                    listener,
                    side,
                    is_loopback,
                    ..
                } = &self.listeners[index];
                if *side == Side::Public {
                    self.is_full = table.len() >= self.sockets_max;
                    if self.is_full {
                        return;
                    }
                }
                budget -= 1;
                match accept(listener) {
                    AcceptOutcome::Connection(stream, peer) => {
                        self.gone = 0;
                        let id = relay.handle_accept(*side, peer.into());
                        if *is_loopback {
                            relay.handle_loopback(id);
                        }
                        if let Err(error) = take_in(stream, id, relay, table, registry) {
                            self.on_exhausted(now, &error);
                        }
                    }
                    AcceptOutcome::Empty => self.listeners[index].ready = false,
                    AcceptOutcome::Gone(error) => self.on_gone(now, &error),
                    AcceptOutcome::Exhausted(error) => self.on_exhausted(now, &error),
                }
            }
        }
    }

    /// Stops listening for clients: the system refuses new ones. The operator's listeners stay.
    pub(super) fn close(&mut self, registry: &Registry) {
        let is_admin = |listening: &&Listening| listening.side == Side::Admin;
        let admins = self.listeners.iter().filter(is_admin).count();
        for mut listening in self.listeners.drain(admins..) {
            // The descriptor is about to be closed, which takes it out of the poller too.
            let _ = registry.deregister(&mut listening.listener);
        }
    }

    /// A connection was gone, says the system. If it says so again and again, something else is wrong.
    fn on_gone(&mut self, now: Tick, error: &io::Error) {
        self.gone += 1;
        if self.gone >= GONE_MAX {
            self.gone = 0;
            self.pause(now, GONE_RETRY_TICKS, "for a moment", error);
        }
    }

    fn on_exhausted(&mut self, now: Tick, error: &io::Error) {
        self.pause(now, RETRY_TICKS, "until a connection closes", error);
    }

    fn pause(&mut self, now: Tick, ticks: u32, until: &str, error: &io::Error) {
        if self.silent_until.is_none_or(|until| until <= now) {
            log::warn!("accepting pauses {until}: {error}");
            self.silent_until = Some(now.after(WARN_TICKS));
        }
        self.exhausted_until = Some(now.after(ticks));
    }
}

fn take_in(
    mut stream: Stream,
    id: ConnId,
    relay: &mut Relay,
    table: &mut Table,
    registry: &Registry,
) -> io::Result<()> {
    let interest = Interest::READABLE | Interest::WRITABLE;
    let registered = registry.register(&mut stream, table::token(id), interest);
    table.insert(id, stream);
    if registered.is_err() {
        relay.handle_reset(id);
    }
    registered
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::Poll;

    #[test]
    fn after_many_errors_accepting_pauses() {
        let poll = Poll::new().unwrap();
        let mut acceptor = Acceptor::new(Vec::new(), Vec::new(), poll.registry(), 1).unwrap();
        let error = io::Error::from(io::ErrorKind::PermissionDenied);
        for _ in 1..GONE_MAX {
            acceptor.on_gone(Tick(7), &error);
        }
        assert_eq!(acceptor.retry_at(), None);
        acceptor.on_gone(Tick(7), &error);
        assert_eq!(acceptor.retry_at(), Some(Tick(8)));
        acceptor.on_closed();
        acceptor.on_gone(Tick(8), &error);
        assert_eq!(acceptor.retry_at(), None);
    }
}
