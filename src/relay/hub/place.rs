//! Readers that are sent what they missed, and the places that are kept for them in the logs that they go over to.

use super::super::ids::{MessageId, VariantKey};
use crate::log::Position;
use crate::proto::event_stream::EventWriter;
use std::collections::VecDeque;

/// A reader that is being sent what it missed.
#[derive(Debug)]
pub(super) struct Replay {
    /// What it reads now is old up to there.
    pub(super) until: Position,
    /// Where it goes over to then, if that is another log.
    pub(super) next: Option<Next>,
    /// It is sent them as events, if it reads those.
    pub(super) events: Option<Events>,
}

impl Replay {
    /// A message has begun to leave as an event, and what of it is left can't be had any more once the reader is
    /// moved on.
    pub(super) fn is_torn(&self) -> bool {
        self.events.as_ref().is_some_and(Events::is_torn)
    }
}

/// How far a reader of events is with what it missed, which is [written](super::events) for it alone.
#[derive(Debug)]
pub(super) struct Events {
    /// The message that is written next, or in part. It is kept here, as the topic's numbers may change meanwhile.
    pub(super) next: MessageId,
    pub(super) writer: EventWriter,
}

impl Events {
    /// Those after that message.
    pub(super) fn after(id: MessageId) -> Self {
        let number = id.number.wrapping_add(1);
        Events {
            next: MessageId { number, ..id },
            writer: EventWriter::default(),
        }
    }

    /// A message is written in part.
    pub(super) fn is_torn(&self) -> bool {
        self.writer.has_begun()
    }
}

/// A place that is kept in a log for a reader that reads another one first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    pub(super) key: VariantKey,
    pub(super) from: Position,
    /// The log ends there for it; [`None`] if it is to have all that comes.
    pub(super) end: Option<Position>,
    /// Messages before `from` that it is not sent, as its log outgrew its bound meanwhile.
    pub(super) missed: u64,
}

/// Places that are kept in a log for readers that read another one first. They are taken at its tail, and so are
/// in order.
#[derive(Debug, Default)]
pub(super) struct Places(VecDeque<(Position, u32)>);

impl Places {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first of them.
    pub(super) fn first(&self) -> Option<Position> {
        self.0.front().map(|&(position, _)| position)
    }

    pub(super) fn take(&mut self, tail: Position) {
        match self.0.back_mut() {
            Some((position, count)) if *position == tail => *count += 1,
            _ => self.0.push_back((tail, 1)),
        }
    }

    pub(super) fn give_back(&mut self, place: Position) {
        if let Ok(index) = self
            .0
            .binary_search_by_key(&place, |&(position, _)| position)
        {
            self.0[index].1 -= 1;
        }
        while self.0.front().is_some_and(|&(_, count)| count == 0) {
            self.0.pop_front();
        }
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back_in_any_order() {
        let mut places = Places::default();
        for position in [1, 1, 5, 7] {
            places.take(Position(position));
        }
        for (back, first) in [(5, Some(1)), (1, Some(1)), (1, Some(7)), (7, None)] {
            places.give_back(Position(back));
            assert_eq!(places.first(), first.map(Position), "{back}");
        }
        assert!(places.is_empty());
    }
}
