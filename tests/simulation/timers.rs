//! Deadlines: what a timer does is due, and what is due is done.

use crate::endings::LINGER_TICKS;
use crate::marks::cause;
use crate::peer::{Peer, Stage};
use crate::world::World;
use fanfare::http::Reason;
use fanfare::metrics::Cause;
use fanfare::relay::Relay;
use fanfare::wheel::Tick;

/// Index among the states of connections.
const RESPONDING: usize = 2;

impl World {
    /// Time is up for a connection: what the relay does then was due, and a peer that it takes for silent was.
    pub(crate) fn tell_timer<R>(&mut self, index: usize, call: impl FnOnce(&mut Relay) -> R) -> R {
        let before = *self.relay.counters();
        let responding = |relay: &Relay| relay.levels().connections[RESPONDING];
        let responding_before = responding(&self.relay);
        let told = call(&mut self.relay);
        let counted = self.counted(&before);
        let limits = &self.character.limits;
        let now = self.now;
        // What operators are refused is counted nowhere.
        let is_timed_out = match self.peers[index].is_operator {
            true => responding(&self.relay) > responding_before,
            false => counted.refusals[Reason::Timeout as usize] > 0,
        };
        let is_dead = self.is_dead(&self.peers[index]);
        let peer = &mut self.peers[index];
        // What came after the last poll had been full is not known to be there.
        let is_read = peer.socket.unread() == 0 || !self.is_all_reported;
        let done = match peer.stage {
            Stage::Head { served } if is_timed_out => {
                let timeout = match served {
                    true => limits.keep_alive_timeout,
                    false => limits.handshake_timeout,
                };
                assert!(peer.since.after(timeout) <= now, "client {index} has time");
                assert!(is_read, "client {index} was not read in time");
                peer.since = now;
                peer.respond(408, true);
                None
            }
            Stage::Open if cause(&counted) == Some(Cause::Idle) => {
                let idle = limits.idle_timeout;
                let is_due = idle.is_some_and(|idle| peer.active.after(idle) <= now);
                assert!(is_due, "client {index} is not idle");
                let owed = self.histories[peer.client.topic].len();
                peer.begin_closing(now, (Cause::Idle, Some(1001)), Some(owed), false);
                Some(Cause::Idle)
            }
            Stage::Open if counted.dead > 0 => {
                assert!(is_dead, "client {index} is not dead");
                assert!(is_read, "client {index} has spoken, and is taken for dead");
                peer.dropped = Some(Cause::Dead);
                peer.dropped
            }
            _ => None,
        };
        assert_eq!(cause(&counted), done, "the timer of client {index}");
        self.follow_hooks(index, 0, false);
        told
    }

    /// It owes a pong, and nothing stands against that. Of one that was moved to the live end,
    /// nothing may be pending, though its socket is full.
    fn is_dead(&self, peer: &Peer) -> bool {
        let timeout = self.character.limits.pong_timeout;
        let is_due = |since: Tick| since.after(timeout) <= self.now;
        (!peer.blocked || peer.lapped_in > 0) && peer.pong_awaited.is_some_and(is_due)
    }

    /// Nothing that was due has been left out.
    pub(crate) fn check_peer(&mut self, index: usize) {
        let peer = &self.peers[index];
        if peer.stage == Stage::Open {
            assert!(
                self.is_open(index),
                "client {index} is closed for no reason"
            );
        }
        let limits = &self.character.limits;
        let peer = &mut self.peers[index];
        assert!(
            !peer.is_evicted,
            "client {index} has to make way, and stays"
        );
        let now = self.now;
        if peer.readiness.is_listed {
            // It is read first, and looked at again in the next tick.
            peer.excused_at = Some(now);
        }
        // What is to be written waits for its turn; what has only time to wait for does not.
        let is_for_output = matches!(peer.stage, Stage::Open | Stage::Respond { .. });
        let is_put_off = is_for_output && self.relay.has_work() && peer.may_wait(limits);
        if is_put_off || self.relay.poll_timeout().is_some_and(|due| due <= now) {
            // The relay knows that it has more to do.
            return;
        }
        if peer.excused_at == Some(now) {
            return;
        }
        let deadlines = self.deadlines(&self.peers[index]);
        for (deadline, what) in deadlines.into_iter().flatten() {
            let deadline = deadline.max(self.peers[index].armed_until);
            assert!(
                now < deadline,
                "client {index} is {what}, due at {deadline:?}, and nothing happens"
            );
        }
    }

    /// Until when a timer is armed at last: where it can't be known for what, for the longest that there is.
    pub(crate) fn armed_until(&self, peer: &Peer) -> Tick {
        let limits = &self.character.limits;
        let longest = limits.heartbeat_interval.max(limits.pong_timeout);
        let longest = longest.max(limits.stalled_write_timeout);
        match self.deadlines(peer) {
            [idle, Some((other, _))] => idle.map_or(other, |(idle, _)| idle.min(other)),
            [_, None] => self.now.after(longest),
        }
    }

    /// Until when something has to have happened, as far as that is known: for messages, and otherwise.
    fn deadlines(&self, peer: &Peer) -> [Option<(Tick, &'static str)>; 2] {
        let limits = &self.character.limits;
        let since = peer.since;
        let stall = (peer.stall_deadline(limits.stalled_write_timeout), "stalled");
        let idle = limits.idle_timeout.filter(|_| peer.stage == Stage::Open);
        let idle = idle.map(|idle| (peer.perhaps_active.after(idle), "idle"));
        let other = match peer.stage {
            Stage::Head { served: true } => (since.after(limits.keep_alive_timeout), "no request"),
            Stage::Head { served: false } => (since.after(limits.handshake_timeout), "no request"),
            Stage::Respond { .. } if peer.blocked => stall,
            // Of a reader that was moved to the live end, nothing may be pending.
            Stage::Open if peer.lapped_in > 0 && peer.tap.is_at_boundary() => return [idle, None],
            Stage::Open if peer.blocked => stall,
            Stage::Open => match peer.pong_awaited {
                Some(_) if peer.is_pong_vague => return [idle, None],
                Some(since) => (since.after(limits.pong_timeout), "dead"),
                None => (peer.last_read.after(limits.heartbeat_interval), "silent"),
            },
            Stage::Closing => (since.after(limits.close_timeout), "closing"),
            Stage::Shut => (since.after(LINGER_TICKS), "lingering"),
            Stage::Respond { .. } | Stage::Gone => return [None, None],
        };
        [idle, Some(other)]
    }
}
