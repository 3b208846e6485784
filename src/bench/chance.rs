//! Numbers without a pattern, the same in every run: so is what messages are filled with, and which readers are
//! cut off.

/// xorshift64
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Default for Chance {
    fn default() -> Self {
        Chance(0x9e37_79b9_7f4a_7c15)
    }
}

impl Chance {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below this bound, which is at least 1.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }
}
