//! A relay whose sockets are buffers, and whose messages are ordered by the test.

mod posts;

use super::*;
use crate::http::Site;
use crate::proto::MessageKind;
use crate::proto::{FrameHeader, OpCode, Role};
use crate::proxy::PeerAddress;
use crate::relay::{Action, Epoch, Hooks, Limits, MessageId, Published, Relay, Side, SlowPolicy};
use crate::transport::{ReadOutcome, WriteOutcome};
use crate::turn::{Driver, Readiness, Shares, Turn};
use crate::wheel::Tick;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Client {
    sent: Vec<u8>,
    received: Vec<u8>,
    readiness: Readiness,
}

struct Node {
    relay: Relay,
    turn: Option<Turn>,
    clients: BTreeMap<ConnId, Client>,
    /// What clients received that are gone.
    gone: BTreeMap<ConnId, Vec<u8>>,
    now: Tick,
}

/// A message as it travelled.
#[derive(Clone)]
struct Travelled {
    number: u64,
    topic: String,
    payload: Vec<u8>,
    origin: Origin,
}

fn id(number: u64) -> MessageId {
    life(1, number)
}

fn life(epoch: u64, number: u64) -> MessageId {
    let epoch = Epoch::of(epoch << 60);
    MessageId { epoch, number }
}

/// A message of another party's.
fn foreign(topic: &str, payload: &[u8]) -> Travelled {
    let (party, number) = (Party(1), 1);
    Travelled {
        number,
        topic: topic.into(),
        payload: payload.into(),
        origin: Origin { party, number },
    }
}

impl Node {
    fn new(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::of_tests();
        change(&mut limits);
        let mut relay = Relay::new(limits, Site::embedded(), Tick(0));
        relay.order_elsewhere();
        Node {
            relay,
            turn: Some(Turn::new(Shares::default())),
            clients: BTreeMap::new(),
            gone: BTreeMap::new(),
            now: Tick(0),
        }
    }

    fn join(&mut self, target: &str) -> ConnId {
        let id = self.relay.handle_accept(Side::Public, PeerAddress::Unknown);
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let client = Client {
            sent: request.into(),
            ..Client::default()
        };
        self.clients.insert(id, client);
        self.turn();
        id
    }

    fn client(&mut self, id: ConnId) -> &mut Client {
        self.clients.get_mut(&id).expect("it joined")
    }

    fn send(&mut self, from: ConnId, opcode: OpCode, payload: &[u8]) {
        let out = &mut self.client(from).sent;
        Role::Client.write_frame(true, opcode, payload, out);
    }

    /// Takes in what a client sends.
    fn say(&mut self, from: ConnId, payload: &[u8]) {
        self.send(from, OpCode::Binary, payload);
        self.turn();
    }

    fn leave(&mut self, id: ConnId) {
        self.relay.handle_reset(id);
        self.turn();
    }

    /// What a client received after its response: payloads of messages, and the code of a close frame.
    fn received(&mut self, id: ConnId) -> Vec<String> {
        let received = std::mem::take(&mut self.client(id).received);
        let end = received.windows(4).position(|four| four == b"\r\n\r\n");
        let mut rest = &received[end.map_or(0, |end| end + 4)..];
        let mut received = Vec::new();
        while let Ok(Some((header, header_bytes))) = FrameHeader::decode(rest) {
            let (frame, after) = rest.split_at(header_bytes + header.payload_bytes as usize);
            let payload = &frame[header_bytes..];
            received.push(match header.opcode {
                OpCode::Close => u16::from_be_bytes([payload[0], payload[1]]).to_string(),
                OpCode::Ping => "ping".into(),
                _ => String::from_utf8_lossy(payload).into(),
            });
            rest = after;
        }
        received
    }

    fn turn(&mut self) {
        let mut turn = self.turn.take().expect("it is put back");
        self.relay.begin_turn(self.now);
        self.relay.handle_poll(self.now, 0, false);
        let ready = self.clients.iter();
        let ready = ready.filter(|(_, client)| !client.sent.is_empty());
        let ready: Vec<ConnId> = ready.map(|(id, _)| *id).collect();
        for id in ready {
            turn.mark_ready(self, id);
        }
        turn.run(self);
        self.turn = Some(turn);
    }

