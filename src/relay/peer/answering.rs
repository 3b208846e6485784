//! A connection is answered: its response is prepared, leaves, and the next request is waited for.

use super::Peers;
use super::life::Life;
use super::post::Post;
use super::responses::Pending;
use crate::http::Response;
use crate::relay::ids::Slot;
use crate::wheel::Tick;
use std::time::SystemTime;

impl Peers {
    /// A response is being prepared.
    pub(in crate::relay) fn begin_response(&mut self, slot: Slot, now: Tick) {
        let is_ended = self.connections[slot].life.is_ended();
        self.connections[slot].extra().post = None;
        let progress = now.into();
        self.set_life(slot, Life::Respond { progress, is_ended });
    }

    /// Lets a response leave, with this date.
    pub(in crate::relay) fn send_response(
        &mut self,
        slot: Slot,
        response: Response,
        date: Option<SystemTime>,
        now: Tick,
    ) {
        self.begin_response(slot, now);
        let extra = self.connections[slot].extra();
        extra.outbox.push(&response.encode_head(date));
        extra.response = Some(Pending::new(response));
        self.queue_output(slot);
    }

    /// Lets a response leave, with its body. It may follow another one that has yet to leave, whose connection is
    /// kept alive.
    pub(in crate::relay) fn push_response(
        &mut self,
        slot: Slot,
        response: &Response,
        date: Option<SystemTime>,
        now: Tick,
    ) {
        self.begin_response(slot, now);
        let extra = self.connections[slot].extra();
        extra.outbox.push(&response.encode_head(date));
        extra.outbox.push(&response.body);
        extra.response = Some(Pending::bare(response.keep_alive));
        self.queue_output(slot);
    }

    /// The body of a request that publishes is waited for.
    pub(in crate::relay) fn await_body(&mut self, slot: Slot, post: Box<Post>, now: Tick) {
        let is_ended = self.connections[slot].life.is_ended();
        let since = now.into();
        self.set_life(slot, Life::Body { since, is_ended });
        self.connections[slot].extra().post = Some(post);
    }

    /// A response has left whole.
    pub(in crate::relay) fn take_response(&mut self, slot: Slot) -> Option<Pending> {
        self.connections[slot].extra().response.take()
    }

    /// Another request is waited for. What was kept of it is taken in when it is its turn to be read.
    pub(in crate::relay) fn await_request(&mut self, slot: Slot, now: Tick) {
        let is_ended = self.connections[slot].life.is_ended();
        let answered = now.into();
        self.set_life(slot, Life::NextHead { answered, is_ended });
        self.resume(slot);
    }
}
