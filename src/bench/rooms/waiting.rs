//! What is still awaited when a run ends, in all rooms.

use super::Rooms;

impl Rooms {
    /// Receivers that do not have everything.
    pub(in super::super) fn waiting(&self) -> usize {
        let rooms = self.rooms.iter();
        rooms
            .map(|room| room.audience.waiting(&self.shared.script))
            .sum()
    }

    /// Whether all that is awaited are publishers' own messages.
    pub(in super::super) fn awaits_echoes_only(&self) -> bool {
        let readers = self.plan.readers;
        self.rooms.iter().all(|room| {
            room.audience
                .awaits_echoes_only(&self.shared.script, readers)
        })
    }

    /// Gives up on all receivers: what they do not have counts as missed.
    pub(in super::super) fn give_up(&mut self) {
        self.give_up_requests();
        for room in &mut self.rooms {
            for receiver in 0..room.audience.receivers() {
                room.audience.leave(&mut self.shared, receiver);
            }
        }
    }

    /// Gives up on receivers of publishers elsewhere: what they do not have of this many messages
    /// counts as missed.
    pub(in super::super) fn give_up_at(&mut self, published: u64) {
        for room in &mut self.rooms {
            room.audience.end_at(&mut self.shared, published);
        }
    }
}
