//! Messages as server-sent events.
//!
//! A topic has a log of events while somebody reads it so. It is read as the others are: the same bytes for each
//! reader, and nothing copied. It retains nothing for readers that come, as compressed logs don't: what one has missed
//! is written for it from the plain log, some at a time, into its outbox. So what a topic retains is not held twice,
//! nor encoded while nobody asks for it; a reader that comes back waits for nothing and holds up nobody; and until it
//! is where its log waits for it, it costs a turn's bounded part, as any reader that is sent what it missed.
//!
//! What has been put into its outbox it has, as far as the hub is concerned. Only in the middle of a message that is
//! larger than what is put there at a time, it can't be moved on: a smaller one is put there whole, or not yet.

use super::super::ids::{Slot, VariantKey};
use super::super::seat::Seats;
use super::logs::{Logs, Publication};
use super::variant::Variant;
use crate::metrics::Counters;
use crate::proto::event_stream::{EventWriter, write_message};
use crate::proto::{FrameHeader, MessageKind, OpCode};

impl Logs {
    /// Appends a message to a variant as an event. It was counted by its topic.
    pub(super) fn append_event(
        &mut self,
        key: VariantKey,
        message: Publication<'_>,
        counters: &mut Counters,
    ) -> &mut Variant {
        let id = self.topics[self.topics[key].topic].last_message();
        write_message(id, message.kind, message.payload, &mut self.event);
        let variant = &mut self.topics[key];
        variant.count_visits();
        variant.log.append(&mut self.pool, &[], &self.event, None);
        self.event.clear();
        self.event.shrink_to(EVENT_BYTES_AT_REST_MAX);
        counters.deliveries += variant.members() as u64;
        variant
    }

    /// Writes events for a reader that is being sent what it missed, until `out` has `bytes_max` bytes or there are no
    /// more. It moves on by those that are whole. Nothing if it reads something else.
    pub(super) fn write_events(
        &mut self,
        seats: &mut impl Seats,
        slot: Slot,
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) {
        let seat = seats.seat(slot);
        let (key, before) = (seat.variant, seat.cursor());
        let Variant { log, laggards, .. } = &mut self.topics[key];
        let replay = seat.lagging.and_then(|index| laggards.replay_mut(index));
        let Some(replay) = replay else { return };
        let Some(events) = &mut replay.events else {
            return;
        };
        let mut cursor = before;
        while cursor < replay.until && out.len() < bytes_max {
            let (header, header_bytes) = match FrameHeader::decode(log.read(cursor)) {
                Ok(Some(decoded)) => decoded,
                _ => unreachable!("the log holds whole frames of ours"),
            };
            let kind = match header.opcode {
                OpCode::Text => MessageKind::Text,
                _ => MessageKind::Binary,
            };
            let frame_bytes = header_bytes + header.payload_bytes as usize;
            let payload = &log.read(cursor)[header_bytes..frame_bytes];
            let (begin, has_begun) = (out.len(), events.writer.has_begun());
            let is_whole = events
                .writer
                .write(events.next, kind, payload, out, bytes_max);
            if !is_whole {
                if begin > 0 && !has_begun {
                    // It may fit when what is before it has left.
                    out.truncate(begin);
                    events.writer = EventWriter::default();
                }
                break;
            }
            events.next.number = events.next.number.wrapping_add(1);
            cursor = cursor.after(frame_bytes);
        }
        if cursor != before {
            laggards.on_moved(before);
            seats.seat_mut(slot).move_to(cursor);
            self.touch(key);
        }
    }
}

/// What is kept of the memory in which messages are written as events: most fit into it.
const EVENT_BYTES_AT_REST_MAX: usize = 64 << 10;
