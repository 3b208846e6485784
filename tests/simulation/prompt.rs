//! Promptness: in how many turns a member whose socket has space is written to, and input is taken in.
//!
//! Both bounds follow from the pace alone: what a turn does of a kind, at least, and how many stand in
//! line. So a member that waits for longer was passed over, though nothing is lost and every clock holds.

use crate::peer::{Peer, Stage};
use crate::reader::Reader;
use crate::world::World;
use fanfare::relay::{Limits, Reading};
use std::collections::HashMap;

/// Turns besides those that the pace accounts for: what comes after a visit waits for the next.
const SLACK_TURNS: usize = 2;
/// Responses that a turn writes to, at least: each write is a 16th of its part at most.
const RESPONSES_PER_TURN: usize = 16;
/// Times that a connection in line may see others of its topic being read again: one that leaves in the
/// middle of a turn makes way for those behind it.
const OVERTAKEN_MAX: u32 = 2;
/// What may wait for a connection beyond the bound: a response's head, a ping, a close frame, what is told once.
const OUTBOX_BYTES: usize = 2048;
/// What a read of many small commands is answered with.
pub(crate) const TOLD_BYTES_PER_BYTE: usize = 8;

/// What a connection waits for.
#[derive(Default)]
pub(crate) struct Waits {
    /// The turn in which it was last written to, and last read.
    written_in: u64,
    heard_in: u64,
    /// Turns since, in which it was owed something and had space; and how many there may be.
    unserved: Wait,
    /// Turns in which it stood in line, and the turn had read enough before.
    unread: Wait,
    /// Turns in which its topic was full.
    put_off: Wait,
    /// When it was last read, and since when it stands in line, counted in reads of all connections.
    heard_at: u64,
    in_line_at: Option<u64>,
    overtaken: u32,
}

impl Waits {
    /// What its topic takes was brought by a connection that does not stand in line.
    pub(crate) fn on_space_taken(&mut self) {
        self.put_off = Wait::default();
    }

    /// It is written to in this turn.
    pub(crate) fn on_written(&mut self, turn: u64) {
        self.written_in = turn;
        self.unserved = Wait::default();
    }
}

/// Turns of waiting, and how many there may be, the most that held meanwhile.
#[derive(Default)]
struct Wait {
    turns: usize,
    turns_max: usize,
}

impl Wait {
    fn go_on(&mut self, turns_max: usize, what: impl FnOnce() -> String) {
        self.turns += 1;
        self.turns_max = self.turns_max.max(turns_max);
        let Wait { turns, turns_max } = *self;
        assert!(
            turns <= turns_max,
            "{}: {turns} turns, {turns_max} at most",
            what()
        );
    }
}

/// How many turns there may be until a connection's turn has come.
struct Pace {
    /// To be written to.
    serve: usize,
    /// The same if it is sent what it missed: after all others.
    replay: usize,
    /// To be read, while its topic is not full.
    read: usize,
    /// To be read, if the topic is full at first.
    read_when_full: usize,
}

