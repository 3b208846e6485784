//! Requests of the admin listener, answered apart from everybody else's.

use super::connection::Phase;
use super::ids::{ConnId, Slot};
use super::limits::TOPIC_SLOTS_PER_PAGE;
use super::topic::Topic;
use super::variant::Encoding;
use super::{Action, Relay};
use crate::http::{AdminRequest, Reason, Response, TopicsQuery, route_admin};
use crate::metrics::{Format, Levels, ProcessFigures, Snapshot};
use crate::proto::Head;
use serde::Serialize;

/// Which side of the house a connection came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// For clients.
    Public,
    /// For the operator.
    Admin,
}

/// A request for metrics, which waits for what the system knows. To be handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrape {
    format: Format,
    reply: Reply,
}

/// How a response is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reply {
    head_only: bool,
    keep_alive: bool,
}

impl Relay {
    /// Connections that came by the public listeners.
    #[must_use]
    pub fn public_connections(&self) -> usize {
        self.connections.len() - self.gate.admins()
    }

    /// How things stand.
    #[must_use]
    pub fn levels(&self) -> Levels {
        Levels {
            connections: self.census.states(),
            topics: self.topics.len(),
            log_bytes: self.log_bytes(),
            private_bytes: self.private_bytes,
            lagging: self.lagging,
            lag_bytes_max: self.lag_bytes_max(),
        }
    }

    /// Answers a scrape, with what is known of the process.
    pub fn handle_report(&mut self, id: ConnId, scrape: Scrape, process: &ProcessFigures) {
        let Some(slot) = self.slot(id) else { return };
        if self.connections[slot].phase != Phase::Respond {
            return;
        }
        let snapshot = Snapshot {
            counters: self.counters,
            levels: self.levels(),
            process: *process,
        };
        let page = snapshot.render(scrape.format);
        let response = Response::fresh(scrape.format.content_type(), page);
        self.reply(slot, response, scrape.reply);
        self.settle(slot);
    }

    pub(super) fn on_admin_request(&mut self, slot: Slot, head: &Head, rest: &[u8]) {
        let (request, keep_alive) = route_admin(head);
        let reply = Reply {
            head_only: head.method == "HEAD",
            keep_alive,
        };
        if keep_alive {
            self.connections[slot].extra().kept = rest.to_vec();
        }
        let response = match request {
            AdminRequest::Respond(response) => response,
            AdminRequest::Readiness if self.shutdown.is_some() => {
                let why = "The relay is going down.";
                Response::refusal(Reason::ShuttingDown, why, &[])
            }
            AdminRequest::Readiness => Response::fresh("text/plain; charset=utf-8", "ready\n"),
            AdminRequest::Topics(query) => {
                Response::fresh("application/json", self.topics_page(&query))
            }
            AdminRequest::Metrics { open_metrics } => {
                let format = match open_metrics {
                    true => Format::OpenMetrics,
                    false => Format::Text,
                };
                let id = self.id(slot);
                let connection = &mut self.connections[slot];
                self.census.set(connection, Phase::Respond);
                connection.since = self.now;
                let scrape = Scrape { format, reply };
                return self.actions.push_back((id, Action::Report(scrape)));
            }
        };
        self.reply(slot, response, reply);
    }

    fn reply(&mut self, slot: Slot, mut response: Response, reply: Reply) {
        response.head_only = reply.head_only;
        response.keep_alive &= reply.keep_alive;
        if !response.keep_alive {
            self.connections[slot].extra().kept = Vec::new();
        }
        self.send_response(slot, response);
    }

    /// Some of the topics, in the order of their slots: as many as a turn has time for.
    fn topics_page(&self, query: &TopicsQuery) -> Vec<u8> {
        let mut page = Page {
            topics: self.topics.len(),
            rooms: Vec::new(),
            next: None,
        };
        if let Some(name) = &query.topic {
            let topic = self.topics.find(name).map(|key| &self.topics[key]);
            page.rooms.extend(topic.map(|topic| self.room_of(topic)));
        } else {
            let end = self.topics.slots();
            let stop = end.min(query.from.saturating_add(TOPIC_SLOTS_PER_PAGE));
            let mut slot = query.from;
            while slot < stop && page.rooms.len() < query.limit {
                let topic = self.topics.get(slot);
                page.rooms.extend(topic.map(|topic| self.room_of(topic)));
                slot += 1;
            }
            page.next = (slot < end).then_some(slot);
        }
        // What is here can always be written: there are no maps with keys that are no strings.
        let mut json = serde_json::to_vec(&page).unwrap_or_default();
        json.push(b'\n');
        json
    }

    fn room_of<'a>(&self, topic: &'a Topic) -> Room<'a> {
        let rate = topic.meter.rate(self.now);
        let mut room = Room {
            name: topic.name(),
            members: 0,
            members_compressed: 0,
            messages: topic.meter.messages(),
            bytes: topic.meter.bytes(),
            messages_per_second: rate.messages,
            bytes_per_second: rate.bytes,
            log_bytes: 0,
            lagging: 0,
            lag_bytes_max: 0,
        };
        for variant in topic.variants().map(|key| &self.topics[key]) {
            room.members += variant.members();
            if variant.encoding != Encoding::Plain {
                room.members_compressed += variant.members();
            }
            room.log_bytes += variant.log.bytes();
            room.lagging += variant.lagging().len();
            room.lag_bytes_max = room.lag_bytes_max.max(variant.lag_bytes_max());
        }
        room
    }
}

/// A part of the list of topics.
#[derive(Serialize)]
struct Page<'a> {
    /// All that exist.
    topics: usize,
    rooms: Vec<Room<'a>>,
    /// Where the next page begins, if there is one.
    next: Option<usize>,
}

#[derive(Serialize)]
struct Room<'a> {
    name: &'a str,
    members: usize,
    /// Those who agreed on compression.
    members_compressed: usize,
    /// Since it exists: messages, and bytes of their payloads, before compression.
    messages: u64,
    bytes: u64,
    messages_per_second: f64,
    bytes_per_second: f64,
    /// Memory that its logs hold.
    log_bytes: usize,
    /// Members behind the live end, and how far the last of them is.
    lagging: usize,
    lag_bytes_max: u64,
}
