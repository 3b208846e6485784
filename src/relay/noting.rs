//! Which refusals and which ends are counted, and of which there is a [notice](super::notice).

use super::Relay;
use super::ids::{ConnId, Slot};
use super::notice::Notice;
use super::peer::Life;
use crate::http::{Reason, Response};
use crate::metrics::Cause;

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

    /// A WebSocket, or a stream of events, ceases to be open.
    pub(super) fn note_close(&mut self, slot: Slot, cause: Cause, code: u16, why: &str) {
        self.counters.count_close(cause, code);
        if !matches!(cause, Cause::Peer | Cause::Shutdown | Cause::Answered) {
            let why = why.into();
            let notice = Notice::Ended { cause, code, why };
            self.notices.push_back((self.peers.id(slot), notice));
        }
    }
}
