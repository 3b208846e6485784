//! Requests that join a topic: whether one may open a WebSocket, and how it joins.

use super::hub::{self, Encoding, Joined};
use super::ids::Slot;
use super::peer::{Flag, Phase};
use super::{Decision, Relay, TopicRequest};
use crate::http::{Join, Reason, Response, Since, check_topic};
use crate::proto::Head;
use crate::proto::fanfare_v1;
use crate::proto::handshake::choose_subprotocol;
use crate::proxy::PeerAddress;
use std::borrow::Cow;

impl Relay {
    /// A request passed all checks of ours: a hook may have another opinion.
    pub(super) fn on_join_request(
        &mut self,
        slot: Slot,
        head: &Head,
        mut join: Join,
        rest: &mut [u8],
    ) {
        if let Err(refusal) = self.gate.on_upgrade(slot, self.now) {
            return self.respond(slot, refusal.response());
        }
        if let Err(response) = self.ask_hook(slot, head, &mut join.topic) {
            return self.respond(slot, response);
        }
        if !self.has_topic_for(&join.topic) {
            return self.respond(slot, no_topic());
        }
        let subprotocol = match join.is_v1 {
            true => Some(fanfare_v1::NAME),
            false => choose_subprotocol(head, &self.limits.subprotocols),
        };
        self.join(slot, &join, subprotocol, rest);
    }

    /// The program that embeds the relay may have another opinion of a request, or of its topic.
    pub(super) fn ask_hook(
        &mut self,
        slot: Slot,
        head: &Head,
        topic: &mut Cow<'_, str>,
    ) -> Result<(), Response> {
        let Some(hooks) = &mut self.hooks.0 else {
            return Ok(());
        };
        let client = self.gate.client(slot).unwrap_or(PeerAddress::Unknown);
        let request = TopicRequest {
            head,
            topic,
            client,
        };
        match hooks.on_request(&request) {
            Decision::Accept => Ok(()),
            Decision::Topic(name) => {
                check_topic(&name).map_err(|why| Response::refusal(Reason::Topic, why, &[]))?;
                *topic = name.into();
                Ok(())
            }
            Decision::Refuse(status, why) => Err(Response::refusal_by_hook(status, &why)),
        }
    }

    /// Whether that topic may be joined, or published into by a program: it may have to begin. One that is about to
    /// end, and may have made way for another, needs a place as one that begins.
    pub(super) fn has_topic_for(&mut self, name: &str) -> bool {
        let key = self.hub.find(name);
        key.is_some_and(|key| !self.hub.is_ending(key))
            || self.hub.topics() - usize::from(key.is_some()) < self.limits.topics_max
            || self.hub.make_place(&self.peers, self.now)
    }

    /// Whether there may be another WebSocket, or another stream of events.
    pub(super) fn has_place(&self) -> bool {
        self.peers.count(Phase::Open) < self.limits.connections_max && self.shutdown.is_none()
    }

    /// The answer if there may not.
    pub(super) fn no_place(&self) -> Response {
        let why = "The relay is full, or going down. Try again later.";
        let headers = [("Retry-After", "10")];
        let reason = match self.shutdown {
            Some(_) => Reason::ShuttingDown,
            None => Reason::Full,
        };
        Response::refusal(reason, why, &headers)
    }

    /// A connection becomes a member of a topic.
    pub(super) fn enter_topic(
        &mut self,
        slot: Slot,
        topic: &str,
        encoding: Encoding,
        since: Option<Since>,
        echo: bool,
    ) -> Joined {
        let since = since.and_then(start);
        let peers = &mut self.peers;
        let joined = self.hub.join(peers, slot, topic, encoding, since, self.now);
        self.peers.open(slot, self.now);
        self.gate.open(slot);
        let connection = &mut self.peers[slot];
        connection.seat.set_echo(echo);
        let cursor = connection.seat.cursor();
        connection.extra().outbox.enter_at(cursor);
        let id = self.peers.id(slot);
        self.feed.on_join(topic, joined.is_new, id, echo);
        self.counters.replays += u64::from(joined.replayed > 0);
        self.counters.messages_replayed += joined.replayed;
        self.counters.replay_gaps += u64::from(joined.missing.is_some());
        self.counters.opened += 1;
        joined
    }

    /// Makes a connection a WebSocket. The first frames may have come with the request.
    fn join(&mut self, slot: Slot, join: &Join, subprotocol: Option<&str>, rest: &mut [u8]) {
        let id = self.peers.id(slot);
        let deflate = join
            .upgrade
            .deflate
            .filter(|_| self.limits.compression.is_some());
        let encoding = deflate.map_or(Encoding::Plain, |deflate| {
            Encoding::deflate(deflate.server_window())
        });
        let joined = self.enter_topic(slot, &join.topic, encoding, join.since, join.echo);
        let connection = &mut self.peers[slot];
        connection.flags.put(Flag::Compression, deflate.is_some());
        connection.flags.put(Flag::V1, join.is_v1);
        let mut head = Vec::with_capacity(256);
        join.upgrade
            .write_response(subprotocol, deflate.as_ref(), &mut head);
        connection.extra().outbox.push(&head);
        if join.is_v1 {
            self.welcome(slot, &join.topic, joined);
        }
        self.counters.opened_compressed += u64::from(deflate.is_some());
        self.peers.queue_output(slot);
        if let Some(hooks) = &mut self.hooks.0 {
            hooks.on_join(id, &join.topic);
        }
        self.take_bytes(slot, rest.len());
        // If it is closed for that, there is space for its close frame: one that closes publishes nothing.
        if self.free_bytes_for(slot) >= rest.len() {
            self.on_frames(slot, rest);
        } else {
            self.keep_input(slot, rest);
        }
    }
}

/// The answer if a topic can't begin.
pub(super) fn no_topic() -> Response {
    let why = "There are as many topics as there may be. Join one that exists, or try again later.";
    Response::refusal(Reason::TopicsFull, why, &[("Retry-After", "10")])
}

/// Where a reader begins that asks so; `None` if with what comes.
fn start(asked: Since) -> Option<hub::Start> {
    Some(match asked {
        Since::None => return None,
        Since::All => hub::Start::All,
        Since::Age(age) => {
            let ticks = age.as_millis().div_ceil(TICK_MILLISECONDS);
            hub::Start::Age(u32::try_from(ticks).unwrap_or(u32::MAX))
        }
        Since::Last(count) => hub::Start::Last(count),
        Since::After(id) => hub::Start::After(id),
    })
}

const TICK_MILLISECONDS: u128 = 100;
