//! One encoding of a topic's messages: its log, and the members who read it.
//!
//! Members are served by a walk, a ring over their list that can stop anywhere and resume in
//! another turn. Each is in one of two states:
//! - *with the walk*: at the tail, or, while `left` > 0, at `settled` or later;
//! - *lagging*: on the list of those with a cursor of their own, who are served as their sockets
//!   have room, and whom the walk passes over.
//!
//! ```text
//!   members  [ a  b  c  d  e  f ]     left = 4: d, e, f and a have yet to be visited
//!                     ^
//!                    next
//! ```

use super::connection::{Connection, NONE};
use super::topic::TopicKey;
use crate::log::{Log, Position};
use crate::proto::deflate::Window;
use slab::Slab;

/// How messages are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As they are.
    Plain,
    /// Compressed where that makes them smaller, with the smallest window.
    Deflate9,
    /// The same with the largest window.
    Deflate15,
}

/// Number of encodings.
pub(super) const ENCODINGS: usize = 3;

impl Encoding {
    /// What a reader gets that agreed on this window.
    pub(super) fn deflate(window: Window) -> Self {
        match window {
            Window::Bits9 => Self::Deflate9,
            Window::Bits15 => Self::Deflate15,
        }
    }

    /// The window that messages are compressed with, if they are.
    pub(super) fn window(self) -> Option<Window> {
        match self {
            Self::Plain => None,
            Self::Deflate9 => Some(Window::Bits9),
            Self::Deflate15 => Some(Window::Bits15),
        }
    }
}

/// One encoding of a topic. See the [module](self).
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) topic: TopicKey,
    pub(super) encoding: Encoding,
    /// It stands in the queue of those whose walk is not complete.
    pub(super) dirty: bool,
    /// It stands in the list of those to tidy at the end of the turn.
    pub(super) touched: bool,
    /// Its index among those with lagging members.
    pub(super) retaining: u32,
    /// Its members that lagged at the end of the last turn in which something happened.
    pub(super) lagging_noted: u32,
    /// The number of the next message when the walk over its members was last complete.
    pub(super) walked: u64,
    pub(super) log: Log,
    /// Slots of the members, in no order.
    members: Vec<u32>,
    /// The lagging members, if there are any: in most topics there never are.
    laggards: Option<Box<Laggards>>,
    /// Index of the member that the walk visits next.
    next: u32,
    /// Members that the walk has yet to visit. It may count some that are at the tail already,
    /// never one too few.
    left: u32,
    /// The tail when the walk was last complete: no member with the walk is behind it.
    settled: Position,
}

/// Members with a cursor of their own.
#[derive(Debug)]
struct Laggards {
    /// Their slots, in no order; never empty.
    slots: Vec<u32>,
    /// None of their cursors is before it.
    floor: Position,
    /// Whoever stood at `floor` may have moved.
    floor_stale: bool,
}

