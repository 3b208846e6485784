//! How connections end.
//!
//! ```text
//!             start_close             all owed was sent        our close frame was sent
//!   Open ─────────────────► Closing ─────────────────► (same) ──┬─► AwaitClose ─┐ peer's close
//!                                                               │               ▼
//!   Respond, not kept alive ────────────────────────────────────┴───────────► Linger ─► Closed
//! ```
//!
//! The close frame comes after everything that the connection was owed when its end was decided.
//! One timer bounds all of it until the peer's close frame. Then our side is shut, and what still
//! comes is discarded for a while, since closing a socket with unread bytes resets it, and a reset
//! may eat our last words at the other end.
//!
//! A reader that is lapped while it closes, under either [policy](super::SlowPolicy), is told of the gap in place
//! of why its end was decided: nothing else can show it that it missed something, while a limit or a
//! rule shows itself again. Only a peer that said good-bye itself gets its own code back (RFC 6455 §5.5.1): it
//! wants no more messages. The cause that is counted is the first one.

use super::Relay;
use super::ids::{ConnId, Slot};
use super::peer::{Close, Life, Peer, Phase};
use crate::metrics::{Cause, NO_CLOSE_CODE, NO_CLOSE_FRAME};
use crate::proto::{CloseCode, CloseFrame, ProtocolError};

impl Relay {
    /// The peer's stream has ended; it may still read.
    pub fn handle_end(&mut self, id: ConnId) {
        let Some(slot) = self.peers.slot(id) else {
            return;
        };
        match self.peers[slot].life() {
            Life::FirstHead { .. } => {
                self.note_disconnect(slot);
                self.drop_now(slot);
            }
            Life::NextHead { .. } | Life::AwaitClose { .. } | Life::Linger { .. } => {
                self.drop_now(slot);
            }
            Life::Open(_) if self.reads_events(slot) => {
                self.end_stream(slot, Cause::Peer, "", Peer::Ended);
            }
            Life::Open(_) => {
                let cause = Cause::Ended;
                self.start_close(slot, cause, cause.close_frame(), Peer::Ended);
            }
            Life::Body { .. } if !self.is_body_whole(slot) => self.drop_now(slot),
            Life::Body { .. } | Life::Respond { .. } | Life::Closing { .. } => self.peers.end(slot),
            Life::Closed => {}
        }
        self.settle(slot);
    }

    /// The socket is broken.
    pub fn handle_reset(&mut self, id: ConnId) {
        if let Some(slot) = self.peers.slot(id) {
            self.note_disconnect(slot);
            self.abort(slot, Cause::Reset);
        }
    }

    /// Closes an open connection whose peer may still send, with the close frame of the cause.
    pub(super) fn close(&mut self, slot: Slot, cause: Cause) {
        self.start_close(slot, cause, cause.close_frame(), Peer::Talking);
    }

    /// The same, with a reason that says more than the cause alone.
    pub(super) fn close_because(&mut self, slot: Slot, cause: Cause, reason: &str) {
        let close = cause.close_frame();
        let close = close.map(|close| CloseFrame { reason, ..close });
        self.start_close(slot, cause, close, Peer::Talking);
    }

    /// Begins the closing handshake, or ends the connection at once if there is no close frame; `peer`
    /// says what may still come.
    fn start_close(&mut self, slot: Slot, cause: Cause, close: Option<CloseFrame>, peer: Peer) {
        let Some(close) = close else {
            return self.abort(slot, cause);
        };
        if self.reads_events(slot) {
            // It has no frames, and its peer nothing to answer.
            return self.end_stream(slot, cause, close.reason, Peer::Done);
        }
        let code = match cause {
            // None came, and ours is not read.
            Cause::Ended => NO_CLOSE_FRAME,
            _ => close.code.as_u16(),
        };
        self.note_close(slot, cause, code, close.reason);
        self.start_close_with(slot, Some(close.encode().to_vec()), peer);
    }

