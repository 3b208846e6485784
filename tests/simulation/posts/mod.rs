//! Publishers by HTTP: a world of its own, with the real relay and the server's own turns, over the same network.
//!
//! ```text
//!   publisher ── request.rs: bodies by length and in chunks, lines, good and bad, and what each has to come to
//!     ▲│
//!     │▼         publisher.rs: its answers, held against its requests
//!   Relay ─────► readers ── reader.rs: what is published, in which order
//!     ▲│
//!     │▼         order elsewhere, in half of the worlds: offers that travel, and may have to travel again
//! ```
//!
//! What is judged: a message is published once, in its connection's order, and not before all of its body has come;
//! what was answered with 200 is published under that id, and nothing of what was refused is; whatever follows a
//! request that ends its connection is never read; an answer comes, and within its time; memory stays bounded.

mod answers;
mod character;
mod driver;
mod judge;
mod publisher;
mod reader;
mod request;

use crate::network::Socket;
use crate::random::Random;
use character::Character;
use fanfare::http::{Site, Status};
use fanfare::proxy::PeerAddress;
use fanfare::relay::{
    Committed, ConnId, Decision, Hooks, MessageId, Offer, Origin, Published, Relay, Side,
    TopicRequest,
};
use fanfare::turn::Turn;
use fanfare::wheel::Tick;
use publisher::Publisher;
use reader::Reader;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

const TOPICS: usize = 2;
const ROUNDS: usize = 150;
const PUBLISHERS_AT_ONCE: usize = 5;
const TURNS_MAX: usize = 20_000;
/// Bytes that a connection holds whatever the others do: the beginning of a head and of a body, requests that were
/// kept, and answers.
const FREE_BYTES: usize = 2 * (16 * 1024) + 2 * (64 * 1024);

fn topic_name(topic: usize) -> String {
    format!("t{topic}")
}

/// A message that travels.
struct Travelling {
    number: u64,
    topic: usize,
    kind: fanfare::proto::MessageKind,
    payload: Vec<u8>,
    origin: Origin,
}

/// What the hooks were told.
#[derive(Default)]
struct Record {
    asked: HashSet<String>,
    published: Vec<Vec<Vec<u8>>>,
}

struct Witness(Arc<Mutex<Record>>);

impl Hooks for Witness {
    fn on_request(&mut self, request: &TopicRequest<'_>) -> Decision {
        let query = request.head.query().unwrap_or_default();
        let is_new = self.0.lock().unwrap().asked.insert(query.into());
        assert!(is_new, "asked twice about {query}");
        match query.contains("no=1") {
            true => Decision::Refuse(Status::Unauthorized, "not you".into()),
            false => Decision::Accept,
        }
    }

    fn on_message(&mut self, _: ConnId, message: &Published<'_>) {
        let mut record = self.0.lock().unwrap();
        record.published.resize(TOPICS, Vec::new());
        let topic = (0..TOPICS).find(|&topic| topic_name(topic) == message.topic);
        record.published[topic.expect("one of ours")].push(message.payload.to_vec());
    }
}

pub(crate) struct World {
    character: Character,
    random: Random,
    relay: Relay,
    turn: Option<Turn>,
    now: Tick,
    began: Tick,
    publishers: Vec<Publisher>,
    readers: Vec<Reader>,
    record: Arc<Mutex<Record>>,
    travelling: Vec<Travelling>,
    numbers: [u64; TOPICS],
    is_shut_down: bool,
    trace: bool,
    /// The least time that was allowed, since bounds may have changed.
    private_bytes_max: usize,
}

