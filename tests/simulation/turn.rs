//! One turn of the loop, as the server takes it, and what each call to the relay tells of it.

use crate::character::may_put_off_output;
use crate::peer::{Room, Stage};
use crate::world::World;
use fanfare::proxy::PeerAddress;
use fanfare::relay::{Action, ConnId, Output, Reading, Relay, Side, SlowPolicy};
use fanfare::sys::socket::ReadOutcome;

/// Turns in a row that may change nothing, besides those that it takes to visit everybody.
const IDLE_TURNS_MAX: usize = 16;

impl World {
    pub(crate) fn turn(&mut self) {
        self.turns += 1;
        self.moved = false;
        self.relay.begin_turn(self.now);
        self.follow_shutdown();
        self.take_events();
        self.begin_shutdown();
        self.accept();
        self.read();
        let before = *self.relay.counters();
        let (by_id, peers) = (&self.by_id, &self.peers);
        self.relay.handle_timers(&mut |id| peers[by_id[&id]].ready);
        self.follow_timers(&before);
        self.flush();
        self.act();
        self.relay.end_turn();
        self.check_turn();
        self.idle_turns = if self.moved { 0 } else { self.idle_turns + 1 };
        let idle_turns_max = IDLE_TURNS_MAX + 2 * self.live.len();
        assert!(
            self.idle_turns as usize <= idle_turns_max,
            "the loop spins: {} turns changed nothing",
            self.idle_turns
        );
    }

    fn take_events(&mut self) {
        let peers = &self.peers;
        let has_edge =
            |index: &usize| peers[*index].id.is_some() && peers[*index].socket.has_edge();
        self.raised.retain(|index| self.live.contains(index));
        let mut raised: Vec<usize> = self.live.clone();
        raised.retain(|index| has_edge(index) && !self.raised.contains(index));
        self.random.shuffle(&mut raised);
        self.raised.extend(raised);
        let events_max = self.character.events_max;
        let events = self.raised.len().min(events_max);
        self.is_all_reported = events < events_max;
        self.relay
            .handle_poll(self.now, events, !self.is_all_reported);
        for _ in 0..events {
            let Some(index) = self.raised.pop_front() else {
                break;
            };
            let peer = &mut self.peers[index];
            let event = peer.socket.take_event();
            let id = peer.id.expect("it was accepted");
            peer.read_to_end |= event.read_closed || event.error;
            if event.readable || event.read_closed || event.error {
                self.mark_ready(index);
            }
            if event.writable {
                let peer = &mut self.peers[index];
                if std::mem::take(&mut peer.blocked) {
                    peer.progress = self.now;
                }
                self.relay.handle_writable(id);
            }
            self.moved = true;
        }
    }

    fn accept(&mut self) {
        for _ in 0..self.character.accepts_max {
            let Some(index) = self.backlog.pop_front() else {
                return;
            };
            let id = self.relay.handle_accept(Side::Public, PeerAddress::Unknown);
            let freed_in = self.freed_in.get(&id.slot).copied();
            assert_ne!(freed_in, Some(self.turns), "{id:?} was closed in this turn");
            let is_taken = self.by_id.keys().any(|other| other.slot == id.slot);
            assert!(!is_taken, "the slot of {id:?} is taken");
            self.by_id.insert(id, index);
            let peer = &mut self.peers[index];
            peer.id = Some(id);
            (peer.since, peer.heard) = (self.now, self.now);
            peer.socket.stir();
            self.moved = true;
            self.note(|| format!("client {index} is {id:?}"));
        }
    }

