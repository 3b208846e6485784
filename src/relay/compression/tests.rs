//! A relay whose sockets are buffers: mixed topics, and what compressed messages may cost a turn.

use super::*;
use crate::http::Site;
use crate::proto::deflate::{Deflater, Window};
use crate::proto::mask;
use crate::proto::{Event, FrameHeader, Gather, MessageKind, OpCode, Role, Session};
use crate::proxy::PeerAddress;
use crate::relay::{Action, Compression, ConnId, Limits, Pace, Side};
use crate::transport::{ReadOutcome, WriteOutcome};
use crate::turn::{Driver, Readiness, Shares, Turn};
use crate::wheel::Tick;
use proptest::prelude::*;
use std::collections::BTreeMap;

const MESSAGE_BYTES_MAX: usize = 64 << 10;
const TOPIC_LOG_BYTES_MAX: usize = 1 << 20;

fn limits() -> Limits {
    Limits {
        message_bytes_max: MESSAGE_BYTES_MAX,
        topic_log_bytes_max: TOPIC_LOG_BYTES_MAX,
        compression: Some(Compression {
            level: 1,
            bytes_min: 64,
        }),
        ..Limits::of_tests()
    }
}

/// What a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Plain,
    Window(u8),
}

/// A client, and what the network holds of its bytes.
struct Client {
    reads: Reads,
    /// What the relay has not read yet.
    sent: Vec<u8>,
    /// What the relay wrote and the client has not looked at: a response's head first.
    received: Vec<u8>,
    readiness: Readiness,
    is_open: bool,
    session: Session,
    gather: Gather,
    inflater: Inflater,
    delivered: Vec<(MessageKind, Vec<u8>)>,
    closed: Option<u16>,
}

struct World {
    relay: Relay,
    turn: Option<Turn>,
    clients: BTreeMap<Slot, (ConnId, Client)>,
    /// Bytes that a write takes at most, so that it may end anywhere.
    write_bytes_max: usize,
    now: Tick,
}

impl World {
    fn new(write_bytes_max: usize) -> Self {
        let relay = Relay::new(limits(), Site::embedded(), Tick(0));
        World {
            relay,
            turn: Some(Turn::new(Shares::default())),
            clients: BTreeMap::new(),
            write_bytes_max,
            now: Tick(0),
        }
    }

    /// A world of other limits.
    fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        let mut world = World::new(usize::MAX);
        let mut limits = limits();
        change(&mut limits);
        world.relay.set_limits(limits);
        world
    }

    fn join(&mut self, reads: Reads, target: &str) -> Slot {
        let id = self.relay.handle_accept(Side::Public, PeerAddress::Unknown);
        let offer = match reads {
            Reads::Plain => String::new(),
            Reads::Window(bits) => format!(
                "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits={bits}\r\n"
            ),
        };
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
        );
        let client = Client {
            reads,
            sent: request.into_bytes(),
            received: Vec::new(),
            readiness: Readiness::default(),
            is_open: false,
            session: Session::new(Role::Client).with_compression(reads != Reads::Plain),
            gather: Gather::default(),
            inflater: Inflater::default(),
            delivered: Vec::new(),
            closed: None,
        };
        self.clients.insert(id.slot, (id, client));
        self.turn();
        id.slot
    }

    fn client(&mut self, slot: Slot) -> &mut Client {
        &mut self.clients.get_mut(&slot).expect("it joined").1
    }

    /// Sends a message, compressed if that was agreed on and `compressed` says so.
    fn say(&mut self, slot: Slot, compressed: bool, payload: &[u8]) {
        let client = self.client(slot);
        let mut deflater = Deflater::new(Window::Bits15, 6);
        let compressed = deflater
            .deflate(payload)
            .filter(|_| compressed && client.reads != Reads::Plain);
        let mut out = Vec::new();
        match compressed {
            Some(compressed) => {
                client
                    .session
                    .send_compressed(MessageKind::Binary, compressed, &mut out)
            }
            None => client.session.send_binary(payload, &mut out),
        }
        .expect("it is open");
        client.sent.extend(out);
    }

    /// It shows that it is alive, though it says nothing.
    fn answer_pings(&mut self, slot: Slot) {
        let mut pong = Vec::new();
        Role::Client.write_frame(true, OpCode::Pong, b"", &mut pong);
        let (id, _) = self.clients[&slot];
        self.relay.handle_input(id, &mut pong);
    }

    fn leave(&mut self, slot: Slot) {
        if let Some((id, _)) = self.clients.remove(&slot) {
            self.relay.handle_reset(id);
        }
        self.turn();
    }

    fn turn(&mut self) {
        let mut turn = self.turn.take().expect("it is put back");
        self.relay.begin_turn(self.now);
        self.relay.handle_poll(self.now, 0, false);
        let clients = self.clients.values();
        let ready = clients.filter(|(_, client)| !client.sent.is_empty());
        let ready: Vec<ConnId> = ready.map(|(id, _)| *id).collect();
        for id in ready {
            turn.mark_ready(self, id);
        }
        turn.run(self);
        self.turn = Some(turn);
        for (id, client) in self.clients.values_mut() {
            client.look();
            self.relay.handle_writable(*id);
        }
    }

    /// Turns until all that was sent has reached every reader.
    fn settle(&mut self) {
        let mut turns = 0;
        loop {
            self.turn();
            let is_idle = |(_, client): &(ConnId, Client)| client.sent.is_empty();
            let waits = self.relay.private_bytes() > 0;
            if !self.relay.has_work() && !waits && self.clients.values().all(is_idle) {
                return;
            }
            turns += 1;
            assert!(turns < 100_000, "it never comes to rest");
        }
    }
}

