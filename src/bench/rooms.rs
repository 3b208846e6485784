//! Rooms, each with its own readers and publishers, separate from all others. A fan-out is one room; an
//! echo is many rooms of one connection, which gets its own messages back.

use super::audience::{Audience, LastWord, Shared};
use super::client_loop::Scenario;
use super::clock;
use super::codec::Codec;
use super::event_stream::EventStream;
use super::failure::Failure;
use super::histogram::Histogram;
use super::links::Links;
use super::opening::OpenError;
use super::route::Protocol;
use super::script::Script;
use super::tally::{Returns, Tally};
use std::collections::BTreeMap;
use std::io;

mod exchanges;
mod plan;
mod publishing;
mod requests;
mod returning;
mod streams;
mod waiting;

pub(super) use plan::{Outlet, Plan};

use exchanges::Exchanges;

/// All rooms. Connections are numbered room by room, readers before publishers.
pub(super) struct Rooms {
    pub(super) shared: Shared,
    pub(super) handshakes: Histogram,
    /// When the last connection was open.
    pub(super) opened_at: u64,
    /// Why connections did not open, and how many.
    pub(super) failures: BTreeMap<OpenError, u64>,
    /// How connections ended, and how many.
    pub(super) endings: BTreeMap<String, u64>,
    /// The same, of those that were excused.
    pub(super) excused_endings: BTreeMap<String, u64>,
    rooms: Vec<Room>,
    /// Rooms in which something came since the last refill.
    dirty: Vec<usize>,
    /// Messages that are done, and that were published, in all rooms.
    done: u64,
    published: u64,
    plan: Plan,
    is_gone: Vec<bool>,
    gone: usize,
    last_word: Option<LastWord>,
    /// By connection, if readers get them.
    streams: Vec<EventStream>,
    exchanges: Exchanges,
}

struct Room {
    audience: Audience,
    /// Its part of the sum over all rooms.
    done: u64,
    is_dirty: bool,
    /// The publisher that sends next.
    next: usize,
}

impl Rooms {
    pub(super) fn new(script: Script, plan: Plan) -> Self {
        let shared = Shared {
            codec: Codec::new(script.is_deflated),
            script,
            tally: Tally::default(),
            returns: Returns::default(),
        };
        let (tracks, echo) = match plan.outlet {
            Outlet::Publishers { count, echo } => (count, echo),
            Outlet::Requests(ref requests) => (requests.connections, true),
            Outlet::Pipe(_) => (1, true),
            Outlet::Elsewhere { publishers } => (publishers, true),
        };
        let build = |room: usize| {
            let mut audience = Audience::new(room * tracks, tracks);
            for _ in 0..plan.readers {
                audience.join(&shared.script, None);
            }
            if matches!(plan.outlet, Outlet::Elsewhere { .. }) {
                audience.follow();
            }
            // Those that publish by request read nothing but answers.
            if let Outlet::Publishers { count, .. } = plan.outlet {
                for publisher in 0..count {
                    audience.join(&shared.script, (!echo).then_some(publisher));
                }
            }
            if plan.v1 {
                audience.number();
            }
            Room {
                audience,
                done: 0,
                is_dirty: true,
                next: 0,
            }
        };
        Rooms {
            rooms: (0..plan.rooms).map(build).collect(),
            handshakes: Histogram::default(),
            opened_at: clock::now(),
            failures: BTreeMap::new(),
            endings: BTreeMap::new(),
            excused_endings: BTreeMap::new(),
            dirty: (0..plan.rooms).collect(),
            done: 0,
            published: 0,
            is_gone: vec![false; plan.rooms * plan.connections()],
            gone: 0,
            last_word: None,
            streams: Vec::new(),
            exchanges: Exchanges::of(&plan),
            shared,
            plan,
        }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Room and receiver of a connection.
    #[inline]
    fn room_and_receiver(&self, link: usize) -> (usize, usize) {
        if self.rooms.len() == 1 {
            return (0, link);
        }
        let connections = self.plan.connections();
        (link / connections, link % connections)
    }

    /// Messages that are done, as of the last refill.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// Messages that were published.
    pub(super) fn published(&self) -> u64 {
        self.published
    }

    pub(super) fn delivered(&self) -> u64 {
        self.shared.tally.delivered
    }

    /// The first of the reasons why connections did not open, with advice.
    pub(super) fn failure(&self) -> Option<Failure> {
        Some(Failure::new(self.failures.keys().next()?.with_advice()))
    }

    /// No connection is left.
    pub(super) fn is_empty(&self) -> bool {
        self.gone == self.is_gone.len()
    }

    /// No publisher is left.
    pub(super) fn is_mute(&self) -> bool {
        let connections = self.plan.connections();
        let readers = self.plan.readers;
        self.plan.publishers() > 0
            && self.gone > 0
            && (0..self.rooms.len())
                .flat_map(|room| room * connections + readers..(room + 1) * connections)
                .all(|link| self.is_gone[link])
    }

    /// Bytes that are kept for receivers that do not have them yet.
    pub(super) fn kept_bytes(&self) -> usize {
        let kept = |room: &Room| room.audience.kept_bytes();
        self.rooms.iter().map(kept).sum()
    }

    /// From now on no message waits for this connection, and it may miss some.
    pub(super) fn excuse(&mut self, link: usize) {
        let (room, receiver) = self.room_and_receiver(link);
        self.rooms[room]
            .audience
            .excuse(&self.shared.script, receiver);
        self.mark_dirty(room);
    }

    /// Has the next refill look at all rooms.
    pub(super) fn mark_all_dirty(&mut self) {
        (0..self.rooms.len()).for_each(|room| self.mark_dirty(room));
    }

    #[inline]
    fn mark_dirty(&mut self, room: usize) {
        if !self.rooms[room].is_dirty {
            self.rooms[room].is_dirty = true;
            self.dirty.push(room);
        }
    }

    /// Fills the windows of the rooms in which something came, but publishes at most this many in all.
    ///
    /// In other processes, all receivers have `done_elsewhere` messages.
    pub(super) fn refill(
        &mut self,
        links: &mut Links,
        window: u64,
        most: u64,
        done_elsewhere: u64,
    ) -> io::Result<()> {
        let mut left = most;
        let mut unfilled = Vec::new();
        for room in std::mem::take(&mut self.dirty) {
            let (done, published) = self.settle(room);
            let done = done.min(done_elsewhere);
            let space_left = (window + done).saturating_sub(published);
            // A sender gets whole rounds only, which its calls are to carry.
            let is_due = match self.plan.outlet {
                Outlet::Publishers { .. } | Outlet::Requests(_) => space_left > 0,
                Outlet::Pipe(_) => done == published,
                Outlet::Elsewhere { .. } => false,
            };
            let count = space_left.min(left);
            if is_due && count > 0 {
                left -= count;
                self.rooms[room].audience.release(&self.shared.script);
                self.publish(links, room, count, clock::now())?;
            }
            // A room that got less than it has space for is looked at again.
            if is_due && count < space_left {
                unfilled.push(room);
            }
        }
        unfilled.into_iter().for_each(|room| self.mark_dirty(room));
        Ok(())
    }

    /// Counts what is done in a room, and returns it with what was published there.
    fn settle(&mut self, room: usize) -> (u64, u64) {
        let unanswered = self.exchanges.unanswered(room);
        let room = &mut self.rooms[room];
        room.is_dirty = false;
        let published = room.audience.published();
        let done = room.audience.done().min(published - unanswered);
        self.done += done - room.done;
        room.done = done;
        (done, published)
    }

    /// Counts what is done, and forgets it, where something came.
    pub(super) fn settle_all(&mut self) {
        for room in std::mem::take(&mut self.dirty) {
            self.settle(room);
            self.rooms[room].audience.release(&self.shared.script);
        }
    }
}

impl Scenario for Rooms {
    fn on_open(&mut self, links: &mut Links, link: usize, took: u64) {
        self.begin_stream(links, link);
        let now = clock::now();
        if let Some((_, index)) = self.room_and_exchange(link) {
            self.handshakes.record(took, 1);
            self.opened_at = now;
            self.begin_exchange(links, link, index);
        } else if !self.come_back(link, now - took) {
            self.handshakes.record(took, 1);
            self.opened_at = now;
        }
    }

