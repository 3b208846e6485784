//! The loop: one thread, one poller, and between them and the [`Relay`] nothing but calls.
//!
//! One turn: poll → read the clock once → accept → read → timers → flush → close. Each part is
//! bounded, so that nobody keeps the others waiting.
//!
//! Readiness is edge-like: an event says that something changed, once. Interest in reading and
//! writing is registered once, when a connection is accepted; whoever stops reading before the
//! socket is empty is kept on the `ready` list, or would sleep for ever. A read that fills less
//! than the buffer has emptied the socket, unless the event said that the peer's stream has ended:
//! data and end that came together raise one event, so then reading goes on to the end.

mod accept;
mod bind;
mod table;

pub use bind::StartError;

use crate::config::Config;
use crate::http::Site;
use crate::relay::{Action, ConnId, Counters, Limits, Reading, Relay};
use crate::sys::clock::{Clock, ticks};
use crate::sys::socket::{self, ReadOutcome};
use crate::wheel::Tick;
use accept::Acceptor;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use table::Table;

/// Bytes that one read may bring: a connection is read once a turn.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Bytes that a turn takes in before it goes on to writing.
const TURN_BYTES_MAX: usize = 1024 * 1024;
/// Events that one poll brings; what is more comes with the next.
const EVENTS_MAX: usize = 1024;

const SIGNAL: Token = Token(usize::MAX);

/// A relay and its sockets.
pub struct Server {
    relay: Relay,
    clock: Clock,
    poll: Poll,
    signals: Signals,
    acceptor: Acceptor,
    addresses: Vec<SocketAddr>,
    table: Table,
    /// Connections that have, or may have, something to read.
    ready: VecDeque<ConnId>,
    shutdown_timeout: u32,
    /// When the loop ends at the latest, once it was told to.
    ends: Option<Tick>,
}

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everybody was closed, or had their time.
    Cleanly,
    /// A second signal said not to wait.
    AtOnce,
}

impl Server {
    /// Listens on the addresses of a configuration. Nobody is accepted before
    /// [`run`](Server::run).
    pub fn bind(config: &Config, limits: Limits, sockets_max: usize) -> Result<Self, StartError> {
        let send_buffer_bytes = config.send_buffer_bytes.as_usize();
        let mut listeners = Vec::new();
        for address in &config.listen {
            listeners.extend(bind::open(address, send_buffer_bytes)?);
        }
        let addresses = listeners
            .iter()
            .map(TcpListener::local_addr)
            .collect::<io::Result<_>>()?;
        let poll = Poll::new()?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        poll.registry()
            .register(&mut signals, SIGNAL, Interest::READABLE)?;
        let acceptor = Acceptor::new(listeners, poll.registry(), sockets_max)?;
        let clock = Clock::start();
        Ok(Server {
            relay: Relay::new(limits, Site::embedded(), clock.tick()),
            clock,
            poll,
            signals,
            acceptor,
            addresses,
            table: Table::default(),
            ready: VecDeque::new(),
            shutdown_timeout: ticks(config.shutdown_timeout()),
            ends: None,
        })
    }

    /// Where it listens: with port 0, the port that was found.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Runs until a signal ends it.
    pub fn run(&mut self) -> io::Result<Ended> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut buffer = vec![0; READ_BYTES_MAX];
        loop {
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let now = self.clock.tick();
            self.relay.begin_turn(now);
            let mut is_signalled = false;
            for event in &events {
                match event.token() {
                    SIGNAL => is_signalled = true,
                    token if self.acceptor.on_event(token) => {}
                    token => self.on_event(table::id(token), event),
                }
            }
            if is_signalled && self.on_signals(now) {
                return Ok(Ended::AtOnce);
            }
            self.acceptor
                .accept(now, &mut self.relay, &mut self.table, self.poll.registry());
            self.read(&mut buffer);
            self.relay.handle_timers();
            self.flush();
            self.act();
            self.relay.end_turn();
            let is_over = self.ends.is_some_and(|ends| ends <= now);
            if is_over || (self.ends.is_some() && self.relay.connections() == 0) {
                return Ok(Ended::Cleanly);
            }
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        self.relay.counters()
    }

