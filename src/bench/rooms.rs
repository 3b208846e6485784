//! Rooms, each with its own readers and publishers, separate from all others. A fan-out is one room; an
//! echo is many rooms of one connection, which gets its own messages back.

use super::audience::{Audience, LastWord, Shared};
use super::client_loop::Scenario;
use super::clock;
use super::codec::Codec;
use super::failure::Failure;
use super::histogram::Histogram;
use super::link::OpenError;
use super::links::Links;
use super::script::Script;
use super::tally::{Returns, Tally};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ChildStdin;

mod returning;
mod waiting;

/// What each room consists of.
pub(super) struct Plan {
    pub(super) rooms: usize,
    /// In each room: connections that only read,
    pub(super) readers: usize,
    /// and what publishes.
    pub(super) outlet: Outlet,
    /// All of them speak `fanfare.v1`.
    pub(super) v1: bool,
}

/// How messages are sent.
pub(super) enum Outlet {
    /// By this many connections; `echo` if their own messages come back to them.
    Publishers { count: usize, echo: bool },
    /// To the standard input of a sender, round by round.
    Pipe(ChildStdin),
    /// From another process.
    Elsewhere { publishers: usize },
}

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
}

struct Room {
    audience: Audience,
    /// Its part of the sum over all rooms.
    done: u64,
    is_dirty: bool,
    /// The publisher that sends next.
    next: usize,
}

impl Plan {
    /// Connections of each room.
    pub(super) fn connections(&self) -> usize {
        self.readers + self.publishers()
    }

    fn publishers(&self) -> usize {
        match self.outlet {
            Outlet::Publishers { count, .. } => count,
            Outlet::Pipe(_) | Outlet::Elsewhere { .. } => 0,
        }
    }
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
            for publisher in 0..plan.publishers() {
                audience.join(&shared.script, (!echo).then_some(publisher));
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
                Outlet::Publishers { .. } => space_left > 0,
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
        let room = &mut self.rooms[room];
        room.is_dirty = false;
        let done = room.audience.done();
        self.done += done - room.done;
        room.done = done;
        (done, room.audience.published())
    }

    /// Counts what is done, and forgets it, where something came.
    pub(super) fn settle_all(&mut self) {
        for room in std::mem::take(&mut self.dirty) {
            self.settle(room);
            self.rooms[room].audience.release(&self.shared.script);
        }
    }

    /// Publishes this many messages into a room, as of the time `at`.
    pub(super) fn publish(
        &mut self,
        links: &mut Links,
        room: usize,
        count: u64,
        at: u64,
    ) -> io::Result<()> {
        let audience = &mut self.rooms[room].audience;
        if let Outlet::Pipe(pipe) = &mut self.plan.outlet {
            let round = audience.publish_elsewhere(&self.shared.script, 0, count, at);
            pipe.write_all(&(round.len() as u32).to_le_bytes())?;
            pipe.write_all(round)?;
            self.published += count;
            return Ok(());
        }
        self.publish_in_turn(links, room, count, at);
        Ok(())
    }

    /// The publishers of a room take turns, each with one write.
    fn publish_in_turn(&mut self, links: &mut Links, index: usize, count: u64, at: u64) {
        let publishers = self.plan.publishers();
        let first = index * self.plan.connections() + self.plan.readers;
        let room = &mut self.rooms[index];
        let alive: Vec<usize> = (0..publishers)
            .map(|i| (room.next + i) % publishers)
            .filter(|&publisher| !self.is_gone[first + publisher])
            .collect();
        if alive.is_empty() {
            return;
        }
        let each = count / alive.len() as u64;
        let extra = (count % alive.len() as u64) as usize;
        for (i, &publisher) in alive.iter().enumerate() {
            let messages = each + u64::from(i < extra);
            if messages == 0 {
                break;
            }
            let (audience, shared) = (&mut room.audience, &mut self.shared);
            links.send(first + publisher, |out| {
                audience.publish(shared, publisher, messages, at, out);
            });
        }
        room.next = alive.get(extra).copied().unwrap_or(room.next);
        self.published += count;
    }
}

impl Scenario for Rooms {
    fn on_open(&mut self, _: &mut Links, link: usize, took: u64) {
        let now = clock::now();
        if !self.come_back(link, now - took) {
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

    fn on_ended(&mut self, _: &mut Links, link: usize, was_reset: bool) {
        self.on_gone(link);
        let name = match self.last_word.take() {
            Some(LastWord::Close(Some(code))) => format!("closed by the server with {code}"),
            Some(LastWord::Close(None)) => "closed by the server".into(),
            Some(LastWord::Broken) => "broke the protocol".into(),
            None if was_reset => "reset by the server".into(),
            None => "ended without a close frame".into(),
        };
        let (room, receiver) = self.room_and_receiver(link);
        let endings = match self.rooms[room].audience.is_excused(receiver) {
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
        self.rooms[room].audience.leave(&mut self.shared, receiver);
        self.mark_dirty(room);
    }
}
