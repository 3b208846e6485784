//! The relay: every decision, and no I/O.
//!
//! A [`Relay`] is a state machine. Inputs are `handle_*`, outputs are `poll_*`; sockets, clock and
//! poller belong to whoever drives it, which is a server in earnest and a seeded simulation in the tests:
//! both by the same turn, which calls, in this order:
//!
//! 1. [`begin_turn`](Relay::begin_turn) with the time, which does not go back, and
//!    [`handle_poll`](Relay::handle_poll) with what the poll brought;
//! 2. for what happened: [`handle_accept`](Relay::handle_accept), with
//!    [`handle_loopback`](Relay::handle_loopback) where it holds,
//!    [`handle_input`](Relay::handle_input) or [`handle_kept`](Relay::handle_kept) as
//!    [`reading`](Relay::reading) says, [`handle_end`](Relay::handle_end),
//!    [`handle_reset`](Relay::handle_reset), [`handle_writable`](Relay::handle_writable), and
//!    [`handle_timer`](Relay::handle_timer) for whom [`poll_timer`](Relay::poll_timer) names;
//! 3. [`begin_flush`](Relay::begin_flush), then for each connection that
//!    [`poll_transmit`](Relay::poll_transmit) names, one write of what
//!    [`transmit`](Relay::transmit) holds for it, reported to
//!    [`handle_sent`](Relay::handle_sent);
//! 4. [`poll_notice`](Relay::poll_notice) if anybody wants to know,
//!    [`poll_action`](Relay::poll_action) and [`poll_resume`](Relay::poll_resume) until they are
//!    empty;
//! 5. [`end_turn`](Relay::end_turn), which frees what closed: until then, no slot is used again,
//!    so that events of the same turn can't reach a stranger.
//!
//! The next turn is due at once if [`has_work`](Relay::has_work), else at
//! [`poll_timeout`](Relay::poll_timeout).
//!
//! Where an engine orders messages ([`order_elsewhere`](Relay::order_elsewhere)), there is more: in the second part,
//! [`commit`](Relay::commit), [`settle_offer`](Relay::settle_offer) and [`discontinuity`](Relay::discontinuity) for
//! what the link to it brought, and [`handle_held`](Relay::handle_held) where reading says so; in the fourth,
//! [`poll_interest`](Relay::poll_interest), [`poll_offer`](Relay::poll_offer) and
//! [`poll_settled`](Relay::poll_settled), as much as the link takes.
//!
//! What it promises: every member of a topic is sent a contiguous run of the topic's messages, in
//! the one order of its log; a reader that does not read costs at most what the topic retains, and
//! nobody else anything; control frames enter between frames only; nothing that a peer sends
//! makes it allocate more than the peer did send.

mod admin;
mod admission;
mod census;
mod compression;
mod connection;
mod connections;
mod control;
mod ending;
mod feed;
mod flags;
mod gate;
mod heads;
mod hooks;
mod hub;
mod ids;
mod input;
mod join;
mod laps;
mod limits;
mod notice;
mod outbox;
mod output;
mod piece;
mod queue;
mod reading;
mod reported;
mod respond;
mod responses;
mod seat;
mod shutdown;
mod timers;

pub use crate::metrics::{Counters, Stopwatch};
pub use admin::{Scrape, Side};
pub use feed::{Committed, Interest, Offer, Offered, Settled};
pub use hooks::{Decision, Hooks, Published, UpgradeRequest};
pub use ids::{ConnId, Epoch, InvalidId, MessageId, Origin, Party, Slot, VariantKey};
pub use limits::{ADMIN_CONNECTIONS_MAX, Admission, Compression, Limits, Pace, Rates, SlowPolicy};
pub use notice::Notice;
pub use piece::{Output, Piece, Source};
pub use reading::Reading;
pub use responses::Calendar;

use crate::http::Site;
use crate::proxy::PeerAddress;
use crate::wheel::{Tick, Wheel};
use census::Census;
use connection::{Connection, Phase};
use connections::Connections;
use gate::Gate;
use hub::Hub;
use notice::Notices;
use queue::Queue;
use responses::Responses;
use std::collections::VecDeque;

/// What to do with a connection's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Shut the writing side: the peer reads to the end, and we discard what still comes.
    ShutdownWrite,
    /// Close it. The connection is gone.
    Close,
    /// Hand this back to [`Relay::handle_report`], with what the system knows of the process.
    Report(Scrape),
}

/// The relay. See the [module](self).
#[derive(Debug)]
pub struct Relay {
    limits: Limits,
    site: Site,
    now: Tick,
    connections: Connections,
    /// Connections by phase: those in [`Phase::Open`] are WebSockets that have not begun to close.
    census: Census,
    gate: Gate,
    feed: feed::Feed,
    hub: Hub,
    inflation: compression::Inflation,
    calendar: Option<Calendar>,
    wheel: Wheel,
    reported: reported::Reported,
    /// Connections with output of their own, besides what the walk brings them: those who keep up, and
    /// those who lag.
    outputs: Queue,
    slow_outputs: Queue,
    responses: Responses,
    /// It took all that fits into one write, and is owed more: it goes on before anybody else, for
    /// only who has no room may lag.
    unfinished: Option<ConnId>,
    notices: Notices,
    actions: VecDeque<(ConnId, Action)>,
    resumes: Vec<ConnId>,
    /// Slots of this turn's closed connections.
    closed: Vec<Slot>,
    /// Heap of all [`connection::Extra`]s together.
    private_bytes: usize,
    counters: Counters,
    /// This turn may still come to connections with output of their own: they go before the walk.
    serves_queues: bool,
    shutdown: Option<shutdown::Shutdown>,
    hooks: hooks::Hooked,
    /// Timers that this turn may still look at. At 0, some may be left over for the next one.
    timers_left: u32,
}

