//! Between all input and all output: readers that don't keep up are lapped, and what follows for their
//! connections.

use super::Relay;
use super::hub::Fate;
use super::ids::Slot;
use crate::metrics::Cause;

impl Relay {
    /// Begins the writing part of a turn.
    pub fn begin_flush(&mut self) {
        self.close_gaps();
        self.lap_laggards();
        self.peers.begin_flush();
        self.serves_queues = true;
    }

    /// Laps readers that lag by more than may be retained, as many as a turn may.
    fn lap_laggards(&mut self) {
        self.hub.begin_laps(&self.peers, &self.limits, self.now);
        loop {
            let private_bytes_left = self
                .limits
                .private_bytes_max
                .checked_sub(self.peers.private_bytes());
            let rest_bytes_max =
                private_bytes_left.map(|left| left.min(self.limits.rescue_bytes_max));
            let Some(lapped) = self.hub.poll_lap(
                &mut self.peers,
                &self.limits,
                &mut self.counters,
                rest_bytes_max,
            ) else {
                return;
            };
            let (slot, fate) = (lapped.slot, lapped.fate);
            if !lapped.rest.is_empty() {
                let outbox = &mut self.peers[slot].extra().outbox;
                outbox.rescue(lapped.rest);
            }
            self.on_lapped(slot, fate);
            self.settle(slot);
        }
    }

    /// A reader was lapped. What is left of its frame is in its outbox, so that it can be told properly.
    fn on_lapped(&mut self, slot: Slot, fate: Fate) {
        match fate {
            Fate::GoesOn { missed } => self.on_gap(slot, missed),
            Fate::Closes => {
                self.close(slot, Cause::Lapped);
            }
            Fate::CutShort { has_missed } => {
                if has_missed {
                    self.tell_of_gap(slot);
                }
                // Its log ends here: what others publish is nothing to it any more.
                self.leave_topic(slot);
            }
            Fate::Served => return self.leave_topic(slot),
            Fate::Broken => return self.abort(slot, Cause::Lapped),
        }
        self.peers.queue_output(slot);
    }
}
