//! Readers that get server-sent events, in all rooms.

use super::super::audience::LastWord;
use super::super::event_stream::EventStream;
use super::super::framing::Malformed;
use super::super::links::Links;
use super::super::route::Protocol;
use super::Rooms;
use crate::proto::Message;

impl Rooms {
    /// Whether a connection ends without a word.
    pub(super) fn speaks_http(&self, link: usize) -> bool {
        let (_, receiver) = self.room_and_receiver(link);
        self.plan.protocol(receiver) != Protocol::WebSocket
    }

    fn is_stream(&self, link: usize) -> bool {
        let (_, receiver) = self.room_and_receiver(link);
        self.plan.protocol(receiver) == Protocol::EventStream
    }

    /// A connection is open: what it brings is the body of a response, if it is a stream.
    pub(super) fn begin_stream(&mut self, links: &mut Links, link: usize) {
        let opened = links.get(link).filter(|_| self.is_stream(link));
        if let Some(opened) = opened {
            self.streams
                .resize_with(self.is_gone.len(), EventStream::default);
            self.streams[link] = EventStream::new(std::mem::take(&mut opened.framing));
        }
    }

    /// False ends the connection.
    pub(super) fn on_stream(&mut self, link: usize, bytes: &mut [u8], now: u64) -> bool {
        let (room, receiver) = self.room_and_receiver(link);
        let (audience, shared) = (&mut self.rooms[room].audience, &mut self.shared);
        let received = self.streams[link].receive(bytes, |kind, payload| {
            let message = Message {
                kind,
                payload,
                compressed: false,
            };
            audience.receive_message(shared, receiver, &message, now);
        });
        match received {
            Ok(is_over) => !is_over,
            Err(Malformed) => {
                self.last_word = Some(LastWord::Broken);
                false
            }
        }
    }
}
