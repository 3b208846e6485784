//! The loop: one thread, one poller, and the [`Relay`], which decides about connections and messages.
//!
//! It polls, reads the clock once, tells the relay what the poll brought, and runs a [`Turn`]. What it decides
//! itself is how many connections to accept, when to stop, and in which order messages of other threads and
//! of hooks are offered.
//!
//! Interest in reading and writing is registered once, when a connection is accepted. Data and end of stream
//! that came together raise one event: then reading goes on to the end, though the socket is drained. The
//! relay's timers don't go by this clock alone: after a pause, what has come is read first.

mod accept;
mod backlog;
mod bind;
mod errors;
mod handle;
mod inbox;
mod log_summary;
mod mail;
mod mailbox;
mod public;
mod receipt;
mod reload;
mod settlement;
mod signals;
mod table;

pub use crate::sys::listen::LocalAddress;
pub use bind::StartError;
pub use errors::{Gone, PublishError, ReceiptError};
pub use handle::Handle;
pub use public::read_site;
pub use receipt::Receipt;

use crate::config::Config;
use crate::metrics::{Histogram, ProcessFigures};
use crate::proxy::PeerAddress;
use crate::relay::{Action, ConnId, Counters, Hooks, Notice, Relay};
use crate::sys::clock::{self, Clock};
use crate::sys::descriptors;
use crate::sys::notify::Notifier;
use crate::sys::process::{self, Process, Stat};
use crate::sys::socket;
use crate::transport::{self, ReadOutcome, WriteOutcome};
use crate::turn::{Driver, Readiness, Shares, Turn};
use crate::wheel::Tick;
use accept::Acceptor;
use inbox::Inbox;
use log_summary::LogSummary;
use mio::{Events, Poll, Token, Waker};
use reload::Reloads;
use signal_hook_mio::v1_0::Signals;
use std::io;
use std::time::Duration;
use table::Table;

/// Events that one poll brings; the rest comes with the next.
const EVENTS_MAX: usize = 1024;

const SIGNAL: Token = Token(usize::MAX);
const WAKE: Token = Token(usize::MAX - 1);

/// A relay and its sockets.
pub struct Server {
    relay: Relay,
    clock: Clock,
    /// The time of this turn.
    now: Tick,
    poll: Poll,
    signals: Option<Signals>,
    notifier: Notifier,
    inbox: Inbox,
    acceptor: Acceptor,
    addresses: Vec<LocalAddress>,
    admin_addresses: Vec<LocalAddress>,
    table: Table,
    /// The settings in force.
    config: Config,
    reloads: Reloads,
    /// When the loop ends at the latest, once it was told to.
    ends: Option<Tick>,
    log_summary: LogSummary,
    process: Process,
    /// How long turns took, in microseconds.
    turn_micros: Histogram<4>,
}

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All connections were closed, or had their time.
    Cleanly,
    /// A second signal said not to wait.
    AtOnce,
}

impl Server {
    /// Listens on the addresses of a configuration. No connection is accepted before
    /// [`run`](Server::run). Reads the folder that is served, and raises the limit of open files.
    pub fn bind(config: &Config) -> Result<Self, StartError> {
        let limits = config.limits()?;
        let site = read_site(config)?;
        let public = bind::open_public(config)?;
        let admin = bind::open_admin(config)?;
        let listeners = public.len() + admin.len();
        let sockets_max = config.sockets_max(descriptors::raise_limit(), listeners)?;
        let (addresses, admin_addresses) = (bind::addresses(&public)?, bind::addresses(&admin)?);
        let (poll, clock) = (Poll::new()?, Clock::start());
        let acceptor = Acceptor::new(public, admin, poll.registry(), sockets_max)?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let inbox = Inbox::new(waker, limits.message_bytes_max);
        let mut relay = Relay::new(limits, site, Clock::tick(clock.elapsed()));
        relay.set_stopwatch(clock::nanoseconds);
        relay.set_wall_clock(clock::time_of_day);
        Ok(Server {
            relay,
            now: Clock::tick(clock.elapsed()),
            clock,
            poll,
            signals: None,
            notifier: Notifier::default(),
            inbox,
            acceptor,
            addresses,
            admin_addresses,
            table: Table::default(),
            config: config.clone(),
            reloads: Reloads::default(),
            ends: None,
            log_summary: LogSummary::default(),
            process: Process::observe(),
            turn_micros: Histogram::default(),
        })
    }

    /// Sets what decides on upgrades, and is told of joins, leaves and messages.
    pub fn set_hooks(&mut self, hooks: impl Hooks + 'static) {
        self.relay.set_hooks(hooks);
        self.inbox.keep_counters();
    }

