//! What the relay is told of a connection, and what has to follow.

use crate::client::COMMAND_BYTES_MAX;
use crate::marks::{Capacity, Outcome, Scene};
use crate::peer::Stage;
use crate::request::topic_name;
use crate::world::World;
use fanfare::metrics::Cause;
use fanfare::relay::{Reading, Relay};

/// Bytes of an unfinished message that a connection may hold whatever the others do.
const GATHER_BYTES_FREE: usize = 16 * 1024;

impl World {
    /// This many bytes are handed over.
    fn follow_input(&mut self, index: usize, bytes: usize) {
        self.moved = true;
        let limits = &self.character.limits;
        let peer = &mut self.peers[index];
        assert!(!peer.put_off, "client {index} is read before what was kept");
        peer.handed += bytes as u64;
        peer.prove_alive(self.now);
        if peer.stage == Stage::Shut {
            peer.discarded += bytes;
        }
        if peer.client.may_send_messages() {
            peer.perhaps_active = self.now;
        }
        if peer.stage == Stage::Open && !peer.allowance.take_bytes(self.now, limits, bytes) {
            let owed = self.histories[peer.client.topic].len();
            peer.begin_closing(self.now, (Cause::Rate, Some(1008)), Some(owed), false);
        }
    }

    /// What was kept is taken in.
    fn follow_kept(&mut self, index: usize) {
        self.moved = true;
        self.follow_read(index);
        let peer = &mut self.peers[index];
        peer.prove_alive(self.now);
        peer.put_off = false;
    }

    /// The end of a stream is told.
    pub(crate) fn tell_end<R>(&mut self, index: usize, call: impl FnOnce(&mut Relay) -> R) -> R {
        self.note(|| format!("client {index} ends its stream"));
        self.moved = true;
        let before = *self.relay.counters();
        let told = call(&mut self.relay);
        let cause = Outcome::of(&self.counted(&before)).cause;
        let (now, topic) = (self.now, self.peers[index].client.topic);
        let peer = &mut self.peers[index];
        let is_news = !std::mem::replace(&mut peer.is_end_told, true);
        let is_open = peer.stage == Stage::Open;
        match &mut peer.ending {
            _ if is_open => {
                let owed = self.histories[topic].len();
                peer.begin_closing(now, (Cause::Ended, Some(1000)), Some(owed), true);
            }
            Some(ending) => ending.is_peer_done = true,
            None => {}
        }
        assert_eq!(cause, is_open.then_some(Cause::Ended), "client {index}");
        let again = peer.stage == Stage::Head { served: true };
        assert!(is_news || again, "the end was told twice");
        self.follow_hooks(index, 0, false);
        told
    }

    /// That a connection is broken is told.
    pub(crate) fn tell_reset<R>(&mut self, index: usize, call: impl FnOnce(&mut Relay) -> R) -> R {
        self.moved = true;
        let before = *self.relay.counters();
        let told = call(&mut self.relay);
        let cause = Outcome::of(&self.counted(&before)).cause;
        let peer = &mut self.peers[index];
        peer.is_reset_told = true;
        let is_open = peer.stage == Stage::Open && peer.dropped.is_none();
        assert_eq!(cause, is_open.then_some(Cause::Reset), "client {index}");
        self.follow_hooks(index, 0, false);
        told
    }

