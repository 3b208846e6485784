//! Receivers that get messages whole, out of a stream of another kind than frames. What is next of its publisher
//! is compared, as frames are; anything else is taken apart.

use super::super::payload::publisher_of;
use super::super::script::Script;
use super::{Audience, DEAF, Shared};
use crate::proto::Message;

impl Audience {
    /// Takes a message that a receiver has got.
    #[inline]
    pub(in super::super) fn receive_message(
        &mut self,
        shared: &mut Shared,
        receiver: usize,
        message: &Message,
        now: u64,
    ) {
        if let Some((publisher, reached)) = self.next(&shared.script, receiver, message) {
            self.advance(shared, receiver, publisher, reached, now);
            return;
        }
        match self.recognize(&shared.script, receiver, message) {
            Ok((publisher, reading)) => {
                self.on_message(shared, receiver, publisher, reading, now);
            }
            Err(fault) => shared.tally.on_fault(fault),
        }
    }

    /// The publisher of a message, and where it brings its receiver, if it is what comes next. Such a receiver is at
    /// the start of a frame always.
    fn next(&self, script: &Script, receiver: usize, message: &Message) -> Option<(usize, u64)> {
        let publisher = self.publisher(publisher_of(message.payload)?)?;
        let position = self.positions[self.index(receiver, publisher)];
        if position == DEAF {
            return None;
        }
        let sequence = script.sequence(position);
        let reached = script.position(sequence + 1);
        let frame_bytes = (reached - position) as usize;
        let frame = self.tracks[publisher].from(position).get(..frame_bytes)?;
        let is_next = message.kind == script.kind
            && message.payload.len() == script.payload_bytes(sequence)
            && frame.ends_with(message.payload);
        is_next.then_some((publisher, reached))
    }
}
