//! One turn of the loop, as the server takes it, and what each call to the relay tells of it.

use crate::peer::{Room, Stage};
use crate::world::World;
use fanfare::proxy::PeerAddress;
use fanfare::relay::{ConnId, Reading, Relay, Side, SlowPolicy};

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
        self.publish_mail();
        let mut turn = self.turn.take().expect("it is put back");
        turn.run(self);
        self.turn = Some(turn);
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
            peer.readiness.read_to_end |= event.read_closed || event.error;
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
            let freed_in = self.freed_in.get(&id.slot.0).copied();
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

    /// Frames that were put off have been taken in by now.
    pub(crate) fn follow_what_was_put_off(&mut self, index: usize, id: ConnId) {
        let reading = self.relay.reading(id);
        let peer = &mut self.peers[index];
        if !peer.put_off || matches!(reading, Reading::NextTurn | Reading::Kept) {
            return;
        }
        if peer.may_be_lapped && reading == Reading::Now(usize::MAX) {
            peer.put_off = false;
            peer.follow_early_pings();
            peer.begin_closing(self.now, Some(1013), None, false);
        }
        let history = &mut self.histories[peer.client.topic];
        peer.put_off = false;
        let followed = peer.follow_marks(self.now, history, false, 0, Room::default());
        followed.expect("marks that can be followed");
        self.follow_memory(index);
    }

    /// Bytes are to be handed over.
    pub(crate) fn follow_input(&mut self, index: usize, bytes: usize) {
        self.moved = true;
        let peer = &mut self.peers[index];
        peer.handed += bytes as u64;
        peer.prove_alive(self.now);
        if peer.stage == Stage::Shut {
            peer.discarded += bytes;
        }
        if peer.client.may_send_messages() {
            peer.perhaps_active = self.now;
        }
        if peer.stage == Stage::Open && !peer.allowance.take_bytes(self.now, bytes) {
            let owed = self.histories[peer.client.topic].len();
            peer.begin_closing(self.now, Some(1008), Some(owed), false);
        }
    }

    /// The end of a stream was told.
    pub(crate) fn follow_end(&mut self, index: usize) {
        self.note(|| format!("client {index} ends its stream"));
        self.moved = true;
        let (now, topic) = (self.now, self.peers[index].client.topic);
        let peer = &mut self.peers[index];
        let is_news = !std::mem::replace(&mut peer.is_end_told, true);
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

    fn mark_ready(&mut self, index: usize) {
        if let Some(id) = self.peers[index].id {
            let mut turn = self.turn.take().expect("it is put back");
            turn.mark_ready(self, id);
            self.turn = Some(turn);
        }
    }

    /// Calls the relay for a connection, and draws conclusions from what its counters say then.
    pub(crate) fn call<R>(
        &mut self,
        index: usize,
        is_heard: bool,
        call: impl FnOnce(&mut Relay) -> R,
    ) -> R {
        let mut room = self.room_for(index);
        room.is_heard = is_heard;
        let before = *self.relay.counters();
        self.private_bytes_before = self.relay.private_bytes();
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
            is_heard: false,
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
    pub(crate) fn lap<R>(&mut self, call: impl FnOnce(&mut Relay) -> R) -> R {
        let before = *self.relay.counters();
        let is_global = self.relay.log_bytes() > self.character.limits.log_bytes_max;
        // Who was dropped by its timer is judged when its socket is closed.
        let mut live = self.live.clone();
        live.retain(|&index| {
            let peer = &self.peers[index];
            peer.stage != Stage::Open || peer.put_off || self.is_open(index)
        });
        let done = call(&mut self.relay);
        let counted = self.counted(&before);
        let (lapped, skips) = (counted.lapped, counted.skips);
        if lapped + skips == 0 {
            return done;
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
        done
    }

    /// An end that nothing else explains: there was no memory for the rest of its message.
    fn follow_memory(&mut self, index: usize) {
        let peer = &self.peers[index];
        let is_explained = peer.stage != Stage::Open || peer.put_off || peer.is_stalled;
        if is_explained || self.is_open(index) {
            return;
        }
        let peer = &mut self.peers[index];
        // What is gathered may take twice its room as it grows.
        let grows_by_max = 2 * self.character.limits.message_bytes_max;
        let private_bytes_max = self.character.limits.private_bytes_max;
        let lacks_memory = self.private_bytes_before + grows_by_max > private_bytes_max;
        let is_explained = lacks_memory || peer.may_be_lapped;
        assert!(is_explained, "client {index} is closed for no reason");
        let owed = self.histories[peer.client.topic].len();
        let owed = (!peer.may_be_lapped).then_some(owed);
        peer.begin_closing(self.now, Some(1013), owed, false);
        let history = &mut self.histories[peer.client.topic];
        let followed = peer.follow_marks(self.now, history, false, 0, Room::default());
        followed.expect("marks that can be followed");
    }

    /// Whether the relay takes in messages of this member: only then it says how much.
    pub(crate) fn is_open(&self, index: usize) -> bool {
        let id = self.peers[index].id;
        id.is_some_and(|id| self.relay.is_open(id))
    }
}
