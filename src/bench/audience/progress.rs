//! How far the receivers of a publisher are. What all of them have is known without a walk over
//! receivers, whatever their number.

use std::collections::VecDeque;

/// How many receivers have how many of a publisher's messages.
#[derive(Default)]
pub(super) struct Progress {
    /// Every receiver has this many.
    floor: u64,
    /// `at[i]` receivers have `floor + i`.
    at: VecDeque<u32>,
}

impl Progress {
    pub(super) fn join(&mut self, done: u64) {
        if self.at.is_empty() {
            self.floor = done;
        }
        let index = (done - self.floor) as usize;
        if index >= self.at.len() {
            self.at.resize(index + 1, 0);
        }
        self.at[index] += 1;
    }

    #[inline]
    pub(super) fn advance(&mut self, before: u64, after: u64) {
        let index = (after - self.floor) as usize;
        if index >= self.at.len() {
            self.at.resize(index + 1, 0);
        }
        self.at[index] += 1;
        self.leave(before);
    }

    /// Takes one away, and lets the floor rise if none is left there.
    #[inline]
    pub(super) fn leave(&mut self, done: u64) {
        self.at[(done - self.floor) as usize] -= 1;
        while self.at.front() == Some(&0) {
            self.at.pop_front();
            self.floor += 1;
        }
    }

    /// Messages that every receiver has; all that were published, if there is none.
    pub(super) fn floor_of(&self, published: u64) -> u64 {
        if self.at.is_empty() {
            return published;
        }
        self.floor
    }
}
