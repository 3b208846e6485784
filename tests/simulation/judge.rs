//! What must hold: after each turn, whenever the relay sleeps, and at the end of it all.

use crate::character::may_put_off_output;
use crate::peer::{Peer, Stage};
use crate::world::World;
use fanfare::metrics::Levels;
use fanfare::relay::{Counters, Reading, SlowPolicy};
use fanfare::wheel::Tick;

/// What the relay promises about the end of a connection.
const LINGER_TICKS: u32 = 20;
const LINGER_BYTES_MAX: usize = 32 << 20;

/// The most that a frame takes besides its payload.
const FRAME_HEADER_BYTES_MAX: usize = 10;

/// The least memory that a segment's lists take, if it has some.
const LIST_BYTES_MIN: usize = 2 * 24 + 4 * 24;

impl World {
    /// The shutdown goes on: some more are closed.
    pub(crate) fn follow_shutdown(&mut self) {
        if self.shutdown.is_none() {
            return;
        }
        for index in self.live.clone() {
            if self.peers[index].stage == Stage::Open
                && !self.peers[index].put_off
                && !self.is_open(index)
            {
                let peer = &mut self.peers[index];
                let owed = self.histories[peer.client.topic].len();
                peer.begin_closing(self.now, Some(1012), Some(owed), false);
            }
        }
    }

    /// The timers fired: each that was due, and no other.
    pub(crate) fn follow_timers(&mut self, before: &Counters) {
        let counted = self.counted(before);
        let limits = self.character.limits.clone();
        let now = self.now;
        let is_more_due = self.relay.poll_timeout().is_some_and(|due| due <= now);
        for index in self.live.clone() {
            let peer = &mut self.peers[index];
            match peer.stage {
                Stage::Head { served } => {
                    let Some(id) = peer.id else { continue };
                    let timeout = match served {
                        true => limits.keep_alive_timeout,
                        false => limits.handshake_timeout,
                    };
                    let is_due = peer.since.after(timeout) <= now;
                    let is_over = peer.is_reset_told || peer.is_end_told;
                    let has_begun = peer.handed > peer.judged;
                    let is_asking = has_begun || !served;
                    // Whoever is to be answered is not read meanwhile.
                    let is_answered = self.relay.reading(id) == Reading::Later;
                    if is_due && is_answered && is_asking && !is_over {
                        let is_heard = peer.socket.unread() == 0 || !self.is_all_reported;
                        assert!(is_heard, "client {index} was not read in time");
                        peer.since = now;
                        peer.respond(408, true);
                    }
                }
                Stage::Open if !peer.put_off => {
                    let Some(idle) = limits.idle_timeout else {
                        continue;
                    };
                    let is_due = peer.active.after(idle) <= now;
                    let is_overdue = peer.perhaps_active.after(idle) <= now;
                    let is_overdue = is_overdue && !is_more_due && !peer.readiness.is_listed;
                    let Some(id) = peer.id else { continue };
                    // One that is dropped instead is judged when its socket is closed.
                    match self.relay.reading(id) {
                        Reading::Later => {}
                        _ if is_due && !self.relay.is_open(id) => {
                            let owed = self.histories[peer.client.topic].len();
                            peer.begin_closing(now, Some(1001), Some(owed), false);
                        }
                        _ => assert!(!is_overdue, "client {index} is idle, and stays"),
                    }
                }
                _ => {}
            }
        }
        self.stalled += counted.stalled;
        self.dead += counted.dead;
    }

    /// The relay shuts its side: it has said all that it had to say.
    pub(crate) fn on_shutdown_write(&mut self, index: usize) {
        let now = self.now;
        let peer = &mut self.peers[index];
        assert!(!peer.socket.is_shut(), "client {index} is shut twice");
        assert!(
            peer.tap.is_at_boundary(),
            "client {index} is shut in mid-frame"
        );
        match peer.stage {
            Stage::Respond { close: true } => assert!(peer.statuses.is_empty()),
            Stage::Closing => {
                assert!(
                    peer.is_close_written,
                    "client {index} is shut without a close frame"
                );
                let is_peer_done = peer.ending.is_some_and(|ending| ending.is_peer_done);
                assert!(
                    is_peer_done,
                    "client {index} is shut before its close frame came"
                );
            }
            stage => panic!("client {index} is shut in {stage:?}"),
        }
        peer.socket.shutdown_write();
        peer.stage = Stage::Shut;
        peer.since = now;
    }

    /// The relay closes a socket: there has to be a reason.
    pub(crate) fn on_close(&mut self, index: usize) {
        let reason = self.reason_to_close(&self.peers[index]);
        let Some(reason) = reason else {
            let peer = &self.peers[index];
            panic!(
                "client {index} is closed for no reason in {:?} since {:?}",
                peer.stage, peer.since
            );
        };
        self.note(|| format!("client {index} is gone: {reason}"));
        match reason {
            "stalled" => self.stalled = self.stalled.checked_sub(1).expect("it was counted"),
            "dead" => {
                self.dead = self.dead.checked_sub(1).expect("it was counted");
                let is_heard = self.peers[index].socket.unread() == 0 || !self.is_all_reported;
                assert!(is_heard, "client {index} has spoken, and is taken for dead");
            }
            // What it owes is known all the same.
            "who knows" if self.is_dead(&self.peers[index]) => {
                self.dead = self.dead.saturating_sub(1);
            }
            _ => {}
        }
        self.peers[index].stage = Stage::Gone;
    }

