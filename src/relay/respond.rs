//! A request is answered: its response begins to leave, and once it has left whole, the connection is
//! there for the next request, or ends. How responses share a turn, `responses` says.

use super::Relay;
use super::connection::Phase;
use super::flags::Flag;
use super::ids::Slot;
use super::limits::REFUSED_LINGERING_MAX;
use super::responses::Pending;
use crate::http::Response;

impl Relay {
    /// Answers a request.
    pub(super) fn respond(&mut self, slot: Slot, response: Response) {
        if response.status.is_error() {
            self.note_refusal(slot, &response);
        }
        self.send_response(slot, response);
    }

    /// Lets a response leave.
    pub(super) fn send_response(&mut self, slot: Slot, response: Response) {
        let connection = &mut self.connections[slot];
        self.census.set(connection, Phase::Respond);
        connection.since = self.now;
        let extra = connection.extra();
        let date = self.calendar.map(|calendar| calendar());
        extra.outbox.push(&response.encode_head(date));
        extra.response = Some(Pending {
            left: match response.head_only {
                true => 0..0,
                false => response.part,
            },
            body: response.body,
            keep_alive: response.keep_alive,
            at_accept: false,
        });
        self.queue_output(slot);
    }
    /// The response has left whole.
    pub(super) fn on_response_sent(&mut self, slot: Slot) {
        let id = self.id(slot);
        let is_shutdown = self.shutdown.is_some();
        let is_full = self.census.count(Phase::Linger) >= REFUSED_LINGERING_MAX;
        let connection = &mut self.connections[slot];
        let extra = connection.extra();
        let response = extra.response.take();
        let at_accept = response.as_ref().is_some_and(|response| response.at_accept);
        if at_accept && is_full {
            return self.drop_now(slot);
        }
        if is_shutdown || response.is_none_or(|response| !response.keep_alive) {
            self.shut(slot);
            return;
        }
        self.census.set(connection, Phase::Head);
        connection.flags.set(Flag::Served);
        connection.since = self.now;
        // What was kept of its next request is taken in when it is its turn to be read.
        self.resumes.push(id);
    }
}