    /// Runs turns while there is work without an event, 1,000 at most.
    fn rest(&mut self) {
        for _ in 0..1000 {
            let mut turn = self.turn.take().expect("it is put back");
            let has_work = turn.has_work() || self.relay.has_work();
            if has_work {
                self.relay.begin_turn(self.now);
                self.relay.handle_poll(self.now, 0, false);
                turn.run(self);
            }
            self.turn = Some(turn);
            if !has_work {
                return;
            }
        }
        panic!("the loop spins");
    }

    fn offers(&mut self) -> Vec<Travelled> {
        let mut offers = Vec::new();
        while let Some(offer) = self.relay.poll_offer() {
            offers.push(Travelled {
                number: offer.number,
                topic: offer.topic.into(),
                payload: offer.payload.into(),
                origin: offer.origin,
            });
        }
        offers
    }

    fn commit(&mut self, id: MessageId, message: &Travelled) -> Committed {
        let offer = Offer {
            number: message.number,
            topic: &message.topic,
            kind: MessageKind::Binary,
            payload: &message.payload,
            origin: message.origin,
        };
        self.relay.commit(id, &offer)
    }
}

impl Driver for Node {
    fn relay(&mut self) -> &mut Relay {
        &mut self.relay
    }

    fn readiness(&mut self, id: ConnId) -> Option<&mut Readiness> {
        Some(&mut self.clients.get_mut(&id)?.readiness)
    }

    fn read(&mut self, id: ConnId, buffer: &mut [u8]) -> ReadOutcome {
        let client = self.client(id);
        let bytes = client.sent.len().min(buffer.len());
        if bytes == 0 {
            return ReadOutcome::Empty;
        }
        for (to, byte) in buffer.iter_mut().zip(client.sent.drain(..bytes)) {
            *to = byte;
        }
        let drained = client.sent.is_empty();
        ReadOutcome::Bytes { bytes, drained }
    }

    fn write(&mut self, id: ConnId) -> WriteOutcome {
        let output = self.relay.transmit(id);
        let client = self.clients.get_mut(&id).expect("it joined");
        for piece in output.pieces() {
            client.received.extend_from_slice(piece.bytes);
        }
        let bytes = output.bytes();
        WriteOutcome::Taken { bytes, full: false }
    }

    fn act(&mut self, id: ConnId, action: Action) {
        if action == Action::Close
            && let Some(client) = self.clients.remove(&id)
        {
            self.gone.insert(id, client.received);
        }
    }
}

/// Records which messages it is told of.
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Hooks for Recorder {
    fn on_message(&mut self, from: ConnId, message: &Published<'_>) {
        let Published { id, topic, .. } = message;
        let line = format!("{} {topic} {}", from.generation, id.number);
        self.0.lock().unwrap().push(line);
    }
}

#[test]
fn a_message_is_delivered_when_it_comes_back() {
    let mut node = Node::new(|_| {});
    let told = Arc::<Mutex<Vec<String>>>::default();
    node.relay.set_hooks(Recorder(told.clone()));
    let [a, b] = [0; 2].map(|_| node.join("/ws/t"));
    node.say(a, b"x");
    node.rest();
    assert_eq!([a, b].map(|id| node.received(id)), [vec![""; 0], vec![]]);
    let offers = node.offers();
    assert_eq!(offers.len(), 1);
    let offer = &offers[0];
    assert_eq!((offer.number, &*offer.topic), (1, "t"));
    assert_eq!(offer.origin, node.relay.origin(a));
    assert!(node.relay.unsettled_bytes() > 0 && told.lock().unwrap().is_empty());
    assert_eq!(node.commit(id(5), &foreign("t", b"y")), Committed::Appended);
    assert_eq!(node.commit(id(6), offer), Committed::Appended);
    assert_eq!(node.relay.unsettled_bytes(), 0);
    assert_eq!(*told.lock().unwrap(), [format!("{} t 6", a.generation)]);
    node.rest();
    assert_eq!([a, b].map(|id| node.received(id)), [["y", "x"], ["y", "x"]]);
}

#[test]
fn what_is_committed_is_appended_once_and_without_a_hole() {
    let mut node = Node::new(|_| {});
    let a = node.join("/ws/t");
    let message = foreign("t", b"x");
    assert_eq!(node.commit(id(5), &message), Committed::Appended);
    assert_eq!(node.commit(id(5), &message), Committed::Repeated);
    assert_eq!(node.commit(id(4), &message), Committed::Repeated);
    assert_eq!(node.commit(id(7), &message), Committed::Missing(id(5)));
    assert_eq!(node.commit(life(2, 6), &message), Committed::Missing(id(5)));
    assert_eq!(node.commit(id(6), &message), Committed::Appended);
    assert_eq!(
        node.commit(id(1), &foreign("u", b"x")),
        Committed::NoMembers
    );
    node.rest();
    assert_eq!(node.received(a), ["x", "x"]);
}

