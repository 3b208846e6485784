//! A block of encoded frames, whole ones only.

use super::position::{Boundary, Position};

/// A block of frames that begins at a position of its log.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) start: Position,
    /// Number of the first message in the segment.
    pub(super) first_message: u64,
    /// Never grows beyond the capacity it came with, so that it never moves.
    block: Vec<u8>,
    /// What is noted of some frames, if of any.
    lists: Option<Box<Lists>>,
    /// The next frame that begins there, or after, gets a mark.
    marked_until: usize,
}

/// What is noted of some frames of a segment.
#[derive(Debug, Default)]
struct Lists {
    /// Frames about [`MARK_BYTES`] apart, in the order of their offsets: from one of them, the next
    /// boundary is not far. The first frame has none.
    marks: Vec<Mark>,
    /// Runs of frames that one reader passes over, since it sent them itself, in the order of their
    /// offsets.
    excluded: Vec<Excluded>,
}

/// Frames that follow one another, and that their own sender does not want back. No segment is larger than a
/// frame of 1 GiB.
#[derive(Debug)]
struct Excluded {
    reader: u64,
    offset: u32,
    end: u32,
    messages: u32,
}

/// A frame of which it is known which message it is.
#[derive(Debug)]
struct Mark {
    offset: u32,
    /// Counted from the segment's first message.
    message: u32,
}

/// Bytes between marks. A search for a boundary looks at so many, and a frame; and the marks take less
/// than a hundredth of the memory of what they mark.
pub(super) const MARK_BYTES: usize = 8 << 10;

impl Segment {
    pub(super) fn new(start: Position, first_message: u64, block: Vec<u8>) -> Self {
        Segment {
            start,
            first_message,
            block,
            lists: None,
            marked_until: MARK_BYTES,
        }
    }

    pub(super) fn end(&self) -> Position {
        self.start.after(self.block.len())
    }

    pub(super) fn capacity(&self) -> usize {
        self.block.capacity()
    }

    /// Memory of the lists. Of empty messages they can take a dozen times as much as the frames.
    pub(super) fn list_bytes(&self) -> usize {
        self.lists.as_deref().map_or(0, Lists::bytes)
    }

    pub(super) fn free_bytes(&self) -> usize {
        self.block.capacity() - self.block.len()
    }

    /// Appends a frame.
    pub(super) fn append(&mut self, header: &[u8], payload: &[u8]) {
        debug_assert!(header.len() + payload.len() <= self.free_bytes());
        self.block.extend_from_slice(header);
        self.block.extend_from_slice(payload);
    }

    /// Whether something is to be noted of the frame that is appended next.
    pub(super) fn is_next_listed(&self, excluded: Option<u64>) -> bool {
        self.block.len() >= self.marked_until || excluded.is_some()
    }

    /// Notes which message the last frame is, and the reader that passes over it. Returns the bytes by which
    /// lists grew.
    #[inline(never)]
    pub(super) fn list(
        &mut self,
        frame_bytes: usize,
        message: u64,
        excluded: Option<u64>,
    ) -> usize {
        let offset = self.block.len() - frame_bytes;
        let before = self.list_bytes();
        let (capacity, end) = (self.block.capacity(), self.block.len());
        let lists = self.lists.get_or_insert_default();
        if offset >= self.marked_until {
            self.marked_until = offset + MARK_BYTES;
            if lists.marks.is_empty() {
                lists.marks.reserve_exact(capacity / MARK_BYTES);
            }
            lists.marks.push(Mark {
                offset: offset as u32,
                message: (message - self.first_message) as u32,
            });
        }
        if let Some(reader) = excluded {
            match lists.excluded.last_mut() {
                Some(last) if last.reader == reader && last.end == offset as u32 => {
                    last.end = end as u32;
                    last.messages += 1;
                }
                _ => lists.excluded.push(Excluded {
                    reader,
                    offset: offset as u32,
                    end: end as u32,
                    messages: 1,
                }),
            }
        }
        self.list_bytes() - before
    }

    fn excluded(&self) -> &[Excluded] {
        self.lists.as_deref().map_or(&[], |lists| &lists.excluded)
    }

    /// A frame boundary at or before `position`, and which message begins there.
    pub(super) fn boundary_before(&self, position: Position) -> Boundary {
        let offset = position.since(self.start);
        self.last_mark(|mark| u64::from(mark.offset) <= offset)
    }

    /// The boundary of `message`, or one before it.
    pub(super) fn boundary_of(&self, message: u64) -> Boundary {
        let count = message - self.first_message;
        self.last_mark(|mark| u64::from(mark.message) <= count)
    }

    /// The last boundary of which it is known which message begins there, and which `is_before` what is looked for.
    fn last_mark(&self, is_before: impl Fn(&Mark) -> bool) -> Boundary {
        let marks = self.lists.as_deref().map_or(&[][..], |lists| &lists.marks);
        let ahead = marks.partition_point(is_before);
        let mark = ahead.checked_sub(1).map(|index| &marks[index]);
        Boundary {
            position: self
                .start
                .after(mark.map_or(0, |mark| mark.offset as usize)),
            message: self.first_message + mark.map_or(0, |mark| u64::from(mark.message)),
        }
    }

    pub(super) fn into_block(self) -> Vec<u8> {
        self.block
    }

    /// All bytes from `position` on.
    pub(super) fn bytes_from(&self, position: Position) -> &[u8] {
        &self.block[position.since(self.start) as usize..]
    }

    /// Runs of frames that readers pass over.
    pub(super) fn runs(&self) -> usize {
        self.excluded().len()
    }

    /// Where `reader` goes on that stands before a frame of its own, or in it.
    pub(super) fn after_own(&self, position: Position, reader: u64) -> Position {
        let offset = position.since(self.start) as u32;
        let ahead = self.excluded().partition_point(|run| run.end <= offset);
        match self.excluded().get(ahead) {
            Some(run) if run.reader == reader && run.offset <= offset => {
                self.start.after(run.end as usize)
            }
            _ => position,
        }
    }

    /// Messages of `reader` that begin between two positions, each the boundary of a message.
    pub(super) fn own_messages(&self, from: Position, to: Position, reader: u64) -> u64 {
        let range = from.since(self.start)..to.since(self.start);
        let is_own =
            |run: &&Excluded| run.reader == reader && range.contains(&u64::from(run.offset));
        let runs = self.excluded().iter().filter(is_own);
        runs.map(|run| u64::from(run.messages)).sum()
    }

    /// How far `reader` may read from `position` before a frame of its own begins, and the position
    /// at which it goes on. They are the same where it reaches the end first.
    pub(super) fn own(&self, position: Position, reader: u64) -> (Position, Position) {
        let offset = position.since(self.start) as u32;
        let ahead = self.excluded().partition_point(|run| run.end <= offset);
        match self.excluded()[ahead..]
            .iter()
            .find(|run| run.reader == reader)
        {
            Some(run) => (
                self.start.after(run.offset.max(offset) as usize),
                self.start.after(run.end as usize),
            ),
            None => (self.end(), self.end()),
        }
    }
}

impl Lists {
    fn bytes(&self) -> usize {
        size_of::<Lists>()
            + self.marks.capacity() * size_of::<Mark>()
            + self.excluded.capacity() * size_of::<Excluded>()
    }
}
