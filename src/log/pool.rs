//! Segments at rest: blocks of memory that logs take from here and give back.
//!
//! A busy topic fills and empties a segment each turn; the pool spares it the allocator. It also
//! counts what all logs hold together, which is what `log_bytes_max` bounds.

/// Sizes of segments. Most topics are small and quiet, and a lagging reader of one pins little. A
/// busy topic's turn should fit into one segment, since a write over a seam costs up to a tenth
/// more; larger ones than these would not make larger writes, for sockets take no more at a time.
pub const SEGMENT_BYTES: [usize; 4] = [1 << 10, 8 << 10, 64 << 10, 256 << 10];

/// Memory kept at rest for each size.
const AT_REST_BYTES_MAX: usize = 512 << 10;

/// Blocks at rest, and the count of those in use.
#[derive(Debug)]
pub struct Pool {
    at_rest: [Vec<Vec<u8>>; SEGMENT_BYTES.len()],
    bytes_in_use: usize,
    segment_bytes_max: usize,
    generous_bytes_max: usize,
}

impl Pool {
    /// An empty pool. No segment is larger than `segment_bytes_max` and the smallest size, except
    /// for a frame that is. Once logs hold `generous_bytes_max`, they get what they need and not
    /// what they may expect to need: the expectations of very many topics add up.
    #[must_use]
    pub fn new(segment_bytes_max: usize, generous_bytes_max: usize) -> Self {
        Pool {
            at_rest: Default::default(),
            bytes_in_use: 0,
            segment_bytes_max: segment_bytes_max.max(SEGMENT_BYTES[0]),
            generous_bytes_max,
        }
    }

    /// Changes the bounds that [`new`](Pool::new) was given.
    pub fn set_bounds(&mut self, segment_bytes_max: usize, generous_bytes_max: usize) {
        self.segment_bytes_max = segment_bytes_max.max(SEGMENT_BYTES[0]);
        self.generous_bytes_max = generous_bytes_max;
    }

    /// Memory of all blocks that logs hold, and of what they hold beside them.
    #[must_use]
    pub fn bytes_in_use(&self) -> usize {
        self.bytes_in_use
    }

    /// An empty block with space for a frame, and if possible for `expected_bytes`. A frame larger
    /// than any segment gets a block of its own size.
    pub(super) fn take(&mut self, frame_bytes: usize, expected_bytes: usize) -> Vec<u8> {
        let expected = match self.bytes_in_use < self.generous_bytes_max {
            true => expected_bytes.min(self.segment_bytes_max),
            false => 0,
        };
        let fits = |size: &usize| *size <= self.segment_bytes_max;
        let largest = SEGMENT_BYTES.iter().rposition(fits).unwrap_or(0);
        let wanted = SEGMENT_BYTES
            .iter()
            .position(|&size| size >= frame_bytes.max(expected));
        let class = wanted.unwrap_or(largest).min(largest);
        let block = if frame_bytes > SEGMENT_BYTES[class] {
            Vec::with_capacity(frame_bytes)
        } else {
            let at_rest = self.at_rest[class].pop();
            at_rest.unwrap_or_else(|| Vec::with_capacity(SEGMENT_BYTES[class]))
        };
        self.bytes_in_use += block.capacity();
        block
    }

    /// Counts memory that a log holds beside its blocks, or that stands beside a log.
    pub fn charge(&mut self, bytes: usize) {
        self.bytes_in_use += bytes;
    }

    /// Counts memory that was counted by [`charge`](Pool::charge), and is given back.
    pub fn discharge(&mut self, bytes: usize) {
        self.bytes_in_use -= bytes;
    }

    /// Takes back a block that no reader needs any more.
    pub(super) fn give(&mut self, mut block: Vec<u8>) {
        self.bytes_in_use -= block.capacity();
        let Some(class) = SEGMENT_BYTES
            .iter()
            .position(|&size| size == block.capacity())
        else {
            return;
        };
        let at_rest = &mut self.at_rest[class];
        if (at_rest.len() + 1) * SEGMENT_BYTES[class] <= AT_REST_BYTES_MAX {
            block.clear();
            at_rest.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: usize = 1 << 30;

    #[test]
    fn a_block_is_of_the_smallest_size_that_holds_what_is_expected() {
        let mut pool = Pool::new(SEGMENT_BYTES[3], PLENTY);
        let mut capacity = |frame, expected| pool.take(frame, expected).capacity();
        for (class, size) in [1 << 10, 8 << 10, 64 << 10, 256 << 10]
            .into_iter()
            .enumerate()
        {
            assert_eq!(SEGMENT_BYTES[class], size);
            assert_eq!(capacity(size, 0), size, "the frame fills it");
            assert_eq!(capacity(1, size), size, "it holds what is expected");
        }
        assert_eq!(capacity(1, (64 << 10) + 1), 256 << 10);
        assert_eq!(capacity(1, PLENTY), 256 << 10, "there are no larger ones");
        assert_eq!(capacity((256 << 10) + 1, 0), (256 << 10) + 1);
    }

    #[test]
    fn bounds_can_be_changed() {
        let mut pool = Pool::new(SEGMENT_BYTES[3], PLENTY);
        pool.set_bounds(SEGMENT_BYTES[1], 20 << 10);
        assert_eq!(pool.take(1, PLENTY).capacity(), 8 << 10);
        assert_eq!(pool.take(1, PLENTY).capacity(), 8 << 10);
        pool.set_bounds(SEGMENT_BYTES[1], 16 << 10);
        let capacity = pool.take(1, PLENTY).capacity();
        assert_eq!(capacity, 1 << 10, "logs hold as much as is plenty");
    }

    #[test]
    fn so_many_blocks_of_each_size_are_kept_as_their_bound_holds() {
        let mut pool = Pool::new(SEGMENT_BYTES[3], PLENTY);
        for (class, kept) in [512, 64, 8, 2].into_iter().enumerate() {
            let size = SEGMENT_BYTES[class];
            let blocks: Vec<_> = (0..=kept).map(|_| pool.take(size, 0)).collect();
            blocks.into_iter().for_each(|block| pool.give(block));
            assert_eq!(pool.at_rest[class].len(), kept);
            assert_eq!(pool.take(size, 0).capacity(), size);
            assert_eq!(pool.at_rest[class].len(), kept - 1, "one is used again");
        }
        let odd = pool.take((256 << 10) + 1, 0);
        pool.give(odd);
        let at_rest: usize = pool.at_rest.iter().map(Vec::len).sum();
        assert_eq!(at_rest, 511 + 63 + 7 + 1, "of no other size");
    }
}
