//! What a run reports of its connections.

use super::super::failure::Failure;
use super::super::hints::hints;
use super::super::report::{Document, Outcome};
use super::super::target::addresses;
use super::Run;

impl Run {
    /// Puts what is known of the connections into a document, and ends the workers.
    pub(in super::super) fn document_connections(
        &mut self,
        document: &mut Document,
    ) -> Result<(), Failure> {
        // What is on its way when a user ends the run does not count as missed.
        let due = match self.outcome {
            Outcome::Interrupted => 0,
            _ => self.rooms.published(),
        };
        for result in self.crew.finish(due, self.timeout)? {
            self.rooms.handshakes.merge(&result.handshakes);
            self.rooms.shared.tally.merge_faults(&result.tally);
            for (ending, count) in result.endings {
                *self.rooms.endings.entry(ending).or_default() += count;
            }
        }
        document.connections.addresses = addresses(&self.routes);
        document.connections.opened = self.rooms.handshakes.count();
        document.connections.handshake = (&self.rooms.handshakes).into();
        document.connections.opening_ns = self.rooms.opened_at.saturating_sub(self.began);
        document.connections.pings = self.rooms.shared.tally.pings;
        document.outcome = self.outcome;
        let returns = &self.rooms.shared.returns;
        document.returns = (self.cuts.is_some() || returns.gaps > 0).then(|| returns.into());
        for (name, count) in self.rooms.shared.tally.faults() {
            document.faults.insert(name.into(), count);
        }
        for (error, count) in &self.rooms.failures {
            let name = format!("connections that did not come back: {error}");
            document.faults.insert(name, *count);
        }
        for (ending, count) in &self.rooms.endings {
            document
                .faults
                .insert(format!("connections {ending}"), *count);
        }
        self.hints.extend(hints(
            &document.faults,
            &self.rooms.endings,
            self.has_own_urls,
        ));
        let hints = self.hints.iter().map(|hint| hint.to_string());
        document.warnings.extend(hints);
        Ok(())
    }
}
