//! Control frames of ours: pings, and the answers to the peer's. They enter a connection's output at
//! the next frame boundary (RFC 6455 §5.4), by way of its outbox.

use super::Relay;
use super::flags::Flag;
use super::ids::Slot;
use crate::proto::OpCode;

impl Relay {
    /// Answers a ping.
    pub(super) fn pong(&mut self, slot: Slot, payload: &[u8]) {
        self.enter_outbox(slot);
        let bytes_max = self.limits.outbox_bytes_max;
        self.connections[slot]
            .extra()
            .outbox
            .push_pong(payload, bytes_max);
        self.queue_output(slot);
    }

    /// Asks a silent peer for a sign of life.
    pub(super) fn ping(&mut self, slot: Slot) {
        self.enter_outbox(slot);
        let connection = &mut self.connections[slot];
        self.counters.pings_sent += 1;
        connection.flags.set(Flag::AwaitingPong);
        connection.since = self.now;
        connection.extra().outbox.push_control(OpCode::Ping, &[]);
        self.queue_output(slot);
    }

    /// Makes sure that the outbox knows where it enters the log.
    fn enter_outbox(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot];
        if connection.outbox().is_some() {
            return;
        }
        let at = self.hub.boundary(&connection.seat);
        connection.extra().outbox.enter_at(at);
    }
}
