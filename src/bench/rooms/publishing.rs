//! How messages are published into a room.

use super::super::links::Links;
use super::{Outlet, Rooms};
use std::io::{self, Write};

impl Rooms {
    /// Publishes this many messages into a room, as of the time `at`.
    pub(in super::super) fn publish(
        &mut self,
        links: &mut Links,
        room: usize,
        count: u64,
        at: u64,
    ) -> io::Result<()> {
        let audience = &mut self.rooms[room].audience;
        if let Outlet::Pipe(pipe) = &mut self.plan.outlet {
            let round = audience.publish_elsewhere(&self.shared.script, 0, count, at);
            pipe.write_all(&(round.len() as u32).to_le_bytes())?;
            pipe.write_all(round)?;
            self.published += count;
            return Ok(());
        }
        if let Outlet::Requests(_) = self.plan.outlet {
            self.published += self.publish_by_request(links, room, count, at);
        } else {
            self.publish_in_turn(links, room, count, at);
        }
        Ok(())
    }

    /// The publishers of a room take turns, each with one write.
    fn publish_in_turn(&mut self, links: &mut Links, index: usize, count: u64, at: u64) {
        let publishers = self.plan.publishers();
        let first = index * self.plan.connections() + self.plan.readers;
        let room = &mut self.rooms[index];
        let alive: Vec<usize> = (0..publishers)
            .map(|i| (room.next + i) % publishers)
            .filter(|&publisher| !self.is_gone[first + publisher])
            .collect();
        if alive.is_empty() {
            return;
        }
        let each = count / alive.len() as u64;
        let extra = (count % alive.len() as u64) as usize;
        for (i, &publisher) in alive.iter().enumerate() {
            let messages = each + u64::from(i < extra);
            if messages == 0 {
                break;
            }
            let (audience, shared) = (&mut room.audience, &mut self.shared);
            links.send(first + publisher, |out| {
                audience.publish(shared, publisher, messages, at, out);
            });
        }
        room.next = alive.get(extra).copied().unwrap_or(room.next);
        self.published += count;
    }
}