impl World {
    fn pace(&self) -> Pace {
        let limits = &self.character.limits;
        let (pace, shares) = (&limits.pace, &self.character.shares);
        let connections = self.live.len().max(1);
        let mut members: HashMap<usize, usize> = HashMap::new();
        for &index in &self.live {
            if self.peers[index].is_member() {
                *members.entry(self.peers[index].client.topic).or_default() += 1;
            }
        }
        let members_max = members.values().max().map_or(1, |&members| members);
        let walks = (members.len() * self.encodings()).clamp(1, connections);

        // What one connection is owed at once, at most: a turn's part in bytes serves at least this many.
        let owed_bytes_max = 2 * (self.held.topic_log_bytes_max).max(limits.topic_log_bytes_max)
            + limits.message_bytes_max
            + limits.head_bytes_max
            + limits.outbox_bytes_max
            + limits.rescue_bytes_max
            + TOLD_BYTES_PER_BYTE * shares.read_bytes_max;
        let served_by = |bytes: u64| (bytes as usize).div_ceil(owed_bytes_max).max(1);
        let visits_per_turn = pace.visits_per_turn as usize;
        let visits_per_walk = (pace.topic_visits_per_turn as usize).min(visits_per_turn);
        let per_walk = visits_per_walk
            .min(served_by(pace.topic_flush_bytes_per_turn))
            .min(served_by(pace.flush_bytes_per_turn));
        let per_walk_bytes = pace.topic_flush_bytes_per_turn as usize + owed_bytes_max;
        let walks_per_turn = (visits_per_turn / visits_per_walk)
            .min(pace.flush_bytes_per_turn as usize / per_walk_bytes)
            .max(1);
        // A member visited just before a message came is visited again in the round after this one.
        let walk = walks.div_ceil(walks_per_turn) * (2 * members_max).div_ceil(per_walk);
        let outputs = connections.div_ceil(served_by(pace.output_bytes_per_turn));
        let responses = connections.div_ceil(RESPONSES_PER_TURN);
        let serve = walk + outputs.max(responses) + SLACK_TURNS;

        let write_bytes_max = replay_write_bytes_max(limits, shares.read_bytes_max);
        let replays_per_turn = (pace.replay_bytes_per_turn as usize).div_ceil(write_bytes_max);
        let replay = serve + connections.div_ceil(replays_per_turn);

        let share_bytes = shares.read_bytes_min.min(shares.read_bytes_max);
        let reads_per_turn = (shares.turn_bytes_max / share_bytes).clamp(1, connections);
        let read = connections.div_ceil(reads_per_turn) + SLACK_TURNS;
        // Each time that the topic is not full, the first in line is read.
        let laps = connections.div_ceil(pace.laps_per_turn);
        let read_when_full = connections * (serve + laps);
        Pace {
            serve,
            replay,
            read,
            read_when_full,
        }
    }

    /// Turns that it takes to get rid of what all logs hold too much, once less is allowed: readers whose
    /// sockets have space are served, and others are lapped.
    pub(crate) fn turns_to_relieve(&self) -> usize {
        let laps = self
            .live
            .len()
            .div_ceil(self.character.limits.pace.laps_per_turn);
        2 * self.pace().serve + laps
    }

    /// Whether a reader that is behind was written to in this turn.
    pub(crate) fn is_any_laggard_served(&self) -> bool {
        let is_served = |&index: &usize| {
            let peer = &self.peers[index];
            peer.is_member() && peer.is_behind && peer.waits.written_in == self.turns
        };
        self.live.iter().any(is_served)
    }

    /// A connection is read, or what was kept of it taken in. No connection in line is read twice before the
    /// others of its topic were.
    pub(crate) fn follow_read(&mut self, index: usize) {
        self.reads += 1;
        let topic = self.peers[index].client.topic;
        let heard_at = self.peers[index].waits.heard_at;
        if is_settled_member(&self.peers[index]) {
            for &other in &self.live {
                let peer = &mut self.peers[other];
                let stands_behind = peer.waits.in_line_at.is_none_or(|at| at >= heard_at);
                let is_near = is_settled_member(peer) && peer.client.topic == topic;
                if other == index || stands_behind || !is_near || !is_in_line(peer) {
                    continue;
                }
                peer.waits.overtaken += 1;
                let overtaken = peer.waits.overtaken;
                assert!(
                    overtaken <= OVERTAKEN_MAX,
                    "client {other} stands in line, and client {index} is read again: {overtaken} times"
                );
            }
        }
        let waits = &mut self.peers[index].waits;
        *waits = Waits {
            written_in: waits.written_in,
            unserved: std::mem::take(&mut waits.unserved),
            heard_in: self.turns,
            heard_at: self.reads,
            ..Waits::default()
        };
    }

