//! Ghosts: connections that are gone, for which the relay is told an event all the same, as one that was
//! under way. Nothing comes of it, though another connection has their slot.

use crate::world::World;
use fanfare::relay::{ConnId, Reading};

/// As many are remembered.
const GHOSTS_MAX: usize = 8;

impl World {
    pub(crate) fn remember(&mut self, id: ConnId) {
        self.ghosts.truncate(GHOSTS_MAX - 1);
        self.ghosts.insert(0, id);
    }

    /// One of them speaks, ends, breaks, has space, and has its timer fired.
    pub(crate) fn haunt(&mut self) {
        if self.ghosts.is_empty() || !self.random.once_in(self.character.often.ghost) {
            return;
        }
        let ghost = self.ghosts[self.random.below(self.ghosts.len())];
        let levels = self.relay.levels();
        let before = *self.relay.counters();
        let relay = &mut self.relay;
        assert_eq!(relay.reading(ghost), Reading::Later, "{ghost:?} is gone");
        assert!(!relay.is_open(ghost), "{ghost:?} is gone");
        match self.random.below(7) {
            0 => relay.handle_input(ghost, &mut b"GET /ws HTTP/1.1\r\n".to_vec()),
            1 => relay.handle_kept(ghost),
            2 => relay.handle_end(ghost),
            3 => relay.handle_writable(ghost),
            4 => relay.handle_timer(ghost, false),
            5 => relay.handle_reset(ghost),
            _ => relay.handle_loopback(ghost),
        }
        assert_eq!(*self.relay.counters(), before, "{ghost:?} has an effect");
        assert_eq!(self.relay.levels(), levels, "{ghost:?} has an effect");
        self.follow_leaves();
    }
}