impl World {
    pub(crate) fn new(seed: u64, trace: bool) -> Self {
        let mut random = Random::new(seed);
        let character = Character::draw(&mut random);
        if trace {
            println!("{character:#?}");
        }
        let now = Tick(random.between(0, 2000));
        let mut relay = Relay::new(character.limits.clone(), Site::embedded(), now);
        if character.is_elsewhere {
            relay.order_elsewhere();
        }
        let record = Arc::<Mutex<Record>>::default();
        if character.has_hooks {
            relay.set_hooks(Witness(record.clone()));
        }
        let private_bytes_max = character.limits.private_bytes_max;
        let mut world = World {
            turn: Some(Turn::new(character.shares)),
            character,
            random,
            relay,
            now,
            began: now,
            publishers: Vec::new(),
            readers: Vec::new(),
            record,
            travelling: Vec::new(),
            numbers: [0; TOPICS],
            is_shut_down: false,
            trace,
            private_bytes_max,
        };
        for topic in 0..TOPICS {
            let id = world
                .relay
                .handle_accept(Side::Public, PeerAddress::Unknown);
            world.readers.push(Reader::join(id, &topic_name(topic)));
        }
        world.settle();
        world
    }

    pub(crate) fn run(&mut self) {
        for _ in 0..ROUNDS {
            self.round();
        }
        self.calm_down();
        self.check();
    }