impl Driver for World {
    fn relay(&mut self) -> &mut Relay {
        &mut self.relay
    }

    fn readiness(&mut self, id: ConnId) -> Option<&mut Readiness> {
        let (_, client) = self.clients.get_mut(&id.slot)?;
        Some(&mut client.readiness)
    }

    fn read(&mut self, id: ConnId, buffer: &mut [u8]) -> ReadOutcome {
        let client = self.client(id.slot);
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
        let offered = output.pieces().iter().flat_map(|piece| piece.bytes);
        let bytes = output.bytes().min(self.write_bytes_max);
        if let Some((_, client)) = self.clients.get_mut(&id.slot) {
            client.received.extend(offered.take(bytes));
        }
        let full = bytes < output.bytes();
        WriteOutcome::Taken { bytes, full }
    }

    fn act(&mut self, id: ConnId, action: Action) {
        if action == Action::Close
            && let Some((_, client)) = self.clients.get_mut(&id.slot)
        {
            client.sent.clear();
        }
    }
}

impl Client {
    /// Looks at what came.
    fn look(&mut self) {
        if !self.is_open {
            let head = self.received.windows(4).position(|end| end == b"\r\n\r\n");
            let Some(head) = head else { return };
            let head: Vec<u8> = self.received.drain(..head + 4).collect();
            let head = String::from_utf8(head).expect("a head");
            assert!(head.starts_with("HTTP/1.1 101"), "{head}");
            assert_eq!(
                head.contains("permessage-deflate"),
                self.reads != Reads::Plain
            );
            self.is_open = true;
        }
        let mut rest = &mut self.received[..];
        while !rest.is_empty() {
            let received = self
                .session
                .receive(rest, usize::MAX)
                .expect("in order, and compressed only if that was agreed on");
            let consumed = received.consumed;
            match received.event {
                Some(Event::Fragment(fragment)) => {
                    if let Some(message) = self.gather.push(fragment) {
                        let message = self.inflater.open(message, usize::MAX).expect("in order");
                        self.delivered
                            .push((message.kind, message.payload.to_vec()));
                    }
                }
                Some(Event::Close(close)) => {
                    self.closed = Some(close.map_or(0, |close| close.code.as_u16()));
                }
                _ => {}
            }
            rest = &mut rest[consumed..];
        }
        self.received.clear();
    }
}

/// Something that shrinks, or does not, told apart by its number.
fn payload(number: usize, bytes: usize) -> Vec<u8> {
    let mut state = number as u32 + 1;
    let mut payload = (number as u32).to_be_bytes().to_vec();
    payload.extend((0..bytes).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match number % 3 {
            0 => (state >> 24) as u8,
            _ => b"abcd"[(state >> 30) as usize],
        }
    }));
    payload
}

