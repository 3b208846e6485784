//! What comes in, and frames of it. What is to be read now is [asked](super::reading) before, and requests are
//! [taken in](super::requests) apart.
//!
//! A connection may be closed in the middle of its input, for its rate or for want of memory. So whatever
//! may close one is followed by a look at the phase: once that is [`Phase::Open`] no more, nothing but
//! the peer's close frame has a meaning. And what a connection has to say is taken in when it is its turn
//! to be read, and never from within another's.

use super::Relay;
use super::ids::{ConnId, Slot};
use super::limits::GATHER_BYTES_FREE;
use super::peer::{Flag, Phase};
use crate::metrics::Cause;
use crate::proto::{Event, Fragment, Gather, Message, MessageKind, ProtocolError, Role, Session};

impl Relay {
    /// Takes in what was kept of a connection's input, once [`reading`](Relay::reading) says so: a
    /// message that is being inflated, or else the bytes behind it.
    pub fn handle_kept(&mut self, id: ConnId) {
        let Some(slot) = self.peers.slot(id) else {
            return;
        };
        let extra = self.peers[slot].extra();
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
        self.peers
            .slot(id)
            .is_some_and(|slot| self.is_slot_open(slot))
    }

    fn prove_alive(&mut self, slot: Slot) {
        self.peers.on_received(slot, self.now);
    }

    /// Takes in what was read from a connection's socket.
    pub fn handle_input(&mut self, id: ConnId, input: &mut [u8]) {
        let Some(slot) = self.peers.slot(id) else {
            return;
        };
        self.counters.received_bytes += input.len() as u64;
        if self.peers[slot].is_open() {
            self.take_bytes(slot, input.len());
        }
        self.take_in(slot, input);
    }

    fn take_in(&mut self, slot: Slot, input: &mut [u8]) {
        self.prove_alive(slot);
        match self.peers[slot].phase() {
            Phase::Head => self.on_request_bytes(slot, input),
            Phase::Body => self.on_body(slot, input),
            // It has nothing to say.
            Phase::Open | Phase::Closing if self.peers[slot].flags.has(Flag::Sse) => {}
            Phase::Open | Phase::Closing | Phase::AwaitClose => self.on_frames(slot, input),
            Phase::Linger => {
                if !self.peers.discard(slot, input.len()) {
                    self.drop_now(slot);
                }
            }
            Phase::Respond | Phase::Closed => {}
        }
        self.settle(slot);
    }

    /// Takes in frames, from the socket or kept until now. Of a connection that is closed already, or
    /// in the middle of them, only the close frame counts.
    pub(super) fn on_frames(&mut self, slot: Slot, mut input: &mut [u8]) {
        let connection = &mut self.peers[slot];
        let compression = connection.flags.has(Flag::Compression);
        let extra = connection.extra.as_deref_mut();
        let mut session = extra
            .and_then(|extra| extra.session.take())
            .unwrap_or_else(|| Session::new(Role::Server).with_compression(compression));
        let message_bytes_max = self.received_bytes_max(slot);
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
                    if is_whole
                        && (self.is_to_wait(slot, was_compressed) || self.is_told_enough(slot))
                    {
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
        let connection = &mut self.peers[slot];
        if !session.is_at_rest() && !connection.is_closed() {
            connection.extra().session = Some(session);
        }
    }

    /// A piece of a message. One that is whole goes from the read buffer into the log; one that
    /// came in pieces is gathered first, and never enters the log in part.
    #[inline]
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
            None => self.peers[slot].extra().gather = gather,
        }
        Ok(())
    }

    /// A whole message. One that is compressed is inflated first.
    #[inline]
    fn on_message(&mut self, slot: Slot, message: Message) -> Result<(), ProtocolError> {
        if message.compressed {
            return self.on_compressed(slot, message);
        }
        self.on_plain_message(slot, message.kind, message.payload)
    }

    /// A whole message as it was meant is published.
    #[inline]
    pub(super) fn on_plain_message(
        &mut self,
        slot: Slot,
        kind: MessageKind,
        payload: &[u8],
    ) -> Result<(), ProtocolError> {
        if self.peers[slot].flags.has(Flag::V1) {
            return self.on_v1_message(slot, kind, payload);
        }
        if !self.publish(slot, kind, payload, None) {
            self.close(slot, Cause::Forbidden);
        }
        Ok(())
    }

    /// Whether a piece of a message counts. The last one of a message over its sender's rate does not.
    fn may_go_on(&mut self, slot: Slot, is_last: bool) -> bool {
        self.is_slot_open(slot) && (!is_last || self.take_message(slot))
    }

    pub(super) fn is_slot_open(&self, slot: Slot) -> bool {
        self.peers[slot].is_open()
    }

    /// What was gathered of a message so far, unless the relay has no memory for another piece.
    fn take_gather(&mut self, slot: Slot, fragment: &Fragment) -> Option<Gather> {
        let others = self.peers.private_bytes_of_others(slot);
        let connection = &mut self.peers[slot];
        connection.active = self.now;
        let extra = connection.extra();
        let gathered = extra.gather.bytes() + fragment.payload.len();
        let held = extra.gather.heap_bytes_after(fragment.payload.len());
        if gathered > GATHER_BYTES_FREE && held + others > self.limits.private_bytes_max {
            self.close(slot, Cause::Memory);
            return None;
        }
        Some(std::mem::take(&mut extra.gather))
    }

    /// Answers a ping.
    fn pong(&mut self, slot: Slot, payload: &[u8]) {
        self.enter_outbox(slot);
        let bytes_max = self.limits.outbox_bytes_max;
        let outbox = &mut self.peers[slot].extra().outbox;
        outbox.push_pong(payload, bytes_max);
        self.peers.queue_output(slot);
    }
}
