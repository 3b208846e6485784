//! What an operator may want to know: refusals, and connections that did not end as they should.
//!
//! The relay names the connection and the reason; whether and how often it is said is for the driver, which
//! knows the peer's address and the log.

use super::Relay;
use super::ids::{ConnId, Slot};
use super::peer::Life;
use crate::http::{Body, Reason, Response, Status};
use crate::metrics::Cause;
use std::collections::VecDeque;

/// Something that happened to one connection.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A request was refused, with this status and body.
    Refused {
        /// In short.
        reason: Reason,
        /// The answer's status.
        status: Status,
        /// The answer's body: status and sentence. It may quote what the client said.
        body: Body,
    },
    /// A client left before its request was whole.
    Disconnected,
    /// A WebSocket ceased to be open, and neither its peer nor a shutdown wanted it to.
    Ended {
        /// In short.
        cause: Cause,
        /// The code of the close frame, 1006 if there is none.
        code: u16,
        /// The close frame's reason.
        why: Box<str>,
    },
}

/// Notices of a turn, the oldest first.
pub(super) type Notices = VecDeque<(ConnId, Notice)>;

impl Relay {
    /// The next notice. Those of a turn come before its actions: the sockets still exist. They are
    /// kept until the next turn begins.
    pub fn poll_notice(&mut self) -> Option<(ConnId, Notice)> {
        self.notices.pop_front()
    }

    /// A request is refused. On the admin listener that is no attack, unless a page of another host made
    /// the request.
    pub(super) fn note_refusal(&mut self, slot: Slot, response: &Response) {
        let id = self.peers.id(slot);
        if self.gate.is_admin(id) && response.reason != Reason::Host {
            return;
        }
        self.counters.refusals[response.reason as usize] += 1;
        let notice = Notice::Refused {
            reason: response.reason,
            status: response.status,
            body: response.body.clone(),
        };
        self.notices.push_back((id, notice));
    }

    /// A connection ends before its first request was whole.
    pub(super) fn note_disconnect(&mut self, slot: Slot) {
        let id = self.peers.id(slot);
        let is_first = matches!(self.peers[slot].life(), Life::FirstHead { .. });
        if !is_first || self.gate.is_admin(id) {
            return;
        }
        self.counters.refusals[Reason::Disconnected as usize] += 1;
        self.notices.push_back((id, Notice::Disconnected));
    }

    /// A WebSocket ceases to be open.
    pub(super) fn note_close(&mut self, slot: Slot, cause: Cause, code: u16, why: &str) {
        self.counters.count_close(cause, code);
        if !matches!(cause, Cause::Peer | Cause::Shutdown) {
            let why = why.into();
            let notice = Notice::Ended { cause, code, why };
            self.notices.push_back((self.peers.id(slot), notice));
        }
    }
}