#[test]
fn messages_that_swell_lap_no_reader_whose_socket_has_space() {
    let mut world = World::new(usize::MAX);
    let plain = world.join(Reads::Plain, "/ws");
    let compressed = world.join(Reads::Window(15), "/ws");
    let sender = world.join(Reads::Window(15), "/ws?echo=0");
    let zeros = vec![0; MESSAGE_BYTES_MAX];
    let count = 200;
    for _ in 0..count {
        world.say(sender, true, &zeros);
    }
    assert!(world.client(sender).sent.len() < 64 << 10);
    let mut turns = 0;
    while world.client(plain).delivered.len() < count {
        world.turn();
        turns += 1;
        // A turn appends a quarter of what is retained, and one message more at most.
        let delivered = world.client(plain).delivered.len();
        let bytes_max = TOPIC_LOG_BYTES_MAX / 4 + MESSAGE_BYTES_MAX;
        assert!(
            delivered * MESSAGE_BYTES_MAX <= turns * bytes_max,
            "turn {turns}"
        );
    }
    world.settle();
    for slot in [plain, compressed] {
        let client = world.client(slot);
        assert_eq!((client.delivered.len(), client.closed), (count, None));
    }
    assert_eq!(world.relay.counters().lapped, 0);
    assert_eq!(world.relay.private_bytes(), 0);
}

#[test]
fn a_turn_inflates_its_part_and_no_more() {
    let mut world = World::new(usize::MAX);
    // Each in a topic of its own, which takes everything.
    let senders: Vec<Slot> = (0..100)
        .map(|n| world.join(Reads::Window(15), &format!("/ws/{n}")))
        .collect();
    for &sender in &senders {
        world.say(sender, true, &vec![0; MESSAGE_BYTES_MAX]);
    }
    let before = world.relay.counters().inflated.bytes_after;
    world.turn();
    let inflated = world.relay.counters().inflated.bytes_after - before;
    let pace = Pace::default();
    let work = world.relay.inflation.bytes();
    let work_max = pace.inflated_bytes_per_turn + pace.inflated_bytes_per_step_min;
    assert!((pace.inflated_bytes_per_turn..=work_max).contains(&work));
    // What is not work of bytes is work of blocks, of which there are few.
    assert!(inflated as usize > pace.inflated_bytes_per_turn / 4 * 3);
    world.settle();
    for sender in senders {
        assert_eq!(world.client(sender).delivered.len(), 1);
    }
}

/// A compressed message of this many bytes that stands for none.
fn nothing_at_length(bytes: usize) -> Vec<u8> {
    // Stored blocks of no bytes, and the beginning of the next one, which the tail completes.
    let mut nothing = [0, 0, 0, 0xff, 0xff].repeat(bytes / 5);
    nothing.push(0);
    nothing
}

#[test]
fn what_inflates_to_nothing_takes_its_part_of_a_turn() {
    let mut world = World::new(usize::MAX);
    let bytes = MESSAGE_BYTES_MAX - 10;
    let senders: Vec<Slot> = (0..100)
        .map(|n| world.join(Reads::Window(15), &format!("/ws/{n}")))
        .collect();
    for &sender in &senders {
        let mut frame = Vec::new();
        Role::Client.write_compressed(MessageKind::Binary, &nothing_at_length(bytes), &mut frame);
        world.client(sender).sent.extend(frame);
    }
    world.turn();
    let inflated = world.relay.counters().inflated;
    assert_eq!(inflated.bytes_after, 0);
    let most = Pace::default().inflated_bytes_per_turn + MESSAGE_BYTES_MAX;
    assert!(inflated.bytes_before as usize <= most, "{inflated:?}");
    world.settle();
    for sender in senders {
        assert_eq!(
            world.client(sender).delivered,
            [(MessageKind::Binary, Vec::new())]
        );
    }
}

/// Has a client send a message, compressed already.
fn say_compressed(world: &mut World, slot: Slot, compressed: &[u8]) {
    let mut frame = Vec::new();
    Role::Client.write_compressed(MessageKind::Binary, compressed, &mut frame);
    world.client(slot).sent.extend(frame);
}

/// This many empty blocks and something, compressed.
fn something_late(blocks: usize, payload: &[u8]) -> Vec<u8> {
    let mut compressed = [0, 0, 0, 0xff, 0xff].repeat(blocks);
    let mut deflater = Deflater::new(Window::Bits15, 6);
    compressed.extend(deflater.deflate(payload).expect("it repeats itself"));
    compressed
}

