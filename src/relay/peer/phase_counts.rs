//! How many connections are in each phase.

use super::life::Phase;
use crate::metrics::STATES;

/// Connections by phase. Whatever changes a phase is told here.
#[derive(Debug, Default)]
pub(super) struct PhaseCounts {
    counts: [usize; Phase::Closed as usize + 1],
}

impl PhaseCounts {
    /// Counts a connection that is new.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.counts[phase as usize] += 1;
    }

    /// A connection goes on to another phase.
    pub(super) fn change(&mut self, from: Phase, to: Phase) {
        self.counts[from as usize] -= 1;
        self.counts[to as usize] += 1;
    }

    /// Forgets a connection, as its slot is freed.
    pub(super) fn leave(&mut self, phase: Phase) {
        self.counts[phase as usize] -= 1;
    }

    pub(super) fn count(&self, phase: Phase) -> usize {
        self.counts[phase as usize]
    }

    /// As they are shown: in the order of [`STATES`].
    pub(super) fn states(&self) -> [usize; STATES.len()] {
        [
            self.count(Phase::Head),
            self.count(Phase::Body),
            self.count(Phase::Respond),
            self.count(Phase::Open),
            self.count(Phase::Closing) + self.count(Phase::AwaitClose),
            self.count(Phase::Linger),
        ]
    }
}
