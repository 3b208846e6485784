//! What must hold: after each turn, whenever the relay sleeps, and at the end of it all.

use crate::peer::Stage;
use crate::world::World;
use fanfare::metrics::Levels;
use fanfare::relay::SlowPolicy;

/// The most that a frame takes besides its payload.
const FRAME_HEADER_BYTES_MAX: usize = 10;

/// The least memory that a segment's lists take, if it has some.
const LIST_BYTES_MIN: usize = 2 * 24 + 4 * 24;

impl World {
    pub(crate) fn check_turn(&mut self) {
        for index in self.live.clone() {
            if self.peers[index].id.is_some() {
                self.check_peer(index);
            }
        }
        assert_eq!(self.relay.connections(), self.by_id.len());
        self.check_served();
        self.check_memory();
    }

    /// What is held stays within its bounds.
    fn check_memory(&mut self) {
        let limits = &self.character.limits;
        // A log that is over its bound takes nothing in: so it exceeds that by what one read brings, which
        // is as much as there is room for, or what came with a request, and a message that was gathered.
        let read_bytes_max = (limits.topic_log_bytes_max / 4).max(limits.head_bytes_max)
            + limits.message_bytes_max
            + FRAME_HEADER_BYTES_MAX;
        // Two segments that follow each other are at least half full, but for the first and the last.
        let segment_bytes_max = (limits.topic_log_bytes_max / 8).clamp(1 << 10, 256 << 10);
        let excess_bytes_max =
            2 * (read_bytes_max + segment_bytes_max) + segment_bytes_max / 1024 + LIST_BYTES_MIN;
        let topic_bytes_max = limits.topic_log_bytes_max + excess_bytes_max;
        let log_bytes_max = (self.relay.topics() * self.encodings() * topic_bytes_max)
            .min(limits.log_bytes_max + self.encodings() * excess_bytes_max);
        let log_bytes = self.relay.log_bytes();
        assert!(
            log_bytes <= log_bytes_max,
            "{log_bytes} bytes of logs, {log_bytes_max} at most"
        );
        if !self.relay.has_work() {
            self.burst.clear();
        }
        let free = 2 * (16 * 1024)
            + 2 * (limits.outbox_bytes_max + 512)
            + (2 * limits.head_bytes_max).max(self.character.shares.read_bytes_max);
        let private_bytes_max = limits.private_bytes_max + self.by_id.len() * free;
        let topics = self.relay.topics();
        assert!(
            topics <= self.character.limits.topics_max,
            "{topics} topics"
        );
        let private_bytes = self.relay.private_bytes();
        assert!(
            private_bytes <= private_bytes_max,
            "{private_bytes} private bytes, {private_bytes_max} at most"
        );
    }

    /// In how many encodings a message may be read.
    pub(crate) fn encodings(&self) -> usize {
        match self.character.limits.compression {
            Some(_) => 3,
            None => 1,
        }
    }

    /// The relay sleeps, and nothing is under way: everybody has what it is owed.
    pub(crate) fn check_settled(&mut self) {
        // A shutdown looks at every slot, in the end at empty ones.
        let is_nothing_due = self.relay.poll_timeout().is_none();
        assert!(is_nothing_due == self.by_id.is_empty() || self.shutdown.is_some());
        for &index in &self.live {
            let peer = &mut self.peers[index];
            let is_waiting = match peer.stage {
                Stage::Respond { .. } => true,
                Stage::Closing => peer.ending.is_some_and(|ending| ending.is_peer_done),
                _ => false,
            };
            if !is_waiting && peer.id.is_some() {
                assert_eq!(peer.socket.unread(), 0, "client {index} is not read");
                let end_unread = peer.socket.is_end_unread() && !peer.is_end_told;
                assert!(!end_unread, "the end of client {index} is not read");
            }
            if peer.blocked || peer.id.is_none() {
                continue;
            }
            let history = &self.histories[peer.client.topic];
            match peer.stage {
                Stage::Open => {
                    let reader = peer.reader.as_mut().expect("a member reads");
                    let (next, end) = (reader.next(history), history.len());
                    assert!(
                        next == end || reader.may_have_skipped_to(history, end),
                        "client {index} has room, and got {next} of {end} messages"
                    );
                    assert!(peer.pings.is_empty(), "client {index} awaits a pong");
                    assert!(
                        peer.tap.is_at_boundary(),
                        "client {index} awaits the rest of a frame"
                    );
                    assert!(!peer.put_off, "client {index} awaits to be heard");
                    assert!(!peer.is_end_told, "client {index} has ended, and stays");
                }
                Stage::Closing => {
                    assert!(
                        peer.is_close_written,
                        "client {index} awaits the close frame"
                    );
                    let is_peer_done = peer.ending.is_some_and(|ending| ending.is_peer_done);
                    assert!(!is_peer_done, "client {index} is closed, and not shut");
                }
                Stage::Respond { .. } => panic!("client {index} awaits a response"),
                Stage::Head { .. } | Stage::Shut => {
                    assert!(!peer.is_end_told, "client {index} has ended, and stays");
                }
                Stage::Gone => {}
            }
        }
    }

    /// What readers missed is what the relay counted, as far as readers are left to tell.
    pub(crate) fn check_skips(&mut self) {
        let counters = *self.relay.counters();
        // What readers that have room were not sent is skipped, though no message after it says so.
        let (mut told, mut untold, mut is_all) = ((0, 0), 0, true);
        for peer in &mut self.peers {
            if let Some(reader) = &mut peer.reader {
                let history = &self.histories[peer.client.topic];
                untold += (history.len() - reader.next(history)) as u64;
                told.0 += reader.skips;
                told.1 += reader.messages_skipped;
                is_all &= peer.client.echo && peer.stage == Stage::Open && !peer.blocked;
            }
        }
        if self.character.limits.slow_policy == SlowPolicy::Close {
            assert_eq!((counters.skips, told), (0, (0, 0)));
        }
        assert!(told.0 <= counters.skips, "{told:?} of {counters:?}");
        if is_all {
            assert_eq!(
                told.1 + untold,
                counters.messages_skipped,
                "{told:?} of {counters:?}"
            );
        }
    }

    pub(crate) fn check_nothing_left(&self) {
        assert_eq!(self.relay.connections(), 0);
        assert_eq!(self.relay.topics(), 0, "topics are left");
        assert_eq!(self.relay.log_bytes(), 0, "log bytes are left");
        assert_eq!(self.relay.private_bytes(), 0, "private bytes are left");
        assert!(self.relay.poll_timeout().is_none() || self.shutdown.is_some());
        let counters = self.relay.counters();
        let closed = counters.closed();
        assert_eq!(counters.opened, closed, "each is closed for one cause");
        assert_eq!(self.relay.levels(), Levels::default());
        assert!(!self.relay.has_work());
    }
}
