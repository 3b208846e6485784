//! The loop's face to the world: what the relay is told and what it does, with what that says of it.

use crate::peer::Ending;
use crate::prompt::replay_write_bytes_max;
use crate::reader::Reader;
use crate::world::World;
use fanfare::metrics::{Cause, ProcessFigures};
use fanfare::relay::{Action, ConnId, Relay};
use fanfare::transport::{ReadOutcome, WriteOutcome};
use fanfare::turn::{Driver, Readiness, Told};

impl Driver for World {
    fn relay(&mut self) -> &mut Relay {
        &mut self.relay
    }

    fn readiness(&mut self, id: ConnId) -> Option<&mut Readiness> {
        let index = self.by_id.get(&id)?;
        Some(&mut self.peers[*index].readiness)
    }

    fn read(&mut self, id: ConnId, buffer: &mut [u8]) -> ReadOutcome {
        assert!(!buffer.is_empty(), "a read of nothing");
        let index = self.by_id[&id];
        self.follow_read(index);
        self.peers[index].socket.read(buffer)
    }

    fn write(&mut self, id: ConnId) -> WriteOutcome {
        let Some(&index) = self.by_id.get(&id) else {
            panic!("{id:?} is to be written to, and is gone");
        };
        self.write_to(index, id)
    }

    fn act(&mut self, id: ConnId, action: Action) {
        let Some(&index) = self.by_id.get(&id) else {
            panic!("{action:?} for {id:?}, which is gone");
        };
        self.moved = true;
        self.note(|| format!("client {index}: {action:?}"));
        match action {
            Action::ShutdownWrite => self.on_shutdown_write(index),
            Action::KeepAlive => {}
            Action::Report(scrape) => {
                assert!(self.peers[index].is_operator, "client {index} is a client");
                let figures = ProcessFigures::default();
                self.relay.handle_report(id, scrape, &figures);
            }
            Action::Close => {
                self.on_close(index);
                self.by_id.remove(&id);
                self.remember(id);
                self.freed_in.insert(id.slot.0, self.turns);
                self.live.retain(|&other| other != index);
            }
        }
    }

    fn tell<R>(&mut self, what: Told, call: impl FnOnce(&mut Relay) -> R) -> R {
        let index = |id| self.by_id[&id];
        match what {
            Told::Kept(id) => self.hand_over(index(id), None, call),
            Told::Input(id, bytes) => {
                let index = index(id);
                let told = self.hand_over(index, Some(bytes), call);
                let stage = self.peers[index].stage;
                self.note(|| format!("client {index} hands over {bytes} bytes, now {stage:?}"));
                told
            }
            Told::End(id) => self.tell_end(index(id), call),
            Told::Reset(id) => self.tell_reset(index(id), call),
            Told::Timer(id) => self.tell_timer(index(id), call),
            Told::Laps => {
                self.check_line();
                self.lap(call)
            }
            Told::Sent(id) => self.tell_sent(index(id), call),
        }
    }
}

impl World {
    fn write_to(&mut self, index: usize, id: ConnId) -> WriteOutcome {
        let refuses = self.random.once_in(self.character.often.refuse);
        let output = self.relay.transmit(id);
        let peer = &mut self.peers[index];
        let offered = output.bytes();
        assert!(offered > 0, "client {index} is written nothing");
        // Once it has waited for too long, a write finds out whether it takes anything.
        let stall = peer.stall_deadline(self.character.limits.stalled_write_timeout);
        let is_lapped = |ending: Ending| ending.may_miss || ending.cause == Cause::Lapped;
        let replays = peer.reader.as_ref().is_some_and(Reader::replays)
            && !peer.ending.is_some_and(is_lapped);
        if replays {
            let limits = &self.character.limits;
            let bytes_max = limits.pace.replay_bytes_per_turn as usize;
            let replayed = match self.replayed {
                (turn, bytes) if turn == self.turns => bytes,
                _ => 0,
            };
            assert!(
                replayed == 0 || replayed < bytes_max,
                "client {index} is replayed to, after {replayed} bytes in this turn"
            );
            assert!(
                offered <= replay_write_bytes_max(limits, self.character.shares.read_bytes_max),
                "client {index} is offered {offered} bytes at a time"
            );
            self.replayed = (self.turns, replayed);
        }
        let is_probed = peer.blocked && stall <= self.now;
        assert!(
            is_probed || !peer.blocked,
            "client {index}'s full socket is written to"
        );
        let Some(sent) = peer.socket.write(offered, refuses, &mut self.random) else {
            return WriteOutcome::Broken;
        };
        self.moved |= sent > 0 || !peer.is_behind;
        if replays {
            self.replayed.1 += sent;
        }
        // The wait goes on from when there was space, which is now, unless it had to wait for its turn.
        let is_at_once = !peer.may_wait(&self.character.limits);
        let mut left = sent;
        for piece in output.pieces() {
            let bytes = &piece.bytes[..left.min(piece.bytes.len())];
            left -= bytes.len();
            let history = &mut self.histories[peer.client.topic];
            let judged = peer.receive(self.now, history, &self.character.limits, bytes);
            if let Err(fault) = judged {
                panic!("client {index} was written a fault: {fault}");
            }
        }
        if sent > 0 || !peer.is_behind {
            peer.progress = self.now;
        }
        if sent == offered && peer.is_behind && is_at_once && peer.pong_awaited.is_some() {
            peer.pong_awaited = Some(self.now);
        }
        peer.waits.on_written(self.turns);
        let full = sent < offered;
        (peer.blocked, peer.is_behind) = (full, full);
        if !full {
            // Whatever it missed, it takes what comes, like a reader that was never lapped.
            peer.lapped_in = 0;
        }
        if self.trace {
            let stage = peer.stage;
            self.note(|| format!("client {index} takes {sent} of {offered} bytes in {stage:?}"));
        }
        WriteOutcome::Taken { bytes: sent, full }
    }
}
