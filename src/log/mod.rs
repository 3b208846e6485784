//! The zero-copy path: an append-only log of encoded frames that every reader shares.
//!
//! A topic's messages are encoded once, at the tail. A reader is a [`Position`] in the log and owns
//! no bytes; what it has yet to be sent is a slice of the log itself.
//!
//! ```text
//!          head                                               tail
//!           |  segment          |  segment                     |
//!           |  frame  |  frame  |  frame | frame | frame |     |  (space)
//!                ^                                        ^
//!                a slow reader, in mid-frame              all others
//! ```
//!
//! Invariants:
//! - head ≤ every live cursor ≤ tail, and appended bytes never change.
//! - A segment holds whole frames, so that a frame's header never straddles two and every segment
//!   starts on a frame boundary.
//! - [`Log::bytes`] counts the memory of the segments and of the lists beside them, not the bytes in
//!   them, so a bound on it is a bound on memory.
//!
//! The log does not know what a frame is: a caller that asks for a boundary brings the function that
//! reads a frame's length from its header.

mod cursor;
mod pool;
mod position;
mod segment;

pub use pool::{Pool, SEGMENT_BYTES};
pub use position::{Boundary, Position, Span};
use segment::Segment;

use std::collections::VecDeque;

/// An append-only log of encoded frames. See the [module](self).
#[derive(Debug, Default)]
pub struct Log {
    /// Oldest first, each starting where the one before ends; none of them is empty.
    segments: VecDeque<Segment>,
    tail: Position,
    /// Number of the next message.
    messages: u64,
    /// Memory of all segments together.
    bytes: usize,
    /// Where the log was empty last.
    drained: Position,
    /// What it held before it was empty last: as much is expected again.
    burst_bytes: u64,
}

impl Log {
    /// An empty log whose next message has that number.
    #[must_use]
    pub fn starting_at(message: u64) -> Self {
        Log {
            messages: message,
            ..Log::default()
        }
    }

    /// Where the next message will be.
    #[must_use]
    pub fn tail(&self) -> Position {
        self.tail
    }

    /// The oldest position that can still be read.
    #[must_use]
    pub fn head(&self) -> Position {
        self.segments
            .front()
            .map_or(self.tail, |segment| segment.start)
    }

    /// Number of the next message: how many were appended, and how many there were before the log
    /// began.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Memory that the retained segments take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends one frame. With `excluded`, that reader's slices pass over it.
    pub fn append(
        &mut self,
        pool: &mut Pool,
        header: &[u8],
        payload: &[u8],
        excluded: Option<u64>,
    ) {
        let frame_bytes = header.len() + payload.len();
        if self
            .segments
            .back()
            .is_none_or(|last| last.free_bytes() < frame_bytes)
        {
            let expected_bytes = match self.segments.back() {
                // What outgrows a segment goes on in one of the next size.
                Some(last) => last.capacity() + 1,
                None => usize::try_from(self.burst_bytes).unwrap_or(usize::MAX),
            };
            let block = pool.take(frame_bytes, expected_bytes);
            self.bytes += block.capacity();
            self.segments
                .push_back(Segment::new(self.tail, self.messages, block));
        }
        if let Some(last) = self.segments.back_mut() {
            let is_listed = last.is_next_listed(excluded);
            last.append(header, payload);
            if is_listed {
                let grown_bytes = last.list(frame_bytes, self.messages, excluded);
                self.bytes += grown_bytes;
                pool.charge(grown_bytes);
            }
        }
        self.tail = self.tail.after(frame_bytes);
        self.messages += 1;
    }

    /// The last message was the first of a segment: there may be others to give back.
    #[must_use]
    pub fn has_begun_segment(&self) -> bool {
        let last = self.segments.back();
        last.is_some_and(|last| last.first_message + 1 == self.messages)
    }

    /// Gives back every segment that ends at or before `head`.
    pub fn trim(&mut self, pool: &mut Pool, head: Position) {
        while self
            .segments
            .front()
            .is_some_and(|first| first.end() <= head)
            && let Some(first) = self.segments.pop_front()
        {
            let list_bytes = first.list_bytes();
            self.bytes -= first.capacity() + list_bytes;
            pool.discharge(list_bytes);
            pool.give(first.into_block());
        }
        if self.segments.is_empty() && self.drained < self.tail {
            self.segments = VecDeque::new();
            self.burst_bytes = self.tail.since(self.drained);
            self.drained = self.tail;
        }
    }

    /// The oldest position from which at most `bytes_max` of memory would be retained: trimmed to
    /// it, the log keeps within the bound.
    #[must_use]
    pub fn cut(&self, bytes_max: usize) -> Position {
        let mut excess = self.bytes.saturating_sub(bytes_max);
        for segment in &self.segments {
            if excess == 0 {
                return segment.start;
            }
            excess = excess.saturating_sub(segment.capacity() + segment.list_bytes());
        }
        self.tail
    }

    /// The segment that `position` stands in; the last one for the tail. Most readers stand in that.
    #[inline]
    fn segment(&self, position: Position) -> Option<&Segment> {
        debug_assert!(position <= self.tail);
        let last = self.segments.back()?;
        match last.start <= position {
            true => Some(last),
            false => self.index(position).map(|index| &self.segments[index]),
        }
    }

    /// Number of that segment.
    fn index(&self, position: Position) -> Option<usize> {
        debug_assert!(self.head() <= position && position <= self.tail);
        let last = self.segments.len().checked_sub(1)?;
        if self.segments[last].start <= position {
            return Some(last);
        }
        Some(
            self.segments
                .partition_point(|segment| segment.start <= position)
                - 1,
        )
    }
}

#[cfg(test)]
mod tests;
