//! Chance, from a seed alone: the same seed draws the same world.

/// A generator that everything in a world draws from.
pub(crate) struct Random(fastrand::Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(fastrand::Rng::with_seed(seed))
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.usize(..end)
    }

    /// A number from `low` to `high`.
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        self.0.u32(low..=high)
    }

    /// True once in `n` times; never if that is 0.
    pub(crate) fn once_in(&mut self, n: u32) -> bool {
        n > 0 && self.0.u32(..n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.0.usize(..choices.len())]
    }

    /// A size from 1 to `max`: each order of magnitude is as likely as another, and the ends are
    /// likelier than that.
    pub(crate) fn size(&mut self, max: usize) -> usize {
        match self.0.u32(..8) {
            _ if max <= 1 => 1,
            0 => 1,
            1 => max,
            _ => {
                let bits = self.0.u32(1..=usize::BITS - max.leading_zeros());
                self.0.usize(1..=(1usize << bits).min(max))
            }
        }
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        self.0.shuffle(items);
    }
}
