//! Requests of the admin listener, answered apart from all others.

use super::Relay;
use super::action::{Action, Reply, Scrape};
use super::hub::TopicFigures;
use super::ids::{ConnId, Slot};
use super::limits::TOPIC_SLOTS_PER_PAGE;
use super::peer::Phase;
use crate::http::{AdminRequest, Reason, Response, TopicsQuery, route_admin};
use crate::metrics::{Format, Levels, ProcessFigures, Snapshot};
use crate::proto::Head;
use serde::Serialize;

impl Relay {
    /// Connections that came by the public listeners.
    #[must_use]
    pub fn public_connections(&self) -> usize {
        self.peers.len() - self.gate.admins()
    }

    /// How things stand.
    #[must_use]
    pub fn levels(&self) -> Levels {
        Levels {
            connections: self.peers.states(),
            topics: self.hub.topics(),
            log_bytes: self.log_bytes(),
            private_bytes: self.peers.private_bytes(),
            lagging: self.hub.lagging(),
            lag_bytes_max: self.hub.lag_bytes_max(),
        }
    }

    /// Answers a scrape, with what is known of the process.
    pub fn handle_report(&mut self, id: ConnId, scrape: Scrape, process: &ProcessFigures) {
        let Some(slot) = self.peers.slot(id) else {
            return;
        };
        if self.peers[slot].phase() != Phase::Respond {
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
            self.peers[slot].extra().kept = rest.to_vec();
        }
        let response = match request {
            AdminRequest::Respond(response) => response,
            AdminRequest::Readiness if self.shutdown.is_some() => {
                let why = "The relay is going down.";
                Response::refusal(Reason::ShuttingDown, why, &[])
            }
            AdminRequest::Readiness => Response::fresh("text/plain; charset=utf-8", "ready\n"),
            AdminRequest::Topics(query) => self.topics_page(&query),
            AdminRequest::Metrics { open_metrics } => {
                let format = match open_metrics {
                    true => Format::OpenMetrics,
                    false => Format::Text,
                };
                self.peers.begin_response(slot, self.now);
                let scrape = Scrape { format, reply };
                return self.peers.push_action(slot, Action::Report(scrape));
            }
        };
        self.reply(slot, response, reply);
    }

    fn reply(&mut self, slot: Slot, mut response: Response, reply: Reply) {
        response.head_only = reply.head_only;
        response.keep_alive &= reply.keep_alive;
        if !response.keep_alive {
            self.peers[slot].extra().kept = Vec::new();
        }
        self.send_response(slot, response);
    }

    /// Some of the topics, in the order of their slots: as many as a turn has time for.
    fn topics_page(&self, query: &TopicsQuery) -> Response {
        let mut page = TopicsPage {
            total: self.hub.topics(),
            topics: Vec::new(),
            next: None,
        };
        if let Some(name) = &query.topic {
            let topic = self.hub.find(name);
            let figures = topic.map(|topic| self.hub.figures(topic, self.now));
            page.topics.extend(figures);
        } else {
            let end = self.hub.topic_slots();
            let stop = end.min(query.from.saturating_add(TOPIC_SLOTS_PER_PAGE));
            let mut slot = query.from;
            while slot < stop && page.topics.len() < query.limit {
                page.topics.extend(self.hub.figures_at(slot, self.now));
                slot += 1;
            }
            page.next = (slot < end).then_some(slot);
        }
        Response::fresh_json(&page)
    }
}

/// A part of the list of topics.
#[derive(Serialize)]
struct TopicsPage<'a> {
    /// How many exist.
    total: usize,
    topics: Vec<TopicFigures<'a>>,
    /// Where the next page begins, if there is one.
    next: Option<usize>,
}