const LATE: &[u8] = b"late late late late late";

#[test]
fn a_message_of_empty_blocks_is_inflated_in_steps() {
    let mut world = World::new(usize::MAX);
    let sender = world.join(Reads::Window(15), "/ws/slow");
    let plain = world.join(Reads::Plain, "/ws");
    let reader = world.join(Reads::Window(15), "/ws");
    say_compressed(&mut world, sender, &something_late(10_000, LATE));
    world.say(sender, false, b"next");
    let pace = Pace::default();
    let work_max = pace.inflated_bytes_per_turn + pace.inflated_bytes_per_step_min;
    let mut turns: u8 = 0;
    while world.client(sender).delivered.is_empty() {
        turns += 1;
        world.say(plain, false, &[turns; 100]);
        // Much time passes, in which no sender is taken for dead.
        world.now = Tick(900 * u32::from(turns));
        world.answer_pings(reader);
        world.turn();
        assert!(world.relay.inflation.bytes() <= work_max);
        assert!(world.relay.private_bytes() < 1 << 18);
        let delivered = [plain, reader].map(|slot| world.client(slot).delivered.len());
        assert_eq!(delivered, [usize::from(turns); 2]);
    }
    assert!((5..20).contains(&turns), "{turns} turns");
    world.settle();
    let delivered = [LATE, b"next"].map(|payload| (MessageKind::Binary, payload.to_vec()));
    assert_eq!(world.client(sender).delivered, delivered);
    assert_eq!(
        (world.client(sender).closed, world.relay.private_bytes()),
        (None, 0)
    );
}

#[test]
fn a_sender_that_leaves_while_its_message_is_inflated_leaves_nothing_behind() {
    let mut world = World::new(usize::MAX);
    let [leaver, ender] = [(); 2].map(|()| world.join(Reads::Window(15), "/ws"));
    for slot in [leaver, ender] {
        say_compressed(&mut world, slot, &something_late(10_000, LATE));
        world.turn();
        assert!(world.relay.private_bytes() > 32 << 10);
    }
    world.leave(leaver);
    let id = world.clients[&ender].0;
    world.relay.handle_end(id);
    (0..3).for_each(|_| world.turn());
    assert_eq!(world.relay.private_bytes(), 0);
    assert_eq!(world.client(ender).delivered, []);
}

#[test]
fn what_is_wrong_behind_many_blocks_is_found() {
    let mut world = World::new(usize::MAX);
    for (end, code) in [
        (vec![0x07], 1007),
        (something_late(0, &vec![0; MESSAGE_BYTES_MAX + 1]), 1009),
    ] {
        let sender = world.join(Reads::Window(15), "/ws");
        let compressed = [something_late(5000, LATE), vec![0, 0, 0xff, 0xff], end].concat();
        say_compressed(&mut world, sender, &compressed);
        world.turn();
        assert_eq!(world.client(sender).closed, None);
        (0..10).for_each(|_| world.turn());
        assert_eq!(world.client(sender).closed, Some(code));
        assert_eq!(world.relay.private_bytes(), 0);
        world.leave(sender);
    }
}

#[test]
fn what_is_wrong_at_its_end_takes_its_part_of_a_turn() {
    let mut world = World::new(usize::MAX);
    let senders: Vec<Slot> = (0..100)
        .map(|n| world.join(Reads::Window(15), &format!("/ws/{n}")))
        .collect();
    for &sender in &senders {
        // In one block of which the end is cut off, and the reserved kind of block in its place.
        let mut compressed = something_late(0, &vec![0; MESSAGE_BYTES_MAX]);
        compressed.truncate(compressed.len() - 3);
        compressed.extend([0xff; 10]);
        say_compressed(&mut world, sender, &compressed);
    }
    let failed = world.relay.counters().failed;
    world.turn();
    let failed = (world.relay.counters().failed - failed) as usize;
    let pace = Pace::default();
    let bytes_max = pace.inflated_bytes_per_turn + pace.inflated_bytes_per_step_min;
    assert!(
        (1..=bytes_max / (MESSAGE_BYTES_MAX / 2)).contains(&failed),
        "{failed}"
    );
}