    /// Hands over this many bytes, or those that were kept, and draws conclusions from what the
    /// relay's counters say then.
    pub(crate) fn hand_over<R>(
        &mut self,
        index: usize,
        bytes: Option<usize>,
        call: impl FnOnce(&mut Relay) -> R,
    ) -> R {
        self.follow_lives(true);
        let capacity = self.capacity_for(index);
        let topics_before = self.relay.topics();
        let asks = matches!(self.peers[index].stage, Stage::Head { .. });
        self.admission.leaving = self.dropped_connections(index);
        let before = *self.relay.counters();
        let private_bytes_before = self.relay.private_bytes();
        let was_open = self.peers[index].ending.is_none();
        match bytes {
            Some(bytes) => self.follow_input(index, bytes),
            None => self.follow_kept(index),
        }
        let result = call(&mut self.relay);
        let counted = self.counted(&before);
        let outcome = Outcome::of(&counted);
        let is_large = self.peers[index].client.has_message_of(GATHER_BYTES_FREE);
        let is_told_enough = self.peers[index].client.speaks_v1
            && (self.peers[index].id).is_some_and(|id| {
                self.relay.is_open(id) && self.relay.reading(id) == Reading::Later
            });
        let peer = &mut self.peers[index];
        let topic = peer.client.topic;
        let mut scene = Scene {
            now: self.now,
            limits: &self.character.limits,
            history: &mut self.histories[topic],
            admission: &mut self.admission,
            capacity,
            publish: self
                .character
                .limits
                .policies
                .of(&topic_name(topic))
                .publish,
            has_hooks: self.character.has_hooks,
            is_asked: false,
            is_told_enough,
        };
        if let Err(fault) = peer.follow_marks(&mut scene, outcome) {
            panic!("client {index}: {fault}");
        }
        let is_asked = scene.is_asked;
        if asks {
            self.yield_topic(topics_before, topic);
        }
        let peer = &self.peers[index];
        let ending = peer.ending.filter(|_| was_open);
        let cause = ending.map(|ending| ending.cause);
        assert_eq!(outcome.cause, cause, "the end of client {index}");
        if cause == Some(Cause::Memory) {
            // What is gathered may take twice its size as it grows.
            let grows_by_max = 2 * (self.character.limits.message_bytes_max + COMMAND_BYTES_MAX);
            let bytes_max = private_bytes_before + grows_by_max;
            let is_short = bytes_max > self.character.limits.private_bytes_max;
            assert!(is_large && is_short, "client {index} is short of memory");
        }
        if counted.messages > 0 {
            self.on_published(topic);
            self.note(|| {
                format!(
                    "client {index} publishes {} messages to {topic}",
                    counted.messages
                )
            });
        }
        let laps = (counted.lapped, counted.skips);
        assert_eq!(laps, (0, 0), "lapped in the middle of what is said");
        self.follow_hooks(index, counted.messages as usize, is_asked);
        result
    }

    /// What a socket took is reported: no input is taken in meanwhile.
    pub(crate) fn tell_sent<R>(&mut self, index: usize, call: impl FnOnce(&mut Relay) -> R) -> R {
        let before = *self.relay.counters();
        let result = call(&mut self.relay);
        let counted = self.counted(&before);
        let outcome = Outcome::of(&counted);
        let changes = (counted.opened, counted.messages, counted.pings_received);
        assert_eq!(changes, (0, 0, 0), "client {index} was read meanwhile");
        if counted.stalled > 0 {
            self.peers[index].dropped = Some(Cause::Stalled);
        }
        let peer = &self.peers[index];
        let is_open = peer.stage == Stage::Open;
        let cause = peer.dropped.filter(|_| is_open);
        assert_eq!(outcome.cause, cause, "client {index} was written to");
        self.follow_hooks(index, 0, false);
        result
    }

    /// Connections of clients, other than this one, that were dropped in this turn.
    fn dropped_connections(&self, index: usize) -> usize {
        match self.peers[index].stage {
            Stage::Head { .. } if self.character.keeps_addresses() => {
                let alive: usize = self.relay.levels().connections.iter().sum();
                self.relay.connections() - alive
            }
            _ => 0,
        }
    }

    /// Whether a client that asks to join may, and how much of what it sends at once is taken in.
    fn capacity_for(&mut self, index: usize) -> Capacity {
        let peer = &self.peers[index];
        if !matches!(peer.stage, Stage::Head { .. }) {
            return Capacity::default();
        }
        let topic = peer.client.topic;
        let limits = &self.character.limits;
        // While all logs are over their bound, nothing is taken in.
        let is_overfull = self.relay.log_bytes() > limits.log_bytes_max;
        // A topic without members may be about to be settled.
        let may_be_full = self.character.may_replay && self.relay.has_work();
        let mut capacity = Capacity {
            place: self.shutdown.is_none() && self.open_members() < limits.connections_max,
            topic: (self.relay.topics() < limits.topics_max).then_some(true),
            is_ending: self.shutdown.is_some(),
            site: self.held.reloads,
            bytes: if is_overfull || may_be_full {
                0
            } else {
                limits.topic_log_bytes_max / 4
            },
        };
        let mut members = self.live.iter().copied().filter(|&other| {
            let peer = &self.peers[other];
            peer.is_member() && peer.client.topic == topic
        });
        let Some(first) = members.next() else {
            // A topic without members is forgotten at the end of the turn, or of one that follows.
            capacity.topic = capacity.topic.or_else(|| self.has_deserted_topic());
            return capacity;
        };
        let mut members = std::iter::once(first).chain(members);
        capacity.bytes = 0;
        if let Some(id) =
            members.find_map(|other| self.peers[other].id.filter(|&id| self.relay.is_open(id)))
        {
            // A topic that exists may be joined, however many there are.
            capacity.topic = Some(true);
            if let Reading::Now(bytes) = self.relay.reading(id) {
                capacity.bytes = bytes;
            }
        }
        capacity
    }

    /// Whether the relay takes in messages of this member: only then it says how much.
    pub(crate) fn is_open(&self, index: usize) -> bool {
        let id = self.peers[index].id;
        id.is_some_and(|id| self.relay.is_open(id))
    }
}
