//! The course of a world: what happens by chance, how it calms down, and how it ends.

use crate::addresses::{Introduction, Origin};
use crate::client::{Client, Whim};
use crate::network::Socket;
use crate::peer::{News, Peer, Stage};
use crate::policies::retained_for_max;
use crate::retained::Since;
use crate::tap::Tap;
use crate::world::World;
use fanfare::proto::{Role, Session};
use fanfare::proxy::PeerAddress;
use fanfare::turn::Turn;
use fanfare::wheel::Tick;

/// Operators that come at a time, besides clients: more than there may be.
const OPERATORS_MAX: usize = 24;

impl World {
    /// The whole story.
    pub(crate) fn run(&mut self) {
        for _ in 0..self.character.rounds {
            self.round();
        }
        self.calm_down();
        self.farewell();
    }

    /// Some things happen, the relay may get a turn, and time may pass.
    fn round(&mut self) {
        // In some worlds the shutdown comes while much goes on, best while connections wait to be read.
        let is_ripe = self.live.iter().any(|&index| self.peers[index].put_off);
        let once_in = match self.character.often.shutdown {
            often if is_ripe => often.min(4),
            often => often,
        };
        if self.character.shutdown && self.random.once_in(once_in) {
            self.is_shutdown_wanted = self.shutdown.is_none();
        }
        for _ in 0..=self.random.below(self.character.bustle as usize) {
            self.happen();
        }
        if self.is_awake() {
            self.turn();
        }
        if self.random.once_in(self.character.pace) {
            if self.random.once_in(4) {
                self.settle();
                self.pass_time(u32::MAX);
            } else {
                let ticks = self.random.between(1, 20);
                self.pass_time(ticks);
            }
        }
    }

    /// One thing happens.
    fn happen(&mut self) {
        let is_client = |&&index: &&usize| !self.peers[index].is_operator;
        let is_place_free =
            self.live.iter().filter(is_client).count() < self.character.clients_at_once;
        let comes =
            is_place_free && self.peers.len() < self.character.clients && self.shutdown.is_none();
        if self.live.is_empty() || (comes && self.random.once_in(3)) {
            if comes {
                self.connect();
            }
            return;
        }
        if self.random.once_in(self.character.often.operator)
            && self.shutdown.is_none()
            && self.live.len() < OPERATORS_MAX + self.character.clients_at_once
        {
            self.connect_operator();
        }
        self.is_reload_wanted |= self.random.once_in(self.character.often.reload);
        if self.random.once_in(self.character.often.elsewhere) {
            self.send_mail();
        }
        let index = self.live[self.random.below(self.live.len())];
        if self.random.once_in(self.character.often.freeze) {
            self.freeze(index);
        }
        let (random, peer) = (&mut self.random, &mut self.peers[index]);
        if random.once_in(self.character.often.spurious) {
            peer.socket.stir();
        }
        match random.below(4) {
            0 if !peer.socket.has_ended() && peer.socket.backlog() < self.character.volume_max => {
                let mut whim = Whim {
                    random,
                    character: &self.character,
                    marks: &self.marks,
                };
                peer.client.act(&mut peer.socket, &mut peer.tap, &mut whim);
            }
            1 => {
                let bytes = random.size(self.character.segment_bytes_max);
                peer.socket.arrive(self.now, bytes);
            }
            _ => {
                let mut bytes = random.size(self.character.segment_bytes_max);
                if peer.slow {
                    bytes = random.below(bytes.min(1000) + 1);
                }
                self.deliver(index, bytes);
            }
        }
    }

    fn connect(&mut self) {
        let (random, character) = (&mut self.random, &self.character);
        let origin = Origin::draw(character, random);
        let number = self.peers.len() as u32;
        let mut client = Client::draw(number, character, origin.introduction.clone(), random);
        if random.once_in(character.often.since) {
            client.since = Since::draw(&self.ids[client.topic], random);
        }
        self.begin(client, &origin);
    }

    fn connect_operator(&mut self) {
        let (random, character) = (&mut self.random, &self.character);
        let client = Client::operator(self.peers.len() as u32, character, random);
        let origin = Origin {
            peer: PeerAddress::Unknown,
            introduction: Introduction::None,
            is_proxy: false,
        };
        self.begin(client, &origin);
        self.peers.last_mut().expect("it has come").is_operator = true;
    }

    /// A connection begins, and waits to be accepted.
    fn begin(&mut self, client: Client, origin: &Origin) {
        let index = self.peers.len();
        let (random, character) = (&mut self.random, &self.character);
        let mut capacity = || {
            random
                .size(character.capacity_max)
                .max(character.capacity_min)
        };
        let send_capacity = capacity();
        let receive_capacity = capacity();
        let mut socket = Socket::default();
        socket.send_capacity = send_capacity;
        socket.receive_capacity = receive_capacity;
        socket.writable_space = random.pick(&[1, send_capacity / 3, send_capacity]).max(1);
        let mut tap = Tap::default();
        tap.session = character.differential.then(|| Session::new(Role::Client));
        let mut peer = Peer::new(client, socket, tap, origin);
        peer.slow = random.once_in(character.often.slow);
        if random.once_in(character.often.dead) {
            // It reads nothing, ever, though it writes.
            peer.socket.down_frozen = Tick(u32::MAX);
        }
        self.peers.push(peer);
        self.live.push(index);
        self.backlog.push_back(index);
    }

    /// A direction stands still for a while.
    fn freeze(&mut self, index: usize) {
        let until = self.now.after(self.random.between(1, 200));
        let socket = &mut self.peers[index].socket;
        let direction = match self.random.below(2) {
            0 => &mut socket.up_frozen,
            _ => &mut socket.down_frozen,
        };
        *direction = until.max(*direction);
    }