    fn reason_to_close(&self, peer: &Peer) -> Option<&'static str> {
        let limits = &self.character.limits;
        let (now, since) = (self.now, peer.since);
        let is_shutdown = self.shutdown.is_some();
        let stalled = peer.is_stalled
            && peer.blocked
            && peer.stall_deadline(limits.stalled_write_timeout) <= now;
        let is_all_said = peer.tap.is_at_boundary() && peer.statuses.is_empty();
        let has_said_good_bye = peer.is_close_written && peer.tap.is_at_boundary();
        let is_peer_done = peer.ending.is_some_and(|ending| ending.is_peer_done);
        let reasons = match peer.stage {
            _ if peer.is_reset_told => return Some("reset"),
            // What it sent may have been taken in, and its end decided, at any time since it joined.
            _ if peer.put_off && stalled => return Some("stalled"),
            _ if peer.put_off => {
                let is_lapped = peer.may_be_lapped || peer.lapped_in == self.turns;
                let is_explained =
                    is_lapped || is_shutdown || self.is_dead(peer) || peer.is_end_told;
                return is_explained.then_some("who knows");
            }
            Stage::Head { served } => [
                (peer.is_end_told, "ended"),
                (is_shutdown, "shutdown"),
                (
                    served && since.after(limits.keep_alive_timeout) <= now,
                    "no request",
                ),
            ],
            Stage::Respond { close } => [
                (stalled, "stalled"),
                (is_all_said && close && peer.is_end_told, "ended"),
                (is_shutdown && (is_all_said || since == now), "shutdown"),
            ],
            Stage::Open => [
                (stalled, "stalled"),
                (self.dead > 0 && self.is_dead(peer), "dead"),
                (false, ""),
            ],
            Stage::Closing => [
                (since.after(limits.close_timeout) <= now, "no close frame"),
                (has_said_good_bye && peer.is_end_told, "ended"),
                (has_said_good_bye && is_shutdown && is_peer_done, "shutdown"),
            ],
            Stage::Shut => [
                (peer.is_end_told, "ended"),
                (is_shutdown, "shutdown"),
                (
                    since.after(LINGER_TICKS) <= now || peer.discarded > LINGER_BYTES_MAX,
                    "lingered",
                ),
            ],
            Stage::Gone => return None,
        };
        let lapped = (peer.lapped_in == self.turns, "lapped, and not to be saved");
        // It said good-bye while the write that finds out waited for its turn.
        let probed = (stalled && peer.stage == Stage::Closing, "stalled");
        let mut reasons = reasons.iter().chain([&lapped, &probed]);
        reasons.find(|reason| reason.0).map(|reason| reason.1)
    }

    /// It owes a pong, and nothing stands against that. Of one that was moved to the live end,
    /// nothing may be pending, though its socket is full.
    fn is_dead(&self, peer: &Peer) -> bool {
        let timeout = self.character.limits.pong_timeout;
        let is_due = |since: Tick| since.after(timeout) <= self.now;
        (!peer.blocked || peer.lapped_in > 0) && peer.pong_awaited.is_some_and(is_due)
    }

    pub(crate) fn check_turn(&mut self) {
        assert_eq!(
            (self.stalled, self.dead),
            (0, 0),
            "counted, and not dropped"
        );
        for index in self.live.clone() {
            if self.peers[index].id.is_some() {
                self.check_peer(index);
            }
        }
        assert_eq!(self.relay.connections(), self.by_id.len());
        self.check_served();
        self.check_memory();
    }

    /// Nothing that was due has been left out.
    fn check_peer(&mut self, index: usize) {
        let peer = &self.peers[index];
        if peer.put_off || peer.is_since_vague {
            return;
        }
        if peer.stage == Stage::Open {
            assert!(
                self.is_open(index),
                "client {index} is closed for no reason"
            );
        }
        let limits = &self.character.limits;
        let peer = &mut self.peers[index];
        let (now, since) = (self.now, peer.since);
        let stall = peer.stall_deadline(limits.stalled_write_timeout);
        if peer.readiness.is_listed {
            // It is heard first, and looked at again in the next tick.
            peer.excused_at = Some(now);
        }
        let is_put_off = self.relay.has_work() && may_put_off_output(limits);
        if is_put_off || self.relay.poll_timeout().is_some_and(|due| due <= now) {
            // The relay knows that it has more to do.
            return;
        }
        if peer.excused_at == Some(now) {
            return;
        }
        let (deadline, what) = match peer.stage {
            Stage::Head { served: true } => (since.after(limits.keep_alive_timeout), "no request"),
            Stage::Head { served: false } => (since.after(limits.handshake_timeout), "no request"),
            Stage::Respond { .. } if peer.blocked => (stall, "stalled"),
            // Of a reader that was moved to the live end, nothing may be pending.
            Stage::Open if peer.lapped_in > 0 && peer.tap.is_at_boundary() => return,
            Stage::Open if peer.blocked => (stall, "stalled"),
            Stage::Open => match peer.pong_awaited {
                Some(_) if peer.is_pong_vague => return,
                Some(since) => (since.after(limits.pong_timeout), "dead"),
                None => (peer.heard.after(limits.heartbeat_interval), "silent"),
            },
            Stage::Closing => (since.after(limits.close_timeout), "closing"),
            Stage::Shut => (since.after(LINGER_TICKS), "lingering"),
            Stage::Respond { .. } | Stage::Gone => return,
        };
        assert!(
            now < deadline,
            "client {index} is {what}, due at {deadline:?}, and nothing happens"
        );
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
                    assert!(
                        peer.unpublished.is_empty(),
                        "client {index} is not published"
                    );
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
