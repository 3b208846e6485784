//! What the relay does for readers that speak [`fanfare.v1`](crate::proto::fanfare_v1): it tells them where they
//! begin, what they miss, and the numbers of what they publish.
//!
//! All of it goes through a connection's outbox, which enters its output at the next boundary: before the next
//! message that it is sent. So an acknowledgement always comes before the message that it is for. Neither is more
//! read of a connection than what it is told finds space for.

use super::Relay;
use super::hub::Joined;
use super::ids::{MessageId, Slot};
use super::peer::{Flag, write_frame};
use crate::proto::fanfare_v1::{self, CommandError, Control, Mark, OVERHEAD_BYTES_MAX};
use crate::proto::{MessageKind, OpCode, ProtocolError, event_stream};

impl Relay {
    fn mark(&self, slot: Slot) -> Mark {
        let origin = self.origin(self.peers.id(slot));
        self.secret.mark(origin.party.0, origin.number)
    }

    /// Has a connection told something. It speaks `fanfare.v1`.
    fn tell(&mut self, slot: Slot, control: Control<'_>) {
        let mark = self.mark(slot);
        let mut payload = Vec::new();
        control.write(&mark, &mut payload);
        self.enter_outbox(slot);
        self.peers[slot].extra().outbox.push_text(&payload);
        self.peers.queue_output(slot);
    }

    /// A reader has joined: it is told where it begins.
    pub(super) fn welcome(&mut self, slot: Slot, topic: &str, joined: Joined) {
        let id = joined.after;
        let number = id.number.wrapping_add(joined.replayed);
        let tail = MessageId { number, ..id };
        self.tell(slot, Control::Welcome { topic, id, tail });
        if let Some(missing) = joined.missing {
            self.tell_missed(slot, missing.messages);
        }
    }

    /// A reader misses messages before the next one that it is sent: how many, if that is known.
    pub(super) fn tell_missed(&mut self, slot: Slot, missed: Option<u64>) {
        let connection = &self.peers[slot];
        let is_sse = connection.flags.has(Flag::Sse);
        if !is_sse && !connection.flags.has(Flag::V1) {
            return;
        }
        let id = self.hub.last_sent(&connection.seat);
        let mark = self.mark(slot);
        self.enter_outbox(slot);
        let outbox = &mut self.peers[slot].extra().outbox;
        outbox.push_gap(missed, |missed, out| {
            if is_sse {
                return event_stream::write_gap(id, missed, out);
            }
            let mut payload = Vec::new();
            Control::Gap { missed, id }.write(&mark, &mut payload);
            write_frame(OpCode::Text, &payload, out);
        });
        self.peers.queue_output(slot);
    }

    /// A publisher wanted to know the number of a message.
    pub(super) fn acknowledge(&mut self, slot: Slot, reference: u64, id: MessageId) {
        self.tell(slot, Control::Acknowledgement { reference, id });
    }

    /// The largest message that a connection may send: of one that speaks `fanfare.v1`, what says that it publishes
    /// does not count.
    pub(super) fn received_bytes_max(&self, slot: Slot) -> usize {
        let overhead = match self.peers[slot].flags.has(Flag::V1) {
            true => OVERHEAD_BYTES_MAX,
            false => 0,
        };
        self.limits.message_bytes_max + overhead
    }

    /// A whole message has come of a connection that speaks `fanfare.v1`: it publishes that, or what a command says.
    #[inline(never)]
    pub(super) fn on_v1_message(
        &mut self,
        slot: Slot,
        kind: MessageKind,
        payload: &[u8],
    ) -> Result<(), ProtocolError> {
        let submission = match fanfare_v1::read(payload, || self.mark(slot)) {
            Ok(submission) => submission,
            Err(invalid) => {
                let (error, reference) = (invalid.error, invalid.reference);
                self.tell(slot, Control::Error { error, reference });
                return Ok(());
            }
        };
        if submission.payload.len() > self.limits.message_bytes_max {
            return Err(ProtocolError::MessageTooBig);
        }
        let reference = submission.reference;
        if !self.publish(slot, kind, submission.payload, reference) {
            let error = CommandError::MayNotPublish;
            self.tell(slot, Control::Error { error, reference });
        }
        Ok(())
    }

    /// As much waits to be told to a connection as may: it is not read meanwhile.
    pub(super) fn is_told_enough(&self, slot: Slot) -> bool {
        let connection = &self.peers[slot];
        let waits = |bytes: &[u8]| bytes.len() > self.limits.outbox_bytes_max;
        connection.flags.has(Flag::V1)
            && connection
                .outbox()
                .is_some_and(|outbox| waits(outbox.pending()))
    }
}