    fn read(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut budget = self.character.turn_bytes_max;
        let mut waiting = Vec::new();
        for _ in 0..self.ready.len() {
            let Some(id) = self.ready.pop_front() else {
                break;
            };
            let Some(&index) = self.by_id.get(&id) else {
                continue;
            };
            let reading = self.call(index, |relay| relay.reading(id));
            self.follow_what_was_put_off(index, reading);
            let bytes_max = match reading {
                Reading::Now(bytes_max) => bytes_max.min(buffer.len()),
                Reading::NextTurn => {
                    self.relay.handle_waiting(id);
                    self.peers[index].prove_alive(self.now);
                    waiting.push(id);
                    continue;
                }
                Reading::Heard => {
                    self.peers[index].prove_alive(self.now);
                    self.ready.push_back(id);
                    continue;
                }
                Reading::Later => {
                    self.peers[index].ready = false;
                    continue;
                }
            };
            assert!(bytes_max > 0, "a read of nothing");
            let peer = &mut self.peers[index];
            match peer.socket.read(&mut buffer[..bytes_max]) {
                ReadOutcome::Bytes(bytes) => {
                    peer.ready = bytes == bytes_max || peer.read_to_end;
                    if peer.ready {
                        self.ready.push_back(id);
                    }
                    self.hand_over(index, id, &mut buffer[..bytes]);
                    budget = budget.saturating_sub(bytes);
                }
                ReadOutcome::Empty => peer.ready = false,
                ReadOutcome::Ended => {
                    peer.ready = false;
                    self.tell_end(index, id);
                }
                ReadOutcome::Broken => {
                    peer.ready = false;
                    peer.is_reset_told = true;
                    self.relay.handle_reset(id);
                    self.moved = true;
                }
            }
            if budget == 0 {
                break;
            }
        }
        for id in waiting.into_iter().rev() {
            self.ready.push_front(id);
        }
        self.buffer = buffer;
    }

    /// Frames that were put off have been taken in by now.
    fn follow_what_was_put_off(&mut self, index: usize, reading: Reading) {
        let peer = &mut self.peers[index];
        if !peer.put_off || matches!(reading, Reading::NextTurn | Reading::Heard) {
            return;
        }
        if peer.may_be_lapped && reading == Reading::Now(usize::MAX) {
            peer.put_off = false;
            peer.begin_closing(self.now, Some(1013), None, false);
        }
        let history = &mut self.histories[peer.client.topic];
        peer.put_off = false;
        let followed = peer.follow_marks(self.now, history, false, 0, Room::default());
        followed.expect("marks that can be followed");
        self.follow_memory(index);
    }

    fn hand_over(&mut self, index: usize, id: ConnId, bytes: &mut [u8]) {
        self.moved = true;
        let peer = &mut self.peers[index];
        peer.handed += bytes.len() as u64;
        peer.prove_alive(self.now);
        if peer.stage == Stage::Shut {
            peer.discarded += bytes.len();
        }
        if peer.client.may_send_messages() {
            peer.perhaps_active = self.now;
        }
        let count = bytes.len();
        self.call(index, |relay| relay.handle_input(id, bytes));
        let stage = self.peers[index].stage;
        self.note(|| format!("client {index} hands over {count} bytes, now {stage:?}"));
    }

    fn tell_end(&mut self, index: usize, id: ConnId) {
        self.note(|| format!("client {index} ends its stream"));
        self.moved = true;
        let (now, topic) = (self.now, self.peers[index].client.topic);
        let peer = &mut self.peers[index];
        let is_news = !std::mem::replace(&mut peer.is_end_told, true);
        self.relay.handle_end(id);
        match &mut peer.ending {
            _ if peer.stage == Stage::Open => {
                let owed = self.histories[topic].len();
                peer.begin_closing(now, Some(1000), Some(owed), true);
            }
            Some(ending) => ending.is_peer_done = true,
            None => {}
        }
        let again = peer.stage == Stage::Head { served: true };
        assert!(is_news || again, "the end was told twice");
    }

    fn flush(&mut self) {
        self.lap();
        while let Some(id) = self.relay.poll_transmit() {
            let Some(&index) = self.by_id.get(&id) else {
                panic!("{id:?} is to be written to, and is gone");
            };
            self.write(index, id);
        }
    }