#[test]
fn only_what_is_small_is_inflated_without_memory_to_keep_it() {
    let mut world = World::limited(|limits| {
        limits.private_bytes_max = 0;
        limits.pace.inflated_bytes_per_turn = 1;
    });
    for (blocks, closed) in [(50, None), (100, Some(1013))] {
        let sender = world.join(Reads::Window(15), "/ws");
        say_compressed(&mut world, sender, &something_late(blocks, LATE));
        (0..5).for_each(|_| world.turn());
        let client = world.client(sender);
        assert_eq!(
            (client.delivered.len(), client.closed),
            (usize::from(closed.is_none()), closed)
        );
        world.leave(sender);
    }
}

#[test]
fn a_connection_that_waits_for_space_is_not_dead() {
    let mut world = World::limited(|limits| limits.pace.inflated_bytes_per_turn = 1);
    let floods: Vec<Slot> = (0..20)
        .map(|_| world.join(Reads::Window(15), "/ws/flood"))
        .collect();
    let waiting = world.join(Reads::Window(15), "/ws/waiting");
    let zeros = vec![0; MESSAGE_BYTES_MAX];
    for &flood in &floods {
        (0..2).for_each(|_| world.say(flood, true, &zeros));
    }
    world.say(waiting, false, b"here I am");
    // Each turn reads one of them, and the next comes late.
    for turn in 1..=20 {
        assert_eq!(world.client(waiting).delivered, []);
        world.now = Tick(500 * turn);
        world.turn();
    }
    world.turn();
    assert_eq!(world.client(waiting).delivered.len(), 1);
}

#[test]
fn bytes_that_had_to_wait_are_spent_once() {
    let mut world = World::limited(|limits| {
        limits.rates.bytes_per_second_max = Some(100 << 10);
        limits.pace.inflated_bytes_per_turn = 1;
    });
    let sender = world.join(Reads::Window(15), "/ws");
    // A turn inflates one of them. What is left of the read waits a hundred times.
    let said = payload(1, 4000);
    for _ in 0..100 {
        world.say(sender, true, &said);
    }
    assert!(world.client(sender).sent.len() > 100 << 10);
    world.settle();
    let client = world.client(sender);
    assert_eq!((client.delivered.len(), client.closed), (100, None));
}

#[test]
fn compressed_bytes_are_spent_as_what_they_inflate_to() {
    let mut world = World::limited(|limits| limits.rates.bytes_per_second_max = Some(100 << 10));
    let sender = world.join(Reads::Window(15), "/ws");
    let zeros = vec![0; MESSAGE_BYTES_MAX];
    for _ in 0..100 {
        world.say(sender, true, &zeros);
    }
    assert!(world.client(sender).sent.len() < 10 << 10);
    world.settle();
    let client = world.client(sender);
    // Five seconds' worth, which is what may come at once.
    assert_eq!((client.delivered.len(), client.closed), (7, Some(1008)));
}

#[test]
fn what_grows_by_being_compressed_is_bounded_when_it_is_inflated() {
    let mut world = World::new(usize::MAX);
    let sender = world.join(Reads::Window(15), "/ws");
    for (bytes, closed) in [
        (MESSAGE_BYTES_MAX, None),
        (MESSAGE_BYTES_MAX + 1, Some(1009)),
    ] {
        // Stored as it is, in two blocks.
        let mut stored = Vec::new();
        for block in vec![7; bytes].chunks(40_000) {
            let length = block.len() as u16;
            stored.push(0);
            stored.extend(length.to_le_bytes());
            stored.extend((!length).to_le_bytes());
            stored.extend(block);
        }
        stored.push(0);
        let mut frame = Vec::new();
        Role::Client.write_compressed(MessageKind::Binary, &stored, &mut frame);
        world.client(sender).sent.extend(frame);
        world.settle();
        let client = world.client(sender);
        assert_eq!((client.delivered.len(), client.closed), (1, closed));
    }
}