    /// Bytes reach the client, and it takes in what they say.
    fn deliver(&mut self, index: usize, bytes_max: usize) -> bool {
        let peer = &mut self.peers[index];
        let mut moved = peer.socket.deliver(self.now, bytes_max);
        if peer.client.has_vanished() || self.now < peer.socket.down_frozen {
            return moved;
        }
        let delivered = peer.socket.delivered();
        while peer.news.front().is_some_and(|news| news.0 <= delivered)
            && let Some((_, news)) = peer.news.pop_front()
        {
            if peer.socket.has_ended() {
                continue;
            }
            moved = true;
            match news {
                News::Response(status) => {
                    peer.client.is_compressed |= peer.tap.is_compressed();
                    peer.client.on_response(status);
                }
                News::ResponseEnd { keep_alive } => {
                    peer.client.on_response_end(keep_alive, &mut peer.socket);
                }
                News::Ping => peer.client.on_ping(&mut peer.socket),
                News::Welcome(mark) => peer.client.mark = Some(mark),
                News::Close(code) => peer.client.on_close(code, &mut peer.socket),
            }
        }
        if peer.socket.is_down_ended() && !peer.socket.has_ended() {
            peer.client.on_end(&mut peer.socket);
            moved |= peer.socket.has_ended();
        }
        moved
    }

    /// Something would wake the loop from its sleep.
    pub(crate) fn is_awake(&self) -> bool {
        self.relay.has_work()
            || self.turn.as_ref().is_some_and(Turn::has_work)
            || !self.backlog.is_empty()
            || !self.mail.is_empty()
            || self.is_shutdown_wanted
            || self.relay.poll_timeout().is_some_and(|due| due <= self.now)
            || self
                .live
                .iter()
                .any(|&index| self.peers[index].id.is_some() && self.peers[index].socket.has_edge())
    }

    /// Moves all bytes that can move, until the relay sleeps and nothing is under way; then no reader may be
    /// owed anything.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut moved = false;
            for index in self.live.clone() {
                moved |= self.peers[index].socket.arrive(self.now, usize::MAX);
                moved |= self.deliver(index, usize::MAX);
            }
            if self.is_awake() {
                self.turn();
            } else if !moved {
                break;
            }
        }
        self.check_settled();
    }

    /// Lets time pass, but not beyond what is due next, unless turns come late in this world.
    fn pass_time(&mut self, ticks_max: u32) {
        let due = self.relay.poll_timeout();
        let frozen = self.live.iter().flat_map(|&index| {
            let socket = &self.peers[index].socket;
            [socket.up_frozen, socket.down_frozen]
        });
        let thaw = frozen.filter(|&until| until > self.now && until < Tick(u32::MAX));
        let next = due.into_iter().chain(thaw).min();
        let mut ticks = ticks_max.min(next.map_or(1, |next| next.since(self.now)));
        if self.character.late && self.random.once_in(3) {
            ticks += self.random.between(1, 30);
        }
        if ticks > 0 {
            // Of what is retained, something expires in a turn of its own, which changes nothing else.
            self.idle_turns = 0;
        }
        self.now = self.now.after(ticks);
    }

    /// Things calm down: clients that can read do, and get everything.
    fn calm_down(&mut self) {
        for &index in &self.live {
            let socket = &mut self.peers[index].socket;
            for frozen in [&mut socket.up_frozen, &mut socket.down_frozen] {
                if *frozen < Tick(u32::MAX) {
                    *frozen = Tick(0);
                }
            }
        }
        self.character.often.refuse = 0;
        self.settle();
        for topic in 0..self.histories.len() {
            let publisher = self.live.iter().copied().find(|&index| {
                let peer = &self.peers[index];
                let client = &peer.client;
                client.topic == topic
                    && client.can_publish()
                    && peer.stage == Stage::Open
                    && peer.socket.up_frozen <= self.now
            });
            if let Some(index) = publisher {
                let peer = &mut self.peers[index];
                let mut whim = Whim {
                    random: &mut self.random,
                    character: &self.character,
                    marks: &self.marks,
                };
                peer.client.publish(&mut peer.socket, &mut whim);
            }
        }
        self.settle();
        self.check_skips();
    }

    /// All connections leave, or are closed, and nothing may be left of them.
    fn farewell(&mut self) {
        let begin = self.now;
        if self.character.shutdown {
            self.is_shutdown_wanted = self.shutdown.is_none();
        } else {
            for index in self.live.clone() {
                let peer = &mut self.peers[index];
                let mut whim = Whim {
                    random: &mut self.random,
                    character: &self.character,
                    marks: &self.marks,
                };
                if peer.socket.has_ended() {
                } else if whim.random.once_in(8) {
                    peer.client.vanish(&mut peer.socket);
                } else {
                    peer.client.leave(&mut peer.socket, &mut whim);
                }
            }
        }
        let limits = &self.character.limits;
        let patience = [
            limits.handshake_timeout,
            limits.keep_alive_timeout,
            limits.heartbeat_interval,
            limits.pong_timeout,
            limits.stalled_write_timeout,
            limits.close_timeout,
            2 * retained_for_max(&limits.policies),
            1000,
        ];
        let end = begin.after(4 * patience.iter().sum::<u32>());
        loop {
            self.settle();
            if self.live.is_empty() && self.relay.topics() == 0 {
                break;
            }
            let (live, topics) = (self.live.len(), self.relay.topics());
            assert!(
                self.now < end,
                "{live} connections, and {topics} topics never end"
            );
            self.pass_time(u32::MAX);
        }
        self.check_nothing_left();
        self.check_admission();
    }
}
