//! Publishers that publish by request, in all rooms.
//!
//! A message is done when its request is answered and every reader has it. One whose request fails need not come
//! to any reader. Where the server closes a connection as it has announced, or as it was asked to, the next one
//! takes its place; what was not answered is sent again, as it was not read (RFC 9112 §9.6).

use super::super::audience::LastWord;
use super::super::clock;
use super::super::links::Links;
use super::super::payload::Fields;
use super::super::requests::{ExchangeState, InFlight};
use super::super::response::Answer;
use super::super::tally::RequestTally;
use super::Rooms;
use super::exchanges::Exchanges;

impl Rooms {
    /// What came of requests, if messages are published by them.
    pub(in super::super) fn requests(&self) -> Option<&RequestTally> {
        self.plan.requests().map(|_| &self.exchanges.tally)
    }

    /// Counts latencies from now on.
    pub(in super::super) fn reset_latencies(&mut self) {
        self.shared.tally.latencies = Default::default();
        self.exchanges.tally.latencies = Default::default();
    }

    /// Room and publisher of a connection over which requests go.
    #[inline]
    pub(super) fn room_and_exchange(&self, link: usize) -> Option<(usize, usize)> {
        let requests = self.plan.requests()?;
        let (room, connection) = self.room_and_receiver(link);
        let publisher = connection.checked_sub(self.plan.readers)?;
        Some((room, room * requests.connections + publisher))
    }

    /// Publishes up to this many messages, as far as there may be more requests on the connections of a room; returns
    /// how many.
    pub(super) fn publish_by_request(
        &mut self,
        links: &mut Links,
        room: usize,
        count: u64,
        at: u64,
    ) -> u64 {
        let Some(requests) = self.plan.requests().cloned() else {
            return 0;
        };
        let connections = requests.connections;
        let first_link = room * self.plan.connections() + self.plan.readers;
        let first = self.rooms[room].next;
        let mut left = count;
        for publisher in (first..connections).chain(0..first) {
            let (link, index) = (first_link + publisher, room * connections + publisher);
            let exchange = &mut self.exchanges.list[index];
            let messages = (exchange.space(&requests) as u64).min(left);
            if messages == 0 || self.is_gone[link] {
                continue;
            }
            let audience = &mut self.rooms[room].audience;
            let sequence = audience.published_by(publisher);
            audience.publish_elsewhere(&self.shared.script, publisher, messages, at);
            let sequences = sequence..sequence + messages;
            let in_flight = sequences.map(|sequence| InFlight { sequence, at });
            exchange.in_flight.extend(in_flight);
            match exchange.state {
                ExchangeState::Open => self.send(links, link, messages as usize),
                ExchangeState::Closed => {
                    exchange.state = ExchangeState::Opening;
                    links.reopen(link, requests.route(room).clone());
                }
                _ => {}
            }
            left -= messages;
            self.rooms[room].next = (publisher + 1) % connections;
            if left == 0 {
                break;
            }
        }
        self.exchanges.unanswered[room] += count - left;
        count - left
    }

    /// Sends the last so many of a connection's requests in flight.
    fn send(&mut self, links: &mut Links, link: usize, count: usize) {
        let (Some((room, index)), Some(requests)) =
            (self.room_and_exchange(link), self.plan.requests())
        else {
            return;
        };
        let Exchanges { list, tally, .. } = &mut self.exchanges;
        let in_flight = &list[index].in_flight;
        links.send(link, |out| {
            let before = out.len();
            for request in in_flight.range(in_flight.len() - count..) {
                let fields = Fields {
                    publisher: index,
                    sequence: request.sequence,
                };
                requests.write(room, &self.shared.script, fields, out);
            }
            tally.sent_bytes += (out.len() - before) as u64;
        });
    }

    /// A publisher's connection is open.
    pub(super) fn begin_exchange(&mut self, links: &mut Links, link: usize, index: usize) {
        let exchange = &mut self.exchanges.list[index];
        exchange.state = ExchangeState::Open;
        let count = exchange.in_flight.len();
        self.send(links, link, count);
    }

    /// False ends the connection.
    pub(super) fn on_responses(&mut self, link: usize, bytes: &[u8], now: u64) -> bool {
        let Some((room, index)) = self.room_and_exchange(link) else {
            return true;
        };
        let keep_alive = self.plan.requests().is_some_and(|it| it.keep_alive);
        self.exchanges.tally.received_bytes += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            let received = self.exchanges.list[index].receive(rest, keep_alive);
            let Some((consumed, answered)) = received else {
                self.last_word = Some(LastWord::Broken);
                return false;
            };
            if let Some((answer, request)) = answered {
                self.on_answer(room, index, answer, request, now);
            }
            rest = &rest[consumed..];
        }
        true
    }

    fn on_answer(
        &mut self,
        room: usize,
        index: usize,
        answer: Answer,
        request: InFlight,
        now: u64,
    ) {
        self.exchanges.unanswered[room] -= 1;
        let tally = &mut self.exchanges.tally;
        if answer.is_success() {
            tally.succeeded += 1;
            tally.latencies.record(now.saturating_sub(request.at), 1);
            return;
        }
        let words = || self.exchanges.list[index].responses.in_words(answer);
        tally.first_failure.get_or_insert_with(words);
        let fault = format!("requests answered with {}", answer.status);
        self.on_failed_request(room, index, request, fault);
    }

    fn on_failed_request(&mut self, room: usize, index: usize, request: InFlight, fault: String) {
        self.exchanges.tally.failed += 1;
        self.shared.tally.on_named(fault, 1);
        let publisher = index % self.plan.publishers();
        let audience = &mut self.rooms[room].audience;
        audience.refuse(&mut self.shared, publisher, request.sequence);
    }

    /// A connection has ended. False if it was not to.
    pub(super) fn on_exchange_ended(&mut self, links: &mut Links, link: usize) -> bool {
        let Some((room, index)) = self.room_and_exchange(link) else {
            return false;
        };
        let now = clock::now();
        match self.exchanges.list[index].end() {
            None => return false,
            Some(None) => {}
            Some(Some((answer, request))) => self.on_answer(room, index, answer, request, now),
        }
        self.mark_dirty(room);
        let Some(requests) = self.plan.requests() else {
            return false;
        };
        let exchange = &mut self.exchanges.list[index];
        exchange.state = match exchange.in_flight.is_empty() {
            true => ExchangeState::Closed,
            false => {
                links.reopen(link, requests.route(room).clone());
                ExchangeState::Opening
            }
        };
        true
    }

    /// The run is given up: what was not answered has failed.
    pub(super) fn give_up_requests(&mut self) {
        let connections = self.plan.publishers();
        for index in 0..self.exchanges.list.len() {
            self.give_up_exchange((index / connections, index));
        }
    }

    /// The same of one connection.
    pub(super) fn give_up_exchange(&mut self, (room, index): (usize, usize)) {
        let in_flight = std::mem::take(&mut self.exchanges.list[index].in_flight);
        self.exchanges.unanswered[room] -= in_flight.len() as u64;
        for request in in_flight {
            let fault = "requests that were not answered".into();
            self.on_failed_request(room, index, request, fault);
        }
    }
}
