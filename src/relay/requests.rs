//! Requests, and what they are answered.

use super::Relay;
use super::ids::Slot;
use super::limits::REFUSED_LINGERING_MAX;
use super::peer::Phase;
use super::wall_clock::WallClock;
use crate::http::{self, Answer, Ask, Reason, Response};
use crate::proto::{Head, HeadError};
use crate::proxy::PeerAddress;

impl Relay {
    /// Sets the clock that dates responses; without it, they have none.
    pub fn set_wall_clock(&mut self, wall_clock: WallClock) {
        self.wall_clock = Some(wall_clock);
    }

    /// The response has left whole.
    pub(super) fn on_response_sent(&mut self, slot: Slot) {
        let response = self.peers.take_response(slot);
        let is_at_accept = response.as_ref().is_some_and(|response| response.at_accept);
        let is_full = self.peers.count(Phase::Linger) >= REFUSED_LINGERING_MAX;
        if is_at_accept && is_full {
            return self.drop_now(slot);
        }
        if self.shutdown.is_some() || response.is_none_or(|response| !response.keep_alive) {
            return self.shut(slot);
        }
        self.peers.await_request(slot, self.now);
    }

    /// Answers a request.
    pub(super) fn respond(&mut self, slot: Slot, response: Response) {
        if response.status.is_error() {
            self.note_refusal(slot, &response);
        }
        self.send_response(slot, response);
    }

    /// Lets a response leave.
    pub(super) fn send_response(&mut self, slot: Slot, response: Response) {
        let date = self.wall_clock.map(|wall_clock| wall_clock());
        self.peers.send_response(slot, response, date, self.now);
    }

    /// A part of a request head, or more. A head that comes whole is taken from where it lies.
    pub(super) fn on_request_bytes(&mut self, slot: Slot, input: &mut [u8]) {
        if self.gate.awaits_header(slot) {
            let mut rest = self.on_header_bytes(slot, input);
            if !rest.is_empty() {
                self.on_request_bytes(slot, &mut rest);
            }
            return;
        }
        let extra = self.peers[slot].extra();
        if extra.head.is_empty() {
            extra.scanner = Default::default();
            match extra.scanner.scan(input, self.limits.head_bytes_max) {
                Ok(None) => {
                    self.peers.extend_head(slot, input, &self.limits);
                    self.keep_head(slot);
                }
                scanned => self.on_scanned(slot, input, scanned),
            }
            return;
        }
        self.peers.extend_head(slot, input, &self.limits);
        let extra = self.peers[slot].extra();
        match extra.scanner.scan(&extra.head, self.limits.head_bytes_max) {
            Ok(None) => self.keep_head(slot),
            scanned => {
                let mut head = std::mem::take(&mut extra.head);
                self.on_scanned(slot, &mut head, scanned);
            }
        }
    }

    /// A head is not whole yet. If the relay has no memory for what has come of it, it is refused.
    fn keep_head(&mut self, slot: Slot) {
        if !self.peers.keep_head(slot, &self.limits) {
            self.respond(slot, no_memory());
        }
    }

    fn on_scanned(
        &mut self,
        slot: Slot,
        input: &mut [u8],
        scanned: Result<Option<usize>, HeadError>,
    ) {
        let head_bytes = match scanned {
            Ok(head_bytes) => head_bytes.unwrap_or(input.len()),
            Err(error) => return self.on_bad_head(slot, input, error),
        };
        let (head, rest) = input.split_at_mut(head_bytes);
        match Head::parse(head) {
            Ok(head) => self.on_request(slot, &head, rest),
            Err(error) => self.on_bad_head(slot, head, error),
        }
    }

    fn on_bad_head(&mut self, slot: Slot, head: &[u8], error: HeadError) {
        let mut response = Response::refusal(error.into(), &error.to_string(), &[]);
        response.head_only = head.trim_ascii_start().starts_with(b"HEAD ");
        self.respond(slot, response);
    }

    fn on_request(&mut self, slot: Slot, head: &Head, rest: &mut [u8]) {
        if let Err(response) = self.check_host(slot, head) {
            return self.respond(slot, response);
        }
        if self.gate.is_admin(self.peers.id(slot)) {
            return self.on_admin_request(slot, head, rest);
        }
        let proxy = self.gate.begin_request(slot, head);
        match http::route(head, &self.site, &self.limits.origins) {
            Answer::Join(join) if self.has_place() => self.on_join_request(slot, head, join, rest),
            Answer::Join(_) => self.respond(slot, self.no_place()),
            Answer::Stream(stream) => self.on_stream_request(slot, head, stream),
            Answer::Publish(publish) => {
                self.on_publish_request(slot, head, publish, proxy, rest);
            }
            Answer::Ask(ask) => {
                let mut response = self.standing(slot, head, &ask).allowing(ask.origin);
                response.head_only = ask.head_only;
                response.keep_alive = ask.keep_alive;
                self.answer(slot, response, proxy, rest);
            }
            Answer::Respond(response) => self.answer(slot, response, proxy, rest),
        }
    }

    /// Answers a request that has no body. What follows is the next one: it waits until this one is answered.
    fn answer(
        &mut self,
        slot: Slot,
        mut response: Response,
        proxy: Option<PeerAddress>,
        rest: &[u8],
    ) {
        response.keep_alive &= self.may_keep(slot, rest);
        let keep_alive = response.keep_alive;
        if keep_alive {
            self.peers[slot].extra().kept = rest.to_vec();
        }
        self.respond(slot, response);
        if let Some(proxy) = proxy.filter(|_| keep_alive) {
            self.gate.end_request(slot, proxy);
        }
    }

    /// How a topic stands, if there is one.
    fn standing(&mut self, slot: Slot, head: &Head, ask: &Ask) -> Response {
        let mut name = ask.topic.clone();
        if let Err(response) = self.ask_hook(slot, head, &mut name) {
            return response;
        }
        match self.hub.find(&name) {
            Some(topic) => Response::fresh_json(&self.hub.standing(topic, self.now)),
            None => {
                let why = "There is no such topic now: it has no readers, and retains nothing.";
                Response::refusal(Reason::NotFound, why, &[])
            }
        }
    }
}

/// The answer if there is no memory for what has come of a request.
pub(super) fn no_memory() -> Response {
    let why = "The relay has no memory for so large a request now. Try again later.";
    Response::refusal(Reason::Full, why, &[("Retry-After", "10")])
}