    /// How long the poll may sleep.
    fn timeout(&self) -> Option<Duration> {
        if self.relay.has_work() || !self.ready.is_empty() || self.acceptor.has_work() {
            return Some(Duration::ZERO);
        }
        let due = [
            self.relay.poll_timeout(),
            self.acceptor.retry_at(),
            self.ends,
        ];
        let due = due.into_iter().flatten().min()?;
        Some(self.clock.until(due))
    }

    fn on_event(&mut self, id: ConnId, event: &mio::event::Event) {
        let Some(socket) = self.table.get(id) else {
            return;
        };
        if event.is_read_closed() || event.is_error() {
            socket.read_to_end = true;
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.mark_ready(id);
        }
        if event.is_writable() {
            self.relay.handle_writable(id);
        }
    }

    fn mark_ready(&mut self, id: ConnId) {
        if let Some(socket) = self.table.get(id)
            && !socket.ready
        {
            socket.ready = true;
            self.ready.push_back(id);
        }
    }

    /// Begins to shut down at the first signal; true at the second.
    fn on_signals(&mut self, now: Tick) -> bool {
        for _ in self.signals.pending() {
            if self.ends.is_some() {
                return true;
            }
            self.ends = Some(now.after(self.shutdown_timeout));
            self.acceptor.close(self.poll.registry());
            self.relay.handle_shutdown();
        }
        false
    }

    /// Reads once from each connection that is ready, until the turn has taken in enough.
    fn read(&mut self, buffer: &mut [u8]) {
        let mut budget = TURN_BYTES_MAX;
        for _ in 0..self.ready.len() {
            let Some(id) = self.ready.pop_front() else {
                return;
            };
            let bytes_max = match self.relay.reading(id) {
                Reading::Now(bytes_max) => bytes_max.min(buffer.len()),
                Reading::NextTurn => {
                    self.ready.push_back(id);
                    continue;
                }
                Reading::Later => {
                    self.unmark_ready(id);
                    continue;
                }
            };
            let Some(socket) = self.table.get(id) else {
                continue;
            };
            let read_to_end = socket.read_to_end;
            match socket::read(&mut socket.stream, &mut buffer[..bytes_max]) {
                ReadOutcome::Bytes(bytes) => {
                    if bytes == bytes_max || read_to_end {
                        self.ready.push_back(id);
                    } else {
                        socket.ready = false;
                    }
                    self.relay.handle_input(id, &mut buffer[..bytes]);
                    budget = budget.saturating_sub(bytes);
                }
                ReadOutcome::Empty => socket.ready = false,
                ReadOutcome::Ended => {
                    socket.ready = false;
                    self.relay.handle_end(id);
                }
                ReadOutcome::Broken => {
                    socket.ready = false;
                    self.relay.handle_reset(id);
                }
            }
            if budget == 0 {
                return;
            }
        }
    }

    fn unmark_ready(&mut self, id: ConnId) {
        if let Some(socket) = self.table.get(id) {
            socket.ready = false;
        }
    }

    fn flush(&mut self) {
        self.relay.begin_flush();
        while let Some(id) = self.relay.poll_transmit() {
            let Some(socket) = self.table.get(id) else {
                continue;
            };
            let slices = self.relay.transmit(id);
            let offered = slices.iter().map(|slice| slice.len()).sum();
            let written = socket::write(&mut socket.stream, &slices);
            drop(slices);
            match written {
                Some(sent) => self.relay.handle_sent(id, sent, offered),
                None => self.relay.handle_reset(id),
            }
        }
    }

    fn act(&mut self) {
        while let Some((id, action)) = self.relay.poll_action() {
            match action {
                Action::ShutdownWrite => {
                    if let Some(socket) = self.table.get(id) {
                        socket::shutdown_write(&socket.stream);
                    }
                }
                Action::Close => {
                    self.table.remove(id);
                    self.acceptor.on_closed();
                }
            }
        }
        while let Some(id) = self.relay.poll_resume() {
            self.mark_ready(id);
        }
    }
}
