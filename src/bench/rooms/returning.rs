//! Readers that are cut off and come back, in all rooms.

use super::Rooms;
use crate::proto::MessageId;

impl Rooms {
    /// Cuts a reader off. False if it is gone, or has not caught up since the last time.
    pub(in super::super) fn cut(&mut self, link: usize) -> bool {
        let (room, receiver) = self.room_and_receiver(link);
        let is_cut = self.rooms[room].audience.cut(&self.shared.script, receiver);
        if is_cut {
            self.shared.returns.cut_off += 1;
            self.mark_dirty(room);
        }
        is_cut
    }

    /// The last message that a reader has.
    pub(in super::super) fn id(&self, link: usize) -> Option<MessageId> {
        let (room, receiver) = self.room_and_receiver(link);
        self.rooms[room].audience.id(&self.shared.script, receiver)
    }

    /// A connection is open that began to be made at this time. False if its reader was not away.
    pub(super) fn come_back(&mut self, link: usize, began: u64) -> bool {
        let (room, receiver) = self.room_and_receiver(link);
        let audience = &mut self.rooms[room].audience;
        audience.come_back(&self.shared, receiver, began)
    }

    /// Messages wait for all readers that there are.
    pub(in super::super) fn is_everybody_here(&self) -> bool {
        self.rooms.iter().all(|room| room.audience.absent() == 0)
    }
}
