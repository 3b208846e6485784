//! How many connections do what.

use super::connection::{Connection, Phase};
use crate::metrics::STATES;

/// Connections by phase. Whatever changes a phase does it here.
#[derive(Debug, Default)]
pub(super) struct Census {
    counts: [usize; Phase::Closed as usize + 1],
}

impl Census {
    /// Counts a connection that is new.
    pub(super) fn enter(&mut self, connection: &Connection) {
        self.counts[connection.phase as usize] += 1;
    }

    /// A connection goes on to another phase.
    pub(super) fn set(&mut self, connection: &mut Connection, phase: Phase) {
        self.counts[connection.phase as usize] -= 1;
        self.counts[phase as usize] += 1;
        connection.phase = phase;
    }

    /// Forgets a connection, as its slot is freed.
    pub(super) fn leave(&mut self, connection: &Connection) {
        self.counts[connection.phase as usize] -= 1;
    }

    pub(super) fn count(&self, phase: Phase) -> usize {
        self.counts[phase as usize]
    }

    /// As they are shown: in the order of [`STATES`].
    pub(super) fn states(&self) -> [usize; STATES.len()] {
        [
            self.count(Phase::Head),
            self.count(Phase::Respond),
            self.count(Phase::Open),
            self.count(Phase::Closing) + self.count(Phase::AwaitClose),
            self.count(Phase::Linger),
        ]
    }
}
