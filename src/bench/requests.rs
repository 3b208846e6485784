//! Requests that publish, and the connections that they go over, as far as a room needs to know them.

use super::body::BodyTemplate;
use super::opening::RequestOptions;
use super::payload::Fields;
use super::response::{Answer, Responses};
use super::route::{Protocol, Route};
use super::script::Script;
use crate::proto::MessageKind;
use std::collections::VecDeque;

/// How messages are published by request.
pub(super) struct Requests {
    /// In each room.
    pub(super) connections: usize,
    /// Requests in flight on each connection.
    pub(super) depth: usize,
    /// Connections are used again.
    pub(super) keep_alive: bool,
    body: Option<BodyTemplate>,
    /// Of each room: where its requests go, and their head as far as the length.
    rooms: Vec<(Route, Vec<u8>)>,
}

/// What each request is, but for its message.
pub(super) struct RequestForm<'a> {
    pub(super) method: &'a str,
    pub(super) options: &'a RequestOptions,
    pub(super) body: Option<BodyTemplate>,
    pub(super) kind: MessageKind,
}

impl Requests {
    /// Requests for this many rooms, whose routes are used in turn.
    pub(super) fn new(
        routes: &[Route],
        rooms: usize,
        connections: usize,
        depth: usize,
        keep_alive: bool,
        form: RequestForm,
    ) -> Self {
        let content_type = match form.kind {
            MessageKind::Text => "Content-Type: text/plain; charset=utf-8",
            MessageKind::Binary => "Content-Type: application/octet-stream",
        };
        let room = |room: usize| {
            let route = routes[room % routes.len()].numbered(room);
            let mut head = Vec::new();
            let lines = [content_type];
            form.options
                .write_head(form.method, &route, &lines, &mut head);
            if !keep_alive {
                head.extend_from_slice(b"Connection: close\r\n");
            }
            head.extend_from_slice(b"Content-Length: ");
            (route.speaking(Protocol::Http), head)
        };
        Requests {
            connections,
            depth,
            keep_alive,
            rooms: (0..rooms).map(room).collect(),
            body: form.body,
        }
    }

    /// Where a room's requests go.
    pub(super) fn route(&self, room: usize) -> &Route {
        &self.rooms[room].0
    }

    /// Appends a request.
    pub(super) fn write(&self, room: usize, script: &Script, fields: Fields, out: &mut Vec<u8>) {
        let head = &self.rooms[room].1;
        out.extend_from_slice(head);
        let Some(template) = &self.body else {
            write_length(script.payload_bytes(fields.sequence), out);
            script.write_payload(fields, out);
            return;
        };
        let publishers = (self.rooms.len() * self.connections) as u64;
        let n = fields.sequence * publishers + fields.publisher as u64;
        let mut body = Vec::new();
        template.write(script, fields, n, &mut body);
        write_length(body.len(), out);
        out.extend_from_slice(&body);
    }
}

fn write_length(bytes: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(bytes.to_string().as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
}

/// What goes on over one publisher's connection, or its successors.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) state: ExchangeState,
    /// Oldest first.
    pub(super) in_flight: VecDeque<InFlight>,
    pub(super) responses: Responses,
}

/// A message that was published, whose request has not been answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    pub(super) sequence: u64,
    /// When it was published.
    pub(super) at: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ExchangeState {
    #[default]
    Opening,
    Open,
    /// The server is about to close it: what it has not answered goes over the next one.
    Closing,
    Closed,
}

impl Exchange {
    /// Requests that may be added.
    pub(super) fn space(&self, requests: &Requests) -> usize {
        match self.state {
            ExchangeState::Closing => 0,
            _ => requests.depth - self.in_flight.len(),
        }
    }

    /// Takes bytes up to the end of a response: how many it took, and the response with its request if that is whole.
    /// None if they are no response, or none to a request.
    pub(super) fn receive(
        &mut self,
        input: &[u8],
        keep_alive: bool,
    ) -> Option<(usize, Option<(Answer, InFlight)>)> {
        let (consumed, answer) = self.responses.receive(input).ok()?;
        let Some(answer) = answer else {
            return Some((consumed, None));
        };
        Some((
            consumed,
            Some((answer, self.on_answer(answer, keep_alive)?)),
        ))
    }

    fn on_answer(&mut self, answer: Answer, keep_alive: bool) -> Option<InFlight> {
        // After the last response nothing may come.
        if self.state != ExchangeState::Open {
            return None;
        }
        if answer.closes || !keep_alive {
            self.state = ExchangeState::Closing;
        }
        self.in_flight.pop_front()
    }

    /// The connection has ended: the response that ended with it, if one did; none at all if it ended too early.
    pub(super) fn end(&mut self) -> Option<Option<(Answer, InFlight)>> {
        match self.responses.end() {
            Ok(Some(answer)) => Some(Some((answer, self.on_answer(answer, false)?))),
            Ok(None) if self.state == ExchangeState::Closing => Some(None),
            _ => None,
        }
    }
}
