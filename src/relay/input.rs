//! What comes in: requests, and frames.
//!
//! A connection may be closed in the middle of its input, for its rate or for want of memory. So whatever
//! may close one is followed by a look at the phase: once that is [`Phase::Open`] no more, nothing but
//! the peer's close frame has a meaning. And what a connection has to say is taken in when it is its turn
//! to be read, and never from within another's.

use super::Relay;
use super::connection::Phase;
use super::flags::Flag;
use super::ids::{ConnId, Slot};
use super::limits::GATHER_BYTES_FREE;
use crate::http::{self, Answer, Reason, Response};
use crate::metrics::Cause;
use crate::proto::{
    Event, Fragment, Gather, Head, HeadError, Message, ProtocolError, Role, Session,
};

impl Relay {
    /// Takes in what was kept of a connection's input, once [`reading`](Relay::reading) says so: a
    /// message that is being inflated, or else the bytes behind it.
    pub fn handle_kept(&mut self, id: ConnId) {
        let Some(slot) = self.slot(id) else { return };
        let extra = self.connections[slot].extra();
        if let Some(inflating) = extra.inflating.take() {
            if let Err(error) = self.on_inflating(slot, inflating) {
                self.fail(slot, error);
            }
            self.prove_alive(slot);
            self.settle(slot);
            return;
        }
        let mut kept = std::mem::take(&mut extra.kept);
        self.take_in(slot, &mut kept);
    }

    /// Whether a connection is a WebSocket that has not begun to close.
    #[must_use]
    pub fn is_open(&self, id: ConnId) -> bool {
        self.slot(id).is_some_and(|slot| self.is_slot_open(slot))
    }