    /// What reaches this server from other threads, and from hooks.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.inbox.handle()
    }

    /// Where it listens: with port 0, the port that was found.
    #[must_use]
    pub fn addresses(&self) -> &[LocalAddress] {
        &self.addresses
    }

    /// Where the admin listener is, if there is one.
    #[must_use]
    pub fn admin_addresses(&self) -> &[LocalAddress] {
        &self.admin_addresses
    }

    /// Runs until a signal, or a handle, ends it. It does so once: then its listeners are closed, and
    /// another call is an error.
    pub fn run(&mut self) -> io::Result<Ended> {
        self.inbox.start()?;
        Running(self).0.turn_until_end()
    }

    fn turn_until_end(&mut self) -> io::Result<Ended> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut turn = Turn::new(Shares::default());
        self.notifier.ready(&self.status());
        let mut ended = self.clock.elapsed();
        loop {
            let polled = self.poll.poll(&mut events, self.timeout(turn.has_work()));
            let began = self.clock.elapsed();
            let now = Clock::tick(began);
            self.now = now;
            self.notifier.handle_turn(now);
            self.inbox.begin_turn(self.relay.counters());
            self.relay.begin_turn(now);
            match polled {
                Ok(()) => {
                    let count = events.iter().count();
                    let since = Clock::tick(ended);
                    self.relay.handle_poll(since, count, count == EVENTS_MAX);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            let mut is_signalled = false;
            let mut is_woken = self.inbox.has_backlog();
            for event in &events {
                match event.token() {
                    SIGNAL => is_signalled = true,
                    WAKE => is_woken = true,
                    token if self.acceptor.on_event(token) => {}
                    token => self.on_event(&mut turn, token, event),
                }
            }
            if is_signalled && self.on_signals(now) {
                return Ok(Ended::AtOnce);
            }
            if is_woken {
                self.handle_mail(now);
            }
            self.settle_receipts();
            self.acceptor
                .accept(now, &mut self.relay, &mut self.table, self.poll.registry());
            turn.run(self);
            self.log_summary.handle_time(now);
            let is_over = self.ends.is_some_and(|ends| ends <= now);
            if is_over || (self.ends.is_some() && self.relay.public_connections() == 0) {
                self.log_summary.close(now);
                return Ok(Ended::Cleanly);
            }
            ended = self.clock.elapsed();
            let took = ended.saturating_sub(began);
            self.turn_micros.observe(took.as_micros() as u64, 1);
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        self.relay.counters()
    }

    /// How long the poll may sleep, if the turn has left nothing to do.
    fn timeout(&self, has_work: bool) -> Option<Duration> {
        let has_work = has_work || self.relay.has_work() || self.acceptor.has_work();
        if has_work || self.inbox.has_work(&self.relay) {
            return Some(Duration::ZERO);
        }
        let due = [
            self.relay.poll_timeout(),
            self.acceptor.retry_at(),
            self.notifier.due(),
            self.ends,
            self.log_summary.due(),
        ];
        let due = due.into_iter().flatten().min()?;
        Some(self.clock.until(due))
    }

    fn on_event(&mut self, turn: &mut Turn, token: Token, event: &mio::event::Event) {
        let Some(id) = self.table.find(token) else {
            return;
        };
        if (event.is_read_closed() || event.is_error())
            && let Some(readiness) = self.readiness(id)
        {
            readiness.read_to_end = true;
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            turn.mark_ready(self, id);
        }
        if event.is_writable() {
            self.relay.handle_writable(id);
        }
    }

    fn process_figures(&self) -> ProcessFigures {
        let stat = Stat::read();
        ProcessFigures {
            cpu_seconds: stat.as_ref().and_then(Stat::cpu_seconds),
            resident_bytes: stat.as_ref().and_then(Stat::resident_bytes),
            virtual_bytes: stat.as_ref().and_then(Stat::virtual_bytes),
            open_descriptors: self.process.open_descriptors(self.table.len()),
            descriptors_max: process::descriptors_max(),
            start_time_seconds: self.process.start_time_seconds(),
            tcp_memory_bytes: process::tcp_memory_bytes(),
            turn_micros: self.turn_micros,
        }
    }
}

/// The loop runs for as long as this lives: however it ends, threads that wait for it are told.
struct Running<'a>(&'a mut Server);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.inbox.end();
    }
}

impl Driver for Server {
    fn relay(&mut self) -> &mut Relay {
        &mut self.relay
    }

    fn readiness(&mut self, id: ConnId) -> Option<&mut Readiness> {
        let socket = self.table.get(id)?;
        Some(&mut socket.readiness)
    }

    fn read(&mut self, id: ConnId, buffer: &mut [u8]) -> ReadOutcome {
        match self.table.get(id) {
            Some(socket) => transport::read(&socket.stream, buffer),
            None => ReadOutcome::Empty,
        }
    }

    fn write(&mut self, id: ConnId) -> WriteOutcome {
        match self.table.get(id) {
            Some(socket) => transport::write(&socket.stream, &self.relay.transmit(id)),
            None => WriteOutcome::Broken,
        }
    }

    fn act(&mut self, id: ConnId, action: Action) {
        match action {
            Action::ShutdownWrite => {
                if let Some(socket) = self.table.get(id) {
                    socket::shutdown_write(&socket.stream);
                }
            }
            Action::KeepAlive => {
                if let Some(socket) = self.table.get(id) {
                    socket::keep_alive(&socket.stream);
                }
            }
            Action::Close => {
                self.table.remove(id);
                self.acceptor.on_closed();
            }
            Action::Report(scrape) => {
                let figures = self.process_figures();
                self.relay.handle_report(id, scrape, &figures);
            }
        }
    }

    fn handle_notice(&mut self, id: ConnId, notice: &Notice) {
        let client = self.relay.client(id);
        let socket = self.table.get(id);
        let peer = || match (client, socket) {
            (Some(client), _) => client,
            (None, Some(socket)) => {
                let address = socket::peer_address(&socket.stream);
                address.map_or(PeerAddress::Unknown, PeerAddress::from)
            }
            (None, None) => PeerAddress::Unknown,
        };
        self.log_summary.handle_notice(self.now, notice, peer);
    }
}