#[test]
fn a_variant_lasts_as_long_as_its_members() {
    let mut world = World::new(usize::MAX);
    let plain = world.join(Reads::Plain, "/ws");
    world.say(plain, false, &payload(1, 1000));
    world.settle();
    let deflated = |world: &World| world.relay.counters().deflated.messages;
    assert_eq!(deflated(&world), 0, "no member reads it");
    let compressed = [9, 12, 15].map(|bits| world.join(Reads::Window(bits), "/ws"));
    world.say(plain, false, &payload(1, 1000));
    world.settle();
    assert_eq!(deflated(&world), 2, "once for each window");
    compressed.into_iter().for_each(|slot| world.leave(slot));
    world.say(plain, false, &payload(1, 1000));
    world.settle();
    assert_eq!(deflated(&world), 2);
    world.leave(plain);
    assert_eq!((world.relay.topics(), world.relay.log_bytes()), (0, 0));
}

#[test]
fn settings_may_change_under_connections() {
    let mut world = World::new(usize::MAX);
    let reader = world.join(Reads::Window(15), "/ws");
    let said = payload(1, 1000);
    world.say(reader, true, &said);
    world.settle();
    world.relay.set_limits(Limits {
        compression: None,
        ..limits()
    });
    // What was agreed on stays; it is just not made use of.
    world.say(reader, true, &said);
    world.settle();
    world.relay.set_limits(limits());
    world.say(reader, true, &said);
    world.settle();
    let kind = MessageKind::Binary;
    assert_eq!(world.client(reader).delivered, vec![(kind, said); 3]);
    let counters = world.relay.counters();
    assert_eq!((counters.deflated.messages, counters.deflate_small), (2, 0));
}

#[test]
fn what_was_compressed_is_counted() {
    let mut world = World::new(usize::MAX);
    static NOW: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    world
        .relay
        .set_stopwatch(|| NOW.fetch_add(7, std::sync::atomic::Ordering::Relaxed));
    let reader = world.join(Reads::Window(15), "/ws");
    world.say(reader, true, &[b'a'; 1000]);
    world.say(reader, false, &[b'a'; 63]);
    world.say(reader, false, &payload(0, 1000));
    world.settle();
    let counters = *world.relay.counters();
    assert_eq!((counters.deflate_small, counters.deflate_vain), (1, 1));
    assert_eq!((counters.opened, counters.opened_compressed), (1, 1));
    assert_eq!(counters.deflated.messages, 1);
    assert_eq!(counters.deflated.bytes_before, 1000);
    assert!((1..100).contains(&counters.deflated.bytes_after));
    assert_eq!(
        (counters.inflated.messages, counters.inflated.bytes_after),
        (1, 1000)
    );
    assert!((1..100).contains(&counters.inflated.bytes_before));
    assert_eq!(counters.deflate_nanoseconds, 14, "two were tried");
    assert_eq!(counters.inflate_nanoseconds, 7);
}

#[test]
fn a_topic_is_counted_over_all_that_is_read_of_it() {
    let mut world = World::new(usize::MAX);
    let sender = world.join(Reads::Plain, "/ws?echo=0");
    for reads in [
        Reads::Plain,
        Reads::Window(15),
        Reads::Window(15),
        Reads::Window(9),
    ] {
        world.join(reads, "/ws");
    }
    let said = payload(1, 1000);
    (0..3).for_each(|_| world.say(sender, false, &said));
    world.settle();
    let counters = *world.relay.counters();
    assert_eq!(counters.messages, 3);
    assert_eq!(counters.message_bytes, 3 * said.len() as u64);
    assert_eq!(counters.deliveries, 3 * 4, "the sender wants none back");
    let writes = counters.messages_per_write;
    assert_eq!((writes.count(), writes.sum()), (4, 3 * 4));

    // A reader that joins a variant that begins to exist is owed what comes from then on, and no more.
    world.join(Reads::Window(12), "/ws");
    world.join(Reads::Plain, "/ws/other");
    world.say(sender, false, &said);
    world.settle();
    let writes = world.relay.counters().messages_per_write;
    assert_eq!((writes.count(), writes.sum()), (4 + 5, 3 * 4 + 5));
}

