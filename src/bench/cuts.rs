//! Readers that are cut off and come back, as over a network that is lost now and then: at a steady rate, in an
//! order without a pattern, each away for a while of its own.

use super::chance::Chance;
use super::clock::{NEVER, SECOND};
use super::links::Links;
use super::rooms::Rooms;
use super::route::Route;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Cuts {
    /// Nanoseconds from one to the next.
    interval: u64,
    /// Nanoseconds that a reader is away, at most.
    away_max: u64,
    /// When the next one is due.
    next: u64,
    /// Readers that are away, and when they come back.
    away: BinaryHeap<Reverse<(u64, usize)>>,
    chance: Chance,
}

impl Cuts {
    /// So many in a second, of all rooms together.
    pub(super) fn new(per_second: f64, away_max: u64) -> Self {
        Cuts {
            interval: ((SECOND as f64 / per_second) as u64).max(1),
            away_max,
            next: NEVER,
            away: BinaryHeap::new(),
            chance: Chance::default(),
        }
    }

    /// The first one is due.
    pub(super) fn begin(&mut self, now: u64) {
        self.next = now;
    }

    /// No more are due, and those that are away come back now.
    pub(super) fn end(&mut self, now: u64) {
        self.next = NEVER;
        let away = std::mem::take(&mut self.away).into_iter();
        self.away = away
            .map(|Reverse((due, link))| Reverse((due.min(now), link)))
            .collect();
    }

    /// When there is something to do.
    pub(super) fn next_due(&self) -> u64 {
        let first = self.away.peek().map_or(NEVER, |&Reverse((due, _))| due);
        first.min(self.next)
    }

    /// Does what is due. Between two calls, the loop takes a turn.
    pub(super) fn work(
        &mut self,
        links: &mut Links,
        rooms: &mut Rooms,
        routes: &[Route],
        now: u64,
    ) {
        let plan = rooms.plan();
        let (connections, readers) = (plan.connections(), plan.readers);
        let total = plan.rooms * readers;
        while let Some(&Reverse((due, link))) = self.away.peek()
            && due <= now
        {
            self.away.pop();
            let room = link / connections;
            let mut route = routes[room % routes.len()].numbered(room);
            route.since = rooms.id(link);
            links.reopen(link, route);
        }
        // What a busy client could not do in time is not made up for.
        self.next = self.next.max(now.saturating_sub(SECOND));
        while self.next <= now {
            self.next += self.interval;
            let reader = self.chance.below(total as u64) as usize;
            let link = reader / readers * connections + reader % readers;
            if rooms.cut(link) {
                links.cut(link);
                let back_at = now + self.chance.below(self.away_max);
                self.away.push(Reverse((back_at, link)));
            }
        }
    }
}
