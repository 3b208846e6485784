//! The relay: every decision, and no I/O.
//!
//! A [`Relay`] is a state machine. Inputs are `handle_*`, outputs are `poll_*`; sockets, clock and
//! poller belong to its driver: the server, or the seeded simulation of the tests. Both run the same
//! turn, which calls, in this order:
//!
//! 1. [`begin_turn`](Relay::begin_turn) with the time, which does not go back, and
//!    [`handle_poll`](Relay::handle_poll) with what the poll brought;
//! 2. for what happened: [`handle_accept`](Relay::handle_accept), with
//!    [`handle_loopback`](Relay::handle_loopback) where it holds,
//!    [`handle_input`](Relay::handle_input) or [`handle_kept`](Relay::handle_kept) as
//!    [`reading`](Relay::reading) says, [`handle_end`](Relay::handle_end),
//!    [`handle_reset`](Relay::handle_reset), [`handle_writable`](Relay::handle_writable), and
//!    [`handle_timer`](Relay::handle_timer) for those that [`poll_timer`](Relay::poll_timer) names;
//! 3. [`begin_flush`](Relay::begin_flush), then for each connection that
//!    [`poll_transmit`](Relay::poll_transmit) names, one write of what
//!    [`transmit`](Relay::transmit) holds for it, reported to
//!    [`handle_sent`](Relay::handle_sent);
//! 4. [`poll_notice`](Relay::poll_notice) if the driver wants to know,
//!    [`poll_action`](Relay::poll_action) and [`poll_resume`](Relay::poll_resume) until they are
//!    empty;
//! 5. [`end_turn`](Relay::end_turn), which frees what closed: until then, no slot is used again,
//!    so that events of the same turn can't reach another connection.
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
//! others nothing; control frames enter between frames only; nothing that a peer sends
//! makes it allocate more than the peer did send.

mod action;
mod admin;
mod admission;
mod body;
mod compression;
mod drain;
mod ending;
mod feed;
mod gate;
mod hooks;
mod hub;
mod ids;
mod inflation;
mod input;
mod join;
mod laps;
mod limits;
mod notice;
mod noting;
mod output;
mod peer;
mod piece;
mod policy;
mod publishing;
mod reading;
mod requests;
mod seat;
mod shutdown;
mod side;
mod stream;
mod timers;
mod v1;
mod wall_clock;

pub use crate::http::check_topic;
pub use crate::metrics::{Counters, Stopwatch};
pub use action::{Action, Scrape};
pub use feed::{Committed, Interest, Offer, Offered, Settled};
pub use hooks::{Decision, Hooks, Published, TopicRequest};
pub use ids::{ConnId, Epoch, InvalidId, MessageId, Origin, Party, Slot, VariantKey};
pub use limits::{ADMIN_CONNECTIONS_MAX, Admission, Compression, Limits, Pace, Rates};
pub use notice::Notice;
pub use piece::{Output, Piece, PieceSource};
pub use policy::{Pattern, Policies, Policy, Publish, Retention, SlowPolicy};
pub use reading::Reading;
pub use side::Side;
pub use wall_clock::WallClock;

use crate::http::Site;
use crate::proto::fanfare_v1::Secret;
use crate::proxy::PeerAddress;
use crate::wheel::Tick;
use drain::Drain;
use feed::Feed;
use gate::Gate;
use hooks::Hooked;
use hub::Hub;
use inflation::Inflation;
use notice::Notices;
use peer::Peers;

/// The relay. See the [module](self).
#[derive(Debug)]
pub struct Relay {
    limits: Limits,
    site: Site,
    now: Tick,
    peers: Peers,
    gate: Gate,
    feed: Feed,
    hub: Hub,
    inflation: Inflation,
    wall_clock: Option<WallClock>,
    notices: Notices,
    counters: Counters,
    /// This turn may still come to connections with output of their own: they go before the walk.
    serves_queues: bool,
    shutdown: Option<Drain>,
    hooks: Hooked,
    /// What connections are told apart by that speak `fanfare.v1`.
    secret: Secret,
}

impl Relay {
    /// A relay without connections.
    #[must_use]
    pub fn new(limits: Limits, site: Site, now: Tick) -> Self {
        let mut relay = Relay {
            hub: Hub::new(&limits, now),
            limits,
            site,
            now,
            peers: Peers::new(now),
            gate: Gate::default(),
            feed: Feed::default(),
            inflation: Inflation::default(),
            wall_clock: None,
            notices: Notices::new(),
            counters: Counters::default(),
            serves_queues: false,
            shutdown: None,
            hooks: Hooked::default(),
            secret: Secret::draw(),
        };
        relay.set_gate();
        relay
    }

    /// Changes the bounds in force. Timers that are armed find out when they fire; what a bound cuts
    /// is cut by the next message that meets it.
    pub fn set_limits(&mut self, limits: Limits) {
        self.hub.set_limits(&limits, self.now);
        self.limits = limits;
        self.set_gate();
    }

    /// Sets the hooks of a program that embeds the relay.
    pub fn set_hooks(&mut self, hooks: impl Hooks + 'static) {
        self.hooks.0 = Some(Box::new(hooks));
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
        self.peers.begin_turn(&self.limits);
        self.hub.begin_turn(self.now);
        self.step_shutdown();
    }

    /// Takes in a connection from that peer. If its address has too many, it is told so.
    pub fn handle_accept(&mut self, side: Side, peer: PeerAddress) -> ConnId {
        let id = self.peers.accept(self.feed.draw_number(), self.now);
        let slot = id.slot;
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
        self.peers.poll_action()
    }

    /// Ends a turn: slots of closed connections become free, logs give back what no reader needs.
    pub fn end_turn(&mut self) {
        if self.peers.end_turn() {
            self.gate.shrink();
        }
        let feed = &mut self.feed;
        self.hub.end_turn(&self.peers, self.now, |key, topic| {
            feed.on_topic_end(key, topic);
        });
        self.feed.end_turn();
        self.inflation.end_turn();
    }

    /// The next turn is due at once.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.peers.has_work() || self.feed.has_work() || self.hub.has_work(&self.limits)
    }

    /// When the next turn is due, though nothing happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        let due = [
            self.peers.next_due(),
            self.hub.next_due(),
            self.shutdown_due(),
        ];
        due.into_iter().flatten().min()
    }

    /// Connections of all kinds, those that linger among them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.peers.len()
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
        self.peers.private_bytes()
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// To be called after an event of a connection: its memory is accounted for, and its timer armed, unless it
    /// is closed.
    fn settle(&mut self, slot: Slot) {
        self.peers.settle(slot, &self.limits);
    }
}