    fn write(&mut self, index: usize, id: ConnId) {
        let refuses = self.random.once_in(self.character.often.refuse);
        let output = self.relay.transmit(id);
        let slices: Vec<&[u8]> = match &output {
            Output::One(bytes) => vec![bytes],
            Output::Many(slices) => slices.iter().map(|slice| &slice[..]).collect(),
        };
        let peer = &mut self.peers[index];
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        assert!(offered > 0, "client {index} is written nothing");
        // Once it has waited for too long, a write finds out whether it takes anything.
        let stall = peer.stall_deadline(self.character.limits.stalled_write_timeout);
        let is_probed = peer.blocked && stall <= self.now;
        assert!(
            is_probed || !peer.blocked,
            "client {index}'s full socket is written to"
        );
        peer.writes_this_turn += 1;
        let Some(sent) = peer.socket.write(offered, refuses, &mut self.random) else {
            drop(output);
            peer.is_reset_told = true;
            self.moved = true;
            return self.relay.handle_reset(id);
        };
        self.moved |= sent > 0 || !peer.is_behind;
        let mut left = sent;
        for slice in slices {
            let bytes = &slice[..left.min(slice.len())];
            left -= bytes.len();
            let history = &mut self.histories[peer.client.topic];
            let heard = peer.hear(self.now, history, &self.character.limits, bytes);
            if let Err(fault) = heard {
                panic!("client {index} was written a fault: {fault}");
            }
        }
        drop(output);
        if sent > 0 || !peer.is_behind {
            peer.progress = self.now;
        }
        // The wait goes on from when there was room, which is now, unless it had to wait for its turn.
        let is_at_once = !may_put_off_output(&self.character.limits);
        if sent == offered && peer.is_behind && is_at_once && peer.pong_awaited.is_some() {
            peer.pong_awaited = Some(self.now);
        }
        peer.blocked = sent < offered;
        peer.is_behind = sent < offered;
        if self.trace {
            let stage = peer.stage;
            self.note(|| format!("client {index} takes {sent} of {offered} bytes in {stage:?}"));
        }
        self.call(index, |relay| relay.handle_sent(id, sent, offered));
    }

    fn act(&mut self) {
        while let Some((id, action)) = self.relay.poll_action() {
            let Some(&index) = self.by_id.get(&id) else {
                panic!("{action:?} for {id:?}, which is gone");
            };
            self.moved = true;
            self.note(|| format!("client {index}: {action:?}"));
            match action {
                Action::ShutdownWrite => self.on_shutdown_write(index),
                Action::Report(_) => panic!("client {index} is no operator"),
                Action::Close => {
                    self.on_close(index);
                    self.by_id.remove(&id);
                    self.freed_in.insert(id.slot, self.turns);
                    self.live.retain(|&other| other != index);
                }
            }
        }
        while let Some(id) = self.relay.poll_resume() {
            if let Some(&index) = self.by_id.get(&id) {
                self.mark_ready(index);
            }
        }
    }

    fn mark_ready(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        if !peer.ready {
            peer.ready = true;
            self.ready.extend(peer.id);
        }
    }

    /// Calls the relay for a connection, and draws conclusions from what its counters say then.
    fn call<R>(&mut self, index: usize, call: impl FnOnce(&mut Relay) -> R) -> R {
        let room = self.room_for(index);
        let before = *self.relay.counters();
        let result = call(&mut self.relay);
        let counted = self.counted(&before);
        self.stalled += counted.stalled;
        self.peers[index].is_stalled |= counted.stalled > 0;
        let peer = &mut self.peers[index];
        let topic = peer.client.topic;
        let history = &mut self.histories[topic];
        let (opened, messages) = (counted.opened > 0, counted.messages);
        let followed = peer.follow_marks(self.now, history, opened, messages, room);
        if let Err(fault) = followed {
            panic!("client {index}: {fault}");
        }
        if counted.messages > 0 {
            self.burst.insert(topic);
            self.note(|| {
                format!(
                    "client {index} publishes {} messages to {topic}",
                    counted.messages
                )
            });
        }
        let laps = (counted.lapped, counted.skips);
        assert_eq!(laps, (0, 0), "lapped in the middle of what is said");
        self.follow_memory(index);
        result
    }

    /// Whether there is room for one who asks, and for what it sends at once.
    fn room_for(&mut self, index: usize) -> Room {
        let peer = &self.peers[index];
        if !matches!(
            peer.stage,
            Stage::Head { .. } | Stage::Respond { close: false }
        ) {
            return Room::default();
        }
        let topic = peer.client.topic;
        // While all logs are over their bound, nothing is taken in.
        let is_overfull = self.relay.log_bytes() > self.character.limits.log_bytes_max;
        let bytes_max = self.character.limits.topic_log_bytes_max / 4;
        // Whose end is decided counts no more, but that is for the relay to say first.
        let limits = &self.character.limits;
        let has_place = self.shutdown.is_none() && self.by_id.len() <= limits.connections_max;
        let mut room = Room {
            place: has_place && self.relay.topics() < limits.topics_max,
            bytes: if is_overfull { 0 } else { bytes_max },
        };
        for other in self.live.clone() {
            let peer = &self.peers[other];
            if !peer.is_member() || peer.client.topic != topic {
                continue;
            }
            room.bytes = 0;
            // A topic that exists may be joined, however many there are.
            room.place = has_place && (room.place || peer.stage == Stage::Open);
            if peer.stage == Stage::Open && !peer.put_off {
                let id = peer.id.expect("a member was accepted");
                if let Reading::Now(bytes) = self.relay.reading(id) {
                    room.bytes = bytes;
                }
                break;
            }
        }
        room
    }

