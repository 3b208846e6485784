//! A reader's position: what it reads next, where it stands after a write, and the frame boundary
//! ahead of it.

use super::segment::Segment;
use super::{Boundary, Log, Position, Span};

impl Log {
    /// All bytes from `position` to the end of its segment: at the tail, none.
    #[must_use]
    #[inline]
    pub fn read(&self, position: Position) -> &[u8] {
        self.segment(position)
            .map_or(&[], |segment| segment.bytes_from(position))
    }

    /// Where a reader that stood at `from` stands once `bytes` of its [`spans`](Log::spans) up to
    /// `to` were written.
    #[must_use]
    pub fn advance(
        &self,
        from: Position,
        to: Position,
        reader: Option<u64>,
        mut bytes: usize,
    ) -> Position {
        if reader.is_none() {
            return from.after(bytes);
        }
        for span in self.spans(from, to, reader) {
            if bytes < span.bytes.len() {
                return span.start.after(bytes);
            }
            bytes -= span.bytes.len();
        }
        to
    }

    /// Where a reader stands that stood at `from` and passes over the frames of its own that begin
    /// there, up to `to`.
    #[must_use]
    pub fn after_own(&self, from: Position, to: Position, reader: u64) -> Position {
        let mut position = from;
        while position < to
            && let Some(segment) = self.segment(position)
        {
            let after = segment.after_own(position, reader);
            if after == position {
                return position;
            }
            position = after;
        }
        position.min(to)
    }

    /// Messages between two boundaries that `reader` passes over, as they are its own. It has passed
    /// over those that begin where it stands.
    #[must_use]
    pub fn own_messages(&self, from: Position, to: Position, reader: u64) -> u64 {
        let own = |segment: &Segment| segment.own_messages(from, to, reader);
        let first = self.index(from).unwrap_or(0);
        self.segments.range(first..).map(own).sum()
    }

    /// Runs of frames that some reader passes over, as many as [`own_messages`](Log::own_messages) looks
    /// at from that position on.
    #[must_use]
    pub fn runs(&self, from: Position) -> usize {
        let first = self.index(from).unwrap_or(0);
        self.segments.range(first..).map(Segment::runs).sum()
    }

    /// The first frame boundary at or after `position`. Walks the frames of a part of a segment, so
    /// ask only where it is needed: when something must enter between two frames.
    #[must_use]
    pub fn boundary(&self, position: Position, frame_bytes: impl Fn(&[u8]) -> usize) -> Boundary {
        let at_tail = Boundary {
            position: self.tail,
            message: self.messages,
        };
        let Some(segment) = self.segment(position) else {
            return at_tail;
        };
        let mut boundary = segment.boundary_before(position);
        while boundary.position < position {
            let frame = segment.bytes_from(boundary.position);
            boundary.position = boundary.position.after(frame_bytes(frame));
            boundary.message += 1;
        }
        boundary
    }

    /// Where a message begins, which is in the log or the next one. Walks the frames of a part of a segment.
    /// Of one that is not in the log any more, the head.
    #[must_use]
    pub fn locate(&self, message: u64, frame_bytes: impl Fn(&[u8]) -> usize) -> Position {
        debug_assert!(message <= self.messages);
        if message == self.messages {
            return self.tail;
        }
        let Some(segment) = self.segment_of(message) else {
            return self.head();
        };
        let mut boundary = segment.boundary_of(message);
        while boundary.message < message {
            let frame = segment.bytes_from(boundary.position);
            boundary.position = boundary.position.after(frame_bytes(frame));
            boundary.message += 1;
        }
        boundary.position
    }

    /// Where the segment begins that holds a message: trimmed to it, the log keeps that message. The tail for
    /// the next one.
    #[must_use]
    pub fn segment_start(&self, message: u64) -> Position {
        if message >= self.messages {
            return self.tail;
        }
        let segment = self.segment_of(message);
        segment.map_or(self.head(), |segment| segment.start)
    }

    /// The segment that holds a message, or would if it were there; none for those before all.
    fn segment_of(&self, message: u64) -> Option<&Segment> {
        let begins = |segment: &Segment| segment.first_message <= message;
        let ahead = self.segments.partition_point(begins);
        ahead.checked_sub(1).map(|index| &self.segments[index])
    }

    /// What a reader gets between two positions, in spans that each lie within a segment and pass over
    /// the frames that exclude `reader`.
    pub fn spans(
        &self,
        from: Position,
        to: Position,
        reader: Option<u64>,
    ) -> impl Iterator<Item = Span<'_>> {
        let mut index = self.index(from).unwrap_or(0);
        let mut start = from;
        std::iter::from_fn(move || {
            while start < to {
                let segment = self.segments.get(index)?;
                let end = segment.end().min(to);
                let (stop, resume) = reader.map_or((end, end), |reader| segment.own(start, reader));
                let span = Span {
                    start,
                    bytes: &segment.bytes_from(start)[..stop.min(end).since(start) as usize],
                };
                start = resume.min(end);
                if start == segment.end() {
                    index += 1;
                }
                if !span.bytes.is_empty() {
                    return Some(span);
                }
            }
            None
        })
    }
}