#[test]
fn a_masked_bomb_is_refused_where_it_is() {
    let mut world = World::new(usize::MAX);
    let client = world.join(Reads::Window(15), "/ws");
    let bystander = world.join(Reads::Plain, "/ws");
    let compressed = Deflater::new(Window::Bits15, 9)
        .deflate(&vec![0; 16 << 20])
        .expect("it shrinks")
        .to_vec();
    let header = FrameHeader {
        fin: true,
        compressed: true,
        opcode: OpCode::Binary,
        mask: Some([1, 2, 3, 4]),
        payload_bytes: compressed.len() as u64,
    };
    let mut payload = compressed;
    mask::apply(&mut payload, [1, 2, 3, 4]);
    world.client(client).sent = [&header.encode()[..], &payload].concat();
    (0..5).for_each(|_| world.turn());
    assert_eq!(world.client(client).closed, Some(1009));
    world.say(bystander, false, b"still here");
    (0..5).for_each(|_| world.turn());
    assert_eq!(world.client(bystander).delivered.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Each gets its own messages, whole and in order, however small the steps are in which they are
    /// inflated.
    #[test]
    fn steps_change_nothing_of_what_is_said(
        per_turn in prop_oneof![1usize..5000, Just(1 << 20)],
        per_step_min in 1usize..5000,
        said in prop::collection::vec((0usize..4, prop_oneof![Just(None), (0usize..30).prop_map(Some)]), 1..40),
    ) {
        let mut world = World::limited(|limits| {
            limits.pace.inflated_bytes_per_turn = per_turn;
            limits.pace.inflated_bytes_per_step_min = per_step_min;
        });
        let senders: Vec<Slot> = (0..4)
            .map(|number| world.join(Reads::Window(15), &format!("/ws/{number}")))
            .collect();
        let mut expected = vec![Vec::new(); 4];
        for (number, &(sender, blocks)) in said.iter().enumerate() {
            let payload = payload(3 * number + 1, 10 * number + 30);
            match blocks {
                Some(blocks) => say_compressed(&mut world, senders[sender], &something_late(blocks, &payload)),
                None => world.say(senders[sender], false, &payload),
            }
            expected[sender].push((MessageKind::Binary, payload));
            if number.is_multiple_of(3) {
                world.turn();
            }
        }
        world.settle();
        for (slot, expected) in senders.into_iter().zip(expected) {
            prop_assert_eq!(&world.client(slot).delivered, &expected);
        }
    }

    /// A member that joined and stays gets every message from then on, once and in the one order,
    /// whatever it and the sender have agreed on, and wherever writes end.
    #[test]
    fn mixed_topics_carry_the_same_messages(
        write_bytes_max in prop_oneof![Just(usize::MAX), 1usize..3000],
        ops in prop::collection::vec((0u8..10, any::<prop::sample::Index>(), 0usize..3000), 1..60),
    ) {
        let mut world = World::new(write_bytes_max);
        // Of each member that has not left: the number of the next message.
        let mut members: Vec<(Slot, usize, bool)> = Vec::new();
        let mut said: Vec<(Slot, Vec<u8>)> = Vec::new();
        for (op, pick, bytes) in ops {
            match op {
                0..=2 => {
                    let reads = [Reads::Plain, Reads::Window(15), Reads::Window(9)];
                    let echo = !bytes.is_multiple_of(4);
                    let target = if echo { "/ws" } else { "/ws?echo=0" };
                    world.settle();
                    let slot = world.join(reads[bytes % 3], target);
                    members.push((slot, said.len(), echo));
                }
                3 if !members.is_empty() => {
                    world.settle();
                    let (slot, ..) = members.swap_remove(pick.index(members.len()));
                    world.leave(slot);
                }
                4 => world.turn(),
                _ if !members.is_empty() => {
                    let (slot, ..) = members[pick.index(members.len())];
                    let message = payload(said.len(), bytes);
                    world.say(slot, op % 2 == 0, &message);
                    said.push((slot, message));
                    // In the order in which they are said.
                    while !world.client(slot).sent.is_empty() {
                        world.turn();
                    }
                }
                _ => {}
            }
        }
        world.settle();
        for (slot, from, echo) in members {
            let expected = said[from..].iter().filter(|(sender, _)| echo || *sender != slot);
            let expected: Vec<_> = expected.map(|(_, message)| message).collect();
            let delivered = &world.client(slot).delivered;
            let delivered: Vec<_> = delivered.iter().map(|(_, message)| message).collect();
            prop_assert!(delivered == expected, "{} of {} messages", delivered.len(), expected.len());
        }
    }
}