    /// Before anything is written, readers are lapped: that may happen to those whose sockets are
    /// full, if their topic, or all together, retain too much.
    fn lap(&mut self) {
        let before = *self.relay.counters();
        let is_global = self.relay.log_bytes() > self.character.limits.log_bytes_max;
        // Who was dropped by its timer is judged when its socket is closed.
        let mut live = self.live.clone();
        live.retain(|&index| {
            let peer = &self.peers[index];
            peer.stage != Stage::Open || peer.put_off || self.is_open(index)
        });
        self.relay.begin_flush();
        let counted = self.counted(&before);
        let (lapped, skips) = (counted.lapped, counted.skips);
        if lapped + skips == 0 {
            return;
        }
        let (mut closed, mut may_lap, mut may_skip) = (0, 0, 0);
        for index in live {
            let peer = &self.peers[index];
            let topic = peer.client.topic;
            let is_near = is_global || self.burst.contains(&topic);
            if !peer.is_member() || peer.is_reset_told || !is_near {
                continue;
            }
            let is_open = peer.put_off || self.is_open(index);
            let end = self.histories[topic].len();
            let peer = &mut self.peers[index];
            if !peer.blocked {
                let is_fine = is_open || peer.stage == Stage::Closing;
                assert!(is_fine, "client {index} had room, and was lapped");
                continue;
            }
            peer.lapped_in = self.turns;
            let is_skip = self.character.limits.slow_policy == SlowPolicy::Skip;
            if peer.stage == Stage::Open && is_skip {
                may_skip += 1;
                if let Some(reader) = &mut peer.reader {
                    reader.may_skip_to(end..=end);
                }
            }
            match (&mut peer.ending, is_open) {
                (Some(ending), _) => {
                    may_lap += 1;
                    ending.may_miss = true;
                }
                (None, true) if peer.put_off => {
                    may_lap += 1;
                    peer.may_be_lapped = true;
                }
                (None, true) => {}
                (None, false) => {
                    closed += 1;
                    peer.begin_closing(self.now, Some(1013), None, false);
                }
            }
        }
        self.note(|| format!("{lapped} lapped, {skips} skip"));
        assert!(skips <= may_skip, "{skips} skips, at most {may_skip} may");
        assert!(
            closed <= lapped && lapped <= closed + may_lap,
            "{lapped} lapped: {closed} for sure, {may_lap} perhaps"
        );
        let laps_max = self.character.limits.pace.laps_per_turn as u64;
        assert!(lapped + skips <= laps_max, "{lapped} + {skips} in a turn");
    }

    /// An end that nothing else explains: there was no memory for the rest of its message.
    fn follow_memory(&mut self, index: usize) {
        let peer = &self.peers[index];
        let is_explained = peer.stage != Stage::Open || peer.put_off || peer.is_stalled;
        if is_explained || self.is_open(index) {
            return;
        }
        let peer = &mut self.peers[index];
        let is_explained = peer.may_lack_memory || peer.may_be_lapped;
        assert!(is_explained, "client {index} is closed for no reason");
        let owed = self.histories[peer.client.topic].len();
        let owed = (!peer.may_be_lapped).then_some(owed);
        peer.begin_closing(self.now, Some(1013), owed, false);
        let history = &mut self.histories[peer.client.topic];
        let followed = peer.follow_marks(self.now, history, false, 0, Room::default());
        followed.expect("marks that can be followed");
    }

    /// Whether the relay takes in messages of this member: only then it says how much.
    pub(crate) fn is_open(&mut self, index: usize) -> bool {
        let Some(id) = self.peers[index].id else {
            return false;
        };
        match self.relay.reading(id) {
            Reading::Now(bytes_max) => bytes_max < usize::MAX,
            Reading::NextTurn => true,
            Reading::Heard => {
                self.peers[index].prove_alive(self.now);
                true
            }
            Reading::Later => false,
        }
    }
}
