//! What must hold: after each turn, whenever the relay sleeps, and at the end of it all.

use crate::peer::Stage;
use crate::v1::V1;
use crate::world::World;
use fanfare::metrics::Levels;
use fanfare::proxy::PeerAddress;

impl World {
    pub(crate) fn check_turn(&mut self) {
        for index in self.live.clone() {
            if self.peers[index].id.is_some() {
                self.check_peer(index);
                self.check_none_is_kept(index);
            }
        }
        assert_eq!(self.relay.connections(), self.by_id.len());
        let is_public = |index: &&usize| !self.peers[**index].is_operator;
        let public = self.by_id.values().filter(is_public).count();
        assert_eq!(self.relay.public_connections(), public);
        for (&id, &index) in &self.by_id {
            let peer = &self.peers[index];
            let client =
                Some(peer.identity.client()).filter(|&client| client != PeerAddress::Unknown);
            // Until an answer has left, the connection counts for the client that the proxy named.
            let is_known = peer.stage == Stage::Open;
            assert!(
                !is_known || self.relay.client(id) == client,
                "client {index} is {client:?}"
            );
        }
        self.check_served();
        self.check_membership();
        self.check_memory();
        self.follow_lives(false);
    }

    /// In how many encodings a message may be read.
    pub(crate) fn encodings(&self) -> usize {
        match self.may_compress {
            true => 3,
            false => 1,
        }
    }

    /// The relay sleeps, and nothing is under way: every reader has what it is owed.
    pub(crate) fn check_settled(&mut self) {
        // A shutdown looks at every slot, in the end at empty ones.
        let is_nothing_due = self.relay.poll_timeout().is_none();
        let is_empty = self.by_id.is_empty() && self.relay.topics() == 0;
        assert!(is_nothing_due == is_empty || self.shutdown.is_some());
        for &index in &self.live {
            let peer = &mut self.peers[index];
            let is_waiting = match peer.stage {
                Stage::Respond { .. } => true,
                Stage::Closing => peer.ending.is_some_and(|ending| ending.is_peer_done),
                _ => false,
            };
            // Until it has taken what it is told, it may not be read.
            let v1 = peer.reader.as_ref().and_then(|reader| reader.v1.as_ref());
            let is_telling = v1.is_some_and(|v1| {
                peer.blocked
                    && !(v1.is_told() && peer.pings.is_empty() && peer.tap.is_at_boundary())
            });
            let is_waiting = is_waiting || is_telling;
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
                    let may_skip = reader.v1.is_none() && reader.may_have_skipped_to(history, end);
                    let is_told = reader.v1.as_ref().is_none_or(V1::is_told);
                    assert!(is_told, "client {index} is not told all");
                    assert!(
                        next == end || may_skip,
                        "client {index} has space, and got {next} of {end} messages"
                    );
                    assert!(peer.pings.is_empty(), "client {index} awaits a pong");
                    assert!(
                        peer.tap.is_at_boundary(),
                        "client {index} awaits the rest of a frame"
                    );
                    assert!(!peer.put_off, "client {index} waits to be read");
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
        // What readers with space in their sockets were not sent is skipped, though no later message shows it.
        let (mut told, mut untold, mut perhaps, mut is_all) = ((0, 0), 0, 0, true);
        for peer in &mut self.peers {
            if let Some(reader) = &mut peer.reader {
                let history = &self.histories[peer.client.topic];
                let [missed, perhaps_missed] = reader.untold(history);
                untold += missed;
                perhaps += perhaps_missed + reader.perhaps_skipped;
                told.0 += reader.skips;
                told.1 += reader.messages_skipped;
                is_all &= peer.client.echo && peer.stage == Stage::Open && !peer.blocked;
            }
        }
        if !self.character.may_skip {
            assert_eq!((counters.skips, told), (0, (0, 0)));
        }
        assert!(told.0 <= counters.skips, "{told:?} of {counters:?}");
        if is_all {
            let missed = told.1 + untold..=told.1 + untold + perhaps;
            assert!(
                missed.contains(&counters.messages_skipped),
                "{missed:?}, {told:?} of {counters:?}"
            );
        }
    }

    pub(crate) fn check_nothing_left(&self) {
        assert_eq!(self.relay.connections(), 0);
        assert!(self.admission.is_empty(), "an address is still counted");
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
