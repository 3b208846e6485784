//! How connections end: for a reason, and a shutdown closes them evenly.

use crate::marks::closes;
use crate::peer::{Peer, Stage};
use crate::world::World;
use fanfare::metrics::Cause;
use fanfare::relay::Counters;
use fanfare::wheel::Tick;

/// What the relay promises about the end of a connection.
pub(crate) const LINGER_TICKS: u32 = 20;
const LINGER_BYTES_MAX: usize = 32 << 20;

/// A shutdown under way.
pub(crate) struct Shutdown {
    began: Tick,
    /// WebSockets that it found, and how many of them it closes in a tick.
    open: usize,
    per_tick: usize,
    closed: usize,
}

impl World {
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

    /// A signal came: no connection is accepted any more, and all are closed.
    pub(crate) fn begin_shutdown(&mut self) {
        if !std::mem::take(&mut self.is_shutdown_wanted) {
            return;
        }
        self.note(|| "shutdown".into());
        for index in std::mem::take(&mut self.backlog) {
            self.peers[index].stage = Stage::Gone;
            self.live.retain(|&other| other != index);
        }
        let drain = self.random.between(0, 20);
        let open = self.open_members();
        let pace = self.character.limits.pace.closes_per_tick;
        let per_tick = open.div_ceil(drain.max(1) as usize).max(pace);
        let before = *self.relay.counters();
        let ticks = self.relay.handle_shutdown(drain);
        assert_eq!(ticks as usize, open.div_ceil(per_tick), "ticks of a drain");
        self.shutdown = Some(Shutdown {
            began: self.now,
            open,
            per_tick,
            closed: 0,
        });
        self.follow_shutdown(&before);
        self.follow_leaves();
    }

    /// WebSockets that are not about to close.
    pub(crate) fn open_members(&self) -> usize {
        let is_open = |&&index: &&usize| self.peers[index].is_member() && self.is_open(index);
        self.live.iter().filter(is_open).count()
    }

    /// The shutdown goes on: as many more are closed as are due by now, for no other reason and no later.
    pub(crate) fn follow_shutdown(&mut self, before: &Counters) {
        let counted = closes(&self.counted(before), Cause::Shutdown) as usize;
        let Some(Shutdown {
            began, per_tick, ..
        }) = self.shutdown
        else {
            assert_eq!(counted, 0, "closed for a shutdown, and there is none");
            return;
        };
        let mut closed = 0;
        for index in self.live.clone() {
            if self.peers[index].stage == Stage::Open && !self.is_open(index) {
                let peer = &mut self.peers[index];
                let owed = self.histories[peer.client.topic].len();
                let told = (Cause::Shutdown, Some(1012));
                peer.begin_closing(self.now, told, Some(owed), false);
                closed += 1;
            }
        }
        assert_eq!(counted, closed, "closed for the shutdown");
        let left = self.open_members();
        let due = per_tick * (self.now.since(began) as usize + 1);
        let shutdown = self.shutdown.as_mut().expect("it is under way");
        shutdown.closed += closed;
        let closed = shutdown.closed;
        assert!(closed <= due, "{closed} are closed, and {due} were due");
        assert!(
            closed == due || left == 0,
            "{due} were due, {left} are left"
        );
        assert!(
            closed + left <= shutdown.open,
            "a connection was opened since"
        );
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
        let dropped = self.peers[index].dropped;
        let is_told = dropped.is_none() || ["stalled", "dead", "reset"].contains(&reason);
        assert!(
            is_told,
            "client {index} was dropped as {dropped:?}, and is gone: {reason}"
        );
        let peer = &mut self.peers[index];
        peer.stage = Stage::Gone;
        self.admission.leave(&mut peer.identity);
        let topic = peer.client.topic;
        let v1 = peer.reader.as_ref().and_then(|reader| reader.v1.as_ref());
        self.marks.extend(peer.client.mark);
        self.ids[topic].extend(v1.and_then(|v1| v1.last));
        self.departed.insert(topic, self.turns);
    }

    /// Whoever is answered once the relay goes down is not asked for another request.
    pub(crate) fn check_none_is_kept(&self, index: usize) {
        let peer = &self.peers[index];
        let is_kept = peer.stage == Stage::Head { served: true };
        let was_answered = |shutdown: &Shutdown| peer.since > shutdown.began;
        let is_late = self.shutdown.as_ref().is_some_and(was_answered);
        assert!(!is_kept || !is_late, "client {index} is answered, and kept");
    }

    fn reason_to_close(&self, peer: &Peer) -> Option<&'static str> {
        let limits = &self.character.limits;
        let (now, since) = (self.now, peer.since);
        let is_shutdown = self.shutdown.is_some();
        let stalled = peer.dropped == Some(Cause::Stalled)
            && peer.blocked
            && peer.stall_deadline(limits.stalled_write_timeout) <= now;
        let is_all_said = peer.tap.is_at_boundary() && peer.statuses.is_empty();
        let has_said_good_bye = peer.is_close_written && peer.tap.is_at_boundary();
        let is_peer_done = peer.ending.is_some_and(|ending| ending.is_peer_done);
        let has_begun = peer.handed > peer.judged;
        let reasons = match peer.stage {
            _ if peer.is_reset_told => return Some("reset"),
            Stage::Head { .. } | Stage::Respond { .. } | Stage::Shut if peer.is_evicted => {
                return Some("evicted");
            }
            Stage::Head { served } => [
                (peer.is_end_told, "ended"),
                // What it has begun it may finish, but no request is read after an answer.
                (
                    is_shutdown && (!has_begun || served && since == now),
                    "shutdown",
                ),
                (
                    served && since.after(limits.keep_alive_timeout) <= now,
                    "no request",
                ),
            ],
            Stage::Respond { close } => [
                (stalled, "stalled"),
                (is_all_said && close && peer.is_end_told, "ended"),
                (is_shutdown && is_all_said, "shutdown"),
            ],
            Stage::Open => [
                (stalled, "stalled"),
                (peer.dropped == Some(Cause::Dead), "dead"),
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
        let lapped = (
            peer.lapped_in == self.turns && peer.may_be_cut,
            "lapped, and not to be saved",
        );
        // It said good-bye while the write that finds out waited for its turn.
        let probed = (stalled && peer.stage == Stage::Closing, "stalled");
        let mut reasons = reasons.iter().chain([&lapped, &probed]);
        reasons.find(|reason| reason.0).map(|reason| reason.1)
    }
}
