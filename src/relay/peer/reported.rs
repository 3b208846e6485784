//! Up to when everything that came has been reported: a peer that has said nothing by then was silent.
//!
//! A turn may come late, because the machine was busy or the process stopped, and what came meanwhile
//! waits. A timer that fired by the clock would find every peer silent that has not been read yet. So
//! timers go by this time instead.
//!
//! ```text
//!   poll:   began ────────────► full      began ──► full      began ──► some          the clock
//!             │                             │                   │                       │
//!   ──────────┴─────────────────────────────┴───────────────────┴───────────────────────┴──►
//!             nothing before it is left to be                   once this one has come, nothing
//!             reported once as many events came                 before it is
//!             as there were sockets then
//! ```
//!
//! What came before a poll began, the poll reports, unless it is full. The poller reports each socket
//! once, in the order in which they had something to report: so when many polls in a row are full, as
//! they are for many busy peers, those of a *round* have reported everything that came before it began.

use crate::wheel::Tick;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Reported {
    until: Tick,
    /// Polls were full since.
    round: Option<Round>,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    began: Tick,
    /// Events until all sockets that there were have been reported.
    left: usize,
}

impl Reported {
    pub(super) fn new(now: Tick) -> Self {
        Reported {
            until: now,
            round: None,
        }
    }

    pub(super) fn until(&self) -> Tick {
        self.until
    }

    /// A poll that began then brought this many events, of one for each of this many sockets at most.
    pub(super) fn on_poll(&mut self, began: Tick, events: usize, is_full: bool, sockets: usize) {
        if !is_full {
            (self.until, self.round) = (began.max(self.until), None);
            return;
        }
        let left = sockets;
        let mut round = self.round.unwrap_or(Round { began, left });
        round.left = round.left.saturating_sub(events);
        self.round = (round.left > 0).then_some(round);
        if round.left == 0 {
            self.until = round.began.max(self.until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_with_space_left_has_reported_everything() {
        let mut reported = Reported::new(Tick(5));
        reported.on_poll(Tick(7), 9, false, 100);
        assert_eq!(reported.until(), Tick(7));
        reported.on_poll(Tick(8), 10, true, 100);
        assert_eq!(reported.until(), Tick(7), "there may be more");
        reported.on_poll(Tick(9), 0, false, 100);
        assert_eq!(reported.until(), Tick(9));
    }

    #[test]
    fn full_polls_report_everything_in_rounds() {
        let mut reported = Reported::new(Tick(0));
        let until: Vec<u32> = (1..=9)
            .map(|began| {
                reported.on_poll(Tick(began), 10, true, 25);
                reported.until().0
            })
            .collect();
        assert_eq!(until, [0, 0, 1, 1, 1, 4, 4, 4, 7]);
    }
}
