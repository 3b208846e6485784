//! The table of connections, by slot.

use super::connection::Connection;
use crate::relay::ids::Slot;
use crate::wheel::{TimerLink, TimerLinks};
use slab::Slab;
use std::ops::{Index, IndexMut};

/// All connections that take up a slot.
#[derive(Debug, Default)]
pub(super) struct Connections(Slab<Connection>);

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The connection in a slot, if there is one.
    pub(super) fn get(&self, slot: Slot) -> Option<&Connection> {
        self.0.get(slot.index())
    }

    pub(super) fn insert(&mut self, connection: Connection) -> Slot {
        Slot(self.0.insert(connection) as u32)
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Connection {
        self.0.remove(slot.index())
    }

    /// Slots beyond which there is no connection.
    pub(super) fn slots(&self) -> usize {
        self.0.capacity()
    }

    /// Gives back the memory of more than this many slots, if all of them are free.
    pub(super) fn shrink_if_empty(&mut self, slots_max: usize) -> bool {
        let shrinks = self.0.is_empty() && self.0.capacity() > slots_max;
        if shrinks {
            self.0.shrink_to_fit();
        }
        shrinks
    }
}

impl Index<Slot> for Connections {
    type Output = Connection;
    fn index(&self, slot: Slot) -> &Connection {
        &self.0[slot.index()]
    }
}

impl IndexMut<Slot> for Connections {
    fn index_mut(&mut self, slot: Slot) -> &mut Connection {
        &mut self.0[slot.index()]
    }
}

impl TimerLinks for Connections {
    fn link(&mut self, key: u32) -> &mut TimerLink {
        &mut self[Slot(key)].link
    }
}