    fn on_failed(&mut self, _: &mut Links, link: usize, error: OpenError) {
        *self.failures.entry(error).or_default() += 1;
        self.on_gone(link);
    }

    #[inline]
    fn on_bytes(&mut self, link: usize, bytes: &mut [u8], now: u64, out: &mut Vec<u8>) -> bool {
        let (room, receiver) = self.room_and_receiver(link);
        self.mark_dirty(room);
        match self.plan.protocol(receiver) {
            Protocol::WebSocket => {}
            Protocol::EventStream => return self.on_stream(link, bytes, now),
            Protocol::Http => return self.on_responses(link, bytes, now),
        }
        let audience = &mut self.rooms[room].audience;
        match audience.receive(&mut self.shared, receiver, bytes, now, out) {
            Ok(()) => {
                if !audience.is_awaited(receiver) {
                    audience.follow_up(&mut self.shared, receiver, now);
                }
                true
            }
            Err(last_word) => {
                self.last_word = Some(last_word);
                false
            }
        }
    }

    fn on_ended(&mut self, links: &mut Links, link: usize, was_reset: bool) {
        if self.last_word.is_none() && self.on_exchange_ended(links, link) {
            return;
        }
        self.on_gone(link);
        let name = match self.last_word.take() {
            Some(LastWord::Close(Some(code))) => format!("closed by the server with {code}"),
            Some(LastWord::Close(None)) => "closed by the server".into(),
            Some(LastWord::Broken) => "broke the protocol".into(),
            None if was_reset => "reset by the server".into(),
            None if self.speaks_http(link) => "ended by the server".into(),
            None => "ended without a close frame".into(),
        };
        let (room, receiver) = self.room_and_receiver(link);
        let is_excused =
            receiver < self.plan.readers && self.rooms[room].audience.is_excused(receiver);
        let endings = match is_excused {
            true => &mut self.excused_endings,
            false => &mut self.endings,
        };
        *endings.entry(name).or_default() += 1;
    }
}

impl Rooms {
    fn on_gone(&mut self, link: usize) {
        self.is_gone[link] = true;
        self.gone += 1;
        let (room, receiver) = self.room_and_receiver(link);
        self.mark_dirty(room);
        match self.room_and_exchange(link) {
            Some(exchange) => self.give_up_exchange(exchange),
            None => self.rooms[room].audience.leave(&mut self.shared, receiver),
        }
    }
}
