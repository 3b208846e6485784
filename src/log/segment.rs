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
    /// Frames that one reader passes over, in the order of their offsets. Empty, and without heap,
    /// unless a sender of this segment excluded itself.
    excluded: Vec<Excluded>,
}

/// A frame that its own sender does not want back.
#[derive(Debug)]
struct Excluded {
    offset: usize,
    frame_bytes: usize,
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

    pub(super) fn room(&self) -> usize {
        self.block.capacity() - self.block.len()
    }

    pub(super) fn append(&mut self, header: &[u8], payload: &[u8], excluded: Option<u32>) {
        let frame_bytes = header.len() + payload.len();
        debug_assert!(frame_bytes <= self.room());
        if let Some(reader) = excluded {
            self.excluded.push(Excluded {
                offset: self.block.len(),
                frame_bytes,
                reader,
            });
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
        let ahead = self.excluded.partition_point(|frame| frame.offset < offset);
        let mut own = self.excluded[ahead..]
            .iter()
            .filter(|frame| frame.reader == reader);
        let Some(first) = own.next() else {
            return (self.end(), self.end());
        };
        // Frames of its own that follow one another are passed over in one hop.
        let mut end = first.offset + first.frame_bytes;
        for frame in own {
            if frame.offset != end {
                break;
            }
            end += frame.frame_bytes;
        }
        (self.start.after(first.offset), self.start.after(end))
    }
}