    fn prove_alive(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot];
        connection.heard = self.now;
        connection.flags.clear(Flag::AwaitingPong);
    }

    /// Takes in what was read from a connection's socket.
    pub fn handle_input(&mut self, id: ConnId, input: &mut [u8]) {
        let Some(slot) = self.slot(id) else { return };
        self.counters.received_bytes += input.len() as u64;
        if self.connections[slot].phase == Phase::Open {
            self.take_bytes(slot, input.len());
        }
        self.take_in(slot, input);
    }

    fn take_in(&mut self, slot: Slot, input: &mut [u8]) {
        self.prove_alive(slot);
        match self.connections[slot].phase {
            Phase::Head => self.on_request_bytes(slot, input),
            Phase::Open | Phase::Closing | Phase::AwaitClose => self.on_frames(slot, input),
            Phase::Linger => self.discard(slot, input.len()),
            Phase::Respond | Phase::Closed => {}
        }
        if self.connections[slot].phase != Phase::Closed {
            self.settle(slot);
        }
    }

    /// A part of a request head, or more. A head that comes whole is taken from where it lies.
    fn on_request_bytes(&mut self, slot: Slot, input: &mut [u8]) {
        if self.gate.awaits_header(slot) {
            let mut rest = self.on_header_bytes(slot, input);
            if !rest.is_empty() {
                self.on_request_bytes(slot, &mut rest);
            }
            return;
        }
        let extra = self.connections[slot].extra();
        if extra.head.is_empty() {
            extra.scanner = Default::default();
            match extra.scanner.scan(input, self.limits.head_bytes_max) {
                Ok(None) => {
                    self.extend_head(slot, input);
                    self.keep_head(slot);
                }
                scanned => self.on_scanned(slot, input, scanned),
            }
            return;
        }
        self.extend_head(slot, input);
        let extra = self.connections[slot].extra();
        match extra.scanner.scan(&extra.head, self.limits.head_bytes_max) {
            Ok(None) => self.keep_head(slot),
            scanned => {
                let mut head = std::mem::take(&mut extra.head);
                self.on_scanned(slot, &mut head, scanned);
            }
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
        if self.gate.is_admin(self.id(slot)) {
            return self.on_admin_request(slot, head, rest);
        }
        let proxy = self.gate.begin_request(slot, head);
        match http::route(head, &self.site, &self.limits.origins) {
            Answer::Join(join) if self.has_place() => self.on_join_request(slot, head, join, rest),
            Answer::Join(_) => {
                let why = "The relay is full, or going down. Try again later.";
                let headers = [("Retry-After", "10")];
                let reason = match self.shutdown {
                    Some(_) => Reason::ShuttingDown,
                    None => Reason::Full,
                };
                self.respond(slot, Response::refusal(reason, why, &headers));
            }
            Answer::Respond(mut response) => {
                // What follows is the next request: it waits until this one is answered.
                response.keep_alive &= rest.len() <= self.head_room(slot);
                let keep_alive = response.keep_alive;
                if keep_alive {
                    self.connections[slot].extra().kept = rest.to_vec();
                }
                self.respond(slot, response);
                if let Some(proxy) = proxy.filter(|_| keep_alive) {
                    self.gate.end_request(slot, proxy);
                }
            }
        }
    }

    /// Takes in frames, from the socket or kept until now. Of a connection that is closed already, or
    /// in the middle of them, only the close frame is heard.
    pub(super) fn on_frames(&mut self, slot: Slot, mut input: &mut [u8]) {
        let connection = &mut self.connections[slot];
        let compression = connection.flags.has(Flag::Compression);
        let extra = connection.extra.as_deref_mut();
        let mut session = extra
            .and_then(|extra| extra.session.take())
            .unwrap_or_else(|| Session::new(Role::Server).with_compression(compression));
        let message_bytes_max = self.limits.message_bytes_max;
        while !input.is_empty() {
            let received = match session.receive(input, message_bytes_max) {
                Ok(received) => received,
                Err(error) => return self.fail(slot, error),
            };
            let consumed = received.consumed;
            match received.event {
                Some(Event::Fragment(fragment)) => {
                    let (is_whole, was_compressed) = (fragment.last, fragment.compressed);
                    if let Err(error) = self.on_fragment(slot, fragment) {
                        return self.fail(slot, error);
                    }
                    if is_whole && self.is_to_wait(slot, was_compressed) {
                        self.keep_input(slot, &input[consumed..]);
                        break;
                    }
                }
                Some(Event::Ping(payload)) if self.is_slot_open(slot) => {
                    self.counters.pings_received += 1;
                    if self.take_message(slot) {
                        self.pong(slot, payload);
                    }
                }
                Some(Event::Pong(_)) if self.is_slot_open(slot) => {
                    self.counters.pongs_received += 1
                }
                Some(Event::Close(close)) => {
                    return self.on_close_frame(slot, close.map(|close| close.code));
                }
                Some(Event::Ping(_) | Event::Pong(_)) | None => {}
            }
            input = &mut input[consumed..];
        }
        session.release();
        let connection = &mut self.connections[slot];
        if !session.is_at_rest() && connection.phase != Phase::Closed {
            connection.extra().session = Some(session);
        }
    }

    /// A piece of a message. One that is whole goes from the read buffer into the log; one that
    /// came in pieces is gathered first, and never enters the log in part.
    fn on_fragment(&mut self, slot: Slot, fragment: Fragment) -> Result<(), ProtocolError> {
        if !self.may_go_on(slot, fragment.last) {
            return Ok(());
        }
        if fragment.first && fragment.last {
            return self.on_message(slot, fragment.into());
        }
        let Some(mut gather) = self.take_gather(slot, &fragment) else {
            return Ok(());
        };
        match gather.push(fragment) {
            Some(message) => return self.on_message(slot, message),
            None => self.connections[slot].extra().gather = gather,
        }
        Ok(())
    }

    /// A whole message. One that is compressed is inflated first.
    fn on_message(&mut self, slot: Slot, message: Message) -> Result<(), ProtocolError> {
        if message.compressed {
            return self.on_compressed(slot, message);
        }
        self.publish(slot, message.kind, message.payload);
        Ok(())
    }

    /// Whether a piece of a message is heard. What is over its sender's rate, when it ends, is not.
    fn may_go_on(&mut self, slot: Slot, is_last: bool) -> bool {
        self.is_slot_open(slot) && (!is_last || self.take_message(slot))
    }

    pub(super) fn is_slot_open(&self, slot: Slot) -> bool {
        self.connections[slot].phase == Phase::Open
    }

    /// What was gathered of a message so far, unless the relay has no memory for another piece.
    fn take_gather(&mut self, slot: Slot, fragment: &Fragment) -> Option<Gather> {
        let connection = &mut self.connections[slot];
        connection.active = self.now;
        let extra = connection.extra();
        let gathered = extra.gather.bytes() + fragment.payload.len();
        let held = extra.gather.heap_bytes_after(fragment.payload.len());
        let others = self.private_bytes - extra.charged;
        if gathered > GATHER_BYTES_FREE && held + others > self.limits.private_bytes_max {
            self.close(slot, Cause::Memory);
            return None;
        }
        Some(std::mem::take(&mut extra.gather))
    }
}