    /// The turn has read all that it will: a connection that still stands in line has a reason.
    pub(crate) fn check_line(&mut self) {
        let pace = self.pace();
        let is_overfull = self.relay.log_bytes() > self.character.limits.log_bytes_max;
        for index in self.live.clone() {
            let peer = &self.peers[index];
            let Some(id) = peer.id.filter(|_| is_in_line(peer)) else {
                self.peers[index].waits.in_line_at = None;
                continue;
            };
            if peer.waits.heard_in == self.turns {
                continue;
            }
            // One that lags and takes a little whenever it is its turn is served first, however long that takes.
            let topic = peer.client.topic;
            let is_excused = || {
                self.live.iter().any(|&other| {
                    let other = &self.peers[other];
                    let is_near = is_overfull || other.client.topic == topic;
                    let was_served = other.waits.written_in + pace.serve as u64 >= self.turns;
                    is_near && other.is_member() && other.is_behind && was_served
                })
            };
            let reading = self.relay.reading(id);
            let is_put_off = reading == Reading::NextTurn && !is_excused();
            let waits = &mut self.peers[index].waits;
            waits.in_line_at.get_or_insert(self.reads);
            match reading {
                Reading::Now(_) | Reading::Kept => {
                    let what = || format!("client {index} could be read");
                    waits.unread.go_on(pace.read, what);
                }
                Reading::NextTurn if is_put_off => {
                    let what = || format!("client {index} is put off again and again");
                    waits.put_off.go_on(pace.read_when_full, what);
                }
                Reading::NextTurn | Reading::Later | Reading::Held => {}
            }
        }
    }

    /// The turn is over: a reader with space that is owed something has not waited for too long.
    pub(crate) fn check_served(&mut self) {
        let pace = self.pace();
        for index in self.live.clone() {
            let is_owed = self.is_owed(index);
            let reader = self.peers[index].reader.as_ref();
            let serve = match reader.is_some_and(Reader::may_replay) {
                true => pace.replay,
                false => pace.serve,
            };
            let waits = &mut self.peers[index].waits;
            if !is_owed {
                waits.unserved = Wait::default();
            } else if waits.written_in != self.turns {
                let what = || format!("client {index} has space, and is not served");
                waits.unserved.go_on(serve, what);
            }
        }
    }

    /// Whether a connection is owed something that its socket has space for, as far as that shows.
    fn is_owed(&mut self, index: usize) -> bool {
        let peer = &mut self.peers[index];
        if peer.blocked || peer.id.is_none() || peer.is_reset_told {
            return false;
        }
        let history = &self.histories[peer.client.topic];
        match peer.stage {
            Stage::Respond { .. } => true,
            Stage::Closing => !peer.is_close_written || !peer.tap.is_at_boundary(),
            Stage::Open => {
                let reader = peer.reader.as_mut().expect("a member reads");
                let (next, end) = (reader.next(history), history.len());
                let is_behind = next < end && !reader.may_have_skipped_to(history, end);
                is_behind
                    || !peer.pings.is_empty()
                    || !peer.statuses.is_empty()
                    || !peer.tap.is_at_boundary()
            }
            Stage::Head { .. } | Stage::Shut | Stage::Gone => false,
        }
    }
}

/// The most that a reader is sent at a time of what it missed: a part, and what else is for it.
pub(crate) fn replay_write_bytes_max(limits: &Limits, read_bytes_max: usize) -> usize {
    limits.pace.replay_bytes_per_write
        + 2 * limits.outbox_bytes_max
        + limits.rescue_bytes_max
        + OUTBOX_BYTES
        + TOLD_BYTES_PER_BYTE * read_bytes_max
}

/// A member for sure, whose messages are taken in.
fn is_settled_member(peer: &Peer) -> bool {
    peer.stage == Stage::Open
}

/// It stands in line with something to be read.
fn is_in_line(peer: &Peer) -> bool {
    peer.readiness.is_listed && (peer.socket.unread() > 0 || peer.socket.is_end_unread())
}
