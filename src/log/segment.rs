//! A block of encoded frames, whole ones only.

use super::Position;

/// A block of frames that begins at a position of its log.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) start: Position,
    /// Number of the first message in the segment.
    pub(super) first_message: u64,
    /// Never grows beyond the capacity it came with, so that it never moves.
    block: Vec<u8>,
    /// Runs of frames that one reader passes over, in the order of their offsets. Empty, and without
    /// heap, unless a sender of this segment excluded itself.
    excluded: Vec<Excluded>,
}

/// Frames that follow one another, and that their own sender does not want back.
#[derive(Debug)]
struct Excluded {
    offset: usize,
    end: usize,
    reader: u32,
}

impl Segment {
    pub(super) fn new(start: Position, first_message: u64, block: Vec<u8>) -> Self {
        Segment {
            start,
            first_message,
            block,
            excluded: Vec::new(),
        }
    }

    pub(super) fn end(&self) -> Position {
        self.start.after(self.block.len())
    }

    pub(super) fn capacity(&self) -> usize {
        self.block.capacity()
    }

    /// Memory of the side list. Of empty messages it can take a dozen times as much as the frames.
    pub(super) fn list_bytes(&self) -> usize {
        self.excluded.capacity() * size_of::<Excluded>()
    }

    pub(super) fn room(&self) -> usize {
        self.block.capacity() - self.block.len()
    }

    pub(super) fn append(&mut self, header: &[u8], payload: &[u8], excluded: Option<u32>) {
        let frame_bytes = header.len() + payload.len();
        debug_assert!(frame_bytes <= self.room());
        if let Some(reader) = excluded {
            let offset = self.block.len();
            let end = offset + frame_bytes;
            match self.excluded.last_mut() {
                Some(last) if last.reader == reader && last.end == offset => last.end = end,
                _ => self.excluded.push(Excluded {
                    offset,
                    end,
                    reader,
                }),
            }
        }
        self.block.extend_from_slice(header);
        self.block.extend_from_slice(payload);
    }

    pub(super) fn into_block(self) -> Vec<u8> {
        self.block
    }

    /// All bytes from `position` on.
    pub(super) fn bytes_from(&self, position: Position) -> &[u8] {
        &self.block[position.since(self.start) as usize..]
    }

    /// How far `reader` may read from `position` before a frame of its own begins, and the position
    /// at which it goes on. They are the same where it reaches the end first.
    pub(super) fn own(&self, position: Position, reader: u32) -> (Position, Position) {
        let offset = position.since(self.start) as usize;
        let ahead = self.excluded.partition_point(|run| run.end <= offset);
        match self.excluded[ahead..]
            .iter()
            .find(|run| run.reader == reader)
        {
            Some(run) => (
                self.start.after(run.offset.max(offset)),
                self.start.after(run.end),
            ),
            None => (self.end(), self.end()),
        }
    }
}