impl Relay {
    /// A relay without connections.
    #[must_use]
    pub fn new(limits: Limits, site: Site, now: Tick) -> Self {
        let mut relay = Relay {
            hub: Hub::new(&limits),
            limits,
            site,
            now,
            connections: Connections::default(),
            census: Census::default(),
            gate: Gate::default(),
            feed: feed::Feed::default(),
            inflation: compression::Inflation::default(),
            calendar: None,
            wheel: Wheel::new(now),
            reported: reported::Reported::new(now),
            outputs: Queue::default(),
            slow_outputs: Queue::default(),
            responses: Responses::default(),
            unfinished: None,
            notices: Notices::new(),
            actions: VecDeque::new(),
            resumes: Vec::new(),
            closed: Vec::new(),
            private_bytes: 0,
            counters: Counters::default(),
            serves_queues: false,
            shutdown: None,
            hooks: hooks::Hooked::default(),
            timers_left: u32::MAX,
        };
        relay.set_gate();
        relay
    }

    /// Changes the bounds in force. Timers that are armed find out when they fire; what a bound cuts
    /// is cut by the next message that meets it.
    pub fn set_limits(&mut self, limits: Limits) {
        self.hub.set_limits(&limits);
        self.limits = limits;
        self.set_gate();
    }

    /// The files that are served.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Serves other files from now on. A download that is under way goes on with what it began with.
    pub fn set_site(&mut self, site: Site) {
        self.site = site;
    }

    /// Begins a turn at the time `now`.
    pub fn begin_turn(&mut self, now: Tick) {
        self.now = self.now.max(now);
        self.inflation.begin_turn();
        self.notices.clear();
        self.timers_left = self.limits.pace.timers_per_turn;
        self.step_shutdown();
    }

    /// Takes in a connection from that peer. If its address has too many, it is told so.
    pub fn handle_accept(&mut self, side: Side, peer: PeerAddress) -> ConnId {
        let generation = self.feed.draw_number();
        let connection = Connection::new(generation, self.now);
        self.census.enter(&connection);
        let slot = self.connections.insert(connection);
        let id = ConnId { slot, generation };
        match side {
            Side::Public => {
                self.counters.accepted += 1;
                self.on_public_accept(slot, peer);
            }
            Side::Admin => {
                self.counters.admin_accepted += 1;
                if let Some(oldest) = self.gate.enter_admin(id, peer) {
                    self.drop_now(oldest.slot);
                }
            }
        }
        self.settle(slot);
        id
    }

    /// The next thing to do with a socket.
    pub fn poll_action(&mut self) -> Option<(ConnId, Action)> {
        self.actions.pop_front()
    }

    /// Ends a turn: slots of closed connections become free, logs give back what nobody needs.
    pub fn end_turn(&mut self) {
        for slot in self.closed.drain(..) {
            let connection = self.connections.remove(slot);
            self.census.leave(&connection);
        }
        if self.connections.shrink_if_empty(SLOTS_AT_REST_MAX) {
            self.gate.shrink();
        }
        let feed = &mut self.feed;
        self.hub.end_turn(&self.connections, |key, topic| {
            feed.on_topic_end(key, topic)
        });
        self.feed.end_turn();
        self.inflation.end_turn();
    }

    /// The next turn is due at once.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let queues = [&self.outputs, &self.slow_outputs];
        let is_owed = queues.iter().any(|queue| !queue.is_empty()) || !self.responses.is_empty();
        let is_behind = self.timers_left == 0 || self.feed.has_work();
        is_behind || is_owed || self.hub.has_work(&self.limits)
    }

    /// When the next turn is due, though nothing happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        let due = [self.wheel.next_due(), self.shutdown_due()];
        due.into_iter().flatten().min()
    }

    /// Connections of all kinds, those that linger among them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Topics that exist.
    #[must_use]
    pub fn topics(&self) -> usize {
        self.hub.topics()
    }

    /// Memory that logs hold, in bytes.
    #[must_use]
    pub fn log_bytes(&self) -> usize {
        self.hub.log_bytes()
    }

    /// Memory that connections hold for themselves beyond their slots, in bytes.
    #[must_use]
    pub fn private_bytes(&self) -> usize {
        self.private_bytes
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The slot of a connection that still exists.
    fn slot(&self, id: ConnId) -> Option<Slot> {
        let connection = self.connections.get(id.slot)?;
        let alive = connection.generation == id.generation && connection.phase != Phase::Closed;
        alive.then_some(id.slot)
    }

    fn id(&self, slot: Slot) -> ConnId {
        ConnId {
            slot,
            generation: self.connections[slot].generation,
        }
    }

    /// After whatever happened to a connection: its memory is accounted for, and its timer armed.
    fn settle(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot];
        if let Some(extra) = connection.extra.as_deref_mut() {
            let bytes = extra.bytes();
            self.private_bytes = self.private_bytes - extra.charged + bytes;
            extra.charged = bytes;
            if extra.is_idle() {
                connection.extra = None;
            }
        }
        if connection.phase != Phase::Closed {
            self.rearm(slot);
        }
    }
}

/// Slots that are kept, empty, when everybody has left: 64 KiB.
const SLOTS_AT_REST_MAX: usize = 1024;
