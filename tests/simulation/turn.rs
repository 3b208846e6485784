//! One turn of the loop, as the server takes it, and what each call to the relay tells of it.

use crate::admission::{Identity, refusal};
use crate::world::World;
use fanfare::http::Reason;
use fanfare::proxy::{ClientAddress, PeerAddress};
use fanfare::relay::{ADMIN_CONNECTIONS_MAX, ConnId, Side};

/// Turns in a row that may change nothing, besides those that it takes to visit every member.
const IDLE_TURNS_MAX: usize = 16;

impl World {
    pub(crate) fn turn(&mut self) {
        self.turns += 1;
        self.moved = false;
        self.follow_lives(true);
        let before = *self.relay.counters();
        self.relay.begin_turn(self.now);
        self.follow_shutdown(&before);
        self.follow_leaves();
        self.take_events();
        self.reload();
        self.begin_shutdown();
        self.accept();
        self.haunt();
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
            let before = *self.relay.counters();
            let id = self.hand_in(index);
            let freed_in = self.freed_in.get(&id.slot.0).copied();
            assert_ne!(freed_in, Some(self.turns), "{id:?} was closed in this turn");
            let is_taken = self.by_id.keys().any(|other| other.slot == id.slot);
            assert!(!is_taken, "the slot of {id:?} is taken");
            self.by_id.insert(id, index);
            let peer = &mut self.peers[index];
            peer.id = Some(id);
            (peer.since, peer.last_read) = (self.now, self.now);
            peer.socket.stir();
            let refused = refusal(&self.counted(&before));
            self.follow_accept(index, refused);
            self.moved = true;
            self.note(|| format!("client {index} is {id:?}"));
        }
    }

    /// A connection comes by the listener that it is for.
    fn hand_in(&mut self, index: usize) -> ConnId {
        let peer = &self.peers[index];
        let side = match peer.is_operator {
            true => Side::Admin,
            false => Side::Public,
        };
        if peer.is_operator {
            self.operators.retain(|&other| !self.peers[other].is_gone());
            // A client that hoards connections there loses its oldest, and keeps no other out.
            if self.operators.len() == ADMIN_CONNECTIONS_MAX {
                let oldest = self.operators.remove(0);
                self.peers[oldest].is_evicted = true;
            }
            self.operators.push(index);
        }
        self.relay.handle_accept(side, self.peers[index].address)
    }

    /// A client comes in, or its address has too many.
    fn follow_accept(&mut self, index: usize, refused: Option<Reason>) {
        let keeps_addresses = self.character.keeps_addresses();
        let admission = &self.character.limits.admission;
        let peer = &mut self.peers[index];
        peer.identity = Identity::new(match keeps_addresses {
            true => peer.address,
            false => PeerAddress::Unknown,
        });
        let is_awaited = peer.is_proxy && admission.client_address != ClientAddress::Peer;
        if peer.is_operator || is_awaited {
            assert_eq!(refused, None, "client {index} at its accept");
            peer.identity.is_awaited = is_awaited;
            return;
        }
        self.admission.leaving = 0;
        let admitted = (self.admission).admit(&mut peer.identity, admission, self.now, refused);
        match admitted {
            Ok(true) => {}
            Ok(false) => peer.respond(429, true),
            Err(fault) => panic!("client {index} at its accept: {fault}"),
        }
    }

    fn mark_ready(&mut self, index: usize) {
        if let Some(id) = self.peers[index].id {
            let mut turn = self.turn.take().expect("it is put back");
            turn.mark_ready(self, id);
            self.turn = Some(turn);
        }
    }
}