    /// The peer's close frame came. The answer carries its code, and in AwaitClose none is due.
    pub(super) fn on_close_frame(&mut self, slot: Slot, code: Option<CloseCode>) {
        match self.peers[slot].phase() {
            Phase::Open => {
                let counted = code.map_or(NO_CLOSE_CODE, CloseCode::as_u16);
                self.note_close(slot, Cause::Peer, counted, "");
                let answer = code.map(|code| CloseFrame { code, reason: "" }.encode().to_vec());
                self.start_close_with(slot, Some(answer.unwrap_or_default()), Peer::Done);
            }
            Phase::Closing => self.peers.set_peer(slot, Peer::Done),
            Phase::AwaitClose => self.shut(slot),
            _ => {}
        }
    }

    /// The peer broke a rule of the protocol.
    pub(super) fn fail(&mut self, slot: Slot, error: ProtocolError) {
        match self.peers[slot].phase() {
            Phase::Open => {
                self.counters.failed += 1;
                let (code, reason) = (error.close_code(), &*error.to_string());
                let close = CloseFrame { code, reason };
                self.start_close(slot, Cause::Protocol, Some(close), Peer::Failed);
            }
            Phase::Closing => self.peers.set_peer(slot, Peer::Failed),
            Phase::AwaitClose => self.shut(slot),
            _ => {}
        }
    }

    /// Begins to close a connection; what is said last is a close frame's payload, or for a stream of events.
    pub(super) fn start_close_with(&mut self, slot: Slot, payload: Option<Vec<u8>>, peer: Peer) {
        self.peers
            .begin_close(slot, Close { payload }, peer, self.now);
        if self.let_go(self.peers.id(slot)) {
            // Its close frame may wait to be read.
            self.peers.resume(slot);
        }
        if !self.hub.end_at_tail(&mut self.peers, slot) {
            self.leave_topic(slot);
        }
        self.peers.queue_output(slot);
    }

    /// Messages that a closing connection was owed are gone. A reader of events comes back with the id of the last one
    /// that it has, and is told then.
    pub(super) fn tell_of_gap(&mut self, slot: Slot) {
        if self.reads_events(slot) {
            return;
        }
        let connection = &mut self.peers[slot];
        let is_asked = connection.life().peer() == Some(Peer::Done);
        if let Some(close) = &mut connection.extra().close
            && !is_asked
        {
            let lapped = Cause::Lapped.close_frame();
            close.payload = lapped.map(|lapped| lapped.encode().to_vec());
        }
    }

    /// All that a closing connection was owed has been sent: its close frame follows, and the
    /// second time, when that was sent too, the wait for the peer's.
    pub(super) fn on_owed_sent(&mut self, slot: Slot) {
        self.leave_topic(slot);
        if !self.peers.push_close_frame(slot) && !self.peers.await_close(slot) {
            self.shut(slot);
        }
    }

    /// All that we had to say is said.
    pub(super) fn shut(&mut self, slot: Slot) {
        let is_ended = self.peers[slot].life().is_ended();
        if is_ended || self.shutdown.is_some() {
            return self.drop_now(slot);
        }
        self.peers.linger(slot, &self.limits, self.now);
    }

    /// Ends a connection at once, be it open or not.
    pub(super) fn abort(&mut self, slot: Slot, cause: Cause) {
        if self.peers[slot].is_open() {
            // No close frame is sent, whatever the cause usually comes with.
            self.note_close(slot, cause, NO_CLOSE_FRAME, "");
        }
        self.drop_now(slot);
    }

    /// Ends a connection at once, for whose end there is a cause already if it was open. Its slot
    /// stays taken until the end of the turn.
    pub(super) fn drop_now(&mut self, slot: Slot) {
        self.leave_topic(slot);
        let id = self.peers.id(slot);
        self.let_go(id);
        self.gate.leave(id);
        self.peers.close(slot);
    }

    pub(super) fn leave_topic(&mut self, slot: Slot) {
        let Some(topic) = self.hub.leave(&mut self.peers, slot, self.now) else {
            return;
        };
        let id = self.peers.id(slot);
        self.feed.on_leave(id);
        if let Some(hooks) = &mut self.hooks.0 {
            hooks.on_leave(id, self.hub.name(topic));
        }
    }
}