#[test]
fn members_are_closed_at_a_gap() {
    let mut node = Node::new(|limits| limits.pace.laps_per_turn = 1);
    let [a, b] = [0; 2].map(|_| node.join("/ws/t"));
    node.commit(id(1), &foreign("t", b"before"));
    node.relay.discontinuity("t", id(4));
    let behind = foreign("t", b"behind");
    assert_eq!(node.commit(id(5), &behind), Committed::Later);
    let c = node.join("/ws/t");
    assert_eq!(
        node.commit(id(5), &behind),
        Committed::Later,
        "one of two is closed"
    );
    node.rest();
    assert_eq!(node.commit(id(5), &behind), Committed::Appended);
    node.rest();
    let received = [a, b].map(|id| node.received(id));
    assert_eq!(received, [["before", "1013"], ["before", "1013"]]);
    assert_eq!(node.received(c), ["behind"]);
    let counters = node.relay.counters();
    assert_eq!((counters.lapped, counters.messages_lost), (2, 6));
}

#[test]
fn members_that_may_skip_go_on_behind_a_gap() {
    let mut node = Node::new(|limits| limits.policies = Arc::new(SlowPolicy::Skip.into()));
    let a = node.join("/ws/t");
    for (gap, next) in [
        (id(4), id(5)),
        (life(2, 9), life(2, 10)),
        (life(2, 3), life(2, 4)),
    ] {
        let before = node.relay.counters().messages;
        if before == 0 {
            node.commit(id(1), &foreign("t", b"x"));
        }
        node.relay.discontinuity("t", gap);
        node.relay.discontinuity("t", gap);
        assert_eq!(node.commit(next, &foreign("t", b"y")), Committed::Appended);
    }
    node.rest();
    assert_eq!(node.received(a), ["x", "y", "y", "y"]);
    let counters = node.relay.counters();
    assert_eq!((counters.skips, counters.messages_skipped), (3, 3));
}

#[test]
fn a_sender_is_excluded_whenever_its_message_comes_back() {
    let mut node = Node::new(|_| {});
    let [quiet, other] = ["/ws/t?echo=0", "/ws/t"].map(|target| node.join(target));
    node.say(quiet, b"1");
    node.say(quiet, b"2");
    let offers = node.offers();
    node.commit(id(1), &offers[0]);
    // It may be settled before its commit comes.
    node.relay.settle_offer(offers[1].number, Some(id(2)));
    node.commit(id(2), &offers[1]);
    node.rest();
    assert!(node.received(quiet).is_empty());
    assert_eq!(node.received(other), ["1", "2"]);
}

#[test]
fn the_next_connection_in_a_senders_slot_is_not_excluded() {
    let mut node = Node::new(|_| {});
    node.join("/ws/t");
    let gone = node.join("/ws/t?echo=0");
    node.say(gone, b"x");
    node.leave(gone);
    let heir = node.join("/ws/t?echo=0");
    assert_eq!(gone.slot, heir.slot);
    let offers = node.offers();
    node.commit(id(1), &offers[0]);
    node.rest();
    assert_eq!(node.received(heir), ["x"]);
}

#[test]
fn publishers_wait_without_a_turn_while_too_much_is_unsettled() {
    const BYTES_MAX: usize = 1000;
    let mut node = Node::new(|limits| limits.unsettled_bytes_max = BYTES_MAX);
    let publishers = [0; 3].map(|_| node.join("/ws/t"));
    let reader = node.join("/ws/t");
    let said = 0..60u8;
    for number in said.clone() {
        let publisher = publishers[usize::from(number % 3)];
        node.send(publisher, OpCode::Binary, format!("{number}").as_bytes());
    }
    node.turn();
    let mut received = Vec::new();
    let mut next = 1;
    while received.len() < said.len() {
        node.rest();
        assert!(
            !node.relay.takes_offers() || received.len() > 40,
            "it waits for nothing"
        );
        let unsettled = node.relay.unsettled_bytes();
        assert!(unsettled <= BYTES_MAX + 200, "{unsettled} bytes");
        for offer in node.offers() {
            assert_eq!(node.commit(id(next), &offer), Committed::Appended);
            next += 1;
        }
        node.turn();
        received.extend(node.received(reader));
    }
    for publisher in 0..3 {
        let numbers = received.iter().map(|text| text.parse::<u8>().unwrap());
        let own: Vec<u8> = numbers.filter(|number| number % 3 == publisher).collect();
        assert!(own.is_sorted() && own.len() == 20, "{own:?}");
    }
}