    fn note(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>6}: {}", self.now.0, what());
        }
    }

    fn round(&mut self) {
        let live = self.publishers.iter().filter(|it| !it.is_gone).count();
        if live < PUBLISHERS_AT_ONCE && !self.is_shut_down && self.random.once_in(2) {
            self.connect();
        }
        for _ in 0..self.random.size(20) {
            self.happen();
        }
        if self.random.once_in(3) {
            self.order();
        }
        self.turn();
        if self.random.once_in(40) {
            self.character.draw_bounds(&mut self.random);
            let limits = self.character.limits.clone();
            self.private_bytes_max = self.private_bytes_max.max(limits.private_bytes_max);
            for publisher in &mut self.publishers {
                publisher.on_reload(&limits);
            }
            self.relay.set_limits(limits);
            self.note(|| "other bounds".into());
        }
        if self.random.once_in(10) {
            let ticks = self.random.between(1, 20);
            self.pass(ticks);
        }
        if self.random.once_in(8 * ROUNDS as u32) && !self.is_shut_down {
            self.note(|| "shutdown".into());
            self.is_shut_down = true;
            self.relay.handle_shutdown(self.random.between(0, 5));
        }
    }

    fn connect(&mut self) {
        let number = self.publishers.len();
        let address = format!("192.0.2.{}:4711", number % 3);
        let address = PeerAddress::tcp(address.parse().expect("an address"));
        let id = self.relay.handle_accept(Side::Public, address);
        let mut socket = Socket::default();
        let limits = &self.character.limits;
        let capacity_min = limits.message_bytes_max / 20 + 10;
        let mut capacity = || {
            self.random
                .size(self.character.capacity_max)
                .max(capacity_min)
        };
        (socket.send_capacity, socket.receive_capacity) = (capacity(), capacity());
        socket.writable_space = (socket.send_capacity / 3).max(1);
        self.publishers
            .push(Publisher::new(number, id, socket, self.now, limits));
        self.note(|| format!("publisher {number} is {id:?}"));
    }

    fn happen(&mut self) {
        if self.publishers.is_empty() {
            return;
        }
        let index = self.random.below(self.publishers.len());
        let bytes = self.random.size(self.character.segment_bytes_max);
        let publisher = &mut self.publishers[index];
        if publisher.is_gone {
            return;
        }
        match self.random.below(4) {
            0 => publisher.act(&mut self.random, &self.character),
            1 => {
                publisher.socket.deliver(self.now, bytes);
            }
            _ => {
                publisher.socket.arrive(self.now, bytes);
            }
        }
        if self.random.once_in(300) {
            publisher.socket.down_frozen = self.now.after(self.random.between(1, 400));
        }
    }

    fn turn(&mut self) {
        let mut turn = self.turn.take().expect("it is put back");
        self.relay.begin_turn(self.now);
        let mut events = 0;
        for index in 0..self.publishers.len() {
            let publisher = &mut self.publishers[index];
            if publisher.is_gone || !publisher.socket.has_edge() {
                continue;
            }
            events += 1;
            let id = publisher.id;
            let event = publisher.socket.take_event();
            publisher.readiness.read_to_end |= event.read_closed || event.error;
            if event.readable || event.read_closed || event.error {
                turn.mark_ready(self, id);
            }
            if event.writable {
                self.relay.handle_writable(id);
            }
        }
        for index in 0..self.readers.len() {
            if !self.readers[index].sent.is_empty() {
                let id = self.readers[index].id;
                turn.mark_ready(self, id);
            }
        }
        self.relay.handle_poll(self.now, events, false);
        turn.run(self);
        self.turn = Some(turn);
        while self.relay.poll_interest().is_some() {}
        while let Some(offer) = self.relay.poll_offer() {
            let topic = (0..TOPICS).find(|&topic| topic_name(topic) == offer.topic);
            self.travelling.push(Travelling {
                number: offer.number,
                topic: topic.expect("one of ours"),
                kind: offer.kind,
                payload: offer.payload.to_vec(),
                origin: offer.origin,
            });
        }
        let private_bytes = self.relay.private_bytes();
        let connections = self.relay.connections();
        let bytes_max = self.private_bytes_max + connections * FREE_BYTES;
        assert!(private_bytes <= bytes_max, "{private_bytes} private bytes");
        for publisher in &mut self.publishers {
            publisher.follow(self.now);
        }
        self.follow_readers();
    }

    /// Some of what travels gets its place; or all of it is lost, and travels again.
    fn order(&mut self) {
        if self.random.once_in(10) {
            self.travelling.clear();
            self.relay.offer_again();
            return;
        }
        let count = self.random.below(self.travelling.len() + 1);
        self.commit(count);
    }

    fn commit(&mut self, count: usize) {
        for _ in 0..count {
            let Some(message) = self.travelling.first() else {
                return;
            };
            let number = self.numbers[message.topic] + 1;
            let epoch = format!("000000{}", message.topic + 1);
            let epoch = epoch.parse().expect("an epoch");
            let offer = Offer {
                number: message.number,
                topic: &topic_name(message.topic),
                kind: message.kind,
                payload: &message.payload,
                origin: message.origin,
            };
            let committed = self.relay.commit(MessageId { epoch, number }, &offer);
            if committed == Committed::Later {
                return;
            }
            self.numbers[message.topic] = number;
            self.travelling.remove(0);
        }
    }

    /// Moves all that can move, until the relay sleeps.
    fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            let mut moved = false;
            for publisher in self.publishers.iter_mut().filter(|it| !it.is_gone) {
                moved |= publisher.socket.arrive(self.now, usize::MAX);
                moved |= publisher.socket.deliver(self.now, usize::MAX);
                moved |= publisher.socket.has_edge();
            }
            moved |= !self.travelling.is_empty();
            self.commit(self.travelling.len());
            moved |= self.turn.as_ref().is_some_and(Turn::has_work) || self.relay.has_work();
            moved |= self.readers.iter().any(|reader| !reader.sent.is_empty());
            moved |= self.relay.poll_timeout().is_some_and(|due| due <= self.now);
            if !moved {
                return;
            }
            self.turn();
        }
        panic!("the loop spins");
    }

    fn pass(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.now = self.now.after(1);
            self.turn();
            for publisher in &self.publishers {
                publisher.check_deadlines(self.now);
            }
        }
    }

    /// Nothing stands still any more: what has come whole is answered, and what has not ends in time.
    fn calm_down(&mut self) {
        for publisher in &mut self.publishers {
            publisher.socket.down_frozen = self.now;
        }
        self.settle();
        for publisher in &self.publishers {
            publisher.check_answered();
        }
        for _ in 0..40 {
            self.pass(20);
            self.settle();
        }
        for publisher in self.publishers.iter_mut().filter(|it| !it.is_gone) {
            publisher.socket.push_fin();
        }
        self.settle();
        self.pass(30);
        let left = self.publishers.iter().filter(|it| !it.is_gone).count();
        assert_eq!(left, 0, "connections never end");
    }

    fn publisher(&mut self, id: ConnId) -> Option<&mut Publisher> {
        let mut publishers = self.publishers.iter_mut();
        publishers.find(|publisher| publisher.id == id && !publisher.is_gone)
    }

    fn reader(&mut self, id: ConnId) -> &mut Reader {
        let mut readers = self.readers.iter_mut();
        readers.find(|reader| reader.id == id).expect("one of them")
    }
}
