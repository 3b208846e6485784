//! Segments at rest: blocks of memory that logs take from here and give back.
//!
//! A busy topic fills and empties a segment each turn; the pool spares it the allocator. It also
//! counts what all logs hold together, which is what `log_bytes_max` bounds.

/// Size of the first segment of a topic that was empty: most rooms are small and quiet.
pub const FIRST_SEGMENT_BYTES: usize = 1024;

/// Size of the segments after the first. Large enough that a slice of one makes a large write,
/// small enough that a laggard pins little beyond what it needs.
pub const SEGMENT_BYTES: usize = 64 * 1024;

/// Number of first segments kept at rest: 1 MiB in all.
const FIRST_AT_REST_MAX: usize = 1024;
/// Number of segments kept at rest: 1 MiB in all, and a busy turn rarely fills more.
const AT_REST_MAX: usize = 16;

/// Blocks at rest, and the count of those in use. See the [module](self).
#[derive(Debug, Default)]
pub struct Pool {
    first: Vec<Vec<u8>>,
    rest: Vec<Vec<u8>>,
    bytes_in_use: usize,
}

impl Pool {
    /// Memory of all blocks that logs hold.
    #[must_use]
    pub fn bytes_in_use(&self) -> usize {
        self.bytes_in_use
    }

    /// An empty block with room for a frame. A frame larger than a segment gets a block of its own.
    pub(super) fn take(&mut self, frame_bytes: usize, first: bool) -> Vec<u8> {
        let block = if first && frame_bytes <= FIRST_SEGMENT_BYTES {
            self.first
                .pop()
                .unwrap_or_else(|| Vec::with_capacity(FIRST_SEGMENT_BYTES))
        } else if frame_bytes <= SEGMENT_BYTES {
            self.rest
                .pop()
                .unwrap_or_else(|| Vec::with_capacity(SEGMENT_BYTES))
        } else {
            Vec::with_capacity(frame_bytes)
        };
        self.bytes_in_use += block.capacity();
        block
    }

    /// Takes back a block that no reader needs any more.
    pub(super) fn give(&mut self, mut block: Vec<u8>) {
        self.bytes_in_use -= block.capacity();
        let (at_rest, at_rest_max) = match block.capacity() {
            FIRST_SEGMENT_BYTES => (&mut self.first, FIRST_AT_REST_MAX),
            SEGMENT_BYTES => (&mut self.rest, AT_REST_MAX),
            _ => return,
        };
        if at_rest.len() < at_rest_max {
            block.clear();
            at_rest.push(block);
        }
    }
}