impl Variant {
    /// A variant without members, whose next message has that number.
    pub(super) fn new(topic: TopicKey, encoding: Encoding, messages: u64) -> Self {
        Variant {
            topic,
            encoding,
            dirty: false,
            touched: false,
            retaining: NONE,
            lagging_noted: 0,
            walked: messages,
            log: Log::starting_at(messages),
            members: Vec::new(),
            laggards: None,
            next: 0,
            left: 0,
            settled: Position(0),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    /// How far the last of those who lag is behind. As of the end of the last turn in which
    /// something happened.
    pub(super) fn lag_bytes_max(&self) -> u64 {
        self.laggards
            .as_deref()
            .map_or(0, |laggards| self.log.tail().since(laggards.floor))
    }

    pub(super) fn lagging(&self) -> &[u32] {
        self.laggards
            .as_deref()
            .map_or(&[], |laggards| &laggards.slots)
    }

    /// Bytes that a member with the walk may have yet to be sent.
    pub(super) fn unsettled_bytes(&self) -> u64 {
        self.log.tail().since(self.settled)
    }

    /// Takes in a member at the tail, and returns its cursor and index.
    pub(super) fn join(&mut self, slot: u32) -> (Position, u32) {
        let index = self.members.len() as u32;
        self.members.push(slot);
        // A walk that will pass the end of the list passes the newcomer too.
        if self.left > 0 {
            self.left += 1;
        }
        (self.log.tail(), index)
    }

    /// Removes a member. What the walk has yet to visit stays ahead of it: the last member takes
    /// the place of the one visited last, which takes the place of the one that leaves.
    pub(super) fn leave(&mut self, connections: &mut Slab<Connection>, slot: u32) {
        self.catch_up(connections, slot);
        let index = std::mem::replace(&mut connections[slot as usize].member, NONE);
        let mut hole = index;
        if index < self.next {
            self.next -= 1;
            self.place(connections, self.next, hole);
            hole = self.next;
            // The last member may have been visited already; then one visit more is needed to
            // reach the end of those who were not.
            self.left += u32::from(self.left > 0);
        }
        let last = self.members.len() as u32 - 1;
        self.place(connections, last, hole);
        self.members.pop();
        self.left = self.left.min(last);
        if self.next >= last {
            self.next = 0;
        }
    }

    fn place(&mut self, connections: &mut Slab<Connection>, from: u32, to: u32) {
        if from != to {
            let slot = self.members[from as usize];
            self.members[to as usize] = slot;
            connections[slot as usize].member = to;
        }
    }

    /// The log has grown: everybody is to be visited.
    pub(super) fn start_walk(&mut self) {
        self.left = self.members.len() as u32;
    }

    /// The member to visit next; `None` when the walk is complete.
    pub(super) fn visit(&mut self) -> Option<u32> {
        if self.left == 0 {
            self.settled = self.log.tail();
            return None;
        }
        let slot = self.members[self.next as usize];
        self.left -= 1;
        self.next += 1;
        if self.next == self.members.len() as u32 {
            self.next = 0;
        }
        Some(slot)
    }

    pub(super) fn is_walk_complete(&self) -> bool {
        self.left == 0
    }

    /// Gives a member a place on the list of those who lag, with the cursor it has now.
    pub(super) fn lag(&mut self, connections: &mut Slab<Connection>, slot: u32) {
        let connection = &mut connections[slot as usize];
        if connection.lagging == NONE {
            let laggards = self.laggards.get_or_insert_with(|| {
                Box::new(Laggards {
                    slots: Vec::new(),
                    floor: connection.cursor,
                    floor_stale: false,
                })
            });
            connection.lagging = laggards.slots.len() as u32;
            laggards.slots.push(slot);
            laggards.floor = laggards.floor.min(connection.cursor);
        }
    }

    /// A lagging member's cursor moved on from `before`.
    pub(super) fn moved(&mut self, before: Position) {
        if let Some(laggards) = &mut self.laggards {
            laggards.floor_stale |= before <= laggards.floor;
        }
    }

    /// Takes a member from the list of those who lag: it is at the tail, or leaves.
    pub(super) fn catch_up(&mut self, connections: &mut Slab<Connection>, slot: u32) {
        let index = std::mem::replace(&mut connections[slot as usize].lagging, NONE);
        let Some(laggards) = self.laggards.as_mut().filter(|_| index != NONE) else {
            return;
        };
        laggards.slots.swap_remove(index as usize);
        if let Some(&moved) = laggards.slots.get(index as usize) {
            connections[moved as usize].lagging = index;
        }
        laggards.floor_stale = true;
        if laggards.slots.is_empty() {
            self.laggards = None;
        }
    }

    /// The oldest position that somebody still needs.
    pub(super) fn needed_from(&mut self, connections: &Slab<Connection>) -> Position {
        let walk = self.walk_from();
        let floor = self
            .laggards
            .as_mut()
            .map(|laggards| laggards.floor(connections));
        floor.map_or(walk, |floor| walk.min(floor))
    }

    /// The oldest position that a member with the walk may stand at.
    pub(super) fn walk_from(&self) -> Position {
        if self.is_walk_complete() {
            self.log.tail()
        } else {
            self.settled
        }
    }
}

impl Laggards {
    fn floor(&mut self, connections: &Slab<Connection>) -> Position {
        if self.floor_stale {
            let cursors = self
                .slots
                .iter()
                .map(|&slot| connections[slot as usize].cursor);
            self.floor = cursors.min().unwrap_or(self.floor);
            self.floor_stale = false;
        }
        self.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Pool;
    use crate::wheel::Tick;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// However members come and go while a walk is under way, it visits everybody who was
        /// there when the log last grew and is still there.
        #[test]
        fn a_walk_misses_nobody(ops in prop::collection::vec((0u8..8, any::<prop::sample::Index>()), 1..300)) {
            let mut connections = Slab::new();
            let mut variant = Variant::new(TopicKey::default(), Encoding::Plain, 0);
            let mut pool = Pool::new(64 << 10, 1 << 20);
            let mut members: Vec<u32> = Vec::new();
            let mut owed: BTreeSet<u32> = BTreeSet::new();
            for (op, pick) in ops {
                match op {
                    0 | 1 => {
                        let slot = connections.insert(Connection::new(0, Tick(0))) as u32;
                        let (cursor, index) = variant.join(slot);
                        connections[slot as usize].cursor = cursor;
                        connections[slot as usize].member = index;
                        members.push(slot);
                    }
                    2 if !members.is_empty() => {
                        let slot = members.swap_remove(pick.index(members.len()));
                        variant.leave(&mut connections, slot);
                        connections.remove(slot as usize);
                        owed.remove(&slot);
                    }
                    3 => {
                        variant.log.append(&mut pool, &[1, 2], &[3], None);
                        variant.start_walk();
                        owed.extend(&members);
                    }
                    _ => match variant.visit() {
                        Some(slot) => {
                            prop_assert!(members.contains(&slot));
                            owed.remove(&slot);
                        }
                        None => prop_assert!(owed.is_empty(), "missed {owed:?}"),
                    },
                }
                for (index, &slot) in variant.members.iter().enumerate() {
                    prop_assert_eq!(connections[slot as usize].member, index as u32);
                }
            }
            while let Some(slot) = variant.visit() {
                owed.remove(&slot);
            }
            prop_assert!(owed.is_empty(), "missed {:?}", owed);
        }
    }
}
