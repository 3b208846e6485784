//! How it is carried out that a connection's time is up.

use super::Relay;
use super::ids::{ConnId, Slot};
use super::peer::{Due, Peer};
use crate::http::{Reason, Response};
use crate::metrics::Cause;
use crate::proto::OpCode;
use crate::wheel::Tick;

impl Relay {
    /// A poll that began at that time, before the turn did, brought this many events. A full one may
    /// have left some over. One that was interrupted says nothing, and is not to be told of.
    pub fn handle_poll(&mut self, began: Tick, events: usize, is_full: bool) {
        self.peers.on_poll(began, events, is_full);
    }

    /// The next connection whose [`timer`](Relay::handle_timer) is due, as long as the turn's bound
    /// allows.
    pub fn poll_timer(&mut self) -> Option<ConnId> {
        self.peers.poll_timer(&self.limits)
    }

    /// Time is up for a connection, unless it `is_unread`, which says that it stands in line to be read.
    pub fn handle_timer(&mut self, id: ConnId, is_unread: bool) {
        let Some(slot) = self.peers.slot(id) else {
            return;
        };
        let due = self.peers.on_timer(slot, is_unread, &self.limits, self.now);
        match due {
            // Its deadline has passed: settled, it would be due again in this very turn.
            Due::Later => return,
            Due::Nothing => {}
            Due::Drop => self.drop_now(slot),
            Due::Request => {
                let why = "The request did not come in time.";
                self.refuse_request(slot, Response::refusal(Reason::Timeout, why, &[]));
            }
            // It has something to say, and is not read: that may be a pong.
            Due::Idle if self.is_held(id) => self.peers[slot].active = self.now,
            Due::Dead if self.is_held(id) => self.peers[slot].on_asked(self.now),
            Due::Idle => self.close(slot, Cause::Idle),
            Due::Dead => {
                self.counters.dead += 1;
                self.abort(slot, Cause::Dead);
            }
            Due::Ping => self.ping(slot),
            Due::Comment => self.comment(slot),
            Due::Answered => self.end_stream(slot, Cause::Answered, "", Peer::Done),
        }
        self.settle(slot);
    }

    /// Asks a silent peer for a sign of life.
    fn ping(&mut self, slot: Slot) {
        self.enter_outbox(slot);
        self.counters.pings_sent += 1;
        let connection = &mut self.peers[slot];
        connection.on_asked(self.now);
        connection.extra().outbox.push_control(OpCode::Ping, &[]);
        self.peers.queue_output(slot);
    }
}
