//! Members with a cursor of their own, which the walk passes over, and places of readers that come to the log later: in
//! most topics there are none, ever.

use super::super::ids::Slot;
use super::super::seat::{LagIndex, Seats};
use super::place::{Next, Places, Replay};
use crate::log::Position;

/// The lagging members of a variant, and its places. Without any, it takes 8 bytes.
#[derive(Debug, Default)]
pub(super) struct Laggards(Option<Box<List>>);

#[derive(Debug, Default)]
struct List {
    /// In no order. Neither they nor the places are missing.
    members: Vec<Laggard>,
    /// Of readers that read another log until now.
    places: Places,
    /// None of their cursors is before it.
    floor: Position,
    /// A member that stood at `floor` may have moved.
    is_floor_stale: bool,
}

#[derive(Debug)]
struct Laggard {
    slot: Slot,
    /// The log ends here for it; [`NO_END`] if it is to have all that comes.
    end: Position,
    /// It is being sent what it missed.
    replay: Option<Box<Replay>>,
}

/// No position of a log is as large.
const NO_END: Position = Position(u64::MAX);

impl Laggards {
    pub(super) fn len(&self) -> usize {
        self.0.as_deref().map_or(0, |list| list.members.len())
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        let members = self.0.as_deref().map_or(&[][..], |list| &list.members);
        members.iter().map(|member| member.slot)
    }

    /// Takes in a member, with the cursor that it has now.
    pub(super) fn insert(&mut self, seats: &mut impl Seats, slot: Slot) {
        let seat = seats.seat_mut(slot);
        if seat.lagging.is_some() {
            return;
        }
        let list = self.0.get_or_insert_default();
        if list.members.is_empty() {
            list.floor = seat.cursor();
            list.is_floor_stale = false;
        }
        seat.lagging = LagIndex::after(list.members.len());
        list.members.push(Laggard {
            slot,
            end: NO_END,
            replay: None,
        });
        list.floor = list.floor.min(seat.cursor());
    }

    /// Forgets a member, if it is one of them. Returns the place that was kept for it in another log.
    pub(super) fn remove(&mut self, seats: &mut impl Seats, slot: Slot) -> Option<Next> {
        let lagging = seats.seat_mut(slot).lagging.take();
        seats.seat_mut(slot).set_replaying(false);
        let (Some(index), Some(list)) = (lagging, self.0.as_deref_mut()) else {
            return None;
        };
        let removed = list.members.swap_remove(index.index());
        if let Some(moved) = list.members.get(index.index()) {
            seats.seat_mut(moved.slot).lagging = lagging;
        }
        list.is_floor_stale = true;
        self.shrink();
        removed.replay.and_then(|replay| replay.next)
    }

    /// Where the log ends for one of them, which may be beyond its tail.
    pub(super) fn end(&self, index: LagIndex) -> Position {
        let list = self.0.as_deref();
        list.map_or(NO_END, |list| {
            let member = &list.members[index.index()];
            match member.replay.as_deref() {
                Some(replay) if replay.next.is_some() => replay.until,
                _ => member.end,
            }
        })
    }

    /// The logs end for one of them before all the others.
    pub(super) fn is_closing(&self, index: LagIndex) -> bool {
        match self.next(index) {
            Some(next) => next.end.is_some(),
            None => self.end(index) != NO_END,
        }
    }

    /// The log ends for one of them at that position.
    pub(super) fn set_end(&mut self, index: LagIndex, end: Position) {
        if let Some(list) = self.0.as_deref_mut() {
            list.members[index.index()].end = end;
        }
    }

    /// What one of them is being sent that it missed.
    pub(super) fn replay(&self, index: LagIndex) -> Option<&Replay> {
        let list = self.0.as_deref()?;
        list.members[index.index()].replay.as_deref()
    }

    pub(super) fn replay_mut(&mut self, index: LagIndex) -> Option<&mut Replay> {
        let list = self.0.as_deref_mut()?;
        list.members[index.index()].replay.as_deref_mut()
    }

    pub(super) fn set_replay(&mut self, index: LagIndex, replay: Replay) {
        if let Some(list) = self.0.as_deref_mut() {
            list.members[index.index()].replay = Some(Box::new(replay));
        }
    }

    pub(super) fn take_replay(&mut self, index: LagIndex) -> Option<Box<Replay>> {
        let list = self.0.as_deref_mut()?;
        list.members[index.index()].replay.take()
    }

    /// The place that is kept for one of them in another log.
    pub(super) fn next(&self, index: LagIndex) -> Option<&Next> {
        self.replay(index)?.next.as_ref()
    }

    pub(super) fn next_mut(&mut self, index: LagIndex) -> Option<&mut Next> {
        self.replay_mut(index)?.next.as_mut()
    }

    /// The cursor of one of them moved on from `before`.
    pub(super) fn on_moved(&mut self, before: Position) {
        if let Some(list) = self.0.as_deref_mut() {
            list.is_floor_stale |= before <= list.floor;
        }
    }

    /// A reader of another log comes to this one where its tail is now.
    pub(super) fn take_place(&mut self, tail: Position) {
        self.0.get_or_insert_default().places.take(tail);
    }

    /// A place is not needed any more.
    pub(super) fn give_back(&mut self, place: Position) {
        if let Some(list) = self.0.as_deref_mut() {
            list.places.give_back(place);
            self.shrink();
        }
    }

    /// The first of the places.
    pub(super) fn first_place(&self) -> Option<Position> {
        self.0.as_deref()?.places.first()
    }

    fn shrink(&mut self) {
        let list = self.0.as_deref();
        if list.is_some_and(|list| list.members.is_empty() && list.places.is_empty()) {
            self.0 = None;
        }
    }

    /// The lowest of their cursors, and of the places.
    pub(super) fn floor(&mut self, seats: &impl Seats) -> Option<Position> {
        let list = self.0.as_deref_mut()?;
        let place = list.places.first();
        if list.members.is_empty() {
            return place;
        }
        if list.is_floor_stale {
            let cursors = list
                .members
                .iter()
                .map(|member| seats.seat(member.slot).cursor());
            list.floor = cursors.min().unwrap_or(list.floor);
            list.is_floor_stale = false;
        }
        Some(place.map_or(list.floor, |place| place.min(list.floor)))
    }

    /// None of their cursors is before it, as of the end of the last turn in which something happened.
    pub(super) fn floor_noted(&self) -> Option<Position> {
        let list = self.0.as_deref().filter(|list| !list.members.is_empty());
        list.map(|list| list.floor)
    }
}