#[test]
fn a_publisher_that_waits_to_be_read_is_not_taken_for_dead() {
    let mut node = Node::new(|limits| {
        limits.unsettled_bytes_max = 1;
        limits.idle_timeout = Some(500);
    });
    let [a, b] = [0; 2].map(|_| node.join("/ws/t"));
    node.say(a, b"x");
    node.say(b, b"y");
    node.say(a, b"z");
    for _ in 0..1000 {
        node.now = node.now.after(10);
        node.turn();
    }
    assert!([a, b].iter().all(|&id| node.relay.is_open(id)));
    // Once a close was sent, its answer is awaited.
    node.relay.handle_shutdown(0);
    node.turn();
    let close = 1012u16.to_be_bytes();
    for id in [a, b] {
        node.send(id, OpCode::Close, &close);
    }
    node.rest();
    assert_eq!(node.relay.connections(), 0);
    assert_eq!(node.offers().len(), 1);
}

#[test]
fn a_full_topic_holds_up_no_other() {
    let mut node = Node::new(|_| {});
    let [a, b] = ["/ws/a", "/ws/b"].map(|target| node.join(target));
    let large = foreign("a", &[b'x'; 60_000]);
    let mut number = 1;
    while node.commit(id(number), &large) == Committed::Appended {
        number += 1;
    }
    assert_eq!(node.commit(id(number), &large), Committed::Later);
    assert_eq!(node.commit(id(1), &foreign("b", b"y")), Committed::Appended);
    node.turn();
    assert_eq!(node.commit(id(number), &large), Committed::Appended);
    node.rest();
    assert_eq!(
        (node.received(a).len() as u64, node.received(b)),
        (number, vec!["y".into()])
    );
}

#[test]
fn what_was_cut_off_travels_again() {
    let mut node = Node::new(|_| {});
    let a = node.join("/ws/t");
    for number in 0..3 {
        node.say(a, &[number]);
    }
    let numbers = |offers: Vec<Travelled>| offers.iter().map(|one| one.number).collect::<Vec<_>>();
    let offers = node.offers();
    node.commit(id(1), &offers[1]);
    assert_eq!(numbers(offers), [1, 2, 3]);
    assert!(node.offers().is_empty());
    node.relay.offer_again();
    assert_eq!(numbers(node.offers()), [1, 3]);
}

#[test]
fn a_topic_is_of_interest_while_it_has_members() {
    let mut node = Node::new(|_| {});
    let [a, b] = [0; 2].map(|_| node.join("/ws/t"));
    let mut told = || {
        let told = node.relay.poll_interest();
        told.map(|told| (told.topic.to_string(), told.is_read))
    };
    assert_eq!([told(), told()], [Some(("t".into(), true)), None]);
    node.leave(a);
    assert_eq!(node.relay.poll_interest(), None);
    node.leave(b);
    let told = node.relay.poll_interest();
    assert!(told.is_some_and(|told| !told.is_read));
    let c = node.join("/ws/u");
    node.leave(c);
    assert_eq!(node.relay.poll_interest(), None);
}

#[test]
fn what_the_program_publishes_is_settled_when_it_comes_back() {
    let mut node = Node::new(|limits| limits.unsettled_bytes_max = 300);
    let mut offer = || node.relay.offer("t", MessageKind::Text, b"x");
    let numbers = [offer(), offer(), offer(), offer()];
    let expected = [1, 2, 3].map(Offered::Travels);
    assert_eq!((&numbers[..3], numbers[3]), (&expected[..], Offered::Later));
    let offers = node.offers();
    assert_ne!(offers[0].origin, offers[1].origin);
    assert_eq!(node.relay.poll_settled(), None);
    assert_eq!(node.commit(id(9), &offers[1]), Committed::NoMembers);
    node.relay.settle_offer(1, None);
    node.relay.settle_offer(2, None);
    let settled = std::array::from_fn(|_| node.relay.poll_settled());
    let expected = [(2, Some(id(9))), (1, None)].map(|(offer, id)| Some(Settled { offer, id }));
    assert_eq!(settled, [expected[0], expected[1], None]);
}
