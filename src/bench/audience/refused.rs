//! Messages that the server did not take: receivers need not have them, and may.

use super::super::payload::Fields;
use super::super::script::Script;
use super::{Audience, DEAF, Shared};
use std::collections::VecDeque;

impl Audience {
    /// The server has not taken a message.
    pub(in super::super) fn refuse(
        &mut self,
        shared: &mut Shared,
        publisher: usize,
        sequence: u64,
    ) {
        self.refused.insert((publisher, sequence));
        for receiver in 0..self.receivers.len() {
            let position = self.positions[self.index(receiver, publisher)];
            let is_missing = |missing: &VecDeque<Fields>| {
                let fields = Fields {
                    publisher: self.first + publisher,
                    sequence,
                };
                missing.contains(&fields)
            };
            if position != DEAF && shared.script.sequence(position) <= sequence {
                self.pass_refused(&shared.script, receiver, publisher);
            } else if self.missing.get(&receiver).is_some_and(is_missing) {
                // A later one came before the answer.
                shared.tally.lost = shared.tally.lost.saturating_sub(1);
            }
        }
    }

    /// Moves a receiver on past what it need not have, as far as that comes next.
    #[cold]
    pub(super) fn pass_refused(&mut self, script: &Script, receiver: usize, publisher: usize) {
        loop {
            let position = self.positions[self.index(receiver, publisher)];
            let sequence = script.sequence(position);
            let is_next = position == script.position(sequence);
            if !is_next || !self.refused.contains(&(publisher, sequence)) {
                return;
            }
            let reached = script.position(sequence + 1);
            self.advance_without(script, receiver, publisher, reached);
        }
    }

    /// How many of these messages were not taken.
    pub(super) fn count_refused(&self, publisher: usize, sequences: std::ops::Range<u64>) -> u64 {
        let range = (publisher, sequences.start)..(publisher, sequences.end);
        self.refused.range(range).count() as u64
    }

    /// Forgets those that no receiver waits for.
    pub(super) fn release_refused(&mut self) {
        let (tracks, progress) = (&self.tracks, &self.progress);
        self.refused.retain(|&(publisher, sequence)| {
            sequence >= progress[publisher].floor_of(tracks[publisher].published())
        });
    }
}
